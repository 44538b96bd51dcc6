// Tested by tests/live/owners_live_test.cc and tests/live/owner_policies_live_test.cc.

#include "netdiag/engine/pending_rows.h"

namespace netdiag::internal {

void PendingRows::Show(size_t count, const RowJoins& joins, absl::FunctionRef<Flow(Row&)> show) {
  RowStore& queue = rows(*showing_);
  for (; count > 0 && shown_ < queue.size(); --count) {
    Row row = queue.At(shown_++, joins);
    if (show(row) == Flow::kStop) return;
  }
  if (shown_ < queue.size()) return;
  queue.Clear();
  showing_.reset();
  shown_ = 0;
}

void PendingRows::Drop(absl::FunctionRef<void(const Table*)> visit) {
  for (RowStore& queue : queues_) {
    const bool showing = showing_ && &queue == &rows(*showing_);
    for (size_t i = showing ? shown_ : 0; i < queue.size(); ++i) visit(queue.table(i));
    queue.Clear();
  }
  showing_.reset();
  shown_ = 0;
}

}  // namespace netdiag::internal
