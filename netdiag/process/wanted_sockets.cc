// Tested by tests/process/owner_search_test.cc.

#include "netdiag/process/wanted_sockets.h"

#include <algorithm>

namespace netdiag::internal {
namespace {

bool IsIn(std::span<const uint32_t> ascending, uint32_t inode) {
  return std::binary_search(ascending.begin(), ascending.end(), inode);
}

}  // namespace

void WantedSockets::Set(std::span<const Inode> wanted) {
  wanted_.clear();
  for (const Inode inode : wanted) {
    if (inode.value() != 0) wanted_.push_back(inode.value());
  }
  std::sort(wanted_.begin(), wanted_.end());
  wanted_.erase(std::unique(wanted_.begin(), wanted_.end()), wanted_.end());
  unknown_.clear();
  filter_.clear();
  found_.clear();
  found_any_ = false;
  left_ = 0;
}

bool WantedSockets::Contains(uint32_t inode) const { return IsIn(wanted_, inode); }

void WantedSockets::PlanUnknown(const InodeIndex& index, const Scan& scan) {
  for (const uint32_t inode : wanted_) {
    if (index.Find(scan, inode).second == 0) unknown_.push_back(inode);
  }
  filter_ = unknown_;
  found_.assign(unknown_.size(), false);
  left_ = filter_.size();
  noted_ = scan.sockets.size();
}

void WantedSockets::NoteFound(const Scan& scan) {
  found_any_ = found_any_ || noted_ < scan.sockets.size();
  for (; noted_ < scan.sockets.size(); ++noted_) {
    const auto at = std::lower_bound(unknown_.begin(), unknown_.end(), scan.sockets[noted_].inode);
    const auto i = static_cast<size_t>(at - unknown_.begin());
    if (at == unknown_.end() || found_[i]) continue;
    found_[i] = true;
    --left_;
  }
}

void WantedSockets::KeepFirst(Scan* scan) {
  found_.assign(unknown_.size(), false);
  scan->EraseSockets([&](const ScannedSocket& socket) {
    const auto at = std::lower_bound(unknown_.begin(), unknown_.end(), socket.inode);
    if (at == unknown_.end() || *at != socket.inode) return true;
    const auto i = static_cast<size_t>(at - unknown_.begin());
    if (found_[i]) return true;
    found_[i] = true;
    return false;
  });
  left_ = static_cast<size_t>(std::count(found_.begin(), found_.end(), false));
  noted_ = scan->sockets.size();
  found_any_ = found_any_ || noted_ > 0;
}

void WantedSockets::Narrow(std::span<const uint32_t> excluded) {
  filter_.clear();
  for (size_t i = 0; i < unknown_.size(); ++i) {
    if (!found_[i] && !IsIn(excluded, unknown_[i])) filter_.push_back(unknown_[i]);
  }
  left_ = filter_.size();
}

void WantedSockets::AppendAbsent(bool all, std::span<const uint32_t> before,
                                 std::vector<uint32_t>* absent) const {
  for (size_t i = 0; i < unknown_.size(); ++i) {
    if (!found_[i] && (all || IsIn(before, unknown_[i]))) absent->push_back(unknown_[i]);
  }
}

size_t WantedSockets::memory() const {
  return BytesOf(wanted_) + BytesOf(unknown_) + BytesOf(filter_) + found_.capacity() / 8;
}

}  // namespace netdiag::internal
