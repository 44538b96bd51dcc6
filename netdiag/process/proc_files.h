// netdiag/process/proc_files.h — what the files of a process in a procfs say. Internal.
//
// Text is foreign: a command can hold any bytes. Cost: one or a few system calls, no allocation.
// Threads: any.

#ifndef NETDIAG_PROCESS_PROC_FILES_H_
#define NETDIAG_PROCESS_PROC_FILES_H_

#include <sys/types.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "netdiag/process/owner.h"

namespace netdiag::internal {

// "123" + suffix, as a path.
class PidPath {
 public:
  // REQUIRES: a suffix of less than 12 bytes.
  explicit PidPath(int32_t pid, std::string_view suffix = {}) {
    char* end = std::to_chars(text_.data(), text_.data() + 12, pid).ptr;
    *std::copy(suffix.begin(), suffix.end(), end) = '\0';
  }
  const char* c_str() const { return text_.data(); }

 private:
  std::array<char, 24> text_;
};

std::optional<uint32_t> ParseSocketLink(std::string_view text);

struct ProcessStat {
  std::string_view command;
  uint64_t start_time = 0;
};
std::optional<ProcessStat> ParseStat(std::string_view text);

std::optional<Uids> ParseUids(std::string_view text);

// Holds the fields wanted of stat and status, however long the others are.
using SmallBuffer = std::array<char, 1024>;

// The beginning of a small file; -1: errno says why.
ssize_t ReadFile(int at, const char* path, SmallBuffer* buffer);

// Of a descriptor directory in a procfs. Source: proc_fd_getattr(), fs/proc/fd.c.
struct TableSize {
  // 0: none, it has gone, or the kernel does not tell (before 6.2); -1: it may not be looked at
  // (hidepid=1). Elsewhere a directory's size means bytes.
  int64_t descriptors = 0;
  // The number of the directory's inode. The kernel makes the inode for a task, numbers it by a
  // counter and drops it after the task's end: an equal one under the same pid is the same process.
  // That a process has another than before proves nothing, for inodes are a cache.
  uint64_t identity = 0;
};
TableSize SizeOfTable(int at, const char* path);

// Whether a process has more threads than one, by the link count of its task directory. Source:
// proc_task_getattr(), fs/proc/base.c.
bool HasThreads(int at, const char* task);

inline bool IsDenied(int error) { return error == EACCES || error == EPERM; }

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_PROC_FILES_H_
