// Tested by tests/live/owners_live_test.cc and tests/engine_test.cc.

#include "netdiag/owner_join.h"

#include <utility>

#include "netdiag/types/error.h"

namespace netdiag::internal {
namespace {

// Descriptors read between two looks at whether to go on.
constexpr size_t kAsideSlice = 4096;

}  // namespace

void OwnerJoin::Begin(const Query& query, Summary* summary) {
  Cancel();
  summary_ = summary;
  if (!query.owners) return;
  if (index_ == nullptr) index_ = std::make_unique<OwnerIndex>(options_);
  summary_->owners = OwnerStats{.partial = true};
  phase_ = Phase::kScanning;
  if (const absl::Status status = index_->Begin(); !status.ok()) GiveUp(status);
}

void OwnerJoin::Assign(std::span<const HeldSocket> held, Summary* summary) {
  Cancel();
  summary_ = summary;
  index_ = std::make_unique<OwnerIndex>(options_);
  index_->Assign(held);
  summary_->owners = index_->stats();
  phase_ = Phase::kJoined;
}

void OwnerJoin::Cancel() {
  aside_.reset();
  DropHeld();
  phase_ = Phase::kNone;
}

void OwnerJoin::GiveUp(const absl::Status& status) {
  phase_ = Phase::kNone;
  summary_->owner_error = status;
}

void OwnerJoin::Step(size_t descriptors) {
  const absl::StatusOr<bool> done = index_->Step(descriptors);
  summary_->owners = index_->stats();
  if (!done.ok()) return GiveUp(done.status());
  if (*done) phase_ = Phase::kJoined;
}

bool OwnerJoin::StartAside(absl::AnyInvocable<absl::Status()> check) {
  aside_ = SideScan::Start(index_.get(), kAsideSlice, std::move(check));
  if (aside_ == nullptr) return false;
  held_.Reserve(kMaxHeld);
  phase_ = Phase::kAside;
  return true;
}

absl::Status OwnerJoin::EndAside() {
  const absl::Status scanned = aside_->Join();
  aside_.reset();
  summary_->owners = index_->stats();
  phase_ = Phase::kJoined;
  if (IsTimeout(scanned) || IsCancelled(scanned)) return scanned;
  if (!scanned.ok()) GiveUp(scanned);
  return absl::OkStatus();
}

void OwnerJoin::Show(size_t rows, absl::FunctionRef<Flow(const Row&)> show) {
  for (; rows > 0 && showing(); --rows) {
    const Row row = held_.At(shown_++, index());
    if (show(row) == Flow::kStop) return;
  }
  if (!showing()) DropHeld();
}

void OwnerJoin::DropHeld() {
  held_.Clear();
  shown_ = 0;
}

std::unique_ptr<const OwnerIndex> OwnerJoin::TakeIndex() {
  if (phase_ != Phase::kJoined) return nullptr;
  return std::exchange(index_, std::make_unique<OwnerIndex>(index_->Successor()));
}

}  // namespace netdiag::internal
