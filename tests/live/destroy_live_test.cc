// Closing sockets of the running kernel: only those that are named, in every state, and of groups
// that share a name.

#include <linux/capability.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <functional>
#include <memory>
#include <poll.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/bpf/socket_closer.h"
#include "netdiag/destroy.h"
#include "netdiag/dump/requests.h"
#include "netdiag/engine.h"
#include "netdiag/netlink/conn.h"
#include "netdiag/row.h"
#include "netdiag/types/error.h"
#include "tests/live/netns_testing.h"
#include "tests/process/owner_testing.h"
#include "tests/testing/netns.h"
#include "tests/testing/sockets.h"
#include "tests/testing/status_matchers.h"

namespace netdiag::testing {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The capabilities of which loading a BPF program needs some.
const std::vector<int> kForBpf = {CAP_BPF, CAP_PERFMON, CAP_SYS_ADMIN};

// Runs `body` on a thread that lacks these capabilities.
void Without(const std::vector<int>& capabilities, const std::function<void()>& body) {
  std::thread([&] {
    DropCapabilities(capabilities);
    body();
  }).join();
}

std::unique_ptr<Engine> OpenHere() {
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open();
  EXPECT_THAT(engine, IsOk());
  return *std::move(engine);
}

SocketName NameOfSocket(int fd, Protocol protocol) {
  SocketName name;
  name.protocol = protocol;
  name.local = LocalOf(fd);
  name.remote = AddressBy(getpeername, fd, name.local.address.family());
  name.cookie = CookieOf(fd);
  return name;
}

std::vector<Destroyed> Kinds(const std::vector<DestroyOutcome>& outcomes) {
  std::vector<Destroyed> kinds;
  for (const DestroyOutcome& each : outcomes) kinds.push_back(each.outcome);
  return kinds;
}

Destroyed Close(Engine* engine, const SocketName& name) {
  return engine->Destroy(std::span(&name, 1)).at(0).outcome;
}

// The errno of a read that does not wait; 0: there was something to read.
int ReadErrno(int fd) {
  char byte = 0;
  return recv(fd, &byte, 1, MSG_DONTWAIT) < 0 ? errno : 0;
}

// The names of all sockets of the protocol in this namespace.
std::vector<SocketName> AllNames(Engine* engine, Protocol protocol,
                                 StateSet states = StateSet::All()) {
  std::vector<SocketName> names;
  const auto summary =
      engine->Visit({.protocols = {protocol}, .states = states}, [&](const Row& row) {
        names.push_back(NameOf(row));
        return Flow::kContinue;
      });
  EXPECT_THAT(summary, IsOk());
  return names;
}

TEST(Destroy, ClosesExactlyTheSocketsOfThoseCookies) {
  InNewNetns([] {
    const Pair pair = MakePair(Family::kInet);
    const Pair six = MakePair(Family::kInet6);
    const Pair other = MakePair(Family::kInet);
    const std::unique_ptr<Engine> engine = OpenHere();
    const std::vector<SocketName> names = {NameOfSocket(pair.client, Protocol::kTcp),
                                           NameOfSocket(six.client, Protocol::kTcp)};
    EXPECT_THAT(Kinds(engine->Destroy(names)), Each(Destroyed::kClosed));
    EXPECT_EQ(ReadErrno(pair.client), ECONNABORTED);
    EXPECT_EQ(ReadErrno(six.client), ECONNABORTED);
    // Their peers see the reset.
    for (const Pair& each : {pair, six}) {
      pollfd wait = {each.server, POLLIN, 0};
      EXPECT_EQ(poll(&wait, 1, 10'000), 1);
      EXPECT_EQ(ReadErrno(each.server), ECONNRESET);
    }
    EXPECT_EQ(ReadErrno(other.client), EAGAIN);
    // They are gone now.
    EXPECT_THAT(Kinds(engine->Destroy(names)), Each(Destroyed::kGone));
    for (const Pair& each : {pair, six, other}) close(each.client), close(each.server);
  });
}

TEST(Destroy, TakesTheNamesOfRows) {
  InNewNetns([] {
    const Pair pair = MakePair(Family::kInet6);
    const std::unique_ptr<Engine> engine = OpenHere();
    const std::vector<SocketName> names =
        AllNames(engine.get(), Protocol::kTcp, State::kEstablished);
    ASSERT_EQ(names.size(), 2u);
    EXPECT_NE(names[0].netns, NetnsId());
    EXPECT_THAT(Kinds(engine->Destroy(names)), ::testing::Contains(Destroyed::kClosed));
    EXPECT_TRUE(AllNames(engine.get(), Protocol::kTcp).empty());
    close(pair.client);
    close(pair.server);
  });
}

TEST(Destroy, LeavesASocketOfTheSameNameAndAnotherCookieAlone) {
  InNewNetns([] {
    const Pair pair = MakePair(Family::kInet);
    SocketName name = NameOfSocket(pair.client, Protocol::kTcp);
    name.cookie = Cookie(name.cookie.value() + 1'000'000);
    const std::unique_ptr<Engine> engine = OpenHere();
    EXPECT_EQ(Close(engine.get(), name), Destroyed::kGone);
    // The kernel's "any cookie", and no cookie.
    for (const uint64_t wildcard : {~uint64_t{0}, uint64_t{0}}) {
      name.cookie = Cookie(wildcard);
      EXPECT_EQ(Close(engine.get(), name), Destroyed::kRefused);
    }
    EXPECT_EQ(TcpState(pair.client), State::kEstablished);
    close(pair.client);
    close(pair.server);
  });
}

TEST(Destroy, ClosesTimeWaitAndSynReceived) {
  InNewNetns([] {
    const int listener = Listen(Loopback(Family::kInet), 4);
    const int client = Make(Family::kInet, SOCK_STREAM);
    Connect(client, LocalOf(listener));
    const int server = Accept(listener);
    close(client);
    close(server);
    // Its SYN is received, and it takes no answer.
    const int deaf = Make(Family::kInet, SOCK_STREAM | SOCK_NONBLOCK);
    Deafen(deaf);
    Connect(deaf, LocalOf(listener));
    const std::unique_ptr<Engine> engine = OpenHere();
    for (const State state : {State::kTimeWait, State::kSynReceived}) {
      if (state == State::kTimeWait && !KernelIs(6, 1)) continue;  // Older kernels refuse it.
      SCOPED_TRACE(Names(state).word);
      Await("the state", [&] { return AllNames(engine.get(), Protocol::kTcp, state).size() == 1; });
      const std::vector<SocketName> names = AllNames(engine.get(), Protocol::kTcp, state);
      EXPECT_THAT(Kinds(engine->Destroy(names)), ElementsAre(Destroyed::kClosed));
      for (const SocketName& left : AllNames(engine.get(), Protocol::kTcp, state)) {
        EXPECT_NE(left.cookie, names[0].cookie);
      }
    }
    EXPECT_EQ(TcpState(listener), State::kListen);
    close(deaf);
    close(listener);
  });
}

TEST(Destroy, LeavesABoundUdpSocketInItsTable) {
  InNewNetns([] {
    const int bound = Make(Family::kInet, SOCK_DGRAM);
    Bind(bound, {Loopback(Family::kInet).address, Port::FromHost(5000)});
    const int connected = Make(Family::kInet6, SOCK_DGRAM);
    Connect(connected, {Loopback(Family::kInet6).address, Port::FromHost(9)});
    const std::unique_ptr<Engine> engine = OpenHere();
    const std::vector<SocketName> names = {NameOfSocket(bound, Protocol::kUdp),
                                           NameOfSocket(connected, Protocol::kUdp)};
    EXPECT_THAT(Kinds(engine->Destroy(names)), Each(Destroyed::kClosed));
    EXPECT_EQ(ReadErrno(bound), ECONNABORTED);
    EXPECT_EQ(ReadErrno(connected), ECONNABORTED);
    const std::vector<SocketName> left = AllNames(engine.get(), Protocol::kUdp);
    ASSERT_EQ(left.size(), 1u);
    EXPECT_EQ(left[0].cookie, CookieOf(bound));
    // It can still receive.
    const int sender = Make(Family::kInet, SOCK_DGRAM);
    Connect(sender, LocalOf(bound));
    Send(sender, 1);
    EXPECT_EQ(ReadErrno(bound), 0);
    for (const int fd : {bound, connected, sender}) close(fd);
  });
}

// The kernel has the request for UDP-Lite, and refuses it: its udplite_prot closes nothing.
TEST(Destroy, ClosesNoUdpLite) {
  InNewNetns([] {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDPLITE);
    if (fd < 0 && errno == EPROTONOSUPPORT) GTEST_SKIP() << "this kernel has no UDP-Lite";
    ASSERT_GE(fd, 0);
    Bind(fd, Loopback(Family::kInet));
    const SocketName name = NameOfSocket(fd, Protocol::kUdpLite);
    EXPECT_EQ(Close(OpenHere().get(), name), Destroyed::kRefused);
    std::array<std::byte, internal::kMaxRequest> storage;
    const auto request = internal::EncodeDestroy(
        Protocol::kUdpLite, {name.local, name.remote, IfIndex(), name.cookie}, storage);
    ASSERT_THAT(request, IsOk());
    EXPECT_THAT(netlink::Conn::Dial(netlink::kFamilySockDiag).value()->Execute(*request),
                ErrnoIs(EOPNOTSUPP));
    EXPECT_EQ(ReadErrno(fd), EAGAIN);
    close(fd);
  });
}

TEST(Destroy, SaysThatABoundIdleSocketOfTcpCannotBeSelected) {
  InNewNetns([] {
    const int idle = Make(Family::kInet, SOCK_STREAM);
    Bind(idle, Loopback(Family::kInet));
    const std::unique_ptr<Engine> engine = OpenHere();
    if (AllNames(engine.get(), Protocol::kTcp, State::kBoundInactive).empty()) {
      close(idle);
      GTEST_SKIP() << "before 6.8 the kernel does not list such sockets";
    }
    const SocketName name = NameOfSocket(idle, Protocol::kTcp);
    const std::vector<DestroyOutcome> outcomes = engine->Destroy(std::span(&name, 1));
    EXPECT_THAT(Kinds(outcomes), ElementsAre(Destroyed::kNotSelectable));
    EXPECT_THAT(outcomes[0].status.ToString(), HasSubstr("neither listens nor connects"));
    close(idle);
  });
}

// ---- MPTCP ----

// The kernel would take the lower eight bits of MPTCP's number for TCP.
TEST(Destroy, NeverTakesMptcpForTcp) {
  InNewNetns([] {
    const Pair pair = MakePair(Family::kInet);
    const SocketName name = NameOfSocket(pair.client, Protocol::kMptcp);
    const std::vector<DestroyOutcome> outcomes = OpenHere()->Destroy(std::span(&name, 1));
    EXPECT_THAT(Kinds(outcomes), ElementsAre(Destroyed::kRefused));
    EXPECT_THAT(outcomes[0].status.ToString(), HasSubstr("subflows"));
    EXPECT_EQ(TcpState(pair.client), State::kEstablished);
    close(pair.client);
    close(pair.server);
  });
}

// Without subflows the connection waits for new ones. Its listener is not closed at all.
TEST(Destroy, AnMptcpConnectionOutlivesItsSubflows) {
  InNewNetns([] {
    const auto make = [] { return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_MPTCP); };
    const int listener = make();
    if (listener < 0) GTEST_SKIP() << "this kernel has no MPTCP";
    Bind(listener, Loopback(Family::kInet));
    ASSERT_EQ(listen(listener, 1), 0);
    const int client = make();
    Connect(client, LocalOf(listener));
    const int server = Accept(listener);
    const std::unique_ptr<Engine> engine = OpenHere();
    const std::vector<SocketName> subflows =
        AllNames(engine.get(), Protocol::kTcp, State::kEstablished);
    ASSERT_EQ(subflows.size(), 2u);
    // The other end of the first is reset.
    EXPECT_THAT(Kinds(engine->Destroy(subflows)), ::testing::Contains(Destroyed::kClosed));
    EXPECT_TRUE(AllNames(engine.get(), Protocol::kTcp, State::kEstablished).empty());
    EXPECT_FALSE(AllNames(engine.get(), Protocol::kMptcp, State::kEstablished).empty());

    const std::vector<SocketName> listeners =
        AllNames(engine.get(), Protocol::kTcp, State::kListen);
    ASSERT_EQ(listeners.size(), 1u);
    const std::vector<DestroyOutcome> outcomes = engine->Destroy(listeners);
    EXPECT_THAT(Kinds(outcomes), ElementsAre(Destroyed::kRefused));
    EXPECT_THAT(outcomes[0].status.ToString(), HasSubstr("listeners of MPTCP"));
    for (const int fd : {client, server, listener}) close(fd);
  });
}

// ---- Groups that share a name ----

// What many sockets of one name can be.
struct GroupKind {
  const char* name;
  Protocol protocol;
  Family family;
};

// Sockets that share a name by SO_REUSEPORT.
class Group {
 public:
  Group(const GroupKind& kind, size_t count) : protocol_(kind.protocol) {
    const bool tcp = protocol_ == Protocol::kTcp;
    const Endpoint name = {Loopback(kind.family).address, Port::FromHost(5353)};
    for (size_t i = 0; i < count; ++i) {
      const int fd = Make(kind.family, tcp ? SOCK_STREAM : SOCK_DGRAM);
      Set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
      Bind(fd, name);
      if (tcp) Check(listen(fd, 1) == 0, "listen");
      sockets_.push_back(fd);
      names_.push_back(NameOfSocket(fd, protocol_));
    }
  }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  ~Group() {
    for (const int fd : sockets_) close(fd);
  }

