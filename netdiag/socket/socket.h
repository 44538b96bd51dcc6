// netdiag/socket/socket.h — what one message of a dump says: views of inet_diag, unix_diag,
// packet_diag and netlink_diag.
//
//   if (std::optional<InetSocket> socket = InetSocket::Parse(message.payload())) {
//     Use(socket->local(), socket->state());
//     if (const auto info = socket->tcp_info()) Use((*info)[TcpInfo::Field("rtt")]);   // µs
//   }
//
// A view remembers where each attribute starts (one pass, no allocation) and reads a field when it
// is asked for. What the kernel did not send is nullopt, never 0. Attributes that this version does
// not know are skipped, counted, and can be walked with attributes().
//
// Lifetime: views, and the views and names they give, are valid as long as the message's bytes: in
// a visitor, until it returns.
// Threads: values.
// Errors: Parse gives nullopt for a message shorter than its fixed part; malformed() says that the
// attributes ended in damage, and what stands before it is good.
// Source: struct inet_diag_msg, struct unix_diag_msg, …; inet_sk_diag_fill() in
// net/ipv4/inet_diag.c, sk_diag_fill() in net/unix/diag.c, net/packet/diag.c, net/netlink/diag.c.

#ifndef NETDIAG_SOCKET_SOCKET_H_
#define NETDIAG_SOCKET_SOCKET_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <variant>

#include "netdiag/netlink/wire.h"
#include "netdiag/socket/structs.h"
#include "netdiag/types/address.h"
#include "netdiag/types/bpf_instruction.h"
#include "netdiag/types/types.h"

namespace netdiag {

// Where each attribute of a message is. Shared by the views; N is one above the highest type they
// know.
template <size_t N>
class AttrIndex {
 public:
  AttrIndex() = default;
  explicit AttrIndex(Bytes attributes) : attributes_(attributes) {
    netlink::AttrCursor cursor(attributes);
    for (netlink::Attr attribute; cursor.Next(&attribute);) {
      const auto start = static_cast<size_t>(attribute.payload().data() - attributes.data());
      // A dump's message is below 64 KiB; what starts beyond cannot be pointed at and counts as
      // unknown.
      if (attribute.type() >= N || start > UINT16_MAX) {
        if (unknown_ < UINT16_MAX) ++unknown_;
        continue;
      }
      starts_[attribute.type()] = static_cast<uint16_t>(start);
    }
    malformed_ = cursor.malformed();
  }

  bool has(size_t type) const { return type < N && starts_[type] != 0; }
  // The payload; empty if the attribute is absent.
  Bytes operator[](size_t type) const {
    if (!has(type)) return {};
    const size_t start = starts_[type];
    // The length stands in the two bytes before the type, which Next() has checked against the end.
    const size_t length = *netlink::Load<uint16_t>(attributes_, start - netlink::kAttrHeaderSize);
    return attributes_.subspan(start, length - netlink::kAttrHeaderSize);
  }
  template <class T>
  std::optional<T> Get(size_t type) const {
    return netlink::Load<T>((*this)[type]);
  }
  template <class Value>
  std::optional<Value> GetId(size_t type) const {
    const std::optional<typename Value::rep> number = Get<typename Value::rep>(type);
    if (!number) return std::nullopt;
    return Value(*number);
  }
  template <class View>
  std::optional<View> GetView(size_t type) const {
    if (!has(type)) return std::nullopt;
    return View((*this)[type]);
  }
  std::string_view GetText(size_t type) const {
    return has(type) ? netlink::Attr(0, (*this)[type]).AsText() : std::string_view();
  }

  Bytes bytes() const { return attributes_; }
  uint16_t unknown() const { return unknown_; }
  bool malformed() const { return malformed_; }

 private:
  Bytes attributes_;
  // Of the payloads; 0: absent, for a payload's own header comes first.
  std::array<uint16_t, N> starts_{};
  uint16_t unknown_ = 0;
  bool malformed_ = false;
};

// What the views have in common: a fixed part of `FixedSize` bytes, and attributes of types below
// N.
template <size_t FixedSize, size_t N>
class MessageView {
 public:
  static constexpr size_t kFixedSize = FixedSize;
  // Attributes of this type and above are unknown.
  static constexpr size_t kAttributeTypes = N;

  // A payload that is long enough: what Parse() checks, and what makes a view where it is to stand.
  class Checked {
   public:
    static std::optional<Checked> Check(Bytes payload) {
      return payload.size() < FixedSize ? std::nullopt : std::optional(Checked(payload));
    }

