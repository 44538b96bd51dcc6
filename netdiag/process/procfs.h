// netdiag/process/procfs.h — a mounted procfs, or a tree of its shape, and what single files of its
// processes say. Internal.
//
// Lifetime: one descriptor is open from Open() to Close(). Threads: thread-compatible.

#ifndef NETDIAG_PROCESS_PROCFS_H_
#define NETDIAG_PROCESS_PROCFS_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/process/horizon.h"
#include "netdiag/process/owner.h"
#include "netdiag/types/types.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag::internal {

class Procfs {
 public:
  static constexpr std::string_view kNoProcfs = "is it a mounted procfs?";

  explicit Procfs(std::string path) : path_(std::move(path)) {}
  // OwnerIndex::CheckProcfs().
  static absl::Status Check(const std::string& path, std::string_view what);

  // Does nothing if it is open.
  absl::Status Open();
  void Close() { root_.Close(); }
  // The root directory; -1 if it is not open.
  int fd() const { return root_.get(); }
  const std::string& path() const { return path_; }

  // True if it numbers processes as this process's pid namespace does. Sets errno: 0, or why that
  // could not be found out. REQUIRES: it is open.
  bool IsOwn() const;
  // What it does not show. If it is not open: as if it hid nothing.
  Horizon horizon() const { return HorizonOf(root_.get()); }

  // The user ids of a process, now. Opens the procfs if it is not open. Errors: NotFound if the
  // process has ended or its pid has passed to another process.
  absl::StatusOr<Uids> ReadUids(const Owner& owner);
  // OwnerIndex::ReadSocketProtocol().
  absl::StatusOr<std::string> ReadSocketProtocol(const Owner& owner, Inode inode);
  size_t memory() const { return path_.capacity(); }

 private:
  absl::StatusOr<UniqueFd> OpenProcess(const Owner& owner, const std::string& path);

  const std::string path_;
  UniqueFd root_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_PROCFS_H_
