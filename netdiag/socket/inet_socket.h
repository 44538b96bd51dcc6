// SPDX-License-Identifier: Apache-2.0
//
// netdiag/socket/inet_socket.h — one IPv4 or IPv6 socket: a view of an inet_diag message.
//
//   if (std::optional<InetSocket> socket = InetSocket::Parse(message.payload())) {
//     Use(socket->local(), socket->state());
//     if (const auto info = socket->tcp_info()) Use((*info)[TcpInfo::Field("rtt")]);   // µs
//   }
//
// Lifetime, threads, errors: message_view.h.
// Source: inet_sk_diag_fill(), net/ipv4/inet_diag.c.

#ifndef NETDIAG_SOCKET_INET_SOCKET_H_
#define NETDIAG_SOCKET_INET_SOCKET_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "netdiag/netlink/wire.h"
#include "netdiag/socket/message_view.h"
#include "netdiag/socket/structs.h"
#include "netdiag/socket/ulp.h"
#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace netdiag {

// The timer of a TCP socket that runs now. Source: idiag_timer.
enum class Timer : uint8_t {
  kOff = 0,
  kOn = 1,
  kKeepalive = 2,
  kTimeWait = 3,
  kPersist = 4,
  kDelayedAck = 5,
  // Of an SCTP association. The number is this library's: the kernel's is that of kPersist.
  kT3Retransmit = 255,
};
// All of them, in order of value.
inline constexpr Timer kTimers[] = {Timer::kOff,         Timer::kOn,      Timer::kKeepalive,
                                    Timer::kTimeWait,    Timer::kPersist, Timer::kDelayedAck,
                                    Timer::kT3Retransmit};
// The names that ss prints: "off", "on", "keepalive", "timewait", "persist", "delack", "T3_RTX";
// "unknown" for other values.
std::string_view Name(Timer timer);

// Bits of INET_DIAG_SOCKOPT (5.10): the options that are set on the socket.
enum class SocketOption : uint8_t {
  kRecvErr = 0,
  kIsIcsk = 1,  // connection oriented
  kFreebind = 2,
  kHdrIncl = 3,
  kMulticastLoop = 4,
  kTransparent = 5,
  kMulticastAll = 6,
  kNoDefrag = 7,
  kBindAddressNoPort = 8,
  kRecvErrRfc4884 = 9,
  kDeferConnect = 10,
};

inline constexpr uint64_t kSocketOptionBits =
    (uint64_t{2} << static_cast<uint64_t>(SocketOption::kDeferConnect)) - 1;
// The set in the two bytes of struct inet_diag_sockopt. Its bit-fields have the order above,
// starting at the low end; compilers for big-endian machines start at the high end.
constexpr Set<SocketOption> SocketOptions(uint16_t raw) {
  uint64_t bits = raw;
  if constexpr (std::endian::native == std::endian::big) {
    bits = 0;
    for (int i = 0; i < 16; ++i) bits |= uint64_t{(raw >> (15 - i)) & 1u} << i;
  }
  return Set<SocketOption>::FromBits(bits & kSocketOptionBits);
}

// A TCP-MD5 key (RFC 2385), which the kernel sends only to processes with CAP_NET_ADMIN. The key is
// secret: do not log it.
struct Md5Key {
  IpAddress address;
  uint8_t prefix_length = 0;
  Bytes key;
};

// What a BPF program keeps with the socket in a map of type BPF_MAP_TYPE_SK_STORAGE.
struct BpfStorage {
  uint32_t map_id = 0;
  Bytes value;  // in the form that the program gave it; the map's BTF describes it
};

// One of the addresses of an SCTP socket: a struct sockaddr_in or sockaddr_in6.
struct BoundAddress {
  Endpoint endpoint;
  IfIndex scope;  // the interface of a link-local IPv6 address; 0: none
  // nullopt if the bytes are too short for the family that they name, or if it is another family.
  static std::optional<BoundAddress> FromSockaddr(Bytes bytes);
  friend bool operator==(const BoundAddress&, const BoundAddress&) = default;
};
// The address of the primary path; nullopt for an endpoint.
std::optional<BoundAddress> SctpPrimaryAddress(const SctpInfo& info);

