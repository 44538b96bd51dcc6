// Polls as a daemon makes them, while sockets and processes come and go: memory, descriptors and
// threads stay flat. 2500 polls, or a million with NETDIAG_LONG.
//
// The polls run in a process of their own, in new namespaces of processes, mounts and networks, so
// that nothing else of the machine changes what they read.

#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <malloc.h>
#include <memory>
#include <sched.h>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/engine.h"
#include "netdiag/monitor.h"
#include "netdiag/row.h"
#include "netdiag/snapshot.h"
#include "netdiag/unlisted.h"
#include "tests/testing/rounds.h"
#include "tests/testing/sockets.h"
#include "tests/testing/status_matchers.h"

namespace netdiag {
namespace {

using testing::Check;
using testing::IsOk;
using testing::Make;

// ---- What the process takes ----

struct Usage {
  size_t descriptors = 0;
  size_t threads = 0;
  size_t heap = 0;      // bytes that are allocated
  size_t resident = 0;  // bytes
};

// The number in a line of /proc/self/status.
size_t StatusNumber(const std::string& key) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    size_t number = 0;
    if (word == key && status >> number) return number;
  }
  ADD_FAILURE() << "/proc/self/status has no " << key;
  return 0;
}

Usage Measure() {
  Usage usage;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++usage.descriptors;
  }
  usage.threads = StatusNumber("Threads:");
  usage.resident = StatusNumber("VmRSS:") * 1024;
  const struct mallinfo2 heap = mallinfo2();
  usage.heap = heap.uordblks + heap.hblkhd;
  return usage;
}

// ---- What changes between polls ----

// Sockets of several kinds, of which one is replaced at each step, and a process that holds copies
// of those that existed when it began.
class Churn {
 public:
  Churn() : listener_(testing::Listen(testing::Loopback(Family::kInet), 64)) {
    for (size_t i = 0; i < kSlots; ++i) Open(i);
  }
  Churn(const Churn&) = delete;
  Churn& operator=(const Churn&) = delete;
  ~Churn() {
    EndHolder();
    for (const std::array<int, 2>& slot : slots_) Close(slot);
    close(listener_);
  }

  void Step(size_t i) {
    Close(slots_[i % kSlots]);
    Open(i % kSlots);
    if (i % kHolderLives != 0) return;
    EndHolder();
    holder_ = fork();
    Check(holder_ >= 0, "fork");
    if (holder_ > 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
  }

 private:
  static constexpr size_t kSlots = 60;
  static constexpr size_t kHolderLives = 64;  // steps

  static void Close(const std::array<int, 2>& slot) {
    for (const int fd : slot) close(fd);
  }
  void Open(size_t i) {
    std::array<int, 2>& slot = slots_[i];
    if (i % 3 == 0) {
      slot[0] = Make(Family::kInet, SOCK_STREAM);
      testing::Connect(slot[0], testing::LocalOf(listener_));
      slot[1] = testing::Accept(listener_);
      // Without TIME_WAIT, of which there would be more from poll to poll.
      for (const int fd : slot) testing::Set(fd, SOL_SOCKET, SO_LINGER, linger{1, 0});
    } else if (i % 3 == 1) {
      for (int& fd : slot) {
        fd = Make(Family::kInet6, SOCK_DGRAM);
        testing::Bind(fd, testing::Loopback(Family::kInet6));
      }
    } else {
      Check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, slot.data()) == 0, "socketpair");
    }
  }
  void EndHolder() {
    if (holder_ <= 0) return;
    kill(holder_, SIGKILL);
    waitpid(holder_, nullptr, 0);
    holder_ = -1;
  }

  int listener_;
  std::array<std::array<int, 2>, kSlots> slots_{};
  pid_t holder_ = -1;
};

// ---- Polls ----

Query Everything() {
  Query query;
  query.states = StateSet::All();
  query.extensions = {Extension::kInfo, Extension::kSocketMemory, Extension::kCongestion};
  query.owners = query.peers = query.cgroups = query.programs = true;
  return query;
}

// What a daemon keeps from poll to poll.
class Daemon {
 public:
  explicit Daemon(size_t threads)
      : engine_(Engine::Open({.threads = threads}).value()),
        followed_(Engine::Open().value()),
        monitor_(Monitor::Open(followed_.get(), Followed()).value()) {}

  void Poll(size_t i) {
    switch (i % 4) {
      case 0:
        return Visit(Query{});
      case 1:
        return Visit(Everything());
      case 2: {
        const absl::StatusOr<Snapshot> snapshot = engine_->Take(Everything());
        ASSERT_THAT(snapshot, IsOk());
        for (const Row& row : *snapshot) rows_ += row.owners().size();
        return;
      }
      default:
        ASSERT_THAT(monitor_->Poll([&](const Change&) { ++rows_; }), IsOk());
    }
  }
  // Rows, owners and changes that the polls gave.
  uint64_t rows() const { return rows_; }

