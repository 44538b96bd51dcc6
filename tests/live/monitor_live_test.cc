// The Monitor on the running kernel: every connection is counted to the byte, however long it lives
// and however it ends, and sums by process equal the total.

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/engine.h"
#include "netdiag/fields.h"
#include "netdiag/monitor.h"
#include "netdiag/row.h"
#include "netdiag/types/error.h"
#include "tests/live/netns_testing.h"
#include "tests/testing/alloc_counter.h"
#include "tests/testing/netns.h"
#include "tests/testing/sockets.h"
#include "tests/testing/status_matchers.h"

namespace netdiag::testing {
namespace {

const Field& Acked() { return *FindField("bytes_acked"); }
const Field& Received() { return *FindField("bytes_received"); }

uint64_t NumberOf(const FieldValue& value) {
  const auto* number = std::get_if<uint64_t>(&value);
  return number != nullptr ? *number : 0;
}

struct Gained {
  uint64_t acked = 0;
  uint64_t received = 0;
  size_t ends = 0;  // kClosed and kGone
};
Query TcpQuery() {
  return {.protocols = {Protocol::kTcp}, .extensions = Extension::kInfo, .owners = true};
}

// A Monitor of the calling thread's namespace, and what each socket has gained.
class Watcher {
 public:
  explicit Watcher(EngineOptions options = {}, Query query = TcpQuery()) {
    engine_ = *Engine::Open(std::move(options));
    absl::StatusOr<std::unique_ptr<Monitor>> monitor = Monitor::Open(engine_.get(), query);
    EXPECT_THAT(monitor, IsOk());
    monitor_ = *std::move(monitor);
    Look();
  }
  void Look() {
    const auto look = monitor_->Poll([this](const Change& change) { Note(change); });
    EXPECT_THAT(look, IsOk());
    EXPECT_THAT(look->no_events, IsOk());
    EXPECT_EQ(look->overruns, 0u);
    EXPECT_EQ(look->untold, 0u);
  }
  // Looks until these sockets have ended. The kernel sends events late.
  void AwaitEnds(const std::vector<Cookie>& cookies) {
    Await("events", [&] {
      Look();
      return std::ranges::all_of(cookies, [&](Cookie c) { return gained[c].ends > 0; });
    });
  }

  std::map<Cookie, Gained> gained;
  ChangeSums by_process{{FindField("owners.pid")}, {&Acked(), &Received()}};
  uint64_t total_acked = 0;
  std::function<void(const Change&)> inspect = [](const Change&) {};
  Monitor* operator->() { return monitor_.get(); }

 private:
  void Note(const Change& change) {
    inspect(change);
    Gained& all = gained[change.row().cookie()];
    all.acked += NumberOf(change.Delta(Acked()));
    all.received += NumberOf(change.Delta(Received()));
    all.ends += change.kind() == ChangeKind::kClosed || change.kind() == ChangeKind::kGone;
    total_acked += NumberOf(change.Delta(Acked()));
    by_process.Add(change);
  }

  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Monitor> monitor_;
};

// Reads exactly `bytes`, or to the end of the stream.
void ReadExactly(int fd, size_t bytes) {
  std::array<char, 16384> buffer;
  while (bytes > 0) {
    const ssize_t got = recv(fd, buffer.data(), std::min(bytes, buffer.size()), 0);
    Check(got > 0, "recv");
    bytes -= static_cast<size_t>(got);
  }
}

void AwaitEnd(int fd) {
  char byte;
  Check(recv(fd, &byte, 1, 0) == 0, "end of stream");
}

// ---- Bytes ----

enum class Ending : uint8_t { kClientFirst, kServerFirst, kShutdown, kUnread, kAborted, kCount };

// One connection that sends known amounts.
struct Transfer {
  Ending ending;
  size_t up = 0, down = 0;  // bytes from the client, and to it
  Pair pair = {};
  Cookie client = {}, server = {};

