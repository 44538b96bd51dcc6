// Both sources of owners, /proc and BPF, on this host: they agree, and each replaces the other
// where that is promised.

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <algorithm>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <map>
#include <sched.h>
#include <set>
#include <signal.h>
#include <string>
#include <system_error>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/bpf/task_files.h"
#include "netdiag/process/owner_index.h"
#include "netdiag/types/error.h"
#include "tests/process/owner_testing.h"
#include "tests/process/process_testing.h"
#include "tests/testing/alloc_counter.h"
#include "tests/testing/seccomp.h"
#include "tests/testing/sockets.h"

namespace netdiag {
namespace {

using testing::AddElsewhere;
using testing::AllocCounter;
using ::testing::AllOf;
using testing::Children;
using testing::Describe;
using testing::DropCapabilities;
using testing::Elsewhere;
using ::testing::HasSubstr;
using testing::InChroot;
using testing::InodeOf;
using testing::OpenDescriptors;
using testing::RunAlone;
using testing::RunInChild;
using testing::RunUnprivileged;
using testing::Scanned;
using testing::SocketOrDie;
using testing::Sockets;

std::string DescribeAll(const OwnerIndex& index, const std::vector<Inode>& inodes) {
  std::string text;
  for (const Inode inode : inodes) text += Describe(index, inode);
  return text;
}

// The inodes of the sockets that the links of the directory name.
std::vector<Inode> SocketsIn(const std::string& directory) {
  std::vector<Inode> inodes;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    std::error_code error;  // a descriptor that was closed since it was listed has no link
    const std::string link = std::filesystem::read_symlink(entry, error).string();
    uint32_t inode = 0;
    if (std::sscanf(link.c_str(), "socket:[%u]", &inode) == 1) inodes.push_back(Inode(inode));
  }
  return inodes;
}

// Expects that both sources give the same owners, and at least one of each inode.
void ExpectAgreement(const std::vector<Inode>& inodes) {
  const std::string expected = DescribeAll(Scanned(OwnerSource::kProc), inodes);
  EXPECT_EQ(DescribeAll(Scanned(OwnerSource::kBpf), inodes), expected);
  EXPECT_GE(std::count(expected.begin(), expected.end(), '\n'),
            static_cast<std::ptrdiff_t>(inodes.size()));
}

class OwnerSources : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "loading a BPF program needs root";
    const absl::Status status = OwnerIndex::CheckBpf();
    if (IsUnsupported(status)) GTEST_SKIP() << status;  // before 5.17
    ASSERT_TRUE(status.ok()) << status;
  }
};

TEST_F(OwnerSources, AgreeOnManyProcessesAndDescriptors) {
  const Sockets shared(5);
  Children children;
  // Some thousands of descriptors, so that the kernel's buffer overflows and it shows descriptors
  // again, also between two processes.
  std::set<Pid> holders = {Pid(getpid())};
  for (int i = 0; i < 40; ++i) {
    holders.insert(Pid(children.Add([&] {
      for (int n = 0; n < 200; ++n) SocketOrDie();
      for (int fd = 400; fd < 900; fd += 1 + i) dup2(shared.fd(), fd);
      close(shared.fd(1));
    })));
  }
  const OwnerIndex proc = Scanned(OwnerSource::kProc);
  const OwnerIndex bpf = Scanned(OwnerSource::kBpf);
  EXPECT_EQ(bpf.Find(shared.inode(1)).size(), 1u);
  EXPECT_EQ(bpf.Find(shared.inode(2)).size(), 41u);
  EXPECT_GE(bpf.stats().sockets, 40u * (200 + 12));
  EXPECT_GE(bpf.stats().processes, 41u);
  std::set<Inode> compared;
  for (const Pid holder : holders) {
    for (const Inode inode : SocketsIn("/proc/" + std::to_string(holder.value()) + "/fd")) {
      if (!compared.insert(inode).second) continue;
      ASSERT_EQ(Describe(bpf, inode), Describe(proc, inode));
    }
  }
  EXPECT_GE(compared.size(), 40u * 200);
}

TEST_F(OwnerSources, AgreeOnCommandsOfAnyBytes) {
  const Sockets held(1);
  Children children;
  constexpr char kOdd[] = "a) S \\n(\n\x1b\xff";
  for (const char* command : {"", kOdd, "fifteen bytes..", " ", "x"}) {
    children.Add([&] { prctl(PR_SET_NAME, command); });
  }
  ExpectAgreement(held.inodes());
  const OwnerIndex bpf = Scanned(OwnerSource::kBpf);
  size_t odd = 0;
  for (const Owner& owner : bpf.Find(held.inode())) odd += owner.command == kOdd ? 1u : 0u;
  EXPECT_EQ(odd, 1u);
}

