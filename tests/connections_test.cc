// Connections over sockets in every state, and over processes that hold, share and hide sockets.

#include "netdiag/connections.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/process/process_sockets.h"
#include "tests/live/live_testing.h"
#include "tests/live/netns_testing.h"
#include "tests/process/process_testing.h"
#include "tests/testing/alloc_counter.h"
#include "tests/testing/proc_tree.h"
#include "tests/testing/sockets.h"
#include "tests/testing/status_matchers.h"

namespace netdiag {
namespace {

using testing::Identities;
using testing::ZooSocket;

constexpr std::string_view kKinds[] = {"all",  "tcp",  "tcp4", "tcp6",  "udp",  "udp4",
                                       "udp6", "unix", "inet", "inet4", "inet6"};

bool IsOfKind(const ZooSocket& socket, std::string_view kind) {
  const bool v4 = socket.family == Family::kInet;
  const bool v6 = socket.family == Family::kInet6;
  const bool tcp = socket.protocol == Protocol::kTcp;
  const bool udp = socket.protocol == Protocol::kUdp;
  if (kind.ends_with('4') && !v4) return false;
  if (kind.ends_with('6') && !v6) return false;
  if (kind.starts_with("tcp")) return tcp;
  if (kind.starts_with("udp")) return udp;
  if (kind == "unix") return socket.family == Family::kUnix;
  if (kind.starts_with("inet")) return tcp || udp;
  return tcp || udp || socket.family == Family::kUnix;
}

std::string IdentityOf(const Connection& row) {
  ZooSocket like;
  like.protocol = row.protocol;
  like.family = row.family;
  like.type = row.type;
  like.state = row.state;
  like.inode = row.inode;
  like.local = row.local;
  like.remote = row.remote;
  like.name = row.name;
  return testing::Identity(like);
}

Identities IdentitiesOf(const ConnectionList& list) {
  Identities all;
  for (const Connection& row : list) all.insert(IdentityOf(row));
  return all;
}

class ConnectionsLive : public testing::LiveTest {
 protected:
  static ConnectionsOptions InTheZoo(std::string_view kind) {
    ConnectionsOptions options{.kind = kind};
    options.netns = netlink::NetNs::FromFd(zoo().netns_fd());
    return options;
  }
  static const Connection* Find(const ConnectionList& list, Inode inode) {
    const auto row = std::ranges::find(list, inode, &Connection::inode);
    return row == list.end() ? nullptr : &*row;
  }
};

TEST(Connections, NameAnUnknownKindInTheError) {
  for (const std::string_view kind : {"", "TCP", "tcp5", "sctp"}) {
    const std::string expected = "invalid kind, " + std::string(kind);
    for (const absl::Status& status :
         {Connections({.kind = kind}).status(), Listeners({.kind = kind}).status(),
          CountByState({.kind = kind}).status()}) {
      EXPECT_THAT(status, testing::ErrnoIs(EINVAL));
      EXPECT_TRUE(std::string(status.message()).starts_with(expected)) << status;
    }
  }
}

TEST_F(ConnectionsLive, OfEachKindAreTheSocketsOfThatKind) {
  for (const std::string_view kind : kKinds) {
    const absl::StatusOr<ConnectionList> list = Connections(InTheZoo(kind));
    ASSERT_THAT(list, testing::IsOk()) << kind;
    const Identities expected = testing::IdentitiesIf(zoo(), [&](const ZooSocket& socket) {
      return IsOfKind(socket, kind) && !socket.bound_inactive;
    });
    EXPECT_EQ(testing::Difference(IdentitiesOf(*list), expected), "") << kind;
  }
}

TEST_F(ConnectionsLive, ComeInGopsutilsOrder) {
  const ConnectionList list = Connections(InTheZoo("all")).value();
  const auto rank = [](const Connection& row) {
    const int v6 = row.family == Family::kInet6 ? 1 : 0;
    return row.protocol == Protocol::kTcp ? v6 : row.protocol == Protocol::kUdp ? 2 + v6 : 4;
  };
  EXPECT_TRUE(std::ranges::is_sorted(list, {}, rank));
}

TEST_F(ConnectionsLive, HaveTheirHolderWithItsUserIds) {
  const ConnectionList list = Connections(InTheZoo("all")).value();
  size_t held = 0;
  for (const ZooSocket& socket : zoo().sockets()) {
    if (socket.fd < 0 || socket.bound_inactive || !IsOfKind(socket, "all")) continue;
    const Connection* row = Find(list, socket.inode);
    ASSERT_NE(row, nullptr) << socket.what;
    ASSERT_EQ(row->holders.size(), 1u) << socket.what;
    EXPECT_EQ(row->holders[0].pid.value(), getpid());
    EXPECT_EQ(row->holders[0].fd, socket.fd) << socket.what;
    ASSERT_TRUE(row->holders[0].uids);
    EXPECT_EQ(row->holders[0].uids->effective.value(), geteuid());
    EXPECT_EQ(row->cookie, socket.cookie) << socket.what;
    ++held;
  }
  EXPECT_GT(held, 20u);
  for (const Connection& row : list) {
    EXPECT_EQ(row.holders.empty(), row.no_owner != NoOwner::kNone);
    if (row.inode == Inode()) {
      EXPECT_EQ(row.no_owner, NoOwner::kKernelHeld);
    }
  }
}

TEST_F(ConnectionsLive, StatusIsGopsutilsWord) {
  const ConnectionList list = Connections(InTheZoo("all")).value();
  std::set<std::string_view> words;
  for (const Connection& row : list) {
    if (row.protocol == Protocol::kTcp) {
      words.insert(row.status());
    } else {
      EXPECT_EQ(row.status(), "NONE");
    }
  }
  for (const std::string_view word :
       {"ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE_WAIT",
        "LAST_ACK", "LISTEN", "CLOSING"}) {
    EXPECT_TRUE(words.contains(word)) << word;
  }
}

TEST_F(ConnectionsLive, HaveTheSocketsOwnUidWithoutUids) {
  ConnectionsOptions options = InTheZoo("tcp");
  options.uids = false;
  const ConnectionList list = Connections(options).value();
  const ZooSocket& listener =
      *std::ranges::find(zoo().sockets(), State::kListen, &ZooSocket::state);
  const Connection* row = Find(list, listener.inode);
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->uid, listener.uid);
  ASSERT_EQ(row->holders.size(), 1u);
  EXPECT_EQ(row->holders[0].uids, std::nullopt);
}

TEST_F(ConnectionsLive, DoNotReadProcWithoutHolders) {
  ConnectionsOptions options = InTheZoo("tcp");
  options.holders = false;
  options.proc_root = "/nonexistent";
  const absl::StatusOr<ConnectionList> list = Connections(options);
  ASSERT_THAT(list, testing::IsOk());
  EXPECT_FALSE(list->empty());
  for (const Connection& row : *list) EXPECT_EQ(row.no_owner, NoOwner::kNotAsked);
  // If holders are asked for, an unreadable /proc is an error.
  options.holders = true;
  EXPECT_THAT(Connections(options), testing::ErrnoIs(ENOENT));
}

TEST_F(ConnectionsLive, FlatHaveARowForEachHolder) {
  const ZooSocket& listener =
      *std::ranges::find(zoo().sockets(), State::kListen, &ZooSocket::state);
  const int again = dup(listener.fd);
  ConnectionsOptions options = InTheZoo("all");
  const ConnectionList shared = Connections(options).value();
  const Connection* row = Find(shared, listener.inode);
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->holders.size(), 2u);
  options.flat = true;
  const ConnectionList flat = Connections(options).value();
  std::set<int> fds;
  for (const Connection& one : flat) {
    EXPECT_LE(one.holders.size(), 1u);
    if (one.inode == listener.inode) fds.insert(one.holders[0].fd);
  }
  EXPECT_EQ(fds, (std::set<int>{listener.fd, again}));
  EXPECT_EQ(flat.size(), shared.size() + 1);
  close(again);
}

