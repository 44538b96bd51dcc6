// netdiag/engine/delivery.h — Internal. From messages to the visitor: decodes rows, joins them to
// owners, peers and cgroups, tests them, counts them, and shows them or lets them wait.
//
// A row takes one of two ways. If all that it is joined with is known, it is tested and shown at
// once. Else it is counted and becomes a pending row of the OwnerJoin; ShowPending() tests it when
// its owners are known, and takes it out of the count again if it does not match.
//
// Lifetime: what Begin() is given must live until the query's end.
// Threads: thread-compatible.
// Cost: no allocation per row, except for the set of cookies when rows are merged.

#ifndef NETDIAG_ENGINE_DELIVERY_H_
#define NETDIAG_ENGINE_DELIVERY_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_set>

#include "absl/functional/function_ref.h"
#include "absl/hash/hash.h"

#include "netdiag/dump/unix_index.h"
#include "netdiag/engine/owner_join.h"
#include "netdiag/engine/table_plan.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/process/cgroup.h"
#include "netdiag/process/program.h"
#include "netdiag/query.h"
#include "netdiag/row.h"
#include "netdiag/summary.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

class Delivery {
 public:
  using Visitor = absl::FunctionRef<Flow(const Row&)>;
  struct Options {
    std::string proc_root = "/proc";
    // True: captures are replayed. Cgroup ids and pids are those of their hosts, which Assign() is
    // given.
    bool replays = false;
  };

  Delivery(Options options, OwnerJoin* join);
  // `merge`: tables overlap, so a socket whose cookie has been delivered is dropped.
  // `unix_sockets`: where peers are looked up; null: nowhere.
  void Begin(const Query* query, bool merge, const UnixIndex* unix_sockets, Summary* summary);
  // After Begin(), for a capture: joins rows with these cgroups and programs of it, as far as the
  // query asks for such.
  void Assign(Bytes capture, std::span<const Cgroups::Known> cgroups,
              std::span<const Programs::Known> programs);

  Flow Deliver(const netlink::Message& message, const TablePlan& plan, TableOutcome* outcome,
               Visitor visitor);
  // Fetches into the processor's caches what Deliver() will read of the message's owners.
  void Prefetch(const netlink::Message& message, const Table& table) const;
  // Shows a pending row.
  Flow ShowPending(Row* row, Visitor visitor);
  // Takes a pending row that will not be shown out of the count.
  void Uncount(const Table* table);

  // The namespace of the row that a visitor is looking at; nullopt: no visitor runs.
  std::optional<NetnsId> visiting() const { return visiting_; }
  // The cgroups that rows were joined with, given away; null if the query did not ask for them.
  std::unique_ptr<const Cgroups> TakeCgroups() { return std::move(cgroups_); }
  // The same for programs.
  std::unique_ptr<Programs> TakePrograms() { return std::move(programs_); }

 private:
  bool MatchesFilter(const Row& row) const;
  void Count(const Row& row, TableOutcome* outcome);
  Flow Show(const Row& row, Visitor visitor);
  const Cgroup* CgroupOf(const Row& row);
  void CountDamage(const netlink::Message& message);
  // Joins the row with its cgroup and its programs.
  void Complete(Row* row);
  TableOutcome* OutcomeOf(const Table* table);

  const Options options_;
  OwnerJoin* const join_;
  Bytes capture_;  // that answers the query
  const Query* query_ = nullptr;
  const UnixIndex* unix_sockets_ = nullptr;
  Summary* summary_ = nullptr;
  bool merge_ = false;
  std::unordered_set<Cookie, absl::Hash<Cookie>> delivered_;  // if rows are merged
  std::unique_ptr<Cgroups> cgroups_;                          // null: not asked for
  std::unique_ptr<Programs> programs_;                        // null: not asked for
  std::optional<NetnsId> visiting_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_DELIVERY_H_
