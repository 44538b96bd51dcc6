// netdiag/process/side_scan.h — Internal. Users want EngineOptions::threads.
//
// A scan of owners on a thread of its own, beside whatever the caller does meanwhile. The thread
// blocks every signal, and has ended when Join() or the destructor returns.

#ifndef NETDIAG_PROCESS_SIDE_SCAN_H_
#define NETDIAG_PROCESS_SIDE_SCAN_H_

#include <atomic>
#include <cstddef>
#include <memory>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"

#include "netdiag/process/owner_index.h"

namespace netdiag::internal {

class SideScan {
 public:
  // Steps `index`, whose scan has begun, in slices of `descriptors`, and asks `check` before each
  // whether to go on. Nobody else may touch the index until Join(). Null: there is no thread to be
  // had, and nothing has happened.
  static std::unique_ptr<SideScan> Start(OwnerIndex* index, size_t descriptors,
                                         absl::AnyInvocable<absl::Status()> check);
  SideScan(const SideScan&) = delete;
  SideScan& operator=(const SideScan&) = delete;
  // Ends the scan where it is.
  ~SideScan();

  bool over() const { return over_.load(std::memory_order_acquire); }
  // Waits for the end: OK, what `check` said, or why there can be no owners.
  absl::Status Join();

 private:
  SideScan(OwnerIndex* index, size_t descriptors, absl::AnyInvocable<absl::Status()> check)
      : index_(index), descriptors_(descriptors), check_(std::move(check)) {}
  absl::Status Run();

  OwnerIndex* const index_;
  const size_t descriptors_;
  absl::AnyInvocable<absl::Status()> check_;
  absl::Status status_;  // the thread's, until it was joined
  std::atomic<bool> over_{false};
  std::atomic<bool> abandoned_{false};
  std::thread thread_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_SIDE_SCAN_H_
