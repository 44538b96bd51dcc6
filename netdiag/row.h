// SPDX-License-Identifier: Apache-2.0
//
// netdiag/row.h — one socket: its attributes, its table, and the processes that hold it.
//
// A Row is a view of one netlink message and of the owners and cgroup that the Engine found for it.
//
// Lifetime: in a visitor, until the visitor returns. From a Snapshot, as long as the Snapshot.
// Threads: a value; const methods may run concurrently. ProgramOf() may do so only for rows of a
// Snapshot.
// Cost: no allocation. Each accessor decodes its field from the message.

#ifndef NETDIAG_ROW_H_
#define NETDIAG_ROW_H_

#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>

#include "absl/base/attributes.h"
#include "absl/functional/function_ref.h"

#include "netdiag/dump/table.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/process/owner.h"
#include "netdiag/socket/socket.h"
#include "netdiag/types/types.h"

namespace netdiag {

class OwnerIndex;  // process/owner_index.h
class Programs;    // process/program.h
struct Cgroup;     // process/cgroup.h
struct Program;    // process/program.h
namespace internal {
class RowMaker;
class UnixIndex;
}  // namespace internal

class Row {
 public:
  // The socket's attributes. Exactly one of these eight is not null.
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
  const VsockSocket* vsock_socket() const ABSL_ATTRIBUTE_LIFETIME_BOUND {
    return std::get_if<VsockSocket>(&socket_);
  }
  const TipcSocket* tipc_socket() const ABSL_ATTRIBUTE_LIFETIME_BOUND {
    return std::get_if<TipcSocket>(&socket_);
  }
  const XdpSocket* xdp_socket() const ABSL_ATTRIBUTE_LIFETIME_BOUND {
    return std::get_if<XdpSocket>(&socket_);
  }
  const SmcSocket* smc_socket() const ABSL_ATTRIBUTE_LIFETIME_BOUND {
    return std::get_if<SmcSocket>(&socket_);
  }
  const Socket& socket() const ABSL_ATTRIBUTE_LIFETIME_BOUND { return socket_; }

  // The table that the row came from, and how it was read.
  const Table& table() const { return *table_; }
  Protocol protocol() const { return table_->protocol; }
  SourceKind source() const { return source_; }

  // Attributes that sockets of every family have.
  Family family() const {
    // By the place of the view in Socket.
    static constexpr std::array<Family, std::variant_size_v<Socket>> kFamilies = {
        Family::kInet,  Family::kUnix, Family::kPacket, Family::kNetlink,
        Family::kVsock, Family::kTipc, Family::kXdp,    Family::kSmc};
    const InetSocket* const socket = inet();
    return socket != nullptr ? socket->family() : kFamilies[socket_.index()];
  }
  SocketType type() const;  // kUnknown for SCTP, which tells it in sctp_info only
  State state() const {
    const bool own = protocol() == Protocol::kSctp || protocol() == Protocol::kDccp;
    return own ? OwnState()
               : std::visit([](const auto& socket) { return socket.state(); }, socket_);
  }
  Inode inode() const {
    return std::visit([](const auto& socket) { return socket.inode(); }, socket_);
  }
  Cookie cookie() const;           // 0 if the row came from /proc/net, which has no cookies
  std::optional<Uid> uid() const;  // netlink and vsock sockets: the kernel does not tell it
  std::optional<SocketMemory> memory() const;
  std::optional<Shutdown> shutdown() const;
  // 0 if the kernel does not tell it: the queues of vsock and SMC sockets, and the send queues of
  // packet and XDP sockets. Those of TIPC sockets are in messages.
  uint32_t receive_queue() const;
  uint32_t send_queue() const;  // see InetSocket; an event of a reset connection has no such queue

  // The timer of an inet socket, or of an SCTP association; kOff for other sockets.
  Timer timer() const;
  // True if the row is an association of SCTP. It comes behind the row of its endpoint, which is
  // the socket and has the same inode and cookie. Endpoints of one peer have one association;
  // one-to-many endpoints have any number.
  bool is_association() const { return protocol() == Protocol::kSctp && inet()->is_association(); }

  // The health of a TCP connection, of an MPTCP connection as a whole, of an SCTP association, or
  // of a DCCP socket.
  std::optional<TcpInfo> tcp_info() const;
  std::optional<MptcpInfo> mptcp_info() const;
  std::optional<SctpInfo> sctp_info() const;
  std::optional<DccpInfo> dccp_info() const;

  // The descriptors that hold the socket (Query::owners), and why there are none.
  Owners owners() const { return is_copy_ ? FindOwners() : owners_; }
  NoOwner no_owner() const { return no_owner_; }

  // The socket at the other end of a unix socket, and its owners (Query::peers). Empty if the
  // socket is not connected, or if its other end waits for accept() or is in a namespace that was
  // not read.
  std::optional<UnixSocket> peer() const;
  Owners peer_owners() const;

  // The cgroup in which the socket was created. If the kernel does not report that (unix sockets),
  // the cgroup of the first owner. Where cgroups of version 1 are in use, the container, pod and
  // unit can be those of the first owner (Cgroups::FindHeldBy()). Null if unknown or not asked for
  // (Query::cgroups).
  const Cgroup* cgroup() const { return cgroup_; }

  // The program that the process of an owner runs; `owner` is one of owners() or peer_owners(). It
  // is read from /proc at the first call for the process. Null if it is not known or not asked for
  // (Query::programs). Valid as long as cgroup().
  const Program* ProgramOf(const Owner& owner) const;

  // The message that the row is a view of.
  const netlink::Message& message() const ABSL_ATTRIBUTE_LIFETIME_BOUND { return message_; }
  // True if the attributes end in damage. The attributes before the damage are valid.
  bool malformed() const {
    return std::visit([](const auto& socket) { return socket.malformed(); }, socket_);
  }
  // The number of attributes that are newer than this library. VisitUnknown() passes each of them
  // to `visitor`, undecoded.
  uint16_t unknown_attributes() const {
    return std::visit([](const auto& socket) { return socket.unknown_attributes(); }, socket_);
  }
  void VisitUnknown(absl::FunctionRef<void(uint16_t type, Bytes payload)> visitor) const;

 private:
  friend class internal::RowMaker;

  template <class View>
  Row(std::in_place_type_t<View> view, const typename View::Checked& payload,
      const netlink::Message& message, const Table& table, SourceKind source)
      : message_(message), socket_(view, payload), table_(&table), source_(source) {}
  Owners FindOwners() const;
  State OwnState() const;

  netlink::Message message_;
  Socket socket_;
  const Table* table_;
  SourceKind source_;
  // True if owners() searches the index at each call. `owners_` would dangle once the index
  // changes.
  bool is_copy_ = false;
  NoOwner no_owner_ = NoOwner::kNotAsked;
  Owners owners_;
  const OwnerIndex* owner_index_ = nullptr;            // null: owners were not asked for
  const internal::UnixIndex* unix_sockets_ = nullptr;  // null: peers were not asked for
  const Cgroup* cgroup_ = nullptr;
  Programs* programs_ = nullptr;  // null: not asked for
};

}  // namespace netdiag

#endif  // NETDIAG_ROW_H_
