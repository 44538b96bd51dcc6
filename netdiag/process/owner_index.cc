// OwnerIndex: chooses who scans, and orders what was found.
//
// The choice. BPF costs a load once and a sixth of /proc for each descriptor. So /proc's numbers of
// descriptors are added up, from scan to scan, and the program is loaded when reading that many
// links would have cost as much as loading: one scan of a busy host, or many of a quiet one. Once
// it is loaded it serves every scan.
//
// Tested by tests/process/process_test.cc, tests/process/owner_sources_test.cc.

#include "netdiag/process/owner_index.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <limits>
#include <tuple>
#include <utility>
#include <vector>

#include "netdiag/process/bpf_scan.h"
#include "netdiag/process/horizon.h"
#include "netdiag/process/inode_index.h"
#include "netdiag/process/owner_search.h"
#include "netdiag/process/proc_scan.h"
#include "netdiag/process/scan.h"
#include "netdiag/types/error.h"
#include "netdiag/types/proc_file.h"

namespace netdiag {
namespace {

using internal::BpfScan;
using internal::BytesOf;
using internal::Horizon;
using internal::HorizonOfBpf;
using internal::InodeIndex;
using internal::OwnerSearch;
using internal::Part;
using internal::Process;
using internal::ProcScan;
using internal::Scan;

// What loading costs, in links of /proc at 3 µs each, the difference between the two ways: 2.3 ms
// where the kernel loads (LoadIterator()), 17 to 30 where libbpf does.
uint64_t LoadInLinks() {
  static const uint64_t links = internal::KernelIsAtLeast(5, 17) ? 750 : 8'500;
  return links;
}

constexpr auto kLoadTime = std::chrono::milliseconds(20);

// What a pass by BPF costs for each descriptor of the host is a sixth of a link.
constexpr uint64_t kLinksPerSocketFile = 6;

// Sockets of a search for one owner of each that are likely to need most of the host's descriptors.
constexpr size_t kMany = 64;

// Links between two looks at the budget where no thread is worth it.
constexpr size_t kCheckSlice = 256;

// Links that each thread reads between two looks at whether it was worth loading.
constexpr size_t kSlice = 4096;

// Something that lacks now and may be there at the next scan.
bool IsPassing(const absl::Status& status) {
  const int error = Errno(status);
  return IsRetryable(status) || error == EMFILE || error == ENFILE || error == ENOMEM;
}

}  // namespace

class OwnerIndex::Impl {
 public:
  explicit Impl(OwnerOptions options)
      : options_(std::move(options)),
        proc_(options_.proc_root, options_.threads),
        bpf_(options_.netns) {}

  absl::Status Begin(const OwnerBudget& budget);
  absl::Status BeginSearch(std::span<const Inode> wanted, OwnerPolicy policy,
                           const OwnerBudget& budget);
  absl::StatusOr<bool> Step(size_t budget);
  void Assign(std::span<const OwnedSocket> held);
  std::pair<size_t, size_t> Find(uint32_t inode) const;
  NoOwner Reason(uint32_t inode) const;
  const Scan& scan() const { return scan_; }
  bool Answers(uint32_t inode) const { return done() && (!is_restricted() || search_.Asks(inode)); }
  NetnsId NetnsOf(uint32_t inode) const;
  void Prefetch(uint32_t inode) const;
  absl::StatusOr<Uids> ReadUids(const Owner& owner);
  absl::StatusOr<std::string> ReadSocketProtocol(const Owner& owner, Inode inode) {
    return proc_.ReadSocketProtocol(owner, inode);
  }
  std::unique_ptr<Impl> Successor();
  const OwnerStats& stats() const { return scan_.stats; }
  bool done() const { return phase_ == Phase::kDone; }
  size_t memory() const;

 private:
  enum class Phase : uint8_t { kIdle, kCheck, kProc, kBpf, kDone };
  // What the index is made of.
  enum class Base : uint8_t { kNone, kScan, kCached };

