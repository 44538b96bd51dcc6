// netdiag/process/owner_search.h — which sockets a search is after, and what is left of it.
// Internal. Users want OwnerIndex::BeginSearch().
//
// Begin(); with kCached PlanChecks() and Check() until checked(); PlanUnknown(); then a scan that
// looks for filter(), with NoteFound() after each slice; Finish(). Cost: 10 bytes an inode wanted;
// allocates only until the arrays have reached their size. Threads: thread-compatible.

#ifndef NETDIAG_PROCESS_OWNER_SEARCH_H_
#define NETDIAG_PROCESS_OWNER_SEARCH_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "netdiag/process/inode_index.h"
#include "netdiag/process/owner.h"
#include "netdiag/process/scan.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag::internal {

class OwnerSearch {
 public:
  void Begin(std::span<const Inode> wanted, OwnerPolicy policy);
  OwnerPolicy policy() const { return policy_; }
  bool Asks(uint32_t inode) const;
  size_t wanted() const { return wanted_.size(); }

  // All that is known of the wanted is to be checked. REQUIRES: the scan is as the index ordered
  // it.
  void PlanChecks(const InodeIndex& index, const Scan& scan);
  size_t checks() const { return checks_.size() - next_check_; }
  // A slice: marks what does not hold any more. `root`: the procfs. Answers what it spent.
  size_t Check(size_t budget, int root, Scan* scan);
  // Marks what has not been checked.
  void DropUnchecked(Scan* scan);
  // Takes what was marked out of the scan.
  void Sweep(Scan* scan);

  // What of the wanted has no owner is to be looked for.
  void PlanUnknown(const InodeIndex& index, const Scan& scan);
  // What a scan looks for, ascending. Valid until the next non-const call.
  std::span<const uint32_t> filter() const { return filter_; }
  // Takes note of what has been appended to the scan.
  void NoteFound(const Scan& scan);
  // Of filter(), those not found.
  size_t left() const { return left_; }
  // Whether any of it has not been looked for before.
  bool HasNew() const;
  // Makes filter() what has neither been found nor looked for before. Answers whether there is any.
  bool NarrowToNew();
  // Ends the search and frees what the checks held open. `whole`: what was not found is nowhere.
  void Finish(bool whole);
  // Before a new scan of everything.
  void ForgetAbsent() { absent_.clear(); }

  // Whether the scan has to be ordered again.
  bool changed() const { return changed_; }
  // Leaves out sockets that were not asked for, if they are more than a long-lived index should
  // keep.
  void Evict(size_t kept_at_least, Scan* scan);
  size_t memory() const;

 private:
  std::vector<uint32_t> wanted_;  // these and the next four ascend
  std::vector<uint32_t> unknown_;
  std::vector<uint32_t> filter_;  // some of unknown_
  std::vector<uint32_t> absent_;  // kCached: looked for everywhere and not found
  std::vector<uint32_t> absent_before_;
  std::vector<bool> found_;  // of unknown_
  OwnerPolicy policy_ = OwnerPolicy::kAll;
  bool changed_ = false;
  size_t left_ = 0;
  size_t noted_ = 0;  // sockets of the scan

  std::vector<uint32_t> checks_;  // places in Scan::sockets, by process
  size_t next_check_ = 0;
  UniqueFd table_;  // of the process being checked
  uint32_t table_of_ = 0;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_OWNER_SEARCH_H_