TEST_F(ConnectionsLive, ListenersAreTheListeningSockets) {
  const Identities expected = testing::IdentitiesIf(zoo(), [](const ZooSocket& socket) {
    return socket.state == State::kListen && socket.protocol == Protocol::kTcp;
  });
  ASSERT_FALSE(expected.empty());
  const ConnectionList list = Listeners(InTheZoo("tcp")).value();
  EXPECT_EQ(testing::Difference(IdentitiesOf(list), expected), "");
  for (const Connection& row : list) EXPECT_EQ(row.holders.size(), 1u);
  const ConnectionList all = Listeners(InTheZoo("all")).value();
  EXPECT_GT(all.size(), list.size());  // unix ones too
  EXPECT_TRUE(Listeners(InTheZoo("udp"))->empty());
}

TEST_F(ConnectionsLive, CountsByStateAreThoseOfTheRows) {
  for (const std::string_view kind : kKinds) {
    const StateCounts counts = CountByState(InTheZoo(kind)).value();
    StateCounts expected;
    for (const ZooSocket& socket : zoo().sockets()) {
      if (!IsOfKind(socket, kind) || socket.bound_inactive) continue;
      if (socket.protocol == Protocol::kTcp) {
        ++expected.tcp[static_cast<size_t>(socket.state)];
      } else {
        ++expected.none;
      }
    }
    EXPECT_EQ(counts.tcp, expected.tcp) << kind;
    EXPECT_EQ(counts.none, expected.none) << kind;
    EXPECT_EQ(counts[State::kListen], expected.tcp[10]) << kind;
  }
  EXPECT_EQ(StateCounts()[static_cast<State>(200)], 0u);
}

