// What a query asks of each table, without a kernel.

#include "netdiag/engine/table_plan.h"

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/dump/capture.h"
#include "netdiag/dump/table.h"
#include "netdiag/filter/filter.h"
#include "netdiag/filter/kernel_part.h"
#include "netdiag/query.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr NetnsId kHome = NetnsId(7);
constexpr FamilySet kBoth = {Family::kInet, Family::kInet6};

std::vector<TablePlan> PlansOf(Query query, const PlanOptions& options = {}) {
  if (query.filter != nullptr) query.filter->AddNeeds(&query);
  std::vector<TablePlan> plans;
  AppendPlans(query, options, kHome, "", &plans);
  return plans;
}

std::shared_ptr<const Filter> FilterOf(std::string_view text) {
  const absl::StatusOr<Filter> filter = Filter::Parse(text);
  EXPECT_TRUE(filter.ok()) << filter.status();
  return filter.ok() ? std::make_shared<const Filter>(*filter) : nullptr;
}

Query TcpQuery(std::string_view filter = "") {
  Query query{.protocols = {Protocol::kTcp}};
  if (!filter.empty()) query.filter = FilterOf(filter);
  return query;
}

TablePlan OnlyPlan(const Query& query, const PlanOptions& options = {}) {
  const std::vector<TablePlan> plans = PlansOf(query, options);
  EXPECT_THAT(plans, SizeIs(1));
  return plans.empty() ? TablePlan() : plans[0];
}

std::vector<std::string> TablesOf(const std::vector<TablePlan>& plans) {
  std::vector<std::string> tables;
  tables.reserve(plans.size());
  for (const TablePlan& plan : plans) tables.push_back(Text(plan.table()));
  return tables;
}

// ---- Which tables ----

TEST(TablePlan, TablesFollowTheOrderOfTheProtocols) {
  const Query query{.protocols = {Protocol::kPacket, Protocol::kTcp, Protocol::kUnix}};
  EXPECT_THAT(TablesOf(PlansOf(query)), ElementsAre("packet", "tcp", "unix"));
}

TEST(TablePlan, TcpIsOneDumpForBothFamilies) {
  EXPECT_EQ(OnlyPlan(TcpQuery()).table().families, kBoth);
}

TEST(TablePlan, EachFamilyHasADumpWhereOneRequestCannotNameBoth) {
  const Query raw{.protocols = {Protocol::kRaw}};
  EXPECT_THAT(TablesOf(PlansOf(raw)), ElementsAre("raw inet", "raw inet6"));
  EXPECT_THAT(TablesOf(PlansOf(TcpQuery(), {.connections = 2})),
              ElementsAre("tcp inet", "tcp inet6"));
  EXPECT_THAT(TablesOf(PlansOf(TcpQuery(), {.prefer_procfs = true})),
              ElementsAre("tcp inet", "tcp inet6"));
}

TEST(TablePlan, TablesOfOtherFamiliesAreLeftOut) {
  Query query{.protocols = {Protocol::kUnix, Protocol::kTcp, Protocol::kNetlink}};
  query.families = Family::kInet6;
  EXPECT_THAT(TablesOf(PlansOf(query)), ElementsAre("tcp inet6"));
  query.families = {Family::kUnix, Family::kInet};
  EXPECT_THAT(TablesOf(PlansOf(query)), ElementsAre("unix", "tcp inet"));
}

TEST(TablePlan, PortsLeaveOutTablesWithoutPorts) {
  Query query{
      .protocols = {Protocol::kUnix, Protocol::kNetlink, Protocol::kPacket, Protocol::kTcp}};
  query.source_port = Port::FromHost(22);
  EXPECT_THAT(TablesOf(PlansOf(query)), ElementsAre("tcp"));
  query.source_port.reset();
  query.destination_port = Port::FromHost(22);
  EXPECT_THAT(TablesOf(PlansOf(query)), ElementsAre("tcp"));
  // The ports of vsock are others, with 32 bits.
  query.protocols = {Protocol::kVsock, Protocol::kTipc, Protocol::kXdp, Protocol::kSmc};
  const TablePlan smc = OnlyPlan(query);
  EXPECT_EQ(Text(smc.table()), "smc");
  EXPECT_EQ(smc.conditions.destination_port, Port::FromHost(22)) << "the kernel does not select";
}

