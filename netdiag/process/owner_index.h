// netdiag/process/owner_index.h — who holds a socket: inode → every {pid, start time, fd, command},
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

#ifndef NETDIAG_PROCESS_OWNER_INDEX_H_
#define NETDIAG_PROCESS_OWNER_INDEX_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "absl/base/attributes.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/process/owner.h"
#include "netdiag/types/types.h"

namespace netdiag {

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

// A descriptor and the socket that it holds: what a capture keeps of an index.
struct OwnedSocket {
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
  void Assign(std::span<const OwnedSocket> held);

  Owners Find(Inode inode) const ABSL_ATTRIBUTE_LIFETIME_BOUND;
  // Why Find() gives nothing for `inode`; kNone if it gives something, kNotAsked before the end of
  // a scan.
  NoOwner Reason(Inode inode) const;
  // Has the processor fetch what Find(inode) will read. Worth it in a loop over many sockets, some
  // turns ahead.
  void Prefetch(Inode inode) const;
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
  class Impl;
  explicit OwnerIndex(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace netdiag

#endif  // NETDIAG_PROCESS_OWNER_INDEX_H_
