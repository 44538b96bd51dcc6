// Tested by tests/row_test.cc and by everything that reads rows.

#include "netdiag/row.h"

namespace netdiag {

std::optional<Row> Row::FromMessage(const netlink::Message& message, const Table& table,
                                    SourceKind source, const RowJoins& joins) {
  if (message.type() < netlink::kFirstType) return std::nullopt;
  const auto row_of = [&](const auto& socket) -> std::optional<Row> {
    if (!socket) return std::nullopt;
    std::optional<Row> row(Row(message, *socket, table, source));
    row->joins_ = joins;
    if (joins.owners != nullptr) {
      row->owners_ = joins.owners->Find(row->inode());
      row->no_owner_ = row->owners_.empty() ? joins.owners->Reason(row->inode()) : NoOwner::kNone;
    }
    return row;
  };
  if (table.protocol == Protocol::kUnix) return row_of(UnixSocket::Parse(message.payload()));
  return row_of(InetSocket::Parse(message.payload()));
}

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

}  // namespace netdiag
