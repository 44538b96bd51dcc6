// Every allocation of the library fails once, in the calls that a daemon makes.

#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <dirent.h>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include <gtest/gtest.h>

#include "netdiag/connections.h"
#include "netdiag/dump/capture.h"
#include "netdiag/engine.h"
#include "netdiag/events.h"
#include "netdiag/filter/filter.h"
#include "netdiag/monitor.h"
#include "netdiag/net/interfaces.h"
#include "netdiag/net/routes.h"
#include "netdiag/net/statistics.h"
#include "netdiag/netlink/conn.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/query.h"
#include "netdiag/row.h"
#include "netdiag/snapshot.h"
#include "netdiag/summary.h"
#include "netdiag/types/error.h"
#include "netdiag/types/types.h"
#include "netdiag/unlisted.h"
#include "tests/testing/alloc_counter.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {
namespace {

Flow Ignore(const Row&) { return Flow::kContinue; }

size_t Descriptors() {
  DIR* const directory = opendir("/proc/self/fd");
  size_t count = 0;
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

// What a call lacks. A partial answer that says "out of memory" is as good as an error.
absl::Status LackOf(const absl::Status& status) { return status; }
absl::Status LackOf(const Summary& summary) {
  for (const absl::Status& gap : summary.Gaps()) {
    if (absl::IsResourceExhausted(gap)) return gap;
  }
  return absl::OkStatus();
}
absl::Status LackOf(const Snapshot& snapshot) { return LackOf(snapshot.summary()); }
absl::Status LackOf(const Look& look) { return LackOf(look.query); }
absl::Status LackOf(const UnlistedStats& stats) { return stats.left_out_reason; }
template <class T>
absl::Status LackOf(const T&) {
  return absl::OkStatus();
}
template <class T>
absl::Status LackOf(const absl::StatusOr<T>& result) {
  return result.ok() ? LackOf(*result) : result.status();
}

// Calls `work` until it lacks nothing, while the first, the second, … allocation in it and all
// after that fail. Returns the number of failures.
template <class Work>
uint64_t FailEachAllocation(Work work) {
  (void)work();  // makes what lives until the program ends
  const size_t descriptors = Descriptors();
  for (uint64_t after = 0;; ++after) {
    absl::Status lack;
    {
      auto failing = std::make_unique<FailingNew>(after);
      auto result = work();
      failing.reset();
      lack = LackOf(result);
    }
    // An Engine opens some when they are first needed, and keeps them.
    if (Descriptors() > descriptors + 8) {
      ADD_FAILURE() << "after " << after << ": " << Descriptors() << " descriptors";
      return after;
    }
    if (lack.ok()) return after;
    if (!absl::IsResourceExhausted(lack)) {
      ADD_FAILURE() << "after " << after << ": " << lack;
      return after;
    }
  }
}

Query Everything() {
  Query query;
  query.owners = true;
  query.peers = true;
  query.cgroups = true;
  query.programs = true;
  return query;
}

class OutOfMemory : public ::testing::Test {
 protected:
  void SetUp() override {
    descriptors_ = Descriptors();
    listener_ = Listen(Loopback(Family::kInet), 1);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair_);
  }
  void TearDown() override {
    for (const int fd : {listener_, pair_[0], pair_[1]}) close(fd);
    EXPECT_EQ(Descriptors(), descriptors_);
  }

  // Whether the Engine finds the listener and its owner.
  void ExpectUsable(Engine& engine) {
    Query query;
    query.protocols = {Protocol::kTcp};
    query.states = State::kListen;
    query.owners = true;
    bool found = false;
    const auto look = [&](const Row& row) {
      if (row.inode() == InodeOf(listener_)) {
        found = std::ranges::any_of(
            row.owners(), [](const Owner& owner) { return owner.pid.value() == getpid(); });
      }
      return Flow::kContinue;
    };
    const absl::StatusOr<Summary> summary = engine.Visit(query, look);
    ASSERT_TRUE(summary.ok()) << summary.status();
    EXPECT_TRUE(found);
  }

  // Fails each allocation in a Visit by an Engine with these options.
  void TestVisit(const EngineOptions& options) {
    auto engine = Engine::Open(options);
    ASSERT_TRUE(engine.ok()) << engine.status();
    const Query query = Everything();
    EXPECT_GT(FailEachAllocation([&] { return (*engine)->Visit(query, Ignore); }), 10u);
    ExpectUsable(**engine);
  }

  size_t descriptors_ = 0;
  int listener_ = -1;
  int pair_[2] = {-1, -1};
};

TEST_F(OutOfMemory, OfOpenIsAnError) {
  EXPECT_GT(FailEachAllocation([] { return Engine::Open(); }), 5u);
}

TEST_F(OutOfMemory, OfVisitIsAnErrorAndTheEngineStaysUsable) { TestVisit({}); }

TEST_F(OutOfMemory, OfVisitThatReadsProcIsAnError) {
  TestVisit({.owner_source = OwnerSource::kProc, .source = RowSource::kProc});
}

TEST_F(OutOfMemory, OnThreadsOfVisitIsAnError) {
  TestVisit({.owner_source = OwnerSource::kProc, .connections = 3, .threads = 3});
}

TEST_F(OutOfMemory, OfVisitOfAllNamespacesIsAnError) { TestVisit({.all_netns = true}); }

TEST_F(OutOfMemory, OfStepIsAnErrorAndTheEngineStaysUsable) {
  auto engine = Engine::Open();
  ASSERT_TRUE(engine.ok()) << engine.status();
  const Query query = Everything();
  const auto run = [&]() -> absl::StatusOr<Summary> {
    NETDIAG_RETURN_IF_ERROR((*engine)->Begin(query));
    for (;;) {
      NETDIAG_ASSIGN_OR_RETURN(const netlink::Ready ready, (*engine)->Step(Ignore));
      if (ready == netlink::Ready::kDone) return (*engine)->summary();
    }
  };
  EXPECT_GT(FailEachAllocation([&]() -> absl::StatusOr<Summary> {
              try {
                return run();
              } catch (const std::bad_alloc&) {  // the test's copy of the Summary
                return netdiag::OutOfMemory();
              }
            }),
            10u);
  ExpectUsable(**engine);
}

TEST_F(OutOfMemory, OfTakeIsAnErrorAndTheEngineStaysUsable) {
  auto engine = Engine::Open();
  ASSERT_TRUE(engine.ok()) << engine.status();
  const Query query = Everything();
  EXPECT_GT(FailEachAllocation([&] { return (*engine)->Take(query); }), 10u);
  ExpectUsable(**engine);
}

TEST_F(OutOfMemory, OfCaptureAndOfItsReplayIsAnError) {
  auto engine = Engine::Open();
  ASSERT_TRUE(engine.ok()) << engine.status();
  const Query query = Everything();
  std::vector<std::byte> capture;
  capture.reserve(64 << 20);  // the test's memory must not fail
  EXPECT_GT(FailEachAllocation([&]() -> absl::StatusOr<Summary> {
              capture.clear();
              try {
                CaptureWriter writer([&](Bytes frame) {
                  capture.insert(capture.end(), frame.begin(), frame.end());
                  return absl::OkStatus();
                });
                auto summary = (*engine)->Capture(query, &writer);
                NETDIAG_RETURN_IF_ERROR(writer.Finish());
                return summary;
              } catch (const std::bad_alloc&) {  // the writer belongs to its caller
                return netdiag::OutOfMemory();
              }
            }),
            10u);
  ExpectUsable(**engine);

  auto replay = Engine::Open({.replay = capture});
  ASSERT_TRUE(replay.ok()) << replay.status();
  uint64_t rows = 0;
  EXPECT_GT(FailEachAllocation([&] {
              auto summary = (*replay)->Visit(query, Ignore);
              rows = summary.ok() ? summary->rows : 0;
              return summary;
            }),
            5u);
  EXPECT_GT(rows, 2u);
}

TEST_F(OutOfMemory, OfAMonitorIsAnErrorAndAnotherOneWorks) {
  auto engine = Engine::Open();
  ASSERT_TRUE(engine.ok()) << engine.status();
  Query query;
  query.protocols = {Protocol::kTcp};
  query.owners = true;
  EXPECT_GT(FailEachAllocation([&]() -> absl::StatusOr<std::unique_ptr<Monitor>> {
              try {
                return Monitor::Open(engine->get(), query);
              } catch (const std::bad_alloc&) {  // the caller's copy of the query
                return netdiag::OutOfMemory();
              }
            }),
            3u);

  // A Monitor whose records are half made is not used again.
  const auto ignore = [](const Change&) {};
  for (uint64_t after = 0;; ++after) {
    const auto monitor = Monitor::Open(engine->get(), query);
    ASSERT_TRUE(monitor.ok()) << monitor.status();
    absl::StatusOr<Look> look = Look();
    {
      const FailingNew failing(after);
      look = (*monitor)->Poll(ignore);
    }
    const absl::Status lack = LackOf(look);
    if (lack.ok()) {
      EXPECT_GT(after, 5u);
      break;
    }
    ASSERT_TRUE(absl::IsResourceExhausted(lack)) << lack;
    if (look.ok()) continue;  // it is partial and says so
    EXPECT_EQ(Errno((*monitor)->Poll(ignore).status()), EINVAL);
  }
  ExpectUsable(**engine);
}

TEST_F(OutOfMemory, OfOtherQuestionsIsAnError) {
  EXPECT_GT(FailEachAllocation([] { return Connections(); }), 10u);
  EXPECT_GT(FailEachAllocation([] { return CountByState(); }), 10u);
  EXPECT_GT(FailEachAllocation([] {
              return VisitUnlisted({}, [](const UnlistedSocket&) { return Flow::kContinue; });
            }),
            10u);
  const std::string text = "( sport = :22 or dst 10.0.0.0/8 ) and owners.command != \"a\"";
  EXPECT_GT(FailEachAllocation([&] { return Filter::Parse(text); }), 5u);
  const std::string wrong = text + " and nosuchfield > 1";
  EXPECT_GT(FailEachAllocation([&]() -> absl::Status {
              const absl::Status status = Filter::Parse(wrong).status();
              return absl::IsInvalidArgument(status) ? absl::OkStatus() : status;
            }),
            5u);
  EXPECT_GT(FailEachAllocation([] { return ReadCounters(CounterFile::kSnmp); }), 3u);
}

TEST_F(OutOfMemory, OfInterfacesAndRoutesIsAnError) {
  EXPECT_GT(FailEachAllocation([] { return InterfaceReader::Open(); }), 1u);
  auto interfaces = InterfaceReader::Open();
  ASSERT_TRUE(interfaces.ok()) << interfaces.status();
  EXPECT_GT(FailEachAllocation([&] { return interfaces->List(); }), 1u);
  EXPECT_GT(FailEachAllocation([&] { return interfaces->Addresses(); }), 1u);
  EXPECT_GT(FailEachAllocation([&] { return interfaces->Groups(); }), 1u);
  EXPECT_GT(FailEachAllocation([&] { return interfaces->Counters(); }), 1u);
  auto routes = RouteReader::Open();
  ASSERT_TRUE(routes.ok()) << routes.status();
  // A guest of tools/dev vm can have a single route.
  const size_t least = routes->List(Family::kInet6)->size() > 1 ? 1 : 0;
  EXPECT_GT(FailEachAllocation([&] { return routes->List(Family::kInet6); }), least);
}

TEST_F(OutOfMemory, OfConnsAndNamespacesIsAnError) {
  EXPECT_GT(FailEachAllocation([] { return netlink::Conn::Dial(NETLINK_SOCK_DIAG); }), 1u);
  const netlink::NetNs own = netlink::NetNs::FromPath("/proc/thread-self/ns/net");
  EXPECT_GT(FailEachAllocation([&] { return own.Run([] { return absl::OkStatus(); }); }), 1u);
}

TEST_F(OutOfMemory, AVisitorThatThrowsLeavesTheEngineUsable) {
  for (const size_t threads : {1u, 3u}) {
    auto engine = Engine::Open({.owner_source = OwnerSource::kProc, .threads = threads});
    ASSERT_TRUE(engine.ok()) << engine.status();
    const auto fail = [](const Row&) -> Flow { throw std::runtime_error("the visitor's own"); };
    EXPECT_THROW((void)(*engine)->Visit(Everything(), fail), std::runtime_error);
    ExpectUsable(**engine);
    ASSERT_TRUE((*engine)->Begin(Everything()).ok());
    EXPECT_THROW(while ((*engine)->Step(fail).ok()){}, std::runtime_error);
    ExpectUsable(**engine);
  }
}

}  // namespace
}  // namespace netdiag::testing