  void Open() {
    pair = MakePair(up % 2 == 0 ? Family::kInet : Family::kInet6);
    client = CookieOf(pair.client);
    server = CookieOf(pair.server);
  }
  void Exchange() const {
    Send(pair.client, up);
    if (ending != Ending::kUnread) ReadExactly(pair.server, up);
    Send(pair.server, down);
    ReadExactly(pair.client, down);
  }
  void Close() const {
    switch (ending) {
      case Ending::kClientFirst:
        close(pair.client);
        AwaitEnd(pair.server);
        close(pair.server);
        break;
      case Ending::kServerFirst:
        close(pair.server);
        AwaitEnd(pair.client);
        close(pair.client);
        break;
      case Ending::kShutdown:
        shutdown(pair.client, SHUT_WR);
        AwaitEnd(pair.server);
        shutdown(pair.server, SHUT_WR);
        AwaitEnd(pair.client);
        close(pair.client);
        close(pair.server);
        break;
      case Ending::kUnread:
        close(pair.server);  // sends a reset, because it has unread data
        close(pair.client);
        break;
      case Ending::kAborted:
        Set(pair.client, SOL_SOCKET, SO_LINGER, linger{1, 0});
        close(pair.client);
        close(pair.server);
        break;
      case Ending::kCount:
        break;
    }
  }
  // What each end receives: the data, and 1 for the other end's FIN if it came before the event.
  uint64_t ClientReceives() const {
    return down + (ending == Ending::kServerFirst || ending == Ending::kShutdown ? 1 : 0);
  }
  uint64_t ServerReceives() const {
    return up + (ending == Ending::kClientFirst || ending == Ending::kShutdown ? 1 : 0);
  }
};

TEST(MonitorLive, EveryConnectionIsCountedToTheByte) {
  InNewNetns([] {
    Watcher watcher;
    std::vector<Transfer> transfers;
    for (size_t i = 0; i < 1000; ++i) {
      const auto ending = static_cast<Ending>(i % static_cast<size_t>(Ending::kCount));
      transfers.push_back({.ending = ending, .up = 1 + i * 37 % 9001, .down = 1 + i * 53 % 7001});
    }
    // Of ten connections, eight live for less than a look, one is seen once and one lives long.
    for (size_t i = 0; i < transfers.size(); ++i) {
      transfers[i].Open();
      transfers[i].Exchange();
      if (i % 10 < 8) transfers[i].Close();
      if (i % 100 == 99) {
        watcher.Look();
        for (size_t j = i - 99; j <= i; ++j) {
          if (j % 10 == 8) transfers[j].Close();
        }
      }
    }
    for (size_t i = 9; i < transfers.size(); i += 10) {
      Send(transfers[i].pair.client, 11);
      if (transfers[i].ending != Ending::kUnread) ReadExactly(transfers[i].pair.server, 11);
      transfers[i].up += 11;
      transfers[i].Close();
    }
    std::vector<Cookie> all;
    for (const Transfer& transfer : transfers) {
      all.push_back(transfer.client);
      all.push_back(transfer.server);
    }
    watcher.AwaitEnds(all);
    for (size_t i = 0; i < transfers.size(); ++i) {
      const Transfer& transfer = transfers[i];
      SCOPED_TRACE("connection " + std::to_string(i) + " up " + std::to_string(transfer.up) +
                   " down " + std::to_string(transfer.down));
      const Gained& client = watcher.gained[transfer.client];
      const Gained& server = watcher.gained[transfer.server];
      EXPECT_EQ(client.ends, 1u);
      EXPECT_EQ(server.ends, 1u);
      // The end that closes first gives its event before or after it has the other end's FIN.
      const auto count = [&](Ending closes_first, uint64_t bytes) {
        const uint64_t more = transfer.ending == closes_first ? 1 : 0;
        return ::testing::AllOf(::testing::Ge(bytes), ::testing::Le(bytes + more));
      };
      EXPECT_THAT(server.received, count(Ending::kServerFirst, transfer.ServerReceives()));
      if (transfer.ending == Ending::kAborted) {
        // Its counters were cleared: what it had at the last look is all that is known.
        EXPECT_EQ(client.received, i % 10 < 8 ? 0u : transfer.ClientReceives());
        continue;
      }
      EXPECT_THAT(client.received, count(Ending::kClientFirst, transfer.ClientReceives()));
      // The SYN counts one, and so does the FIN if it was acknowledged before the event.
      const bool resets = transfer.ending == Ending::kUnread;
      EXPECT_EQ(client.acked, transfer.up + (resets ? 1 : 2));
      EXPECT_EQ(server.acked, transfer.down + (resets ? 0 : 1));
    }
    EXPECT_LE(watcher->size(), 2u);
  });
}

TEST(MonitorLive, TimeWaitIsForgottenWithItsSocket) {
  InNewNetns([] {
    Watcher watcher;
    Transfer transfer = {.ending = Ending::kClientFirst, .up = 10, .down = 10};
    transfer.Open();
    transfer.Exchange();
    watcher.Look();
    transfer.Close();
    watcher.AwaitEnds({transfer.client, transfer.server});
    for (int i = 0; i < 3; ++i) watcher.Look();
    EXPECT_EQ(watcher.gained[transfer.client].ends, 1u);
    EXPECT_EQ(watcher.gained[transfer.client].acked, 12u);
    EXPECT_EQ(watcher->size(), 0u);
  });
}

// ---- Owners ----

// A process that connects, sends `bytes` when it is told to, closes, and ends when told again.
class Sender {
 public:
  Sender(const Endpoint& to, size_t bytes) {
    Check(pipe2(told_, O_CLOEXEC) == 0 && pipe2(tells_, O_CLOEXEC) == 0, "pipe2");
    pid_ = fork();
    if (pid_ != 0) {
      AwaitStep();
      return;
    }
    const int fd = Make(Family::kInet, SOCK_STREAM);
    Connect(fd, to);
    Tell();
    AwaitWord();
    Send(fd, bytes);
    AwaitEnd(fd);
    close(fd);
    Tell();
    AwaitWord();
    _exit(0);
  }
  ~Sender() {
    Go();
    waitpid(pid_, nullptr, 0);
    for (const int fd : {told_[0], told_[1], tells_[0], tells_[1]}) close(fd);
  }
  void Go() { Check(write(told_[1], "x", 1) == 1, "write"); }
  void AwaitStep() { Await(tells_[0]); }
  pid_t pid() const { return pid_; }

