// OwnerIndex: runs one scan or search at a time, and answers from what the last one left.
//
// The work is shared. A policy (scan_policy.h) decides what is read, in which order, and when it is
// enough. SourceChoice decides between /proc and BPF. ProcScan, BpfScan and LinkChecks read.
// InodeIndex orders and finds. OwnerIndex::Impl only goes from state to state, in Enter():
//
//   kEmpty ──┬─ kChecking ─┬─ kProc ─┬─ kBpf ─┬─ kDone
//            └─────────────┴─────────┴────────┘  (a scan can skip states, and never goes back)
//
//   kEmpty     There is nothing to answer. The scan has no sockets.
//   kChecking  Links that are known to hold a wanted socket are read again.
//   kProc      ProcScan lists the processes, or reads their descriptors.
//   kBpf       A pass of BPF runs. ProcScan reads nothing, and may still hold what it listed.
//   kDone      The scan is in the order of the index, which answers. Neither reader has work left.
//
// In the three states between, a scan runs and the index answers nothing. A pass of BPF that fails
// under kAuto clears everything and begins a full scan in kProc.
//
// Tested by tests/process/process_test.cc, owner_sources_test.cc, owner_search_test.cc.

#include "netdiag/process/owner_index.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <new>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "netdiag/bpf/task_files.h"
#include "netdiag/process/cached_owners.h"
#include "netdiag/process/first_owner.h"
#include "netdiag/process/full_scan.h"
#include "netdiag/process/horizon.h"
#include "netdiag/process/scan.h"
#include "netdiag/process/scan_policy.h"
#include "netdiag/process/second_look.h"
#include "netdiag/types/error.h"

namespace netdiag {
namespace {

using internal::Action;
using internal::BpfScan;
using internal::BytesOf;
using internal::Horizon;
using internal::IndexBase;
using internal::Process;
using internal::Scan;
using internal::ScanParts;
using internal::ScanPolicy;

// The number of links that LinkChecks reads between two looks at the budget.
constexpr size_t kCheckSlice = 256;

// The number of links that each thread reads between two decisions of the policy.
constexpr size_t kSlice = 4096;

// The number of sockets that are put in order in the time of a link.
constexpr size_t kOrderedPerLink = 100;

}  // namespace

class OwnerIndex::Impl {
 public:
  explicit Impl(OwnerOptions options) : options_(std::move(options)), parts_(options_) {}

  absl::Status Begin(const OwnerBudget& budget, OwnerScope scope = OwnerScope::kAll);
  absl::Status BeginSearch(std::span<const Inode> wanted, OwnerPolicy policy,
                           const OwnerBudget& budget);
  absl::StatusOr<bool> Step(size_t links);
  void Assign(std::span<const OwnedSocket> sockets, std::span<const UnownedSocket> others,
              NoOwner of_rest);

  bool done() const { return state_ == State::kDone; }
  // True if Find() and Reason() say something about `inode`.
  bool Answers(uint32_t inode) const;
  std::pair<size_t, size_t> Find(uint32_t inode) const;
  NoOwner Reason(uint32_t inode) const;
  NetnsId NetnsOf(uint32_t inode) const;
  void Prefetch(uint32_t inode) const;
  absl::StatusOr<Uids> ReadUids(const Owner& owner);
  ScanParts& parts() { return parts_; }
  const Scan& scan() const { return parts_.scan; }
  std::unique_ptr<Impl> Successor();
  size_t memory() const;

 private:
  enum class State : uint8_t { kEmpty, kChecking, kProc, kBpf, kEnding, kOrdering, kDone };

  void Clear();
  ScanPolicy* PolicyOf(OwnerPolicy policy);
  absl::Status Enter(Action action);
  absl::StatusOr<size_t> Slice(size_t links);
  absl::Status StartList();
  absl::Status StartBpf();
  absl::Status StartOver(const absl::Status& failure);
  bool IsSpent();
  void Finish();

  const OwnerOptions options_;
  ScanParts parts_;
  State state_ = State::kEmpty;
  OwnerBudget budget_;
  // What Assign() was given; kNone: it was not called.
  std::unordered_map<uint32_t, NoOwner> reasons_;
  NoOwner reason_of_rest_ = NoOwner::kNone;
  // When the scan ended. Const methods do not touch the BpfScan, which Successor() takes.
  size_t bpf_memory_ = 0;

