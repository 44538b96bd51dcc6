// ProcScan: lists the processes, then reads each one's descriptors, on one thread or several.
//
// Shares of work. A unit is a process, or a range of descriptor numbers of one that has many.
// Threads take units in turn and append to scans of their own, which the index orders: so it is the
// same whoever read what. A slice can end in the middle of a unit; any later slice goes on with it.
//
// Tested by tests/process/process_test.cc, parallel_scan_test.cc.

#include "netdiag/process/proc_scan.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <limits>
#include <optional>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <utility>

#include "netdiag/process/horizon.h"
#include "netdiag/process/proc_files.h"
#include "netdiag/types/error.h"
#include "netdiag/types/parse_number.h"
#include "netdiag/types/quiet_thread.h"

namespace netdiag::internal {
namespace {

constexpr std::string_view kNoProcfs = "is it a mounted procfs?";

// Links between two looks at the clock and at what is left: half a millisecond.
constexpr size_t kClaim = 256;

// Processes whose sizes are asked for between two looks at whether they are enough for BPF.
constexpr size_t kSizedAtOnce = 8;

// Descriptor numbers in a unit. Tables with fewer descriptors than two units are not split.
constexpr int32_t kRange = 4096;

// Links for which it is worth to start a thread, which takes as long as 20 of them.
constexpr size_t kWorthAThread = 1024;

// Descriptors of kLow: servers open their listeners early.
constexpr int32_t kLowEnd = 16;

}  // namespace

size_t Allowance::Claim() {
  if (deadline_ && std::chrono::steady_clock::now() >= *deadline_) return 0;
  int64_t left = left_.load();
  int64_t claim = 0;
  do {
    claim = std::min<int64_t>(left, kClaim);
    if (claim <= 0) return 0;
  } while (!left_.compare_exchange_weak(left, left - claim));
  return static_cast<size_t>(claim);
}

ProcScan::ProcScan(std::string root, size_t threads)
    : root_path_(std::move(root)), workers_(std::max<size_t>(threads, 1)) {}

absl::Status ProcScan::Begin() {
  End();
  root_.Close();
  NETDIAG_RETURN_IF_ERROR(OpenRoot());
  phase_ = Phase::kListing;
  return absl::OkStatus();
}

absl::Status ProcScan::OpenRoot() {
  if (!root_.ok()) root_ = OpenDirectory(AT_FDCWD, root_path_.c_str());
  return root_.ok() ? absl::OkStatus() : ErrnoError(errno, root_path_, kNoProcfs);
}

void ProcScan::End() {
  for (Worker& worker : workers_) worker.reader.Close();
  reader_.Reset();
  candidates_.clear();
  units_.clear();
  next_ = 0;
  expected_ = 0;
  phase_ = Phase::kIdle;
}

absl::StatusOr<size_t> ProcScan::Step(size_t budget, Allowance::Deadline deadline, Scan* scan) {
  switch (phase_) {
    case Phase::kListing:
      return ListProcesses(std::min(budget, kClaim), scan);
    case Phase::kSizing:
      return SizeProcesses(std::min(budget, kSizedAtOnce));
    case Phase::kReading:
      if (part_ != Descriptors::kLowest && workers_.size() > 1 && budget >= 2 * kWorthAThread) {
        return ReadShared(budget, deadline, scan);
      }
      return ReadAlone(std::min(budget, kClaim), scan);
    case Phase::kIdle:
    case Phase::kListed:
    case Phase::kDone:
      break;
  }
  return 1;
}

bool ProcScan::IsOwn() const {
  std::array<char, 12> link;
  const ssize_t size = readlinkat(root_.get(), "self", link.data(), link.size());
  return size > 0 && IsProcfs(root_.get()) &&
         ParseNumber<int32_t>(std::string_view(link.data(), static_cast<size_t>(size))) == getpid();
}

absl::StatusOr<size_t> ProcScan::ListProcesses(size_t budget, Scan* scan) {
  const ssize_t got = reader_.Fill(root_.get(), budget);
  // The reader itself is always there: without any process it is the bare mount point.
  const int error = got < 0 ? errno : got == 0 && candidates_.empty() ? ENOENT : 0;
  if (error != 0) {
    phase_ = Phase::kIdle;
    return ErrnoError(error, root_path_, kNoProcfs);
  }
  if (got == 0) {
    std::sort(candidates_.begin(), candidates_.end(),
              [](const Candidate& a, const Candidate& b) { return a.pid < b.pid; });
    scan->stats.processes = candidates_.size();
    own_ = IsOwn();
    // This process has one descriptor at least: the root.
    sized_ = IsProcfs(root_.get()) && SizeOfTable(root_.get(), "self/fd").descriptors > 0;
    phase_ = sized_ ? Phase::kSizing : Phase::kListed;
  }
  size_t names = 1;
  while (const char* name = reader_.Next().name) {
    ++names;
    const std::optional<int32_t> pid = ParseNumber<int32_t>(name);
    if (pid && *pid > 0) candidates_.push_back({.pid = *pid});
  }
  return names;
}

// The youngest first: the oldest are the kernel's threads.
size_t ProcScan::SizeProcesses(size_t budget) {
  size_t asked = 0;
  for (; next_ < candidates_.size() && asked < budget; ++asked, ++next_) {
    Candidate& candidate = candidates_[candidates_.size() - 1 - next_];
    const auto [count, identity] = SizeOfTable(root_.get(), PidPath(candidate.pid, "/fd").c_str());
    candidate.identity = identity;
    candidate.descriptors =
        static_cast<int32_t>(std::clamp<int64_t>(count, -1, std::numeric_limits<int32_t>::max()));
    expected_ += static_cast<uint64_t>(std::max(candidate.descriptors, 0));
    if (count == 0 && HasThreads(root_.get(), PidPath(candidate.pid, "/task").c_str())) {
      candidate.state = kLeaderless;
    }
  }
  if (next_ == candidates_.size()) EndSizing();
  return asked;
}

// Drops kernel threads and others that have no descriptor, which would cost five times as much to
// open; and those whose sizes were not asked for.
void ProcScan::EndSizing() {
  candidates_.erase(candidates_.begin(), candidates_.end() - static_cast<std::ptrdiff_t>(next_));
  std::erase_if(candidates_,
                [](const Candidate& c) { return c.descriptors == 0 && c.state != kLeaderless; });
  MarkUnchanged();
  phase_ = Phase::kListed;
}

// Both lists are in order of pid. The threads of a process without leader are always looked at.
void ProcScan::MarkUnchanged() {
  auto seen = seen_.begin();
  for (Candidate& candidate : candidates_) {
    while (seen != seen_.end() && seen->pid < candidate.pid) ++seen;
    if (seen == seen_.end() || seen->pid != candidate.pid || candidate.state == kLeaderless)
      continue;
    if (seen->identity != candidate.identity || seen->descriptors != candidate.descriptors)
      continue;
    candidate.state = static_cast<uint8_t>(kUnchanged | (seen->state & kDenied));
  }
}

uint64_t ProcScan::Expected(Descriptors part) const {
  uint64_t descriptors = 0;
  for (const Candidate& candidate : candidates_) {
    const bool known = (candidate.state & kUnchanged) != 0;
    if (part == Descriptors::kAll || known == (part == Descriptors::kUnchanged)) {
      descriptors += static_cast<uint64_t>(std::max(candidate.descriptors, 0));
    }
  }
  return descriptors;
}

uint64_t ProcScan::UnchangedDenied() const {
  constexpr uint8_t kBoth = kUnchanged | kDenied;
  return static_cast<uint64_t>(
      std::count_if(candidates_.begin(), candidates_.end(),
                    [](const Candidate& c) { return (c.state & kBoth) == kBoth; }));
}

bool ProcScan::HasChanged() const {
  return std::any_of(candidates_.begin(), candidates_.end(),
                     [](const Candidate& c) { return (c.state & kUnchanged) == 0; });
}

void ProcScan::StopReading() {
  if (phase_ == Phase::kSizing) EndSizing();
  for (Worker& worker : workers_) worker.reader.Close();
  units_.clear();
}

void ProcScan::Remember() {
  if (candidates_.empty()) return End();
  for (size_t i = next_unit_.load(); i < units_.size(); ++i) {
    candidates_[units_[i].candidate].state |= kUnread;
  }
  for (const Worker& worker : workers_) {
    if (worker.reader.open()) candidates_[worker.candidate].state |= kUnread;
  }
  // What was known stays so.
  std::erase_if(candidates_,
                [](const Candidate& c) { return (c.state & (kUnread | kUnchanged)) == kUnread; });
  seen_.clear();
  if (sized_) seen_.assign(candidates_.begin(), candidates_.end());
  End();
}

void ProcScan::StartReading(Descriptors part) {
  part_ = part;
  units_.clear();
  for (size_t i = 0; i < candidates_.size(); ++i) {
    const uint8_t state = candidates_[i].state;
    const bool known = (state & kUnchanged) != 0;
    if (part == Descriptors::kChanged && known) continue;
    if (part == Descriptors::kUnchanged && (!known || (state & kDenied) != 0)) continue;
    if (part == Descriptors::kAboveLowest && (state & kWhole) != 0) continue;
    const auto candidate = static_cast<uint32_t>(i);
    if (part == Descriptors::kLowest) {
      units_.push_back({candidate, 0, kLowEnd});
      continue;
    }
    int32_t begin = part == Descriptors::kAboveLowest ? kLowEnd : 0;
    const int32_t count = workers_.size() > 1 ? candidates_[i].descriptors : 0;
    for (; count - begin >= 2 * kRange; begin += kRange) {
      units_.push_back({candidate, begin, begin + kRange});
    }
    units_.push_back({candidate, begin, TableRange::kToEnd});
  }
  next_unit_ = 0;
  phase_ = Phase::kReading;
}

// False: there is no more.
bool ProcScan::OpenNext(Worker* worker, Scan* scan) {
  const size_t next = next_unit_.fetch_add(1);
  if (next >= units_.size()) return false;
  const Unit& unit = units_[next];
  const bool is_first = next == 0 || units_[next - 1].candidate != unit.candidate;
  Candidate& candidate = candidates_[unit.candidate];
  worker->candidate = unit.candidate;
  worker->reader.Open(root_.get(),
                      {.pid = candidate.pid,
                       .descriptors = sized_ ? candidate.descriptors : -1,
                       .begin = unit.begin,
                       .end = unit.end,
                       .probe = part_ == Descriptors::kLowest,
                       .with_threads = own_ && is_first,
                       .state = &candidate.state},
                      scan);
  return true;
}

size_t ProcScan::ReadAlone(size_t budget, Scan* scan) {
  const auto open = std::find_if(workers_.begin(), workers_.end(),
                                 [](const Worker& worker) { return worker.reader.open(); });
  if (open != workers_.end()) return open->reader.Read(budget, scan);
  if (!OpenNext(&workers_[0], scan)) phase_ = Phase::kDone;
  return 1;
}

size_t ProcScan::ReadShared(size_t budget, Allowance::Deadline deadline, Scan* scan) {
  // What is left to read is not known where the kernel does not tell; and neither of these exactly.
  const uint64_t read = scan->stats.descriptors;
  const uint64_t most = expected_ > read ? expected_ - read : units_.size() * kClaim;
  const size_t worth = std::min<uint64_t>(most, budget) / kWorthAThread;
  const size_t wanted = std::clamp<size_t>(worth, 1, workers_.size());
  Allowance allowance(budget, deadline);
  for (Worker& worker : workers_) worker.reader.Forget();
  std::vector<std::thread> threads;
  threads.reserve(wanted);
  for (size_t i = 1; i < wanted; ++i) {
    Worker* worker = &workers_[i];
    worker->scan.wanted = scan->wanted;
    absl::StatusOr<std::thread> thread =
        StartQuietThread([this, worker, &allowance] { Work(worker, &worker->scan, &allowance); });
    if (!thread.ok()) break;  // with fewer then
    threads.push_back(*std::move(thread));
  }
  Work(&workers_[0], scan, &allowance);
  for (std::thread& thread : threads) thread.join();
  bool open = false;
  for (Worker& worker : workers_) {
    scan->Absorb(&worker.scan);
    worker.reader.Forget();
    open = open || worker.reader.open();
  }
  if (!open && next_unit_.load() >= units_.size()) phase_ = Phase::kDone;
  return std::max<size_t>(budget - allowance.left(), 1);
}

void ProcScan::Work(Worker* worker, Scan* scan, Allowance* allowance) {
  for (bool more = true; more;) {
    const size_t claimed = allowance->Claim();
    if (claimed == 0) return;
    size_t spent = 1;
    if (worker->reader.open()) {
      spent = worker->reader.Read(claimed, scan);
    } else {
      more = OpenNext(worker, scan);
    }
    allowance->Return(claimed - std::min(spent, claimed));
  }
}

// The directory of a process, which belongs to it and not to its number.
absl::StatusOr<UniqueFd> ProcScan::OpenSameProcess(Pid pid, uint64_t start_time,
                                                   const std::string& what) {
  // A scan by other means has not opened it.
  NETDIAG_RETURN_IF_ERROR(OpenRoot());
  UniqueFd directory = OpenDirectory(root_.get(), PidPath(pid.value()).c_str());
  if (!directory.ok()) return ErrnoError(errno, what);
  SmallBuffer buffer;
  const ssize_t size = ReadFile(directory.get(), "stat", &buffer);
  if (size < 0) return ErrnoError(errno, what + "/stat");
  const std::optional<ProcessStat> stat =
      ParseStat(std::string_view(buffer.data(), static_cast<size_t>(size)));
  if (!stat) return DamagedData(what + "/stat", "no start time");
  if (stat->start_time != start_time) {
    return ErrnoError(ESRCH, what, "the pid has passed to another process");
  }
  return directory;
}

absl::StatusOr<Uids> ProcScan::ReadUids(Pid pid, uint64_t start_time) {
  const std::string what = root_path_ + "/" + std::to_string(pid.value());
  NETDIAG_ASSIGN_OR_RETURN(const UniqueFd directory, OpenSameProcess(pid, start_time, what));
  SmallBuffer buffer;
  const ssize_t size = ReadFile(directory.get(), "status", &buffer);
  if (size < 0) return ErrnoError(errno, what + "/status");
  const std::optional<Uids> uids =
      ParseUids(std::string_view(buffer.data(), static_cast<size_t>(size)));
  if (!uids) return DamagedData(what + "/status", "no user ids");
  return *uids;
}

// O_PATH takes hold of the socket's inode, not of the socket: nothing stays open longer for it.
// There is no fgetxattr() for such a descriptor, but a name for it in our own directory.
absl::StatusOr<std::string> ProcScan::ReadSocketProtocol(const Owner& owner, Inode inode) {
  const std::string what = root_path_ + "/" + std::to_string(owner.pid.value());
  NETDIAG_ASSIGN_OR_RETURN(const UniqueFd directory,
                           OpenSameProcess(owner.pid, owner.start_time, what));
  std::string path = "fd/" + std::to_string(owner.fd);
  if (owner.thread != Pid()) path = "task/" + std::to_string(owner.thread.value()) + "/" + path;
  const UniqueFd file(openat(directory.get(), path.c_str(), O_PATH | O_CLOEXEC));
  struct stat status {};
  if (!file.ok() || fstat(file.get(), &status) != 0) return ErrnoError(errno, what + "/" + path);
  if (!S_ISSOCK(status.st_mode) || status.st_ino != inode.value()) {
    return ErrnoError(ENOENT, what + "/" + path, "it is another file by now");
  }
  const std::string name = root_path_ + "/thread-self/fd/" + std::to_string(file.get());
  std::array<char, 64> text;  // the kernel's names are 31 bytes at most
  const ssize_t size = getxattr(name.c_str(), "system.sockprotoname", text.data(), text.size());
  if (size < 0) return ErrnoError(errno, what + "/" + path, "system.sockprotoname");
  return std::string(text.data(), strnlen(text.data(), static_cast<size_t>(size)));
}

size_t ProcScan::memory() const {
  size_t bytes = root_path_.capacity() + reader_.memory() + BytesOf(candidates_) + BytesOf(seen_) +
                 BytesOf(units_) + BytesOf(workers_);
  for (const Worker& worker : workers_) {
    bytes += worker.reader.memory() + BytesOf(worker.scan.processes) + BytesOf(worker.scan.sockets);
  }
  return bytes;
}

}  // namespace netdiag::internal
