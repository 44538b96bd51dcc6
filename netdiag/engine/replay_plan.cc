// Tested by tests/engine/engine_test.cc.

#include "netdiag/engine/replay_plan.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "netdiag/dump/capture.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {
namespace {

// A query has at most sixteen dumps in each namespace. A capture with more tables is damaged.
constexpr size_t kMaxTables = 16 * (netlink::kMaxNamespaces + 1);

bool Asks(const Query& query, const Table& table) {
  return std::ranges::find(query.protocols, table.protocol) != query.protocols.end() &&
         query.families.intersects(table.families);
}

}  // namespace

absl::StatusOr<ReplayPlan> PlanReplay(Bytes capture, const Query& query,
                                      const PlanOptions& options) {
  ReplayPlan plan;
  CaptureReader reader(capture);
  size_t tables = 0;
  bool planned = false;  // true if the last table read is in the plan
  for (CaptureRecord record; reader.Next(&record);) {
    if (record.type == CaptureType::kOwner && query.owners) {
      plan.held.push_back(
          {record.inode,
           {record.pid, record.start_time, record.fd, record.command, record.thread}});
    }
    if (record.type == CaptureType::kNetns && planned) {
      plan.tables.back().request.table.netns_name = record.name;
    }
    if (record.type != CaptureType::kTable) continue;
    if (++tables > kMaxTables) return DamagedData("capture", "too many tables");
    planned = Asks(query, record.table);
    if (planned) plan.tables.push_back(PlanOfCapture(query, options, record.table, reader));
  }
  if (tables == 0) NETDIAG_RETURN_IF_ERROR(reader.status());
  plan.damaged = !reader.status().ok();
  return plan;
}

std::string KernelOfCapture(Bytes capture) {
  CaptureReader reader(capture);
  CaptureRecord host;
  return reader.Next(&host) ? std::string(host.kernel) : std::string();
}

}  // namespace netdiag::internal
