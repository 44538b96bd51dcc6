// netdiag/process/table_reader.h — one descriptor table after the other, from a procfs. Internal.
//
// Identity. A process is opened once, as its descriptor directory, and all else about it is reached
// from there ("7", "../stat", "../task"). Such a directory belongs to the task and not to the
// number: after the task's end every read through it fails (ENOENT, ESRCH), even when the number
// has passed to another process. So links, start time and command are always of one and the same
// process.
//
// Lifetime: two descriptors are open while open(). Cost: owner_index.h; nothing is allocated per
// descriptor. Threads: thread-compatible; readers of ranges of one table may run concurrently.

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

// Descriptors of a process that are to be read.
struct TableRange {
  static constexpr int32_t kToEnd = std::numeric_limits<int32_t>::max();

  int32_t pid = 0;
  int32_t descriptors = -1;   // in the whole table; -1: ask
  int32_t begin = 0;          // numbers from here on
  int32_t end = kToEnd;       // and below
  bool probe = false;         // try every number and list nothing
  bool with_threads = false;  // then go on with threads that have tables of their own
  uint8_t* state = nullptr;   // ProcessState bits; set atomically, for other ranges share it
};

class TableReader {
 public:
  // open() afterwards, or it was counted why not.
  void Open(int root, const TableRange& range, Scan* scan);
  bool open() const { return phase_ != Phase::kClosed; }
  // Appends to `scan` what about `budget` links say. Answers what it spent. REQUIRES: open().
  size_t Read(size_t budget, Scan* scan);
  // The scan to come is not the one of the last call, or others have appended to it.
  void Forget() { has_process_ = false; }
  void Close();
  size_t memory() const { return reader_.memory() + BytesOf(own_tables_); }

 private:
  enum class Phase : uint8_t { kClosed, kTrying, kListing, kThreads, kNextThread };

  bool OpenTable(int at, const char* path, Scan* scan);
  size_t Try(size_t budget, Scan* scan);
  size_t List(size_t budget, Scan* scan);
  void EndTable();
  size_t ListThreads(size_t budget);
  void OpenNextThread(Scan* scan);
  // The errno of reading the link; 0: it was read, and what it says is in the scan.
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
  int32_t next_fd_ = 0;       // descriptors below were tried
  int64_t hits_left_ = 0;     // until all are read that the process had when it was opened; 0: list
  int64_t misses_left_ = 0;   // until listing is cheaper than trying

  UniqueFd task_dir_;
  std::vector<int32_t> own_tables_;  // threads with a descriptor table of their own
  size_t next_table_ = 0;
  int32_t thread_ = 0;  // being read; 0: the process
};

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_TABLE_READER_H_
