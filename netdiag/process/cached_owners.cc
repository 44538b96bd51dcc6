// Tested by tests/process/owner_search_test.cc.

#include "netdiag/process/cached_owners.h"

#include <algorithm>
#include <span>

namespace netdiag::internal {
namespace {

// Sockets that are not wanted stay in the index at least until it has more sockets than this. The
// wanted ones count, too.
constexpr size_t kKeptAtLeast = size_t{1} << 16;

}  // namespace

Action CachedOwners::Start() {
  absent_before_.swap(absent_);
  absent_.clear();
  parts_.checks.Plan(parts_.wanted.all(), parts_.index, parts_.scan);
  checking_ = CanCheck() && !parts_.PrefersBpf(parts_.checks.left());
  if (checking_) return Action::kCheck;
  parts_.checks.DropRest(&parts_.scan);  // looked for again with the rest
  return LookForUnknown();
}

// True if there are known links and the procfs numbers processes as the index does.
bool CachedOwners::CanCheck() {
  const bool is_open = parts_.procfs.Open().ok();
  const bool same_pids = !parts_.choice.is_always_bpf() || parts_.procfs.IsOwn();
  return is_open && same_pids && parts_.checks.left() > 0;
}

Action CachedOwners::Next() {
  const ProcScan& proc = parts_.proc;
  if (checking_) {
    checking_ = parts_.checks.left() > 0;
    return checking_ ? Action::kGoOn : LookForUnknown();
  }
  if (proc.listed()) return ReadListed();
  WantedSockets& wanted = parts_.wanted;
  wanted.NoteFound(parts_.scan);
  if (part() == Descriptors::kChanged && proc.done()) {
    wanted.Narrow(absent_before_);
    if (wanted.left() == 0) return Action::kFinish;
    parts_.scan.wanted = wanted.filter();
    return ReadProc(Descriptors::kUnchanged);
  }
  const bool one_is_enough = part() == Descriptors::kUnchanged;
  const bool has_enough = one_is_enough && wanted.left() == 0;
  return proc.done() || has_enough ? Action::kFinish : Action::kGoOn;
}

Action CachedOwners::ReadListed() {
  const ProcessList& list = parts_.proc.list();
  parts_.scan.stats.denied = list.UnchangedDenied();
  const std::span<const uint32_t> filter = parts_.wanted.filter();
  const bool all_absent =
      std::includes(absent_before_.begin(), absent_before_.end(), filter.begin(), filter.end());
  if (!all_absent) return Read(Descriptors::kChanged, list.Expected(Descriptors::kAll));
  if (list.HasChanged()) return Read(Descriptors::kChanged, list.Expected(Descriptors::kChanged));
  return parts_.choice.is_always_bpf() ? Action::kFinish : ReadProc(Descriptors::kChanged);
}

void CachedOwners::Finish(bool whole) {
  const bool changed = TakeFound();
  parts_.wanted.AppendAbsent(whole, absent_before_, &absent_);
  if (EvictUnwanted() || changed) parts_.index.Build(&parts_.scan);
  parts_.base.kind = IndexBase::Kind::kCached;
  // A pass of BPF that ran out of budget has not seen every process that /proc listed.
  if (whole || parts_.scan.stats.source != OwnerSource::kBpf) parts_.proc.Remember();
}

bool CachedOwners::EvictUnwanted() {
  const WantedSockets& wanted = parts_.wanted;
  Scan& scan = parts_.scan;
  const size_t kept = std::max({parts_.base.sockets, kKeptAtLeast, 2 * wanted.all().size()});
  if (scan.sockets.size() <= kept) return false;
  scan.EraseSockets([&](const ScannedSocket& s) { return !wanted.Contains(s.inode); });
  return true;
}

}  // namespace netdiag::internal
