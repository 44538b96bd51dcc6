// OwnerIndex: chooses who scans, and orders what was found.
//
// The choice. BPF costs a load once and a sixth of /proc for each descriptor. So /proc's numbers of
// descriptors are added up, from scan to scan, and the program is loaded when reading that many
// links would have cost as much as loading: one scan of a busy host, or many of a quiet one. Once
// it is loaded it serves every scan.
//
// The index is one array of 12-byte entries, ordered by a bijective hash of the inode, with a
// directory over the hash's high bits. Inodes are handed out in runs, by a counter that wraps: the
// hash spreads them evenly, so a lookup touches one directory slot and about one entry.
//
// Tested by tests/process/process_test.cc, tests/process/owner_sources_test.cc.

#include <algorithm>
#include <bit>
#include <cerrno>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>
#include <vector>

#include "netdiag/process/bpf_scan.h"
#include "netdiag/process/horizon.h"
#include "netdiag/process/proc_scan.h"
#include "netdiag/process/process.h"
#include "netdiag/process/scan.h"
#include "netdiag/types/error.h"

namespace netdiag {
namespace {

using internal::BpfScan;
using internal::BytesOf;
using internal::Horizon;
using internal::HorizonOfBpf;
using internal::Process;
using internal::ProcScan;
using internal::Scan;
using Entry = internal::ScannedSocket;

// What loading costs, in links of /proc: 17 ms at 2 µs each, the difference between the two ways.
constexpr uint64_t kLoadInLinks = 8'500;

// Links read between two looks at whether it was worth loading.
constexpr size_t kSlice = 4096;

// Numbers modulo 2^32 times an odd number: no two inodes share a hash.
uint32_t Hash(uint32_t inode) { return inode * 2654435769u; }

// Something that lacks now and may be there at the next scan.
bool IsPassing(const absl::Status& status) {
  const int error = Errno(status);
  return IsRetryable(status) || error == EMFILE || error == ENFILE || error == ENOMEM;
}

}  // namespace

class OwnerIndex::Impl {
 public:
  explicit Impl(OwnerOptions options)
      : options_(std::move(options)), proc_(options_.proc_root), bpf_(options_.netns) {}

  absl::Status Begin();
  absl::StatusOr<bool> Step(size_t budget);
  void Assign(std::span<const HeldSocket> held);
  std::pair<size_t, size_t> Find(uint32_t inode) const;
  Owner At(size_t entry) const;
  std::span<const Entry> entries() const { return entries_; }
  NetnsId NetnsOf(uint32_t inode) const;
  absl::StatusOr<Uids> ReadUids(const Owner& owner);
  absl::StatusOr<std::string> ReadSocketProtocol(const Owner& owner, Inode inode) {
    return proc_.ReadSocketProtocol(owner, inode);
  }
  std::unique_ptr<Impl> Successor();
  const OwnerStats& stats() const { return scan_.stats; }
  bool done() const { return phase_ == Phase::kDone; }
  size_t memory() const;

 private:
  enum class Phase : uint8_t { kIdle, kProc, kBpf, kDone };

  void Clear();
  absl::Status Start();
  absl::Status StartBpf();
  void TryBpf();
  absl::Status GoOnWithProc(const absl::Status& failure);
  void Finish();
  void SortProcesses();
  void SortEntries();
  void SortNetns();
  std::pair<size_t, size_t> Range(uint32_t inode) const;
  uint32_t Bucket(uint32_t inode) const { return Hash(inode) >> bucket_shift_; }

  OwnerOptions options_;
  ProcScan proc_;
  BpfScan bpf_;
  Phase phase_ = Phase::kIdle;
  bool looked_ = false;    // no_bpf_ is known
  absl::Status no_bpf_;    // kAuto: why BPF is never to be tried
  uint64_t links_ = 0;     // read by the scans of /proc that ended
  size_t bpf_memory_ = 0;  // when the scan ended: const methods leave bpf_ to Successor()

