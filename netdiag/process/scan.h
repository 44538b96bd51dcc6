// netdiag/process/scan.h — the result of a scan of descriptors, from /proc or BPF. Internal. Users
// want owner_index.h.
//
// A scanner appends processes and sockets in any order, and counts in `stats`. A process may come
// more than once, and without sockets. InodeIndex orders the result.
//
// Cost: appending allocates only until the arrays have reached their size. Threads:
// thread-compatible.

#ifndef NETDIAG_PROCESS_SCAN_H_
#define NETDIAG_PROCESS_SCAN_H_

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "netdiag/process/owner.h"

namespace netdiag::internal {

// A process that holds sockets; or a thread of it with a descriptor table of its own.
struct Process {
  uint64_t start_time = 0;
  int32_t pid = 0;
  int32_t thread = 0;  // 0: the table of the process
  uint8_t command_size = 0;
  bool has_uids = false;
  // True if kCached has read the links of the process again in the search that runs.
  bool is_checked = false;
  // The size of the table, and its identity (TableSize), before its links were read last.
  static constexpr int32_t kNoSize = -1;     // it is not known
  static constexpr int32_t kExchanged = -2;  // the table has changed and kept its size
  int32_t descriptors = kNoSize;
  std::array<char, 15> command{};
  Uids uids;
  uint64_t table_identity = 0;

  void SetCommand(std::string_view text) {
    text = text.substr(0, command.size());
    command_size = static_cast<uint8_t>(text.size());
    std::copy(text.begin(), text.end(), command.begin());
  }
};

struct ScannedSocket {
  uint32_t inode;
  uint32_t process;  // index in Scan::processes
  int32_t fd;
};
static_assert(sizeof(ScannedSocket) == 12);

struct Scan {
  std::vector<Process> processes;
  std::vector<ScannedSocket> sockets;
  std::vector<uint32_t> netns;  // of each socket (0: not known); or empty
  OwnerStats stats;
  std::optional<std::span<const uint32_t>> wanted;  // ascending; nullopt: every socket

  void Clear() {
    processes.clear();
    sockets.clear();
    netns.clear();
    stats = OwnerStats{.partial = true};
  }
  Process& AddProcess(int32_t pid) {
    Process& process = processes.emplace_back();
    process.pid = pid;
    return process;
  }
  // True if the scan looks for this socket.
  bool Wants(uint32_t inode) const {
    return !wanted || std::binary_search(wanted->begin(), wanted->end(), inode);
  }
  // Makes room for the sockets among so many descriptors, so that no step of the scan takes as long
  // as copying them. Untouched room takes no memory.
  void Expect(uint64_t descriptors) {
    constexpr uint64_t kMost = 1 << 18;
    if (!wanted && sockets.empty()) sockets.reserve(std::min(descriptors, kMost));
  }
  // Adds a socket of the process that was added last. Returns false if the scan does not look for
  // it.
  bool AddSocket(uint32_t inode, int32_t fd) {
    if (!Wants(inode)) return false;
    ++stats.sockets;
    // Grows by a quarter. Doubling this array and the one that sorts it would take more than 32
    // bytes a socket.
    if (sockets.size() == sockets.capacity()) sockets.reserve(sockets.size() * 5 / 4 + 256);
    sockets.push_back({inode, static_cast<uint32_t>(processes.size() - 1), fd});
    return true;
  }
  template <class Predicate>
  void EraseSockets(Predicate erase) {
    size_t kept = 0;
    for (size_t i = 0; i < sockets.size(); ++i) {
      if (erase(sockets[i])) continue;
      if (i < netns.size()) netns[kept] = netns[i];
      sockets[kept++] = sockets[i];
    }
    sockets.resize(kept);
    netns.resize(std::min(netns.size(), kept));
  }
  // Moves what another thread found to the end.
  void Absorb(Scan* other) {
    const auto offset = static_cast<uint32_t>(processes.size());
    processes.insert(processes.end(), other->processes.begin(), other->processes.end());
    for (const ScannedSocket& socket : other->sockets) {
      sockets.push_back({socket.inode, socket.process + offset, socket.fd});
    }
    stats.descriptors += other->stats.descriptors;
    stats.sockets += other->stats.sockets;
    stats.vanished += other->stats.vanished;
    stats.denied += other->stats.denied;
    stats.errors += other->stats.errors;
    if (stats.first_error == 0) stats.first_error = other->stats.first_error;
    other->Clear();
  }
  // Counts a process or descriptor that could not be read, by its errno.
  void Count(int error) {
    if (error == ENOENT || error == ESRCH) {
      ++stats.vanished;
    } else if (error == EACCES || error == EPERM) {
      ++stats.denied;
    } else {
      CountError(error);
    }
  }
  void CountError(int error) {
    if (++stats.errors == 1) stats.first_error = error;
  }
};

template <class T>
size_t BytesOf(const std::vector<T>& array) {
  return array.capacity() * sizeof(T);
}

}  // namespace netdiag::internal

#endif  // NETDIAG_PROCESS_SCAN_H_
