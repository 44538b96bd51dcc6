// Tested by tests/socket/tipc_socket_test.cc, which reads every attribute in three sizes.

#include "netdiag/socket/tipc_socket.h"

#include <utility>

#include "netdiag/netlink/abi.h"

namespace netdiag {
namespace {

static_assert(TIPC_NLA_SOCK_MAX + 1 == TipcSocket::kAttributeTypes);

// Attributes that are nested once more.
using Connection = AttrIndex<TIPC_NLA_CON_MAX + 1>;
using Statistics = AttrIndex<TIPC_NLA_SOCK_STAT_MAX + 1>;
using GroupIndex = AttrIndex<TIPC_NLA_SOCK_GROUP_MAX + 1>;

// Source: TIPC_CLUSTER_SCOPE, TIPC_NODE_SCOPE, include/uapi/linux/tipc.h.
constexpr uint8_t kClusterScope = 2;
constexpr uint8_t kNodeScope = 3;

// The kernel's number as an enumerator of one byte; 0 if it does not fit.
uint8_t ByteOf(std::optional<uint32_t> number) {
  return number && *number <= UINT8_MAX ? static_cast<uint8_t>(*number) : 0;
}

}  // namespace

std::optional<TipcSocket::Checked> TipcSocket::Checked::Check(Bytes payload) {
  netlink::AttrCursor cursor(payload);
  for (netlink::Attr attribute; cursor.Next(&attribute);) {
    if (attribute.type() == TIPC_NLA_SOCK) return Checked(attribute.payload());
  }
  return std::nullopt;
}

std::optional<TipcSocket> TipcSocket::Parse(Bytes payload) {
  const std::optional<Checked> checked = Checked::Check(payload);
  return checked ? std::optional<TipcSocket>(std::in_place, *checked) : std::nullopt;
}

SocketType TipcSocket::type() const {
  return static_cast<SocketType>(ByteOf(index_.Get<uint32_t>(TIPC_NLA_SOCK_TYPE)));
}
State TipcSocket::state() const {
  const std::optional<uint32_t> state = index_.Get<uint32_t>(TIPC_NLA_SOCK_TIPC_STATE);
  return state ? static_cast<State>(ByteOf(state)) : State::kClose;
}
Inode TipcSocket::inode() const { return index_.GetId<Inode>(TIPC_NLA_SOCK_INO).value_or(Inode()); }
Cookie TipcSocket::cookie() const {
  return index_.GetId<Cookie>(TIPC_NLA_SOCK_COOKIE).value_or(Cookie());
}
std::optional<Uid> TipcSocket::uid() const { return index_.GetId<Uid>(TIPC_NLA_SOCK_UID); }

std::optional<uint32_t> TipcSocket::node() const {
  return index_.Get<uint32_t>(TIPC_NLA_SOCK_ADDR);
}
std::optional<uint32_t> TipcSocket::reference() const {
  return index_.Get<uint32_t>(TIPC_NLA_SOCK_REF);
}
std::optional<uint32_t> TipcSocket::remote_node() const {
  return Connection(index_[TIPC_NLA_SOCK_CON]).Get<uint32_t>(TIPC_NLA_CON_NODE);
}
std::optional<uint32_t> TipcSocket::remote_reference() const {
  return Connection(index_[TIPC_NLA_SOCK_CON]).Get<uint32_t>(TIPC_NLA_CON_SOCK);
}
std::optional<TipcSocket::Service> TipcSocket::service() const {
  const Connection connection(index_[TIPC_NLA_SOCK_CON]);
  const std::optional<uint32_t> type = connection.Get<uint32_t>(TIPC_NLA_CON_TYPE);
  const std::optional<uint32_t> instance = connection.Get<uint32_t>(TIPC_NLA_CON_INST);
  if (!connection.has(TIPC_NLA_CON_FLAG) || !type || !instance) return std::nullopt;
  return Service{*type, *instance};
}
bool TipcSocket::published() const { return index_.has(TIPC_NLA_SOCK_HAS_PUBL); }

std::optional<uint32_t> TipcSocket::receive_queue() const {
  return Statistics(index_[TIPC_NLA_SOCK_STAT]).Get<uint32_t>(TIPC_NLA_SOCK_STAT_RCVQ);
}
std::optional<uint32_t> TipcSocket::send_queue() const {
  return Statistics(index_[TIPC_NLA_SOCK_STAT]).Get<uint32_t>(TIPC_NLA_SOCK_STAT_SENDQ);
}
std::optional<uint32_t> TipcSocket::drops() const {
  return Statistics(index_[TIPC_NLA_SOCK_STAT]).Get<uint32_t>(TIPC_NLA_SOCK_STAT_DROP);
}
std::optional<bool> TipcSocket::link_congested() const {
  if (!index_.has(TIPC_NLA_SOCK_STAT)) return std::nullopt;
  return Statistics(index_[TIPC_NLA_SOCK_STAT]).has(TIPC_NLA_SOCK_STAT_LINK_CONG);
}
std::optional<bool> TipcSocket::connection_congested() const {
  if (!index_.has(TIPC_NLA_SOCK_STAT)) return std::nullopt;
  return Statistics(index_[TIPC_NLA_SOCK_STAT]).has(TIPC_NLA_SOCK_STAT_CONN_CONG);
}

std::optional<TipcSocket::Group> TipcSocket::group() const {
  const GroupIndex group(index_[TIPC_NLA_SOCK_GROUP]);
  const std::optional<uint32_t> id = group.Get<uint32_t>(TIPC_NLA_SOCK_GROUP_ID);
  if (!id) return std::nullopt;
  const uint8_t scope = group.has(TIPC_NLA_SOCK_GROUP_NODE_SCOPE)      ? kNodeScope
                        : group.has(TIPC_NLA_SOCK_GROUP_CLUSTER_SCOPE) ? kClusterScope
                                                                       : uint8_t{0};
  return Group{*id, group.Get<uint32_t>(TIPC_NLA_SOCK_GROUP_INSTANCE).value_or(0),
               group.Get<uint32_t>(TIPC_NLA_SOCK_GROUP_BC_SEND_NEXT).value_or(0), scope,
               group.has(TIPC_NLA_SOCK_GROUP_OPEN)};
}

}  // namespace netdiag
