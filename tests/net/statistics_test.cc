// Counters of protocols: files made by hand, damaged in every way; the table itself; the live
// kernel.

#include "netdiag/net/statistics.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/testing/guarded_buffer.h"
#include "tests/testing/status_matchers.h"

namespace netdiag {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::string_view kPairs =
    "Ip: Forwarding InReceives Novel\n"
    "Ip: 1 18446744073709551615 7\n"
    "IcmpMsg: InType3\n"
    "IcmpMsg: 4\n"
    "Tcp: MaxConn RetransSegs\n"
    "Tcp: -1 9\n";

CounterSet Parse(CounterFile file, std::string_view text) {
  return ParseCounters(file, std::string(text), "/a/file");
}

TEST(Counters, OfPairsOfLinesAreReadInTheirOrder) {
  const CounterSet set = Parse(CounterFile::kSnmp, kPairs);
  EXPECT_THAT(set.damage, testing::IsOk());
  ASSERT_THAT(set.groups, SizeIs(3));
  const CounterGroup& ip = set.groups[0];
  EXPECT_EQ(ip.name, "Ip");
  ASSERT_THAT(ip.counters, SizeIs(3));
  EXPECT_EQ(ip.counters[1].key, "InReceives");
  EXPECT_EQ(ip.counters[1].value, UINT64_MAX);
  EXPECT_EQ(ip.counters[1].info->unit, CounterUnit::kPackets);
  EXPECT_EQ(NameOf(ip, ip.counters[1]), "IpInReceives");
  // A counter of a newer kernel is kept under its own name.
  EXPECT_EQ(ip.counters[2].key, "Novel");
  EXPECT_EQ(ip.counters[2].value, 7u);
  EXPECT_EQ(ip.counters[2].info, nullptr);
  EXPECT_EQ(set.groups[1].counters[0].info->key, "InType");
  const Counter& limit = set.groups[2].counters[0];
  EXPECT_TRUE(limit.negative);
  EXPECT_EQ(static_cast<int64_t>(limit.value), -1);
  EXPECT_EQ(limit.info->kind, CounterKind::kSetting);
}

TEST(Counters, OfLinesAreGroupedByTheirNames) {
  const CounterSet ipv6 = Parse(CounterFile::kSnmp6,
                                "Ip6InReceives                   \t333\n"
                                "Icmp6InMsgs\t4\nIcmp6OutType135\t2\n"
                                "UdpLite6MemErrors\t0\nNovel6Thing 5\nOdd 1\n");
  EXPECT_THAT(ipv6.damage, testing::IsOk());
  std::vector<std::string> names;
  for (const CounterGroup& group : ipv6.groups) names.emplace_back(group.name);
  EXPECT_THAT(names, ::testing::ElementsAre("Ip6", "Icmp6", "UdpLite6", "Novel6", "Odd"));
  EXPECT_EQ(NameOf(ipv6.groups[0], ipv6.groups[0].counters[0]), "Ip6InReceives");
  ASSERT_NE(ipv6.groups[1].counters[1].info, nullptr);
  EXPECT_EQ(ipv6.groups[1].counters[1].info->key, "Icmp6OutType");

  const CounterSet sctp = Parse(CounterFile::kSctp, "SctpCurrEstab  \t7\nSctpNovel 8\n");
  ASSERT_THAT(sctp.groups, SizeIs(1));
  EXPECT_EQ(sctp.groups[0].name, "Sctp");
  EXPECT_EQ(sctp.groups[0].counters[0].info->kind, CounterKind::kGauge);
  EXPECT_EQ(sctp.groups[0].counters[1].info, nullptr);
}

TEST(Counters, BeforeDamageAreKept) {
  constexpr std::string_view kGood = "Ip: InReceives\nIp: 3\n";
  for (const std::string_view bad :
       {"Tcp InSegs\nTcp: 3\n", "Tcp: InSegs\nTcp 3\n", "Tcp: InSegs\nUdp: 3\n", "Tcp: InSegs\n",
        "Tcp: InSegs OutSegs\nTcp: 3\n", "Tcp: InSegs\nTcp: 3 4\n", "Tcp: InSegs\nTcp: x\n",
        "Tcp: InSegs\nTcp: 18446744073709551616\n", "Tcp: InSegs\nTcp: 3x\n", "\n\n",
        "Tcp: InSegs\nTcp: --3\n", "Tcp: InSegs\nTcp: +3\n", "Tcp: InSegs\nTcp: -\n"}) {
    const CounterSet set = Parse(CounterFile::kSnmp, std::string(kGood) + std::string(bad));
    EXPECT_THAT(set.damage, testing::ErrnoIs(EBADMSG)) << bad;
    EXPECT_THAT(set.groups, SizeIs(1)) << bad;
  }
  for (const std::string_view bad : {"Ip6Foo\n", "Ip6Foo x\n", "Ip6Foo 3 4\n", "\n", " \n"}) {
    const CounterSet set =
        Parse(CounterFile::kSnmp6, "Ip6InReceives 3\n" + std::string(bad) + "Ip6InMsgs 4\n");
    EXPECT_THAT(set.damage, testing::ErrnoIs(EBADMSG)) << bad;
    ASSERT_THAT(set.groups, SizeIs(1)) << bad;
    EXPECT_THAT(set.groups[0].counters, SizeIs(1)) << bad;
  }
  EXPECT_THAT(Parse(CounterFile::kSnmp, "").damage, testing::IsOk());
}

TEST(Counters, OfACutFileAreThoseBeforeTheCut) {
  for (size_t size = 0; size < kPairs.size(); ++size) {
    for (const CounterFile file : {CounterFile::kSnmp, CounterFile::kSnmp6, CounterFile::kSctp}) {
      const CounterSet set = Parse(file, kPairs.substr(0, size));
      EXPECT_LE(set.groups.size(), 3u);
    }
  }
}

TEST(Counters, OfOneSetLiveWithIt) {
  CounterSet copy;
  {
    const CounterSet set = Parse(CounterFile::kSnmp, kPairs);
    copy = set;
  }
  EXPECT_EQ(copy.groups[0].counters[0].key, "Forwarding");
}

TEST(Counters, AreReadFromTheDirectoryOfTheThread) {
  const std::string root = ::testing::TempDir() + "/proc";
  std::filesystem::create_directories(root + "/thread-self/net/sctp");
  std::ofstream(root + "/thread-self/net/sctp/snmp") << "SctpCurrEstab 7\n";
  const auto set = ReadCounters(CounterFile::kSctp, root);
  ASSERT_THAT(set, testing::IsOk());
  EXPECT_EQ(set->groups[0].counters[0].value, 7u);
  EXPECT_THAT(ReadCounters(CounterFile::kSnmp, root), testing::ErrnoIs(ENOENT));
}

// ---- The table ----

TEST(CounterTable, HasEachCounterOnceWithASentence) {
  std::set<std::pair<std::string, std::string>> seen;
  for (const CounterInfo* info : KnownCounters()) {
    SCOPED_TRACE(std::string(info->group) + " " + std::string(info->key));
    EXPECT_TRUE(seen.emplace(info->group, info->key).second);
    EXPECT_EQ(FindCounter(info->group, info->key), info);
    EXPECT_TRUE(info->meaning.ends_with('.'));
    EXPECT_EQ(info->meaning.find_first_of("\n\t%"), info->meaning.npos);
    EXPECT_TRUE(info->unit != CounterUnit::kNone || info->kind == CounterKind::kSetting);
    const bool has_phrase = info->form != NetstatForm::kRaw && info->form != NetstatForm::kNever;
    EXPECT_EQ(!info->phrase.empty(), has_phrase);
    EXPECT_EQ(std::ranges::count(info->phrase, '%'), has_phrase ? 1 : 0);
    EXPECT_FALSE(Name(info->kind).empty());
  }
  EXPECT_GE(seen.size(), 440u);
  EXPECT_EQ(FindCounter("Ip", "Novel"), nullptr);
  EXPECT_EQ(FindCounter("Ip", "InType3"), nullptr);
  EXPECT_EQ(FindCounter("IcmpMsg", "123"), nullptr);
  EXPECT_EQ(FindCounter("", ""), nullptr);
}

TEST(CounterTable, NamesAreUnique) {
  std::set<std::string> names;
  for (const CounterInfo* info : KnownCounters()) {
    const CounterGroup group = {info->group, {}};
    EXPECT_TRUE(names.insert(NameOf(group, {.key = info->key})).second) << info->key;
  }
}

// Counters of kernels since 6.19 may be missing in the table. They are shown all the same, so this
// only says which they are.
TEST(CounterTableLive, KnowsTheCountersOfThisKernel) {
  size_t known = 0, unknown = 0;
  for (const CounterFile file :
       {CounterFile::kSnmp, CounterFile::kNetstat, CounterFile::kSctp, CounterFile::kSnmp6}) {
    const auto set = ReadCounters(file);
    if (!set.ok()) continue;
    EXPECT_THAT(set->damage, testing::IsOk());
    for (const CounterGroup& group : set->groups) {
      for (const Counter& counter : group.counters) {
        if (counter.info != nullptr) {
          ++known;
          EXPECT_EQ(counter.info->group, group.name);
          continue;
        }
        ++unknown;
        std::cout << "not in the table: " << NameOf(group, counter) << "\n";
      }
    }
  }
  EXPECT_GT(known, 200u);
  EXPECT_LT(unknown, 40u);
}

}  // namespace
}  // namespace netdiag
