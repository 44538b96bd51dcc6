// Tested by tests/row_test.cc.

#include "netdiag/row.h"

#include "netdiag/dump/unix_index.h"
#include "netdiag/process/owner_index.h"
#include "netdiag/process/program.h"

namespace netdiag {

Owners Row::FindOwners() const {
  return owner_index_ != nullptr ? owner_index_->Find(inode()) : Owners();
}

std::optional<UnixSocket> Row::peer() const {
  const UnixSocket* socket = unix_socket();
  if (socket == nullptr || unix_sockets_ == nullptr) return std::nullopt;
  const std::optional<Inode> inode = socket->peer();
  return inode ? unix_sockets_->Find(*inode) : std::nullopt;
}

Owners Row::peer_owners() const {
  const UnixSocket* socket = unix_socket();
  if (socket == nullptr || unix_sockets_ == nullptr || owner_index_ == nullptr) return {};
  return owner_index_->Find(socket->peer().value_or(Inode()));
}

const Program* Row::ProgramOf(const Owner& owner) const {
  return programs_ != nullptr ? programs_->Of(owner) : nullptr;
}

SocketType Row::type() const {
  switch (protocol()) {
    case Protocol::kUnix:
      return unix_socket()->type();
    case Protocol::kPacket:
      return packet_socket()->type();
    case Protocol::kNetlink:
      return netlink_socket()->type();
    case Protocol::kTcp:
    case Protocol::kMptcp:
      return SocketType::kStream;
    case Protocol::kRaw:
      return SocketType::kRaw;
    default:
      return SocketType::kDatagram;
  }
}

Cookie Row::cookie() const {
  return std::visit([](const auto& socket) { return socket.cookie(); }, socket_);
}
std::optional<Uid> Row::uid() const {
  return std::visit([](const auto& socket) -> std::optional<Uid> { return socket.uid(); }, socket_);
}
std::optional<SocketMemory> Row::memory() const {
  return std::visit([](const auto& socket) { return socket.memory(); }, socket_);
}
std::optional<Shutdown> Row::shutdown() const {
  return std::visit([](const auto& socket) { return socket.shutdown(); }, socket_);
}

std::optional<TcpInfo> Row::tcp_info() const {
  return protocol() == Protocol::kTcp ? inet()->tcp_info() : std::nullopt;
}
std::optional<MptcpInfo> Row::mptcp_info() const {
  return protocol() == Protocol::kMptcp ? inet()->mptcp_info() : std::nullopt;
}

uint32_t Row::receive_queue() const {
  return std::visit(
      [](const auto& socket) { return std::optional(socket.receive_queue()).value_or(0); },
      socket_);
}
uint32_t Row::send_queue() const {
  const uint32_t queue = std::visit(
      [](const auto& socket) { return std::optional(socket.send_queue()).value_or(0); }, socket_);
  // An event of UDP has -1: the kernel subtracts a reference that the socket has given up already.
  // Source: sk_wmem_alloc_get(), sk_free().
  return source_ == SourceKind::kEvent && queue == UINT32_MAX ? 0 : queue;
}

void Row::VisitUnknown(absl::FunctionRef<void(uint16_t type, Bytes payload)> visitor) const {
  if (unknown_attributes() == 0) return;
  std::visit(
      [&](const auto& socket) {
        netlink::AttrCursor cursor(socket.attributes());
        for (netlink::Attr attribute; cursor.Next(&attribute);) {
          if (attribute.type() >= socket.kAttributeTypes) {
            visitor(attribute.type(), attribute.payload());
          }
        }
      },
      socket_);
}

}  // namespace netdiag
