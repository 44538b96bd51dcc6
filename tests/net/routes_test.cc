// Routes: messages made by hand, cut at every byte beside an unmapped page; a fake kernel; text of
// /proc/net/ipv6_route; the live kernel, compared with what `ip` has made.

#include "netdiag/net/routes.h"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/netlink/abi.h"
#include "netdiag/types/proc_file.h"
#include "tests/live/netns_testing.h"
#include "tests/testing/fake_kernel.h"
#include "tests/testing/guarded_buffer.h"
#include "tests/testing/status_matchers.h"

namespace netdiag {
namespace {

using testing::Attribute;
using ::testing::ElementsAre;
using testing::FakeKernel;
using ::testing::IsEmpty;
using testing::Join;
using testing::Packet;
using testing::Packets;
using ::testing::SizeIs;

template <class T>
Packet BytesOf(const T& value) {
  const auto bytes = std::as_bytes(std::span<const T, 1>(&value, 1));
  return {bytes.begin(), bytes.end()};
}
Packet Number(uint16_t type, uint32_t value) { return Attribute(type, BytesOf(value)); }
Packet Address(uint16_t type, const IpAddress& address) {
  return Attribute(type, std::as_bytes(address.octets()));
}

// A message with this fixed part and these attributes.
Packet RouteMessage(const rtmsg& info, const Packets& attributes, Bytes request = {}) {
  Packet payload = BytesOf(info);
  const Packet rest = Join(attributes);
  payload.insert(payload.end(), rest.begin(), rest.end());
  return testing::Reply(request.empty() ? Bytes(testing::DumpRequest()) : request, RTM_NEWROUTE, 2,
                        payload);
}

rtmsg Info(uint8_t family, uint8_t length) {
  rtmsg info = {};
  info.rtm_family = family;
  info.rtm_dst_len = length;
  info.rtm_table = RT_TABLE_MAIN;
  info.rtm_type = RTN_UNICAST;
  info.rtm_protocol = RTPROT_STATIC;
  return info;
}

std::optional<Route> Decode(Family family, Bytes packet) {
  netlink::MessageCursor messages(packet);
  netlink::Message message;
  if (!messages.Next(&message)) return std::nullopt;
  return RouteFrom(family, message);
}

Packet HopHeader(uint16_t length, uint8_t flags, uint8_t weight, int interface) {
  rtnexthop hop = {};
  hop.rtnh_len = length;
  hop.rtnh_flags = flags;
  hop.rtnh_hops = weight;
  hop.rtnh_ifindex = interface;
  return BytesOf(hop);
}

const IpAddress kGateway = IpAddress::V4(192, 0, 2, 254);

// A route with every attribute that is read.
Packet FullMessage() {
  rtmsg info = Info(AF_INET, 24);
  info.rtm_tos = 4;
  info.rtm_scope = RT_SCOPE_LINK;
  const Packet metrics =
      Join({Number(RTAX_MTU, 1300), Number(RTAX_ADVMSS, 1200), Number(RTAX_WINDOW, 4096),
            Number(RTAX_RTT, 2400), Number(RTAX_INITCWND, 20)});
  rta_cacheinfo cache = {};
  cache.rta_clntref = 3;
  cache.rta_used = 9;
  cache.rta_expires = 250;
  return RouteMessage(
      info, {Address(RTA_DST, IpAddress::V4(198, 51, 100, 0)), Number(RTA_OIF, 7),
             Address(RTA_GATEWAY, kGateway), Number(RTA_PRIORITY, 100), Number(RTA_TABLE, 1000),
             Address(RTA_PREFSRC, IpAddress::V4(192, 0, 2, 1)), Attribute(RTA_METRICS, metrics),
             Attribute(RTA_CACHEINFO, BytesOf(cache)), Number(RTA_NH_ID, 12)});
}

TEST(RouteFrom, ReadsEveryAttribute) {
  const std::optional<Route> route = Decode(Family::kInet, FullMessage());
  ASSERT_TRUE(route);
  EXPECT_EQ(ToText(route->destination), "198.51.100.0/24");
  EXPECT_EQ(route->type, RouteType::kUnicast);
  EXPECT_EQ(route->table, 1000u);
  EXPECT_EQ(route->metric, 100u);
  EXPECT_EQ(route->protocol, RTPROT_STATIC);
  EXPECT_EQ(route->scope, RT_SCOPE_LINK);
  EXPECT_EQ(route->tos, 4);
  EXPECT_EQ(route->nexthop, 12u);
  EXPECT_FALSE(route->cached);
  EXPECT_FALSE(route->source);
  EXPECT_EQ(route->preferred_source, IpAddress::V4(192, 0, 2, 1));
  ASSERT_THAT(route->hops, SizeIs(1));
  EXPECT_EQ(route->hops[0].interface, IfIndex(7));
  EXPECT_EQ(route->hops[0].gateway, kGateway);
  EXPECT_EQ(route->metrics.mtu, 1300u);
  EXPECT_EQ(route->metrics.advertised_mss, 1200u);
  EXPECT_EQ(route->metrics.window, 4096u);
  EXPECT_EQ(route->metrics.round_trip, 300u);  // the kernel's unit is an eighth of a millisecond
  EXPECT_EQ(route->metrics.initial_congestion_window, 20u);
  EXPECT_EQ(route->metrics.hop_limit, 0u);
  EXPECT_EQ(route->references, 3u);
  EXPECT_EQ(route->uses, 9u);
  EXPECT_EQ(route->expires, 250);
}

TEST(RouteFrom, ReadsTheNextHopsOfAMultipathRoute) {
  const Packet gateway = Address(RTA_GATEWAY, kGateway);
  const IpAddress far = IpAddress::Parse("fe80::1").value();
  const uint16_t family = AF_INET6;
  Packet via = BytesOf(family);
  for (const uint8_t octet : far.octets()) via.push_back(std::byte{octet});
  const Packet via_attribute = Attribute(RTA_VIA, via);
  const Packet hops = Join({HopHeader(16, 0, 0, 3), gateway,
                            HopHeader(static_cast<uint16_t>(8 + via_attribute.size()), 1, 4, 5),
                            via_attribute, HopHeader(8, 16, 0, 6)});
  const std::optional<Route> route =
      Decode(Family::kInet, RouteMessage(Info(AF_INET, 0), {Attribute(RTA_MULTIPATH, hops)}));
  ASSERT_TRUE(route);
  ASSERT_THAT(route->hops, SizeIs(3));
  EXPECT_EQ(route->hops[0].gateway, kGateway);
  EXPECT_EQ(route->hops[0].weight, 1u);
  EXPECT_EQ(route->hops[1].gateway, far);
  EXPECT_EQ(route->hops[1].interface, IfIndex(5));
  EXPECT_EQ(route->hops[1].weight, 5u);
  EXPECT_EQ(route->hops[1].flags, 1);
  EXPECT_FALSE(route->hops[2].gateway);
  EXPECT_EQ(ToText(route->destination), "0.0.0.0/0");
}

TEST(RouteFrom, HasNoNextHopForARefusal) {
  rtmsg info = Info(AF_INET6, 128);
  info.rtm_type = RTN_UNREACHABLE;
  info.rtm_flags = RTM_F_CLONED;
  info.rtm_src_len = 64;
  const IpAddress address = IpAddress::Parse("2001:db8::1").value();
  const std::optional<Route> route = Decode(
      Family::kInet6, RouteMessage(info, {Address(RTA_DST, address), Address(RTA_SRC, address)}));
  ASSERT_TRUE(route);
  EXPECT_THAT(route->hops, IsEmpty());
  EXPECT_TRUE(route->cached);
  EXPECT_EQ(ToText(*route->source), "2001:db8::1/64");
  EXPECT_EQ(Name(route->type), "unreachable");
  EXPECT_EQ(route->table, kMainTable);
}

TEST(RouteFrom, LeavesOutDamagedAttributesAndMessages) {
  const Packet good = FullMessage();
  EXPECT_FALSE(Decode(Family::kInet6, good));                                // another family
  EXPECT_FALSE(Decode(Family::kInet, RouteMessage(Info(AF_INET, 33), {})));  // impossible length
  rtmsg info = Info(AF_INET, 8);
  info.rtm_src_len = 200;
  EXPECT_FALSE(Decode(Family::kInet, RouteMessage(info, {})));
  const Packet other = testing::Reply(testing::DumpRequest(), RTM_DELROUTE, 2, Packet(64));
  EXPECT_FALSE(Decode(Family::kInet, other));

  // Attributes of a wrong size count as absent.
  for (const uint16_t type : {RTA_DST, RTA_GATEWAY, RTA_OIF, RTA_PRIORITY, RTA_TABLE, RTA_PREFSRC,
                              RTA_METRICS, RTA_CACHEINFO, RTA_NH_ID, RTA_VIA, RTA_MULTIPATH}) {
    for (size_t size = 0; size < 4; ++size) {
      const auto route =
          Decode(Family::kInet, RouteMessage(Info(AF_INET, 8), {Attribute(type, Packet(size))}));
      ASSERT_TRUE(route) << type;
      EXPECT_THAT(route->hops, IsEmpty()) << type;
      EXPECT_EQ(route->metric, 0u) << type;
      EXPECT_EQ(route->table, kMainTable) << type;
      EXPECT_EQ(ToText(route->destination), "0.0.0.0/8") << type;
    }
  }
  // A next hop that claims to be longer than the attribute ends the list.
  const Packet hops = Join({HopHeader(8, 0, 0, 3), HopHeader(200, 0, 0, 4)});
  const auto route =
      Decode(Family::kInet, RouteMessage(Info(AF_INET, 8), {Attribute(RTA_MULTIPATH, hops)}));
  ASSERT_TRUE(route);
  EXPECT_THAT(route->hops, SizeIs(1));
}

TEST(RouteFrom, ReadsNothingBeyondTheEndOfAMessage) {
  const Packet whole = FullMessage();
  for (size_t size = 0; size <= whole.size(); ++size) {
    Packet cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    if (size >= sizeof(uint32_t)) {
      const auto length = static_cast<uint32_t>(size);
      std::copy_n(BytesOf(length).begin(), sizeof(length), cut.begin());
    }
    const testing::GuardedBuffer guarded(cut);
    Decode(Family::kInet, guarded.bytes());
    Decode(Family::kInet6, guarded.bytes());
  }
}

// ---- A fake kernel ----

TEST(RouteReader, RepeatsADisturbedDump) {
  int asked = 0;
  FakeKernel kernel([&](Bytes request) -> Packets {
    Packets answer = {RouteMessage(Info(AF_INET, 0), {Number(RTA_OIF, 2)}, request),
                      testing::Reply(request, RTM_NEWROUTE, 2, testing::Text("short")),
                      testing::Done(request)};
    return ++asked < 3 ? testing::Interrupted(answer) : answer;
  });
  RouteReader reader(netlink::Conn::Dup(kernel.conn().fd()).value(), {});
  const auto routes = reader.List(Family::kInet);
  ASSERT_THAT(routes, testing::IsOk());
  EXPECT_THAT(*routes, SizeIs(1));
  EXPECT_EQ(asked, 3);
  EXPECT_THAT(reader.List(Family::kUnix), testing::ErrnoIs(EINVAL));
}

// ---- /proc/net/ipv6_route ----

constexpr std::string_view kLine =
    "20010db8000000000000000000000000 40 00000000000000000000000000000000 00 "
    "fe800000000000000000000000000001 00000400 00000002 00000003 00450003     eth0\n";

TEST(ParseIpv6Routes, ReadsEveryColumn) {
  std::vector<Ipv6RouteLine> lines;
  ASSERT_THAT(ParseIpv6Routes(kLine, "f", &lines), testing::IsOk());
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_EQ(ToText(lines[0].destination), "2001:db8::/64");
  EXPECT_EQ(ToText(lines[0].source), "::/0");
  EXPECT_EQ(ToText(lines[0].gateway), "fe80::1");
  EXPECT_EQ(lines[0].metric, 1024u);
  EXPECT_EQ(lines[0].references, 2u);
  EXPECT_EQ(lines[0].uses, 3u);
  EXPECT_EQ(lines[0].flags, 0x450003u);
  EXPECT_EQ(lines[0].interface, "eth0");
}

TEST(ParseIpv6Routes, KeepsWhatCameBeforeDamage) {
  const std::string good(kLine);
  for (size_t size = 1; size < good.find("00450003") + 8; ++size) {
    std::vector<Ipv6RouteLine> lines;
    const absl::Status status = ParseIpv6Routes(good + good.substr(0, size), "/a/file", &lines);
    EXPECT_THAT(status, testing::ErrnoIs(EBADMSG)) << size;
    EXPECT_THAT(lines, SizeIs(1)) << size;
  }
  std::string text = good;
  text.replace(text.find(" 40 "), 4, " 81 ");  // a prefix of 129 bits
  std::vector<Ipv6RouteLine> lines;
  EXPECT_THAT(ParseIpv6Routes(text, "f", &lines), testing::ErrnoIs(EBADMSG));
  EXPECT_THAT(ParseIpv6Routes("", "f", &lines), testing::IsOk());
}

// ---- The live kernel ----

std::optional<Route> Find(const std::vector<Route>& routes, std::string_view destination,
                          uint32_t table = kMainTable) {
  const auto row = std::ranges::find_if(routes, [&](const Route& route) {
    return ToText(route.destination) == destination && route.table == table;
  });
  return row == routes.end() ? std::nullopt : std::optional(*row);
}

TEST(RouteReaderLive, ListsTheRoutesThatIpMakes) {
  testing::Apart([] {
    testing::Shell(
        "ip link add here type veth peer name there && ip link set here up && "
        "ip link set there up && ip addr add 192.0.2.1/24 dev here && "
        "ip addr add 10.0.0.1 peer 10.0.0.2/32 dev there && "
        "ip -6 addr add 2001:db8::1/64 dev here nodad && "
        "ip route add default via 192.0.2.254 && "
        "ip route add 198.51.100.0/24 via 192.0.2.253 metric 100 advmss 1200 window 4096 "
        "rtt 300ms mtu 1300 && "
        "ip route add 198.51.101.7 via 192.0.2.253 src 192.0.2.1 && "
        "ip route add unreachable 203.0.113.0/24 && ip route add prohibit 203.0.114.0/24 && "
        "ip route add blackhole 203.0.115.0/25 && ip route add throw 203.0.116.0/25 table 100 && "
        "ip route add 172.16.0.0/12 nexthop via 192.0.2.2 nexthop dev there weight 5 && "
        "ip -6 route add 2001:db8:1::/48 via 2001:db8::2 metric 5 && "
        "ip -6 route add unreachable 2001:db8:dead::/48");
    RouteReader reader = RouteReader::Open().value();
    const std::vector<Route> routes = reader.List(Family::kInet).value();
    const IfIndex here(if_nametoindex("here"));

    const auto standard = Find(routes, "0.0.0.0/0");
    ASSERT_TRUE(standard);
    ASSERT_THAT(standard->hops, SizeIs(1));
    EXPECT_EQ(standard->hops[0].gateway, kGateway);
    EXPECT_EQ(standard->hops[0].interface, here);
    const auto rich = Find(routes, "198.51.100.0/24");
    ASSERT_TRUE(rich);
    EXPECT_EQ(rich->metric, 100u);
    EXPECT_EQ(rich->metrics.advertised_mss, 1200u);
    EXPECT_EQ(rich->metrics.window, 4096u);
    EXPECT_EQ(rich->metrics.round_trip, 300u);
    EXPECT_EQ(rich->metrics.mtu, 1300u);
    EXPECT_EQ(Find(routes, "198.51.101.7/32")->preferred_source, IpAddress::V4(192, 0, 2, 1));
    EXPECT_EQ(Find(routes, "203.0.113.0/24")->type, RouteType::kUnreachable);
    EXPECT_EQ(Find(routes, "203.0.114.0/24")->type, RouteType::kProhibit);
    EXPECT_EQ(Find(routes, "203.0.115.0/25")->type, RouteType::kBlackhole);
    EXPECT_EQ(Find(routes, "203.0.116.0/25", 100)->type, RouteType::kThrow);
    EXPECT_THAT(Find(routes, "203.0.115.0/25")->hops, IsEmpty());
    const auto many = Find(routes, "172.16.0.0/12");
    ASSERT_TRUE(many);
    ASSERT_THAT(many->hops, SizeIs(2));
    EXPECT_EQ(many->hops[1].weight, 5u);
    EXPECT_EQ(Find(routes, "127.0.0.0/8", kLocalTable)->type, RouteType::kLocal);

    const std::vector<Route> ipv6 = reader.List(Family::kInet6).value();
    EXPECT_EQ(Find(ipv6, "2001:db8:1::/48")->metric, 5u);
    EXPECT_EQ(Find(ipv6, "2001:db8:dead::/48")->type, RouteType::kUnreachable);
    // The file has the same routes, and entries for tables without a default route.
    const std::vector<Ipv6RouteLine> lines = reader.Ipv6Lines().value();
    for (const Ipv6RouteLine& line : lines) {
      constexpr uint32_t kNull = 0xffffffff;
      if (line.metric == kNull) continue;
      EXPECT_TRUE(std::ranges::any_of(ipv6, [&](const Route& route) {
        return route.destination == line.destination && route.metric == line.metric;
      })) << ToText(line.destination);
    }
  });
}

// Sends 1400 bytes that must not be split. Errors do not matter: the caller looks for the effect.
void SendLargeDatagram(const IpAddress& to) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int always = IP_PMTUDISC_DO;
  setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &always, sizeof(always));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(9);
  std::ranges::copy(std::as_bytes(to.octets()),
                    std::as_writable_bytes(std::span(&address.sin_addr, 1)).begin());
  const std::array<char, 1400> bytes{};
  sendto(fd, bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&address),
         sizeof(address));
  close(fd);
}

