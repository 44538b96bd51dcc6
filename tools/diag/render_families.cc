// What ss's text shows of MPTCP, SCTP, packet and netlink sockets behind the columns. Tested by
// tests/tools/render_families_test.cc and against ss itself by tests/live/ss_differential_test.cc.

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tools/diag/render.h"

namespace diag {
namespace {

using netdiag::BpfInstruction;
using netdiag::InetSocket;
using netdiag::MptcpInfo;
using netdiag::NetlinkFlag;
using netdiag::NetlinkSocket;
using netdiag::PacketFlag;
using netdiag::PacketInfo;
using netdiag::PacketRing;
using netdiag::PacketSocket;
using netdiag::SctpInfo;
using netdiag::StructField;

// A token: a text and the value of a field.
struct Token {
  std::string_view text;
  StructField field;
  int base = 10;  // of the value; 0: the text alone
};

// Appends the fields that are not 0.
template <class Struct>
void AppendTokens(const Struct& info, std::span<const Token> tokens, std::string* out) {
  for (const Token& token : tokens) {
    const uint64_t value = info[token.field].value_or(0);
    if (value == 0) continue;
    out->append(token.text);
    if (token.base != 0) AppendNumber(value, out, token.base);
  }
}

// " locals:10.0.0.1,10.0.0.2". An address of another family is a '?'.
template <class Get>
void AppendAddresses(std::string_view token, size_t count, std::string* out, const Get& get) {
  for (size_t i = 0; i < count; ++i) {
    out->append(i == 0 ? token : ",");
    const std::optional<netdiag::BoundAddress> address = get(i);
    if (address) {
      address->endpoint.address.AppendTo(out);
    } else {
      out->push_back('?');
    }
  }
}

// Source: enum sctp_state, include/net/sctp/constants.h.
std::string_view NameOfSctpState(uint64_t state) {
  static constexpr std::string_view kNames[] = {
      "CLOSED",           "COOKIE_WAIT",   "COOKIE_ECHOED",     "ESTAB",
      "SHUTDOWN_PENDING", "SHUTDOWN_SENT", "SHUTDOWN_RECEIVED", "ACK_SENT"};
  return state < std::size(kNames) ? kNames[state] : std::string_view();
}

void AppendRing(std::string_view name, const PacketRing& ring, std::string* out) {
  static constexpr Token kTokens[] = {{"blk_size:", PacketRing::Field("block_size")},
                                      {",blk_nr:", PacketRing::Field("block_count")},
                                      {",frm_size:", PacketRing::Field("frame_size")},
                                      {",frm_nr:", PacketRing::Field("frame_count")},
                                      {",tmo:", PacketRing::Field("retire_timeout")},
                                      {",features:0x", PacketRing::Field("features"), 16}};
  out->append(name).append("(");
  for (const Token& token : kTokens) {
    out->append(token.text);
    AppendNumber(ring[token.field].value_or(0), out, token.base);
  }
  out->push_back(')');
}

void AppendFanout(const PacketSocket::Fanout& fanout, std::string* out) {
  // PACKET_FANOUT_*; ss has names for these six.
  static constexpr std::array<std::string_view, 6> kModes = {"hash", "lb",     "cpu",
                                                             "roll", "random", "qm"};
  out->append("fanout(id:");
  AppendNumber(fanout.id, out);
  out->append(",type:");
  if (fanout.mode < kModes.size()) {
    out->append(kModes[fanout.mode]);
  } else {
    out->append("0x");
    AppendNumber(fanout.mode, out, 16);
  }
  out->push_back(')');
}

void AppendPacketFlags(uint64_t flags, std::string* out) {
  static constexpr std::array<std::string_view, 5> kNames = {"running", "auxdata", "origdev",
                                                             "vnethdr", "loss"};
  static_assert(kNames.size() == static_cast<size_t>(PacketFlag::kLoss) + 1);
  out->append(" flags(");
  for (size_t bit = 0; bit < kNames.size(); ++bit) {
    if ((flags >> bit & 1) != 0) out->append(" ").append(kNames[bit]);
  }
  out->append(flags == 0 ? " 0 )" : " )");
}

void AppendPacketInfo(const PacketSocket& socket, std::string_view newline, std::string* out) {
  if (const std::optional<PacketInfo> info = socket.info();
      info && (*info)[PacketInfo::Field("flags")]) {
    out->append(newline).append("ver:");
    AppendNumber(*(*info)[PacketInfo::Field("version")], out);
    out->append(" cpy_thresh:");
    AppendNumber(*(*info)[PacketInfo::Field("copy_thresh")], out);
    AppendPacketFlags(*(*info)[PacketInfo::Field("flags")], out);
  }
  if (const std::optional<PacketRing> ring = socket.receive_ring()) {
    AppendRing("ring_rx", *ring, &out->append(newline));
  }
  if (const std::optional<PacketRing> ring = socket.send_ring()) {
    AppendRing("ring_tx", *ring, &out->append(newline));
  }
  if (const std::optional<PacketSocket::Fanout> fanout = socket.fanout()) {
    AppendFanout(*fanout, &out->append(newline));
  }
}

}  // namespace

void AppendPacket(const PacketSocket& socket, const ListOptions& options, std::string* out) {
  const std::string_view newline = options.style.oneline ? " " : "\n\t";
  if (options.shows(Detail::kExtended)) {
    AppendIdentity(socket.uid(), socket.inode(), socket.cookie(), out);
    AppendPacketInfo(socket, newline, out);
  }
  if (!options.shows(Detail::kPacketFilters) || socket.filter_length() == 0) return;
  out->append(newline).append("bpf filter (");
  AppendNumber(socket.filter_length(), out);
  out->append("): ");
  for (size_t i = 0; const std::optional<BpfInstruction> row = socket.filter(i); ++i) {
    out->append(row->code < 16 ? " 0x0" : " 0x");
    AppendNumber(row->code, out, 16);
    for (const uint32_t part : {uint32_t{row->jump_true}, uint32_t{row->jump_false}, row->k}) {
      out->push_back(' ');
      AppendNumber(part, out);
    }
    out->push_back(',');
  }
}

void AppendNetlink(const NetlinkSocket& socket, std::string* out) {
  out->append(" sk=");
  AppendNumber(socket.cookie().value(), out, 16);
  const netdiag::Set<NetlinkFlag> flags = socket.flags().value_or(netdiag::Set<NetlinkFlag>());
  out->append(flags.contains(NetlinkFlag::kDumpRunning) ? " cb=1" : " cb=0");
  // All words of the mask that the kernel sends, except those at the end that are 0.
  size_t words = 0;
  for (size_t i = 0; const std::optional<uint64_t> word = socket.groups(i); ++i) {
    if (*word != 0) words = i + 1;
  }
  std::string digits;
  for (size_t i = words; i-- > 0;) {
    std::string part;
    AppendNumber(socket.groups(i).value_or(0), &part, 16);
    const size_t width = digits.empty() ? 8 : 16;
    digits.append(part.size() < width ? width - part.size() : 0, '0').append(part);
  }
  out->append(" groups=0x").append(digits.empty() ? "00000000" : digits);
  out->append(" ino:");
  AppendNumber(socket.inode().value(), out);
  static constexpr std::array<std::string_view, 6> kNames = {
      "", " pktinfo", " broadcast_error", " no_enobufs", " listen_all_nsid", " cap_ack"};
  static_assert(kNames.size() == static_cast<size_t>(NetlinkFlag::kCapAck) + 1);
  for (size_t bit = 0; bit < kNames.size(); ++bit) {
    if (flags.contains(static_cast<NetlinkFlag>(bit))) out->append(kNames[bit]);
  }
}

void AppendMptcpInfo(const MptcpInfo& info, std::string* out) {
  static constexpr Token kTokens[] = {
      {" subflows:", MptcpInfo::Field("subflows")},
      {" add_addr_signal:", MptcpInfo::Field("add_addr_signal")},
      {" add_addr_accepted:", MptcpInfo::Field("add_addr_accepted")},
      {" subflows_max:", MptcpInfo::Field("subflows_max")},
      {" add_addr_signal_max:", MptcpInfo::Field("add_addr_signal_max")},
      {" add_addr_accepted_max:", MptcpInfo::Field("add_addr_accepted_max")},
      {" fallback", MptcpInfo::Field("fallback"), 0},
      {" remote_key", MptcpInfo::Field("remote_key_received"), 0},
      {" token:", MptcpInfo::Field("token"), 16},
      {" write_seq:", MptcpInfo::Field("write_seq")},
      {" snd_una:", MptcpInfo::Field("snd_una")},
      {" rcv_nxt:", MptcpInfo::Field("rcv_nxt")},
      {" local_addr_used:", MptcpInfo::Field("local_addr_used")},
      {" local_addr_max:", MptcpInfo::Field("local_addr_max")},
      {" csum_enabled:", MptcpInfo::Field("csum_enabled")},
      {" retransmits:", MptcpInfo::Field("retransmits")},
      {" bytes_retrans:", MptcpInfo::Field("bytes_retrans")},
      {" bytes_sent:", MptcpInfo::Field("bytes_sent")},
      {" bytes_received:", MptcpInfo::Field("bytes_received")},
      {" bytes_acked:", MptcpInfo::Field("bytes_acked")},
      {" subflows_total:", MptcpInfo::Field("subflows_total")},
      {" endp_laminar_max:", MptcpInfo::Field("endp_laminar_max")},
      {" endp_fullmesh_max:", MptcpInfo::Field("endp_fullmesh_max")},
      {" last_data_sent:", MptcpInfo::Field("last_data_sent")},
      {" last_data_recv:", MptcpInfo::Field("last_data_recv")},
      {" last_ack_recv:", MptcpInfo::Field("last_ack_recv")},
  };
  AppendTokens(info, kTokens, out);
}

void AppendSctp(const InetSocket& socket, std::string* out) {
  AppendAddresses(" locals:", socket.local_addresses(), out,
                  [&](size_t i) { return socket.local_address(i); });
  AppendAddresses(" peers:", socket.peer_addresses(), out,
                  [&](size_t i) { return socket.peer_address(i); });
}

void AppendSctpInfo(const SctpInfo& info, std::string* out) {
  static constexpr Token kTokens[] = {
      {" rwnd:", SctpInfo::Field("rwnd")},
      {" unackdata:", SctpInfo::Field("unackdata")},
      {" penddata:", SctpInfo::Field("penddata")},
      {" instrms:", SctpInfo::Field("instrms")},
      {" outstrms:", SctpInfo::Field("outstrms")},
      {" inqueue:", SctpInfo::Field("inqueue")},
      {" outqueue:", SctpInfo::Field("outqueue")},
      {" overerr:", SctpInfo::Field("overall_error")},
      {" maxburst:", SctpInfo::Field("max_burst")},
      {" maxseg:", SctpInfo::Field("maxseg")},
      {" prwnd:", SctpInfo::Field("peer_rwnd")},
      {" ptag:", SctpInfo::Field("peer_tag"), 16},
      {" pcapable:", SctpInfo::Field("peer_capable")},
      {" psack:", SctpInfo::Field("peer_sack")},
      {" autoclose:", SctpInfo::Field("s_autoclose")},
      {" adapind:", SctpInfo::Field("s_adaptation_ind")},
      {" pdpoint:", SctpInfo::Field("s_pd_point")},
      {" nodelay:", SctpInfo::Field("s_nodelay")},
      {" nofrag:", SctpInfo::Field("s_disable_fragments")},
      {" v4mapped:", SctpInfo::Field("s_v4mapped")},
      {" fraginl:", SctpInfo::Field("s_frag_interleave")},
  };
  static constexpr Token kTag[] = {{" tag:", SctpInfo::Field("tag"), 16}};
  AppendTokens(info, kTag, out);
  // CLOSED is 0, which ss leaves out.
  const uint64_t state = info[SctpInfo::Field("state")].value_or(0);
  if (state != 0) {
    out->append(" state:");
    const std::string_view name = NameOfSctpState(state);
    if (name.empty()) {
      AppendNumber(state, out);
    } else {
      out->append(name);
    }
  }
  AppendTokens(info, kTokens, out);
}

void AppendTos(const netdiag::InetSocket& socket, std::string* out) {
  const auto append = [out](std::string_view name, std::optional<uint32_t> value) {
    if (!value) return;
    out->append(name).append(*value == 0 ? "" : "0x");
    AppendNumber(*value, out, 16);
  };
  append(" tos:", socket.tos());
  append(" tclass:", socket.traffic_class());
  append(" class_id:", socket.class_id());
}

void AppendSocketOptions(const netdiag::InetSocket& socket, bool oneline, std::string* out) {
  // In the order of SocketOption.
  static constexpr std::array<std::string_view, 11> kNames = {
      "recverr", "is_icsk",  "freebind",          "hdrincl",         "mc_loop",      "transparent",
      "mc_all",  "nodefrag", "bind_addr_no_port", "recverr_rfc4884", "defer_connect"};
  static_assert(kNames.size() == static_cast<size_t>(netdiag::SocketOption::kDeferConnect) + 1);
  const std::optional<netdiag::Set<netdiag::SocketOption>> set = socket.options();
  if (!set) return;
  out->append(oneline ? " " : "\n\t").append("inet-sockopt: (");
  for (size_t bit = 0; bit < kNames.size(); ++bit) {
    if (set->contains(static_cast<netdiag::SocketOption>(bit))) {
      out->append(" ").append(kNames[bit]);
    }
  }
  out->push_back(')');
}

void AppendIdentity(std::optional<netdiag::Uid> uid, netdiag::Inode inode, netdiag::Cookie cookie,
                    std::string* out) {
  if (uid && *uid != netdiag::Uid()) {
    out->append(" uid:");
    AppendNumber(uid->value(), out);
  }
  out->append(" ino:");
  AppendNumber(inode.value(), out);
  out->append(" sk:");
  AppendNumber(cookie.value(), out, 16);
}

}  // namespace diag
