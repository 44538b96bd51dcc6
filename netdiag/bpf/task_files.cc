// TaskFiles: task_file.bpf.c, loaded by libbpf into the running kernel, then read without it.
// Tested by tests/process/owner_sources_test.cc.

#include "netdiag/bpf/task_files.h"

#include <sys/stat.h>
#include <sys/syscall.h>

#include <array>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <cstring>
#include <string>
#include <unistd.h>
#include <utility>

#include "netdiag/bpf/task_file.h"
#include "netdiag/types/error.h"

namespace netdiag::bpf {
namespace {

alignas(8) constexpr unsigned char kObject[] = {
#include "netdiag/bpf/task_file.inc"
};

constexpr std::string_view kWhat = "BPF iterator task_file";
constexpr char kBtf[] = "/sys/kernel/btf/vmlinux";
constexpr std::string_view kNeedsCapabilities =
    "needs CAP_BPF and CAP_PERFMON in the first user namespace";

// Keeps libbpf silent while it lives.
class Silence {
 public:
  Silence() : old_(libbpf_set_print(nullptr)) {}
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;
  ~Silence() { libbpf_set_print(old_); }

 private:
  const libbpf_print_fn_t old_;
};

// This thread's effective capabilities, by bit. Source: capget(2), version 3.
uint64_t Capabilities() {
  struct {
    uint32_t version = 0x20080522;
    int32_t pid = 0;
  } header;
  struct Data {
    uint32_t effective, permitted, inheritable;
  };
  std::array<Data, 2> data{};
  if (syscall(SYS_capget, &header, data.data()) != 0) return 0;
  return data[0].effective | uint64_t{data[1].effective} << 32;
}

// Elsewhere all capabilities together do not load a program. Where there is no /proc it is not
// known.
bool InFirstUserNamespace() {
  constexpr ino_t kFirst = 0xEFFFFFFD;  // PROC_USER_INIT_INO, include/linux/proc_ns.h, 3.8
  struct stat status {};
  return stat("/proc/self/ns/user", &status) != 0 || status.st_ino == kFirst;
}

absl::Status ExplainLoad(int errnum) {
  if (errnum == EMFILE || errnum == ENFILE || errnum == ENOMEM) return ErrnoError(errnum, kWhat);
  if (errnum != EPERM && errnum != EACCES) {
    return ErrnoError(errnum, kWhat, "needs a kernel of 5.8 or later");
  }
  return ErrnoError(errnum, kWhat,
                    std::string(kNeedsCapabilities) + ", and a kernel that is not locked down");
}

template <class Record>
bool Take(const std::byte* from, const std::byte* end, Record* record) {
  if (static_cast<size_t>(end - from) < sizeof(Record)) return false;
  memcpy(record, from, sizeof(Record));
  return true;
}

}  // namespace

absl::Status TaskFiles::Check() {
  constexpr int kSysAdmin = 21, kPerfmon = 38, kBpf = 39;
  const uint64_t have = Capabilities();
  const auto has = [&](int capability) { return (have >> capability & 1) != 0; };
  if (!InFirstUserNamespace() || (!has(kSysAdmin) && !(has(kBpf) && has(kPerfmon)))) {
    return ErrnoError(EPERM, kWhat, kNeedsCapabilities);
  }
  if (access(kBtf, R_OK) != 0) return ErrnoError(errno, kBtf, "needs CONFIG_DEBUG_INFO_BTF");
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<TaskFiles>> TaskFiles::Load(bool netns) {
  NETDIAG_RETURN_IF_ERROR(Check());
  const Silence silence;
  libbpf_set_memlock_rlim(0);
  bpf_object* object = bpf_object__open_mem(kObject, sizeof(kObject), nullptr);
  if (object == nullptr) return ErrnoError(errno, kWhat, "libbpf does not open the program");
  const int with_netns = netns ? 1 : 0;
  int link = bpf_map__set_initial_value(bpf_object__find_map_by_name(object, ".rodata"),
                                        &with_netns, sizeof(with_netns));
  if (link == 0) link = bpf_object__load(object);
  if (link == 0) {
    const bpf_program* program = bpf_object__next_program(object, nullptr);
    link = bpf_link_create(bpf_program__fd(program), 0, BPF_TRACE_ITER, nullptr);
  }
  bpf_object__close(object);
  if (link < 0) return ExplainLoad(-link);
  return std::unique_ptr<TaskFiles>(new TaskFiles(internal::UniqueFd(link)));
}

// The kernel collects pages of output and hands out what fits into the reader's buffer: one of the
// same size never cuts a record.
TaskFiles::TaskFiles(internal::UniqueFd link)
    : link_(std::move(link)),
      buffer_(8 * static_cast<size_t>(sysconf(_SC_PAGESIZE))),
      ns_per_tick_(1'000'000'000 / static_cast<uint64_t>(sysconf(_SC_CLK_TCK))) {}

absl::Status TaskFiles::Begin() {
  End();
  const int iterator = bpf_iter_create(link_.get());
  if (iterator < 0) return ErrnoError(-iterator, kWhat);
  iterator_ = internal::UniqueFd(iterator);
  return absl::OkStatus();
}

absl::StatusOr<bool> TaskFiles::Read(absl::FunctionRef<void(const Task&)> on_task,
                                     absl::FunctionRef<void(const SocketFile&)> on_socket) {
  const ssize_t size = read(iterator_.get(), buffer_.data(), buffer_.size());
  // A million descriptors in a row that are no sockets end a read, without output.
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (size <= 0) {
    const int errnum = errno;
    End();
    if (size == 0) return false;
    return ErrnoError(errnum, kWhat);
  }
  const std::byte* at = buffer_.data();
  const std::byte* end = at + size;
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
    } else {
      End();
      return DamagedData(kWhat, "a record is cut");
    }
  }
  return true;
}

}  // namespace netdiag::bpf
