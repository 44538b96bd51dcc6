// Reads any text as the path of a cgroup, as /proc/PID/cgroup, and as the counts of sockets in
// /proc/net. The names that come out are parts of the text, in the form that their headers promise.

#include <algorithm>
#include <string>
#include <string_view>

#include "netdiag/dump/kernel_protocols.h"
#include "netdiag/dump/sockstat.h"
#include "netdiag/process/cgroup.h"
#include "tests/fuzz/fuzz.h"

namespace netdiag::fuzz {
namespace {

bool IsHex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == text.npos;
}

void CheckNames(const Cgroup& cgroup, std::string_view text) {
  const auto is_part = [&](std::string_view name) { return text.find(name) != text.npos; };
  Check(cgroup.container.empty() || (cgroup.container.size() == 64 && IsHex(cgroup.container)));
  Check(is_part(cgroup.container) && is_part(cgroup.unit));
  Check(cgroup.unit.find('/') == cgroup.unit.npos);
  // systemd writes '_' for the '-' of a pod's uid.
  std::string pod = cgroup.pod, all(text);
  std::ranges::replace(pod, '-', '_');
  std::ranges::replace(all, '-', '_');
  Check(all.find(pod) != all.npos);
}

}  // namespace
}  // namespace netdiag::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace netdiag;  // NOLINT
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Cgroup cgroup = ParseCgroup(text);
  fuzz::Check(cgroup.path == text);
  fuzz::CheckNames(cgroup, text);
  fuzz::CheckNames(ParseV1Cgroups(text), text);

  const std::string_view path = CgroupPathOfProcess(text);
  fuzz::Check(path.empty() || text.find(path) != text.npos);
  fuzz::Check(path.find('\n') == path.npos);

  const size_t half = size / 2;
  const internal::SocketCounts counts =
      internal::ParseSockstat(text.substr(0, half), text.substr(half));
  fuzz::TouchValue(counts.known);
  fuzz::TouchValue(internal::SocketsOf("XDP", text));
  return 0;
}
