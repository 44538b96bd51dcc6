// netdiag/engine/owner_join.h — Internal. Joins the rows of a query to those who hold them, and
// keeps the rows that have to wait for that. Users want Engine.
//
// What waits, by Query::owner_policy:
// - kAll: rows that come while the scan runs beside the dump, and then those whose owner it did not
//   know. These are looked up once more, all together, and come last.
// - kFirst, kCached: every row, until the owners of a batch have been searched.
//
// The caller's loop: Step() while busy(); EndAside() when full() or nothing else is left to do;
// Show() while showing(); Search() while MustSearch(); then more rows, each of which is Hold()ed if
// it MustHold().
//
// Lifetime: the Summary given to Begin() must live until the query's end, and the tables of rows
// held until they are shown.
// Threads: thread-compatible. A scan aside runs on a thread of its own, which has ended when
// EndAside(), Cancel() or the destructor returns.

#ifndef NETDIAG_ENGINE_OWNER_JOIN_H_
#define NETDIAG_ENGINE_OWNER_JOIN_H_

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

#include "netdiag/dump/unix_index.h"
#include "netdiag/engine/row_store.h"
#include "netdiag/process/owner_index.h"
#include "netdiag/process/side_scan.h"
#include "netdiag/query.h"
#include "netdiag/row.h"
#include "netdiag/summary.h"

namespace netdiag::internal {

class OwnerJoin {
 public:
  explicit OwnerJoin(OwnerOptions options) : options_(std::move(options)) {}

  // Drops what was, and starts what `query` wants. Owners that cannot be read are no error: rows
  // come without them, and the summary says why. `one_batch`: all rows that wait for a search wait
  // for one, so that the index then knows all.
  void Begin(const Query& query, bool one_batch, Summary* summary);
  // The same without a scan: these are the owners (a capture's).
  void Assign(std::span<const OwnedSocket> held, Summary* summary);
  // Ends what runs; rows held are dropped.
  void Cancel();

  // A scan or search that Step() must bring to its end before rows are of use.
  bool busy() const { return phase_ == Phase::kScanning || phase_ == Phase::kSearching; }
  void Step(size_t descriptors);

  // Goes on with the scan on a thread; rows are held meanwhile. `check` may end it. Without a
  // thread to be had nothing happens.
  void StartAside(absl::AnyInvocable<absl::Status()> check);
  bool scanning() const { return phase_ == Phase::kScanning; }
  bool aside() const { return phase_ == Phase::kAside; }
  bool aside_over() const { return aside_->over(); }
  // Waits for the thread's end. Not OK: what `check` said.
  absl::Status EndAside();

  // What rows are joined with now; null: nothing.
  const OwnerIndex* index() const { return phase_ == Phase::kJoined ? index_.get() : nullptr; }
  bool MustHold(const Row& row) const;
  void Hold(const Row& row);
  bool full() const { return held_.bytes() + kLargestDatagram > kMaxHeld; }

  // Rows that have waited enough. Show() gives the next `rows` of them, joined, to `show`, but for
  // those that are to be looked up once more. kStop ends it.
  bool showing() const { return shown_of_ != nullptr; }
  void Show(size_t rows, const UnixIndex* unix_sockets, absl::FunctionRef<Flow(Row&)> show);

  // Whether rows that wait should wait no longer for others to be searched for with them; `last`:
  // no other will come. Search() begins it, for them and for their peers.
  bool MustSearch(bool last) const;
  void Search(const UnixIndex* unix_sockets);

  // Rows that were not shown yet.
  size_t held() const { return held_.size() + late_.size() - shown_; }
  // Gives their tables, and drops them.
  void Drop(absl::FunctionRef<void(const Table*)> visit);

  // The index that the rows were joined with, given away; null if owners were not asked for. What
  // it has loaded stays here, for the next query.
  std::unique_ptr<const OwnerIndex> TakeIndex();

 private:
  enum class Phase : uint8_t { kNone, kScanning, kAside, kSearching, kJoined };
  // Each of the two stores. With what AheadSource keeps it is 8 MiB in all.
  static constexpr size_t kMaxHeld = size_t{3} << 19;
  // What one more step of a dump can add.
  static constexpr size_t kLargestDatagram = size_t{256} << 10;

  RowStore* searched() { return policy_ == OwnerPolicy::kAll ? &late_ : &held_; }
  bool IsUnknown(const Row& row) const;
  void GiveUp(const absl::Status& status);
  void Count();

  OwnerOptions options_;
  std::unique_ptr<OwnerIndex> index_;  // reused from query to query
  std::unique_ptr<SideScan> aside_;
  Phase phase_ = Phase::kNone;
  OwnerPolicy policy_ = OwnerPolicy::kAll;
  OwnerBudget budget_;
  bool one_batch_ = false;
  bool looks_again_ = false;  // for unknown rows: not for those of a capture
  Summary* summary_ = nullptr;
  RowStore held_;                 // wait for the scan, or for a search of all of them
  RowStore late_;                 // kAll: the scan did not know their owners
  RowStore* shown_of_ = nullptr;  // the one of them that is being shown, and how far
  size_t shown_ = 0;
  std::vector<Inode> wanted_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_OWNER_JOIN_H_
