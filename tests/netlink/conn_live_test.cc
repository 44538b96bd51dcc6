// A Conn and the live kernel.

#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/netlink/abi.h"
#include "netdiag/netlink/conn.h"
#include "netdiag/types/error.h"
#include "tests/testing/fake_kernel.h"
#include "tests/testing/netns.h"
#include "tests/testing/status_matchers.h"

namespace netdiag::netlink {
namespace {

using ::testing::Not;
using ::testing::SizeIs;
using namespace netdiag::testing;  // NOLINT

// No other program has sockets, or the port ids that the tests choose, in this namespace.
const auto* const kNetns = ::testing::AddGlobalTestEnvironment(new NewNetnsEnvironment);

constexpr uint16_t kGetLink = 18, kGetAddress = 22;  // RTM_GETLINK, RTM_GETADDR
constexpr uint32_t kGroupLink = 1;                   // RTNLGRP_LINK

template <class T>
Bytes BytesOf(const T& value) {
  return std::as_bytes(std::span<const T, 1>(&value, 1));
}

CallOptions Soon() {
  return {.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20)};
}

Request InetDump(uint8_t protocol, uint8_t family = AF_INET) {
  inet_diag_req_v2 body{};
  body.sdiag_family = family;
  body.sdiag_protocol = protocol;
  body.idiag_states = 0xfff;
  return Request(abi::kSockDiagByFamily, kFlagDump, BytesOf(body));
}

Request Noop() { return Request(kTypeNoop, kFlagAck); }

std::unique_ptr<Conn> MustDial(int family = kFamilySockDiag, Config config = {}) {
  return Conn::Dial(family, std::move(config)).value();
}

// A netlink socket that is bound but not connected.
int PlainNetlink(int family = kFamilySockDiag) {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, family);
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  return fd;
}

// Sends from another socket. Returns 0 or an errno.
int SendFromElsewhere(uint32_t port_id, Bytes bytes) {
  const int fd = PlainNetlink();
  sockaddr_nl to{};
  to.nl_family = AF_NETLINK;
  to.nl_pid = port_id;
  const ssize_t sent =
      sendto(fd, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof(to));
  const int errnum = sent < 0 ? errno : 0;
  close(fd);
  return errnum;
}

// UDP sockets: with enough of them, a dump spans several datagrams.
class Sockets {
 public:
  explicit Sockets(int count) {
    for (int i = 0; i < count; ++i) {
      const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
      fds_.push_back(fd);
    }
  }
  Sockets(const Sockets&) = delete;
  Sockets& operator=(const Sockets&) = delete;
  ~Sockets() {
    for (const int fd : fds_) close(fd);
  }

 private:
  std::vector<int> fds_;
};

// A network namespace with a link that goes up and down.
class PrivateNetns {
 public:
  PrivateNetns() {
    std::thread([&] {
      ASSERT_EQ(unshare(CLONE_NEWNET), 0) << "needs root";
      control_ = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      fd_ = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    }).join();
  }
  PrivateNetns(const PrivateNetns&) = delete;
  PrivateNetns& operator=(const PrivateNetns&) = delete;
  ~PrivateNetns() {
    close(fd_);
    close(control_);
  }
  NetNs netns() const { return NetNs::FromFd(fd_); }
  // Each call makes the kernel notify RTNLGRP_LINK.
  void Toggle() {
    up_ = !up_;
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = up_ ? IFF_UP : 0;
    ASSERT_EQ(ioctl(control_, SIOCSIFFLAGS, &request), 0);
  }

 private:
  int control_ = -1;
  int fd_ = -1;
  bool up_ = false;
};

TEST(ConnLive, NoopWithAckIsAcknowledged) {
  const auto conn = MustDial();
  for (int i = 0; i < 3; ++i)
    EXPECT_THAT(conn->Execute(Noop(), Conn::IgnoreMessage, Soon()), IsOk());
  EXPECT_EQ(conn->stats().stale, 0u);
}

TEST(ConnLive, DumpFindsOurSockets) {
  const Sockets sockets(600);
  const auto conn = MustDial();
  const absl::StatusOr<DumpResult> result =
      conn->Dump(InetDump(IPPROTO_UDP), Conn::IgnoreMessage, Soon());
  ASSERT_THAT(result, IsOk());
  EXPECT_GE(result->messages, 600u);
  EXPECT_GE(result->datagrams, 3u);
  EXPECT_FALSE(result->interrupted);
}

