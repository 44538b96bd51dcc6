// Tests listings of made-up vsock, TIPC, XDP and SMC sockets byte by byte. ss 6.1 prints the same
// of the same messages, except where docs/output.md names a difference. ss has no SMC.

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/render_testing.h"

namespace diag {
namespace {

using netdiag::Protocol;
using netdiag::testing::Attribute;
using netdiag::testing::CaptureOf;
using netdiag::testing::Join;
using netdiag::testing::Packet;
using netdiag::testing::Packets;
using netdiag::testing::Raw;
using netdiag::testing::SmcMessage;
using netdiag::testing::TipcMessage;
using netdiag::testing::VsockMessage;
using netdiag::testing::XdpMessage;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Render;

// ---- vsock ----

// A listener, an unbound socket, and the two ends of a connection.
Packet Vsock() {
  VsockMessage datagrams, sequential, half_closed;
  datagrams.fixed.vdiag_type = 2;
  datagrams.fixed.vdiag_state = 7;
  datagrams.fixed.vdiag_src_cid = 2;
  datagrams.fixed.vdiag_src_port = ~0u;
  sequential.Connect(2, 70000, 3, 99).fixed.vdiag_type = 5;
  half_closed.Connect(3, 99, 2, 70000).fixed.vdiag_shutdown = 1;
  return CaptureOf(
      {{Protocol::kVsock,
        {VsockMessage().Build(), datagrams.Build(), sequential.Build(), half_closed.Build()}}});
}

TEST(RenderVsock, ShowsCidsAndPorts) {
  EXPECT_EQ(Render({"--vsock", "-an"}, Vsock()),
            "Netid State  Recv-Q Send-Q Local Address:Port  Peer Address:Port  Process\n"
            "v_str LISTEN 0      0                  *:1024             *:*\n"
            "v_dgr UNCONN 0      0                  2:*                *:*\n"
            "v_seq ESTAB  0      0                  2:70000            3:99\n"
            "v_str ESTAB  0      0                  3:99               2:70000\n");
  EXPECT_EQ(Render({"-A", "v_str", "-anH"}, Vsock()),
            "LISTEN 0      0      *:1024 *:*\n"
            "ESTAB  0      0      3:99   2:70000\n");
  EXPECT_EQ(Render({"-A", "v_seq", "-anH"}, Vsock()), "ESTAB 0      0      2:70000 3:99\n");
  EXPECT_EQ(Render({"-A", "v_dgr", "-anH"}, Vsock()), "UNCONN 0      0      2:* *:*\n");
  VsockMessage unknown;
  unknown.fixed.vdiag_type = 3;
  EXPECT_THAT(Render({"--vsock", "-anH"}, CaptureOf({{Protocol::kVsock, {unknown.Build()}}})),
              HasSubstr("vsock LISTEN"));
}

TEST(RenderVsock, ExtendedShowsTheSocketAndItsShutdown) {
  const std::string text = Render({"--vsock", "-aneHp"}, Vsock());
  EXPECT_THAT(text, HasSubstr(" ino:4001 sk:4c <->\n"));
  EXPECT_THAT(text, HasSubstr(" ino:4001 sk:4c -->\n"));
  EXPECT_THAT(text, Not(HasSubstr("uid:")));
  EXPECT_EQ(Render({"--vsock", "-anmiH"}, Vsock()), Render({"--vsock", "-anH"}, Vsock()));
}

TEST(RenderVsock, StatesAndFiltersSelect) {
  EXPECT_EQ(Render({"--vsock", "-nH", "state", "listening"}, Vsock()),
            "v_str 0      0      *:1024 *:*\n");
  EXPECT_EQ(Render({"--vsock", "-anH", "src", "vsock:3:99"}, Vsock()),
            "v_str ESTAB 0      0      3:99 2:70000\n");
  EXPECT_EQ(Render({"--vsock", "-anH", "dst", "3:*"}, Vsock()),
            "v_seq ESTAB 0      0      2:70000 3:99\n");
  // Without -a, listeners and unconnected sockets are left out.
  EXPECT_THAT(Render({"--vsock", "-nH"}, Vsock()), Not(HasSubstr("1024")));
}

// ---- TIPC ----

Packet Tipc() {
  const auto stat = [](Packets flags) {
    return Join({Attribute(TIPC_NLA_SOCK_STAT_RCVQ, Raw(uint32_t{3})),
                 Attribute(TIPC_NLA_SOCK_STAT_SENDQ, Raw(uint32_t{4})),
                 Attribute(TIPC_NLA_SOCK_STAT_DROP, Raw(uint32_t{5})), Join(flags)});
  };
  const Packet peer = Join({Attribute(TIPC_NLA_CON_NODE, Raw(uint32_t{0x1001002})),
                            Attribute(TIPC_NLA_CON_SOCK, Raw(uint32_t{42}))});
  const Packet service =
      Join({Attribute(TIPC_NLA_CON_FLAG, {}), Attribute(TIPC_NLA_CON_TYPE, Raw(uint32_t{18888})),
            Attribute(TIPC_NLA_CON_INST, Raw(uint32_t{17}))});
  TipcMessage stream, listener, reliable, datagrams;
  stream.AddBasics(1, 1).Add(TIPC_NLA_SOCK_CON, Join({peer, service}));
  stream.Add(TIPC_NLA_SOCK_STAT, stat({Attribute(TIPC_NLA_SOCK_STAT_LINK_CONG, {})}));
  listener.AddBasics(5, 10).Add(TIPC_NLA_SOCK_HAS_PUBL, {}).Add(TIPC_NLA_SOCK_STAT, stat({}));
  reliable.AddBasics(4, 7).Add(TIPC_NLA_SOCK_STAT, stat({}));
  reliable.Add(TIPC_NLA_SOCK_GROUP,
               Join({Attribute(TIPC_NLA_SOCK_GROUP_ID, Raw(uint32_t{4711})),
                     Attribute(TIPC_NLA_SOCK_GROUP_INSTANCE, Raw(uint32_t{12})),
                     Attribute(TIPC_NLA_SOCK_GROUP_BC_SEND_NEXT, Raw(uint32_t{2})),
                     Attribute(TIPC_NLA_SOCK_GROUP_CLUSTER_SCOPE, {}),
                     Attribute(TIPC_NLA_SOCK_GROUP_OPEN, {})}));
  datagrams.AddBasics(2, 1).Add(TIPC_NLA_SOCK_CON, peer);
  datagrams.Add(TIPC_NLA_SOCK_STAT, stat({Attribute(TIPC_NLA_SOCK_STAT_CONN_CONG, {})}));
  return CaptureOf(
      {{Protocol::kTipc, {stream.Build(), listener.Build(), reliable.Build(), datagrams.Build()}}});
}

TEST(RenderTipc, ShowsNodesAndReferences) {
  EXPECT_EQ(Render({"--tipc", "-an"}, Tipc()),
            "State  Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n"
            "ESTAB  3      4                  5:77       16781314:42\n"
            "LISTEN 3      4                  5:77               -\n"
            "UNCONN 3      4                  5:77               -\n"
            "ESTAB  3      4                  5:77       16781314:42\n");
  // Beside another table they show their types.
  const std::string text = Render({"-A", "tipc,vsock", "-anH"}, Tipc());
  for (const char* netid : {"ti_st ESTAB", "ti_sq LISTEN", "ti_rd UNCONN", "ti_dg ESTAB"}) {
    EXPECT_THAT(text, HasSubstr(netid));
  }
}

TEST(RenderTipc, TipcinfoShowsTypeCongestionDropsAndService) {
  EXPECT_EQ(Render({"--tipc", "-anH", "--tipcinfo"}, Tipc()),
            "ESTAB  3      4      5:77 16781314:42\n"
            " type:STREAM cong:link  drop:5  via {18888,17}\n"
            "LISTEN 3      4      5:77         -\n"
            " type:SEQPACKET cong:none  drop:5  publ\n"
            "UNCONN 3      4      5:77         -\n"
            " type:RDM cong:none  drop:5  group:{4711,12} scope:cluster open bcast:2\n"
            "ESTAB  3      4      5:77 16781314:42\n"
            " type:DGRAM cong:conn  drop:5\n");
  const std::string lines = Render({"--tipc", "-anHO", "--tipcinfo"}, Tipc());
  EXPECT_THAT(lines, HasSubstr(" type:STREAM cong:link  drop:5  via {18888,17}\n"));
  EXPECT_EQ(std::ranges::count(lines, '\n'), 4);
  EXPECT_THAT(Render({"--tipc", "-aneH"}, Tipc()), HasSubstr(" uid:1000 ino:2001 sk:2c\n"));
}

// ---- XDP ----

XdpMessage Xdp() {
  XdpMessage message;
  message.Add(XDP_DIAG_INFO, Raw(xdp_diag_info{7, 2})).Add(XDP_DIAG_UID, uint32_t{1000});
  message.Add(XDP_DIAG_RX_RING, uint32_t{2048}).Add(XDP_DIAG_TX_RING, uint32_t{1024});
  message.Add(XDP_DIAG_UMEM, Raw(xdp_diag_umem{.size = 16777216,
                                               .id = 3,
                                               .num_pages = 4096,
                                               .chunk_size = 4096,
                                               .headroom = 256,
                                               .ifindex = 1,
                                               .queue_id = 2,
                                               .flags = 1,
                                               .refs = 2}));
  message.Add(XDP_DIAG_UMEM_FILL_RING, uint32_t{512});
  message.Add(XDP_DIAG_UMEM_COMPLETION_RING, uint32_t{256});
  const uint32_t memory[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  message.Add(XDP_DIAG_MEMINFO, Raw(memory));
  message.Add(XDP_DIAG_STATS, Raw(xdp_diag_stats{1, 2, 3, 4, 5, 6}));
  return message;
}
Packet OfXdp(const XdpMessage& message) { return CaptureOf({{Protocol::kXdp, {message.Build()}}}); }

TEST(RenderXdp, ShowsInterfaceAndQueue) {
  const Packet capture = CaptureOf({{Protocol::kXdp, {Xdp().Build(), XdpMessage().Build()}}});
  EXPECT_EQ(Render({"--xdp", "-anH"}, capture),
            "UNCONN 1      0      if7:q2 *\n"
            "UNCONN 0      0         *   *\n");
  // Their only state needs no -a and no column.
  EXPECT_EQ(Render({"--xdp", "-nH"}, OfXdp(Xdp())), "1      0      if7:q2 *\n");
  EXPECT_EQ(Render({"-A", "xdp,tipc", "-anH"}, OfXdp(Xdp())),
            "xdp UNCONN 1      0      if7:q2 *\n");
}

TEST(RenderXdp, ExtendedShowsRingsMemoryAndStatistics) {
  EXPECT_EQ(
      Render({"--xdp", "-aneH"}, OfXdp(Xdp())),
      "UNCONN 1      0      if7:q2 *  uid:1000 ino:6001 sk:6c\n"
      "\trx(entries:2048)\n"
      "\ttx(entries:1024)\n"
      "\tumem(id:3,size:16777216,num_pages:4096,chunk_size:4096,headroom:256,ifindex:1,qid:2,"
      "zc:1,refs:2)\n"
      "\tfr(entries:512)\n"
      "\tcr(entries:256)\n"
      "\tstats(rx dropped:1,rx invalid:2,rx queue full:3,rx fill ring empty:4,tx invalid:5,tx "
      "ring empty:6)\n");
  const std::string line = Render({"--xdp", "-aneHO"}, OfXdp(Xdp()));
  EXPECT_THAT(line, HasSubstr(" tx(entries:1024) umem(id:3,"));
  EXPECT_EQ(std::ranges::count(line, '\n'), 1);
  EXPECT_THAT(Render({"--xdp", "-anmH"}, OfXdp(Xdp())),
              HasSubstr("  skmem:(r1,rb2,t3,tb4,f5,w6,o7,bl8,d9)\n"));
  EXPECT_THAT(Render({"--xdp", "-aneH"}, OfXdp(XdpMessage())), HasSubstr("  ino:6001 sk:6c\n"));
}

// ---- SMC ----

Packet Smc(const SmcMessage& message) { return CaptureOf({{Protocol::kSmc, {message.Build()}}}); }

TEST(RenderSmc, ShowsAddressesAndTheMode) {
  SmcMessage rdma, direct, fallback, listener, closing;
  direct.fixed.diag_mode = SMC_DIAG_MODE_SMCD;
  fallback.fixed.diag_mode = SMC_DIAG_MODE_FALLBACK_TCP;
  fallback.Add(SMC_DIAG_FALLBACK, Raw(smc_diag_fallback{0x03030000, 0x05000000}));
  listener.fixed.diag_state = 10;
  listener.fixed.id.idiag_src[0] = listener.fixed.id.idiag_dst[0] = 0;
  listener.fixed.id.idiag_dport = 0;
  listener.fixed.id.idiag_if = 7;
  closing.fixed.diag_state = 22;
  const Packet capture = CaptureOf(
      {{Protocol::kSmc,
        {rdma.Build(), direct.Build(), fallback.Build(), listener.Build(), closing.Build()}}});
  EXPECT_EQ(Render({"--smc", "-an"}, capture),
            "State      Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n"
            "ESTAB      0      0          127.0.0.1:8080     10.1.2.3:4660         mode:SMCR\n"
            "ESTAB      0      0          127.0.0.1:8080     10.1.2.3:4660         mode:SMCD\n"
            "ESTAB      0      0          127.0.0.1:8080     10.1.2.3:4660         mode:TCP "
            "fallback:0x3030000/0x5000000\n"
            "LISTEN     0      0              *%if7:8080            *:*\n"
            "CLOSE-WAIT 0      0          127.0.0.1:8080     10.1.2.3:4660         mode:SMCR\n");
  EXPECT_THAT(Render({"--smc", "-anH", "state", "close-wait"}, capture), HasSubstr("127.0.0.1"));
  EXPECT_EQ(Render({"--smc", "-lnH"}, capture), "LISTEN 0      0      *%if7:8080 *:*\n");
  EXPECT_THAT(Render({"-A", "smc,tcp", "-anH"}, capture), HasSubstr("smc ESTAB"));
  // A port has the name that TCP's has.
  SmcMessage named;
  named.fixed.id.idiag_dport = netdiag::Port::FromHost(22).ToNetwork();
  EXPECT_THAT(Render({"--smc", "-aH"}, Smc(named)), HasSubstr("10.1.2.3:ssh"));
  SmcMessage v6;
  v6.fixed.id.idiag_src[0] = v6.fixed.id.idiag_dst[0] = 0;
  v6.fixed.id.idiag_src[3] = v6.fixed.id.idiag_dst[3] = 0x01000000;
  EXPECT_THAT(Render({"--smc", "-anH"}, Smc(v6)), HasSubstr("[::1]:8080 [::1]:4660"));
}

TEST(RenderSmc, ExtendedShowsTheExactState) {
  SmcMessage message;
  message.fixed.diag_state = 23;
  message.Add(SMC_DIAG_SHUTDOWN, uint8_t{3});
  EXPECT_THAT(Render({"--smc", "-aneH"}, Smc(message)),
              HasSubstr(" mode:SMCR uid:1000 ino:3001 sk:3c --- smc-state:appclosewait2\n"));
  message.fixed.diag_state = 99;
  EXPECT_THAT(Render({"--smc", "-aneH"}, Smc(message)), HasSubstr(" smc-state:99\n"));
}

TEST(RenderSmc, InfoShowsBuffersLinkAndDevice) {
  SmcMessage message;
  smc_diag_conninfo connection = {};
  connection.token = 0x1a;
  connection.sndbuf_size = 65536;
  connection.rmbe_size = 131072;
  connection.peer_rmbe_size = 65504;
  connection.rx_prod = {0, 1, 0x10};
  connection.tx_fin = {0, 2, 0xff};
  connection.tx_prod_flags = 0x80;
  connection.tx_conn_state_flags = 0x40;
  smc_diag_lgrinfo link = {};
  link.lnk[0].link_id = 1;
  link.lnk[0].ibport = 2;
  link.role = 1;
  std::strcpy(reinterpret_cast<char*>(link.lnk[0].ibname), "mlx5\x1b");
  std::strcpy(reinterpret_cast<char*>(link.lnk[0].gid), "fe80::1");
  std::strcpy(reinterpret_cast<char*>(link.lnk[0].peer_gid), "fe80::2");
  message.Add(SMC_DIAG_CONNINFO, Raw(connection)).Add(SMC_DIAG_LGRINFO, Raw(link));
  message.Add(SMC_DIAG_DMBINFO, Raw(smcd_diag_dmbinfo{7, 0xa, 0xb, 0xc, 0xd}));
  EXPECT_EQ(
      Render({"--smc", "-aniH"}, Smc(message)),
      "ESTAB 0      0      127.0.0.1:8080 10.1.2.3:4660  mode:SMCR\n"
      "\tconn(token:1a,sndbuf:65536,rcvbuf:131072,peerbuf:65504,rxprod:1:10,rxcons:0:0,rxflags:0:0,"
      "txprod:0:0,txcons:0:0,txflags:80:40,txprep:0:0,txsent:0:0,txfin:2:ff)\n"
      "\tlink(role:SERV,device:mlx5\\x1b,port:2,id:1,gid:fe80::1,peer_gid:fe80::2)\n"
      "\tdmb(gid:b,token:c,peer_gid:a,peer_token:d,linkid:7)\n");
  const std::string json = Render({"--smc", "-ani", "--json"}, Smc(message));
  EXPECT_THAT(json, HasSubstr("\"tx_prod_flags\":[\"write_blocked\"],\"tx_state_flags\":"
                              "[\"peer_conn_closed\"]"));
  EXPECT_THAT(json, HasSubstr("\"smc_device\":{\"link_id\":\"7\",\"peer_gid\":\"10\""));
  EXPECT_THAT(json, HasSubstr("\"smc\":{\"state\":\"active\",\"mode\":\"smcr\"}"));
}

// ---- Other forms ----

TEST(RenderFamilies, ColumnsAndCountsHaveTheirFields) {
  EXPECT_EQ(Render({"--vsock", "-aH", "--columns", "type,state,vsock.local_cid,vsock.local_port"},
                   Vsock()),
            "stream    listening   - 1024\n"
            "dgram     unconnected 2 -\n"
            "seqpacket established 2 70000\n"
            "stream    established 3 99\n");
  EXPECT_EQ(Render({"--tipc", "-aH", "--count-by", "type", "--sum", "recvq,tipc.drops"}, Tipc()),
            "1 dgram     3 5\n"
            "1 rdm       3 5\n"
            "1 seqpacket 3 5\n"
            "1 stream    3 5\n");
  EXPECT_EQ(Render({"--vsock", "-aH", "--columns", "vsock.local_port", "--sort",
                    "-vsock.local_port", "--csv"},
                   Vsock()),
            "70000\r\n1024\r\n99\r\n\r\n");
}

}  // namespace
}  // namespace diag
