// DCCP sockets of a new network namespace, compared with what the socket API says of them. Skipped
// where the kernel has no DCCP: Linux 6.16 removed it.

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "netdiag/engine.h"
#include "netdiag/row.h"
#include "netdiag/types/unique_fd.h"
#include "tests/testing/netns.h"
#include "tests/testing/record_fixture.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {
namespace {

using internal::UniqueFd;

constexpr int kDccp = 33;          // IPPROTO_DCCP
constexpr int kTypeDccp = 6;       // SOCK_DCCP
constexpr int kSolDccp = 269;      // SOL_DCCP
constexpr int kServiceOption = 2;  // DCCP_SOCKOPT_SERVICE
constexpr int kGetCurrentMps = 5;  // DCCP_SOCKOPT_GET_CUR_MPS
constexpr uint32_t kService = 0x41414141;

// Why there is nothing to test; empty if there is.
std::string WhyNot() {
  if (geteuid() != 0) return "making a network namespace needs root";
  const UniqueFd fd(socket(AF_INET, kTypeDccp | SOCK_CLOEXEC, kDccp));
  if (fd.ok()) return "";
  return std::string("this kernel has no DCCP sockets (CONFIG_IP_DCCP, module dccp): ") +
         std::strerror(errno);
}

UniqueFd MakeDccp(Family family, int more = 0) {
  UniqueFd fd(socket(static_cast<int>(family), kTypeDccp | SOCK_CLOEXEC | more, kDccp));
  Check(fd.ok(), "socket");
  Set(fd.get(), kSolDccp, kServiceOption, kService);
  return fd;
}

UniqueFd ListenDccp(Family family) {
  UniqueFd fd = MakeDccp(family);
  Bind(fd.get(), Loopback(family));
  Check(listen(fd.get(), 3) == 0, "listen");
  return fd;
}

// Calls `use` with the row of the socket. Expects exactly one, from the kernel.
template <class Use>
void WithRow(int fd, Use use, StateSet states = StateSet::SsAll()) {
  const absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open();
  ASSERT_TRUE(engine.ok()) << engine.status();
  Query query;
  query.protocols = {Protocol::kDccp};
  query.extensions = {Extension::kInfo, Extension::kSocketMemory};
  query.states = states;
  int times = 0;
  const absl::StatusOr<Summary> summary = (*engine)->Visit(query, [&](const Row& row) {
    EXPECT_EQ(row.source(), SourceKind::kNetlink);
    if (row.inode() != InodeOf(fd)) return Flow::kContinue;
    ++times;
    EXPECT_EQ(row.cookie(), CookieOf(fd));
    EXPECT_EQ(row.type(), SocketType::kDccp);
    EXPECT_EQ(row.inet()->local(), LocalOf(fd));
    use(row);
    return Flow::kContinue;
  });
  ASSERT_TRUE(summary.ok()) << summary.status();
  for (const TableOutcome& table : summary->tables) EXPECT_TRUE(table.status.ok()) << table.status;
  EXPECT_EQ(summary->damaged, 0u);
  EXPECT_EQ(times, 1);
  RecordFixture(engine->get(), query, "dccp");
}

TEST(DccpLive, SocketsAreThoseThatTheSocketApiKnows) {
  if (const std::string why = WhyNot(); !why.empty()) GTEST_SKIP() << why;
  InNewNetns([] {
    for (const Family family : {Family::kInet, Family::kInet6}) {
      const UniqueFd listener = ListenDccp(family);
      const UniqueFd client = MakeDccp(family);
      Connect(client.get(), LocalOf(listener.get()));
      const UniqueFd server(Accept(listener.get()));
      Send(client.get(), 100);
      char bytes[200];
      Check(recv(server.get(), bytes, sizeof(bytes), 0) == 100, "recv");
      WithRow(listener.get(), [&](const Row& row) {
        EXPECT_EQ(row.family(), family);
        EXPECT_EQ(row.state(), State::kListen);
      });
      for (const UniqueFd* const socket : {&client, &server}) {
        const int fd = socket->get();
        WithRow(fd, [&](const Row& row) {
          EXPECT_EQ(row.inet()->remote(), AddressBy(getpeername, fd, family));
          // The client is in PARTOPEN until it has a packet of the server in state OPEN.
          const bool part_open = row.state() == State::kPartOpen && socket == &client;
          EXPECT_TRUE(part_open || row.state() == State::kEstablished) << Names(row.state()).word;
          const std::optional<DccpInfo> info = row.dccp_info();
          ASSERT_TRUE(info.has_value());
          EXPECT_FALSE(row.tcp_info().has_value());
          // The largest packet is smaller than the path's MTU, by the headers.
          const uint64_t mtu = (*info)[DccpInfo::Field("pmtu")].value_or(0);
          const auto largest = Get<int>(fd, kSolDccp, kGetCurrentMps);
          EXPECT_GT(mtu, static_cast<uint64_t>(largest));
          EXPECT_LT(mtu, static_cast<uint64_t>(largest) + 200);
        });
      }
    }
  });
}

TEST(DccpLive, AConnectionThatBeginsIsSynSent) {
  if (const std::string why = WhyNot(); !why.empty()) GTEST_SKIP() << why;
  InNewNetns([] {
    const UniqueFd listener = ListenDccp(Family::kInet);
    Deafen(listener.get());
    const UniqueFd waiting = MakeDccp(Family::kInet, SOCK_NONBLOCK);
    Connect(waiting.get(), LocalOf(listener.get()));
    for (const StateSet states : {StateSet::SsAll(), StateSet(State::kSynSent)}) {
      WithRow(
          waiting.get(), [](const Row& row) { EXPECT_EQ(row.state(), State::kSynSent); }, states);
    }
  });
}

}  // namespace
}  // namespace netdiag::testing
