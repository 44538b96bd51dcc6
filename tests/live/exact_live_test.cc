// Exactness against the kernel: dumps while sockets come and go.
//
// The resume matrix changes the table between two datagrams, after each datagram in turn. The churn
// tests change it all the time, on another thread. Both run as root, where BPF can count the
// sockets, and without privileges, where only dumps can be compared.
//
// The tests assert what a dump promises: it misses no socket without a doubt and gives none twice.
// How often it doubts depends on the machine; `tools/dev bench exactness` prints that.

#include <array>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/bpf/socket_census.h"
#include "netdiag/dump/sockstat.h"
#include "netdiag/engine.h"
#include "netdiag/row.h"
#include "netdiag/types/error.h"
#include "tests/live/exact_testing.h"
#include "tests/testing/netns.h"
#include "tests/testing/rounds.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {
namespace {

using netlink::Ready;
using ::testing::Each;
using ::testing::Values;

std::unique_ptr<Engine> OpenHere() {
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open();
  Check(engine.ok(), "Engine::Open");
  return *std::move(engine);
}

// Queries that every socket of a crowd matches and that hide other sockets of its bucket.
std::vector<Query> HidingQueries(Kind kind, Completeness completeness) {
  const Query query = QueryOf(kind, completeness);
  std::vector<Query> queries;
  if (kind == Kind::kUnix) {
    queries.emplace_back(query).states = State::kClose;
    queries.emplace_back(query).states = StateSet(State::kClose) | State::kListen;
    return queries;
  }
  queries.emplace_back(query).families = kind == Kind::kUdp6 ? Family::kInet6 : Family::kInet;
  if (kind != Kind::kListeners) queries.emplace_back(query).states = State::kEstablished;
  // The ports of connections differ.
  if (kind != Kind::kConnections) {
    queries.emplace_back(query).source_port = Port::FromHost(kSharedPort);
  }
  return queries;
}

enum class Who : uint8_t { kRoot, kNobody };

void As(Who who, const std::function<void()>& body) {
  who == Who::kNobody ? AsNobody(body) : body();
}

// ---- The resume matrix ----

enum class Change : uint8_t { kRemoveSeen, kRemoveUnseen, kRemoveAllUnseen, kAddFew, kAddMany };
constexpr std::array kChanges = {Change::kRemoveSeen, Change::kRemoveUnseen,
                                 Change::kRemoveAllUnseen, Change::kAddFew, Change::kAddMany};

std::vector<uint64_t> CookiesIf(const Crowd& crowd, const Tally& tally, bool seen) {
  std::vector<uint64_t> cookies;
  for (const auto& [cookie, fd] : crowd.sockets()) {
    if (tally.Has(cookie) == seen) cookies.push_back(cookie);
  }
  return cookies;
}

void Apply(Change change, const Tally& tally, Crowd* crowd) {
  constexpr size_t kFew = 5;
  if (change == Change::kAddFew) return crowd->Add(kFew);
  if (change == Change::kAddMany) return crowd->Add(400);
  std::vector<uint64_t> cookies = CookiesIf(*crowd, tally, change == Change::kRemoveSeen);
  // The youngest sockets: the kernel puts a new socket in front of its bucket.
  if (change != Change::kRemoveAllUnseen && cookies.size() > kFew) {
    cookies.erase(cookies.begin(), cookies.end() - kFew);
  }
  crowd->Remove(cookies);
}

// Makes one dump with the change after its `after`th datagram. Returns false if the dump has fewer
// datagrams.
bool Resume(Kind kind, Change change, int after, const Query& query, Who who) {
  Crowd crowd(kind, kind == Kind::kConnections || kind == Kind::kPacket ? 300 : 600);
  const std::unique_ptr<Engine> engine = OpenHere();
  Tally tally;
  int datagrams = 0;
  bool changed = false;
  As(who, [&] {
    Check(engine->Begin(query).ok(), "Begin");
    for (Ready ready = Ready::kSome; ready != Ready::kDone;) {
      const absl::StatusOr<Ready> step = engine->Step([&](const Row& row) {
        tally.Add(row.cookie().value());
        return Flow::kContinue;
      });
      ASSERT_TRUE(step.ok()) << step.status();
      ready = *step;
      if (++datagrams != after || ready == Ready::kDone) continue;
      changed = true;
      Apply(change, tally, &crowd);
    }
  });
  const TableOutcome& outcome = engine->summary().tables.at(0);
  EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  const Count count = tally.Of(crowd);
  EXPECT_EQ(count.twice, 0u);
  const bool exact = query.completeness == Completeness::kExact;
  const bool counts = exact && who == Who::kRoot && !IsUnsupported(bpf::SocketCensus::Check());
  if (counts && bpf::SocketCensus::Supports(ProtocolOf(kind))) {
    EXPECT_TRUE(outcome.doubt.ok()) << outcome.doubt;
  }
  // kExact dumps again, which is enough after one change.
  if (outcome.doubt.ok() || exact) {
    EXPECT_EQ(count.missed_founders, 0u) << outcome.doubt << ", " << outcome.dumps << " dumps";
  }
  return changed;
}

// Makes each change of the table, after each datagram, during each query.
void ResumeEverywhere(Kind kind, const std::vector<Query>& queries) {
  InOneBucket(kind, [&] {
    int cases = 0;
    for (size_t i = 0; i < queries.size(); ++i) {
      for (const Change change : kChanges) {
        for (int after = 1; after < 5; ++after) {
          SCOPED_TRACE(::testing::Message() << "query " << i << ", change "
                                            << static_cast<int>(change) << " after " << after);
          if (!Resume(kind, change, after, queries[i], Who::kRoot)) break;
          ++cases;
        }
      }
    }
    EXPECT_GE(cases, 12);
  });
}

class ResumeMatrix : public ::testing::TestWithParam<Kind> {};

TEST_P(ResumeMatrix, GivesEachSurvivorOnceOrDoubts) {
  ResumeEverywhere(GetParam(), {QueryOf(GetParam(), Completeness::kFast),
                                QueryOf(GetParam(), Completeness::kExact)});
}

TEST_P(ResumeMatrix, GivesEachSurvivorOnceWithoutPrivileges) {
  InOneBucket(GetParam(), [] {
    for (const Change change : {Change::kRemoveSeen, Change::kAddMany}) {
      // Making a packet socket needs root, and only sockets of one user share a port.
      const bool needs_root = GetParam() == Kind::kPacket || GetParam() == Kind::kListeners;
      if (needs_root && change == Change::kAddMany) continue;
      for (int after = 1; after < 3; ++after) {
        SCOPED_TRACE(::testing::Message() << static_cast<int>(change) << " after " << after);
        Resume(GetParam(), change, after, QueryOf(GetParam(), Completeness::kExact), Who::kNobody);
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Tables, ResumeMatrix,
                         Values(Kind::kUdp, Kind::kUdp6, Kind::kListeners, Kind::kConnections,
                                Kind::kUnix, Kind::kPacket, Kind::kNetlink),
                         [](const auto& kind) { return NameOf(kind.param); });

// ---- Churn ----

const bool kLongForm = std::getenv("NETDIAG_LONG") != nullptr;

// What a number of dumps gave.
struct Churned {
  int dumps = 0;
  int unflagged = 0;  // dumps that missed a socket of the crowd and raised no doubt
  int twice = 0;      // dumps that gave a socket twice
  int doubts = 0;     // dumps that raised a doubt

  // What every dump promises, under any load.
  void ExpectPromises() const {
    EXPECT_EQ(twice, 0);
    EXPECT_EQ(unflagged, 0);
  }
};

// At most 1 000 dumps, 50 with sanitizers, and no more than fit into the time; 10 000 in the long
// form. A dump beside the churn takes 2 to 15 ms on an idle machine. Packet and netlink sockets,
// whose tables have no long buckets, get a fifth.
int Dumps(Kind kind) {
  const int part = kind == Kind::kPacket || kind == Kind::kNetlink ? 5 : 1;
  if (kLongForm) return 10'000 / part;
  return (Sanitized() ? 50 : 1'000) / part;
}

Churned DumpUnderChurn(Kind kind, const Query& query, Who who, int dumps) {
  constexpr int kLeast = 10;
  constexpr std::chrono::seconds kTime(3);
  Churned churned;
  const Crowd crowd(kind, kind == Kind::kConnections ? 750 : 1500);
  const std::unique_ptr<Engine> engine = OpenHere();
  const Churn churn(kind);
  const auto end = std::chrono::steady_clock::now() + kTime;
  const auto has_time = [&] { return kLongForm || std::chrono::steady_clock::now() < end; };
  As(who, [&] {
    while (churned.dumps < kLeast || (churned.dumps < dumps && has_time())) {
      ++churned.dumps;
      Tally tally;
      const absl::StatusOr<Summary> summary = DumpInto(&tally, engine.get(), query);
      ASSERT_TRUE(summary.ok() && summary->tables.size() == 1) << summary.status();
      const TableOutcome& outcome = summary->tables[0];
      EXPECT_TRUE(outcome.status.ok()) << outcome.status;
      const Count count = tally.Of(crowd);
      churned.unflagged += count.missed > 0 && outcome.doubt.ok() ? 1 : 0;
      churned.twice += count.twice > 0 ? 1 : 0;
      churned.doubts += outcome.doubt.ok() ? 0 : 1;
    }
  });
  return churned;
}

class UnderChurn : public ::testing::TestWithParam<Kind> {};

TEST_P(UnderChurn, ADumpRepeatsNothingAndFlagsEveryMiss) {
  InOneBucket(GetParam(), [] {
    const Churned churned = DumpUnderChurn(GetParam(), QueryOf(GetParam(), Completeness::kFast),
                                           Who::kRoot, Dumps(GetParam()));
    churned.ExpectPromises();
  });
}

TEST_P(UnderChurn, AnExactDumpGivesEverySocketOnceOrDoubts) {
  if (bpf::SocketCensus::Supports(ProtocolOf(GetParam()))) {
    const absl::Status census_check = bpf::SocketCensus::Check();
    if (IsUnsupported(census_check)) GTEST_SKIP() << census_check;  // before 5.17
    ASSERT_TRUE(census_check.ok()) << census_check;
  }
  InOneBucket(GetParam(), [] {
    const Churned churned = DumpUnderChurn(GetParam(), QueryOf(GetParam(), Completeness::kExact),
                                           Who::kRoot, Dumps(GetParam()));
    churned.ExpectPromises();
    // Where BPF counts the sockets, a doubt is the exception.
    if (bpf::SocketCensus::Supports(ProtocolOf(GetParam()))) {
      EXPECT_LT(churned.doubts, churned.dumps);
    }
  });
}

TEST_P(UnderChurn, AnExactDumpWithoutPrivilegesGivesEverySocketOnceOrDoubts) {
  InOneBucket(GetParam(), [] {
    const Churned churned = DumpUnderChurn(GetParam(), QueryOf(GetParam(), Completeness::kExact),
                                           Who::kNobody, Dumps(GetParam()));
    churned.ExpectPromises();
  });
}

INSTANTIATE_TEST_SUITE_P(Tables, UnderChurn,
                         Values(Kind::kUdp, Kind::kListeners, Kind::kConnections, Kind::kUnix,
                                Kind::kPacket, Kind::kNetlink),
                         [](const auto& kind) { return NameOf(kind.param); });

// ---- Quiet ----

constexpr std::array kCompletenesses = {Completeness::kFast, Completeness::kExact};

class QuietTables : public ::testing::TestWithParam<Kind> {};

// Expects that a dump gives every socket of the crowd once and raises no doubt. Returns how many
// dumps the kernel had to make.
uint64_t WalksOfQuietDump(Engine* engine, const Query& query, const Crowd& crowd) {
  Tally tally;
  const absl::StatusOr<Summary> summary = DumpInto(&tally, engine, query);
  EXPECT_TRUE(summary.ok()) << summary.status();
  if (!summary.ok()) return 0;
  EXPECT_TRUE(summary->tables[0].doubt.ok()) << summary->tables[0].doubt;
  EXPECT_EQ(tally.Of(crowd).missed, 0u);
  EXPECT_EQ(tally.Of(crowd).twice, 0u);
  return summary->tables[0].dumps;
}

TEST_P(QuietTables, ADumpOfManyDatagramsRaisesNoDoubtAndNeedsOneWalk) {
  InCrowdedNetns([] {
    const Crowd crowd(GetParam(), 1500);
    const std::unique_ptr<Engine> engine = OpenHere();
    for (const Completeness completeness : kCompletenesses) {
      SCOPED_TRACE(::testing::Message() << "completeness " << static_cast<int>(completeness));
      for (int i = 0; i < 5; ++i) {
        const uint64_t walks =
            WalksOfQuietDump(engine.get(), QueryOf(GetParam(), completeness), crowd);
        if (GetParam() != Kind::kNetlink) {
          EXPECT_EQ(walks, 1u);
        }
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Tables, QuietTables,
                         Values(Kind::kUdp, Kind::kListeners, Kind::kConnections, Kind::kUnix,
                                Kind::kPacket, Kind::kNetlink),
                         [](const auto& kind) { return NameOf(kind.param); });

// ---- Dumps whose filter hides sockets of a bucket ----

class HidingQueriesOf : public ::testing::TestWithParam<Kind> {};

TEST_P(HidingQueriesOf, GiveEachSurvivorOnceOrDoubt) {
  ResumeEverywhere(GetParam(), HidingQueries(GetParam(), Completeness::kFast));
  ResumeEverywhere(GetParam(), HidingQueries(GetParam(), Completeness::kExact));
}

TEST_P(HidingQueriesOf, RepeatNothingAndFlagEveryMissUnderChurn) {
  for (const Query& query : HidingQueries(GetParam(), Completeness::kFast)) {
    InOneBucket(GetParam(), [&] {
      const Churned churned = DumpUnderChurn(GetParam(), query, Who::kRoot, Dumps(GetParam()) / 10);
      churned.ExpectPromises();
    });
  }
}

TEST_P(HidingQueriesOf, RaiseNoDoubtWhenNothingHappens) {
  InCrowdedNetns([] {
    const Crowd crowd(GetParam(), 1500);
    const std::unique_ptr<Engine> engine = OpenHere();
    for (const Completeness completeness : kCompletenesses) {
      SCOPED_TRACE(::testing::Message() << "completeness " << static_cast<int>(completeness));
      for (const Query& query : HidingQueries(GetParam(), completeness)) {
        for (int i = 0; i < 5; ++i) WalksOfQuietDump(engine.get(), query, crowd);
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Tables, HidingQueriesOf,
                         Values(Kind::kUdp, Kind::kUdp6, Kind::kListeners, Kind::kConnections,
                                Kind::kUnix),
                         [](const auto& kind) { return NameOf(kind.param); });

// The doubt of a fast dump of TCP. Calls `meanwhile` at its first row.
absl::Status DoubtOf(Engine* engine, StateSet states, const std::function<void()>& meanwhile) {
  Query query = QueryOf(Kind::kConnections, Completeness::kFast);
  query.states = states;
  uint64_t rows = 0;
  const absl::StatusOr<Summary> summary = engine->Visit(query, [&](const Row&) {
    if (rows++ == 0) meanwhile();
    return Flow::kContinue;
  });
  return summary.ok() ? summary->tables[0].doubt : summary.status();
}

TEST(Quiet, AFastDumpIsVerifiedWhateverItHidesIfTcpDidNothing) {
  InCrowdedNetns([] {
    const Crowd crowd(Kind::kConnections, 3000);
    const std::unique_ptr<Engine> engine = OpenHere();
    for (const StateSet states : {StateSet::SsAll(), StateSet(State::kEstablished)}) {
      SCOPED_TRACE(states.bits());
      for (int i = 0; i < 20; ++i) {
        const absl::Status doubt = DoubtOf(engine.get(), states, [] {});
        EXPECT_TRUE(doubt.ok()) << doubt;
      }
    }
  });
}

TEST(Quiet, AFastDumpThatHidesSocketsDoubtsIfTcpDidAnything) {
  InCrowdedNetns([] {
    const Crowd crowd(Kind::kConnections, 3000);
    const std::unique_ptr<Engine> engine = OpenHere();
    const Maker maker(Kind::kConnections);
    for (uint32_t i = 0; i < 20; ++i) {
      const absl::Status doubt = DoubtOf(engine.get(), State::kEstablished, [&] {
        std::vector<int> ends;
        ends.push_back(maker.Make(i, &ends));
        for (const int fd : ends) close(fd);
      });
      EXPECT_FALSE(doubt.ok()) << i;
    }
  });
}

// The counters of TCP change with everything that can remove a socket from its table.
TEST(Quiet, WhateverEndsAConnectionIsActivity) {
  InCrowdedNetns([] {
    const auto changes = [](const std::function<void()>& what) {
      const auto before = internal::ReadTcpActivity("/proc", 0);
      what();
      const auto after = internal::ReadTcpActivity("/proc", 0);
      EXPECT_TRUE(before && after);
      return before != after;
    };
    EXPECT_FALSE(changes([] {}));
    const int listener = Listen(Loopback(Family::kInet), 8);
    int ends[3][2];
    for (auto& [client, server] : ends) {
      client = Make(Family::kInet, SOCK_STREAM);
      EXPECT_TRUE(changes([&, fd = client] { Connect(fd, LocalOf(listener)); }));
      server = Accept(listener);
    }
    const linger reset = {1, 0};
    Set(ends[0][0], SOL_SOCKET, SO_LINGER, reset);
    EXPECT_TRUE(changes([&] { close(ends[0][0]); })) << "reset";
    EXPECT_TRUE(changes([&] { close(ends[1][0]); })) << "FIN";
    EXPECT_TRUE(changes([&] { close(ends[1][1]); })) << "FIN of the other end, TIME_WAIT";
    // One socket goes and another one comes.
    EXPECT_TRUE(changes([&] {
      close(ends[2][0]);
      close(ends[2][1]);
      close(Listen(Loopback(Family::kInet6), 8));
    }));
    for (const int fd : {ends[0][1], listener}) close(fd);
  });
}

// ---- The census ----

TEST(SocketCensus, CountsEverySocketOnce) {
  const absl::Status census_check = bpf::SocketCensus::Check();
  if (IsUnsupported(census_check)) GTEST_SKIP() << census_check;  // before 5.17
  ASSERT_TRUE(census_check.ok()) << census_check;
  for (const Kind kind : {Kind::kUdp, Kind::kUnix}) {
    InCrowdedNetns([kind] {
      SCOPED_TRACE(NameOf(kind));
      const Crowd crowd(kind, 3000);
      bpf::SocketCensus census;
      const auto counted = census.Take(ProtocolOf(kind));
      ASSERT_TRUE(counted.ok()) << counted.status();
      Tally tally;
      for (const bpf::CountedSocket& socket : *counted) tally.Add(socket.cookie);
      EXPECT_EQ(tally.Of(crowd).missed, 0u);
      EXPECT_EQ(tally.Of(crowd).twice, 0u);
    });
  }
}

TEST(SocketCensus, CountsEverySocketThatLivesThroughoutUnderChurn) {
  const absl::Status census_check = bpf::SocketCensus::Check();
  if (IsUnsupported(census_check)) GTEST_SKIP() << census_check;  // before 5.17
  ASSERT_TRUE(census_check.ok()) << census_check;
  for (const Kind kind : {Kind::kUdp, Kind::kUnix}) {
    InOneBucket(kind, [kind] {
      SCOPED_TRACE(NameOf(kind));
      const Crowd crowd(kind, 500);
      const Churn churn(kind);
      bpf::SocketCensus census;
      int incomplete = 0;
      for (int i = 0; i < 300; ++i) {
        const auto counted = census.Take(ProtocolOf(kind));
        ASSERT_TRUE(counted.ok()) << counted.status();
        Tally tally;
        for (const bpf::CountedSocket& socket : *counted) tally.Add(socket.cookie);
        incomplete += tally.Of(crowd).missed > 0 ? 1 : 0;
      }
      EXPECT_EQ(incomplete, 0);
    });
  }
}

TEST(SocketCensus, OutgrowsItsFirstArray) {
  if (IsUnsupported(bpf::SocketCensus::Check())) GTEST_SKIP() << bpf::SocketCensus::Check();
  InCrowdedNetns([] {
    bpf::SocketCensus census;
    const Crowd crowd(Kind::kUnix, 18'000);
    const auto counted = census.Take(Protocol::kUnix);
    ASSERT_TRUE(counted.ok()) << counted.status();
    EXPECT_GE(counted->size(), 18'000u);
  });
}

// For TCP see bpf/iterator.h, CheckTcpIterator().
TEST(SocketCensus, CannotCountSocketsOfTcpAndPacketSockets) {
  bpf::SocketCensus census;
  for (const Protocol protocol : {Protocol::kTcp, Protocol::kPacket}) {
    EXPECT_FALSE(census.Take(protocol).ok());
    EXPECT_FALSE(bpf::SocketCensus::Supports(protocol));
  }
}

}  // namespace
}  // namespace netdiag::testing
