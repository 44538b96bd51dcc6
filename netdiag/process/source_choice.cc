// Tested by tests/process/owner_sources_test.cc and owner_views_test.cc.

#include "netdiag/process/source_choice.h"

#include <cerrno>
#include <chrono>

#include "netdiag/bpf/task_files.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {
namespace {

// The cost of loading, 3 ms, in links.
constexpr uint64_t kLoadInLinks = 1000;

constexpr auto kLoadTime = std::chrono::milliseconds(20);

// The descriptors of the host that a pass of BPF reads for the cost of one link.
constexpr uint64_t kDescriptorsPerLink = 12;

// True if BPF can work at the next scan although it failed at this one.
bool IsTransient(const absl::Status& status) {
  const int error = Errno(status);
  return IsRetryable(status) || error == EMFILE || error == ENFILE || error == ENOMEM;
}

}  // namespace

void SourceChoice::Begin(const OwnerBudget& budget) {
  budget_ = budget;
  no_bpf_now_ = no_bpf_;
}

void SourceChoice::Probe(const Procfs& procfs) {
  if (source_ != OwnerSource::kAuto || probed_) return;
  probed_ = true;
  no_bpf_ = procfs.IsOwn() ? bpf::TaskFiles::Check()
                           : ErrnoError(EXDEV, procfs.path(),
                                        "BPF gives pids of this process's pid namespace, and this "
                                        "procfs is of another");
  no_bpf_now_ = no_bpf_;
}

bool SourceChoice::PrefersBpf(uint64_t links, uint64_t host) const {
  if (source_ != OwnerSource::kAuto) return is_always_bpf();
  if (!probed_ || !no_bpf_now_.ok()) return false;
  return bpf_->loaded() ? links > host / kDescriptorsPerLink : IsWorthLoading(links);
}

bool SourceChoice::PrefersBpfForAll(uint64_t links) const {
  if (source_ != OwnerSource::kAuto) return is_always_bpf();
  return probed_ && no_bpf_now_.ok() && (bpf_->loaded() || IsWorthLoading(links));
}

bool SourceChoice::IsWorthLoading(uint64_t links) const {
  return links_ + links >= kLoadInLinks &&
         (!budget_.deadline || std::chrono::steady_clock::now() + kLoadTime < *budget_.deadline);
}

void SourceChoice::NoteLoadFailure(const absl::Status& status) {
  no_bpf_now_ = status;
  if (!IsTransient(status)) no_bpf_ = status;
}

void SourceChoice::Inherit(const SourceChoice& other) {
  probed_ = other.probed_;
  no_bpf_ = other.no_bpf_;
  links_ = other.links_;
}

}  // namespace netdiag::internal
