// The kernel's tables read by BPF: the rows of a dump on a quiet host, and every socket once while
// others come and go.

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/bpf/kernel_table.h"
#include "netdiag/engine.h"
#include "netdiag/row.h"
#include "netdiag/types/error.h"
#include "tests/live/exact_testing.h"
#include "tests/live/live_testing.h"
#include "tests/testing/field_values.h"
#include "tests/testing/netns.h"
#include "tests/testing/rounds.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Values;

// Not OK: this kernel is too old for the program.
absl::Status Supported() {
  const absl::Status check = bpf::KernelTable::Check();
  if (IsUnsupported(check)) return check;
  const absl::Status load = bpf::KernelTable::Load().status();
  return KernelIs(5, 17) ? absl::OkStatus() : load;
}

std::unique_ptr<Engine> OpenWith(EngineOptions options, RowSource source) {
  options.source = source;
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(std::move(options));
  Check(engine.ok(), "Engine::Open");
  return *std::move(engine);
}

Query InetQuery() {
  Query query;
  query.protocols = {Protocol::kTcp};
  if (KernelIs(6, 2)) query.protocols.push_back(Protocol::kUdp);
  query.extensions = {Extension::kMemory, Extension::kCongestion, Extension::kTos,
                      Extension::kTrafficClass, Extension::kSocketMemory};
  query.cookies = false;
  return query;
}

// The fields that a row of this depth has, except the time that passes.
std::set<std::string> FieldsOf(Depth depth) {
  std::set<std::string> names;
  for (const Field& field : AllFields()) {
    Query query;
    query.depth = Depth::kEnds;
    AddNeeds({&field, 1}, &query);
    if (query.depth <= depth && field.name != "timer_expires" && field.name != "source") {
      names.insert(Key(field));
    }
  }
  return names;
}

// The fields of the query's depth of every row.
Identities FieldsOf(Engine* engine, const Query& query, SourceKind expected) {
  const std::set<std::string> names = FieldsOf(query.depth);
  Identities rows;
  const absl::StatusOr<Summary> summary = engine->Visit(query, [&](const Row& row) {
    EXPECT_EQ(row.source(), expected);
    EXPECT_FALSE(row.malformed());
    std::string text;
    for (const auto& [name, value] : ValuesOf(row)) {
      if (names.contains(name)) text += name + "=" + value + " ";
    }
    rows.insert(text);
    return Flow::kContinue;
  });
  EXPECT_TRUE(summary.ok()) << summary.status();
  if (!summary.ok()) return rows;
  for (const TableOutcome& table : summary->tables) {
    EXPECT_TRUE(table.status.ok()) << table.status;
    EXPECT_TRUE(table.doubt.ok()) << table.doubt;
    EXPECT_TRUE(table.no_table.ok()) << table.no_table;
    EXPECT_EQ(table.source, expected);
  }
  return rows;
}

class KernelTableLive : public LiveTest {
 protected:
  void SetUp() override {
    LiveTest::SetUp();
    if (IsSkipped()) return;
    if (const absl::Status supported = Supported(); !supported.ok()) GTEST_SKIP() << supported;
  }

  // The sockets of the zoo retransmit now and then, so the reading is compared if the dumps before
  // and after it are equal. The first dump gives every socket its cookie.
  void CompareWithDumps(const Query& query) {
    const std::unique_ptr<Engine> dump = OpenWith(InZoo(), RowSource::kAuto);
    const std::unique_ptr<Engine> table = OpenWith(InZoo(), RowSource::kTable);
    FieldsOf(table.get(), query, SourceKind::kTable);  // loads the program
    bool compared = false;
    for (int i = 0; i < 50 && !compared; ++i) {
      const Identities before = FieldsOf(dump.get(), query, SourceKind::kNetlink);
      const Identities got = FieldsOf(table.get(), query, SourceKind::kTable);
      compared = before == FieldsOf(dump.get(), query, SourceKind::kNetlink);
      if (!compared) continue;
      EXPECT_GT(before.size(), 20u);
      EXPECT_EQ(Difference(got, before), "");
    }
    EXPECT_TRUE(compared) << "the zoo was never quiet";
  }
};

TEST_F(KernelTableLive, RowsEqualThoseOfADumpFieldByField) {
  CompareWithDumps(InetQuery());
  std::set<State> states;
  for (const ZooSocket& socket : zoo().sockets()) {
    if (socket.protocol == Protocol::kTcp) states.insert(socket.state);
  }
  EXPECT_GE(states.size(), 9u) << "the zoo has nearly every state";
}

