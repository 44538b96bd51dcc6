// Tested by tests/live/owners_live_test.cc, tests/live/owner_policies_live_test.cc and
// tests/engine/engine_test.cc.

#include "netdiag/engine/owner_join.h"

#include <optional>
#include <utility>

#include "netdiag/dump/table.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {
namespace {

// After this many descriptors, the thread of a scan checks its deadline and its stop token.
constexpr size_t kThreadSlice = 4096;

OwnerScope ScopeOf(const Query& query) {
  const bool only_tcp = query.protocols.size() == 1 && query.protocols[0] == Protocol::kTcp;
  const StateSet states = query.states & Describe(Protocol::kTcp).states;
  return only_tcp && states == State::kListen ? OwnerScope::kTcpListeners : OwnerScope::kAll;
}

}  // namespace

void OwnerJoin::Load() {
  if (index_ == nullptr) index_ = std::make_unique<OwnerIndex>(options_);
  index_->LoadBpf().IgnoreError();
}

void OwnerJoin::Begin(const Query& query, bool one_batch, Summary* summary) {
  Cancel();
  one_batch_ = one_batch;
  summary_ = summary;
  policy_ = query.owner_policy;
  budget_ = query.owner_budget;
  if (!query.owners) return;
  if (index_ == nullptr) index_ = std::make_unique<OwnerIndex>(options_);
  summary_->owners = OwnerStats{.partial = true};
  searches_again_ = true;
  phase_ = Phase::kJoined;
  peers_ = query.peers;
  if (policy_ == OwnerPolicy::kFirst) return;
  phase_ = Phase::kScanning;
  const absl::Status status = policy_ == OwnerPolicy::kAll
                                  ? index_->Begin(budget_, ScopeOf(query))
                                  : index_->BeginSearch({}, OwnerPolicy::kCached, budget_);
  if (!status.ok()) GiveUp(status);
}

void OwnerJoin::Assign(std::span<const OwnedSocket> held, std::span<const UnownedSocket> unheld,
                       bool damaged, Summary* summary) {
  Cancel();
  summary_ = summary;
  policy_ = OwnerPolicy::kAll;
  index_ = std::make_unique<OwnerIndex>(options_);
  index_->Assign(held, unheld, damaged ? NoOwner::kNotRead : NoOwner::kVanished);
  summary_->owners = index_->stats();
  summary_->owners->partial = damaged;
  phase_ = Phase::kJoined;
}

void OwnerJoin::Cancel() {
  thread_.reset();
  pending_.Drop([](const Table*) {});
  searches_again_ = false;
  phase_ = Phase::kNone;
}

void OwnerJoin::GiveUp(const absl::Status& status) {
  phase_ = Phase::kNone;
  summary_->owner_error = status;
}

void OwnerJoin::Step(size_t descriptors) {
  const absl::StatusOr<bool> done = index_->Step(descriptors);
  if (done.ok() && !*done) return;
  if (phase_ == Phase::kScanning) {
    summary_->owners = index_->stats();
  } else {
    AddSearchStats();
    pending_.BeginShowing(searched());
  }
  phase_ = Phase::kJoined;
  if (!done.ok()) GiveUp(done.status());
}

// Adds what the search did to what was done before it.
void OwnerJoin::AddSearchStats() {
  OwnerStats total = index_->stats();
  const OwnerStats& before = *summary_->owners;
  if (before.partial && before.source == OwnerSource::kAuto) {  // nothing was
    summary_->owners = total;
    return;
  }
  total.descriptors += before.descriptors;
  total.vanished += before.vanished;
  total.errors += before.errors;
  if (before.errors > 0) total.first_error = before.first_error;
  total.partial |= before.partial;
  if (total.limit == OwnerLimit::kNone) total.limit = before.limit;
  if (policy_ == OwnerPolicy::kAll) {
    // The scan met every process and every socket; the second search met some of these again.
    total.source = before.source;
    total.processes = before.processes;
    total.sockets = before.sockets;
    total.denied = before.denied;
  } else {
    total.sockets += before.sockets;
  }
  summary_->owners = total;
}

