// Tested by tests/row_test.cc.

#include "netdiag/row.h"

#include <cstdint>
#include <iterator>

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
    case Protocol::kVsock:
      return vsock_socket()->type();
    case Protocol::kTipc:
      return tipc_socket()->type();
    case Protocol::kXdp:
      return xdp_socket()->type();
    case Protocol::kTcp:
    case Protocol::kMptcp:
    case Protocol::kSmc:
      return SocketType::kStream;
    case Protocol::kRaw:
      return SocketType::kRaw;
    case Protocol::kDccp:
      return SocketType::kDccp;
    case Protocol::kSctp:
      return SocketType::kUnknown;
    default:
      return SocketType::kDatagram;
  }
}

namespace {

// Source: enum sctp_state, include/net/sctp/constants.h.
State StateOfAssociation(uint8_t number) {
  static constexpr State kStates[] = {State::kClose,
                                      State::kCookieWait,
                                      State::kCookieEchoed,
                                      State::kEstablished,
                                      State::kShutdownPending,
                                      State::kShutdownSent,
                                      State::kShutdownReceived,
                                      State::kShutdownAckSent};
  return number < std::size(kStates) ? kStates[number] : State();
}

// The kernel numbers these two states behind TCP's, which are one more from 6.8 on: part-open is 13
// or 14, and passive-closereq one more. In passive-closereq, the peer has ended its data
// (dccp_rcv_closereq()). Source: enum dccp_state, include/linux/dccp.h.
State StateOfDccp(const InetSocket& socket) {
  const auto number = static_cast<uint8_t>(socket.state());
  if (number < kStateCount - 1) return socket.state();
  const bool ended = socket.shutdown().value_or(Shutdown()).receive;
  if (number == kStateCount) return ended ? State::kPassiveCloseRequest : State::kPartOpen;
  if (number == kStateCount - 1) return State::kPartOpen;
  return number == kStateCount + 1 ? State::kPassiveCloseRequest : State();
}

}  // namespace

State Row::OwnState() const {
  const InetSocket& socket = *inet();
  if (protocol() == Protocol::kDccp) return StateOfDccp(socket);
  return socket.is_association() ? StateOfAssociation(static_cast<uint8_t>(socket.state()))
                                 : socket.state();
}

Timer Row::timer() const {
  const InetSocket* const socket = inet();
  if (socket == nullptr) return Timer::kOff;
  // SCTP reports T3-rtx only, by the number of an event (SCTP_EVENT_TIMEOUT_T3_RTX).
  const bool running = socket->timer() != Timer::kOff;
  return running && protocol() == Protocol::kSctp ? Timer::kT3Retransmit : socket->timer();
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
std::optional<SctpInfo> Row::sctp_info() const {
  return protocol() == Protocol::kSctp ? inet()->sctp_info() : std::nullopt;
}
std::optional<DccpInfo> Row::dccp_info() const {
  return protocol() == Protocol::kDccp ? inet()->dccp_info() : std::nullopt;
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
