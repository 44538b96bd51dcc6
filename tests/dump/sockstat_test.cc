#include "netdiag/dump/sockstat.h"

#include <string>

#include <gtest/gtest.h>

namespace netdiag::internal {
namespace {

constexpr char kSockstat[] =
    "sockets: used 34\nTCP: inuse 11 orphan 0 tw 3 alloc 5 mem 328\nUDP: inuse 7 mem 0\n"
    "UDPLITE: inuse 99\nRAW: inuse 99\nFRAG: inuse 99 memory 0\n";
constexpr char kSockstat6[] = "TCP6: inuse 5\nUDP6: inuse 2\nUDPLITE6: inuse 99\nRAW6: inuse 99\n";

TEST(Sockstat, IsReadAsTheKernelWritesIt) {
  const SocketCounts counts = ParseSockstat(kSockstat, kSockstat6);
  ASSERT_TRUE(counts.known);
  EXPECT_EQ(counts.tcp4, 11u);
  EXPECT_EQ(counts.tcp6, 5u);
  EXPECT_EQ(counts.time_wait, 3u);
  EXPECT_EQ(counts.udp4, 7u);
  EXPECT_EQ(counts.udp6, 2u);
  EXPECT_EQ(counts.tcp(), 19u);
  EXPECT_TRUE(ParseSockstat(kSockstat, "").known) << "a kernel without IPv6";
}

TEST(Sockstat, IsUnknownIfTheTextIsCutOrStrange) {
  const std::string whole = kSockstat;
  for (size_t size = 0; size < whole.find(" mem 0"); ++size) {
    const SocketCounts counts = ParseSockstat(whole.substr(0, size), kSockstat6);
    EXPECT_FALSE(counts.known && counts.time_wait != 3) << size;
    EXPECT_FALSE(counts.IsEmpty({.table = {Protocol::kTcp, Family::kInet, NetnsId(), ""}}));
  }
  EXPECT_FALSE(ParseSockstat("", "").known);
  EXPECT_FALSE(ParseSockstat(kSockstat, "TCP6: inuse x\nUDP6: inuse 2\n").known);
  EXPECT_FALSE(ParseSockstat("TCP: inuse -1 tw 0\nUDP: inuse 0\n", "").known);
}

TEST(Sockstat, ReportsWhichDumpsAreEmpty) {
  const auto empty = [](const SocketCounts& counts, Protocol protocol, FamilySet families,
                        StateSet states = StateSet::SsAll()) {
    return counts.IsEmpty({.table = {protocol, families, NetnsId(), ""}, .states = states});
  };
  const FamilySet both = {Family::kInet, Family::kInet6};
  const SocketCounts none = {.known = true};
  EXPECT_TRUE(empty(none, Protocol::kTcp, both));
  EXPECT_FALSE(empty(none, Protocol::kTcp, both, StateSet::All())) << "bound and idle ones";
  EXPECT_TRUE(empty(none, Protocol::kUdp, Family::kInet));
  EXPECT_FALSE(empty(none, Protocol::kUnix, Family::kUnix)) << "they are not counted";
  EXPECT_FALSE(empty({}, Protocol::kTcp, both)) << "not known";
  EXPECT_FALSE(empty({.known = true, .time_wait = 1}, Protocol::kTcp, Family::kInet));
  EXPECT_FALSE(empty({.known = true, .tcp6 = 1}, Protocol::kTcp, both));
  EXPECT_TRUE(empty({.known = true, .tcp6 = 1}, Protocol::kTcp, Family::kInet));
  EXPECT_FALSE(empty({.known = true, .udp6 = 1}, Protocol::kUdp, Family::kInet6));
  EXPECT_TRUE(empty({.known = true, .udp6 = 1}, Protocol::kUdp, Family::kInet));
}

TEST(TcpActivity, IsReadFromProcfsOnly) {
  EXPECT_TRUE(ReadTcpActivity("/proc", 0).has_value());
  EXPECT_FALSE(ReadTcpActivity("/proc", 1'000'000'000).has_value());
  EXPECT_FALSE(ReadTcpActivity("/sys", 0).has_value());
  EXPECT_FALSE(ReadTcpActivity("/nowhere", 0).has_value());
}

}  // namespace
}  // namespace netdiag::internal
