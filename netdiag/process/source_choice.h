// netdiag/process/source_choice.h — whether a scan reads /proc or uses BPF. Internal.
//
// The cost model, in links of /proc (one readlinkat, 3 µs):
// - Loading the BPF program costs 1000 links, once.
// - A pass of the loaded program costs a twelfth of a link for each descriptor of the host.
// The program is loaded when the links read so far, over all scans of the index, and the links to
// read now cost as much as loading. That is one scan of a busy host, or many scans of a quiet one.
//
// With OwnerSource::kProc or kBpf there is no choice: PrefersBpf() answers the same for any number.
//
// Threads: thread-compatible.

#ifndef NETDIAG_PROCESS_SOURCE_CHOICE_H_
#define NETDIAG_PROCESS_SOURCE_CHOICE_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"

#include "netdiag/process/bpf_scan.h"
#include "netdiag/process/owner.h"
#include "netdiag/process/procfs.h"

namespace netdiag::internal {

class SourceChoice {
 public:
  // `bpf` must outlive the choice.
  SourceChoice(OwnerSource source, const BpfScan* bpf) : source_(source), bpf_(bpf) {}

  // Begins a scan. A failure of BPF that only concerned the last scan is forgotten.
  void Begin(const OwnerBudget& budget);
  // With kAuto, the first time: asks the kernel whether BPF can be used. REQUIRES: `procfs` is
  // open.
  void Probe(const Procfs& procfs);
  bool is_always_bpf() const { return source_ == OwnerSource::kBpf; }
  // OK, or why this scan does not use BPF (OwnerStats::no_bpf).
  const absl::Status& no_bpf() const { return no_bpf_now_; }

  // True if a pass of BPF costs less than reading `links` links. `host`: an estimate of all
  // descriptors of the host. False if the deadline leaves no time to load the program.
  bool PrefersBpf(uint64_t links, uint64_t host) const;
  // True if BPF should be used for a scan of everything, which reads `links` links of /proc.
  bool PrefersBpfForAll(uint64_t links) const;

  // The program could not be loaded or started. Excludes BPF from this scan, and from all later
  // ones unless the reason is transient (no descriptors or memory to spare).
  void NoteLoadFailure(const absl::Status& status);
  // A pass failed on its way. Excludes BPF from this scan.
  void NotePassFailure(const absl::Status& status) { no_bpf_now_ = status; }
  // A scan read `links` links of /proc.
  void CountLinks(uint64_t links) { links_ += links; }
  // Takes over what another choice has learned.
  void Inherit(const SourceChoice& other);

 private:
  bool IsWorthLoading(uint64_t links) const;

  const OwnerSource source_;
  const BpfScan* const bpf_;
  bool probed_ = false;
  absl::Status no_bpf_;      // why BPF can never be used here
  absl::Status no_bpf_now_;  // why this scan does not use it
  uint64_t links_ = 0;       // read by the scans of /proc that ended
  OwnerBudget budget_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_SOURCE_CHOICE_H_
