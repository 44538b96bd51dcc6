// Calls every accessor of every view on any message. The first byte selects the table; the others
// are the payload.

#include <iterator>
#include <string_view>
#include <variant>

#include "netdiag/dump/table.h"
#include "netdiag/engine/row_maker.h"
#include "netdiag/fields.h"
#include "netdiag/row.h"
#include "netdiag/socket/socket.h"
#include "tests/fuzz/fuzz.h"

namespace netdiag::fuzz {
namespace {

template <class View>
void TouchFields(const std::optional<View>& view) {
  if (!view) return;
  for (const StructField& field : view->fields()) TouchValue((*view)[field]);
  Touch(view->bytes());
}
template <class... T>
void TouchValues(const T&... values) {
  (TouchValue(values), ...);
}

void TouchInet(const InetSocket& s) {
  std::string text(Names(s.state()).ss);
  s.local().AppendTo(&text);
  s.remote().AppendTo(&text);
  Touch(text.append(Name(s.timer())).append(s.congestion()));
  TouchValues(s.interface(), s.cookie(), s.expires(), s.retransmits(), s.uid(), s.inode(), s.tos(),
              s.traffic_class(), s.class_id(), s.shutdown(), s.protocol(), s.v6_only(), s.mark(),
              s.cgroup(), s.options());
  TouchFields(s.inet_memory()), TouchFields(s.tcp_info()), TouchFields(s.vegas());
  TouchFields(s.mptcp_info()), TouchFields(s.sctp_info()), TouchFields(s.dccp_info());
  TouchValue(SctpPrimaryAddress(s.sctp_info().value_or(SctpInfo())));
  for (size_t i = 0; i <= s.local_addresses(); ++i) TouchValue(s.local_address(i));
  for (size_t i = 0; i <= s.peer_addresses(); ++i) TouchValue(s.peer_address(i));
  TouchFields(s.dctcp()), TouchFields(s.bbr()), TouchFields(s.memory());
  TouchValue(OptionsOf(s.tcp_info().value_or(TcpInfo())));
  const UlpInfo ulp = s.ulp().value_or(UlpInfo());
  Touch(ulp.name), TouchFields(ulp.tls), TouchFields(ulp.mptcp);
  for (size_t i = 0; const std::optional<Md5Key> key = s.md5_key(i); ++i) Touch(key->key);
}

void TouchUnix(const UnixSocket& s) {
  Touch(s.name()), Touch(Names(s.type()).ss), TouchFields(s.memory());
  TouchValues(s.inode(), s.cookie(), s.state(), s.peer(), s.file(), s.receive_queue(),
              s.send_queue(), s.uid(), s.shutdown());
  for (size_t i = 0; s.pending_connection(i); ++i) Check(s.has_pending_connections());
}

void TouchPacket(const PacketSocket& s) {
  Touch(Names(s.type()).ss), TouchFields(s.info()), TouchFields(s.memory());
  TouchFields(s.receive_ring()), TouchFields(s.send_ring());
  TouchValues(s.ethertype(), s.inode(), s.cookie(), s.interface(), s.uid(), s.receive_queue(),
              s.fanout(), s.filter_withheld());
  for (size_t i = 0; const auto row = s.filter(i); ++i) Check(i < s.filter_length());
  for (size_t i = 0; const auto row = s.membership(i); ++i) Touch(row->address);
}

void TouchNetlink(const NetlinkSocket& s) {
  Touch(Names(s.type()).ss), TouchFields(s.memory());
  TouchValues(s.netlink_protocol(), s.connected(), s.port_id(), s.remote_port_id(),
              s.remote_group(), s.inode(), s.cookie(), s.flags(), s.receive_queue(),
              s.send_queue());
  for (size_t i = 0; const auto word = s.groups(i); ++i) TouchValue(*word);
}

void TouchVsock(const VsockSocket& s) {
  Touch(Names(s.type()).ss), Touch(Names(s.state()).ss);
  TouchValues(s.local_cid(), s.local_port(), s.remote_cid(), s.remote_port(), s.inode(), s.cookie(),
              s.shutdown());
}

void TouchTipc(const TipcSocket& s) {
  Touch(Names(s.type()).ss), Touch(Names(s.state()).ss);
  TouchValues(s.inode(), s.cookie(), s.uid(), s.node(), s.reference(), s.remote_node(),
              s.remote_reference(), s.service(), s.published(), s.receive_queue(), s.send_queue(),
              s.drops(), s.link_congested(), s.connection_congested());
  const TipcSocket::Group group = s.group().value_or(TipcSocket::Group());
  TouchValues(group.id, group.instance, group.next_broadcast, group.scope, group.open);
}

void TouchXdp(const XdpSocket& s) {
  Touch(Names(s.type()).ss), TouchFields(s.memory()), TouchFields(s.umem());
  TouchFields(s.stats());
  TouchValues(s.inode(), s.cookie(), s.interface(), s.queue(), s.uid(), s.receive_queue(),
              s.receive_ring(), s.send_ring(), s.fill_ring(), s.completion_ring());
}

void TouchSmc(const SmcSocket& s) {
  Touch(Names(s.state()).ss), TouchFields(s.fallback()), TouchFields(s.connection());
  TouchFields(s.device());
  TouchValues(s.smc_state(), s.mode(), s.local_port(), s.remote_port(), s.interface(), s.cookie(),
              s.uid(), s.inode(), s.shutdown());
  std::string text;
  s.local_address().value_or(IpAddress()).AppendTo(&text);
  s.remote_address().value_or(IpAddress()).AppendTo(&text);
  const SmcLink link = s.link().value_or(SmcLink());
  Touch(text.append(link.device).append(link.gid).append(link.peer_gid));
}

}  // namespace
}  // namespace netdiag::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace netdiag;  // NOLINT
  if (size == 0) return 0;
  constexpr Protocol kProtocols[] = {
      Protocol::kTcp,    Protocol::kUdp,     Protocol::kUnix,  Protocol::kRaw,  Protocol::kMptcp,
      Protocol::kPacket, Protocol::kNetlink, Protocol::kVsock, Protocol::kTipc, Protocol::kXdp,
      Protocol::kSmc,    Protocol::kSctp,    Protocol::kDccp};
  const Table table = {kProtocols[data[0] % std::size(kProtocols)], {}, {}};
  const Bytes payload = fuzz::AsBytes(data + 1, size - 1);
  if (const auto inet = InetSocket::Parse(payload)) fuzz::TouchInet(*inet);
  if (const auto local = UnixSocket::Parse(payload)) fuzz::TouchUnix(*local);
  if (const auto packet = PacketSocket::Parse(payload)) fuzz::TouchPacket(*packet);
  if (const auto netlink = NetlinkSocket::Parse(payload)) fuzz::TouchNetlink(*netlink);
  if (const auto vsock = VsockSocket::Parse(payload)) fuzz::TouchVsock(*vsock);
  if (const auto tipc = TipcSocket::Parse(payload)) fuzz::TouchTipc(*tipc);
  if (const auto xdp = XdpSocket::Parse(payload)) fuzz::TouchXdp(*xdp);
  if (const auto smc = SmcSocket::Parse(payload)) fuzz::TouchSmc(*smc);
  netlink::MessageCursor messages(payload);
  for (netlink::Message message; messages.Next(&message);) {
    const auto row = internal::RowMaker::FromMessage(message, table, SourceKind::kReplay);
    if (!row) continue;
    fuzz::TouchValues(StateSet(row->state()), FamilySet(row->family()), row->send_queue());
    for (const Field& field : AllFields()) {
      const FieldValue value = field.get(*row, 1);
      if (const auto* text = std::get_if<std::string_view>(&value)) fuzz::Touch(*text);
    }
  }
  return 0;
}
