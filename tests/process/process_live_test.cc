// OwnerIndex over the /proc of the host: sockets of this process, of children, and of other users.

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <signal.h>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/process/owner_index.h"
#include "tests/process/process_testing.h"
#include "tests/testing/alloc_counter.h"
#include "tests/testing/proc_tree.h"

namespace netdiag {
namespace {

using testing::AllocCounter;
using testing::Child;
using testing::OpenDescriptors;
using testing::ProcTree;
using testing::RunUnprivileged;

class Fd {
 public:
  explicit Fd(int fd) : fd_(fd) { EXPECT_GE(fd, 0); }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { close(fd_); }
  int get() const { return fd_; }
  Inode inode() const {
    struct stat status {};
    EXPECT_EQ(fstat(fd_, &status), 0);
    return Inode(static_cast<uint32_t>(status.st_ino));
  }

 private:
  int fd_;
};

// Field 22 of /proc/PID/stat, read without the index. The commands of the tests have no blanks.
uint64_t StartTime(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string field;
  for (int i = 0; i < 22; ++i) file >> field;
  return std::stoull(field);
}

int SocketOrDie() {
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) _exit(2);
  return fd;
}

Fd UnixSocket() { return Fd(SocketOrDie()); }

// A tree that shows only this process of the real /proc.
std::string LinkTo(ProcTree& tree, pid_t pid) {
  std::filesystem::create_symlink("/proc/" + std::to_string(pid),
                                  tree.root() + "/" + std::to_string(pid));
  return tree.root();
}

TEST(OwnerIndexLive, FindsBothHoldersOfAnInheritedSocket) {
  const Fd held = UnixSocket();
  const Child child([] {});
  OwnerIndex index;
  ASSERT_TRUE(index.Refresh().ok());
  std::vector<pid_t> expected = {getpid(), child.pid()};
  std::sort(expected.begin(), expected.end());
  const Owners owners = index.Find(held.inode());
  ASSERT_EQ(owners.size(), 2u);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(owners[i].pid, Pid(expected[i]));
    EXPECT_EQ(owners[i].start_time, StartTime(expected[i]));
    EXPECT_EQ(owners[i].fd, held.get());
    EXPECT_EQ(owners[i].command, std::string("process_live_test").substr(0, 15));
    const absl::StatusOr<Uids> uids = index.ReadUids(owners[i]);
    ASSERT_TRUE(uids.ok()) << uids.status();
    EXPECT_EQ(uids->real, Uid(getuid()));
    EXPECT_EQ(uids->effective, Uid(geteuid()));
  }
}

TEST(OwnerIndexLive, FindsDuplicatesAndCopiesSentOverASocket) {
  const Fd held = UnixSocket();
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  const Fd here(pair[0]), there(pair[1]);
  const Fd duplicate(fcntl(held.get(), F_DUPFD_CLOEXEC, 500));
  char byte = 'x';
  iovec vector = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int sent = held.get();
  memcpy(CMSG_DATA(header), &sent, sizeof(sent));
  ASSERT_EQ(sendmsg(here.get(), &message, 0), 1);

  OwnerIndex index;
  ASSERT_TRUE(index.Refresh().ok());
  EXPECT_EQ(index.Find(held.inode()).size(), 2u) << "a descriptor in flight is not an owner";

  const Child child([&] {
    close(held.get());
    close(duplicate.get());
    if (recvmsg(there.get(), &message, 0) != 1) _exit(1);
  });
  ASSERT_TRUE(index.Refresh().ok());
  const Owners owners = index.Find(held.inode());
  ASSERT_EQ(owners.size(), 3u);
  const auto of_child = [&](const Owner& owner) { return owner.pid == Pid(child.pid()); };
  EXPECT_EQ(std::count_if(owners.begin(), owners.end(), of_child), 1);
}

TEST(OwnerIndexLive, ReportsACommandOfAnyBytes) {
  const std::string command = "a) S \\n(\n\x1b\xff";
  const Fd held = UnixSocket();
  const Child child([&] { prctl(PR_SET_NAME, command.c_str()); });
  ProcTree tree;
  OwnerIndex index({.proc_root = LinkTo(tree, child.pid())});
  ASSERT_TRUE(index.Refresh().ok());
  ASSERT_EQ(index.Find(held.inode()).size(), 1u);
  EXPECT_EQ(index.Find(held.inode())[0].command, command);
  EXPECT_TRUE(index.ReadUids(index.Find(held.inode())[0]).ok());
}

