// tests/live/exact_testing.h — populations that tear the kernel's dumps, and what became of them.
//
//   Alone([] {
//     const Crowd crowd(Kind::kUdp, 1500);
//     const Churn churn(Kind::kUdp);
//     Tally tally;
//     DumpInto(&tally, engine, QueryOf(Kind::kUdp, Completeness::kExact));
//     const Count count = tally.Of(crowd);       // who was missed, who came twice
//   });

#ifndef NETDIAG_TESTS_LIVE_EXACT_TESTING_H_
#define NETDIAG_TESTS_LIVE_EXACT_TESTING_H_

#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <map>
#include <sched.h>
#include <set>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/engine.h"
#include "netdiag/row.h"
#include "netdiag/types/types.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {

// The calling thread's, with its loopback up.
inline void EnterNewNetns() {
  Check(unshare(CLONE_NEWNET) == 0, "unshare");
  Check(std::system("ip link set lo up") == 0, "ip link");
}

// Runs `body` on a thread with a network namespace of its own. Threads that it starts are there
// too.
inline void Alone(const std::function<void()>& body) {
  ASSERT_EQ(geteuid(), 0u) << "making a network namespace needs root";
  std::thread([&] {
    rlimit limit = {};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    Check(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
    EnterNewNetns();
    body();
  }).join();
}

// On a thread without privileges, in the namespace of this one. System calls change one thread's.
inline void AsNobody(const std::function<void()>& body) {
  std::thread([&] {
    Check(syscall(SYS_setresgid, 65534, 65534, 65534) == 0, "setresgid");
    Check(syscall(SYS_setresuid, 65534, 65534, 65534) == 0, "setresuid");
    body();
  }).join();
}

// In a namespace whose table of connections has one bucket, which sysctls of its maker decide.
inline void InTinyTable(const std::function<void()>& body) {
  Alone([&] {
    std::ofstream("/proc/sys/net/ipv4/tcp_child_ehash_entries") << 1;
    EnterNewNetns();
    body();
  });
}

// Sockets of one bucket, wherever the kernel lets one have that.
enum class Kind : uint8_t { kUdp, kUdp6, kListeners, kConnections, kUnix, kPacket, kNetlink };

inline const char* NameOf(Kind kind) {
  static constexpr const char* kNames[] = {"Udp",  "Udp6",   "Listeners", "Connections",
                                           "Unix", "Packet", "Netlink"};
  return kNames[static_cast<size_t>(kind)];
}

// Where all sockets of the kind stand in one bucket, if that can be had.
inline void Within(Kind kind, const std::function<void()>& body) {
  kind == Kind::kConnections ? InTinyTable(body) : Alone(body);
}

inline constexpr uint16_t kSharedPort = 5353;

inline Protocol ProtocolOf(Kind kind) {
  switch (kind) {
    case Kind::kUdp:
    case Kind::kUdp6:
      return Protocol::kUdp;
    case Kind::kListeners:
    case Kind::kConnections:
      return Protocol::kTcp;
    case Kind::kUnix:
      return Protocol::kUnix;
    case Kind::kPacket:
      return Protocol::kPacket;
    case Kind::kNetlink:
      return Protocol::kNetlink;
  }
  return Protocol::kTcp;
}

inline Query QueryOf(Kind kind, Completeness completeness) {
  Query query;
  query.protocols = {ProtocolOf(kind)};
  if (kind == Kind::kListeners) query.states = State::kListen;
  query.completeness = completeness;
  return query;
}

// One more socket of the kind. Connections need Served().
class Maker {
 public:
  explicit Maker(Kind kind) : kind_(kind) {
    if (kind != Kind::kConnections) return;
    // The server's ends are reset by closing them, so that nothing of them stays.
    listener_ = Listen(Loopback(Family::kInet), 4096);
    server_ = LocalOf(listener_);
  }
  Maker(const Maker&) = delete;
  Maker& operator=(const Maker&) = delete;
  ~Maker() {
    if (listener_ >= 0) close(listener_);
  }

  // `n` tells it from others of its Maker. Answers one end of what was made; the other end of a
  // connection is added to `ends`.
  int Make(uint32_t n, std::vector<int>* ends) {
    switch (kind_) {
      case Kind::kUdp:
      case Kind::kUdp6:
        return MakeUdp(n);
      case Kind::kListeners:
        return MakeListener();
      case Kind::kConnections:
        return MakeConnection(ends);
      case Kind::kUnix:
        return testing::Make(Family::kUnix, SOCK_DGRAM);
      case Kind::kPacket:
        return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
      case Kind::kNetlink:
        return MakeNetlink();
    }
    return -1;
  }

 private:
  int MakeUdp(uint32_t n) const {
    const Family family = kind_ == Kind::kUdp ? Family::kInet : Family::kInet6;
    const int fd = testing::Make(family, SOCK_DGRAM);
    Set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    Endpoint local = Loopback(family);
    local.port = Port::FromHost(kSharedPort);
    Bind(fd, local);
    Endpoint remote = Loopback(family);
    remote.port = Port::FromHost(static_cast<uint16_t>(10'000 + n % 50'000));
    Connect(fd, remote);
    return fd;
  }
  static int MakeListener() {
    const int fd = testing::Make(Family::kInet, SOCK_STREAM);
    Set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    Endpoint local = Loopback(Family::kInet);
    local.port = Port::FromHost(kSharedPort);
    Bind(fd, local);
    Check(listen(fd, 1) == 0, "listen");
    return fd;
  }
  int MakeConnection(std::vector<int>* ends) const {
    const int fd = testing::Make(Family::kInet, SOCK_STREAM);
    Connect(fd, server_);
    const int end = Accept(listener_);
    const linger reset = {1, 0};
    Set(fd, SOL_SOCKET, SO_LINGER, reset);
    Set(end, SOL_SOCKET, SO_LINGER, reset);
    ends->push_back(end);
    return fd;
  }
  static int MakeNetlink() {
    const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
    Check(fd >= 0, "netlink");
    sockaddr_nl address = {};
    address.nl_family = AF_NETLINK;
    Check(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0, "bind");
    return fd;
  }

  Kind kind_;
  int listener_ = -1;
  Endpoint server_;
};

// Sockets that live until they are removed, known by their cookies.
class Crowd {
 public:
  Crowd(Kind kind, uint32_t count) : maker_(kind) { Add(count); }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;
  ~Crowd() {
    std::vector<uint64_t> all;
    for (const auto& [cookie, fd] : sockets_) all.push_back(cookie);
    Remove(all);
  }

  // Later ones are not of those that lived through a dump.
  void Add(uint32_t count) {
    first_ = made_ == 0 ? count : first_;
    for (uint32_t i = 0; i < count; ++i) {
      std::vector<int> ends;
      const int fd = maker_.Make(made_++, &ends);
      Check(fd >= 0, "socket");
      ends.push_back(fd);
      for (const int end : ends) {
        const uint64_t cookie = CookieOf(end).value();
        sockets_.emplace(cookie, end);
        if (made_ <= first_) founders_.insert(cookie);
      }
    }
  }
  bool IsFounder(uint64_t cookie) const { return founders_.contains(cookie); }
  // Closing a packet socket waits for all processors, so many at once.
  void Remove(const std::vector<uint64_t>& cookies) {
    constexpr size_t kAtOnce = 32;
    std::vector<std::thread> threads;
    for (size_t i = 0; i < std::min(kAtOnce, cookies.size()); ++i) {
      threads.emplace_back([&, i] {
        for (size_t j = i; j < cookies.size(); j += kAtOnce) close(sockets_.at(cookies[j]));
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const uint64_t cookie : cookies) sockets_.erase(cookie);
  }
  const std::map<uint64_t, int>& sockets() const { return sockets_; }

 private:
  Maker maker_;
  uint32_t made_ = 0;
  uint32_t first_ = 0;
  std::set<uint64_t> founders_;
  std::map<uint64_t, int> sockets_;  // cookie → descriptor
};

// Opens and closes sockets of the kind beside whatever else happens.
class Churn {
 public:
  explicit Churn(Kind kind) : thread_([this, kind] { Run(kind); }) {}
  Churn(const Churn&) = delete;
  Churn& operator=(const Churn&) = delete;
  ~Churn() {
    over_ = true;
    thread_.join();
  }
  uint64_t made() const { return made_; }

 private:
  void Run(Kind kind) {
    Maker maker(kind);
    std::vector<int> some;
    for (uint32_t n = 0; !over_; ++n) {
      // As many come as go, in groups of changing size.
      const uint32_t group = 1 + n * 7 % 40;
      for (uint32_t i = 0; i < group; ++i) {
        some.push_back(maker.Make(20'000 + n * 64 + i, &some));
        ++made_;
      }
      for (const int fd : some) close(fd);
      some.clear();
    }
  }

  std::atomic<bool> over_{false};
  std::atomic<uint64_t> made_{0};
  std::thread thread_;
};

// How often each of a crowd's sockets was given.
struct Count {
  uint64_t missed = 0;           // of the crowd
  uint64_t missed_of_first = 0;  // of those that were there from the beginning
  uint64_t twice = 0;            // of all sockets
};

class Tally {
 public:
  void Add(uint64_t cookie) { ++given_[cookie]; }
  bool Has(uint64_t cookie) const { return given_.contains(cookie); }
  Count Of(const Crowd& crowd) const {
    Count count;
    for (const auto& [cookie, times] : given_) count.twice += times > 1 ? 1 : 0;
    for (const auto& [cookie, fd] : crowd.sockets()) {
      if (given_.contains(cookie)) continue;
      ++count.missed;
      count.missed_of_first += crowd.IsFounder(cookie) ? 1 : 0;
    }
    return count;
  }

 private:
  std::map<uint64_t, int> given_;
};

// Adds what the query gives.
inline absl::StatusOr<Summary> DumpInto(Tally* tally, Engine* engine, const Query& query) {
  return engine->Visit(query, [tally](const Row& row) {
    tally->Add(row.cookie().value());
    return Flow::kContinue;
  });
}

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_LIVE_EXACT_TESTING_H_
