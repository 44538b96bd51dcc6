// Tests listings of made-up MPTCP, raw, packet and netlink sockets byte by byte.

#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/render_testing.h"

namespace diag {
namespace {

using netdiag::Protocol;
using netdiag::testing::CaptureOf;
using netdiag::testing::InetMessage;
using netdiag::testing::NetlinkMessage;
using netdiag::testing::Packet;
using netdiag::testing::PacketMessage;
using netdiag::testing::Raw;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Render;

Packet OfPacket(const PacketMessage& message) {
  return CaptureOf({{Protocol::kPacket, {message.Build()}}});
}
Packet OfNetlink(const NetlinkMessage& message) {
  return CaptureOf({{Protocol::kNetlink, {message.Build()}}});
}

TEST(RenderFamilies, NamesWhatPacketSocketsReceive) {
  const struct {
    uint16_t ethertype;
    const char *named, *numeric;
  } kRows[] = {{3, "*", "*"},
               {0, "[0]", "[0]"},
               {0x800, "ip", "[2048]"},
               {0x806, "arp", "[2054]"},
               {0x88cc, "LLDP", "[35020]"},
               {0xffff, "[65535]", "[65535]"}};
  for (const auto& row : kRows) {
    PacketMessage message;
    message.fixed.pdiag_num = row.ethertype;
    EXPECT_EQ(Render({"-0aH"}, OfPacket(message)),
              "p_raw UNCONN 0      0      " + std::string(row.named) + ":* *\n");
    EXPECT_EQ(Render({"-0anH"}, OfPacket(message)),
              "p_raw UNCONN 0      0      " + std::string(row.numeric) + ":* *\n");
  }
  PacketMessage datagrams;
  datagrams.fixed.pdiag_type = 2;
  EXPECT_THAT(Render({"-0aH"}, OfPacket(datagrams)), HasSubstr("p_dgr "));
}

TEST(RenderFamilies, ShowsEverythingOfAPacketSocket) {
  PacketMessage message;
  const uint32_t info[] = {0, 1, 0, 5, 0, 0x1f};
  const uint32_t ring[] = {4096, 4, 2048, 8, 60, 0, 0x1a};
  message.Add(PACKET_DIAG_INFO, Raw(info)).Add(PACKET_DIAG_UID, uint32_t{1234});
  message.Add(PACKET_DIAG_RX_RING, Raw(ring)).Add(PACKET_DIAG_TX_RING, Raw(ring));
  message.Add(PACKET_DIAG_FANOUT, uint32_t{0x00060007});
  const sock_filter program[] = {{0x28, 0, 1, 12}, {0x6, 0, 0, 262144}};
  message.Add(PACKET_DIAG_FILTER, Raw(program));
  const uint32_t memory[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  message.Add(PACKET_DIAG_MEMINFO, Raw(memory));
  const std::string first = "p_raw UNCONN 1      0      *:* *";
  EXPECT_EQ(Render({"-0anebmH"}, OfPacket(message)),
            first +
                "  uid:1234 ino:8001 sk:8c\n"
                "\tver:1 cpy_thresh:5 flags( running auxdata origdev vnethdr loss )\n"
                "\tring_rx(blk_size:4096,blk_nr:4,frm_size:2048,frm_nr:8,tmo:60,features:0x1a)\n"
                "\tring_tx(blk_size:4096,blk_nr:4,frm_size:2048,frm_nr:8,tmo:60,features:0x1a)\n"
                "\tfanout(id:7,type:0x6)\n"
                "\tbpf filter (2):  0x28 0 1 12, 0x06 0 0 262144,"
                " skmem:(r1,rb2,t3,tb4,f5,w6,o7,bl8,d9)\n");
  const std::string line = Render({"-0anebmOH"}, OfPacket(message));
  EXPECT_EQ(line.find('\n'), line.size() - 1);
  EXPECT_THAT(line, HasSubstr(" sk:8c ver:1 "));
  EXPECT_EQ(Render({"-0anH"}, OfPacket(message)), first + "\n");
}

TEST(RenderFamilies, NamesNetlinkProtocolsAndPorts) {
  const struct {
    uint8_t protocol;
    uint32_t port_id;
    const char *named, *numeric;
  } kRows[] = {{0, 0, "rtnl:kernel", "0:0"},
               {4, 4'200'000, "tcpdiag:4200000", "4:4200000"},  // above every pid
               {16, 0xfffffffe, "genl:-2", "16:-2"},
               {200, 0, "200:kernel", "200:0"}};
  for (const auto& row : kRows) {
    NetlinkMessage message;
    message.fixed.ndiag_protocol = row.protocol;
    message.fixed.ndiag_portid = row.port_id;
    const std::string head = "UNCONN 0      0      ";
    EXPECT_EQ(Render({"-f", "netlink", "-aH"}, OfNetlink(message)), head + row.named + " *\n");
    EXPECT_EQ(Render({"-f", "netlink", "-anH"}, OfNetlink(message)), head + row.numeric + " *\n");
  }
  NetlinkMessage own;
  own.fixed.ndiag_portid = static_cast<uint32_t>(getpid());
  EXPECT_THAT(Render({"-f", "netlink", "-aH"}, OfNetlink(own)),
              HasSubstr("/" + std::to_string(getpid())));
  NetlinkMessage connected;
  connected.fixed.ndiag_state = 1;
  connected.fixed.ndiag_dst_group = 2;
  connected.fixed.ndiag_dst_portid = 4'200'000;
  EXPECT_THAT(Render({"-f", "netlink", "-aH"}, OfNetlink(connected)), HasSubstr(" 2:4200000\n"));
}

TEST(RenderFamilies, ShowsAllGroupsAndFlagsOfANetlinkSocket) {
  NetlinkMessage message;
  message.Add(NETLINK_DIAG_FLAGS, uint32_t{0x3f});
  const uint64_t mask[] = {0x8000000000000005, 0x3, 0};
  message.Add(NETLINK_DIAG_GROUPS, Raw(mask));
  EXPECT_THAT(Render({"-f", "netlink", "-aneH"}, OfNetlink(message)),
              HasSubstr(" sk=9c cb=1 groups=0x000000038000000000000005 ino:9001 pktinfo "
                        "broadcast_error no_enobufs listen_all_nsid cap_ack\n"));
  NetlinkMessage bare;
  EXPECT_THAT(Render({"-f", "netlink", "-aneH"}, OfNetlink(bare)),
              HasSubstr(" sk=9c cb=0 groups=0x00000000 ino:9001\n"));
  EXPECT_THAT(Render({"--json", "-a"}, OfNetlink(message)), Not(HasSubstr("groups")));
  EXPECT_THAT(Render({"--json", "-e"}, OfNetlink(message)), Not(HasSubstr("groups")));  // no -a
  EXPECT_THAT(Render({"--json", "-ae"}, OfNetlink(message)),
              HasSubstr("\"groups\":[1,3,64,65,66]"));
}

TEST(RenderFamilies, ShowsMembershipsAndFiltersInJson) {
  PacketMessage message;
  packet_diag_mclist joined = {};
  joined.pdmc_index = 7;
  joined.pdmc_count = 2;
  joined.pdmc_type = 1;
  joined.pdmc_alen = 3;
  joined.pdmc_addr[1] = 0xab;
  const sock_filter program[] = {{0x28, 0, 1, 12}};
  message.Add(PACKET_DIAG_MCLIST, Raw(joined)).Add(PACKET_DIAG_FILTER, Raw(program));
  const std::string json = Render({"--json", "-aeb"}, OfPacket(message));
  EXPECT_THAT(json, HasSubstr("\"memberships\":[{\"interface\":{\"index\":7},\"type\":"
                              "\"promisc\",\"count\":2,"
                              "\"address_hex\":\"00ab00\"}]"));
  EXPECT_THAT(json, HasSubstr("\"filter\":[[40,0,1,12]]"));
  EXPECT_THAT(Render({"--json", "-a"}, OfPacket(message)), Not(HasSubstr("filter")));
  EXPECT_THAT(Render({"--json", "-aeb"}, OfPacket(PacketMessage())), Not(HasSubstr("memberships")));
}

TEST(RenderFamilies, ShowsMptcpInfoInsteadOfTcpInfo) {
  InetMessage message;
  Packet info(96, std::byte{0});
  info[3] = std::byte{2};
  info[8] = std::byte{3};
  info[12] = std::byte{0xef};
  info[16] = std::byte{0x10};
  info[48] = std::byte{9};
  info[82] = std::byte{4};
  message.Add(INET_DIAG_INFO, info);
  const Packet capture = CaptureOf({{Protocol::kMptcp, {message.Build()}}});
  EXPECT_EQ(Render({"-ManiH"}, capture),
            "ESTAB 0      0      127.0.0.1:8080 10.1.2.3:4660\n"
            "\t subflows_max:2 fallback remote_key token:ef write_seq:16 bytes_retrans:9 "
            "endp_fullmesh_max:4\n");
  EXPECT_THAT(Render({"--json", "-ai"}, capture), HasSubstr("\"mptcp_info\":{\"subflows\":0,"));
}

TEST(RenderFamilies, NamesProtocolsOfRawSockets) {
  InetMessage message;
  message.SetLocal("\x7f\x00\x00\x01", 1);
  message.SetRemote("\x00\x00\x00\x00", 0);
  const auto render = [&](const char* words) {
    return Render({words}, CaptureOf({{Protocol::kRaw, {message.Build()}}}));
  };
  EXPECT_EQ(render("-waH"), "ESTAB 0      0      127.0.0.1:icmp 0.0.0.0:*\n");
  EXPECT_EQ(render("-wanH"), "ESTAB 0      0      127.0.0.1:1 0.0.0.0:*\n");
  message.SetLocal("\x7f\x00\x00\x01", 200);
  EXPECT_EQ(render("-waH"), "ESTAB 0      0      127.0.0.1:ipproto-200 0.0.0.0:*\n");
}

TEST(RenderFamilies, ShowsTypeOfServiceCgroupAndOptions) {
  InetMessage message;
  message.Add(INET_DIAG_TOS, uint8_t{0x10}).Add(INET_DIAG_TCLASS, uint8_t{0});
  message.Add(INET_DIAG_CLASS_ID, uint32_t{0x20}).Add(INET_DIAG_SOCKOPT, uint16_t{0x0102});
  const Packet capture = CaptureOf({{Protocol::kTcp, {message.Build()}}});
  const std::string ends = "ESTAB 0      0      127.0.0.1:8080 10.1.2.3:4660";
  EXPECT_EQ(Render({"-tnH", "--tos"}, capture), ends + "  tos:0x10 tclass:0 class_id:0x20\n");
  EXPECT_EQ(Render({"-tnH", "--inet-sockopt"}, capture),
            ends + "\n\tinet-sockopt: ( is_icsk bind_addr_no_port)\n");
  EXPECT_EQ(Render({"-tnHO", "--inet-sockopt"}, capture),
            ends + "  inet-sockopt: ( is_icsk bind_addr_no_port)\n");
  EXPECT_EQ(Render({"-tnH", "--cgroup"}, capture), ends + "\n");
}

}  // namespace
}  // namespace diag