TEST_F(KernelTableLive, RowsOfLessDepthHaveTheFieldsOfThatDepth) {
  for (const Depth depth : {Depth::kEnds, Depth::kBasic}) {
    Query query = InetQuery();
    query.extensions = {};
    query.depth = depth;
    CompareWithDumps(query);
  }
}

// A row that has no field beyond the depth shows that the rest was not read.
TEST_F(KernelTableLive, WhatIsBeyondTheDepthIsNotRead) {
  const std::unique_ptr<Engine> table = OpenWith(InZoo(), RowSource::kTable);
  Query query = InetQuery();
  query.extensions = {};
  const auto count = [&](Depth depth, auto is_read) {
    query.depth = depth;
    int rows = 0;
    EXPECT_TRUE(table
                    ->Visit(query,
                            [&](const Row& row) {
                              rows += is_read(row);
                              return Flow::kContinue;
                            })
                    .ok());
    return rows;
  };
  const auto has_inode = [](const Row& row) { return row.inode() != Inode(); };
  const auto has_options = [](const Row& row) { return row.inet()->options().has_value(); };
  EXPECT_EQ(count(Depth::kEnds, has_inode), 0);
  EXPECT_GT(count(Depth::kBasic, has_inode), 0);
  EXPECT_EQ(count(Depth::kBasic, has_options), 0);
  EXPECT_GT(count(Depth::kAll, has_options), 0);
  query.owners = true;
  EXPECT_GT(count(Depth::kEnds, has_inode), 0) << "owners are found by inodes";
  query.cookies = true;
  EXPECT_GT(count(Depth::kEnds, has_options), 0) << "only a dump has all cookies";
}

TEST_F(KernelTableLive, StatesFamiliesAndPortsSelectAsInADump) {
  const std::unique_ptr<Engine> dump = OpenWith(InZoo(), RowSource::kAuto);
  const std::unique_ptr<Engine> table = OpenWith(InZoo(), RowSource::kTable);
  std::vector<Query> queries;
  for (const State state :
       {State::kEstablished, State::kSynSent, State::kSynReceived, State::kFinWait1,
        State::kFinWait2, State::kTimeWait, State::kClose, State::kCloseWait, State::kLastAck,
        State::kListen, State::kClosing, State::kNewSynReceived}) {
    queries.emplace_back(InetQuery()).states = state;
  }
  queries.emplace_back(InetQuery()).families = Family::kInet;
  queries.emplace_back(InetQuery()).families = Family::kInet6;
  for (const ZooSocket& socket : zoo().sockets()) {
    if (socket.protocol != Protocol::kTcp && socket.protocol != Protocol::kUdp) continue;
    queries.emplace_back(InetQuery()).source_port = socket.local.port;
    queries.emplace_back(InetQuery()).destination_port = socket.remote.port;
  }
  for (const Query& query : queries) {
    EXPECT_EQ(Difference(VisitIdentities(table.get(), query), VisitIdentities(dump.get(), query)),
              "");
  }
}

TEST_F(KernelTableLive, WhatTheTableLacksIsDumpedAndTheReasonIsGiven) {
  const std::unique_ptr<Engine> engine = OpenWith(InZoo(), RowSource::kTable);
  std::map<std::string, Query> lacking;
  lacking["cookies"] = InetQuery();
  lacking["cookies"].cookies = true;
  lacking["idle"] = InetQuery();
  lacking["idle"].protocols = {Protocol::kTcp};
  lacking["idle"].states = StateSet::All();
  lacking["attributes"] = InetQuery();
  lacking["attributes"].extensions |= Extension::kInfo;
  lacking["only the tables"] = InetQuery();
  lacking["only the tables"].protocols = {Protocol::kUnix};
  const std::unique_ptr<Engine> dump = OpenWith(InZoo(), RowSource::kAuto);
  for (const auto& [reason, query] : lacking) {
    const Identities expected = VisitIdentities(dump.get(), query);
    EXPECT_EQ(Difference(VisitIdentities(engine.get(), query), expected), "") << reason;
    const absl::StatusOr<Summary> summary =
        engine->Visit(query, [](const Row&) { return Flow::kContinue; });
    ASSERT_TRUE(summary.ok()) << summary.status();
    for (const TableOutcome& outcome : summary->tables) {
      EXPECT_EQ(outcome.source, SourceKind::kNetlink);
      EXPECT_THAT(std::string(outcome.no_table.message()), HasSubstr(reason));
    }
  }
}