 private:
  static void Await(int fd) {
    char byte;
    Check(read(fd, &byte, 1) == 1, "read");
  }
  void Tell() { Check(write(tells_[1], "x", 1) == 1, "write"); }
  void AwaitWord() { Await(told_[0]); }

  int told_[2], tells_[2];
  pid_t pid_ = -1;
};

TEST(MonitorLive, SumsByProcessAndWhatIsUnattributedEqualTheTotal) {
  InNewNetns([] {
    Watcher watcher;
    const int listener = Listen(Loopback(Family::kInet), 8);
    std::vector<std::unique_ptr<Sender>> senders;
    std::vector<int> accepted;
    const std::array<size_t, 3> amounts = {1000, 20'000, 300};
    for (const size_t amount : amounts) {
      senders.push_back(std::make_unique<Sender>(LocalOf(listener), amount));
    }
    // After the last fork(), so that no sender holds the server's end of another one.
    for (size_t i = 0; i < amounts.size(); ++i) accepted.push_back(Accept(listener));
    watcher.Look();
    // They end before the next look, in which they have no owner any more.
    std::vector<Cookie> ends;
    for (size_t i = 0; i < senders.size(); ++i) {
      ends.push_back(CookieOf(accepted[i]));
      senders[i]->Go();
      ReadExactly(accepted[i], amounts[i]);
      close(accepted[i]);
      senders[i]->AwaitStep();
    }
    // One that no look sees.
    Transfer unseen = {.ending = Ending::kClientFirst, .up = 77, .down = 33};
    unseen.Open();
    unseen.Exchange();
    unseen.Close();
    ends.push_back(unseen.client);
    ends.push_back(unseen.server);
    watcher.AwaitEnds(ends);
    std::map<int64_t, uint64_t> acked;
    uint64_t sum = 0;
    for (const RowCounts::Group& group : watcher.by_process.Groups()) {
      const bool known = !IsAbsent(group.values[0]);
      acked[known ? static_cast<int64_t>(NumberOf(group.values[0])) : -1] = NumberOf(group.sums[0]);
      sum += NumberOf(group.sums[0]);
    }
    for (size_t i = 0; i < senders.size(); ++i) {
      // SYN was counted when the socket opened. The server closed first, so the FIN counts too.
      EXPECT_EQ(acked[senders[i]->pid()], amounts[i] + 2);
    }
    EXPECT_EQ(acked[-1], unseen.up + 2 + unseen.down + 1);
    EXPECT_EQ(sum, watcher.total_acked);
    close(listener);
  });
}

TEST(MonitorLive, TheOwnerOfAListenerIsInferredForWhatLivesBetweenTwoLooks) {
  InNewNetns([] {
    const int listener = Listen(Loopback(Family::kInet), 8);
    Watcher watcher;
    std::map<Cookie, pid_t> inferred;
    watcher.inspect = [&](const Change& change) {
      if (!change.unseen()) return;
      EXPECT_TRUE(change.row().owners().empty());
      const Owners owners = change.inferred_owners();
      inferred[change.row().cookie()] = owners.empty() ? 0 : owners[0].pid.value();
    };
    Cookie accepted, connected;
    // A look can come before the event, and then it has seen the end that is in TIME_WAIT.
    for (int i = 0; i < 50 && !(inferred.contains(accepted) && inferred.contains(connected)); ++i) {
      const int client = Make(Family::kInet, SOCK_STREAM);
      Connect(client, LocalOf(listener));
      const int server = Accept(listener);
      accepted = CookieOf(server), connected = CookieOf(client);
      close(server);
      close(client);
      watcher.AwaitEnds({accepted, connected});
    }
    ASSERT_TRUE(inferred.contains(accepted) && inferred.contains(connected));
    EXPECT_EQ(inferred[accepted], getpid());
    EXPECT_EQ(inferred[connected], 0);
    close(listener);
  });
}

// ---- Cost ----

// Returns how many allocations a steady look makes with that many connections: the least of many
// looks, because a look allocates for each process of the machine that is new.
uint64_t AllocationsOfALook(size_t connections) {
  Watcher watcher;
  std::vector<Pair> pairs;
  for (size_t i = 0; i < connections; ++i) pairs.push_back(MakePair(Family::kInet));
  uint64_t lived = 0;
  const auto look = [&] {
    lived = 0;
    const auto looked =
        watcher->Poll([&](const Change& change) { lived += change.kind() == ChangeKind::kLived; });
    EXPECT_THAT(looked, IsOk());
  };
  uint64_t least = ~uint64_t{0};
  for (int i = 0; i < 30; ++i) {
    const AllocCounter counter;
    look();
    least = std::min(least, counter.count());
    EXPECT_EQ(lived + (i == 0 ? 2 * connections : 0), 2 * connections);
  }
  for (const Pair& pair : pairs) {
    close(pair.client);
    close(pair.server);
  }
  return least;
}

TEST(MonitorLive, ASteadyLookWithOwnersAllocatesNothingForASocket) {
  uint64_t few = 0, many = 0;
  InNewNetns([&] { few = AllocationsOfALook(5); });
  InNewNetns([&] { many = AllocationsOfALook(300); });
  // A dump of several datagrams also reads the counters of TCP.
  EXPECT_LE(many, few + 64);
  // What it allocates is the Summary that the query and the look return.
  EXPECT_LE(few, 20u);
}

// ---- Namespaces ----

TEST(MonitorLive, ClosedSocketsOfOtherNamespacesAreFollowed) {
  Apart([] {
    AddNetns("guest");
    Transfer transfer = {.ending = Ending::kClientFirst, .up = 500, .down = 100};
    In("guest", [&] { transfer.Open(); });
    {
      Watcher watcher({.all_netns = true});
      watcher.Look();
      transfer.Exchange();
      transfer.Close();
      // Since the first look the namespace is followed, so what no look sees counts, too.
      Transfer unseen = {.ending = Ending::kServerFirst, .up = 40, .down = 60};
      In("guest", [&] { unseen.Open(); });
      unseen.Exchange();
      unseen.Close();
      watcher.AwaitEnds({transfer.client, transfer.server, unseen.client, unseen.server});
      EXPECT_EQ(watcher.gained[transfer.server].received, 501u);
      EXPECT_EQ(watcher.gained[unseen.client].received, 61u);
      // The FIN of the other end counts if it came before the event.
      EXPECT_THAT(watcher.gained[unseen.server].received, ::testing::AnyOf(40u, 41u));
    }
    DeleteNetns("guest");
  });
}

// ---- UDP ----

TEST(MonitorLive, UdpHasDropsAndNoBytes) {
  InNewNetns([] {
    const Field& drops = *FindField("memory.drops");
    Watcher watcher({}, {.protocols = {Protocol::kUdp}, .extensions = Extension::kSocketMemory});
    const int server = Make(Family::kInet, SOCK_DGRAM);
    Bind(server, Loopback(Family::kInet));
    Set(server, SOL_SOCKET, SO_RCVBUF, 1);
    const Cookie cookie = CookieOf(server);
    const int client = Make(Family::kInet, SOCK_DGRAM);
    Connect(client, LocalOf(server));
    watcher.Look();
    for (int i = 0; i < 200; ++i) Send(client, 1000);
    uint64_t dropped = 0;
    watcher.inspect = [&](const Change& change) {
      EXPECT_TRUE(IsAbsent(change.Delta(Acked())));
      EXPECT_TRUE(IsAbsent(change.Delta(Received())));
      if (change.row().cookie() == cookie) dropped += NumberOf(change.Delta(drops));
    };
    watcher.Look();
    std::array<std::byte, 256> storage;
    EXPECT_GT(dropped, 0u);
    EXPECT_EQ(dropped, ReadSocketMemory(server, storage)[SocketMemory::Field("drops")].value_or(0));
    close(server);
    close(client);
    watcher.AwaitEnds({cookie});
  });
}

}  // namespace
}  // namespace netdiag::testing
