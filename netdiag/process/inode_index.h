// netdiag/process/inode_index.h — orders a scan by inode and finds in it. Internal. Users want
// owner_index.h.
//
// The scan's own array of 12-byte entries is ordered by a bijective hash of the inode. A directory
// over the high bits of the hash divides it into buckets. The kernel hands out inodes in runs, by a
// counter that wraps; the hash spreads them evenly. So a lookup touches one slot of the directory
// and the few entries of one bucket.
//
// Cost: Build() about 20 ns a socket; 14 bytes a socket, 60 for a process. Allocates only until the
// arrays have reached their size. Threads: thread-compatible.

#ifndef NETDIAG_PROCESS_INODE_INDEX_H_
#define NETDIAG_PROCESS_INODE_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "netdiag/process/scan.h"

namespace netdiag::internal {

class InodeIndex {
 public:
  // Orders the processes by (pid, thread, start time), merges equal ones, and drops those without
  // sockets. Orders the sockets, and their namespaces if these are known, by (hash of the inode,
  // process, descriptor).
  void Build(Scan* scan);
  // The same in pieces, for event loops: Begin(), then Order() until it returns true. Each call
  // takes as long as putting `entries` sockets in order, which are at least 1.
  void Begin(Scan* scan);
  bool Order(Scan* scan, size_t entries);
  // Returns the index in Scan::sockets of the first owner of `inode`, and the number of owners.
  // REQUIRES: the scan is as Build() left it.
  std::pair<size_t, size_t> Find(const Scan& scan, uint32_t inode) const;
  // Prefetches into the processor's cache what Find() will read.
  void Prefetch(const Scan& scan, uint32_t inode) const;
  size_t memory() const;

 private:
  void SortProcesses(Scan* scan);
  void SortNetns(Scan* scan);
  void BeginBuckets(const std::vector<ScannedSocket>& entries);
  // These go on with at most `most` entries. The first two return with how many.
  size_t Count(const std::vector<ScannedSocket>& entries, size_t most);
  size_t Place(std::vector<ScannedSocket>* entries, size_t most);
  void SortBuckets(std::vector<ScannedSocket>* entries, size_t most);
  uint32_t Bucket(uint32_t inode) const;

  // The entries from buckets_[b] up to buckets_[b + 1] have hashes that begin with b.
  std::vector<uint32_t> buckets_;
  int bucket_shift_ = 0;
  enum class Phase : uint8_t { kCount, kPlace, kSort, kDone };
  Phase phase_ = Phase::kDone;
  size_t next_ = 0;  // the entry, or in kSort the bucket, with which the phase goes on

  // Buffers of Build(), which it reuses.
  std::vector<ScannedSocket> moved_;
  std::vector<uint32_t> order_;
  std::vector<uint32_t> place_;
  std::vector<Process> sorted_;
  std::vector<uint32_t> netns_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_INODE_INDEX_H_
