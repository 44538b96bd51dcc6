// Owners of the sockets of the zoo, and what an unprivileged caller sees.

#include <sys/prctl.h>
#include <sys/wait.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <grp.h>
#include <map>
#include <mutex>
#include <sched.h>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/bpf/task_files.h"
#include "netdiag/engine/test_options.h"
#include "netdiag/snapshot.h"
#include "netdiag/types/error.h"
#include "tests/live/live_testing.h"
#include "tests/testing/netns.h"
#include "tests/testing/rounds.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {
namespace {

using netlink::Ready;
using ::testing::HasSubstr;

constexpr uid_t kNobody = 65534;

class OwnersLive : public LiveTest {
 protected:
  static Query WithOwners() {
    Query query = Everything();
    query.owners = true;
    return query;
  }
};

// The owners of each inode, as {pid, fd}.
using Holders = std::map<Inode, std::set<std::pair<int, int>>>;

void Note(const Row& row, Holders* holders) {
  for (const Owner& owner : row.owners()) {
    (*holders)[row.inode()].insert({owner.pid.value(), owner.fd});
  }
}

Holders Visit(Engine* engine, const Query& query) {
  Holders holders;
  const absl::StatusOr<Summary> summary = engine->Visit(query, [&](const Row& row) {
    Note(row, &holders);
    const bool is_held = row.inode() != Inode();
    EXPECT_EQ(row.no_owner(), is_held ? NoOwner::kNone : NoOwner::kKernelHeld) << Identity(row);
    return Flow::kContinue;
  });
  EXPECT_TRUE(summary.ok()) << summary.status();
  if (summary.ok()) {
    EXPECT_TRUE(summary->owners.has_value());
    EXPECT_FALSE(summary->owners->partial);
  }
  return holders;
}

Holders HeldBy(const Zoo& zoo, const std::vector<int>& pids) {
  Holders expected;
  for (const ZooSocket& socket : zoo.sockets()) {
    if (socket.fd < 0) continue;
    for (const int pid : pids) expected[socket.inode].insert({pid, socket.fd});
  }
  return expected;
}

TEST_F(OwnersLive, ThisProcessHoldsTheSocketsAndTheKernelTheRest) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  EXPECT_EQ(Visit(engine.get(), WithOwners()), HeldBy(zoo(), {getpid()}));
}

TEST_F(OwnersLive, AChildThatSharesASocketIsAnotherOwner) {
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_NAME, "zoo keeper");
    raise(SIGSTOP);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
  const std::unique_ptr<Engine> engine = OpenInZoo();
  EXPECT_EQ(Visit(engine.get(), WithOwners()), HeldBy(zoo(), {getpid(), child}));
  const absl::StatusOr<Snapshot> snapshot = engine->Take(WithOwners());
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(Visit(engine.get(), WithOwners()), HeldBy(zoo(), {getpid()}));

  // The snapshot was taken before the child ended.
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  Holders holders;
  size_t named = 0;
  for (const Row& row : *snapshot) {
    Note(row, &holders);
    for (const Owner& owner : row.owners()) named += owner.command == "zoo keeper" ? 1 : 0;
  }
  EXPECT_EQ(holders, HeldBy(zoo(), {getpid(), child}));
  EXPECT_EQ(named, holders.size());
}

TEST_F(OwnersLive, StepsScanWithinTheirBudget) {
  const std::unique_ptr<Engine> engine = OpenInZoo();
  ASSERT_TRUE(engine->Begin(WithOwners()).ok());
  Holders holders;
  size_t steps = 0;
  absl::StatusOr<Ready> ready = Ready::kSome;
  while (ready.ok() && *ready != Ready::kDone) {
    if (!holders.empty()) {
      EXPECT_TRUE(engine->summary().owners.has_value());
    }
    const auto note = [&](const Row& row) {
      Note(row, &holders);
      return Flow::kContinue;
    };
    ready = engine->Step(note, {.datagrams = 1, .descriptors = 16});
    ++steps;
  }
  ASSERT_TRUE(ready.ok()) << ready.status();
  EXPECT_EQ(holders, HeldBy(zoo(), {getpid()}));
  EXPECT_GT(steps, holders.size() / 16);
  EXPECT_GE(engine->summary().owners->sockets, holders.size());
}

