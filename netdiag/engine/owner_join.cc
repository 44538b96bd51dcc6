// Tested by tests/live/owners_live_test.cc, tests/live/owner_policies_live_test.cc and
// tests/engine/engine_test.cc.

#include "netdiag/engine/owner_join.h"

#include <optional>

#include "netdiag/types/error.h"

namespace netdiag::internal {
namespace {

// Descriptors read between two looks at whether to go on.
constexpr size_t kAsideSlice = 4096;

}  // namespace

void OwnerJoin::Begin(const Query& query, bool one_batch, Summary* summary) {
  Cancel();
  one_batch_ = one_batch;
  summary_ = summary;
  policy_ = query.owner_policy;
  budget_ = query.owner_budget;
  if (!query.owners) return;
  if (index_ == nullptr) index_ = std::make_unique<OwnerIndex>(options_);
  summary_->owners = OwnerStats{.partial = true};
  looks_again_ = true;
  phase_ = Phase::kJoined;
  if (policy_ != OwnerPolicy::kAll) return;
  phase_ = Phase::kScanning;
  if (const absl::Status status = index_->Begin(budget_); !status.ok()) GiveUp(status);
}

void OwnerJoin::Assign(std::span<const OwnedSocket> held, Summary* summary) {
  Cancel();
  summary_ = summary;
  policy_ = OwnerPolicy::kAll;
  index_ = std::make_unique<OwnerIndex>(options_);
  index_->Assign(held);
  summary_->owners = index_->stats();
  phase_ = Phase::kJoined;
}

void OwnerJoin::Cancel() {
  aside_.reset();
  Drop([](const Table*) {});
  looks_again_ = false;
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
    Count();
    shown_of_ = searched();
  }
  phase_ = Phase::kJoined;
  if (!done.ok()) GiveUp(done.status());
}

// A search's cost on top of what was before it.
void OwnerJoin::Count() {
  OwnerStats total = index_->stats();
  const OwnerStats& before = *summary_->owners;
  if (before.partial && before.source == OwnerSource::kAuto) {  // nothing
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
    // The scan met every process and its sockets; a second look only some.
    total.source = before.source;
    total.processes = before.processes;
    total.sockets = before.sockets;
    total.denied = before.denied;
  } else {
    total.sockets += before.sockets;
  }
  summary_->owners = total;
}

void OwnerJoin::StartAside(absl::AnyInvocable<absl::Status()> check) {
  aside_ = SideScan::Start(index_.get(), kAsideSlice, std::move(check));
  if (aside_ == nullptr) return;
  held_.Reserve(kMaxHeld);
  phase_ = Phase::kAside;
}

absl::Status OwnerJoin::EndAside() {
  absl::Status scanned = aside_->Join();
  aside_.reset();
  summary_->owners = index_->stats();
  phase_ = Phase::kJoined;
  if (!held_.empty()) shown_of_ = &held_;
  if (IsTimeout(scanned) || IsCancelled(scanned)) return scanned;
  if (!scanned.ok()) GiveUp(scanned);
  return absl::OkStatus();
}

// Perhaps it was opened or passed on since the scan met its holder.
bool OwnerJoin::IsUnknown(const Row& row) const {
  if (!looks_again_ || phase_ != Phase::kJoined || policy_ != OwnerPolicy::kAll) return false;
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

bool OwnerJoin::MustHold(const Row& row) const {
  if (aside()) return true;
  return (phase_ == Phase::kJoined && policy_ != OwnerPolicy::kAll) || IsUnknown(row);
}

void OwnerJoin::Hold(const Row& row) {
  RowStore* const store = aside() ? &held_ : searched();
  store->Add(row, &row.table());
}

void OwnerJoin::Show(size_t rows, const UnixIndex* unix_sockets,
                     absl::FunctionRef<Flow(Row&)> show) {
  for (; rows > 0 && shown_ < shown_of_->size(); --rows) {
    Row row = shown_of_->At(shown_++, {index(), unix_sockets});
    if (shown_of_ == &held_ && IsUnknown(row)) {
      late_.Add(row, &row.table());
    } else if (show(row) == Flow::kStop) {
      return;
    }
  }
  if (shown_ < shown_of_->size()) return;
  shown_of_->Clear();
  shown_of_ = nullptr;
  shown_ = 0;
}

bool OwnerJoin::MustSearch(bool last) const {
  if (phase_ != Phase::kJoined || showing()) return false;
  const RowStore& store = policy_ == OwnerPolicy::kAll ? late_ : held_;
  const bool is_full = !one_batch_ && store.bytes() + kLargestDatagram > kMaxHeld;
  return is_full || (last && !store.empty());
}

void OwnerJoin::Search(const UnixIndex* unix_sockets) {
  wanted_.clear();
  for (size_t i = 0; i < searched()->size(); ++i) {
    const Row row = searched()->At(i, {});
    wanted_.push_back(row.inode());
    if (unix_sockets == nullptr || row.unix_socket() == nullptr) continue;
    wanted_.push_back(row.unix_socket()->peer().value_or(Inode()));
  }
  phase_ = Phase::kSearching;
  const absl::Status status = index_->BeginSearch(wanted_, policy_, budget_);
  if (status.ok()) return;
  shown_of_ = searched();
  GiveUp(status);
}

void OwnerJoin::Drop(absl::FunctionRef<void(const Table*)> visit) {
  for (RowStore* const store : {&held_, &late_}) {
    for (size_t i = store == shown_of_ ? shown_ : 0; i < store->size(); ++i) visit(store->table(i));
    store->Clear();
  }
  shown_of_ = nullptr;
  shown_ = 0;
}

std::unique_ptr<const OwnerIndex> OwnerJoin::TakeIndex() {
  if (phase_ != Phase::kJoined) return nullptr;
  return std::exchange(index_, std::make_unique<OwnerIndex>(index_->Successor()));
}

}  // namespace netdiag::internal
