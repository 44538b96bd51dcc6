// Tested by tests/engine_test.cc and tests/live/engine_live_test.cc.

#include "netdiag/dump/unix_index.h"

#include <algorithm>
#include <limits>

namespace netdiag::internal {

bool UnixIndex::Add(const netlink::Message& message, uint16_t table) {
  const Bytes whole = message.whole();
  if (message.type() < netlink::kFirstType) return false;
  if (whole.size() > std::numeric_limits<uint16_t>::max()) return false;
  const std::optional<UnixSocket> socket = UnixSocket::Parse(message.payload());
  if (!socket) return false;
  entries_.push_back(
      {socket->inode().value(), static_cast<uint16_t>(whole.size()), table, arena_.size()});
  arena_.insert(arena_.end(), whole.begin(), whole.end());
  return true;
}

void UnixIndex::Sort() { std::ranges::stable_sort(entries_, {}, &Entry::inode); }

std::optional<UnixSocket> UnixIndex::Find(Inode inode) const {
  const auto entry = std::ranges::lower_bound(entries_, inode.value(), {}, &Entry::inode);
  if (entry == entries_.end() || entry->inode != inode.value()) return std::nullopt;
  return UnixSocket::Parse(message(static_cast<size_t>(entry - entries_.begin())).payload());
}

netlink::Message UnixIndex::message(size_t i) const {
  const Bytes whole = Bytes(arena_).subspan(entries_[i].offset, entries_[i].length);
  return netlink::Message(*netlink::Load<netlink::Header>(whole), whole);
}

}  // namespace netdiag::internal
