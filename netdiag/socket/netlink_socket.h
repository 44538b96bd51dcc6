// SPDX-License-Identifier: Apache-2.0
//
// netdiag/socket/netlink_socket.h — one netlink socket: a view of a netlink_diag message.
//
// Lifetime, threads, errors: message_view.h.
// Source: sk_diag_fill(), net/netlink/diag.c.

#ifndef NETDIAG_SOCKET_NETLINK_SOCKET_H_
#define NETDIAG_SOCKET_NETLINK_SOCKET_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "netdiag/socket/message_view.h"
#include "netdiag/socket/structs.h"
#include "netdiag/types/types.h"

namespace netdiag {

// Bits of NETLINK_DIAG_FLAGS. Source: NDIAG_FLAG_*, include/uapi/linux/netlink_diag.h.
enum class NetlinkFlag : uint8_t {
  kDumpRunning = 0,
  kPacketInfo = 1,
  kBroadcastError = 2,
  kNoEnobufs = 3,
  kListenAllNsid = 4,
  kCapAck = 5,
};

// A netlink socket (netlink(7)). Its state is always kClose, as in ss; connected() has the netlink
// state. Source: struct netlink_diag_msg.
class NetlinkSocket : public MessageView<28, 5> {
 public:
  using MessageView::MessageView;
  [[nodiscard]] static std::optional<NetlinkSocket> Parse(Bytes payload);

  SocketType type() const { return static_cast<SocketType>(At<uint8_t>(1)); }
  State state() const { return State::kClose; }
  // NETLINK_ROUTE, NETLINK_GENERIC, …
  uint8_t netlink_protocol() const { return At<uint8_t>(2); }
  bool connected() const { return At<uint8_t>(3) == 1; }  // NETLINK_CONNECTED
  // 0: a socket of the kernel, or not bound yet. Often, but not always, the pid of the process that
  // bound the socket.
  uint32_t port_id() const { return At<uint32_t>(4); }
  // The port id and the group number that the socket is connected to; 0: none.
  uint32_t remote_port_id() const { return At<uint32_t>(8); }
  uint32_t remote_group() const { return At<uint32_t>(12); }
  Inode inode() const { return Inode(At<uint32_t>(16)); }
  Cookie cookie() const { return CookieAt(20); }

  // Bits 64 × i and following of the mask of joined multicast groups, where bit N-1 is group N.
  // nullopt if the mask is shorter.
  std::optional<uint64_t> groups(size_t i) const;
  std::optional<Set<NetlinkFlag>> flags() const;
  std::optional<Uid> uid() const { return std::nullopt; }
  std::optional<SocketMemory> memory() const;
  std::optional<Shutdown> shutdown() const { return std::nullopt; }
  std::optional<uint32_t> receive_queue() const;  // memory in bytes
  std::optional<uint32_t> send_queue() const;
};

}  // namespace netdiag

#endif  // NETDIAG_SOCKET_NETLINK_SOCKET_H_
