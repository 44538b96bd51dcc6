// netdiag/process/table_reader.h — reads the descriptor tables of one process from a procfs.
// Internal.
//
// Identity. A process is opened once, as its descriptor directory. Everything else is read relative
// to that directory ("7", "../stat", "../task"). The directory belongs to the task and not to the
// pid: after the end of the task every read through it fails (ENOENT, ESRCH), also when the pid has
// passed to another process. So links, start time and command are always of the same process.
//
// Lifetime: two descriptors are open while open(). Cost: owner_index.h; no allocation for each
// descriptor. Threads: thread-compatible; several readers may read ranges of one table at once.

#ifndef NETDIAG_PROCESS_TABLE_READER_H_
#define NETDIAG_PROCESS_TABLE_READER_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "netdiag/process/directory.h"
#include "netdiag/process/process_list.h"
#include "netdiag/process/scan.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag::internal {

// The descriptors of a process that a TableReader reads.
struct TableRange {
  static constexpr int32_t kToEnd = std::numeric_limits<int32_t>::max();

  int32_t pid = 0;
  int32_t descriptors = -1;   // the size of the whole table; -1: the reader asks for it
  int32_t begin = 0;          // the lowest number
  int32_t end = kToEnd;       // above the highest number
  bool probe = false;         // try every number, without listing the directory
  bool with_threads = false;  // then read the threads that have tables of their own
  uint8_t* state = nullptr;   // ProcessState bits; set atomically, because ranges share them
};

class TableReader {
 public:
  // Opens the table. If that fails, `scan` counts the error and the reader is not open().
  void Open(int root, const TableRange& range, Scan* scan);
  bool open() const { return phase_ != Phase::kClosed; }
  // Reads about `budget` links into `scan`. Returns the number. REQUIRES: open().
  size_t Read(size_t budget, Scan* scan);
  // Must be called if the next Read() has another scan, or if others have appended to the scan.
  void Forget() { has_process_ = false; }
  void Close();
  size_t memory() const { return reader_.memory() + BytesOf(own_tables_); }

 private:
  enum class Phase : uint8_t { kClosed, kTrying, kListing, kThreads, kNextThread };

  bool OpenTable(int at, const char* path, Scan* scan);
  size_t Try(size_t budget, Scan* scan);
  size_t List(size_t budget, Scan* scan);
  void EndTable(Scan* scan);
  void CountThreads(int error, Scan* scan);
  size_t ListThreads(size_t budget, Scan* scan);
  void OpenNextThread(Scan* scan);
  // Reads one link into `scan`. Returns 0 or the errno.
  int ReadLink(const char* name, int32_t fd, Scan* scan);
  bool AddProcess(Scan* scan);
  void CountProcess(int error, Scan* scan);
  void Mark(ProcessState bit);

  Phase phase_ = Phase::kClosed;
  TableRange range_;
  UniqueFd fd_dir_;
  DirectoryReader reader_;
  bool is_procfs_ = false;
  bool has_process_ = false;  // the scan's last process is the one being read
  int32_t next_fd_ = 0;       // the descriptors below it were tried
  // Descriptors that are still to be found by trying. 0: list the rest, or with `probe` all were
  // found. The largest number if the size of the table is not known.
  int64_t hits_left_ = 0;
  int64_t misses_left_ = 0;  // numbers without a descriptor that trying may still meet

  UniqueFd task_dir_;
  std::vector<int32_t> own_tables_;  // threads with a descriptor table of their own
  size_t next_table_ = 0;
  int32_t thread_ = 0;  // whose table is read; 0: the process's
};

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_TABLE_READER_H_
