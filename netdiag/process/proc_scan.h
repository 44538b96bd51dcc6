// netdiag/process/proc_scan.h — owners from a procfs. Internal. Users want owner_index.h.
//
// Begin() opens the procfs anew. Step() lists the processes until listed(). After StartReading(),
// Step() reads descriptors until done(); then another part may follow. Several threads read if the
// budget of a Step() is worth it.
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
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/process/process_list.h"
#include "netdiag/process/procfs.h"
#include "netdiag/process/scan.h"
#include "netdiag/process/table_reader.h"

namespace netdiag::internal {

// The budget of one Step(), which its threads share.
class Allowance {
 public:
  using Deadline = std::optional<std::chrono::steady_clock::time_point>;
  Allowance(size_t links, Deadline deadline)
      : left_(static_cast<int64_t>(links)), deadline_(deadline) {}
  // Returns the number of links that the caller may read now. 0 if the budget is spent.
  size_t Claim();
  // Gives back the links of a claim that the caller has not read.
  void Return(size_t links) { left_.fetch_add(static_cast<int64_t>(links)); }
  size_t left() const { return static_cast<size_t>(left_.load()); }

 private:
  std::atomic<int64_t> left_;
  const Deadline deadline_;
};

class ProcScan {
 public:
  // `procfs` must outlive the scan. `threads` counts the caller's.
  ProcScan(Procfs* procfs, size_t threads);

  absl::Status Begin();
  // Drops the scan. The procfs stays open.
  void End();
  // Reads about `budget` links, or fewer if the deadline passes. Returns the number.
  absl::StatusOr<size_t> Step(size_t budget, Allowance::Deadline deadline, Scan* scan);
  // True if Step() has nothing to do before StartReading().
  bool listed() const { return phase_ == Phase::kListed; }
  void StartReading(Descriptors part);
  bool done() const { return phase_ == Phase::kDone; }

  // The processes that have been listed.
  const ProcessList& list() const { return list_; }

  // A pass of BPF has begun, which reads everything that this scan would have read.
  void StopReading();
  // Keeps the list of processes for later scans, without those that have not been read, and ends
  // the scan. Does nothing more if the scan has not come to reading.
  void Remember();
  // Forgets what Remember() has kept.
  void Forget() { list_.Forget(); }
  size_t memory() const;

 private:
  enum class Phase : uint8_t { kIdle, kListing, kListed, kReading, kDone };
  // What one thread reads at a time: a process, or a range of its descriptors.
  struct Unit {
    uint32_t process;  // index in the list
    int32_t begin;
    int32_t end;
  };
  struct Worker {
    TableReader reader;
    uint32_t process = 0;  // that `reader` reads
    Scan scan;             // what it found; the calling thread appends to the caller's
  };

  absl::StatusOr<size_t> List(size_t budget, Scan* scan);
  bool OpenNext(Worker* worker, Scan* scan);
  size_t ReadAlone(size_t budget, Scan* scan);
  size_t ReadShared(size_t budget, Allowance::Deadline deadline, Scan* scan);
  void Work(Worker* worker, Scan* scan, Allowance* allowance);

  Procfs& procfs_;
  ProcessList list_;
  Phase phase_ = Phase::kIdle;
  bool own_ = false;  // Procfs::IsOwn()
  Descriptors part_ = Descriptors::kAll;
  std::vector<Unit> units_;
  std::atomic<size_t> next_unit_ = 0;
  std::vector<Worker> workers_;  // the first is the calling thread's
};

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_PROC_SCAN_H_
