// netdiag/dump/kernel_protocols.h — Internal. The kernel's list of the protocols that sockets have,
// /proc/net/protocols, with the number of sockets of each in one network namespace.
//
// A protocol is in the list while the code that makes its sockets is loaded.
//
// Threads: functions without state.
// Source: proto_seq_show(), net/core/sock.c; sock_prot_inuse_add(), which some families do not call
// (vsock, TIPC): their number is always 0.

#ifndef NETDIAG_DUMP_KERNEL_PROTOCOLS_H_
#define NETDIAG_DUMP_KERNEL_PROTOCOLS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace netdiag::internal {

// Reads the list of the calling thread's namespace below `proc_root`. Empty if it cannot be read.
std::string ReadKernelProtocols(const std::string& proc_root);
// The number of sockets of the protocol that the kernel calls `name`; nullopt if `list` does not
// have it.
std::optional<uint64_t> SocketsOf(std::string_view name, std::string_view list);

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_KERNEL_PROTOCOLS_H_
