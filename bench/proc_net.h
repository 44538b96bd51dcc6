// bench/proc_net.h — parses /proc/net/tcp and tcp6 as fast as possible, to compare the engine with.
//
//   ForEachProcTcp([&](const ProcTcp& row) { … });
//
// Reads 64 KiB at a time, allocates nothing, and copies only lines that cross the end of the
// buffer.
// Errors: a file that cannot be read ends the program.

#ifndef NETDIAG_BENCH_PROC_NET_H_
#define NETDIAG_BENCH_PROC_NET_H_

#include <array>
#include <cstdint>

#include "absl/functional/function_ref.h"

namespace netdiag::bench {

struct ProcTcp {
  // The words of the address as in memory. IPv4 uses the first.
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
