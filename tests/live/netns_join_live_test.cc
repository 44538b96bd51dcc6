// Peers, owners and filters of rows from all network namespaces, and a capture of them.

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <array>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <set>
#include <span>
#include <string_view>
#include <tuple>
#include <vector>

#include "netdiag/dump/capture.h"
#include "netdiag/engine/test_options.h"
#include "netdiag/filter/filter.h"
#include "netdiag/process/cgroup.h"
#include "tests/live/live_testing.h"
#include "tests/live/netns_testing.h"

namespace netdiag::testing {
namespace {

using netlink::CurrentNetns;

std::shared_ptr<const Filter> FilterOf(const std::string& text) {
  const absl::StatusOr<Filter> filter = Filter::Parse(text);
  EXPECT_TRUE(filter.ok()) << filter.status();
  return std::make_shared<const Filter>(filter.ok() ? *filter : Filter());
}

Query OfProtocol(Protocol protocol) {
  Query query;
  query.protocols = {protocol};
  query.states = StateSet::SsAll();
  return query;
}

// Calls `note` for every row.
template <class F>
Summary VisitAll(Engine* engine, const Query& query, F note) {
  absl::StatusOr<Summary> summary = engine->Visit(query, [&](const Row& row) {
    note(row);
    return Flow::kContinue;
  });
  EXPECT_TRUE(summary.ok()) << summary.status();
  return summary.ok() ? *std::move(summary) : Summary();
}

// A connection in the namespace, and a listener.
struct Connected {
  int listener = -1;
  Pair pair;
  explicit Connected(const std::string& name) {
    In(name, [this] {
      listener = Listen(Loopback(Family::kInet), 1);
      pair = MakePair(Family::kInet);
    });
  }
  Connected(const Connected&) = delete;
  Connected& operator=(const Connected&) = delete;
  ~Connected() {
    for (const int fd : {listener, pair.client, pair.server}) close(fd);
  }
  std::set<Inode> inodes() const {
    return {InodeOf(listener), InodeOf(pair.client), InodeOf(pair.server)};
  }
};

class NetnsJoinLive : public ::testing::Test {};

TEST_F(NetnsJoinLive, PeersAreFoundInEachNamespaceAndAcrossThem) {
  Apart([] {
    AddNetns("blue");
    AddNetns("green");
    std::array<int, 2> pair = {-1, -1};
    int server = -1;
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, "/run/server");
    const auto* const to = reinterpret_cast<const sockaddr*>(&address);
    In("blue", [&] {
      Check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) == 0, "socketpair");
    });
    In("green", [&] {
      server = Make(Family::kUnix, SOCK_DGRAM);
      Check(bind(server, to, sizeof(address)) == 0, "bind");
    });
    const int client = Make(Family::kUnix, SOCK_DGRAM);
    Check(connect(client, to, sizeof(address)) == 0, "connect");
    const std::map<Inode, Inode> expected = {{InodeOf(pair[0]), InodeOf(pair[1])},
                                             {InodeOf(pair[1]), InodeOf(pair[0])},
                                             {InodeOf(client), InodeOf(server)}};
    for (const size_t connections : {1, 3}) {
      SCOPED_TRACE(::testing::Message() << "connections " << connections);
      const auto engine = OpenForAll({.connections = connections, .threads = connections});
      Query query = OfProtocol(Protocol::kUnix);
      query.protocols.push_back(Protocol::kTcp);
      query.peers = query.owners = true;
      std::map<Inode, Inode> peers;
      const Summary summary = VisitAll(engine.get(), query, [&](const Row& row) {
        if (!expected.contains(row.inode())) return;
        EXPECT_EQ(row.table().netns_name, row.inode() == InodeOf(client) ? "self" : "blue");
        ASSERT_TRUE(row.peer().has_value());
        EXPECT_TRUE(peers.emplace(row.inode(), row.peer()->inode()).second) << "came twice";
        ASSERT_FALSE(row.peer_owners().empty());
        EXPECT_EQ(row.peer_owners()[0].pid.value(), getpid());
      });
      EXPECT_EQ(peers, expected);
      uint64_t rows = 0;
      for (const TableOutcome& table : summary.tables) rows += table.rows;
      EXPECT_EQ(rows, summary.rows);
    }
    for (const int fd : {pair[0], pair[1], server, client}) close(fd);
  });
}

TEST_F(NetnsJoinLive, EveryPolicyFindsTheOwnersInEachNamespace) {
  Apart([] {
    AddNetns("blue");
    AddNetns("green");
    const Connected blue("blue");
    const Connected green("green");
    std::set<Inode> expected = blue.inodes();
    expected.merge(green.inodes());
    for (const internal::GuestPlan plan :
         {internal::GuestPlan::kDumps, internal::GuestPlan::kTogether}) {
      SCOPED_TRACE(::testing::Message() << "plan " << static_cast<int>(plan));
      for (const OwnerPolicy policy :
           {OwnerPolicy::kAll, OwnerPolicy::kFirst, OwnerPolicy::kCached}) {
        const auto engine = OpenForAll({}, {.guest_plan = plan});
        Query query = OfProtocol(Protocol::kTcp);
        query.owners = true;
        query.owner_policy = policy;
        std::set<Inode> owned;
        VisitAll(engine.get(), query, [&](const Row& row) {
          if (row.table().netns_name.empty() || !expected.contains(row.inode())) return;
          ASSERT_FALSE(row.owners().empty());
          EXPECT_EQ(row.owners()[0].pid.value(), getpid());
          EXPECT_TRUE(owned.insert(row.inode()).second) << "came twice";
        });
        EXPECT_EQ(owned, expected);
      }
    }
  });
}