TEST(TablePlan, PacketNetlinkAndXdpSocketsAreAllClosed) {
  Query query{
      .protocols = {Protocol::kUnix, Protocol::kNetlink, Protocol::kPacket, Protocol::kXdp}};
  query.states = State::kListen;
  EXPECT_THAT(TablesOf(PlansOf(query)), ElementsAre("unix"));
  query.states = StateSet(State::kListen) | State::kClose;
  EXPECT_THAT(TablesOf(PlansOf(query)), ElementsAre("unix", "netlink", "packet", "xdp"));
}

TEST(TablePlan, DatagramSocketsAreConnectedOrClosed) {
  Query query{.protocols = {Protocol::kUdp, Protocol::kRaw, Protocol::kTcp}};
  query.states = StateSet(State::kListen) | State::kTimeWait;
  EXPECT_THAT(TablesOf(PlansOf(query)), ElementsAre("tcp"));
  query.states = State::kEstablished;
  EXPECT_THAT(TablesOf(PlansOf(query)), ElementsAre("udp", "raw inet", "raw inet6", "tcp"));
}

TEST(TablePlan, TcpIsNotAskedForStatesThatItsTableNeverHas) {
  Query query{.protocols = {Protocol::kTcp, Protocol::kUdp}};
  query.states = StateSet(State::kListen) | State::kClose;
  const std::vector<TablePlan> plans = PlansOf(query);
  ASSERT_FALSE(plans.empty());
  EXPECT_EQ(plans[0].request.states, StateSet(State::kListen)) << "the kernel walks no connections";
  query.states = State::kClose;
  EXPECT_THAT(TablesOf(PlansOf(query)), ElementsAre("udp"));
  query.states = State::kBoundInactive;
  EXPECT_THAT(TablesOf(PlansOf(query)), ElementsAre("tcp"));
}

TEST(TablePlan, StatesOfOneProtocolLeaveOutTheOthers) {
  Query query{.protocols = {Protocol::kTcp, Protocol::kDccp, Protocol::kSctp, Protocol::kUdp}};
  query.states = State::kPartOpen;
  EXPECT_THAT(TablesOf(PlansOf(query)), ElementsAre("dccp inet", "dccp inet6"));
  query.states = State::kCookieWait;
  EXPECT_THAT(TablesOf(PlansOf(query)), ElementsAre("sctp inet", "sctp inet6"));
  query.states = State::kTimeWait;
  EXPECT_THAT(TablesOf(PlansOf(query)), ElementsAre("tcp", "dccp inet", "dccp inet6"));
}

TEST(TablePlan, TablesInWhichNothingCanMatchAreLeftOut) {
  Query query{.protocols = {Protocol::kUnix, Protocol::kTcp}};
  query.filter = FilterOf("sport = 22");
  EXPECT_THAT(TablesOf(PlansOf(query)), ElementsAre("tcp")) << "unix sockets have no ports";
  query.filter = FilterOf("state = listening and state = established");
  EXPECT_THAT(PlansOf(query), IsEmpty());
  query.filter = FilterOf("state = established");
  query.states = StateSet(State::kListen) | State::kClose;
  EXPECT_THAT(PlansOf(query), IsEmpty()) << "the states of the query and of the filter differ";
  query.states = StateSet::All();
  query.filter = FilterOf("sport = 22 and sport = 443");
  EXPECT_THAT(PlansOf(query), IsEmpty());
  query.filter = FilterOf("family = inet6");
  EXPECT_THAT(TablesOf(PlansOf(query, {.connections = 2})), ElementsAre("tcp inet6"));
}

