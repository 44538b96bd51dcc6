// netdiag/netlink/options.h — Internal. Users want netlink/conn.h.
//
// Opening a netlink socket and the socket options of one: plain functions on a descriptor.

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

// libmnl's handle owns the descriptor: closing the one closes the other.
struct MnlClose {
  void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
};
using MnlSocket = std::unique_ptr<mnl_socket, MnlClose>;

// A socket bound and connected to the kernel, in the namespace that the Config names.
absl::StatusOr<MnlSocket> OpenNetlink(int family, const Config& config);
// Sets the options that the Config wants.
absl::Status Configure(int fd, bool is_netlink, const Config& config);

absl::StatusOr<int> GetInt(int fd, int level, int name);
absl::Status SetInt(int fd, int level, int name, int value, std::string_view what);
// SO_RCVBUF and SO_SNDBUF, their FORCE forms first.
absl::Status SetReceiveSpace(int fd, int bytes);
absl::Status SetSendSpace(int fd, int bytes);
absl::Status SetFilter(int fd, std::span<const BpfInstruction> program);
// `get` is getsockname or getpeername. EAFNOSUPPORT if the socket is no netlink socket.
absl::StatusOr<NetlinkAddress> AddressBy(int (*get)(int, sockaddr*, socklen_t*), int fd,
                                         std::string_view what);

}  // namespace netdiag::netlink

#endif  // NETDIAG_NETLINK_OPTIONS_H_
