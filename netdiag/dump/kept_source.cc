// Tested by tests/engine/engine_test.cc.

#include "netdiag/dump/kept_source.h"

#include <algorithm>
#include <cstddef>

namespace netdiag::internal {
namespace {

constexpr size_t kSlice = 256;  // about as many as a datagram holds

}  // namespace

absl::StatusOr<netlink::Ready> KeptSource::Step(const StepOptions& /*how*/,
                                                MessageVisitor visitor) {
  for (const uint32_t i : rest_.first(std::min(kSlice, rest_.size()))) {
    rest_ = rest_.subspan(1);
    if (visitor(index_->message(i)) == Flow::kStop) return netlink::Ready::kDone;
  }
  return rest_.empty() ? netlink::Ready::kDone : netlink::Ready::kSome;
}

}  // namespace netdiag::internal
