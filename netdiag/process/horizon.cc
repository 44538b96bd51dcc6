// Tested by tests/process/owner_views_test.cc.

#include "netdiag/process/horizon.h"

#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "netdiag/process/directory.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag::internal {
namespace {

enum class PidNamespace { kFirst, kOther, kUnknown };

PidNamespace Of(int root, const char* path) {
  constexpr ino_t kFirst = 0xEFFFFFFC;
  struct stat status {};
  if (fstatat(root, path, &status, 0) != 0) return PidNamespace::kUnknown;
  return status.st_ino == kFirst ? PidNamespace::kFirst : PidNamespace::kOther;
}

// An unknown pid namespace counts as another one than the first, unless the kernel has none.
bool CanBeOther(int root, PidNamespace known) {
  if (known == PidNamespace::kUnknown) known = Of(root, "self/ns/pid");
  if (known == PidNamespace::kUnknown) return faccessat(root, "self/ns", F_OK, 0) != 0;
  return known == PidNamespace::kOther;
}

}  // namespace

bool IsProcfs(int fd) {
  struct statfs filesystem {};
  constexpr auto kProcfs = 0x9fa0;  // PROC_SUPER_MAGIC
  return fstatfs(fd, &filesystem) == 0 && filesystem.f_type == kProcfs;
}

// Every pid namespace has a process 1. If the procfs does not show it, hidepid is on and hides
// other processes too. If process 1 is of this process's user, it is shown, and hidepid is not
// noticed. A procfs shows the pid namespace of its process 1. If that may not be read, this
// process's own namespace is taken.
Horizon HorizonOf(int root) {
  errno = 0;
  // If the kernel does not tell what it is, it is taken for a procfs.
  if (root < 0 || (!IsProcfs(root) && errno == 0)) return {};
  struct stat status {};
  return {.hidepid = fstatat(root, "1", &status, 0) != 0 && errno == ENOENT,
          .other_pid_namespace = CanBeOther(root, Of(root, "1/ns/pid"))};
}

Horizon HorizonOfBpf() {
  const UniqueFd root = OpenDirectory(AT_FDCWD, "/proc");
  return {.other_pid_namespace = CanBeOther(root.get(), PidNamespace::kUnknown)};
}

}  // namespace netdiag::internal
