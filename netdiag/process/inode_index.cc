// Tested by tests/process/process_test.cc, parallel_scan_test.cc.

#include "netdiag/process/inode_index.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <numeric>
#include <tuple>

namespace netdiag::internal {
namespace {

// The average number of sockets in a bucket. They lie side by side, and a directory with fewer
// slots stays in the cache.
constexpr size_t kPerBucket = 4;

// As many entries as Order() may be given: four times as many are counted.
constexpr size_t kAll = std::numeric_limits<size_t>::max() / 4;

// Multiplication by an odd number is a bijection modulo 2^32, so no two inodes share a hash.
uint32_t Hash(uint32_t inode) { return inode * 2654435769u; }

auto KeyOf(const Process& process) {
  return std::tuple(process.pid, process.thread, process.start_time);
}

}  // namespace

uint32_t InodeIndex::Bucket(uint32_t inode) const { return Hash(inode) >> bucket_shift_; }

void InodeIndex::Build(Scan* scan) {
  Begin(scan);
  Order(scan, kAll);
}

void InodeIndex::Begin(Scan* scan) {
  SortProcesses(scan);
  if (!scan->netns.empty()) return SortNetns(scan);
  BeginBuckets(scan->sockets);
}

bool InodeIndex::Order(Scan* scan, size_t entries) {
  // Counting and placing an entry takes a fourth of the time that sorting it takes.
  if (phase_ == Phase::kCount) entries -= Count(scan->sockets, 4 * entries) / 4;
  if (phase_ == Phase::kPlace) entries -= Place(&scan->sockets, 4 * entries) / 4;
  if (phase_ == Phase::kSort) SortBuckets(&scan->sockets, entries);
  return phase_ == Phase::kDone;
}

// Sorts the sockets with their namespaces, all at once. All entries of a socket have the same
// namespace, but some may not know it.
void InodeIndex::SortNetns(Scan* scan) {
  scan->netns.resize(scan->sockets.size());
  order_.clear();
  for (const ScannedSocket& socket : scan->sockets) order_.push_back(socket.inode);
  BeginBuckets(scan->sockets);
  Order(scan, kAll);
  netns_.assign(order_.size(), 0);
  for (size_t i = 0; i < order_.size(); ++i) {
    if (scan->netns[i] != 0) netns_[Find(*scan, order_[i]).first] = scan->netns[i];
  }
  for (size_t i = 1; i < netns_.size(); ++i) {
    if (scan->sockets[i].inode == scan->sockets[i - 1].inode) netns_[i] = netns_[i - 1];
  }
  scan->netns.swap(netns_);
}

// A scan can have a process twice, if its threads share its table. It can have a process late, if
// it is a thread with a number far above that of its process. A search can have processes without
// sockets.
void InodeIndex::SortProcesses(Scan* scan) {
  const std::vector<Process>& processes = scan->processes;
  const auto not_before = [](const Process& a, const Process& b) { return KeyOf(a) >= KeyOf(b); };
  const bool in_order =
      std::adjacent_find(processes.begin(), processes.end(), not_before) == processes.end();
  if (in_order && !scan->wanted) return;
  place_.assign(processes.size(), 0);
  for (const ScannedSocket& entry : scan->sockets) place_[entry.process] = 1;
  order_.clear();
  for (uint32_t i = 0; i < processes.size(); ++i) {
    if (place_[i] != 0) order_.push_back(i);
  }
  std::sort(order_.begin(), order_.end(), [&](uint32_t a, uint32_t b) {
    return std::pair(KeyOf(processes[a]), a) < std::pair(KeyOf(processes[b]), b);
  });
  sorted_.clear();
  for (const uint32_t old : order_) {
    if (sorted_.empty() || KeyOf(sorted_.back()) != KeyOf(processes[old])) {
      sorted_.push_back(processes[old]);
    }
    place_[old] = static_cast<uint32_t>(sorted_.size() - 1);
  }
  for (ScannedSocket& entry : scan->sockets) entry.process = place_[entry.process];
  scan->processes.swap(sorted_);
}

// A counting sort into a second array. Sorting in place is slower, because each move waits until
// the one before it has come from memory.
void InodeIndex::BeginBuckets(const std::vector<ScannedSocket>& entries) {
  const size_t wanted = std::max<size_t>(entries.size() / kPerBucket, 2);
  const int bits = static_cast<int>(std::bit_width(wanted - 1));
  bucket_shift_ = 32 - std::min(bits, 31);
  const size_t buckets = size_t{1} << (32 - bucket_shift_);
  buckets_.assign(buckets + 1, 0);
  moved_.reserve(entries.capacity());  // the next scan appends to this array
  moved_.resize(entries.size());
  phase_ = Phase::kCount;
  next_ = 0;
}

// buckets_ has the counts, then the ends of the buckets.
size_t InodeIndex::Count(const std::vector<ScannedSocket>& entries, size_t most) {
  const size_t begin = next_, end = begin + std::min(most, entries.size() - begin);
  for (; next_ < end; ++next_) ++buckets_[Bucket(entries[next_].inode)];
  if (next_ < entries.size()) return end - begin;
  uint32_t sum = 0;
  for (uint32_t& count : buckets_) count = sum += count;
  phase_ = Phase::kPlace;
  next_ = 0;
  return end - begin;
}

// Placing the entries turns the end of each bucket into its begin.
size_t InodeIndex::Place(std::vector<ScannedSocket>* entries, size_t most) {
  const size_t begin = next_, end = begin + std::min(most, entries->size() - begin);
  for (; next_ < end; ++next_) {
    const ScannedSocket& entry = (*entries)[next_];
    moved_[--buckets_[Bucket(entry.inode)]] = entry;
  }
  if (next_ < entries->size()) return end - begin;
  entries->swap(moved_);
  phase_ = Phase::kSort;
  next_ = 0;
  return end - begin;
}

void InodeIndex::SortBuckets(std::vector<ScannedSocket>* entries, size_t most) {
  const auto before = [](const ScannedSocket& a, const ScannedSocket& b) {
    if (a.inode != b.inode) return Hash(a.inode) < Hash(b.inode);
    return a.process != b.process ? a.process < b.process : a.fd < b.fd;
  };
  const size_t begin = buckets_[next_];
  for (; next_ + 1 < buckets_.size(); ++next_) {
    const size_t from = buckets_[next_], to = buckets_[next_ + 1];
    if (from - begin >= most) return;
    if (to - from < 2) continue;
    std::sort(entries->begin() + static_cast<std::ptrdiff_t>(from),
              entries->begin() + static_cast<std::ptrdiff_t>(to), before);
  }
  phase_ = Phase::kDone;
}

std::pair<size_t, size_t> InodeIndex::Find(const Scan& scan, uint32_t inode) const {
  if (scan.sockets.empty()) return {0, 0};
  const uint32_t bucket = Bucket(inode);
  const auto end = scan.sockets.begin() + buckets_[bucket + 1];
  auto first = scan.sockets.begin() + buckets_[bucket];
  // A bucket is long if one of its sockets has many owners.
  if (static_cast<size_t>(end - first) > 4 * kPerBucket) {
    first = std::lower_bound(
        first, end, Hash(inode),
        [](const ScannedSocket& entry, uint32_t hash) { return Hash(entry.inode) < hash; });
  } else {
    while (first != end && first->inode != inode) ++first;
  }
  auto last = first;
  while (last != end && last->inode == inode) ++last;
  return {static_cast<size_t>(first - scan.sockets.begin()), static_cast<size_t>(last - first)};
}

void InodeIndex::Prefetch(const Scan& scan, uint32_t inode) const {
  if (scan.sockets.empty()) return;
  __builtin_prefetch(scan.sockets.data() + buckets_[Bucket(inode)]);
}

size_t InodeIndex::memory() const {
  return BytesOf(buckets_) + BytesOf(order_) + BytesOf(place_) + BytesOf(sorted_) +
         BytesOf(netns_) + BytesOf(moved_);
}

}  // namespace netdiag::internal
