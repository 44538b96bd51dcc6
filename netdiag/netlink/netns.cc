// Enters a namespace on a thread that then ends. Tested by tests/netlink/netns_test.cc.

#include "netdiag/netlink/netns.h"

#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <new>
#include <optional>
#include <sched.h>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <utility>

#include "netdiag/netlink/abi.h"
#include "netdiag/types/error.h"
#include "netdiag/types/parse_number.h"
#include "netdiag/types/quiet_thread.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag::netlink {
namespace {

std::string NameOf(int fd, const std::string& path) {
  return "network namespace " + (fd >= 0 ? "of descriptor " + std::to_string(fd) : path);
}

// Returns OK if `fd` is a network namespace.
absl::Status CheckNetns(int fd, std::string_view name) {
  struct statfs filesystem {};
  if (fstatfs(fd, &filesystem) != 0) return ErrnoError(errno, name);
  if (filesystem.f_type != abi::kNsfsMagic) {
    return ErrnoError(EINVAL, name, "not a namespace file (nsfs)");
  }
  // Kernels before 4.11 do not report the type. There setns() refuses a namespace of another type.
  const int type = ioctl(fd, NS_GET_NSTYPE);
  if (type >= 0 && type != CLONE_NEWNET) {
    return ErrnoError(EINVAL, name, "a namespace, but not a network namespace");
  }
  return absl::OkStatus();
}

// The process and the descriptor in "/proc/123/fd/4".
std::optional<std::pair<int, int>> ParseFdPath(std::string_view path) {
  constexpr std::string_view kProc = "/proc/";
  constexpr std::string_view kFd = "/fd/";
  if (!path.starts_with(kProc)) return std::nullopt;
  path.remove_prefix(kProc.size());
  const size_t middle = path.find(kFd);
  if (middle == path.npos) return std::nullopt;
  const auto pid = internal::ParseNumber<int>(path.substr(0, middle));
  const auto fd = internal::ParseNumber<int>(path.substr(middle + kFd.size()));
  if (!pid || !fd) return std::nullopt;
  return std::pair(*pid, *fd);
}

// Opens the namespace of a socket that a process holds. Copies the process's descriptor for a
// moment: pidfd_getfd(2) needs the right to trace the process. Sets errno if it fails.
internal::UniqueFd OpenNetnsOfSocket(int pid, int fd) {
  const internal::UniqueFd process(static_cast<int>(syscall(abi::kPidfdOpen, pid, 0)));
  if (!process.ok()) return internal::UniqueFd();
  const internal::UniqueFd socket(
      static_cast<int>(syscall(abi::kPidfdGetfd, process.get(), fd, 0)));
  if (!socket.ok()) return internal::UniqueFd();
  const int netns = ioctl(socket.get(), abi::kGetSocketNetns);
  if (netns >= 0) return internal::UniqueFd(netns);
  const int errnum = errno;
  errno = errnum == ENOTTY ? EINVAL : errnum;
  return internal::UniqueFd();
}

// Opens the namespace that a process holds by a descriptor of it or by a socket. The process can
// have put another file there, and opening that could wait for a file system of the process's own.
// So the name of the file is looked at first. Sets errno if it fails.
internal::UniqueFd OpenHeld(const std::string& path, int pid, int held) {
  const internal::UniqueFd place(open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!place.ok()) return internal::UniqueFd();
  const std::string own = "/proc/thread-self/fd/" + std::to_string(place.get());
  std::array<char, 64> link;
  const ssize_t size = readlink(own.c_str(), link.data(), link.size());
  if (size < 0) return internal::UniqueFd();
  const std::string_view name(link.data(), static_cast<size_t>(size));
  if (name.starts_with("socket:[")) return OpenNetnsOfSocket(pid, held);
  if (name.starts_with("net:[")) {
    return internal::UniqueFd(open(own.c_str(), O_RDONLY | O_CLOEXEC));
  }
  errno = EINVAL;
  return internal::UniqueFd();
}

// Opens an nsfs file, or the namespace of a socket by its path in /proc/PID/fd. O_NONBLOCK, because
// a FIFO or a device of this name must not block the caller. Sets errno if it fails.
internal::UniqueFd OpenPath(const std::string& path) {
  const std::optional<std::pair<int, int>> held = ParseFdPath(path);
  if (held) return OpenHeld(path, held->first, held->second);
  return internal::UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
}

// Calls `use` with a descriptor that is known to be a network namespace.
absl::Status WithNetns(int borrowed, const std::string& path,
                       absl::FunctionRef<absl::Status(int fd, const std::string& name)> use) {
  const std::string name = NameOf(borrowed, path);
  internal::UniqueFd opened;
  if (borrowed < 0) {
    if (path.empty()) return ErrnoError(EBADF, "network namespace");
    opened = OpenPath(path);
    if (!opened.ok()) {
      const int errnum = errno;
      return ErrnoError(errnum, name, errnum == EACCES ? "opening it needs CAP_SYS_PTRACE" : "");
    }
  }
  const int fd = opened.ok() ? opened.get() : borrowed;
  NETDIAG_RETURN_IF_ERROR(CheckNetns(fd, name));
  return use(fd, name);
}

NetnsId IdOf(int fd) {
  struct stat file {};
  return fstat(fd, &file) == 0 ? NetnsId(static_cast<uint32_t>(file.st_ino)) : NetnsId();
}

absl::Status Enter(int fd, const std::string& name) {
  if (setns(fd, CLONE_NEWNET) == 0) return absl::OkStatus();
  const int errnum = errno;
  const NetnsId id = IdOf(fd);
  if (id != NetnsId() && id == CurrentNetns()) return absl::OkStatus();
  return ErrnoError(errnum, name, errnum == EPERM ? "entering it needs CAP_SYS_ADMIN" : "");
}

// Runs `body` on a new thread and waits for the thread's end.
absl::Status OnThread(absl::FunctionRef<absl::Status()> body) {
  absl::Status status;
  NETDIAG_ASSIGN_OR_RETURN(internal::QuietThread thread,
                           internal::StartQuietThread([&] { status = body(); }));
  thread.join();
  return status;
}

// ENOENT and ESRCH: the path does not lead to the namespace `id` any more.
absl::Status EnterByPath(const std::string& path, NetnsId id) {
  const std::string name = NameOf(-1, path);
  const internal::UniqueFd fd = OpenPath(path);
  // EINVAL: another file is there now.
  if (!fd.ok()) return ErrnoError(errno == EINVAL ? ENOENT : errno, name);
  struct stat file {};
  if (fstat(fd.get(), &file) != 0) return ErrnoError(errno, name);
  if (NetnsId(static_cast<uint32_t>(file.st_ino)) != id) return ErrnoError(ENOENT, name);
  const absl::Status is_netns = CheckNetns(fd.get(), name);
  if (Errno(is_netns) == EINVAL) return ErrnoError(ENOENT, name);
  return is_netns.ok() ? Enter(fd.get(), name) : is_netns;
}

// Enters by the first path that still leads to the namespace.
absl::Status EnterByAnyPath(const FoundNetns& netns) {
  absl::Status refusal;
  for (const std::string& path : netns.paths) {
    const absl::Status entered = EnterByPath(path, netns.id);
    if (entered.ok()) return entered;
    if (Errno(entered) != ENOENT && Errno(entered) != ESRCH) refusal = entered;
  }
  if (!refusal.ok()) return refusal;
  return ErrnoError(ENOENT, "network namespace " + std::to_string(netns.id.value()));
}

}  // namespace

