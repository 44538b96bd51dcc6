// The running kernel's events: which ways of ending a socket give one, what it tells, and what is
// known of those that are lost.

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <poll.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/destroy.h"
#include "netdiag/engine.h"
#include "netdiag/events.h"
#include "netdiag/filter/filter.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/row.h"
#include "netdiag/types/error.h"
#include "tests/live/netns_testing.h"
#include "tests/testing/netns.h"
#include "tests/testing/sockets.h"
#include "tests/testing/status_matchers.h"

namespace netdiag::testing {
namespace {

using netlink::Conn;
using netlink::NetNs;
using netlink::Ready;

const Query kTcpAndUdp = {.protocols = {Protocol::kTcp, Protocol::kUdp}};

// What an event told.
struct Seen {
  Protocol protocol;
  Family family;
  State state;
  Endpoint local, remote;
  IfIndex interface;
  Inode inode;
  Uid uid;
  size_t size;                              // of the message
  std::optional<uint64_t> acked, received;  // bytes of TCP, from tcp_info
  uint32_t receive_queue, send_queue, raw_send_queue;
};

// Follows the events of the calling thread's namespace.
class Follower {
 public:
  explicit Follower(const Query& query = kTcpAndUdp, const EventOptions& options = {}) {
    absl::StatusOr<std::unique_ptr<Events>> events = Events::Open(query, options);
    EXPECT_THAT(events, IsOk());
    events_ = *std::move(events);
  }

  Events* operator->() { return events_.get(); }

  // Waits for the event of this socket.
  const Seen& Await(Cookie cookie) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    while (seen_[cookie].empty()) {
      const auto ready =
          events_->Receive([this](const Row& row) { return Add(row); }, {.deadline = deadline});
      Check(ready.ok(), ready.status().ToString());
    }
    return seen_[cookie][0];
  }
  // Waits until events that were sent before have arrived. The kernel sends them from a queue of
  // its own.
  void Settle() {
    for (int i = 0; i < 3; ++i) {
      const int fd = Make(Family::kInet, SOCK_DGRAM);
      const Cookie cookie = CookieOf(fd);
      close(fd);
      Await(cookie);
      seen_.erase(cookie);
    }
  }
  size_t Count(Cookie cookie) { return seen_[cookie].size(); }
  const std::map<Cookie, std::vector<Seen>>& all() const { return seen_; }

 private:
  Flow Add(const Row& row) {
    const InetSocket& socket = *row.inet();
    const std::optional<TcpInfo> info = row.tcp_info();
    seen_[row.cookie()].push_back({row.protocol(), row.family(), row.state(), socket.local(),
                                   socket.remote(), socket.interface(), socket.inode(),
                                   socket.uid(), row.message().whole().size(),
                                   info ? (*info)[TcpInfo::Field("bytes_acked")] : std::nullopt,
                                   info ? (*info)[TcpInfo::Field("bytes_received")] : std::nullopt,
                                   row.receive_queue(), row.send_queue(), socket.send_queue()});
    return Flow::kContinue;
  }

