// Network namespaces of the live kernel, which the tests create.

#include "netdiag/netlink/netns.h"

#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sched.h>
#include <signal.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/netlink/conn.h"
#include "netdiag/types/error.h"
#include "tests/testing/status_matchers.h"

namespace netdiag::netlink {
namespace {

using ::testing::HasSubstr;
using namespace netdiag::testing;  // NOLINT

// A descriptor of a new namespace; -1 without the privilege to create one.
int MakeNetns() {
  int fd = -1;
  std::thread([&] {
    if (unshare(CLONE_NEWNET) == 0) {
      fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    }
  }).join();
  return fd;
}

class Netns : public ::testing::Test {
 protected:
  void SetUp() override {
    fd_ = MakeNetns();
    if (fd_ < 0 && geteuid() != 0) GTEST_SKIP() << "needs root to make a namespace";
    ASSERT_GE(fd_, 0);
    struct stat file {};
    ASSERT_EQ(fstat(fd_, &file), 0);
    id_ = NetnsId(static_cast<uint32_t>(file.st_ino));
    path_ = "/proc/self/fd/" + std::to_string(fd_);
  }
  void TearDown() override {
    EXPECT_EQ(CurrentNetns(), before_) << "the calling thread's namespace changed";
    if (fd_ >= 0) close(fd_);
  }

