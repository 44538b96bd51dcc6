// netdiag/engine/replay_plan.h — Internal. What a query reads from a capture.
//
// Lifetime: the capture must outlive the plans.
// Threads: values.
// Cost: one pass over the capture.

#ifndef NETDIAG_ENGINE_REPLAY_PLAN_H_
#define NETDIAG_ENGINE_REPLAY_PLAN_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/dump/capture.h"
#include "netdiag/engine/table_plan.h"
#include "netdiag/process/cgroup.h"
#include "netdiag/process/owner_index.h"
#include "netdiag/process/program.h"
#include "netdiag/query.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

struct ReplayPlan {
  std::vector<TablePlan> tables;  // in the capture's order
  // If the query asks for owners:
  std::vector<OwnedSocket> held;      // the owners that the capture names
  std::vector<UnownedSocket> unheld;  // sockets without an owner
  absl::Status no_owners;             // OK, or that the capture was made without owners
  // If the query asks for these:
  std::vector<Cgroups::Known> cgroups;
  std::vector<Programs::Known> programs;
  absl::Status damage;  // OK, or where the capture is damaged; all that was read of it is sound
};

// `capture` is at the beginning.
// Errors: EBADMSG if it is not a capture, or has more tables than a query can have.
absl::StatusOr<ReplayPlan> PlanReplay(CaptureReader capture, const Query& query,
                                      const PlanOptions& options);

// `uname -r` of the host that made the capture; empty if the capture is damaged there.
std::string KernelOfCapture(Bytes capture);

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_REPLAY_PLAN_H_
