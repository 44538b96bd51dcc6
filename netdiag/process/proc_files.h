// netdiag/process/proc_files.h — reads and parses the files of a process in a procfs. Internal.
//
// A command can hold any bytes. Cost: one or a few system calls, no allocation. Threads: any.

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

// The path "PID" + suffix.
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

// The inode in the text of a link, "socket:[4026]". Nullopt for any other text, and for a number of
// more than 32 bits, which no dump can report.
std::optional<uint32_t> ParseSocketLink(std::string_view text);

// What /proc/PID/stat says.
struct ProcessStat {
  std::string_view command;
  uint64_t start_time = 0;
};
std::optional<ProcessStat> ParseStat(std::string_view text);

// The user ids in the text of /proc/PID/status.
std::optional<Uids> ParseUids(std::string_view text);

// Large enough for the start of stat and status, up to the fields that are parsed.
using SmallBuffer = std::array<char, 1024>;

// Reads the start of a file. Returns the number of bytes that were read, or -1 with errno.
ssize_t ReadFile(int at, const char* path, SmallBuffer* buffer);

// The size of a descriptor directory in a procfs. Source: proc_fd_getattr(), fs/proc/fd.c.
struct TableSize {
  // 0: there are none, the process has ended, or the kernel does not tell (before 6.2). -1: it
  // could not be asked for (hidepid=1, an error). Outside a procfs the number means nothing.
  int64_t descriptors = 0;
  // The inode number of the directory. The kernel makes the inode for one task, numbers it by a
  // counter, and drops it after the task's end. So an equal number under the same pid means the
  // same process. A different number means nothing, because the kernel may drop the inode and make
  // a new one.
  uint64_t identity = 0;
};
TableSize SizeOfTable(int at, const char* path);

// True if a process has more than one thread, by the link count of its task directory. Sets errno:
// 0, or why that could not be found out. Source: proc_task_getattr(), fs/proc/base.c.
bool HasThreads(int at, const char* task);

inline bool IsDenied(int error) { return error == EACCES || error == EPERM; }

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_PROC_FILES_H_
