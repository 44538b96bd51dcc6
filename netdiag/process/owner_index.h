// SPDX-License-Identifier: Apache-2.0
//
// netdiag/process/owner_index.h — finds the owners of sockets: inode → every {pid, start time, fd,
// command}. Reads /proc, or has the kernel iterate over all descriptors (BPF).
//
//   OwnerIndex index;
//   NETDIAG_RETURN_IF_ERROR(index.Refresh());
//   for (const Owner& owner : index.Find(socket.inode())) Print(owner.pid, owner.fd);
//
// Every owner held the socket at some instant of the scan, and pid and start time belong together:
// if a pid passes to another process during the scan, the two processes are never mixed up. On a
// host where nothing changes both sources give the same owners. They include descriptors of threads
// that have a table of their own (unshare(CLONE_FILES)), which kcmp(2) tells. Where kcmp cannot be
// asked, all threads of a process are taken to share its table. That is so for a procfs of another
// pid namespace and a tree that is not a procfs; and, as an error of each process that has threads,
// where a sandbox denies it and for a kernel without CONFIG_KCMP (every distribution has it).
//
// Cost of /proc: one readlinkat for each open descriptor (2 to 3 µs, nearly all of it in the
// kernel; a fifth less when the kernel has the entry cached), one getdents64 per 1 000 descriptors,
// one read of /proc/PID/stat for each process that holds a socket, and one kcmp for each thread.
// Cost of BPF: about 3 ms once to load a program, and then 0.1 µs a descriptor. A lookup touches
// two cache lines. The index takes 25 to 32 bytes a socket (12 more with OwnerOptions::netns);
// memory() gives the exact number. A Refresh() over an unchanged host reuses every buffer and
// allocates only for the threads that it starts.
//
// Lifetime: Owners, and the views in them, are valid until the next Refresh(), Begin(), Search(),
// BeginSearch() or Assign(), or the destruction of the index. A move of the index keeps them.
// Between scans one or two descriptors stay open: /proc, and the loaded program.
//
// Threads: thread-compatible. Const methods may run concurrently; all others need exclusive access.
//
// Errors: a process that vanishes or may not be read is not an error; stats() counts it. A /proc
// that cannot be read or shows no process is an error, and leaves the index empty. A BPF program
// that cannot be loaded is an error only with OwnerSource::kBpf.
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
  // The number of threads that read /proc in Refresh(), and in a Step() of 2 048 links or more. It
  // includes the caller's. The other threads take no signals, and have ended when the call returns.
  // The result does not depend on the number. A second thread pays for 100 000 links, and is not
  // started for 2 000. BPF is always read by the caller's thread alone.
  size_t threads = 1;
  // Fills NetnsOf(). Only BPF tells namespaces. Costs 12 bytes and 0.2 µs a socket.
  bool netns = false;
};

// A descriptor and the socket that it holds.
struct OwnedSocket {
  Inode inode;
  Owner owner;
};
// A socket without an owner.
struct UnownedSocket {
  Inode inode;
  NoOwner reason = NoOwner::kVanished;
};

// Which sockets a scan must find.
enum class OwnerScope : uint8_t {
  kAll,
  // Those of TCP that listen when it begins. It may find others, too. With BPF, such a scan costs
  // little more than the processes do, however many descriptors they have.
  kTcpListeners,
};

class OwnerIndex {
 public:
  explicit OwnerIndex(OwnerOptions options = {});
  OwnerIndex(OwnerIndex&&) noexcept;
  OwnerIndex& operator=(OwnerIndex&&) noexcept;
  ~OwnerIndex();

  // Loads the BPF program, so that no later call has to. Without it, the first scan that uses BPF
  // does. Cost: 4 ms.
  absl::Status LoadBpf();
  // Scans the descriptors of every process. Replaces what the index has.
  absl::Status Refresh(const OwnerBudget& budget = {});
  // The same in slices, for event loops: Begin(), then Step() until it returns true. A Step() reads
  // about `descriptors` links, or with BPF 2048 descriptors (0.2 ms) at a time. The last steps
  // sort: 20 ns a socket in all. One Step() may load the BPF program. Begin() drops an unfinished
  // scan. The index finds nothing until the scan is done. After a scan of kTcpListeners, Reason()
  // says kVanished of a socket that was not searched for.
  absl::Status Begin(const OwnerBudget& budget = {}, OwnerScope scope = OwnerScope::kAll);
  absl::StatusOr<bool> Step(size_t descriptors);

