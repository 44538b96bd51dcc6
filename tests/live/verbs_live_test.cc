// The verbs of the engine on the kernel: Visit, Begin and Step, Take, Capture; how they end; in
// which namespace they run; what they allocate.

#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <poll.h>
#include <sched.h>
#include <stop_token>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/capabilities.h"
#include "netdiag/dump/capture.h"
#include "netdiag/engine/test_options.h"
#include "netdiag/process/program.h"
#include "netdiag/snapshot.h"
#include "netdiag/types/error.h"
#include "tests/live/live_testing.h"
#include "tests/testing/alloc_counter.h"
#include "tests/testing/proc_tree.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {
namespace {

using netlink::NetNs;
using netlink::Ready;
using ::testing::HasSubstr;

// Many sockets in the namespace of the zoo, so that an answer has many datagrams. Half are
// listeners.
class Crowd {
 public:
  Crowd(const Zoo& zoo, int count) {
    const absl::Status status = NetNs::FromFd(zoo.netns_fd()).Run([&] {
      for (int i = 0; i < count; ++i) {
        fds_.push_back(Listen(Loopback(Family::kInet), 1));
        fds_.push_back(Make(Family::kInet, SOCK_DGRAM));
        Bind(fds_.back(), Loopback(Family::kInet));
      }
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;
  ~Crowd() {
    for (const int fd : fds_) close(fd);
  }

 private:
  std::vector<int> fds_;
};

class VerbsLive : public LiveTest {
 protected:
  static std::unique_ptr<Engine> OpenWith(EngineOptions options,
                                          const internal::TestOptions& test_options = {}) {
    absl::StatusOr<std::unique_ptr<Engine>> engine =
        internal::OpenForTest(std::move(options), test_options);
    EXPECT_TRUE(engine.ok()) << engine.status();
    return engine.ok() ? *std::move(engine) : nullptr;
  }
  // Expects that the engine still lists the zoo.
  static void ExpectUsable(Engine* engine) {
    EXPECT_EQ(Difference(VisitIdentities(engine, Everything()), AllIdentities(zoo())), "");
  }
};

// ------------------------------------------------------------------------------------- steps

// Steps through a query as an event loop does.
Identities StepThrough(Engine* engine, const Query& query) {
  Identities all;
  const absl::Status begun = engine->Begin(query);
  EXPECT_TRUE(begun.ok()) << begun;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (std::chrono::steady_clock::now() < deadline) {
    const absl::StatusOr<Ready> ready = engine->Step([&](const Row& row) {
      all.insert(Identity(row));
      return Flow::kContinue;
    });
    EXPECT_TRUE(ready.ok()) << ready.status();
    if (!ready.ok() || *ready == Ready::kDone) return all;
    if (*ready == Ready::kSome) continue;
    pollfd waiting = {engine->fd(), POLLIN, 0};
    EXPECT_GE(waiting.fd, 0) << "kWouldBlock, and nothing to wait for";
    EXPECT_EQ(poll(&waiting, 1, 10'000), 1);
  }
  ADD_FAILURE() << "no end";
  return all;
}

TEST_F(VerbsLive, StepsGiveWhatVisitGives) {
  for (const size_t connections : {1, 3}) {
    SCOPED_TRACE(::testing::Message() << "connections " << connections);
    for (const bool procfs : {false, true}) {
      SCOPED_TRACE(::testing::Message() << "procfs " << procfs);
      EngineOptions options = InZoo();
      options.connections = connections;
      const std::unique_ptr<Engine> engine = OpenWith(options, {.prefer_procfs = procfs});
      Identities visited;
      const auto note = [&](const Row& row) {
        visited.insert(Identity(row));
        return Flow::kContinue;
      };
      ASSERT_TRUE(engine->Visit(Everything(), note).ok());
      EXPECT_EQ(Difference(StepThrough(engine.get(), Everything()), visited), "");
      EXPECT_EQ(engine->summary().rows, visited.size());
      EXPECT_EQ(engine->fd(), -1) << "nothing is waited for after the end";
    }
  }
}

TEST_F(VerbsLive, AStepIsOneDatagramAndBeginDropsWhatWasUnfinished) {
  const Crowd crowd(zoo(), 700);
  const std::unique_ptr<Engine> engine = OpenInZoo();
  for (int again = 0; again < 3; ++again) {
    ASSERT_TRUE(engine->Begin({.protocols = {Protocol::kTcp}, .states = State::kListen}).ok());
    size_t rows = 0;
    const auto count = [&](const Row&) {
      ++rows;
      return Flow::kContinue;
    };
    ASSERT_TRUE(engine->Step(count).ok());
    EXPECT_GT(rows, 100u) << "the first datagram is as large as the others";
    EXPECT_LT(rows, 400u);
  }
  Query query = Everything();
  query.families = Family::kUnix;
  const auto is_unix = [](const ZooSocket& socket) { return socket.family == Family::kUnix; };
  EXPECT_EQ(Difference(StepThrough(engine.get(), query), IdentitiesIf(zoo(), is_unix)), "");
}

TEST_F(VerbsLive, CapabilitiesMayBeAskedDuringAQuery) {
  const Crowd crowd(zoo(), 700);
  const std::unique_ptr<Engine> engine = OpenInZoo();
  ASSERT_TRUE(engine->Begin({.protocols = {Protocol::kTcp}, .states = State::kListen}).ok());
  size_t rows = 0;
  const auto count = [&](const Row&) {
    ++rows;
    return Flow::kContinue;
  };
  ASSERT_TRUE(engine->Step(count).ok());
  EXPECT_LT(rows, 400u) << "the dump is not at its end";
  // The same as an Engine without a query reports. Not every kernel can dump every table.
  const std::unique_ptr<Engine> idle = OpenInZoo();
  const std::vector<Capability>& tables = engine->capabilities().tables;
  ASSERT_EQ(tables.size(), idle->capabilities().tables.size());
  for (size_t i = 0; i < tables.size(); ++i) {
    EXPECT_EQ(tables[i].netlink, idle->capabilities().tables[i].netlink);
    const Protocol protocol = tables[i].table.protocol;
    const bool everywhere =
        protocol == Protocol::kTcp || protocol == Protocol::kUdp || protocol == Protocol::kUnix;
    EXPECT_TRUE(!everywhere || tables[i].netlink.ok()) << tables[i].netlink;
  }
  absl::StatusOr<Ready> ready = Ready::kSome;
  while (ready.ok() && *ready == Ready::kSome) ready = engine->Step(count);
  ASSERT_TRUE(ready.ok()) << ready.status();
  EXPECT_EQ(*ready, Ready::kDone);
  EXPECT_GT(rows, 700u);
}

// ------------------------------------------------------------------------------------- ends

TEST_F(VerbsLive, StopEndsAVisitAndTheEngineIsUsableAtOnce) {
  for (const size_t connections : {1, 3}) {
    SCOPED_TRACE(::testing::Message() << "connections " << connections);
    EngineOptions options = InZoo();
    options.connections = connections;
    const std::unique_ptr<Engine> engine = OpenWith(options);
    {
      const Crowd crowd(zoo(), 500);
      for (const uint64_t stop_at : {1, 2, 40, 600}) {
        SCOPED_TRACE(::testing::Message() << "stop at row " << stop_at);
        uint64_t rows = 0;
        const absl::StatusOr<Summary> summary = engine->Visit(Everything(), [&](const Row&) {
          return ++rows == stop_at ? Flow::kStop : Flow::kContinue;
        });
        ASSERT_TRUE(summary.ok()) << summary.status();
        EXPECT_TRUE(summary->stopped);
        EXPECT_EQ(summary->rows, stop_at);
        EXPECT_EQ(rows, stop_at) << "no row after kStop";
      }
      ASSERT_TRUE(engine->Begin(Everything()).ok());
      absl::StatusOr<Ready> ready = Ready::kSome;
      while (ready.ok() && *ready == Ready::kSome)
        ready = engine->Step([](const Row&) { return Flow::kStop; });
      ASSERT_TRUE(ready.ok()) << ready.status();
      EXPECT_EQ(*ready, Ready::kDone);
      EXPECT_TRUE(engine->summary().stopped);
    }
    ExpectUsable(engine.get());
  }
}

TEST_F(VerbsLive, APastDeadlineIsATimeoutAndTheEngineIsUsableAfterwards) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  const netlink::CallOptions past{.deadline = std::chrono::steady_clock::now()};
  const auto none = [](const Row&) {
    ADD_FAILURE() << "a row after the deadline";
    return Flow::kContinue;
  };
  for (const bool owners : {false, true}) {
    SCOPED_TRACE(::testing::Message() << "owners " << owners);
    Query query = Everything();
    query.owners = owners;
    EXPECT_TRUE(IsTimeout(engine->Visit(query, none, past).status()));
    EXPECT_TRUE(IsTimeout(engine->Take(query, past).status()));
  }
  ExpectUsable(engine.get());
}

TEST_F(VerbsLive, AStopTokenCancelsAndTheEngineIsUsableAfterwards) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  {
    const Crowd crowd(zoo(), 600);
    std::stop_source before;
    before.request_stop();
    for (const bool owners : {false, true}) {
      SCOPED_TRACE(::testing::Message() << "owners " << owners);
      Query query = Everything();
      query.owners = owners;
      const auto none = [](const Row&) { return Flow::kContinue; };
      EXPECT_TRUE(
          absl::IsCancelled(engine->Visit(query, none, {.stop = before.get_token()}).status()));
    }
    // Cancelled at the first row: at most the rows of that datagram are visited.
    std::stop_source during;
    uint64_t rows = 0;
    const auto cancel = [&](const Row&) {
      ++rows;
      during.request_stop();
      return Flow::kContinue;
    };
    const absl::StatusOr<Summary> summary =
        engine->Visit(Everything(), cancel, {.stop = during.get_token()});
    EXPECT_TRUE(absl::IsCancelled(summary.status())) << summary.status();
    EXPECT_GT(rows, 0u);
    EXPECT_LT(rows, 1000u);
  }
  ExpectUsable(engine.get());
}

// ------------------------------------------------------------------------------------- keeping

TEST_F(VerbsLive, RowsHaveTheProgramsOfTheirOwnersIfAskedFor) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  Query query = Everything();
  query.owners = true;
  const auto own_program = [](const Row& row) -> const Program* {
    for (const Owner& owner : row.owners()) {
      if (owner.pid.value() == getpid()) return row.ProgramOf(owner);
    }
    return nullptr;
  };
  for (const bool asked : {false, true}) {
    query.programs = asked;
    uint64_t known = 0;
    ASSERT_TRUE(engine
                    ->Visit(query,
                            [&](const Row& row) {
                              const Program* const program = own_program(row);
                              if (program != nullptr && program->exe.ends_with("verbs_live_test"))
                                ++known;
                              return Flow::kContinue;
                            })
                    .ok());
    EXPECT_EQ(known > 0, asked);
    // A snapshot keeps them, whatever comes after.
    const absl::StatusOr<Snapshot> taken = engine->Take(query);
    ASSERT_TRUE(taken.ok()) << taken.status();
    ExpectUsable(engine.get());
    uint64_t kept = 0;
    for (size_t i = 0; i < taken->size(); ++i) {
      const Row row = (*taken)[i];
      if (own_program(row) != nullptr) ++kept;
    }
    EXPECT_EQ(kept > 0, asked);
  }
}

TEST_F(VerbsLive, ASnapshotKeepsItsRowsWhateverComesAfter) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  Query query = Everything();
  query.owners = true;
  absl::StatusOr<Snapshot> taken = engine->Take(query);
  ASSERT_TRUE(taken.ok()) << taken.status();
  std::vector<std::string> before;
  for (const Row& row : *taken)
    before.push_back(Identity(row) + std::to_string(row.owners().size()));
  EXPECT_GT(taken->memory(), before.size() * 16);

  const Snapshot moved = *std::move(taken);
  ExpectUsable(engine.get());
  ASSERT_TRUE(engine->Take(query).ok());
  Identities all;
  ASSERT_EQ(moved.size(), before.size());
  for (size_t i = 0; i < moved.size(); ++i) {
    const Row row = moved[i];
    EXPECT_EQ(Identity(row) + std::to_string(row.owners().size()), before[i]);
    EXPECT_EQ(row.source(), SourceKind::kNetlink);
    EXPECT_EQ(row.table().netns, engine->netns());
    all.insert(Identity(row));
  }
  EXPECT_EQ(Difference(all, AllIdentities(zoo())), "");
  EXPECT_EQ(moved.summary().rows, moved.size());
}

TEST_F(VerbsLive, ACaptureReplaysTheSameRows) {
  for (const size_t connections : {1, 3}) {
    SCOPED_TRACE(::testing::Message() << "connections " << connections);
    EngineOptions options = InZoo();
    options.connections = connections;
    const std::unique_ptr<Engine> live = OpenWith(options);
    const Crowd crowd(zoo(), 400);
    std::string file;
    CaptureWriter writer([&](Bytes frame) {
      file.append(reinterpret_cast<const char*>(frame.data()), frame.size());
      return absl::OkStatus();
    });
    Query query = Everything();
    query.extensions = Extension::kInfo;
    const absl::StatusOr<Summary> captured = live->Capture(query, &writer);
    ASSERT_TRUE(captured.ok()) << captured.status();
    ASSERT_TRUE(writer.Finish().ok());

    EngineOptions replay;
    replay.replay = std::as_bytes(std::span(file.data(), file.size()));
    const std::unique_ptr<Engine> engine = OpenWith(replay);
    Identities replayed;
    size_t with_info = 0;
    const absl::StatusOr<Summary> summary = engine->Visit(query, [&](const Row& row) {
      EXPECT_EQ(row.source(), SourceKind::kReplay);
      replayed.insert(Identity(row));
      with_info += row.inet() != nullptr && row.inet()->tcp_info() ? 1 : 0;
      return Flow::kContinue;
    });
    ASSERT_TRUE(summary.ok()) << summary.status();
    EXPECT_EQ(summary->rows, captured->rows);
    EXPECT_TRUE(summary->replay_damage.ok()) << summary->replay_damage;
    EXPECT_EQ(summary->tables.size(), captured->tables.size());
    EXPECT_GT(with_info, 400u);
    EXPECT_EQ(Difference(replayed, VisitIdentities(live.get(), query)), "");
  }
}

// ------------------------------------------------------------------------------------- namespaces

TEST_F(VerbsLive, ANamespaceIsNamedByDescriptorPathOrProcess) {
  const pid_t child = fork();
  if (child == 0) {
    if (setns(zoo().netns_fd(), CLONE_NEWNET) != 0) _exit(1);
    for (const ZooSocket& socket : zoo().sockets()) close(socket.fd);
    raise(SIGSTOP);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
  ASSERT_TRUE(WIFSTOPPED(status));
  const NetnsId outside = netlink::CurrentNetns();
  const NetNs names[] = {NetNs::FromFd(zoo().netns_fd()),
                         NetNs::FromPath("/proc/" + std::to_string(child) + "/ns/net"),
                         NetNs::FromPid(Pid(child))};
  for (const NetNs& name : names) {
    for (const bool procfs : {false, true}) {
      SCOPED_TRACE(::testing::Message() << "procfs " << procfs);
      EngineOptions options;
      options.netns = name;
      const std::unique_ptr<Engine> engine = OpenWith(options, {.prefer_procfs = procfs});
      EXPECT_NE(engine->netns(), outside);
      Query query;
      query.families = {Family::kInet, Family::kInet6};
      const auto wanted = [](const ZooSocket& socket) {
        return socket.family != Family::kUnix && !socket.bound_inactive;
      };
      EXPECT_EQ(Difference(VisitIdentities(engine.get(), query), IdentitiesIf(zoo(), wanted)), "");
    }
  }
  EXPECT_EQ(netlink::CurrentNetns(), outside) << "the caller stays where it was";
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST_F(VerbsLive, WithoutANameItIsTheNamespaceOfTheCallingThread) {
  std::unique_ptr<Engine> inside, unused;
  const absl::Status status = NetNs::FromFd(zoo().netns_fd()).Run([&] {
    unused = OpenWith({});
    inside = OpenWith({});
    ExpectUsable(inside.get());
    return absl::OkStatus();
  });
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_NE(inside->netns(), netlink::CurrentNetns());
  // The engine's socket stays in the namespace, but /proc/net is that of the calling thread.
  ExpectUsable(inside.get());
  // A question beside a dump needs a socket of its own, which is made when it is first needed.
  const absl::Status lookup =
      unused->LookupUnix(zoo()["unix listener"].inode, Cookie(), [](const UnixSocket&) {});
  EXPECT_EQ(Errno(lookup), EXDEV) << lookup;
}

TEST_F(VerbsLive, ANamespaceThatCannotBeEnteredIsAnErrorThatNamesIt) {
  for (const char* path : {"/no/such/netns", "/proc/self/ns/uts", "/dev/null"}) {
    EngineOptions options;
    options.netns = NetNs::FromPath(path);
    const absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(options);
    ASSERT_FALSE(engine.ok()) << path;
    EXPECT_THAT(std::string(engine.status().message()), HasSubstr(path));
  }
}

// ------------------------------------------------------------------------------------- cost

TEST_F(VerbsLive, NoAllocationPerRow) {
  ProcTree tree;
  tree.Population(3, 500, zoo()["tcp4 listen"].inode);
  for (const bool owners : {false, true}) {
    SCOPED_TRACE(::testing::Message() << "owners " << owners);
    EngineOptions options = InZoo();
    options.proc_root = tree.root();
    const std::unique_ptr<Engine> engine = OpenWith(options);
    uint64_t rows = 0;
    const auto visit = [&] {
      Query query;
      query.owners = owners;
      query.extensions = {Extension::kInfo, Extension::kSocketMemory};
      rows = 0;
      const AllocCounter counter;
      const absl::StatusOr<Summary> summary = engine->Visit(query, [&](const Row& row) {
        rows += row.owners().size() < 100 ? 1 : 0;
        return Flow::kContinue;
      });
      const uint64_t count = counter.count();
      EXPECT_TRUE(summary.ok()) << summary.status();
      return count;
    };
    visit();
    const uint64_t for_few = visit();
    const uint64_t few = rows;
    const Crowd crowd(zoo(), 600);
    visit();                           // the buffers grow once
    EXPECT_LE(visit(), for_few + 16);  // a long dump has the text of a doubt, and reads counters
    EXPECT_GE(rows, few + 1200);
    EXPECT_LT(for_few, 48u);
  }
}

}  // namespace
}  // namespace netdiag::testing