TEST_F(OwnerSources, UidsAreReadForOwnersThatBpfFound) {
  const Sockets held(1);
  OwnerIndex bpf = Scanned(OwnerSource::kBpf);
  ASSERT_EQ(bpf.Find(held.inode()).size(), 1u);
  const absl::StatusOr<Uids> uids = bpf.ReadUids(bpf.Find(held.inode())[0]);
  ASSERT_TRUE(uids.ok()) << uids.status();
  EXPECT_EQ(uids->real, Uid(getuid()));
}

TEST_F(OwnerSources, AgreeInsideAPidNamespaceWithItsOwnNumbers) {
  const Sockets held(2);
  RunAlone([&] {
    EXPECT_EQ(getpid(), 1);
    Children children;
    const pid_t child = children.Add([] { prctl(PR_SET_NAME, "inner"); });
    ExpectAgreement(held.inodes());
    const OwnerIndex bpf = Scanned(OwnerSource::kBpf);
    const Owners owners = bpf.Find(held.inode());
    ASSERT_EQ(owners.size(), 2u) << "this process and its child, and no process outside";
    EXPECT_EQ(owners[0].pid, Pid(1));
    EXPECT_EQ(owners[1].pid, Pid(child));
    EXPECT_EQ(owners[1].command, "inner");
  });
}

// A pid of the parent's namespace must not be taken for one of this namespace.
TEST_F(OwnerSources, AutoKeepsToProcWhereProcNumbersOtherwise) {
  RunInChild([] {
    ASSERT_EQ(unshare(CLONE_NEWPID), 0);
    RunInChild([] {
      OwnerIndex index;
      ASSERT_TRUE(index.Refresh().ok());
      EXPECT_EQ(index.stats().source, OwnerSource::kProc);
      EXPECT_THAT(index.stats().no_bpf.ToString(), HasSubstr("pid namespace"));
    });
  });
}

TEST_F(OwnerSources, AgreeInATimeNamespace) {
  const Sockets held(1);
  RunInChild([&] {
    constexpr int kCloneNewtime = 0x80;
    ASSERT_EQ(unshare(kCloneNewtime), 0);
    const int offsets = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
    const std::string_view hour = "boottime 3600 500000000";
    ASSERT_EQ(write(offsets, hour.data(), hour.size()), static_cast<ssize_t>(hour.size()));
    close(offsets);
    RunInChild([&] { ExpectAgreement(held.inodes()); });
  });
}

// A child with a thread that leaves the process's table, and one that shares it.
pid_t AddProcessWithOwnTable(Children* children, const Sockets& held, int go) {
  return children->Add([&held, go] {
    std::thread([] {
      for (;;) pause();
    }).detach();
    std::thread([&held, go] {
      char byte;
      if (read(go, &byte, 1) != 1) _exit(1);
      std::thread([&held] {
        if (unshare(CLONE_FILES) != 0) _exit(1);
        dup2(held.fd(), 77);
        dup2(held.fd(), 5);
        for (;;) pause();
      }).detach();
    }).detach();
  });
}

std::vector<Owner> OwnersOfThreads(const OwnerIndex& index, Inode inode) {
  std::vector<Owner> owners;
  for (const Owner& owner : index.Find(inode)) {
    if (owner.thread != Pid()) owners.push_back(owner);
  }
  return owners;
}

