// SPDX-License-Identifier: Apache-2.0
//
// netdiag/process/program.h — the program that a process runs: its executable and its arguments.
//
//   Programs programs;
//   if (const Program* program = programs.Of(owner)) Print(program->exe);
//
// The texts are those of the moment of the first Of() for the process; execve() changes them later.
//
// A process chooses its arguments, and can change them while it runs. Both texts can hold any
// bytes: escape them before a terminal gets them.
//
// Cost: the first Of() for a process opens its directory in /proc and makes three reads, about
// 20 µs; more for long arguments. Later calls cost a look-up. The arguments are in the memory of
// the process: a process that keeps its memory locked delays the reader.
//
// Lifetime: a Program is valid until Refresh() or destruction; a move keeps it. No descriptor stays
// open.
//
// Threads: thread-compatible. Of() needs exclusive access, unless it was called before for each
// process that is asked for.
//
// Errors: none. The result is null if the process has ended, if its pid has passed to another
// process, or if its start time is not known.
//
// Source: proc(5); proc_pid_cmdline_read() and proc_exe_link(), fs/proc/base.c.

#ifndef NETDIAG_PROCESS_PROGRAM_H_
#define NETDIAG_PROCESS_PROGRAM_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "absl/hash/hash.h"

#include "netdiag/process/owner.h"
#include "netdiag/types/types.h"

namespace netdiag {

struct Program {
  // The path of the executable, in the mount namespace of the process. " (deleted)" follows it if
  // the file has been removed. Empty if the link may not be read (another user's process), for a
  // kernel thread, or if the path has more than 4 095 bytes.
  std::string exe;
  // The arguments, each but the last followed by a NUL. Empty arguments at the end are left out,
  // because programs that rewrite their arguments leave NULs there. Empty if the process has none
  // (a kernel thread, a zombie) or they may not be read. At most Programs::kMaxArgs bytes are read;
  // if there are more, the last argument is Programs::kCut.
  std::string args;
  bool args_unread = false;  // the arguments may not be read; not known of a capture's programs
};

class Programs {
 public:
  static constexpr size_t kMaxArgs = size_t{32} << 10;
  static constexpr std::string_view kCut = "…";

  // `proc_root`: a mounted procfs, or a tree of its shape, that has the pids of the owners.
  explicit Programs(std::string proc_root = "/proc") : proc_root_(std::move(proc_root)) {}

  // The program of an owner's process. Null: see above.
  const Program* Of(const Owner& owner);
  // Makes the programs of these processes alone known: Of() does not read the procfs any more. For
  // captures. Of two processes with one pid, the later holds.
  struct Known {
    Pid pid;
    uint64_t start_time = 0;
    Program program;
  };
  void Assign(std::span<const Known> programs);
  // Forgets everything.
  void Refresh() { by_pid_.clear(); }
  size_t memory() const;

 private:
  struct Entry {
    uint64_t start_time = 0;
    bool known = false;
    Program program;
  };

  std::string proc_root_;
  std::unordered_map<Pid, Entry, absl::Hash<Pid>> by_pid_;
  bool assigned_ = false;
};

}  // namespace netdiag

#endif  // NETDIAG_PROCESS_PROGRAM_H_
