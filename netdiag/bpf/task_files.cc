// TaskFiles: loads task_files.bpf.c into the kernel. Tested by
// tests/process/owner_sources_test.cc.

#include "netdiag/bpf/task_files.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <string>
#include <unistd.h>
#include <utility>

#include "netdiag/bpf/iterator.h"
#include "netdiag/bpf/task_files_format.h"
#include "netdiag/types/error.h"
#include "netdiag/types/proc_file.h"

namespace netdiag::bpf {
namespace {

#include "netdiag/bpf/task_files.inc"

constexpr std::string_view kWhat = "BPF iterator task";

// True if pids and times since boot are the kernel's own: they have other values in other pid
// and time namespaces. False if the namespaces are unknown.
bool InFirstNamespaces() {
  constexpr ino_t kFirstTime = 0xEFFFFFFA, kFirstPid = 0xEFFFFFFC;  // include/linux/proc_ns.h
  struct stat time = {};
  struct stat pid = {};
  return stat("/proc/self/ns/time", &time) == 0 && time.st_ino == kFirstTime &&
         stat("/proc/self/ns/pid", &pid) == 0 && pid.st_ino == kFirstPid;
}

}  // namespace

absl::Status TaskFiles::Check() { return CheckIterator(kWhat); }

absl::StatusOr<std::unique_ptr<TaskFiles>> TaskFiles::Load(bool netns, Scope scope) {
  const int with_netns = netns ? 1 : 0;
  const bool with_more = netns || !InFirstNamespaces();
  internal::UniqueFd output;
  const auto attach = [&](LoadedObject* object) {
    output = object->Take(".data.output");
    return 0;
  };
  const bool by_loads = internal::KernelIsAtLeast(6, 2);  // bpf_rdonly_cast()
  const bool listeners = scope == Scope::kListeners;
  const Choice choice = {
      .program = listeners  ? (with_more ? "ListListenersWithMore" : "ListListeners")
                 : by_loads ? (with_more ? "ListSocketsWithMore" : "ListSockets")
                            : (with_more ? "ListSocketsByCopiesWithMore" : "ListSocketsByCopies"),
      .constants = std::as_bytes(std::span(&with_netns, 1))};
  NETDIAG_ASSIGN_OR_RETURN(internal::UniqueFd link, LoadIterator(kWhat, kLoaders, choice, attach));
  std::unique_ptr<TaskFiles> files(new TaskFiles(std::move(link)));
  void* shared =
      mmap(nullptr, sizeof(TaskFilesOutput), PROT_READ | PROT_WRITE, MAP_SHARED, output.get(), 0);
  if (shared == MAP_FAILED) return ErrnoError(errno, kWhat);
  files->output_ = static_cast<TaskFilesOutput*>(shared);
  return files;
}

TaskFiles::TaskFiles(internal::UniqueFd link)
    : link_(std::move(link)),
      ns_per_tick_(1'000'000'000 / static_cast<uint64_t>(sysconf(_SC_CLK_TCK))) {}

TaskFiles::~TaskFiles() {
  if (output_ != nullptr) munmap(output_, sizeof(*output_));
}

size_t TaskFiles::memory() const { return sizeof(*this) + sizeof(*output_); }

absl::Status TaskFiles::Begin() {
  End();
  output_->place = {};
  NETDIAG_ASSIGN_OR_RETURN(iterator_, BeginPass(kWhat, link_.get()));
  return absl::OkStatus();
}

absl::StatusOr<bool> TaskFiles::Read(absl::FunctionRef<void(const Task&)> on_task,
                                     absl::FunctionRef<void(const SocketFile&)> on_socket) {
  output_->tasks = output_->sockets = output_->chunks = 0;
  char nothing = 0;  // the program writes to output_
  const ssize_t size = read(iterator_.get(), &nothing, sizeof(nothing));
  // EAGAIN: the program has had enough for one read, or the kernel, after a million tasks.
  const bool more = size < 0 && (errno == EAGAIN || errno == EINTR);
  if (size != 0 && !more) {
    const int errnum = size < 0 ? errno : EIO;
    End();
    return ErrnoError(errnum, kWhat);
  }
  const size_t tasks = std::min<size_t>(output_->tasks, kTasksARead);
  const size_t sockets = std::min<size_t>(output_->sockets, kDescriptorsARead);
  for (size_t i = 0; i < tasks; ++i) {
    const TaskRecord& task = output_->task[i];
    // A table that ends in another read has a record in each.
    if (task.is_rest == 0) {
      const uint64_t started = task.start_low | uint64_t{task.start_high} << 32;
      on_task({.pid = Pid(task.pid),
               .thread = Pid(task.thread),
               .start_time = started / ns_per_tick_,
               .real = Uid(task.real_uid),
               .effective = Uid(task.effective_uid),
               .saved = Uid(task.saved_uid),
               .filesystem = Uid(task.filesystem_uid),
               .command = {task.command, strnlen(task.command, sizeof(task.command))}});
    }
    const size_t end = i + 1 < tasks ? output_->task[i + 1].first : sockets;
    for (size_t k = task.first; k < std::min(end, sockets); ++k) {
      const SocketRecord& socket = output_->socket[k];
      on_socket({.fd = socket.fd, .inode = Inode(socket.inode), .netns = NetnsId(socket.netns)});
    }
  }
  if (!more) End();
  return more;
}

}  // namespace netdiag::bpf
