// netdiag/process/process.h — who holds a socket: inode → every {pid, start time, fd, command},
// from /proc or from the kernel's own walk over all descriptors (BPF).
//
//   OwnerIndex index;
//   NETDIAG_RETURN_IF_ERROR(index.Refresh());
//   for (const Owner& owner : index.Find(socket.inode())) Print(owner.pid, owner.fd);
//
// Every owner held the socket at some instant of the scan, pid and start time together: a pid that
// passes to another process meanwhile is never mixed up. On a host where nothing changes both
// sources give the same, with one exception: descriptors of a thread that left its process's table
// (unshare(CLONE_FILES)) are seen by BPF only.
//
// Cost: from /proc one readlinkat per open descriptor (2 to 3 µs each, nearly all of it the
// kernel's), one getdents64 per 1 000 of them, one read of /proc/PID/stat per process that holds a
// socket. By BPF about 17 ms to load a program, once, and then 0.35 µs a descriptor. A lookup
// touches two cache lines. 24 bytes a socket, and up to 8 for the directory over them (8 more with
// OwnerOptions::netns); memory() says. A Refresh() over an unchanged host reuses every buffer and
// allocates nothing.
//
// Lifetime: Owners and the views in them are valid until the next Refresh(), Begin() or
// destruction; a move of the index keeps them. Between scans a descriptor or two stay open: /proc,
// and the loaded program.
//
// Threads: thread-compatible (const methods may run concurrently; the rest needs exclusive access).
//
// Errors: a process that vanishes or may not be read is counted in stats(), not an error; a /proc
// that cannot be read or shows no process is one, and leaves the index empty. So is a BPF program
// that cannot be loaded, but only where nothing else was to be tried.
//
// Source: proc(5), fs/proc/fd.c (link text "socket:[N]"), fs/proc/array.c (stat);
// kernel/bpf/task_iter.c.

#ifndef NETDIAG_PROCESS_PROCESS_H_
#define NETDIAG_PROCESS_PROCESS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/types/types.h"

namespace netdiag {

// One descriptor that holds a socket.
struct Owner {
  Pid pid;  // as the /proc that was read numbers it, or this process's pid namespace
  uint64_t start_time = 0;  // of the process, in clock ticks since boot: with the pid, unique. 0:
                            // /proc tells none that can be read (OwnerStats::errors)
  int fd = 0;
  std::string_view command;  // comm: 15 bytes that the process chose, any bytes at all. Escape
                             // before a terminal.
  Pid thread;                // not 0: the thread whose own descriptor table `fd` is in
};

// The user ids of a process.
struct Uids {
  Uid real, effective, saved, filesystem;
};

// Why a socket has no owner here.
enum class NoOwner : uint8_t {
  kNotAsked,    // the query did not ask for owners, or they cannot be read (Summary::owner_error)
  kNone,        // it has owners
  kKernelHeld,  // inode 0: no file holds it (TIME_WAIT, SYN_RECV, orphan, not yet accepted)
  kHidden,      // nobody visible holds it, and the descriptors of some processes may not be read
                // (how many: OwnerStats::denied) or the procfs does not even list them (hidepid)
  kOtherPidNamespace,  // every visible process was read and none held it, but the processes that
                       // were read are those of a pid namespace which is not the first: one
                       // outside can hold it. The kernel shows nothing of those, so this is a
                       // possibility; what kVanished names are the others.
  kVanished,  // every process of the machine was read and none held it: it was opened or closed
              // meanwhile, is in flight between processes, or is held by the kernel alone
};

// Who reads the descriptors.
enum class OwnerSource : uint8_t {
  kAuto,  // /proc, until reading as many links as it has read so far costs what loading the BPF
          // program does; from then on BPF. Where that cannot be, or proc_root is not the procfs of
          // this process's pid namespace: always /proc. A scan whose BPF part fails is begun again
          // with /proc.
  kProc,
  kBpf,  // needs CAP_BPF, CAP_PERFMON, the kernel's BTF, 5.8. Names processes by the numbers of the
         // calling process's pid namespace, and leaves out those that are not in it.
};

struct OwnerOptions {
  // A mounted procfs, or a tree of its shape.
  std::string proc_root = "/proc";
  OwnerSource source = OwnerSource::kAuto;
  // Whether NetnsOf() is wanted. BPF alone tells it; 8 bytes and 0.2 µs a socket more.
  bool netns = false;
};

// What became of one Refresh().
struct OwnerStats {
  OwnerSource source = OwnerSource::kAuto;  // who read; kAuto: nobody (Assign)
  absl::Status no_bpf;     // kAuto: OK, or why BPF cannot be used however much there is to read, or
                           // why it failed this time and /proc was read instead
  uint64_t processes = 0;  // found in /proc; of BPF, those that hold sockets
  uint64_t descriptors = 0;  // links read; of BPF, sockets
  uint64_t sockets = 0;      // of those, sockets: entries of the index
  uint64_t vanished = 0;     // processes or descriptors that were gone before they were read
  uint64_t denied =
      0;  // processes whose descriptors may not be read (another user's, or not dumpable)
  bool hidepid = false;  // the procfs leaves out processes of others: how many is not known
  bool other_pid_namespace = false;  // what was read are the processes of a pid namespace which is
                                     // not the first: others can be outside it
  uint64_t errors = 0;               // anything else; first_error names the first
  int first_error = 0;               // errno
  bool partial = false;              // the scan was stopped before its end
};

class OwnerIndex;

class Owners;

// A descriptor and the socket that it holds: what a capture keeps of an index.
struct HeldSocket {
  Inode inode;
  Owner owner;
};

class OwnerIndex {
 public:
  explicit OwnerIndex(OwnerOptions options = {});
  OwnerIndex(OwnerIndex&&) noexcept;
  OwnerIndex& operator=(OwnerIndex&&) noexcept;
  ~OwnerIndex();

