// netdiag/engine/walks.h — Internal. The walks of one query: which tables are in flight, whose step
// is next, and which tables wait.
//
// A table is in one of four states: waiting, in flight, kept, or done.
// - Tables start in the order of their plans, as many at once as there are Conns.
// - A table waits while a walk of another namespace is in flight: one namespace is entered at a
//   time, and left when its walks have ended.
// - A unix table whose rows need peers is kept after its walk. When the last of these tables
//   has been read, they are walked a second time, out of the index, and deliver their rows.
//
// Lifetime: what Begin() is given must live until the query's end. `Summary::tables` must have one
// outcome for each plan.
// Threads: thread-compatible.
// Cost: that of the sources; no allocation per row.

#ifndef NETDIAG_ENGINE_WALKS_H_
#define NETDIAG_ENGINE_WALKS_H_

#include <cstddef>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/dump/step.h"
#include "netdiag/dump/table.h"
#include "netdiag/dump/unix_index.h"
#include "netdiag/engine/table_plan.h"
#include "netdiag/engine/walk.h"
#include "netdiag/netlink/call.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/query.h"
#include "netdiag/summary.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

class Walks {
 public:
  // Takes the messages of every walk. kStop: Stop() will be called.
  struct Sink {
    absl::FunctionRef<Flow(const netlink::Message&, const Walk&)> deliver;
    absl::FunctionRef<void(const netlink::Message&, const Walk&)> prefetch;
  };

  // Starts nothing yet. `limit`: the number of walks in flight at once. Messages of plans that are
  // kept_for_peers go into `unix_sockets` first; null: there are no such plans.
  void Begin(std::vector<TablePlan> plans, const WalkContext& context, size_t limit,
             UnixIndex* unix_sockets, Summary* summary);
  // Starts the walks that can start: sends the requests of the next table, for one. An error is the
  // end of the call.
  absl::Status Start(Wait wait, const netlink::CallOptions& call);
  // Start(), and steps one walk. kDone: every table is done. An error is the end of the call; the
  // walks in flight can go on with another call.
  absl::StatusOr<netlink::Ready> Step(Wait wait, const netlink::CallOptions& call,
                                      const Sink& sink);
  // Ends the walks in flight, fills in their outcomes, and leaves the other tables out.
  void Stop();
  // Forgets the walks in flight and the tables that wait.
  void Drop();

  bool done() const { return idle() && next_ == plans_.size(); }
  // True if Step() would begin with starting a walk.
  bool must_start() const { return walks_.empty() && !done(); }
  // True if no walk is in flight, and no table waits for its second walk.
  bool idle() const { return walks_.empty() && next_kept_ == kept_end_; }
  // True if idle() and the next table is the first of a guest: every row of home has come. A Step()
  // never goes beyond this point; the next one does.
  bool leaves_home() const;
  // True if a thread reads one of the walks ahead.
  bool reads_ahead() const;
  // The descriptor that the last Step() waited for; -1: none.
  int fd() const;
  const TablePlan& plan(size_t table) const { return plans_[table]; }

 private:
  void StartKept();
  absl::Status StartNext(const netlink::CallOptions& call);
  size_t FreeSlot() const;
  void EndKeeping();

  std::vector<TablePlan> plans_;  // one for each of summary_->tables
  WalkContext context_;
  size_t limit_ = 1;
  Summary* summary_ = nullptr;
  size_t next_ = 0;  // the first of plans_ that waits
  std::vector<Walk> walks_;
  size_t turn_ = 0;  // index of the walk that was stepped last
  UnixIndex* unix_sockets_ = nullptr;
  size_t unread_unix_tables_ = 0;  // that are to be kept
  // The plans among which are those whose second walk has not begun. Equal until all are kept.
  size_t next_kept_ = 0;
  size_t kept_end_ = 0;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_WALKS_H_
