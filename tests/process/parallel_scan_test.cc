// Scans of /proc by several threads: what they find, and that they leave nothing behind.

#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <pthread.h>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/process/owner_index.h"
#include "tests/process/owner_testing.h"
#include "tests/process/process_testing.h"
#include "tests/testing/alloc_counter.h"
#include "tests/testing/proc_tree.h"

namespace netdiag {
namespace {

using testing::AllocCounter;
using testing::Children;
using testing::Describe;
using testing::OpenDescriptors;
using testing::ProcTree;
using testing::SocketOrDie;
using testing::Sockets;

size_t ThreadsOfThisProcess() {
  size_t count = 0;
  for ([[maybe_unused]] const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    ++count;
  }
  return count;
}

std::string DescribeAll(const OwnerIndex& index, uint32_t limit) {
  std::string text;
  for (uint32_t inode = 0; inode < limit; ++inode) text += Describe(index, Inode(inode));
  return text;
}

OwnerIndex Scanned(OwnerOptions options) {
  options.source = OwnerSource::kProc;
  OwnerIndex index(std::move(options));
  const absl::Status status = index.Refresh();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_FALSE(index.stats().partial);
  return index;
}

// A child that holds `held` `count` times, in a table with a hole, large enough to be split.
pid_t AddHolder(Children* children, const Sockets& held, int count) {
  return children->Add([&held, count] {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int i = 0; i < count; ++i) {
      if (dup(held.fd()) < 0) _exit(1);
    }
    for (int fd = 5000; fd < 5050; ++fd) close(fd);
  });
}

std::vector<int> DescriptorsOf(const OwnerIndex& index, Inode inode, pid_t pid) {
  std::vector<int> fds;
  for (const Owner& owner : index.Find(inode)) {
    if (owner.pid == Pid(pid)) fds.push_back(owner.fd);
  }
  return fds;
}

TEST(ParallelScan, GivesTheIndexOfOneThread) {
  ProcTree tree;
  tree.Population(40, 150, Inode(100));
  for (int pid = 1; pid < 10; ++pid) tree.Pid(pid, "shared", 9).Fd(5, Inode(200)).Fd(6, Inode(99));
  tree.Pid(500, "gone", 5).Remove("fd").Pid(501, "damaged", 5).File("fd/3", "no link");
  const OwnerIndex one = Scanned({.proc_root = tree.root()});
  const std::string expected = DescribeAll(one, 6200);
  ASSERT_GT(expected.size(), 6000u);
  for (const size_t threads : {0u, 2u, 7u}) {
    for (int again = 0; again < 2; ++again) {
      const OwnerIndex index = Scanned({.proc_root = tree.root(), .threads = threads});
      EXPECT_TRUE(DescribeAll(index, 6200) == expected) << threads << " threads";
      EXPECT_EQ(index.stats().processes, one.stats().processes);
      EXPECT_EQ(index.stats().descriptors, one.stats().descriptors);
      EXPECT_EQ(index.stats().sockets, one.stats().sockets);
      EXPECT_EQ(index.stats().vanished, 1u);
      EXPECT_EQ(index.stats().errors, 1u);
      EXPECT_EQ(index.stats().first_error, EINVAL);
    }
  }
}

TEST(ParallelScan, SplitsALargeTable) {
  const Sockets held(1);
  Children children;
  const pid_t large = AddHolder(&children, held, 13'000);
  const pid_t small = AddHolder(&children, held, 10);
  const OwnerIndex one = Scanned({});
  ASSERT_EQ(DescriptorsOf(one, held.inode(), large).size(), 13'001u - 50);
  for (const size_t threads : {2u, 5u}) {
    const OwnerIndex index = Scanned({.threads = threads});
    EXPECT_TRUE(Describe(index, held.inode()) == Describe(one, held.inode())) << threads;
    EXPECT_EQ(DescriptorsOf(index, held.inode(), small).size(), 11u);
  }
}

// Large slices, which threads share, alternate with small ones. Each continues the one before.
TEST(ParallelScan, SlicesGiveWhatRefreshGives) {
  const Sockets held(1);
  Children children;
  AddHolder(&children, held, 13'000);
  AddHolder(&children, held, 9'000);
  const std::string expected = Describe(Scanned({}), held.inode());
  OwnerIndex index({.source = OwnerSource::kProc, .threads = 3});
  for (const size_t other : {1u, 100u, 3'000u}) {
    ASSERT_TRUE(index.Begin().ok());
    size_t slices = 0;
    for (bool done = false; !done; ++slices) {
      EXPECT_TRUE(index.Find(held.inode()).empty());
      const uint64_t before = index.stats().descriptors;
      const size_t size = slices % 2 == 0 ? 2'500 : other;
      const absl::StatusOr<bool> step = index.Step(size);
      ASSERT_TRUE(step.ok()) << step.status();
      EXPECT_LE(index.stats().descriptors - before, size);
      done = *step;
    }
    EXPECT_GE(slices, 22'000u / 3'000);
    EXPECT_TRUE(Describe(index, held.inode()) == expected) << other;
  }
}

TEST(ParallelScan, LeavesNeitherThreadNorDescriptorNorSignalMask) {
  const Sockets held(1);
  Children children;
  AddHolder(&children, held, 9'000);
  const int open_before = OpenDescriptors();
  const size_t threads_before = ThreadsOfThisProcess();
  {
    OwnerIndex index({.source = OwnerSource::kProc, .threads = 4});
    ASSERT_TRUE(index.Begin().ok());
    while (index.stats().descriptors == 0) ASSERT_TRUE(index.Step(3'000).ok());
    EXPECT_EQ(ThreadsOfThisProcess(), threads_before) << "in mid-scan";
    ASSERT_TRUE(index.Refresh().ok());
    EXPECT_EQ(OpenDescriptors(), open_before + 1);
    ASSERT_TRUE(index.Begin().ok());
    ASSERT_TRUE(index.Step(5'000).ok());
  }
  EXPECT_EQ(OpenDescriptors(), open_before);
  EXPECT_EQ(ThreadsOfThisProcess(), threads_before);
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  EXPECT_EQ(sigismember(&mask, SIGTERM), 0);
}

TEST(ParallelScan, AllocatesForThreadsAndNotForDescriptors) {
  ProcTree tree;
  tree.Population(60, 100, Inode(100));
  OwnerIndex index({.proc_root = tree.root(), .source = OwnerSource::kProc, .threads = 3});
  // How much each thread finds differs from scan to scan, so the buffers grow for some scans.
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(index.Refresh().ok());
  uint64_t least = UINT64_MAX;
  for (int i = 0; i < 20; ++i) {
    const AllocCounter counter(AllocCounter::Scope::kProcess);
    const bool ok = index.Refresh().ok();
    least = std::min(least, counter.count());
    ASSERT_TRUE(ok);
  }
  EXPECT_EQ(index.stats().sockets, 6'000u);
  EXPECT_LE(least, 3u * 4);
}

}  // namespace
}  // namespace netdiag