TEST(TablePlan, EachNamespaceHasItsOwnPlans) {
  const Query query = TcpQuery("netns = 8 or sport = 22");
  std::vector<TablePlan> plans;
  AppendPlans(query, {}, kHome, "", &plans);
  AppendPlans(query, {}, NetnsId(8), "blue", &plans);
  ASSERT_THAT(plans, SizeIs(2));
  EXPECT_EQ(plans[0].table(), (Table{Protocol::kTcp, kBoth, kHome, ""}));
  EXPECT_EQ(plans[0].request.source_port, Port::FromHost(22));
  EXPECT_EQ(plans[1].table(), (Table{Protocol::kTcp, kBoth, NetnsId(8), "blue"}));
  EXPECT_EQ(plans[1].request.source_port, Port()) << "every socket of it matches";
  plans.clear();
  AppendPlans(TcpQuery("netns = 8"), {}, kHome, "", &plans);
  EXPECT_THAT(plans, IsEmpty());
}

// ---- What the kernel is asked ----

TEST(TablePlan, TheRequestHasTheQuerysStatesPortsAndExtensions) {
  Query query = TcpQuery();
  query.states = StateSet(State::kListen) | State::kEstablished;
  query.extensions = Extension::kInfo;
  query.source_port = Port::FromHost(22);
  query.destination_port = Port::FromHost(4000);
  const TablePlan plan = OnlyPlan(query);
  EXPECT_EQ(plan.request.states, query.states);
  EXPECT_EQ(plan.request.extensions, query.extensions);
  EXPECT_EQ(plan.request.source_port, Port::FromHost(22));
  EXPECT_EQ(plan.request.destination_port, Port::FromHost(4000));
  EXPECT_FALSE(plan.has_program());
  EXPECT_FALSE(plan.CanDropProgram());
}

TEST(TablePlan, AFilterNarrowsStatesAndPorts) {
  Query query = TcpQuery("state = established and sport = 22 and dport = 4000");
  query.states = StateSet(State::kListen) | State::kEstablished;
  TablePlan plan = OnlyPlan(query);
  EXPECT_EQ(plan.request.states, StateSet(State::kEstablished));
  EXPECT_EQ(plan.request.source_port, Port::FromHost(22));
  EXPECT_EQ(plan.request.destination_port, Port::FromHost(4000));
  // The query's own port has precedence; rows are tested for the filter's.
  query.source_port = Port::FromHost(23);
  plan = OnlyPlan(query);
  EXPECT_EQ(plan.request.source_port, Port::FromHost(23));
}

TEST(TablePlan, AFiltersProgramCanBeDropped) {
  const TablePlan plan = OnlyPlan(TcpQuery("sport > 1024"));
  ASSERT_TRUE(plan.has_program());
  EXPECT_TRUE(plan.CanDropProgram());
  EXPECT_TRUE(plan.ProcfsCanAnswer());
}

TEST(TablePlan, OnlyTheKernelCanAnswerAFilterByMark) {
  for (const bool bounded : {false, true}) {
    SCOPED_TRACE(bounded ? "bounded steps" : "plain");
    Query query = TcpQuery("fwmark = 7");
    query.bounded_steps = bounded;
    const TablePlan plan = OnlyPlan(query);
    EXPECT_TRUE(plan.needs_net_admin);
    EXPECT_TRUE(plan.has_program()) << "the kernel must refuse it to others";
    EXPECT_FALSE(plan.CanDropProgram());
    EXPECT_FALSE(plan.ProcfsCanAnswer());
    EXPECT_FALSE(plan.LookupsCanAnswer());
  }
}

