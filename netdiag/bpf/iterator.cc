// Loads iterators with libbpf. Tested by tests/process/owner_sources_test.cc and
// tests/live/netns_live_test.cc.

#include "netdiag/bpf/iterator.h"

#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <bpf/skel_internal.h>
#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <string>
#include <unistd.h>
#include <utility>

#include "absl/cleanup/cleanup.h"

#include "netdiag/types/error.h"

namespace netdiag::bpf {
namespace {

constexpr char kBtf[] = "/sys/kernel/btf/vmlinux";
constexpr std::string_view kNeedsCapabilities =
    "needs CAP_BPF and CAP_PERFMON in the first user namespace";

// Keeps libbpf from printing while it is alive.
class Silence {
 public:
  Silence() : old_(libbpf_set_print(nullptr)) {}
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;
  ~Silence() { libbpf_set_print(old_); }

 private:
  const libbpf_print_fn_t old_;
};

// The effective capabilities of this thread, one bit each. Source: capget(2), version 3.
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

// In other user namespaces no capability is enough to load a program. True if there is no /proc to
// tell.
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

// A loaded program and the maps of its object, in the object's order.
struct Loaded {
  internal::UniqueFd program;
  std::vector<internal::UniqueFd> maps;
};

// The one program of the object that is marked to be loaded.
bpf_program* SelectedProgram(bpf_object* object) {
  bpf_program* program = bpf_object__next_program(object, nullptr);
  while (!bpf_program__autoload(program)) program = bpf_object__next_program(object, program);
  return program;
}

// Loads with a loader program, which libbpf generates and the kernel runs. The kernel then looks up
// the types of its own structs and caches them. Returns 0 or a negative errno; kernels before 5.17
// cannot do this.
int LoadByLoader(bpf_object* object, Loaded* loaded) {
  gen_loader_opts code = {};
  code.sz = sizeof(code);
  if (const int error = bpf_object__gen_loader(object, &code); error != 0) return error;
  if (const int error = bpf_object__load(object); error != 0) return error;
  size_t maps = 0, programs = 0;
  for (bpf_map* map = nullptr; (map = bpf_object__next_map(object, map)) != nullptr;) ++maps;
  for (bpf_program* each = nullptr; (each = bpf_object__next_program(object, each)) != nullptr;) {
    ++programs;
  }
  const size_t size =
      sizeof(bpf_loader_ctx) + maps * sizeof(bpf_map_desc) + programs * sizeof(bpf_prog_desc);
  std::vector<uint64_t> storage(size / sizeof(uint64_t) + 1);
  auto* const context = reinterpret_cast<bpf_loader_ctx*>(storage.data());
  context->sz = static_cast<uint32_t>(size);
  bpf_load_and_run_opts run = {};
  run.ctx = context;
  run.data = code.data;
  run.data_sz = code.data_sz;
  run.insns = code.insns;
  run.insns_sz = code.insns_sz;
  if (const int error = bpf_load_and_run(&run); error != 0) return error < 0 ? error : -EINVAL;
  const auto* const map = reinterpret_cast<const bpf_map_desc*>(context + 1);
  for (size_t i = 0; i < maps; ++i) loaded->maps.emplace_back(map[i].map_fd);
  // Programs that are not loaded have no descriptor here, so the first one is the loaded one.
  loaded->program = internal::UniqueFd(reinterpret_cast<const bpf_prog_desc*>(map + maps)->prog_fd);
  return 0;
}

// Loads with libbpf itself, which reads all types of the kernel (5 MB). Returns 0 or a negative
// errno.
int LoadByLibrary(bpf_object* object, Loaded* loaded) {
  libbpf_set_memlock_rlim(0);
  if (const int error = bpf_object__load(object); error != 0) return error;
  const auto duplicate = [](int fd) { return internal::UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 0)); };
  for (bpf_map* map = nullptr; (map = bpf_object__next_map(object, map)) != nullptr;) {
    loaded->maps.push_back(duplicate(bpf_map__fd(map)));
    if (!loaded->maps.back().ok()) return -errno;
  }
  loaded->program = duplicate(bpf_program__fd(SelectedProgram(object)));
  return loaded->program.ok() ? 0 : -errno;
}

}  // namespace

