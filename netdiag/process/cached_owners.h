// netdiag/process/cached_owners.h — the policy of OwnerPolicy::kCached: keeps the owners that are
// known, reads again what may have changed, and looks only for the sockets that have none.
// Internal.
//
//   Start ─ kCheck ─ checking ─ kList ─ listing ─ kRead (kChanged) ─ kRead (kUnchanged) ─ kFinish
//     │                └─ kFinish            └─ kBpf
//     ├─ kList: nothing to check
//     └─ kList ─ listing ─ kBpf: a pass of BPF costs less than the checks. It replaces everything
//
// A process whose table has as many descriptors as when its links were read counts as unchanged.
// Its links are not read again, except one of LinkChecks::kRounds in each search. So a link that a
// process has exchanged for a file is noticed late. If a search finds a new socket in an unchanged
// process, the process has exchanged something, and the next search checks all its links.
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
  // The open procfs, or -1 if it does not number processes as the index does.
  int Root();
  Action LookForNew();
  Action ReadAll();
  void MarkExchanged();

  bool checking_ = false;
  bool reads_all_ = false;      // by a pass of BPF
  size_t known_processes_ = 0;  // of the scan, before the search read anything
  // Both ascend. The sockets that this search found absent, and those that the last one did.
  std::vector<uint32_t> absent_;
  std::vector<uint32_t> absent_before_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_CACHED_OWNERS_H_