   private:
    friend MessageView;
    explicit Checked(Bytes payload) : payload_(payload) {}
    Bytes payload_;
  };
  explicit MessageView(Checked checked)
      : fixed_(checked.payload_.data()), index_(checked.payload_.subspan(FixedSize)) {}

  // Every attribute as it came, unknown ones included.
  Bytes attributes() const { return index_.bytes(); }
  uint16_t unknown_attributes() const { return index_.unknown(); }
  bool malformed() const { return index_.malformed(); }

 protected:
  // `payload` as a View; nullopt: it is shorter than the fixed part.
  template <class View>
  static std::optional<View> ParseAs(Bytes payload) {
    const std::optional<Checked> checked = Checked::Check(payload);
    return checked ? std::optional<View>(std::in_place, *checked) : std::nullopt;
  }
  // REQUIRES: offset + sizeof(T) <= FixedSize, which Parse has checked the message for.
  template <class T>
  T At(size_t offset) const {
    T value;
    std::memcpy(&value, fixed_ + offset, sizeof(T));
    return value;
  }
  Bytes Fixed(size_t offset, size_t length) const { return {fixed_ + offset, length}; }
  // A number that the kernel keeps as two words.
  Cookie CookieAt(size_t offset) const {
    return Cookie(At<uint32_t>(offset) | uint64_t{At<uint32_t>(offset + 4)} << 32);
  }
  const AttrIndex<N>& index() const { return index_; }

 private:
  const std::byte* fixed_;
  AttrIndex<N> index_;
};

// What the timer of a TCP socket waits for. Source: idiag_timer; names as ss prints them.
enum class Timer : uint8_t {
  kOff = 0,
  kOn = 1,
  kKeepalive = 2,
  kTimeWait = 3,
  kPersist = 4,
  kDelayedAck = 5
};
// "on", "keepalive", "timewait", "persist", "delack"; "off"; "unknown".
std::string_view Name(Timer timer);

// Directions shut down, as shutdown(2) makes them.
struct Shutdown {
  bool receive = false;
  bool send = false;
  // Of the kernel's mask (RCV_SHUTDOWN 1, SEND_SHUTDOWN 2), if it was sent.
  static std::optional<Shutdown> FromMask(std::optional<uint8_t> mask) {
    if (!mask) return std::nullopt;
    return Shutdown{(*mask & 1) != 0, (*mask & 2) != 0};
  }
};

// Bits of INET_DIAG_SOCKOPT (5.10): what was set on the socket.
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
// The set in the two bytes of struct inet_diag_sockopt. Its bit-fields lie in the order above, from
// the low end; compilers of big-endian machines lay them from the high end.
constexpr Set<SocketOption> SocketOptions(uint16_t raw) {
  uint64_t bits = raw;
  if constexpr (std::endian::native == std::endian::big) {
    bits = 0;
    for (int i = 0; i < 16; ++i) bits |= uint64_t{(raw >> (15 - i)) & 1u} << i;
  }
  return Set<SocketOption>::FromBits(bits & kSocketOptionBits);
}

// A TCP-MD5 key (RFC 2385), which the kernel tells only to CAP_NET_ADMIN. The key is secret: do not
// log it.
struct Md5Key {
  IpAddress address;
  uint8_t prefix_length = 0;
  Bytes key;
};

// A view of nested attributes as a table of fields, read as StructView is: the attribute's type
// stands in the row's `offset`. A row of width 0 is a flag: 1 if its attribute is there.
template <class Traits>
class NestedView {
 public:
  explicit NestedView(Bytes bytes) : index_(bytes) {}

  static constexpr std::span<const StructField> fields() { return Traits::kFields; }
  static consteval StructField Field(std::string_view name) {
    return StructView<Traits>::Field(name);
  }

  // nullopt: not sent, or shorter than the field.
  std::optional<uint64_t> operator[](const StructField& field) const {
    if (!index_.has(field.offset)) return std::nullopt;
    if (field.width == 0) return 1;
    return StructView<Traits>(index_[field.offset])[StructField{.width = field.width}];
  }
  Bytes bytes() const { return index_.bytes(); }