TEST_F(KernelTableLive, AVisitorCanStopAndTheNextQueryIsWhole) {
  const std::unique_ptr<Engine> engine = OpenWith(InZoo(), RowSource::kTable);
  const Identities all = VisitIdentities(engine.get(), InetQuery());
  int rows = 0;
  const absl::StatusOr<Summary> summary = engine->Visit(InetQuery(), [&](const Row&) {
    ++rows;
    return Flow::kStop;
  });
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_TRUE(summary->stopped);
  EXPECT_EQ(rows, 1);
  EXPECT_EQ(Difference(VisitIdentities(engine.get(), InetQuery()), all), "");
}

TEST_F(KernelTableLive, AnEventLoopNeverWaits) {
  const std::unique_ptr<Engine> engine = OpenWith(InZoo(), RowSource::kTable);
  const Identities all = VisitIdentities(engine.get(), InetQuery());
  Identities got;
  ASSERT_TRUE(engine->Begin(InetQuery()).ok());
  for (netlink::Ready ready = netlink::Ready::kSome; ready != netlink::Ready::kDone;) {
    const absl::StatusOr<netlink::Ready> step = engine->Step([&](const Row& row) {
      got.insert(Identity(row));
      return Flow::kContinue;
    });
    ASSERT_TRUE(step.ok()) << step.status();
    ready = *step;
    EXPECT_NE(ready, netlink::Ready::kWouldBlock);
  }
  EXPECT_EQ(Difference(got, all), "");
}

TEST_F(KernelTableLive, WithoutPrivilegesADumpAnswersAndSaysWhy) {
  AsNobody([] {
    const std::unique_ptr<Engine> engine = OpenWith({}, RowSource::kTable);
    const absl::StatusOr<Summary> summary =
        engine->Visit(InetQuery(), [](const Row&) { return Flow::kContinue; });
    ASSERT_TRUE(summary.ok()) << summary.status();
    for (const TableOutcome& outcome : summary->tables) {
      EXPECT_TRUE(outcome.status.ok()) << outcome.status;
      EXPECT_EQ(outcome.source, SourceKind::kNetlink);
      EXPECT_TRUE(IsPermission(outcome.no_table)) << outcome.no_table;
    }
  });
}

// Parts of a table are disjoint, and together they are the table.
TEST_F(KernelTableLive, PartsAreTogetherTheWhole) {
  InCrowdedNetns([] {
    const Crowd crowd(Kind::kConnections, 300);
    const NetnsId here = OpenWith({}, RowSource::kAuto)->netns();
    absl::StatusOr<std::unique_ptr<bpf::KernelTable>> table = bpf::KernelTable::Load();
    ASSERT_TRUE(table.ok()) << table.status();
    for (const uint32_t parts : {1U, 2U, 3U, 7U}) {
      std::map<uint64_t, int> given;
      for (uint32_t part = 0; part < parts; ++part) {
        ASSERT_TRUE((*table)->Begin({.netns = here, .part = part, .parts = parts}).ok());
        for (;;) {
          const absl::StatusOr<bool> more = (*table)->Read();
          ASSERT_TRUE(more.ok()) << more.status();
          if (!*more) break;
          for (std::span<const std::byte> message; (*table)->Next(&message);) {
            uint64_t cookie = 0;
            std::memcpy(&cookie, message.data() + 60, sizeof(cookie));
            ++given[cookie];
          }
        }
        EXPECT_EQ((*table)->unsettled(), 0u);
      }
      for (const auto& [cookie, fd] : crowd.sockets()) EXPECT_EQ(given[cookie], 1) << parts;
    }
  });
}

// Visits the TCP sockets, and expects each of the crowd once, from this source.
void ExpectTheCrowdOnce(Engine* engine, const Query& query, const Crowd& crowd, SourceKind source) {
  Tally tally;
  const absl::StatusOr<Summary> summary = engine->Visit(query, [&](const Row& row) {
    EXPECT_EQ(row.source(), source);
    if (row.cookie() != Cookie()) tally.Add(row.cookie().value());
    return Flow::kContinue;
  });
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_TRUE(summary->tables.at(0).status.ok()) << summary->tables[0].status;
  EXPECT_TRUE(summary->tables[0].doubt.ok()) << summary->tables[0].doubt;
  const Count count = tally.Of(crowd);
  EXPECT_EQ(count.missed, 0u);
  EXPECT_EQ(count.twice, 0u);
}

TEST_F(KernelTableLive, TwoThreadsTogetherGiveEverySocketOnce) {
  InCrowdedNetns([] {
    const Crowd crowd(Kind::kConnections, 600);
    const std::unique_ptr<Engine> engine = OpenWith({.threads = 2}, RowSource::kTable);
    Query query = InetQuery();
    query.protocols = {Protocol::kTcp};
    for (int i = 0; i < 20; ++i) {
      ExpectTheCrowdOnce(engine.get(), query, crowd, SourceKind::kTable);
    }
  });
}