// The child ends at every possible moment of a scan. What the index reports of it must be right.
TEST(OwnerIndexLive, AProcessMayEndAtAnyMomentOfTheScan) {
  const Fd first = UnixSocket(), second = UnixSocket();
  size_t seen = 0;
  for (int moment = 0; moment < 16; ++moment) {
    Child child([] {});
    const pid_t pid = child.pid();
    const uint64_t start_time = StartTime(pid);
    ProcTree tree;
    OwnerIndex index({.proc_root = LinkTo(tree, pid)});
    ASSERT_TRUE(index.Begin().ok());
    for (int step = 0; step < moment; ++step) ASSERT_TRUE(index.Step(1).ok());
    child.End();
    for (bool done = false; !done;) {
      const absl::StatusOr<bool> step = index.Step(1);
      ASSERT_TRUE(step.ok()) << step.status();
      done = *step;
    }
    const OwnerStats& stats = index.stats();
    EXPECT_EQ(stats.errors + stats.denied, 0u) << stats.first_error;
    EXPECT_LE(stats.processes, 1u);
    size_t found = 0;
    for (const Fd* held : {&first, &second}) {
      for (const Owner& owner : index.Find(held->inode())) {
        ++found;
        EXPECT_EQ(owner.pid, Pid(pid));
        EXPECT_EQ(owner.start_time, start_time);
        EXPECT_TRUE(absl::IsNotFound(index.ReadUids(owner).status()));
      }
    }
    EXPECT_TRUE(found == 2 || stats.vanished > 0) << moment;
    seen += found;
  }
  EXPECT_GT(seen, 0u);
  EXPECT_LT(seen, 32u);
}

// The descriptor numbers of the sockets of a process, read in the simplest way.
std::vector<int> PlainList(pid_t pid) {
  std::vector<int> fds;
  for (const auto& link :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
    if (std::filesystem::read_symlink(link).string().starts_with("socket:[")) {
      fds.push_back(std::stoi(link.path().filename()));
    }
  }
  std::sort(fds.begin(), fds.end());
  return fds;
}

TEST(OwnerIndexLive, ReadsDenseAndSparseTablesWhole) {
  const Fd held = UnixSocket();
  for (const int every : {1, 2, 3, 5, 9, 40}) {
    const Child child([&] {
      for (int fd = 0; fd < 200;) fd = dup(held.get());
      for (int fd = 210; fd < 900; fd += every) dup2(held.get(), fd);
      for (int fd = 20; fd < 200; fd += every * 2) close(fd);
    });
    const std::vector<int> expected = PlainList(child.pid());
    ASSERT_GT(expected.size(), 100u);
    ProcTree tree;
    OwnerIndex index({.proc_root = LinkTo(tree, child.pid())});
    for (const size_t size : {size_t{1}, size_t{64}, size_t{100000}}) {
      ASSERT_TRUE(index.Begin().ok());
      while (!*index.Step(size)) {
      }
      std::vector<int> fds;
      for (const Owner& owner : index.Find(held.inode())) fds.push_back(owner.fd);
      EXPECT_EQ(fds, expected) << "every " << every << ", " << size << " a step";
      EXPECT_EQ(index.stats().vanished + index.stats().errors, 0u);
    }
  }
}

// Descriptors come and go between others that stay. Those that stay are each found once.
TEST(OwnerIndexLive, FindsWhatStaysWhileTheTableChanges) {
  const Fd stays = UnixSocket(), comes = UnixSocket();
  std::vector<int> expected;
  expected.push_back(stays.get());
  while (expected.back() < 200) expected.push_back(dup(stays.get()));
  for (int fd = 300; fd < 500; fd += 7) expected.push_back(dup2(stays.get(), fd));
  ProcTree tree;
  OwnerIndex index({.proc_root = LinkTo(tree, getpid())});
  for (int scan = 0; scan < 40; ++scan) {
    ASSERT_TRUE(index.Begin().ok());
    int step = 0;
    for (bool done = false; !done; ++step) {
      const absl::StatusOr<bool> result = index.Step(static_cast<size_t>(1 + scan));
      ASSERT_TRUE(result.ok()) << result.status();
      done = *result;
      const int fd = 220 + (scan * 7 + step * 13) % 400;  // above those that the index opens
      if (std::find(expected.begin(), expected.end(), fd) != expected.end()) continue;
      step % 2 == 0 ? dup2(comes.get(), fd) : close(fd);
    }
    std::vector<int> fds;
    for (const Owner& owner : index.Find(stays.inode())) fds.push_back(owner.fd);
    EXPECT_EQ(fds, expected) << scan;
  }
  for (size_t i = 1; i < expected.size(); ++i) close(expected[i]);
  for (int fd = 220; fd < 620; ++fd) close(fd);
}