TEST_F(NetnsJoinLive, AFilterMayNameTheNamespace) {
  Apart([] {
    const NetnsId id = AddNetns("blue");
    AddNetns("green");
    const Connected blue("blue");
    const Connected green("green");
    const auto engine = OpenForAll();
    for (const std::string& text :
         {std::string("netns_name = blue"), std::string("netns_name = b*"),
          "netns = " + std::to_string(id.value())}) {
      Query query = OfProtocol(Protocol::kTcp);
      query.filter = FilterOf(text);
      std::set<Inode> inodes;
      const Summary summary =
          VisitAll(engine.get(), query, [&](const Row& row) { inodes.insert(row.inode()); });
      EXPECT_EQ(inodes, blue.inodes()) << text;
      EXPECT_EQ(summary.rows, 3u);
    }
  });
}

// The sockets have no cookies yet, so they are looked up.
TEST_F(NetnsJoinLive, AFilterIsAnsweredByLookupsWithoutADump) {
  Apart([] {
    AddNetns("blue");
    const Connected blue("blue");
    const std::string port = std::to_string(LocalOf(blue.pair.client).port.value());
    const std::map<std::string, std::set<Inode>> kCases = {
        {"sport = " + port, {InodeOf(blue.pair.client)}},
        {"dport = " + port, {InodeOf(blue.pair.server)}},
        {"sport = " + port + " or dport = " + port,
         {InodeOf(blue.pair.client), InodeOf(blue.pair.server)}},
        {"src = 127/8 and dport != 0", {InodeOf(blue.pair.client), InodeOf(blue.pair.server)}},
        {"state = listening and netns_name = blue", {InodeOf(blue.listener)}}};
    const auto engine = OpenForAll({}, {.guest_plan = internal::GuestPlan::kTogether});
    for (const auto& [text, expected] : kCases) {
      Query query = OfProtocol(Protocol::kTcp);
      query.filter = FilterOf(text);
      std::set<Inode> inodes;
      const Summary summary = VisitAll(engine.get(), query, [&](const Row& row) {
        if (row.table().netns_name == "blue") inodes.insert(row.inode());
      });
      EXPECT_EQ(inodes, expected) << text;
      bool looked_up = false;
      for (const TableOutcome& table : summary.tables) {
        if (table.table.netns_name == "blue") looked_up = table.looked_up;
      }
      EXPECT_TRUE(looked_up) << text;
    }
  });
}

// A cgroup named like one of a container, with a process in it.
class Container {
 public:
  Container() {
    for (const char* mount : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
      if (access((std::string(mount) + "/cgroup.procs").c_str(), W_OK) == 0) path_ = mount;
    }
    if (path_.empty()) return;
    id_ = std::to_string(getpid());
    id_.insert(0, 64 - id_.size(), 'a');
    path_ += "/docker-" + id_ + ".scope";
    Check(mkdir(path_.c_str(), 0755) == 0, path_);
  }
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;
  ~Container() {
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
    if (!path_.empty()) Await("an empty cgroup", [this] { return rmdir(path_.c_str()) == 0; });
  }
  bool possible() const { return !path_.empty(); }
  const std::string& id() const { return id_; }
  // Forks a process that joins the cgroup, opens a listener and stops.
  void ListenIn(const std::string& name) {
    child_ = fork();
    if (child_ == 0) {
      std::ofstream(path_ + "/cgroup.procs") << getpid() << std::flush;
      const int netns = open(("/run/netns/" + name).c_str(), O_RDONLY | O_CLOEXEC);
      if (setns(netns, CLONE_NEWNET) != 0) _exit(1);
      Listen(Loopback(Family::kInet), 1);
      raise(SIGSTOP);
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child_, &status, WUNTRACED), child_);
    ASSERT_TRUE(WIFSTOPPED(status)) << status;
  }

 private:
  std::string path_;
  std::string id_;
  pid_t child_ = -1;
};

TEST_F(NetnsJoinLive, AFilterMayNameAContainer) {
  Apart([] {
    AddNetns("blue");
    const Connected other("blue");
    Container container;
    if (!container.possible()) GTEST_SKIP() << "no cgroup2 hierarchy in /sys/fs/cgroup";
    container.ListenIn("blue");
    const auto engine = OpenForAll();
    for (const std::string& text : {"container = " + container.id(),
                                    std::string("container = aaaa* and netns_name = blue")}) {
      Query query;
      query.states = StateSet::SsAll();
      query.filter = FilterOf(text);
      uint64_t rows = 0;
      VisitAll(engine.get(), query, [&](const Row& row) {
        ++rows;
        EXPECT_EQ(row.table().netns_name, "blue");
        EXPECT_EQ(row.state(), State::kListen);
        ASSERT_NE(row.cgroup(), nullptr);
        EXPECT_EQ(row.cgroup()->container, container.id());
      });
      EXPECT_EQ(rows, 1u) << text;
    }
  });
}