  std::unique_ptr<Events> events_;
  std::map<Cookie, std::vector<Seen>> seen_;
};

// Waits until the socket has something to read, or its end.
void AwaitReadable(int fd) {
  pollfd wait = {fd, POLLIN, 0};
  Check(poll(&wait, 1, 60'000) == 1, "poll");
}

std::string ReadAll(int fd) {
  std::string text(4096, '\0');
  const ssize_t size = recv(fd, text.data(), text.size(), 0);
  return text.substr(0, static_cast<size_t>(std::max<ssize_t>(size, 0)));
}

// ---- Ways of ending ----

// The closed end goes into TIME_WAIT at most, which is another socket with the same cookie.
TEST(EventsLive, AnActiveCloseGivesItsEventWhileThePeerStaysOpen) {
  InNewNetns([] {
    Follower events;
    for (const Family family : {Family::kInet, Family::kInet6}) {
      const Pair pair = MakePair(family);
      Send(pair.client, 100);
      AwaitReadable(pair.server);
      EXPECT_EQ(ReadAll(pair.server).size(), 100u);
      Send(pair.server, 50);
      AwaitReadable(pair.client);
      EXPECT_EQ(ReadAll(pair.client).size(), 50u);
      const Cookie client = CookieOf(pair.client), server = CookieOf(pair.server);
      const Endpoint local = LocalOf(pair.client), remote = LocalOf(pair.server);
      CloseFirst(pair.client);
      const Seen& seen = events.Await(client);
      EXPECT_EQ(seen.protocol, Protocol::kTcp);
      EXPECT_EQ(seen.family, family);
      EXPECT_EQ(seen.state, State::kClose);
      EXPECT_EQ(seen.local, local);
      EXPECT_EQ(seen.remote, remote);
      EXPECT_EQ(seen.inode, Inode());
      EXPECT_EQ(seen.uid, Uid());
      // The SYN and the FIN count one byte each.
      EXPECT_EQ(seen.acked, 102u);
      EXPECT_EQ(seen.received, 50u);
      EXPECT_EQ(TcpState(pair.server), State::kCloseWait);

      close(pair.server);
      const Seen& passive = events.Await(server);
      EXPECT_EQ(passive.received, 101u);
      EXPECT_GE(passive.acked, 50u);
      events.Settle();
      EXPECT_EQ(events.Count(client), 1u);
      EXPECT_EQ(events.Count(server), 1u);
    }
    EXPECT_EQ(events->stats().overruns, 0u);
    EXPECT_EQ(events->stats().lost, 0u);
  });
}

TEST(EventsLive, TheEndOfTimeWaitGivesNone) {
  InNewNetns([] {
    Follower events;
    const Pair pair = MakePair(Family::kInet);
    const Cookie cookie = CookieOf(pair.client);
    close(pair.client);
    close(pair.server);
    events.Await(cookie);
    const std::unique_ptr<Engine> engine = Engine::Open().value();
    std::vector<SocketName> waiting;
    Await("TIME_WAIT", [&] {
      const auto add = [&](const Row& row) {
        waiting.push_back(NameOf(row));
        return Flow::kContinue;
      };
      EXPECT_THAT(engine->Visit({.protocols = {Protocol::kTcp}, .states = State::kTimeWait}, add),
                  IsOk());
      return !waiting.empty();
    });
    EXPECT_EQ(waiting[0].cookie, cookie);
    // Older kernels do not end TIME_WAIT.
    EXPECT_EQ(engine->Destroy(std::span(&waiting[0], 1))[0].outcome,
              KernelIs(6, 1) ? Destroyed::kClosed : Destroyed::kRefused);
    events.Settle();
    EXPECT_EQ(events.Count(cookie), 1u);
  });
}

TEST(EventsLive, AResetGivesItsEventWhenTheHolderCloses) {
  InNewNetns([] {
    Follower events;
    const Pair pair = MakePair(Family::kInet);
    Send(pair.client, 100);
    Send(pair.server, 50);
    AwaitReadable(pair.server);
    AwaitReadable(pair.client);
    const Cookie client = CookieOf(pair.client), server = CookieOf(pair.server);
    close(pair.server);  // with unread data: it sends a reset
    EXPECT_EQ(events.Await(server).received, 100u);
    Await("the reset", [&] { return TcpState(pair.client) == State::kClose; });
    events.Settle();
    EXPECT_EQ(events.Count(client), 0u);
    close(pair.client);
    const Seen& seen = events.Await(client);
    EXPECT_EQ(seen.received, 50u);
    EXPECT_EQ(seen.acked, 101u) << "the SYN counts, and no FIN was sent";
    EXPECT_NE(seen.remote.port, Port());
  });
}

TEST(EventsLive, ADestroyedSocketGivesItsEventWhenTheHolderCloses) {
  InNewNetns([] {
    Follower events;
    const Pair pair = MakePair(Family::kInet);
    const Cookie client = CookieOf(pair.client);
    const SocketName name = {
        .local = LocalOf(pair.client), .remote = LocalOf(pair.server), .cookie = client};
    EXPECT_EQ(Engine::Open().value()->Destroy(std::span(&name, 1))[0].outcome, Destroyed::kClosed);
    events.Settle();
    EXPECT_EQ(events.Count(client), 0u);
    close(pair.client);
    events.Await(client);
    close(pair.server);
  });
}

// The kernel disconnects such a socket first, which drops its peer and its counters.
TEST(EventsLive, WithoutACleanEndCountersAndPeerAreZero) {
  InNewNetns([] {
    Follower events;
    const Pair pair = MakePair(Family::kInet);
    Send(pair.client, 100);
    AwaitReadable(pair.server);
    const Cookie lingering = CookieOf(pair.client);
    Set(pair.client, SOL_SOCKET, SO_LINGER, linger{1, 0});
    close(pair.client);
    // The peer of that one.
    const Cookie peer = CookieOf(pair.server);
    close(pair.server);

    const int refused = Make(Family::kInet, SOCK_STREAM);
    const Cookie refused_cookie = CookieOf(refused);
    SocketAddress nothing = ToSystem({Loopback(Family::kInet).address, Port::FromHost(9)});
    EXPECT_EQ(connect(refused, nothing.get(), nothing.size), -1);
    close(refused);

    for (const Cookie cookie : {lingering, refused_cookie}) {
      const Seen& seen = events.Await(cookie);
      EXPECT_EQ(seen.remote.port, Port());
      EXPECT_EQ(seen.acked, 0u);
      EXPECT_EQ(seen.received, 0u);
    }
    EXPECT_EQ(events.Await(peer).received, 100u);
  });
}

TEST(EventsLive, AConnectionThatWasNeverAcceptedGivesOneWithItsListener) {
  InNewNetns([] {
    Follower events;
    const int listener = Listen(Loopback(Family::kInet), 4);
    const int client = Make(Family::kInet, SOCK_STREAM);
    Connect(client, LocalOf(listener));
    const Port port = LocalOf(listener).port;
    const Cookie listening = CookieOf(listener);
    close(listener);
    EXPECT_EQ(events.Await(listening).local.port, port);
    AwaitReadable(client);  // the reset
    events.Settle();
    size_t never_accepted = 0;
    for (const auto& [cookie, all] : events.all()) {
      if (all.empty() || cookie == listening || all[0].local.port != port) continue;
      ++never_accepted;
      EXPECT_EQ(all[0].remote.port, Port());
      EXPECT_EQ(all[0].acked, 0u);
    }
    EXPECT_EQ(never_accepted, 1u);
    close(client);
  });
}

TEST(EventsLive, SocketsThatWereNeverBoundGiveOne) {
  InNewNetns([] {
    Follower events;
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
      const int fd = Make(Family::kInet6, type);
      const Cookie cookie = CookieOf(fd);
      close(fd);
      EXPECT_EQ(events.Await(cookie).local.port, Port());
    }
  });
}

TEST(EventsLive, UdpTellsTheProtocolAndTheDeviceAndNoCounters) {
  InNewNetns([] {
    Follower events;
    const int bound = Make(Family::kInet, SOCK_DGRAM);
    Set(bound, SOL_SOCKET, SO_BINDTODEVICE, std::array<char, 3>{'l', 'o', '\0'});
    Bind(bound, Loopback(Family::kInet));
    const int connected = Make(Family::kInet, SOCK_DGRAM);
    Connect(connected, LocalOf(bound));
    Send(connected, 100);
    AwaitReadable(bound);
    const Cookie first = CookieOf(connected), second = CookieOf(bound);
    close(connected);
    close(bound);
    const Seen& sender = events.Await(first);
    EXPECT_EQ(sender.protocol, Protocol::kUdp);
    EXPECT_EQ(sender.state, State::kEstablished) << "of a connected socket of UDP";
    EXPECT_EQ(sender.size, 96u);
    EXPECT_EQ(sender.acked, std::nullopt);
    EXPECT_EQ(sender.send_queue, 0u);
    EXPECT_EQ(sender.raw_send_queue, UINT32_MAX) << "as the kernel sends it";
    const Seen& receiver = events.Await(second);
    EXPECT_EQ(receiver.state, State::kClose);
    EXPECT_EQ(receiver.interface, IfIndex(1)) << "the loopback device";
    EXPECT_GT(receiver.receive_queue, 100u) << "what was not read";
  });
}

TEST(EventsLive, OtherProtocolsGiveNone) {
  InNewNetns([] {
    Follower events;
    std::vector<Cookie> cookies;
    for (const auto& [type, protocol] : {std::pair<int, int>{SOCK_DGRAM, IPPROTO_UDPLITE},
                                         {SOCK_RAW, 200},
                                         {SOCK_STREAM, IPPROTO_MPTCP}}) {
      const int fd = socket(AF_INET, type | SOCK_CLOEXEC, protocol);
      if (fd < 0) continue;  // this kernel has no such sockets
      cookies.push_back(CookieOf(fd));
      close(fd);
    }
    EXPECT_FALSE(cookies.empty());
    events.Settle();
    for (const Cookie cookie : cookies) EXPECT_EQ(events.Count(cookie), 0u);
  });
}

// A subflow is a TCP socket.
TEST(EventsLive, TheSubflowsOfMptcpGiveThem) {
  InNewNetns([] {
    const auto make = [] { return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP); };
    const int listener = make();
    if (listener < 0) GTEST_SKIP() << "this kernel has no MPTCP";
    Bind(listener, Loopback(Family::kInet));
    ASSERT_EQ(listen(listener, 1), 0);
    const Port port = LocalOf(listener).port;
    Follower events;
    close(listener);
    Await("the event", [&] {
      events.Settle();
      for (const auto& [cookie, all] : events.all()) {
        if (!all.empty() && all[0].local.port == port) return true;
      }
      return false;
    });
  });
}

TEST(EventsLive, ASharedSocketGivesItsEventAtTheLastClose) {
  InNewNetns([] {
    Follower events;
    const int fd = Make(Family::kInet, SOCK_DGRAM);
    const Cookie cookie = CookieOf(fd);
    const int copy = dup(fd);
    close(fd);
    events.Settle();
    EXPECT_EQ(events.Count(cookie), 0u);
    close(copy);
    events.Await(cookie);
  });
}

// ---- Who sees what ----

TEST(EventsLive, EveryUserSeesThem) {
  InNewNetns([] {
    const int fd = Make(Family::kInet, SOCK_DGRAM);
    AsNobody([&] {
      Follower events;
      const Cookie cookie = CookieOf(fd);
      close(fd);
      events.Await(cookie);
    });
  });
}

TEST(EventsLive, AreThoseOfOneNamespace) {
  Apart([] {
    const NetnsId blue = AddNetns("blue");
    Follower here;
    Follower there(kTcpAndUdp, {.netns = NetNs::FromPath("/run/netns/blue")});
    EXPECT_EQ(there->netns(), blue);
    EXPECT_NE(here->netns(), blue);
    int fd = -1;
    In("blue", [&] { fd = Make(Family::kInet, SOCK_DGRAM); });
    const Cookie in_blue = CookieOf(fd);
    close(fd);
    there.Await(in_blue);
    here.Settle();
    EXPECT_EQ(here.Count(in_blue), 0u);
    EXPECT_FALSE(Events::Open(kTcpAndUdp, {.netns = NetNs::FromPath("/run/netns/red")}).ok());
    DeleteNetns("blue");
  });
}

TEST(EventsLive, AreThoseThatTheQuerySelects) {
  InNewNetns([] {
    Query query = kTcpAndUdp;
    query.filter = std::make_shared<const Filter>(
        Filter::Parse("sport = 5001 or (protocol = tcp and bytes_received >= 100)").value());
    Follower events(query);
    const Pair pair = MakePair(Family::kInet);
    Send(pair.client, 100);
    AwaitReadable(pair.server);
    ReadAll(pair.server);
    const Cookie sender = CookieOf(pair.client), receiver = CookieOf(pair.server);
    close(pair.client);
    close(pair.server);
    const int udp = Make(Family::kInet, SOCK_DGRAM);
    Bind(udp, {Loopback(Family::kInet).address, Port::FromHost(5001)});
    const Cookie bound = CookieOf(udp);
    close(udp);
    events.Await(receiver);
    events.Await(bound);
    EXPECT_EQ(events.Count(sender), 0u);
    EXPECT_GE(events->stats().unmatched, 1u);
  });
}

// A Conn that the test opens can be read by Events, whatever else it hears.
TEST(EventsLive, DropsDatagramsOfOtherSenders) {
  InNewNetns([] {
    const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_USERSOCK);
    Check(fd >= 0, "netlink");
    sockaddr_nl any{};
    any.nl_family = AF_NETLINK;
    Check(bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof(any)) == 0, "bind");
    auto events = Events::Adopt(Conn::Adopt(fd).value(), kTcpAndUdp);
    ASSERT_THAT(events, IsOk());
    sockaddr_nl to{};
    socklen_t size = sizeof(to);
    Check(getsockname(fd, reinterpret_cast<sockaddr*>(&to), &size) == 0, "getsockname");
    const int other = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_USERSOCK);
    const std::string forged(380, 'x');
    Check(sendto(other, forged.data(), forged.size(), 0, reinterpret_cast<sockaddr*>(&to), size) ==
              380,
          "sendto");
    close(other);
    const auto ready = (*events)->TryReceive([](const Row&) {
      ADD_FAILURE() << "visited";
      return Flow::kContinue;
    });
    ASSERT_THAT(ready, IsOk());
    EXPECT_EQ((*events)->stats().foreign, 1u);
    EXPECT_EQ((*events)->stats().damaged, 0u);
  });
}

