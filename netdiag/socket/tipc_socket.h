// SPDX-License-Identifier: Apache-2.0
//
// netdiag/socket/tipc_socket.h — one TIPC socket: a view of a tipc_diag message.
//
// The message has no fixed part. It is one attribute, TIPC_NLA_SOCK, which nests all the others.
// The view reads what is nested in it.
//
// Lifetime, threads: message_view.h.
// Errors: Parse() returns nullopt for a message without a whole TIPC_NLA_SOCK; otherwise as in
// message_view.h.
// Source: tipc_sk_fill_sock_diag(), net/tipc/socket.c; include/uapi/linux/tipc_netlink.h.

#ifndef NETDIAG_SOCKET_TIPC_SOCKET_H_
#define NETDIAG_SOCKET_TIPC_SOCKET_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "netdiag/socket/message_view.h"
#include "netdiag/socket/structs.h"
#include "netdiag/types/types.h"

namespace netdiag {

// A socket of the Transparent Inter-Process Communication protocol.
class TipcSocket {
 public:
  // Nested attributes of this type and above are unknown to the view (TIPC_NLA_SOCK_*).
  static constexpr size_t kAttributeTypes = 13;

  // A payload that has a whole TIPC_NLA_SOCK.
  class Checked {
   public:
    static std::optional<Checked> Check(Bytes payload);

   private:
    friend TipcSocket;
    explicit Checked(Bytes nested) : nested_(nested) {}
    Bytes nested_;
  };
  explicit TipcSocket(Checked checked) : index_(checked.nested_) {}
  [[nodiscard]] static std::optional<TipcSocket> Parse(Bytes payload);

  // The nested attributes, including unknown ones.
  Bytes attributes() const { return index_.bytes(); }
  uint16_t unknown_attributes() const { return index_.unknown(); }
  bool malformed() const { return index_.malformed(); }

  SocketType type() const;
  // TIPC_OPEN is kClose, TIPC_CONNECTING kSynSent, TIPC_DISCONNECTING kCloseWait.
  State state() const;
  Inode inode() const;
  Cookie cookie() const;
  std::optional<Uid> uid() const;
  // The address of this node (0: none was configured), and the socket's number on it, which TIPC
  // calls its reference or its port.
  std::optional<uint32_t> node() const;
  std::optional<uint32_t> reference() const;
  // The same of the peer; nullopt: not connected.
  std::optional<uint32_t> remote_node() const;
  std::optional<uint32_t> remote_reference() const;
  // The service that the socket was connected by; nullopt: by an address, or not connected.
  struct Service {
    uint32_t type = 0;
    uint32_t instance = 0;
  };
  std::optional<Service> service() const;
  // True if a name is bound to the socket. The kernel says so only of sockets without a connection.
  bool published() const;

  std::optional<uint32_t> receive_queue() const;  // in messages
  std::optional<uint32_t> send_queue() const;     // in messages
  std::optional<uint32_t> drops() const;          // messages
  // What makes the socket wait. nullopt: not sent.
  std::optional<bool> link_congested() const;
  std::optional<bool> connection_congested() const;

  // The communication group that the socket has joined. The scope is TIPC_CLUSTER_SCOPE (2) or
  // TIPC_NODE_SCOPE (3); 0: the kernel says neither.
  struct Group {
    uint32_t id = 0;
    uint32_t instance = 0;
    uint32_t next_broadcast = 0;  // the number of the next one that it sends
    uint8_t scope = 0;
    bool open = false;
  };
  std::optional<Group> group() const;

  std::optional<SocketMemory> memory() const { return std::nullopt; }
  std::optional<Shutdown> shutdown() const { return std::nullopt; }

 private:
  AttrIndex<kAttributeTypes> index_;
};

}  // namespace netdiag

#endif  // NETDIAG_SOCKET_TIPC_SOCKET_H_
