#include "netdiag/collect.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/engine.h"
#include "tests/testing/alloc_counter.h"
#include "tests/testing/messages.h"
#include "tests/testing/status_matchers.h"

namespace netdiag {
namespace {

using testing::AllocCounter;
using testing::CaptureOf;
using ::testing::ElementsAre;
using testing::InetMessage;
using testing::Packet;
using testing::Packets;
using testing::UnixMessage;

Packet Tcp(uint8_t state, uint16_t port, uint32_t inode = 5001) {
  InetMessage message;
  message.fixed.idiag_state = state;
  message.SetLocal("\x7f\x00\x00\x01", port);
  message.fixed.idiag_inode = inode;
  return message.Build();
}

Packet Unix(std::string_view name) {
  UnixMessage message;
  if (!name.empty()) message.Add(UNIX_DIAG_NAME, testing::Text(name));
  return message.Build();
}

// Passes each row of the capture to `add`. Returns the Engine, which keeps the rows' owners.
template <class F>
std::unique_ptr<Engine> Feed(const Packet& capture, bool owners, const F& add) {
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open({.replay = capture});
  EXPECT_THAT(engine, testing::IsOk());
  Query query;
  query.owners = owners;
  query.protocols.push_back(Protocol::kSctp);
  EXPECT_THAT((*engine)->Visit(query,
                               [&](const Row& row) {
                                 add(row);
                                 return Flow::kContinue;
                               }),
              testing::IsOk());
  return *std::move(engine);
}

std::vector<uint16_t> PortsOf(SortedRows* rows) {
  std::vector<uint16_t> ports;
  rows->Visit([&](const Row& row) {
    ports.push_back(row.inet()->local_port().value());
    return Flow::kContinue;
  });
  return ports;
}

RowKey Key(std::string_view name, bool descending = false) {
  return KeyOf(*FindField(name), descending);
}

TEST(SortedRows, AreInOrderOfTheirKeysThenOfArrival) {
  const Packet capture =
      CaptureOf({{Protocol::kTcp, {Tcp(1, 30), Tcp(10, 20), Tcp(1, 10), Tcp(10, 40), Tcp(1, 50)}}});
  SortedRows by_port({Key("local_port")}, 0);
  SortedRows by_state({Key("state", true)}, 0);
  SortedRows by_both({Key("state"), Key("local_port", true)}, 0);
  const auto engine = Feed(capture, false, [&](const Row& row) {
    by_port.Add(row);
    by_state.Add(row);
    by_both.Add(row);
  });
  EXPECT_THAT(PortsOf(&by_port), ElementsAre(10, 20, 30, 40, 50));
  EXPECT_THAT(PortsOf(&by_state), ElementsAre(20, 40, 30, 10, 50));
  EXPECT_THAT(PortsOf(&by_both), ElementsAre(50, 30, 10, 40, 20));
}

TEST(SortedRows, WithoutTheValueComeLastInBothDirections) {
  const Packet capture = CaptureOf({{Protocol::kUnix, {Unix(""), Unix("/b"), Unix("/a")}}});
  for (const bool descending : {false, true}) {
    SortedRows rows({Key("name", descending)}, 0);
    const auto engine = Feed(capture, false, [&](const Row& row) { rows.Add(row); });
    std::vector<std::string> names;
    rows.Visit([&](const Row& row) {
      names.emplace_back(row.unix_socket()->name());
      return Flow::kContinue;
    });
    EXPECT_THAT(names, descending ? ElementsAre("/b", "/a", "") : ElementsAre("/a", "/b", ""));
  }
}

TEST(SortedRows, CanHoldARowOnceForEachOfItsOwners) {
  const Packet capture =
      CaptureOf({{Protocol::kTcp, {Tcp(1, 10, 1), Tcp(1, 20, 2), Tcp(1, 30, 3)}}},
                {{1, 300, 3, "c"}, {1, 100, 4, "a"}, {2, 200, 5, "b"}});
  for (const size_t limit : {0, 3}) {
    SortedRows rows({Key("owners.pid")}, limit);
    const auto engine = Feed(capture, true, [&](const Row& row) {
      for (size_t i = 0; i < std::max<size_t>(1, row.owners().size()); ++i) rows.Add(row, i);
    });
    std::vector<int> pids;
    rows.VisitOwners([&](const Row& row, size_t owner) {
      pids.push_back(owner < row.owners().size() ? row.owners()[owner].pid.value() : 0);
      return Flow::kContinue;
    });
    if (limit == 0) pids.pop_back();  // the row without an owner
    EXPECT_THAT(pids, ElementsAre(100, 200, 300));
  }
}

TEST(SortedRows, WithALimitAreTheFirstOfAll) {
  std::mt19937 random(7);
  Packets messages;
  std::vector<uint16_t> ports;
  for (int i = 0; i < 500; ++i) {
    ports.push_back(static_cast<uint16_t>(random() % 60000 + 1));
    messages.push_back(Tcp(1, ports.back()));
  }
  std::ranges::sort(ports);
  for (const size_t limit : {size_t{1}, size_t{7}, size_t{499}, size_t{500}, size_t{501}}) {
    SortedRows rows({Key("local_port")}, limit);
    const auto engine = Feed(CaptureOf({{Protocol::kTcp, messages}}), false,
                             [&](const Row& row) { rows.Add(row); });
    std::vector<uint16_t> first = ports;
    first.resize(std::min(limit, ports.size()));
    EXPECT_EQ(PortsOf(&rows), first) << limit;
    // A second visit returns the same rows.
    EXPECT_EQ(PortsOf(&rows), first) << limit;
  }
}

TEST(SortedRows, KeepTheirTableAndOwners) {
  const Packet capture = CaptureOf({{Protocol::kTcp, {Tcp(1, 20), Tcp(1, 10, 5002)}}},
                                   {{5001, 10, 3, "server"}, {5001, 11, 4, "other"}});
  SortedRows rows({Key("local_port")}, 0);
  const auto engine = Feed(capture, true, [&](const Row& row) { rows.Add(row); });
  std::vector<size_t> owners;
  rows.Visit([&](const Row& row) {
    EXPECT_EQ(row.protocol(), Protocol::kTcp);
    EXPECT_EQ(row.table().netns, NetnsId(42));
    EXPECT_EQ(row.source(), SourceKind::kReplay);
    owners.push_back(row.owners().size());
    return Flow::kContinue;
  });
  EXPECT_THAT(owners, ElementsAre(0, 2));
}

TEST(SortedRows, StopWhenTheVisitorDoes) {
  SortedRows rows({Key("local_port")}, 0);
  const auto engine = Feed(CaptureOf({{Protocol::kTcp, {Tcp(1, 1), Tcp(1, 2), Tcp(1, 3)}}}), false,
                           [&](const Row& row) { rows.Add(row); });
  int seen = 0;
  rows.Visit([&](const Row&) { return ++seen == 2 ? Flow::kStop : Flow::kContinue; });
  EXPECT_EQ(seen, 2);
}

TEST(SortedRows, AllocateNothingForRowsBeyondTheLimit) {
  Packets messages;
  for (uint16_t port = 1000; port < 1400; ++port) messages.push_back(Tcp(1, port));
  // Each row after the first 16 replaces an earlier one.
  SortedRows rows({Key("local_port", true), Key("name")}, 16);
  uint64_t allocations = 0;
  int seen = 0;
  const auto engine = Feed(CaptureOf({{Protocol::kTcp, messages}}), false, [&](const Row& row) {
    const AllocCounter counter;
    rows.Add(row);
    if (++seen > 100) allocations += counter.count();
  });
  EXPECT_EQ(seen, 400);
  EXPECT_EQ(allocations, 0u);
  EXPECT_EQ(PortsOf(&rows).front(), 1399);
}

std::string TextOf(const FieldValue& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) return std::string(*text);
  if (const auto* number = std::get_if<uint64_t>(&value)) return std::to_string(*number);
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* address = std::get_if<IpAddress>(&value)) {
    std::string text;
    address->AppendTo(&text);
    return text;
  }
  return "-";
}

