// Tested by tests/row_test.cc and by everything that reads rows.

#include "netdiag/row.h"

namespace netdiag {

std::optional<Row> Row::FromMessage(const netlink::Message& message, const Table& table,
                                    SourceKind source, const OwnerIndex* owners) {
  if (message.type() < netlink::kFirstType) return std::nullopt;
  const auto row_of = [&](const auto& socket) -> std::optional<Row> {
    if (!socket) return std::nullopt;
    std::optional<Row> row(Row(message, *socket, table, source));
    if (owners != nullptr) {
      row->owners_ = owners->Find(row->inode());
      row->no_owner_ = row->owners_.empty() ? owners->Reason(row->inode()) : NoOwner::kNone;
    }
    return row;
  };
  if (table.protocol == Protocol::kUnix) return row_of(UnixSocket::Parse(message.payload()));
  return row_of(InetSocket::Parse(message.payload()));
}

SocketType Row::type() const {
  if (unix_socket() != nullptr) return unix_socket()->type();
  return protocol() == Protocol::kTcp ? SocketType::kStream : SocketType::kDatagram;
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

uint32_t Row::receive_queue() const {
  return inet() != nullptr ? inet()->receive_queue() : unix_socket()->receive_queue().value_or(0);
}
uint32_t Row::send_queue() const {
  return inet() != nullptr ? inet()->send_queue() : unix_socket()->send_queue().value_or(0);
}

Row Row::Over(Bytes message, const Table& table) const {
  const netlink::Message copy(*netlink::Load<netlink::Header>(message), message);
  Row row = *FromMessage(copy, table, source_, nullptr);
  row.owners_ = owners_;
  row.no_owner_ = no_owner_;
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
