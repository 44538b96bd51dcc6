// netdiag/process/first_owner.h — the policy of OwnerPolicy::kFirst: finds one owner of each
// wanted socket, for the fewest reads. Internal.
//
//   Start ─ kList ─ listing ─ kRead (kLowest) ─ kRead (kAboveLowest) ─ kFinish
//     │                └─ kBpf
//     └─ kBpf: with OwnerSource::kBpf
//
// kFinish comes as soon as each wanted socket has an owner.

#ifndef NETDIAG_PROCESS_FIRST_OWNER_H_
#define NETDIAG_PROCESS_FIRST_OWNER_H_

#include "netdiag/process/owner_search.h"

namespace netdiag::internal {

class FirstOwner final : public OwnerSearch {
 public:
  explicit FirstOwner(ScanParts* parts) : OwnerSearch(parts) {}
  Action Start() override;
  Action Next() override;
  // Keeps the owner of each socket that was found first. While other sockets were without an owner,
  // the scan can have found more.
  void Finish(bool whole) override;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_FIRST_OWNER_H_
