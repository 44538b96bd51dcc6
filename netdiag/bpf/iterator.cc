// Tested by tests/bpf/loader_test.cc and by all tests of the programs.

#include "netdiag/bpf/iterator.h"

#include <sys/stat.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <string>
#include <unistd.h>
#include <utility>

#include "netdiag/bpf/calls.h"
#include "netdiag/types/error.h"
#include "netdiag/types/proc_file.h"

namespace netdiag::bpf {
namespace {

constexpr char kBtf[] = "/sys/kernel/btf/vmlinux";
constexpr std::string_view kNeedsCapabilities =
    "needs CAP_BPF and CAP_PERFMON in the first user namespace";

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

// `words`: those of the verifier, which mean that privileges were enough.
absl::Status ExplainLoad(int errnum, std::string_view what, const std::string& words) {
  if (!words.empty()) {
    return ErrnoError(errnum, what, "the kernel's verifier refuses the program: " + words);
  }
  if (errnum == EPERM || errnum == EACCES) {
    return ErrnoError(errnum, what,
                      std::string(kNeedsCapabilities) + ", and a kernel that is not locked down");
  }
  return ErrnoError(errnum, what, "this kernel lacks something that the program needs");
}

// Loaders need a kernel that resolves the types of its own structs.
absl::Status CheckKernel(std::string_view what) {
  const int error = CheckRelocations();
  if (error == 0) return absl::OkStatus();
  if (error == -E2BIG) return ErrnoError(EOPNOTSUPP, what, "needs a kernel of 5.17 or later");
  return ExplainLoad(-error, what, {});
}

}  // namespace

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
  return CheckKernel(what);
}

absl::Status CheckTcpIterator(std::string_view what) {
  using internal::KernelVersion;
  constexpr KernelVersion kMended[] = {{6, 6, 152}, {6, 12, 104}, {6, 18, 45}, {7, 1, 9}};
  const KernelVersion& kernel = internal::Kernel();
  const auto is_mended = [&](const KernelVersion& mended) {
    return kernel >= mended && kernel < KernelVersion{mended.major, mended.minor + 1};
  };
  if (kernel >= KernelVersion{7, 2} || std::ranges::any_of(kMended, is_mended)) {
    return absl::OkStatus();
  }
  return ErrnoError(EOPNOTSUPP, what,
                    "this kernel can free a TCP socket that is in use while a BPF program walks "
                    "the table (CVE-2026-74714), so none is loaded");
}

absl::Status CheckCapability(int capability, std::string_view what, std::string_view advice) {
  if ((Capabilities() >> capability & 1) != 0) return absl::OkStatus();
  return ErrnoError(EPERM, what, advice);
}

absl::StatusOr<internal::UniqueFd> LoadIterator(std::string_view what,
                                                std::span<const Loader> loaders,
                                                const Choice& choice,
                                                absl::FunctionRef<int(LoadedObject*)> attach) {
  NETDIAG_RETURN_IF_ERROR(CheckIterator(what));
  LoadedObject object;
  std::string words;
  if (const int error = Load(loaders, choice, &object, &words); error != 0) {
    return ExplainLoad(-error, what, words);
  }
  const int map = attach(&object);
  Made link = LinkIterator(object.program.get(), map);
  if (link.error != 0) return ExplainLoad(-link.error, what, {});
  return std::move(link.fd);
}

absl::StatusOr<internal::UniqueFd> BeginPass(std::string_view what, int link) {
  Made iterator = StartIterator(link);
  if (iterator.error != 0) return ErrnoError(-iterator.error, what);
  return std::move(iterator.fd);
}

size_t IteratorBufferSize() { return 8 * static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

}  // namespace netdiag::bpf
