// netdiag/engine/owner_join.h — Internal. Joins the rows of a query to their owners, and keeps the
// rows that must wait for them.
//
// Which rows wait depends on Query::owner_policy:
// - kAll: rows that come while the scan runs on a thread beside the dump; then rows whose owner the
//   scan did not find. The latter are searched once more, in one batch, and come last.
// - kFirst: every row, until the owners of its batch have been searched.
// - kCached: rows whose owner no search has found yet, until the owners of their batch have been
//   searched. What is known is checked before the dump.
//
// The phases, and how each ends:
//   kNone             no owners: not asked for, or they cannot be read. Lasts for the query.
//   kScanning         Step() until the scan ends -> kJoined, or kNone if it fails;
//                     StartThread() -> kScanningOnThread
//   kScanningOnThread EndThread() -> kJoined, or kNone. Every row waits.
//   kSearching        Step() until the search ends -> kJoined, or kNone if it fails
//   kJoined           index() is what rows are joined with; Search() -> kSearching
// When a scan or search ends, the rows that waited for it can be shown: pending().showing(). Rows
// must be shown before more are added and before the next search.
//
// Lifetime: the Summary that Begin() is given must live until the query's end, and the tables of
// pending rows until these are shown.
// Threads: thread-compatible. The scan's thread has ended when EndThread(), Cancel() or the
// destructor returns.

#ifndef NETDIAG_ENGINE_OWNER_JOIN_H_
#define NETDIAG_ENGINE_OWNER_JOIN_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

#include "netdiag/dump/unix_index.h"
#include "netdiag/engine/pending_rows.h"
#include "netdiag/process/owner_index.h"
#include "netdiag/process/side_scan.h"
#include "netdiag/query.h"
#include "netdiag/row.h"
#include "netdiag/summary.h"

namespace netdiag::internal {

class OwnerJoin {
 public:
  enum class Phase : uint8_t { kNone, kScanning, kScanningOnThread, kSearching, kJoined };

  explicit OwnerJoin(OwnerOptions options) : options_(std::move(options)) {}

  // Loads the BPF program that queries for owners use. If that fails, they say so.
  void Load();
  // Drops the last query and starts the scan that `query` asks for. Owners that cannot be read are
  // no error: rows come without them, and the summary says why. `one_batch`: searches once, for all
  // rows, so that the index then has the owners of all.
  void Begin(const Query& query, bool one_batch, Summary* summary);
  // The same with owners that are known: those of a capture, as for OwnerIndex::Assign().
  // `damaged`: some may be missing.
  void Assign(std::span<const OwnedSocket> held, std::span<const UnownedSocket> unheld,
              bool damaged, Summary* summary);
  // Ends the scan or search and drops the pending rows.
  void Cancel();

  Phase phase() const { return phase_; }
  // Reads at most `descriptors` descriptors. REQUIRES: kScanning or kSearching.
  void Step(size_t descriptors);
  // Continues the scan on a thread. `check` is asked between slices whether to go on. Does nothing
  // if no thread can be started.
  void StartThread(absl::AnyInvocable<absl::Status()> check);
  bool thread_done() const { return thread_->over(); }
  // Waits for the thread. Not OK: `check` ended the scan.
  absl::Status EndThread();

  // The owners to join rows to; null: none.
  const OwnerIndex* index() const { return phase_ == Phase::kJoined ? index_.get() : nullptr; }
  bool MustWait(const Row& row) const;
  void AddPending(const Row& row);
  PendingRows& pending() { return pending_; }
  const PendingRows& pending() const { return pending_; }
  // True if no more rows may be added to the scan's queue.
  bool full() const { return pending_.full(Queue::kFirst); }
  // Shows the next `count` rows, joined, except those that are to be searched once more.
  void ShowPending(size_t count, const UnixIndex* unix_sockets, absl::FunctionRef<Flow(Row&)> show);

  // True if the batch of pending rows should be searched now: it is full, or no row will follow it.
  bool MustSearch(bool last) const;
  // Begins a search for the owners of the batch and of its peers.
  void Search(const UnixIndex* unix_sockets);

  // The index that rows were joined with, given away; null if there is none. What the index has
  // loaded stays here for the next query.
  std::unique_ptr<const OwnerIndex> TakeIndex();

 private:
  using Queue = PendingRows::Queue;

  // The rows that the next search is for.
  Queue searched() const { return policy_ == OwnerPolicy::kAll ? Queue::kAgain : Queue::kFirst; }
  bool IsUnknown(const Row& row) const;
  void GiveUp(const absl::Status& status);
  void AddSearchStats();

  OwnerOptions options_;
  std::unique_ptr<OwnerIndex> index_;  // reused from query to query
  std::unique_ptr<SideScan> thread_;
  Phase phase_ = Phase::kNone;
  OwnerPolicy policy_ = OwnerPolicy::kAll;
  OwnerBudget budget_;
  bool one_batch_ = false;
  bool peers_ = false;
  bool searches_again_ = false;  // for rows without an owner; false for a capture
  Summary* summary_ = nullptr;
  PendingRows pending_;
  std::vector<Inode> inodes_;  // of a search; kept for its memory
};

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_OWNER_JOIN_H_
