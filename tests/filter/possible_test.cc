// Whether a socket of a table can match a query.

#include "netdiag/filter/possible.h"

#include <memory>
#include <string_view>

#include <gtest/gtest.h>

#include "netdiag/filter/filter.h"

namespace netdiag {
namespace {

const Table kTcp4 = {Protocol::kTcp, Family::kInet, NetnsId()};
const Table kTcp6 = {Protocol::kTcp, Family::kInet6, NetnsId()};
const Table kUdp4 = {Protocol::kUdp, Family::kInet, NetnsId()};
const Table kUnix = {Protocol::kUnix, Family::kUnix, NetnsId()};
const Table kSctp4 = {Protocol::kSctp, Family::kInet, NetnsId()};
const Table kDccp4 = {Protocol::kDccp, Family::kInet, NetnsId()};
const Table kPacket = {Protocol::kPacket, Family::kPacket, NetnsId()};

StateSet Possible(const Table& table, std::string_view filter, StateSet states = StateSet::All()) {
  Query query;
  query.states = states;
  if (!filter.empty()) {
    const absl::StatusOr<Filter> parsed = Filter::Parse(filter);
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    query.filter = std::make_shared<const Filter>(parsed.value_or(Filter()));
  }
  return PossibleStates(query, table);
}

TEST(PossibleStates, AreThoseOfTheQueryThatTheTableHas) {
  EXPECT_EQ(Possible(kTcp4, ""), StateSet::OfTcp() - State::kClose);
  EXPECT_EQ(Possible(kTcp4, "", State::kListen), StateSet(State::kListen));
  EXPECT_EQ(Possible(kUdp4, "", StateSet(State::kListen) | State::kClose), StateSet(State::kClose));
  EXPECT_TRUE(Possible(kUdp4, "", State::kListen).empty());
  EXPECT_TRUE(Possible(kPacket, "", State::kEstablished).empty());
  EXPECT_TRUE(Possible(kTcp4, "", StateSet::OfSctpOnly() | StateSet::OfDccpOnly()).empty());
  EXPECT_EQ(Possible(kSctp4, "", StateSet::OfSctpOnly() | StateSet::OfDccpOnly()),
            StateSet::OfSctpOnly());
  EXPECT_EQ(Possible(kDccp4, "", StateSet::OfSctpOnly() | StateSet::OfDccpOnly()),
            StateSet::OfDccpOnly());
  EXPECT_TRUE(
      Possible(kUnix, "", State::kBoundInactive | StateSet()).contains(State::kBoundInactive));
}

TEST(PossibleStates, AreThoseThatTheFilterSelects) {
  EXPECT_EQ(Possible(kTcp4, "state = established and sport = 22"), StateSet(State::kEstablished));
  EXPECT_TRUE(Possible(kTcp4, "state = established", State::kListen).empty());
  EXPECT_EQ(Possible(kTcp4, "state = established or sport = 22", State::kListen),
            StateSet(State::kListen));
}

TEST(PossibleStates, AreNoneIfNoSocketOfTheTableHasTheFields) {
  EXPECT_TRUE(Possible(kTcp4, "name = /run/x").empty());
  EXPECT_FALSE(Possible(kUnix, "name = /run/x").empty());
  EXPECT_TRUE(Possible(kTcp4, "src [::1]").empty());
  EXPECT_FALSE(Possible(kTcp6, "src [::1]").empty());
  EXPECT_FALSE(Possible(kTcp6, "src 10/8").empty()) << "IPv4-mapped";
  EXPECT_TRUE(Possible(kUnix, "rtt > 1ms").empty());
  EXPECT_TRUE(Possible(kUdp4, "rtt > 1ms").empty()) << "only TCP has tcp_info";
  EXPECT_FALSE(Possible(kUdp4, "not rtt > 1ms").empty());
  EXPECT_TRUE(Possible(kTcp4, "mptcp_info.token = 1").empty());
  EXPECT_TRUE(Possible(kTcp4, "sport = 1 and sport = 2").empty());
  for (const char* field : {"sctp_info.rwnd > 0", "locals.port = 1", "peers.address = 10.0.0.1"}) {
    EXPECT_TRUE(Possible(kTcp4, field).empty()) << field;
    EXPECT_FALSE(Possible(kSctp4, field).empty()) << field;
  }
  EXPECT_TRUE(Possible(kSctp4, "rtt > 1ms").empty()) << "tcp_info is TCP's";
  EXPECT_TRUE(Possible(kTcp4, "dccp_info.rtt > 1ms").empty());
  EXPECT_FALSE(Possible(kDccp4, "dccp_info.rtt > 1ms").empty());
}

TEST(PossibleStates, DoNotDependOnANamespaceThatIsNotKnown) {
  EXPECT_FALSE(Possible(kTcp4, "netns = 8").empty());
  EXPECT_FALSE(Possible(kTcp4, "not netns = 8").empty());
  EXPECT_TRUE(Possible({Protocol::kTcp, Family::kInet, NetnsId(7)}, "netns = 8").empty());
  EXPECT_FALSE(Possible({Protocol::kTcp, Family::kInet, NetnsId(8)}, "netns = 8").empty());
}

}  // namespace
}  // namespace netdiag
