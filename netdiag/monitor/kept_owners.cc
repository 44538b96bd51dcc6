// Tested by tests/monitor/ledger_test.cc.

#include "netdiag/monitor/kept_owners.h"

#include <string_view>

#include "netdiag/monitor/make_room.h"

namespace netdiag::internal {
namespace {

std::string_view CommandOf(const Process& process) {
  return {process.command.data(), process.command_size};
}

}  // namespace

void KeptOwners::Keep(const Owners& owners, std::span<Link> links) {
  for (size_t i = 0; i < links.size(); ++i) {
    const Owner owner = owners[i];
    MakeRoom(&places_);
    const auto [known, added] = places_.try_emplace(KeyOf(owner), 0);
    if (added) {
      if (free_.empty()) {
        free_.push_back(static_cast<uint32_t>(links_.size()));
        links_.push_back(0);
        scan_.processes.emplace_back();
      }
      known->second = free_.back();
      free_.pop_back();
      Process& process = scan_.processes[known->second];
      process.pid = owner.pid.value();
      process.thread = owner.thread.value();
      process.start_time = owner.start_time;
    }
    scan_.processes[known->second].SetCommand(owner.command);
    ++links_[known->second];
    links[i] = {known->second, owner.fd};
  }
}

void KeptOwners::Release(std::span<const Link> links) {
  for (const Link& link : links) {
    if (--links_[link.process] > 0) continue;
    const Process& process = scan_.processes[link.process];
    places_.erase(Key{process.pid, process.thread, process.start_time});
    free_.push_back(link.process);
  }
}

bool KeptOwners::Matches(std::span<const Link> links, const Owners& owners) {
  if (links.size() != owners.size()) return false;
  for (size_t i = 0; i < links.size(); ++i) {
    const Owner owner = owners[i];
    Process& process = scan_.processes[links[i].process];
    const Key key = {process.pid, process.thread, process.start_time};
    if (key != KeyOf(owner) || links[i].fd != owner.fd) return false;
    if (CommandOf(process) != owner.command) process.SetCommand(owner.command);
  }
  return true;
}

Owners KeptOwners::View(std::span<const Link> links) {
  scan_.sockets.clear();
  for (const Link& link : links) scan_.sockets.push_back({0, link.process, link.fd});
  return Owners(&scan_, 0, links.size());
}

size_t KeptOwners::memory() const {
  return BytesOf(scan_.processes) + BytesOf(scan_.sockets) + BytesOf(links_) + BytesOf(free_) +
         places_.capacity() * (sizeof(Key) + sizeof(uint32_t) + 5);
}

}  // namespace netdiag::internal
