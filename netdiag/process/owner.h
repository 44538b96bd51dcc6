// SPDX-License-Identifier: Apache-2.0
//
// netdiag/process/owner.h — the owners of sockets, and how to ask for them. OwnerIndex
// (owner_index.h) finds them.
//
// An owner is a descriptor that holds a socket, with its process.
//
// Threads: values. Cost of reading an Owner: two cache lines.

#ifndef NETDIAG_PROCESS_OWNER_H_
#define NETDIAG_PROCESS_OWNER_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "absl/status/status.h"

#include "netdiag/types/abseil.h"
#include "netdiag/types/types.h"

namespace netdiag {

namespace internal {
class KeptOwners;
struct Scan;
}  // namespace internal
class OwnerIndex;

// One descriptor that holds a socket.
struct Owner {
  // In the numbers of the procfs that was read, or of this process's pid namespace (BPF).
  Pid pid;
  // The start of the process, in clock ticks since boot. Unique together with the pid. 0 if
  // it could not be read; OwnerStats::errors counts this.
  uint64_t start_time = 0;
  int fd = 0;
  // comm: up to 15 bytes that the process chooses. Any bytes are possible; escape them before a
  // terminal gets them.
  std::string_view command;
  // The thread whose own descriptor table has `fd`. 0: the table of the process has it.
  Pid thread;
};

// The user ids of a process.
struct Uids {
  Uid real, effective, saved, filesystem;
};

// Why a socket has no owner here.
enum class NoOwner : uint8_t {
  // The query did not ask for owners, or they could not be read (Summary::owner_error), or this
  // socket was not among those that were searched.
  kNotAsked,
  // It has owners.
  kNone,
  // Its inode is 0, so no file holds it: TIME_WAIT, SYN_RECV, orphaned, or not yet accepted.
  kKernelHeld,
  // No visible process holds it, but the descriptors of some processes could not be read
  // (OwnerStats::denied and errors), or the procfs does not list all processes (hidepid).
  kHidden,
  // The budget of the scan ended before every process was read.
  kNotRead,
  // Every visible process was read and none holds it. The visible processes are those of a pid
  // namespace other than the first, so a process outside can hold it. The kernel does not show
  // such processes, so this is a possibility and not a fact.
  kOtherPidNamespace,
  // Every process of the host was read and none holds it. It was opened or closed during the scan,
  // is in flight between processes, or is held by the kernel alone.
  kVanished,
};
// "kernel-held", "hidden", "not-read", "other-pid-namespace" or "vanished". Empty for kNone and
// kNotAsked.
std::string_view Name(NoOwner reason);

// What reads the descriptors.
enum class OwnerSource : uint8_t {
  // /proc at first. BPF from the moment when the links to read, with all that were read before,
  // cost as much as loading the BPF program. Always /proc if BPF cannot be used, or if proc_root is
  // not the procfs of this process's pid namespace. If BPF fails in the middle of a scan or search,
  // a scan begins again with /proc.
  kAuto,
  kProc,
  // Needs CAP_BPF, CAP_PERFMON, the kernel's BTF, and Linux 5.17. Gives pids of this process's pid
  // namespace, and leaves out the processes that are not in it.
  kBpf,
};

// How many owners a search finds. OwnerIndex::Search() says how.
enum class OwnerPolicy : uint8_t {
  kAll,     // every owner
  kFirst,   // one owner of each socket, for the fewest reads
  kCached,  // the owners of earlier searches, where nothing has changed, and owners of the rest
};

// What a scan or search may cost. When the budget is spent, it ends with what it has found.
struct OwnerBudget {
  // Checked every half millisecond, with BPF after every read (1 ms). The BPF program is not loaded
  // if less than 20 ms are left.
  std::optional<std::chrono::steady_clock::time_point> deadline = {};
  // The number of links to read; with BPF the number of sockets, which come up to 2 700 at a time.
  uint64_t descriptors = std::numeric_limits<uint64_t>::max();
};

// The part of a budget that ended a scan.
enum class OwnerLimit : uint8_t { kNone, kDeadline, kDescriptors };

// What one scan or search did.
struct OwnerStats {
  // What read the descriptors. kAuto: nothing was read.
  OwnerSource source = OwnerSource::kAuto;
  // With OwnerSource::kAuto: OK, or why BPF can never be used here, or why it failed this time so
  // that /proc was read instead.
  absl::Status no_bpf;
  uint64_t processes = 0;    // processes that /proc lists; with BPF, those that hold sockets
  uint64_t descriptors = 0;  // links that were read; with BPF, sockets
  uint64_t sockets = 0;      // descriptors that are sockets: the entries of the index
  uint64_t vanished = 0;     // processes or descriptors that were gone before they were read
  // Processes whose descriptors may not be read (another user's, or not dumpable).
  uint64_t denied = 0;
  // Up to three of these processes, those with the lowest pids; then 0.
  std::array<Pid, 3> denied_pids{};
  // The procfs leaves out processes of other users. Their number is not known.
  bool hidepid = false;
  // The processes that were read are those of a pid namespace other than the first, so there can be
  // others outside.
  bool other_pid_namespace = false;
  uint64_t errors = 0;   // all other failures
  int first_error = 0;   // the errno of one of `errors`; with one thread, of the first
  bool partial = false;  // the scan has not ended, or its budget ended it
  OwnerLimit limit = OwnerLimit::kNone;
};

// The owners of one socket, in order of pid, then fd. A view: valid until the index that gave it
// scans or searches again, or is destroyed. A move of the index keeps it.
class Owners {
 public:
  class Iterator;
  Owners() = default;
  size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }
  Owner operator[](size_t i) const;
  Iterator begin() const;
  Iterator end() const;

 private:
  friend class OwnerIndex;
  friend class internal::KeptOwners;
  Owners(const internal::Scan* scan, size_t first, size_t count)
      : scan_(scan), first_(first), count_(count) {}

  const internal::Scan* scan_ = nullptr;
  size_t first_ = 0;
  size_t count_ = 0;
};

class Owners::Iterator {
 public:
  using value_type = Owner;
  using difference_type = std::ptrdiff_t;
  Iterator() = default;
  Iterator(const Owners& owners, size_t i) : owners_(owners), i_(i) {}
  Owner operator*() const { return owners_[i_]; }
  Iterator& operator++() {
    ++i_;
    return *this;
  }
  Iterator operator++(int) {
    Iterator old = *this;
    ++i_;
    return old;
  }
  friend bool operator==(const Iterator& a, const Iterator& b) { return a.i_ == b.i_; }

 private:
  Owners owners_;
  size_t i_ = 0;
};

inline Owners::Iterator Owners::begin() const { return {*this, 0}; }
inline Owners::Iterator Owners::end() const { return {*this, count_}; }

}  // namespace netdiag

#endif  // NETDIAG_PROCESS_OWNER_H_