  Scan scan_;                      // its processes by pid, its sockets as they were found
  std::vector<Entry> entries_;     // in order of (hash, pid, fd)
  std::vector<uint32_t> netns_;    // if known: at each inode's first entry, its namespace
  std::vector<uint32_t> buckets_;  // buckets_[b] … buckets_[b + 1]: the entries whose hash has b
  int bucket_shift_ = 0;
};

void OwnerIndex::Impl::Clear() {
  proc_.End();
  bpf_.End();
  scan_.Clear();
  entries_.clear();
  netns_.clear();
  phase_ = Phase::kIdle;
}

void OwnerIndex::Impl::Assign(std::span<const HeldSocket> held) {
  Clear();
  std::vector<const HeldSocket*> order;
  for (const HeldSocket& socket : held) order.push_back(&socket);
  const auto process = [](const HeldSocket* s) {
    return std::tuple(s->owner.pid, s->owner.thread, s->owner.start_time, s->owner.command);
  };
  std::sort(order.begin(), order.end(), [&](const HeldSocket* a, const HeldSocket* b) {
    return process(a) != process(b) ? process(a) < process(b) : a->owner.fd < b->owner.fd;
  });
  const HeldSocket* last = nullptr;
  for (const HeldSocket* socket : order) {
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
  Finish();
}

absl::Status OwnerIndex::Impl::Begin() {
  Clear();
  absl::Status status = Start();
  if (!status.ok()) Clear();
  return status;
}

absl::Status OwnerIndex::Impl::Start() {
  if (options_.source == OwnerSource::kBpf) return StartBpf();
  NETDIAG_RETURN_IF_ERROR(proc_.Begin());
  phase_ = Phase::kProc;
  scan_.stats.source = OwnerSource::kProc;
  if (options_.source == OwnerSource::kProc) return absl::OkStatus();
  if (!std::exchange(looked_, true)) {
    no_bpf_ = proc_.IsOwn() ? bpf::TaskFiles::Check()
                            : ErrnoError(EXDEV, options_.proc_root,
                                         "not the procfs of this process's pid namespace, whose "
                                         "numbers BPF gives");
  }
  scan_.stats.no_bpf = no_bpf_;
  if (bpf_.loaded()) TryBpf();
  return absl::OkStatus();
}

absl::Status OwnerIndex::Impl::StartBpf() {
  NETDIAG_RETURN_IF_ERROR(bpf_.Begin());
  proc_.End();
  scan_.Clear();
  scan_.stats.source = OwnerSource::kBpf;
  phase_ = Phase::kBpf;
  return absl::OkStatus();
}

// Goes over to BPF, or on with /proc: for good, unless it was something that passes.
void OwnerIndex::Impl::TryBpf() {
  const absl::Status status = no_bpf_.ok() ? StartBpf() : no_bpf_;
  if (!IsPassing(status)) no_bpf_ = status;
  scan_.stats.no_bpf = status;
}

// The same scan once more, by /proc alone.
absl::Status OwnerIndex::Impl::GoOnWithProc(const absl::Status& failure) {
  Clear();
  NETDIAG_RETURN_IF_ERROR(proc_.Begin());
  phase_ = Phase::kProc;
  scan_.stats.source = OwnerSource::kProc;
  scan_.stats.no_bpf = failure;
  return absl::OkStatus();
}

absl::StatusOr<bool> OwnerIndex::Impl::Step(size_t budget) {
  if (phase_ == Phase::kIdle) NETDIAG_RETURN_IF_ERROR(Begin());
  budget = std::max<size_t>(budget, 1);
  for (size_t spent = 0; spent < budget && !done();) {
    const bool is_bpf = phase_ == Phase::kBpf;
    const absl::StatusOr<size_t> slice =
        is_bpf ? bpf_.Step(&scan_) : proc_.Step(std::min(budget - spent, kSlice), &scan_);
    if (!slice.ok()) {
      absl::Status status = slice.status();
      if (is_bpf && options_.source == OwnerSource::kAuto) status = GoOnWithProc(status);
      if (status.ok()) continue;
      Clear();
      return status;
    }
    spent += *slice;
    if (is_bpf ? bpf_.done() : proc_.done()) {
      if (!is_bpf) links_ += scan_.stats.descriptors;
      Finish();
    } else if (!is_bpf) {
      // Where the kernel does not tell the numbers beforehand, the links themselves are counted.
      const uint64_t links = links_ + std::max(proc_.expected(), scan_.stats.descriptors);
      const bool worth = options_.source == OwnerSource::kAuto && links >= kLoadInLinks;
      if (proc_.listed()) proc_.StartReading();
      if (worth && scan_.stats.no_bpf.ok() && proc_.reading()) TryBpf();
    }
  }
  return done();
}

void OwnerIndex::Impl::Finish() {
  SortProcesses();
  SortEntries();
  const Horizon horizon = phase_ == Phase::kBpf    ? HorizonOfBpf()
                          : phase_ == Phase::kProc ? proc_.horizon()
                                                   : Horizon();
  scan_.stats.hidepid = horizon.hidepid;
  scan_.stats.other_pid_namespace = horizon.other_pid_namespace;
  scan_.stats.partial = false;
  bpf_memory_ = bpf_.memory();
  phase_ = Phase::kDone;
}

// A thread's own table comes at the thread's number, which can be far behind its process.
void OwnerIndex::Impl::SortProcesses() {
  const std::vector<Process>& processes = scan_.processes;
  const auto key = [](const Process& p) { return std::pair(p.pid, p.thread); };
  const auto before = [&](const Process& a, const Process& b) { return key(a) < key(b); };
  if (std::is_sorted(processes.begin(), processes.end(), before)) return;
  std::vector<uint32_t> order(processes.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(),
                   [&](uint32_t a, uint32_t b) { return before(processes[a], processes[b]); });
  std::vector<Process> sorted;
  std::vector<uint32_t> place(order.size());
  for (const uint32_t old : order) {
    place[old] = static_cast<uint32_t>(sorted.size());
    sorted.push_back(processes[old]);
  }
  for (Entry& entry : scan_.sockets) entry.process = place[entry.process];
  scan_.processes = std::move(sorted);
}

// A counting sort by bucket, then each bucket (about one entry) by itself.
void OwnerIndex::Impl::SortEntries() {
  const std::vector<Entry>& found = scan_.sockets;
  const int bits = static_cast<int>(std::bit_width(std::max<size_t>(found.size(), 2) - 1));
  bucket_shift_ = 32 - std::min(bits, 31);
  const size_t buckets = size_t{1} << (32 - bucket_shift_);
  buckets_.assign(buckets + 1, 0);
  // Counts, then ends; filling from the back turns ends into begins and keeps the scan's order.
  for (const Entry& entry : found) ++buckets_[Bucket(entry.inode)];
  uint32_t sum = 0;
  for (uint32_t& count : buckets_) count = sum += count;
  entries_.resize(found.size());
  for (size_t i = found.size(); i-- > 0;) {
    entries_[--buckets_[Bucket(found[i].inode)]] = found[i];
  }
  const auto before = [](const Entry& a, const Entry& b) {
    if (a.inode != b.inode) return Hash(a.inode) < Hash(b.inode);
    return a.process != b.process ? a.process < b.process : a.fd < b.fd;
  };
  for (size_t b = 0; b < buckets; ++b) {
    if (buckets_[b + 1] - buckets_[b] < 2) continue;
    std::sort(entries_.begin() + buckets_[b], entries_.begin() + buckets_[b + 1], before);
  }
  SortNetns();
}

void OwnerIndex::Impl::SortNetns() {
  netns_.assign(scan_.netns.size(), 0);
  for (size_t i = 0; i < netns_.size(); ++i) {
    netns_[Range(scan_.sockets[i].inode).first] = scan_.netns[i];
  }
}

std::pair<size_t, size_t> OwnerIndex::Impl::Find(uint32_t inode) const {
  return done() && !entries_.empty() ? Range(inode) : std::pair<size_t, size_t>();
}

// The entries of `inode`: the first, and how many.
std::pair<size_t, size_t> OwnerIndex::Impl::Range(uint32_t inode) const {
  const uint32_t bucket = Bucket(inode);
  const auto end = entries_.begin() + buckets_[bucket + 1];
  auto first = entries_.begin() + buckets_[bucket];
  // A bucket is long only where one socket has many owners.
  if (end - first > 8) {
    first = std::lower_bound(first, end, Hash(inode), [](const Entry& entry, uint32_t hash) {
      return Hash(entry.inode) < hash;
    });
  } else {
    while (first != end && first->inode != inode) ++first;
  }
  auto last = first;
  while (last != end && last->inode == inode) ++last;
  return {static_cast<size_t>(first - entries_.begin()), static_cast<size_t>(last - first)};
}

Owner OwnerIndex::Impl::At(size_t i) const {
  const Entry& entry = entries_[i];
  const Process& process = scan_.processes[entry.process];
  return Owner{.pid = Pid(process.pid),
               .start_time = process.start_time,
               .fd = entry.fd,
               .command = {process.command.data(), process.command_size},
               .thread = Pid(process.thread)};
}

NetnsId OwnerIndex::Impl::NetnsOf(uint32_t inode) const {
  const auto [first, count] = Find(inode);
  return count > 0 && !netns_.empty() ? NetnsId(netns_[first]) : NetnsId();
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
         BytesOf(scan_.sockets) + BytesOf(scan_.netns) + BytesOf(entries_) + BytesOf(netns_) +
         BytesOf(buckets_);
}

OwnerIndex::OwnerIndex(OwnerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
OwnerIndex::OwnerIndex(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
OwnerIndex::OwnerIndex(OwnerIndex&&) noexcept = default;
OwnerIndex& OwnerIndex::operator=(OwnerIndex&&) noexcept = default;
OwnerIndex::~OwnerIndex() = default;

OwnerIndex OwnerIndex::Successor() { return OwnerIndex(impl_->Successor()); }

absl::Status OwnerIndex::CheckBpf() { return bpf::TaskFiles::Check(); }

absl::Status OwnerIndex::Refresh() {
  NETDIAG_RETURN_IF_ERROR(Begin());
  return Step(std::numeric_limits<size_t>::max()).status();
}

absl::Status OwnerIndex::Begin() { return impl_->Begin(); }

void OwnerIndex::Assign(std::span<const HeldSocket> held) { impl_->Assign(held); }

absl::StatusOr<bool> OwnerIndex::Step(size_t descriptors) { return impl_->Step(descriptors); }

Owners OwnerIndex::Find(Inode inode) const {
  const auto [first, count] = impl_->Find(inode.value());
  return Owners(impl_.get(), first, count);
}

NoOwner OwnerIndex::Reason(Inode inode) const {
  if (inode.value() == 0) return NoOwner::kKernelHeld;
  if (!impl_->done()) return NoOwner::kNotAsked;
  if (!Find(inode).empty()) return NoOwner::kNone;
  if (stats().denied > 0 || stats().hidepid) return NoOwner::kHidden;
  return stats().other_pid_namespace ? NoOwner::kOtherPidNamespace : NoOwner::kVanished;
}

void OwnerIndex::ForEachSocket(absl::FunctionRef<void(Inode, const Owners&)> visit) const {
  const size_t size = impl_->done() ? impl_->entries().size() : 0;
  for (size_t first = 0, last = 0; first < size; first = last) {
    const uint32_t inode = impl_->entries()[first].inode;
    while (last < size && impl_->entries()[last].inode == inode) ++last;
    visit(Inode(inode), Owners(impl_.get(), first, last - first));
  }
}

NetnsId OwnerIndex::NetnsOf(Inode inode) const { return impl_->NetnsOf(inode.value()); }

absl::StatusOr<std::string> OwnerIndex::ReadSocketProtocol(const Owner& owner, Inode inode) {
  return impl_->ReadSocketProtocol(owner, inode);
}

absl::StatusOr<Uids> OwnerIndex::ReadUids(const Owner& owner) { return impl_->ReadUids(owner); }

const OwnerStats& OwnerIndex::stats() const { return impl_->stats(); }

size_t OwnerIndex::memory() const { return impl_->memory(); }

Owner OwnerIndex::At(const Impl* impl, size_t entry) { return impl->At(entry); }

}  // namespace netdiag
