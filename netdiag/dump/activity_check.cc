// Tested by tests/dump/netlink_source_test.cc, and against the kernel by
// tests/live/exact_live_test.cc.

#include "netdiag/dump/activity_check.h"

#include <utility>

#include "netdiag/dump/dump_request.h"

namespace netdiag::internal {
namespace {

// A dump of fewer rows is likely to be one datagram, which cannot be torn.
constexpr uint64_t kSomeRows = 50;

}  // namespace

void ActivityCheck::Begin(const DumpRequest& request, const ActivityReader* reader,
                          std::optional<uint64_t> rows) {
  reader_ = reader;
  if (request.table.protocol != Protocol::kTcp || reader == nullptr) return;
  if (rows && *rows < kSomeRows) return;
  before_ = (*reader)(kSomeRows);
}

bool ActivityCheck::Unchanged() {
  if (!before_) return false;
  std::optional<TcpActivity> now = (*reader_)(0);
  const bool unchanged = now == before_;
  before_ = std::move(now);
  return unchanged;
}

}  // namespace netdiag::internal
