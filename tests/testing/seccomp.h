// tests/testing/seccomp.h — system calls that fail, as in a sandbox.
//
//   std::thread([] {
//     DenySystemCall(SYS_kcmp, EPERM);
//     ...
//   }).join();

#ifndef NETDIAG_TESTS_TESTING_SECCOMP_H_
#define NETDIAG_TESTS_TESTING_SECCOMP_H_

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#include <cstdint>
#include <iterator>
#include <optional>
#include <unistd.h>

namespace netdiag::testing {

// Makes a system call fail with `errnum` for the calling thread and what it starts, for ever; if
// `argument` is set, only with this first argument. A failure ends the process. Allocates nothing,
// so that a child may call it after fork().
inline void DenySystemCall(long number, int errnum, std::optional<uint32_t> argument = {}) {
  constexpr uint32_t kNumberOffset = 0;  // in struct seccomp_data
  constexpr uint32_t kFirstArgumentOffset = 16;
  const uint32_t error = SECCOMP_RET_ERRNO | static_cast<uint32_t>(errnum);
  const uint32_t other = argument ? SECCOMP_RET_ALLOW : error;
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kNumberOffset),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 4),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kFirstArgumentOffset),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, argument.value_or(0), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, error),
      BPF_STMT(BPF_RET | BPF_K, other),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter = {static_cast<unsigned short>(std::size(program)), program};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
    _exit(126);
  }
}

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_TESTING_SECCOMP_H_
