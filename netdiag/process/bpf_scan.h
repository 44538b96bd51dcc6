// netdiag/process/bpf_scan.h — owners from BPF: one pass of the kernel over all descriptors.
// Internal. Users want owner_index.h.
//
// Cost, errors: bpf/task_files.h. Threads: thread-compatible.

#ifndef NETDIAG_PROCESS_BPF_SCAN_H_
#define NETDIAG_PROCESS_BPF_SCAN_H_

#include <cstddef>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/bpf/task_files.h"
#include "netdiag/process/scan.h"

namespace netdiag::internal {

class BpfScan {
 public:
  // `netns`: fill Scan::netns.
  explicit BpfScan(bool netns) : netns_(netns) {}
  // Loads the program if it is not loaded.
  absl::Status Load();
  // Begins a pass. Loads the program if it is not loaded.
  absl::Status Begin();
  // Ends the pass. The program stays loaded.
  void End();
  // Makes one TaskFiles::Read(). Returns the number of sockets, at least 1.
  absl::StatusOr<size_t> Step(Scan* scan);
  bool done() const { return done_; }
  bool loaded() const { return files_ != nullptr; }
  size_t memory() const { return files_ == nullptr ? 0 : files_->memory(); }

 private:
  std::unique_ptr<bpf::TaskFiles> files_;
  bool netns_;
  bool done_ = false;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_BPF_SCAN_H_