TEST(OwnerIndexLive, UidsOfAnEndedProcessAreNotFound) {
  const Fd held = UnixSocket();
  Child child([] {});
  ProcTree tree;
  OwnerIndex index({.proc_root = LinkTo(tree, child.pid())});
  ASSERT_TRUE(index.Refresh().ok());
  ASSERT_EQ(index.Find(held.inode()).size(), 1u);
  child.End();
  EXPECT_TRUE(absl::IsNotFound(index.ReadUids(index.Find(held.inode())[0]).status()));
}

TEST(OwnerIndexLive, WithoutPrivilegesOthersAreHidden) {
  // A process that an unprivileged reader may not read, also if the test runs without privileges.
  const Child secret([] {
    SocketOrDie();
    prctl(PR_SET_DUMPABLE, 0);
  });
  RunUnprivileged([] {
    const Fd held = UnixSocket();
    OwnerIndex index;
    ASSERT_TRUE(index.Refresh().ok());
    EXPECT_GT(index.stats().denied, 0u);
    EXPECT_EQ(index.stats().errors, 0u) << index.stats().first_error;
    EXPECT_EQ(index.Find(held.inode()).size(), 1u);
    EXPECT_EQ(index.Reason(held.inode()), NoOwner::kNone);
    EXPECT_EQ(index.Reason(Inode(UINT32_MAX)), NoOwner::kHidden);
    EXPECT_EQ(index.Reason(Inode(0)), NoOwner::kKernelHeld);
  });
}

TEST(OwnerIndexLive, CountsAHostWithoutDescriptorsToSpareAsErrors) {
  const Fd held = UnixSocket();
  const Child child([] {});
  ProcTree tree;
  OwnerIndex index({.proc_root = LinkTo(tree, child.pid())});
  std::vector<int> taken;
  for (int fd = dup(held.get()); fd >= 0; fd = dup(held.get())) taken.push_back(fd);
  close(taken.back());
  taken.pop_back();
  const absl::Status status = index.Refresh();  // /proc takes the last one
  for (const int fd : taken) close(fd);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(index.stats().errors, 1u);
  EXPECT_EQ(index.stats().first_error, EMFILE);
  ASSERT_TRUE(index.Refresh().ok());
  EXPECT_EQ(index.Find(held.inode()).size(), 1u);
}

TEST(OwnerIndexLive, AllocatesNothingInSteadyState) {
  const Child child([] {
    for (int i = 0; i < 300; ++i) SocketOrDie();
  });
  ProcTree tree;
  OwnerIndex index({.proc_root = LinkTo(tree, child.pid())});
  ASSERT_TRUE(index.Refresh().ok());
  EXPECT_GE(index.stats().sockets, 300u);
  AllocCounter counter;
  const bool ok = index.Refresh().ok();
  EXPECT_EQ(counter.count(), 0u);
  EXPECT_TRUE(ok);
}

TEST(OwnerIndexLive, LeavesNoDescriptorOpen) {
  const int before = OpenDescriptors();
  {
    OwnerIndex index({.source = OwnerSource::kProc});
    ASSERT_TRUE(index.Refresh().ok());
    ASSERT_TRUE(index.Refresh().ok());
    EXPECT_EQ(OpenDescriptors(), before + 1);
    ASSERT_TRUE(index.Begin().ok());
    ASSERT_TRUE(index.Step(3).ok());
    OwnerIndex moved = std::move(index);
    ASSERT_TRUE(moved.Step(100).ok());
  }
  EXPECT_EQ(OpenDescriptors(), before);
}

}  // namespace
}  // namespace netdiag
