// Tested by tests/process/process_test.cc and owner_views_test.cc.

#include "netdiag/process/procfs.h"

#include <sys/xattr.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <unistd.h>

#include "netdiag/process/directory.h"
#include "netdiag/process/proc_files.h"
#include "netdiag/types/error.h"
#include "netdiag/types/parse_number.h"

namespace netdiag::internal {

absl::Status Procfs::Check(const std::string& path, std::string_view what) {
  Procfs procfs(path);
  if (!procfs.Open().ok()) {
    return BadInput(what, path, std::string("this cannot be opened: ").append(strerror(errno)));
  }
  if (!IsProcfs(procfs.fd())) return BadInput(what, path, "this is not a mounted procfs");
  std::array<char, 12> link;
  if (readlinkat(procfs.fd(), "self", link.data(), link.size()) > 0) return absl::OkStatus();
  return BadInput(what, path, "this procfs is of a pid namespace that does not have this process");
}

absl::Status Procfs::Open() {
  if (!root_.ok()) root_ = OpenDirectory(AT_FDCWD, path_.c_str());
  return root_.ok() ? absl::OkStatus() : ErrnoError(errno, path_, kNoProcfs);
}

bool Procfs::IsOwn() const {
  std::array<char, 12> link;
  errno = 0;
  if (!IsProcfs(root_.get())) return false;
  const ssize_t size = readlinkat(root_.get(), "self", link.data(), link.size());
  // No link: it is of a namespace that does not have this process.
  if (size >= 0 || errno == ENOENT) errno = 0;
  return size > 0 &&
         ParseNumber<int32_t>(std::string_view(link.data(), static_cast<size_t>(size))) == getpid();
}

// The directory belongs to the process and not to the pid. `path` is for messages.
absl::StatusOr<UniqueFd> Procfs::OpenProcess(const Owner& owner, const std::string& path) {
  NETDIAG_RETURN_IF_ERROR(Open());
  UniqueFd directory = OpenDirectory(root_.get(), PidPath(owner.pid.value()).c_str());
  if (!directory.ok()) return ErrnoError(errno, path);
  SmallBuffer buffer;
  const ssize_t size = ReadFile(directory.get(), "stat", &buffer);
  if (size < 0) return ErrnoError(errno, path + "/stat");
  const std::optional<ProcessStat> stat =
      ParseStat(std::string_view(buffer.data(), static_cast<size_t>(size)));
  if (!stat) return DamagedData(path + "/stat", "no start time");
  if (stat->start_time != owner.start_time) {
    return ErrnoError(ESRCH, path, "the pid has passed to another process");
  }
  return directory;
}

absl::StatusOr<Uids> Procfs::ReadUids(const Owner& owner) {
  const std::string path = path_ + "/" + std::to_string(owner.pid.value());
  NETDIAG_ASSIGN_OR_RETURN(const UniqueFd directory, OpenProcess(owner, path));
  SmallBuffer buffer;
  const ssize_t size = ReadFile(directory.get(), "status", &buffer);
  if (size < 0) return ErrnoError(errno, path + "/status");
  const std::optional<Uids> uids =
      ParseUids(std::string_view(buffer.data(), static_cast<size_t>(size)));
  if (!uids) return DamagedData(path + "/status", "no user ids");
  return *uids;
}

// O_PATH holds the inode of the socket and not the socket, so it keeps no connection open. Such a
// descriptor cannot be used with fgetxattr(); its name in this process's own directory can be used
// with getxattr().
absl::StatusOr<std::string> Procfs::ReadSocketProtocol(const Owner& owner, Inode inode) {
  const std::string path = path_ + "/" + std::to_string(owner.pid.value());
  NETDIAG_ASSIGN_OR_RETURN(const UniqueFd directory, OpenProcess(owner, path));
  std::string link = "fd/" + std::to_string(owner.fd);
  if (owner.thread != Pid()) link = "task/" + std::to_string(owner.thread.value()) + "/" + link;
  const UniqueFd file(openat(directory.get(), link.c_str(), O_PATH | O_CLOEXEC));
  if (!file.ok()) return ErrnoError(errno, path + "/" + link);
  const std::string name = path_ + "/thread-self/fd/" + std::to_string(file.get());
  std::array<char, 64> text;  // the kernel's names are 31 bytes at most
  // Its name tells what the file is. fstat() could wait for the file system of a process that has
  // put another file there.
  ssize_t size = readlink(name.c_str(), text.data(), text.size());
  if (size < 0) return ErrnoError(errno, path + "/" + link);
  if (ParseSocketLink(std::string_view(text.data(), static_cast<size_t>(size))) != inode.value()) {
    return ErrnoError(ENOENT, path + "/" + link, "the descriptor is another file now");
  }
  size = getxattr(name.c_str(), "system.sockprotoname", text.data(), text.size());
  if (size < 0) return ErrnoError(errno, path + "/" + link, "system.sockprotoname");
  return std::string(text.data(), strnlen(text.data(), static_cast<size_t>(size)));
}

}  // namespace netdiag::internal
