// Filters over vsock, TIPC, XDP and SMC sockets: which rows match, and that no table is left out in
// which a row matches.

#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/engine/row_maker.h"
#include "netdiag/filter/filter.h"
#include "netdiag/filter/kernel_part.h"
#include "netdiag/row.h"
#include "tests/testing/messages.h"

namespace netdiag {
namespace {

using testing::Attribute;
using testing::Join;
using testing::Packet;
using testing::Raw;
using testing::SmcMessage;
using testing::TipcMessage;
using testing::VsockMessage;
using testing::XdpMessage;

Table TableOf(Protocol protocol) {
  return {protocol, Describe(protocol).families, NetnsId(42), ""};
}

// True if the filter matches the socket. A row that matches must be one that the kernel may be
// asked for.
bool Matches(std::string_view text, Protocol protocol, const Packet& datagram) {
  const absl::StatusOr<Filter> filter = Filter::Parse(text);
  EXPECT_TRUE(filter.ok()) << filter.status();
  netlink::MessageCursor cursor(datagram);
  netlink::Message message;
  EXPECT_TRUE(cursor.Next(&message));
  const Table table = TableOf(protocol);
  const std::optional<Row> row =
      internal::RowMaker::FromMessage(message, table, SourceKind::kReplay);
  if (!filter.ok() || !row) {
    ADD_FAILURE() << text;
    return false;
  }
  const bool matches = filter->Matches(*row);
  const internal::KernelPart part = internal::KernelPartOf(*filter, table);
  if (matches) {
    EXPECT_TRUE(part.states.contains(row->state())) << text;
  }
  EXPECT_TRUE(part.bytecode.empty()) << text;
  // Printed and parsed again, it is the same filter.
  const absl::StatusOr<Filter> again = Filter::Parse(filter->ToString());
  EXPECT_TRUE(again.ok() && *again == *filter) << filter->ToString();
  return matches;
}

struct Expressions {
  std::vector<const char*> yes, no;
};
void Expect(const Expressions& expressions, Protocol protocol, const Packet& datagram) {
  for (const char* text : expressions.yes) {
    EXPECT_TRUE(Matches(text, protocol, datagram)) << text;
    EXPECT_FALSE(Matches(std::string("not (") + text + ")", protocol, datagram)) << text;
  }
  for (const char* text : expressions.no) {
    EXPECT_FALSE(Matches(text, protocol, datagram)) << text;
    EXPECT_TRUE(Matches(std::string("not (") + text + ")", protocol, datagram)) << text;
  }
}

TEST(FamiliesMatch, VsockSocketsAreFoundByCidAndPort) {
  VsockMessage connected;
  connected.Connect(3, 70000, 2, 1024);
  Expect({{"src vsock:3:70000", "src vsock:3", "src vsock:*:70000", "dst vsock:2:1024",
           "sport = vsock:70000", "dport = vsock:1024", "dst != vsock:3:*",
           "vsock.local_port > 65535", "vsock.remote_cid = 2", "vsock.local_cid != 2",
           "state = established", "protocol = vsock", "family = vsock", "type = stream",
           "inode = 4001", "cookie = 0x4c", "not shutdown_send", "autobound", "src *"},
          {"src vsock:2:70000", "dst vsock:2:1025", "dst != vsock:2:1024",
           "vsock.local_port < 65536", "sport = 1024", "dport = 1024", "sport != 22",
           "src 10.0.0.1", "src inet:*", "src netlink:3:70000", "uid = 0", "recvq = 0",
           "state = listening", "type = seqpacket", "dev = 0", "family = inet"}},
         Protocol::kVsock, connected.Build());
  // Any machine and no peer are no numbers.
  Expect({{"src vsock:*:1024", "sport = vsock:1024", "state = listening", "autobound"},
          {"src vsock:4294967295:1024", "vsock.local_cid > 0", "vsock.remote_port > 0"}},
         Protocol::kVsock, VsockMessage().Build());
  VsockMessage reserved;
  reserved.fixed.vdiag_src_port = 1023;
  Expect({{}, {"autobound"}}, Protocol::kVsock, reserved.Build());
  reserved.fixed.vdiag_src_port = ~0u;
  Expect({{}, {"autobound"}}, Protocol::kVsock, reserved.Build());
}

TEST(FamiliesMatch, TipcSocketsAreFoundByTheirFields) {
  TipcMessage message;
  message.AddBasics(4, 1).Add(TIPC_NLA_SOCK_CON,
                              Join({Attribute(TIPC_NLA_CON_NODE, Raw(uint32_t{6})),
                                    Attribute(TIPC_NLA_CON_SOCK, Raw(uint32_t{88}))}));
  message.Add(TIPC_NLA_SOCK_STAT, Attribute(TIPC_NLA_SOCK_STAT_DROP, Raw(uint32_t{9})));
  Expect(
      {{"tipc.node = 5", "tipc.ref = 77", "tipc.remote_node = 6 and tipc.remote_ref = 88",
        "tipc.drops > 8", "type = rdm", "uid = 1000", "inode = 2001", "cookie = 44",
        "protocol = tipc", "state = established", "not tipc.published", "not tipc.link_congested"},
       {"tipc.ref != 77", "tipc.service_type = 0", "tipc.group_id = 0", "sport = 77",
        "src vsock:5:77", "autobound", "shutdown_send = no", "state = close"}},
      Protocol::kTipc, message.Build());
}

TEST(FamiliesMatch, XdpSocketsAreFoundByInterfaceAndQueue) {
  XdpMessage message;
  message.Add(XDP_DIAG_INFO, Raw(xdp_diag_info{9, 3})).Add(XDP_DIAG_UID, uint32_t{1000});
  message.Add(XDP_DIAG_STATS, Raw(xdp_diag_stats{.n_rx_dropped = 5}));
  Expect({{"dev = 9", "interface = 9 and xdp.queue = 3", "xdp.queue >= 3", "dev != 8",
           "rx_dropped > 4", "uid = 1000", "state = unconnected", "protocol = xdp"},
          {"dev = 0", "dev != 9", "xdp.queue = 0", "rx_dropped > 5", "sport = 3",
           "state = established", "umem.size > 0"}},
         Protocol::kXdp, message.Build());
  // Not bound to an interface any more.
  Expect({{"dev = 0", "dev != 9"}, {"dev = 9"}}, Protocol::kXdp, XdpMessage().Build());
}

TEST(FamiliesMatch, SmcSocketsAreFoundAsTcpSocketsAre) {
  SmcMessage message;
  message.fixed.diag_mode = SMC_DIAG_MODE_FALLBACK_TCP;
  message.Add(SMC_DIAG_FALLBACK, Raw(smc_diag_fallback{0x03030000, 0}));
  Expect({{"src 127.0.0.1", "src 127/8", "src 127.0.0.1:8080", "dst 10.1.2.3:4660", "sport = 8080",
           "dport != 80", "dport 4000-5000", "dst != 10.1.2.4", "src inet:*", "state = established",
           "uid = 1000", "smc.state = active", "smc.mode = tcp", "smc.fallback_reason = 0x3030000",
           "local_port > 8000", "protocol = smc", "dev = 0"},
          {"src 10.1.2.3", "sport = 80", "dst 127/8", "src inet6:*", "smc.mode = smcr",
           "smc.peer_diagnosis = 0", "autobound", "family = inet", "recvq = 0"}},
         Protocol::kSmc, message.Build());
  message.fixed.id.idiag_sport = Port::FromHost(40000).ToNetwork();
  Expect({{"autobound"}, {}}, Protocol::kSmc, message.Build());
  // Without an address, only the port is known.
  SmcMessage listener;
  listener.fixed.diag_state = 10;
  listener.fixed.id.idiag_src[0] = listener.fixed.id.idiag_dst[0] = 0;
  Expect({{"sport = 8080", "state = listening"},
          {"src 0.0.0.0", "src != 10.0.0.1", "src inet:*", "src 0.0.0.0/0:8080"}},
         Protocol::kSmc, listener.Build());
}

TEST(FamiliesMatch, ATableInWhichNoRowCanMatchIsNotAskedFor) {
  const auto can_match = [](std::string_view text, Protocol protocol) {
    const absl::StatusOr<Filter> filter = Filter::Parse(text);
    EXPECT_TRUE(filter.ok()) << filter.status();
    return filter.ok() && !internal::KernelPartOf(*filter, TableOf(protocol)).states.empty();
  };
  for (const Protocol protocol : {Protocol::kVsock, Protocol::kTipc, Protocol::kXdp}) {
    EXPECT_FALSE(can_match("sport = 22", protocol));
    EXPECT_FALSE(can_match("dst 10.0.0.0/8", protocol));
  }
  EXPECT_TRUE(can_match("sport = 22", Protocol::kSmc));
  EXPECT_TRUE(can_match("dst 10.0.0.0/8", Protocol::kSmc));
  EXPECT_FALSE(can_match("fwmark = 1", Protocol::kSmc));
  EXPECT_FALSE(can_match("src vsock:*:1", Protocol::kSmc));
  EXPECT_FALSE(can_match("src vsock:*:1", Protocol::kTcp));
  EXPECT_TRUE(can_match("src vsock:*:1", Protocol::kVsock));
  EXPECT_FALSE(can_match("tipc.ref = 1", Protocol::kXdp));
  EXPECT_FALSE(can_match("autobound", Protocol::kXdp));
  EXPECT_FALSE(can_match("uid = 0", Protocol::kVsock));
  EXPECT_FALSE(can_match("rtt > 1ms", Protocol::kSmc));
}

}  // namespace
}  // namespace netdiag
