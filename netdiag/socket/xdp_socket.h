// SPDX-License-Identifier: Apache-2.0
//
// netdiag/socket/xdp_socket.h — one XDP socket: a view of an xsk_diag message.
//
// Lifetime, threads, errors: message_view.h.
// Source: xsk_diag_fill(), net/xdp/xsk_diag.c.

#ifndef NETDIAG_SOCKET_XDP_SOCKET_H_
#define NETDIAG_SOCKET_XDP_SOCKET_H_

#include <cstdint>
#include <optional>

#include "netdiag/socket/message_view.h"
#include "netdiag/socket/structs.h"
#include "netdiag/types/types.h"

namespace netdiag {

// A socket that exchanges frames with one queue of a device (AF_XDP). Its state is always kClose,
// as in ss. Source: struct xdp_diag_msg.
class XdpSocket : public MessageView<16, 10> {
 public:
  using MessageView::MessageView;
  [[nodiscard]] static std::optional<XdpSocket> Parse(Bytes payload) {
    return ParseAs<XdpSocket>(payload);
  }

  SocketType type() const { return static_cast<SocketType>(At<uint8_t>(1)); }
  State state() const { return State::kClose; }
  Inode inode() const { return Inode(At<uint32_t>(4)); }
  Cookie cookie() const { return CookieAt(8); }

  // The device that the socket is bound to, and the queue; 0: its device has gone.
  IfIndex interface() const;
  std::optional<uint32_t> queue() const;
  std::optional<Uid> uid() const;
  std::optional<SocketMemory> memory() const;
  std::optional<Shutdown> shutdown() const { return std::nullopt; }
  std::optional<uint32_t> receive_queue() const;  // memory in bytes
  std::optional<uint32_t> send_queue() const { return std::nullopt; }
  // The sizes of the rings, in descriptors; nullopt: the socket has no such ring.
  std::optional<uint32_t> receive_ring() const;
  std::optional<uint32_t> send_ring() const;
  // The memory for the frames, which sockets can share, and the sizes of its rings.
  std::optional<XdpUmem> umem() const;
  std::optional<uint32_t> fill_ring() const;
  std::optional<uint32_t> completion_ring() const;
  std::optional<XdpStats> stats() const;  // 5.9
};

}  // namespace netdiag

#endif  // NETDIAG_SOCKET_XDP_SOCKET_H_
