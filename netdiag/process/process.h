// netdiag/process/process.h — who holds a socket: inode → every {pid, start time, fd, command},
// from /proc or from the kernel's own walk over all descriptors (BPF).
//
//   OwnerIndex index;
//   NETDIAG_RETURN_IF_ERROR(index.Refresh());
//   for (const Owner& owner : index.Find(socket.inode())) Print(owner.pid, owner.fd);
//
// Every owner held the socket at some instant of the scan, pid and start time together: a pid that
// passes to another process meanwhile is never mixed up. On a host where nothing changes both
// sources give the same, descriptors of threads that left their process's table
// (unshare(CLONE_FILES)) included: kcmp(2) tells these. Where it cannot be asked, all threads of a
// process are taken to share its table: a procfs of another pid namespace, a kernel without
// CONFIG_KCMP (every distribution has it), a tree that is no procfs.
//
// Cost: from /proc one readlinkat per open descriptor (2 to 3 µs each, nearly all of it the
// kernel's; a fifth less when the kernel has cached them), one getdents64 per 1 000 of them, one
// read of /proc/PID/stat per process that holds a socket, one kcmp per thread. By BPF about 3 ms
// to load a program, once (kernels before 5.17: 20), and then 0.35 µs a descriptor. A lookup
// touches two cache lines. 25 to 32 bytes a socket (12 more with OwnerOptions::netns); memory()
// says. A Refresh() over an unchanged host reuses every buffer and allocates nothing, but for each
// thread that it starts.
//
// Lifetime: Owners and the views in them are valid until the next Refresh(), Begin(), search
// or destruction; a move of the index keeps them. Between scans a descriptor or two stay open:
// /proc, and the loaded program.
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

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/base/attributes.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/types/types.h"

namespace netdiag {

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

struct OwnerOptions {
  // A mounted procfs, or a tree of its shape.
  std::string proc_root = "/proc";
  OwnerSource source = OwnerSource::kAuto;
  // That read /proc together in Refresh(), and in a Step() of 2 048 links or more; the caller's is
  // one of them. The others take no signals and have ended when the call returns. What is found is
  // the same. 100 000 links are worth a second one, 2 000 are not and do not start one. BPF is read
  // by the caller's alone.
  size_t threads = 1;
  // Whether NetnsOf() is wanted. BPF alone tells it; 12 bytes and 0.2 µs a socket more.
  bool netns = false;
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
  absl::Status Refresh(const OwnerBudget& budget = {});
  // The same in slices, for event loops: Begin(), then Step() until it answers true. A slice reads
  // about `descriptors` links, or by BPF at least 32 KiB of records (2 700 sockets, 1 ms); the last
  // one also sorts, about 10 ns a socket, and the one that loads the program takes that long.
  // Begin() drops an unfinished scan. The index answers nothing until the scan is done.
  absl::Status Begin(const OwnerBudget& budget = {});
  absl::StatusOr<bool> Step(size_t descriptors);

  // Looks for the owners of some sockets. Whatever it answers held the socket at some instant
  // between the call and its end (kAll: or during the scan before). The rest is by policy:
  // - kAll, after a scan: a second look at sockets that the scan did not know, in what is new
  // since:
  //   processes that it did not see, and those whose number of descriptors is another (not seen is
  //   a process that closed one and opened one; before 6.2 the kernel does not tell the numbers,
  //   and every process is read). What is found joins the index. Without a scan before, a scan.
  // - kFirst: drops the index and looks for these alone, first at the 16 lowest descriptors of
  // every
  //   process, without listing any; ends when each has an owner. kAuto takes one pass of BPF when
  //   64 or more are wanted and that costs less than all links.
  // - kCached, after a scan (or it makes one) or another kCached: reads again each link that is
  //   known to hold a wanted socket, and the start time of each such process once; what does not
  //   hold is dropped. What has no owner then is looked for in what is new since, as with kAll, and
  //   if it was never looked for, in all others until each has an owner. Of a socket that is new
  //   in a process that was known there can be more owners, then. What nobody holds is remembered,
  //   and looked for again only in what is new, as long as every kCached names it. Sockets not
  //   wanted are kept for later, 65 536, twice the wanted or as many as the last scan had. Where a
  //   pass of BPF costs less than these links, it is made instead, for all the wanted.
  // After kFirst and kCached the index answers for `wanted` alone (else kNotAsked). stats() says
  // what the search did and cost: `sockets` is what it found. Inode 0 is left out of `wanted`,
  // which is copied. BeginSearch() is for Step(), as Begin(); Search() is all of it.
  absl::Status Search(std::span<const Inode> wanted, OwnerPolicy policy,
                      const OwnerBudget& budget = {});
  absl::Status BeginSearch(std::span<const Inode> wanted, OwnerPolicy policy,
                           const OwnerBudget& budget = {});

  // Instead of a scan: these descriptors and no others. Copies what it needs.
  void Assign(std::span<const HeldSocket> held);

  Owners Find(Inode inode) const ABSL_ATTRIBUTE_LIFETIME_BOUND;
  // Why Find() gives nothing for `inode`; kNone if it gives something, kNotAsked before the end of
  // a scan.
  NoOwner Reason(Inode inode) const;
  // Has the processor fetch what Find(inode) will read. Worth it in a loop over many sockets, some
  // turns ahead.
  void Foresee(Inode inode) const;
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

  const OwnerStats& stats() const ABSL_ATTRIBUTE_LIFETIME_BOUND;
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
