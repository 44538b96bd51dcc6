// Every field that only rows of SCTP and DCCP have.

#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/engine/row_maker.h"
#include "netdiag/fields.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/row.h"
#include "netdiag/socket/structs.h"
#include "tests/testing/field_values.h"
#include "tests/testing/messages.h"

namespace netdiag {
namespace {

using netdiag::testing::ExpectPattern;
using netdiag::testing::InetMessage;
using netdiag::testing::Packet;
using netdiag::testing::Pattern;
using netdiag::testing::SctpAssociation;
using netdiag::testing::SctpEndpoint;

using Values = std::map<std::string, std::string>;

constexpr size_t kPrimaryAt = 168;

Values ValuesOf(InetMessage message, Protocol protocol, size_t i = 0) {
  const Packet built = message.Build();
  netlink::MessageCursor cursor(built);
  netlink::Message first;
  EXPECT_TRUE(cursor.Next(&first));
  const Table table = {protocol, Family::kInet, NetnsId(42)};
  const std::optional<Row> row = internal::RowMaker::FromMessage(first, table, SourceKind::kReplay);
  EXPECT_TRUE(row.has_value());
  return testing::ValuesOf(*row, i);
}

// Its struct sctp_info is a pattern, with 10.1.2.4 as the primary address.
SctpAssociation FullAssociation() {
  SctpAssociation association;
  Packet info = Pattern(SctpInfo::size());
  const Packet primary = testing::Sockaddr({IpAddress::V4(10, 1, 2, 4), Port::FromHost(4660)});
  std::memcpy(&info[kPrimaryAt], primary.data(), primary.size());
  association.Add(INET_DIAG_INFO, info);
  return association;
}

SctpEndpoint FullEndpoint() {
  SctpEndpoint endpoint;
  Packet info = Pattern(SctpInfo::size());
  std::memset(info.data(), 0, 4);  // the tag
  endpoint.Add(INET_DIAG_INFO, info);
  return endpoint;
}

// The fields of struct sctp_info: those of endpoints begin with "s_".
Values SctpInfoValues(bool endpoint) {
  Values values;
  ExpectPattern<SctpInfo>("sctp_info", &values);
  values["sctp_info.p_address"] = "10.1.2.4";
  const std::set<std::string> always = {"sctp_info.fragmentation_point", "sctp_info.p_sackfreq"};
  std::erase_if(values, [&](const auto& value) {
    const bool of_endpoint = value.first.starts_with("sctp_info.s_");
    return of_endpoint != endpoint && !always.contains(value.first);
  });
  return values;
}

// The values whose names begin with `prefix`.
Values Select(const Values& all, std::string_view prefix) {
  Values values = all;
  std::erase_if(values, [&](const auto& value) { return !value.first.starts_with(prefix); });
  return values;
}

TEST(SctpFields, OfAnAssociationHaveTheValuesThatWereSent) {
  const Values values = ValuesOf(FullAssociation(), Protocol::kSctp);
  EXPECT_EQ(Select(values, "sctp_info."), SctpInfoValues(false));
  EXPECT_EQ(values.at("association"), "true");
  EXPECT_EQ(values.at("protocol"), "sctp");
  EXPECT_EQ(values.at("state"), "established") << "3 of enum sctp_state";
  EXPECT_EQ(values.at("local_address"), "127.0.0.1");
  EXPECT_EQ(values.at("remote_address"), "10.1.2.3");
  EXPECT_EQ(values.at("remote_port"), "4660");
  EXPECT_EQ(values.at("receive_queue"), "300");
  EXPECT_EQ(values.at("send_queue"), "400");
  EXPECT_EQ(values.at("timer"), "off");
  EXPECT_EQ(values.count("type"), 0u) << "sctp_info of the endpoint has it";
  EXPECT_THAT(Select(values, "tcp_info."), ::testing::IsEmpty());
}

TEST(SctpFields, OfAnEndpointHaveTheValuesThatWereSent) {
  const Values values = ValuesOf(FullEndpoint(), Protocol::kSctp);
  EXPECT_EQ(Select(values, "sctp_info."), SctpInfoValues(true));
  EXPECT_EQ(values.at("association"), "false");
  EXPECT_EQ(values.at("state"), "listening");
  EXPECT_EQ(values.at("send_queue"), "128");
  EXPECT_THAT(Select(values, "peers."), ::testing::IsEmpty());
}

TEST(SctpFields, OfAddressesAreOneForEach) {
  const Values first = ValuesOf(SctpAssociation(), Protocol::kSctp);
  EXPECT_EQ(Select(first, "locals."),
            (Values{{"locals.address", "127.0.0.1"}, {"locals.port", "5000"}}));
  EXPECT_EQ(Select(first, "peers."),
            (Values{{"peers.address", "10.1.2.3"}, {"peers.port", "4660"}}));
  const Values second = ValuesOf(SctpAssociation(), Protocol::kSctp, 1);
  EXPECT_EQ(second.at("locals.address"), "127.0.0.2");
  EXPECT_EQ(second.at("peers.address"), "10.1.2.4");
  EXPECT_THAT(Select(ValuesOf(SctpAssociation(), Protocol::kSctp, 2), "peers."),
              ::testing::IsEmpty());

  SctpEndpoint local;
  local.Add(INET_DIAG_LOCALS,
            testing::Sockaddr({IpAddress::FromNetwork(Family::kInet6, Pattern(16)), Port()}, 7));
  EXPECT_EQ(ValuesOf(local, Protocol::kSctp, 0).at("locals.scope"), "7");
}

// What only T3-rtx uses.
TEST(SctpFields, TellTheTimerAndItsChunks) {
  SctpAssociation association;
  association.fixed.idiag_timer = 4;
  association.fixed.idiag_retrans = 3;
  association.fixed.idiag_expires = 900;
  const Values values = ValuesOf(association, Protocol::kSctp);
  EXPECT_EQ(values.at("timer"), "T3_RTX");
  EXPECT_EQ(values.at("timer_expires"), "900");
  EXPECT_EQ(values.at("timer_retransmits"), "3");
}

TEST(DccpFields, HaveTheValuesThatWereSent) {
  InetMessage message;
  message.Add(INET_DIAG_INFO, Pattern(TcpInfo::size()));
  const Values values = ValuesOf(message, Protocol::kDccp);
  Values expected;
  ExpectPattern<DccpInfo>("dccp_info", &expected);
  EXPECT_EQ(Select(values, "dccp_info."), expected);
  EXPECT_THAT(Select(values, "tcp_info."), ::testing::IsEmpty());
  EXPECT_EQ(values.at("protocol"), "dccp");
  EXPECT_EQ(values.at("type"), "dccp");
  EXPECT_EQ(values.count("association"), 0u);
}

TEST(SctpFields, AreEachTestedAbove) {
  Values all = ValuesOf(FullAssociation(), Protocol::kSctp);
  all.merge(ValuesOf(FullEndpoint(), Protocol::kSctp));
  InetMessage dccp;
  dccp.Add(INET_DIAG_INFO, Pattern(TcpInfo::size()));
  all.merge(ValuesOf(dccp, Protocol::kDccp));
  all["locals.scope"] = all["peers.scope"] = "of IPv6 addresses, above";
  for (const Field& field : AllFields()) {
    if (!testing::IsOfSctpOrDccp(field)) continue;
    EXPECT_EQ(all.count(testing::Key(field)), 1u) << testing::Key(field);
    EXPECT_TRUE(field.families.contains(Family::kInet6));
    EXPECT_FALSE(field.families.contains(Family::kUnix));
  }
}

}  // namespace
}  // namespace netdiag
