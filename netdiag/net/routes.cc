// Tested by tests/net/routes_test.cc.

#include "netdiag/net/routes.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <utility>

#include "netdiag/net/dump_all.h"
#include "netdiag/net/hex_address.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/types/error.h"
#include "netdiag/types/parse_number.h"
#include "netdiag/types/proc_file.h"

namespace netdiag {
namespace {

using internal::TakeWord;
using netlink::Attr;
using netlink::AttrCursor;
using netlink::Message;

// The size of /proc/net/ipv6_route with 400 000 routes.
constexpr size_t kMaxIpv6Routes = size_t{64} << 20;
constexpr std::string_view kBlanks = " \t";

constexpr std::array<std::string_view, 12> kTypeNames = {
    "",          "unicast",     "local",    "broadcast", "anycast", "multicast",
    "blackhole", "unreachable", "prohibit", "throw",     "nat",     "xresolve"};
static_assert(RTN_XRESOLVE == 11 && RT_TABLE_MAIN == kMainTable && RT_TABLE_LOCAL == kLocalTable &&
              RT_TABLE_DEFAULT == kDefaultTable);

// RTAX_RTT is in eighths of a millisecond, RTAX_RTTVAR in quarters.
struct MetricField {
  uint16_t type;
  uint32_t RouteMetrics::*metric;
  int shift;
};
constexpr MetricField kMetrics[] = {
    {RTAX_MTU, &RouteMetrics::mtu, 0},
    {RTAX_ADVMSS, &RouteMetrics::advertised_mss, 0},
    {RTAX_WINDOW, &RouteMetrics::window, 0},
    {RTAX_RTT, &RouteMetrics::round_trip, 3},
    {RTAX_RTTVAR, &RouteMetrics::round_trip_variance, 2},
    {RTAX_SSTHRESH, &RouteMetrics::slow_start_threshold, 0},
    {RTAX_CWND, &RouteMetrics::congestion_window, 0},
    {RTAX_HOPLIMIT, &RouteMetrics::hop_limit, 0},
    {RTAX_INITCWND, &RouteMetrics::initial_congestion_window, 0},
    {RTAX_INITRWND, &RouteMetrics::initial_receive_window, 0},
    {RTAX_RTO_MIN, &RouteMetrics::least_retransmission_timeout, 0},
};

RouteMetrics MetricsFrom(Bytes nested) {
  RouteMetrics metrics;
  AttrCursor attributes(nested);
  for (Attr attribute; attributes.Next(&attribute);) {
    const auto field = std::ranges::find(kMetrics, attribute.type(), &MetricField::type);
    const std::optional<uint32_t> value = attribute.As<uint32_t>();
    if (field == std::end(kMetrics) || !value) continue;
    metrics.*field->metric = *value >> field->shift;
  }
  return metrics;
}

// nullopt unless the payload has the size of an address of the family.
std::optional<IpAddress> AddressOf(Family family, Bytes payload) {
  const IpAddress address = IpAddress::FromNetwork(family, payload);
  if (payload.size() != address.octets().size()) return std::nullopt;
  return address;
}

// RTA_VIA: an address family and an address of it.
std::optional<IpAddress> ViaFrom(Bytes payload) {
  const std::optional<uint16_t> family = netlink::Load<uint16_t>(payload);
  if (!family) return std::nullopt;
  const auto known = static_cast<Family>(*family);
  if (known != Family::kInet && known != Family::kInet6) return std::nullopt;
  return AddressOf(known, payload.subspan(sizeof(uint16_t)));
}

// Reads what routes and the next hops of multipath routes have in common.
void ReadHop(Family family, const Attr& attribute, NextHop* hop) {
  if (attribute.type() == RTA_GATEWAY) hop->gateway = AddressOf(family, attribute.payload());
  if (attribute.type() == RTA_VIA) hop->gateway = ViaFrom(attribute.payload());
  if (attribute.type() == RTA_OIF) hop->interface = IfIndex(attribute.As<uint32_t>().value_or(0));
}

// RTA_MULTIPATH: an rtnexthop for each next hop, with attributes of its own.
absl::InlinedVector<NextHop, 1> HopsFrom(Family family, Bytes rest) {
  struct HopHeader {
    uint16_t length;
    uint8_t flags;
    uint8_t hops;
    uint32_t interface;
  };
  static_assert(sizeof(HopHeader) == sizeof(rtnexthop));
  absl::InlinedVector<NextHop, 1> hops;
  HopHeader header;
  for (Bytes whole; !rest.empty() && netlink::TakeElement(&rest, &header, &whole);) {
    NextHop& hop = hops.emplace_back();
    hop.interface = IfIndex(header.interface);
    hop.weight = header.hops + uint32_t{1};
    hop.flags = header.flags;
    AttrCursor attributes(whole.subspan(sizeof(HopHeader)));
    for (Attr attribute; attributes.Next(&attribute);) ReadHop(family, attribute, &hop);
  }
  return hops;
}

void ReadCacheInfo(const Attr& attribute, Route* route) {
  const std::optional<rta_cacheinfo> info = netlink::Load<rta_cacheinfo>(attribute.payload());
  if (!info) return;
  route->references = info->rta_clntref;
  route->uses = info->rta_used;
  route->expires = info->rta_expires;
}

void ReadAttribute(Family family, const Attr& attribute, Route* route, Prefix* source) {
  const auto address = [&] { return AddressOf(family, attribute.payload()); };
  const auto number = [&](uint32_t absent) { return attribute.As<uint32_t>().value_or(absent); };
  switch (attribute.type()) {
    case RTA_DST:
      route->destination.address = address().value_or(route->destination.address);
      break;
    case RTA_SRC:
      source->address = address().value_or(source->address);
      break;
    case RTA_PREFSRC:
      route->preferred_source = address();
      break;
    case RTA_PRIORITY:
      route->metric = number(0);
      break;
    case RTA_TABLE:
      route->table = number(route->table);
      break;
    case RTA_NH_ID:
      route->nexthop = number(0);
      break;
    case RTA_METRICS:
      route->metrics = MetricsFrom(attribute.payload());
      break;
    case RTA_MULTIPATH:
      route->hops = HopsFrom(family, attribute.payload());
      break;
    case RTA_CACHEINFO:
      ReadCacheInfo(attribute, route);
      break;
    default:
      break;
  }
}

// ---- /proc/net/ipv6_route ----

// A number of eight digits, so that a line that was cut is no other line.
std::optional<uint32_t> TakeHex(std::string_view* line) {
  const std::string_view digits = TakeWord(kBlanks, line);
  return digits.size() == 8 ? internal::ParseNumber<uint32_t>(digits, 16) : std::nullopt;
}

std::optional<Prefix> TakePrefix(std::string_view* line) {
  const std::optional<IpAddress> address = internal::TakeHexAddress(line);
  const auto length = internal::ParseNumber<uint8_t>(TakeWord(kBlanks, line), 16);
  if (!address || !length) return std::nullopt;
  const std::optional<Mask> mask = Mask::OfLength(Family::kInet6, *length);
  if (!mask) return std::nullopt;
  return Prefix{*address, *mask};
}

// "DESTINATION LENGTH SOURCE LENGTH GATEWAY METRIC REFERENCES USES FLAGS  NAME", in hexadecimal.
std::optional<Ipv6RouteLine> LineFrom(std::string_view line) {
  const std::optional<Prefix> destination = TakePrefix(&line);
  const std::optional<Prefix> source = TakePrefix(&line);
  const std::optional<IpAddress> gateway = internal::TakeHexAddress(&line);
  const std::optional<uint32_t> metric = TakeHex(&line);
  const std::optional<uint32_t> references = TakeHex(&line);
  const std::optional<uint32_t> uses = TakeHex(&line);
  const std::optional<uint32_t> flags = TakeHex(&line);
  if (!destination || !source || !gateway || !metric || !references || !uses || !flags) {
    return std::nullopt;
  }
  line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
  return Ipv6RouteLine{*destination, *source, *gateway, *metric,
                       *references,  *uses,   *flags,   std::string(line)};
}

}  // namespace

std::string_view Name(RouteType type) {
  const auto place = static_cast<size_t>(type);
  return place < kTypeNames.size() ? kTypeNames[place] : "";
}

std::optional<Route> RouteFrom(Family family, const Message& message) {
  const std::optional<rtmsg> info = netlink::Load<rtmsg>(message.payload());
  if (message.type() != RTM_NEWROUTE || !info) return std::nullopt;
  if (info->rtm_family != static_cast<uint8_t>(family)) return std::nullopt;
  const std::optional<Mask> destination = Mask::OfLength(family, info->rtm_dst_len);
  const std::optional<Mask> source = Mask::OfLength(family, info->rtm_src_len);
  if (!destination || !source) return std::nullopt;
  Route route;
  const IpAddress any = IpAddress::FromNetwork(family, {});
  route.destination = {any, *destination};
  Prefix from = {any, *source};
  route.type = static_cast<RouteType>(info->rtm_type);
  route.table = info->rtm_table;
  route.protocol = info->rtm_protocol;
  route.scope = info->rtm_scope;
  route.tos = info->rtm_tos;
  route.flags = info->rtm_flags;
  route.cached = (info->rtm_flags & RTM_F_CLONED) != 0;
  NextHop only;
  only.flags = static_cast<uint8_t>(info->rtm_flags);  // the lower byte has RTNH_F_*
  AttrCursor attributes(message.payload().subspan(sizeof(rtmsg)));
  for (Attr attribute; attributes.Next(&attribute);) {
    ReadAttribute(family, attribute, &route, &from);
    ReadHop(family, attribute, &only);
  }
  if (route.hops.empty() && (only.gateway || only.interface != IfIndex())) {
    route.hops.push_back(only);
  }
  if (info->rtm_src_len != 0) route.source = from;
  return route;
}

absl::Status ParseIpv6Routes(std::string_view text, std::string_view what,
                             std::vector<Ipv6RouteLine>* lines) {
  while (!text.empty()) {
    const std::string_view line = internal::TakeUntil('\n', &text);
    std::optional<Ipv6RouteLine> parsed = LineFrom(line);
    if (!parsed) return DamagedData(what, "not a route: \"" + std::string(line) + '"');
    lines->push_back(*std::move(parsed));
  }
  return absl::OkStatus();
}

absl::StatusOr<RouteReader> RouteReader::Open(RouteOptions options) try {
  NETDIAG_ASSIGN_OR_RETURN(std::unique_ptr<netlink::Conn> conn,
                           netlink::Conn::Dial(netlink::kFamilyRoute, {.netns = options.netns}));
  return RouteReader(std::move(conn), std::move(options));
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

RouteReader::RouteReader(std::unique_ptr<netlink::Conn> conn, RouteOptions options)
    : conn_(std::move(conn)), options_(std::move(options)) {}

absl::StatusOr<std::vector<Route>> RouteReader::List(Family family,
                                                     const netlink::CallOptions& call) try {
  if (family != Family::kInet && family != Family::kInet6) {
    return BadInput("address family", std::to_string(static_cast<int>(family)), "has no routes");
  }
  rtmsg body = {};
  body.rtm_family = static_cast<uint8_t>(family);
  return internal::DumpAll<Route>(
      conn_.get(), RTM_GETROUTE, body,
      [family](const Message& message) { return RouteFrom(family, message); }, "routes", call);
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

absl::StatusOr<std::vector<Ipv6RouteLine>> RouteReader::Ipv6Lines() {
  std::vector<Ipv6RouteLine> lines;
  const auto read = [&]() -> absl::Status {
    const std::string path = options_.proc_root + "/thread-self/net/ipv6_route";
    const std::string text = internal::ReadProcFile(path, kMaxIpv6Routes);
    if (errno != 0) return ErrnoError(errno, path);
    return ParseIpv6Routes(text, path, &lines);
  };
  NETDIAG_RETURN_IF_ERROR(options_.netns ? options_.netns->Run(read) : read());
  return lines;
}

}  // namespace netdiag
