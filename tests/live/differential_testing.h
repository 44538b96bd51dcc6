// tests/live/differential_testing.h — what tests share that compare diag with another program.

#ifndef NETDIAG_TESTS_LIVE_DIFFERENTIAL_TESTING_H_
#define NETDIAG_TESTS_LIVE_DIFFERENTIAL_TESTING_H_

#include <sys/prctl.h>
#include <sys/wait.h>

#include <csignal>
#include <cstdlib>
#include <sched.h>
#include <unistd.h>

#include "tests/testing/sockets.h"

namespace netdiag::testing {

// A second process that holds every socket of the test until the object is destroyed.
class Heir {
 public:
  // `name`: of the process; null: that of the test.
  explicit Heir(const char* name = nullptr) : pid_(fork()) {
    Check(pid_ >= 0, "fork");
    if (pid_ > 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (name != nullptr) prctl(PR_SET_NAME, name);
    for (;;) pause();
  }
  Heir(const Heir&) = delete;
  Heir& operator=(const Heir&) = delete;
  ~Heir() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

 private:
  const pid_t pid_;
};

// For the child that becomes the program: enters the network namespace, and sets an environment in
// which each program speaks English.
inline void EnterForComparison(int netns_fd) {
  if (setns(netns_fd, CLONE_NEWNET) != 0) _exit(126);
  clearenv();
  setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
  setenv("LC_ALL", "C", 1);
}

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_LIVE_DIFFERENTIAL_TESTING_H_
