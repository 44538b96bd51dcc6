// Tested by tests/row_test.cc.

#include "netdiag/engine/row_maker.h"

#include <utility>

#include "netdiag/socket/socket.h"

namespace netdiag::internal {

template <class View>
std::optional<Row> RowMaker::Make(const netlink::Message& message, const Table& table,
                                  SourceKind source, const RowJoins& joins) {
  // Constructs the row inside the result: Row's constructor is private, and a row of some 200 bytes
  // is made a hundred thousand times in one query.
  struct InPlace {
    const typename View::Checked& payload;
    const netlink::Message& message;
    const Table& table;
    SourceKind source;
    operator Row() const {  // NOLINT(google-explicit-constructor): optional converts it
      return Row(std::in_place_type<View>, payload, message, table, source);
    }
  };
  const auto payload = View::Checked::Check(message.payload());
  if (!payload) return std::nullopt;
  std::optional<Row> row(std::in_place, InPlace{*payload, message, table, source});
  if (source == SourceKind::kStream) return row;  // its host is not known
  row->owner_index_ = joins.owners;
  row->unix_sockets_ = joins.unix_sockets;
  if (joins.owners != nullptr) {
    const Inode inode = row->inode();
    row->owners_ = joins.owners->Find(inode);
    row->no_owner_ = row->owners_.empty() ? joins.owners->Reason(inode) : NoOwner::kNone;
  }
  return row;
}

std::optional<Row> RowMaker::FromMessage(const netlink::Message& message, const Table& table,
                                         SourceKind source, const RowJoins& joins) {
  if (message.type() < netlink::kFirstType) return std::nullopt;
  switch (table.protocol) {
    case Protocol::kUnix:
      return Make<UnixSocket>(message, table, source, joins);
    case Protocol::kPacket:
      return Make<PacketSocket>(message, table, source, joins);
    case Protocol::kNetlink:
      return Make<NetlinkSocket>(message, table, source, joins);
    case Protocol::kVsock:
      return Make<VsockSocket>(message, table, source, joins);
    case Protocol::kTipc:
      return Make<TipcSocket>(message, table, source, joins);
    case Protocol::kXdp:
      return Make<XdpSocket>(message, table, source, joins);
    case Protocol::kSmc:
      return Make<SmcSocket>(message, table, source, joins);
    default:
      return Make<InetSocket>(message, table, source, joins);
  }
}

Row RowMaker::CopyOver(const Row& row, Bytes message, const Table& table) {
  const netlink::Message copied(*netlink::Load<netlink::Header>(message), message);
  Row copy = *FromMessage(copied, table, row.source_);
  copy.is_copy_ = true;
  copy.no_owner_ = row.no_owner_;
  copy.owner_index_ = row.owner_index_;
  copy.unix_sockets_ = row.unix_sockets_;
  copy.cgroup_ = row.cgroup_;
  copy.programs_ = row.programs_;
  return copy;
}

}  // namespace netdiag::internal
