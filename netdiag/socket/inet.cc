// Views of inet_diag messages. Every attribute is tested in three sizes by
// tests/socket/inet_test.cc.

#include <algorithm>

#include "netdiag/netlink/abi.h"
#include "netdiag/socket/socket.h"

namespace netdiag {
namespace {

// Attributes newer than the oldest headers that we build with. Source:
// include/uapi/linux/inet_diag.h.
static_assert(INET_DIAG_CGROUP_ID == 21 && INET_DIAG_SOCKOPT == 22);

// The literal offsets in socket.h and structs.h, held against the kernel's structs as far as the
// host's headers go.
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
static_assert(TcpInfo::fields().back().offset + TcpInfo::fields().back().width == 280,
              "tcp_info of 6.18");
static_assert(SocketMemory::fields().size() == SK_MEMINFO_VARS);
static_assert(TlsInfo::Field("version").offset == TLS_INFO_VERSION &&
              TlsInfo::Field("cipher").offset == TLS_INFO_CIPHER &&
              TlsInfo::Field("tx_mode").offset == TLS_INFO_TXCONF &&
              TlsInfo::Field("rx_mode").offset == TLS_INFO_RXCONF &&
              TlsInfo::Field("tx_zero_copy").offset == TLS_INFO_ZC_RO_TX &&
              TlsInfo::Field("rx_no_padding").offset == TLS_INFO_RX_NO_PAD);
static_assert(MptcpInfo::Field("remote_token").offset == MPTCP_SUBFLOW_ATTR_TOKEN_REM &&
              MptcpInfo::Field("local_token").offset == MPTCP_SUBFLOW_ATTR_TOKEN_LOC &&
              MptcpInfo::Field("relative_write_sequence").offset ==
                  MPTCP_SUBFLOW_ATTR_RELWRITE_SEQ &&
              MptcpInfo::Field("map_sequence").offset == MPTCP_SUBFLOW_ATTR_MAP_SEQ &&
              MptcpInfo::Field("map_subflow_sequence").offset == MPTCP_SUBFLOW_ATTR_MAP_SFSEQ &&
              MptcpInfo::Field("subflow_offset").offset == MPTCP_SUBFLOW_ATTR_SSN_OFFSET &&
              MptcpInfo::Field("map_length").offset == MPTCP_SUBFLOW_ATTR_MAP_DATALEN &&
              MptcpInfo::Field("flags").offset == MPTCP_SUBFLOW_ATTR_FLAGS &&
              MptcpInfo::Field("remote_id").offset == MPTCP_SUBFLOW_ATTR_ID_REM &&
              MptcpInfo::Field("local_id").offset == MPTCP_SUBFLOW_ATTR_ID_LOC);

// struct tcp_diag_md5sig. Source: include/uapi/linux/tcp.h.
constexpr size_t kMd5Size = sizeof(tcp_diag_md5sig);
static_assert(kMd5Size == 100);

}  // namespace

std::string_view Name(Timer timer) {
  static constexpr std::array<std::string_view, 6> kNames = {"off",      "on",      "keepalive",
                                                             "timewait", "persist", "delack"};
  const auto value = static_cast<size_t>(timer);
  return value < kNames.size() ? kNames[value] : "unknown";
}

std::optional<InetSocket> InetSocket::Parse(Bytes payload) {
  Bytes fixed;
  if (!netlink::Extract(payload, 0, kFixedSize, &fixed)) return std::nullopt;
  return InetSocket(fixed, payload.subspan(kFixedSize));
}

std::optional<InetMemory> InetSocket::inet_memory() const {
  return index_.GetView<InetMemory>(INET_DIAG_MEMINFO);
}
std::optional<TcpInfo> InetSocket::tcp_info() const {
  return index_.GetView<TcpInfo>(INET_DIAG_INFO);
}
std::optional<VegasInfo> InetSocket::vegas() const {
  return index_.GetView<VegasInfo>(INET_DIAG_VEGASINFO);
}
std::optional<DctcpInfo> InetSocket::dctcp() const {
  return index_.GetView<DctcpInfo>(INET_DIAG_DCTCPINFO);
}
std::optional<BbrInfo> InetSocket::bbr() const {
  return index_.GetView<BbrInfo>(INET_DIAG_BBRINFO);
}
std::string_view InetSocket::congestion() const { return index_.GetText(INET_DIAG_CONG); }
std::optional<uint8_t> InetSocket::tos() const { return index_.Get<uint8_t>(INET_DIAG_TOS); }
std::optional<uint8_t> InetSocket::traffic_class() const {
  return index_.Get<uint8_t>(INET_DIAG_TCLASS);
}
std::optional<uint32_t> InetSocket::class_id() const {
  return index_.Get<uint32_t>(INET_DIAG_CLASS_ID);
}
std::optional<SocketMemory> InetSocket::memory() const {
  return index_.GetView<SocketMemory>(INET_DIAG_SKMEMINFO);
}

std::optional<Shutdown> InetSocket::shutdown() const {
  const std::optional<uint8_t> mask = index_.Get<uint8_t>(INET_DIAG_SHUTDOWN);
  if (!mask) return std::nullopt;
  return Shutdown{(*mask & 1) != 0, (*mask & 2) != 0};
}

std::optional<uint8_t> InetSocket::protocol() const {
  return index_.Get<uint8_t>(INET_DIAG_PROTOCOL);
}

std::optional<bool> InetSocket::v6_only() const {
  const std::optional<uint8_t> value = index_.Get<uint8_t>(INET_DIAG_SKV6ONLY);
  if (!value) return std::nullopt;
  return *value != 0;
}

std::optional<Mark> InetSocket::mark() const {
  const std::optional<uint32_t> value = index_.Get<uint32_t>(INET_DIAG_MARK);
  if (!value) return std::nullopt;
  return Mark(*value);
}

std::optional<CgroupId> InetSocket::cgroup() const {
  const std::optional<uint64_t> value = index_.Get<uint64_t>(INET_DIAG_CGROUP_ID);
  if (!value) return std::nullopt;
  return CgroupId(*value);
}

std::optional<Set<SocketOption>> InetSocket::options() const {
  // Two bytes of single bits; on a big-endian machine the compiler lays bit-fields out from the
  // other end.
  const std::optional<inet_diag_sockopt> bits = index_.Get<inet_diag_sockopt>(INET_DIAG_SOCKOPT);
  if (!bits) return std::nullopt;
  Set<SocketOption> options;
  if (bits->recverr) options |= SocketOption::kRecvErr;
  if (bits->is_icsk) options |= SocketOption::kIsIcsk;
  if (bits->freebind) options |= SocketOption::kFreebind;
  if (bits->hdrincl) options |= SocketOption::kHdrIncl;
  if (bits->mc_loop) options |= SocketOption::kMulticastLoop;
  if (bits->transparent) options |= SocketOption::kTransparent;
  if (bits->mc_all) options |= SocketOption::kMulticastAll;
  if (bits->nodefrag) options |= SocketOption::kNoDefrag;
  if (bits->bind_address_no_port) options |= SocketOption::kBindAddressNoPort;
  if (bits->recverr_rfc4884) options |= SocketOption::kRecvErrRfc4884;
  if (bits->defer_connect) options |= SocketOption::kDeferConnect;
  return options;
}

std::optional<UlpInfo> InetSocket::ulp() const {
  if (!index_.has(INET_DIAG_ULP_INFO)) return std::nullopt;
  const AttrIndex<INET_ULP_INFO_MPTCP + 1> nested(index_[INET_DIAG_ULP_INFO]);
  return UlpInfo{nested.GetText(INET_ULP_INFO_NAME), nested.GetView<TlsInfo>(INET_ULP_INFO_TLS),
                 nested.GetView<MptcpInfo>(INET_ULP_INFO_MPTCP)};
}

std::optional<Md5Key> InetSocket::md5_key(size_t i) const {
  const Bytes keys = index_[INET_DIAG_MD5SIG];
  if (i >= keys.size() / kMd5Size) return std::nullopt;
  const Bytes whole = keys.subspan(i * kMd5Size, kMd5Size);
  const tcp_diag_md5sig raw = *netlink::Load<tcp_diag_md5sig>(whole);
  const size_t length = std::min<size_t>(raw.tcpm_keylen, sizeof(raw.tcpm_key));
  return Md5Key{IpAddress::FromNetwork(static_cast<Family>(raw.tcpm_family),
                                       whole.subspan(offsetof(tcp_diag_md5sig, tcpm_addr), 16)),
                raw.tcpm_prefixlen, whole.subspan(offsetof(tcp_diag_md5sig, tcpm_key), length)};
}

}  // namespace netdiag
