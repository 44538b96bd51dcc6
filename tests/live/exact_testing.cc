#include "tests/live/exact_testing.h"

#include <linux/netlink.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <unistd.h>

#include "netdiag/row.h"
#include "tests/testing/netns.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {
namespace {

// ---- The kinds ----

// Each function makes one socket and returns it. `n`: see Maker::Make(). `listener` accepts
// connections.
struct MakeArguments {
  uint32_t n = 0;
  int listener = -1;
  std::vector<int>* ends = nullptr;
};

template <Family kFamily>
int MakeUdp(const MakeArguments& arguments) {
  const int fd = Make(kFamily, SOCK_DGRAM);
  Set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  Endpoint local = Loopback(kFamily);
  local.port = Port::FromHost(kSharedPort);
  Bind(fd, local);
  Endpoint remote = Loopback(kFamily);
  remote.port = Port::FromHost(static_cast<uint16_t>(10'000 + arguments.n % 50'000));
  Connect(fd, remote);
  return fd;
}

int MakeListener(const MakeArguments&) {
  const int fd = Make(Family::kInet, SOCK_STREAM);
  Set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  Endpoint local = Loopback(Family::kInet);
  local.port = Port::FromHost(kSharedPort);
  Bind(fd, local);
  Check(listen(fd, 1) == 0, "listen");
  return fd;
}

// Closing either end resets the connection, so that no TIME_WAIT remains.
int MakeConnection(const MakeArguments& arguments) {
  const int fd = Make(Family::kInet, SOCK_STREAM);
  Connect(fd, LocalOf(arguments.listener));
  const int end = Accept(arguments.listener);
  const linger reset = {1, 0};
  Set(fd, SOL_SOCKET, SO_LINGER, reset);
  Set(end, SOL_SOCKET, SO_LINGER, reset);
  arguments.ends->push_back(end);
  return fd;
}

int MakeUnix(const MakeArguments&) { return Make(Family::kUnix, SOCK_DGRAM); }

int MakePacket(const MakeArguments&) { return socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); }

int MakeNetlink(const MakeArguments&) {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
  Check(fd >= 0, "netlink");
  sockaddr_nl address = {};
  address.nl_family = AF_NETLINK;
  Check(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0, "bind");
  return fd;
}

struct KindRow {
  const char* name;
  Protocol protocol;
  int (*make)(const MakeArguments&);
  bool connects = false;  // needs a listener, and shares a bucket only in a table of one bucket
  StateSet states = StateSet::SsAll();  // of the query
};

constexpr std::array kKinds = {
    KindRow{.name = "Udp", .protocol = Protocol::kUdp, .make = MakeUdp<Family::kInet>},
    KindRow{.name = "Udp6", .protocol = Protocol::kUdp, .make = MakeUdp<Family::kInet6>},
    KindRow{.name = "Listeners",
            .protocol = Protocol::kTcp,
            .make = MakeListener,
            .states = State::kListen},
    KindRow{.name = "Connections",
            .protocol = Protocol::kTcp,
            .make = MakeConnection,
            .connects = true},
    KindRow{.name = "Unix", .protocol = Protocol::kUnix, .make = MakeUnix},
    KindRow{.name = "Packet", .protocol = Protocol::kPacket, .make = MakePacket},
    KindRow{.name = "Netlink", .protocol = Protocol::kNetlink, .make = MakeNetlink},
};
static_assert(kKinds.size() == static_cast<size_t>(Kind::kNetlink) + 1);

const KindRow& RowOf(Kind kind) { return kKinds[static_cast<size_t>(kind)]; }

}  // namespace

const char* NameOf(Kind kind) { return RowOf(kind).name; }

Protocol ProtocolOf(Kind kind) { return RowOf(kind).protocol; }

Query QueryOf(Kind kind, Completeness completeness) {
  Query query;
  query.protocols = {RowOf(kind).protocol};
  query.states = RowOf(kind).states;
  query.completeness = completeness;
  return query;
}

// ---- Where they are made ----

