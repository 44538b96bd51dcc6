// Tested by tests/engine/engine_test.cc.

#include "netdiag/dump/source.h"

namespace netdiag::internal {

absl::StatusOr<netlink::Ready> Step(Source* source, const StepOptions& how,
                                    MessageVisitor visitor) {
  return std::visit([&](auto& each) { return each.Step(how, visitor); }, *source);
}

SourceStats StatsOf(const Source& source) {
  return std::visit([](const auto& each) { return each.stats(); }, source);
}

bool UsesConn(const Source& source) {
  return std::holds_alternative<NetlinkSource>(source) ||
         std::holds_alternative<AheadSource>(source) ||
         std::holds_alternative<LookupSource>(source);
}

}  // namespace netdiag::internal
