// Searches for some sockets, and scans with a budget: what they find, and what they leave unread.

#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/process/owner_index.h"
#include "netdiag/types/error.h"
#include "tests/process/owner_testing.h"
#include "tests/process/process_testing.h"
#include "tests/testing/alloc_counter.h"
#include "tests/testing/proc_tree.h"

namespace netdiag {
namespace {

using testing::AllocCounter;
using testing::Children;
using testing::Describe;
using testing::InodeOf;
using testing::OpenDescriptors;
using testing::ProcTree;
using testing::RunAlone;
using testing::RunUnprivileged;
using testing::SocketOrDie;
using testing::Sockets;
using Clock = std::chrono::steady_clock;

// True if the size of /proc/PID/fd is the number of descriptors (6.2), so that a search can leave
// out tables that have not changed.
bool ProcTellsSizes() {
  struct stat file = {};
  return stat("/proc/self/fd", &file) == 0 && file.st_size > 0;
}

void Search(OwnerIndex* index, const std::vector<Inode>& wanted, OwnerPolicy policy) {
  const absl::Status status = index->Search(wanted, policy);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_FALSE(index->stats().partial);
}

// ---- Budgets ----

TEST(OwnerBudget, OfDescriptorsEndsTheScanWithWhatItHas) {
  ProcTree tree;
  tree.Population(20, 200, Inode(1000));
  for (const size_t threads : {1u, 3u}) {
    OwnerIndex index({.proc_root = tree.root(), .threads = threads});
    ASSERT_TRUE(index.Refresh({.descriptors = 2'500}).ok());
    EXPECT_EQ(index.stats().descriptors, 2'500u);
    EXPECT_TRUE(index.stats().partial);
    EXPECT_EQ(index.stats().limit, OwnerLimit::kDescriptors);
    size_t found = 0;
    for (uint32_t inode = 1000; inode < 5000; ++inode) {
      found += index.Find(Inode(inode)).size();
      const bool known = !index.Find(Inode(inode)).empty();
      EXPECT_EQ(index.Reason(Inode(inode)), known ? NoOwner::kNone : NoOwner::kNotRead);
    }
    EXPECT_EQ(found, 2'500u);
    ASSERT_TRUE(index.Refresh().ok());
    EXPECT_FALSE(index.stats().partial);
    EXPECT_EQ(index.stats().limit, OwnerLimit::kNone);
    EXPECT_EQ(index.stats().sockets, 4'000u);
    EXPECT_EQ(index.Reason(Inode(1)), NoOwner::kVanished);
  }
}

TEST(OwnerBudget, OfTimeEndsTheScan) {
  ProcTree tree;
  tree.Population(20, 200, Inode(1000));
  for (const size_t threads : {1u, 3u}) {
    OwnerIndex index({.proc_root = tree.root(), .threads = threads});
    ASSERT_TRUE(index.Refresh({.deadline = Clock::now()}).ok());
    EXPECT_EQ(index.stats().limit, OwnerLimit::kDeadline);
    EXPECT_EQ(index.stats().descriptors, 0u);
    EXPECT_EQ(index.Reason(Inode(1000)), NoOwner::kNotRead);
    // The deadline passes in the middle of the scan.
    ASSERT_TRUE(index.Begin({.deadline = Clock::now() + std::chrono::seconds(1)}).ok());
    while (index.stats().descriptors == 0) ASSERT_FALSE(*index.Step(100));
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    EXPECT_TRUE(*index.Step(100'000));
    EXPECT_EQ(index.stats().limit, OwnerLimit::kDeadline);
    EXPECT_GT(index.stats().sockets, 0u);
    ASSERT_TRUE(index.Refresh({.deadline = Clock::now() + std::chrono::hours(1)}).ok());
    EXPECT_EQ(index.stats().limit, OwnerLimit::kNone);
    EXPECT_EQ(index.stats().sockets, 4'000u);
  }
}

TEST(OwnerBudget, EndsAPassOfBpf) {
  if (!OwnerIndex::CheckBpf().ok()) GTEST_SKIP() << OwnerIndex::CheckBpf();
  const Sockets held(10);
  OwnerIndex index({.source = OwnerSource::kBpf});
  ASSERT_TRUE(index.Refresh({.deadline = Clock::now()}).ok());
  EXPECT_EQ(index.stats().limit, OwnerLimit::kDeadline);
  EXPECT_EQ(index.Reason(held.inode()), NoOwner::kNotRead);
  ASSERT_TRUE(index.Refresh({.descriptors = 1}).ok());
  EXPECT_GE(index.stats().descriptors, 1u);
  ASSERT_TRUE(index.Refresh().ok());
  EXPECT_EQ(index.Find(held.inode()).size(), 1u);
}

// ---- One owner of each ----

TEST(OwnerSearch, ForTheFirstOwnerTriesLowDescriptorsOfEveryProcessFirst) {
  ProcTree tree;
  tree.Population(20, 200, Inode(1000)).Pid(1'100, "server", 7).Fd(4, Inode(50));
  OwnerIndex index({.proc_root = tree.root()});
  Search(&index, {Inode(50), Inode(0)}, OwnerPolicy::kFirst);
  EXPECT_EQ(Describe(index, Inode(50)), "50: 1100/7 fd 4 server\n");
  EXPECT_LE(index.stats().descriptors, 20u * 16 + 1);
  EXPECT_EQ(index.stats().sockets, 1u);
  EXPECT_EQ(index.Reason(Inode(1001)), NoOwner::kNotAsked) << "not searched for";
  EXPECT_TRUE(index.Find(Inode(1001)).empty());

  Search(&index, {Inode(1001)},
         OwnerPolicy::kFirst);  // held by the second descriptor of the first process
  EXPECT_EQ(index.Find(Inode(1001)).size(), 1u);
  EXPECT_LE(index.stats().descriptors, 13u);
  EXPECT_EQ(index.Reason(Inode(50)), NoOwner::kNotAsked) << "the index was not dropped";
}

TEST(OwnerSearch, ForTheFirstOwnerALinkThatCannotBeReadEndsNothingInSilence) {
  ProcTree tree;
  tree.Pid(1'100, "server", 7).Fd(0, Inode(40)).Fd(4, Inode(50));
  std::ofstream(tree.root() + "/1100/fd/2") << "no link";
  OwnerIndex index({.proc_root = tree.root()});
  Search(&index, {Inode(50), Inode(60)}, OwnerPolicy::kFirst);
  EXPECT_EQ(Describe(index, Inode(50)), "50: 1100/7 fd 4 server\n");
  EXPECT_EQ(index.stats().errors, 1u);
  EXPECT_EQ(index.Reason(Inode(60)), NoOwner::kHidden);
}

TEST(OwnerSearch, ForTheFirstOwnerThenReadsTheRest) {
  ProcTree tree;
  tree.Population(20, 200, Inode(1000));
  for (const size_t threads : {1u, 3u}) {
    OwnerIndex index({.proc_root = tree.root(), .threads = threads});
    Search(&index, {Inode(1190), Inode(3777)}, OwnerPolicy::kFirst);
    EXPECT_EQ(index.Find(Inode(1190))[0].fd, 193);
    EXPECT_EQ(index.Find(Inode(3777))[0].pid, Pid(1013));
    EXPECT_EQ(index.stats().sockets, 2u);
    Search(&index, {Inode(999), Inode(1'190)}, OwnerPolicy::kFirst);
    EXPECT_EQ(index.Reason(Inode(999)), NoOwner::kVanished);
    EXPECT_EQ(index.stats().descriptors, 4'000u) << "each link once";
  }
}

// The tree is not a procfs, so the sizes of its tables are not known. On a procfs of a kernel
// before 6.2 they are not known either.
TEST(OwnerSearch, ForTheFirstOwnerReadsPastTheLowestDescriptorsOfATableOfUnknownSize) {
  for (const int descriptors : {15, 16, 17, 80, 600}) {
    ProcTree tree;
    tree.Pid(1000, "dense", 7);
    std::vector<Inode> wanted;
    for (int fd = 0; fd < descriptors; ++fd) {
      wanted.push_back(Inode(static_cast<uint32_t>(100 + fd)));
      tree.Fd(fd, wanted.back());
    }
    tree.Pid(1001, "holes", 8).Fd(3, Inode(50)).Fd(90, Inode(51));
    wanted.insert(wanted.end(), {Inode(50), Inode(51)});
    for (const size_t threads : {1u, 3u}) {
      OwnerIndex index({.proc_root = tree.root(), .threads = threads});
      Search(&index, wanted, OwnerPolicy::kFirst);
      for (const Inode inode : wanted) {
        EXPECT_EQ(index.Find(inode).size(), 1u) << descriptors << " inode " << inode.value();
      }
    }
  }
}

TEST(OwnerSearch, ForTheFirstOwnerFindsOneWhateverElseIsWanted) {
  ProcTree tree;
  const Inode shared(50);
  for (int pid = 1000; pid < 1005; ++pid) {
    tree.Pid(pid, "worker", 7).Fd(3, shared).Fd(4, shared).Fd(40, shared);
  }
  tree.Pid(1005, "late", 8).Fd(70, Inode(60));
  const std::vector<std::vector<Inode>> lists = {
      {shared}, {shared, Inode(60)}, {shared, Inode(999)}, {shared, Inode(60), Inode(999)}};
  for (const size_t threads : {1u, 3u}) {
    OwnerIndex index({.proc_root = tree.root(), .threads = threads});
    for (const std::vector<Inode>& wanted : lists) {
      Search(&index, wanted, OwnerPolicy::kFirst);
      EXPECT_EQ(index.Find(shared).size(), 1u);
      EXPECT_EQ(index.Reason(shared), NoOwner::kNone);
      if (threads == 1) {
        EXPECT_EQ(Describe(index, shared), "50: 1000/7 fd 3 worker\n");
      }
    }
    EXPECT_EQ(index.Find(Inode(60)).size(), 1u);
    EXPECT_EQ(index.Reason(Inode(999)), NoOwner::kVanished);
    EXPECT_EQ(index.stats().sockets, 2u);
  }
}

TEST(OwnerSearch, StepsGiveWhatItGivesWhole) {
  ProcTree tree;
  tree.Population(5, 60, Inode(1000));
  OwnerIndex index({.proc_root = tree.root()});
  for (const OwnerPolicy policy :
       {OwnerPolicy::kFirst, OwnerPolicy::kAll, OwnerPolicy::kCached, OwnerPolicy::kCached}) {
    const std::vector<Inode> wanted = {Inode(1250), Inode(1001), Inode(5)};
    ASSERT_TRUE(index.BeginSearch(wanted, policy).ok());
    while (!index.stats().partial ? false : !*index.Step(1)) {
      EXPECT_TRUE(index.Find(Inode(1001)).empty());
    }
    EXPECT_EQ(index.Find(Inode(1250)).size(), 1u);
    EXPECT_EQ(index.Find(Inode(1001)).size(), 1u);
    EXPECT_EQ(index.Reason(Inode(5)), NoOwner::kVanished);
  }
}

TEST(OwnerSearch, ADroppedSearchLeavesTheIndexRight) {
  ProcTree tree;
  tree.Population(5, 60, Inode(1000));
  OwnerIndex index({.proc_root = tree.root()});
  const int open_before = OpenDescriptors();
  ASSERT_TRUE(index.Refresh().ok());
  tree.Pid(2000, "new", 9).Fd(3, Inode(50)).Fd(4, Inode(51)).Fd(5, Inode(1001));
  tree.Remove("../1000/fd/5");  // inode 1002
  for (int moment = 0; moment < 40; ++moment) {
    const std::vector<Inode> some = {Inode(50), Inode(1001), Inode(1002)};
    ASSERT_TRUE(
        index.BeginSearch(some, moment % 2 == 0 ? OwnerPolicy::kAll : OwnerPolicy::kCached).ok());
    for (int step = 0; step < moment && index.stats().partial; ++step) {
      ASSERT_TRUE(index.Step(1).ok());
    }
    EXPECT_LE(OpenDescriptors(), open_before + 3);
  }
  Search(&index, {Inode(50), Inode(1001), Inode(1002)}, OwnerPolicy::kCached);
  EXPECT_EQ(Describe(index, Inode(50)), "50: 2000/9 fd 3 new\n");
  EXPECT_EQ(index.Find(Inode(1001)).size(), 1u);
  EXPECT_EQ(index.Reason(Inode(1002)), NoOwner::kVanished);
}

// ---- The kernel's /proc ----

// Runs in a pid namespace that has only the test's processes, so that every link is known. A socket
// without an owner there can have one outside (kOtherPidNamespace).
class LiveSearch : public ::testing::TestWithParam<OwnerSource> {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "a pid namespace needs root";
    if (GetParam() == OwnerSource::kBpf) {
      const absl::Status status = OwnerIndex::CheckBpf();
      if (IsUnsupported(status)) GTEST_SKIP() << status;  // before 5.17
      ASSERT_TRUE(status.ok()) << status;
    }
  }
  static OwnerIndex Scanned() {
    OwnerIndex index({.source = GetParam()});
    const absl::Status status = index.Refresh();
    EXPECT_TRUE(status.ok()) << status;
    return index;
  }
};

TEST_P(LiveSearch, ASecondLookReadsOnlyWhatIsNew) {
  RunAlone([] {
    Children children;
    for (int i = 0; i < 4; ++i) {
      children.Add([] {
        for (int n = 0; n < 100; ++n) SocketOrDie();
      });
    }
    const Sockets old(1);
    const int taken = dup(old.fd());  // so that the descriptors of the index get other numbers
    OwnerIndex index = Scanned();
    const std::string before = Describe(index, old.inode());
    const Sockets later(2);
    const pid_t child = children.Add([] {});
    Search(&index, {later.inode(0), later.inode(1), old.inode(), Inode(UINT32_MAX)},
           OwnerPolicy::kAll);
    EXPECT_EQ(index.Find(later.inode(0)).size(), 2u)
        << "this process has changed, the child is new";
    EXPECT_EQ(index.Find(later.inode(1))[1].pid, Pid(child));
    EXPECT_EQ(index.Reason(Inode(UINT32_MAX)), NoOwner::kOtherPidNamespace);
    EXPECT_EQ(Describe(index, old.inode()), before) << "it had owners, so it is not looked for";
    EXPECT_EQ(index.stats().sockets, 4u);
    if (GetParam() == OwnerSource::kProc && ProcTellsSizes()) {
      EXPECT_LE(index.stats().descriptors, 60u);
    }
    close(taken);
  });
}

TEST_P(LiveSearch, CachedChecksWhatItKnows) {
  RunAlone([] {
    const Sockets held(3);
    Children children;
    int go[2], done[2];
    ASSERT_EQ(pipe2(go, O_CLOEXEC) + pipe2(done, O_CLOEXEC), 0);
    const pid_t child = children.Add([&] {
      std::thread([&] {
        char byte;
        if (read(go[0], &byte, 1) != 1) _exit(1);
        close(held.fd(0));
        dup2(held.fd(0), held.fd(1));  // fails: closed
        dup2(held.fd(2), held.fd(1));  // another socket under the old number
        if (write(done[1], "x", 1) != 1) _exit(1);
      }).detach();
    });
    OwnerIndex index = Scanned();
    ASSERT_EQ(index.Find(held.inode(0)).size(), 2u);
    char byte = 'x';
    ASSERT_EQ(write(go[1], &byte, 1), 1);
    ASSERT_EQ(read(done[0], &byte, 1), 1);
    Search(&index, held.inodes(), OwnerPolicy::kCached);
    for (size_t i = 0; i < 2; ++i) {
      ASSERT_EQ(index.Find(held.inode(i)).size(), 1u) << i;
      EXPECT_EQ(index.Find(held.inode(i))[0].pid, Pid(getpid()));
    }
    EXPECT_GE(index.Find(held.inode(2)).size(), 2u);
    // What is known is kept and checked, whatever is wanted.
    Search(&index, {held.inode(0)}, OwnerPolicy::kCached);
    EXPECT_GE(index.Find(held.inode(2)).size(), 2u);
    EXPECT_EQ(index.Reason(Inode(UINT32_MAX)), NoOwner::kNotAsked);
    // A process that ended is not an owner.
    kill(child, SIGKILL);
    siginfo_t info{};
    ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT), 0);
    Search(&index, {held.inode(2)}, OwnerPolicy::kCached);
    EXPECT_EQ(index.Find(held.inode(2)).size(), 1u);
    for (const int fd : {go[0], go[1], done[0], done[1]}) close(fd);
  });
}

TEST_P(LiveSearch, CachedLooksForTheAbsentOnlyInWhatIsNew) {
  RunAlone([] {
    Children children;
    for (int i = 0; i < 4; ++i) {
      children.Add([] {
        for (int n = 0; n < 100; ++n) SocketOrDie();
      });
    }
    const Inode absent(UINT32_MAX);
    OwnerIndex index = Scanned();
    Search(&index, {absent}, OwnerPolicy::kCached);
    EXPECT_EQ(index.Reason(absent), NoOwner::kOtherPidNamespace);
    EXPECT_GE(index.stats().descriptors, 400u) << "never looked for before";
    // The index has loaded its program, so this process has one more descriptor.
    Search(&index, {absent}, OwnerPolicy::kCached);
    for (int again = 0; again < 3; ++again) {
      Search(&index, {absent}, OwnerPolicy::kCached);
      EXPECT_EQ(index.Reason(absent), NoOwner::kOtherPidNamespace);
      EXPECT_TRUE(!ProcTellsSizes() || index.stats().descriptors <= 20)
          << "remembered: only one link of 64 is read";
    }
    const Sockets later(1);
    children.Add([] {});
    Search(&index, {absent, later.inode()}, OwnerPolicy::kCached);
    EXPECT_EQ(index.Find(later.inode()).size(), 2u);
    if (GetParam() == OwnerSource::kProc && ProcTellsSizes()) {
      EXPECT_LE(index.stats().descriptors, 60u);
    }
    Search(&index, {later.inode()}, OwnerPolicy::kCached);
    EXPECT_EQ(index.Find(later.inode()).size(), 2u);
    Search(&index, {absent, later.inode()}, OwnerPolicy::kCached);
    EXPECT_GE(index.stats().descriptors, 400u) << "the last search did not want it";
  });
}

// The process has as many descriptors as before, and nothing tells that one is another.
TEST_P(LiveSearch, CachedNoticesAnExchangedDescriptor) {
  RunAlone([] {
    const Sockets held(2);
    int go[2], done[2];
    ASSERT_EQ(pipe2(go, O_CLOEXEC) + pipe2(done, O_CLOEXEC), 0);
    Children children;
    children.Add([&] {
      std::thread([&] {
        char byte;
        if (read(go[0], &byte, 1) != 1) _exit(1);
        dup2(go[0], held.fd(0));  // a pipe in the place of the socket
        if (write(done[1], "x", 1) != 1) _exit(1);
        if (read(go[0], &byte, 1) != 1) _exit(1);
        dup2(SocketOrDie(), held.fd(1));  // and one socket more
        if (write(done[1], "x", 1) != 1) _exit(1);
      }).detach();
    });
    const auto change = [&] {
      char byte = 'x';
      ASSERT_EQ(write(go[1], &byte, 1), 1);
      ASSERT_EQ(read(done[0], &byte, 1), 1);
    };
    OwnerIndex index = Scanned();
    Search(&index, {}, OwnerPolicy::kCached);
    ASSERT_EQ(index.Find(held.inode(0)).size(), 2u);
    ASSERT_EQ(index.Find(held.inode(1)).size(), 2u);
    change();
    int searches = 0;
    while (index.Find(held.inode(0)).size() > 1) {
      Search(&index, {}, OwnerPolicy::kCached);
      ASSERT_LE(++searches, 64);
    }
    EXPECT_EQ(index.Find(held.inode(1)).size(), 2u);
    // This changes the number of descriptors, so that it is noticed at once.
    change();
    Search(&index, {}, OwnerPolicy::kCached);
    EXPECT_EQ(index.Find(held.inode(1)).size(), 1u);
    for (const int fd : {go[0], go[1], done[0], done[1]}) close(fd);
  });
}

// A new process has the pid, the descriptor and the socket of one that ended.
TEST_P(LiveSearch, CachedTellsTwoProcessesOfOnePidApart) {
  RunAlone([] {
    const Sockets held(1);
    uint64_t old_start = 0;
    pid_t old_child = 0;
    OwnerIndex index({.source = GetParam()});
    {
      Children children;
      old_child = children.Add([] {});
      ASSERT_TRUE(index.Refresh().ok());
      ASSERT_EQ(index.Find(held.inode()).size(), 2u);
      old_start = index.Find(held.inode())[1].start_time;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    std::ofstream("/proc/sys/kernel/ns_last_pid") << old_child - 1;
    Children children;
    ASSERT_EQ(children.Add([] {}), old_child);
    Search(&index, held.inodes(), OwnerPolicy::kCached);
    for (const Owner& owner : index.Find(held.inode())) {
      EXPECT_FALSE(owner.pid == Pid(old_child) && owner.start_time == old_start);
    }
    // It has an owner, so kCached does not look for another one.
    EXPECT_GE(index.Find(held.inode()).size(), 1u);
    ASSERT_TRUE(index.Refresh().ok());
    EXPECT_EQ(index.Find(held.inode()).size(), 2u);
  });
}

TEST_P(LiveSearch, TheFirstOwnerOfAListenerCostsAHandfulOfLinks) {
  RunAlone([] {
    const Sockets held(1);
    Children children;
    for (int i = 0; i < 4; ++i) {
      children.Add([&] {
        close(held.fd());
        for (int n = 0; n < 300; ++n) SocketOrDie();
      });
    }
    OwnerIndex index({.source = GetParam()});
    Search(&index, held.inodes(), OwnerPolicy::kFirst);
    ASSERT_EQ(index.Find(held.inode()).size(), 1u);
    EXPECT_EQ(index.Find(held.inode())[0].fd, held.fd());
    if (GetParam() == OwnerSource::kProc) {
      EXPECT_LE(index.stats().descriptors, 16u);
    }
    EXPECT_GE(index.memory(), 1u);
  });
}

TEST_P(LiveSearch, AllocatesNothingInSteadyState) {
  RunAlone([] {
    const Sockets held(50);
    Children children;
    children.Add([] {});
    std::vector<Inode> wanted = held.inodes();
    wanted.push_back(Inode(UINT32_MAX));
    OwnerIndex index = Scanned();
    for (const OwnerPolicy policy : {OwnerPolicy::kCached, OwnerPolicy::kFirst}) {
      for (int i = 0; i < 4; ++i) {
        ASSERT_TRUE(index.Search(wanted, policy).ok());
        if (policy == OwnerPolicy::kFirst) {
          ASSERT_TRUE(index.Search({}, policy).ok());
        }
      }
      const AllocCounter counter(AllocCounter::Scope::kProcess);
      const bool ok = index.Search(wanted, policy).ok();
      EXPECT_EQ(counter.count(), 0u) << static_cast<int>(policy);
      EXPECT_TRUE(ok);
      EXPECT_GE(index.Find(held.inode(7)).size(), 1u);
    }
    const AllocCounter counter(AllocCounter::Scope::kProcess);
    const bool ok = index.Refresh({.descriptors = 20}).ok();
    EXPECT_EQ(counter.count(), 0u);
    EXPECT_TRUE(ok);
  });
}

INSTANTIATE_TEST_SUITE_P(Sources, LiveSearch,
                         ::testing::Values(OwnerSource::kProc, OwnerSource::kBpf),
                         [](const auto& source) {
                           return source.param == OwnerSource::kProc ? "Proc" : "Bpf";
                         });

TEST(OwnerSearch, GoesOnWithWhatABudgetLeft) {
  if (geteuid() != 0) GTEST_SKIP() << "a pid namespace needs root";
  RunAlone([] {
    const Sockets held(1);
    Children children;
    for (int i = 0; i < 6; ++i) {
      children.Add([] {
        for (int n = 0; n < 100; ++n) SocketOrDie();
      });
    }
    OwnerIndex index({.source = OwnerSource::kProc});
    const std::vector<Inode> wanted = {held.inode(), Inode(UINT32_MAX)};
    ASSERT_TRUE(index.Refresh({.descriptors = 150}).ok());
    EXPECT_EQ(index.Reason(Inode(UINT32_MAX)), NoOwner::kNotRead);
    ASSERT_TRUE(index.Search(wanted, OwnerPolicy::kAll, {.descriptors = 100}).ok());
    EXPECT_EQ(index.stats().limit, OwnerLimit::kDescriptors);
    EXPECT_EQ(index.Reason(Inode(UINT32_MAX)), NoOwner::kNotRead);
    Search(&index, wanted, OwnerPolicy::kAll);
    EXPECT_LE(index.stats().descriptors, ProcTellsSizes() ? 700u - 100 : 700u);
    EXPECT_EQ(index.Reason(Inode(UINT32_MAX)), NoOwner::kOtherPidNamespace);
    EXPECT_EQ(index.Reason(Inode(UINT32_MAX - 1)), NoOwner::kNotRead) << "not searched for";
  });
}

// The deadline passes when some processes have been listed, and none has been read.
TEST(OwnerSearch, ReadsWhatABudgetLeftBeforeAnythingWasRead) {
  if (geteuid() != 0) GTEST_SKIP() << "a pid namespace needs root";
  RunAlone([] {
    const Sockets held(1);
    Children children;
    for (int i = 0; i < 30; ++i) children.Add([] {});
    for (int steps = 1; steps < 12; ++steps) {
      OwnerIndex index({.source = OwnerSource::kProc});
      ASSERT_TRUE(index.Begin({.deadline = Clock::now() + std::chrono::milliseconds(50)}).ok());
      for (int i = 0; i < steps; ++i) ASSERT_TRUE(index.Step(1).ok());
      std::this_thread::sleep_for(std::chrono::milliseconds(60));
      while (!*index.Step(1)) {
      }
      ASSERT_EQ(index.stats().limit, OwnerLimit::kDeadline);
      // Before 6.2 there are no sizes to ask for, and reading begins sooner.
      if (index.stats().descriptors > 0) {
        ASSERT_FALSE(ProcTellsSizes());
        ASSERT_GT(steps, 1);
        break;
      }
      Search(&index, held.inodes(), OwnerPolicy::kAll);
      EXPECT_EQ(index.Find(held.inode()).size(), 31u) << steps << " steps";
    }
  });
}

TEST(OwnerSearch, WhatMayNotBeReadStaysHidden) {
  const testing::Sockets mine(1);
  Children children;
  children.Add([] { prctl(PR_SET_DUMPABLE, 0); });
  RunUnprivileged([] {
    const Sockets held(1);
    OwnerIndex index({.source = OwnerSource::kProc});
    for (const OwnerPolicy policy : {OwnerPolicy::kAll, OwnerPolicy::kAll, OwnerPolicy::kCached,
                                     OwnerPolicy::kCached, OwnerPolicy::kFirst}) {
      Search(&index, {held.inode(), Inode(UINT32_MAX)}, policy);
      EXPECT_GT(index.stats().denied, 0u);
      EXPECT_EQ(index.Reason(Inode(UINT32_MAX)), NoOwner::kHidden) << static_cast<int>(policy);
      EXPECT_EQ(index.Find(held.inode()).size(), 1u);
    }
  });
}

}  // namespace
}  // namespace netdiag