TEST(TablePlan, BoundedStepsAskForEverything) {
  Query query = TcpQuery("sport = 22 and state = listening and rtt > 5ms");
  query.bounded_steps = true;
  query.states = State::kListen;
  query.destination_port = Port::FromHost(4000);
  TablePlan plan = OnlyPlan(query);
  EXPECT_EQ(plan.request.states, StateSet::All() - State::kBoundInactive);
  EXPECT_EQ(plan.request.source_port, Port());
  EXPECT_EQ(plan.request.destination_port, Port());
  EXPECT_FALSE(plan.has_program());
  EXPECT_FALSE(plan.ends.has_value());
  // The rows are tested here instead.
  EXPECT_EQ(plan.conditions.states, StateSet(State::kListen));
  EXPECT_EQ(plan.conditions.destination_port, Port::FromHost(4000));
  query.filter = nullptr;
  query.states = StateSet(State::kListen) | State::kBoundInactive;
  plan = OnlyPlan(query);
  EXPECT_EQ(plan.request.states, StateSet::All());
}

// ---- What is tested on each row ----

TEST(TablePlan, PseudoStatesOfTcpAreReportedAsPlainOnes) {
  Query query{.protocols = {Protocol::kTcp, Protocol::kUdp}};
  query.states = StateSet(State::kBoundInactive) | State::kNewSynReceived | State::kEstablished;
  const std::vector<TablePlan> plans = PlansOf(query);
  ASSERT_FALSE(plans.empty());
  const StateSet& tcp = plans[0].conditions.states;
  EXPECT_TRUE(tcp.contains(State::kClose));
  EXPECT_TRUE(tcp.contains(State::kSynReceived));
  EXPECT_EQ(plans.back().table().protocol, Protocol::kUdp);
  EXPECT_EQ(plans.back().conditions.states, query.states);
}

TEST(TablePlan, EndpointsOfSctpMatchInAnyStateIfAssociationsAreAsked) {
  const auto any_endpoint = [](StateSet states, Protocol protocol = Protocol::kSctp) {
    Query query{.protocols = {protocol}};
    query.states = states;
    const std::vector<TablePlan> plans = PlansOf(query);
    return !plans.empty() && plans[0].conditions.any_endpoint;
  };
  EXPECT_TRUE(any_endpoint(StateSet::SsAll()));
  EXPECT_TRUE(any_endpoint(State::kEstablished));
  EXPECT_TRUE(any_endpoint(StateSet(State::kListen) | State::kCookieWait));
  EXPECT_FALSE(any_endpoint(State::kListen));
  EXPECT_FALSE(any_endpoint(StateSet(State::kListen) | State::kClose)) << "as -l";
  EXPECT_FALSE(any_endpoint(StateSet::SsAll(), Protocol::kTcp));
}

TEST(TablePlan, SocketTypesAreThoseOfTheProtocol) {
  Query query{
      .protocols = {Protocol::kUnix, Protocol::kPacket, Protocol::kNetlink, Protocol::kVsock}};
  query.unix_types = SocketType::kStream;
  query.packet_types = SocketType::kRaw;
  query.vsock_types = SocketType::kSequentialPacket;
  const std::vector<TablePlan> plans = PlansOf(query);
  ASSERT_THAT(plans, SizeIs(4));
  EXPECT_EQ(plans[3].conditions.types, Set<SocketType>(SocketType::kSequentialPacket));
  EXPECT_EQ(plans[0].conditions.types, Set<SocketType>(SocketType::kStream));
  EXPECT_EQ(plans[1].conditions.types, Set<SocketType>(SocketType::kRaw));
  EXPECT_TRUE(plans[2].conditions.types.empty());
}

TEST(TablePlan, PeersNeedEveryStateOfUnixSockets) {
  Query query{.protocols = {Protocol::kUnix, Protocol::kTcp}};
  query.states = State::kListen;
  query.peers = true;
  const std::vector<TablePlan> plans = PlansOf(query, {.keep_unix = true});
  ASSERT_THAT(plans, SizeIs(2));
  EXPECT_TRUE(plans[0].kept_for_peers);
  EXPECT_EQ(plans[0].request.states, StateSet::SsAll());
  EXPECT_EQ(plans[0].conditions.states, StateSet(State::kListen)) << "only these are shown";
  EXPECT_FALSE(plans[1].kept_for_peers);
  EXPECT_EQ(plans[1].request.states, StateSet(State::kListen));
}

