// netdiag/owner_join.h — Internal. Joins the rows of a query to those who hold them, and keeps the
// rows that have to wait for that. Users want Engine.
//
// A row waits while the scan of owners runs beside the dump. It is bounded: when full(), the caller
// must let the join come to its end before it brings more rows. The caller's loop, in this order:
// Step() while busy(), EndAside() when full() or nothing is left to do meanwhile, Show() while
// showing(), then more rows: each is either held here or shown at once.
//
// Lifetime: the Summary given to Begin() must live until the query's end, and the tables of rows
// held until they are shown.
// Threads: thread-compatible. A scan aside runs on a thread of its own, which has ended when
// EndAside() or the destructor returns.

#ifndef NETDIAG_OWNER_JOIN_H_
#define NETDIAG_OWNER_JOIN_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

#include "netdiag/process/process.h"
#include "netdiag/process/side_scan.h"
#include "netdiag/query.h"
#include "netdiag/row.h"
#include "netdiag/row_store.h"

namespace netdiag::internal {

class OwnerJoin {
 public:
  explicit OwnerJoin(OwnerOptions options) : options_(std::move(options)) {}

  // Drops what was, and starts what `query` wants. Owners that cannot be read are no error: rows
  // come without them, and the summary says why.
  void Begin(const Query& query, Summary* summary);
  // The same without a scan: these are the owners (a capture's).
  void Assign(std::span<const HeldSocket> held, Summary* summary);
  // Ends what runs; rows held are dropped.
  void Cancel();

  // A scan that Step() must bring to its end before rows are of use.
  bool busy() const { return phase_ == Phase::kScanning; }
  void Step(size_t descriptors);

  // Goes on with the scan on a thread; rows are held meanwhile. `check` may end it. False: there is
  // no thread to be had, and nothing has happened.
  bool StartAside(absl::AnyInvocable<absl::Status()> check);
  bool aside() const { return phase_ == Phase::kAside; }
  bool aside_over() const { return aside_->over(); }
  // Waits for the thread's end. Not OK: what `check` said.
  absl::Status EndAside();

  // What rows are joined with now; null: nothing.
  const OwnerIndex* index() const { return phase_ == Phase::kJoined ? index_.get() : nullptr; }
  bool MustHold() const { return aside(); }
  void Hold(const Row& row) { held_.Add(row, &row.table()); }
  bool full() const { return held_.bytes() + kLargestDatagram > kMaxHeld; }

  // Rows that have waited enough.
  bool showing() const { return !aside() && shown_ < held_.size(); }
  // Gives the next `rows` of them, joined, to `show`; kStop drops the rest.
  void Show(size_t rows, absl::FunctionRef<Flow(const Row&)> show);
  // Tables of the rows that are held and were not shown.
  size_t held() const { return held_.size() - shown_; }
  const Table* held_table(size_t i) const { return held_.table(shown_ + i); }
  void DropHeld();

  // The index that the rows were joined with, given away; null if owners were not asked for. What
  // it has loaded stays here, for the next query.
  std::unique_ptr<const OwnerIndex> TakeIndex();

 private:
  enum class Phase : uint8_t { kNone, kScanning, kAside, kJoined };
  static constexpr size_t kMaxHeld = size_t{8} << 20;
  // What one more step of a dump can add.
  static constexpr size_t kLargestDatagram = size_t{256} << 10;

  void GiveUp(const absl::Status& status);

  OwnerOptions options_;
  std::unique_ptr<OwnerIndex> index_;  // reused from query to query
  std::unique_ptr<SideScan> aside_;
  Phase phase_ = Phase::kNone;
  Summary* summary_ = nullptr;
  RowStore held_;
  size_t shown_ = 0;  // of held_
};

}  // namespace netdiag::internal

#endif  // NETDIAG_OWNER_JOIN_H_
