// Tested by tests/dump/netlink_source_test.cc, and against the kernel by
// tests/live/exact_live_test.cc.

#include "netdiag/dump/activity_check.h"

#include "netdiag/dump/bucket_request.h"

namespace netdiag::internal {
namespace {

// Two reads cost 200 µs, which is less than a hundredth of a dump of this many rows.
constexpr uint64_t kManyRows = 5000;
// A dump of fewer rows is likely to be one datagram, which cannot be torn.
constexpr uint64_t kSomeRows = 50;

}  // namespace

void ActivityCheck::Begin(const DumpRequest& request, const ActivityReader* reader,
                          std::optional<uint64_t> rows) {
  reader_ = reader;
  if (request.table.protocol != Protocol::kTcp || reader == nullptr) return;
  // Exact requests verify a short dump faster, unless it hides sockets.
  const uint64_t least = HidesSockets(request) ? kSomeRows : kManyRows;
  if (rows && *rows < least) return;
  before_ = (*reader)(least);
}

bool ActivityCheck::Unchanged(StateSet states) const {
  if (!before_ || states.contains(State::kListen) || states.contains(State::kBoundInactive)) {
    return false;
  }
  return (*reader_)(0) == before_;
}

}  // namespace netdiag::internal
