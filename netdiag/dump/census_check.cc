// Tested by tests/dump/netlink_source_test.cc, and against the kernel by
// tests/live/exact_live_test.cc.

#include "netdiag/dump/census_check.h"

#include <utility>

namespace netdiag::internal {

void CensusCheck::Count(const CookieSet& given) {
  Take(given, [](uint64_t) { return true; });
}

void CensusCheck::Update(const CookieSet& given) {
  std::erase_if(missing_, [&](uint64_t cookie) { return given.Contains(cookie); });
  const bool counts_all = table_.protocol == Protocol::kUnix && !counted_all_twice_;
  if (missing_.empty() && !counts_all) return;
  const bool taken =
      Take(given, [&](uint64_t cookie) { return counts_all || missing_.contains(cookie); });
  counted_all_twice_ |= taken && counts_all;
}

// Replaces missing() by the sockets of a new census that `counts` accepts and no dump has given.
bool CensusCheck::Take(const CookieSet& given, absl::FunctionRef<bool(uint64_t)> counts) {
  works_ = false;
  if (taker_ == nullptr) return false;
  const absl::StatusOr<std::vector<bpf::CountedSocket>> all = (*taker_)(table_);
  if (!all.ok()) return false;
  works_ = true;
  std::unordered_set<uint64_t> missing;
  for (const bpf::CountedSocket& socket : *all) {
    if (!table_.families.contains(socket.family) || given.Contains(socket.cookie)) continue;
    if (counts(socket.cookie)) missing.insert(socket.cookie);
  }
  missing_ = std::move(missing);
  return true;
}

}  // namespace netdiag::internal
