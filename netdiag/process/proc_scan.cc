// ProcScan: lists the processes, then reads each one's descriptors, on one thread or several.
//
// Threads share the work by units. A unit is a process, or a range of descriptor numbers of a
// process that has many. Each thread takes the next unit and appends to a scan of its own. The
// index orders the result, so it does not depend on which thread read what. A slice can end in the
// middle of a unit; any thread of a later slice continues it.
//
// Tested by tests/process/process_test.cc, parallel_scan_test.cc.

#include "netdiag/process/proc_scan.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "netdiag/types/error.h"
#include "netdiag/types/quiet_thread.h"

namespace netdiag::internal {
namespace {

// The number of links between two looks at the clock and at the budget: half a millisecond.
constexpr size_t kClaim = 256;

// The descriptor numbers of a unit. Tables with fewer descriptors than two units are not split.
constexpr int32_t kRange = 4096;

// The number of links that are worth a thread. Starting one costs as much as 20 links.
constexpr size_t kWorthAThread = 1024;

// The end of Descriptors::kLowest. Servers open their listeners early.
constexpr int32_t kLowestEnd = 16;

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

ProcScan::ProcScan(Procfs* procfs, size_t threads)
    : procfs_(*procfs), workers_(std::max<size_t>(threads, 1)) {}

absl::Status ProcScan::Begin() {
  End();
  procfs_.Close();
  NETDIAG_RETURN_IF_ERROR(procfs_.Open());
  phase_ = Phase::kListing;
  return absl::OkStatus();
}

void ProcScan::End() {
  for (Worker& worker : workers_) worker.reader.Close();
  list_.Begin();
  units_.clear();
  phase_ = Phase::kIdle;
}

absl::StatusOr<size_t> ProcScan::Step(size_t budget, Allowance::Deadline deadline, Scan* scan) {
  // The lowest descriptors are read one claim at a time: the first can be enough.
  const bool may_share = workers_.size() > 1 && part_ != Descriptors::kLowest;
  switch (phase_) {
    case Phase::kListing:
      return List(budget, scan);
    case Phase::kReading:
      if (may_share && budget >= 2 * kWorthAThread) return ReadShared(budget, deadline, scan);
      return ReadAlone(std::min(budget, kClaim), scan);
    case Phase::kIdle:
    case Phase::kListed:
    case Phase::kDone:
      break;
  }
  return 1;
}

absl::StatusOr<size_t> ProcScan::List(size_t budget, Scan* scan) {
  const bool was_naming = list_.naming();
  absl::StatusOr<size_t> spent = list_.Step(procfs_, budget);
  if (was_naming && !list_.naming()) {
    scan->stats.processes = list_.processes().size();
    own_ = procfs_.IsOwn();
    // Tables of threads are then left out.
    if (errno != 0) scan->Count(errno);
  }
  if (list_.done()) phase_ = Phase::kListed;
  return spent;
}

void ProcScan::StopReading() {
  list_.StopSizing();
  for (Worker& worker : workers_) worker.reader.Close();
  units_.clear();
  phase_ = Phase::kDone;
}

void ProcScan::Remember() {
  const bool has_read = phase_ == Phase::kReading || phase_ == Phase::kDone;
  std::vector<ListedProcess>& processes = list_.processes();
  if (!has_read || processes.empty()) return End();
  for (size_t i = next_unit_.load(); i < units_.size(); ++i) {
    processes[units_[i].process].state |= kUnread;
  }
  for (const Worker& worker : workers_) {
    if (worker.reader.open()) processes[worker.process].state |= kUnread;
  }
  list_.Remember();
  End();
}

void ProcScan::StartReading(Descriptors part) {
  part_ = part;
  units_.clear();
  const std::vector<ListedProcess>& processes = list_.processes();
  for (uint32_t i = 0; i < processes.size(); ++i) {
    const uint8_t state = processes[i].state;
    const bool unchanged = (state & kUnchanged) != 0;
    if (part == Descriptors::kChanged && unchanged) continue;
    if (part == Descriptors::kUnchanged && (!unchanged || (state & kDenied) != 0)) continue;
    if (part == Descriptors::kAboveLowest && (state & kWhole) != 0) continue;
    if (part == Descriptors::kLowest) {
      units_.push_back({i, 0, kLowestEnd});
      continue;
    }
    const bool above = part == Descriptors::kAboveLowest && (state & kFailed) == 0;
    int32_t begin = above ? kLowestEnd : 0;
    const int32_t count = workers_.size() > 1 ? processes[i].descriptors : 0;
    for (; count - begin >= 2 * kRange; begin += kRange) {
      units_.push_back({i, begin, begin + kRange});
    }
    units_.push_back({i, begin, TableRange::kToEnd});
  }
  next_unit_ = 0;
  phase_ = Phase::kReading;
}

// Returns false if no unit is left.
bool ProcScan::OpenNext(Worker* worker, Scan* scan) {
  const size_t next = next_unit_.fetch_add(1);
  if (next >= units_.size()) return false;
  const Unit& unit = units_[next];
  const bool is_first = next == 0 || units_[next - 1].process != unit.process;
  ListedProcess& process = list_.processes()[unit.process];
  worker->process = unit.process;
  worker->reader.Open(procfs_.fd(),
                      {.pid = process.pid,
                       .descriptors = list_.is_sized() ? process.descriptors : -1,
                       .begin = unit.begin,
                       .end = unit.end,
                       .probe = part_ == Descriptors::kLowest,
                       .with_threads = own_ && is_first,
                       .state = &process.state},
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
  // An estimate of what is left to read, from the sizes of tables or, without them, from the units.
  const uint64_t read = scan->stats.descriptors;
  const uint64_t most = list_.expected() > read ? list_.expected() - read : units_.size() * kClaim;
  const size_t worth = std::min<uint64_t>(most, budget) / kWorthAThread;
  const size_t wanted = std::clamp<size_t>(worth, 1, workers_.size());
  Allowance allowance(budget, deadline);
  for (Worker& worker : workers_) worker.reader.Forget();
  std::vector<QuietThread> threads;
  threads.reserve(wanted);
  for (size_t i = 1; i < wanted; ++i) {
    Worker* worker = &workers_[i];
    worker->scan.wanted = scan->wanted;
    absl::StatusOr<QuietThread> thread =
        StartQuietThread([this, worker, &allowance] { Work(worker, &worker->scan, &allowance); });
    if (!thread.ok()) break;  // fewer threads do
    threads.push_back(*std::move(thread));
  }
  Work(&workers_[0], scan, &allowance);
  // An earlier slice may have run more threads, and one of them may have left a table half read.
  for (size_t i = threads.size() + 1; i < workers_.size(); ++i) {
    if (!workers_[i].reader.open()) continue;
    workers_[i].scan.wanted = scan->wanted;
    Work(&workers_[i], &workers_[i].scan, &allowance);
  }
  for (QuietThread& thread : threads) thread.join();
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

size_t ProcScan::memory() const {
  size_t bytes = list_.memory() + BytesOf(units_) + BytesOf(workers_);
  for (const Worker& worker : workers_) {
    bytes += worker.reader.memory() + BytesOf(worker.scan.processes) + BytesOf(worker.scan.sockets);
  }
  return bytes;
}

}  // namespace netdiag::internal
