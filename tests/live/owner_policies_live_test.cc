// Owner policies: how many owners a query finds, and owners of sockets that are opened after the
// scan.

#include <sys/wait.h>

#include <csignal>
#include <fcntl.h>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/process/owner_index.h"
#include "netdiag/snapshot.h"
#include "netdiag/types/error.h"
#include "tests/live/live_testing.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {
namespace {

using netlink::Ready;

class OwnerPoliciesLive : public LiveTest {
 protected:
  static Query With(OwnerPolicy policy) {
    Query query = Everything();
    query.owners = true;
    query.owner_policy = policy;
    return query;
  }
};

// The pids that hold each inode.
using Holders = std::map<Inode, std::set<int>>;

struct Answer {
  Holders holders;
  uint64_t without = 0;  // rows that have an inode and were given without an owner
  Summary summary;
};

void Note(const Row& row, Answer* answer) {
  if (row.inode() == Inode()) {
    EXPECT_TRUE(row.owners().empty());
    return;
  }
  for (const Owner& owner : row.owners()) answer->holders[row.inode()].insert(owner.pid.value());
  if (row.owners().empty()) ++answer->without;
}

Answer Ask(Engine* engine, const Query& query) {
  Answer answer;
  absl::StatusOr<Summary> summary = engine->Visit(query, [&](const Row& row) {
    Note(row, &answer);
    return Flow::kContinue;
  });
  EXPECT_TRUE(summary.ok()) << summary.status();
  if (summary.ok()) answer.summary = *std::move(summary);
  return answer;
}

TEST_F(OwnerPoliciesLive, EveryPolicyFindsAnOwnerOfEverySocket) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  const Answer all = Ask(engine.get(), With(OwnerPolicy::kAll));
  ASSERT_GT(all.holders.size(), 10u);
  EXPECT_EQ(all.without, 0u);
  for (const OwnerPolicy policy : {OwnerPolicy::kFirst, OwnerPolicy::kCached}) {
    SCOPED_TRACE(::testing::Message() << "policy " << static_cast<int>(policy));
    for (int again = 0; again < 3; ++again) {
      const Answer answer = Ask(engine.get(), With(policy));
      EXPECT_EQ(answer.holders, all.holders);
      EXPECT_EQ(answer.without, 0u);
      EXPECT_EQ(answer.summary.rows, all.summary.rows);
      ASSERT_TRUE(answer.summary.owners.has_value());
      EXPECT_FALSE(answer.summary.owners->partial);
    }
  }
}

TEST_F(OwnerPoliciesLive, TheFirstOwnerNeedsNoMoreReadsThanAllOwners) {
  const int listener = Make(Family::kInet, SOCK_DGRAM);
  Bind(listener, Loopback(Family::kInet));
  Query query = With(OwnerPolicy::kFirst);
  query.protocols = {Protocol::kUdp};
  // The zoo's sockets are in another namespace. From /proc, because BPF counts only the descriptors
  // of sockets.
  const absl::StatusOr<std::unique_ptr<Engine>> engine =
      Engine::Open({.owner_source = OwnerSource::kProc});
  ASSERT_TRUE(engine.ok()) << engine.status();
  query.source_port = LocalOf(listener).port;
  // Other processes of the machine open and close descriptors between the two visits.
  constexpr int kAttempts = 20;
  bool fewer = false;
  for (int attempt = 0; attempt < kAttempts && !fewer; ++attempt) {
    query.owner_policy = OwnerPolicy::kFirst;
    const Answer first = Ask(engine->get(), query);
    EXPECT_EQ(first.holders.at(InodeOf(listener)), std::set<int>{getpid()});
    query.owner_policy = OwnerPolicy::kAll;
    const Answer all = Ask(engine->get(), query);
    EXPECT_EQ(all.holders, first.holders);
    fewer = first.summary.owners->descriptors < all.summary.owners->descriptors + 17;
  }
  EXPECT_TRUE(fewer);
  close(listener);
}

TEST_F(OwnerPoliciesLive, ASnapshotHasTheOwnersOfAllItsRows) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  for (const OwnerPolicy policy : {OwnerPolicy::kFirst, OwnerPolicy::kCached}) {
    SCOPED_TRACE(::testing::Message() << "policy " << static_cast<int>(policy));
    const absl::StatusOr<Snapshot> snapshot = engine->Take(With(policy));
    ASSERT_TRUE(snapshot.ok()) << snapshot.status();
    Answer answer;
    for (const Row& row : *snapshot) Note(row, &answer);
    EXPECT_GT(answer.holders.size(), 10u);
    EXPECT_EQ(answer.without, 0u);
  }
}

