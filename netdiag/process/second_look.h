// netdiag/process/second_look.h — the policy of OwnerPolicy::kAll after a scan: looks for the
// wanted sockets without an owner in the processes that are new or changed since the scan.
// Internal.
//
//   Start ─ kList ─ listing ─ kRead (kChanged) ─ kFinish
//     │                └─ kBpf
//     └─ kFinish: every wanted socket has an owner

#ifndef NETDIAG_PROCESS_SECOND_LOOK_H_
#define NETDIAG_PROCESS_SECOND_LOOK_H_

#include "netdiag/process/owner_search.h"

namespace netdiag::internal {

class SecondLook final : public OwnerSearch {
 public:
  explicit SecondLook(ScanParts* parts) : OwnerSearch(parts) {}
  Action Start() override { return LookForUnknown(); }
  Action Next() override;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_SECOND_LOOK_H_
