// tests/process/process_testing.h — helpers of the tests of netdiag/process.

#ifndef NETDIAG_TESTS_PROCESS_PROCESS_TESTING_H_
#define NETDIAG_TESTS_PROCESS_PROCESS_TESTING_H_

#include <sys/prctl.h>
#include <sys/wait.h>

#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <grp.h>
#include <signal.h>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>

#include "netdiag/process/owner_index.h"

namespace netdiag::testing {

// "77: 5/1 fd 9 init, 42/1000 fd 6 nginx\n": pid/start time; empty if there is no owner.
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

// Runs `body` in a child without privileges (the user nobody, if this is root). Its failures are
// failures of the test.
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

// A child that runs `body` and then waits. `body` has run when the constructor returns. The
// destructor ends the child.
class Child {
 public:
  template <class Body>
  explicit Child(Body body) {
    int ready[2];
    EXPECT_EQ(pipe2(ready, O_CLOEXEC), 0);
    pid_ = fork();
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      body();
      if (write(ready[1], "x", 1) != 1) _exit(1);
      for (;;) pause();
    }
    close(ready[1]);
    char byte;
    EXPECT_EQ(read(ready[0], &byte, 1), 1) << "the child failed";
    close(ready[0]);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() { End(); }
  pid_t pid() const { return pid_; }
  void End() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_;
};

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_PROCESS_PROCESS_TESTING_H_
