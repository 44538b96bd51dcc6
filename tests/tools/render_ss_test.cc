// Tests listings of made-up sockets byte by byte. tests/live/ss_differential_test.cc tests that ss
// writes the same.

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/render_testing.h"

namespace diag {
namespace {

using netdiag::Protocol;
using netdiag::testing::Attribute;
using netdiag::testing::CapturedOwner;
using netdiag::testing::CaptureOf;
using netdiag::testing::InetMessage;
using netdiag::testing::Join;
using netdiag::testing::Packet;
using netdiag::testing::Packets;
using netdiag::testing::Raw;
using netdiag::testing::Text;
using netdiag::testing::UnixMessage;
using ::testing::HasSubstr;
using testing::Render;

Packet Tcp(const Packets& messages) { return CaptureOf({{Protocol::kTcp, messages}}); }

std::string RenderTcp(const std::string& words, const InetMessage& message) {
  return Render({words}, Tcp({message.Build()}));
}

std::string RenderUnix(const std::string& words, const UnixMessage& message,
                       const std::vector<CapturedOwner>& owners = {}) {
  return Render({words}, CaptureOf({{Protocol::kUnix, {message.Build()}}}, owners));
}

TEST(RenderSs, NamesEveryState) {
  const struct {
    uint8_t state;
    const char* name;
  } kStates[] = {{1, "ESTAB"},      {2, "SYN-SENT"},  {3, "SYN-RECV"}, {4, "FIN-WAIT-1"},
                 {5, "FIN-WAIT-2"}, {6, "TIME-WAIT"}, {7, "UNCONN"},   {8, "CLOSE-WAIT"},
                 {9, "LAST-ACK"},   {10, "LISTEN"},   {11, "CLOSING"}};
  for (const auto& row : kStates) {
    InetMessage message;
    message.fixed.idiag_state = row.state;
    EXPECT_EQ(RenderTcp("-tanH", message),
              std::string(row.name) + " 0      0      127.0.0.1:8080 10.1.2.3:4660\n");
  }
}

TEST(RenderSs, SetsColumnsAsWideAsTheirLongestCell) {
  InetMessage wide;
  wide.fixed.idiag_state = 8;
  wide.fixed.idiag_rqueue = 12345678;
  wide.SetLocal("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 22);
  wide.SetRemote("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02", 65535);
  UnixMessage named;
  named.Add(UNIX_DIAG_NAME, Text("/run/x"));
  const Packet capture = CaptureOf({{Protocol::kUnix, {named.Build()}},
                                    {Protocol::kUdp, {InetMessage().Build()}},
                                    {Protocol::kTcp, {wide.Build()}}});
  EXPECT_EQ(Render({"-tuxan"}, capture),
            "Netid State      Recv-Q   Send-Q Local Address:Port  Peer Address:Port  Process\n"
            "u_str ESTAB      0        0             /run/x 7001             * 0\n"
            "udp   ESTAB      0        0          127.0.0.1:8080      10.1.2.3:4660\n"
            "tcp   CLOSE-WAIT 12345678 0      [2001:db8::1]:22   [2001:db8::2]:65535\n");
}

TEST(RenderSs, LeavesOutColumnsWithOneValue) {
  const Packet capture = Tcp({InetMessage().Build()});
  EXPECT_EQ(Render({"-tnH"}, capture), "ESTAB 0      0      127.0.0.1:8080 10.1.2.3:4660\n");
  EXPECT_EQ(Render({"-tnH", "state", "established"}, capture),
            "0      0      127.0.0.1:8080 10.1.2.3:4660\n");
  EXPECT_EQ(Render({"-tunH"}, capture), "tcp ESTAB 0      0      127.0.0.1:8080 10.1.2.3:4660\n");
}

TEST(RenderSs, WritesAddressesAsSsDoes) {
  const auto ends = [](InetMessage message) {
    return RenderTcp("-tanH", message).substr(sizeof("ESTAB 0      0      ") - 1);
  };
  InetMessage any;
  any.SetLocal("\0\0\0\0", 80);
  any.SetRemote("\0\0\0\0", 0);
  EXPECT_EQ(ends(any), "0.0.0.0:80 0.0.0.0:*\n");
  InetMessage dual;
  dual.SetLocal("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 80);
  dual.SetRemote("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 0);
  EXPECT_EQ(ends(dual), "*:80 *:*\n");
  InetMessage only = dual;
  only.Add(INET_DIAG_SKV6ONLY, uint8_t{1});
  EXPECT_EQ(ends(only), "[::]:80 [::]:*\n");
  InetMessage mapped;
  mapped.SetLocal("\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 80);
  mapped.SetRemote("\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\2", 81);
  EXPECT_EQ(ends(mapped), "[::ffff:127.0.0.1]:80 [::ffff:127.0.0.2]:81\n");
  InetMessage bound;
  bound.fixed.id.idiag_if = 7654321;
  EXPECT_EQ(ends(bound), "127.0.0.1%if7654321:8080 10.1.2.3:4660\n");
}

TEST(RenderSs, WritesTimersInMinutesSecondsAndMilliseconds) {
  const struct {
    uint8_t timer;
    uint32_t milliseconds;
    uint8_t count;
    const char* text;
  } kTimers[] = {
      {1, 40, 0, "  timer:(on,040ms,0)"},
      {1, 999, 3, "  timer:(on,999ms,3)"},
      {1, 1, 0, "  timer:(on,001ms,0)"},
      {1, 0, 1, "  timer:(on,,1)"},
      {1, 1000, 0, "  timer:(on,1sec,0)"},
      {1, 1200, 0, "  timer:(on,1.200sec,0)"},
      {1, 9007, 0, "  timer:(on,9.007sec,0)"},
      {3, 10500, 0, "  timer:(timewait,10sec,0)"},
      {3, 59999, 0, "  timer:(timewait,59sec,0)"},
      {2, 60000, 0, "  timer:(keepalive,1min,0)"},
      {2, 61500, 9, "  timer:(keepalive,1min1sec,9)"},
      {2, 599000, 0, "  timer:(keepalive,9min59sec,0)"},
      {2, 645000, 0, "  timer:(keepalive,10min,0)"},
      {2, 7200000, 0, "  timer:(keepalive,120min,0)"},
      {4, 200, 255, "  timer:(persist,200ms,255)"},
      {5, 200, 0, "  timer:(delack,200ms,0)"},
      {77, 200, 0, "  timer:(unknown,200ms,0)"},
      {0, 200, 0, ""},
  };
  for (const auto& row : kTimers) {
    InetMessage message;
    message.fixed.idiag_timer = row.timer;
    message.fixed.idiag_expires = row.milliseconds;
    message.fixed.idiag_retrans = row.count;
    EXPECT_EQ(RenderTcp("-tnHo", message),
              std::string("ESTAB 0      0      127.0.0.1:8080 10.1.2.3:4660") + row.text + "\n");
    EXPECT_THAT(RenderTcp("-tnH", message), Not(HasSubstr("timer")));
  }
}

TEST(RenderSs, DetailsOfInetComeInOrder) {
  InetMessage message;
  message.fixed.idiag_uid = 1000;
  message.fixed.id.idiag_cookie[1] = 1;
  message.Add(INET_DIAG_MARK, uint32_t{0x1f}).Add(INET_DIAG_CGROUP_ID, ~uint64_t{0});
  message.Add(INET_DIAG_SKV6ONLY, uint8_t{0}).Add(INET_DIAG_SHUTDOWN, uint8_t{1});
  EXPECT_EQ(RenderTcp("-tnHe", message),
            "ESTAB 0      0      127.0.0.1:8080 10.1.2.3:4660  uid:1000 ino:5001 sk:10000005c "
            "fwmark:0x1f cgroup:unreachable:ffffffffffffffff v6only:0 -->\n");
  // Values that are not set are left out, except the inode and the cookie.
  EXPECT_EQ(RenderTcp("-tnHe", InetMessage()),
            "ESTAB 0      0      127.0.0.1:8080 10.1.2.3:4660  ino:5001 sk:5c\n");
  const char* kArrows[] = {"<->", "-->", "<--", "---"};
  for (uint8_t mask = 0; mask < 4; ++mask) {
    InetMessage shut;
    shut.Add(INET_DIAG_SHUTDOWN, mask);
    EXPECT_THAT(RenderTcp("-tnHe", shut),
                ::testing::EndsWith(std::string(" ") + kArrows[mask] + "\n"));
  }
}

TEST(RenderSs, MemoryHasTheKernelsOrderAndItsLength) {
  const uint32_t values[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  InetMessage message;
  message.Add(INET_DIAG_SKMEMINFO, Raw(values));
  EXPECT_THAT(RenderTcp("-tnHm", message),
              HasSubstr("4660\n\t skmem:(r1,rb2,t3,tb4,f5,w6,o7,bl8,d9)\n"));
  EXPECT_THAT(RenderTcp("-tnHmO", message),
              HasSubstr("4660  skmem:(r1,rb2,t3,tb4,f5,w6,o7,bl8,d9)\n"));
  Packet shorter = Raw(values);
  shorter.resize(28);
  InetMessage old;
  old.Add(INET_DIAG_SKMEMINFO, shorter);
  EXPECT_THAT(RenderTcp("-tnHm", old), HasSubstr("skmem:(r1,rb2,t3,tb4,f5,w6,o7)\n"));
}

// A tcp_info in which every field has a different value.
tcp_info FullTcpInfo() {
  tcp_info info = {};
  info.tcpi_backoff = 2;
  info.tcpi_options = 0x7f;
  info.tcpi_snd_wscale = 7;
  info.tcpi_rcv_wscale = 10;
  info.tcpi_delivery_rate_app_limited = 1;
  info.tcpi_rto = 204000;
  info.tcpi_ato = 40000;
  info.tcpi_snd_mss = 1448;
  info.tcpi_rcv_mss = 536;
  info.tcpi_unacked = 11;
  info.tcpi_sacked = 12;
  info.tcpi_lost = 13;
  info.tcpi_retrans = 14;
  info.tcpi_fackets = 15;
  info.tcpi_last_data_sent = 16;
  info.tcpi_last_data_recv = 17;
  info.tcpi_last_ack_recv = 18;
  info.tcpi_pmtu = 1500;
  info.tcpi_rcv_ssthresh = 65000;
  info.tcpi_rtt = 1001;
  info.tcpi_rttvar = 502;
  info.tcpi_snd_ssthresh = 19;
  info.tcpi_snd_cwnd = 20;
  info.tcpi_advmss = 1449;
  info.tcpi_reordering = 21;
  info.tcpi_rcv_rtt = 22500;
  info.tcpi_rcv_space = 14600;
  info.tcpi_total_retrans = 23;
  info.tcpi_pacing_rate = 1'000'000;
  info.tcpi_max_pacing_rate = 2'000'000;
  info.tcpi_bytes_acked = 24;
  info.tcpi_bytes_received = 25;
  info.tcpi_segs_out = 26;
  info.tcpi_segs_in = 27;
  info.tcpi_notsent_bytes = 28;
  info.tcpi_min_rtt = 29;
  info.tcpi_data_segs_in = 30;
  info.tcpi_data_segs_out = 31;
  info.tcpi_delivery_rate = 125;
  info.tcpi_busy_time = 4'000'000;
  info.tcpi_rwnd_limited = 1'000'000;
  info.tcpi_sndbuf_limited = 500'000;
  info.tcpi_delivered = 32;
  info.tcpi_delivered_ce = 33;
  info.tcpi_bytes_sent = 34;
  info.tcpi_bytes_retrans = 35;
  info.tcpi_dsack_dups = 36;
  info.tcpi_reord_seen = 37;
  info.tcpi_rcv_ooopack = 38;
  info.tcpi_snd_wnd = 39;
  return info;
}

InetMessage FullInfo() {
  // rcv_wnd and rehash are newer than the host's struct.
  Packet bytes = Raw(FullTcpInfo());
  bytes.resize(240);
  const uint32_t newer[] = {40, 41};
  std::memcpy(bytes.data() + 232, newer, sizeof(newer));
  InetMessage message;
  message.Add(INET_DIAG_INFO, bytes).Add(INET_DIAG_CONG, Text(std::string_view("dctcp\0", 6)));
  return message;
}

TEST(RenderSs, InfoHasEveryTokenInOrder) {
  const tcp_dctcp_info dctcp = {.dctcp_enabled = 1,
                                .dctcp_ce_state = 2,
                                .dctcp_alpha = 3,
                                .dctcp_ab_ecn = 4,
                                .dctcp_ab_tot = 5};
  InetMessage message = FullInfo();
  message.Add(INET_DIAG_DCTCPINFO, Raw(dctcp));
  EXPECT_EQ(
      RenderTcp("-tnHio", message),
      "ESTAB 0      0      127.0.0.1:8080 10.1.2.3:4660\n\t"
      " ts usec_ts sack ecn ecnseen fastopen dctcp wscale:7,10 rto:204 backoff:2 rtt:1.001/0.502"
      " ato:40 mss:1448 pmtu:1500 rcvmss:536 advmss:1449 cwnd:20 ssthresh:19 bytes_sent:34"
      " bytes_retrans:35 bytes_acked:24 bytes_received:25 segs_out:26 segs_in:27 data_segs_out:31"
      " data_segs_in:30 dctcp:(ce_state:2,alpha:3,ab_ecn:4,ab_tot:5) send 231448551bps lastsnd:16"
      " lastrcv:17 lastack:18 pacing_rate 8000000bps/16000000bps delivery_rate 1000bps delivered:32"
      " delivered_ce:33 app_limited busy:4000ms rwnd_limited:1000ms(25.0%)"
      " sndbuf_limited:500ms(12.5%) unacked:11 retrans:14/23 lost:13 sacked:12 dsack_dups:36"
      " fackets:15 reordering:21 reord_seen:37 rcv_rtt:22.5 rcv_space:14600 rcv_ssthresh:65000"
      " notsent:28 minrtt:0.029 rcv_ooopack:38 snd_wnd:39 rcv_wnd:40 rehash:41\n");
  // Flags come with -o only; rates are scaled without -n.
  const std::string scaled = RenderTcp("-tiHO", message);
  EXPECT_THAT(scaled, HasSubstr(":4660  dctcp wscale:7,10 "));
  EXPECT_THAT(scaled, HasSubstr(" send 231Mbps "));
  EXPECT_THAT(scaled, HasSubstr(" pacing_rate 8Mbps/16Mbps delivery_rate 1000bps "));
}

TEST(RenderSs, InfoLeavesOutValuesThatMeanNotSet) {
  tcp_info info = {};
  info.tcpi_rto = 3'000'000;
  info.tcpi_snd_ssthresh = 0x7fffffff;
  info.tcpi_reordering = 3;
  info.tcpi_min_rtt = 0xffffffff;
  info.tcpi_pacing_rate = ~uint64_t{0};
  InetMessage message;
  message.Add(INET_DIAG_INFO, Raw(info));
  EXPECT_EQ(RenderTcp("-tnHi", message), "ESTAB 0      0      127.0.0.1:8080 10.1.2.3:4660\n\t\n");
  // Fields that an older, shorter struct lacks are left out.
  InetMessage old = InetMessage();
  Packet bytes = Raw(FullTcpInfo());
  bytes.resize(104);
  old.Add(INET_DIAG_INFO, bytes);
  EXPECT_THAT(RenderTcp("-tnHi", old),
              ::testing::EndsWith(" rcv_rtt:22.5 rcv_space:14600 rcv_ssthresh:65000\n"));
}

TEST(RenderSs, ListenersShowTheirQueueAndNotTheBacklogAsSacked) {
  tcp_info info = {};
  info.tcpi_state = 10;
  info.tcpi_snd_cwnd = 10;
  info.tcpi_unacked = 2;
  info.tcpi_sacked = 128;
  InetMessage message;
  message.fixed.idiag_state = 10;
  message.fixed.idiag_rqueue = 2;
  message.fixed.idiag_wqueue = 128;
  message.SetRemote("\0\0\0\0", 0);
  message.Add(INET_DIAG_INFO, Raw(info)).Add(INET_DIAG_CONG, Text("cubic"));
  EXPECT_EQ(RenderTcp("-tlnHi", message),
            "LISTEN 2      128    127.0.0.1:8080 0.0.0.0:*\n\t cubic cwnd:10 unacked:2\n");
}

TEST(RenderSs, CongestionControlsHaveTokensOfTheirOwn) {
  const auto info = [](uint16_t type, const Packet& bytes) {
    InetMessage message = FullInfo();
    message.Add(type, bytes);
    return RenderTcp("-tiHOn", message);
  };
  EXPECT_THAT(info(INET_DIAG_DCTCPINFO, Raw(tcp_dctcp_info{})), HasSubstr(" dctcp:fallback_mode "));
  const tcp_bbr_info bbr = {.bbr_bw_lo = 1,
                            .bbr_bw_hi = 1,
                            .bbr_min_rtt = 1500,
                            .bbr_pacing_gain = 739,
                            .bbr_cwnd_gain = 512};
  EXPECT_THAT(info(INET_DIAG_BBRINFO, Raw(bbr)),
              HasSubstr(" bbr:(bw:34359738376bps,mrtt:1.5,pacing_gain:2.88672,cwnd_gain:2) "));
  // Vegas has its own round trip, so the rate differs.
  const tcpvegas_info vegas = {.tcpv_enabled = 1, .tcpv_rttcnt = 1, .tcpv_rtt = 8000};
  EXPECT_THAT(info(INET_DIAG_VEGASINFO, Raw(vegas)), HasSubstr(" send 28960000bps "));
  const tcpvegas_info off = {.tcpv_enabled = 0, .tcpv_rttcnt = 1, .tcpv_rtt = 8000};
  EXPECT_THAT(info(INET_DIAG_VEGASINFO, Raw(off)), HasSubstr(" send 231448551bps "));
}

TEST(RenderSs, RatesAreScaledByThousands) {
  const struct {
    uint64_t bytes;
    const char* text;
  } kRates[] = {{1, "8bps"},
                {125, "1000bps"},
                {126, "1.01kbps"},
                {125'001, "1Mbps"},
                {1'543'000, "12.3Mbps"},
                {125'000'001, "1Gbps"},
                {154'300'000'000, "1.23Tbps"}};
  for (const auto& row : kRates) {
    tcp_info info = {};
    info.tcpi_delivery_rate = row.bytes;
    InetMessage message;
    message.Add(INET_DIAG_INFO, Raw(info));
    EXPECT_THAT(RenderTcp("-tiHO", message),
                HasSubstr(std::string(" delivery_rate ") + row.text + "\n"));
  }
}

Packet Ulp(const char* name, uint16_t type, const Packets& attributes) {
  return Join({Attribute(INET_ULP_INFO_NAME, Text(std::string(name) + '\0')),
               Attribute(static_cast<uint16_t>(type | NLA_F_NESTED), Join(attributes))});
}

TEST(RenderSs, TlsShowsVersionCipherAndModes) {
  const auto tls = [](const Packets& attributes) {
    InetMessage message;
    message.Add(INET_DIAG_ULP_INFO, Ulp("tls", INET_ULP_INFO_TLS, attributes));
    const std::string line = RenderTcp("-tinHO", message);
    return line.substr(line.find("tcp-ulp"));
  };
  const auto number = [](uint16_t type, uint16_t value) { return Attribute(type, Raw(value)); };
  EXPECT_EQ(tls({number(TLS_INFO_VERSION, 0x304), number(TLS_INFO_CIPHER, 51),
                 number(TLS_INFO_TXCONF, 2), number(TLS_INFO_RXCONF, 4),
                 Attribute(TLS_INFO_ZC_RO_TX, {}), Attribute(TLS_INFO_RX_NO_PAD, {})}),
            "tcp-ulp-tls version: 1.3 cipher: aes-gcm-128 rxconf: hw-record txconf: sw zc_ro_tx "
            "no_pad_rx\n");
  EXPECT_EQ(tls({number(TLS_INFO_VERSION, 0x303), number(TLS_INFO_CIPHER, 52),
                 number(TLS_INFO_TXCONF, 3), number(TLS_INFO_RXCONF, 1)}),
            "tcp-ulp-tls version: 1.2 cipher: aes-gcm-256 rxconf: none txconf: hw\n");
  EXPECT_EQ(tls({number(TLS_INFO_VERSION, 9), number(TLS_INFO_CIPHER, 99),
                 number(TLS_INFO_TXCONF, 7), number(TLS_INFO_RXCONF, 0)}),
            "tcp-ulp-tls version: unknown(9) cipher: unknown(99) rxconf: unknown(0) txconf: "
            "unknown(7)\n");
  EXPECT_EQ(tls({number(TLS_INFO_CIPHER, 54)}), "tcp-ulp-tls cipher: chacha20-poly1305\n");
  EXPECT_EQ(tls({number(7, 1000), Attribute(TLS_INFO_ZC_RO_TX, {})}),
            "tcp-ulp-tls zc_ro_tx tx_max_payload:1000\n");
  EXPECT_EQ(tls({}), "tcp-ulp-tls\n");
}

TEST(RenderSs, MptcpTellsItsSubflow) {
  const auto mptcp = [](const Packets& attributes) {
    InetMessage message;
    message.Add(INET_DIAG_ULP_INFO, Ulp("mptcp", INET_ULP_INFO_MPTCP, attributes));
    const std::string line = RenderTcp("-tinHO", message);
    return line.substr(line.find("tcp-ulp"));
  };
  EXPECT_EQ(
      mptcp({Attribute(MPTCP_SUBFLOW_ATTR_FLAGS, Raw(0x1ff)),
             Attribute(MPTCP_SUBFLOW_ATTR_TOKEN_REM, Raw(0xabc)),
             Attribute(MPTCP_SUBFLOW_ATTR_TOKEN_LOC, Raw(0xdeadbeef)),
             Attribute(MPTCP_SUBFLOW_ATTR_ID_REM, Raw(uint8_t{1})),
             Attribute(MPTCP_SUBFLOW_ATTR_ID_LOC, Raw(uint8_t{2})),
             Attribute(MPTCP_SUBFLOW_ATTR_MAP_SEQ, Raw(uint64_t{0x123456789a})),
             Attribute(MPTCP_SUBFLOW_ATTR_MAP_SFSEQ, Raw(0x1f)),
             Attribute(MPTCP_SUBFLOW_ATTR_SSN_OFFSET, Raw(0x2f)),
             Attribute(MPTCP_SUBFLOW_ATTR_MAP_DATALEN, Raw(uint16_t{0x3e8}))}),
      "tcp-ulp-mptcp flags:MmJjBbecv token:0abc(id:1)/deadbeef(id:2) seq:78187493530 sfseq:31 "
      "ssnoff:47 maplen:1000\n");
  EXPECT_EQ(mptcp({Attribute(MPTCP_SUBFLOW_ATTR_FLAGS, Raw(0x41))}),
            "tcp-ulp-mptcp flags:Me token:0000(id:0)/0000(id:0)\n");
}

TEST(RenderSs, Md5KeysAreCountedAndNotShown) {
  tcp_diag_md5sig key = {};
  key.tcpm_family = 2;
  key.tcpm_prefixlen = 24;
  key.tcpm_keylen = 6;
  const uint8_t octets[] = {10, 0, 0, 0};
  std::memcpy(&key.tcpm_addr, octets, 4);
  std::memcpy(key.tcpm_key, "secret", 6);
  InetMessage message;
  message.Add(INET_DIAG_MD5SIG, Join({Raw(key), Raw(key)}));
  EXPECT_THAT(RenderTcp("-tinHO", message),
              HasSubstr(" md5keys:10.0.0.0/24=<6 bytes>,10.0.0.0/24=<6 bytes>\n"));
}

TEST(RenderSs, UnixRowsHaveTypesNamesAndFiles) {
  UnixMessage plain;
  EXPECT_EQ(RenderUnix("-xnH", plain), "u_str ESTAB 0      0      * 7001 * 0\n");
  UnixMessage full;
  full.fixed.udiag_type = 2;
  full.Add(UNIX_DIAG_NAME, Text(std::string_view("\0a\nb\x1b\xff\0", 7)));
  full.Add(UNIX_DIAG_PEER, uint32_t{7002}).Add(UNIX_DIAG_SHUTDOWN, uint8_t{2});
  full.Add(UNIX_DIAG_RQLEN, Raw(unix_diag_rqlen{.udiag_rqueue = 4, .udiag_wqueue = 5}));
  full.Add(UNIX_DIAG_VFS, Raw(unix_diag_vfs{.udiag_vfs_ino = 31, .udiag_vfs_dev = 254 << 20 | 3}));
  EXPECT_EQ(
      RenderUnix("-xneH", full),
      "u_dgr ESTAB 4      5      @a\\x0ab\\x1b\\xff\\x00 7001 * 7002  <-- ino:31 dev:254/3\n");
  UnixMessage sequential;
  sequential.fixed.udiag_type = 5;
  sequential.fixed.udiag_state = 10;
  EXPECT_EQ(RenderUnix("-xlnH", sequential), "u_seq LISTEN 0      0      * 7001 * 0\n");
}

TEST(RenderSs, OwnersComeLastFirstAndCannotBeForged) {
  const std::vector<CapturedOwner> owners = {
      {7001, 10, 3, "first"}, {7001, 11, 4, "x\",pid=1,fd=9"}, {7001, 12, 5, "\x1b[31m"}};
  EXPECT_EQ(RenderUnix("-xpnH", UnixMessage(), owners),
            "u_str ESTAB 0      0      * 7001 * 0 "
            "users:((\"\\x1b[31m\",pid=12,fd=5),(\"x\\x22,pid=1,fd=9\",pid=11,fd=4),"
            "(\"first\",pid=10,fd=3))\n");
  EXPECT_EQ(RenderUnix("-xnH", UnixMessage(), owners), "u_str ESTAB 0      0      * 7001 * 0\n");
}

TEST(RenderSs, ThreadsAreShownIfAskedFor) {
  const std::vector<CapturedOwner> owners = {{7001, 10, 3, "server"}};
  EXPECT_EQ(RenderUnix("-xTnH", UnixMessage(), owners),
            "u_str ESTAB 0      0      * 7001 * 0 users:((\"server\",pid=10,tid=10,fd=3))\n");
}

TEST(RenderSs, PeersHaveNamesAndOwnersIfAskedFor) {
  UnixMessage client;
  client.Add(UNIX_DIAG_PEER, uint32_t{7002});
  UnixMessage server;
  server.fixed.udiag_ino = 7002;
  server.Add(UNIX_DIAG_NAME, Text("/run/a b")).Add(UNIX_DIAG_PEER, uint32_t{7001});
  const Packet capture = CaptureOf({{Protocol::kUnix, {server.Build(), client.Build()}}},
                                   {{7001, 10, 3, "client"}, {7002, 11, 4, "server"}});
  EXPECT_EQ(Render({"-xpnHO", "--peers"}, capture),
            "u_str ESTAB 0      0                * 7001 /run/a\\x20b 7002 "
            "users:((\"client\",pid=10,fd=3)) peer-users:((\"server\",pid=11,fd=4))\n"
            "u_str ESTAB 0      0      /run/a\\x20b 7002           * 7001 "
            "users:((\"server\",pid=11,fd=4)) peer-users:((\"client\",pid=10,fd=3))\n");
  EXPECT_EQ(Render({"-xnHO", "--peers"}, capture),
            "u_str ESTAB 0      0                * 7001 /run/a\\x20b 7002\n"
            "u_str ESTAB 0      0      /run/a\\x20b 7002           * 7001\n");
}

TEST(RenderSs, WritesLongListingsInPiecesWithoutLosingARow) {
  Packets messages;
  for (int i = 0; i < 20'000; ++i) {
    InetMessage message;
    message.SetRemote("\x0a\x01\x02\x03", static_cast<uint16_t>(i + 1));
    messages.push_back(message.Build());
  }
  const std::string text = Render({"-tnH"}, Tcp(messages));
  size_t start = 0;
  for (int i = 0; i < 20'000; ++i) {
    const size_t end = text.find('\n', start);
    ASSERT_NE(end, text.npos);
    const std::string line = text.substr(start, end - start);
    ASSERT_THAT(line, ::testing::EndsWith("10.1.2.3:" + std::to_string(i + 1)));
    start = end + 1;
  }
  EXPECT_EQ(start, text.size());
}

}  // namespace
}  // namespace diag
