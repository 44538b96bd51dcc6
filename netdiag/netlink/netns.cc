// Entering a namespace on a thread that then ends. Tested by tests/netlink/netns_test.cc.

#include "netdiag/netlink/netns.h"

#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <fcntl.h>
#include <sched.h>
#include <string_view>
#include <thread>

#include "netdiag/netlink/abi.h"
#include "netdiag/types/error.h"
#include "netdiag/types/quiet_thread.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag::netlink {
namespace {

std::string NameOf(int fd, const std::string& path) {
  return "network namespace " + (fd >= 0 ? "of descriptor " + std::to_string(fd) : path);
}

// OK if `fd` is a network namespace.
absl::Status CheckNetns(int fd, std::string_view name) {
  struct statfs filesystem {};
  if (fstatfs(fd, &filesystem) != 0) return ErrnoError(errno, name);
  if (filesystem.f_type != abi::kNsfsMagic) {
    return ErrnoError(EINVAL, name, "not a namespace file (nsfs)");
  }
  // Kernels before 4.11 do not tell the type; there setns() refuses.
  const int type = ioctl(fd, NS_GET_NSTYPE);
  if (type >= 0 && type != CLONE_NEWNET) {
    return ErrnoError(EINVAL, name, "a namespace, but not of the network");
  }
  return absl::OkStatus();
}

// Calls `use` with a descriptor of the namespace, known to be one.
absl::Status WithNetns(int borrowed, const std::string& path,
                       absl::FunctionRef<absl::Status(int fd, const std::string& name)> use) {
  const std::string name = NameOf(borrowed, path);
  internal::UniqueFd opened;
  if (borrowed < 0) {
    if (path.empty()) return ErrnoError(EBADF, "network namespace");
    // O_NONBLOCK: a FIFO or a device under this name must not hang the caller.
    opened = internal::UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!opened.ok()) {
      const int errnum = errno;
      return ErrnoError(errnum, name, errnum == EACCES ? "needs CAP_SYS_PTRACE" : "");
    }
  }
  const int fd = opened.ok() ? opened.get() : borrowed;
  NETDIAG_RETURN_IF_ERROR(CheckNetns(fd, name));
  return use(fd, name);
}

absl::Status Enter(int fd, const std::string& name) {
  if (setns(fd, CLONE_NEWNET) == 0) return absl::OkStatus();
  const int errnum = errno;
  return ErrnoError(errnum, name, errnum == EPERM ? "entering it needs CAP_SYS_ADMIN" : "");
}

// Runs `body` on a new thread, and waits for its end.
absl::Status OnThread(absl::FunctionRef<absl::Status()> body) {
  absl::Status status;
  NETDIAG_ASSIGN_OR_RETURN(std::thread thread,
                           internal::StartQuietThread([&] { status = body(); }));
  thread.join();
  return status;
}

}  // namespace

NetNs NetNs::FromPid(Pid pid) {
  return FromPath("/proc/" + std::to_string(pid.value()) + "/ns/net");
}

absl::Status NetNs::Run(absl::FunctionRef<absl::Status()> work) const {
  return WithNetns(fd_, path_, [&](int fd, const std::string& name) {
    return OnThread([&] {
      const absl::Status entered = Enter(fd, name);
      return entered.ok() ? work() : entered;
    });
  });
}

absl::StatusOr<NetnsId> NetNs::Identify() const {
  NetnsId id;
  NETDIAG_RETURN_IF_ERROR(
      WithNetns(fd_, path_, [&](int fd, const std::string& name) -> absl::Status {
        struct stat file {};
        if (fstat(fd, &file) != 0) return ErrnoError(errno, name);
        id = NetnsId(static_cast<uint32_t>(file.st_ino));
        return absl::OkStatus();
      }));
  return id;
}

NetnsId CurrentNetns() {
  struct stat file {};
  if (stat("/proc/thread-self/ns/net", &file) != 0) return NetnsId();
  return NetnsId(static_cast<uint32_t>(file.st_ino));
}

}  // namespace netdiag::netlink