// A budget of time makes one unit of work at least, and as many as fit.
TEST_F(OwnersLive, StepsGoOnUntilTheirTimeIsUsedUp) {
  size_t steps_of_first = 0;
  for (const std::chrono::microseconds time :
       {std::chrono::microseconds(1), std::chrono::microseconds(std::chrono::hours(1))}) {
    const std::unique_ptr<Engine> engine = OpenInZoo();
    ASSERT_TRUE(engine->Begin(WithOwners()).ok());
    Holders holders;
    const auto note = [&](const Row& row) {
      Note(row, &holders);
      return Flow::kContinue;
    };
    size_t steps = 0;
    for (absl::StatusOr<Ready> ready = Ready::kSome; *ready != Ready::kDone; ++steps) {
      ready = engine->Step(note, {.cpu_time = time});
      ASSERT_TRUE(ready.ok()) << ready.status();
    }
    EXPECT_EQ(holders, HeldBy(zoo(), {getpid()}));
    if (steps_of_first == 0) {
      steps_of_first = steps;
      EXPECT_GT(steps, holders.size() / 64);
    } else {
      EXPECT_LT(steps, steps_of_first);
    }
  }
}

TEST_F(OwnersLive, BothSourcesGiveTheSameOwners) {
  const absl::Status bpf = bpf::TaskFiles::Check();
  if (IsUnsupported(bpf)) GTEST_SKIP() << bpf;  // before 5.17
  for (const OwnerSource source : {OwnerSource::kProc, OwnerSource::kBpf}) {
    SCOPED_TRACE(::testing::Message() << "source " << static_cast<int>(source));
    EngineOptions options = InZoo();
    options.owner_source = source;
    const absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(options);
    ASSERT_TRUE(engine.ok()) << engine.status();
    absl::StatusOr<Snapshot> kept = absl::UnknownError("none yet");
    for (int again = 0; again < 3; ++again) {  // the last snapshot keeps its index
      absl::StatusOr<Snapshot> snapshot = (*engine)->Take(WithOwners());
      ASSERT_TRUE(snapshot.ok()) << snapshot.status();
      EXPECT_EQ(snapshot->summary().owners->source, source);
      Holders holders;
      for (const Row& row : *snapshot) Note(row, &holders);
      EXPECT_EQ(holders, HeldBy(zoo(), {getpid()}));
      kept = std::move(snapshot);
    }
  }
}

// With BPF, only the files of listeners are read. A listener that is opened while they are is found
// by a scan of everything.
TEST_F(OwnersLive, EachListenerHasItsOwnerWhileOthersAreOpened) {
  const absl::Status bpf = bpf::TaskFiles::Check();
  if (IsUnsupported(bpf)) GTEST_SKIP() << bpf;  // before 5.17
  std::thread([] {
    EnterNewNetns();
    Query query;
    query.protocols = {Protocol::kTcp};
    query.states = StateSet(State::kListen) | State::kClose;  // as with -l
    query.owners = true;
    std::mutex mutex;
    std::vector<int> listeners;
    std::atomic<bool> stop = false;
    std::atomic<int> opened = 0;
    std::thread opener([&] {
      while (!stop) {
        const int fd = Listen(Loopback(Family::kInet), 1);
        const std::lock_guard lock(mutex);
        listeners.push_back(fd);
        ++opened;
        if (listeners.size() < 400) continue;
        for (const int each : listeners) close(each);
        listeners.clear();
      }
    });
    for (const OwnerSource source : {OwnerSource::kBpf, OwnerSource::kAuto}) {
      const absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open({.owner_source = source});
      ASSERT_TRUE(engine.ok()) << engine.status();
      uint64_t rows = 0;
      for (int i = 0; i < Rounds(100); ++i) {
        Await("another listener", [&, last = opened.load()] { return opened > last; });
        const std::lock_guard lock(mutex);  // the opener goes on until it has opened one more
        const absl::StatusOr<Summary> summary = (*engine)->Visit(query, [&](const Row& row) {
          ++rows;
          EXPECT_FALSE(row.owners().empty()) << Identity(row) << " " << Name(row.no_owner());
          return Flow::kContinue;
        });
        ASSERT_TRUE(summary.ok()) << summary.status();
      }
      EXPECT_GT(rows, 1000u);  // each visit has one more
    }
    stop = true;
    opener.join();
    for (const int fd : listeners) close(fd);
  }).join();
}