  // Looks for the owners of the sockets in `wanted`, for less than a scan costs. A program that
  // lists sockets again and again calls Search() with the same policy each time.
  //
  // kAll finds every owner. Call Refresh() first. Search() then looks for the wanted sockets that
  // the scan did not find, and only in changed processes: those that started after the scan, and
  // those that have another number of descriptors now. What it finds is added to the index, and
  // the owners from the scan stay without being checked. Without a scan before, or after a search
  // by another policy, Search() makes a scan.
  //
  // kFirst finds one owner of each wanted socket, the one that it meets first. It forgets
  // everything else. It first tries the descriptors 0 to 15 of every process, without listing
  // directories, and then the rest, and ends as soon as each wanted socket has an owner. With
  // OwnerSource::kAuto it makes a pass of BPF instead if 64 or more sockets are wanted and the pass
  // costs less.
  //
  // kCached keeps owners from search to search, of all sockets that were ever found. Each search
  // does three things:
  // 1. It asks for the number of descriptors of each known process. If that has changed, it reads
  //    all known links of the process again, and its start time, and drops the owners that do not
  //    hold their socket any more. Of the other links it reads one of 64, others in each search.
  // 2. It looks for the wanted sockets that then have no owner in the changed processes.
  // 3. It looks for those that are still without an owner in all other processes, until each has
  //    one. A socket for which a whole search found no owner is left out of this step as long as
  //    each later search by kCached wants it.
  // So a socket that has an owner in the index can have others that the index lacks. The first
  // search by kCached makes a scan, unless there was one before. A search that wants nothing only
  // does step 1. A pass of BPF replaces these reads where it costs less. Where nothing has changed,
  // a search costs a stat for each process and a 64th of its links.
  //
  // Process changes. A process that closed one descriptor and opened another counts as unchanged,
  // until a search finds a new socket in it: then the next search reads all its links. Before Linux
  // 6.2 the kernel does not tell the number of descriptors, so that every process counts as
  // changed.
  //
  // Result. An owner held the socket at some instant during the call; after kAll, during the call
  // or the scan before it. After kCached one case can be late: the process has passed the socket on
  // and opened a file instead. Its link is then read again within 64 searches. After kFirst the
  // index knows only the wanted sockets, and after kCached those and the ones whose owners it
  // keeps: Reason() of any other is kNotAsked. stats() is about the search alone: `sockets` is the
  // number of entries that it found. `wanted` is copied; inode 0 in it is ignored.
  absl::Status Search(std::span<const Inode> wanted, OwnerPolicy policy,
                      const OwnerBudget& budget = {});
  // The same in slices: then call Step() as after Begin().
  absl::Status BeginSearch(std::span<const Inode> wanted, OwnerPolicy policy,
                           const OwnerBudget& budget = {});

  // Makes the index of these descriptors alone, without a scan. Copies what it needs. Reason() of
  // `others` is theirs, and of a socket of neither list `of_rest`.
  void Assign(std::span<const OwnedSocket> sockets, std::span<const UnownedSocket> others = {},
              NoOwner of_rest = NoOwner::kVanished);

  Owners Find(Inode inode) const ABSL_ATTRIBUTE_LIFETIME_BOUND;
  // Why Find() returns no owner of `inode`. kNone if it returns some; kNotAsked while a scan has
  // not ended.
  NoOwner Reason(Inode inode) const;
  // Prefetches into the processor's cache what Find(inode) will read. Pays in a loop over many
  // sockets, a few turns ahead.
  void Prefetch(Inode inode) const;
  // The user ids of an owner's process. If BPF found it: all four at the instant when the scan met
  // the process, without a system call, also after the process has ended. If /proc was read: the
  // present ones, which are kept until the next scan; NotFound if the process has ended or its pid
  // has passed to another process (the start times differ).
  absl::StatusOr<Uids> ReadUids(const Owner& owner);

  // Calls `visit` for each socket that has an owner, once. This also gives the sockets that no dump
  // lists. The order is the same for the same inodes. Visits none while a scan has not ended.
  // Allocates nothing. `visit` must not change the index.
  void ForEachSocket(absl::FunctionRef<void(Inode, const Owners&)> visit) const;
  // The network namespace of a socket that has an owner. 0: not known (OwnerOptions::netns is
  // false, /proc was read, or the socket was being closed).
  NetnsId NetnsOf(Inode inode) const;
  // The kernel's name for the protocol of a socket ("TCP", "UNIX-STREAM", "ALG"), read now through
  // the owner's descriptor. NotFound if the process has ended, or the descriptor is closed or is
  // another file now. Other errors are those of reading another process's descriptors. Cost: eight
  // system calls. Source: net/socket.c (sockfs_xattr_get), Linux 3.7.
  absl::StatusOr<std::string> ReadSocketProtocol(const Owner& owner, Inode inode);

  // Returns an empty index with the same options, which takes over the loaded BPF program. This
  // index keeps its answers. Const methods may run meanwhile.
  OwnerIndex Successor();
  // OK, or what BPF lacks on this host. Cost: three system calls.
  static absl::Status CheckBpf();
  // OK if `path` can be OwnerOptions::proc_root: it is a mounted procfs that shows this process.
  // Otherwise the error names `what` and `path`. Refresh() also reads a directory that only looks
  // like a procfs.
  static absl::Status CheckProcfs(const std::string& path, std::string_view what = "procfs");
  // True if the procfs at `path` numbers processes as this process's pid namespace does. BPF then
  // gives the same pids.
  static bool IsOwnProcfs(const std::string& path);

  const OwnerStats& stats() const ABSL_ATTRIBUTE_LIFETIME_BOUND;
  // The bytes that the index takes.
  size_t memory() const;

 private:
  class Impl;
  explicit OwnerIndex(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace netdiag

#endif  // NETDIAG_PROCESS_OWNER_INDEX_H_
