// tests/process/owner_testing.h — sockets, processes and namespaces for the tests of owners.

#ifndef NETDIAG_TESTS_PROCESS_OWNER_TESTING_H_
#define NETDIAG_TESTS_PROCESS_OWNER_TESTING_H_

#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cstdint>
#include <cstdio>
#include <fcntl.h>
#include <memory>
#include <numeric>
#include <sched.h>
#include <signal.h>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/process/owner_index.h"
#include "tests/process/process_testing.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {

inline int SocketOrDie() {
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) _exit(2);
  return fd;
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

// Child processes, which end with this object.
class Children {
 public:
  template <class Body>
  pid_t Add(Body body) {
    return children_.emplace_back(std::make_unique<Child>(body))->pid();
  }

 private:
  std::vector<std::unique_ptr<Child>> children_;
};

// A child with a socket in its own network namespace.
struct Elsewhere {
  NetnsId netns;
  Inode inode;
};
inline Elsewhere AddElsewhere(Children* children) {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  uint32_t inodes[2] = {};
  children->Add([&] {
    struct stat netns {};
    if (unshare(CLONE_NEWNET) != 0 || stat("/proc/self/ns/net", &netns) != 0) _exit(1);
    inodes[0] = static_cast<uint32_t>(netns.st_ino);
    inodes[1] = InodeOf(SocketOrDie()).value();
    if (write(ends[1], inodes, sizeof(inodes)) != sizeof(inodes)) _exit(1);
  });
  EXPECT_EQ(read(ends[0], inodes, sizeof(inodes)), static_cast<ssize_t>(sizeof(inodes)));
  close(ends[0]);
  close(ends[1]);
  return {NetnsId(inodes[0]), Inode(inodes[1])};
}

// Runs `body` in a child. Its failures are failures of the test.
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

// Runs `body` in a child with its own pid namespace, which /proc shows. So no other process of the
// host is seen.
template <class Body>
void RunAlone(Body body) {
  RunInChild([&] {
    ASSERT_EQ(unshare(CLONE_NEWPID | CLONE_NEWNS), 0);
    RunInChild([&] {
      // Keeps the mount of the next call inside this namespace. Making "/" private would fail in a
      // chroot, where "/" is not a mount point.
      ASSERT_EQ(mount("none", "/proc", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
      ASSERT_EQ(mount("proc", "/proc", "proc", 0, nullptr), 0);
      body();
    });
  });
}

inline OwnerIndex Scanned(OwnerSource source) {
  OwnerIndex index({.source = source});
  const absl::Status status = index.Refresh();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(index.stats().source, source);
  EXPECT_FALSE(index.stats().partial);
  return index;
}

struct CapabilitySets {
  uint32_t effective, permitted, inheritable;
};

// Drops these capabilities (linux/capability.h), or all.
inline void DropCapabilities(const std::vector<int>& lost) {
  struct {
    uint32_t version = 0x20080522;
    int32_t pid = 0;
  } header;
  CapabilitySets sets[2] = {};
  ASSERT_EQ(syscall(SYS_capget, &header, sets), 0);
  for (const int bit : lost) {
    CapabilitySets& set = sets[bit / 32];
    set.effective &= ~(1u << bit % 32);
    set.permitted &= ~(1u << bit % 32);
  }
  ASSERT_EQ(syscall(SYS_capset, &header, sets), 0);
}

inline void DropCapabilities() {
  std::vector<int> all(64);
  std::iota(all.begin(), all.end(), 0);
  DropCapabilities(all);
}

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_PROCESS_OWNER_TESTING_H_
