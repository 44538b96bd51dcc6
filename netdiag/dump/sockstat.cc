// Tested by tests/dump/sockstat_test.cc.

#include "netdiag/dump/sockstat.h"

#include <linux/magic.h>
#include <sys/vfs.h>

#include <optional>

#include "netdiag/dump/dump_request.h"
#include "netdiag/types/parse_number.h"
#include "netdiag/types/proc_file.h"

namespace netdiag::internal {
namespace {

// The number after `word` in the line that begins with `line`: "TCP: inuse 3 orphan 0 tw 1 …".
std::optional<uint64_t> Number(std::string_view text, std::string_view line,
                               std::string_view word) {
  while (!text.empty()) {
    std::string_view rest = TakeUntil('\n', &text);
    if (TakeUntil(' ', &rest) != line) continue;
    while (!rest.empty()) {
      if (TakeUntil(' ', &rest) != word) continue;
      return ParseNumber<uint64_t>(TakeUntil(' ', &rest));
    }
  }
  return std::nullopt;
}

}  // namespace

bool SocketCounts::IsEmpty(const DumpRequest& request) const {
  if (!known) return false;
  const bool inet4 = request.table.families.contains(Family::kInet);
  const bool inet6 = request.table.families.contains(Family::kInet6);
  if (request.table.protocol == Protocol::kUdp) {
    return (!inet4 || udp4 == 0) && (!inet6 || udp6 == 0);
  }
  if (request.table.protocol != Protocol::kTcp) return false;
  if (request.states.contains(State::kBoundInactive)) return false;
  // A half-open IPv4 connection of an IPv6 listener is listed as IPv6.
  return time_wait == 0 && (!inet4 || tcp4 == 0) && (!inet6 || tcp6 == 0);
}

SocketCounts ParseSockstat(std::string_view sockstat, std::string_view sockstat6) {
  SocketCounts counts;
  const std::optional<uint64_t> tcp4 = Number(sockstat, "TCP:", "inuse");
  const std::optional<uint64_t> time_wait = Number(sockstat, "TCP:", "tw");
  const std::optional<uint64_t> udp4 = Number(sockstat, "UDP:", "inuse");
  const std::optional<uint64_t> tcp6 = Number(sockstat6, "TCP6:", "inuse");
  const std::optional<uint64_t> udp6 = Number(sockstat6, "UDP6:", "inuse");
  const bool whole6 = sockstat6.empty() || (tcp6 && udp6);
  if (!tcp4 || !time_wait || !udp4 || !whole6) return counts;
  counts = {.known = true,
            .tcp4 = *tcp4,
            .tcp6 = tcp6.value_or(0),
            .time_wait = *time_wait,
            .udp4 = *udp4,
            .udp6 = udp6.value_or(0)};
  return counts;
}

SocketCounts ReadSockstat(const std::string& proc_root) {
  constexpr size_t kLimit = 4096;
  const std::string directory = proc_root + "/thread-self/net/";
  return ParseSockstat(ReadProcFile(directory + "sockstat", kLimit),
                       ReadProcFile(directory + "sockstat6", kLimit));
}

std::optional<TcpActivity> ReadTcpActivity(const std::string& proc_root, uint64_t least) {
  constexpr size_t kLimit = size_t{64} << 10;
  struct statfs system = {};
  if (statfs(proc_root.c_str(), &system) != 0 || system.f_type != PROC_SUPER_MAGIC) return {};
  const SocketCounts counts = ReadSockstat(proc_root);
  if (!counts.known || counts.tcp() < least) return {};
  TcpActivity activity = {counts.tcp4, counts.tcp6, counts.time_wait, {}};
  for (const auto& [file, line] : {std::pair("snmp", "Tcp:"), std::pair("netstat", "TcpExt:")}) {
    const std::string text = ReadProcFile(proc_root + "/thread-self/net/" + file, kLimit);
    int lines = 0;  // of names and of numbers
    for (std::string_view rest = text; !rest.empty();) {
      const std::string_view whole = TakeUntil('\n', &rest);
      if (!whole.starts_with(line)) continue;
      activity.counters.append(whole);
      ++lines;
    }
    if (lines != 2) return {};
  }
  return activity;
}

}  // namespace netdiag::internal
