// Queries of all network namespaces. `ip netns` makes the namespaces in a mount namespace of the
// test, so the host sees neither their names nor their mounts. Other namespaces of the host come
// and go meanwhile, so every test compares only its own namespaces.

#include <net/if.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <sched.h>
#include <thread>
#include <vector>

#include <gmock/gmock.h>

#include "netdiag/bpf/kernel_table.h"
#include "netdiag/bpf/netns_list.h"
#include "netdiag/engine/test_options.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/process/cgroup.h"
#include "netdiag/snapshot.h"
#include "netdiag/types/error.h"
#include "tests/live/live_testing.h"
#include "tests/live/netns_testing.h"
#include "tests/testing/netns.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {
namespace {

using netlink::CurrentNetns;
using ::testing::IsEmpty;
using ::testing::Not;

Query AllStates() {
  Query query;
  query.states = StateSet::SsAll();
  return query;
}

// A row with its message, without what changes by itself: retransmissions and timers.
std::string Contents(const Row& row) {
  std::string text = Identity(row) + " netns " + row.table().netns_name + " ";
  const Bytes payload = row.message().payload();
  for (size_t i = 0; i < payload.size(); ++i) {
    const bool timer = row.inet() != nullptr && ((i >= 2 && i < 4) || (i >= 52 && i < 56));
    if (!timer) text += std::to_string(std::to_integer<int>(payload[i])) + ".";
  }
  return text;
}

// The rows of these namespaces.
struct Answer {
  Identities rows;
  Summary summary;
};
Answer AnswerOf(Engine* engine, const Query& query, const std::set<std::string>& names) {
  Answer answer;
  const absl::StatusOr<Summary> summary = engine->Visit(query, [&](const Row& row) {
    // The ages in tcp_info change by themselves, too.
    const bool fixed = !query.extensions.contains(Extension::kInfo);
    if (names.contains(row.table().netns_name)) {
      answer.rows.insert(fixed ? Contents(row) : Identity(row));
    }
    return Flow::kContinue;
  });
  EXPECT_TRUE(summary.ok()) << summary.status();
  if (summary.ok()) answer.summary = *summary;
  return answer;
}

// Gives the zoo's namespace a name.
void NameZoo(const Zoo& zoo) {
  Shell("mkdir -p /run/netns && touch /run/netns/zoo");
  const std::string from = "/proc/self/fd/" + std::to_string(zoo.netns_fd());
  Check(mount(from.c_str(), "/run/netns/zoo", nullptr, MS_BIND, nullptr) == 0, "bind mount");
}

class NetnsLive : public LiveTest {};

TEST_F(NetnsLive, ListsEveryNamespaceAndTheOwnOneFirst) {
  Apart([] {
    const NetnsId blue = AddNetns("blue");
    AddNetns("empty");
    int listener = -1;
    const int own = Listen(Loopback(Family::kInet), 1);
    In("blue", [&] { listener = Listen(Loopback(Family::kInet), 1); });
    const auto engine = OpenForAll();
    std::map<std::string, std::set<Cookie>> cookies;
    const auto summary = engine->Visit(AllStates(), [&](const Row& row) {
      EXPECT_EQ(row.table().netns_name == "blue", row.table().netns == blue);
      cookies[row.table().netns_name].insert(row.cookie());
      return Flow::kContinue;
    });
    ASSERT_TRUE(summary.ok()) << summary.status();
    EXPECT_EQ(summary->tables.front().table.netns, CurrentNetns());
    EXPECT_EQ(cookies["blue"], std::set<Cookie>{CookieOf(listener)});
    EXPECT_EQ(cookies.count("empty"), 0u);
    EXPECT_TRUE(cookies["self"].contains(CookieOf(own)));
    ASSERT_TRUE(summary->netns.has_value());
    EXPECT_GE(summary->netns->listed, 3u);
    EXPECT_GE(summary->netns->empty, 2u) << "of an empty namespace nothing is asked";
    for (const TableOutcome& outcome : summary->tables) {
      if (outcome.table.netns_name != "blue" && outcome.table.netns_name != "empty") continue;
      EXPECT_TRUE(outcome.status.ok()) << outcome.status;
    }
    close(listener);
    close(own);
  });
}

// Neither has a process or a name.
TEST_F(NetnsLive, NamespacesThatOnlyADescriptorOrASocketKeepsAliveAreListed) {
  Apart([] {
    const auto make = [](int* netns, int* listener) {
      std::thread([&] {
        EnterNewNetns();
        *listener = Listen(Loopback(Family::kInet), 1);
        *netns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
      }).join();
      return netlink::NetNs::FromFd(*netns).Identify().value();
    };
    int held = -1, held_listener = -1, closed = -1, listener = -1;
    const NetnsId by_descriptor = make(&held, &held_listener);
    const NetnsId by_socket = make(&closed, &listener);
    close(closed);
    const auto engine = OpenForAll();
    std::map<Cookie, NetnsId> seen;
    const auto summary = engine->Visit(AllStates(), [&](const Row& row) {
      seen[row.cookie()] = row.table().netns;
      return Flow::kContinue;
    });
    ASSERT_TRUE(summary.ok()) << summary.status();
    EXPECT_EQ(seen[CookieOf(held_listener)], by_descriptor);
    const absl::Status& no_search = summary->netns->no_socket_search;
    if (no_search.ok()) {
      EXPECT_EQ(seen[CookieOf(listener)], by_socket);
    } else {
      EXPECT_FALSE(seen.contains(CookieOf(listener))) << "yet they are not searched for";
    }
    for (const int fd : {held, held_listener, listener}) close(fd);
  });
}

TEST_F(NetnsLive, RunInEntersTheNamespacesOfTheQuery) {
  Apart([] {
    const NetnsId blue = AddNetns("blue");
    Shell("ip link add here type veth peer name there && ip link set there netns blue");
    const auto engine = OpenForAll();
    NetnsId inside;
    const auto look = [&] {
      inside = CurrentNetns();
      return absl::OkStatus();
    };
    EXPECT_TRUE(absl::IsNotFound(engine->RunIn(blue, look))) << "no query has listed it";
    ASSERT_TRUE(engine->Visit(AllStates(), [](const Row&) { return Flow::kContinue; }).ok());
    for (const NetnsId netns : {blue, CurrentNetns()}) {
      ASSERT_TRUE(engine->RunIn(netns, look).ok());
      EXPECT_EQ(inside, netns);
    }
    DeleteNetns("blue");
    Await("the namespace's end", [] { return if_nametoindex("here") == 0; });
    EXPECT_TRUE(absl::IsNotFound(engine->RunIn(blue, look))) << "it has vanished";
  });
}

// The tables of a namespace by their source, for each way of reading them.
const TableOutcome& TcpOf(const Summary& summary, std::string_view name) {
  const auto found = std::ranges::find_if(summary.tables, [&](const TableOutcome& outcome) {
    return outcome.table.protocol == Protocol::kTcp && outcome.table.netns_name == name;
  });
  Check(found != summary.tables.end(), "a table of TCP");
  return *found;
}

// OK, or why this kernel's tables are not read.
absl::Status CanReadTogether() { return bpf::KernelTable::Check(); }

TEST_F(NetnsLive, OnePassGivesTheRowsOfDumps) {
  if (const absl::Status can = CanReadTogether(); IsUnsupported(can)) GTEST_SKIP() << can;
  Apart([] {
    NameZoo(zoo());
    const auto dumps = OpenForAll({}, {.guest_plan = internal::GuestPlan::kDumps});
    const auto together = OpenForAll({}, {.guest_plan = internal::GuestPlan::kTogether});
    Query query = AllStates();
    query.protocols = {Protocol::kTcp, Protocol::kUdp};
    // Only a dump or a lookup has tcp_info.
    for (const ExtensionSet extensions :
         {ExtensionSet(), ExtensionSet(Extension::kCongestion), ExtensionSet(Extension::kInfo)}) {
      for (const bool cookies : {true, false}) {
        SCOPED_TRACE(::testing::Message()
                     << "extensions " << extensions.bits() << ", cookies " << cookies);
        query.extensions = extensions;
        query.cookies = cookies;
        // The first dump gives every socket its cookie.
        const Answer expected = AnswerOf(dumps.get(), query, {"zoo"});
        const Answer got = AnswerOf(together.get(), query, {"zoo"});
        ASSERT_TRUE(got.summary.netns->no_table.ok()) << got.summary.netns->no_table;
        EXPECT_EQ(Difference(got.rows, expected.rows), "");
        EXPECT_GT(expected.rows.size(), 40u);
        const bool by_lookups = extensions.contains(Extension::kInfo);
        const TableOutcome& outcome = TcpOf(got.summary, "zoo");
        EXPECT_EQ(outcome.source, by_lookups ? SourceKind::kNetlink : SourceKind::kTable);
        EXPECT_EQ(outcome.looked_up, by_lookups);
        EXPECT_TRUE(outcome.doubt.ok()) << outcome.doubt;
        EXPECT_EQ(TcpOf(expected.summary, "zoo").source, SourceKind::kNetlink);
      }
    }
    Identities identities;
    const auto visited = together->Visit(AllStates(), [&](const Row& row) {
      if (row.table().netns_name == "zoo") identities.insert(Identity(row));
      return Flow::kContinue;
    });
    EXPECT_TRUE(visited.ok()) << visited.status();
    EXPECT_EQ(
        Difference(
            identities,
            IdentitiesIf(zoo(), [](const ZooSocket& socket) { return !socket.bound_inactive; })),
        "");
    Shell("umount /run/netns/zoo");
  });
}

// A program cannot give a socket its cookie.
TEST_F(NetnsLive, SocketsWithoutACookieAreLookedUp) {
  if (const absl::Status can = CanReadTogether(); IsUnsupported(can)) GTEST_SKIP() << can;
  Apart([] {
    AddNetns("blue");
    int listener = -1;
    int client = -1;
    In("blue", [&] {
      listener = Listen(Loopback(Family::kInet), 1);
      client = Make(Family::kInet, SOCK_STREAM);
      Connect(client, LocalOf(listener));
    });
    const auto together = OpenForAll({}, {.guest_plan = internal::GuestPlan::kTogether});
    std::set<Cookie> cookies;
    const auto add = [&](const Row& row) {
      if (row.table().netns_name == "blue") cookies.insert(row.cookie());
      return Flow::kContinue;
    };
    Query query = AllStates();
    query.protocols = {Protocol::kTcp};
    for (const bool first : {true, false}) {
      cookies.clear();
      const auto summary = together->Visit(query, add);
      ASSERT_TRUE(summary.ok()) << summary.status();
      EXPECT_EQ(TcpOf(*summary, "blue").looked_up, first);
      EXPECT_EQ(cookies.size(), 3u);
      EXPECT_FALSE(cookies.contains(Cookie()));
    }
    EXPECT_TRUE(cookies.contains(CookieOf(client)));
    close(client);
    close(listener);
  });
}

TEST_F(NetnsLive, OnePassHonoursStatesFamiliesAndPorts) {
  Apart([] {
    NameZoo(zoo());
    const auto dumps = OpenForAll({}, {.guest_plan = internal::GuestPlan::kDumps});
    const auto together = OpenForAll({}, {.guest_plan = internal::GuestPlan::kTogether});
    const auto threads = OpenForAll({.connections = 2, .threads = 2},
                                    {.guest_plan = internal::GuestPlan::kTogether});
    std::vector<Query> queries;
    for (const State state :
         {State::kEstablished, State::kSynSent, State::kSynReceived, State::kFinWait1,
          State::kFinWait2, State::kTimeWait, State::kCloseWait, State::kLastAck, State::kClosing,
          State::kListen}) {
      queries.push_back({.protocols = {Protocol::kTcp}, .states = state});
    }
    for (const Family family : {Family::kInet, Family::kInet6}) {
      queries.push_back({.protocols = {Protocol::kTcp, Protocol::kUdp}, .families = family});
    }
    const Port port = zoo()["tcp4 established, sender"].local.port;
    queries.push_back({.protocols = {Protocol::kTcp}, .source_port = port});
    queries.push_back({.protocols = {Protocol::kTcp}, .destination_port = port});
    for (const Query& query : queries) {
      const Answer expected = AnswerOf(dumps.get(), query, {"zoo"});
      EXPECT_EQ(Difference(AnswerOf(together.get(), query, {"zoo"}).rows, expected.rows), "")
          << query.states.bits();
      EXPECT_EQ(Difference(AnswerOf(threads.get(), query, {"zoo"}).rows, expected.rows), "")
          << query.states.bits();
    }
    Shell("umount /run/netns/zoo");
  });
}

// Such a namespace is in another table than the others.
TEST_F(NetnsLive, ANamespaceWithATableOfItsOwnIsReadApart) {
  if (!KernelIs(6, 1)) GTEST_SKIP() << "namespaces have no table of their own before Linux 6.1";
  Apart([] {
    AddNetns("blue");
    std::ofstream("/proc/sys/net/ipv4/tcp_child_ehash_entries") << 64;
    AddNetns("green");
    std::map<std::string, std::set<Inode>> expected;
    std::vector<int> fds;
    for (const char* name : {"blue", "green"}) {
      In(name, [&] {
        fds.push_back(Listen(Loopback(Family::kInet), 1));
        fds.push_back(Make(Family::kInet, SOCK_STREAM));
        Connect(fds.back(), LocalOf(fds[fds.size() - 2]));
      });
      expected[name] = {InodeOf(fds[fds.size() - 2]), InodeOf(fds.back()), Inode()};
    }
    const auto together = OpenForAll({}, {.guest_plan = internal::GuestPlan::kTogether});
    Query query = AllStates();
    query.protocols = {Protocol::kTcp};
    query.cookies = false;
    std::map<std::string, std::set<Inode>> got;
    const auto summary = together->Visit(query, [&](const Row& row) {
      if (expected.contains(row.table().netns_name)) {
        got[row.table().netns_name].insert(row.inode());
      }
      return Flow::kContinue;
    });
    ASSERT_TRUE(summary.ok()) << summary.status();
    EXPECT_EQ(got, expected);
    EXPECT_EQ(TcpOf(*summary, "green").source, SourceKind::kNetlink);
    for (const int fd : fds) close(fd);
  });
}

TEST_F(NetnsLive, KeepsNoNamespaceAlive) {
  Apart([] {
    AddNetns("blue");
    // The other end of the pair disappears with its namespace.
    Shell("ip link add here type veth peer name there && ip link set there netns blue");
    int listener = -1;
    In("blue", [&] { listener = Listen(Loopback(Family::kInet), 1); });
    const auto engine = OpenForAll({}, {.guest_plan = internal::GuestPlan::kTogether});
    uint64_t rows = 0;
    const auto count = [&](const Row& row) {
      if (row.table().netns_name == "blue") ++rows;
      return Flow::kContinue;
    };
    ASSERT_TRUE(engine->Visit(AllStates(), count).ok());
    ASSERT_TRUE(engine->Begin(AllStates()).ok());
    for (;;) {
      const auto ready = engine->Step(count);
      ASSERT_TRUE(ready.ok()) << ready.status();
      if (*ready == netlink::Ready::kDone) break;
    }
    const auto snapshot = engine->Take(AllStates());
    ASSERT_TRUE(snapshot.ok());
    for (const Row& row : *snapshot) (void)count(row);
    EXPECT_EQ(rows, 3u);
    close(listener);
    ASSERT_NE(if_nametoindex("here"), 0u);
    DeleteNetns("blue");
    Await("the namespace's end", [] { return if_nametoindex("here") == 0; });
  });
}

TEST_F(NetnsLive, AStoppedVisitKeepsNoNamespaceAlive) {
  Apart([] {
    AddNetns("blue");
    Shell("ip link add here type veth peer name there && ip link set there netns blue");
    int listener = -1;
    In("blue", [&] { listener = Listen(Loopback(Family::kInet), 1); });
    const auto engine = OpenForAll();
    const auto summary = engine->Visit(AllStates(), [&](const Row& row) {
      return row.table().netns_name == "blue" ? Flow::kStop : Flow::kContinue;
    });
    ASSERT_TRUE(summary.ok() && summary->stopped);
    close(listener);
    DeleteNetns("blue");
    Await("the namespace's end", [] { return if_nametoindex("here") == 0; });
  });
}

// Visits all namespaces. At the first row, removes the name of "blue", which has a listener.
// Expects no row of it.
Summary VisitWhileBlueLosesItsName(const std::function<void()>& at_first_row) {
  const int own = Listen(Loopback(Family::kInet), 1);
  const auto engine = OpenForAll();
  bool first = true;
  const auto summary = engine->Visit(AllStates(), [&](const Row& row) {
    if (std::exchange(first, false)) {
      DeleteNetns("blue");
      at_first_row();
    }
    EXPECT_NE(row.table().netns_name, "blue");
    return Flow::kContinue;
  });
  Check(summary.ok(), "Visit");
  close(own);
  return *summary;
}

TEST_F(NetnsLive, ANamespaceThatVanishesIsCountedAndNoError) {
  Apart([] {
    AddNetns("blue");
    Shell("ip link add here type veth peer name there && ip link set there netns blue");
    int listener = -1;
    In("blue", [&] { listener = Listen(Loopback(Family::kInet), 1); });
    const Summary summary = VisitWhileBlueLosesItsName([&] {
      close(listener);
      Await("the namespace's end", [] { return if_nametoindex("here") == 0; });
    });
    EXPECT_GE(summary.netns->vanished, 1u);
    for (const TableOutcome& outcome : summary.tables) {
      if (outcome.table.netns_name != "blue") continue;
      EXPECT_TRUE(outcome.status.ok()) << outcome.status;
    }
  });
}

TEST_F(NetnsLive, ANamespaceThatOnlyLosesItsNameIsMissing) {
  Apart([] {
    AddNetns("blue");
    int listener = -1;
    In("blue", [&] { listener = Listen(Loopback(Family::kInet), 1); });
    const Summary summary = VisitWhileBlueLosesItsName([] {});
    // Without BPF nothing tells such a namespace from one that has ended.
    if (bpf::NetnsList::Load().ok()) {
      EXPECT_GE(summary.netns->unreached, 1u);
      EXPECT_THAT(summary.Gaps(), Not(IsEmpty()));
      EXPECT_EQ(Errno(TcpOf(summary, "blue").status), ESTALE);
    }
    close(listener);
  });
}

TEST_F(NetnsLive, WithoutPrivilegesTheOwnNamespaceIsListedAndOthersAreCounted) {
  Apart([] {
    AddNetns("blue");
    const int own = Listen(Loopback(Family::kInet), 1);
    // Changes this thread only, which ends with the test. The C library's setresuid() changes all
    // threads.
    constexpr int kNobody = 65534;
    Check(syscall(SYS_setresuid, kNobody, kNobody, kNobody) == 0, "setresuid");
    const auto engine = OpenForAll();
    std::set<std::string> names;
    bool seen = false;
    const auto summary = engine->Visit(AllStates(), [&](const Row& row) {
      seen |= row.cookie() == CookieOf(own);
      names.insert(row.table().netns_name);
      return Flow::kContinue;
    });
    ASSERT_TRUE(summary.ok()) << summary.status();
    EXPECT_TRUE(seen);
    EXPECT_FALSE(names.contains("blue"));
    EXPECT_GE(summary->netns->denied, 1u);
    EXPECT_NE(summary->netns->denial.message().find("CAP_SYS_ADMIN"), std::string::npos)
        << summary->netns->denial;
    EXPECT_GE(summary->netns->hidden, 1u) << "processes of root";
    close(own);
  });
}

TEST_F(NetnsLive, ProcNetOfEachNamespaceIsReadInstead) {
  Apart([] {
    AddNetns("blue");
    int listener = -1;
    In("blue", [&] { listener = Listen(Loopback(Family::kInet), 1); });
    const auto engine = OpenForAll({}, {.prefer_procfs = true});
    std::set<Inode> inodes;
    const auto summary = engine->Visit(AllStates(), [&](const Row& row) {
      if (row.table().netns_name == "blue") inodes.insert(row.inode());
      return Flow::kContinue;
    });
    ASSERT_TRUE(summary.ok()) << summary.status();
    EXPECT_EQ(inodes, std::set<Inode>{InodeOf(listener)});
    close(listener);
  });
}

TEST_F(NetnsLive, SnapshotsKeepNamespaceAndCgroup) {
  Apart([] {
    AddNetns("blue");
    int listener = -1;
    int unix_socket = -1;
    In("blue", [&] {
      listener = Listen(Loopback(Family::kInet), 1);
      unix_socket = Make(Family::kUnix, SOCK_DGRAM);
    });
    Query query = AllStates();
    query.owners = query.cgroups = true;
    auto engine = OpenForAll();
    auto taken = engine->Take(query);
    ASSERT_TRUE(taken.ok()) << taken.status();
    const Snapshot snapshot = *std::move(taken);
    engine.reset();
    // This process made both. The inet socket has the process's cgroup of version 2. The kernel
    // does not report the cgroup of the unix socket, so it comes from the owner's /proc, also on
    // hosts with version 1.
    std::ifstream file("/proc/self/cgroup");
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    std::string_view v2 = std::string_view(text).substr(text.find("0::") + 3);
    v2 = v2.substr(0, v2.find('\n'));
    std::map<Family, std::string> paths;
    for (const Row& row : snapshot) {
      if (row.table().netns_name != "blue") continue;
      ASSERT_NE(row.cgroup(), nullptr) << Identity(row);
      paths[row.family()] = row.cgroup()->path;
    }
    EXPECT_EQ(paths[Family::kInet], v2);
    EXPECT_EQ(paths[Family::kUnix], CgroupPathOfProcess(text));
    close(listener);
    close(unix_socket);
  });
}

}  // namespace
}  // namespace netdiag::testing
