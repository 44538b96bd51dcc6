// Closing sockets against a fake kernel: which requests are made, which are never made, and what
// the answers come to. tests/live/destroy_live_test.cc asks the kernel.

#include "netdiag/engine/destroy.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/netlink/abi.h"
#include "netdiag/types/error.h"
#include "tests/testing/fake_kernel.h"
#include "tests/testing/messages.h"
#include "tests/testing/status_matchers.h"

namespace netdiag::internal {
namespace {

using testing::Done;
using ::testing::ElementsAre;
using testing::ErrnoIs;
using testing::Error;
using testing::FakeKernel;
using ::testing::HasSubstr;
using testing::HeaderOf;
using testing::InetMessage;
using ::testing::IsEmpty;
using testing::IsOk;
using testing::Packet;
using testing::Packets;

constexpr uint16_t kPort = 8080;

// A kernel with sockets of one protocol that all have one name. It selects the first of them.
class Kernel {
 public:
  explicit Kernel(std::vector<uint64_t> cookies)
      : cookies_(std::move(cookies)), fake_([this](Bytes request) { return Answer(request); }) {}

  // How requests to close are answered before anything else happens; 0: they are served.
  int refusal = 0;
  // Answers every request with ENOENT, as a kernel without the protocol's part of sock_diag.
  bool knows_the_protocol = true;
  bool compares_cookies = true;
  // Requests to close after which the kernel does not answer any more.
  size_t patience = SIZE_MAX;

  netlink::Conn* conn() { return &fake_.conn(); }
  int requests() const { return fake_.requests(); }
  // The cookies in the requests to close.
  const std::vector<uint64_t>& asked() const { return asked_; }
  const std::vector<uint64_t>& living() const { return cookies_; }

 private:
  static Packet Row(Bytes request, uint64_t cookie, uint16_t flags) {
    InetMessage row;
    row.fixed.id.idiag_cookie[0] = static_cast<uint32_t>(cookie);
    row.fixed.id.idiag_cookie[1] = static_cast<uint32_t>(cookie >> 32);
    const Packet built = row.Build();
    return testing::Reply(request, netlink::abi::kSockDiagByFamily, flags,
                          Bytes(built).subspan(netlink::kHeaderSize));
  }

  Packets Answer(Bytes request) {
    if (!knows_the_protocol) return {Error(request, ENOENT)};
    const netlink::Header header = HeaderOf(request);
    if (header.type == SOCK_DESTROY) return Close(request);
    if ((header.flags & netlink::kFlagDump) != netlink::kFlagDump) {
      if (cookies_.empty()) return {Error(request, ENOENT)};
      return {Row(request, cookies_.front(), 0)};
    }
    Packets rows;
    for (const uint64_t cookie : cookies_) {
      rows.push_back(Row(request, cookie, netlink::kFlagMulti));
    }
    rows.push_back(Done(request));
    return {testing::Join(rows)};
  }

  Packets Close(Bytes request) {
    const auto body = *netlink::Load<inet_diag_req_v2>(request, netlink::kHeaderSize);
    const uint64_t cookie = body.id.idiag_cookie[0] | static_cast<uint64_t>(body.id.idiag_cookie[1])
                                                          << 32;
    asked_.push_back(cookie);
    if (asked_.size() > patience) return {};
    if (refusal != 0) return {Error(request, refusal)};
    if (cookies_.empty() || (compares_cookies && cookies_.front() != cookie)) {
      return {Error(request, ENOENT)};
    }
    cookies_.erase(cookies_.begin());
    return {Error(request, 0)};
  }