std::vector<std::string> LinesOf(const RowCounts& counts) {
  std::vector<std::string> lines;
  for (const RowCounts::Group& group : counts.Groups()) {
    std::string line = std::to_string(group.count);
    for (const FieldValue& value : group.values) line += " " + TextOf(value);
    lines.push_back(line);
  }
  return lines;
}

TEST(RowCounts, AreInOrderOfTheirSize) {
  const Packet capture =
      CaptureOf({{Protocol::kTcp, {Tcp(1, 1), Tcp(10, 2), Tcp(1, 3), Tcp(6, 1), Tcp(1, 1)}}});
  RowCounts states({Key("state")});
  RowCounts both({Key("state"), Key("local_port"), Key("local_address"), Key("shutdown_send")});
  const auto engine = Feed(capture, false, [&](const Row& row) {
    states.Add(row);
    both.Add(row);
  });
  EXPECT_THAT(LinesOf(states), ElementsAre("3 established", "1 listening", "1 time-wait"));
  EXPECT_THAT(LinesOf(both),
              ElementsAre("2 established 1 127.0.0.1 -", "1 established 3 127.0.0.1 -",
                          "1 listening 2 127.0.0.1 -", "1 time-wait 1 127.0.0.1 -"));
}

Packet WithDrops(uint8_t state, uint16_t port, std::optional<uint32_t> drops) {
  InetMessage message;
  message.fixed.idiag_state = state;
  message.SetLocal("\x7f\x00\x00\x01", port);
  message.fixed.idiag_rqueue = 0xffffffff;
  Packet memory(36);
  if (drops) {
    std::memcpy(memory.data() + 32, &*drops, sizeof(*drops));
    message.Add(INET_DIAG_SKMEMINFO, memory);
  }
  return message.Build();
}

