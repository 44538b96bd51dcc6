// netdiag/process/process_list.h — the processes of a procfs, how many descriptors each has, and
// which of them have changed since they were listed before. Internal.
//
// Begin(); Step() until done(). The list is first named (one getdents64 per 1 000 names), and then
// sized, where the kernel tells sizes (Linux 6.2): one stat a process. A process is changed if it
// was not in the list that Remember() kept, or if its number of descriptors is another. A process
// that closed one descriptor and opened another in between is not seen as changed. Where the kernel
// does not tell sizes, every process is changed.
//
// Threads: thread-compatible.

#ifndef NETDIAG_PROCESS_PROCESS_LIST_H_
#define NETDIAG_PROCESS_PROCESS_LIST_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"

#include "netdiag/process/directory.h"
#include "netdiag/process/procfs.h"
#include "netdiag/process/scan.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

// The descriptors that a scan reads.
enum class Descriptors : uint8_t {
  kAll,
  kLowest,       // numbers 0 to 15 of every process, without listing a directory
  kAboveLowest,  // all the others
  kChanged,      // those of changed processes
  kUnchanged,    // those of the other processes, except where they may not be read
};

// What is known of a process. A set of bits.
enum ProcessState : uint8_t {
  kDenied = 1,       // its descriptors may not be read
  kVanished = 2,     // it ended before it was read
  kWhole = 4,        // reading kLowest found all descriptors that it has
  kUnchanged = 8,    // it is as it was when it was read before
  kUnread = 16,      // the scan ended before it was read
  kLeaderless = 32,  // its leader has ended: it has no descriptors, but its threads can have some
  kFailed = 64,      // reading kLowest failed: kAboveLowest has all descriptors of the process
};

struct ListedProcess {
  int32_t pid = 0;
  int32_t descriptors = 0;  // -1: may not be told
  uint64_t identity = 0;    // TableSize::identity
  uint8_t state = 0;        // ProcessState bits
};

class ProcessList {
 public:
  // Empties the list. What was remembered stays.
  void Begin();
  // Names or sizes about `budget` processes. Returns the number. REQUIRES: not done().
  absl::StatusOr<size_t> Step(const Procfs& procfs, size_t budget);
  bool naming() const { return phase_ == Phase::kNaming; }
  bool done() const { return phase_ == Phase::kDone; }
  // Ends the sizing early. Processes that have no size leave the list.
  void StopSizing();

  // In order of pid, without the processes that have no descriptor.
  std::vector<ListedProcess>& processes() { return processes_; }
  const std::vector<ListedProcess>& processes() const { return processes_; }
  // True if the kernel tells sizes.
  bool is_sized() const { return sized_; }
  // The descriptors of all processes sized so far; 0 if the kernel does not tell.
  uint64_t expected() const { return expected_; }
  // The descriptors in a part. REQUIRES: done(), and not kLowest or kAboveLowest.
  uint64_t Expected(Descriptors part) const;
  // The number of unchanged processes whose descriptors could not be read. REQUIRES: done().
  uint64_t UnchangedDenied() const;
  // Up to three processes whose descriptors could not be read, those with the lowest pids; then 0.
  std::array<Pid, 3> LowestDenied() const;
  // True if any process is changed. REQUIRES: done().
  bool HasChanged() const;

  // Keeps the list for the next one, except changed processes that are marked kUnread.
  void Remember();
  void Forget() { seen_.clear(); }
  size_t memory() const { return reader_.memory() + BytesOf(processes_) + BytesOf(seen_); }

 private:
  enum class Phase : uint8_t { kNaming, kSizing, kDone };

  absl::StatusOr<size_t> AddNames(const Procfs& procfs, size_t budget);
  size_t AddSizes(const Procfs& procfs, size_t budget);
  void MarkUnchanged();

  Phase phase_ = Phase::kNaming;
  DirectoryReader reader_;
  std::vector<ListedProcess> processes_;
  size_t sizes_ = 0;  // the number of processes that were sized, from the end
  bool sized_ = false;
  uint64_t expected_ = 0;
  std::vector<ListedProcess> seen_;  // as Remember() left them
};

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_PROCESS_LIST_H_
