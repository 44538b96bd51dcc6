// A scan on its own thread: it ends, it is stopped by its check, and it is dropped.

#include "netdiag/process/side_scan.h"

#include <atomic>
#include <csignal>
#include <pthread.h>
#include <thread>

#include <gtest/gtest.h>

#include "netdiag/types/error.h"
#include "tests/process/process_testing.h"
#include "tests/testing/proc_tree.h"

namespace netdiag::internal {
namespace {

using testing::Describe;
using testing::ProcTree;

absl::Status GoOn() { return absl::OkStatus(); }

// A tree with twenty descriptors in two processes.
void Populate(ProcTree* tree) {
  for (const int pid : {5, 42}) {
    ProcTree& process = tree->Pid(pid, "some", 7);
    for (int fd = 0; fd < 10; ++fd) process.Fd(fd, Inode(static_cast<uint32_t>(100 + fd)));
  }
}

OwnerOptions Options(const ProcTree& tree) {
  return {.proc_root = tree.root(), .source = OwnerSource::kProc};
}

TEST(SideScan, GivesTheIndexThatRefreshGives) {
  ProcTree tree;
  Populate(&tree);
  OwnerIndex expected(Options(tree));
  ASSERT_TRUE(expected.Refresh().ok());
  OwnerIndex index(Options(tree));
  ASSERT_TRUE(index.Begin().ok());
  const std::unique_ptr<SideScan> scan = SideScan::Start(&index, 3, GoOn);
  ASSERT_NE(scan, nullptr);
  ASSERT_TRUE(scan->Join().ok());
  EXPECT_TRUE(scan->over());
  for (uint32_t inode = 99; inode < 111; ++inode) {
    EXPECT_EQ(Describe(index, Inode(inode)), Describe(expected, Inode(inode)));
  }
}

TEST(SideScan, EndsWithWhatItsCheckSays) {
  ProcTree tree;
  Populate(&tree);
  OwnerIndex index(Options(tree));
  ASSERT_TRUE(index.Begin().ok());
  int asked = 0;
  const std::unique_ptr<SideScan> scan = SideScan::Start(
      &index, 1, [&] { return ++asked == 3 ? TimeoutError("scan") : absl::OkStatus(); });
  ASSERT_NE(scan, nullptr);
  EXPECT_TRUE(IsTimeout(scan->Join()));
  EXPECT_EQ(asked, 3);
  EXPECT_TRUE(index.stats().partial);
}

TEST(SideScan, EndsWhereItIsWhenItIsDropped) {
  ProcTree tree;
  Populate(&tree);
  OwnerIndex index(Options(tree));
  ASSERT_TRUE(index.Begin().ok());
  std::atomic<bool> asked{false};
  std::atomic<bool> dropped{false};
  std::unique_ptr<SideScan> scan = SideScan::Start(&index, 1, [&] {
    asked.store(true);
    while (!dropped.load()) std::this_thread::yield();
    return absl::OkStatus();
  });
  ASSERT_NE(scan, nullptr);
  while (!asked.load()) std::this_thread::yield();
  EXPECT_FALSE(scan->over());
  std::thread dropper([&] { dropped.store(true); });
  scan.reset();
  dropper.join();
  // The caller may use the index again.
  ASSERT_TRUE(index.Refresh().ok());
  EXPECT_EQ(index.Find(Inode(100)).size(), 2u);
}

TEST(SideScan, TakesNoSignals) {
  ProcTree tree;
  Populate(&tree);
  OwnerIndex index(Options(tree));
  ASSERT_TRUE(index.Begin().ok());
  sigset_t inside;
  sigemptyset(&inside);
  const std::unique_ptr<SideScan> scan = SideScan::Start(&index, 1000, [&] {
    pthread_sigmask(SIG_SETMASK, nullptr, &inside);
    return absl::OkStatus();
  });
  ASSERT_NE(scan, nullptr);
  ASSERT_TRUE(scan->Join().ok());
  for (const int signal : {SIGTERM, SIGINT, SIGCHLD, SIGALRM, SIGUSR1}) {
    EXPECT_EQ(sigismember(&inside, signal), 1) << signal;
  }
  sigset_t outside;
  pthread_sigmask(SIG_SETMASK, nullptr, &outside);
  EXPECT_EQ(sigismember(&outside, SIGTERM), 0);
}

}  // namespace
}  // namespace netdiag::internal
