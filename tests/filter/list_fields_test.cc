// Filters by the addresses of SCTP, of which a row has any number.

#include <cstring>
#include <string_view>

#include <gtest/gtest.h>

#include "netdiag/dump/table.h"
#include "netdiag/engine/row_maker.h"
#include "netdiag/filter/filter.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/row.h"
#include "tests/testing/messages.h"

namespace netdiag {
namespace {

using testing::InetMessage;
using testing::Packet;

bool Matches(InetMessage* built, std::string_view text) {
  const absl::StatusOr<Filter> filter = Filter::Parse(text);
  EXPECT_TRUE(filter.ok()) << text << ": " << filter.status();
  const Packet message = built->Build();
  netlink::MessageCursor cursor(message);
  netlink::Message first;
  EXPECT_TRUE(cursor.Next(&first));
  const Table table = {Protocol::kSctp, Family::kInet, NetnsId()};
  const std::optional<Row> row = internal::RowMaker::FromMessage(first, table, SourceKind::kReplay);
  EXPECT_TRUE(row.has_value());
  return filter.ok() && row && filter->Matches(*row);
}

// Its addresses are 127.0.0.1:5000, 127.0.0.2, 10.1.2.3:4660 and 10.1.2.4.
bool AssociationMatches(std::string_view text) {
  testing::SctpAssociation association;
  Packet info(368);
  info[0] = std::byte{1};  // tag
  const Packet primary = testing::Sockaddr({IpAddress::V4(10, 1, 2, 4), Port::FromHost(4660)});
  std::memcpy(&info[168], primary.data(), primary.size());
  association.Add(INET_DIAG_INFO, info);
  return Matches(&association, text);
}

TEST(ListFields, OneAddressMustSatisfyAComparison) {
  for (const char* yes :
       {"peers.address = 10.1.2.3", "peers.address = 10.1.2.4", "peers.address = 10.1/16",
        "locals.address = 127/8", "locals.address != 127.0.0.1", "not peers.address = 10.1.2.5",
        "peers.address = 0/0", "peers.port = 4660", "locals.port < 5001",
        "sctp_info.p_address = 10.1.2.4", "sctp_info.p_address != 10.1.2.3", "association",
        "peers.address = 10.1.2.3 and peers.address = 10.1.2.4"}) {
    EXPECT_TRUE(AssociationMatches(yes)) << yes;
  }
  for (const char* no :
       {"peers.address = 10.1.2.5", "peers.address = 127.0.0.1", "locals.address = 10/8",
        "peers.address = ::1", "peers.address = ::ffff:10.1.2.3",
        "peers.address = ::/0 and peers.address != ::/0", "locals.address != 127/8",
        "locals.port = 4660", "sctp_info.p_address = 10.1.2.3", "not association"}) {
    EXPECT_FALSE(AssociationMatches(no)) << no;
  }
}

TEST(ListFields, ARowWithoutValuesMatchesNoComparison) {
  testing::SctpEndpoint endpoint;
  for (const char* no : {"peers.address = 0/0", "peers.address != 10.1.2.3", "peers.port >= 0",
                         "sctp_info.p_address != 10.1.2.3", "association"}) {
    EXPECT_FALSE(Matches(&endpoint, no)) << no;
  }
  EXPECT_TRUE(Matches(&endpoint, "not peers.address = 10.1.2.3"));
  EXPECT_TRUE(Matches(&endpoint, "locals.address = 127.0.0.2"));
}

TEST(ListFields, AddressesHaveNoOrderAndNoPort) {
  const auto error = [](std::string_view text) {
    return std::string(Filter::Parse(text).status().message());
  };
  EXPECT_NE(error("peers.address < 10.1.2.3").find("addresses have no order"), std::string::npos);
  EXPECT_NE(error("peers.address = 10.1.2.3:80").find("without a port"), std::string::npos);
  EXPECT_NE(error("peers.address = 10.1.2.3/33"), "");
  EXPECT_NE(error("peers.address = 7x"), "");
}

}  // namespace
}  // namespace netdiag