TEST_F(ConnectionsLive, OfUnixHaveTheNameOfTheOtherEnd) {
  ConnectionsOptions options = InTheZoo("unix");
  options.peers = true;
  const ConnectionList list = Connections(options).value();
  size_t named = 0;
  for (const ZooSocket& socket : zoo().sockets()) {
    if (socket.family != Family::kUnix || !socket.peer || socket.inode == Inode()) continue;
    const auto peer = std::ranges::find(zoo().sockets(), *socket.peer, &ZooSocket::inode);
    const Connection* row = Find(list, socket.inode);
    if (row == nullptr || peer == zoo().sockets().end()) continue;
    EXPECT_EQ(row->peer_name, peer->name) << socket.what;
    if (!peer->name.empty()) ++named;
  }
  EXPECT_GT(named, 0u);
}

TEST_F(ConnectionsLive, StayValidWhenTheListIsMoved) {
  std::optional<ConnectionList> list(Connections(InTheZoo("all")).value());
  const Identities before = IdentitiesOf(*list);
  const ConnectionList moved = *std::move(list);
  list.reset();
  EXPECT_EQ(IdentitiesOf(moved), before);
  size_t holders = 0;
  for (const Connection& row : moved) holders += row.holders.size();
  EXPECT_GT(holders, 0u);
}

TEST_F(ConnectionsLive, EndWithTheDeadlineAndTheStopToken) {
  ConnectionsOptions options = InTheZoo("all");
  options.call.deadline = std::chrono::steady_clock::now() - std::chrono::seconds(1);
  EXPECT_THAT(Connections(options), testing::EndedByDeadline());
  EXPECT_THAT(CountByState(options), testing::EndedByDeadline());
  std::stop_source stop;
  options.call = {.stop = stop.get_token()};
  size_t seen = 0;
  const absl::StatusOr<Summary> summary = VisitConnections(options, [&](const Connection&) {
    ++seen;
    stop.request_stop();
    return Flow::kContinue;
  });
  EXPECT_THAT(summary, testing::EndedByStop());
  EXPECT_LT(seen, zoo().sockets().size());
}

