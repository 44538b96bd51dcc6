// netdiag/bpf/task_files.h — Internal. Users want process/owner_index.h.
//
// Lists every descriptor that is a socket: a BPF program reads the descriptor tables of all tasks.
//
//   NETDIAG_ASSIGN_OR_RETURN(std::unique_ptr<TaskFiles> files, TaskFiles::Load(/*netns=*/false));
//   NETDIAG_RETURN_IF_ERROR(files->Begin());
//   for (bool more = true; more;) {
//     NETDIAG_ASSIGN_OR_RETURN(more, files->Read(on_task, on_socket));
//   }
//
// Processes come in the order of their pids in the calling process's pid namespace; processes
// outside it are left out. Descriptors come in ascending order.
//
// Every descriptor that keeps its socket throughout a pass is listed, if its process lives
// throughout. Nothing is listed that was not there: a descriptor counts if it was the same after
// its socket was read.
//
// Cost: Load(): see LoadIterator(). A pass takes 0.1 µs per descriptor of the host, and 0.2 µs
// before Linux 6.2. Read() is one read(2) and allocates nothing: it passes over at most 2048
// descriptors, or over a million tasks without any.
// Lifetime: what a visitor receives is valid until it returns. One descriptor, which keeps the
// program in the kernel, stays open until destruction, and one more during a pass. Both are
// close-on-exec. Nothing in the process stays changed.
// Threads: thread-compatible.
// Errors: name what is missing: CAP_BPF and CAP_PERFMON, the kernel's BTF, kernel 5.17.
// Source: task_files.bpf.c.

#ifndef NETDIAG_BPF_TASK_FILES_H_
#define NETDIAG_BPF_TASK_FILES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/types/types.h"
#include "netdiag/types/unique_fd.h"

struct TaskFilesOutput;  // task_files_format.h

namespace netdiag::bpf {

// The process that holds the sockets that come next.
struct Task {
  Pid pid;
  Pid thread;  // not 0: a thread that has a descriptor table of its own (unshare(CLONE_FILES))
  uint64_t start_time = 0;                 // in clock ticks since boot, as in /proc/PID/stat
  Uid real, effective, saved, filesystem;  // at one instant of the pass
  std::string_view command;
};

struct SocketFile {
  int fd = 0;
  Inode inode;
  NetnsId netns;  // 0: not requested, or the socket is closing
};

class TaskFiles {
 public:
  // Returns an error if Load() would fail for lack of privileges or BTF. Cost: three system calls.
  static absl::Status Check();
  enum class Scope : uint8_t {
    kSockets,
    // Those of TCP that listened when the pass began, and perhaps others. Files are compared by
    // their address, and only these are read: 0.02 µs a descriptor. Linux 6.2.
    kListeners,
  };
  // `netns`: also read the namespace of each socket, for 0.2 µs per socket. REQUIRES: not both.
  static absl::StatusOr<std::unique_ptr<TaskFiles>> Load(bool netns, Scope scope = Scope::kSockets);
  TaskFiles(const TaskFiles&) = delete;
  TaskFiles& operator=(const TaskFiles&) = delete;
  ~TaskFiles();

  // Drops an unfinished pass and starts a new one.
  absl::Status Begin();
  // Visits the next records. Returns false at the end of the pass. An error ends the pass.
  absl::StatusOr<bool> Read(absl::FunctionRef<void(const Task&)> on_task,
                            absl::FunctionRef<void(const SocketFile&)> on_socket);
  void End() { iterator_.Close(); }
  // Bytes of memory.
  size_t memory() const;

 private:
  explicit TaskFiles(internal::UniqueFd link);

  internal::UniqueFd link_;  // keeps the program loaded
  internal::UniqueFd iterator_;
  TaskFilesOutput* output_ = nullptr;  // shared with the program
  const uint64_t ns_per_tick_;         // of /proc/PID/stat
};

}  // namespace netdiag::bpf

#endif  // NETDIAG_BPF_TASK_FILES_H_
