// OwnerIndex: chooses who scans, and orders what was found.
//
// The choice. BPF costs a load once and a sixth of /proc for each descriptor. So /proc's numbers of
// descriptors are added up, from scan to scan, and the program is loaded when reading that many
// links would have cost as much as loading: one scan of a busy host, or many of a quiet one. Once
// it is loaded it serves every scan.
//
// Tested by tests/process/process_test.cc, tests/process/owner_sources_test.cc.

#include <algorithm>
#include <cerrno>
#include <limits>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "netdiag/process/bpf_scan.h"
#include "netdiag/process/inode_index.h"
#include "netdiag/process/proc_scan.h"
#include "netdiag/process/process.h"
#include "netdiag/process/scan.h"
#include "netdiag/types/error.h"

namespace netdiag {
namespace {

using internal::BpfScan;
using internal::BytesOf;
using internal::InodeIndex;
using internal::Process;
using internal::ProcScan;
using internal::Scan;
using internal::ScannedSocket;

// What loading costs, in links of /proc: 17 ms at 2 µs each, the difference between the two ways.
constexpr uint64_t kLoadInLinks = 8'500;

// Links that each thread reads between two looks at whether it was worth loading.
constexpr size_t kSlice = 4096;

}  // namespace

class OwnerIndex::Impl {
 public:
  explicit Impl(OwnerOptions options)
      : options_(std::move(options)), proc_(options_.proc_root, options_.threads) {}

  absl::Status Begin();
  absl::StatusOr<bool> Step(size_t budget);
  void Assign(std::span<const HeldSocket> held);
  std::pair<size_t, size_t> Find(uint32_t inode) const {
    return done() ? index_.Find(scan_, inode) : std::pair<size_t, size_t>();
  }
  Owner At(size_t entry) const;
  absl::StatusOr<Uids> ReadUids(const Owner& owner);
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
  void Finish();

  OwnerOptions options_;
  ProcScan proc_;
  BpfScan bpf_;
  Phase phase_ = Phase::kIdle;
  bool looked_ = false;    // no_bpf_ is known
  absl::Status no_bpf_;    // kAuto: why BPF is not to be tried
  uint64_t links_ = 0;     // read by the scans of /proc that ended
  size_t bpf_memory_ = 0;  // when the scan ended: const methods leave bpf_ to Successor()

  Scan scan_;  // what was found; when done, as the index ordered it
  InodeIndex index_;
};

void OwnerIndex::Impl::Clear() {
  proc_.End();
  bpf_.End();
  scan_.Clear();
  phase_ = Phase::kIdle;
}

void OwnerIndex::Impl::Assign(std::span<const HeldSocket> held) {
  Clear();
  std::vector<const HeldSocket*> order;
  for (const HeldSocket& socket : held) order.push_back(&socket);
  const auto process = [](const HeldSocket* s) {
    return std::tuple(s->owner.pid, s->owner.start_time, s->owner.command);
  };
  std::sort(order.begin(), order.end(), [&](const HeldSocket* a, const HeldSocket* b) {
    return process(a) != process(b) ? process(a) < process(b) : a->owner.fd < b->owner.fd;
  });
  const HeldSocket* last = nullptr;
  for (const HeldSocket* socket : order) {
    if (last == nullptr || process(last) != process(socket)) {
      Process& added = scan_.AddProcess(socket->owner.pid.value());
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
  if (bpf_.loaded()) TryBpf();
  scan_.stats.no_bpf = no_bpf_;
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

// Goes over to BPF, or on with /proc and never asks again.
void OwnerIndex::Impl::TryBpf() {
  if (no_bpf_.ok()) no_bpf_ = StartBpf();
  scan_.stats.no_bpf = no_bpf_;
}

absl::StatusOr<bool> OwnerIndex::Impl::Step(size_t budget) {
  if (phase_ == Phase::kIdle) NETDIAG_RETURN_IF_ERROR(Begin());
  budget = std::max<size_t>(budget, 1);
  for (size_t spent = 0; spent < budget && !done();) {
    const bool is_bpf = phase_ == Phase::kBpf;
    const size_t links = std::min(budget - spent, kSlice * std::max<size_t>(options_.threads, 1));
    const absl::StatusOr<size_t> slice =
        is_bpf ? bpf_.Step(&scan_) : proc_.Step(links, std::nullopt, &scan_);
    if (!slice.ok()) {
      Clear();
      return slice.status();
    }
    spent += *slice;
    if (is_bpf ? bpf_.done() : proc_.done()) {
      if (!is_bpf) links_ += scan_.stats.descriptors;
      Finish();
    } else if (!is_bpf) {
      // Where the kernel does not tell the numbers beforehand, the links themselves are counted.
      const uint64_t in_all = links_ + std::max(proc_.expected(), scan_.stats.descriptors);
      const bool worth = options_.source == OwnerSource::kAuto && in_all >= kLoadInLinks;
      if (proc_.listed()) proc_.StartReading();
      if (worth && no_bpf_.ok() && proc_.reading()) TryBpf();
    }
  }
  return done();
}

void OwnerIndex::Impl::Finish() {
  index_.Build(&scan_);
  scan_.stats.partial = false;
  bpf_memory_ = bpf_.memory();
  phase_ = Phase::kDone;
}

Owner OwnerIndex::Impl::At(size_t i) const {
  const ScannedSocket& entry = scan_.sockets[i];
  const Process& process = scan_.processes[entry.process];
  return Owner{.pid = Pid(process.pid),
               .start_time = process.start_time,
               .fd = entry.fd,
               .command = {process.command.data(), process.command_size},
               .thread = Pid(process.thread)};
}

absl::StatusOr<Uids> OwnerIndex::Impl::ReadUids(const Owner& owner) {
  const auto known =
      std::lower_bound(scan_.processes.begin(), scan_.processes.end(), owner.pid.value(),
                       [](const Process& process, int32_t pid) { return process.pid < pid; });
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
  next->bpf_ = std::exchange(bpf_, BpfScan());
  next->no_bpf_ = no_bpf_;
  next->looked_ = looked_;
  next->links_ = links_;
  return next;
}

size_t OwnerIndex::Impl::memory() const {
  return sizeof(*this) + proc_.memory() + bpf_memory_ + BytesOf(scan_.processes) +
         BytesOf(scan_.sockets) + index_.memory();
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
  return stats().denied > 0 ? NoOwner::kHidden : NoOwner::kGone;
}

absl::StatusOr<Uids> OwnerIndex::ReadUids(const Owner& owner) { return impl_->ReadUids(owner); }

const OwnerStats& OwnerIndex::stats() const { return impl_->stats(); }

size_t OwnerIndex::memory() const { return impl_->memory(); }

Owner OwnerIndex::At(const Impl* impl, size_t entry) { return impl->At(entry); }

}  // namespace netdiag