TEST_F(KernelTableLive, AnExactQueryThatCanDoWithoutCookiesReadsTheTable) {
  InCrowdedNetns([] {
    const Crowd crowd(Kind::kConnections, 300);
    const std::unique_ptr<Engine> engine = OpenWith({}, RowSource::kAuto);
    Query query = InetQuery();
    query.protocols = {Protocol::kTcp};
    query.completeness = Completeness::kExact;
    ExpectTheCrowdOnce(engine.get(), query, crowd, SourceKind::kTable);
    query.cookies = true;
    ExpectTheCrowdOnce(engine.get(), query, crowd, SourceKind::kNetlink);
  });
}

TEST_F(KernelTableLive, ANamespaceThatDoesNotExistIsAnError) {
  absl::StatusOr<std::unique_ptr<bpf::KernelTable>> table = bpf::KernelTable::Load();
  ASSERT_TRUE(table.ok()) << table.status();
  ASSERT_TRUE((*table)->Begin({.netns = NetnsId(1)}).ok());
  absl::StatusOr<bool> more = true;
  while (more.ok() && *more) {
    for (std::span<const std::byte> message; (*table)->Next(&message);) FAIL();
    more = (*table)->Read();
  }
  EXPECT_TRUE(absl::IsNotFound(more.status())) << more.status();
}

// ---- While sockets come and go, in one chain ----

class TableUnderChurn : public ::testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "making a network namespace needs root";
    const bool udp = GetParam() == Kind::kUdp || GetParam() == Kind::kUdp6;
    if (udp && !KernelIs(6, 2)) GTEST_SKIP() << "the table of UDP is not read before Linux 6.2";
    if (const absl::Status supported = Supported(); !supported.ok()) GTEST_SKIP() << supported;
  }
};

// A socket that was never asked for has no cookie. Those of the crowd all have one.
void ReadUnderChurn(Kind kind, uint32_t sockets, int readings) {
  constexpr std::chrono::seconds kTime(3);
  const Crowd crowd(kind, sockets);
  const std::unique_ptr<Engine> engine = OpenWith({}, RowSource::kTable);
  const Churn churn(kind);
  Query query = QueryOf(kind, Completeness::kFast);
  query.cookies = false;
  const auto end = std::chrono::steady_clock::now() + kTime;
  int unflagged = 0, twice = 0, doubts = 0, done = 0;
  const auto has_time = [&] {
    return std::getenv("NETDIAG_LONG") != nullptr || std::chrono::steady_clock::now() < end;
  };
  while (done < 10 || (done < readings && has_time())) {
    ++done;
    Tally tally;
    const absl::StatusOr<Summary> summary = engine->Visit(query, [&](const Row& row) {
      if (row.cookie() != Cookie()) tally.Add(row.cookie().value());
      return Flow::kContinue;
    });
    ASSERT_TRUE(summary.ok()) << summary.status();
    const TableOutcome& outcome = summary->tables.at(0);
    ASSERT_TRUE(outcome.status.ok()) << outcome.status;
    ASSERT_EQ(outcome.source, SourceKind::kTable) << outcome.no_table;
    const Count count = tally.Of(crowd);
    unflagged += count.missed > 0 && outcome.doubt.ok() ? 1 : 0;
    twice += count.twice > 0 ? 1 : 0;
    doubts += outcome.doubt.ok() ? 0 : 1;
  }
  EXPECT_EQ(unflagged, 0) << "of " << done;
  EXPECT_EQ(twice, 0) << "of " << done;
  std::printf("%s: %d readings, %d doubts\n", NameOf(kind), done, doubts);
}

TEST_P(TableUnderChurn, ALongChainGivesEverySocketOnceOrDoubts) {
  InOneBucket(GetParam(), [] {
    ReadUnderChurn(GetParam(), GetParam() == Kind::kConnections ? 750 : 1500, Rounds(200));
  });
}

TEST_P(TableUnderChurn, ShortChainsGiveEverySocketOnceOrDoubt) {
  InCrowdedNetns([] { ReadUnderChurn(GetParam(), 100, Rounds(200)); });
}

INSTANTIATE_TEST_SUITE_P(Tables, TableUnderChurn,
                         Values(Kind::kUdp, Kind::kUdp6, Kind::kListeners, Kind::kConnections),
                         [](const auto& kind) { return NameOf(kind.param); });

}  // namespace
}  // namespace netdiag::testing
