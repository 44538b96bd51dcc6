// TaskFiles: loads task_files.bpf.c into the kernel. Tested by
// tests/process/owner_sources_test.cc.

#include "netdiag/bpf/task_files.h"

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

namespace netdiag::bpf {
namespace {

#include "netdiag/bpf/task_files.inc"

constexpr std::string_view kWhat = "BPF iterator task_file";

// What one read(2) asks for. The kernel stops at the record that reaches it, and gives the rest of
// this record to the next read (bpf_seq_read(), kernel/bpf/bpf_iter.c).
constexpr size_t kReadSize = size_t{8} << 10;

// In other time namespaces, times since boot have an offset. False if the namespace is unknown.
bool InFirstTimeNamespace() {
  constexpr ino_t kFirst = 0xEFFFFFFA;  // PROC_TIME_INIT_INO, include/linux/proc_ns.h, 5.6
  struct stat status {};
  return stat("/proc/self/ns/time", &status) == 0 && status.st_ino == kFirst;
}

// True if the bytes are the first part of a record.
bool IsCut(const std::byte* from, const std::byte* end) {
  int tag = 0;
  if (!Take(from, end, &tag)) return true;
  const size_t size = tag == kTaskRecord ? sizeof(TaskRecord) : sizeof(SocketRecord);
  return tag >= kTaskRecord && static_cast<size_t>(end - from) < size;
}

}  // namespace

absl::Status TaskFiles::Check() { return CheckIterator(kWhat); }

absl::StatusOr<std::unique_ptr<TaskFiles>> TaskFiles::Load(bool netns) {
  const int with_netns = netns ? 1 : 0;
  const bool with_more = netns || !InFirstTimeNamespace();
  const Choice choice = {.program = with_more ? "ListSocketsWithMore" : "ListSockets",
                         .constants = std::as_bytes(std::span(&with_netns, 1))};
  const auto attach = [](LoadedObject*) { return 0; };
  NETDIAG_ASSIGN_OR_RETURN(internal::UniqueFd link, LoadIterator(kWhat, kLoaders, choice, attach));
  return std::unique_ptr<TaskFiles>(new TaskFiles(std::move(link)));
}

TaskFiles::TaskFiles(internal::UniqueFd link)
    : link_(std::move(link)),
      buffer_(kReadSize + std::max(sizeof(TaskRecord), sizeof(SocketRecord))),
      ns_per_tick_(1'000'000'000 / static_cast<uint64_t>(sysconf(_SC_CLK_TCK))) {}

absl::Status TaskFiles::Begin() {
  End();
  kept_ = 0;
  NETDIAG_ASSIGN_OR_RETURN(iterator_, BeginPass(kWhat, link_.get()));
  return absl::OkStatus();
}

absl::StatusOr<bool> TaskFiles::Read(absl::FunctionRef<void(const Task&)> on_task,
                                     absl::FunctionRef<void(const SocketFile&)> on_socket) {
  const ssize_t size = read(iterator_.get(), buffer_.data() + kept_, kReadSize);
  // EAGAIN: the kernel ends a read after a million descriptors that are not sockets.
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (size <= 0) {
    const int errnum = errno;
    End();
    if (size < 0) return ErrnoError(errnum, kWhat);
    if (kept_ > 0) return DamagedData(kWhat, "the last record is incomplete");
    return false;
  }
  const std::byte* at = buffer_.data();
  const std::byte* end = at + kept_ + size;
  kept_ = 0;
  while (at != end) {
    TaskRecord task;
    SocketRecord socket;
    if (Take(at, end, &task) && task.tag == kTaskRecord) {
      at += sizeof(task);
      const uint64_t started = task.start_low | uint64_t{task.start_high} << 32;
      on_task({.pid = Pid(task.pid),
               .thread = Pid(task.thread),
               .start_time = started / ns_per_tick_,
               .real = Uid(task.real_uid),
               .effective = Uid(task.effective_uid),
               .saved = Uid(task.saved_uid),
               .filesystem = Uid(task.filesystem_uid),
               .command = {task.command, strnlen(task.command, sizeof(task.command))}});
    } else if (Take(at, end, &socket) && socket.fd >= 0) {
      at += sizeof(socket);
      on_socket({.fd = socket.fd, .inode = Inode(socket.inode), .netns = NetnsId(socket.netns)});
    } else if (IsCut(at, end)) {
      kept_ = static_cast<size_t>(end - at);
      std::memmove(buffer_.data(), at, kept_);
      return true;
    } else {
      End();
      return DamagedData(kWhat, "a record has no known type");
    }
  }
  return true;
}

}  // namespace netdiag::bpf