// Types of the attributes of inet_diag. Source: INET_DIAG_*, include/uapi/linux/inet_diag.h.
enum class InetAttribute : uint8_t {
  kMemory = 1,
  kInfo = 2,
  kVegas = 3,
  kCongestion = 4,
  kTos = 5,
  kTrafficClass = 6,
  kSocketMemory = 7,
  kShutdown = 8,
  kDctcp = 9,
  kProtocol = 10,
  kV6Only = 11,
  kLocals = 12,
  kPeers = 13,
  kMark = 15,
  kBbr = 16,
  kClassId = 17,
  kMd5Keys = 18,
  kUlp = 19,
  kBpfStorages = 20,
  kCgroup = 21,
  kOptions = 22,  // the highest type in 6.18
};

// An IPv4 or IPv6 socket: TCP, UDP, MPTCP, SCTP, raw, … The message does not contain the protocol;
// the Table has it. Source: struct inet_diag_msg.
class InetSocket : public MessageView<72, static_cast<size_t>(InetAttribute::kOptions) + 1> {
 public:
  using MessageView::MessageView;
  [[nodiscard]] static std::optional<InetSocket> Parse(Bytes payload) {
    return ParseAs<InetSocket>(payload);
  }

  Family family() const { return static_cast<Family>(At<uint8_t>(0)); }
  // As the kernel sent it. SCTP and DCCP number some states otherwise than TCP: Row::state().
  State state() const { return static_cast<State>(At<uint8_t>(1)); }
  // The local port of a raw socket is the protocol that it receives, that of a ping socket its
  // identifier.
  Port local_port() const { return Port::FromNetwork(At<uint16_t>(4)); }
  Port remote_port() const { return Port::FromNetwork(At<uint16_t>(6)); }
  // Of an SCTP association: the first local address, and that of the primary path.
  Endpoint local() const {
    return {is_association() ? AssociationLocal() : Address(8), local_port()};
  }
  Endpoint remote() const {
    return {is_association() ? AssociationRemote() : Address(24), remote_port()};
  }
  // The device that the socket is bound to; 0: none.
  IfIndex interface() const { return IfIndex(At<uint32_t>(40)); }
  Cookie cookie() const { return CookieAt(44); }
  // The timer, the time until it expires in ms, and how often it has expired in a row (retransmits,
  // or probes for keepalive and persist). SCTP has another timer (Row::timer()), and the number of
  // chunks that were sent again.
  Timer timer() const { return static_cast<Timer>(At<uint8_t>(2)); }
  uint32_t expires() const { return At<uint32_t>(52); }
  uint8_t retransmits() const { return At<uint8_t>(3); }
  // TCP: the bytes not yet read, and the bytes not yet acknowledged, sent or not. LISTEN: the
  // connections that wait for accept(), and the limit of the backlog; SCTP in any state of an
  // endpoint. DCCP: 0. Other protocols, and associations: the memory of both queues in bytes.
  uint32_t receive_queue() const { return At<uint32_t>(56); }
  uint32_t send_queue() const { return At<uint32_t>(60); }
  // The user who made the socket. Always 0 in TIME_WAIT and SYN_RECV.
  Uid uid() const { return Uid(At<uint32_t>(64)); }
  Inode inode() const { return Inode(At<uint32_t>(kInodeAt)); }
  // The inode in a payload without parsing the rest; nullopt if the payload is too short.
  static std::optional<Inode> PeekInode(Bytes payload) {
    const std::optional<uint32_t> inode = netlink::Load<uint32_t>(payload, kInodeAt);
    return inode ? std::optional(Inode(*inode)) : std::nullopt;
  }

