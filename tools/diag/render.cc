// Tested by tests/tools/main_test.cc and tests/tools/forms_test.cc.

#include "tools/diag/render.h"

#include <algorithm>

#include "netdiag/netlink/netns.h"
#include "netdiag/types/error.h"

namespace diag {

void Renderer::VisitPendingConnections(const netdiag::UnixSocket& listener,
                                       absl::FunctionRef<void(netdiag::Inode peer)> visitor) {
  const auto visit = [&](const netdiag::UnixSocket& socket) {
    for (size_t i = 0; const std::optional<netdiag::Inode> peer = socket.pending_connection(i);
         ++i) {
      visitor(*peer);
    }
  };
  if (listener.has_pending_connections()) return visit(listener);  // of a capture
  // The kernel walks all its unix sockets for each request, and most listeners have no pending
  // connection.
  if (listener.receive_queue().value_or(0) == 0) return;
  const absl::Status status = engine_->LookupUnix(listener.inode(), listener.cookie(), visit);
  if (!status.ok() && !absl::IsNotFound(status)) ++untold_listeners_;
}

NameSources NameSourcesOf(const ListOptions& options, netdiag::Engine* engine) {
  return {.proc_root = options.proc_root,
          .engine = engine,
          .users = options.users,
          .capture = options.replay};
}

netdiag::NetnsId NetnsOfCounts(const ListOptions& options) {
  constexpr netdiag::NetnsId kNone(1);  // no namespace has this number
  if (options.all_netns) return kNone;
  if (options.replay != nullptr) return options.replay->only_netns();
  if (options.netns.empty()) return netdiag::NetnsId();
  const auto netns = netdiag::netlink::NetNs::FromName(options.netns, options.proc_root);
  const absl::StatusOr<netdiag::NetnsId> id = netns.ok() ? netns->Identify() : netns.status();
  return id.value_or(kNone);
}

std::unique_ptr<Renderer> NewRenderer(const ListOptions& options, netdiag::Engine* engine,
                                      Output* output) {
  switch (options.style.form) {
    case Form::kJson:
    case Form::kJsonLines:
      return NewJsonRenderer(options, engine, output);
    case Form::kCsv:
      return NewCsvRenderer(options, engine, output);
    case Form::kText:
      break;
  }
  return options.selection.empty() ? NewSsRenderer(options, engine, output)
                                   : NewTableRenderer(options, engine, output);
}

// ---- Pipeline ----

Pipeline::Pipeline(const Selection& selection, Renderer* renderer, const Output* output)
    : each_owner_(selection.each_owner),
      limit_(selection.limit),
      count_order_(selection.count_order),
      renderer_(renderer),
      output_(output) {
  if (!selection.count_by.empty()) {
    counts_.emplace(KeysOf(selection.count_by), KeysOf(selection.sums));
  }
  if (!selection.sort.empty()) sorted_.emplace(KeysOf(selection.sort), selection.limit);
}

size_t Pipeline::RowsOf(const netdiag::Row& row) const {
  return each_owner_ ? std::max<size_t>(1, row.owners().size()) : 1;
}

netdiag::Flow Pipeline::Show(const netdiag::Row& row, std::optional<size_t> owner) {
  renderer_->Row(row, each_owner_ ? owner : std::nullopt);
  ++shown_;
  const bool enough = output_->failed() || (limit_ != 0 && shown_ >= limit_);
  return enough ? netdiag::Flow::kStop : netdiag::Flow::kContinue;
}

netdiag::Flow Pipeline::Add(const netdiag::Row& row) {
  if (counts_) counts_->Add(row);
  for (size_t i = 0; !counts_ && i < RowsOf(row); ++i) {
    if (sorted_) {
      sorted_->Add(row, i);
    } else if (Show(row, i) == netdiag::Flow::kStop) {
      return netdiag::Flow::kStop;
    }
  }
  return netdiag::Flow::kContinue;
}

void Pipeline::Finish() {
  if (sorted_) {
    sorted_->VisitOwners([this](const netdiag::Row& row, size_t i) { return Show(row, i); });
  }
  if (!counts_) return;
  for (const netdiag::RowCounts::Group& group : counts_->Groups(count_order_)) {
    if (output_->failed() || (limit_ != 0 && shown_ >= limit_)) break;
    renderer_->Count(group);
    ++shown_;
  }
}

}  // namespace diag
