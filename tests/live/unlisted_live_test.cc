// Sockets that only a descriptor shows, compared with the sockets that this process opened.

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/types/error.h"
#include "netdiag/unlisted.h"
#include "tests/live/live_testing.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {
namespace {

using ::testing::Contains;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;

using Found = std::map<Inode, std::string>;

// The unlisted sockets that this process holds.
Found Visit(const EngineOptions& options) {
  Found found;
  const absl::StatusOr<OwnerStats> stats =
      VisitUnlisted(options, [&](const UnlistedSocket& socket) {
        const bool mine = std::ranges::any_of(
            socket.owners, [](const Owner& owner) { return owner.pid == Pid(getpid()); });
        if (mine) found[socket.inode] = socket.protocol;
        return Flow::kContinue;
      });
  EXPECT_TRUE(stats.ok()) << stats.status();
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
    const Found found = Visit(By(source));
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
  // After bind() the socket is in a table of the kernel.
  Bind(tcp, Loopback(Family::kInet));
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
  const int here = Make(Family::kInet, SOCK_STREAM);
  EngineOptions in_zoo = InZoo();
  in_zoo.owner_source = OwnerSource::kBpf;
  EXPECT_THAT(Visit(in_zoo), Not(Contains(Key(InodeOf(here)))));
  in_zoo.all_netns = true;
  EXPECT_THAT(Visit(in_zoo), Contains(Key(InodeOf(here))));
  close(here);
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
