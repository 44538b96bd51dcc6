// Tested by tests/dump/tears_test.cc.

#include "netdiag/dump/socket_key.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/hash/hash.h"

#include "netdiag/netlink/abi.h"
#include "netdiag/socket/socket.h"

namespace netdiag::internal {

namespace {

using netlink::Load;

bool HasAttribute(Bytes attributes, uint16_t type) {
  netlink::AttrCursor cursor(attributes);
  for (netlink::Attr attribute; cursor.Next(&attribute);) {
    if (attribute.type() == type) return true;
  }
  return false;
}

// No cookie has the highest two bits: they count from 1.
uint64_t KeyOfAssociation(const inet_diag_sockid& id) {
  constexpr uint64_t kLow = (uint64_t{1} << 62) - 1;
  const std::string_view bytes(reinterpret_cast<const char*>(&id), sizeof(id));
  return (absl::HashOf(bytes) & kLow) | uint64_t{1} << 62;
}

}  // namespace

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
    case Protocol::kSctp: {
      const auto socket = Load<inet_diag_msg>(row);
      if (!socket) return {};
      if (HasAttribute(row.subspan(sizeof(*socket)), INET_DIAG_PEERS)) {
        return {KeyOfAssociation(socket->id), false};
      }
      return {Load<uint64_t>(row, offsetof(inet_diag_msg, id.idiag_cookie)).value_or(0), false};
    }
    default:
      return {Load<uint64_t>(row, offsetof(inet_diag_msg, id.idiag_cookie)).value_or(0), false};
  }
}

}  // namespace netdiag::internal