  void Clear();
  absl::Status Start();
  absl::Status StartSearch();
  absl::Status StartLooking();
  absl::Status StartBpf();
  void LookForBpf();
  void TryBpf();
  absl::Status GoOnWithProc(const absl::Status& failure);
  bool PrefersBpf(uint64_t links) const;
  bool HasTimeToLoad() const;
  // Whether the answers are of the last search alone.
  bool is_restricted() const { return searching_ && search_.policy() != OwnerPolicy::kAll; }

  absl::StatusOr<size_t> Slice(size_t links);
  void AfterProcSlice();
  absl::Status ChoosePart();
  void EndPart();
  bool IsSpent();
  void Finish();
  void FinishSearch(bool whole);

  OwnerOptions options_;
  ProcScan proc_;
  BpfScan bpf_;
  Phase phase_ = Phase::kIdle;
  bool looked_ = false;    // no_bpf_ is known
  absl::Status no_bpf_;    // kAuto: why BPF is never to be tried
  uint64_t links_ = 0;     // read by the scans of /proc that ended
  size_t bpf_memory_ = 0;  // when the scan ended: const methods leave bpf_ to Successor()
  OwnerBudget budget_;

  Scan scan_;  // what was found; when done, as the index ordered it
  InodeIndex index_;

  Base base_ = Base::kNone;
  bool base_partial_ = false;  // its budget ended it
  size_t base_sockets_ = 0;
  bool searching_ = false;  // the scan is a search, or was
  Part part_ = Part::kAll;
  OwnerSearch search_;
};

void OwnerIndex::Impl::Clear() {
  proc_.End();
  bpf_.End();
  scan_.Clear();
  scan_.wanted.reset();
  proc_.ForgetAll();
  search_.ForgetAbsent();
  phase_ = Phase::kIdle;
  base_ = Base::kNone;
  searching_ = false;
}

void OwnerIndex::Impl::Assign(std::span<const OwnedSocket> held) {
  Clear();
  std::vector<const OwnedSocket*> order;
  for (const OwnedSocket& socket : held) order.push_back(&socket);
  const auto process = [](const OwnedSocket* s) {
    return std::tuple(s->owner.pid, s->owner.thread, s->owner.start_time, s->owner.command);
  };
  std::sort(order.begin(), order.end(), [&](const OwnedSocket* a, const OwnedSocket* b) {
    return process(a) != process(b) ? process(a) < process(b) : a->owner.fd < b->owner.fd;
  });
  const OwnedSocket* last = nullptr;
  for (const OwnedSocket* socket : order) {
    if (last == nullptr || process(last) != process(socket)) {
      Process& added = scan_.AddProcess(socket->owner.pid.value());
      added.thread = socket->owner.thread.value();
      added.start_time = socket->owner.start_time;
      added.SetCommand(socket->owner.command);
    }
    last = socket;
    scan_.AddSocket(socket->inode.value(), socket->owner.fd);
  }
  scan_.stats.processes = scan_.processes.size();
  scan_.stats.descriptors = scan_.sockets.size();
  budget_ = {};
  Finish();
  base_ = Base::kNone;
}

// ---- Beginning ----

absl::Status OwnerIndex::Impl::Begin(const OwnerBudget& budget) {
  Clear();
  budget_ = budget;
  absl::Status status = Start();
  if (!status.ok()) Clear();
  return status;
}

absl::Status OwnerIndex::Impl::Start() {
  if (options_.source == OwnerSource::kBpf) return StartBpf();
  NETDIAG_RETURN_IF_ERROR(proc_.Begin());
  phase_ = Phase::kProc;
  scan_.stats.source = OwnerSource::kProc;
  LookForBpf();
  if (options_.source == OwnerSource::kAuto && bpf_.loaded()) TryBpf();
  return absl::OkStatus();
}

absl::Status OwnerIndex::Impl::BeginSearch(std::span<const Inode> wanted, OwnerPolicy policy,
                                           const OwnerBudget& budget) {
  if (policy == OwnerPolicy::kFirst) {
    Clear();
  } else if (base_ == Base::kNone || (policy == OwnerPolicy::kAll && base_ != Base::kScan)) {
    return Begin(budget);
  }
  proc_.End();
  bpf_.End();
  if (!done() && policy != OwnerPolicy::kFirst) {
    // The last search was dropped.
    search_.Sweep(&scan_);
    index_.Build(&scan_);
  }
  budget_ = budget;
  searching_ = true;
  scan_.stats = OwnerStats{.no_bpf = no_bpf_, .denied = scan_.stats.denied, .partial = true};
  for (Process& process : scan_.processes) process.has_uids = false;
  search_.Begin(wanted, policy);
  absl::Status status = StartSearch();
  if (!status.ok()) Clear();
  return status;
}

absl::Status OwnerIndex::Impl::StartSearch() {
  if (search_.policy() != OwnerPolicy::kCached) return StartLooking();
  search_.PlanChecks(index_, scan_);
  const bool same_numbers =
      proc_.OpenRoot().ok() && (options_.source != OwnerSource::kBpf || proc_.IsOwn());
  if (search_.checks() > 0 && same_numbers && !PrefersBpf(search_.checks())) {
    phase_ = Phase::kCheck;
    scan_.stats.source = OwnerSource::kProc;
    return absl::OkStatus();
  }
  search_.DropUnchecked(&scan_);  // one pass over all of them is cheaper
  return StartLooking();
}

absl::Status OwnerIndex::Impl::StartLooking() {
  scan_.wanted = search_.filter();
  search_.Sweep(&scan_);
  if (search_.changed()) index_.Build(&scan_);
  search_.PlanUnknown(index_, scan_);
  scan_.wanted = search_.filter();
  phase_ = Phase::kProc;
  if (search_.left() == 0) {
    Finish();
    return absl::OkStatus();
  }
  const bool is_bpf = options_.source == OwnerSource::kBpf;
  if (is_bpf && search_.policy() == OwnerPolicy::kFirst) return StartBpf();
  const absl::Status status = proc_.Begin();
  if (is_bpf && (!status.ok() || !proc_.IsOwn())) return StartBpf();
  NETDIAG_RETURN_IF_ERROR(status);
  LookForBpf();
  return absl::OkStatus();
}

absl::Status OwnerIndex::Impl::StartBpf() {
  NETDIAG_RETURN_IF_ERROR(bpf_.Begin());
  proc_.StopReading();
  if (!searching_) scan_.Clear();
  if (options_.netns) scan_.netns.resize(scan_.sockets.size());
  scan_.stats.source = OwnerSource::kBpf;
  phase_ = Phase::kBpf;
  return absl::OkStatus();
}

// Once, and after the procfs was opened.
void OwnerIndex::Impl::LookForBpf() {
  if (options_.source == OwnerSource::kAuto && !std::exchange(looked_, true)) {
    no_bpf_ = proc_.IsOwn() ? bpf::TaskFiles::Check()
                            : ErrnoError(EXDEV, options_.proc_root,
                                         "not the procfs of this process's pid namespace, whose "
                                         "numbers BPF gives");
  }
  scan_.stats.no_bpf = no_bpf_;
}

// Goes over to BPF, or on with /proc: for good, unless it was something that passes.
void OwnerIndex::Impl::TryBpf() {
  const absl::Status status = no_bpf_.ok() ? StartBpf() : no_bpf_;
  if (!IsPassing(status)) no_bpf_ = status;
  scan_.stats.no_bpf = status;
}

// The same scan once more, or instead of a search a scan, by /proc alone.
absl::Status OwnerIndex::Impl::GoOnWithProc(const absl::Status& failure) {
  Clear();
  NETDIAG_RETURN_IF_ERROR(proc_.Begin());
  phase_ = Phase::kProc;
  scan_.stats.source = OwnerSource::kProc;
  scan_.stats.no_bpf = failure;
  return absl::OkStatus();
}

// Whether a pass by BPF costs less than so many links of /proc.
bool OwnerIndex::Impl::PrefersBpf(uint64_t links) const {
  if (options_.source != OwnerSource::kAuto) return options_.source == OwnerSource::kBpf;
  if (!looked_ || !no_bpf_.ok()) return false;
  if (!bpf_.loaded()) return links_ + links >= LoadInLinks() && HasTimeToLoad();
  return links > std::max<uint64_t>(proc_.expected(), scan_.sockets.size()) / kLinksPerSocketFile;
}

bool OwnerIndex::Impl::HasTimeToLoad() const {
  return bpf_.loaded() || !budget_.deadline ||
         std::chrono::steady_clock::now() + kLoadTime < *budget_.deadline;
}

// ---- Going on ----

absl::StatusOr<bool> OwnerIndex::Impl::Step(size_t budget) {
  if (phase_ == Phase::kIdle) NETDIAG_RETURN_IF_ERROR(Begin({}));
  budget = std::max<size_t>(budget, 1);
  for (size_t spent = 0; spent < budget && !done();) {
    if (IsSpent()) {
      Finish();
      break;
    }
    size_t links = std::min(budget - spent, kSlice * std::max<size_t>(options_.threads, 1));
    links = std::min<uint64_t>(links, budget_.descriptors - scan_.stats.descriptors);
    const bool is_bpf = phase_ == Phase::kBpf;
    const absl::StatusOr<size_t> slice = Slice(links);
    if (!slice.ok()) {
      absl::Status status = slice.status();
      if (is_bpf && options_.source == OwnerSource::kAuto) status = GoOnWithProc(status);
      if (status.ok()) continue;
      Clear();
      return status;
    }
    spent += *slice;
  }
  return done();
}

absl::StatusOr<size_t> OwnerIndex::Impl::Slice(size_t links) {
  size_t spent = 1;
  if (phase_ == Phase::kCheck) {
    spent = search_.Check(std::min(links, kCheckSlice), proc_.root(), &scan_);
    if (search_.checks() == 0) NETDIAG_RETURN_IF_ERROR(StartLooking());
  } else if (phase_ == Phase::kBpf) {
    NETDIAG_ASSIGN_OR_RETURN(spent, bpf_.Step(&scan_));
    if (bpf_.done()) Finish();
  } else {
    // The first links of all can be enough, and are not worth threads.
    if (part_ == Part::kLow) links = std::min(links, kCheckSlice);
    NETDIAG_ASSIGN_OR_RETURN(spent, proc_.Step(links, budget_.deadline, &scan_));
    if (searching_ && proc_.listed()) {
      NETDIAG_RETURN_IF_ERROR(ChoosePart());
    } else {
      AfterProcSlice();
    }
  }
  return spent;
}

void OwnerIndex::Impl::AfterProcSlice() {
  if (searching_) {
    search_.NoteFound(scan_);
    const bool one_is_enough = part_ != Part::kFresh;
    if (proc_.done() || (one_is_enough && search_.left() == 0)) EndPart();
    return;
  }
  if (proc_.done()) return Finish();
  // Where the kernel does not tell the numbers beforehand, the links themselves are counted.
  const uint64_t in_all = links_ + std::max(proc_.expected(), scan_.stats.descriptors);
  const bool worth = options_.source == OwnerSource::kAuto && in_all >= LoadInLinks();
  if (proc_.listed()) proc_.StartReading();
  const bool may = proc_.reading() || proc_.sizing();
  if (worth && scan_.stats.no_bpf.ok() && may && HasTimeToLoad()) TryBpf();
}

// Of a search whose processes have been listed.
absl::Status OwnerIndex::Impl::ChoosePart() {
  const bool first = search_.policy() == OwnerPolicy::kFirst;
  const bool all = !first && search_.policy() == OwnerPolicy::kCached && search_.HasNew();
  uint64_t links = first ? 0 : proc_.ExpectedIn(all ? Part::kAll : Part::kFresh);
  if (first && search_.wanted() >= kMany) links = proc_.expected();
  scan_.stats.denied = first ? 0 : proc_.KnownDenied();
  part_ = first ? Part::kLow : Part::kFresh;
  if ((first || all || proc_.HasFresh()) && PrefersBpf(links)) {
    if (options_.source == OwnerSource::kBpf) return StartBpf();
    TryBpf();
    if (phase_ == Phase::kBpf) return absl::OkStatus();
  }
  if (options_.source == OwnerSource::kBpf) {
    Finish();  // nothing is new
    return absl::OkStatus();
  }
  scan_.stats.source = OwnerSource::kProc;
  proc_.StartReading(part_);
  return absl::OkStatus();
}

void OwnerIndex::Impl::EndPart() {
  if (part_ == Part::kLow && search_.left() > 0) {
    part_ = Part::kHigh;
  } else if (part_ == Part::kFresh && search_.policy() == OwnerPolicy::kCached &&
             search_.NarrowToNew()) {
    part_ = Part::kKnown;
    scan_.wanted = search_.filter();
  } else {
    return Finish();
  }
  proc_.StartReading(part_);
}

// ---- The end ----

bool OwnerIndex::Impl::IsSpent() {
  OwnerLimit& limit = scan_.stats.limit;
  if (scan_.stats.descriptors >= budget_.descriptors) {
    limit = OwnerLimit::kDescriptors;
  } else if (budget_.deadline && std::chrono::steady_clock::now() >= *budget_.deadline) {
    limit = OwnerLimit::kDeadline;
  }
  return limit != OwnerLimit::kNone;
}

void OwnerIndex::Impl::Finish() {
  const bool whole = scan_.stats.limit == OwnerLimit::kNone;
  const Horizon horizon = phase_ == Phase::kBpf    ? HorizonOfBpf()
                          : phase_ == Phase::kIdle ? Horizon()
                                                   : proc_.horizon();
  scan_.stats.hidepid = horizon.hidepid;
  scan_.stats.other_pid_namespace = horizon.other_pid_namespace;
  if (scan_.stats.source == OwnerSource::kProc) links_ += scan_.stats.descriptors;
  if (searching_) {
    FinishSearch(whole);
  } else {
    index_.Build(&scan_);
    base_ = Base::kScan;
    base_partial_ = !whole;
    base_sockets_ = scan_.sockets.size();
    if (whole || phase_ != Phase::kBpf) proc_.Remember();
  }
  bpf_.End();
  proc_.End();
  part_ = Part::kAll;
  scan_.stats.partial = !whole;
  bpf_memory_ = bpf_.memory();
  phase_ = Phase::kDone;
}

void OwnerIndex::Impl::FinishSearch(bool whole) {
  search_.NoteFound(scan_);
  search_.DropUnchecked(&scan_);
  search_.Sweep(&scan_);
  search_.Finish(whole);
  if (search_.policy() == OwnerPolicy::kCached) {
    search_.Evict(base_sockets_, &scan_);
    base_ = Base::kCached;
    if (whole || phase_ != Phase::kBpf) proc_.Remember();
  }
  if (search_.changed()) index_.Build(&scan_);
}

// ---- Answers ----

std::pair<size_t, size_t> OwnerIndex::Impl::Find(uint32_t inode) const {
  return Answers(inode) ? index_.Find(scan_, inode) : std::pair<size_t, size_t>();
}

void OwnerIndex::Impl::Prefetch(uint32_t inode) const {
  if (Answers(inode)) index_.Prefetch(scan_, inode);
}

NetnsId OwnerIndex::Impl::NetnsOf(uint32_t inode) const {
  const auto [first, count] = Find(inode);
  return count > 0 && first < scan_.netns.size() ? NetnsId(scan_.netns[first]) : NetnsId();
}

NoOwner OwnerIndex::Impl::Reason(uint32_t inode) const {
  if (inode == 0) return NoOwner::kKernelHeld;
  const bool asked = !searching_ || search_.Asks(inode);
  if (!Answers(inode)) return NoOwner::kNotAsked;
  if (Find(inode).second > 0) return NoOwner::kNone;
  const bool partial = scan_.stats.partial && asked;
  if (partial || (base_partial_ && !(asked && searching_))) return NoOwner::kNotRead;
  if (scan_.stats.denied > 0 || scan_.stats.hidepid) return NoOwner::kHidden;
  return scan_.stats.other_pid_namespace ? NoOwner::kOtherPidNamespace : NoOwner::kVanished;
}

absl::StatusOr<Uids> OwnerIndex::Impl::ReadUids(const Owner& owner) {
  auto known =
      std::lower_bound(scan_.processes.begin(), scan_.processes.end(), owner.pid.value(),
                       [](const Process& process, int32_t pid) { return process.pid < pid; });
  // A pid that passed on during the scan, to a process with threads, comes again.
  const auto other = [&](const Process& p) {
    return p.pid == owner.pid.value() && p.start_time != owner.start_time;
  };
  while (known != scan_.processes.end() && other(*known)) ++known;
  const bool cached = known != scan_.processes.end() && known->pid == owner.pid.value() &&
                      known->start_time == owner.start_time;
  if (cached && known->has_uids) return known->uids;
  NETDIAG_ASSIGN_OR_RETURN(const Uids uids, proc_.ReadUids(owner.pid, owner.start_time));
  if (cached) {
    known->uids = uids;
    known->has_uids = true;
  }
  return uids;
}

std::unique_ptr<OwnerIndex::Impl> OwnerIndex::Impl::Successor() {
  auto next = std::make_unique<Impl>(options_);
  bpf_.End();
  next->bpf_ = std::exchange(bpf_, BpfScan(options_.netns));
  next->no_bpf_ = no_bpf_;
  next->looked_ = looked_;
  next->links_ = links_;
  return next;
}

size_t OwnerIndex::Impl::memory() const {
  return sizeof(*this) + proc_.memory() + bpf_memory_ + BytesOf(scan_.processes) +
         BytesOf(scan_.sockets) + BytesOf(scan_.netns) + index_.memory() + search_.memory();
}

OwnerIndex::OwnerIndex(OwnerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
OwnerIndex::OwnerIndex(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
OwnerIndex::OwnerIndex(OwnerIndex&&) noexcept = default;
OwnerIndex& OwnerIndex::operator=(OwnerIndex&&) noexcept = default;
OwnerIndex::~OwnerIndex() = default;

OwnerIndex OwnerIndex::Successor() { return OwnerIndex(impl_->Successor()); }

absl::Status OwnerIndex::CheckBpf() { return bpf::TaskFiles::Check(); }

absl::Status OwnerIndex::Refresh(const OwnerBudget& budget) {
  NETDIAG_RETURN_IF_ERROR(Begin(budget));
  return Step(std::numeric_limits<size_t>::max()).status();
}

absl::Status OwnerIndex::Begin(const OwnerBudget& budget) { return impl_->Begin(budget); }

absl::Status OwnerIndex::Search(std::span<const Inode> wanted, OwnerPolicy policy,
                                const OwnerBudget& budget) {
  NETDIAG_RETURN_IF_ERROR(BeginSearch(wanted, policy, budget));
  return Step(std::numeric_limits<size_t>::max()).status();
}

absl::Status OwnerIndex::BeginSearch(std::span<const Inode> wanted, OwnerPolicy policy,
                                     const OwnerBudget& budget) {
  return impl_->BeginSearch(wanted, policy, budget);
}

void OwnerIndex::Assign(std::span<const OwnedSocket> held) { impl_->Assign(held); }

absl::StatusOr<bool> OwnerIndex::Step(size_t descriptors) { return impl_->Step(descriptors); }

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

absl::StatusOr<std::string> OwnerIndex::ReadSocketProtocol(const Owner& owner, Inode inode) {
  return impl_->ReadSocketProtocol(owner, inode);
}

absl::StatusOr<Uids> OwnerIndex::ReadUids(const Owner& owner) { return impl_->ReadUids(owner); }

const OwnerStats& OwnerIndex::stats() const { return impl_->stats(); }

size_t OwnerIndex::memory() const { return impl_->memory(); }

}  // namespace netdiag
