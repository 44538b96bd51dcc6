// netdiag/process/owner_search.h — what the three policies of OwnerIndex::BeginSearch() share.
// Internal.

#ifndef NETDIAG_PROCESS_OWNER_SEARCH_H_
#define NETDIAG_PROCESS_OWNER_SEARCH_H_

#include <cstdint>

#include "netdiag/process/scan_policy.h"

namespace netdiag::internal {

class OwnerSearch : public ScanPolicy {
 public:
  // Orders the index anew if anything has changed.
  void Finish(bool whole) override;

 protected:
  explicit OwnerSearch(ScanParts* parts) : parts_(*parts) {}

  // Makes the scan look for the wanted sockets without an owner: kList, or kFinish if there is
  // none.
  Action LookForUnknown();
  // When the processes are listed: chooses between BPF and `part` of /proc. `links`: those that
  // will have to be read of /proc.
  Action Read(Descriptors part, uint64_t links);
  // Reads `part` of /proc.
  Action ReadProc(Descriptors part);
  Descriptors part() const final { return part_; }
  // Notes what was found last, and drops the links that were not checked. Returns true if the index
  // must be ordered anew.
  bool TakeFound();

  ScanParts& parts_;

 private:
  Descriptors part_ = Descriptors::kAll;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_OWNER_SEARCH_H_
