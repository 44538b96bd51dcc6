// Tested by tests/socket/inet_socket_test.cc, which reads every attribute in three sizes.

#include "netdiag/socket/inet_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "netdiag/netlink/abi.h"

namespace netdiag {
namespace {

// The numbers in inet_socket.h must equal the kernel's.
constexpr bool Is(InetAttribute attribute, int type) { return static_cast<int>(attribute) == type; }
using A = InetAttribute;
static_assert(Is(A::kMemory, INET_DIAG_MEMINFO) && Is(A::kInfo, INET_DIAG_INFO) &&
              Is(A::kVegas, INET_DIAG_VEGASINFO) && Is(A::kCongestion, INET_DIAG_CONG) &&
              Is(A::kTos, INET_DIAG_TOS) && Is(A::kTrafficClass, INET_DIAG_TCLASS) &&
              Is(A::kSocketMemory, INET_DIAG_SKMEMINFO) && Is(A::kShutdown, INET_DIAG_SHUTDOWN) &&
              Is(A::kDctcp, INET_DIAG_DCTCPINFO) && Is(A::kProtocol, INET_DIAG_PROTOCOL) &&
              Is(A::kV6Only, INET_DIAG_SKV6ONLY) && Is(A::kLocals, INET_DIAG_LOCALS) &&
              Is(A::kPeers, INET_DIAG_PEERS) && Is(A::kMark, INET_DIAG_MARK) &&
              Is(A::kBbr, INET_DIAG_BBRINFO) && Is(A::kClassId, INET_DIAG_CLASS_ID) &&
              Is(A::kMd5Keys, INET_DIAG_MD5SIG) && Is(A::kUlp, INET_DIAG_ULP_INFO) &&
              Is(A::kBpfStorages, INET_DIAG_SK_BPF_STORAGES) &&
              Is(A::kCgroup, INET_DIAG_CGROUP_ID) && Is(A::kOptions, INET_DIAG_SOCKOPT));

// The literal offsets in inet_socket.h, structs.h and ulp.h must equal those of the kernel's
// structs, as far as the build host's headers have them.
static_assert(offsetof(inet_diag_msg, id.idiag_sport) == 4 &&
              offsetof(inet_diag_msg, id.idiag_dport) == 6);
static_assert(offsetof(inet_diag_msg, id.idiag_src) == 8 &&
              offsetof(inet_diag_msg, id.idiag_dst) == 24);
static_assert(offsetof(inet_diag_msg, id.idiag_if) == 40 &&
              offsetof(inet_diag_msg, id.idiag_cookie) == 44);
static_assert(offsetof(inet_diag_msg, idiag_expires) == 52 &&
              offsetof(inet_diag_msg, idiag_rqueue) == 56);
static_assert(offsetof(inet_diag_msg, idiag_uid) == 64 &&
              offsetof(inet_diag_msg, idiag_inode) == 68);
static_assert(InetSocket::kFixedSize == sizeof(inet_diag_msg));

#define NETDIAG_SAME_PLACE(name) \
  static_assert(TcpInfo::Field(#name).offset == offsetof(tcp_info, tcpi_##name))
NETDIAG_SAME_PLACE(rto);
NETDIAG_SAME_PLACE(unacked);
NETDIAG_SAME_PLACE(last_data_sent);
NETDIAG_SAME_PLACE(pmtu);
NETDIAG_SAME_PLACE(rtt);
NETDIAG_SAME_PLACE(snd_cwnd);
NETDIAG_SAME_PLACE(rcv_space);
NETDIAG_SAME_PLACE(total_retrans);
NETDIAG_SAME_PLACE(pacing_rate);
NETDIAG_SAME_PLACE(bytes_received);
NETDIAG_SAME_PLACE(segs_in);
NETDIAG_SAME_PLACE(min_rtt);
NETDIAG_SAME_PLACE(data_segs_out);
NETDIAG_SAME_PLACE(delivery_rate);
NETDIAG_SAME_PLACE(sndbuf_limited);
NETDIAG_SAME_PLACE(delivered_ce);
NETDIAG_SAME_PLACE(bytes_retrans);
NETDIAG_SAME_PLACE(reord_seen);
NETDIAG_SAME_PLACE(snd_wnd);
#undef NETDIAG_SAME_PLACE
static_assert(TcpInfo::size() == 280, "tcp_info of 6.18");
static_assert(SocketMemory::fields().size() == SK_MEMINFO_VARS);
static_assert(TlsInfo::Field("version").offset == TLS_INFO_VERSION &&
              TlsInfo::Field("cipher").offset == TLS_INFO_CIPHER &&
              TlsInfo::Field("tx_mode").offset == TLS_INFO_TXCONF &&
              TlsInfo::Field("rx_mode").offset == TLS_INFO_RXCONF &&
              TlsInfo::Field("tx_zero_copy").offset == TLS_INFO_ZC_RO_TX &&
              TlsInfo::Field("rx_no_padding").offset == TLS_INFO_RX_NO_PAD &&
              TlsInfo::Field("tx_max_payload").offset == TLS_INFO_RX_NO_PAD + 1);
static_assert(SubflowInfo::Field("remote_token").offset == MPTCP_SUBFLOW_ATTR_TOKEN_REM &&
              SubflowInfo::Field("local_token").offset == MPTCP_SUBFLOW_ATTR_TOKEN_LOC &&
              SubflowInfo::Field("relative_write_sequence").offset ==
                  MPTCP_SUBFLOW_ATTR_RELWRITE_SEQ &&
              SubflowInfo::Field("map_sequence").offset == MPTCP_SUBFLOW_ATTR_MAP_SEQ &&
              SubflowInfo::Field("map_subflow_sequence").offset == MPTCP_SUBFLOW_ATTR_MAP_SFSEQ &&
              SubflowInfo::Field("subflow_offset").offset == MPTCP_SUBFLOW_ATTR_SSN_OFFSET &&
              SubflowInfo::Field("map_length").offset == MPTCP_SUBFLOW_ATTR_MAP_DATALEN &&
              SubflowInfo::Field("flags").offset == MPTCP_SUBFLOW_ATTR_FLAGS &&
              SubflowInfo::Field("remote_id").offset == MPTCP_SUBFLOW_ATTR_ID_REM &&
              SubflowInfo::Field("local_id").offset == MPTCP_SUBFLOW_ATTR_ID_LOC);

#define NETDIAG_SAME_PLACE(name) \
  static_assert(MptcpInfo::Field(#name).offset == offsetof(mptcp_info, mptcpi_##name))
NETDIAG_SAME_PLACE(add_addr_accepted_max);
NETDIAG_SAME_PLACE(token);
NETDIAG_SAME_PLACE(write_seq);
NETDIAG_SAME_PLACE(rcv_nxt);
NETDIAG_SAME_PLACE(csum_enabled);
#undef NETDIAG_SAME_PLACE
static_assert(MptcpInfo::fields().back().offset + MptcpInfo::fields().back().width == 96,
              "mptcp_info of 6.18");

#define NETDIAG_SAME_PLACE(name) \
  static_assert(SctpInfo::Field(#name).offset == offsetof(sctp_info, sctpi_##name))
NETDIAG_SAME_PLACE(fragmentation_point);
NETDIAG_SAME_PLACE(peer_sack);
NETDIAG_SAME_PLACE(isacks);
NETDIAG_SAME_PLACE(ictrlchunks);
NETDIAG_SAME_PLACE(p_state);
NETDIAG_SAME_PLACE(p_error);
NETDIAG_SAME_PLACE(s_autoclose);
NETDIAG_SAME_PLACE(s_frag_interleave);
NETDIAG_SAME_PLACE(s_type);
#undef NETDIAG_SAME_PLACE
static_assert(SctpInfoTraits::kPrimaryAddressAt == offsetof(sctp_info, sctpi_p_address));
static_assert(sizeof(sockaddr_storage) == 128);

// The fields of DccpInfo are members of struct tcp_info.
static_assert(std::ranges::all_of(DccpInfo::fields(), [](const StructField& field) {
  return std::ranges::any_of(TcpInfo::fields(), [&](const StructField& of_tcp) {
    return of_tcp.name == field.name && of_tcp.offset == field.offset &&
           of_tcp.width == field.width;
  });
}));

// struct tcp_diag_md5sig. Source: include/uapi/linux/tcp.h.
constexpr size_t kMd5Size = sizeof(tcp_diag_md5sig);
static_assert(kMd5Size == 100);

}  // namespace

std::string_view Name(Timer timer) {
  static constexpr std::array<std::string_view, 6> kNames = {"off",      "on",      "keepalive",
                                                             "timewait", "persist", "delack"};
  const auto value = static_cast<size_t>(timer);
  if (timer == Timer::kT3Retransmit) return "T3_RTX";
  return value < kNames.size() ? kNames[value] : "unknown";
}

std::optional<BoundAddress> BoundAddress::FromSockaddr(Bytes bytes) {
  // struct sockaddr_in and sockaddr_in6, from the headers of the C library.
  const std::optional<uint16_t> family = netlink::Load<uint16_t>(bytes);
  const std::optional<uint16_t> port = netlink::Load<uint16_t>(bytes, 2);
  if (family == AF_INET && bytes.size() >= sizeof(sockaddr_in)) {
    const Bytes octets = bytes.subspan(offsetof(sockaddr_in, sin_addr), 4);
    return BoundAddress{{IpAddress::FromNetwork(Family::kInet, octets), Port::FromNetwork(*port)},
                        IfIndex()};
  }
  if (family != AF_INET6 || bytes.size() < sizeof(sockaddr_in6)) return std::nullopt;
  const Bytes octets = bytes.subspan(offsetof(sockaddr_in6, sin6_addr), 16);
  const auto scope = netlink::Load<uint32_t>(bytes, offsetof(sockaddr_in6, sin6_scope_id));
  return BoundAddress{{IpAddress::FromNetwork(Family::kInet6, octets), Port::FromNetwork(*port)},
                      IfIndex(scope.value_or(0))};
}

std::optional<BoundAddress> SctpPrimaryAddress(const SctpInfo& info) {
  Bytes address;
  if (!netlink::Extract(info.bytes(), SctpInfoTraits::kPrimaryAddressAt, sizeof(sockaddr_storage),
                        &address)) {
    return std::nullopt;
  }
  return BoundAddress::FromSockaddr(address);
}

std::optional<BoundAddress> InetSocket::AddressOf(InetAttribute list, size_t i) const {
  if (i >= CountOf(list)) return std::nullopt;
  return BoundAddress::FromSockaddr(index()[Type(list)].subspan(i * kSockaddrSize, kSockaddrSize));
}

// The kernel writes the two addresses of an association as if they were of the socket's family
// (inet_diag_msg_sctpasoc_fill()). An IPv6 socket's IPv4 address is lost there, but the lists of
// addresses have it: the local address is the first of its list, and the primary path is one of the
// peer's. Like other IPv6 sockets, the association then has the v4-mapped address.
IpAddress InetSocket::AssociationLocal() const {
  const std::optional<BoundAddress> first = local_address(0);
  return first && family() == Family::kInet6 ? first->endpoint.address.Mapped() : Address(8);
}

IpAddress InetSocket::AssociationRemote() const {
  const IpAddress sent = Address(24);
  if (family() != Family::kInet6) return sent;
  std::optional<IpAddress> v4;
  for (size_t i = 0; i < peer_addresses(); ++i) {
    const std::optional<BoundAddress> peer = peer_address(i);
    if (!peer) continue;
    if (peer->endpoint.address == sent) return sent;
    if (!v4 && peer->endpoint.address.family() == Family::kInet) v4 = peer->endpoint.address;
  }
  return v4 ? v4->Mapped() : sent;
}

std::optional<UlpInfo> InetSocket::ulp() const {
  if (!index().has(Type(A::kUlp))) return std::nullopt;
  const AttrIndex<INET_ULP_INFO_MPTCP + 1> nested(index()[Type(A::kUlp)]);
  return UlpInfo{nested.GetText(INET_ULP_INFO_NAME), nested.GetView<TlsInfo>(INET_ULP_INFO_TLS),
                 nested.GetView<SubflowInfo>(INET_ULP_INFO_MPTCP)};
}

std::optional<Md5Key> InetSocket::md5_key(size_t i) const {
  const Bytes keys = index()[Type(A::kMd5Keys)];
  if (i >= keys.size() / kMd5Size) return std::nullopt;
  const Bytes whole = keys.subspan(i * kMd5Size, kMd5Size);
  const tcp_diag_md5sig raw = *netlink::Load<tcp_diag_md5sig>(whole);
  const size_t length = std::min<size_t>(raw.tcpm_keylen, sizeof(raw.tcpm_key));
  return Md5Key{IpAddress::FromNetwork(static_cast<Family>(raw.tcpm_family),
                                       whole.subspan(offsetof(tcp_diag_md5sig, tcpm_addr), 16)),
                raw.tcpm_prefixlen, whole.subspan(offsetof(tcp_diag_md5sig, tcpm_key), length)};
}

std::optional<size_t> InetSocket::bpf_storage_count() const {
  if (!index().has(Type(A::kBpfStorages))) return std::nullopt;
  size_t count = 0;
  netlink::AttrCursor cursor(index()[Type(A::kBpfStorages)]);
  for (netlink::Attr storage; cursor.Next(&storage);)
    count += storage.type() == SK_DIAG_BPF_STORAGE;
  return count;
}

std::optional<BpfStorage> InetSocket::bpf_storage(size_t i) const {
  netlink::AttrCursor cursor(index()[Type(A::kBpfStorages)]);
  for (netlink::Attr storage; cursor.Next(&storage);) {
    if (storage.type() != SK_DIAG_BPF_STORAGE || i-- > 0) continue;
    const AttrIndex<SK_DIAG_BPF_STORAGE_MAP_VALUE + 1> parts(storage.payload());
    return BpfStorage{parts.Get<uint32_t>(SK_DIAG_BPF_STORAGE_MAP_ID).value_or(0),
                      parts[SK_DIAG_BPF_STORAGE_MAP_VALUE]};
  }
  return std::nullopt;
}

}  // namespace netdiag