// A router answers a datagram that is too large for its next link with an ICMP message, and the
// kernel remembers the smaller MTU as a cached route.
TEST(RouteReaderLive, ListsWhatPathMtuDiscoveryLearned) {
  if (!internal::KernelIsAtLeast(5, 3)) GTEST_SKIP() << "exceptions are dumped since 5.3";
  testing::Apart([] {
    testing::AddNetns("router");
    testing::Shell(
        "ip link add a0 type veth peer name b0 netns router && ip addr add 10.1.0.1/24 dev a0 && "
        "ip link set a0 up && ip -n router link add c0 mtu 1000 type veth peer name c1 && "
        "for i in b0 c0 c1; do ip -n router link set $i up; done && "
        "ip -n router addr add 10.1.0.2/24 dev b0 && ip -n router addr add 10.2.0.1/24 dev c0 && "
        "ip netns exec router sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward' && "
        "ip route add 10.2.0.0/24 via 10.1.0.2");
    RouteReader reader = RouteReader::Open().value();
    std::optional<Route> learned;
    for (int i = 0; i < 1000 && !learned; ++i) {
      SendLargeDatagram(IpAddress::V4(10, 2, 0, 9));
      const std::vector<Route> routes = reader.List(Family::kInet).value();
      const auto row = std::ranges::find(routes, true, &Route::cached);
      if (row != routes.end()) learned = *row;
    }
    ASSERT_TRUE(learned);
    EXPECT_EQ(ToText(learned->destination), "10.2.0.9/32");
    EXPECT_EQ(learned->metrics.mtu, 1000u);
    EXPECT_GT(learned->expires, 0);
    ASSERT_THAT(learned->hops, SizeIs(1));
    EXPECT_EQ(learned->hops[0].gateway, IpAddress::V4(10, 1, 0, 2));
  });
}

}  // namespace
}  // namespace netdiag
