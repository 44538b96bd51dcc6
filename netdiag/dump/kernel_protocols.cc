// Tested by tests/dump/table_test.cc.

#include "netdiag/dump/kernel_protocols.h"

#include <cstddef>

#include "netdiag/types/parse_number.h"
#include "netdiag/types/proc_file.h"

namespace netdiag::internal {

std::string ReadKernelProtocols(const std::string& proc_root) {
  constexpr size_t kLimit = size_t{64} << 10;
  return ReadProcFile(proc_root + "/thread-self/net/protocols", kLimit);
}

// A line is "XDP       1088      0      -1   NI       0   no   kernel …": the name, the size of a
// socket, and the number of sockets.
std::optional<uint64_t> SocketsOf(std::string_view name, std::string_view list) {
  while (!list.empty()) {
    std::string_view line = TakeUntil('\n', &list);
    if (TakeWord(" ", &line) != name) continue;
    TakeWord(" ", &line);
    return ParseNumber<uint64_t>(TakeWord(" ", &line));
  }
  return std::nullopt;
}

}  // namespace netdiag::internal
