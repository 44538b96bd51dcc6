// Tested by tests/engine/engine_test.cc and tests/live/engine_live_test.cc.

#include "netdiag/engine/delivery.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"

#include "netdiag/engine/row_maker.h"
#include "netdiag/filter/filter.h"
#include "netdiag/socket/socket.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {

Delivery::Delivery(Options options, OwnerJoin* join) : options_(std::move(options)), join_(join) {}

void Delivery::Begin(const Query* query, bool merge, const UnixIndex* unix_sockets,
                     Summary* summary) {
  query_ = query;
  merge_ = merge;
  unix_sockets_ = unix_sockets;
  summary_ = summary;
  delivered_.clear();
  if (!query->cgroups) {
    cgroups_.reset();
  } else if (cgroups_ != nullptr && !options_.replays) {
    cgroups_->Refresh();
  } else {
    cgroups_ = std::make_unique<Cgroups>(options_.proc_root);
  }
  if (!query->programs) {
    programs_.reset();
  } else if (programs_ != nullptr && !options_.replays) {
    programs_->Refresh();
  } else {
    programs_ = std::make_unique<Programs>(options_.proc_root);
  }
}

void Delivery::Assign(Bytes capture, std::span<const Cgroups::Known> cgroups,
                      std::span<const Programs::Known> programs) {
  capture_ = capture;
  if (cgroups_ != nullptr) cgroups_->Assign(cgroups);
  if (programs_ != nullptr) programs_->Assign(programs);
}

Flow Delivery::Deliver(const netlink::Message& message, const TablePlan& plan,
                       TableOutcome* outcome, Visitor visitor) {
  std::optional<Row> row = RowMaker::FromMessage(message, outcome->table, outcome->source,
                                                 {join_->index(), unix_sockets_});
  if (!row || row->malformed()) CountDamage(message);
  if (!row || !plan.conditions.Match(*row)) return Flow::kContinue;
  // An accepted MPTCP connection can have its listener's cookie (mptcp_sk_clone_init()), and an
  // association of SCTP has its endpoint's. The tables of these protocols do not overlap.
  const bool own = row->protocol() != Protocol::kMptcp && row->protocol() != Protocol::kSctp;
  const bool merges = merge_ && own && row->cookie() != Cookie();
  if (merges && !delivered_.insert(row->cookie()).second) {
    ++summary_->duplicates;
    return Flow::kContinue;
  }
  if (outcome->source != SourceKind::kStream && join_->MustWait(*row)) {
    // Tests the filter now if it reads nothing that the row waits for.
    const bool testable = query_->filter != nullptr && !query_->filter->ReadsOwners();
    if (testable && !query_->cgroups && !query_->filter->Matches(*row)) return Flow::kContinue;
    Count(*row, outcome);
    join_->AddPending(*row);
    return Flow::kContinue;
  }
  Complete(&*row);
  if (!MatchesFilter(*row)) return Flow::kContinue;
  Count(*row, outcome);
  return Show(*row, visitor);
}

// Counts a message that is malformed, and notes its place if it is one of a capture.
void Delivery::CountDamage(const netlink::Message& message) {
  ++summary_->damaged;
  if (!options_.replays || !summary_->replay_damage.ok()) return;
  const std::ptrdiff_t offset = message.whole().data() - capture_.data();
  summary_->replay_damage =
      DamagedData("capture", "at byte " + std::to_string(offset) + ": the message is malformed");
}

void Delivery::Prefetch(const netlink::Message& message, const Table& table) const {
  if (join_->index() == nullptr || !IsInet(table.protocol)) return;
  const std::optional<Inode> inode = InetSocket::PeekInode(message.payload());
  if (inode) join_->index()->Prefetch(*inode);
}

Flow Delivery::ShowPending(Row* row, Visitor visitor) {
  Complete(row);
  if (!MatchesFilter(*row)) {
    Uncount(&row->table());
    return Flow::kContinue;
  }
  return Show(*row, visitor);
}

void Delivery::Uncount(const Table* table) {
  --OutcomeOf(table)->rows;
  --summary_->rows;
}

bool Delivery::MatchesFilter(const Row& row) const {
  return query_->filter == nullptr || query_->filter->Matches(row);
}

void Delivery::Count(const Row& row, TableOutcome* outcome) {
  summary_->unknown_attributes += row.unknown_attributes();
  ++outcome->rows;
  ++summary_->rows;
}

Flow Delivery::Show(const Row& row, Visitor visitor) {
  visiting_ = row.table().netns;
  const absl::Cleanup visited = [this] { visiting_.reset(); };  // also if the visitor throws
  const Flow flow = visitor(row);
  if (flow == Flow::kStop) summary_->stopped = true;
  return flow;
}

void Delivery::Complete(Row* row) {
  if (cgroups_ != nullptr) RowMaker::SetCgroup(row, CgroupOf(*row));
  if (programs_ != nullptr) RowMaker::SetPrograms(row, programs_.get());
}

// An inet socket's own cgroup, with the names that only its first owner tells. If the kernel does
// not tell the cgroup, it is that of the first owner.
const Cgroup* Delivery::CgroupOf(const Row& row) {
  const InetSocket* const socket = row.inet();
  const CgroupId id = socket != nullptr ? socket->cgroup().value_or(CgroupId()) : CgroupId();
  if (row.owners().empty()) return cgroups_->Find(id);
  const Owner owner = row.owners()[0];
  if (id == CgroupId()) return cgroups_->OfProcess(owner.pid, owner.start_time);
  return cgroups_->FindHeldBy(id, owner.pid, owner.start_time);
}

// `table` is that of an outcome. The addresses of outcomes ascend.
TableOutcome* Delivery::OutcomeOf(const Table* table) {
  const auto address = [](const TableOutcome& outcome) { return &outcome.table; };
  return &*std::ranges::lower_bound(summary_->tables, table, std::less<>(), address);
}

}  // namespace netdiag::internal