TEST(RowCounts, AddUpTheValuesOfEachGroup) {
  RowCounts counts({Key("state")}, {Key("memory.drops"), Key("receive_queue")});
  const auto engine =
      Feed(CaptureOf({{Protocol::kTcp,
                       {WithDrops(1, 1, 7), WithDrops(10, 2, 3), WithDrops(1, 3, std::nullopt),
                        WithDrops(1, 4, 5), WithDrops(6, 5, std::nullopt)}}}),
           false, [&](const Row& row) { counts.Add(row); });
  const std::vector<RowCounts::Group> groups = counts.Groups();
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[0].sums[0], FieldValue(uint64_t{12}));
  EXPECT_EQ(groups[0].sums[1], FieldValue(uint64_t{3} * 0xffffffff));
  EXPECT_EQ(groups[1].sums[0], FieldValue(uint64_t{3}));
  EXPECT_TRUE(IsAbsent(groups[2].sums[0]));

  // Orders: by a sum, where an absent one is last; by a value; by the count.
  const auto states = [&](RowCounts::Order order) {
    std::string text;
    for (const RowCounts::Group& group : counts.Groups({&order, 1})) {
      text += TextOf(group.values[0]) + " ";
    }
    return text;
  };
  using enum RowCounts::Part;
  EXPECT_EQ(states({kSum, 0, false}), "listening established time-wait ");
  EXPECT_EQ(states({kSum, 0, true}), "established listening time-wait ");
  EXPECT_EQ(states({kValue, 0, true}), "time-wait listening established ");
  EXPECT_EQ(states({kCount, 0, false}), "listening time-wait established ");
}

