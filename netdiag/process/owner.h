// netdiag/process/owner.h — the owners of sockets, as values: what a row and a query need of them.
//
// OwnerIndex (owner_index.h) finds them. Threads: values.

#ifndef NETDIAG_PROCESS_OWNER_H_
#define NETDIAG_PROCESS_OWNER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "absl/status/status.h"

#include "netdiag/types/types.h"

namespace netdiag {

namespace internal {
struct Scan;
}
class OwnerIndex;

// One descriptor that holds a socket.
struct Owner {
  // As the /proc that was read numbers it, or this process's pid namespace.
  Pid pid;
  // Of the process, in clock ticks since boot: with the pid, unique. 0: /proc tells none that
  // can be read (OwnerStats::errors).
  uint64_t start_time = 0;
  int fd = 0;
  // comm: 15 bytes that the process chose, any bytes at all. Escape before a terminal.
  std::string_view command;
  // Not 0: the thread whose own descriptor table `fd` is in.
  Pid thread;
};

// The user ids of a process.
struct Uids {
  Uid real, effective, saved, filesystem;
};

// Why a socket has no owner here.
enum class NoOwner : uint8_t {
  // The query did not ask for owners, or they cannot be read (Summary::owner_error), or the search
  // was for other sockets.
  kNotAsked,
  kNone,        // it has owners
  kKernelHeld,  // inode 0: no file holds it (TIME_WAIT, SYN_RECV, orphan, not yet accepted)
  // Nobody visible holds it, and the descriptors of some processes may not be read (how many:
  // OwnerStats::denied), or the procfs does not even list them (hidepid).
  kHidden,
  // The budget of the scan ended before every process was read.
  kNotRead,
  // Every visible process was read and none held it, but the processes that were read are those of
  // a
  // pid namespace which is not the first: one outside can hold it. The kernel shows nothing of
  // those, so this is a possibility; what kVanished names are the others.
  kOtherPidNamespace,
  // Every process of the machine was read and none held it: it was opened or closed meanwhile, is
  // in
  // flight between processes, or is held by the kernel alone.
  kVanished,
};
// "kernel-held", "hidden", "not-read", "other-pid-namespace", "vanished"; empty: it has owners, or
// was not asked for.
std::string_view Name(NoOwner reason);

// Who reads the descriptors.
enum class OwnerSource : uint8_t {
  kAuto,  // /proc, until reading as many links as it has read so far costs what loading the BPF
          // program does; from then on BPF. Where that cannot be, or proc_root is not the procfs of
          // this process's pid namespace: always /proc. A scan whose BPF part fails is begun again
          // with /proc; so is a search, which becomes a scan.
  kProc,
  kBpf,  // needs CAP_BPF, CAP_PERFMON, the kernel's BTF, 5.8. Names processes by the numbers of the
         // calling process's pid namespace, and leaves out those that are not in it.
};

// What a scan may cost. When it is spent the scan ends with what it has.
struct OwnerBudget {
  // Looked at every half millisecond, and by BPF after every read (1 ms). The program is not loaded
  // less than 20 ms before.
  std::optional<std::chrono::steady_clock::time_point> deadline;
  // Links read; of BPF, sockets, which come up to 2 700 at a time.
  uint64_t descriptors = std::numeric_limits<uint64_t>::max();
};

// Which part of a budget ended a scan.
enum class OwnerLimit : uint8_t { kNone, kDeadline, kDescriptors };

// How much of the truth is wanted of the sockets of a search.
enum class OwnerPolicy : uint8_t {
  kAll,     // every owner
  kFirst,   // one owner of each, for the fewest links; there may be more, and of some there are
  kCached,  // what is known is checked and kept, and only the rest looked for
};

// What became of one scan or search.
struct OwnerStats {
  // Who read; kAuto: nobody (Assign).
  OwnerSource source = OwnerSource::kAuto;
  // kAuto: OK, or why BPF cannot be used however much there is to read, or why it failed this time
  // and /proc was read instead.
  absl::Status no_bpf;
  uint64_t processes = 0;    // found in /proc; of BPF, those that hold sockets
  uint64_t descriptors = 0;  // links read; of BPF, sockets
  uint64_t sockets = 0;      // of those, sockets: entries of the index
  uint64_t vanished = 0;     // processes or descriptors that were gone before they were read
  // Processes whose descriptors may not be read (another user's, or not dumpable).
  uint64_t denied = 0;
  bool hidepid = false;  // the procfs leaves out processes of others: how many is not known
  // What was read are the processes of a pid namespace which is not the first: others can be
  // outside.
  bool other_pid_namespace = false;
  uint64_t errors = 0;   // anything else
  int first_error = 0;   // the errno of one of them; read by one thread, of the first
  bool partial = false;  // the scan has not ended, or its budget ended it
  OwnerLimit limit = OwnerLimit::kNone;
};

// The owners of one socket, in order of pid, then fd. A view.
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
