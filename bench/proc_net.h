// bench/proc_net.h — /proc/net/tcp and tcp6 parsed as fast as it goes: what the engine competes
// with.
//
//   ForEachProcTcp([&](const ProcTcp& row) { … });
//
// 64 KiB a read, no allocation, no copy of a line that lies whole in the buffer.
// Errors: a file that cannot be read ends the program.

#ifndef NETDIAG_BENCH_PROC_NET_H_
#define NETDIAG_BENCH_PROC_NET_H_

#include <array>
#include <cstdint>

#include "absl/functional/function_ref.h"

namespace netdiag::bench {

struct ProcTcp {
  // As the kernel's words lie in memory; IPv4 uses the first.
  std::array<uint32_t, 4> local{};
  std::array<uint32_t, 4> remote{};
  uint16_t local_port = 0;
  uint16_t remote_port = 0;
  uint8_t state = 0;
  uint32_t send_queue = 0;
  uint32_t receive_queue = 0;
  uint32_t uid = 0;
  uint32_t inode = 0;
};

void ForEachProcTcp(absl::FunctionRef<void(const ProcTcp&)> visitor);

}  // namespace netdiag::bench

#endif  // NETDIAG_BENCH_PROC_NET_H_
