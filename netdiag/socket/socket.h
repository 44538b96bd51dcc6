// SPDX-License-Identifier: Apache-2.0
//
// netdiag/socket/socket.h — the view of one message of a dump, whatever its protocol. Includes the
// views of all families.

#ifndef NETDIAG_SOCKET_SOCKET_H_
#define NETDIAG_SOCKET_SOCKET_H_

#include <variant>

#include "netdiag/socket/inet_socket.h"
#include "netdiag/socket/netlink_socket.h"
#include "netdiag/socket/packet_socket.h"
#include "netdiag/socket/smc_socket.h"
#include "netdiag/socket/tipc_socket.h"
#include "netdiag/socket/unix_socket.h"
#include "netdiag/socket/vsock_socket.h"
#include "netdiag/socket/xdp_socket.h"

namespace netdiag {

using Socket = std::variant<InetSocket, UnixSocket, PacketSocket, NetlinkSocket, VsockSocket,
                            TipcSocket, XdpSocket, SmcSocket>;

}  // namespace netdiag

#endif  // NETDIAG_SOCKET_SOCKET_H_
