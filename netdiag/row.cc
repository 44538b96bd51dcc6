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

}  // namespace netdiag
