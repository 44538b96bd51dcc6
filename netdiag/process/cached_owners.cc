// Tested by tests/process/owner_search_test.cc.

#include "netdiag/process/cached_owners.h"

#include <algorithm>
#include <span>
#include <tuple>

namespace netdiag::internal {

Action CachedOwners::Start() {
  Scan& scan = parts_.scan;
  reads_all_ = false;
  if (!parts_.wanted.all().empty()) {
    absent_before_.swap(absent_);
    absent_.clear();
  }
  const int root = Root();
  const size_t changed = parts_.checks.Plan(root, &scan);
  if (changed > 0 && parts_.PrefersBpf(changed)) return ReadAll();
  checking_ = root >= 0 && parts_.checks.left() > 0;
  if (checking_) return Action::kCheck;
  parts_.checks.DropRest(&scan);  // looked for again with the rest
  return LookForNew();
}

Action CachedOwners::LookForNew() {
  const Action next = LookForUnknown();
  known_processes_ = parts_.scan.processes.size();
  return next;
}

int CachedOwners::Root() {
  const bool is_open = parts_.procfs.Open().ok();
  const bool same_pids = !parts_.choice.is_always_bpf() || parts_.procfs.IsOwn();
  return is_open && same_pids ? parts_.procfs.fd() : -1;
}

Action CachedOwners::ReadAll() {
  reads_all_ = true;
  checking_ = false;
  known_processes_ = 0;
  parts_.checks.Reset();
  parts_.scan.sockets.clear();
  parts_.scan.processes.clear();
  parts_.scan.netns.clear();
  parts_.index.Build(&parts_.scan);
  parts_.wanted.PlanUnknown(parts_.index, parts_.scan);
  parts_.scan.wanted.reset();
  return Action::kList;
}

Action CachedOwners::Next() {
  const ProcScan& proc = parts_.proc;
  if (checking_) {
    checking_ = parts_.checks.left() > 0;
    return checking_ ? Action::kGoOn : LookForNew();
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
  if (reads_all_) {
    if (parts_.PrefersBpf(list.Expected(Descriptors::kAll))) return Action::kBpf;
    reads_all_ = false;  // it cannot be loaded
    return ReadProc(Descriptors::kAll);
  }
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
  if (!parts_.wanted.all().empty()) parts_.wanted.AppendAbsent(whole, absent_before_, &absent_);
  if (changed) {
    MarkExchanged();
    parts_.index.Begin(&parts_.scan);
    parts_.NoteSizes();
  }
  parts_.base.kind = IndexBase::Kind::kCached;
  // A pass of BPF that ran out of budget has not seen every process that /proc listed.
  if (whole || parts_.scan.stats.source != OwnerSource::kBpf) parts_.proc.Remember();
}

// Marks the unchanged processes in which the search has found a socket.
void CachedOwners::MarkExchanged() {
  std::vector<Process>& processes = parts_.scan.processes;
  const auto key = [](const Process& p) { return std::tuple(p.pid, p.thread, p.start_time); };
  const auto end =
      processes.begin() + static_cast<std::ptrdiff_t>(std::min(known_processes_, processes.size()));
  for (auto found = end; found != processes.end(); ++found) {
    const auto known =
        std::lower_bound(processes.begin(), end, *found,
                         [&](const Process& a, const Process& b) { return key(a) < key(b); });
    if (known == end || key(*known) != key(*found) || known->is_checked) continue;
    known->descriptors = Process::kExchanged;
  }
}

}  // namespace netdiag::internal
