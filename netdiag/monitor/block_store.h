// netdiag/monitor/block_store.h — Internal. Blocks of bytes of many sizes, whose places are used
// again when they are freed.
//
// Memory comes in chunks of 256 KiB, which the destructor frees. The size of a block is a multiple
// of 16 bytes. A freed block is used again for the next block of the same size.
//
// Lifetime: a block is where it is until it is freed.
// Threads: thread-compatible. Cost: Get() and Free() are a push or a pop; no allocation except for
// growth.

#ifndef NETDIAG_MONITOR_BLOCK_STORE_H_
#define NETDIAG_MONITOR_BLOCK_STORE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace netdiag::internal {

class BlockStore {
 public:
  static constexpr size_t kUnit = 16;
  static constexpr size_t kChunkUnits = (size_t{256} << 10) / kUnit;
  static constexpr uint32_t kNone = ~uint32_t{0};

  static size_t UnitsOf(size_t bytes) { return (bytes + kUnit - 1) / kUnit; }

  // Returns the place of a block, or kNone if it would be larger than a chunk. REQUIRES: units > 0.
  uint32_t Get(size_t units) {
    if (units > kChunkUnits) return kNone;
    if (free_.size() <= units) free_.resize(units + 1);
    std::vector<uint32_t>& free = free_[units];
    if (!free.empty()) {
      const uint32_t place = free.back();
      free.pop_back();
      return place;
    }
    if (next_ + units > chunks_.size() * kChunkUnits) NewChunk();
    const auto place = static_cast<uint32_t>(next_);
    next_ += units;
    return place;
  }
  void Free(uint32_t place, size_t units) { free_[units].push_back(place); }
  std::byte* At(uint32_t place) const {
    return chunks_[place / kChunkUnits].get() + place % kChunkUnits * kUnit;
  }
  size_t memory() const {
    size_t bytes = chunks_.size() * kChunkUnits * kUnit;
    for (const std::vector<uint32_t>& free : free_) bytes += free.capacity() * sizeof(uint32_t);
    return bytes;
  }

 private:
  // The rest of the chunk before becomes a free block.
  void NewChunk() {
    const size_t end = chunks_.size() * kChunkUnits;
    if (const size_t rest = end - next_; rest > 0) {
      if (free_.size() <= rest) free_.resize(rest + 1);
      free_[rest].push_back(static_cast<uint32_t>(next_));
    }
    next_ = end;
    chunks_.push_back(std::make_unique_for_overwrite<std::byte[]>(kChunkUnits * kUnit));
  }

  std::vector<std::unique_ptr<std::byte[]>> chunks_;
  size_t next_ = 0;                          // in units: where no block has been yet
  std::vector<std::vector<uint32_t>> free_;  // by their size in units
};

}  // namespace netdiag::internal

#endif  // NETDIAG_MONITOR_BLOCK_STORE_H_
