// netdiag/process/process.h — who holds a socket: inode → every {pid, start time, fd, command},
// from /proc.
//
//   OwnerIndex index;
//   NETDIAG_RETURN_IF_ERROR(index.Refresh());
//   for (const Owner& owner : index.Find(socket.inode())) Print(owner.pid, owner.fd);
//
// Every owner held the socket at some instant of the scan, pid and start time together: a pid that
// passes to another process meanwhile is never mixed up. Not seen: descriptors of a thread that
// left its process's table (unshare(CLONE_FILES)).
//
// Cost: one readlinkat per open descriptor (2 to 3 µs each, nearly all of it the kernel's), one
// getdents64 per 1 000 of them, one read of /proc/PID/stat per process that holds a socket. A
// lookup touches two cache lines. 24 bytes a socket, and up to 8 for the directory over them;
// memory() says. A Refresh() over an unchanged host reuses every buffer and allocates nothing.
//
// Lifetime: Owners and the views in them are valid until the next Refresh(), Begin() or
// destruction; a move of the index keeps them. Between scans one descriptor stays open: /proc.
//
// Threads: thread-compatible (const methods may run concurrently; the rest needs exclusive access).
//
// Errors: a process that vanishes or may not be read is counted in stats(), not an error; a /proc
// that cannot be read or shows no process is one, and leaves the index empty.
//
// Source: proc(5), fs/proc/fd.c (link text "socket:[N]"), fs/proc/array.c (stat).

#ifndef NETDIAG_PROCESS_PROCESS_H_
#define NETDIAG_PROCESS_PROCESS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/types/types.h"

namespace netdiag {

// One descriptor that holds a socket.
struct Owner {
  Pid pid;  // as the /proc that was read numbers it
  uint64_t start_time =
      0;  // of the process, in clock ticks since boot: with the pid, unique. 0: it vanished first
  int fd = 0;
  std::string_view command;  // comm: 15 bytes that the process chose, any bytes at all. Escape
                             // before a terminal.
};

// The user ids of a process.
struct Uids {
  Uid real, effective, saved, filesystem;
};

// Why a socket has no owner here.
enum class NoOwner : uint8_t {
  kNotAsked,    // the query did not ask for owners
  kNone,        // it has owners
  kKernelHeld,  // inode 0: no file holds it (TIME_WAIT, SYN_RECV, orphan, not yet accepted)
  kHidden,      // nobody visible holds it, and the descriptors of some processes may not be read
  kGone,        // every process was read and none held it: it was opened or closed meanwhile, is in
          // flight between processes, is held by the kernel, or belongs to another PID namespace
};

// Counts of one Refresh().
struct OwnerStats {
  uint64_t processes = 0;    // found in /proc
  uint64_t descriptors = 0;  // links read
  uint64_t sockets = 0;      // of those, sockets: entries of the index
  uint64_t vanished = 0;     // processes or descriptors that were gone before they were read
  uint64_t denied =
      0;  // processes whose descriptors may not be read (another user's, or not dumpable)
  uint64_t errors = 0;   // anything else; first_error names the first
  int first_error = 0;   // errno
  bool partial = false;  // the scan was stopped before its end
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
  // `proc_root`: a mounted procfs, or a tree of its shape.
  explicit OwnerIndex(std::string proc_root = "/proc");
  OwnerIndex(OwnerIndex&&) noexcept;
  OwnerIndex& operator=(OwnerIndex&&) noexcept;
  ~OwnerIndex();

  // Reads every process's descriptors anew.
  absl::Status Refresh();
  // The same in slices, for event loops: Begin(), then Step() until it answers true. A slice reads
  // about `descriptors` links; the last one also sorts, about 10 ns a socket. Begin() drops an
  // unfinished scan. The index answers nothing until the scan is done.
  absl::Status Begin();
  absl::StatusOr<bool> Step(size_t descriptors);

  // Instead of a scan: these descriptors and no others. Copies what it needs.
  void Assign(std::span<const HeldSocket> held);

  Owners Find(Inode inode) const;
  // Why Find() gives nothing for `inode`; kNone if it gives something, kNotAsked before the end of
  // a scan.
  NoOwner Reason(Inode inode) const;
  // The user ids of an owner's process, read from /proc now and kept until the next scan. NotFound
  // if the process has ended or its pid has passed to another process since (start times differ).
  absl::StatusOr<Uids> ReadUids(const Owner& owner);

  const OwnerStats& stats() const;
  // Bytes that the index holds, for budgets.
  size_t memory() const;

 private:
  friend class Owners;
  class Impl;
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
