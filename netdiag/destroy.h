// netdiag/destroy.h — the argument and the result of Engine::Destroy(), which closes sockets.
//
// Threads, lifetime: values.

#ifndef NETDIAG_DESTROY_H_
#define NETDIAG_DESTROY_H_

#include <cstdint>

#include "absl/status/status.h"

#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace netdiag {

// Identifies one socket by its addresses and its cookie. A Row has all of these.
struct SocketName {
  Protocol protocol = Protocol::kTcp;
  Endpoint local;
  Endpoint remote;
  IfIndex interface;  // the interface that the socket is bound to
  Cookie cookie;
};

enum class Destroyed : uint8_t {
  kClosed,         // The next call of the socket's owner fails with ECONNABORTED.
  kGone,           // No socket has this cookie.
  kNotSelectable,  // The socket exists, but the kernel selects another socket of the same name.
  kRefused,        // DestroyOutcome::status says why.
};

// What became of one socket.
struct DestroyOutcome {
  Destroyed outcome = Destroyed::kRefused;
  // For kRefused. EPERM: no CAP_NET_ADMIN. EOPNOTSUPP: the protocol cannot close sockets.
  absl::Status status;
};

}  // namespace netdiag

#endif  // NETDIAG_DESTROY_H_