  const std::vector<SocketName>& names() const { return names_; }
  // True if the socket was closed: a listener listens no more. A socket of UDP stays in its table,
  // and its owner sees an error once.
  bool IsClosed(size_t i) const {
    return protocol_ == Protocol::kTcp ? TcpState(sockets_[i]) == State::kClose
                                       : ReadErrno(sockets_[i]) == ECONNABORTED;
  }
  size_t CountClosed() const {
    size_t count = 0;
    for (size_t i = 0; i < sockets_.size(); ++i) count += IsClosed(i) ? 1 : 0;
    return count;
  }

 private:
  const Protocol protocol_;
  std::vector<int> sockets_;
  std::vector<SocketName> names_;
};

// Before 6.5 no program closes sockets.
#define REQUIRE_CLOSER() \
  if (!KernelIs(6, 5)) GTEST_SKIP() << "before 6.5 BPF programs cannot close sockets"

// True if BPF could close sockets of the protocol, but must not on this kernel.
bool IsFaulty(Protocol protocol) {
  return protocol == Protocol::kTcp && KernelIs(6, 5) && !KernelWalksTcpSafely();
}

class DestroyInAGroup : public ::testing::TestWithParam<GroupKind> {};

TEST_P(DestroyInAGroup, ClosesTheOneThatIsNamedAndNoOther) {
  REQUIRE_CLOSER();
  if (IsFaulty(GetParam().protocol)) {
    GTEST_SKIP() << "no BPF program may walk the TCP sockets of this kernel (CVE-2026-74714)";
  }
  InNewNetns([] {
    const Group group(GetParam(), 50);
    const SocketName& chosen = group.names()[25];
    const std::vector<DestroyOutcome> outcomes = OpenHere()->Destroy(std::span(&chosen, 1));
    EXPECT_THAT(Kinds(outcomes), ElementsAre(Destroyed::kClosed)) << outcomes[0].status;
    for (size_t i = 0; i < 50; ++i) EXPECT_EQ(group.IsClosed(i), i == 25) << i;
  });
}

TEST_P(DestroyInAGroup, ClosesAll) {
  REQUIRE_CLOSER();
  InNewNetns([] {
    const Group group(GetParam(), 50);
    EXPECT_THAT(Kinds(OpenHere()->Destroy(group.names())), Each(Destroyed::kClosed));
    EXPECT_EQ(group.CountClosed(), 50u);
  });
}

// Without BPF the kernel selects one of the group by a hash.
TEST_P(DestroyInAGroup, WithoutBpfClosesOnlyNamedSocketsAndSaysWhatIsLeft) {
  InNewNetns([] {
    const Group group(GetParam(), 50);
    std::vector<bool> closed;
    Without(kForBpf, [&] {
      const std::unique_ptr<Engine> engine = OpenHere();
      for (const SocketName& name : group.names()) {
        const std::vector<DestroyOutcome> outcomes = engine->Destroy(std::span(&name, 1));
        closed.push_back(outcomes[0].outcome == Destroyed::kClosed);
        if (closed.back()) continue;
        EXPECT_EQ(outcomes[0].outcome, Destroyed::kNotSelectable);
        EXPECT_THAT(outcomes[0].status.ToString(),
                    HasSubstr(IsFaulty(GetParam().protocol) ? "CVE-2026-74714" : "CAP_BPF"));
      }
    });
    EXPECT_LT(std::ranges::count(closed, true), 50);
    for (size_t i = 0; i < 50; ++i) EXPECT_EQ(group.IsClosed(i), closed[i]) << i;
  });
}

INSTANTIATE_TEST_SUITE_P(Kinds, DestroyInAGroup,
                         ::testing::Values(GroupKind{"Listeners", Protocol::kTcp, Family::kInet},
                                           GroupKind{"Listeners6", Protocol::kTcp, Family::kInet6},
                                           GroupKind{"Udp", Protocol::kUdp, Family::kInet},
                                           GroupKind{"Udp6", Protocol::kUdp, Family::kInet6}),
                         [](const auto& kind) { return kind.param.name; });

// Where BPF must not walk the TCP sockets, a listener of a group is named as not selectable.
TEST(Destroy, SaysThatAKernelWithAFaultyIteratorClosesNoChosenListener) {
  if (!IsFaulty(Protocol::kTcp)) {
    GTEST_SKIP() << "this kernel's BPF iterator over TCP sockets is absent or in order";
  }
  InNewNetns([] {
    const Group group({"", Protocol::kTcp, Family::kInet}, 50);
    size_t closed = 0;
    for (const SocketName& name : group.names()) {
      const std::vector<DestroyOutcome> outcomes = OpenHere()->Destroy(std::span(&name, 1));
      if (outcomes[0].outcome == Destroyed::kClosed) {
        ++closed;
        continue;
      }
      EXPECT_EQ(outcomes[0].outcome, Destroyed::kNotSelectable);
      EXPECT_THAT(outcomes[0].status.ToString(), HasSubstr("CVE-2026-74714"));
    }
    EXPECT_LT(closed, 50u);
    EXPECT_EQ(group.CountClosed(), closed);
  });
}

// Each listener that closes leaves another one for the kernel to select.
TEST(Destroy, WithoutBpfTriesListenersAgainWhileOneCloses) {
  InNewNetns([] {
    const Group group({"", Protocol::kTcp, Family::kInet}, 32);
    Without(kForBpf, [&] {
      EXPECT_THAT(Kinds(OpenHere()->Destroy(group.names())), Each(Destroyed::kClosed));
    });
    EXPECT_EQ(group.CountClosed(), 32u);
  });
}

TEST(DestroyByBpf, NeedsTheRightToCloseSocketsToo) {
  InNewNetns([] {
    const Group group({"", Protocol::kUdp, Family::kInet}, 8);
    Without({CAP_NET_ADMIN}, [&] {
      for (const DestroyOutcome& outcome : OpenHere()->Destroy(group.names())) {
        EXPECT_THAT(outcome.outcome,
                    ::testing::AnyOf(Destroyed::kRefused, Destroyed::kNotSelectable));
        EXPECT_THAT(outcome.status.ToString(), HasSubstr("CAP_NET_ADMIN"));
      }
    });
    EXPECT_EQ(group.CountClosed(), 0u);
  });
}

TEST(DestroyByBpf, IgnoresCookiesThatNoSocketHas) {
  REQUIRE_CLOSER();
  InNewNetns([] {
    const int fd = Make(Family::kInet, SOCK_DGRAM);
    Bind(fd, Loopback(Family::kInet));
    const std::vector<Cookie> cookies = {CookieOf(fd), Cookie(CookieOf(fd).value() + 1'000'000)};
    const auto results = bpf::CloseSockets(Protocol::kUdp, cookies);
    ASSERT_THAT(results, IsOk());
    EXPECT_TRUE((*results)[0].visited);
    EXPECT_EQ((*results)[0].errnum, 0);
    EXPECT_FALSE((*results)[1].visited);
    EXPECT_EQ(ReadErrno(fd), ECONNABORTED);
    EXPECT_THAT(bpf::CloseSockets(Protocol::kUdpLite, cookies), ErrnoIs(EOPNOTSUPP));
    close(fd);
  });
}

// ---- Namespaces and privileges ----

TEST(Destroy, ClosesInEveryNamespaceThatTheLastQueryListed) {
  Apart([] {
    const NetnsId blue = AddNetns("blue");
    Pair here = MakePair(Family::kInet), there;
    std::vector<int> group;
    const int members = KernelIs(6, 5) ? 20 : 1;  // Without BPF a group is not closed as a whole.
    In("blue", [&] {
      there = MakePair(Family::kInet);
      for (int i = 0; i < members; ++i) {
        group.push_back(Make(Family::kInet, SOCK_DGRAM));
        Set(group.back(), SOL_SOCKET, SO_REUSEPORT, 1);
        Bind(group.back(), {Loopback(Family::kInet).address, Port::FromHost(5000)});
      }
    });
    const std::unique_ptr<Engine> engine = OpenForAll();
    // Only those of blue: the other namespaces of the machine are not the test's.
    std::vector<SocketName> names;
    const auto summary =
        engine->Visit({.protocols = {Protocol::kTcp, Protocol::kUdp}, .states = StateSet::All()},
                      [&](const Row& row) {
                        if (row.table().netns == blue) names.push_back(NameOf(row));
                        return Flow::kContinue;
                      });
    ASSERT_THAT(summary, IsOk());
    ASSERT_EQ(names.size(), static_cast<size_t>(members) + 2);
    const std::vector<Destroyed> kinds = Kinds(engine->Destroy(names));
    // A connection's second end is gone once the first is reset.
    EXPECT_THAT(kinds, Each(::testing::AnyOf(Destroyed::kClosed, Destroyed::kGone)));
    EXPECT_NE(ReadErrno(there.client), EAGAIN);
    for (const int fd : group) EXPECT_EQ(ReadErrno(fd), ECONNABORTED);
    EXPECT_EQ(ReadErrno(here.client), EAGAIN);
    for (const Pair& each : {here, there}) close(each.client), close(each.server);
    for (const int fd : group) close(fd);

    SocketName nowhere = names[0];
    nowhere.netns = NetnsId(1);
    EXPECT_EQ(Close(engine.get(), nowhere), Destroyed::kRefused);
    DeleteNetns("blue");
  });
}

TEST(Destroy, ReportsWhyTheKernelRefuses) {
  InNewNetns([] {
    const Pair pair = MakePair(Family::kInet);
    const SocketName name = NameOfSocket(pair.client, Protocol::kTcp);
    AsNobody([&] {
      const std::vector<DestroyOutcome> outcomes = OpenHere()->Destroy(std::span(&name, 1));
      EXPECT_THAT(Kinds(outcomes), ElementsAre(Destroyed::kRefused));
      EXPECT_THAT(outcomes[0].status, ErrnoIs(EPERM));
      EXPECT_THAT(outcomes[0].status.ToString(), HasSubstr("CAP_NET_ADMIN"));
    });
    EXPECT_EQ(TcpState(pair.client), State::kEstablished);
    close(pair.client);
    close(pair.server);
  });
}

// The kernel closes the first raw socket that it finds by the protocol, whatever its cookie is.
// This kernel may lack raw_diag; then the outcome says so.
TEST(Destroy, ClosesARawSocketOnlyIfTheKernelSelectsIt) {
  InNewNetns([] {
    const auto make = [](int protocol) {
      const int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, protocol);
      Check(fd >= 0, "raw socket");
      return fd;
    };
    const std::vector<int> twins = {make(200), make(200)};
    const int other = make(201);
    const std::unique_ptr<Engine> engine = OpenHere();
    std::vector<DestroyOutcome> outcomes;
    for (const int fd : twins) {
      SocketName name = NameOfSocket(fd, Protocol::kRaw);
      name.local.port = Port::FromHost(200);
      outcomes.push_back(engine->Destroy(std::span(&name, 1)).at(0));
    }
    if (outcomes[0].outcome == Destroyed::kRefused) {
      for (const DestroyOutcome& outcome : outcomes) {
        EXPECT_EQ(outcome.outcome, Destroyed::kRefused);
        EXPECT_THAT(outcome.status.ToString(), HasSubstr("raw_diag"));
      }
    } else {
      EXPECT_THAT(Kinds(outcomes),
                  ::testing::UnorderedElementsAre(Destroyed::kClosed, Destroyed::kNotSelectable));
    }
    for (size_t i = 0; i < twins.size(); ++i) {
      EXPECT_EQ(ReadErrno(twins[i]),
                outcomes[i].outcome == Destroyed::kClosed ? ECONNABORTED : EAGAIN);
      close(twins[i]);
    }
    EXPECT_EQ(ReadErrno(other), EAGAIN);
    close(other);
  });
}

}  // namespace
}  // namespace netdiag::testing
