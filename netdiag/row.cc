// Tested by tests/row_test.cc and by everything that reads rows.

#include "netdiag/row.h"

#include "netdiag/process/owner_index.h"

namespace netdiag {

std::optional<Row> Row::FromMessage(const netlink::Message& message, const Table& table,
                                    SourceKind source, const RowJoins& joins) {
  if (message.type() < netlink::kFirstType) return std::nullopt;
  // Made where it is returned: a row is some 200 bytes, and comes a hundred thousand times.
  const auto row_of = [&]<class View>(std::in_place_type_t<View> view) -> std::optional<Row> {
    const auto checked = View::Checked::Check(message.payload());
    if (!checked) return std::nullopt;
    return std::optional<Row>(std::in_place, Key(), view, *checked, message, table, source, joins);
  };
  switch (table.protocol) {
    case Protocol::kUnix:
      return row_of(std::in_place_type<UnixSocket>);
    case Protocol::kPacket:
      return row_of(std::in_place_type<PacketSocket>);
    case Protocol::kNetlink:
      return row_of(std::in_place_type<NetlinkSocket>);
    default:
      return row_of(std::in_place_type<InetSocket>);
  }
}

void Row::FindOwners() {
  owners_ = joins_.owners->Find(inode());
  no_owner_ = owners_.empty() ? joins_.owners->Reason(inode()) : NoOwner::kNone;
}

Owners Row::OwnersNow() const { return joins_.owners->Find(inode()); }

std::optional<UnixSocket> Row::peer() const {
  const UnixSocket* socket = unix_socket();
  if (socket == nullptr || joins_.unix_sockets == nullptr) return std::nullopt;
  const std::optional<Inode> inode = socket->peer();
  return inode ? joins_.unix_sockets->Find(*inode) : std::nullopt;
}

Owners Row::peer_owners() const {
  const UnixSocket* socket = unix_socket();
  if (socket == nullptr || joins_.unix_sockets == nullptr || joins_.owners == nullptr) return {};
  return joins_.owners->Find(socket->peer().value_or(Inode()));
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
  return std::visit(
      [](const auto& socket) { return std::optional(socket.send_queue()).value_or(0); }, socket_);
}

Row Row::Over(Bytes message, const Table& table) const {
  const netlink::Message copy(*netlink::Load<netlink::Header>(message), message);
  Row row = *FromMessage(copy, table, source_, RowJoins());
  row.joins_ = joins_;
  row.is_copy_ = true;
  row.no_owner_ = no_owner_;
  row.cgroup_ = cgroup_;
  return row;
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