// Rows that arrive before the end of the scan wait for it. Only rows that were visited count.
TEST_F(OwnersLive, AScanOnAnotherThreadGivesTheSameOwners) {
  EngineOptions options = InZoo();
  options.threads = 2;
  const absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(options);
  ASSERT_TRUE(engine.ok()) << engine.status();
  for (int again = 0; again < Rounds(20); ++again) {
    EXPECT_EQ(Visit(engine->get(), WithOwners()), HeldBy(zoo(), {getpid()}));
  }
  const uint64_t all = AllIdentities(zoo()).size();
  for (const uint64_t wanted : {uint64_t{1}, all / 2, all}) {
    SCOPED_TRACE(::testing::Message() << wanted << " rows");
    uint64_t seen = 0;
    const absl::StatusOr<Summary> summary = (*engine)->Visit(
        WithOwners(), [&](const Row&) { return ++seen == wanted ? Flow::kStop : Flow::kContinue; });
    ASSERT_TRUE(summary.ok()) << summary.status();
    EXPECT_TRUE(summary->stopped);
    EXPECT_EQ(seen, wanted);
    EXPECT_EQ(summary->rows, wanted);
    uint64_t of_tables = 0;
    for (const TableOutcome& table : summary->tables) of_tables += table.rows;
    EXPECT_EQ(of_tables, wanted);
  }
  const auto none = [](const Row&) { return Flow::kContinue; };
  EXPECT_TRUE(IsTimeout(
      (*engine)->Visit(WithOwners(), none, {.deadline = netlink::TimePoint::min()}).status()));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_TRUE(
      absl::IsCancelled((*engine)->Visit(WithOwners(), none, {.stop = stop.get_token()}).status()));
  EXPECT_EQ(Visit(engine->get(), WithOwners()), HeldBy(zoo(), {getpid()}));

  options.proc_root = "/no/such/proc";
  const absl::StatusOr<std::unique_ptr<Engine>> blind = Engine::Open(options);
  ASSERT_TRUE(blind.ok()) << blind.status();
  const absl::StatusOr<Summary> summary = (*blind)->Visit(WithOwners(), none);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->rows, all);
  EXPECT_TRUE(absl::IsNotFound(summary->owner_error)) << summary->owner_error;
}

TEST_F(OwnersLive, WithoutProcRowsComeWithoutOwnersAndTheSummarySaysWhy) {
  EngineOptions options = InZoo();
  options.proc_root = "/no/such/proc";
  const absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(options);
  ASSERT_TRUE(engine.ok()) << engine.status();
  EXPECT_EQ(Difference(VisitIdentities(engine->get(), Everything()), AllIdentities(zoo())), "");
  const auto none = [](const Row&) { return Flow::kContinue; };
  for (int again = 0; again < 2; ++again) {
    uint64_t rows = 0;
    const absl::StatusOr<Summary> listed = (*engine)->Visit(WithOwners(), [&](const Row& row) {
      EXPECT_EQ(row.no_owner(), NoOwner::kNotAsked);
      ++rows;
      return Flow::kContinue;
    });
    ASSERT_TRUE(listed.ok()) << listed.status();
    EXPECT_GT(rows, 0u);
    EXPECT_TRUE(absl::IsNotFound(listed->owner_error)) << listed->owner_error;
    EXPECT_THAT(std::string(listed->owner_error.message()), HasSubstr("/no/such/proc"));
  }
  EXPECT_EQ(Difference(VisitIdentities(engine->get(), Everything()), AllIdentities(zoo())), "");

  const absl::StatusOr<std::unique_ptr<Engine>> procfs =
      internal::OpenForTest(options, {.prefer_procfs = true});
  ASSERT_TRUE(procfs.ok()) << procfs.status();
  const absl::StatusOr<Summary> summary = (*procfs)->Visit(Everything(), none);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->tables.size(), 5u);
  for (const TableOutcome& table : summary->tables)
    EXPECT_THAT(std::string(table.status.message()), HasSubstr("/no/such/proc"));
}

