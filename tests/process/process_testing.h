// tests/process/process_testing.h — what the tests of netdiag/process share.

#ifndef NETDIAG_TESTS_PROCESS_PROCESS_TESTING_H_
#define NETDIAG_TESTS_PROCESS_PROCESS_TESTING_H_

#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <grp.h>
#include <sched.h>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/process/process.h"

namespace netdiag::testing {

// "77: 5/1 fd 9 init, 42/1000 fd 6 nginx\n": pid/start time; empty if nobody holds it.
inline std::string Describe(const OwnerIndex& index, Inode inode) {
  std::string text;
  for (const Owner& owner : index.Find(inode)) {
    text += text.empty() ? std::to_string(inode.value()) + ": " : ", ";
    text += std::to_string(owner.pid.value()) + "/" + std::to_string(owner.start_time) + " fd " +
            std::to_string(owner.fd) + " " + std::string(owner.command);
  }
  return text.empty() ? text : text + "\n";
}

inline int OpenDescriptors() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count - 1;  // the iterator's own
}

// Runs `body` in a child without privileges (the user nobody, if this is root); its failures are
// the test's.
template <class Body>
void RunUnprivileged(Body body) {
  std::fflush(nullptr);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    constexpr uid_t kNobody = 65534;
    if (geteuid() == 0) {
      EXPECT_EQ(setgroups(0, nullptr), 0);
      EXPECT_EQ(setresgid(kNobody, kNobody, kNobody), 0);
      EXPECT_EQ(setresuid(kNobody, kNobody, kNobody), 0);
      EXPECT_EQ(prctl(PR_SET_DUMPABLE, 1), 0);  // else /proc/self/fd is root's
    }
    body();
    std::fflush(nullptr);
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "in the unprivileged child";
}

inline int SocketOrDie() {
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) _exit(2);
  return fd;
}

inline Inode InodeOf(int fd) {
  struct stat status {};
  EXPECT_EQ(fstat(fd, &status), 0);
  return Inode(static_cast<uint32_t>(status.st_ino));
}

// Sockets of this process, closed at the end.
class Sockets {
 public:
  explicit Sockets(int count) {
    for (int i = 0; i < count; ++i) fds_.push_back(SocketOrDie());
  }
  Sockets(const Sockets&) = delete;
  Sockets& operator=(const Sockets&) = delete;
  ~Sockets() {
    for (const int fd : fds_) close(fd);
  }
  int fd(size_t i = 0) const { return fds_[i]; }
  Inode inode(size_t i = 0) const { return InodeOf(fds_[i]); }
  std::vector<Inode> inodes() const {
    std::vector<Inode> inodes;
    for (const int fd : fds_) inodes.push_back(InodeOf(fd));
    return inodes;
  }

 private:
  std::vector<int> fds_;
};

// Children that run `body` and wait. Ended and waited for at the end.
class Children {
 public:
  Children() = default;
  Children(const Children&) = delete;
  Children& operator=(const Children&) = delete;
  template <class Body>
  pid_t Add(Body body) {
    int ready[2];
    EXPECT_EQ(pipe2(ready, O_CLOEXEC), 0);
    const pid_t pid = fork();
    if (pid == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      body();
      if (write(ready[1], "x", 1) != 1) _exit(1);
      for (;;) pause();
    }
    close(ready[1]);
    char byte;
    EXPECT_EQ(read(ready[0], &byte, 1), 1) << "the child failed";
    close(ready[0]);
    pids_.push_back(pid);
    return pid;
  }
  ~Children() {
    for (const pid_t pid : pids_) kill(pid, SIGKILL);
    for (const pid_t pid : pids_) waitpid(pid, nullptr, 0);
  }

 private:
  std::vector<pid_t> pids_;
};

// In a child whose failures are the test's.
template <class Body>
void RunInChild(Body body) {
  std::fflush(nullptr);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    body();
    std::fflush(nullptr);
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "in the child";
}

// The same in a pid namespace of its own that /proc shows: without what else runs on the machine.
template <class Body>
void RunAlone(Body body) {
  RunInChild([&] {
    ASSERT_EQ(unshare(CLONE_NEWPID | CLONE_NEWNS), 0);
    RunInChild([&] {
      // What is mounted over it stays in here. Not "/", which is no mount point in a chroot.
      ASSERT_EQ(mount("none", "/proc", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
      ASSERT_EQ(mount("proc", "/proc", "proc", 0, nullptr), 0);
      body();
    });
  });
}

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_PROCESS_PROCESS_TESTING_H_
