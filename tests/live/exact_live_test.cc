// Exactness against the kernel: sockets that come and go while dumps run.

#include <sys/wait.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/bpf/socket_census.h"
#include "netdiag/engine.h"
#include "tests/live/exact_testing.h"
#include "tests/testing/rounds.h"

namespace netdiag::testing {
namespace {

using netlink::Ready;

std::unique_ptr<Engine> OpenHere() {
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open();
  Check(engine.ok(), "Engine::Open");
  return *std::move(engine);
}

Query QueryOf(Kind kind, Completeness completeness) {
  Query query;
  query.protocols = {ProtocolOf(kind)};
  if (kind == Kind::kListeners) query.states = State::kListen;
  query.completeness = completeness;
  return query;
}

// What dumps of one kind gave under churn.
struct Churned {
  int dumps = 0;
  int missing = 0;     // dumps that missed a socket which lived through
  int unflagged = 0;   // of them, those that raised no doubt
  int twice = 0;       // dumps that gave one twice
  int doubts = 0;
  uint64_t walks = 0;
};

Churned Dump(Kind kind, Completeness completeness, int dumps, uint32_t sockets) {
  Churned churned;
  const Crowd crowd(kind, sockets);
  const std::unique_ptr<Engine> engine = OpenHere();
  const Churn churn(kind);
  const Query query = QueryOf(kind, completeness);
  for (int i = 0; i < dumps; ++i) {
    Tally tally;
    const absl::StatusOr<Summary> summary = engine->Visit(query, [&](const Row& row) {
      tally.Add(row.cookie().value());
      return Flow::kContinue;
    });
    Check(summary.ok() && summary->tables.size() == 1, "Visit");
    EXPECT_TRUE(summary->tables[0].status.ok()) << summary->tables[0].status;
    const bool doubt = !summary->tables[0].doubt.ok();
    const Count count = tally.Of(crowd);
    ++churned.dumps;
    churned.missing += count.missed > 0 ? 1 : 0;
    churned.unflagged += count.missed > 0 && !doubt ? 1 : 0;
    churned.twice += count.twice > 0 ? 1 : 0;
    churned.doubts += doubt ? 1 : 0;
    churned.walks += summary->tables[0].walks;
  }
  std::printf("%d dumps: %d missed a socket, %d of them unflagged, %d twice, %d doubts, %lu walks, %lu churned\n",
              churned.dumps, churned.missing, churned.unflagged, churned.twice, churned.doubts,
              churned.walks, churn.made());
  return churned;
}

class ExactLive : public ::testing::TestWithParam<Kind> {};

TEST_P(ExactLive, AFastDumpUnderChurnRepeatsNothingAndFlagsEveryMiss) {
  Alone([] {
    const Churned churned = Dump(GetParam(), Completeness::kFast, Rounds(200), 1500);
    EXPECT_EQ(churned.twice, 0);
    EXPECT_EQ(churned.unflagged, 0);
  });
}

TEST_P(ExactLive, AnExactDumpUnderChurnGivesEverySocketOnce) {
  Alone([] {
    const Churned churned = Dump(GetParam(), Completeness::kExact, Rounds(200), 1500);
    EXPECT_EQ(churned.twice, 0);
    EXPECT_EQ(churned.unflagged, 0);
    EXPECT_EQ(churned.missing, 0);
  });
}

INSTANTIATE_TEST_SUITE_P(Tables, ExactLive, ::testing::Values(Kind::kUdp, Kind::kListeners, Kind::kUnix));

}  // namespace
}  // namespace netdiag::testing
