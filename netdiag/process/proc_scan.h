// netdiag/process/proc_scan.h — owners from a procfs. Internal. Users want process.h.
//
// Begin() opens the procfs; Step() lists the processes, asks each for the number of its descriptors
// (where the kernel tells it), and then, after StartReading(), reads them.
//
// Lifetime: the procfs stays open until the next Begin(). Cost, errors: process.h.

#ifndef NETDIAG_PROCESS_PROC_SCAN_H_
#define NETDIAG_PROCESS_PROC_SCAN_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/process/directory.h"
#include "netdiag/process/horizon.h"
#include "netdiag/process/process.h"
#include "netdiag/process/scan.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag::internal {

class ProcScan {
 public:
  explicit ProcScan(std::string root) : root_path_(std::move(root)) {}

  absl::Status Begin();
  // Ends the scan; the procfs stays open.
  void End();
  // A slice. Answers what it spent.
  absl::StatusOr<size_t> Step(size_t budget, Scan* scan);
  bool done() const { return phase_ == Phase::kDone; }

  // Whether Step() has nothing to do before StartReading().
  bool listed() const { return phase_ == Phase::kListed; }
  void StartReading() { phase_ = Phase::kReading; }
  bool reading() const { return phase_ == Phase::kReading; }
  // When listed: the descriptors of all processes; 0 if the kernel does not tell (before 6.2).
  uint64_t expected() const { return expected_; }
  // Whether the procfs numbers processes as this one's pid namespace does. After Begin().
  bool IsOwn() const;
  // What it does not show. After Begin().
  Horizon horizon() const { return HorizonOf(root_.get()); }

  absl::StatusOr<Uids> ReadUids(Pid pid, uint64_t start_time);
  absl::StatusOr<std::string> ReadSocketProtocol(const Owner& owner, Inode inode);
  size_t memory() const;

 private:
  enum class Phase : uint8_t { kIdle, kListing, kSizing, kListed, kReading, kDone };
  struct Candidate {
    int32_t pid;
    int32_t descriptors;
  };

  absl::StatusOr<size_t> ListProcesses(size_t budget, Scan* scan);
  size_t SizeProcesses(size_t budget);
  size_t OpenProcess(Scan* scan);
  size_t ReadDescriptors(size_t budget, Scan* scan);
  size_t TryDescriptors(size_t budget, Scan* scan);
  // The errno of reading the link; 0: it was read, and what it says is in the scan.
  int ReadLink(const char* name, int32_t fd, Scan* scan);
  bool AddProcess(Scan* scan);
  void CloseProcess();
  absl::StatusOr<UniqueFd> OpenSameProcess(Pid pid, uint64_t start_time, const std::string& what);

  const std::string root_path_;
  UniqueFd root_;
  Phase phase_ = Phase::kIdle;
  DirectoryReader reader_;

  // Processes in order of pid, the one being read, and the directory of its descriptors.
  std::vector<Candidate> candidates_;
  size_t next_ = 0;
  bool sized_ = false;  // every candidate's number of descriptors is known
  uint64_t expected_ = 0;
  UniqueFd fd_dir_;
  bool has_sockets_ = false;  // the process being read has been added
  int32_t next_fd_ = 0;       // descriptors below were tried
  int64_t hits_left_ = 0;     // until all are read that the process had when it was opened; 0: list
  int64_t misses_left_ = 0;   // until listing is cheaper than trying
};

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_PROC_SCAN_H_