NetNs NetNs::FromPid(Pid pid, const std::string& proc_root) {
  return FromPath(proc_root + "/" + std::to_string(pid.value()) + "/ns/net");
}

absl::Status NetNs::Run(absl::FunctionRef<absl::Status()> work) const try {
  return WithNetns(fd_, path_, [&](int fd, const std::string& name) {
    return OnThread([&] {
      const absl::Status entered = Enter(fd, name);
      return entered.ok() ? work() : entered;
    });
  });
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

absl::StatusOr<NetnsId> NetNs::Identify() const try {
  NetnsId id;
  NETDIAG_RETURN_IF_ERROR(
      WithNetns(fd_, path_, [&](int fd, const std::string& name) -> absl::Status {
        id = IdOf(fd);
        return id == NetnsId() ? ErrnoError(errno, name) : absl::OkStatus();
      }));
  return id;
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

absl::Status RunInEach(std::span<const FoundNetns> namespaces,
                       absl::FunctionRef<void(size_t i, const absl::Status& entered)> work) try {
  if (namespaces.empty()) return absl::OkStatus();
  return OnThread([&] {
    for (size_t i = 0; i < namespaces.size(); ++i) work(i, EnterByAnyPath(namespaces[i]));
    return absl::OkStatus();
  });
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

NetnsId CurrentNetns() {
  struct stat file {};
  if (stat("/proc/thread-self/ns/net", &file) != 0) return NetnsId();
  return NetnsId(static_cast<uint32_t>(file.st_ino));
}

}  // namespace netdiag::netlink
