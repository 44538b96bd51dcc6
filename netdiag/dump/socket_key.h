// netdiag/dump/socket_key.h — Internal. What identifies a socket across the dumps of its table.
//
// Threads: values.

#ifndef NETDIAG_DUMP_SOCKET_KEY_H_
#define NETDIAG_DUMP_SOCKET_KEY_H_

#include <compare>
#include <cstdint>

#include "netdiag/netlink/wire.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

// The cookie, and for a unix socket whether it has a name, for a vsock socket whether it has a
// port: binding moves it to another bucket. An association of SCTP has the cookie of its endpoint,
// so its key is made of the cookie, the ports and the addresses. A key of 0 identifies nothing.
class SocketKey {
 public:
  SocketKey() = default;
  SocketKey(uint64_t cookie, bool named) : bits_(cookie | (named ? kNamed : 0)) {}
  // The key of a row. Rows of MPTCP have none: an accepted connection can have the cookie of its
  // listener (mptcp_sk_clone_init()).
  static SocketKey Of(const netlink::Message& message, Protocol protocol);

  uint64_t cookie() const { return bits_ & ~kNamed; }
  uint64_t bits() const { return bits_; }  // cookie and name
  friend auto operator<=>(SocketKey, SocketKey) = default;

 private:
  static constexpr uint64_t kNamed = uint64_t{1} << 63;  // cookies count from 1
  uint64_t bits_ = 0;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_SOCKET_KEY_H_
