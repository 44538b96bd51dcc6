// netdiag/process/wanted_sockets.h — the sockets that a search wants, and which are still without
// an owner. Internal.
//
// Set(); PlanUnknown(), after which a scan looks for filter(); NoteFound() after each slice.
//
// Cost: 10 bytes an inode. Allocates only until the arrays have reached their size.
// Threads: thread-compatible.

#ifndef NETDIAG_PROCESS_WANTED_SOCKETS_H_
#define NETDIAG_PROCESS_WANTED_SOCKETS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "netdiag/process/inode_index.h"
#include "netdiag/process/scan.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

class WantedSockets {
 public:
  // Copies `wanted` without inode 0 and duplicates.
  void Set(std::span<const Inode> wanted);
  std::span<const uint32_t> all() const { return wanted_; }  // ascending
  bool Contains(uint32_t inode) const;

  // Makes filter() the wanted sockets without an owner in `scan`. REQUIRES: `index` is of `scan`.
  void PlanUnknown(const InodeIndex& index, const Scan& scan);
  // The sockets that the scan looks for, ascending. Valid until the next non-const call.
  std::span<const uint32_t> filter() const { return filter_; }
  // Notes the sockets that were appended to the scan.
  void NoteFound(const Scan& scan);
  // Erases all entries of the scan except the first one of each socket of filter(). REQUIRES: the
  // scan had no entry at PlanUnknown(), and Narrow() was not called.
  void KeepFirst(Scan* scan);
  // The number of sockets of filter() without an owner.
  size_t left() const { return left_; }
  // True if NoteFound() saw any socket since PlanUnknown().
  bool found_any() const { return found_any_; }

  // Narrows filter() to the sockets that were neither found nor are in `excluded`, which ascends.
  void Narrow(std::span<const uint32_t> excluded);
  // Appends to `absent` the unknown sockets that were not found, in ascending order. If not `all`,
  // only those that are in `before`, which ascends.
  void AppendAbsent(bool all, std::span<const uint32_t> before,
                    std::vector<uint32_t>* absent) const;
  size_t memory() const;

 private:
  std::vector<uint32_t> wanted_;
  std::vector<uint32_t> unknown_;  // ascending; those that PlanUnknown() chose
  std::vector<uint32_t> filter_;   // ascending; a part of unknown_
  std::vector<bool> found_;        // for each of unknown_
  bool found_any_ = false;
  size_t left_ = 0;
  size_t noted_ = 0;  // sockets of the scan that NoteFound() has seen
};

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_WANTED_SOCKETS_H_