  // Attributes. "(asked: X)" means that the kernel sends it only if the query's extensions include
  // X. (asked: kMemory)
  std::optional<InetMemory> inet_memory() const { return View<InetMemory>(A::kMemory); }
  // (asked: kInfo) One attribute for all; the Row's protocol decides which of them it is.
  std::optional<TcpInfo> tcp_info() const { return View<TcpInfo>(A::kInfo); }
  std::optional<MptcpInfo> mptcp_info() const { return View<MptcpInfo>(A::kInfo); }
  std::optional<SctpInfo> sctp_info() const { return View<SctpInfo>(A::kInfo); }
  std::optional<DccpInfo> dccp_info() const { return View<DccpInfo>(A::kInfo); }
  // (asked: kCongestionDetail)
  std::optional<VegasInfo> vegas() const { return View<VegasInfo>(A::kVegas); }
  std::optional<DctcpInfo> dctcp() const { return View<DctcpInfo>(A::kDctcp); }
  std::optional<BbrInfo> bbr() const { return View<BbrInfo>(A::kBbr); }
  // (asked: kCongestion); empty: not sent
  std::string_view congestion() const { return index().GetText(Type(A::kCongestion)); }
  // (asked: kTos)
  std::optional<uint8_t> tos() const { return Number<uint8_t>(A::kTos); }
  // (asked: kTrafficClass) IPv6
  std::optional<uint8_t> traffic_class() const { return Number<uint8_t>(A::kTrafficClass); }
  // (asked: kTrafficClass) class of net_cls, or the priority
  std::optional<uint32_t> class_id() const { return Number<uint32_t>(A::kClassId); }
  // (asked: kSocketMemory)
  std::optional<SocketMemory> memory() const { return View<SocketMemory>(A::kSocketMemory); }
  std::optional<Shutdown> shutdown() const {
    return Shutdown::FromMask(Number<uint8_t>(A::kShutdown));
  }
  // True for an association of SCTP, and false for an endpoint. Both have the endpoint's cookie and
  // inode. Only SCTP sends addresses of peers, and only for associations.
  bool is_association() const { return index().has(Type(A::kPeers)); }
  // The addresses of an SCTP endpoint or association, and those of an association's peer, counted
  // from 0. local_address(i) is nullopt if there are fewer, or if the kernel sent something else
  // than an IP address; local_addresses() is their number. 4.7
  size_t local_addresses() const { return CountOf(A::kLocals); }
  size_t peer_addresses() const { return CountOf(A::kPeers); }
  std::optional<BoundAddress> local_address(size_t i) const { return AddressOf(A::kLocals, i); }
  std::optional<BoundAddress> peer_address(size_t i) const { return AddressOf(A::kPeers, i); }
  // IPPROTO_*, for raw sockets only.
  std::optional<uint8_t> protocol() const { return Number<uint8_t>(A::kProtocol); }
  // For IPv6 sockets in LISTEN or CLOSE only.
  std::optional<bool> v6_only() const {
    const std::optional<uint8_t> value = Number<uint8_t>(A::kV6Only);
    if (!value) return std::nullopt;
    return *value != 0;
  }
  // 4.9. The kernel sends it only to processes with CAP_NET_ADMIN.
  std::optional<Mark> mark() const { return index().GetId<Mark>(Type(A::kMark)); }
  // 5.8
  std::optional<CgroupId> cgroup() const { return index().GetId<CgroupId>(Type(A::kCgroup)); }
  // 5.10
  std::optional<Set<SocketOption>> options() const {
    const std::optional<uint16_t> bits = Number<uint16_t>(A::kOptions);
    if (!bits) return std::nullopt;
    return SocketOptions(*bits);
  }
  std::optional<UlpInfo> ulp() const;  // (asked: kInfo)
  // The MD5 key number `i`, from 0; nullopt if there are fewer. (asked: kInfo, with CAP_NET_ADMIN)
  std::optional<Md5Key> md5_key(size_t i) const;
  // How many BPF maps have a value for the socket; absent if the kernel sent no list. 5.7, with
  // CAP_BPF. (asked: kBpfStorages)
  std::optional<size_t> bpf_storage_count() const;
  // The value number `i`, from 0; nullopt if there are fewer. (asked: kBpfStorages)
  std::optional<BpfStorage> bpf_storage(size_t i) const;

 private:
  static constexpr size_t kInodeAt = 68;
  static constexpr size_t kSockaddrSize = 128;  // of struct sockaddr_storage

  using A = InetAttribute;

  static constexpr size_t Type(InetAttribute attribute) { return static_cast<size_t>(attribute); }
  template <class T>
  std::optional<T> Number(InetAttribute attribute) const {
    return index().Get<T>(Type(attribute));
  }
  template <class T>
  std::optional<T> View(InetAttribute attribute) const {
    return index().GetView<T>(Type(attribute));
  }
  IpAddress Address(size_t offset) const {
    return IpAddress::FromNetwork(family(), Fixed(offset, 16));
  }
  size_t CountOf(InetAttribute list) const { return index()[Type(list)].size() / kSockaddrSize; }
  std::optional<BoundAddress> AddressOf(InetAttribute list, size_t i) const;
  IpAddress AssociationLocal() const;
  IpAddress AssociationRemote() const;
};

}  // namespace netdiag

#endif  // NETDIAG_SOCKET_INET_SOCKET_H_
