// Exactness against the kernel: sockets that come and go while dumps run.
//
// The resume matrix changes the table between two datagrams, after each of them in turn; the churn
// tests let another thread do it all the time. Each is asked as root, where a census by BPF serves,
// and as nobody, where only walks do.

#include <array>
#include <cstdlib>
#include <memory>
#include <string>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/bpf/socket_census.h"
#include "netdiag/destroy.h"
#include "netdiag/dump/sockstat.h"
#include "netdiag/engine.h"
#include "netdiag/row.h"
#include "tests/live/exact_testing.h"
#include "tests/testing/rounds.h"

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

// Queries that all of a crowd match, and that hide others of its bucket.
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
  // Of connections it is any.
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
  // The last ones of the map are the first of a bucket, more often than not.
  if (change != Change::kRemoveAllUnseen && cookies.size() > kFew) {
    cookies.erase(cookies.begin(), cookies.end() - kFew);
  }
  crowd->Remove(cookies);
}

// One dump, with the change after its `after`th datagram; false: it has not got so many.
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
      // Root's to do, on a thread that still is.
      Apply(change, tally, &crowd);
    }
  });
  const TableOutcome& outcome = engine->summary().tables.at(0);
  EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  const Count count = tally.Of(crowd);
  EXPECT_EQ(count.twice, 0u);
  const bool exact = query.completeness == Completeness::kExact;
  const bool counts = exact && who == Who::kRoot;
  if (counts && bpf::SocketCensus::Supports(ProtocolOf(kind))) {
    EXPECT_TRUE(outcome.doubt.ok()) << outcome.doubt;
  }
  // One change is settled by walking again.
  if (outcome.doubt.ok() || exact) {
    EXPECT_EQ(count.missed_of_first, 0u) << outcome.doubt;
  }
  return changed;
}

