// Change and ChangeSums. Tested by tests/monitor/ledger_test.cc.

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "netdiag/monitor.h"
#include "netdiag/monitor/ledger.h"
#include "netdiag/socket/structs.h"

namespace netdiag {
namespace {

std::optional<uint64_t> NumberOf(const FieldValue& value) {
  const auto* number = std::get_if<uint64_t>(&value);
  return number != nullptr ? std::optional(*number) : std::nullopt;
}

// The counters of 64 bits that every byte moves.
constexpr auto kAcked = TcpInfo::Field("bytes_acked");
constexpr auto kReceived = TcpInfo::Field("bytes_received");
constexpr auto kSegments = TcpInfo::Field("segs_out");

}  // namespace

std::string_view Name(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::kOpened:
      return "opened";
    case ChangeKind::kLived:
      return "lived";
    case ChangeKind::kClosed:
      return "closed";
    case ChangeKind::kGone:
      return "gone";
    case ChangeKind::kLingers:
      return "lingers";
    case ChangeKind::kUntold:
      return "untold";
  }
  return "";
}

const Row* Change::last() const {
  if (!record_) return nullptr;
  if (!last_) last_ = ledger_->LastRow(*record_);
  return &*last_;
}

Owners Change::inferred_owners() const {
  return row_->owners().empty() ? ledger_->ListenersAt(*row_) : Owners();
}

// True if the kernel has cleared the counters before it sent the event: a connection that its own
// process aborts is disconnected first (tcp_disconnect()).
bool Change::cleared() const {
  if (kind_ != ChangeKind::kClosed) return false;
  const std::optional<TcpInfo> info = row_->tcp_info();
  return info && (*info)[kAcked].value_or(0) == 0 && (*info)[kReceived].value_or(0) == 0 &&
         (*info)[kSegments].value_or(0) == 0;
}

bool Change::reset() const {
  const std::optional<TcpInfo> now = row_->tcp_info();
  if (!now || last() == nullptr || kind_ == ChangeKind::kGone || cleared()) return false;
  const std::optional<TcpInfo> before = last()->tcp_info();
  if (!before) return false;
  const auto fell = [&](const StructField& field) {
    return (*now)[field].value_or(0) < (*before)[field].value_or(0);
  };
  return fell(kAcked) || fell(kReceived);
}

FieldValue Change::Delta(const Field& field) const {
  const bool has_deltas = kind_ != ChangeKind::kUntold && kind_ != ChangeKind::kLingers;
  if (field.meaning != Meaning::kCounter || !has_deltas) return {};
  const std::optional<uint64_t> now = NumberOf(field.get(*row_, 0));
  const std::optional<uint64_t> before =
      last() != nullptr ? NumberOf(field.get(*last(), 0)) : std::nullopt;
  if (!now) return before ? FieldValue(uint64_t{0}) : FieldValue();
  if (!before) {
    // The counters of a connection begin after SYN_RECV.
    return from_start_ || last_state_ == State::kSynReceived ? *now : uint64_t{0};
  }
  if (*now >= *before) return *now - *before;
  if (cleared()) return uint64_t{0};
  const bool wraps = field.bits < 64 && *before >> field.bits == 0 && !reset();
  return wraps ? *now + (uint64_t{1} << field.bits) - *before : *now;
}

FieldValue Change::Value(const Field& field, size_t i) const {
  const bool is_owners = field.group == FieldGroup::kOwner;
  const FieldValue now = field.get(*row_, i);
  if (is_owners || last() == nullptr) return now;
  if (IsAbsent(now)) return i < ValuesOf(field.group, *last()) ? field.get(*last(), i) : now;
  if (field.meaning == Meaning::kCounter && cleared()) {
    const FieldValue before = field.get(*last(), i);
    return NumberOf(before).value_or(0) > NumberOf(now).value_or(0) ? before : now;
  }
  return now;
}

bool Look::exact() const {
  const auto doubtful = [](const TableOutcome& table) {
    return !table.doubt.ok() || table.missing > 0;
  };
  return overruns == 0 && untold == 0 && unjudged == 0 && no_events.ok() && unread.ok() &&
         std::ranges::none_of(query.tables, doubtful);
}

ChangeSums::ChangeSums(std::vector<const Field*> by, std::vector<const Field*> sums)
    : by_(std::move(by)), sums_(std::move(sums)), counts_(NewCounts()) {}

ChangeSums::~ChangeSums() = default;

// The keys read the change that is being added, and take no notice of the row.
RowCounts ChangeSums::NewCounts() {
  std::vector<RowKey> keys, sums;
  for (const Field* field : by_) {
    keys.push_back({[this, field](const Row&, size_t) { return change_->Value(*field); }});
  }
  for (const Field* field : sums_) {
    sums.push_back({[this, field](const Row&, size_t) { return change_->Delta(*field); }});
  }
  return RowCounts(std::move(keys), std::move(sums));
}

void ChangeSums::Add(const Change& change) {
  change_ = &change;
  counts_.Add(change.row());
}

std::vector<RowCounts::Group> ChangeSums::Groups(std::span<const RowCounts::Order> order) const {
  return counts_.Groups(order);
}

void ChangeSums::Clear() { counts_ = NewCounts(); }

}  // namespace netdiag