TEST_F(OwnerPoliciesLive, ABudgetLeavesRowsWithoutOwnersAndReportsIt) {
  EngineOptions options = InZoo();
  // One read of the BPF program can return every socket of the namespace.
  options.owner_source = OwnerSource::kProc;
  absl::StatusOr<std::unique_ptr<Engine>> opened = Engine::Open(options);
  ASSERT_TRUE(opened.ok()) << opened.status();
  const std::unique_ptr<Engine> engine = *std::move(opened);
  Query query = With(OwnerPolicy::kAll);
  query.owner_budget.descriptors = 1;
  const Answer answer = Ask(engine.get(), query);
  ASSERT_TRUE(answer.summary.owners.has_value());
  EXPECT_TRUE(answer.summary.owners->partial);
  EXPECT_EQ(answer.summary.owners->limit, OwnerLimit::kDescriptors);
  EXPECT_GT(answer.without, 0u);
  EXPECT_EQ(answer.summary.rows, Ask(engine.get(), With(OwnerPolicy::kAll)).summary.rows);
}

// The socket is opened between the scan and the dump. Its owners are this process and a new
// process.
TEST_F(OwnerPoliciesLive, ASocketTooLateForTheScanIsLookedUpAgain) {
  for (const OwnerSource source : {OwnerSource::kProc, OwnerSource::kBpf}) {
    SCOPED_TRACE(::testing::Message() << "source " << static_cast<int>(source));
    const absl::Status bpf = OwnerIndex::CheckBpf();
    if (source == OwnerSource::kBpf && IsUnsupported(bpf)) GTEST_SKIP() << bpf;  // before 5.17
    EngineOptions options;  // the namespace of the test
    options.owner_source = source;
    const absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(options);
    ASSERT_TRUE(engine.ok()) << engine.status();
    Query query = With(OwnerPolicy::kAll);
    query.protocols = {Protocol::kUdp};
    ASSERT_TRUE((*engine)->Begin(query).ok());
    Answer answer;
    uint64_t rows = 0;
    const auto note = [&](const Row& row) {
      Note(row, &answer);
      ++rows;
      return Flow::kContinue;
    };
    absl::StatusOr<Ready> ready = Ready::kSome;
    while (ready.ok() && *ready != Ready::kDone && (*engine)->summary().owners->partial) {
      ready = (*engine)->Step(note);
    }
    ASSERT_EQ(rows, 0u);

    const int late = Make(Family::kInet, SOCK_DGRAM);
    Bind(late, Loopback(Family::kInet));
    const pid_t child = fork();
    if (child == 0) {
      raise(SIGSTOP);
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
    while (ready.ok() && *ready != Ready::kDone) ready = (*engine)->Step(note);
    EXPECT_TRUE(ready.ok()) << ready.status();
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    const std::set<int> both = {getpid(), child};
    EXPECT_EQ(answer.holders[InodeOf(late)], both);
    EXPECT_EQ((*engine)->summary().rows, rows);
    close(late);
  }
}

TEST_F(OwnerPoliciesLive, RowsThatWereNotVisitedAreNotCounted) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  for (const OwnerPolicy policy : {OwnerPolicy::kAll, OwnerPolicy::kFirst, OwnerPolicy::kCached}) {
    SCOPED_TRACE(::testing::Message() << "policy " << static_cast<int>(policy));
    uint64_t seen = 0;
    const absl::StatusOr<Summary> summary = engine->Visit(
        With(policy), [&](const Row&) { return ++seen == 3 ? Flow::kStop : Flow::kContinue; });
    ASSERT_TRUE(summary.ok()) << summary.status();
    EXPECT_EQ(seen, 3u);
    EXPECT_EQ(summary->rows, 3u);
    uint64_t of_tables = 0;
    for (const TableOutcome& table : summary->tables) of_tables += table.rows;
    EXPECT_EQ(of_tables, 3u);
  }
}

TEST_F(OwnerPoliciesLive, WithoutProcEveryRowIsGivenWithoutOwners) {
  EngineOptions options = InZoo();
  options.proc_root = "/no/such/proc";
  const absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(options);
  ASSERT_TRUE(engine.ok()) << engine.status();
  for (const OwnerPolicy policy : {OwnerPolicy::kFirst, OwnerPolicy::kCached}) {
    SCOPED_TRACE(::testing::Message() << "policy " << static_cast<int>(policy));
    const Answer answer = Ask(engine->get(), With(policy));
    EXPECT_EQ(answer.summary.rows, AllIdentities(zoo()).size());
    EXPECT_TRUE(absl::IsNotFound(answer.summary.owner_error)) << answer.summary.owner_error;
  }
}

}  // namespace
}  // namespace netdiag::testing
