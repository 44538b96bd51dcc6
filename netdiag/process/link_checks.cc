// Tested by tests/process/owner_search_test.cc.

#include "netdiag/process/link_checks.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <string_view>
#include <unistd.h>
#include <utility>

#include "netdiag/process/directory.h"
#include "netdiag/process/proc_files.h"

namespace netdiag::internal {
namespace {

constexpr uint32_t kNoProcess = std::numeric_limits<uint32_t>::max();

// Opens the descriptor directory of the process or thread. Not ok() if its pid has passed to
// another process. Reads the command again, which exec changes.
UniqueFd OpenIfSame(int root, Process* process) {
  const char* stat_path = "../stat";
  UniqueFd table;
  if (process->thread == 0) {
    table = OpenDirectory(root, PidPath(process->pid, "/fd").c_str());
  } else {
    const UniqueFd tasks = OpenDirectory(root, PidPath(process->pid, "/task").c_str());
    if (tasks.ok()) table = OpenDirectory(tasks.get(), PidPath(process->thread, "/fd").c_str());
    stat_path = "../../../stat";
  }
  SmallBuffer buffer;
  const ssize_t size = table.ok() ? ReadFile(table.get(), stat_path, &buffer) : -1;
  if (size < 0) return UniqueFd();
  const std::optional<ProcessStat> stat =
      ParseStat(std::string_view(buffer.data(), static_cast<size_t>(size)));
  if (!stat || stat->start_time != process->start_time) return UniqueFd();
  process->SetCommand(stat->command);
  return table;
}

// True if the table has the size that it had when its links were read. Notes the present size. The
// table of a thread always counts as changed, and so does one whose size the kernel does not tell.
bool IsUnchanged(int root, Process* process) {
  if (root < 0 || process->thread != 0) return false;
  const TableSize size = SizeOfTable(root, PidPath(process->pid, "/fd").c_str());
  const bool is_told =
      size.descriptors > 0 && size.descriptors < std::numeric_limits<int32_t>::max();
  const int32_t descriptors = is_told ? static_cast<int32_t>(size.descriptors) : Process::kNoSize;
  const bool is_same =
      is_told && descriptors == process->descriptors && size.identity == process->table_identity;
  process->descriptors = descriptors;
  process->table_identity = size.identity;
  return is_same;
}

bool Holds(const UniqueFd& table, const ScannedSocket& socket, Scan* scan) {
  if (!table.ok()) return false;
  std::array<char, 12> name{};
  std::to_chars(name.data(), name.data() + name.size(), socket.fd);
  std::array<char, 32> text;
  const ssize_t size = readlinkat(table.get(), name.data(), text.data(), text.size());
  if (size < 0) return false;
  ++scan->stats.descriptors;
  return ParseSocketLink(std::string_view(text.data(), static_cast<size_t>(size))) == socket.inode;
}

}  // namespace

void LinkChecks::Reset() {
  checks_.clear();
  next_ = 0;
  dropped_any_ = false;
  table_.Close();
  table_of_ = kNoProcess;
}

size_t LinkChecks::Plan(int root, Scan* scan) {
  for (Process& process : scan->processes) process.is_checked = !IsUnchanged(root, &process);
  round_ = (round_ + 1) % kRounds;
  size_t changed = 0;
  for (uint32_t i = 0; i < scan->sockets.size(); ++i) {
    const bool is_checked = scan->processes[scan->sockets[i].process].is_checked;
    changed += is_checked;
    if (is_checked || i % kRounds == round_) checks_.push_back(i);
  }
  is_sorted_ = false;
  return changed;
}

// Not in Plan(), because a pass of BPF can take the place of the checks.
void LinkChecks::Sort(const Scan& scan) {
  const auto place = [&](uint32_t i) {
    return std::pair(scan.sockets[i].process, scan.sockets[i].fd);
  };
  std::sort(checks_.begin(), checks_.end(),
            [&](uint32_t a, uint32_t b) { return place(a) < place(b); });
  is_sorted_ = true;
}

size_t LinkChecks::Check(size_t budget, int root, Scan* scan) {
  if (!is_sorted_) Sort(*scan);
  size_t spent = 0;
  for (; next_ < checks_.size() && spent < budget; ++next_, ++spent) {
    ScannedSocket& socket = scan->sockets[checks_[next_]];
    if (socket.process != table_of_) {
      table_of_ = socket.process;
      table_ = OpenIfSame(root, &scan->processes[socket.process]);
    }
    if (Holds(table_, socket, scan)) continue;
    socket.inode = 0;
    dropped_any_ = true;
  }
  if (next_ == checks_.size()) table_.Close();
  return std::max<size_t>(spent, 1);
}

void LinkChecks::DropRest(Scan* scan) {
  dropped_any_ = dropped_any_ || left() > 0;
  for (; next_ < checks_.size(); ++next_) scan->sockets[checks_[next_]].inode = 0;
  table_.Close();
}

void LinkChecks::Sweep(Scan* scan) const {
  if (dropped_any_) scan->EraseSockets([](const ScannedSocket& s) { return s.inode == 0; });
}

}  // namespace netdiag::internal
