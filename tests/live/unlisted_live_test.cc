// Sockets that only a descriptor shows, compared with the sockets that this process opened.

#include <linux/capability.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <memory>
#include <signal.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/filter/filter.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/process/owner_index.h"
#include "netdiag/types/error.h"
#include "netdiag/types/proc_file.h"
#include "netdiag/unlisted.h"
#include "tests/live/live_testing.h"
#include "tests/process/process_testing.h"
#include "tests/testing/sockets.h"
#include "tests/testing/status_matchers.h"

namespace netdiag::testing {
namespace {

using ::testing::Contains;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;

using Found = std::map<Inode, std::string>;

// The unlisted sockets that this process holds.
Found Visit(const EngineOptions& options, UnlistedStats* told = nullptr) {
  Found found;
  const absl::StatusOr<UnlistedStats> stats =
      VisitUnlisted(options, [&](const UnlistedSocket& socket) {
        const bool mine = std::ranges::any_of(
            socket.owners, [](const Owner& owner) { return owner.pid == Pid(getpid()); });
        if (mine) found[socket.inode] = socket.protocol;
        return Flow::kContinue;
      });
  EXPECT_TRUE(stats.ok()) << stats.status();
  if (stats.ok() && told != nullptr) *told = *stats;
  return found;
}

class UnlistedLive : public LiveTest {
 protected:
  static EngineOptions By(OwnerSource source) {
    EngineOptions options;
    options.owner_source = source;
    return options;
  }
};

TEST_F(UnlistedLive, AreFoundWithTheirProtocolsAndNoOthers) {
  const int tcp = Make(Family::kInet, SOCK_STREAM);
  const int udp = Make(Family::kInet6, SOCK_DGRAM);
  const int bound = Make(Family::kInet, SOCK_DGRAM);
  Bind(bound, Loopback(Family::kInet));
  for (const OwnerSource source : {OwnerSource::kAuto, OwnerSource::kBpf, OwnerSource::kProc}) {
    SCOPED_TRACE(::testing::Message() << "source " << static_cast<int>(source));
    if (source == OwnerSource::kBpf && !internal::KernelIsAtLeast(5, 17)) continue;
    UnlistedStats stats;
    const Found found = Visit(By(source), &stats);
    EXPECT_THAT(found, Not(Contains(Key(InodeOf(bound)))));
    if (source == OwnerSource::kProc && stats.left_out > 0) {
      // Root cannot read the namespace of some process here, so these could be listed there.
      EXPECT_THAT(stats.left_out_protocols, ::testing::IsSupersetOf({"TCP", "UDPv6"}));
      continue;
    }
    EXPECT_THAT(found, Contains(Pair(InodeOf(tcp), "TCP")));
    EXPECT_THAT(found, Contains(Pair(InodeOf(udp), "UDPv6")));
    EXPECT_THAT(found, Not(Contains(Key(InodeOf(bound)))));
    // The zoo's namespace has no process and no name, so only BPF finds the namespace of its
    // sockets.
    if (source == OwnerSource::kProc) continue;
    for (const ZooSocket& socket : zoo().sockets()) {
      EXPECT_EQ(found.count(socket.inode), 0u) << "it is of another namespace";
    }
  }
  // After listen() the socket is in a table that a listing shows.
  Bind(tcp, Loopback(Family::kInet));
  ASSERT_EQ(listen(tcp, 1), 0);
  EXPECT_THAT(Visit(By(OwnerSource::kAuto)), Not(Contains(Key(InodeOf(tcp)))));
  for (const int fd : {tcp, udp, bound}) close(fd);
}

TEST_F(UnlistedLive, IncludeFamiliesWithoutADump) {
  const int alg = socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (alg < 0) GTEST_SKIP() << "this kernel has no AF_ALG";
  EXPECT_THAT(Visit({}), Contains(Key(InodeOf(alg))));
  close(alg);
}

TEST_F(UnlistedLive, AreThoseOfTheNamespaceOfTheQuery) {
  if (!internal::KernelIsAtLeast(5, 17)) GTEST_SKIP() << "BPF needs a kernel of 5.17";
  const int here = Make(Family::kInet, SOCK_STREAM);
  EngineOptions in_zoo = InZoo();
  in_zoo.owner_source = OwnerSource::kBpf;
  EXPECT_THAT(Visit(in_zoo), Not(Contains(Key(InodeOf(here)))));
  in_zoo.all_netns = true;
  EXPECT_THAT(Visit(in_zoo), Contains(Key(InodeOf(here))));
  close(here);
}

// A dump shows them only if it asks for state 13, since Linux 6.8, and a listing does not.
TEST_F(UnlistedLive, IncludeBoundIdleTcpSocketsIfTheListingDoesNot) {
  const int idle = Make(Family::kInet, SOCK_STREAM);
  Bind(idle, Loopback(Family::kInet));
  EXPECT_THAT(Visit({}), Contains(Pair(InodeOf(idle), "TCP")));
  if (internal::KernelIsAtLeast(6, 8)) {
    Found found;
    const auto note = [&](const UnlistedSocket& socket) {
      found[socket.inode] = socket.protocol;
      return Flow::kContinue;
    };
    ASSERT_TRUE(VisitUnlisted({}, note, {}, {.listed_states = StateSet::All()}).ok());
    EXPECT_THAT(found, Not(Contains(Key(InodeOf(idle)))));
  }
  ASSERT_EQ(listen(idle, 1), 0);
  EXPECT_THAT(Visit({}), Not(Contains(Key(InodeOf(idle)))));
  close(idle);
}

TEST_F(UnlistedLive, ObeyTheFilter) {
  const int tcp = Make(Family::kInet, SOCK_STREAM);
  const int udp = Make(Family::kInet6, SOCK_DGRAM);
  const auto visit = [](const std::string& text) {
    UnlistedOptions options;
    options.filter = std::make_shared<Filter>(*Filter::Parse(text));
    Found found;
    const auto note = [&](const UnlistedSocket& socket) {
      found[socket.inode] = socket.protocol;
      return Flow::kContinue;
    };
    EXPECT_TRUE(VisitUnlisted({}, note, {}, options).ok());
    return found;
  };
  const std::string mine = "pid = " + std::to_string(getpid());
  EXPECT_EQ(visit(mine + " and protocol = tcp").count(InodeOf(tcp)), 1u);
  EXPECT_EQ(visit(mine + " and protocol = tcp").count(InodeOf(udp)), 0u);
  EXPECT_EQ(visit(mine + " and family = inet6").count(InodeOf(udp)), 1u);
  EXPECT_EQ(visit("inode = " + std::to_string(InodeOf(tcp).value())).size(), 1u);
  EXPECT_TRUE(visit("pid = 0").empty());
  EXPECT_TRUE(visit("sport = 22").empty());
  EXPECT_TRUE(visit("not sport = 22").empty());
  for (const int fd : {tcp, udp}) close(fd);
}

TEST_F(UnlistedLive, AreOfTheProtocolsAndFamiliesThatAreAskedFor) {
  const int tcp = Make(Family::kInet, SOCK_STREAM);
  const int tcp6 = Make(Family::kInet6, SOCK_STREAM);
  const int udp = Make(Family::kInet, SOCK_DGRAM);
  Found found;
  const auto note = [&](const UnlistedSocket& socket) {
    found[socket.inode] = socket.protocol;
    return Flow::kContinue;
  };
  UnlistedOptions options;
  options.protocols = {Protocol::kTcp, Protocol::kUnix};
  options.families = Family::kInet;
  ASSERT_TRUE(VisitUnlisted({}, note, {}, options).ok());
  EXPECT_TRUE(found.contains(InodeOf(tcp)));
  for (const auto& [inode, protocol] : found) EXPECT_EQ(protocol, "TCP");
  for (const int fd : {tcp, tcp6, udp}) close(fd);
}

// The namespace of the zoo has no process that an unprivileged user may read, and only BPF tells
// the namespace of a socket.
TEST_F(UnlistedLive, WithoutPrivilegesLeaveOutWhatADumpOfAnotherNamespaceCouldShow) {
  const int unbound = Make(Family::kInet, SOCK_STREAM);
  const int alg = socket(AF_ALG, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  int other = -1;
  ASSERT_TRUE(netlink::NetNs::FromFd(zoo().netns_fd())
                  .Run([&] {
                    other = Make(Family::kInet, SOCK_STREAM);
                    Bind(other, Loopback(Family::kInet));
                    EXPECT_EQ(listen(other, 1), 0);
                    return absl::OkStatus();
                  })
                  .ok());
  RunUnprivileged([&] {
    Found found;
    const absl::StatusOr<UnlistedStats> stats =
        VisitUnlisted({}, [&](const UnlistedSocket& socket) {
          found[socket.inode] = socket.protocol;
          return Flow::kContinue;
        });
    ASSERT_TRUE(stats.ok()) << stats.status();
    EXPECT_THAT(found, Not(Contains(Key(InodeOf(other)))));
    EXPECT_THAT(found, Not(Contains(Key(InodeOf(unbound)))));
    EXPECT_GE(stats->left_out, 2u);
    EXPECT_THAT(stats->left_out_protocols, Contains("TCP"));
    EXPECT_FALSE(stats->left_out_reason.ok());
    if (alg >= 0) {
      EXPECT_THAT(found, Contains(Key(InodeOf(alg)))) << "no dump shows it";
    }
  });
  for (const int fd : {unbound, alg, other}) close(fd);
}

// BPF shows who holds a socket, and only its descriptor in /proc says what it is.
TEST_F(UnlistedLive, LeaveOutWhatTheyMayNotReadAgain) {
  if (!OwnerIndex::CheckBpf().ok()) GTEST_SKIP() << OwnerIndex::CheckBpf();
  const int unbound = Make(Family::kInet, SOCK_STREAM);
  const pid_t holder = fork();
  if (holder == 0) {
    for (;;) pause();
  }
  const Inode inode = InodeOf(unbound);
  close(unbound);
  std::thread([&] {
    __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data{};
    ASSERT_EQ(syscall(SYS_capget, &header, data.data()), 0);
    data[0].effective &= ~(1u << CAP_SYS_PTRACE);
    ASSERT_EQ(syscall(SYS_capset, &header, data.data()), 0);
    Found found;
    const absl::StatusOr<UnlistedStats> stats =
        VisitUnlisted({}, [&](const UnlistedSocket& socket) {
          found[socket.inode] = socket.protocol;
          return Flow::kContinue;
        });
    ASSERT_TRUE(stats.ok()) << stats.status();
    EXPECT_THAT(found, Not(Contains(Key(inode))));
    EXPECT_GE(stats->left_out, 1u);
    EXPECT_THAT(stats->left_out_reason, ErrnoIs(EACCES));
  }).join();
  kill(holder, SIGKILL);
  waitpid(holder, nullptr, 0);
}

TEST_F(UnlistedLive, StopWithTheVisitorAndAtTheDeadline) {
  const std::array<int, 2> two = {Make(Family::kInet, SOCK_STREAM),
                                  Make(Family::kInet, SOCK_STREAM)};
  int visited = 0;
  EXPECT_TRUE(VisitUnlisted({}, [&](const UnlistedSocket&) {
                ++visited;
                return Flow::kStop;
              }).ok());
  EXPECT_EQ(visited, 1);
  const auto none = [](const UnlistedSocket&) { return Flow::kContinue; };
  EXPECT_TRUE(IsTimeout(VisitUnlisted({}, none, {.deadline = netlink::TimePoint::min()}).status()));
  for (const int fd : two) close(fd);
}

}  // namespace
}  // namespace netdiag::testing