void OwnerJoin::StartThread(absl::AnyInvocable<absl::Status()> check) {
  if (policy_ != OwnerPolicy::kAll) return;  // rows without a known owner wait for a search
  thread_ = SideScan::Start(index_.get(), kThreadSlice, std::move(check));
  if (thread_ == nullptr) return;
  pending_.Reserve(Queue::kFirst);
  phase_ = Phase::kScanningOnThread;
}

absl::Status OwnerJoin::EndThread() {
  absl::Status scanned = thread_->Join();
  thread_.reset();
  summary_->owners = index_->stats();
  phase_ = Phase::kJoined;
  if (!pending_.empty(Queue::kFirst)) pending_.BeginShowing(Queue::kFirst);
  if (IsTimeout(scanned) || IsCancelled(scanned)) return scanned;
  if (!scanned.ok()) GiveUp(scanned);
  return absl::OkStatus();
}

// True if another search may find an owner: the socket can have been opened or passed on after the
// scan read its owner's descriptors.
bool OwnerJoin::IsUnknown(const Row& row) const {
  if (!searches_again_ || phase_ != Phase::kJoined || policy_ != OwnerPolicy::kAll) return false;
  switch (row.no_owner()) {
    case NoOwner::kHidden:
    case NoOwner::kOtherPidNamespace:
    case NoOwner::kVanished:
      return true;
    case NoOwner::kNotAsked:
    case NoOwner::kNone:
    case NoOwner::kKernelHeld:
    case NoOwner::kNotRead:
      break;
  }
  return false;
}

bool OwnerJoin::MustWait(const Row& row) const {
  if (phase_ == Phase::kScanningOnThread) return true;
  if (phase_ != Phase::kJoined || policy_ == OwnerPolicy::kAll) return IsUnknown(row);
  const bool is_known = policy_ == OwnerPolicy::kCached && row.no_owner() != NoOwner::kNotAsked;
  return !is_known || (peers_ && row.unix_socket() != nullptr);
}

void OwnerJoin::AddPending(const Row& row) {
  pending_.Add(phase_ == Phase::kScanningOnThread ? Queue::kFirst : searched(), row);
}

void OwnerJoin::ShowPending(size_t count, const UnixIndex* unix_sockets,
                            absl::FunctionRef<Flow(Row&)> show) {
  const Queue queue = *pending_.showing();
  pending_.Show(count, {index(), unix_sockets}, [&](Row& row) {
    if (queue == Queue::kAgain || !IsUnknown(row)) return show(row);
    pending_.Add(Queue::kAgain, row);
    return Flow::kContinue;
  });
}

bool OwnerJoin::MustSearch(bool last) const {
  if (phase_ != Phase::kJoined || pending_.showing()) return false;
  const bool is_full = !one_batch_ && pending_.full(searched());
  return is_full || (last && !pending_.empty(searched()));
}

void OwnerJoin::Search(const UnixIndex* unix_sockets) {
  inodes_.clear();
  const RowStore& rows = pending_[searched()];
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row row = rows.At(i, {});
    inodes_.push_back(row.inode());
    if (unix_sockets == nullptr || row.unix_socket() == nullptr) continue;
    inodes_.push_back(row.unix_socket()->peer().value_or(Inode()));
  }
  phase_ = Phase::kSearching;
  const absl::Status status = index_->BeginSearch(inodes_, policy_, budget_);
  if (status.ok()) return;
  pending_.BeginShowing(searched());
  GiveUp(status);
}

std::unique_ptr<const OwnerIndex> OwnerJoin::TakeIndex() {
  if (phase_ != Phase::kJoined) return nullptr;
  return std::exchange(index_, std::make_unique<OwnerIndex>(index_->Successor()));
}

}  // namespace netdiag::internal