TEST_F(ConnectionsLive, StopWithTheVisitor) {
  size_t seen = 0;
  const absl::StatusOr<Summary> summary = VisitConnections(InTheZoo("all"), [&](const Connection&) {
    ++seen;
    return Flow::kStop;
  });
  ASSERT_THAT(summary, testing::IsOk());
  EXPECT_EQ(seen, 1u);
  EXPECT_TRUE(summary->stopped);
}

TEST_F(ConnectionsLive, UseTheEngineOfTheOptions) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  ConnectionsOptions options{.kind = "tcp", .engine = engine.get()};
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(Connections(options)->size(), Connections(InTheZoo("tcp"))->size());
  }
}

// ---- Processes ----

TEST(ConnectionsOfAProcess, AreWhatItHoldsInItsNamespace) {
  testing::Apart([] {
    const int mine = testing::Listen(testing::Loopback(Family::kInet), 1);
    Endpoint at = testing::Any(Family::kInet);
    at.port = Port::FromHost(8123);
    testing::Child child([&] {
      testing::Check(unshare(CLONE_NEWNET) == 0, "unshare");
      testing::Listen(at, 1);
    });
    ConnectionsOptions options{.kind = "tcp", .pid = Pid(child.pid())};
    const absl::StatusOr<ConnectionList> list = Connections(options);
    ASSERT_THAT(list, testing::IsOk());
    ASSERT_EQ(list->size(), 1u);
    EXPECT_EQ((*list)[0].local, at);
    ASSERT_EQ((*list)[0].holders.size(), 1u);
    EXPECT_EQ((*list)[0].holders[0].pid.value(), child.pid());
    EXPECT_TRUE((*list)[0].holders[0].uids);
    EXPECT_EQ(CountByState(options)->tcp[10], 1u);
    // With `netns`, the sockets of this process in the namespace of this thread, which is not that
    // of the main thread.
    const int here = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    options.pid = Pid(getpid());
    options.netns = netlink::NetNs::FromFd(here);
    const ConnectionList own = Connections(options).value();
    close(here);
    ASSERT_EQ(own.size(), 1u);
    EXPECT_EQ(own[0].inode, testing::InodeOf(mine));
    child.End();
    options.pid = Pid(child.pid());
    close(mine);
  });
}

TEST(ConnectionsOfAProcess, AreAnErrorIfItHasEnded) {
  int32_t gone = 0;
  {
    testing::Child child([] {});
    gone = child.pid();
  }
  const absl::Status status = Connections({.pid = Pid(gone)}).status();
  EXPECT_THAT(status, testing::ErrnoIs(ESRCH));
  EXPECT_NE(std::string(status.message()).find(std::to_string(gone)), std::string::npos);
}

