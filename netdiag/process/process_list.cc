// Tested by tests/process/process_test.cc and owner_search_test.cc.

#include "netdiag/process/process_list.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <optional>

#include "netdiag/process/proc_files.h"
#include "netdiag/types/error.h"
#include "netdiag/types/parse_number.h"

namespace netdiag::internal {
namespace {

// The number of names between two looks at the clock.
constexpr size_t kNamesAtOnce = 256;

// The number of sizes between two decisions whether they are enough for BPF.
constexpr size_t kSizesAtOnce = 8;

bool IsUnchanged(const ListedProcess& process) { return (process.state & kUnchanged) != 0; }

uint64_t DescriptorsOf(const ListedProcess& process) {
  return static_cast<uint64_t>(std::max(process.descriptors, 0));
}

}  // namespace

void ProcessList::Begin() {
  reader_.Reset();
  processes_.clear();
  sizes_ = 0;
  sized_ = false;
  expected_ = 0;
  phase_ = Phase::kNaming;
}

absl::StatusOr<size_t> ProcessList::Step(const Procfs& procfs, size_t budget) {
  if (phase_ == Phase::kNaming) return AddNames(procfs, std::min(budget, kNamesAtOnce));
  return AddSizes(procfs, std::min(budget, kSizesAtOnce));
}

absl::StatusOr<size_t> ProcessList::AddNames(const Procfs& procfs, size_t budget) {
  const ssize_t got = reader_.Fill(procfs.fd(), budget);
  // This process is always there. A directory without any process is a bare mount point.
  const int error = got < 0 ? errno : got == 0 && processes_.empty() ? ENOENT : 0;
  if (error != 0) return ErrnoError(error, procfs.path(), Procfs::kNoProcfs);
  if (got == 0) {
    std::sort(processes_.begin(), processes_.end(),
              [](const ListedProcess& a, const ListedProcess& b) { return a.pid < b.pid; });
    // This process has one descriptor at least: the procfs.
    sized_ = IsProcfs(procfs.fd()) && SizeOfTable(procfs.fd(), "self/fd").descriptors > 0;
    phase_ = sized_ ? Phase::kSizing : Phase::kDone;
  }
  size_t names = 1;
  while (const char* name = reader_.Next().name) {
    ++names;
    const std::optional<int32_t> pid = ParseNumber<int32_t>(name);
    if (pid && *pid > 0) processes_.push_back({.pid = *pid});
  }
  return names;
}

// The youngest processes come first, because the oldest are kernel threads.
size_t ProcessList::AddSizes(const Procfs& procfs, size_t budget) {
  size_t asked = 0;
  for (; sizes_ < processes_.size() && asked < budget; ++asked, ++sizes_) {
    ListedProcess& process = processes_[processes_.size() - 1 - sizes_];
    const auto [count, identity] = SizeOfTable(procfs.fd(), PidPath(process.pid, "/fd").c_str());
    process.identity = identity;
    process.descriptors =
        static_cast<int32_t>(std::clamp<int64_t>(count, -1, std::numeric_limits<int32_t>::max()));
    expected_ += DescriptorsOf(process);
    if (count != 0) continue;
    const bool has_threads = HasThreads(procfs.fd(), PidPath(process.pid, "/task").c_str());
    // If that is not known, the reader finds out, or counts an error.
    if (has_threads || (errno != 0 && errno != ENOENT && errno != ESRCH))
      process.state = kLeaderless;
  }
  if (sizes_ == processes_.size()) StopSizing();
  return asked;
}

// Kernel threads and other processes without descriptors leave the list, because opening one costs
// five times as much as sizing it.
void ProcessList::StopSizing() {
  if (phase_ != Phase::kSizing) return;
  processes_.erase(processes_.begin(), processes_.end() - static_cast<std::ptrdiff_t>(sizes_));
  std::erase_if(processes_, [](const ListedProcess& p) {
    return p.descriptors == 0 && p.state != kLeaderless;
  });
  MarkUnchanged();
  phase_ = Phase::kDone;
}

// Both lists are in order of pid. A process without a leader always counts as changed, because its
// size says nothing about the tables of its threads.
void ProcessList::MarkUnchanged() {
  auto seen = seen_.begin();
  for (ListedProcess& process : processes_) {
    while (seen != seen_.end() && seen->pid < process.pid) ++seen;
    if (seen == seen_.end() || seen->pid != process.pid || process.state == kLeaderless) continue;
    if (seen->identity != process.identity || seen->descriptors != process.descriptors) continue;
    process.state = static_cast<uint8_t>(kUnchanged | (seen->state & kDenied));
  }
}

uint64_t ProcessList::Expected(Descriptors part) const {
  uint64_t descriptors = 0;
  for (const ListedProcess& process : processes_) {
    if (part == Descriptors::kAll || IsUnchanged(process) == (part == Descriptors::kUnchanged)) {
      descriptors += DescriptorsOf(process);
    }
  }
  return descriptors;
}

uint64_t ProcessList::UnchangedDenied() const {
  return static_cast<uint64_t>(std::count_if(
      processes_.begin(), processes_.end(),
      [](const ListedProcess& p) { return IsUnchanged(p) && (p.state & kDenied) != 0; }));
}

std::array<Pid, 3> ProcessList::LowestDenied() const {
  std::array<Pid, 3> pids{};
  size_t size = 0;
  for (const ListedProcess& process : processes_) {
    if (size == pids.size()) break;
    if ((process.state & kDenied) != 0) pids[size++] = Pid(process.pid);
  }
  return pids;
}

bool ProcessList::HasChanged() const {
  return !std::all_of(processes_.begin(), processes_.end(), IsUnchanged);
}

void ProcessList::Remember() {
  std::erase_if(processes_,
                [](const ListedProcess& p) { return (p.state & kUnread) != 0 && !IsUnchanged(p); });
  seen_.clear();
  if (sized_) seen_.assign(processes_.begin(), processes_.end());
}

}  // namespace netdiag::internal
