// Tested by tests/live/kernel_table_live_test.cc.

#include "netdiag/dump/split_source.h"

#include <utility>

namespace netdiag::internal {

using netlink::Ready;

absl::StatusOr<Ready> SplitSource::Step(const StepOptions& how, MessageVisitor visitor) {
  if (here_done_ || ahead_.has_chunk()) return ahead_.Step(how, visitor);
  bool stopped = false;
  const auto visit = [&](const netlink::Message& message) {
    const Flow flow = visitor(message);
    stopped = flow == Flow::kStop;
    return flow;
  };
  const absl::StatusOr<Ready> ready = here_.Step(how, visit);
  if (!ready.ok() || stopped || *ready != Ready::kDone) return ready;
  here_done_ = true;
  return Ready::kSome;
}

SourceStats SplitSource::stats() const {
  SourceStats stats = here_.stats();
  const SourceStats other = ahead_.stats();
  stats.damaged += other.damaged;
  stats.repeated += other.repeated;
  stats.given += other.given;
  if (stats.doubt.ok()) stats.doubt = other.doubt;
  return stats;
}

}  // namespace netdiag::internal