 private:
  AttrIndex<12> index_;  // MPTCP_SUBFLOW_ATTR_MAX is 11, TLS_INFO_MAX 7
};

// Kernel TLS. Modes are TLS_CONF_*: 1 none, 2 software, 3 hardware, 4 hardware records.
// Source: tls_get_info(), net/tls/tls_main.c; include/uapi/linux/tls.h.
struct TlsTraits {
  static constexpr auto kFields = std::to_array<StructField>({
      {"version", 1, 2, Unit::kNone, Meaning::kEnum},  // 0x0303: 1.2, 0x0304: 1.3
      {"cipher", 2, 2, Unit::kNone, Meaning::kEnum},   // TLS_CIPHER_*
      {"tx_mode", 3, 2, Unit::kNone, Meaning::kEnum},
      {"rx_mode", 4, 2, Unit::kNone, Meaning::kEnum},
      {"tx_zero_copy", 5, 0, Unit::kNone, Meaning::kEnum},   // 5.19
      {"rx_no_padding", 6, 0, Unit::kNone, Meaning::kEnum},  // 6.0
  });
};
using TlsInfo = NestedView<TlsTraits>;

// A subflow of MPTCP, which is a TCP socket. Source: subflow_get_info(), net/mptcp/diag.c;
// include/uapi/linux/mptcp.h.
struct SubflowTraits {
  static constexpr auto kFields = std::to_array<StructField>({
      {"remote_token", 1, 4, Unit::kNone, Meaning::kIdentity},
      {"local_token", 2, 4, Unit::kNone, Meaning::kIdentity},
      {"relative_write_sequence", 3, 4, Unit::kBytes},
      {"map_sequence", 4, 8, Unit::kBytes},
      {"map_subflow_sequence", 5, 4, Unit::kBytes},
      {"subflow_offset", 6, 4, Unit::kBytes},
      {"map_length", 7, 2, Unit::kBytes},
      {"flags", 8, 4, Unit::kNone, Meaning::kEnum},  // MPTCP_SUBFLOW_FLAG_*
      {"remote_id", 9, 1, Unit::kNone, Meaning::kIdentity},
      {"local_id", 10, 1, Unit::kNone, Meaning::kIdentity},
  });
};
using SubflowInfo = NestedView<SubflowTraits>;

// What a protocol on top of TCP (tls, mptcp, espintcp, smc) tells; its details only to
// CAP_NET_ADMIN.
struct UlpInfo {
  std::string_view name;
  std::optional<TlsInfo> tls;
  std::optional<SubflowInfo> mptcp;
};

// Types of inet_diag's attributes. Source: INET_DIAG_*, include/uapi/linux/inet_diag.h.
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
  kMark = 15,
  kBbr = 16,
  kClassId = 17,
  kMd5Keys = 18,
  kUlp = 19,
  kCgroup = 21,
  kOptions = 22,  // the highest of 6.18
};

// An IPv4 or IPv6 socket: TCP, UDP, MPTCP, raw, … Which of them, the message does not say: see
// Table. Source: struct inet_diag_msg.
class InetSocket : public MessageView<72, static_cast<size_t>(InetAttribute::kOptions) + 1> {
 public:
  using MessageView::MessageView;
  [[nodiscard]] static std::optional<InetSocket> Parse(Bytes payload) {
    return ParseAs<InetSocket>(payload);
  }

  Family family() const { return static_cast<Family>(At<uint8_t>(0)); }
  State state() const { return static_cast<State>(At<uint8_t>(1)); }
  // Of a raw socket the local port is the protocol that it receives, of a ping socket the
  // identifier.
  Port local_port() const { return Port::FromNetwork(At<uint16_t>(4)); }
  Port remote_port() const { return Port::FromNetwork(At<uint16_t>(6)); }
  Endpoint local() const { return {Address(8), local_port()}; }
  Endpoint remote() const { return {Address(24), remote_port()}; }
  // The device that the socket is bound to, 0: none.
  IfIndex interface() const { return IfIndex(At<uint32_t>(40)); }
  Cookie cookie() const { return CookieAt(44); }
  // The timer, the time until it fires in ms, and how often it has fired in a row (retransmits, or
  // probes for keepalive and persist).
  Timer timer() const { return static_cast<Timer>(At<uint8_t>(2)); }
  uint32_t expires() const { return At<uint32_t>(52); }
  uint8_t retransmits() const { return At<uint8_t>(3); }
  // TCP: bytes not read yet, and bytes sent and not acknowledged or not sent yet. LISTEN:
  // connections waiting for accept(), and the backlog's limit. Others: memory of both queues, in
  // bytes.
  uint32_t receive_queue() const { return At<uint32_t>(56); }
  uint32_t send_queue() const { return At<uint32_t>(60); }
  // Who made the socket. TIME_WAIT and SYN_RECV say 0 whoever it was.
  Uid uid() const { return Uid(At<uint32_t>(64)); }
  Inode inode() const { return Inode(At<uint32_t>(kInodeAt)); }
  // The same of a payload that nobody has parsed yet; nullopt: it is too short.
  static std::optional<Inode> PeekInode(Bytes payload) {
    const std::optional<uint32_t> inode = netlink::Load<uint32_t>(payload, kInodeAt);
    return inode ? std::optional(Inode(*inode)) : std::nullopt;
  }

