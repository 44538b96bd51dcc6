// Tested by tests/tools/main_test.cc and tests/tools/forms_test.cc.

#include "tools/diag/render.h"

#include "netdiag/types/error.h"

namespace diag {

void Renderer::VisitPendingConnections(const netdiag::UnixSocket& listener,
                                       absl::FunctionRef<void(netdiag::Inode peer)> visitor) {
  // The kernel walks all its unix sockets for each request, and most listeners have no pending
  // connection.
  if (listener.receive_queue().value_or(0) == 0) return;
  const absl::Status status = engine_->LookupUnix(
      listener.inode(), listener.cookie(), [&](const netdiag::UnixSocket& exact) {
        for (size_t i = 0; const std::optional<netdiag::Inode> peer = exact.pending_connection(i);
             ++i) {
          visitor(*peer);
        }
      });
  if (!status.ok() && !absl::IsNotFound(status)) ++untold_listeners_;
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
    : limit_(selection.limit),
      count_order_(selection.count_order),
      renderer_(renderer),
      output_(output) {
  if (!selection.count_by.empty()) {
    counts_.emplace(KeysOf(selection.count_by), KeysOf(selection.sums));
  }
  if (!selection.sort.empty()) sorted_.emplace(KeysOf(selection.sort), selection.limit);
}

netdiag::Flow Pipeline::Show(const netdiag::Row& row) {
  renderer_->Row(row);
  ++shown_;
  const bool enough = output_->failed() || (limit_ != 0 && shown_ >= limit_);
  return enough ? netdiag::Flow::kStop : netdiag::Flow::kContinue;
}

netdiag::Flow Pipeline::Add(const netdiag::Row& row) {
  if (!counts_ && !sorted_) return Show(row);
  if (counts_) counts_->Add(row);
  if (sorted_) sorted_->Add(row);
  return netdiag::Flow::kContinue;
}

void Pipeline::Finish() {
  if (sorted_) sorted_->Visit([this](const netdiag::Row& row) { return Show(row); });
  if (!counts_) return;
  for (const netdiag::RowCounts::Group& group : counts_->Groups(count_order_)) {
    if (output_->failed() || (limit_ != 0 && shown_ >= limit_)) break;
    renderer_->Count(group);
    ++shown_;
  }
}

}  // namespace diag
