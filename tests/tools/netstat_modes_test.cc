// The modes -r, -i, -g, -s and -M of `diag netstat`: golden text with --compat and without, hostile
// names, and JSON. tests/live/netstat_modes_live_test.cc compares with netstat itself.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include "netdiag/net/interfaces.h"
#include "netdiag/net/routes.h"
#include "netdiag/net/statistics.h"
#include "netdiag/types/address.h"
#include "tools/diag/json.h"
#include "tools/diag/netstat/host_names.h"
#include "tools/diag/netstat/interface_text.h"
#include "tools/diag/netstat/modes.h"
#include "tools/diag/netstat/route_text.h"
#include "tools/diag/netstat/statistics_text.h"

namespace diag::netstat {
namespace {

using netdiag::Family;
using netdiag::IfIndex;
using netdiag::Interface;
using netdiag::IpAddress;
using netdiag::Ipv6RouteLine;
using netdiag::Mask;
using netdiag::NextHop;
using netdiag::Route;
using netdiag::RouteType;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// ---- Routes ----

Interface Named(std::string name, uint32_t index) {
  Interface interface;
  interface.name = std::move(name);
  interface.index = IfIndex(index);
  return interface;
}

netdiag::Prefix Network(std::string_view text) {
  const std::string_view address = text.substr(0, text.find('/'));
  const IpAddress parsed = IpAddress::Parse(address).value();
  unsigned length = 0;
  for (const char digit : text.substr(address.size() + 1)) {
    length = length * 10 + static_cast<unsigned>(digit - '0');
  }
  return {parsed, Mask::OfLength(parsed.family(), length).value()};
}

Route Via(std::string_view destination, std::string_view gateway, uint32_t interface = 2) {
  Route route;
  route.destination = Network(destination);
  route.type = RouteType::kUnicast;
  route.table = netdiag::kMainTable;
  NextHop hop;
  hop.interface = IfIndex(interface);
  if (!gateway.empty()) hop.gateway = IpAddress::Parse(gateway).value();
  route.hops.push_back(hop);
  return route;
}

Route Refusal(std::string_view destination, RouteType type) {
  Route route = Via(destination, "");
  route.type = type;
  route.hops.clear();
  return route;
}

std::vector<Route> Routes() {
  std::vector<Route> routes = {Via("0.0.0.0/0", "192.0.2.254"),
                               Via("192.0.2.0/24", ""),
                               Via("198.51.100.7/32", "192.0.2.1"),
                               Via("172.32.0.0/12", "fe80::1"),
                               Refusal("203.0.113.0/24", RouteType::kUnreachable),
                               Refusal("203.0.115.0/25", RouteType::kBlackhole)};
  routes[1].metric = 100;
  routes[1].metrics = {.advertised_mss = 1200, .window = 4096, .round_trip = 300};
  Route many = Via("172.16.0.0/12", "192.0.2.2");
  many.hops.push_back({.interface = IfIndex(3), .gateway = {}, .weight = 5});
  routes.push_back(many);
  routes.push_back(Via("127.0.0.0/8", "", 1));
  routes.back().table = netdiag::kLocalTable;
  routes.push_back(Refusal("10.255.255.255/32", RouteType::kBroadcast));
  routes.push_back(Via("198.51.100.9/32", "192.0.2.1"));
  routes.back().cached = true;
  routes.back().preferred_source = IpAddress::V4(192, 0, 2, 77);
  routes.back().metrics.mtu = 1280;
  return routes;
}

const std::vector<Interface>& Interfaces() {
  static const auto* const interfaces =
      new std::vector<Interface>{Named("lo", 1), Named("eth0", 2), Named("e\x1b[2J", 3)};
  return *interfaces;
}

Options With(bool compat, int extend = 0) {
  Options options;
  options.compat = compat;
  options.extend = extend;
  options.numeric_hosts = true;
  options.tcp = options.udp = options.udplite = options.sctp = options.raw = true;
  return options;
}

std::string Ipv4Text(const Options& options) {
  const InterfaceNames interfaces(Interfaces());
  HostNames names(options.numeric_hosts);
  std::string text;
  AppendIpv4Routes(options, Routes(), interfaces, &names, &text);
  return text;
}

TEST(NetstatRoutes, AreThoseOfTheMainTable) {
  EXPECT_EQ(Ipv4Text(With(true)),
            "Kernel IP routing table\n"
            "Destination     Gateway         Genmask         Flags   MSS Window  irtt Iface\n"
            "0.0.0.0         192.0.2.254     0.0.0.0         UG        0 0          0 eth0\n"
            "192.0.2.0       0.0.0.0         255.255.255.0   U      1240 4096     300 eth0\n"
            "198.51.100.7    192.0.2.1       255.255.255.255 UGH       0 0          0 eth0\n"
            "172.32.0.0      0.0.0.0         255.240.0.0     UG        0 0          0 eth0\n"
            "203.0.113.0     -               255.255.255.0   !         - -          - -\n"
            "203.0.115.0     0.0.0.0         255.255.255.128 U         0 0          0 *\n"
            "172.16.0.0      192.0.2.2       255.240.0.0     UG        0 0          0 eth0\n");
  EXPECT_EQ(Ipv4Text(With(true, 2)),
            "Kernel IP routing table\n"
            "Destination     Gateway         Genmask         Flags Metric Ref    Use Iface    "
            "MSS   Window irtt\n"
            "0.0.0.0         192.0.2.254     0.0.0.0         UG    0      0        0 eth0     "
            "0     0      0\n"
            "192.0.2.0       0.0.0.0         255.255.255.0   U     100    0        0 eth0     "
            "1240  4096   300\n"
            "198.51.100.7    192.0.2.1       255.255.255.255 UGH   0      0        0 eth0     "
            "0     0      0\n"
            "172.32.0.0      0.0.0.0         255.240.0.0     UG    0      0        0 eth0     "
            "0     0      0\n"
            "203.0.113.0     -               255.255.255.0   !     0      -        0 -        "
            "-     -      -\n"
            "203.0.115.0     0.0.0.0         255.255.255.128 U     0      0        0 *        "
            "0     0      0\n"
            "172.16.0.0      192.0.2.2       255.240.0.0     UG    0      0        0 eth0     "
            "0     0      0\n");
}

TEST(NetstatRoutes, ShowEveryNextHopWithoutCompat) {
  const std::string text = Ipv4Text(With(false));
  EXPECT_THAT(text, HasSubstr("172.16.0.0      192.0.2.2       255.240.0.0     UG        0 0     "
                              "     0 eth0\n"
                              "172.16.0.0      0.0.0.0         255.240.0.0     U         0 0     "
                              "     0 e\\x1b[2J\n"));
  // A gateway of IPv6.
  EXPECT_THAT(text, HasSubstr("172.32.0.0      fe80::1         255.240.0.0     UG "));
  // -eee is as -ee.
  EXPECT_EQ(Ipv4Text(With(false, 3)), Ipv4Text(With(false, 2)));
  EXPECT_EQ(Ipv4Text(With(true, 3)), "Kernel IP routing table\n");
}

TEST(NetstatRoutes, ShowTheCacheThatTheFileLacksWithoutCompat) {
  const InterfaceNames interfaces(Interfaces());
  HostNames names(true);
  std::string text;
  AppendIpv4Cache(With(false), Routes(), interfaces, &names, &text);
  EXPECT_EQ(text,
            "Kernel IP routing cache\n"
            "Source          Destination     Gateway         Flags   MSS Window  irtt Iface\n"
            "192.0.2.77      198.51.100.9    192.0.2.1       UGHC   1280 0          0 eth0\n");
  text.clear();
  AppendIpv4Cache(With(false, 2), Routes(), interfaces, &names, &text);
  EXPECT_EQ(text,
            "Kernel IP routing cache\n"
            "Source          Destination     Gateway         Flags Metric Ref    Use Iface    "
            "MSS   Window irtt\n"
            "192.0.2.77      198.51.100.9    192.0.2.1       UGHC  0      0        0 eth0     "
            "1280  0      0\n");
  text.clear();
  AppendIpv4Cache(With(true, 2), Routes(), interfaces, &names, &text);
  EXPECT_EQ(text,
            "Kernel IP routing cache\n"
            "Source          Destination     Gateway         Flags Metric Ref    Use Iface    "
            "MSS   Window irtt  TOS HHRef HHUptod     SpecDst\n");
}

TEST(NetstatRoutes, OfIpv6HaveTheKernelsFlags) {
  const std::vector<Ipv6RouteLine> lines = {
      {Network("2001:db8::/64"), Network("::/0"), IpAddress::Parse("::").value(), 256, 1, 0,
       0x00000001, "eth0"},
      {Network("::/0"), Network("::/0"), IpAddress::Parse("fe80::1").value(), 1024, 2, 7,
       0x00450003, "e\nth"},
      {Network("2001:db8::7/128"), Network("::/0"), IpAddress::Parse("::").value(), 0, 1, 0,
       0x01000005, "eth0"},
      {Network("::/0"), Network("::/0"), IpAddress::Parse("::").value(), 0xffffffff, 1, 0,
       0x00200200, "lo"},
  };
  HostNames names(true);
  std::string text;
  AppendIpv6Routes(With(true), false, lines, &names, &text);
  EXPECT_EQ(text,
            "Kernel IPv6 routing table\n"
            "Destination                    Next Hop                   Flag Met Ref  Use If\n"
            "2001:db8::/64                  ::                         U    256 1      0 eth0\n"
            "::/0                           fe80::1                    UGDAe 1024 2      7 "
            "e\\x0ath\n"
            "::/0                           ::                         !n   -1  1      0 lo\n");
  text.clear();
  AppendIpv6Routes(With(true), true, lines, &names, &text);
  EXPECT_EQ(text,
            "Kernel IPv6 routing cache\n"
            "Destination                    Next Hop                   Flag Met Ref  Use If\n"
            "2001:db8::7/128                ::                         UHC  0   1      0 eth0\n");
}

rapidjson::Document Parsed(const std::string& text) {
  rapidjson::Document document;
  document.Parse(text.c_str());
  EXPECT_FALSE(document.HasParseError()) << text;
  return document;
}

TEST(NetstatRoutes, HaveAllNextHopsInJson) {
  const InterfaceNames interfaces(Interfaces());
  std::string text;
  Json json(&text);
  json->StartArray();
  for (const Route& route : Routes()) PutRoute(route, interfaces, &json);
  json->EndArray();
  json.EndLine();
  const rapidjson::Document routes = Parsed(text);
  ASSERT_EQ(routes.Size(), Routes().size());
  const rapidjson::Value& many = routes[6];
  EXPECT_STREQ(many["destination"].GetString(), "172.16.0.0/12");
  EXPECT_STREQ(many["table"].GetString(), "main");
  EXPECT_EQ(many["hops"].Size(), 2u);
  EXPECT_EQ(many["hops"][1]["weight"].GetInt(), 5);
  EXPECT_STREQ(many["hops"][1]["interface"].GetString(), "e\x1b[2J");
  EXPECT_STREQ(routes[5]["type"].GetString(), "blackhole");
  EXPECT_EQ(routes[1]["metrics"]["window"].GetInt(), 4096);
  EXPECT_TRUE(routes[9]["cached"].GetBool());
}

// ---- Interfaces ----

InterfacesAnswer Answer() {
  InterfacesAnswer answer;
  Interface eth10 = Named("eth10", 5);
  eth10.mtu = 1500;
  eth10.flags = netdiag::InterfaceFlag::kUp;
  eth10.details = {.flag_bits = 0x1043,
                   .link_type = 1,
                   .queue_length = 1000,
                   .frame_errors = 5,
                   .collisions = 6,
                   .carrier_errors = 7};
  const std::array<uint8_t, 6> octets = {2, 0, 0x5e, 0x10, 0, 1};
  eth10.hardware_address = netdiag::HardwareAddress::FromNetwork(std::as_bytes(std::span(octets)));
  eth10.counters = {.bytes_sent = 117,
                    .bytes_received = 123456789012345,
                    .packets_sent = 12345678901,
                    .packets_received = 123456789,
                    .errors_in = 1,
                    .errors_out = 9,
                    .drops_in = 2,
                    .drops_out = 8,
                    .fifo_in = 3,
                    .fifo_out = 4};
  Interface eth2 = Named("eth2", 6);
  eth2.mtu = 65536;
  answer.interfaces = {eth10, eth2};
  answer.addresses = {
      {IfIndex(5), Network("192.0.2.1/24"), "eth10", {}, IpAddress::V4(192, 0, 2, 255)},
      {IfIndex(5), Network("192.0.2.2/24"), "eth10:1", {}, {}},
      {IfIndex(5), Network("2001:db8::1/64"), "", {}, {}},
      {IfIndex(9), Network("10.0.0.1/8"), "gone:1", {}, {}},
  };
  answer.ipv6 = {{IfIndex(5), IpAddress::Parse("fe80::1").value(), 64, 0x20},
                 {IfIndex(5), IpAddress::Parse("::10.0.0.1").value(), 96, 0x80}};
  return answer;
}

TEST(NetstatInterfaces, AreSortedByTheirNumbers) {
  const InterfacesAnswer answer = Answer();
  std::vector<std::string_view> names;
  for (const InterfaceRow& row : SortedRows(answer)) names.push_back(row.name);
  EXPECT_THAT(names, ElementsAre("eth2", "eth10", "eth10:1"));
  EXPECT_TRUE(ComesBefore("a001", "a01"));
  EXPECT_TRUE(ComesBefore("a99999999999", "a-1"));
  EXPECT_TRUE(ComesBefore("a10b2", "a10b10"));
  EXPECT_TRUE(ComesBefore("veth0:10", "veth1"));
  EXPECT_TRUE(ComesBefore("veth10", "veth0:x"));
  EXPECT_FALSE(ComesBefore("lo", "lo"));
  EXPECT_TRUE(ComesBefore("7", "8"));
}

TEST(NetstatInterfaces, HaveColumnsAndFlags) {
  const InterfacesAnswer answer = Answer();
  std::string text(InterfaceColumns());
  for (const InterfaceRow& row : SortedRows(answer)) AppendInterface(row, &text);
  EXPECT_EQ(text,
            "Iface             MTU    RX-OK RX-ERR RX-DRP RX-OVR    TX-OK TX-ERR TX-DRP TX-OVR "
            "Flg\n"
            "eth2            65536        0      0      0 0             0      0      0      0 "
            "[NO FLAGS]\n"
            "eth10            1500 123456789      1      2 3      12345678901      9      8      "
            "4 BMRU\n"
            "eth10:1          1500      - no statistics available -                        BMRU\n");
}

TEST(NetstatInterfaces, HaveIfconfigsFormWithE) {
  const InterfacesAnswer answer = Answer();
  std::string text;
  for (const InterfaceRow& row : SortedRows(answer)) {
    if (row.interface->index == IfIndex(5)) AppendIfconfig(answer, row, &text);
  }
  EXPECT_EQ(text,
            "eth10: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500\n"
            "        inet 192.0.2.1  netmask 255.255.255.0  broadcast 192.0.2.255\n"
            "        inet6 fe80::1  prefixlen 64  scopeid 0x20<link>\n"
            "        inet6 ::10.0.0.1  prefixlen 96  scopeid 0x80<compat,global>\n"
            "        ether 02:00:5e:10:00:01  txqueuelen 1000  (Ethernet)\n"
            "        RX packets 123456789  bytes 123456789012345 (112.2 TiB)\n"
            "        RX errors 1  dropped 2  overruns 3  frame 5\n"
            "        TX packets 12345678901  bytes 117 (117.0 B)\n"
            "        TX errors 9  dropped 8 overruns 4  carrier 7  collisions 6\n"
            "\n"
            "eth10:1: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500\n"
            "        inet 192.0.2.2  netmask 255.255.255.0  broadcast 0.0.0.0\n"
            "        ether 02:00:5e:10:00:01  txqueuelen 1000  (Ethernet)\n"
            "\n");
}

TEST(NetstatInterfaces, HaveNamesThatCannotActOnATerminal) {
  InterfacesAnswer answer;
  answer.interfaces = {Named("e\x1b[2J", 3)};
  std::string text;
  for (const InterfaceRow& row : SortedRows(answer)) {
    AppendInterface(row, &text);
    AppendIfconfig(answer, row, &text);
  }
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, HasSubstr("e\\x1b[2J"));
}

TEST(NetstatInterfaces, HaveTheirAddressesInJson) {
  const InterfacesAnswer answer = Answer();
  std::string text;
  Json json(&text);
  PutInterface(answer, answer.interfaces.front(), &json);
  json.EndLine();
  const rapidjson::Document row = Parsed(text);
  EXPECT_STREQ(row["name"].GetString(), "eth10");
  EXPECT_EQ(row["addresses"].Size(), 3u);
  EXPECT_STREQ(row["addresses"][1]["label"].GetString(), "eth10:1");
  EXPECT_EQ(row["counters"]["bytesRecv"].GetUint64(), 123456789012345u);
  EXPECT_EQ(row["counters"]["collisions"].GetInt(), 6);
  EXPECT_TRUE(row["up"].GetBool());
}

// ---- Statistics ----

constexpr std::string_view kSnmp =
    "Ip: Forwarding DefaultTTL InReceives Novel\n"
    "Ip: 2 64 0 7\n"
    "Icmp: InMsgs InRedirects Novel OutEchos\n"
    "Icmp: 1 2 3 5\n"
    "IcmpMsg: InType3\n"
    "IcmpMsg: 1\n"
    "Tcp: MaxConn ActiveOpens\n"
    "Tcp: -1 3\n"
    "TcpExt: TW TWKilled TCPTimeouts TCPDSACKRecv\n"
    "TcpExt: 1 2 47 0\n";

std::string StatisticsText(const Options& options, std::string_view file = kSnmp) {
  const netdiag::CounterSet set =
      netdiag::ParseCounters(netdiag::CounterFile::kSnmp, std::string(file), "f");
  StatisticsWriter writer(options);
  std::string text;
  for (const netdiag::CounterGroup& group : set.groups) writer.Append(group, &text);
  return text;
}

TEST(NetstatStatistics, MissNamesAndCarryTheIndentWithCompat) {
  EXPECT_EQ(StatisticsText(With(true)),
            "Ip:\n"
            "    Forwarding: 2\n"
            "    0 total packets received\n"
            "    Novel: 7\n"
            "Icmp:\n"
            "    1 ICMP messages received\n"
            "    ICMP input histogram:\n"
            "        redirects: 2\n"
            "        Novel: 3\n"
            "        ICMP output histogram:\n"
            "        echo requests: 5\n"
            "IcmpMsg:\n"
            "        InType3: 1\n"
            "Tcp:\n"
            "    3 active connection openings\n"
            "TcpExt:\n"
            "    1 TCP sockets finished time wait in fast timer\n"
            "    TWKilled: 2\n"
            "    TCPTimeouts: 47\n");
}

TEST(NetstatStatistics, FindEveryNameWithoutCompat) {
  EXPECT_EQ(StatisticsText(With(false)),
            "Ip:\n"
            "    Forwarding: 2\n"
            "    0 total packets received\n"
            "    Novel: 7\n"
            "Icmp:\n"
            "    1 ICMP messages received\n"
            "    ICMP input histogram:\n"
            "        redirects: 2\n"
            "        Novel: 3\n"
            "    ICMP output histogram:\n"
            "        echo requests: 5\n"
            "IcmpMsg:\n"
            "    InType3: 1\n"
            "Tcp:\n"
            "    3 active connection openings\n"
            "TcpExt:\n"
            "    1 TCP sockets finished time wait in fast timer\n"
            "    2 TCP sockets finished time wait in slow timer\n"
            "    47 other TCP timeouts\n");
}

TEST(NetstatStatistics, HaveOnlyTheGroupsOfTheProtocols) {
  Options options = With(true);
  options.udp = options.udplite = options.sctp = options.raw = false;
  EXPECT_EQ(StatisticsText(options),
            "IcmpMsg:\n"
            "    InType3: 1\n"
            "Tcp:\n"
            "    3 active connection openings\n"
            "TcpExt:\n"
            "    1 TCP sockets finished time wait in fast timer\n"
            "    TWKilled: 2\n"
            "    TCPTimeouts: 47\n");
  EXPECT_TRUE(IsShown(options, "Tcp6"));
  EXPECT_FALSE(IsShown(options, "Ip6"));
  EXPECT_TRUE(IsShown(options, "MPTcpExt"));
}

TEST(NetstatStatistics, HaveNamesThatCannotActOnATerminal) {
  const std::string text = StatisticsText(With(true), "I\x1b[2Jp: A\x1b]0;x\nI\x1b[2Jp: 3\n");
  EXPECT_EQ(text, "I\\x1b[2Jp:\n    A\\x1b]0;x: 3\n");
}

TEST(NetstatStatistics, SayInJsonWhatTheyCount) {
  const netdiag::CounterSet set =
      netdiag::ParseCounters(netdiag::CounterFile::kSnmp, std::string(kSnmp), "f");
  std::string text;
  Json json(&text);
  json->StartArray();
  for (const netdiag::CounterGroup& group : set.groups) PutGroup(group, &json);
  json->EndArray();
  json.EndLine();
  const rapidjson::Document counters = Parsed(text);
  ASSERT_EQ(counters.Size(), 15u);
  EXPECT_STREQ(counters[2]["name"].GetString(), "IpInReceives");
  EXPECT_STREQ(counters[2]["unit"].GetString(), "packets");
  EXPECT_STREQ(counters[2]["kind"].GetString(), "count");
  EXPECT_THAT(counters[2]["meaning"].GetString(), ::testing::EndsWith("."));
  EXPECT_FALSE(counters[3]["known"].GetBool());
  EXPECT_EQ(counters[3]["value"].GetInt(), 7);
  EXPECT_EQ(counters[9]["value"].GetInt(), -1);
}

// ---- Errors ----

TEST(NetstatModes, RefuseFamiliesInNetstatsWords) {
  struct Case {
    ExitCode (*show)(const Options&, Output*);
    std::string_view families;
    int code;
    std::string_view out;
    std::string_view err;
  };
  constexpr Case kCases[] = {
      {ShowRoutes, "unix", 3, "", "No routing for address family `unix'.\n"},
      {ShowRoutes, "bluetooth", 3, "", "Address family `bluetooth' not supported.\n"},
      {ShowRoutes, "ddp,unix", 1, "",
       "Error opening /proc/net/atalk_route: No such file or directory\n"
       "DDP (AppleTalk) not configured on this system.\n"},
      {ShowRoutes, "x25", 1, "X.25 not configured in this system.\n", ""},
      {ShowStatistics, "inet,inet6", 1,
       "netstat: No statistics support for specified address family: inet,inet6\n", ""},
      {ShowMasquerade, "", 1, "", "netstat: no support for `ip_masquerade' on this system.\n"},
  };
  for (const Case& row : kCases) {
    SCOPED_TRACE(row.families);
    Options options = With(true);
    options.family_list = row.families;
    Output output;
    EXPECT_EQ(static_cast<int>(row.show(options, &output)), row.code);
    EXPECT_EQ(output.out, row.out);
    EXPECT_EQ(output.err, row.err);
    // JSON stays JSON, and the words go to stderr.
    options.json = true;
    Output json;
    EXPECT_EQ(static_cast<int>(row.show(options, &json)), row.code);
    EXPECT_EQ(json.err, std::string(row.err) + std::string(row.out));
    if (!json.out.empty()) Parsed(json.out);
  }
}

}  // namespace
}  // namespace diag::netstat