  // Attributes. Those marked (asked) come only if the query's extensions ask for them.
  // (asked: kMemory)
  std::optional<InetMemory> inet_memory() const { return View<InetMemory>(A::kMemory); }
  // (asked: kInfo) One attribute for both: which it is, the Row's protocol tells.
  std::optional<TcpInfo> tcp_info() const { return View<TcpInfo>(A::kInfo); }
  std::optional<MptcpInfo> mptcp_info() const { return View<MptcpInfo>(A::kInfo); }
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
  // (asked: kTrafficClass) net_cls class, or the priority
  std::optional<uint32_t> class_id() const { return Number<uint32_t>(A::kClassId); }
  // (asked: kSocketMemory)
  std::optional<SocketMemory> memory() const { return View<SocketMemory>(A::kSocketMemory); }
  std::optional<Shutdown> shutdown() const {
    return Shutdown::FromMask(Number<uint8_t>(A::kShutdown));
  }
  // Raw sockets only: IPPROTO_*.
  std::optional<uint8_t> protocol() const { return Number<uint8_t>(A::kProtocol); }
  // IPv6 in LISTEN or CLOSE only.
  std::optional<bool> v6_only() const {
    const std::optional<uint8_t> value = Number<uint8_t>(A::kV6Only);
    if (!value) return std::nullopt;
    return *value != 0;
  }
  // Told to CAP_NET_ADMIN only; 4.9.
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
  // MD5 keys, by number; nullopt: there is none of that number. (asked: kInfo, CAP_NET_ADMIN)
  std::optional<Md5Key> md5_key(size_t i) const;

  // Payload of a known attribute by its number (INET_DIAG_…), empty if it is absent: for those that
  // no Query asks for and that have no accessor, SCTP's addresses (12, 13) and BPF storages (20).
  Bytes attribute(size_t type) const { return index()[type]; }

 private:
  static constexpr size_t kInodeAt = 68;

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
};

// A unix socket. Source: struct unix_diag_msg.
class UnixSocket : public MessageView<16, 8> {
 public:
  using MessageView::MessageView;
  [[nodiscard]] static std::optional<UnixSocket> Parse(Bytes payload);

  SocketType type() const { return static_cast<SocketType>(At<uint8_t>(1)); }
  State state() const { return static_cast<State>(At<uint8_t>(2)); }
  Inode inode() const { return Inode(At<uint32_t>(4)); }
  Cookie cookie() const { return CookieAt(8); }

  // The address as bytes; empty: unnamed. A path without its NUL, or an abstract name with the NUL
  // that begins it and whatever else is in it. Escape before a terminal.
  std::string_view name() const;
  bool abstract() const { return name().starts_with('\0'); }
  // Inode of the socket at the other end; nullopt: not connected.
  std::optional<Inode> peer() const;
  // Inode and device (kernel's 12:20 form) of the file that the path leads to.
  struct File {
    uint32_t inode = 0;
    uint32_t major = 0;
    uint32_t minor = 0;
  };
  std::optional<File> file() const;  // (asked: kUnixFile)
  // LISTEN: connections waiting for accept(), and the backlog's limit. Else bytes to read, and
  // bytes sent and not read.
  std::optional<uint32_t> receive_queue() const;
  std::optional<uint32_t> send_queue() const;
  std::optional<SocketMemory> memory() const;  // (asked: kSocketMemory)
  std::optional<Shutdown> shutdown() const;
  std::optional<Uid> uid() const;  // 5.3
  // Peers of connections that wait for accept(), by number. Only an exact query has them
  // (Engine::LookupUnix): asking a whole dump for them cuts it off at the first listener whose list
  // does not fit into one datagram.
  std::optional<Inode> pending_connection(size_t i) const;
  bool has_pending_connections() const;
};

// Bits of the packet_info field "flags". Source: PDI_*, include/uapi/linux/packet_diag.h.
enum class PacketFlag : uint8_t {
  kRunning = 0,  // bound to a device that is up
  kAuxData = 1,
  kOriginalDevice = 2,
  kVnetHeader = 3,
  kLoss = 4,
};

// A packet socket (packet(7)). Its state is always kClose, as ss has it. Source: struct
// packet_diag_msg, sk_diag_fill() in net/packet/diag.c.
class PacketSocket : public MessageView<16, 8> {
 public:
  using MessageView::MessageView;
  [[nodiscard]] static std::optional<PacketSocket> Parse(Bytes payload);

