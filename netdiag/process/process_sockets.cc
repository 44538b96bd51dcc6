// Tested by tests/connections_test.cc.

#include "netdiag/process/process_sockets.h"

#include <cerrno>
#include <optional>
#include <string_view>
#include <unistd.h>

#include "netdiag/process/directory.h"
#include "netdiag/process/proc_files.h"
#include "netdiag/types/error.h"
#include "netdiag/types/parse_number.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag {
namespace {

// The error of the last call, which read `path`, a file of the process.
absl::Status ProcessError(Pid pid, const std::string& path) {
  const int errnum = errno;
  if (errnum == ENOENT || errnum == ESRCH)
    return ErrnoError(ESRCH, "process " + std::to_string(pid.value()));
  return ErrnoError(errnum, path);
}

}  // namespace

absl::StatusOr<std::vector<OwnedSocket>> ReadProcessSockets(Pid pid, const std::string& proc_root) {
  const std::string path = proc_root + "/" + std::to_string(pid.value());
  const internal::UniqueFd directory = internal::OpenDirectory(AT_FDCWD, path.c_str());
  if (!directory.ok()) return ProcessError(pid, path);
  internal::SmallBuffer buffer;
  const ssize_t size = internal::ReadFile(directory.get(), "stat", &buffer);
  if (size < 0) return ProcessError(pid, path + "/stat");
  const std::optional<internal::ProcessStat> stat =
      internal::ParseStat(std::string_view(buffer.data(), static_cast<size_t>(size)));
  if (!stat) return DamagedData(path + "/stat", "no start time");
  const internal::UniqueFd table = internal::OpenDirectory(directory.get(), "fd");
  if (!table.ok()) return ProcessError(pid, path + "/fd");
  std::vector<OwnedSocket> held;
  internal::DirectoryReader reader;
  ssize_t filled = 0;
  while ((filled = reader.Fill(table.get(), internal::DirectoryReader::kBufferSize)) > 0) {
    for (auto entry = reader.Next(); entry.name != nullptr; entry = reader.Next()) {
      const std::optional<int> fd = internal::ParseNumber<int>(entry.name);
      char link[64];
      if (!fd) continue;  // "." or ".."
      const ssize_t length = readlinkat(table.get(), entry.name, link, sizeof(link));
      if (length < 0 && errno == ENOENT) continue;  // closed since it was listed
      if (length < 0) return ProcessError(pid, path + "/fd/" + entry.name);
      const std::optional<uint32_t> inode =
          internal::ParseSocketLink(std::string_view(link, static_cast<size_t>(length)));
      if (!inode) continue;
      held.push_back(
          {Inode(*inode), {.pid = pid, .start_time = stat->start_time, .fd = *fd, .command = {}}});
    }
  }
  if (filled < 0) return ProcessError(pid, path + "/fd");
  return held;
}

}  // namespace netdiag
