// SPDX-License-Identifier: Apache-2.0
//
// netdiag/socket/unix_socket.h — one unix socket: a view of a unix_diag message.
//
// Lifetime, threads, errors: message_view.h.
// Source: sk_diag_fill(), net/unix/diag.c.

#ifndef NETDIAG_SOCKET_UNIX_SOCKET_H_
#define NETDIAG_SOCKET_UNIX_SOCKET_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "netdiag/socket/message_view.h"
#include "netdiag/socket/structs.h"
#include "netdiag/types/types.h"

namespace netdiag {

// A unix socket. Source: struct unix_diag_msg.
class UnixSocket : public MessageView<16, 8> {
 public:
  using MessageView::MessageView;
  [[nodiscard]] static std::optional<UnixSocket> Parse(Bytes payload);

  SocketType type() const { return static_cast<SocketType>(At<uint8_t>(1)); }
  State state() const { return static_cast<State>(At<uint8_t>(2)); }
  Inode inode() const { return Inode(At<uint32_t>(4)); }
  Cookie cookie() const { return CookieAt(8); }

  // The address as bytes; empty: unnamed. A path comes without its NUL. An abstract name comes with
  // its leading NUL and may contain any bytes. Escape it before printing to a terminal.
  std::string_view name() const;
  bool abstract() const { return name().starts_with('\0'); }
  // The inode of the socket at the other end; nullopt: not connected.
  std::optional<Inode> peer() const;
  // The inode and device (the kernel's 12:20 form) of the file at the path.
  struct File {
    uint32_t inode = 0;
    uint32_t major = 0;
    uint32_t minor = 0;
  };
  std::optional<File> file() const;  // (asked: kUnixFile)
  // LISTEN: the connections that wait for accept(), and the limit of the backlog. Else the bytes to
  // read, and the bytes sent that the other end has not read.
  std::optional<uint32_t> receive_queue() const;
  std::optional<uint32_t> send_queue() const;
  std::optional<SocketMemory> memory() const;  // (asked: kSocketMemory)
  std::optional<Shutdown> shutdown() const;
  std::optional<Uid> uid() const;  // 5.3
  // The peer of the pending connection number `i`, from 0. Only an exact query (Engine::LookupUnix)
  // asks for them, because a dump that asks for them ends at the first listener whose list does not
  // fit into one datagram.
  std::optional<Inode> pending_connection(size_t i) const;
  bool has_pending_connections() const;
};

}  // namespace netdiag

#endif  // NETDIAG_SOCKET_UNIX_SOCKET_H_