internal::UniqueFd LoadedMaps::Take(std::string_view name) {
  // libbpf prefixes the names of sections with the name of the object.
  const auto is_it = [&](const std::string& each) {
    return each == name || (name.starts_with('.') && each.ends_with(name));
  };
  const auto found = std::ranges::find_if(names, is_it);
  const auto at = static_cast<size_t>(found - names.begin());
  return at < maps.size() ? std::move(maps[at]) : internal::UniqueFd();
}

absl::Status CheckIterator(std::string_view what) {
  constexpr int kSysAdmin = 21, kPerfmon = 38, kBpf = 39;
  const uint64_t have = Capabilities();
  const auto has = [&](int capability) { return (have >> capability & 1) != 0; };
  if (!InFirstUserNamespace() || (!has(kSysAdmin) && !(has(kBpf) && has(kPerfmon)))) {
    return ErrnoError(EPERM, what, kNeedsCapabilities);
  }
  if (access(kBtf, R_OK) != 0)
    return ErrnoError(errno, kBtf,
                      "the BTF of the kernel cannot be read: /sys is not mounted, or the kernel "
                      "was built without "
                      "CONFIG_DEBUG_INFO_BTF");
  return absl::OkStatus();
}

absl::Status CheckCapability(int capability, std::string_view what, std::string_view advice) {
  if ((Capabilities() >> capability & 1) != 0) return absl::OkStatus();
  return ErrnoError(EPERM, what, advice);
}

absl::StatusOr<internal::UniqueFd> LoadIterator(std::string_view what,
                                                std::span<const unsigned char> bytes,
                                                absl::FunctionRef<int(bpf_object*)> prepare,
                                                absl::FunctionRef<int(LoadedMaps*)> attach) {
  NETDIAG_RETURN_IF_ERROR(CheckIterator(what));
  const Silence silence;
  int error = 0;
  for (const auto load : {LoadByLoader, LoadByLibrary}) {
    bpf_object* const object = bpf_object__open_mem(bytes.data(), bytes.size(), nullptr);
    if (object == nullptr) return ErrnoError(errno, what, "libbpf could not parse the BPF program");
    const absl::Cleanup close = [object] { bpf_object__close(object); };
    Loaded loaded;
    error = prepare(object);
    if (error == 0) error = load(object, &loaded);
    // The other way would run out of these too, and report a different errno.
    if (error == -EMFILE || error == -ENFILE || error == -ENOMEM) break;
    if (error != 0) continue;
    LoadedMaps maps;
    maps.maps = std::move(loaded.maps);
    for (bpf_map* map = nullptr; (map = bpf_object__next_map(object, map)) != nullptr;) {
      maps.names.emplace_back(bpf_map__name(map));
    }
    bpf_iter_link_info info = {};
    info.map.map_fd = static_cast<uint32_t>(attach(&maps));
    bpf_link_create_opts options = {};
    options.sz = sizeof(options);
    options.iter_info = &info;
    options.iter_info_len = sizeof(info);
    const int link = bpf_link_create(loaded.program.get(), 0, BPF_TRACE_ITER, &options);
    if (link >= 0) return internal::UniqueFd(link);
    error = link;
  }
  return ExplainLoad(-error, what);
}

absl::StatusOr<internal::UniqueFd> BeginPass(std::string_view what, int link) {
  const int iterator = bpf_iter_create(link);
  if (iterator < 0) return ErrnoError(-iterator, what);
  return internal::UniqueFd(iterator);
}

size_t IteratorBufferSize() { return 8 * static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

}  // namespace netdiag::bpf
