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
#include "netdiag/process/owner_index.h"
#include "netdiag/process/scan.h"

namespace netdiag::internal {

class BpfScan {
 public:
  // `netns`: fill Scan::netns.
  explicit BpfScan(bool netns) : netns_(netns) {}
  // What the next passes find. With `netns`, and before Linux 6.2, they find everything.
  void SetScope(OwnerScope scope);
  OwnerScope scope() const { return scope_; }
  // Loads the program if it is not loaded.
  absl::Status Load();
  // Begins a pass. Loads the program if it is not loaded.
  absl::Status Begin();
  // Ends the pass. The program stays loaded.
  void End();
  // Makes one TaskFiles::Read(). Returns the number of sockets, at least 1.
  absl::StatusOr<size_t> Step(Scan* scan);
  bool done() const { return done_; }
  bool loaded() const { return (is_for_listeners() ? listeners_ : files_) != nullptr; }
  size_t memory() const;

 private:
  bool is_for_listeners() const { return scope_ == OwnerScope::kTcpListeners; }
  bpf::TaskFiles& files() { return is_for_listeners() ? *listeners_ : *files_; }

  std::unique_ptr<bpf::TaskFiles> files_;      // finds every socket
  std::unique_ptr<bpf::TaskFiles> listeners_;  // finds listeners
  OwnerScope scope_ = OwnerScope::kAll;
  bool netns_;
  bool done_ = false;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_BPF_SCAN_H_
