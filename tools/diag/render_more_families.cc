// What ss's text shows of vsock, TIPC, XDP and SMC sockets behind the columns. ss has no SMC; its
// text follows smcss. Tested by tests/tools/render_more_families_test.cc.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "netdiag/field_words.h"
#include "netdiag/fields.h"
#include "tools/diag/render.h"
#include "tools/diag/table_buffer.h"

namespace diag {
namespace {

using netdiag::SmcConnection;
using netdiag::SmcDevice;
using netdiag::SmcFallback;
using netdiag::SmcLink;
using netdiag::SmcSocket;
using netdiag::SocketType;
using netdiag::StructField;
using netdiag::TipcSocket;
using netdiag::XdpSocket;
using netdiag::XdpStats;
using netdiag::XdpUmem;

// A token: a text and the value of a field.
struct Token {
  std::string_view text;
  StructField field;
  int base = 10;
};

// Appends the tokens whose fields the kernel sent.
template <class Struct, size_t N>
void AppendTokens(const Token (&tokens)[N], const Struct& values, std::string* out) {
  for (const Token& token : tokens) {
    const std::optional<uint64_t> value = values[token.field];
    if (!value) continue;
    out->append(token.text);
    AppendNumber(*value, out, token.base);
  }
}

// ---- TIPC ----

std::string_view TipcType(SocketType type) {
  switch (type) {
    case SocketType::kStream:
      return "STREAM";
    case SocketType::kDatagram:
      return "DGRAM";
    case SocketType::kReliableDatagram:
      return "RDM";
    case SocketType::kSequentialPacket:
      return "SEQPACKET";
    default:
      return "UNKNOWN";
  }
}

void AppendGroup(const TipcSocket::Group& group, std::string* out) {
  out->append("  group:{");
  AppendNumber(group.id, out);
  out->push_back(',');
  AppendNumber(group.instance, out);
  out->push_back('}');
  static const netdiag::FieldWords* const scopes =
      netdiag::WordsOf(*netdiag::FindField("tipc.group_scope"));
  if (const std::string_view scope = scopes->Word(group.scope); !scope.empty()) {
    out->append(" scope:").append(scope);
  }
  out->append(group.open ? " open" : "").append(" bcast:");
  AppendNumber(group.next_broadcast, out);
}

// --tipcinfo
void AppendTipcInfo(const TipcSocket& socket, bool oneline, std::string* out) {
  out->append(oneline ? " type:" : "\n type:").append(TipcType(socket.type()));
  out->append(" cong:");
  out->append(socket.link_congested().value_or(false)         ? "link"
              : socket.connection_congested().value_or(false) ? "conn"
                                                              : "none");
  out->append("  drop:");
  AppendNumber(socket.drops().value_or(0), out);
  if (socket.published()) out->append("  publ");
  if (const std::optional<TipcSocket::Service> service = socket.service()) {
    out->append("  via {");
    AppendNumber(service->type, out);
    out->push_back(',');
    AppendNumber(service->instance, out);
    out->push_back('}');
  }
  if (const std::optional<TipcSocket::Group> group = socket.group()) AppendGroup(*group, out);
}

// ---- XDP ----

void AppendRing(std::string_view name, std::optional<uint32_t> entries, std::string_view newline,
                std::string* out) {
  if (!entries) return;
  out->append(newline).append(name).append("(entries:");
  AppendNumber(*entries, out);
  out->push_back(')');
}

void AppendUmem(const XdpUmem& umem, std::string* out) {
  static constexpr Token kTokens[] = {
      {"id:", XdpUmem::Field("id")},
      {",size:", XdpUmem::Field("size")},
      {",num_pages:", XdpUmem::Field("pages")},
      {",chunk_size:", XdpUmem::Field("chunk_size")},
      {",headroom:", XdpUmem::Field("headroom")},
      {",ifindex:", XdpUmem::Field("interface_index")},
      {",qid:", XdpUmem::Field("queue")},
  };
  out->append("umem(");
  AppendTokens(kTokens, umem, out);
  const uint64_t flags = umem[XdpUmem::Field("flags")].value_or(0);
  out->append(",zc:");
  AppendNumber(flags & 1, out);
  out->append(",refs:");
  AppendNumber(umem[XdpUmem::Field("users")].value_or(0), out);
  out->push_back(')');
}

void AppendStats(const XdpStats& stats, std::string* out) {
  static constexpr Token kTokens[] = {
      {"rx dropped:", XdpStats::Field("rx_dropped")},
      {",rx invalid:", XdpStats::Field("rx_invalid")},
      {",rx queue full:", XdpStats::Field("rx_ring_full")},
      {",rx fill ring empty:", XdpStats::Field("fill_ring_empty")},
      {",tx invalid:", XdpStats::Field("tx_invalid")},
      {",tx ring empty:", XdpStats::Field("tx_ring_empty")},
  };
  out->append("stats(");
  AppendTokens(kTokens, stats, out);
  out->push_back(')');
}

// -e
void AppendXdp(const XdpSocket& socket, std::string_view newline, std::string* out) {
  AppendIdentity(socket.uid(), socket.inode(), socket.cookie(), out);
  AppendRing("rx", socket.receive_ring(), newline, out);
  AppendRing("tx", socket.send_ring(), newline, out);
  if (const std::optional<XdpUmem> umem = socket.umem()) AppendUmem(*umem, &out->append(newline));
  AppendRing("fr", socket.fill_ring(), newline, out);
  AppendRing("cr", socket.completion_ring(), newline, out);
  if (const std::optional<XdpStats> stats = socket.stats()) {
    AppendStats(*stats, &out->append(newline));
  }
}

// ---- SMC ----

// "mode:SMCR", or "mode:TCP fallback:0x3030000/0x5000000": why, and what the peer said.
void AppendMode(const SmcSocket& socket, std::string* out) {
  static constexpr std::array<std::string_view, 3> kNames = {"SMCR", "TCP", "SMCD"};
  const std::optional<netdiag::SmcMode> mode = socket.mode();
  if (!mode) return;
  const auto number = static_cast<size_t>(*mode);
  out->append(" mode:").append(number < kNames.size() ? kNames[number] : "UNKNOWN");
  if (*mode != netdiag::SmcMode::kFallback) return;
  const SmcFallback fallback = socket.fallback().value_or(SmcFallback());
  out->append(" fallback:0x");
  AppendNumber(fallback[SmcFallback::Field("fallback_reason")].value_or(0), out, 16);
  out->append("/0x");
  AppendNumber(fallback[SmcFallback::Field("peer_diagnosis")].value_or(0), out, 16);
}

// A cursor as "wrap:count", and two bytes of flags as "prod:state".
void AppendPair(std::string_view name, const SmcConnection& values, const StructField& first,
                const StructField& second, std::string* out) {
  out->append(name);
  AppendNumber(values[first].value_or(0), out, 16);
  out->push_back(':');
  AppendNumber(values[second].value_or(0), out, 16);
}

void AppendConnection(const SmcConnection& values, std::string* out) {
  static constexpr Token kTokens[] = {
      {"token:", SmcConnection::Field("token"), 16},
      {",sndbuf:", SmcConnection::Field("sndbuf")},
      {",rcvbuf:", SmcConnection::Field("rcvbuf")},
      {",peerbuf:", SmcConnection::Field("peer_rcvbuf")},
  };
  static constexpr struct {
    std::string_view text;
    StructField first, second;
  } kPairs[] = {
      {",rxprod:", SmcConnection::Field("rx_prod_wrap"), SmcConnection::Field("rx_prod")},
      {",rxcons:", SmcConnection::Field("rx_cons_wrap"), SmcConnection::Field("rx_cons")},
      {",rxflags:", SmcConnection::Field("rx_prod_flags"), SmcConnection::Field("rx_state_flags")},
      {",txprod:", SmcConnection::Field("tx_prod_wrap"), SmcConnection::Field("tx_prod")},
      {",txcons:", SmcConnection::Field("tx_cons_wrap"), SmcConnection::Field("tx_cons")},
      {",txflags:", SmcConnection::Field("tx_prod_flags"), SmcConnection::Field("tx_state_flags")},
      {",txprep:", SmcConnection::Field("tx_prep_wrap"), SmcConnection::Field("tx_prep")},
      {",txsent:", SmcConnection::Field("tx_sent_wrap"), SmcConnection::Field("tx_sent")},
      {",txfin:", SmcConnection::Field("tx_fin_wrap"), SmcConnection::Field("tx_fin")},
  };
  out->append("conn(");
  AppendTokens(kTokens, values, out);
  for (const auto& pair : kPairs) AppendPair(pair.text, values, pair.first, pair.second, out);
  out->push_back(')');
}

void AppendLink(const SmcLink& link, std::string* out) {
  out->append("link(role:").append(link.server != 0 ? "SERV" : "CLNT").append(",device:");
  AppendField(link.device, out);
  out->append(",port:");
  AppendNumber(link.port, out);
  out->append(",id:");
  AppendNumber(link.id, out);
  out->append(",gid:");
  AppendField(link.gid, out);
  out->append(",peer_gid:");
  AppendField(link.peer_gid, out);
  out->push_back(')');
}

void AppendDevice(const SmcDevice& device, std::string* out) {
  static constexpr Token kTokens[] = {
      {"gid:", SmcDevice::Field("gid"), 16},
      {",token:", SmcDevice::Field("token"), 16},
      {",peer_gid:", SmcDevice::Field("peer_gid"), 16},
      {",peer_token:", SmcDevice::Field("peer_token"), 16},
      {",linkid:", SmcDevice::Field("link_id"), 16},
      {",gid_ext:", SmcDevice::Field("gid_ext"), 16},
      {",peer_gid_ext:", SmcDevice::Field("peer_gid_ext"), 16},
  };
  out->append("dmb(");
  AppendTokens(kTokens, device, out);
  out->push_back(')');
}

// -e
void AppendSmc(const SmcSocket& socket, std::string* out) {
  AppendIdentity(socket.uid(), socket.inode(), socket.cookie(), out);
  AppendShutdown(socket.shutdown(), out);
  static const netdiag::FieldWords* const states =
      netdiag::WordsOf(*netdiag::FindField("smc.state"));
  out->append(" smc-state:");
  if (const std::string_view state = states->Word(socket.smc_state()); !state.empty()) {
    out->append(state);
  } else {
    AppendNumber(socket.smc_state(), out);
  }
}

}  // namespace

void WriteDetails(const netdiag::Row&, const netdiag::VsockSocket& socket,
                  const ListOptions& options, TableBuffer* table) {
  if (!options.shows(Detail::kExtended)) return;
  AppendIdentity(std::nullopt, socket.inode(), socket.cookie(), table->text());
  AppendShutdown(socket.shutdown(), table->text());
}

void WriteDetails(const netdiag::Row&, const TipcSocket& socket, const ListOptions& options,
                  TableBuffer* table) {
  if (options.shows(Detail::kExtended)) {
    AppendIdentity(socket.uid(), socket.inode(), socket.cookie(), table->text());
  }
  if (options.shows(Detail::kTipcInfo)) {
    AppendTipcInfo(socket, options.style.oneline, table->text());
  }
}

void WriteDetails(const netdiag::Row&, const XdpSocket& socket, const ListOptions& options,
                  TableBuffer* table) {
  const std::string_view newline = options.style.oneline ? " " : "\n\t";
  if (options.shows(Detail::kExtended)) AppendXdp(socket, newline, table->text());
  if (options.shows(Detail::kMemory)) AppendMemory(socket.memory(), table->text());
}

void WriteDetails(const netdiag::Row&, const SmcSocket& socket, const ListOptions& options,
                  TableBuffer* table) {
  std::string* const out = table->text();
  AppendMode(socket, out);
  if (options.shows(Detail::kExtended)) AppendSmc(socket, out);
  if (!options.shows(Detail::kTcpInfo)) return;
  const std::string_view newline = options.style.oneline ? " " : "\n\t";
  if (const std::optional<SmcConnection> connection = socket.connection()) {
    AppendConnection(*connection, &out->append(newline));
  }
  if (const std::optional<SmcLink> link = socket.link()) AppendLink(*link, &out->append(newline));
  if (const std::optional<SmcDevice> device = socket.device()) {
    AppendDevice(*device, &out->append(newline));
  }
}

}  // namespace diag
