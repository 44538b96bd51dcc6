// netdiag/process/full_scan.h — the policy of OwnerIndex::Begin(): reads every descriptor.
// Internal.
//
//   Start ─ kList ─ listing, sizing ─ kRead ─ reading ─ kFinish
//     │       └───────────┴── kBpf ───────┘
//     └─ kBpf
//
// With kAuto BPF is used at once if the program is loaded. If not, /proc is read until loading is
// worth it: while the tables are sized where the kernel tells their sizes (6.2), otherwise while
// they are read. If only listeners must be found and the host has many descriptors, a program is
// loaded that reads the files of listeners alone.

#ifndef NETDIAG_PROCESS_FULL_SCAN_H_
#define NETDIAG_PROCESS_FULL_SCAN_H_

#include "netdiag/process/scan_policy.h"

namespace netdiag::internal {

class FullScan final : public ScanPolicy {
 public:
  // `parts` must outlive the policy.
  explicit FullScan(ScanParts* parts) : parts_(*parts) {}
  Action Start() override;
  Action Next() override;
  Descriptors part() const override { return Descriptors::kAll; }
  void Finish(bool whole) override;

 private:
  ScanParts& parts_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_FULL_SCAN_H_
