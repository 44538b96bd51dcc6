// Tested by tests/netlink/conn_live_test.cc.

#include "netdiag/netlink/options.h"

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "netdiag/netlink/abi.h"
#include "netdiag/types/error.h"

namespace netdiag::netlink {
namespace {

absl::Status SetBuffer(int fd, int force, int plain, int bytes, std::string_view what) {
  if (setsockopt(fd, SOL_SOCKET, force, &bytes, sizeof(bytes)) == 0) return absl::OkStatus();
  return SetInt(fd, SOL_SOCKET, plain, bytes, what);
}

}  // namespace

absl::Status SetInt(int fd, int level, int name, int value, std::string_view what) {
  if (setsockopt(fd, level, name, &value, sizeof(value)) == 0) return absl::OkStatus();
  return ErrnoError(errno, what);
}

absl::Status Configure(int fd, bool is_netlink, const Config& config) {
  const struct {
    bool wanted;
    int option;
    std::string_view what;
  } options[] = {
      {config.extended_ack, NETLINK_EXT_ACK, "NETLINK_EXT_ACK"},
      {config.cap_ack, NETLINK_CAP_ACK, "NETLINK_CAP_ACK"},
      {config.strict_check, NETLINK_GET_STRICT_CHK, "NETLINK_GET_STRICT_CHK"},
      {config.no_enobufs, NETLINK_NO_ENOBUFS, "NETLINK_NO_ENOBUFS"},
  };
  for (const auto& [wanted, option, what] : options) {
    if (!wanted || !is_netlink) continue;
    const absl::Status status = SetInt(fd, SOL_NETLINK, option, 1, what);
    if (config.strict && !status.ok()) return status;
  }
  if (config.socket_receive_buffer > 0) {
    NETDIAG_RETURN_IF_ERROR(SetReceiveSpace(fd, config.socket_receive_buffer));
  }
  if (config.socket_send_buffer > 0) {
    NETDIAG_RETURN_IF_ERROR(SetSendSpace(fd, config.socket_send_buffer));
  }
  return absl::OkStatus();
}

absl::StatusOr<NetlinkAddress> AddressBy(int (*get)(int, sockaddr*, socklen_t*), int fd,
                                         std::string_view what) {
  sockaddr_nl address{};
  socklen_t size = sizeof(address);
  if (get(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return ErrnoError(errno, what);
  if (address.nl_family != AF_NETLINK) return ErrnoError(EAFNOSUPPORT, what);
  return NetlinkAddress{address.nl_pid, address.nl_groups};
}

absl::StatusOr<MnlSocket> OpenNetlink(int family, const Config& config) {
  MnlSocket socket;
  const auto open = [&]() -> absl::Status {
    socket.reset(mnl_socket_open2(family, SOCK_CLOEXEC | SOCK_NONBLOCK));
    const int errnum = errno;
    if (socket) return absl::OkStatus();
    return ErrnoError(errnum, "socket(AF_NETLINK, " + std::to_string(family) + ")");
  };
  NETDIAG_RETURN_IF_ERROR(config.netns ? config.netns->Run(open) : open());
  if (mnl_socket_bind(socket.get(), config.groups, static_cast<pid_t>(config.port_id)) != 0) {
    return ErrnoError(errno, "binding a netlink socket");
  }
  // From here on the kernel refuses datagrams from other processes, which get ECONNREFUSED.
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  if (connect(mnl_socket_get_fd(socket.get()), reinterpret_cast<const sockaddr*>(&kernel),
              sizeof(kernel)) != 0) {
    return ErrnoError(errno, "connecting a netlink socket to the kernel");
  }
  return socket;
}

absl::StatusOr<int> GetInt(int fd, int level, int name) {
  int value = 0;
  socklen_t size = sizeof(value);
  if (getsockopt(fd, level, name, &value, &size) != 0) return ErrnoError(errno, "getsockopt");
  return value;
}

absl::Status SetReceiveSpace(int fd, int bytes) {
  return SetBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, bytes, "SO_RCVBUF");
}

absl::Status SetSendSpace(int fd, int bytes) {
  return SetBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, bytes, "SO_SNDBUF");
}

absl::Status SetFilter(int fd, std::span<const BpfInstruction> program) {
  static_assert(sizeof(BpfInstruction) == sizeof(sock_filter));
  if (program.empty() || program.size() > BPF_MAXINSNS) {
    return ErrnoError(EINVAL, "SO_ATTACH_FILTER", "a program has 1 to 4096 instructions");
  }
  // sock_fprog needs a pointer to non-const.
  std::vector<sock_filter> copy(program.size());
  std::memcpy(copy.data(), program.data(), program.size_bytes());
  const sock_fprog filter{static_cast<uint16_t>(copy.size()), copy.data()};
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) == 0) {
    return absl::OkStatus();
  }
  return ErrnoError(errno, "SO_ATTACH_FILTER");
}

}  // namespace netdiag::netlink