TEST(ConnectionsOfAProcess, AreAnErrorAndNotEmptyIfItMayNotBeRead) {
  if (geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
  testing::Child child([] { testing::Listen(testing::Loopback(Family::kInet), 1); });
  testing::RunUnprivileged(
      [&] { EXPECT_THAT(Connections({.pid = Pid(child.pid())}), testing::ErrnoIs(EACCES)); });
}

TEST(ConnectionsOfAProcess, AreLimitedByConnectionsAndNotByDescriptors) {
  testing::Apart([] {
    const int listener = testing::Listen(testing::Loopback(Family::kInet), 64);
    const Endpoint to = testing::LocalOf(listener);
    // Forty other descriptors below the sockets. gopsutil would count them, and return no socket.
    testing::Child child([&] {
      for (int i = 0; i < 40; ++i) testing::Check(dup(0) >= 0, "dup");
      for (int i = 0; i < 6; ++i) testing::Connect(testing::Make(Family::kInet, SOCK_STREAM), to);
      // The same connection twice counts once.
      testing::Check(dup(45) >= 0, "dup");
    });
    ConnectionsOptions options{.kind = "tcp"};
    for (const uint64_t max : {1u, 3u, 100u}) {
      options.max_per_process = max;
      std::map<int32_t, std::set<uint32_t>> sockets;
      const ConnectionList list = Connections(options).value();
      size_t without_holder = 0;
      for (const Connection& row : list) {
        if (row.holders.empty()) ++without_holder;
        for (const Holder& holder : row.holders) {
          sockets[holder.pid.value()].insert(row.inode.value());
        }
      }
      // The child holds six and a copy of the listener. Six connections that wait for accept() have
      // no holder.
      EXPECT_EQ(sockets[child.pid()].size(), std::min<uint64_t>(max, 7)) << max;
      EXPECT_EQ(sockets[getpid()].size(), 1u);
      EXPECT_EQ(without_holder, 6u);
    }
    close(listener);
  });
}

TEST(ConnectionsOfAProcess, AreReadFromItsDescriptors) {
  testing::ProcTree tree;
  tree.Pid(42, "holder", 777)
      .Fd(0, "/dev/null")
      .Fd(3, Inode(11))
      .Fd(10, Inode(12))
      .Fd(4, "pipe:[5]");
  const absl::StatusOr<std::vector<OwnedSocket>> held = ReadProcessSockets(Pid(42), tree.root());
  ASSERT_THAT(held, testing::IsOk());
  std::map<uint32_t, int> fds;
  for (const OwnedSocket& socket : *held) {
    EXPECT_EQ(socket.owner.pid, Pid(42));
    EXPECT_EQ(socket.owner.start_time, 777u);
    fds[socket.inode.value()] = socket.owner.fd;
  }
  EXPECT_EQ(fds, (std::map<uint32_t, int>{{11, 3}, {12, 10}}));
  EXPECT_THAT(ReadProcessSockets(Pid(43), tree.root()), testing::ErrnoIs(ESRCH));
  tree.File("stat", "nonsense");
  EXPECT_THAT(ReadProcessSockets(Pid(42), tree.root()), testing::ErrnoIs(EBADMSG));
  tree.Remove("stat");
  EXPECT_THAT(ReadProcessSockets(Pid(42), tree.root()), testing::ErrnoIs(ESRCH));
}

// ---- Cost ----

TEST(ConnectionsCost, NothingIsAllocatedPerRow) {
  testing::Apart([] {
    // A /proc of the test's own, so that other processes of the host do not allocate here.
    testing::ProcTree tree;
    tree.Pid(42, "holder", 777).Uids(1, 2, 3, 4);
    const std::unique_ptr<Engine> engine =
        Engine::Open({.proc_root = tree.root(), .owner_source = OwnerSource::kProc}).value();
    const ConnectionsOptions options{
        .kind = "tcp", .proc_root = tree.root(), .engine = engine.get()};
    std::vector<int> listeners;
    const auto allocations = [&](size_t sockets) {
      while (listeners.size() < sockets) {
        const int fd = testing::Listen(testing::Loopback(Family::kInet), 1);
        tree.Fd(static_cast<int>(listeners.size()), testing::InodeOf(fd));
        listeners.push_back(fd);
      }
      uint64_t count = 0;
      size_t rows = 0;
      for (int i = 0; i < 3; ++i) {  // by the third run all buffers have grown
        const testing::AllocCounter counter;
        rows = 0;
        const auto summary = VisitConnections(options, [&](const Connection& row) {
          for (const Holder& holder : row.holders) rows += holder.uids.has_value() ? 1 : 0;
          return Flow::kContinue;
        });
        count = counter.count();
        EXPECT_THAT(summary, testing::IsOk());
      }
      EXPECT_EQ(rows, sockets);
      return count;
    };
    const uint64_t few = allocations(10);
    EXPECT_EQ(allocations(500), few);
    for (const int fd : listeners) close(fd);
  });
}

}  // namespace
}  // namespace netdiag