// Compares only namespaces of this test, because other namespaces come and go.
using Replayed = std::multiset<std::tuple<uint32_t, std::string, int>>;

int FirstOwner(const Row& row) { return row.owners().empty() ? 0 : row.owners()[0].pid.value(); }

void ExpectTheSameReplayed(size_t threads, internal::GuestPlan plan, const Query& query,
                           const std::set<NetnsId>& made) {
  const auto live = OpenForAll({.threads = threads}, {.guest_plan = plan});
  std::string file;
  CaptureWriter writer([&](Bytes frame) {
    file.append(reinterpret_cast<const char*>(frame.data()), frame.size());
    return absl::OkStatus();
  });
  const absl::StatusOr<Summary> captured = live->Capture(query, &writer);
  ASSERT_TRUE(captured.ok()) << captured.status();
  ASSERT_TRUE(captured->netns.has_value());
  ASSERT_TRUE(writer.Finish().ok());

  EngineOptions replay;
  replay.replay = std::as_bytes(std::span(file.data(), file.size()));
  replay.all_netns = true;
  const absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(replay);
  ASSERT_TRUE(engine.ok()) << engine.status();
  Replayed got;
  Replayed expected;
  const Summary summary = VisitAll(engine->get(), query, [&](const Row& row) {
    EXPECT_EQ(row.source(), SourceKind::kReplay);
    if (!made.contains(row.table().netns)) return;
    got.insert({row.table().netns.value(), Identity(row), FirstOwner(row)});
  });
  EXPECT_EQ(summary.rows, captured->rows);
  EXPECT_EQ(summary.damaged, 0u);
  EXPECT_TRUE(summary.replay_damage.ok()) << summary.replay_damage;
  ASSERT_EQ(summary.tables.size(), captured->tables.size());
  for (size_t i = 0; i < summary.tables.size(); ++i) {
    EXPECT_EQ(summary.tables[i].table.netns, captured->tables[i].table.netns);
    EXPECT_EQ(summary.tables[i].table.netns_name, captured->tables[i].table.netns_name);
    EXPECT_EQ(summary.tables[i].rows, captured->tables[i].rows);
    EXPECT_EQ(summary.tables[i].status.code(), captured->tables[i].status.code());
  }
  VisitAll(live.get(), query, [&](const Row& row) {
    if (!made.contains(row.table().netns)) return;
    expected.insert({row.table().netns.value(), Identity(row), FirstOwner(row)});
  });
  EXPECT_EQ(got, expected);
  EXPECT_EQ(expected.size(), 10u);
}

TEST_F(NetnsJoinLive, ACaptureOfAllNamespacesReplaysTheSameRows) {
  Apart([] {
    const std::set<NetnsId> made = {AddNetns("blue"), AddNetns("green"), CurrentNetns()};
    const Connected blue("blue");
    const Connected green("green");
    const int own = Listen(Loopback(Family::kInet), 1);
    int pair[2];
    Check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
    // A socket without an owner is searched for again at the end of its table. Scanning so many
    // descriptors takes longer than the first tables.
    const int in_flight = Listen(Loopback(Family::kInet), 1);
    SendDescriptor(pair[0], in_flight);
    close(in_flight);
    rlimit limit = {};
    Check(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
    const rlimit high = {limit.rlim_max, limit.rlim_max};
    Check(setrlimit(RLIMIT_NOFILE, &high) == 0, "setrlimit");
    std::vector<int> copies(10'000);
    for (int& fd : copies) fd = fcntl(own, F_DUPFD_CLOEXEC, 0);
    for (const internal::GuestPlan plan :
         {internal::GuestPlan::kDumps, internal::GuestPlan::kTogether}) {
      SCOPED_TRACE(::testing::Message() << "plan " << static_cast<int>(plan));
      for (const OwnerPolicy policy : {OwnerPolicy::kAll, OwnerPolicy::kFirst}) {
        SCOPED_TRACE(::testing::Message() << "policy " << static_cast<int>(policy));
        for (const size_t threads : {1, 2}) {
          SCOPED_TRACE(::testing::Message() << "threads " << threads);
          Query query;
          query.states = StateSet::SsAll();
          query.owners = true;
          query.owner_policy = policy;
          ExpectTheSameReplayed(threads, plan, query, made);
        }
      }
    }
    for (const int fd : {own, pair[0], pair[1]}) close(fd);
    for (const int fd : copies) close(fd);
    Check(setrlimit(RLIMIT_NOFILE, &limit) == 0, "setrlimit");
  });
}

}  // namespace
}  // namespace netdiag::testing
