// Tested by tests/tools/netstat_modes_test.cc and tests/live/netstat_modes_live_test.cc.

#include "tools/diag/netstat/route_text.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "tools/diag/netstat/format.h"
#include "tools/diag/text.h"

namespace diag::netstat {
namespace {

using netdiag::IpAddress;
using netdiag::Ipv6RouteLine;
using netdiag::NextHop;
using netdiag::Route;
using netdiag::RouteType;

constexpr size_t kColumn = 15;  // netstat cuts IPv4 addresses and their names here

// A line of an IPv4 table.
struct Ipv4Line {
  std::string destination;
  std::string gateway;
  std::string mask;
  std::string flags;
  std::string interface;
  bool refused = false;
  uint32_t metric = 0;
  uint32_t references = 0;
  uint32_t uses = 0;
  uint32_t mss = 0;
  uint32_t window = 0;
  uint32_t round_trip = 0;
};

std::string Cut(std::string text, const Options& options) {
  if (options.compat && text.size() > kColumn) text.resize(kColumn);
  return text;
}

bool IsRefusal(RouteType type) {
  return type == RouteType::kUnreachable || type == RouteType::kProhibit;
}

// The kernel tests the first four octets of the gateway, also of one of IPv6.
// Source: fib_flag_trans(), net/ipv4/fib_trie.c.
bool HasGateway(const NextHop* hop) {
  return hop != nullptr && hop->gateway &&
         std::ranges::any_of(hop->gateway->octets().first(4), [](uint8_t o) { return o != 0; });
}

std::string DestinationText(const Route& route, const Options& options, HostNames* names) {
  const uint8_t length = route.destination.mask.length().value_or(0);
  if (length == 0 && !names->numeric()) return "default";
  const IpAddress& address = route.destination.address;
  return Cut(length == 32 ? names->Host(address) : names->Network(address), options);
}

// `hop` is null if the route has none.
Ipv4Line LineOf(const Route& route, const NextHop* hop, const Options& options,
                const InterfaceNames& interfaces, HostNames* names) {
  Ipv4Line line;
  line.refused = IsRefusal(route.type);
  line.destination = DestinationText(route, options, names);
  line.mask = ToText(IpAddress::FromNetwork(netdiag::Family::kInet,
                                            std::as_bytes(route.destination.mask.octets())));
  line.flags = line.refused ? "!" : "U";
  if (HasGateway(hop) && !line.refused) line.flags += 'G';
  if (route.destination.mask.length() == 32) line.flags += 'H';
  const bool has_address = hop != nullptr && hop->gateway;
  const bool is_ipv4 = has_address && hop->gateway->family() == netdiag::Family::kInet;
  // netstat reads a file that has IPv4 gateways only.
  line.gateway = has_address && (is_ipv4 || !options.compat)
                     ? Cut(names->Host(*hop->gateway), options)
                     : "0.0.0.0";
  line.interface = hop == nullptr ? "*" : interfaces.Of(hop->interface);
  line.metric = route.metric;
  // Source: fib_route_seq_show(), net/ipv4/fib_trie.c.
  constexpr uint32_t kHeaders = 40;
  const netdiag::RouteMetrics& metrics = route.metrics;
  line.mss = metrics.advertised_mss == 0 ? 0 : metrics.advertised_mss + kHeaders;
  line.window = metrics.window;
  line.round_trip = metrics.round_trip;
  return line;
}

// The columns of an IPv4 table.
enum class Columns : uint8_t { kNone, kMetric, kWindow, kAll };

// What -e asks for. netstat takes the count of -e plus 1 for a set of two bits, after it has
// exchanged 1 and 2. So -eee shows no column, and -eeee those of -e.
Columns ColumnsOf(const Options& options) {
  if (options.extend == 0) return Columns::kWindow;
  if (options.extend == 1) return Columns::kMetric;
  if (options.extend == 2 || !options.compat) return Columns::kAll;
  return static_cast<Columns>((options.extend + 1) & 3);
}

void AppendLine(const Ipv4Line& line, Columns columns, std::string* out) {
  if (columns == Columns::kNone) return;
  AppendFormat(out, "%-15s %-15s %-15s %-5s ", line.destination, line.refused ? "-" : line.gateway,
               line.mask, line.flags);
  const bool refused = line.refused;
  const std::string interface = refused ? "-" : line.interface;
  const auto number = [refused](uint32_t value) { return refused ? "-" : std::to_string(value); };
  if (columns == Columns::kWindow) {
    AppendFormat(out, "%5s %-5s %6s %s\n", number(line.mss), number(line.window),
                 number(line.round_trip), interface);
    return;
  }
  // The file that netstat reads has the metric as a signed number.
  AppendFormat(out, "%-6d %-2s %7d ", static_cast<int32_t>(line.metric), number(line.references),
               line.uses);
  if (columns == Columns::kMetric) {
    AppendFormat(out, "%s\n", interface);
  } else {
    AppendFormat(out, "%-8s %-5s %-6s %s\n", interface, number(line.mss), number(line.window),
                 number(line.round_trip));
  }
}

// The heading of the table, or of the cache.
std::string HeadingOf(const Options& options, bool cache) {
  const Columns columns = ColumnsOf(options);
  if (columns == Columns::kNone) return "";
  std::string heading = cache ? "Source          Destination     Gateway         "
                              : "Destination     Gateway         Genmask         ";
  if (columns == Columns::kWindow) return heading + "Flags   MSS Window  irtt Iface\n";
  heading += "Flags Metric Ref    Use Iface";
  if (columns == Columns::kAll) heading += "    MSS   Window irtt";
  // The kernel has had nothing for these columns since 3.6.
  if (columns == Columns::kAll && cache && options.compat)
    heading += "  TOS HHRef HHUptod     SpecDst";
  return heading + '\n';
}

// The letters of RTF_*. Source: linux/route.h and linux/ipv6_route.h; the order is netstat's.
struct FlagLetter {
  uint32_t bit;
  char letter;
};
constexpr uint32_t kCached = 0x01000000;  // RTF_CACHE
constexpr FlagLetter kIpv6Flags[] = {
    {0x0001, 'U'},   {0x0200, '!'},  {0x0002, 'G'},   {0x0004, 'H'},
    {0x10000, 'D'},  {0x40000, 'A'}, {kCached, 'C'},  {0x20000, 'a'},
    {0x400000, 'e'}, {0x0020, 'm'},  {0x200000, 'n'}, {0x2000000, 'f'},
};

// The numbers of rtnetlink that ip(8) names. Source: linux/rtnetlink.h, /etc/iproute2/rt_protos.
struct NumberName {
  uint32_t number;
  std::string_view name;
};
constexpr NumberName kProtocols[] = {
    {0, "unspec"},    {1, "redirect"}, {2, "kernel"}, {3, "boot"},   {4, "static"},
    {8, "gated"},     {9, "ra"},       {10, "mrt"},   {11, "zebra"}, {12, "bird"},
    {13, "dnrouted"}, {14, "xorp"},    {15, "ntk"},   {16, "dhcp"},  {18, "keepalived"},
    {42, "babel"},    {99, "openr"},   {186, "bgp"},  {187, "isis"}, {188, "ospf"},
    {189, "rip"},     {192, "eigrp"}};
constexpr NumberName kScopes[] = {
    {0, "global"}, {200, "site"}, {253, "link"}, {254, "host"}, {255, "nowhere"}};
constexpr NumberName kTables[] = {{253, "default"}, {254, "main"}, {255, "local"}};

// Writes the name, or the number as text.
void PutNamed(std::string_view key, uint32_t number, std::span<const NumberName> names,
              Json* json) {
  const auto row = std::ranges::find(names, number, &NumberName::number);
  json->Text(key, row == names.end() ? std::to_string(number) : row->name);
}

void PutHop(const NextHop& hop, bool many, const InterfaceNames& interfaces, Json* json) {
  (*json)->StartObject();
  if (hop.gateway) json->Text("gateway", ToText(*hop.gateway));
  if (hop.interface != netdiag::IfIndex()) {
    json->Foreign("interface", interfaces.Of(hop.interface));
    json->Number("ifindex", hop.interface.value());
  }
  if (many) json->Number("weight", hop.weight);
  json->Flag("dead", (hop.flags & 0x01) != 0);
  json->Flag("linkdown", (hop.flags & 0x10) != 0);
  json->Flag("onlink", (hop.flags & 0x04) != 0);
  (*json)->EndObject();
}

void PutMetrics(const netdiag::RouteMetrics& metrics, Json* json) {
  using M = netdiag::RouteMetrics;
  struct Column {
    std::string_view key;
    uint32_t M::*metric;
  };
  static constexpr Column kColumns[] = {
      {"mtu", &M::mtu},
      {"advmss", &M::advertised_mss},
      {"window", &M::window},
      {"rtt_ms", &M::round_trip},
      {"rttvar_ms", &M::round_trip_variance},
      {"ssthresh", &M::slow_start_threshold},
      {"cwnd", &M::congestion_window},
      {"hoplimit", &M::hop_limit},
      {"initcwnd", &M::initial_congestion_window},
      {"initrwnd", &M::initial_receive_window},
      {"rto_min_ms", &M::least_retransmission_timeout},
  };
  json->Key("metrics");
  (*json)->StartObject();
  for (const Column& column : kColumns) {
    if (metrics.*column.metric != 0) json->Number(column.key, metrics.*column.metric);
  }
  (*json)->EndObject();
}

}  // namespace

InterfaceNames::InterfaceNames(std::span<const netdiag::Interface> interfaces) {
  for (const netdiag::Interface& row : interfaces) names_.emplace(row.index, row.name);
}

std::string InterfaceNames::Of(netdiag::IfIndex index) const {
  const auto place = names_.find(index);
  return place == names_.end() ? "if" + std::to_string(index.value()) : place->second;
}

void AppendIpv4Routes(const Options& options, std::span<const Route> routes,
                      const InterfaceNames& interfaces, HostNames* names, std::string* out) {
  out->append("Kernel IP routing table\n").append(HeadingOf(options, false));
  for (const Route& route : routes) {
    const bool hidden = route.type == RouteType::kBroadcast || route.type == RouteType::kMulticast;
    if (route.table != netdiag::kMainTable || route.cached || hidden) continue;
    // netstat shows the first next hop only, because its file has no other.
    const size_t shown = options.compat ? 1 : std::max(route.hops.size(), size_t{1});
    for (size_t i = 0; i < shown; ++i) {
      const NextHop* const hop = i < route.hops.size() ? &route.hops[i] : nullptr;
      Ipv4Line line = LineOf(route, hop, options, interfaces, names);
      std::string interface;
      AppendEscaped(line.interface, &interface);
      line.interface = interface;
      AppendLine(line, ColumnsOf(options), out);
    }
  }
}

void AppendIpv4Cache(const Options& options, std::span<const Route> routes,
                     const InterfaceNames& interfaces, HostNames* names, std::string* out) {
  out->append("Kernel IP routing cache\n").append(HeadingOf(options, true));
  // The file that netstat reads has been empty since 3.6.
  if (options.compat) return;
  for (const Route& route : routes) {
    if (!route.cached) continue;
    const NextHop* const hop = route.hops.empty() ? nullptr : &route.hops.front();
    const Ipv4Line plain = LineOf(route, hop, options, interfaces, names);
    Ipv4Line line = plain;
    line.destination =
        route.preferred_source ? names->Host(*route.preferred_source) : std::string("*");
    line.gateway = plain.destination;
    line.mask = plain.gateway;
    line.flags += 'C';
    line.interface.clear();
    AppendEscaped(plain.interface, &line.interface);
    line.references = route.references;
    line.uses = route.uses;
    line.mss = route.metrics.mtu;
    AppendLine(line, ColumnsOf(options), out);
  }
}

void AppendIpv6Routes(const Options& options, bool cache, std::span<const Ipv6RouteLine> lines,
                      HostNames* names, std::string* out) {
  out->append(cache ? "Kernel IPv6 routing cache\n" : "Kernel IPv6 routing table\n");
  out->append("Destination                    Next Hop                   Flag Met Ref  Use If\n");
  for (const Ipv6RouteLine& line : lines) {
    if (((line.flags & kCached) != 0) != cache) continue;
    std::string flags;
    for (const FlagLetter& flag : kIpv6Flags) {
      if ((line.flags & flag.bit) != 0) flags += flag.letter;
    }
    std::string interface;
    AppendEscaped(line.interface, &interface);
    const auto destination = Format("%s/%d", names->Host(line.destination.address),
                                    line.destination.mask.length().value_or(0));
    // netstat shows the numbers with a sign. Without --compat only the metric of "no route" has
    // one.
    const auto number = [&](uint32_t value) {
      return options.compat ? int64_t{static_cast<int32_t>(value)} : int64_t{value};
    };
    AppendFormat(out, "%-30s %-26s %-4s %-3d %-1d %6d %s\n", destination, names->Host(line.gateway),
                 flags, static_cast<int32_t>(line.metric), number(line.references),
                 number(line.uses), interface);
  }
}

void PutRoute(const Route& route, const InterfaceNames& interfaces, Json* json) {
  (*json)->StartObject();
  const bool is_ipv6 = route.destination.address.family() == netdiag::Family::kInet6;
  json->Text("family", is_ipv6 ? "inet6" : "inet");
  json->Text("destination", ToText(route.destination));
  if (route.source) json->Text("source", ToText(*route.source));
  const std::string_view type = Name(route.type);
  json->Text("type", type.empty() ? std::to_string(static_cast<int>(route.type)) : type);
  PutNamed("table", route.table, kTables, json);
  json->Number("metric", route.metric);
  PutNamed("protocol", route.protocol, kProtocols, json);
  PutNamed("scope", route.scope, kScopes, json);
  if (route.tos != 0) json->Number("tos", route.tos);
  if (route.nexthop != 0) json->Number("nexthop", route.nexthop);
  if (route.preferred_source) json->Text("preferred_source", ToText(*route.preferred_source));
  json->Flag("cached", route.cached);
  json->Key("hops");
  (*json)->StartArray();
  for (const NextHop& hop : route.hops) PutHop(hop, route.hops.size() > 1, interfaces, json);
  (*json)->EndArray();
  PutMetrics(route.metrics, json);
  if (route.references != 0) json->Number("references", route.references);
  if (route.uses != 0) json->Number("uses", route.uses);
  if (route.expires > 0) json->Number("expires_ms", static_cast<uint64_t>(route.expires) * 10);
  (*json)->EndObject();
}

}  // namespace diag::netstat
