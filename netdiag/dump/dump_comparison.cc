// Tested by tests/dump/netlink_source_test.cc, and against the kernel by
// tests/live/exact_live_test.cc.

#include "netdiag/dump/dump_comparison.h"

#include <algorithm>
#include <utility>

namespace netdiag::internal {

DumpComparison::DumpComparison(std::span<const SocketKey> keys, const TearReport& report)
    : comparable_(!report.hidden && !report.restless) {
  for (const SocketKey key : keys) before_.insert(key.bits());
}

bool DumpComparison::EndDump(const TearReport& report) {
  const bool all = std::ranges::all_of(before_, [&](uint64_t key) { return now_.contains(key); });
  if (comparable_ && all && !report.crowded) return true;
  comparable_ = !report.hidden && !report.restless;
  before_ = std::exchange(now_, {});
  return false;
}

}  // namespace netdiag::internal
