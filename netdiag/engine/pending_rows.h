// netdiag/engine/pending_rows.h — Internal. Rows that wait to be shown, in two queues, of which one
// at a time is being shown.
//
// Lifetime: the tables of the rows must outlive them. A row given to Show()'s visitor is valid
// until the next Add() to its queue.
// Threads: thread-compatible.
// Cost: a copy of each row's message; no allocation except for growth.

#ifndef NETDIAG_ENGINE_PENDING_ROWS_H_
#define NETDIAG_ENGINE_PENDING_ROWS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/functional/function_ref.h"

#include "netdiag/dump/table.h"
#include "netdiag/engine/row_store.h"
#include "netdiag/row.h"

namespace netdiag::internal {

class PendingRows {
 public:
  enum class Queue : uint8_t {
    kFirst,  // rows that came before any owner was known
    kAgain,  // rows whose owner the scan did not find, to be searched once more
  };

  // Reserves the memory of a full queue.
  void Reserve(Queue queue) { rows(queue).Reserve(kMaxBytes); }
  void Add(Queue queue, const Row& row) { rows(queue).Add(row, &row.table()); }
  // True if one more step of a dump could exceed the limit of the queue.
  bool full(Queue queue) const { return rows(queue).bytes() + kLargestDatagram > kMaxBytes; }
  bool empty(Queue queue) const { return rows(queue).empty(); }
  const RowStore& operator[](Queue queue) const { return rows(queue); }
  // The rows of both queues that have not been shown.
  size_t size() const { return queues_[0].size() + queues_[1].size() - shown_; }

  // From now on Show() gives the rows of `queue`. REQUIRES: !showing().
  void BeginShowing(Queue queue) { showing_ = queue; }
  // The queue that is being shown, until its last row has been given.
  std::optional<Queue> showing() const { return showing_; }
  // Gives the next `count` rows of it, with their joins, to `show`; kStop ends the call.
  void Show(size_t count, const RowJoins& joins, absl::FunctionRef<Flow(Row&)> show);

  // Drops every row, and gives the tables of those that have not been shown to `visit`.
  void Drop(absl::FunctionRef<void(const Table*)> visit);

 private:
  // With what AheadSource reads ahead, the limit of all memory is 8 MiB.
  static constexpr size_t kMaxBytes = size_t{3} << 19;
  // The most that one step of a dump can add.
  static constexpr size_t kLargestDatagram = size_t{256} << 10;

  RowStore& rows(Queue queue) { return queues_[static_cast<size_t>(queue)]; }
  const RowStore& rows(Queue queue) const { return queues_[static_cast<size_t>(queue)]; }

  std::array<RowStore, 2> queues_;
  std::optional<Queue> showing_;
  size_t shown_ = 0;  // rows of that queue
};

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_PENDING_ROWS_H_