TEST(ConnLive, StoppedDumpLeavesTheConnUsable) {
  const Sockets sockets(600);
  const auto conn = MustDial();
  for (int i = 0; i < 5; ++i) {
    Collector one;
    one.limit = 1;
    const absl::StatusOr<DumpResult> result = conn->Dump(InetDump(IPPROTO_UDP), one, Soon());
    ASSERT_THAT(result, IsOk());
    EXPECT_TRUE(result->stopped);
    EXPECT_THAT(one.texts, SizeIs(1));
  }
  EXPECT_THAT(conn->Execute(Noop(), Conn::IgnoreMessage, Soon()), IsOk());
  const absl::StatusOr<DumpResult> whole =
      conn->Dump(InetDump(IPPROTO_UDP), Conn::IgnoreMessage, Soon());
  ASSERT_THAT(whole, IsOk());
  EXPECT_GE(whole->messages, 600u);
  EXPECT_EQ(conn->stats().busy_retries, 0u);  // the Conn reads the rest of the old dump first
  EXPECT_GE(conn->stats().stale, 5 * 300u);   // 600 minus one datagram for each dump
}

TEST(ConnLive, RetriesWhileAnotherDumpRunsOnTheSocket) {
  const Sockets sockets(600);
  const auto conn = MustDial();
  // A raw write, so that the Conn does not know that this is a dump.
  ASSERT_THAT(conn->Write(InetDump(IPPROTO_UDP)), IsOk());
  const absl::StatusOr<DumpResult> result =
      conn->Dump(InetDump(IPPROTO_UDP), Conn::IgnoreMessage, Soon());
  ASSERT_THAT(result, IsOk());
  EXPECT_GE(result->messages, 600u);
  EXPECT_EQ(conn->stats().busy_retries, 1u);
}

TEST(ConnLive, EventLoopReadsADump) {
  const Sockets sockets(600);
  const auto conn = MustDial();
  ASSERT_THAT(conn->Send(InetDump(IPPROTO_UDP)), IsOk());
  for (Ready ready = Ready::kSome; ready != Ready::kDone;) {
    pollfd readable{conn->fd(), POLLIN, 0};
    ASSERT_EQ(poll(&readable, 1, 20000), 1);
    const absl::StatusOr<Ready> got = conn->TryReceive(Conn::IgnoreMessage);
    ASSERT_THAT(got, IsOk());
    ready = *got;
  }
  EXPECT_GE(conn->progress().messages, 600u);
  EXPECT_EQ(*conn->TryReceive(Conn::IgnoreMessage), Ready::kWouldBlock);
}

// The kernel sends the errno in DONE if the protocol is missing, and in ERROR if the family is (in
// DONE on 6.1).
TEST(ConnLive, MissingHandlersAreErrors) {
  const auto conn = MustDial();
  const auto type_of_answer = [&] {
    uint16_t type = 0;
    EXPECT_THAT(
        conn->ReceiveDatagram(
            [&](const Datagram& datagram) { type = HeaderOf(datagram.bytes).type; }, Soon()),
        IsOk());
    return type;
  };
  // No kernel has a dump of this protocol (for experiments, RFC 3692) and of this family.
  const Request protocol = InetDump(253), family = InetDump(0, AF_IEEE802154);
  ASSERT_THAT(conn->Write(protocol), IsOk());
  EXPECT_EQ(type_of_answer(), kTypeDone);
  ASSERT_THAT(conn->Write(family), IsOk());
  EXPECT_THAT(type_of_answer(), ::testing::AnyOf(kTypeError, kTypeDone));
  for (const Request* request : {&protocol, &family}) {
    const absl::Status status = conn->Dump(*request, Conn::IgnoreMessage, Soon()).status();
    EXPECT_THAT(status, ErrnoIs(ENOENT));
    EXPECT_TRUE(IsUnsupported(status));
  }
}

TEST(ConnLive, WordsOfTheKernelAreInTheStatus) {
  Config config;
  config.strict_check = true;
  config.strict = true;
  const auto conn = MustDial(kFamilyRoute, std::move(config));
  const absl::Status status =
      conn->Dump(Request(kGetAddress, kFlagDump, Text("bad.")), Conn::IgnoreMessage, Soon())
          .status();
  EXPECT_THAT(status, ErrnoIs(EINVAL));
  EXPECT_THAT(WordsOfKernel(status).message, ::testing::HasSubstr("nvalid header")) << status;
}

TEST(ConnLive, WithoutExtendedAckThereAreNoWords) {
  Config config;
  config.strict_check = true;
  config.extended_ack = false;
  const auto conn = MustDial(kFamilyRoute, std::move(config));
  const absl::Status status =
      conn->Dump(Request(kGetAddress, kFlagDump, Text("bad.")), Conn::IgnoreMessage, Soon())
          .status();
  EXPECT_THAT(status, ErrnoIs(EINVAL));
  EXPECT_EQ(WordsOfKernel(status).message, "");
}