TEST_F(OwnerSources, SeeTheOwnTableOfAThread) {
  const Sockets held(1);
  Children children;
  // The thread's number is above that of another process that holds the socket.
  int go[2];
  ASSERT_EQ(pipe2(go, O_CLOEXEC), 0);
  const pid_t with_thread = AddProcessWithOwnTable(&children, held, go[0]);
  const pid_t after = children.Add([] {});
  ASSERT_EQ(write(go[1], "x", 1), 1);
  for (const OwnerSource source : {OwnerSource::kBpf, OwnerSource::kProc}) {
    OwnerIndex index({.source = source});
    std::vector<Owner> of_thread;
    for (int i = 0; i < 10'000 && of_thread.size() < 3; ++i) {
      ASSERT_TRUE(index.Refresh().ok());
      of_thread = OwnersOfThreads(index, held.inode());
    }
    ASSERT_EQ(of_thread.size(), 3u);
    EXPECT_GT(of_thread[0].thread, Pid(after));
    std::vector<int> fds;
    for (const Owner& owner : of_thread) {
      EXPECT_EQ(owner.pid, Pid(with_thread));
      EXPECT_EQ(owner.start_time, of_thread[0].start_time);
      fds.push_back(owner.fd);
    }
    EXPECT_THAT(fds, ::testing::UnorderedElementsAre(5, held.fd(), 77));
    // The owners are in order of pid, although the thread was met late. Threads that share the
    // table of their process are not owners.
    std::vector<Pid> pids;
    for (const Owner& owner : index.Find(held.inode())) pids.push_back(owner.pid);
    EXPECT_TRUE(std::is_sorted(pids.begin(), pids.end()));
    EXPECT_EQ(pids.size(), 6u);
  }
  ExpectAgreement(held.inodes());
  close(go[0]);
  close(go[1]);
}

// Whether the threads of a process share its table is then not known.
TEST_F(OwnerSources, AnswerThatTheKernelDoesNotCompareIsAnError) {
  const Sockets held(1);
  Children children;
  children.Add([] {
    std::thread([] {
      for (;;) pause();
    }).detach();
  });
  for (const int errnum : {EPERM, EACCES, ENOSYS}) {
    std::thread([&] {
      testing::DenySystemCall(SYS_kcmp, errnum);
      OwnerIndex index({.source = OwnerSource::kProc});
      // The thread of the child may not be there yet.
      testing::Await("threads", [&] {
        EXPECT_TRUE(index.Refresh().ok());
        return index.stats().errors > 0;
      });
      EXPECT_EQ(index.stats().first_error, errnum);
      EXPECT_EQ(index.Reason(Inode(1)), NoOwner::kHidden);
      EXPECT_FALSE(index.Find(held.inode()).empty());
    }).join();
  }
}

// Without it, nothing tells whether /proc numbers processes as kcmp() does, and the tables of
// threads are left out.
TEST_F(OwnerSources, AProcfsThatCannotBeRecognizedIsAnError) {
  for (const int errnum : {EPERM, ENOSYS, EIO}) {
    std::thread([&] {
      OwnerIndex index({.source = OwnerSource::kProc});
      EXPECT_TRUE(index.Refresh().ok());
      const uint64_t known = index.stats().errors + index.stats().denied;
      testing::DenySystemCall(SYS_fstatfs, errnum);
      EXPECT_TRUE(index.Refresh().ok());
      EXPECT_GT(index.stats().errors + index.stats().denied, known);
      EXPECT_EQ(index.Reason(Inode(1)), NoOwner::kHidden);
    }).join();
  }
}

// The leader of a process can end before its threads. Then it has no descriptors.
TEST_F(OwnerSources, SeeTheTableOfAProcessWithoutLeader) {
  const Sockets held(1);
  int ready[2];
  ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::thread([] {
      for (;;) pause();
    }).detach();
    if (write(ready[1], "x", 1) != 1) _exit(1);
    syscall(SYS_exit, 0);  // the thread's alone
  }
  char byte;
  EXPECT_EQ(read(ready[0], &byte, 1), 1);
  close(ready[0]);
  close(ready[1]);
  for (const OwnerSource source : {OwnerSource::kBpf, OwnerSource::kProc}) {
    OwnerIndex index({.source = source});
    std::vector<Owner> of_thread;
    for (int i = 0; i < 10'000 && of_thread.empty(); ++i) {
      ASSERT_TRUE(index.Refresh().ok());
      of_thread = OwnersOfThreads(index, held.inode());
    }
    ASSERT_EQ(of_thread.size(), 1u);
    EXPECT_EQ(of_thread[0].pid, Pid(pid));
    EXPECT_EQ(of_thread[0].fd, held.fd());
  }
  ExpectAgreement(held.inodes());
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
}

