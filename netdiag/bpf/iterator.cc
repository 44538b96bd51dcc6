// Loading iterators by libbpf. Tested by tests/process/owner_sources_test.cc and
// tests/live/netns_live_test.cc.

#include "netdiag/bpf/iterator.h"

#include <sys/stat.h>
#include <sys/syscall.h>

#include <array>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cerrno>
#include <cstdint>
#include <string>
#include <unistd.h>

#include "netdiag/types/error.h"

namespace netdiag::bpf {
namespace {

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

absl::Status ExplainLoad(int errnum, std::string_view what) {
  if (errnum != EPERM && errnum != EACCES) {
    return ErrnoError(errnum, what, "needs a kernel of 5.8 or later");
  }
  return ErrnoError(errnum, what,
                    std::string(kNeedsCapabilities) + ", and a kernel that is not locked down");
}

}  // namespace

absl::Status CheckIterator(std::string_view what) {
  constexpr int kSysAdmin = 21, kPerfmon = 38, kBpf = 39;
  const uint64_t have = Capabilities();
  const auto has = [&](int capability) { return (have >> capability & 1) != 0; };
  if (!InFirstUserNamespace() || (!has(kSysAdmin) && !(has(kBpf) && has(kPerfmon)))) {
    return ErrnoError(EPERM, what, kNeedsCapabilities);
  }
  if (access(kBtf, R_OK) != 0) return ErrnoError(errno, kBtf, "needs CONFIG_DEBUG_INFO_BTF");
  return absl::OkStatus();
}

absl::StatusOr<internal::UniqueFd> LoadIterator(
    std::string_view what, std::span<const unsigned char> bytes,
    absl::FunctionRef<int(bpf_object*)> prepare,
    absl::FunctionRef<int(bpf_object*, bpf_iter_link_info*)> attach) {
  NETDIAG_RETURN_IF_ERROR(CheckIterator(what));
  const Silence silence;
  libbpf_set_memlock_rlim(0);
  bpf_object* object = bpf_object__open_mem(bytes.data(), bytes.size(), nullptr);
  if (object == nullptr) return ErrnoError(errno, what, "libbpf does not open the program");
  bpf_iter_link_info info = {};
  int link = prepare(object);
  if (link == 0) link = bpf_object__load(object);
  if (link == 0) link = attach(object, &info);
  if (link == 0) {
    bpf_link_create_opts options = {};
    options.sz = sizeof(options);
    options.iter_info = &info;
    options.iter_info_len = sizeof(info);
    bpf_program* program = bpf_object__next_program(object, nullptr);
    while (!bpf_program__autoload(program)) program = bpf_object__next_program(object, program);
    link = bpf_link_create(bpf_program__fd(program), 0, BPF_TRACE_ITER, &options);
  }
  bpf_object__close(object);
  if (link < 0) return ExplainLoad(-link, what);
  return internal::UniqueFd(link);
}

absl::StatusOr<internal::UniqueFd> BeginPass(std::string_view what, int link) {
  const int iterator = bpf_iter_create(link);
  if (iterator < 0) return ErrnoError(-iterator, what);
  return internal::UniqueFd(iterator);
}

size_t IteratorBufferSize() { return 8 * static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

}  // namespace netdiag::bpf