void InCrowdedNetns(const std::function<void()>& body) {
  rlimit limit = {};
  Check(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
  limit.rlim_cur = limit.rlim_max;
  Check(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
  InNewNetns(body);
}

void InOneBucket(Kind kind, const std::function<void()>& body) {
  InCrowdedNetns([&] {
    if (RowOf(kind).connects) {
      // The size of the connection table of namespaces that this namespace creates.
      std::ofstream("/proc/sys/net/ipv4/tcp_child_ehash_entries") << 1;
      EnterNewNetns();
    }
    body();
  });
}

// ---- Making them ----

Maker::Maker(Kind kind) : kind_(kind) {
  if (RowOf(kind).connects) listener_ = Listen(Loopback(Family::kInet), 4096);
}

Maker::~Maker() {
  if (listener_ >= 0) close(listener_);
}

int Maker::Make(uint32_t n, std::vector<int>* ends) const {
  return RowOf(kind_).make({.n = n, .listener = listener_, .ends = ends});
}

Crowd::~Crowd() {
  std::vector<uint64_t> all;
  for (const auto& [cookie, fd] : sockets_) all.push_back(cookie);
  Remove(all);
}

void Crowd::Add(uint32_t count) {
  const bool founders = made_ == 0;
  for (uint32_t i = 0; i < count; ++i) {
    std::vector<int> ends;
    const int fd = maker_.Make(made_++, &ends);
    Check(fd >= 0, "socket");
    ends.push_back(fd);
    for (const int end : ends) {
      const uint64_t cookie = CookieOf(end).value();
      sockets_.emplace(cookie, end);
      if (founders) founders_.insert(cookie);
    }
  }
}

// Many threads close them: closing a packet socket waits for all processors.
void Crowd::Remove(const std::vector<uint64_t>& cookies) {
  constexpr size_t kThreads = 32;
  std::vector<std::thread> threads;
  for (size_t i = 0; i < std::min(kThreads, cookies.size()); ++i) {
    threads.emplace_back([&, i] {
      for (size_t j = i; j < cookies.size(); j += kThreads) close(sockets_.at(cookies[j]));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const uint64_t cookie : cookies) sockets_.erase(cookie);
}

Churn::Churn(Kind kind) : thread_([this, kind] { Run(kind); }) {
  Await("the first sockets of the churn", [this] { return made_ > 0; });
}

Churn::~Churn() {
  over_ = true;
  thread_.join();
}

void Churn::Run(Kind kind) {
  const Maker maker(kind);
  std::vector<int> some;
  for (uint32_t n = 0; !over_; ++n) {
    // All sockets of a group are closed again. The size of the groups changes.
    const uint32_t group = 1 + n * 7 % 40;
    for (uint32_t i = 0; i < group; ++i) {
      some.push_back(maker.Make(20'000 + n * 64 + i, &some));
      ++made_;
    }
    for (const int fd : some) close(fd);
    some.clear();
  }
}

// ---- What a dump gave ----

namespace {

// True if the kernel has reset the connection, which it does if memory is short: it is in no table.
bool IsReset(int fd) {
  tcp_info info = {};
  socklen_t size = sizeof(info);
  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
         info.tcpi_state == static_cast<uint8_t>(State::kClose);
}

}  // namespace

Count Tally::Of(const Crowd& crowd) const {
  Count count;
  for (const auto& [cookie, times] : given_) count.twice += times > 1 ? 1 : 0;
  for (const auto& [cookie, fd] : crowd.sockets()) {
    if (given_.contains(cookie) || IsReset(fd)) continue;
    ++count.missed;
    count.missed_founders += crowd.IsFounder(cookie) ? 1 : 0;
  }
  return count;
}

absl::StatusOr<Summary> DumpInto(Tally* tally, Engine* engine, const Query& query) {
  return engine->Visit(query, [tally](const Row& row) {
    tally->Add(row.cookie().value());
    return Flow::kContinue;
  });
}

}  // namespace netdiag::testing
