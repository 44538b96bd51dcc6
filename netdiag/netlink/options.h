// netdiag/netlink/options.h — Internal. Users want netlink/conn.h.
//
// Opens netlink sockets and sets their options: plain functions on a descriptor.

#ifndef NETDIAG_NETLINK_OPTIONS_H_
#define NETDIAG_NETLINK_OPTIONS_H_

#include <sys/socket.h>

#include <memory>
#include <span>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include <libmnl/libmnl.h>

#include "netdiag/netlink/conn.h"

namespace netdiag::netlink {

// libmnl's handle, which owns the descriptor.
struct MnlClose {
  void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
};
using MnlSocket = std::unique_ptr<mnl_socket, MnlClose>;

// Opens a socket in the namespace that the Config names, binds it and connects it to the kernel.
absl::StatusOr<MnlSocket> OpenNetlink(int family, const Config& config);
// Sets the options of the Config.
absl::Status Configure(int fd, bool is_netlink, const Config& config);

absl::StatusOr<int> GetInt(int fd, int level, int name);
absl::Status SetInt(int fd, int level, int name, int value, std::string_view what);
// Set SO_RCVBUF and SO_SNDBUF. The FORCE forms are tried first.
absl::Status SetReceiveSpace(int fd, int bytes);
absl::Status SetSendSpace(int fd, int bytes);
absl::Status SetFilter(int fd, std::span<const BpfInstruction> program);
// The address from `get`, which is getsockname or getpeername. EAFNOSUPPORT if the socket is not a
// netlink socket.
absl::StatusOr<NetlinkAddress> AddressBy(int (*get)(int, sockaddr*, socklen_t*), int fd,
                                         std::string_view what);

}  // namespace netdiag::netlink

#endif  // NETDIAG_NETLINK_OPTIONS_H_
