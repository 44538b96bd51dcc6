// netdiag/engine/table_plan.h — Internal. What a query asks of each table, planned once.
//
// A Query becomes a list of TablePlans when it begins. A plan holds the request to the kernel with
// the filter's program, the conditions that the Engine tests on every row, and the facts that
// decide which other source may answer. The walk of the table, its fallback to /proc/net, the exact
// lookups, the second request without a program and the capture all read the plan. So the filter is
// translated once for each table, and no part translates it again.
//
// Lifetime, threads: values.
// Cost: one translation of the filter for each table; no system call.

#ifndef NETDIAG_ENGINE_TABLE_PLAN_H_
#define NETDIAG_ENGINE_TABLE_PLAN_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "netdiag/dump/capture.h"
#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/table.h"
#include "netdiag/dump/tcp_stream.h"
#include "netdiag/filter/kernel_part.h"
#include "netdiag/query.h"
#include "netdiag/row.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

// The query's own conditions on the rows of one table, except the filter. The kernel tests most of
// these too, but /proc/net, a capture and Query::bounded_steps yield unfiltered rows.
struct RowConditions {
  // The states in which matching rows are reported. TCP reports two pseudo states as plain ones.
  StateSet states;
  // True if endpoints of SCTP match in any state, because associations are asked for: the kernel
  // gives each association behind its endpoint.
  bool any_endpoint = false;
  FamilySet families;
  Set<SocketType> types;  // empty: all
  std::optional<Port> source_port;
  std::optional<Port> destination_port;

  bool Match(const Row& row) const;
};

struct TablePlan {
  // What the kernel is asked. The program is the filter's, translated to bytecode.
  DumpRequest request;
  RowConditions conditions;
  // Both ends of the only connection that can match, if the filter names both and the interface.
  std::optional<KernelPart::Ends> ends;
  // True if the filter reads marks. The kernel reports marks only to callers with CAP_NET_ADMIN,
  // and its refusal of the program is how other callers notice.
  bool needs_net_admin = false;
  // True if only /proc/net is asked: no kernel has a dump of the table, or
  // TestOptions::prefer_procfs is set.
  bool only_procfs = false;
  // True if the sockets are kept until every unix table has been read (Query::peers).
  bool kept_for_peers = false;
  // The table's records, if a capture answers instead of the kernel.
  std::optional<CaptureReader> capture;
  bool capture_is_whole = false;  // it says so
  // The stream that answers instead of the kernel.
  std::optional<TcpStreamReader> stream;

  const Table& table() const { return request.table; }
  bool has_program() const { return !request.bytecode.empty(); }
  // True if the kernel may be asked again without a program that it refused. Rows are then filtered
  // by the Engine.
  bool CanDropProgram() const { return has_program() && !needs_net_admin; }
  bool asks_bpf_storages() const {
    const bool has = table().protocol == Protocol::kTcp || table().protocol == Protocol::kMptcp;
    return has && request.extensions.contains(Extension::kBpfStorages);
  }
  // True if /proc/net can answer: it reports neither marks nor BPF storages.
  bool ProcfsCanAnswer() const { return !needs_net_admin && !asks_bpf_storages(); }
  // True if exact lookups yield what a dump yields. Lookups exist for TCP connections only, and the
  // kernel runs no program on them.
  bool LookupsCanAnswer() const;
};

struct PlanOptions {
  size_t connections = 1;  // above 1, each family has a dump of its own
  bool prefer_procfs = false;
  bool keep_unix = false;  // sets TablePlan::kept_for_peers
};

// Appends the plans of one namespace, in the order of Query::protocols. Leaves out tables in which
// no socket can match. REQUIRES: the needs of Query::filter have been added to `query`.
void AppendPlans(const Query& query, const PlanOptions& options, NetnsId netns,
                 const std::string& netns_name, std::vector<TablePlan>* plans);

// The plan of a table in a capture: the kernel is asked nothing. `at_table` has just read the
// record of `table`.
TablePlan PlanOfCapture(const Query& query, const PlanOptions& options, const Table& table,
                        const CaptureReader& at_table);

// The plan of a stream that takes the place of TCP in a namespace. Of the query's conditions only
// the ports apply, and `families` and `states`.
TablePlan PlanOfStream(const Query& query, NetnsId netns, const std::string& netns_name,
                       const TcpStreamReader& stream, FamilySet families, StateSet states);

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_TABLE_PLAN_H_
