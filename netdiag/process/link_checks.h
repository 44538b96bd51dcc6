// netdiag/process/link_checks.h — reads links again that are known to hold a socket. Internal.
//
// A link that does not name its socket any more, or whose process has ended, is marked: its
// ScannedSocket::inode becomes 0. Sweep() takes the marked entries out of the scan.
//
// Cost: one readlinkat a link; one read of /proc/PID/stat a process. Lifetime: one descriptor is
// open while links of a process are left. Threads: thread-compatible.

#ifndef NETDIAG_PROCESS_LINK_CHECKS_H_
#define NETDIAG_PROCESS_LINK_CHECKS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "netdiag/process/scan.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag::internal {

class LinkChecks {
 public:
  // Drops the checks that were planned.
  void Reset();
  // Plans a check of every link of the processes whose tables have changed since their links were
  // read, in order of process, and of one of `kRounds` links of the others, in turn. Returns the
  // number of the former. `root`: the open procfs, or -1: every process counts as changed. Cost: a
  // stat a process.
  static constexpr uint32_t kRounds = 64;
  size_t Plan(int root, Scan* scan);
  // The number of links to be checked.
  size_t left() const { return checks_.size() - next_; }
  // Checks up to `budget` links. `root`: the open procfs. Returns the number of links, at least 1.
  size_t Check(size_t budget, int root, Scan* scan);
  // Marks every link that is left.
  void DropRest(Scan* scan);
  // Takes what was marked out of the scan, whose order stays.
  void Sweep(Scan* scan) const;
  // True if any link was marked since Reset().
  bool dropped_any() const { return dropped_any_; }
  size_t memory() const { return BytesOf(checks_); }

 private:
  void Sort(const Scan& scan);

  std::vector<uint32_t> checks_;  // indexes in Scan::sockets
  bool is_sorted_ = true;
  size_t next_ = 0;
  uint32_t round_ = 0;
  bool dropped_any_ = false;
  UniqueFd table_;         // the descriptor directory of the process being checked
  uint32_t table_of_ = 0;  // that process
};

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_LINK_CHECKS_H_