TEST(ConnLive, DatagramLargerThanTheBufferLeavesTheConnUsable) {
  const Sockets sockets(100);
  Config config;
  config.receive_buffer = 64;
  const auto conn = MustDial(kFamilySockDiag, std::move(config));
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(conn->Dump(InetDump(IPPROTO_UDP), Conn::IgnoreMessage, Soon()), ErrnoIs(EMSGSIZE));
    EXPECT_THAT(conn->Execute(Noop(), Conn::IgnoreMessage, Soon()), IsOk());
  }
}

TEST(ConnLive, OthersCannotSendToADialledConn) {
  const auto conn = MustDial();
  EXPECT_EQ(SendFromElsewhere(conn->port_id(), Text("forged datagram!")), ECONNREFUSED);
  EXPECT_EQ(*conn->TryReceive(Conn::IgnoreMessage), Ready::kWouldBlock);
  EXPECT_EQ(conn->stats().foreign, 0u);
}

TEST(ConnLive, ForeignDatagramsAreDroppedAndCounted) {
  const auto conn = Conn::Adopt(PlainNetlink()).value();
  const Request forged(20, kFlagMulti, Text("forged"));
  ASSERT_EQ(SendFromElsewhere(conn->port_id(), forged), 0);
  EXPECT_THAT(conn->Execute(Noop(), Conn::IgnoreMessage, Soon()), IsOk());
  ASSERT_EQ(SendFromElsewhere(conn->port_id(), forged), 0);
  EXPECT_EQ(*conn->TryReceive([](const Message&) {
    ADD_FAILURE() << "visited";
    return Flow::kContinue;
  }),
            Ready::kSome);
  EXPECT_EQ(conn->stats().foreign, 2u);
  EXPECT_EQ(conn->stats().stale, 0u);
}

TEST(ConnLive, SendToReachesAnotherPort) {
  const auto conn = Conn::Adopt(PlainNetlink()).value();
  const int other = PlainNetlink();
  sockaddr_nl address{};
  socklen_t size = sizeof(address);
  ASSERT_EQ(getsockname(other, reinterpret_cast<sockaddr*>(&address), &size), 0);
  EXPECT_THAT(conn->SendTo(Text("hello, other one"), {.port_id = address.nl_pid}), IsOk());
  std::array<char, 32> buffer;
  EXPECT_EQ(recv(other, buffer.data(), buffer.size(), 0), 16);
  close(other);
}

TEST(ConnLive, PortIdsAreChosenByTheKernelOrTheConfig) {
  const auto first = MustDial();
  const auto second = MustDial();
  EXPECT_NE(first->port_id(), second->port_id());
  EXPECT_EQ(first->LocalAddress()->port_id, first->port_id());
  EXPECT_EQ(first->RemoteAddress()->port_id, 0u);
  Config config;
  config.port_id = 0x7eadbeef;
  const auto third = MustDial(kFamilySockDiag, std::move(config));
  EXPECT_EQ(third->port_id(), 0x7eadbeefu);
  Config same;
  same.port_id = 0x7eadbeef;
  EXPECT_THAT(Conn::Dial(kFamilySockDiag, std::move(same)), ErrnoIs(EADDRINUSE));
}

TEST(ConnLive, UnknownNetlinkFamilyIsUnsupported) {
  EXPECT_TRUE(IsUnsupported(Conn::Dial(31).status()));
}

TEST(ConnLive, BuffersAreDoubledByTheKernel) {
  Config config;
  config.socket_receive_buffer = 16384;
  const auto conn = MustDial(kFamilySockDiag, std::move(config));
  EXPECT_EQ(conn->ReadBuffer().value(), 32768);
  EXPECT_THAT(conn->SetReadBuffer(8192), IsOk());
  EXPECT_EQ(conn->ReadBuffer().value(), 16384);
  EXPECT_THAT(conn->SetWriteBuffer(8192), IsOk());
  EXPECT_EQ(conn->WriteBuffer().value(), 16384);
  EXPECT_THAT(conn->GetOption(SOL_SOCKET, 9999), ErrnoIs(ENOPROTOOPT));
}

TEST(ConnLive, BpfDropsUntilItIsRemoved) {
  const auto conn = MustDial();
  EXPECT_THAT(conn->SetBPF({}), ErrnoIs(EINVAL));
  EXPECT_THAT(conn->RemoveBPF(), ErrnoIs(ENOENT));
  const std::array<BpfInstruction, 1> drop = {{{.code = 0x06, .k = 0}}};  // ret #0
  ASSERT_THAT(conn->SetBPF(drop), IsOk());
  EXPECT_THAT(
      conn->Execute(Noop(), Conn::IgnoreMessage,
                    {.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(50)}),
      EndedByDeadline());
  ASSERT_THAT(conn->RemoveBPF(), IsOk());
  EXPECT_THAT(conn->Execute(Noop(), Conn::IgnoreMessage, Soon()), IsOk());
}

