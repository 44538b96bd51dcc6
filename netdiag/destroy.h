// SPDX-License-Identifier: Apache-2.0
//
// netdiag/destroy.h — the argument and the result of Engine::Destroy(), which closes sockets.
//
// Threads, lifetime: values.

#ifndef NETDIAG_DESTROY_H_
#define NETDIAG_DESTROY_H_

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"

#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace netdiag {

class Row;  // row.h

// Identifies one socket by its addresses and its cookie. NameOf() takes all of these from a Row.
struct SocketName {
  Protocol protocol = Protocol::kTcp;
  // The ends. The local port of a raw socket is its protocol, as in its Row.
  Endpoint local = {};
  Endpoint remote = {};
  IfIndex interface = {};  // the interface that the socket is bound to
  Cookie cookie = {};
  // The network namespace. 0: that of the row that a visitor is looking at; outside of visitors
  // that of the Engine. Another one must be one that the Engine's last query listed.
  NetnsId netns = {};
};
// REQUIRES: `row` is a row of an inet socket.
SocketName NameOf(const Row& row);

// True if there are kernels that close sockets of the protocol: TCP, UDP and raw sockets. UDP-Lite
// has a request, but no kernel serves it.
constexpr bool CanDestroy(Protocol protocol) {
  return protocol == Protocol::kTcp || protocol == Protocol::kUdp || protocol == Protocol::kRaw;
}

// OK if Engine::Destroy() would ask the kernel to close the socket; otherwise why it refuses.
absl::Status CheckDestroy(const SocketName& socket);

enum class Destroyed : uint8_t {
  // The next call of the socket's owner fails with ECONNABORTED. A connection of TCP is reset, and
  // the socket leaves its table. A socket of UDP or raw is disconnected. It stays in its table, and
  // can still receive, if its owner has chosen its port or its protocol. A connection of MPTCP
  // outlives the TCP sockets that are its subflows.
  kClosed,
  kGone,           // No socket has this cookie.
  kNotSelectable,  // The socket exists, but no request reaches it. `status` says why.
  kRefused,        // `status` says why.
};
// Returns "closed", "gone", "not_selectable" or "refused".
std::string_view Name(Destroyed outcome);

// What became of one socket.
struct DestroyOutcome {
  Destroyed outcome = Destroyed::kRefused;
  // OK for kClosed and kGone. For kRefused: EPERM: no CAP_NET_ADMIN. EOPNOTSUPP: the protocol
  // cannot close sockets, or the kernel was built without CONFIG_INET_DIAG_DESTROY. EINVAL: the
  // name has no cookie, or the socket is a listener of MPTCP. ETIMEDOUT, ECANCELED: the call ended
  // first; then the last request may have closed its socket nevertheless.
  absl::Status status;
};

}  // namespace netdiag

#endif  // NETDIAG_DESTROY_H_
