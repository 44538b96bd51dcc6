// Tested by tests/tools/privileges_test.cc.

#include "tools/diag/privileges.h"

#include <linux/capability.h>
#include <sys/auxv.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace diag {

bool GainedPrivileges() { return getauxval(AT_SECURE) != 0; }

int OpenAsCaller(const std::string& path, int flags, mode_t mode) {
  if (!GainedPrivileges()) return open(path.c_str(), flags, mode);
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct before[2] = {};
  if (syscall(SYS_capget, &header, before) != 0) return -1;
  __user_cap_data_struct none[2] = {before[0], before[1]};
  none[0].effective = none[1].effective = 0;
  // The file system's ids first, because changing them changes effective capabilities.
  setfsgid(getgid());
  setfsuid(getuid());
  int fd = -1;
  if (syscall(SYS_capset, &header, none) == 0) fd = open(path.c_str(), flags, mode);
  const int errnum = errno;
  setfsuid(geteuid());
  setfsgid(getegid());
  // The permitted capabilities are still there, so this cannot fail.
  syscall(SYS_capset, &header, before);
  errno = errnum;
  return fd;
}

}  // namespace diag
