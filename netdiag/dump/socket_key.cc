// Tested by tests/dump/tears_test.cc.

#include "netdiag/dump/socket_key.h"

#include <cstddef>
#include <optional>

#include "netdiag/netlink/abi.h"
#include "netdiag/socket/socket.h"

namespace netdiag::internal {

using netlink::Load;

SocketKey SocketKey::Of(const netlink::Message& message, Protocol protocol) {
  if (message.type() < netlink::kFirstType) return {};
  const Bytes row = message.payload();
  switch (protocol) {
    case Protocol::kUnix: {
      const auto first = Load<netlink::AttrHeader>(row, sizeof(unix_diag_msg));
      const bool named = first && first->type == UNIX_DIAG_NAME;
      return {Load<uint64_t>(row, offsetof(unix_diag_msg, udiag_cookie)).value_or(0), named};
    }
    case Protocol::kPacket:
      return {Load<uint64_t>(row, offsetof(packet_diag_msg, pdiag_cookie)).value_or(0), false};
    case Protocol::kNetlink:
      return {Load<uint64_t>(row, offsetof(netlink_diag_msg, ndiag_cookie)).value_or(0), false};
    case Protocol::kVsock: {
      const bool bound = Load<uint32_t>(row, offsetof(vsock_diag_msg, vdiag_src_port)) != ~0u;
      return {Load<uint64_t>(row, offsetof(vsock_diag_msg, vdiag_cookie)).value_or(0), bound};
    }
    case Protocol::kTipc: {
      const std::optional<TipcSocket> socket = TipcSocket::Parse(row);
      return {socket ? socket->cookie().value() : 0, false};
    }
    case Protocol::kXdp:
      return {Load<uint64_t>(row, offsetof(xdp_diag_msg, xdiag_cookie)).value_or(0), false};
    case Protocol::kSmc:
      return {Load<uint64_t>(row, offsetof(smc_diag_msg, id.idiag_cookie)).value_or(0), false};
    case Protocol::kMptcp:
      return {};
    default:
      return {Load<uint64_t>(row, offsetof(inet_diag_msg, id.idiag_cookie)).value_or(0), false};
  }
}

}  // namespace netdiag::internal