  internal::FullScan full_scan_{&parts_};
  internal::SecondLook second_look_{&parts_};
  internal::FirstOwner first_owner_{&parts_};
  internal::CachedOwners cached_owners_{&parts_};
  ScanPolicy* policy_ = &full_scan_;  // of the scan that runs, or ran last
};

void OwnerIndex::Impl::Clear() {
  parts_.proc.End();
  parts_.bpf.End();
  parts_.scan.Clear();
  parts_.scan.wanted.reset();
  parts_.proc.Forget();
  parts_.base = {};
  cached_owners_.ForgetAbsent();
  reasons_.clear();
  reason_of_rest_ = NoOwner::kNone;
  state_ = State::kEmpty;
  policy_ = &full_scan_;
}

void OwnerIndex::Impl::Assign(std::span<const OwnedSocket> sockets,
                              std::span<const UnownedSocket> others, NoOwner of_rest) {
  Clear();
  reason_of_rest_ = of_rest;
  for (const UnownedSocket& socket : others) reasons_[socket.inode.value()] = socket.reason;
  std::vector<const OwnedSocket*> order;
  for (const OwnedSocket& socket : sockets) order.push_back(&socket);
  const auto process = [](const OwnedSocket* s) {
    return std::tuple(s->owner.pid, s->owner.thread, s->owner.start_time, s->owner.command);
  };
  std::sort(order.begin(), order.end(), [&](const OwnedSocket* a, const OwnedSocket* b) {
    return process(a) != process(b) ? process(a) < process(b) : a->owner.fd < b->owner.fd;
  });
  Scan& scan = parts_.scan;
  const OwnedSocket* last = nullptr;
  for (const OwnedSocket* socket : order) {
    if (last == nullptr || process(last) != process(socket)) {
      Process& added = scan.AddProcess(socket->owner.pid.value());
      added.thread = socket->owner.thread.value();
      added.start_time = socket->owner.start_time;
      added.SetCommand(socket->owner.command);
    }
    last = socket;
    scan.AddSocket(socket->inode.value(), socket->owner.fd);
  }
  scan.stats.processes = scan.processes.size();
  scan.stats.descriptors = scan.sockets.size();
  scan.stats.partial = false;
  parts_.index.Build(&scan);
  state_ = State::kDone;
}

// ---- Beginning ----

absl::Status OwnerIndex::Impl::Begin(const OwnerBudget& budget, OwnerScope scope) {
  Clear();
  parts_.bpf.SetScope(scope);
  budget_ = budget;
  parts_.choice.Begin(budget);
  absl::Status status = Enter(policy_->Start());
  if (!status.ok()) Clear();
  return status;
}

absl::Status OwnerIndex::Impl::BeginSearch(std::span<const Inode> wanted, OwnerPolicy policy,
                                           const OwnerBudget& budget) {
  const IndexBase::Kind base = parts_.base.kind;
  if (policy == OwnerPolicy::kFirst) {
    Clear();
  } else if (base == IndexBase::Kind::kNone ||
             (policy == OwnerPolicy::kAll && base != IndexBase::Kind::kScan)) {
    return Begin(budget);
  }
  parts_.proc.End();
  parts_.bpf.End();
  parts_.bpf.SetScope(OwnerScope::kAll);
  if (state_ != State::kDone && state_ != State::kEmpty) {
    // The last search has not ended, and left its marks and finds.
    parts_.checks.Sweep(&parts_.scan);
    parts_.index.Build(&parts_.scan);
  }
  budget_ = budget;
  parts_.choice.Begin(budget);
  parts_.scan.stats = OwnerStats{
      .no_bpf = parts_.choice.no_bpf(), .denied = parts_.scan.stats.denied, .partial = true};
  for (Process& process : parts_.scan.processes) process.has_uids = false;
  parts_.wanted.Set(wanted);
  parts_.checks.Reset();
  policy_ = PolicyOf(policy);
  absl::Status status = Enter(policy_->Start());
  if (!status.ok()) Clear();
  return status;
}

ScanPolicy* OwnerIndex::Impl::PolicyOf(OwnerPolicy policy) {
  switch (policy) {
    case OwnerPolicy::kFirst:
      return &first_owner_;
    case OwnerPolicy::kCached:
      return &cached_owners_;
    case OwnerPolicy::kAll:
      break;
  }
  return &second_look_;
}

// ---- Going on ----

absl::StatusOr<bool> OwnerIndex::Impl::Step(size_t links) {
  if (state_ == State::kEmpty) NETDIAG_RETURN_IF_ERROR(Begin({}));
  links = std::max<size_t>(links, 1);
  for (size_t spent = 0; spent < links && !done();) {
    if (state_ == State::kEnding) {
      Finish();
      state_ = State::kOrdering;
      spent += kSlice;
      continue;
    }
    if (state_ == State::kOrdering) {
      const size_t entries = std::min(links - spent, scan().sockets.size() + 1) * kOrderedPerLink;
      if (!parts_.index.Order(&parts_.scan, entries)) break;
      parts_.scan.stats.partial = scan().stats.limit != OwnerLimit::kNone;
      state_ = State::kDone;
      break;
    }
    if (IsSpent()) {
      NETDIAG_RETURN_IF_ERROR(Enter(Action::kFinish));
      continue;
    }
    size_t slice = std::min(links - spent, kSlice * std::max<size_t>(options_.threads, 1));
    slice = std::min<uint64_t>(slice, budget_.descriptors - scan().stats.descriptors);
    const bool is_bpf = state_ == State::kBpf;
    const absl::StatusOr<size_t> read = Slice(slice);
    if (read.ok()) {
      spent += *read;
      continue;
    }
    absl::Status status = read.status();
    if (is_bpf && !parts_.choice.is_always_bpf()) status = StartOver(status);
    if (status.ok()) continue;
    Clear();
    return status;
  }
  return done();
}

absl::StatusOr<size_t> OwnerIndex::Impl::Slice(size_t links) {
  size_t spent = 1;
  Action next = Action::kGoOn;
  if (state_ == State::kBpf) {
    NETDIAG_ASSIGN_OR_RETURN(spent, parts_.bpf.Step(&parts_.scan));
    if (parts_.bpf.done()) next = Action::kFinish;
  } else if (state_ == State::kChecking) {
    const int root = parts_.procfs.fd();
    spent = parts_.checks.Check(std::min(links, kCheckSlice), root, &parts_.scan);
    next = policy_->Next();
  } else {
    NETDIAG_ASSIGN_OR_RETURN(spent, parts_.proc.Step(links, budget_.deadline, &parts_.scan));
    next = policy_->Next();
  }
  NETDIAG_RETURN_IF_ERROR(Enter(next));
  return spent;
}

// The transitions. An action that leads to another one is followed by it at once.
absl::Status OwnerIndex::Impl::Enter(Action action) {
  OwnerStats& stats = parts_.scan.stats;
  absl::Status status;
  while (true) {
    switch (action) {
      case Action::kGoOn:
        return absl::OkStatus();
      case Action::kCheck:
        state_ = State::kChecking;
        stats.source = OwnerSource::kProc;
        return absl::OkStatus();
      case Action::kList:
        state_ = State::kProc;
        status = parts_.proc.Begin();
        if (parts_.choice.is_always_bpf() && (!status.ok() || !parts_.procfs.IsOwn())) {
          action = Action::kBpf;  // what is new cannot be listed: all is read
          break;
        }
        NETDIAG_RETURN_IF_ERROR(status);
        parts_.choice.Probe(parts_.procfs);
        stats.no_bpf = parts_.choice.no_bpf();
        action = policy_->Next();
        break;
      case Action::kRead:
        state_ = State::kProc;
        stats.source = OwnerSource::kProc;
        parts_.scan.Expect(parts_.proc.list().expected());
        parts_.proc.StartReading(policy_->part());
        return absl::OkStatus();
      case Action::kBpf:
        status = StartBpf();
        if (status.ok()) {
          state_ = State::kBpf;
          return absl::OkStatus();
        }
        if (parts_.choice.is_always_bpf()) return status;
        parts_.choice.NoteLoadFailure(status);
        stats.no_bpf = status;
        action = policy_->Next();
        break;
      case Action::kFinish:
        state_ = State::kEnding;
        return absl::OkStatus();
    }
  }
}

absl::Status OwnerIndex::Impl::StartBpf() {
  NETDIAG_RETURN_IF_ERROR(parts_.bpf.Begin());
  parts_.proc.StopReading();
  // A pass gives everything, so a full scan drops what it has; a search keeps it.
  if (policy_ == &full_scan_) parts_.scan.Clear();
  if (options_.netns) parts_.scan.netns.resize(scan().sockets.size());
  parts_.scan.stats.source = OwnerSource::kBpf;
  return absl::OkStatus();
}

// Begins a scan of everything by /proc alone, after a pass of BPF failed.
absl::Status OwnerIndex::Impl::StartOver(const absl::Status& failure) {
  Clear();
  parts_.choice.NotePassFailure(failure);
  return Enter(policy_->Start());
}

// ---- The end ----

bool OwnerIndex::Impl::IsSpent() {
  OwnerLimit& limit = parts_.scan.stats.limit;
  if (scan().stats.descriptors >= budget_.descriptors) {
    limit = OwnerLimit::kDescriptors;
  } else if (budget_.deadline && std::chrono::steady_clock::now() >= *budget_.deadline) {
    limit = OwnerLimit::kDeadline;
  }
  return limit != OwnerLimit::kNone;
}

void OwnerIndex::Impl::Finish() {
  OwnerStats& stats = parts_.scan.stats;
  const bool whole = stats.limit == OwnerLimit::kNone;
  const bool by_bpf = stats.source == OwnerSource::kBpf;
  const Horizon horizon = by_bpf ? internal::HorizonOfBpf() : parts_.procfs.horizon();
  stats.hidepid = horizon.hidepid;
  stats.other_pid_namespace = horizon.other_pid_namespace;
  if (stats.source == OwnerSource::kProc) {
    parts_.choice.CountLinks(stats.descriptors);
    stats.denied_pids = parts_.proc.list().LowestDenied();
  }
  policy_->Finish(whole);
  parts_.bpf.End();
  parts_.proc.End();
  bpf_memory_ = parts_.bpf.memory();
}

// ---- Answers ----

bool OwnerIndex::Impl::Answers(uint32_t inode) const {
  if (!done()) return false;
  // After kFirst the index is right about the wanted sockets only. After kCached it is right about
  // those that have owners, too.
  if (policy_ == &first_owner_) return parts_.wanted.Contains(inode);
  if (policy_ != &cached_owners_) return true;
  return parts_.wanted.Contains(inode) || parts_.index.Find(scan(), inode).second > 0;
}

std::pair<size_t, size_t> OwnerIndex::Impl::Find(uint32_t inode) const {
  return Answers(inode) ? parts_.index.Find(scan(), inode) : std::pair<size_t, size_t>();
}

void OwnerIndex::Impl::Prefetch(uint32_t inode) const {
  if (Answers(inode)) parts_.index.Prefetch(scan(), inode);
}

NetnsId OwnerIndex::Impl::NetnsOf(uint32_t inode) const {
  const auto [first, count] = Find(inode);
  const std::vector<uint32_t>& netns = scan().netns;
  return count > 0 && first < netns.size() ? NetnsId(netns[first]) : NetnsId();
}

NoOwner OwnerIndex::Impl::Reason(uint32_t inode) const {
  if (inode == 0) return NoOwner::kKernelHeld;
  if (!Answers(inode)) return NoOwner::kNotAsked;
  if (Find(inode).second > 0) return NoOwner::kNone;
  if (const auto known = reasons_.find(inode); known != reasons_.end()) return known->second;
  if (reason_of_rest_ != NoOwner::kNone) return reason_of_rest_;
  // The last search decides about the sockets that it wanted, and the scan about the others.
  const bool searched = policy_ != &full_scan_ && parts_.wanted.Contains(inode);
  const OwnerStats& stats = scan().stats;
  if (searched ? stats.partial : parts_.base.partial) return NoOwner::kNotRead;
  if (stats.denied > 0 || stats.hidepid || stats.errors > 0) return NoOwner::kHidden;
  return stats.other_pid_namespace ? NoOwner::kOtherPidNamespace : NoOwner::kVanished;
}

absl::StatusOr<Uids> OwnerIndex::Impl::ReadUids(const Owner& owner) {
  std::vector<Process>& processes = parts_.scan.processes;
  auto known =
      std::lower_bound(processes.begin(), processes.end(), owner.pid.value(),
                       [](const Process& process, int32_t pid) { return process.pid < pid; });
  // A pid can come several times: for threads, and for a process that took it during the scan.
  const auto is_other = [&](const Process& p) {
    return p.pid == owner.pid.value() && p.start_time != owner.start_time;
  };
  while (known != processes.end() && is_other(*known)) ++known;
  const bool cached = known != processes.end() && known->pid == owner.pid.value() &&
                      known->start_time == owner.start_time;
  if (cached && known->has_uids) return known->uids;
  NETDIAG_ASSIGN_OR_RETURN(const Uids uids, parts_.procfs.ReadUids(owner));
  if (cached) {
    known->uids = uids;
    known->has_uids = true;
  }
  return uids;
}

std::unique_ptr<OwnerIndex::Impl> OwnerIndex::Impl::Successor() {
  auto next = std::make_unique<Impl>(options_);
  parts_.bpf.End();
  next->parts_.bpf = std::exchange(parts_.bpf, BpfScan(options_.netns));
  next->parts_.choice.Inherit(parts_.choice);
  return next;
}

size_t OwnerIndex::Impl::memory() const {
  return sizeof(*this) + parts_.procfs.memory() + parts_.proc.memory() + bpf_memory_ +
         BytesOf(scan().processes) + BytesOf(scan().sockets) + BytesOf(scan().netns) +
         parts_.index.memory() + parts_.wanted.memory() + parts_.checks.memory() +
         cached_owners_.memory();
}

OwnerIndex::OwnerIndex(OwnerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
OwnerIndex::OwnerIndex(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
OwnerIndex::OwnerIndex(OwnerIndex&&) noexcept = default;
OwnerIndex& OwnerIndex::operator=(OwnerIndex&&) noexcept = default;
OwnerIndex::~OwnerIndex() = default;

OwnerIndex OwnerIndex::Successor() { return OwnerIndex(impl_->Successor()); }

absl::Status OwnerIndex::CheckBpf() try {
  return bpf::TaskFiles::Check();
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

absl::Status OwnerIndex::CheckProcfs(const std::string& path, std::string_view what) try {
  return internal::Procfs::Check(path, what);
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

bool OwnerIndex::IsOwnProcfs(const std::string& path) {
  internal::Procfs procfs(path);
  return procfs.Open().ok() && procfs.IsOwn();
}

absl::Status OwnerIndex::Refresh(const OwnerBudget& budget) try {
  NETDIAG_RETURN_IF_ERROR(Begin(budget));
  return Step(std::numeric_limits<size_t>::max()).status();
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

absl::Status OwnerIndex::LoadBpf() try {
  return impl_->parts().bpf.Load();
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

absl::Status OwnerIndex::Begin(const OwnerBudget& budget, OwnerScope scope) try {
  return impl_->Begin(budget, scope);
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

absl::Status OwnerIndex::Search(std::span<const Inode> wanted, OwnerPolicy policy,
                                const OwnerBudget& budget) try {
  NETDIAG_RETURN_IF_ERROR(BeginSearch(wanted, policy, budget));
  return Step(std::numeric_limits<size_t>::max()).status();
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

absl::Status OwnerIndex::BeginSearch(std::span<const Inode> wanted, OwnerPolicy policy,
                                     const OwnerBudget& budget) try {
  return impl_->BeginSearch(wanted, policy, budget);
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

void OwnerIndex::Assign(std::span<const OwnedSocket> sockets, std::span<const UnownedSocket> others,
                        NoOwner of_rest) {
  impl_->Assign(sockets, others, of_rest);
}

absl::StatusOr<bool> OwnerIndex::Step(size_t descriptors) try {
  return impl_->Step(descriptors);
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

Owners OwnerIndex::Find(Inode inode) const {
  const auto [first, count] = impl_->Find(inode.value());
  return Owners(&impl_->scan(), first, count);
}

NoOwner OwnerIndex::Reason(Inode inode) const { return impl_->Reason(inode.value()); }

void OwnerIndex::ForEachSocket(absl::FunctionRef<void(Inode, const Owners&)> visit) const {
  const size_t size = impl_->done() ? impl_->scan().sockets.size() : 0;
  for (size_t first = 0, last = 0; first < size; first = last) {
    const uint32_t inode = impl_->scan().sockets[first].inode;
    while (last < size && impl_->scan().sockets[last].inode == inode) ++last;
    if (impl_->Answers(inode)) visit(Inode(inode), Owners(&impl_->scan(), first, last - first));
  }
}

void OwnerIndex::Prefetch(Inode inode) const { impl_->Prefetch(inode.value()); }
NetnsId OwnerIndex::NetnsOf(Inode inode) const { return impl_->NetnsOf(inode.value()); }

absl::StatusOr<std::string> OwnerIndex::ReadSocketProtocol(const Owner& owner, Inode inode) try {
  return impl_->parts().procfs.ReadSocketProtocol(owner, inode);
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

absl::StatusOr<Uids> OwnerIndex::ReadUids(const Owner& owner) try {
  return impl_->ReadUids(owner);
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

const OwnerStats& OwnerIndex::stats() const { return impl_->scan().stats; }

size_t OwnerIndex::memory() const { return impl_->memory(); }

}  // namespace netdiag
