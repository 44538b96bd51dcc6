// netdiag/row.h — one socket with all that is known of it: the message, its table, who holds it.
//
// A Row is a view.
//
// Lifetime: in a visitor, until the visitor returns; from a Snapshot, as long as the Snapshot.
// Threads: values.
// Cost: reading a field reads the message.

#ifndef NETDIAG_ROW_H_
#define NETDIAG_ROW_H_

#include <cstdint>
#include <optional>
#include <variant>

#include "absl/base/attributes.h"
#include "absl/functional/function_ref.h"

#include "netdiag/dump/table.h"
#include "netdiag/dump/unix_index.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/process/cgroup.h"
#include "netdiag/process/owner.h"
#include "netdiag/socket/socket.h"
#include "netdiag/types/types.h"

namespace netdiag {

// What rows are joined with. Borrowed.
struct RowJoins {
  const OwnerIndex* owners = nullptr;
  const internal::UnixIndex* unix_sockets = nullptr;  // where the other ends are looked up
};

class Row {
  // Of a constructor that only Row's own functions may call, though std::optional must reach it.
  class Key {
    friend Row;
    Key() = default;
  };

 public:
  // The row that `message` is in `table`; nullopt: not a socket message, or too short for one.
  // What it is joined with must outlive the row; so must `table`.
  [[nodiscard]] static std::optional<Row> FromMessage(const netlink::Message& message,
                                                      const Table& table, SourceKind source,
                                                      const RowJoins& joins = {});

  // For FromMessage().
  template <class View>
  Row(Key, std::in_place_type_t<View> view, const typename View::Checked& payload,
      const netlink::Message& message, const Table& table, SourceKind source, const RowJoins& joins)
      : message_(message), socket_(view, payload), table_(&table), source_(source), joins_(joins) {
    if (joins.owners != nullptr) FindOwners();
  }

  // One of these is set.
  const InetSocket* inet() const ABSL_ATTRIBUTE_LIFETIME_BOUND {
    return std::get_if<InetSocket>(&socket_);
  }
  const UnixSocket* unix_socket() const ABSL_ATTRIBUTE_LIFETIME_BOUND {
    return std::get_if<UnixSocket>(&socket_);
  }
  const PacketSocket* packet_socket() const ABSL_ATTRIBUTE_LIFETIME_BOUND {
    return std::get_if<PacketSocket>(&socket_);
  }
  const NetlinkSocket* netlink_socket() const ABSL_ATTRIBUTE_LIFETIME_BOUND {
    return std::get_if<NetlinkSocket>(&socket_);
  }
  const Socket& socket() const ABSL_ATTRIBUTE_LIFETIME_BOUND { return socket_; }

  // What every socket has.
  const Table& table() const { return *table_; }
  Protocol protocol() const { return table_->protocol; }
  SourceKind source() const { return source_; }
  Family family() const {
    const InetSocket* const socket = inet();
    return socket != nullptr            ? socket->family()
           : unix_socket() != nullptr   ? Family::kUnix
           : packet_socket() != nullptr ? Family::kPacket
                                        : Family::kNetlink;
  }
  SocketType type() const;
  State state() const {
    return std::visit([](const auto& socket) { return socket.state(); }, socket_);
  }
  Inode inode() const {
    return std::visit([](const auto& socket) { return socket.inode(); }, socket_);
  }
  Cookie cookie() const;  // 0: the source does not know it (procfs)
  std::optional<Uid> uid() const;
  std::optional<SocketMemory> memory() const;
  std::optional<Shutdown> shutdown() const;
  // What tells the connection's health: of TCP, and of MPTCP as a whole.
  std::optional<TcpInfo> tcp_info() const;
  std::optional<MptcpInfo> mptcp_info() const;
  uint32_t receive_queue() const;
  uint32_t send_queue() const;
  uint16_t unknown_attributes() const {
    return std::visit([](const auto& socket) { return socket.unknown_attributes(); }, socket_);
  }
  bool malformed() const {
    return std::visit([](const auto& socket) { return socket.malformed(); }, socket_);
  }

  // Every descriptor that holds the socket, and why there is none.
  Owners owners() const { return is_copy_ && joins_.owners != nullptr ? OwnersNow() : owners_; }
  NoOwner no_owner() const { return no_owner_; }
  // The socket at the other end of a unix socket, and who holds it. Query::peers. Nothing: it is
  // not connected, or its other end is in a namespace that was not asked, or waits for accept().
  std::optional<UnixSocket> peer() const;
  Owners peer_owners() const;

  // Where the socket was made, or, where the kernel does not tell that (unix sockets), where its
  // first owner is. Null: not known, or not asked for (Query::cgroups).
  const Cgroup* cgroup() const { return cgroup_; }
  // `cgroup` must outlive the row.
  void Join(const Cgroup* cgroup) { cgroup_ = cgroup; }
  // The message that the row is a view of.
  const netlink::Message& message() const ABSL_ATTRIBUTE_LIFETIME_BOUND { return message_; }
  // The same row over a copy of its message and its table, which must outlive it, and so must what
  // it is joined with (Query::keep_joins). REQUIRES: `message` has the bytes of message().whole().
  Row Over(Bytes message, const Table& table) const;
  // Every attribute that is newer than this library, as it came.
  void VisitUnknown(absl::FunctionRef<void(uint16_t type, Bytes payload)> visitor) const;

 private:
  void FindOwners();
  Owners OwnersNow() const;

  netlink::Message message_;
  Socket socket_;
  const Table* table_;
  SourceKind source_;
  bool is_copy_ = false;  // the index may have grown since
  NoOwner no_owner_ = NoOwner::kNotAsked;
  Owners owners_;
  RowJoins joins_;
  const Cgroup* cgroup_ = nullptr;
};

}  // namespace netdiag

#endif  // NETDIAG_ROW_H_
