// netdiag/engine/probe_socket.h — Internal. A socket of ours, and what the kernel's dump tells of
// it: so a feature of the dump is known without concluding it from the kernel's version.
//
// Lifetime: the socket is closed with its ProbeSocket.
// Threads: thread-compatible, as the Conns.
// Cost: a dump of one port.

#ifndef NETDIAG_ENGINE_PROBE_SOCKET_H_
#define NETDIAG_ENGINE_PROBE_SOCKET_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/engine/conns.h"
#include "netdiag/types/address.h"
#include "netdiag/types/types.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag::internal {

// A socket in the home namespace that is bound to a free port of 127.0.0.1 and receives nothing.
struct ProbeSocket {
  UniqueFd fd;
  Port port;
};
// `type`: SOCK_STREAM for TCP, SOCK_DGRAM for UDP.
absl::StatusOr<ProbeSocket> BindProbe(Conns* conns, int type);

struct SeenProbe {
  bool found = false;   // The dump has the socket.
  bool cgroup = false;  // Its row has a cgroup id.
};
// What a dump of `protocol` in `state` tells of a new ProbeSocket.
absl::StatusOr<SeenProbe> LookAtProbe(Conns* conns, Protocol protocol, int type, State state);

// OK if the dump has bound TCP sockets that neither listen nor are connected.
absl::Status ProbeIdleTcp(Conns* conns);

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_PROBE_SOCKET_H_