TEST_F(OwnerSources, BpfScansInSlices) {
  const Sockets held(1);
  Children children;
  for (int i = 0; i < 10; ++i) {
    children.Add([] {
      for (int n = 0; n < 900; ++n) SocketOrDie();
    });
  }
  OwnerIndex index({.source = OwnerSource::kBpf});
  ASSERT_TRUE(index.Begin().ok());
  int steps = 0;
  for (bool done = false; !done; ++steps) {
    EXPECT_TRUE(index.Find(held.inode()).empty());
    const absl::StatusOr<bool> step = index.Step(1);
    ASSERT_TRUE(step.ok()) << step.status();
    done = *step;
  }
  EXPECT_GE(steps, 9000 * 12 / (32 * 1024));
  const std::string whole = Describe(index, held.inode());
  EXPECT_EQ(whole, Describe(Scanned(OwnerSource::kProc), held.inode()));
  // An unfinished scan leaves nothing behind, also not the process that the program met last.
  for (int unfinished = 0; unfinished < steps; ++unfinished) {
    ASSERT_TRUE(index.Begin().ok());
    for (int i = 0; i < unfinished; ++i) ASSERT_TRUE(index.Step(1).ok());
    ASSERT_TRUE(index.Refresh().ok());
    EXPECT_EQ(Describe(index, held.inode()), whole);
  }
}

TEST_F(OwnerSources, AutoUsesBpfWhenThatIsWorthIt) {
  const Sockets held(1);
  RunAlone([&] {
    OwnerIndex few;
    ASSERT_TRUE(few.Refresh().ok());
    EXPECT_EQ(few.stats().source, OwnerSource::kProc);
    EXPECT_TRUE(few.stats().no_bpf.ok()) << few.stats().no_bpf;
    Children children;
    for (int i = 0; i < 20; ++i) {
      children.Add([] {
        for (int n = 0; n < 900; ++n) SocketOrDie();
      });
    }
    OwnerIndex many;
    ASSERT_TRUE(many.Refresh().ok());
    EXPECT_EQ(many.stats().source, OwnerSource::kBpf);
    EXPECT_EQ(Describe(many, held.inode()), Describe(Scanned(OwnerSource::kProc), held.inode()));
  });
}

TEST_F(OwnerSources, AutoOfALongLivedIndexUsesBpfInTheEnd) {
  const Sockets held(20);
  RunAlone([&] {
    OwnerIndex index;
    int scans = 0;
    do {
      ASSERT_TRUE(index.Refresh().ok());
      ASSERT_EQ(index.Find(held.inode()).size(), 1u);
    } while (index.stats().source == OwnerSource::kProc && ++scans < 1000);
    EXPECT_GT(scans, 10);
    EXPECT_EQ(index.stats().source, OwnerSource::kBpf);
    OwnerIndex next = index.Successor();
    EXPECT_EQ(index.Find(held.inode()).size(), 1u);
    ASSERT_TRUE(next.Refresh().ok());
    EXPECT_EQ(next.stats().source, OwnerSource::kBpf) << "it took over what was loaded";
    EXPECT_EQ(Describe(next, held.inode()), Describe(index, held.inode()));
  });
}

TEST_F(OwnerSources, WithoutCapabilitiesAutoReadsProcAndSaysWhy) {
  const auto names_capabilities = AllOf(HasSubstr("CAP_BPF"), HasSubstr("CAP_PERFMON"));
  const Sockets held(1);
  RunInChild([&] {
    DropCapabilities();
    OwnerIndex index;
    ASSERT_TRUE(index.Refresh().ok());
    EXPECT_EQ(index.stats().source, OwnerSource::kProc);
    EXPECT_TRUE(IsPermission(index.stats().no_bpf));
    EXPECT_THAT(index.stats().no_bpf.ToString(), names_capabilities);
    EXPECT_FALSE(index.Find(held.inode()).empty());

    OwnerIndex bpf({.source = OwnerSource::kBpf});
    for (int again = 0; again < 2; ++again) {
      const absl::Status status = bpf.Refresh();
      EXPECT_TRUE(IsPermission(status)) << status;
      EXPECT_THAT(status.ToString(), names_capabilities);
      EXPECT_EQ(bpf.Reason(held.inode()), NoOwner::kNotAsked);
      EXPECT_TRUE(bpf.Find(held.inode()).empty());
    }
    EXPECT_EQ(OwnerIndex::CheckBpf(), bpf.Refresh());
  });
  RunUnprivileged([&] { EXPECT_THAT(OwnerIndex::CheckBpf().ToString(), names_capabilities); });
}

TEST_F(OwnerSources, CapabilitiesOfAUserNamespaceDoNotCount) {
  if (InChroot()) GTEST_SKIP() << "a chroot cannot make user namespaces";
  RunInChild([] {
    ASSERT_EQ(unshare(CLONE_NEWUSER), 0);
    EXPECT_THAT(OwnerIndex::CheckBpf().ToString(), HasSubstr("first user namespace"));
    EXPECT_TRUE(IsPermission(OwnerIndex({.source = OwnerSource::kBpf}).Refresh()));
  });
}