  int fd_ = -1;
  NetnsId id_;
  std::string path_;
  const NetnsId before_ = CurrentNetns();
};

TEST_F(Netns, RunEntersByDescriptorAndByPath) {
  ASSERT_NE(id_, before_);
  for (const bool by_path : {false, true}) {
    SCOPED_TRACE(by_path ? "by path" : "by descriptor");
    const NetNs netns = by_path ? NetNs::FromPath(path_) : NetNs::FromFd(fd_);
    NetnsId inside;
    EXPECT_THAT(netns.Run([&]() -> absl::Status {
      inside = CurrentNetns();
      return absl::OkStatus();
    }),
                IsOk());
    EXPECT_EQ(inside, id_);
    EXPECT_EQ(netns.Identify().value(), id_);
  }
}

TEST_F(Netns, FromPidIsTheNamespaceOfTheProcess) {
  int ready[2];
  ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    setns(fd_, CLONE_NEWNET);
    close(ready[0]);
    close(ready[1]);
    for (;;) pause();
  }
  close(ready[1]);
  char byte = 0;
  EXPECT_EQ(read(ready[0], &byte, 1), 0);  // the child closes its end when it is in the namespace
  close(ready[0]);
  EXPECT_EQ(NetNs::FromPid(Pid(child)).Identify().value(), id_);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

TEST_F(Netns, RunReturnsTheStatusOfTheWork) {
  EXPECT_THAT(NetNs::FromFd(fd_).Run([] { return TimeoutError("work"); }), EndedByDeadline());
}

TEST_F(Netns, RunUsesAnotherThreadWithEverySignalBlocked) {
  const std::thread::id caller = std::this_thread::get_id();
  sigset_t mask;
  EXPECT_THAT(NetNs::FromFd(fd_).Run([&] {
    EXPECT_NE(std::this_thread::get_id(), caller);
    pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    return absl::OkStatus();
  }),
              IsOk());
  for (const int signal :
       {SIGINT, SIGTERM, SIGUSR1, SIGALRM, SIGCHLD, SIGPROF, SIGRTMIN, SIGRTMAX}) {
    EXPECT_EQ(sigismember(&mask, signal), 1) << signal;
  }
  pthread_sigmask(SIG_BLOCK, nullptr, &mask);
  EXPECT_EQ(sigismember(&mask, SIGUSR1), 0);
}

TEST_F(Netns, ConnLivesInTheNamespaceThatItWasDialledIn) {
  Config config;
  config.netns = NetNs::FromFd(fd_);
  config.port_id = 4711;
  const auto inside = Conn::Dial(kFamilySockDiag, std::move(config));
  ASSERT_THAT(inside, IsOk());
  // The same port id is free in the namespace outside.
  Config outside;
  outside.port_id = 4711;
  const auto other = Conn::Dial(kFamilySockDiag, std::move(outside));
  ASSERT_THAT(other, IsOk());
  EXPECT_EQ((*inside)->port_id(), 4711u);
}

TEST_F(Netns, NoThreadStaysInTheNamespace) {
  {
    Config config;
    config.netns = NetNs::FromFd(fd_);
    ASSERT_THAT(Conn::Dial(kFamilySockDiag, std::move(config)), IsOk());
  }
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    struct stat file {};
    const int found = stat((task.path() / "ns/net").c_str(), &file);
    if (found != 0 && errno == ENOENT) continue;  // a thread that is just ending
    ASSERT_EQ(found, 0) << task.path();
    EXPECT_EQ(file.st_ino, before_.value()) << task.path();
  }
}

TEST_F(Netns, ASocketInProcLeadsToItsNamespace) {
  int held = -1;
  ASSERT_THAT(NetNs::FromFd(fd_).Run([&] {
    held = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return absl::OkStatus();
  }),
              IsOk());
  ASSERT_GE(held, 0);
  const std::string path = "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(held);
  EXPECT_EQ(NetNs::FromPath(path).Identify().value(), id_);
  NetnsId inside;
  const std::vector<FoundNetns> namespaces = {{id_, "", {path}}, {NetnsId(7), "", {path}}};
  EXPECT_THAT(RunInEach(namespaces,
                        [&](size_t i, const absl::Status& entered) {
                          EXPECT_EQ(entered.ok(), i == 0) << entered;
                          if (entered.ok()) inside = CurrentNetns();
                        }),
              IsOk());
  EXPECT_EQ(inside, id_);
  close(held);
  EXPECT_THAT(NetNs::FromPath(path).Identify(), ErrnoIs(ENOENT));
}

TEST_F(Netns, RefusesOtherKindsOfNamespaces) {
  const NetNs mount = NetNs::FromPath("/proc/self/ns/mnt");
  EXPECT_THAT(mount.Identify(), ErrnoIs(EINVAL));
  EXPECT_THAT(std::string(mount.Identify().status().message()), HasSubstr("/proc/self/ns/mnt"));
  EXPECT_THAT(mount.Run([] { return absl::OkStatus(); }), ErrnoIs(EINVAL));
}

TEST(NetnsErrors, OtherFilesAreRefusedWithoutHanging) {
  const std::string fifo = ::testing::TempDir() + "/netns_test_fifo";
  unlink(fifo.c_str());
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  for (const std::string& path : {fifo, std::string("/"), std::string("/proc/self/status"),
                                  std::string("/dev/null"), std::string("/dev/tty")}) {
    SCOPED_TRACE(path);
    const absl::Status status = NetNs::FromPath(path).Run([] {
      ADD_FAILURE() << "entered";
      return absl::OkStatus();
    });
    EXPECT_FALSE(status.ok());
    EXPECT_THAT(std::string(status.message()), HasSubstr(path));
    if (path != "/dev/tty") {  // cannot be opened without a terminal
      EXPECT_THAT(status, ErrnoIs(EINVAL));
      EXPECT_THAT(std::string(status.message()), HasSubstr("not a namespace"));
    }
  }
  unlink(fifo.c_str());
}

// Opening it could wait for the file system of another process.
TEST(NetnsErrors, AFileThatAProcessHoldsInTheWayIsNotOpened) {
  const std::string file = ::testing::TempDir() + "/netns_test_file";
  const int held = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_GE(held, 0);
  const int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  ASSERT_GE(inotify_add_watch(watch, file.c_str(), IN_OPEN), 0);
  const std::string path = "/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(held);
  EXPECT_THAT(NetNs::FromPath(path).Identify(), ErrnoIs(EINVAL));
  const std::vector<FoundNetns> namespaces = {{NetnsId(7), "", {path}}};
  absl::Status entered;
  EXPECT_THAT(RunInEach(namespaces, [&](size_t, const absl::Status& status) { entered = status; }),
              IsOk());
  EXPECT_TRUE(absl::IsNotFound(entered)) << entered;
  char event[1024];
  EXPECT_EQ(read(watch, event, sizeof(event)), -1) << "the file was opened";
  close(watch);
  close(held);
  unlink(file.c_str());
}

TEST(NetnsErrors, AbsentPathIsNamed) {
  const absl::Status status = NetNs::FromPath("/run/netns/absent").Identify().status();
  EXPECT_THAT(status, ErrnoIs(ENOENT));
  EXPECT_THAT(std::string(status.message()), HasSubstr("/run/netns/absent"));
}

TEST(NetnsErrors, DescriptorMustBeOpenAndOfANamespace) {
  EXPECT_THAT(NetNs::FromFd(-1).Identify(), ErrnoIs(EBADF));
  EXPECT_THAT(NetNs::FromFd(1 << 20).Identify(), ErrnoIs(EBADF));
  const int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  EXPECT_THAT(NetNs::FromFd(root).Identify(), ErrnoIs(EINVAL));
  close(root);
}

TEST(NetnsErrors, MissingCapabilityIsNamed) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to drop its privileges";
  const int fd = MakeNetns();
  ASSERT_GE(fd, 0);
  absl::Status status;
  // The raw system call changes this thread only; glibc would change the whole process.
  std::thread([&] {
    ASSERT_EQ(syscall(SYS_setresuid, 65534, 65534, 65534), 0);
    status = NetNs::FromFd(fd).Run([] { return absl::OkStatus(); });
  }).join();
  close(fd);
  EXPECT_THAT(status, ErrnoIs(EPERM));
  EXPECT_THAT(std::string(status.message()), HasSubstr("CAP_SYS_ADMIN"));
}

