// The exchanges of a Conn do not allocate. Uses the live kernel and one thread.

#include <chrono>
#include <stop_token>

#include <gtest/gtest.h>

#include "netdiag/netlink/abi.h"
#include "netdiag/netlink/conn.h"
#include "tests/testing/alloc_counter.h"
#include "tests/testing/fake_kernel.h"
#include "tests/testing/status_matchers.h"

namespace netdiag::netlink {
namespace {

using namespace netdiag::testing;  // NOLINT

// The number of allocations of the second run of `work`.
template <class F>
uint64_t AllocationsOf(F work) {
  work();
  const AllocCounter counter;
  work();
  return counter.count();
}

class ConnAllocations : public ::testing::Test {
 protected:
  static Request TcpDump() {
    inet_diag_req_v2 body{};
    body.sdiag_family = 2;
    body.sdiag_protocol = 6;
    body.idiag_states = 0xfff;
    return Request(abi::kSockDiagByFamily, kFlagDump,
                   std::as_bytes(std::span<const inet_diag_req_v2, 1>(&body, 1)));
  }

  const std::unique_ptr<Conn> conn_ = Conn::Dial(kFamilySockDiag).value();
  const Request dump_ = TcpDump();
  std::stop_source stop_;
  const CallOptions options_{.deadline = std::chrono::steady_clock::now() + std::chrono::minutes(5),
                             .stop = stop_.get_token()};
};

TEST_F(ConnAllocations, CounterCountsAllocations) {
  int* volatile kept = nullptr;  // volatile, so that the compiler keeps new and delete
  EXPECT_EQ(AllocationsOf([&] {
              kept = new int(1);
              delete kept;
            }),
            1u);
}

TEST_F(ConnAllocations, DumpHasNone) {
  EXPECT_EQ(
      AllocationsOf([&] { EXPECT_TRUE(conn_->Dump(dump_, Conn::IgnoreMessage, options_).ok()); }),
      0u);
}

TEST_F(ConnAllocations, ExecuteHasNone) {
  const Request noop(kTypeNoop, kFlagAck);
  EXPECT_EQ(
      AllocationsOf([&] { EXPECT_TRUE(conn_->Execute(noop, Conn::IgnoreMessage, options_).ok()); }),
      0u);
}

TEST_F(ConnAllocations, SendAndTryReceiveHaveNone) {
  EXPECT_EQ(AllocationsOf([&] {
              EXPECT_TRUE(conn_->Send(dump_, options_).ok());
              absl::StatusOr<Ready> ready = conn_->TryReceive(Conn::IgnoreMessage);
              while (ready.ok() && *ready == Ready::kSome)
                ready = conn_->TryReceive(Conn::IgnoreMessage);
              EXPECT_TRUE(ready.ok() && *ready == Ready::kDone);
              EXPECT_EQ(*conn_->TryReceive(Conn::IgnoreMessage), Ready::kWouldBlock);
            }),
            0u);
}

}  // namespace
}  // namespace netdiag::netlink
