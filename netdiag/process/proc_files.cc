// Tested by tests/process/process_test.cc.

#include "netdiag/process/proc_files.h"

#include <sys/stat.h>

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "netdiag/types/parse_number.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag::internal {

std::optional<uint32_t> ParseSocketLink(std::string_view text) {
  constexpr std::string_view kPrefix = "socket:[";
  if (!text.starts_with(kPrefix) || !text.ends_with(']')) return std::nullopt;
  text.remove_prefix(kPrefix.size());
  text.remove_suffix(1);
  const std::optional<uint32_t> inode = ParseNumber<uint32_t>(text);
  return inode == 0u ? std::nullopt : inode;
}

// The text is `pid (command) state …`. The command is raw and may hold ") ", so it ends at the last
// ')'. The start time is field 22, the 20th after the command.
std::optional<ProcessStat> ParseStat(std::string_view text) {
  const size_t open = text.find('(');
  const size_t close = text.rfind(')');
  if (open == text.npos || close == text.npos || close < open) return std::nullopt;
  size_t begin = close;
  for (int blanks = 0; blanks < 20; ++blanks) {
    begin = text.find(' ', begin + 1);
    if (begin == text.npos) return std::nullopt;
  }
  const size_t end = text.find(' ', ++begin);
  if (end == text.npos) return std::nullopt;
  const std::optional<uint64_t> start = ParseNumber<uint64_t>(text.substr(begin, end - begin));
  if (!start) return std::nullopt;
  return ProcessStat{text.substr(open + 1, close - open - 1), *start};
}

// The line is "Uid:\t1\t2\t3\t4\n". The command, in an earlier line, cannot imitate it, because the
// kernel escapes newlines there.
std::optional<Uids> ParseUids(std::string_view text) {
  constexpr std::string_view kKey = "\nUid:";
  const size_t line = text.find(kKey);
  if (line == text.npos) return std::nullopt;
  text.remove_prefix(line + kKey.size());
  std::array<Uid, 4> ids;
  for (Uid& id : ids) {
    if (text.empty() || (text[0] != '\t' && text[0] != ' ')) return std::nullopt;
    text.remove_prefix(1);
    const size_t end = text.find_first_of("\t \n");
    if (end == text.npos) return std::nullopt;
    const std::optional<uint32_t> value = ParseNumber<uint32_t>(text.substr(0, end));
    if (!value) return std::nullopt;
    id = Uid(*value);
    text.remove_prefix(end);
  }
  return Uids{ids[0], ids[1], ids[2], ids[3]};
}

ssize_t ReadFile(int at, const char* path, SmallBuffer* buffer) {
  const UniqueFd fd(openat(at, path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd.ok()) return -1;
  ssize_t size = 0;
  do {
    size = read(fd.get(), buffer->data(), buffer->size());
  } while (size < 0 && errno == EINTR);
  return size;
}

TableSize SizeOfTable(int at, const char* path) {
  struct stat status {};
  if (fstatat(at, path, &status, AT_EMPTY_PATH) != 0) {
    return {errno == ENOENT || errno == ESRCH ? 0 : -1, 0};
  }
  return {int64_t{status.st_size}, status.st_ino};
}

bool HasThreads(int at, const char* task) {
  struct stat status {};
  constexpr nlink_t kOfOneThread = 3;
  if (fstatat(at, task, &status, 0) != 0) return false;
  errno = 0;
  return status.st_nlink > kOfOneThread;
}

}  // namespace netdiag::internal