TEST(NetNsFromName, SelfIsTheOwnNamespaceAndNeedsNoPrivilege) {
  const auto self = NetNs::FromName("self");
  ASSERT_THAT(self.status(), IsOk());
  EXPECT_EQ(self->Identify().value(), CurrentNetns());
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to drop its privileges";
  absl::Status status = TimeoutError("not run");
  std::thread([&] {
    ASSERT_EQ(syscall(SYS_setresuid, 65534, 65534, 65534), 0);
    status = NetNs::FromName("self")->Run([] { return absl::OkStatus(); });
  }).join();
  EXPECT_THAT(status, IsOk());
}

// ---- Finding namespaces ----

// A directory tree that looks like procfs, deleted by the destructor.
class FindNamespacesTest : public ::testing::Test {
 protected:
  FindNamespacesTest() {
    const char* directory = getenv("TEST_TMPDIR");
    root_ = std::string(directory != nullptr ? directory : "/tmp") + "/proc-XXXXXX";
    EXPECT_NE(mkdtemp(root_.data()), nullptr);
  }
  ~FindNamespacesTest() override { std::filesystem::remove_all(root_); }
  void Process(const std::string& pid, const std::string& link) {
    std::filesystem::create_directories(root_ + "/" + pid + "/ns");
    std::filesystem::create_symlink(link, root_ + "/" + pid + "/ns/net");
  }
  // The namespaces in the tree, without those that the host has in /run/netns.
  std::vector<FoundNetns> Find() {
    FoundNamespaces found = FindNamespaces(root_);
    std::erase_if(found.namespaces,
                  [](const FoundNetns& netns) { return netns.id.value() > 1'000'000; });
    return found.namespaces;
  }

  std::string root_;
};

TEST_F(FindNamespacesTest, FindsEachOnceWithItsNameAndAtMostThreePaths) {
  for (const char* pid : {"1", "2", "3", "4"}) Process(pid, "net:[77]");
  Process("5", "net:[55]");
  Process("self", "net:[99]");
  Process("6", "mnt:[11]");
  Process("7", "net:[x]");
  std::filesystem::create_directories(root_ + "/thread-self");
  std::ofstream(root_ + "/thread-self/mountinfo")
      << "40 31 0:4 net:[77] /run/netns/b\\040lue rw shared:9 - nsfs nsfs rw\n"
         "41 31 0:4 net:[66] /run/docker/netns/1-x rw - nsfs nsfs rw\n"
         "42 31 0:4 mnt:[12] /run/netns/no rw - nsfs nsfs rw\n"
         "43 31 0:4 net:[13] /run/netns/fake rw - tmpfs net rw\n"
         "44 31\n";
  const std::vector<FoundNetns> found = Find();
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].id, NetnsId(77));
  EXPECT_EQ(found[0].name, "b lue");
  ASSERT_EQ(found[0].paths.size(), 3u);
  EXPECT_EQ(found[0].paths[0], "/run/netns/b lue") << "paths of mounts come first";
  EXPECT_EQ(found[1].id, NetnsId(55));
  EXPECT_EQ(found[1].name, "");
  EXPECT_EQ(found[1].paths, std::vector<std::string>{root_ + "/5/ns/net"});
  EXPECT_EQ(found[2].id, NetnsId(66));
  EXPECT_EQ(found[2].name, "") << "a mount outside /run/netns has no name";
}