 private:
  static Query Followed() {
    Query query;
    query.protocols = {Protocol::kTcp, Protocol::kUdp};
    query.owners = true;
    return query;
  }
  void Visit(const Query& query) {
    const auto count = [&](const Row&) {
      ++rows_;
      return Flow::kContinue;
    };
    ASSERT_THAT(engine_->Visit(query, count), IsOk());
  }

  std::unique_ptr<Engine> engine_, followed_;
  std::unique_ptr<Monitor> monitor_;
  uint64_t rows_ = 0;
};

size_t Largest(const std::vector<Usage>& samples, size_t Usage::*what) {
  return (*std::ranges::max_element(samples, {}, what)).*what;
}
size_t Least(const std::vector<Usage>& samples, size_t Usage::*what) {
  return (*std::ranges::min_element(samples, {}, what)).*what;
}

// Polls, and expects that the last quarter takes what the second one took.
void Soak(size_t polls, const std::function<void(size_t i)>& poll) {
  constexpr size_t kSamples = 32;
  // What allocators and sockets may differ by. A leak of one byte a poll is more in the long form,
  // one of 60 bytes in the usual one.
  constexpr size_t kSlack = size_t{32} << 10, kResidentSlack = size_t{4} << 20;
  std::vector<Usage> samples;
  for (size_t i = 0; i < polls; ++i) {
    poll(i);
    if (::testing::Test::HasFatalFailure()) return;
    if ((i + 1) % (polls / kSamples) == 0 && samples.size() < kSamples)
      samples.push_back(Measure());
  }
  const auto quarter = [&](size_t n) {
    const auto begin = samples.begin() + static_cast<std::ptrdiff_t>(n * samples.size() / 4);
    return std::vector<Usage>(begin, begin + static_cast<std::ptrdiff_t>(samples.size() / 4));
  };
  const std::vector<Usage> before = quarter(1), last = quarter(3);
  std::cout << "heap " << Least(before, &Usage::heap) << ".." << Largest(before, &Usage::heap)
            << " then " << Least(last, &Usage::heap) << ".." << Largest(last, &Usage::heap)
            << ", resident " << Largest(before, &Usage::resident) << " then "
            << Least(last, &Usage::resident) << "\n";
  EXPECT_EQ(Largest(last, &Usage::descriptors), Largest(before, &Usage::descriptors));
  EXPECT_EQ(Largest(last, &Usage::threads), 1u);
  EXPECT_LE(Least(last, &Usage::heap), Largest(before, &Usage::heap) + kSlack);
  EXPECT_LE(Least(last, &Usage::resident), Largest(before, &Usage::resident) + kResidentSlack);
}

// ---- The process ----

// Runs `body` in a process of its own, the first of new namespaces, which shows them in /proc.
void InNewNamespaces(const std::function<void()>& body) {
  if (geteuid() != 0) GTEST_SKIP() << "making namespaces needs root";
  if (testing::RootIsNoMountPoint()) GTEST_SKIP() << "a chroot has no mount of its own";
  std::fflush(stdout);
  const auto run = [](const std::function<void()>& work) {
    const pid_t child = fork();
    Check(child >= 0, "fork");
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      work();
      std::cout.flush();
      std::fflush(stdout);
      _exit(::testing::Test::HasFailure() ? 1 : 0);
    }
    int status = 0;
    Check(waitpid(child, &status, 0) == child, "waitpid");
    EXPECT_EQ(status, 0) << "the process above failed";
  };
  run([&] {
    Check(unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET) == 0, "unshare");
    run([&] {
      Check(mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0, "private mounts");
      Check(mount("none", "/proc", "proc", 0, nullptr) == 0, "/proc");
      testing::LoUp();
      body();
    });
  });
}

size_t Polls(size_t usual) {
  if (std::getenv("NETDIAG_LONG") != nullptr) return 400 * usual;
  return testing::ShortForm() ? usual / 5 : usual;
}

TEST(Soak, EnginesAndMonitorsTakeNoMoreFromPollToPoll) {
  InNewNamespaces([] {
    Churn churn;
    Daemon daemon(/*threads=*/1);
    Soak(Polls(2500), [&](size_t i) {
      churn.Step(i);
      daemon.Poll(i);
    });
    EXPECT_GT(daemon.rows(), Polls(2500) * 100);
  });
}

// Also with threads, and when everything is opened anew.
TEST(Soak, OpenedAndClosedTheyLeaveNothing) {
  InNewNamespaces([] {
    Churn churn;
    Soak(Polls(160), [&](size_t i) {
      churn.Step(i);
      Daemon daemon(/*threads=*/1 + i % 2);
      for (size_t poll = 0; poll < 4; ++poll) daemon.Poll(poll);
      const auto visit = [](const UnlistedSocket&) { return Flow::kContinue; };
      ASSERT_THAT(VisitUnlisted({}, visit), IsOk());
    });
  });
}

}  // namespace
}  // namespace netdiag