TEST(RowCounts, AddUpARowOnceInEachGroupAndWithoutOverflow) {
  const auto huge = [](const Row&, size_t) { return FieldValue(~uint64_t{0} - 1); };
  const auto one = [](const Row&, size_t) { return FieldValue(uint64_t{1}); };
  const Packet capture =
      CaptureOf({{Protocol::kTcp, {Tcp(1, 1), Tcp(1, 2)}}},
                {{5001, 10, 3, "nginx"}, {5001, 11, 3, "nginx"}, {5001, 12, 3, "logger"}});
  RowCounts counts({Key("owners.command")}, {{huge}, {one}});
  const auto engine = Feed(capture, true, [&](const Row& row) { counts.Add(row); });
  const std::vector<RowCounts::Group> groups = counts.Groups();
  ASSERT_EQ(groups.size(), 2u);
  for (const RowCounts::Group& group : groups) {
    EXPECT_EQ(group.sums[0], FieldValue(~uint64_t{0}));
    EXPECT_EQ(group.sums[1], FieldValue(uint64_t{2}));
  }
}

TEST(RowCounts, DistinguishTextsWithEqualConcatenations) {
  const Packet capture =
      CaptureOf({{Protocol::kUnix,
                  {Unix("ab"), Unix("a"), Unix(std::string_view("\0a", 2)), Unix(""), Unix("a")}}});
  RowCounts names({Key("name"), Key("abstract")});
  const auto engine = Feed(capture, false, [&](const Row& row) { names.Add(row); });
  EXPECT_EQ(names.Groups().size(), 4u);
  EXPECT_EQ(LinesOf(names)[0], "2 a false");
}

TEST(RowCounts, CountASocketOnceForEachCommandThatHoldsIt) {
  const Packet capture = CaptureOf({{Protocol::kTcp, {Tcp(1, 1), Tcp(1, 2, 5002), Tcp(6, 3, 0)}}},
                                   {{5001, 10, 3, "nginx"},
                                    {5001, 11, 3, "nginx"},
                                    {5001, 12, 3, "logger"},
                                    {5002, 10, 4, "nginx"}});
  RowCounts commands({Key("owners.command")});
  RowCounts pids({Key("owners.pid"), Key("state")});
  const auto engine = Feed(capture, true, [&](const Row& row) {
    commands.Add(row);
    pids.Add(row);
  });
  EXPECT_THAT(LinesOf(commands), ElementsAre("2 nginx", "1 logger", "1 -"));
  EXPECT_THAT(LinesOf(pids), ElementsAre("2 10 established", "1 11 established", "1 12 established",
                                         "1 - time-wait"));
}

// Two local addresses and two of the peer are four pairs; the endpoint has no peer.
TEST(RowCounts, CountEveryCombinationOfTheValuesOfTwoLists) {
  const Packet capture = CaptureOf(
      {{Protocol::kSctp, {testing::SctpEndpoint().Build(), testing::SctpAssociation().Build()}}});
  RowCounts pairs({Key("locals.address"), Key("peers.address"), Key("peers.port")});
  RowCounts one({Key("locals.address")});
  const auto engine = Feed(capture, false, [&](const Row& row) {
    pairs.Add(row);
    one.Add(row);
  });
  EXPECT_THAT(LinesOf(pairs), ::testing::UnorderedElementsAre(
                                  "1 127.0.0.1 - -", "1 127.0.0.2 - -", "1 127.0.0.1 10.1.2.3 4660",
                                  "1 127.0.0.1 10.1.2.4 4660", "1 127.0.0.2 10.1.2.3 4660",
                                  "1 127.0.0.2 10.1.2.4 4660"));
  EXPECT_THAT(LinesOf(one), ElementsAre("2 127.0.0.1", "2 127.0.0.2"));
}

TEST(RowCounts, AllocateNothingForAKnownGroup) {
  Packets messages;
  for (uint16_t i = 0; i < 200; ++i) messages.push_back(Tcp(i % 2 == 0 ? 1 : 10, i % 3));
  RowCounts counts({Key("state"), Key("local_port"), Key("local_address")});
  uint64_t allocations = 0;
  int seen = 0;
  const auto engine = Feed(CaptureOf({{Protocol::kTcp, messages}}), false, [&](const Row& row) {
    const AllocCounter counter;
    counts.Add(row);
    if (++seen > 50) allocations += counter.count();
  });
  EXPECT_EQ(allocations, 0u);
  EXPECT_EQ(counts.Groups().size(), 6u);
}

}  // namespace
}  // namespace netdiag