TEST_F(FindNamespacesTest, FindsNamespacesThatAProcessHoldsOpen) {
  Process("1", "net:[77]");
  Process("2", "net:[77]");
  for (const char* pid : {"1", "2"}) std::filesystem::create_directories(root_ + "/" + pid + "/fd");
  const auto hold = [&](const char* fd, const char* what) {
    std::filesystem::create_symlink(what, root_ + "/" + fd);
  };
  hold("1/fd/0", "/dev/null");
  hold("1/fd/3", "net:[77]");
  hold("1/fd/4", "net:[88]");
  hold("1/fd/5", "mnt:[99]");
  hold("1/fd/6", "socket:[66]");
  hold("1/fd/7", "/tmp/net:[11]");
  hold("2/fd/9", "net:[88]");
  const std::vector<FoundNetns> found = Find();
  ASSERT_EQ(found.size(), 2u);
  EXPECT_THAT(found[0].paths,
              ::testing::UnorderedElementsAre(root_ + "/1/ns/net", root_ + "/2/ns/net"))
      << "a descriptor is no better way than a process";
  EXPECT_EQ(found[1].id, NetnsId(88));
  ASSERT_EQ(found[1].paths.size(), 1u);
  EXPECT_TRUE(found[1].paths[0] == root_ + "/1/fd/4" || found[1].paths[0] == root_ + "/2/fd/9");
}

TEST_F(FindNamespacesTest, ReadsDescriptorsOnlyUntilTheWantedNamespacesAreFound) {
  Process("1", "net:[77]");
  std::filesystem::create_directories(root_ + "/1/fd");
  std::filesystem::create_symlink("net:[88]", root_ + "/1/fd/4");
  const auto find = [&](const std::vector<NetnsId>& wanted) {
    std::vector<NetnsId> found;
    for (const FoundNetns& netns : FindNamespaces(root_, wanted).namespaces) {
      if (netns.id.value() < 1'000'000) found.push_back(netns.id);
    }
    return found;
  };
  const std::vector<NetnsId> cheap = {NetnsId(77)}, all = {NetnsId(77), NetnsId(88)};
  EXPECT_EQ(find({}), cheap);
  EXPECT_EQ(find(cheap), cheap) << "the process is enough";
  EXPECT_EQ(find(all), all);
  EXPECT_EQ(find({NetnsId(99)}), all) << "all descriptors are read for one that is nowhere";
}

// Else a row could not tell it from the namespace of diag.
TEST_F(FindNamespacesTest, ANamespaceThatIsCalledSelfHasNoName) {
  std::filesystem::create_directories(root_ + "/thread-self");
  std::ofstream(root_ + "/thread-self/mountinfo")
      << "40 31 0:4 net:[77] /run/netns/self rw - nsfs nsfs rw\n";
  const std::vector<FoundNetns> found = Find();
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].name, "");
}

TEST_F(FindNamespacesTest, FindsNothingWithoutProcfs) {
  EXPECT_TRUE(Find().empty());
  root_ += "/none";
  EXPECT_TRUE(Find().empty());
}

TEST_F(Netns, RunInEachEntersInOrderAndReportsVanishedNamespaces) {
  const std::vector<FoundNetns> namespaces = {
      {id_, "", {"/nonexistent", "/proc/self/ns/net", path_}},  // only the last path leads to it
      {NetnsId(7), "", {path_}},  // the path leads to another namespace
      {id_, "", {}},
  };
  std::vector<NetnsId> inside;
  std::vector<bool> vanished;
  const auto look = [&](size_t i, const absl::Status& entered) {
    EXPECT_EQ(i, vanished.size());
    vanished.push_back(absl::IsNotFound(entered));
    if (entered.ok()) inside.push_back(CurrentNetns());
  };
  EXPECT_THAT(RunInEach(namespaces, look), IsOk());
  EXPECT_EQ(vanished, (std::vector<bool>{false, true, true}));
  EXPECT_EQ(inside, std::vector<NetnsId>{id_});
}

TEST(NetNsFromName, AcceptsAPathOrAPid) {
  const NetnsId here = CurrentNetns();
  for (const std::string& name : {std::string("/proc/self/ns/net"), std::to_string(getpid())}) {
    SCOPED_TRACE(name);
    const auto netns = NetNs::FromName(name);
    ASSERT_THAT(netns.status(), IsOk());
    const auto id = netns->Identify();
    ASSERT_THAT(id, IsOk());
    EXPECT_EQ(*id, here);
  }
}

TEST(NetNsFromName, QuotesATextThatNamesNoNamespace) {
  for (const char* name :
       {"no-such-namespace", "0", "-1", "+1", "12x", "0x1", "99999999999", " 1"}) {
    const auto netns = NetNs::FromName(name);
    EXPECT_FALSE(netns.ok()) << name;
    EXPECT_THAT(std::string(netns.status().message()), HasSubstr(name));
  }
}

}  // namespace
}  // namespace netdiag::netlink