  std::vector<uint64_t> cookies_;
  std::vector<uint64_t> asked_;
  FakeKernel fake_;  // last, so that its thread ends first
};

std::vector<SocketName> Named(Protocol protocol, const std::vector<uint64_t>& cookies) {
  std::vector<SocketName> names;
  for (const uint64_t cookie : cookies) {
    names.push_back({.protocol = protocol,
                     .local = {IpAddress::V4(127, 0, 0, 1), Port::FromHost(kPort)},
                     .remote = {IpAddress::V4(0, 0, 0, 0), Port()},
                     .cookie = Cookie(cookie)});
  }
  return names;
}

// What BPF was asked to close, and what it answers.
struct Bpf {
  absl::Status status = ErrnoError(EPERM, "bpf", "may not be used");
  std::vector<bpf::CloseResult> results;
  std::vector<std::vector<uint64_t>> asked;
};

std::vector<DestroyOutcome> Close(Kernel* kernel, const std::vector<SocketName>& sockets, Bpf* bpf,
                                  const netlink::CallOptions& call = {}) {
  const auto options = [](const Table&) { return DumpOptions(); };
  const auto close_by_bpf =
      [&](Protocol,
          std::span<const Cookie> cookies) -> absl::StatusOr<std::vector<bpf::CloseResult>> {
    std::vector<uint64_t>& asked = bpf->asked.emplace_back();
    for (const Cookie cookie : cookies) asked.push_back(cookie.value());
    if (!bpf->status.ok()) return bpf->status;
    return bpf->results;
  };
  std::vector<size_t> which;
  for (size_t i = 0; i < sockets.size(); ++i) which.push_back(i);
  std::vector<DestroyOutcome> outcomes(sockets.size());
  DestroyIn({kernel->conn(), NetnsId(1), options, close_by_bpf}, sockets, which, call, &outcomes);
  return outcomes;
}

std::vector<DestroyOutcome> Close(Kernel* kernel, const std::vector<SocketName>& sockets) {
  Bpf none;
  return Close(kernel, sockets, &none);
}

std::vector<Destroyed> Kinds(const std::vector<DestroyOutcome>& outcomes) {
  std::vector<Destroyed> kinds;
  for (const DestroyOutcome& each : outcomes) kinds.push_back(each.outcome);
  return kinds;
}

TEST(DestroyRequests, AreNeverMadeForASocketWhoseCookieIsUnknown) {
  Kernel kernel({7});
  // All ones would select any socket of the name.
  const auto outcomes = Close(&kernel, Named(Protocol::kTcp, {0, ~uint64_t{0}}));
  EXPECT_THAT(Kinds(outcomes), ElementsAre(Destroyed::kRefused, Destroyed::kRefused));
  for (const DestroyOutcome& outcome : outcomes) {
    EXPECT_THAT(outcome.status, ErrnoIs(EINVAL));
    EXPECT_THAT(outcome.status.ToString(), HasSubstr("/proc/net"));
  }
  EXPECT_EQ(kernel.requests(), 0);
}

TEST(DestroyRequests, AreNeverMadeForProtocolsThatNoKernelCloses) {
  for (const Protocol protocol : {Protocol::kMptcp, Protocol::kUdpLite, Protocol::kIcmp,
                                  Protocol::kUnix, Protocol::kNetlink}) {
    Kernel kernel({7});
    const auto outcomes = Close(&kernel, Named(protocol, {7}));
    EXPECT_EQ(outcomes[0].outcome, Destroyed::kRefused);
    EXPECT_THAT(outcomes[0].status, ErrnoIs(EOPNOTSUPP));
    EXPECT_EQ(kernel.requests(), 0) << Names(protocol).word;
    if (protocol == Protocol::kMptcp) {
      EXPECT_THAT(outcomes[0].status.ToString(), HasSubstr("subflows"));
    }
  }
}

TEST(DestroyRequests, SayWhichPrivilegeOrOptionIsMissing) {
  const struct {
    int errnum;
    const char* words;
  } rows[] = {{EPERM, "CAP_NET_ADMIN"},
              {EOPNOTSUPP, "CONFIG_INET_DIAG_DESTROY"},
              {EINVAL, "listeners of MPTCP"}};
  for (const auto& [errnum, words] : rows) {
    Kernel kernel({7});
    kernel.refusal = errnum;
    const auto outcomes = Close(&kernel, Named(Protocol::kTcp, {7}));
    EXPECT_EQ(outcomes[0].outcome, Destroyed::kRefused);
    EXPECT_THAT(outcomes[0].status, ErrnoIs(errnum));
    EXPECT_THAT(outcomes[0].status.ToString(), HasSubstr(words));
    EXPECT_THAT(kernel.living(), ElementsAre(7));
  }
}

TEST(DestroyRequests, SayThatTheKernelHasNoPartForTheProtocol) {
  Kernel kernel({7});
  kernel.knows_the_protocol = false;
  const auto outcomes = Close(&kernel, Named(Protocol::kRaw, {7}));
  EXPECT_EQ(outcomes[0].outcome, Destroyed::kRefused);
  EXPECT_THAT(outcomes[0].status.ToString(), HasSubstr("raw_diag"));
}

// The kernel closes the raw socket that it selects, whatever its cookie is.
TEST(DestroyRequests, CloseARawSocketOnlyIfTheKernelWouldSelectIt) {
  Kernel kernel({7, 8});
  kernel.compares_cookies = false;
  const auto outcomes = Close(&kernel, Named(Protocol::kRaw, {8}));
  EXPECT_EQ(outcomes[0].outcome, Destroyed::kNotSelectable);
  EXPECT_THAT(kernel.asked(), IsEmpty());
  EXPECT_THAT(kernel.living(), ElementsAre(7, 8));

  EXPECT_EQ(Close(&kernel, Named(Protocol::kRaw, {7}))[0].outcome, Destroyed::kClosed);
  EXPECT_THAT(kernel.living(), ElementsAre(8));
  EXPECT_EQ(Close(&kernel, Named(Protocol::kRaw, {9}))[0].outcome, Destroyed::kGone);
  EXPECT_THAT(kernel.living(), ElementsAre(8));
}

TEST(DestroyRequests, AreRepeatedWhileASocketCloses) {
  Kernel kernel({1, 2, 3, 4});
  Bpf bpf;
  // The last ones hide behind the first ones. 9 does not exist.
  const auto outcomes = Close(&kernel, Named(Protocol::kTcp, {4, 3, 2, 1, 9}), &bpf);
  EXPECT_THAT(Kinds(outcomes),
              ElementsAre(Destroyed::kClosed, Destroyed::kClosed, Destroyed::kClosed,
                          Destroyed::kClosed, Destroyed::kGone));
  EXPECT_THAT(kernel.living(), IsEmpty());
}

TEST(DestroyRequests, SayWhichSocketsCannotBeSelectedAndWhyBpfDidNotHelp) {
  Kernel kernel({1, 2, 3});
  Bpf bpf;
  const auto outcomes = Close(&kernel, Named(Protocol::kUdp, {2, 3}), &bpf);
  EXPECT_THAT(Kinds(outcomes), ElementsAre(Destroyed::kNotSelectable, Destroyed::kNotSelectable));
  EXPECT_THAT(outcomes[0].status.ToString(), HasSubstr("may not be used"));
  EXPECT_THAT(kernel.living(), ElementsAre(1, 2, 3));
}

TEST(DestroyByBpf, GetsOnlySocketsThatLiveAndCannotBeSelected) {
  Kernel kernel({1, 2, 3});
  Bpf bpf;
  bpf.status = absl::OkStatus();
  bpf.results = {{.visited = true, .errnum = 0}, {.visited = true, .errnum = EOPNOTSUPP}};
  // 1 hides the others. 2 is named twice, and 4 does not exist.
  const auto outcomes = Close(&kernel, Named(Protocol::kTcp, {4, 3, 2, 2}), &bpf);
  EXPECT_THAT(bpf.asked, ElementsAre(ElementsAre(2, 3)));
  EXPECT_THAT(Kinds(outcomes), ElementsAre(Destroyed::kGone, Destroyed::kNotSelectable,
                                           Destroyed::kClosed, Destroyed::kClosed));
  EXPECT_THAT(outcomes[1].status.ToString(), HasSubstr("bpf_sock_destroy"));
  EXPECT_THAT(kernel.living(), ElementsAre(1, 2, 3));
}

TEST(DestroyByBpf, IsNotAskedForOtherProtocols) {
  Kernel kernel({1, 2});
  Bpf bpf;
  bpf.status = absl::OkStatus();
  EXPECT_EQ(Close(&kernel, Named(Protocol::kRaw, {2}), &bpf)[0].outcome, Destroyed::kNotSelectable);
  EXPECT_THAT(bpf.asked, IsEmpty());
}

TEST(DestroyRequests, KeepTheOutcomesFromBeforeTheEndOfTheCall) {
  Kernel kernel({1, 2, 3});
  kernel.patience = 1;
  Bpf bpf;
  const auto soon = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
  const auto outcomes = Close(&kernel, Named(Protocol::kTcp, {1, 2, 3}), &bpf, {.deadline = soon});
  EXPECT_THAT(Kinds(outcomes),
              ElementsAre(Destroyed::kClosed, Destroyed::kRefused, Destroyed::kRefused));
  EXPECT_THAT(outcomes[1].status, testing::EndedByDeadline());
  EXPECT_THAT(outcomes[2].status, testing::EndedByDeadline());
}

}  // namespace
}  // namespace netdiag::internal
