// netdiag/process/cached_owners.h — the policy of OwnerPolicy::kCached: checks the owners that are
// known, and looks only for the sockets that have none. Internal.
//
//   Start ─ kCheck ─ checking ─ kList ─ listing ─ kRead (kChanged) ─ kRead (kUnchanged) ─ kFinish
//     │                └─ kFinish            └─ kBpf
//     └─ kList: nothing to check, or a pass of BPF costs less than the checks
//
// A socket is absent if a whole search found no owner of it. Absent sockets are looked for in
// changed processes only, and the others in unchanged processes too, until each has an owner.

#ifndef NETDIAG_PROCESS_CACHED_OWNERS_H_
#define NETDIAG_PROCESS_CACHED_OWNERS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "netdiag/process/owner_search.h"

namespace netdiag::internal {

class CachedOwners final : public OwnerSearch {
 public:
  explicit CachedOwners(ScanParts* parts) : OwnerSearch(parts) {}
  Action Start() override;
  Action Next() override;
  void Finish(bool whole) override;
  // Forgets which sockets are absent.
  void ForgetAbsent() { absent_.clear(); }
  size_t memory() const { return BytesOf(absent_) + BytesOf(absent_before_); }

 private:
  Action ReadListed();
  bool CanCheck();
  bool EvictUnwanted();

  bool checking_ = false;
  // Both ascend. The sockets that this search found absent, and those that the last one did.
  std::vector<uint32_t> absent_;
  std::vector<uint32_t> absent_before_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_CACHED_OWNERS_H_