// ---- Losses ----

void CloseMany(int count) {
  for (int i = 0; i < count; ++i) close(Make(Family::kInet, SOCK_DGRAM));
}

// Reads what is in the buffer.
uint64_t Drain(Events* events) {
  const auto pass = [](const Row&) { return Flow::kContinue; };
  const uint64_t before = events->stats().events;
  absl::StatusOr<Ready> ready = Ready::kSome;
  while (ready.ok() && *ready == Ready::kSome) ready = events->TryReceive(pass);
  EXPECT_THAT(ready, IsOk());
  return events->stats().events - before;
}

TEST(EventsLive, AnOverrunTellsHowManyWereLost) {
  InNewNetns([] {
    constexpr int kCount = 20'000;
    Follower events(kTcpAndUdp, {.receive_buffer = 64 << 10});
    EXPECT_EQ(events->stats().lost, 0u);
    const size_t buffer = events->stats().receive_buffer;
    EXPECT_GE(buffer, 64u << 10);
    CloseMany(kCount);
    // The overrun makes the descriptor readable.
    pollfd wait = {events->fd(), POLLIN, 0};
    EXPECT_EQ(poll(&wait, 1, 60'000), 1);
    // The kernel counts each event that it could not queue.
    uint64_t passed = 0;
    Await("the last event", [&] {
      passed += Drain(events.operator->());
      return passed + *events->stats().lost >= kCount;
    });
    const EventStats stats = events->stats();
    EXPECT_GE(stats.overruns, 1u);
    EXPECT_GT(*stats.lost, 0u);
    EXPECT_EQ(stats.events + *stats.lost, static_cast<uint64_t>(kCount));
    // An event takes 1.3 kB of the buffer. The first overrun came when it was full.
    EXPECT_GE(stats.events, buffer / 2000);
    // The stream goes on.
    const int fd = Make(Family::kInet, SOCK_DGRAM);
    const Cookie cookie = CookieOf(fd);
    close(fd);
    events.Await(cookie);
    EXPECT_EQ(events->stats().lost, stats.lost);
  });
}

TEST(EventsLive, TheBufferIsAsLargeAsThePrivilegeAllows) {
  // Older kernels show it in the first namespace only.
  size_t most = 0;
  std::ifstream("/proc/sys/net/core/rmem_max") >> most;
  ASSERT_GT(most, 0u);
  InNewNetns([most] {
    Follower events;
    EXPECT_EQ(events->stats().receive_buffer, size_t{16} << 20) << "8 MiB, doubled by the kernel";
    AsNobody([&] {
      Follower limited;
      EXPECT_EQ(limited->stats().receive_buffer, 2 * std::min(most, size_t{8} << 20));
    });
    // 10 000 events fit.
    CloseMany(10'000);
    uint64_t passed = 0;
    Await("the last event", [&] { return (passed += Drain(events.operator->())) >= 10'000; });
    EXPECT_EQ(events->stats().overruns, 0u);
    EXPECT_EQ(events->stats().lost, 0u);
  });
}

}  // namespace
}  // namespace netdiag::testing
