// netdiag/bpf/socket_closer.h — Internal. Users want Engine::Destroy().
//
// Closes sockets by their cookies alone, whatever their names: bpf_sock_destroy(), Linux 6.5.
//
//   NETDIAG_ASSIGN_OR_RETURN(std::vector<CloseResult> results,
//                            CloseSockets(Protocol::kUdp, cookies));
//
// The program runs once over every socket of the table and closes those whose cookies are given.
// Sockets in TIME_WAIT and SYN_RECV, and sockets of TCP that are bound but neither listen nor
// connect, are not reached.
//
// Cost: the program is loaded and unloaded, 3 to 5 ms; then 1 µs for each socket of the table.
// Lifetime: nothing stays open.
// Threads: any. The namespace is the calling thread's.
// Errors: EPERM without CAP_NET_ADMIN, as for SOCK_DESTROY, or without CAP_BPF and CAP_PERFMON;
// missing BTF; a kernel before 6.5; EOPNOTSUPP for another protocol than TCP and UDP, and for TCP
// on kernels with a faulty iterator (iterator.h, CheckTcpIterator()).

#ifndef NETDIAG_BPF_SOCKET_CLOSER_H_
#define NETDIAG_BPF_SOCKET_CLOSER_H_

#include <span>
#include <vector>

#include "absl/status/statusor.h"

#include "netdiag/types/types.h"

namespace netdiag::bpf {

struct CloseResult {
  bool visited = false;  // false: the program did not meet the socket
  int errnum = 0;        // if it did: 0 for closed
};

// One result for each cookie, in the same order. REQUIRES: no cookie is given twice.
absl::StatusOr<std::vector<CloseResult>> CloseSockets(Protocol protocol,
                                                      std::span<const Cookie> cookies);

}  // namespace netdiag::bpf

#endif  // NETDIAG_BPF_SOCKET_CLOSER_H_