TEST(ConnLive, GroupsNotifyUntilTheyAreLeft) {
  PrivateNetns netns;
  Config config;
  config.netns = netns.netns();
  const auto conn = MustDial(kFamilyRoute, std::move(config));
  netns.Toggle();
  EXPECT_EQ(*conn->TryReceive(Conn::IgnoreMessage), Ready::kWouldBlock);
  ASSERT_THAT(conn->JoinGroup(kGroupLink), IsOk());
  netns.Toggle();
  uint32_t groups = 0;
  EXPECT_THAT(conn->ReceiveDatagram([&](const Datagram& got) { groups = got.groups; }, Soon()),
              IsOk());
  EXPECT_EQ(groups, 1u << (kGroupLink - 1));
  while (*conn->TryReceive(Conn::IgnoreMessage) != Ready::kWouldBlock) {
  }
  ASSERT_THAT(conn->LeaveGroup(kGroupLink), IsOk());
  netns.Toggle();
  EXPECT_EQ(*conn->TryReceive(Conn::IgnoreMessage), Ready::kWouldBlock);
  EXPECT_THAT(conn->JoinGroup(100000), Not(IsOk()));
}

TEST(ConnLive, DumpIsNotDisturbedByNotifications) {
  PrivateNetns netns;
  Config config;
  config.netns = netns.netns();
  config.groups = 1u << (kGroupLink - 1);
  const auto conn = MustDial(kFamilyRoute, std::move(config));
  EXPECT_EQ(conn->LocalAddress()->groups, 1u);
  for (int i = 0; i < 4; ++i) netns.Toggle();
  Collector links;
  EXPECT_THAT(conn->Dump(Request(kGetLink, kFlagDump, Packet(16)), links, Soon()), IsOk());
  EXPECT_GE(links.texts.size(), 1u);
  EXPECT_GE(conn->stats().stale, 4u);
}

TEST(ConnLive, OverrunIsReportedOnceAndTheConnUsableAfterwards) {
  PrivateNetns netns;
  Config config;
  config.netns = netns.netns();
  config.groups = 1u << (kGroupLink - 1);
  config.socket_receive_buffer = 4096;
  const auto conn = MustDial(kFamilyRoute, std::move(config));
  for (int i = 0; i < 200; ++i) netns.Toggle();
  const Request links(kGetLink, kFlagDump, Packet(16));
  EXPECT_THAT(conn->Dump(links, Conn::IgnoreMessage, Soon()), ErrnoIs(ENOBUFS));
  EXPECT_GE(conn->stats().overruns, 1u);
  const absl::StatusOr<DumpResult> result = conn->Dump(links, Conn::IgnoreMessage, Soon());
  ASSERT_THAT(result, IsOk());
  EXPECT_GE(result->messages, 1u);
}

TEST(ConnLive, NoEnobufsMakesOverrunsSilent) {
  PrivateNetns netns;
  Config config;
  config.netns = netns.netns();
  config.groups = 1u << (kGroupLink - 1);
  config.socket_receive_buffer = 4096;
  config.no_enobufs = true;
  config.strict = true;
  const auto conn = MustDial(kFamilyRoute, std::move(config));
  for (int i = 0; i < 200; ++i) netns.Toggle();
  absl::StatusOr<Ready> ready = conn->TryReceive(Conn::IgnoreMessage);
  while (ready.ok() && *ready != Ready::kWouldBlock) ready = conn->TryReceive(Conn::IgnoreMessage);
  EXPECT_THAT(ready, IsOk());
}

TEST(ConnLive, NeedsNoPrivilege) {
  if (geteuid() != 0) GTEST_SKIP() << "already unprivileged; the other tests cover this";
  const Sockets sockets(3);
  absl::StatusOr<DumpResult> result;
  // The raw system call changes this thread only; glibc would change the whole process.
  std::thread([&] {
    ASSERT_EQ(syscall(SYS_setresuid, 65534, 65534, 65534), 0);
    Config config;
    config.socket_receive_buffer = 8192;  // SO_RCVBUFFORCE fails
    result = MustDial(kFamilySockDiag, std::move(config))
                 ->Dump(InetDump(IPPROTO_UDP), Conn::IgnoreMessage, Soon());
  }).join();
  ASSERT_THAT(result, IsOk());
  EXPECT_GE(result->messages, 3u);
}

}  // namespace
}  // namespace netdiag::netlink