  // Reads every process's descriptors anew.
  absl::Status Refresh();
  // The same in slices, for event loops: Begin(), then Step() until it answers true. A slice reads
  // about `descriptors` links, or by BPF at least 32 KiB of records (2 700 sockets, 1 ms); the last
  // one also sorts, about 10 ns a socket, and the one that loads the program takes that long.
  // Begin() drops an unfinished scan. The index answers nothing until the scan is done.
  absl::Status Begin();
  absl::StatusOr<bool> Step(size_t descriptors);

  // Instead of a scan: these descriptors and no others. Copies what it needs.
  void Assign(std::span<const HeldSocket> held);

  Owners Find(Inode inode) const;
  // Why Find() gives nothing for `inode`; kNone if it gives something, kNotAsked before the end of
  // a scan.
  NoOwner Reason(Inode inode) const;
  // The user ids of an owner's process. Of BPF: as they were when the scan met the process, all
  // four at one instant; no system call, and no error once the process has ended. Of /proc: read
  // now and kept until the next scan; NotFound if the process has ended or its pid has passed to
  // another process since (start times differ).
  absl::StatusOr<Uids> ReadUids(const Owner& owner);

  // Each socket that somebody holds, once, with its owners: the way to those that no dump lists. An
  // order of its own, the same for the same inodes. Nothing before the end of a scan. Allocates
  // nothing. The index must not change meanwhile.
  void ForEachSocket(absl::FunctionRef<void(Inode, const Owners&)> visit) const;
  // The network namespace of a socket that somebody holds. 0: not known (OwnerOptions::netns is
  // false, /proc was read, or the socket was being closed).
  NetnsId NetnsOf(Inode inode) const;
  // What the kernel calls the protocol of a socket ("TCP", "UNIX-STREAM", "ALG"), asked now through
  // a descriptor that holds it. NotFound if that process has ended, or the descriptor is closed or
  // another file by now. Errors as for reading another process's descriptors. Cost: eight system
  // calls. Source: net/socket.c (sockfs_xattr_get), 3.7.
  absl::StatusOr<std::string> ReadSocketProtocol(const Owner& owner, Inode inode);

  // An empty index with the same options, which takes over what this one has loaded. This one keeps
  // its answers; const methods may run meanwhile.
  OwnerIndex Successor();
  // OK, or what BPF lacks here. Cost: three system calls.
  static absl::Status CheckBpf();

  const OwnerStats& stats() const;
  // Bytes that the index holds, for budgets.
  size_t memory() const;

 private:
  friend class Owners;
  class Impl;
  explicit OwnerIndex(std::unique_ptr<Impl> impl);
  static Owner At(const Impl* impl, size_t entry);

  std::unique_ptr<Impl> impl_;
};

// The owners of one socket, in order of pid, then fd. A view.
class Owners {
 public:
  class Iterator;
  Owners() = default;
  size_t size() const { return count_; }
  bool empty() const { return count_ == 0; }
  Owner operator[](size_t i) const { return OwnerIndex::At(index_, first_ + i); }
  Iterator begin() const;
  Iterator end() const;

 private:
  friend class OwnerIndex;
  Owners(const OwnerIndex::Impl* index, size_t first, size_t count)
      : index_(index), first_(first), count_(count) {}

  const OwnerIndex::Impl* index_ = nullptr;
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

#endif  // NETDIAG_PROCESS_PROCESS_H_
