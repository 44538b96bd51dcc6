// netdiag/engine/walk.h — Internal. The Engine's work on one table: a source stepped to its end.
//
// Hides which source answers. Start() chooses, by the table's plan:
// - a capture, or a stream of TCP sockets;
// - /proc/net, if no kernel has a dump of the table;
// - the kernel's table read by BPF, if it has what is asked for, and if the Engine was told to read
//   it or that costs less than a dump (TableChoice); for a guest, the rows of a reading that gives
//   those of many namespaces (GuestPass);
// - exact lookups, of the only connection that can match, or of rows for which a table was not
//   enough;
// - else a dump.
// If the kernel refuses the dump before any row has come, Step() replaces it by /proc/net. (A dump
// whose program is refused repeats itself without the program: DumpOptions.) A long dump may
// continue as a source that a thread reads ahead, and a table as one that a thread helps to read.
//
// Lifetime: plan, outcome and context must outlive the walk.
// Threads: thread-compatible. The thread that reads ahead has ended when the walk is gone.
// Cost: that of the source; no allocation per row.

#ifndef NETDIAG_ENGINE_WALK_H_
#define NETDIAG_ENGINE_WALK_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/dump/source.h"
#include "netdiag/dump/step.h"
#include "netdiag/dump/unix_index.h"
#include "netdiag/engine/conns.h"
#include "netdiag/engine/dump_aids.h"
#include "netdiag/engine/namespaces.h"
#include "netdiag/engine/table_plan.h"
#include "netdiag/netlink/call.h"
#include "netdiag/query.h"
#include "netdiag/summary.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

// What the walks of one query share.
struct WalkContext {
  Conns* conns = nullptr;
  Namespaces* namespaces = nullptr;
  DumpAids* aids = nullptr;
  Completeness completeness = Completeness::kFast;
  RowSource source = RowSource::kAuto;
  bool cookies = true;  // Query::cookies
  // Bytes that a thread may read ahead of the visitor in a long dump; 0: no thread.
  size_t read_ahead = 0;
  // Programs that may read one of the kernel's tables at the same time; above 1, on threads.
  size_t table_programs = 1;
  // False: a step is short, so nothing is loaded in one.
  bool may_wait = true;
};

class Walk {
 public:
  // nullopt: the table is known to be empty. Not OK: no source can answer, or the call has ended
  // (EndsCall()). `slot` numbers the walks in flight, each of which has a Conn of its own.
  static absl::StatusOr<std::optional<Walk>> Start(const TablePlan& plan, size_t slot,
                                                   const WalkContext& context,
                                                   const netlink::CallOptions& call,
                                                   TableOutcome* outcome);
  // The walk over kept unix sockets: those of table number `table` in `index`.
  static Walk OverKept(const TablePlan& plan, const UnixIndex& index, uint32_t table,
                       const WalkContext& context, TableOutcome* outcome);

  // Steps the source. Only the end of the call is an error. A failure of the table is kDone, and is
  // in the outcome.
  absl::StatusOr<netlink::Ready> Step(const StepOptions& how, MessageVisitor deliver);
  // Adds the counts and the doubt of the source to the outcome and to `summary`. Must be called
  // once, at the end.
  void Finish(Summary* summary) const;

  const TablePlan& plan() const { return *plan_; }
  TableOutcome& outcome() const { return *outcome_; }
  // The Conn in use; nullopt: none.
  std::optional<size_t> slot() const;
  // True if the messages must be kept for a second walk, instead of being delivered.
  bool keeps() const;
  bool reads_ahead() const { return std::holds_alternative<AheadSource>(source_); }
  // The descriptor that Step() waits for; -1: none.
  int fd() const;

 private:
  Walk(const TablePlan& plan, size_t slot, const WalkContext& context, TableOutcome* outcome,
       Source source)
      : plan_(&plan),
        context_(&context),
        outcome_(outcome),
        slot_(slot),
        source_(std::move(source)) {}

  static absl::StatusOr<Walk> StartDump(const TablePlan& plan, size_t slot,
                                        const WalkContext& context,
                                        const netlink::CallOptions& call, TableOutcome* outcome);
  static absl::StatusOr<Source> OpenDump(const TablePlan& plan, size_t slot,
                                         const WalkContext& context,
                                         const netlink::CallOptions& call);
  absl::StatusOr<netlink::Ready> StepBesides(const StepOptions& how, MessageVisitor deliver);
  absl::StatusOr<netlink::Ready> Recover(const absl::Status& failure,
                                         const netlink::CallOptions& call);
  void AddThread(const netlink::CallOptions& call);
  void AddThreadToTable(KernelTableSource* table, const netlink::CallOptions& call);

  const TablePlan* plan_;
  const WalkContext* context_;
  TableOutcome* outcome_;
  size_t slot_;
  size_t steps_ = 0;
  Source source_;
  // The pass whose rows the source gives besides; null: none.
  std::shared_ptr<GuestPass> besides_;
};

// True if `status` is the end of a call, as opposed to a table's failure.
bool EndsCall(const absl::Status& status);

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_WALK_H_
