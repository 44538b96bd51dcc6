// netdiag/engine/replay_plan.h — Internal. What a query reads from a capture.
//
// Lifetime: the capture must outlive the plans.
// Threads: values.
// Cost: one pass over the capture.

#ifndef NETDIAG_ENGINE_REPLAY_PLAN_H_
#define NETDIAG_ENGINE_REPLAY_PLAN_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "netdiag/engine/table_plan.h"
#include "netdiag/process/owner_index.h"
#include "netdiag/query.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

struct ReplayPlan {
  std::vector<TablePlan> tables;  // in the capture's order
  std::vector<OwnedSocket> held;  // the owners that the capture names, if the query asks for owners
  bool damaged = false;           // the capture ends in damage; the tables before it are good
};

// Errors: EBADMSG if `capture` is not a capture, or has more tables than a query can have.
absl::StatusOr<ReplayPlan> PlanReplay(Bytes capture, const Query& query,
                                      const PlanOptions& options);

// `uname -r` of the host that made the capture; empty if the capture is damaged there.
std::string KernelOfCapture(Bytes capture);

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_REPLAY_PLAN_H_