// -------------------------------------------------------------------------------------
// unprivileged

size_t CountDescriptors() {
  size_t count = 0;
  for (int fd = 0; fd < 2048; ++fd) count += fcntl(fd, F_GETFD) >= 0 ? 1u : 0u;
  return count;
}

// Runs in a child without privileges, in the zoo's namespace and without the zoo's descriptors.
// `netns`: a descriptor of another namespace.
void CheckAsNobody(const Zoo& zoo, int netns, const Query& query) {
  const size_t before = CountDescriptors();
  {
    const absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open();
    ASSERT_TRUE(engine.ok()) << engine.status();
    const int own = Make(Family::kInet, SOCK_DGRAM);
    Bind(own, Loopback(Family::kInet));
    Identities all;
    const absl::StatusOr<Summary> summary = (*engine)->Visit(query, [&](const Row& row) {
      if (row.inode() == InodeOf(own)) {
        EXPECT_EQ(row.owners().size(), 1u);
        EXPECT_EQ(row.owners()[0].pid, Pid(getpid()));
        EXPECT_EQ(row.uid(), Uid(kNobody));
        return Flow::kContinue;
      }
      all.insert(Identity(row));
      EXPECT_TRUE(row.owners().empty());
      const bool is_held = row.inode() != Inode();
      EXPECT_EQ(row.no_owner(), is_held ? NoOwner::kHidden : NoOwner::kKernelHeld);
      EXPECT_TRUE(row.inet() == nullptr || !row.inet()->mark()) << "needs CAP_NET_ADMIN";
      return Flow::kContinue;
    });
    ASSERT_TRUE(summary.ok()) << summary.status();
    EXPECT_EQ(Difference(all, AllIdentities(zoo)), "");
    EXPECT_GT(summary->owners->denied, 0u);
    EXPECT_EQ(summary->owners->errors, 0u);
    EngineOptions elsewhere;
    elsewhere.netns = netlink::NetNs::FromFd(netns);
    const absl::Status refused = Engine::Open(elsewhere).status();
    EXPECT_TRUE(IsPermission(refused)) << refused;
    EXPECT_THAT(std::string(refused.message()), HasSubstr("CAP_SYS_ADMIN"));
    close(own);
  }
  EXPECT_EQ(CountDescriptors(), before) << "a descriptor is left open";
}

TEST_F(OwnersLive, AnUnprivilegedCallerSeesEverySocketAndThatOwnersAreHidden) {
  const pid_t child = fork();
  if (child == 0) {
    for (const ZooSocket& socket : zoo().sockets()) close(socket.fd);
    // The child was forked outside the zoo's namespace.
    const int outside = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    const bool ready = setns(zoo().netns_fd(), CLONE_NEWNET) == 0 && setgroups(0, nullptr) == 0 &&
                       setresgid(kNobody, kNobody, kNobody) == 0 &&
                       setresuid(kNobody, kNobody, kNobody) == 0 && prctl(PR_SET_DUMPABLE, 1) == 0;
    EXPECT_TRUE(ready) << std::strerror(errno);
    if (ready) CheckAsNobody(zoo(), outside, WithOwners());
    std::fflush(nullptr);
    _exit(HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "what failed is above";
}

}  // namespace
}  // namespace netdiag::testing
