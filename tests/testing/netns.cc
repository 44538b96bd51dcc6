#include "tests/testing/netns.h"

#include <sys/syscall.h>

#include <sched.h>
#include <thread>
#include <unistd.h>

#include "tests/testing/sockets.h"

namespace netdiag::testing {

void EnterNewNetns() {
  Check(unshare(CLONE_NEWNET) == 0, "unshare(CLONE_NEWNET), which needs CAP_SYS_ADMIN");
  LoUp();
}

void InNewNetns(const std::function<void()>& body) {
  std::thread([&] {
    EnterNewNetns();
    body();
  }).join();
}

void AsNobody(const std::function<void()>& body) {
  std::thread([&] {
    // The C library's functions would change all threads.
    constexpr int kNobody = 65534;
    Check(syscall(SYS_setresgid, kNobody, kNobody, kNobody) == 0, "setresgid");
    Check(syscall(SYS_setresuid, kNobody, kNobody, kNobody) == 0, "setresuid");
    body();
  }).join();
}

void NewNetnsEnvironment::SetUp() {
  if (geteuid() == 0) EnterNewNetns();
}

}  // namespace netdiag::testing
