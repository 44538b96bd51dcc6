// Tested by tests/engine/engine_test.cc.

#include "netdiag/dump/kept_source.h"

#include <algorithm>

namespace netdiag::internal {
namespace {

constexpr size_t kSlice = 256;  // about as many as a datagram holds

}  // namespace

absl::StatusOr<netlink::Ready> KeptSource::Step(const StepOptions& /*how*/,
                                                MessageVisitor visitor) {
  for (const size_t end = std::min(next_ + kSlice, index_->size()); next_ < end;) {
    const size_t i = next_++;
    if (index_->table(i) != table_) continue;
    if (visitor(index_->message(i)) == Flow::kStop) return netlink::Ready::kDone;
  }
  return next_ < index_->size() ? netlink::Ready::kSome : netlink::Ready::kDone;
}

}  // namespace netdiag::internal
