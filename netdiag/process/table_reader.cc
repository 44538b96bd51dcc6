// TableReader. Listing a directory costs a quarter of reading its links. If the kernel tells how
// many descriptors a process has (6.2), the reader saves most of that: it tries the numbers from 0
// up as long as the table is dense, and lists only the rest.
//
// Tested by tests/process/process_test.cc, process_live_test.cc, owner_sources_test.cc.

#include "netdiag/process/table_reader.h"

#include <linux/kcmp.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <optional>
#include <string_view>
#include <unistd.h>

#include "netdiag/process/horizon.h"
#include "netdiag/process/proc_files.h"
#include "netdiag/types/parse_number.h"

namespace netdiag::internal {
namespace {

// A miss costs as much as listing three or four descriptors. Every table has a few holes.
constexpr int64_t kHitsPerMiss = 4;
constexpr int64_t kFreeMisses = 8;

// Smaller tables are listed, because trying does not pay for them.
constexpr int64_t kLeastTried = 64;

// Positive if a thread has another descriptor table than its process, 0 if not; -1 with errno if
// the kernel does not say. Source: kcmp(2).
long CompareTables(int32_t pid, int32_t thread) {
  return syscall(SYS_kcmp, pid, thread, KCMP_FILES, 0, 0);
}

}  // namespace

void TableReader::Open(int root, const TableRange& range, Scan* scan) {
  range_ = range;
  thread_ = 0;
  if (!OpenTable(root, PidPath(range.pid, "/fd").c_str(), scan)) Close();
}

void TableReader::Close() {
  fd_dir_.Close();
  task_dir_.Close();
  reader_.Reset();
  phase_ = Phase::kClosed;
}

size_t TableReader::Read(size_t budget, Scan* scan) {
  switch (phase_) {
    case Phase::kTrying:
      return Try(budget, scan);
    case Phase::kListing:
      return List(budget, scan);
    case Phase::kThreads:
      return ListThreads(budget, scan);
    case Phase::kNextThread:
      OpenNextThread(scan);
      return 1;
    case Phase::kClosed:
      break;
  }
  return 0;
}

bool TableReader::OpenTable(int at, const char* path, Scan* scan) {
  has_process_ = false;
  reader_.Reset();
  fd_dir_ = OpenDirectory(at, path);
  if (!fd_dir_.ok()) {
    CountProcess(errno, scan);
    return false;
  }
  const bool is_sized = range_.descriptors >= 0;
  is_procfs_ = is_sized || IsProcfs(fd_dir_.get());
  int64_t count = 0;
  if (is_sized && thread_ == 0) {
    count = range_.descriptors;
  } else if (is_procfs_) {
    count = SizeOfTable(fd_dir_.get(), "").descriptors;
  }
  next_fd_ = thread_ == 0 ? range_.begin : 0;
  phase_ = Phase::kTrying;
  if (range_.probe) {
    // Without a count, no number of hits means that the process has no other descriptors.
    hits_left_ = count > 0 ? count : std::numeric_limits<int64_t>::max();
    misses_left_ = range_.end;
    return true;
  }
  misses_left_ = kFreeMisses;
  hits_left_ = count < kLeastTried ? 0 : std::min(count, int64_t{range_.end}) - next_fd_;
  return true;
}

// Reads the links 0, 1, 2 …; then moves the position of the directory there, for List().
size_t TableReader::Try(size_t budget, Scan* scan) {
  size_t links = 0;
  bool found_all = false;
  for (; hits_left_ > 0 && next_fd_ < range_.end && links < budget; ++links) {
    std::array<char, 12> name{};
    std::to_chars(name.data(), name.data() + name.size(), next_fd_);
    const int error = ReadLink(name.data(), next_fd_++, scan);
    if (error == 0) {
      found_all = --hits_left_ == 0;
      if (hits_left_ % kHitsPerMiss == 0) ++misses_left_;
    } else if (error != ENOENT) {
      hits_left_ = 0;
      --next_fd_;  // List() meets the error again and counts it
      if (range_.probe) Mark(kFailed);
    } else if (--misses_left_ == 0) {
      hits_left_ = 0;
    }
  }
  if (hits_left_ > 0 && next_fd_ < range_.end) return links;
  if (range_.probe) {
    errno = 0;
    if (found_all && !HasThreads(fd_dir_.get(), "../task") && errno == 0) Mark(kWhole);
    Close();
  } else if (next_fd_ >= range_.end) {
    EndTable(scan);
  } else {
    // In /proc/PID/fd the position of a descriptor is its number plus 2, after "." and "..".
    if (is_procfs_ && next_fd_ > 0) lseek(fd_dir_.get(), off_t{next_fd_} + 2, SEEK_SET);
    phase_ = Phase::kListing;
  }
  return std::max<size_t>(links, 1);
}

size_t TableReader::List(size_t budget, Scan* scan) {
  for (size_t links = 0; links < budget;) {
    const char* name = reader_.Next().name;
    if (name == nullptr) {
      const auto below_end = static_cast<size_t>(range_.end - next_fd_);
      const ssize_t got = reader_.Fill(fd_dir_.get(), std::min(budget - links, below_end));
      if (got > 0) continue;
      if (got < 0) scan->Count(errno);
      EndTable(scan);
      return links + 1;
    }
    const std::optional<int32_t> fd = ParseNumber<int32_t>(name);
    if (!fd || *fd < next_fd_) continue;
    if (*fd >= range_.end) {
      if (!is_procfs_) continue;  // other file systems list in any order
      EndTable(scan);
      return links + 1;
    }
    ++links;
    const int error = ReadLink(name, *fd, scan);
    if (error == 0) continue;
    // The permission is that of the task, so it is the same for all of its links.
    if (IsDenied(error)) {
      CountProcess(error, scan);
      Close();
      return links;
    }
    scan->Count(error);
  }
  return budget;
}

void TableReader::EndTable(Scan* scan) {
  if (thread_ != 0) {
    phase_ = Phase::kNextThread;
    return;
  }
  errno = 0;
  const bool has_threads = range_.with_threads && HasThreads(fd_dir_.get(), "../task");
  if (has_threads) task_dir_ = OpenDirectory(fd_dir_.get(), "../task");
  if (!task_dir_.ok()) {
    CountThreads(errno, scan);
    return Close();
  }
  fd_dir_.Close();
  reader_.Reset();
  own_tables_.clear();
  next_table_ = 0;
  phase_ = Phase::kThreads;
}

// Counts why the threads of the process could not be listed. 0: they were, or there are none.
void TableReader::CountThreads(int error, Scan* scan) {
  if (error != 0 && error != ENOENT && error != ESRCH) CountProcess(error, scan);
}

// An error ends the list. If the kernel compares no tables, that is one error of the process.
size_t TableReader::ListThreads(size_t budget, Scan* scan) {
  size_t threads = 1;
  const auto filled = reader_.Fill(task_dir_.get(), budget);
  if (filled <= 0) {
    CountThreads(filled < 0 ? errno : 0, scan);
    std::sort(own_tables_.begin(), own_tables_.end());
    phase_ = Phase::kNextThread;
    return threads;
  }
  while (const char* name = reader_.Next().name) {
    const std::optional<int32_t> thread = ParseNumber<int32_t>(name);
    if (!thread || *thread == range_.pid) continue;
    ++threads;
    const long order = CompareTables(range_.pid, *thread);
    if (order > 0) own_tables_.push_back(*thread);
    if (order >= 0 || errno == ESRCH) continue;
    scan->CountError(errno);
    phase_ = Phase::kNextThread;
    break;
  }
  return threads;
}

void TableReader::OpenNextThread(Scan* scan) {
  if (next_table_ == own_tables_.size()) return Close();
  thread_ = own_tables_[next_table_++];
  // The range applied to the table of the process. The table of a thread is read whole.
  range_.begin = 0;
  range_.end = TableRange::kToEnd;
  OpenTable(task_dir_.get(), PidPath(thread_, "/fd").c_str(), scan);
  if (!fd_dir_.ok()) phase_ = Phase::kNextThread;
}

int TableReader::ReadLink(const char* name, int32_t fd, Scan* scan) {
  std::array<char, 32> text;  // "socket:[N]" is at most 19 bytes; longer texts are of other files
  const ssize_t size = readlinkat(fd_dir_.get(), name, text.data(), text.size());
  if (size < 0) return errno;
  ++scan->stats.descriptors;
  const std::optional<uint32_t> inode =
      ParseSocketLink(std::string_view(text.data(), static_cast<size_t>(size)));
  if (!inode || !scan->Wants(*inode)) return 0;
  if (!has_process_) has_process_ = AddProcess(scan);
  if (has_process_) scan->AddSocket(*inode, fd);
  return 0;
}

// Reads who the process is, at its first socket, so that it hardly ever ends in between. If it does
// end, returns false: it is not an owner any more, and cannot be named.
bool TableReader::AddProcess(Scan* scan) {
  SmallBuffer buffer;
  const char* path = thread_ == 0 ? "../stat" : "../../../stat";
  const ssize_t size = ReadFile(fd_dir_.get(), path, &buffer);
  if (size < 0) scan->Count(errno);
  if (size < 0 && (errno == ENOENT || errno == ESRCH)) return false;
  Process& process = scan->AddProcess(range_.pid);
  process.thread = thread_;
  if (size < 0) return true;
  const std::optional<ProcessStat> stat =
      ParseStat(std::string_view(buffer.data(), static_cast<size_t>(size)));
  if (!stat) {
    scan->Count(EBADMSG);
    return true;
  }
  process.start_time = stat->start_time;
  process.SetCommand(stat->command);
  return true;
}

void TableReader::Mark(ProcessState bit) { std::atomic_ref<uint8_t>(*range_.state).fetch_or(bit); }

// Counts an error once for each process, also if several readers read ranges of it.
void TableReader::CountProcess(int error, Scan* scan) {
  const ProcessState bit = IsDenied(error) ? kDenied : kVanished;
  const uint8_t before = std::atomic_ref<uint8_t>(*range_.state).fetch_or(bit);
  if ((before & bit) == 0) scan->Count(error);
}

}  // namespace netdiag::internal