// O_PATH opens the name of a unix socket. That is an inode of the file system, whose number can be
// equal to that of a socket.
TEST_F(OwnerSources, DoNotTakeTheNameOfASocketForASocket) {
  const int socket = SocketOrDie();
  const int bound = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un name = {.sun_family = AF_UNIX};
  snprintf(name.sun_path, sizeof(name.sun_path), "%s/name", ::testing::TempDir().c_str());
  unlink(name.sun_path);
  ASSERT_EQ(bind(bound, reinterpret_cast<const sockaddr*>(&name), sizeof(name)), 0);
  const int path = open(name.sun_path, O_PATH | O_CLOEXEC);
  struct stat of_name {};
  ASSERT_EQ(fstat(path, &of_name), 0);
  ASSERT_TRUE(S_ISSOCK(of_name.st_mode));
  for (const OwnerSource source : {OwnerSource::kProc, OwnerSource::kBpf}) {
    OwnerIndex index({.source = source});
    ASSERT_TRUE(index.Refresh().ok());
    EXPECT_EQ(index.Find(InodeOf(socket)).size(), 1u);
    EXPECT_EQ(index.Find(InodeOf(bound)).size(), 1u);
    for (const Owner& owner : index.Find(Inode(static_cast<uint32_t>(of_name.st_ino)))) {
      EXPECT_FALSE(owner.pid == Pid(getpid()) && owner.fd == path);
    }
  }
  for (const int fd : {socket, bound, path}) close(fd);
  unlink(name.sun_path);
}

TEST_F(OwnerSources, TellTheNamespaceOfEachSocket) {
  struct stat own {};
  ASSERT_EQ(stat("/proc/self/ns/net", &own), 0);
  const Sockets held(1);
  Children children;
  const Elsewhere theirs = AddElsewhere(&children);
  const absl::StatusOr<std::unique_ptr<bpf::TaskFiles>> files = bpf::TaskFiles::Load(true);
  ASSERT_TRUE(files.ok()) << files.status();
  ASSERT_TRUE((*files)->Begin().ok());
  std::map<Inode, NetnsId> netns;
  absl::StatusOr<bool> more = true;
  while (more.ok() && *more) {
    more = (*files)->Read([](const bpf::Task&) {},
                          [&](const bpf::SocketFile& file) { netns[file.inode] = file.netns; });
  }
  ASSERT_TRUE(more.ok()) << more.status();
  EXPECT_EQ(netns[held.inode()], NetnsId(static_cast<uint32_t>(own.st_ino)));
  EXPECT_EQ(netns[theirs.inode], theirs.netns);
  EXPECT_NE(theirs.netns.value(), own.st_ino);
}

TEST_F(OwnerSources, LeaveTheProcessAsItWas) {
  rlimit before{}, after{};
  ASSERT_EQ(getrlimit(RLIMIT_MEMLOCK, &before), 0);
  const int open_before = OpenDescriptors();
  {
    OwnerIndex index = Scanned(OwnerSource::kBpf);
    EXPECT_EQ(OpenDescriptors(), open_before + 1) << "the loaded program";
    for (int fd = 3; fd < 100; ++fd) {
      const int flags = fcntl(fd, F_GETFD);
      char target[64] = {};
      const std::string link = "/proc/self/fd/" + std::to_string(fd);
      if (readlink(link.c_str(), target, sizeof(target) - 1) < 0) continue;
      if (std::string_view(target).find("bpf") == std::string_view::npos) continue;
      EXPECT_TRUE((flags & FD_CLOEXEC) != 0) << target;
    }
    ASSERT_TRUE(index.Begin().ok());
    OwnerIndex moved = std::move(index);
    ASSERT_TRUE(moved.Refresh().ok());
  }
  EXPECT_EQ(OpenDescriptors(), open_before);
  ASSERT_EQ(getrlimit(RLIMIT_MEMLOCK, &after), 0);
  EXPECT_EQ(after.rlim_cur, before.rlim_cur);
}

TEST_F(OwnerSources, BpfAllocatesNothingInSteadyState) {
  const Sockets held(300);
  OwnerIndex index = Scanned(OwnerSource::kBpf);
  ASSERT_GE(index.stats().sockets, 300u);
  AllocCounter counter;
  const bool ok = index.Refresh().ok();
  EXPECT_EQ(counter.count(), 0u);
  EXPECT_TRUE(ok);
}

}  // namespace
}  // namespace netdiag
