// netdiag/process/side_scan.h — a scan of owners on a thread of its own, while the caller does
// something else. Internal. Users want EngineOptions::threads.
//
// Threads: thread-compatible. The scan's thread blocks every signal, and has ended when Join() or
// the destructor returns.

#ifndef NETDIAG_PROCESS_SIDE_SCAN_H_
#define NETDIAG_PROCESS_SIDE_SCAN_H_

#include <atomic>
#include <cstddef>
#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"

#include "netdiag/process/owner_index.h"
#include "netdiag/types/quiet_thread.h"

namespace netdiag::internal {

class SideScan {
 public:
  // Steps `index`, whose scan has begun, in slices of `descriptors`. Calls `check` before each
  // slice and ends if it fails. The caller must not use the index until Join(). Returns null if no
  // thread can be started; then nothing has happened.
  static std::unique_ptr<SideScan> Start(OwnerIndex* index, size_t descriptors,
                                         absl::AnyInvocable<absl::Status()> check);
  SideScan(const SideScan&) = delete;
  SideScan& operator=(const SideScan&) = delete;
  // Ends the scan where it is.
  ~SideScan();

  // True if Join() will not wait.
  bool over() const { return over_.load(std::memory_order_acquire); }
  // Waits for the end. Returns OK, or the error of `check` or of OwnerIndex::Step().
  absl::Status Join();

 private:
  SideScan(OwnerIndex* index, size_t descriptors, absl::AnyInvocable<absl::Status()> check)
      : index_(index), descriptors_(descriptors), check_(std::move(check)) {}
  absl::Status Run();

  OwnerIndex* const index_;
  const size_t descriptors_;
  absl::AnyInvocable<absl::Status()> check_;
  absl::Status status_;  // the thread writes it before it ends
  std::atomic<bool> over_{false};
  std::atomic<bool> abandoned_{false};
  QuietThread thread_;  // last, so that it ends first
};

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_SIDE_SCAN_H_
