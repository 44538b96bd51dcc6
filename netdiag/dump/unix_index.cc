// Tested by tests/engine/engine_test.cc and tests/live/engine_live_test.cc.

#include "netdiag/dump/unix_index.h"

#include <algorithm>
#include <numeric>

namespace netdiag::internal {

bool UnixIndex::Add(const netlink::Message& message, uint32_t table) {
  if (message.type() < netlink::kFirstType) return false;
  const std::optional<UnixSocket> socket = UnixSocket::Parse(message.payload());
  if (!socket) return false;
  entries_.push_back({socket->inode().value(), table, arena_.Add(message)});
  return true;
}

void UnixIndex::Sort() {
  std::ranges::stable_sort(entries_, {}, &Entry::inode);
  by_table_.resize(entries_.size());
  std::iota(by_table_.begin(), by_table_.end(), uint32_t{0});
  std::ranges::stable_sort(by_table_, {}, [this](uint32_t i) { return entries_[i].table; });
}

std::span<const uint32_t> UnixIndex::Of(uint32_t table) const {
  const auto table_of = [this](uint32_t i) { return entries_[i].table; };
  return {std::ranges::lower_bound(by_table_, table, {}, table_of),
          std::ranges::upper_bound(by_table_, table, {}, table_of)};
}

std::optional<UnixSocket> UnixIndex::Find(Inode inode) const {
  const auto entry = std::ranges::lower_bound(entries_, inode.value(), {}, &Entry::inode);
  if (entry == entries_.end() || entry->inode != inode.value()) return std::nullopt;
  return UnixSocket::Parse(message(static_cast<size_t>(entry - entries_.begin())).payload());
}

}  // namespace netdiag::internal
