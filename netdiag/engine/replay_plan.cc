// Tested by tests/engine/engine_test.cc.

#include "netdiag/engine/replay_plan.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>

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

// The reason in the capture; kVanished if it is none that a socket without an owner can have.
NoOwner ReasonOf(uint32_t number) {
  switch (const auto reason = static_cast<NoOwner>(number)) {
    case NoOwner::kHidden:
    case NoOwner::kNotRead:
    case NoOwner::kOtherPidNamespace:
      return reason;
    default:
      return NoOwner::kVanished;
  }
}

// Adds a record about the owners of sockets.
void AddOwner(const CaptureRecord& record, const Query& query, ReplayPlan* plan) {
  if (record.type == CaptureType::kOwner) {
    plan->held.push_back(
        {record.inode, {record.pid, record.start_time, record.fd, record.command, record.thread}});
  } else if (record.type == CaptureType::kNoOwner) {
    plan->unheld.push_back({record.inode, ReasonOf(record.reason)});
  } else if (record.type == CaptureType::kScope && !record.owners) {
    plan->no_owners = ErrnoError(ENODATA, "the capture was made without owners");
  } else if (record.type == CaptureType::kProgram && query.programs) {
    plan->programs.push_back(
        {record.pid, record.start_time, {std::string(record.exe), std::string(record.args)}});
  }
}

// Adds a record that belongs to no table.
void AddJoin(const CaptureRecord& record, const Query& query, ReplayPlan* plan) {
  if (query.owners) AddOwner(record, query, plan);
  if (record.type != CaptureType::kCgroup || !query.cgroups) return;
  plan->cgroups.push_back({record.cgroup,
                           record.pid,
                           record.start_time,
                           {std::string(record.path), std::string(record.container),
                            std::string(record.pod), std::string(record.unit)}});
}

}  // namespace

absl::StatusOr<ReplayPlan> PlanReplay(CaptureReader capture, const Query& query,
                                      const PlanOptions& options) {
  ReplayPlan plan;
  size_t tables = 0;
  bool planned = false;  // true if the last table read is in the plan
  bool whole = false;
  for (CaptureRecord record; capture.Next(&record);) {
    AddJoin(record, query, &plan);
    if (record.type == CaptureType::kNetns && planned) {
      plan.tables.back().request.table.netns_name = record.name;
    }
    if (record.type == CaptureType::kScope) whole = record.whole;
    if (record.type != CaptureType::kTable) continue;
    if (++tables > kMaxTables) return DamagedData("capture", "too many tables");
    planned = Asks(query, record.table);
    if (!planned) continue;
    plan.tables.push_back(PlanOfCapture(query, options, record.table, capture));
    plan.tables.back().capture_is_whole = whole;
  }
  if (tables == 0) NETDIAG_RETURN_IF_ERROR(capture.status());
  const bool can_have_owners = capture.version() > 1 || !plan.held.empty();
  if (query.owners && !can_have_owners) {
    plan.no_owners = ErrnoError(ENODATA, "the capture has no owners");
  }
  plan.damage = capture.status();
  return plan;
}

std::string KernelOfCapture(Bytes capture) {
  CaptureReader reader(capture);
  CaptureRecord host;
  return reader.Next(&host) ? std::string(host.kernel) : std::string();
}

}  // namespace netdiag::internal