// Each change of the table, after each datagram, within each query.
void ResumeEverywhere(Kind kind, const std::vector<Query>& queries) {
  Within(kind, [&] {
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
  ResumeEverywhere(GetParam(), {QueryOf(GetParam(), Completeness::kProved),
                                QueryOf(GetParam(), Completeness::kExact)});
}

TEST_P(ResumeMatrix, GivesEachSurvivorOnceWithoutPrivileges) {
  Within(GetParam(), [] {
    for (const Change change : {Change::kRemoveSeen, Change::kAddMany}) {
      // Nobody makes packet sockets, and a port is shared with one's own sockets only.
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

// What dumps of one kind gave.
struct Churned {
  int missing = 0;    // dumps that missed a socket which lived through
  int unflagged = 0;  // of them, those that raised no doubt
  int twice = 0;      // dumps that gave a socket twice
  int doubts = 0;
};

Churned DumpUnderChurn(Kind kind, const Query& query, Who who, int dumps) {
  Churned churned;
  const Crowd crowd(kind, kind == Kind::kConnections ? 750 : 1500);
  const std::unique_ptr<Engine> engine = OpenHere();
  const Churn churn(kind);
  As(who, [&] {
    for (int i = 0; i < dumps; ++i) {
      Tally tally;
      const absl::StatusOr<Summary> summary = DumpInto(&tally, engine.get(), query);
      ASSERT_TRUE(summary.ok() && summary->tables.size() == 1) << summary.status();
      const TableOutcome& outcome = summary->tables[0];
      EXPECT_TRUE(outcome.status.ok()) << outcome.status;
      const Count count = tally.Of(crowd);
      churned.missing += count.missed > 0 ? 1 : 0;
      churned.unflagged += count.missed > 0 && outcome.doubt.ok() ? 1 : 0;
      churned.twice += count.twice > 0 ? 1 : 0;
      churned.doubts += outcome.doubt.ok() ? 0 : 1;
    }
  });
  EXPECT_GT(churn.made(), 0u);
  std::printf("%d dumps: %d missed a socket, %d of them without a doubt; %d twice; %d doubts\n",
              dumps, churned.missing, churned.unflagged, churned.twice, churned.doubts);
  return churned;
}

// A thousand of each, fifty where sanitizers make them slow, ten thousand in the long form:
// beside the churn a dump takes 2 to 15 ms. A fifth of those whose buckets nobody fills.
int Dumps(Kind kind) {
  const int part = kind == Kind::kPacket || kind == Kind::kNetlink ? 5 : 1;
  if (std::getenv("NETDIAG_LONG") != nullptr) return 10'000 / part;
  return (Sanitized() ? 50 : 1'000) / part;
}

class UnderChurn : public ::testing::TestWithParam<Kind> {};

TEST_P(UnderChurn, ADumpRepeatsNothingAndFlagsEveryMiss) {
  Within(GetParam(), [] {
    const Churned churned = DumpUnderChurn(GetParam(), QueryOf(GetParam(), Completeness::kFast),
                                           Who::kRoot, Dumps(GetParam()));
    EXPECT_EQ(churned.twice, 0);
    EXPECT_EQ(churned.unflagged, 0);
  });
}

TEST_P(UnderChurn, AProvedDumpDoesNotEither) {
  Within(GetParam(), [] {
    const Churned churned = DumpUnderChurn(GetParam(), QueryOf(GetParam(), Completeness::kProved),
                                           Who::kRoot, Dumps(GetParam()) / 5);
    EXPECT_EQ(churned.twice, 0);
    EXPECT_EQ(churned.unflagged, 0);
  });
}

TEST_P(UnderChurn, AnExactDumpGivesEverySocketOnce) {
  ASSERT_TRUE(bpf::SocketCensus::Check().ok()) << bpf::SocketCensus::Check();
  Within(GetParam(), [] {
    const Churned churned = DumpUnderChurn(GetParam(), QueryOf(GetParam(), Completeness::kExact),
                                           Who::kRoot, Dumps(GetParam()));
    EXPECT_EQ(churned.twice, 0);
    EXPECT_EQ(churned.unflagged, 0);
    if (!bpf::SocketCensus::Supports(ProtocolOf(GetParam()))) return;
    EXPECT_EQ(churned.missing, 0);
    EXPECT_EQ(churned.doubts, 0);
  });
}

TEST_P(UnderChurn, AnExactDumpWithoutPrivilegesSaysWhereItIsNot) {
  Within(GetParam(), [] {
    const Churned churned = DumpUnderChurn(GetParam(), QueryOf(GetParam(), Completeness::kExact),
                                           Who::kNobody, Dumps(GetParam()));
    EXPECT_EQ(churned.twice, 0);
    EXPECT_EQ(churned.unflagged, 0);
  });
}

INSTANTIATE_TEST_SUITE_P(Tables, UnderChurn,
                         Values(Kind::kUdp, Kind::kListeners, Kind::kConnections, Kind::kUnix,
                                Kind::kPacket, Kind::kNetlink),
                         [](const auto& kind) { return NameOf(kind.param); });

// ---- Quiet ----

constexpr std::array kCompletenesses = {Completeness::kFast, Completeness::kProved,
                                        Completeness::kExact};

class QuietTables : public ::testing::TestWithParam<Kind> {};

// The walks that it needs; nothing is missing.
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
  Alone([] {
    const Crowd crowd(GetParam(), 1500);
    const std::unique_ptr<Engine> engine = OpenHere();
    for (const Completeness completeness : kCompletenesses) {
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

// ---- Dumps that hide some of a bucket ----

class HidingQueriesOf : public ::testing::TestWithParam<Kind> {};

TEST_P(HidingQueriesOf, GiveEachSurvivorOnceOrDoubt) {
  ResumeEverywhere(GetParam(), HidingQueries(GetParam(), Completeness::kFast));
  ResumeEverywhere(GetParam(), HidingQueries(GetParam(), Completeness::kExact));
}

TEST_P(HidingQueriesOf, RepeatNothingAndFlagEveryMissUnderChurn) {
  for (const Query& query : HidingQueries(GetParam(), Completeness::kFast)) {
    Within(GetParam(), [&] {
      const Churned churned = DumpUnderChurn(GetParam(), query, Who::kRoot, Dumps(GetParam()) / 10);
      EXPECT_EQ(churned.twice, 0);
      EXPECT_EQ(churned.unflagged, 0);
    });
  }
}

TEST_P(HidingQueriesOf, RaiseNoDoubtWhenNothingHappens) {
  Alone([] {
    const Crowd crowd(GetParam(), 1500);
    const std::unique_ptr<Engine> engine = OpenHere();
    for (const Completeness completeness : kCompletenesses) {
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

// Rows of a dump of TCP that are not looked at; whether something can be missing.
absl::Status DoubtOf(Engine* engine, StateSet states) {
  Query query = QueryOf(Kind::kConnections, Completeness::kFast);
  query.states = states;
  const absl::StatusOr<Summary> summary =
      engine->Visit(query, [](const Row&) { return Flow::kContinue; });
  return summary.ok() ? summary->tables[0].doubt : summary.status();
}

TEST(Quiet, ConnectionsThatDoNothingProveAFastDumpWhateverItHides) {
  Alone([] {
    const Crowd crowd(Kind::kConnections, 3000);
    const std::unique_ptr<Engine> engine = OpenHere();
    for (const StateSet states : {StateSet::SsAll(), StateSet(State::kEstablished)}) {
      for (int i = 0; i < 20; ++i) EXPECT_TRUE(DoubtOf(engine.get(), states).ok());
    }
    const Churn churn(Kind::kConnections);
    int doubts = 0;
    for (int i = 0; i < 20; ++i) {
      doubts += DoubtOf(engine.get(), State::kEstablished).ok() ? 0 : 1;
    }
    EXPECT_GE(doubts, 19);
  });
}

// Each thing that TCP can do to make a socket go is told.
TEST(Quiet, WhateverEndsAConnectionIsActivity) {
  Alone([] {
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
    // One goes while another comes.
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
  ASSERT_TRUE(bpf::SocketCensus::Check().ok()) << bpf::SocketCensus::Check();
  for (const Kind kind : {Kind::kUdp, Kind::kListeners, Kind::kConnections, Kind::kUnix}) {
    Alone([kind] {
      const Crowd crowd(kind, 3000);
      bpf::SocketCensus census;
      const auto counted = census.Take(ProtocolOf(kind));
      ASSERT_TRUE(counted.ok()) << counted.status();
      Tally tally;
      for (const bpf::CountedSocket& socket : *counted) tally.Add(socket.cookie);
      EXPECT_EQ(tally.Of(crowd).missed, 0u) << NameOf(kind);
      EXPECT_EQ(tally.Of(crowd).twice, 0u) << NameOf(kind);
    });
  }
}

// Linux 6.17 skips a bucket of TCP's if the sockets that it saw first have gone when it has made
// room for the others.
TEST(SocketCensus, SkipsNoBucketWhoseFirstSocketsGo) {
  ASSERT_TRUE(bpf::SocketCensus::Check().ok()) << bpf::SocketCensus::Check();
  for (const Kind kind : {Kind::kUdp, Kind::kListeners, Kind::kConnections, Kind::kUnix}) {
    Within(kind, [kind] {
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
      EXPECT_EQ(incomplete, 0) << NameOf(kind);
    });
  }
}

TEST(SocketCensus, OutgrowsItsFirstArray) {
  Alone([] {
    bpf::SocketCensus census;
    const Crowd crowd(Kind::kUnix, 18'000);
    const auto counted = census.Take(Protocol::kUnix);
    ASSERT_TRUE(counted.ok()) << counted.status();
    EXPECT_GE(counted->size(), 18'000u);
  });
}

TEST(SocketCensus, KnowsNoPacketSockets) {
  bpf::SocketCensus census;
  EXPECT_FALSE(census.Take(Protocol::kPacket).ok());
  EXPECT_FALSE(bpf::SocketCensus::Supports(Protocol::kPacket));
}

// ---- Closing sockets ----

SocketName NameOfSocket(int fd, Protocol protocol) {
  SocketName name;
  name.protocol = protocol;
  name.local = LocalOf(fd);
  name.remote = AddressBy(getpeername, fd, name.local.address.family());
  name.cookie = CookieOf(fd);
  return name;
}

std::vector<Destroyed> Outcomes(const absl::StatusOr<std::vector<DestroyOutcome>>& outcomes) {
  EXPECT_TRUE(outcomes.ok()) << outcomes.status();
  std::vector<Destroyed> all;
  if (!outcomes.ok()) return all;
  for (const DestroyOutcome& each : *outcomes) all.push_back(each.outcome);
  return all;
}

TEST(Destroy, ClosesExactlyTheSocketsOfThoseCookies) {
  Alone([] {
    const Pair pair = MakePair(Family::kInet);
    const Pair six = MakePair(Family::kInet6);
    const Pair other = MakePair(Family::kInet);
    const std::unique_ptr<Engine> engine = OpenHere();
    const std::vector<SocketName> names = {NameOfSocket(pair.client, Protocol::kTcp),
                                           NameOfSocket(six.client, Protocol::kTcp)};
    EXPECT_THAT(Outcomes(engine->Destroy(names)), Each(Destroyed::kClosed));
    char byte = 0;
    EXPECT_EQ(recv(pair.client, &byte, 1, MSG_DONTWAIT), -1);
    EXPECT_EQ(errno, ECONNABORTED);
    EXPECT_EQ(recv(other.client, &byte, 1, MSG_DONTWAIT), -1);
    EXPECT_EQ(errno, EAGAIN);
    // They are not there a second time.
    EXPECT_THAT(Outcomes(engine->Destroy(names)), Each(Destroyed::kGone));
    for (const Pair& each : {pair, six, other}) close(each.client), close(each.server);
  });
}

TEST(Destroy, ASocketOfAnotherCookieByThatNameIsLeftAlone) {
  Alone([] {
    const Pair pair = MakePair(Family::kInet);
    SocketName name = NameOfSocket(pair.client, Protocol::kTcp);
    name.cookie = Cookie(name.cookie.value() + 1'000'000);
    const std::unique_ptr<Engine> engine = OpenHere();
    EXPECT_THAT(Outcomes(engine->Destroy(std::span(&name, 1))), Each(Destroyed::kGone));
    EXPECT_EQ(TcpState(pair.client), State::kEstablished);
    close(pair.client);
    close(pair.server);
  });
}

TEST(Destroy, OfAGroupThatSharesAPortSomeMayNotBeSelectable) {
  Alone([] {
    const Crowd crowd(Kind::kListeners, 8);
    const std::unique_ptr<Engine> engine = OpenHere();
    // One of eight: the kernel picks by a hash, and nearly always another.
    std::vector<SocketName> names;
    for (const auto& [cookie, fd] : crowd.sockets()) {
      SocketName name;
      name.local = LocalOf(fd);
      name.remote.address = IpAddress::V4(0, 0, 0, 0);
      name.cookie = Cookie(cookie);
      names.push_back(name);
    }
    int closed = 0;
    int hidden = 0;
    for (const SocketName& name : names) {
      const std::vector<Destroyed> one = Outcomes(engine->Destroy(std::span(&name, 1)));
      ASSERT_EQ(one.size(), 1u);
      closed += one[0] == Destroyed::kClosed ? 1 : 0;
      hidden += one[0] == Destroyed::kNotSelectable ? 1 : 0;
    }
    EXPECT_EQ(closed + hidden, 8);
    EXPECT_GT(hidden, 0);
    // Together each that goes makes way for another.
    int left = 0;
    for (const Destroyed outcome : Outcomes(engine->Destroy(names))) {
      left += outcome == Destroyed::kNotSelectable ? 1 : 0;
    }
    EXPECT_LT(left, hidden);
  });
}

TEST(Destroy, SaysWhyItIsRefused) {
  Alone([] {
    const Pair pair = MakePair(Family::kInet);
    const SocketName name = NameOfSocket(pair.client, Protocol::kTcp);
    SocketName mptcp = name;
    mptcp.protocol = Protocol::kMptcp;
    AsNobody([&] {
      const std::unique_ptr<Engine> engine = OpenHere();
      const auto outcomes = engine->Destroy(std::span(&name, 1));
      ASSERT_TRUE(outcomes.ok()) << outcomes.status();
      EXPECT_EQ((*outcomes)[0].outcome, Destroyed::kRefused);
      EXPECT_FALSE((*outcomes)[0].status.ok());
    });
    const auto outcomes = OpenHere()->Destroy(std::span(&mptcp, 1));
    ASSERT_TRUE(outcomes.ok()) << outcomes.status();
    EXPECT_EQ((*outcomes)[0].outcome, Destroyed::kRefused);
    EXPECT_EQ(TcpState(pair.client), State::kEstablished);
    close(pair.client);
    close(pair.server);
  });
}

}  // namespace
}  // namespace netdiag::testing
