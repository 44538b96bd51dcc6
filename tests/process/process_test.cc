// OwnerIndex over made-up trees of /proc. process_live_test.cc has the tests that need a kernel.

#include <cerrno>
#include <filesystem>
#include <grp.h>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/process/owner_index.h"
#include "netdiag/types/error.h"
#include "tests/process/process_testing.h"
#include "tests/testing/alloc_counter.h"
#include "tests/testing/proc_tree.h"

namespace netdiag {
namespace {

using testing::AllocCounter;
using testing::Describe;
using testing::OpenDescriptors;
using testing::ProcTree;
using testing::RunUnprivileged;

// Describes every owner of every inode below `limit`.
std::string DescribeAll(const OwnerIndex& index, uint32_t limit) {
  std::string text;
  for (uint32_t inode = 0; inode < limit; ++inode) text += Describe(index, Inode(inode));
  return text;
}

TEST(OwnerIndex, FindsEveryOwnerInOrderOfPidThenFd) {
  ProcTree tree;
  tree.Pid(300, "c", 30).Fd(3, Inode(77));
  tree.Pid(42, "nginx", 1000).Fd(12, Inode(77)).Fd(6, Inode(77)).Fd(7, Inode(78));
  tree.Pid(5, "init", 1).Fd(9, Inode(77));
  OwnerIndex index({.proc_root = tree.root()});
  ASSERT_TRUE(index.Refresh().ok());
  EXPECT_EQ(Describe(index, Inode(77)),
            "77: 5/1 fd 9 init, 42/1000 fd 6 nginx, 42/1000 fd 12 nginx, 300/30 fd 3 c\n");
  EXPECT_EQ(Describe(index, Inode(78)), "78: 42/1000 fd 7 nginx\n");
  EXPECT_TRUE(index.Find(Inode(76)).empty());
  EXPECT_EQ(index.stats().processes, 3u);
  EXPECT_EQ(index.stats().descriptors, 5u);
  EXPECT_EQ(index.stats().sockets, 5u);
  EXPECT_FALSE(index.stats().partial);
  EXPECT_EQ(index.stats().vanished + index.stats().denied + index.stats().errors, 0u);
}

TEST(OwnerIndex, IgnoresWhatIsNoProcessAndNoSocket) {
  ProcTree tree;
  for (const char* name : {"self", "sys", "12a", "-5", "0", "99999999999", " 7", "+7"}) {
    std::filesystem::create_directories(tree.root() + "/" + name + "/fd");
    std::filesystem::create_symlink("socket:[50]", tree.root() + "/" + name + "/fd/3");
  }
  tree.Pid(42, "nginx", 1000).Fd(0, "/dev/null").Fd(1, "pipe:[50]").Fd(2, "socket:[50");
  tree.Fd(3, "socket:[]").Fd(4, "socket:[5x]").Fd(5, "socket:[-50]").Fd(6, "socket:[0]");
  tree.Fd(7, "xsocket:[50]").Fd(8, "socket:[50]]").Fd(9, std::string(200, 'x') + "socket:[50]");
  tree.Fd(10, "socket:[4294967346]").Fd(11, "socket:[18446744073709551666]");
  std::filesystem::create_symlink("socket:[50]", tree.path("fd/1x"));
  OwnerIndex index({.proc_root = tree.root()});
  ASSERT_TRUE(index.Refresh().ok());
  EXPECT_EQ(DescribeAll(index, 100), "");
  EXPECT_EQ(index.stats().processes, 1u);
  EXPECT_EQ(index.stats().descriptors, 12u);
  EXPECT_EQ(index.stats().sockets, 0u);
  EXPECT_EQ(index.stats().errors, 0u);
}

TEST(OwnerIndex, FindsTheLargestInode) {
  ProcTree tree;
  tree.Pid(1, "a", 1).Fd(3, Inode(UINT32_MAX)).Fd(4, Inode(1));
  OwnerIndex index({.proc_root = tree.root()});
  ASSERT_TRUE(index.Refresh().ok());
  EXPECT_EQ(index.Find(Inode(UINT32_MAX)).size(), 1u);
  EXPECT_EQ(index.Find(Inode(1)).size(), 1u);
  EXPECT_TRUE(index.Find(Inode(UINT32_MAX - 1)).empty());
}

TEST(OwnerIndex, FindsAmongManyOwnersAndManySockets) {
  ProcTree tree;
  tree.Population(20, 100, Inode(4000));
  for (int pid = 1; pid <= 60; ++pid) tree.Pid(pid, "prefork", 9).Fd(5, Inode(4100));
  OwnerIndex index({.proc_root = tree.root()});
  ASSERT_TRUE(index.Refresh().ok());
  EXPECT_EQ(index.stats().sockets, 2060u);
  for (uint32_t i = 0; i < 2000; ++i) {
    const Owners owners = index.Find(Inode(4000 + i));
    ASSERT_EQ(owners.size(), i == 100 ? 61u : 1u) << i;
    const Owner last = owners[owners.size() - 1];
    EXPECT_EQ(last.pid, Pid(static_cast<int32_t>(1000 + i / 100)));
    EXPECT_EQ(last.fd, static_cast<int>(3 + i % 100));
    EXPECT_EQ(last.start_time, 5000 + i / 100);
  }
  EXPECT_TRUE(index.Find(Inode(3999)).empty());
  EXPECT_TRUE(index.Find(Inode(6000)).empty());
}

TEST(OwnerIndex, TakesTheCommandUpToTheLastParenthesis) {
  const std::vector<std::string> commands = {
      "a) S b(\n\x1b", "", ")", "((", "\xff\xfe", "x y 1 2", std::string("\\n\\\\")};
  for (const std::string& command : commands) {
    ProcTree tree;
    tree.Pid(7, command, 4711).Fd(3, Inode(9));
    OwnerIndex index({.proc_root = tree.root()});
    ASSERT_TRUE(index.Refresh().ok());
    ASSERT_EQ(index.Find(Inode(9)).size(), 1u);
    EXPECT_EQ(index.Find(Inode(9))[0].command, command);
    EXPECT_EQ(index.Find(Inode(9))[0].start_time, 4711u);
  }
}

TEST(OwnerIndex, LeavesOutAProcessThatVanishedBeforeItWasIdentified) {
  ProcTree tree;
  tree.Pid(7, "gone", 5).Fd(3, Inode(9)).Remove("stat");
  tree.Pid(8, "stays", 6).Fd(4, Inode(9));
  OwnerIndex index({.proc_root = tree.root()});
  ASSERT_TRUE(index.Refresh().ok());
  EXPECT_EQ(Describe(index, Inode(9)), "9: 8/6 fd 4 stays\n");
  EXPECT_EQ(index.stats().vanished, 1u);
  EXPECT_EQ(index.stats().sockets, 1u);
  EXPECT_TRUE(absl::IsNotFound(index.ReadUids({.pid = Pid(7), .start_time = 5}).status()));
}

TEST(OwnerIndex, CountsDamagedStatAsError) {
  for (const char* stat : {"", "7", "7 (x", "7 )x(", "7 (x) S 4 5 6",
                           "7 (x) S 4 5 6 7 8 9 10 11 "
                           "12 13 14 15 16 17 18 19 20 "
                           "21 x 23"}) {
    ProcTree tree;
    tree.Pid(7, "x", 5).Fd(3, Inode(9)).File("stat", stat);
    OwnerIndex index({.proc_root = tree.root()});
    ASSERT_TRUE(index.Refresh().ok());
    EXPECT_EQ(Describe(index, Inode(9)), "9: 7/0 fd 3 \n") << stat;
    EXPECT_EQ(index.stats().errors, 1u) << stat;
    EXPECT_EQ(index.stats().first_error, EBADMSG) << stat;
  }
}

TEST(OwnerIndex, CountsOtherErrorsAndNamesTheFirst) {
  ProcTree tree;
  tree.Pid(7, "x", 5).File("fd/3", "no link").Fd(4, Inode(9));
  OwnerIndex index({.proc_root = tree.root()});
  ASSERT_TRUE(index.Refresh().ok());
  EXPECT_EQ(index.stats().errors, 1u);
  EXPECT_EQ(index.stats().first_error, EINVAL);
  EXPECT_EQ(index.Find(Inode(9)).size(), 1u);
}

TEST(OwnerIndex, CountsAProcessWithoutDescriptorDirectoryAsVanished) {
  ProcTree tree;
  tree.Pid(7, "x", 5).Remove("fd").Pid(8, "y", 6).Fd(3, Inode(9));
  OwnerIndex index({.proc_root = tree.root()});
  ASSERT_TRUE(index.Refresh().ok());
  EXPECT_EQ(index.stats().vanished, 1u);
  EXPECT_EQ(index.Find(Inode(9)).size(), 1u);
}

TEST(OwnerIndex, DeniedDirectoriesHideOwners) {
  ProcTree tree;
  tree.Pid(7, "secret", 5).Fd(3, Inode(9)).Fd(4, Inode(10));
  ASSERT_EQ(chmod(tree.path("fd").c_str(), 0), 0);
  tree.Pid(8, "open", 6).Fd(3, Inode(11));
  RunUnprivileged([&] {
    OwnerIndex index({.proc_root = tree.root()});
    ASSERT_TRUE(index.Refresh().ok());
    EXPECT_EQ(index.stats().denied, 1u);
    EXPECT_EQ(index.stats().processes, 2u);
    EXPECT_EQ(index.Reason(Inode(9)), NoOwner::kHidden);
    EXPECT_EQ(index.Reason(Inode(11)), NoOwner::kNone);
    EXPECT_EQ(index.Reason(Inode(0)), NoOwner::kKernelHeld);
  });
}

TEST(OwnerIndex, SaysWhyThereIsNoOwner) {
  ProcTree tree;
  tree.Pid(8, "open", 6).Fd(3, Inode(11));
  OwnerIndex index({.proc_root = tree.root()});
  EXPECT_EQ(index.Reason(Inode(11)), NoOwner::kNotAsked);
  ASSERT_TRUE(index.Refresh().ok());
  EXPECT_EQ(index.Reason(Inode(11)), NoOwner::kNone);
  EXPECT_EQ(index.Reason(Inode(12)), NoOwner::kVanished);
  EXPECT_EQ(index.Reason(Inode(0)), NoOwner::kKernelHeld);
  EXPECT_TRUE(index.Find(Inode(0)).empty());
}

TEST(OwnerIndex, NamesAnUnreadableRoot) {
  OwnerIndex index({.proc_root = "/nonexistent/proc"});
  const absl::Status status = index.Refresh();
  EXPECT_EQ(Errno(status), ENOENT);
  EXPECT_NE(status.message().find("/nonexistent/proc"), status.message().npos) << status;
  EXPECT_TRUE(index.stats().partial);
  EXPECT_TRUE(index.Find(Inode(1)).empty());
  EXPECT_FALSE(index.Step(10).ok());
}

TEST(OwnerIndex, TakesABareMountPointForNoProcfs) {
  ProcTree tree;
  OwnerIndex index({.proc_root = tree.root()});
  const absl::Status status = index.Refresh();
  EXPECT_EQ(Errno(status), ENOENT);
  EXPECT_NE(status.message().find(tree.root()), status.message().npos) << status;
  EXPECT_EQ(index.Reason(Inode(1)), NoOwner::kNotAsked);
}

TEST(OwnerIndex, StepsGiveWhatRefreshGives) {
  ProcTree tree;
  tree.Population(7, 150, Inode(100));
  for (int pid = 1; pid < 10; ++pid) tree.Pid(pid, "shared", 9).Fd(5, Inode(200)).Fd(6, Inode(99));
  OwnerIndex whole({.proc_root = tree.root()});
  ASSERT_TRUE(whole.Refresh().ok());
  const std::string expected = DescribeAll(whole, 2000);
  for (const size_t size : {size_t{0}, size_t{1}, size_t{7}, size_t{100}, size_t{5000}}) {
    OwnerIndex index({.proc_root = tree.root()});
    ASSERT_TRUE(index.Begin().ok());
    size_t slices = 0;
    for (bool done = false; !done; ++slices) {
      EXPECT_TRUE(index.Find(Inode(200)).empty());
      EXPECT_TRUE(index.stats().partial);
      const uint64_t before = index.stats().descriptors;
      const absl::StatusOr<bool> step = index.Step(size);
      ASSERT_TRUE(step.ok()) << step.status();
      EXPECT_LE(index.stats().descriptors - before, std::max<size_t>(size, 1));
      done = *step;
    }
    EXPECT_EQ(DescribeAll(index, 2000), expected) << size;
    EXPECT_GE(slices, 1068 / std::max<size_t>(size, 1));
    EXPECT_TRUE(*index.Step(1)) << "a finished scan stays finished";
  }
}

TEST(OwnerIndex, BeginDropsAnUnfinishedScan) {
  ProcTree tree;
  tree.Population(3, 40, Inode(100));
  const int open_before = OpenDescriptors();
  {
    OwnerIndex index({.proc_root = tree.root()});
    for (int scan = 0; scan < 50; ++scan) {
      ASSERT_TRUE(index.Begin().ok());
      for (int step = 0; step < scan; ++step) ASSERT_TRUE(index.Step(1).ok());
      EXPECT_LE(OpenDescriptors(), open_before + 2);
    }
    ASSERT_TRUE(index.Refresh().ok());
    EXPECT_EQ(index.stats().sockets, 120u);
    EXPECT_EQ(OpenDescriptors(), open_before + 1);
    ASSERT_TRUE(index.Begin().ok());
    ASSERT_TRUE(index.Step(20).ok());
  }
  EXPECT_EQ(OpenDescriptors(), open_before);
}

// A pid passes to another process at every possible moment of a scan. The index reports one process
// or the other, and never a mixture.
TEST(OwnerIndex, NeverMixesTwoProcessesOfOnePid) {
  int old_seen = 0, new_seen = 0;
  for (int moment = 0; moment < 12; ++moment) {
    ProcTree tree;
    tree.Pid(42, "old", 100).Fd(3, Inode(50)).Fd(4, Inode(51));
    OwnerIndex index({.proc_root = tree.root()});
    ASSERT_TRUE(index.Begin().ok());
    for (int step = 0; step < moment; ++step) ASSERT_TRUE(index.Step(1).ok());
    std::filesystem::rename(tree.root() + "/42", tree.root() + "/before");
    tree.Pid(42, "new", 200).Fd(3, Inode(60)).Fd(4, Inode(61));
    while (!*index.Step(1)) {
    }
    const std::string all = DescribeAll(index, 100);
    const bool is_old = all == "50: 42/100 fd 3 old\n51: 42/100 fd 4 old\n";
    EXPECT_TRUE(is_old || all == "60: 42/200 fd 3 new\n61: 42/200 fd 4 new\n") << all;
    ++(is_old ? old_seen : new_seen);
  }
  EXPECT_GT(old_seen, 0);
  EXPECT_GT(new_seen, 0);
}

TEST(OwnerIndex, ReadsUidsOnceAndOnlyOfTheSameProcess) {
  ProcTree tree;
  tree.Pid(7, "x", 5).Fd(3, Inode(9)).Uids(1000, 1001, 1002, 4294967294);
  OwnerIndex index({.proc_root = tree.root()});
  ASSERT_TRUE(index.Refresh().ok());
  const Owner owner = index.Find(Inode(9))[0];
  const absl::StatusOr<Uids> uids = index.ReadUids(owner);
  ASSERT_TRUE(uids.ok()) << uids.status();
  EXPECT_EQ(uids->real, Uid(1000));
  EXPECT_EQ(uids->effective, Uid(1001));
  EXPECT_EQ(uids->saved, Uid(1002));
  EXPECT_EQ(uids->filesystem, Uid(4294967294));
  tree.Remove("status");
  EXPECT_TRUE(index.ReadUids(owner).ok()) << "not from the cache";

  Owner other = owner;
  other.start_time = 6;
  EXPECT_TRUE(absl::IsNotFound(index.ReadUids(other).status()));
  other.pid = Pid(8);
  EXPECT_TRUE(absl::IsNotFound(index.ReadUids(other).status()));
  ASSERT_TRUE(index.Refresh().ok());
  EXPECT_FALSE(index.ReadUids(index.Find(Inode(9))[0]).ok()) << "the cache outlived the scan";
}

TEST(OwnerIndex, RefusesDamagedUids) {
  for (const char* status : {"", "Uid:\t1\t2\t3\t4\n", "\nUid:\t1\t2\t3", "\nUid:\t1\t2\t3\tx\n",
                             "\nUid:\t1\t2\t3\t4294967296\n", "\nUid: \n", "\nUid:"}) {
    ProcTree tree;
    tree.Pid(7, "x", 5).Fd(3, Inode(9)).File("status", status);
    OwnerIndex index({.proc_root = tree.root()});
    ASSERT_TRUE(index.Refresh().ok());
    EXPECT_TRUE(absl::IsDataLoss(index.ReadUids(index.Find(Inode(9))[0]).status())) << status;
  }
}

TEST(OwnerIndex, AllocatesNothingInSteadyState) {
  ProcTree tree;
  tree.Population(20, 200, Inode(100));
  OwnerIndex index({.proc_root = tree.root()});
  AllocCounter first;
  ASSERT_TRUE(index.Refresh().ok());
  EXPECT_GT(first.count(), 0u) << "the counter does not count";
  const size_t memory = index.memory();
  EXPECT_GE(memory, 4000u * (12 + 4));
  EXPECT_LE(memory, 4000u * 32 + (80u << 10));
  AllocCounter again(AllocCounter::Scope::kProcess);
  size_t owners = 0;
  for (int pass = 0; pass < 3; ++pass) {
    const bool ok = index.Refresh().ok();
    for (uint32_t inode = 100; ok && inode < 4100; ++inode) {
      for (const Owner& owner : index.Find(Inode(inode))) owners += owner.command.size() / 6;
    }
  }
  EXPECT_EQ(again.count(), 0u);
  EXPECT_EQ(owners, 12000u);
  EXPECT_EQ(index.memory(), memory);
}

TEST(OwnerIndex, OwnersSurviveAMoveOfTheIndex) {
  ProcTree tree;
  tree.Pid(7, "x", 5).Fd(3, Inode(9));
  OwnerIndex index({.proc_root = tree.root()});
  ASSERT_TRUE(index.Refresh().ok());
  const Owners owners = index.Find(Inode(9));
  const OwnerIndex moved = std::move(index);
  EXPECT_EQ(owners[0].command, "x");
  EXPECT_EQ(moved.Find(Inode(9)).size(), 1u);
}

}  // namespace
}  // namespace netdiag