  SocketType type() const { return static_cast<SocketType>(At<uint8_t>(1)); }
  State state() const { return State::kClose; }
  // The ethertype that it receives (ETH_P_*, host order); 3: all, 0: none.
  uint16_t ethertype() const { return At<uint16_t>(2); }
  Inode inode() const { return Inode(At<uint32_t>(4)); }
  Cookie cookie() const { return CookieAt(8); }

  std::optional<PacketInfo> info() const;
  // The device that it is bound to, 0: every one.
  IfIndex interface() const;
  std::optional<Uid> uid() const;
  std::optional<SocketMemory> memory() const;
  std::optional<Shutdown> shutdown() const { return std::nullopt; }
  std::optional<uint32_t> receive_queue() const;  // memory, in bytes
  std::optional<uint32_t> send_queue() const { return std::nullopt; }
  // The mapped rings (PACKET_RX_RING, PACKET_TX_RING).
  std::optional<PacketRing> receive_ring() const;
  std::optional<PacketRing> send_ring() const;
  // PACKET_FANOUT; mode is PACKET_FANOUT_*.
  struct Fanout {
    uint16_t id = 0;
    uint16_t mode = 0;
  };
  std::optional<Fanout> fanout() const;
  // Its classic BPF program, by instruction. (asked: kPacketFilter, CAP_NET_ADMIN; else it is
  // withheld.)
  std::optional<BpfInstruction> filter(size_t i) const;
  size_t filter_length() const;  // in instructions; 0: it has none, or it is not told
  // It has a filter, maybe, but it is not told.
  bool filter_withheld() const;
  // What it has joined (PACKET_ADD_MEMBERSHIP), by number. (asked: kPacketMemberships)
  struct Membership {
    IfIndex interface;
    uint32_t count = 0;  // how often it was joined
    uint16_t type = 0;   // PACKET_MR_*
    Bytes address;
  };
  std::optional<Membership> membership(size_t i) const;
  size_t membership_count() const;  // 0: it has none, or they were not asked for
};

// Bits of NETLINK_DIAG_FLAGS. Source: NDIAG_FLAG_*, include/uapi/linux/netlink_diag.h.
enum class NetlinkFlag : uint8_t {
  kDumpRunning = 0,
  kPacketInfo = 1,
  kBroadcastError = 2,
  kNoEnobufs = 3,
  kListenAllNsid = 4,
  kCapAck = 5,
};

// A netlink socket (netlink(7)). Its state is always kClose, as ss has it; connected() tells the
// rest. Source: struct netlink_diag_msg, sk_diag_fill() in net/netlink/diag.c.
class NetlinkSocket : public MessageView<28, 5> {
 public:
  using MessageView::MessageView;
  [[nodiscard]] static std::optional<NetlinkSocket> Parse(Bytes payload);

  SocketType type() const { return static_cast<SocketType>(At<uint8_t>(1)); }
  State state() const { return State::kClose; }
  // NETLINK_ROUTE, NETLINK_GENERIC, …
  uint8_t netlink_protocol() const { return At<uint8_t>(2); }
  bool connected() const { return At<uint8_t>(3) == 1; }  // NETLINK_CONNECTED
  // 0: the kernel's end, or not bound yet. Often, but not always, the pid of who bound it.
  uint32_t port_id() const { return At<uint32_t>(4); }
  // Where it is connected to: a port id, and a group's number, 0: none.
  uint32_t remote_port_id() const { return At<uint32_t>(8); }
  uint32_t remote_group() const { return At<uint32_t>(12); }
  Inode inode() const { return Inode(At<uint32_t>(16)); }
  Cookie cookie() const { return CookieAt(20); }

  // Of the multicast groups it has joined: bits 64 × i … of the mask, bit N-1 for group N; nullopt:
  // the mask is not that long.
  std::optional<uint64_t> groups(size_t i) const;
  std::optional<Set<NetlinkFlag>> flags() const;
  std::optional<Uid> uid() const { return std::nullopt; }
  std::optional<SocketMemory> memory() const;
  std::optional<Shutdown> shutdown() const { return std::nullopt; }
  std::optional<uint32_t> receive_queue() const;  // memory, in bytes
  std::optional<uint32_t> send_queue() const;
};

using Socket = std::variant<InetSocket, UnixSocket, PacketSocket, NetlinkSocket>;

}  // namespace netdiag

#endif  // NETDIAG_SOCKET_SOCKET_H_
