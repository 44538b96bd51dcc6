// Tested by tests/tools/privileges_test.cc.

#include "tools/diag/privileges.h"

#include <linux/capability.h>
#include <sys/auxv.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

namespace diag {
namespace {

// The capabilities of the calling thread, the lower 32 first.
using Data = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

bool Get(Data* data) {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  return syscall(SYS_capget, &header, data->data()) == 0;
}

bool Set(const Data& data) {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  return syscall(SYS_capset, &header, data.data()) == 0;
}

CapabilitySet EffectiveOf(const Data& data) {
  return CapabilitySet::FromBits(uint64_t{data[1].effective} << 32 | data[0].effective);
}

}  // namespace

bool GainedPrivileges() { return getauxval(AT_SECURE) != 0; }

int OpenAsCaller(const std::string& path, int flags, mode_t mode) {
  if (!GainedPrivileges()) return open(path.c_str(), flags, mode);
  Data before = {};
  if (!Get(&before)) return -1;
  Data none = before;
  none[0].effective = none[1].effective = 0;
  // The file system's ids first, because changing them changes effective capabilities.
  setfsgid(getgid());
  setfsuid(getuid());
  const int fd = Set(none) ? open(path.c_str(), flags, mode) : -1;
  const int errnum = errno;
  setfsuid(geteuid());
  setfsgid(getegid());
  // The permitted capabilities are still there, so this cannot fail.
  Set(before);
  errno = errnum;
  return fd;
}

CapabilitySet EffectiveCapabilities() {
  Data data = {};
  return Get(&data) ? EffectiveOf(data) : CapabilitySet();
}

void KeepOnly(CapabilitySet kept) {
  Data data = {};
  if (kept == CapabilitySet::All() || !Get(&data)) return;
  const CapabilitySet held = EffectiveOf(data);
  constexpr std::pair<CapabilitySet, CapabilitySet> kSubstitutes[] = {
      {kForBpf, {CAP_SYS_ADMIN}},
      {{CAP_DAC_READ_SEARCH}, {CAP_DAC_OVERRIDE}},
      {{CAP_SYS_PTRACE}, CapabilitySet::All()}};
  for (const auto& [needed, substitute] : kSubstitutes) {
    if (kept.contains(needed) && !held.contains(needed)) kept |= substitute;
  }
  for (size_t i = 0; i < data.size(); ++i) {
    const auto mask = static_cast<uint32_t>(kept.bits() >> (32 * i));
    data[i].effective &= mask;
    data[i].permitted &= mask;
    data[i].inheritable = 0;  // and so no ambient capability is left
  }
  Set(data);
}

}  // namespace diag
