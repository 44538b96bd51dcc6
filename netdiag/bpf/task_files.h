// netdiag/bpf/task_files.h — every descriptor that is a socket, from the kernel's own iterator.
// Internal, and the one door to libbpf. Users want process/owner_index.h.
//
//   NETDIAG_ASSIGN_OR_RETURN(std::unique_ptr<TaskFiles> files, TaskFiles::Load(/*netns=*/false));
//   NETDIAG_RETURN_IF_ERROR(files->Begin());
//   for (bool more = true; more;) {
//     NETDIAG_ASSIGN_OR_RETURN(more, files->Read(on_task, on_socket));
//   }
//
// Processes come in order of their pids, as the calling process's pid namespace numbers them;
// those outside it are left out. Descriptors come in ascending order.
//
// Cost: Load(): LoadIterator(). Then 0.35 µs a descriptor on the machine. Read() allocates nothing,
// and is one read(2): 32 KiB of records, 2 700 sockets, or a million descriptors that are none.
//
// Lifetime: what a visitor is given is valid until it returns. One descriptor stays open until
// destruction, which holds the program in the kernel, and one more during a pass; both are
// close-on-exec. Nothing process-wide is left changed: libbpf prints nothing and does not raise
// RLIMIT_MEMLOCK (kernels before 5.11 count the program's few pages against it).
//
// Threads: thread-compatible. Load() takes libbpf's print callback away while it runs and puts it
// back: another thread that uses libbpf meanwhile prints nothing.
//
// Errors: what is missing, by name: CAP_BPF and CAP_PERFMON, the kernel's BTF, the iterator (5.8).
//
// Source: kernel/bpf/bpf_iter.c (bpf_seq_read), kernel/bpf/task_iter.c.

#ifndef NETDIAG_BPF_TASK_FILES_H_
#define NETDIAG_BPF_TASK_FILES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/types/types.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag::bpf {

// Whose the sockets are that come next.
struct Task {
  Pid pid;     // of the process
  Pid thread;  // not 0: the thread whose own descriptor table it is (unshare(CLONE_FILES))
  uint64_t start_time = 0;  // of the process, in clock ticks since boot, as in /proc/PID/stat
  Uid real, effective, saved, filesystem;  // of the process, at one instant of the pass
  std::string_view command;
};

struct SocketFile {
  int fd = 0;
  Inode inode;
  NetnsId netns;  // 0: not wanted, or the socket is being closed
};

class TaskFiles {
 public:
  // Whether Load() is worth trying: privileges and BTF. Cost: three system calls.
  static absl::Status Check();
  // `netns`: whether each socket's namespace is wanted. It costs 0.2 µs a socket more.
  static absl::StatusOr<std::unique_ptr<TaskFiles>> Load(bool netns);
  TaskFiles(const TaskFiles&) = delete;
  TaskFiles& operator=(const TaskFiles&) = delete;

  // Drops an unfinished pass and starts a new one.
  absl::Status Begin();
  // Gives what comes next; answers whether there can be more. An error ends the pass.
  absl::StatusOr<bool> Read(absl::FunctionRef<void(const Task&)> on_task,
                            absl::FunctionRef<void(const SocketFile&)> on_socket);
  void End() { iterator_.Close(); }
  // Bytes held; libbpf keeps none.
  size_t memory() const { return sizeof(*this) + buffer_.capacity(); }

 private:
  explicit TaskFiles(internal::UniqueFd link);

  internal::UniqueFd link_;  // holds the program
  internal::UniqueFd iterator_;
  std::vector<std::byte> buffer_;
  const uint64_t ns_per_tick_;  // of /proc/PID/stat
};

}  // namespace netdiag::bpf

#endif  // NETDIAG_BPF_TASK_FILES_H_
