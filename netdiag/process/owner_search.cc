// Tested by tests/process/owner_search_test.cc.

#include "netdiag/process/owner_search.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <limits>
#include <optional>
#include <string_view>
#include <unistd.h>

#include "netdiag/process/directory.h"
#include "netdiag/process/proc_files.h"

namespace netdiag::internal {
namespace {

constexpr uint32_t kNoProcess = std::numeric_limits<uint32_t>::max();

// Sockets that were not asked for are forgotten above this number.
constexpr size_t kKeptAtLeast = size_t{1} << 16;

bool Contains(const std::vector<uint32_t>& ascending, uint32_t inode) {
  return std::binary_search(ascending.begin(), ascending.end(), inode);
}

// The descriptors of the process, or its thread, if it is still the one that was scanned. Takes its
// command anew, which exec changes.
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

void OwnerSearch::Begin(std::span<const Inode> wanted, OwnerPolicy policy) {
  policy_ = policy;
  changed_ = false;
  wanted_.clear();
  for (const Inode inode : wanted) {
    if (inode.value() != 0) wanted_.push_back(inode.value());
  }
  std::sort(wanted_.begin(), wanted_.end());
  wanted_.erase(std::unique(wanted_.begin(), wanted_.end()), wanted_.end());
  absent_before_.swap(absent_);
  absent_.clear();
  unknown_.clear();
  filter_.clear();
  found_.clear();
  left_ = 0;
  checks_.clear();
  next_check_ = 0;
  table_.Close();
  table_of_ = kNoProcess;
}

bool OwnerSearch::Asks(uint32_t inode) const { return Contains(wanted_, inode); }

void OwnerSearch::PlanChecks(const InodeIndex& index, const Scan& scan) {
  for (const uint32_t inode : wanted_) {
    const auto [first, count] = index.Find(scan, inode);
    for (size_t i = 0; i < count; ++i) checks_.push_back(static_cast<uint32_t>(first + i));
  }
  const auto place = [&](uint32_t i) {
    return std::pair(scan.sockets[i].process, scan.sockets[i].fd);
  };
  std::sort(checks_.begin(), checks_.end(),
            [&](uint32_t a, uint32_t b) { return place(a) < place(b); });
}

size_t OwnerSearch::Check(size_t budget, int root, Scan* scan) {
  size_t spent = 0;
  for (; next_check_ < checks_.size() && spent < budget; ++next_check_, ++spent) {
    ScannedSocket& socket = scan->sockets[checks_[next_check_]];
    if (socket.process != table_of_) {
      table_of_ = socket.process;
      table_ = OpenIfSame(root, &scan->processes[socket.process]);
    }
    if (Holds(table_, socket, scan)) continue;
    socket.inode = 0;
    changed_ = true;
  }
  if (next_check_ == checks_.size()) table_.Close();
  return std::max<size_t>(spent, 1);
}

void OwnerSearch::DropUnchecked(Scan* scan) {
  changed_ = changed_ || next_check_ < checks_.size();
  for (; next_check_ < checks_.size(); ++next_check_) {
    scan->sockets[checks_[next_check_]].inode = 0;
  }
  table_.Close();
}

void OwnerSearch::Sweep(Scan* scan) {
  if (changed_) scan->EraseSockets([](const ScannedSocket& s) { return s.inode == 0; });
}

void OwnerSearch::PlanUnknown(const InodeIndex& index, const Scan& scan) {
  for (const uint32_t inode : wanted_) {
    if (index.Find(scan, inode).second == 0) unknown_.push_back(inode);
  }
  filter_ = unknown_;
  found_.assign(unknown_.size(), false);
  left_ = filter_.size();
  noted_ = scan.sockets.size();
}

void OwnerSearch::NoteFound(const Scan& scan) {
  changed_ = changed_ || noted_ < scan.sockets.size();
  for (; noted_ < scan.sockets.size(); ++noted_) {
    const auto at = std::lower_bound(unknown_.begin(), unknown_.end(), scan.sockets[noted_].inode);
    const auto i = static_cast<size_t>(at - unknown_.begin());
    if (at == unknown_.end() || found_[i]) continue;
    found_[i] = true;
    --left_;
  }
}

bool OwnerSearch::HasNew() const {
  return !std::includes(absent_before_.begin(), absent_before_.end(), filter_.begin(),
                        filter_.end());
}

bool OwnerSearch::NarrowToNew() {
  filter_.clear();
  for (size_t i = 0; i < unknown_.size(); ++i) {
    if (!found_[i] && !Contains(absent_before_, unknown_[i])) filter_.push_back(unknown_[i]);
  }
  left_ = filter_.size();
  return left_ > 0;
}

void OwnerSearch::Finish(bool whole) {
  table_.Close();
  if (policy_ != OwnerPolicy::kCached) return;
  for (size_t i = 0; i < unknown_.size(); ++i) {
    const bool is_absent = whole || Contains(absent_before_, unknown_[i]);
    if (!found_[i] && is_absent) absent_.push_back(unknown_[i]);
  }
}

void OwnerSearch::Evict(size_t kept_at_least, Scan* scan) {
  const size_t kept = std::max({kept_at_least, kKeptAtLeast, 2 * wanted_.size()});
  if (scan->sockets.size() <= kept) return;
  changed_ = true;
  scan->EraseSockets([this](const ScannedSocket& s) { return !Asks(s.inode); });
}

size_t OwnerSearch::memory() const {
  return BytesOf(wanted_) + BytesOf(unknown_) + BytesOf(filter_) + BytesOf(absent_) +
         BytesOf(absent_before_) + found_.capacity() / 8 + BytesOf(checks_);
}

}  // namespace netdiag::internal
