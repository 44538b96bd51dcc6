// netdiag/process/proc_scan.h — owners from a procfs. Internal. Users want owner_index.h.
//
// Begin() opens the procfs; Step() lists the processes, asks each for the number of its descriptors
// (where the kernel tells it), and then, after StartReading(), reads them: with all threads, if the
// budget is worth it.
//
// Lifetime: the procfs stays open until the next Begin(). No thread outlives a call. Cost, errors:
// owner_index.h.

#ifndef NETDIAG_PROCESS_PROC_SCAN_H_
#define NETDIAG_PROCESS_PROC_SCAN_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/process/directory.h"
#include "netdiag/process/horizon.h"
#include "netdiag/process/owner.h"
#include "netdiag/process/scan.h"
#include "netdiag/process/table_reader.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag::internal {

// What the threads that share a slice may spend of it.
class Allowance {
 public:
  using Deadline = std::optional<std::chrono::steady_clock::time_point>;
  Allowance(size_t links, Deadline deadline)
      : left_(static_cast<int64_t>(links)), deadline_(deadline) {}
  // Links that the caller may read now. 0: all are spent, or the time is over.
  size_t Claim();
  // What of them it did not.
  void Return(size_t links) { left_.fetch_add(static_cast<int64_t>(links)); }
  size_t left() const { return static_cast<size_t>(left_.load()); }

 private:
  std::atomic<int64_t> left_;
  const Deadline deadline_;
};

// The descriptors that a scan reads.
enum class Descriptors : uint8_t {
  kAll,
  kLowest,       // numbers 0 to 15 of every process, without listing a directory
  kAboveLowest,  // all the others
  kChanged,      // those of processes that are new or changed since Remember()
  kUnchanged,    // those of the other processes, except where they may not be read
};

class ProcScan {
 public:
  // `threads`: the caller's included.
  ProcScan(std::string root, size_t threads);

  absl::Status Begin();
  // Ends the scan; the procfs stays open.
  void End();
  // A slice, which ends early at the deadline. Answers what it spent.
  absl::StatusOr<size_t> Step(size_t budget, Allowance::Deadline deadline, Scan* scan);
  bool done() const { return phase_ == Phase::kDone; }

  bool listing() const { return phase_ == Phase::kListing; }
  // Whether Step() has nothing to do before StartReading(). When it is done, another part may
  // follow.
  bool listed() const { return phase_ == Phase::kListed; }
  void StartReading(Descriptors part = Descriptors::kAll);
  // When listed: the descriptors of all processes; 0 if the kernel does not tell (before 6.2).
  uint64_t expected() const { return expected_; }
  // Of those, the ones of a part. REQUIRES: not kLow or kHigh.
  uint64_t Expected(Descriptors part) const;
  // When listed: processes of kUnchanged whose descriptors could not be read.
  uint64_t UnchangedDenied() const;
  // Whether any process is fresh.
  bool HasChanged() const;
  // Others read what was to be read.
  void StopReading();
  // Keeps for later scans which processes there are and how many descriptors each has, but for
  // those that were to be read and have not been. Ends the scan. Where the kernel does not tell the
  // numbers nothing is known, so every process is fresh. Nothing happens if none were listed.
  void Remember();
  void ForgetAll() { seen_.clear(); }
  const std::string& root_path() const { return root_path_; }
  // The open procfs; -1: it is not open.
  int root() const { return root_.get(); }
  absl::Status OpenRoot();
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
    int32_t pid = 0;
    int32_t descriptors = 0;
    uint64_t identity = 0;  // TableSize
    uint8_t state = 0;      // ProcessState
  };
  // What one thread reads at a time.
  struct Unit {
    uint32_t candidate;
    int32_t begin;
    int32_t end;
  };
  struct Worker {
    TableReader reader;
    uint32_t candidate = 0;  // that it reads
    Scan scan;               // what it found, unless it is the calling thread
  };

  absl::StatusOr<size_t> ListProcesses(size_t budget, Scan* scan);
  size_t SizeProcesses(size_t budget);
  void EndSizing();
  void MarkUnchanged();
  bool OpenNext(Worker* worker, Scan* scan);
  size_t ReadAlone(size_t budget, Scan* scan);
  size_t ReadShared(size_t budget, Allowance::Deadline deadline, Scan* scan);
  void Work(Worker* worker, Scan* scan, Allowance* allowance);
  absl::StatusOr<UniqueFd> OpenSameProcess(Pid pid, uint64_t start_time, const std::string& what);

  const std::string root_path_;
  UniqueFd root_;
  Phase phase_ = Phase::kIdle;
  DirectoryReader reader_;

  std::vector<Candidate> candidates_;  // processes in order of pid
  size_t next_ = 0;                    // the one to be sized
  bool sized_ = false;                 // every candidate's number of descriptors is known
  bool own_ = false;                   // IsOwn()
  uint64_t expected_ = 0;

  std::vector<Candidate> seen_;  // candidates as Remember() left them

  Descriptors part_ = Descriptors::kAll;
  std::vector<Unit> units_;
  std::atomic<size_t> next_unit_ = 0;
  std::vector<Worker> workers_;  // the first is the calling thread's
};

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_PROC_SCAN_H_
