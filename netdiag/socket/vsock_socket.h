// SPDX-License-Identifier: Apache-2.0
//
// netdiag/socket/vsock_socket.h — one vsock socket: a view of a vsock_diag message.
//
// Lifetime, threads, errors: message_view.h.
// Source: sk_diag_fill(), net/vmw_vsock/diag.c.

#ifndef NETDIAG_SOCKET_VSOCK_SOCKET_H_
#define NETDIAG_SOCKET_VSOCK_SOCKET_H_

#include <cstdint>
#include <optional>

#include "netdiag/socket/message_view.h"
#include "netdiag/socket/structs.h"
#include "netdiag/types/types.h"

namespace netdiag {

// A socket between virtual machines and their host (vsock(7)): a stream, datagrams or seqpacket.
// The message has no attributes. The kernel tells neither the user nor the queues. Source: struct
// vsock_diag_msg.
class VsockSocket : public MessageView<32, 1> {
 public:
  using MessageView::MessageView;
  [[nodiscard]] static std::optional<VsockSocket> Parse(Bytes payload) {
    return ParseAs<VsockSocket>(payload);
  }

  SocketType type() const { return static_cast<SocketType>(At<uint8_t>(1)); }
  State state() const { return static_cast<State>(At<uint8_t>(2)); }
  // The ends. A CID names a machine: 0 the hypervisor, 1 this machine, 2 the host. nullopt: any
  // machine (VMADDR_CID_ANY), any port (VMADDR_PORT_ANY), or no peer.
  std::optional<uint32_t> local_cid() const { return UnlessAny(4); }
  std::optional<uint32_t> local_port() const { return UnlessAny(8); }
  std::optional<uint32_t> remote_cid() const { return UnlessAny(12); }
  std::optional<uint32_t> remote_port() const { return UnlessAny(16); }
  Inode inode() const { return Inode(At<uint32_t>(20)); }
  Cookie cookie() const { return CookieAt(24); }
  std::optional<Shutdown> shutdown() const { return Shutdown::FromMask(At<uint8_t>(3)); }

  std::optional<Uid> uid() const { return std::nullopt; }
  std::optional<SocketMemory> memory() const { return std::nullopt; }
  std::optional<uint32_t> receive_queue() const { return std::nullopt; }
  std::optional<uint32_t> send_queue() const { return std::nullopt; }

 private:
  std::optional<uint32_t> UnlessAny(size_t offset) const {
    const uint32_t value = At<uint32_t>(offset);
    return value == UINT32_MAX ? std::nullopt : std::optional(value);
  }
};

}  // namespace netdiag

#endif  // NETDIAG_SOCKET_VSOCK_SOCKET_H_
