// Tests listings of made-up SCTP and DCCP sockets byte by byte.

#include <cstring>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/render_testing.h"

namespace diag {
namespace {

using netdiag::Protocol;
using netdiag::testing::CaptureOf;
using netdiag::testing::InetMessage;
using netdiag::testing::Packet;
using netdiag::testing::Packets;
using netdiag::testing::Raw;
using netdiag::testing::SctpAssociation;
using netdiag::testing::SctpEndpoint;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Render;

void Put(size_t at, uint32_t number, Packet* info) {
  std::memcpy(info->data() + at, &number, sizeof(number));
}

Packet OfSctp(const Packets& messages) { return CaptureOf({{Protocol::kSctp, messages}}); }

SctpAssociation Association(uint8_t state, uint32_t cookie = 92) {
  SctpAssociation association;
  association.fixed.idiag_state = state;
  association.fixed.id.idiag_cookie[0] = cookie;
  return association;
}

TEST(RenderSctp, AssociationsAreBranchesOfTheirEndpoint) {
  SctpEndpoint other;
  other.fixed.id.idiag_cookie[0] = 93;
  const Packet capture =
      OfSctp({SctpEndpoint().Build(), Association(3).Build(), Association(4).Build(), other.Build(),
              Association(0, 93).Build()});
  EXPECT_EQ(Render({"-Sna"}, capture),
            "State               Recv-Q Send-Q Local Address:Port Peer Address:Port Process\n"
            "LISTEN              1      128        127.0.0.1:5000      0.0.0.0:*\n"
            "`- ESTAB            300    400        127.0.0.1:5000     10.1.2.3:4660\n"
            "`- SHUTDOWN_PENDING 300    400        127.0.0.1:5000     10.1.2.3:4660\n"
            "LISTEN              1      128        127.0.0.1:5000      0.0.0.0:*\n"
            "`- CLOSED           300    400        127.0.0.1:5000     10.1.2.3:4660\n");
}

TEST(RenderSctp, OnlyEndpointsHaveANetid) {
  InetMessage tcp;
  const Packet capture =
      CaptureOf({{Protocol::kTcp, {tcp.Build()}},
                 {Protocol::kSctp, {SctpEndpoint().Build(), SctpAssociation().Build()}}});
  EXPECT_EQ(Render({"-nH", "-A", "tcp,sctp"}, capture),
            "tcp  ESTAB    0      0      127.0.0.1:8080 10.1.2.3:4660\n"
            "sctp LISTEN   1      128    127.0.0.1:5000  0.0.0.0:*\n"
            "     `- ESTAB 300    400    127.0.0.1:5000 10.1.2.3:4660\n");
}

// Sorted, an association does not follow its endpoint.
TEST(RenderSctp, AnAssociationWithoutItsEndpointBeforeItIsNoBranch) {
  const Packet capture = OfSctp({SctpEndpoint().Build(), SctpAssociation().Build()});
  EXPECT_EQ(Render({"-SnaH", "--sort=-recvq"}, capture),
            "ESTAB  300    400    127.0.0.1:5000 10.1.2.3:4660\n"
            "LISTEN 1      128    127.0.0.1:5000  0.0.0.0:*\n");
  EXPECT_EQ(Render({"-SnaH", "association"}, capture),
            "ESTAB 300    400    127.0.0.1:5000 10.1.2.3:4660\n");
}

TEST(RenderSctp, EndpointsComeWithTheirAssociationsUnlessTheyAreSelected) {
  SctpEndpoint client;
  client.fixed.idiag_state = 1;
  const Packet capture = OfSctp(
      {SctpEndpoint().Build(), Association(3).Build(), Association(1).Build(), client.Build()});
  const auto states = [&](const std::string& state) {
    return Render({"-SH", "--columns=state,association", "state", state}, capture);
  };
  EXPECT_EQ(states("listening"), "listening false\n");
  EXPECT_EQ(states("cookie-wait"), "listening   false\ncookie-wait true\nestablished false\n");
  EXPECT_EQ(Render({"-SHa", "--columns=state,association", "state = established"}, capture),
            "established true\nestablished false\n");
}

TEST(RenderSctp, ShowsEverythingOfAnAssociation) {
  SctpAssociation association;
  association.fixed.idiag_timer = 4;
  association.fixed.idiag_expires = 900;
  association.fixed.idiag_retrans = 3;
  Packet info(368);
  const uint32_t numbers[] = {0xabc, 3, 65536};
  std::memcpy(info.data(), numbers, sizeof(numbers));
  Put(12, 2 | 5 << 16, &info);    // unackdata, penddata
  Put(16, 10 | 11 << 16, &info);  // instrms, outstrms
  Put(24, 6, &info);
  Put(28, 7, &info);
  Put(32, 1, &info);
  Put(36, 4, &info);
  Put(40, 1440, &info);
  Put(44, 32768, &info);
  Put(48, 0xdef, &info);
  Put(52, 0x0239, &info);  // peer_capable, peer_sack
  association.Add(INET_DIAG_INFO, info);
  const uint32_t memory[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  association.Add(INET_DIAG_SKMEMINFO, Raw(memory));
  const Packet capture = OfSctp({association.Build()});
  const std::string first = "ESTAB 300    400    127.0.0.1:5000 10.1.2.3:4660";
  const std::string addresses = " locals:127.0.0.1,127.0.0.2 peers:10.1.2.3,10.1.2.4";
  EXPECT_EQ(Render({"-SnaieomH"}, capture),
            first +
                "  timer:(T3_RTX,900ms,3) ino:5001 sk:5c\n"
                "\t skmem:(r1,rb2,t3,tb4,f5,w6,o7,bl8,d9)" +
                addresses +
                " tag:abc state:ESTAB rwnd:65536 unackdata:2 penddata:5 instrms:10 outstrms:11 "
                "inqueue:6 outqueue:7 overerr:1 maxburst:4 maxseg:1440 prwnd:32768 ptag:def "
                "pcapable:57 psack:2\n");
  EXPECT_EQ(Render({"-SnamH"}, capture),
            first + "\n\t skmem:(r1,rb2,t3,tb4,f5,w6,o7,bl8,d9)" + addresses + "\n");
  EXPECT_EQ(Render({"-SnaH"}, capture), first + "\n");
}

TEST(RenderSctp, ShowsTheOptionsOfAnEndpoint) {
  SctpEndpoint endpoint;
  Packet info(368);
  Put(344, 30, &info);
  Put(348, 77, &info);
  Put(352, 8192, &info);
  Put(356, 0x02010101, &info);
  endpoint.Add(INET_DIAG_INFO, info);
  EXPECT_THAT(Render({"-SnaiH"}, OfSctp({endpoint.Build()})),
              HasSubstr("\n\t locals:127.0.0.1,127.0.0.2 autoclose:30 adapind:77 pdpoint:8192 "
                        "nodelay:1 nofrag:1 v4mapped:1 fraginl:2\n"));
}

TEST(RenderSctp, JsonHasTheAddressesAsLists) {
  SctpAssociation association;
  Packet info(368);
  Put(0, 0xabc, &info);
  Put(4, 3, &info);
  Put(52, 0x0239, &info);
  association.Add(INET_DIAG_INFO, info);
  const Packet capture = OfSctp({SctpEndpoint().Build(), association.Build()});
  const std::string json = Render({"--json", "-Sai"}, capture);
  EXPECT_THAT(json, HasSubstr("\"peers\":[{\"address\":\"10.1.2.3\",\"port\":4660},"
                              "{\"address\":\"10.1.2.4\",\"port\":4660}]"));
  EXPECT_THAT(json, HasSubstr("\"locals\":[{\"address\":\"127.0.0.1\",\"port\":5000},"
                              "{\"address\":\"127.0.0.2\",\"port\":5000}]"));
  EXPECT_THAT(json, HasSubstr("\"association\":false"));
  EXPECT_THAT(json, HasSubstr("\"association\":true"));
  EXPECT_THAT(json, HasSubstr("\"state\":\"established\""));
  EXPECT_THAT(json, HasSubstr("\"peer_capable\":[\"auth\",\"reconf\",\"ipv6\",\"ipv4\"]"));
  EXPECT_THAT(Render({"--json", "-Sa"}, capture), Not(HasSubstr("peers")));
  // Counts have the one address of their group.
  EXPECT_THAT(Render({"--json", "-Sa", "--count-by=peers.address"}, capture),
              HasSubstr("\"peers\":[{\"address\":\"10.1.2.4\"}]"));
}

TEST(RenderSctp, CsvAndColumnsHaveAllAddresses) {
  const Packet capture = OfSctp({SctpEndpoint().Build(), SctpAssociation().Build()});
  EXPECT_EQ(Render({"-SaH", "--columns=state,peers.address,peers.port"}, capture),
            "listening   -                 -\n"
            "established 10.1.2.3,10.1.2.4 4660,4660\n");
  EXPECT_EQ(Render({"-Sa", "--csv", "--columns=peers.address"}, capture),
            "peers.address\r\n\r\n\"10.1.2.3,10.1.2.4\"\r\n");
}

// ---- DCCP ----

TEST(RenderDccp, ShowsWhatItFillsOfTcpInfo) {
  InetMessage message;
  Packet info(232);
  info[0] = std::byte{1};
  info[5] = std::byte{2};  // options: SACK
  Put(8, 250000, &info);   // rto
  Put(60, 1500, &info);    // pmtu
  Put(68, 40000, &info);   // rtt
  message.Add(INET_DIAG_INFO, info);
  const Packet capture = CaptureOf({{Protocol::kDccp, {message.Build()}}});
  const std::string text = Render({"-dnioH"}, capture);
  EXPECT_THAT(text, HasSubstr("ESTAB 0      0      127.0.0.1:8080 10.1.2.3:4660\n\t "));
  EXPECT_THAT(text, HasSubstr(" sack rto:250 rtt:40/0 "));
  EXPECT_THAT(text, HasSubstr(" pmtu:1500"));
  EXPECT_THAT(Render({"--json", "-di"}, capture), HasSubstr("\"dccp_info\":{\"state\":"));
}

TEST(RenderDccp, NamesItsOwnStates) {
  InetMessage message;
  message.fixed.idiag_state = 14;
  const auto render = [&] {
    return Render({"-dnaH"}, CaptureOf({{Protocol::kDccp, {message.Build()}}}));
  };
  EXPECT_EQ(render(), "PARTOPEN 0      0      127.0.0.1:8080 10.1.2.3:4660\n");
  message.fixed.idiag_state = 15;
  EXPECT_EQ(render(), "PASSIVE-CLOSEREQ 0      0      127.0.0.1:8080 10.1.2.3:4660\n");
}

}  // namespace
}  // namespace diag