// ---- What else can answer ----

TEST(TablePlan, ProcfsIsTheOnlySourceWithoutADump) {
  const Query icmp{.protocols = {Protocol::kIcmp}};
  for (const TablePlan& plan : PlansOf(icmp)) EXPECT_TRUE(plan.only_procfs);
  EXPECT_THAT(PlansOf(icmp), SizeIs(2));
  EXPECT_FALSE(OnlyPlan(TcpQuery()).only_procfs);
  for (const TablePlan& plan : PlansOf(TcpQuery(), {.prefer_procfs = true})) {
    EXPECT_TRUE(plan.only_procfs);
  }
}

TEST(TablePlan, LookupsCanAnswerForConnectionsOfTcp) {
  EXPECT_TRUE(OnlyPlan(TcpQuery()).LookupsCanAnswer());
  Query query = TcpQuery();
  query.states = query.states | State::kBoundInactive;
  EXPECT_FALSE(OnlyPlan(query).LookupsCanAnswer()) << "no request names bound and idle sockets";
  for (const TablePlan& plan : PlansOf({.protocols = {Protocol::kUdp}})) {
    EXPECT_FALSE(plan.LookupsCanAnswer());
  }
}

TEST(TablePlan, AFilterThatNamesBothEndsIsOneLookup) {
  const std::string ends = "src = 127.0.0.1:22 and dst = 127.0.0.2:4000";
  const TablePlan plan = OnlyPlan(TcpQuery(ends + " and dev = 3"), {.connections = 1});
  ASSERT_TRUE(plan.ends.has_value());
  EXPECT_EQ(plan.ends->local.port, Port::FromHost(22));
  EXPECT_EQ(plan.ends->remote.port, Port::FromHost(4000));
  EXPECT_EQ(plan.ends->interface, IfIndex(3));
  EXPECT_TRUE(plan.LookupsCanAnswer());
  EXPECT_FALSE(OnlyPlan(TcpQuery(ends)).ends.has_value()) << "two sockets can have these ends";
}

TEST(TablePlan, ACaptureIsAskedNothing) {
  const Table table = {Protocol::kUnix, Family::kUnix, kHome, "blue"};
  Query query{.protocols = {Protocol::kUnix}};
  query.states = State::kListen;
  query.filter = FilterOf("sport > 1024");
  const CaptureReader reader(Bytes{});
  const uint64_t before = FilterTranslations();
  const TablePlan plan = PlanOfCapture(query, {.keep_unix = true}, table, reader);
  EXPECT_EQ(FilterTranslations(), before);
  EXPECT_EQ(plan.table(), table);
  EXPECT_TRUE(plan.capture.has_value());
  EXPECT_TRUE(plan.kept_for_peers);
  EXPECT_FALSE(plan.has_program());
  EXPECT_EQ(plan.conditions.states, StateSet(State::kListen));
}

// ---- Cost ----

TEST(TablePlan, AFilterIsTranslatedOnceForEachTable) {
  Query query{.protocols = {Protocol::kUnix, Protocol::kTcp, Protocol::kRaw}};
  query.filter = FilterOf("sport > 1024 or state = established");
  for (const bool bounded : {false, true}) {
    SCOPED_TRACE(bounded ? "bounded steps" : "plain");
    query.bounded_steps = bounded;
    const uint64_t before = FilterTranslations();
    PlansOf(query);
    EXPECT_EQ(FilterTranslations() - before, 4u) << "unix, tcp, raw inet, raw inet6";
  }
  query.filter = nullptr;
  const uint64_t before = FilterTranslations();
  PlansOf(query);
  EXPECT_EQ(FilterTranslations(), before);
}

}  // namespace
}  // namespace netdiag::internal
