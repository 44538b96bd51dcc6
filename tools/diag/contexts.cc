// Tested by tests/tools/contexts_test.cc.

#include "tools/diag/contexts.h"

#include <sys/xattr.h>

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <string_view>
#include <unistd.h>

#include "netdiag/types/error.h"
#include "tools/diag/text.h"

namespace diag {
namespace {

constexpr std::string_view kUnavailable = "unavailable";
using Buffer = std::array<char, 4096>;

// Appends a context that was read. The kernel ends it with a NUL, procfs sometimes with a newline.
void AppendContext(const Buffer& bytes, ssize_t size, std::string* out) {
  std::string_view context(bytes.data(), size > 0 ? static_cast<size_t>(size) : 0);
  while (!context.empty() && (context.back() == '\0' || context.back() == '\n')) {
    context.remove_suffix(1);
  }
  AppendEscaped(context.empty() ? kUnavailable : context, out);
}

}  // namespace

absl::Status Contexts::Check(const std::string& sysfs) {
  // selinuxfs is mounted if SELinux is on. Source: security/selinux/selinuxfs.c.
  if (access((sysfs + "/fs/selinux/enforce").c_str(), F_OK) == 0) return absl::OkStatus();
  return netdiag::ErrnoError(EOPNOTSUPP, "contexts", "SELinux is not enabled");
}

void Contexts::AppendProcess(netdiag::Pid pid, std::string* out) {
  const auto [place, is_new] = processes_.try_emplace(pid);
  if (is_new) {
    const std::string path = proc_root_ + "/" + std::to_string(pid.value()) + "/attr/current";
    Buffer bytes;
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    AppendContext(bytes, file < 0 ? -1 : read(file, bytes.data(), bytes.size()), &place->second);
    if (file >= 0) close(file);
  }
  out->append(place->second);
}

void Contexts::AppendSocket(netdiag::Pid pid, int fd, std::string* out) const {
  const std::string path =
      proc_root_ + "/" + std::to_string(pid.value()) + "/fd/" + std::to_string(fd);
  Buffer bytes;
  AppendContext(bytes, getxattr(path.c_str(), "security.selinux", bytes.data(), bytes.size()), out);
}

}  // namespace diag
