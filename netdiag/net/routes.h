// SPDX-License-Identifier: Apache-2.0
//
// netdiag/net/routes.h — the routes of a network namespace.
//
//   NETDIAG_ASSIGN_OR_RETURN(RouteReader reader, RouteReader::Open());
//   NETDIAG_ASSIGN_OR_RETURN(std::vector<Route> routes, reader.List(Family::kInet));
//   for (const Route& route : routes) {
//     if (route.table == kMainTable && !route.cached) Print(route.destination, route.hops);
//   }
//
// List() is one dump of rtnetlink. It gives the routes of every table in the kernel's order, those
// of all types, and the exceptions (cached routes) that path MTU discovery and redirects made, if
// the kernel dumps them (5.3). If routes came or went during the dump, it is repeated a few times;
// if that does not help, the error is IsRetryable().
//
// Lifetime: values.
// Threads: thread-compatible.
// Errors: the namespace cannot be entered; the deadline or the stop token of `call`; the kernel's
// errno.
// Cost: one request, one recvmsg per 300 routes, and no allocation per route beside the vector: a
// route has room for one next hop.
// Source: rtnetlink(7), net/ipv4/fib_semantics.c, net/ipv6/route.c.

#ifndef NETDIAG_NET_ROUTES_H_
#define NETDIAG_NET_ROUTES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/netlink/call.h"
#include "netdiag/netlink/conn.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace netdiag {

// What the kernel does with a packet that a route matches. Values are RTN_* of linux/rtnetlink.h.
enum class RouteType : uint8_t {
  kUnspecified = 0,
  kUnicast = 1,      // forwards it
  kLocal = 2,        // delivers it on this host
  kBroadcast = 3,    // delivers it here, and sends it as a link-layer broadcast
  kAnycast = 4,      // delivers it here
  kMulticast = 5,    // treats it as multicast
  kBlackhole = 6,    // drops it silently
  kUnreachable = 7,  // refuses it with EHOSTUNREACH or an ICMP message
  kProhibit = 8,     // refuses it with EACCES or an ICMP message
  kThrow = 9,        // continues with the next routing rule
  kNat = 10,
  kExternalResolve = 11,
};
// ip's names: "unicast", "blackhole", …; empty for another value.
std::string_view Name(RouteType type);

// Numbers of the tables that every host has.
inline constexpr uint32_t kDefaultTable = 253, kMainTable = 254, kLocalTable = 255;

struct NextHop {
  IfIndex interface;  // 0: none, for example for a blackhole
  // Not set: the destination is on the link. A route of IPv4 can have a gateway of IPv6 (5.2).
  std::optional<IpAddress> gateway;
  uint32_t weight = 1;  // its share of the flows, beside the other next hops
  uint8_t flags = 0;    // RTNH_F_*: 1 dead, 4 on-link, 16 link down
};

// What the route sets for its connections. 0: not set.
struct RouteMetrics {
  uint32_t mtu = 0;                  // bytes
  uint32_t advertised_mss = 0;       // bytes
  uint32_t window = 0;               // bytes, the largest window that is offered
  uint32_t round_trip = 0;           // milliseconds, the first estimate
  uint32_t round_trip_variance = 0;  // milliseconds
  uint32_t slow_start_threshold = 0;
  uint32_t congestion_window = 0;
  uint32_t hop_limit = 0;
  uint32_t initial_congestion_window = 0;
  uint32_t initial_receive_window = 0;
  uint32_t least_retransmission_timeout = 0;  // milliseconds
};

struct Route {
  Prefix destination;            // 0.0.0.0/0 and ::/0: the default route
  std::optional<Prefix> source;  // IPv6: only packets from here
  RouteType type = RouteType::kUnspecified;
  uint32_t table = 0;
  uint32_t metric = 0;   // the lowest wins; 0 for IPv4: not set
  uint8_t protocol = 0;  // who made it, RTPROT_*: 2 kernel, 3 boot, 4 static, 9 ra, 16 dhcp, …
  uint8_t scope = 0;     // RT_SCOPE_*: 0 global, 253 link, 254 host
  uint8_t tos = 0;       // IPv4: only packets with this DSCP
  uint32_t flags = 0;    // RTM_F_*
  uint32_t nexthop = 0;  // the number of its nexthop object (5.3); 0: none
  bool cached = false;   // an exception to another route, which the kernel learned
  std::optional<IpAddress> preferred_source;  // for packets that this host sends
  absl::InlinedVector<NextHop, 1> hops;       // empty: only if `nexthop` says more
  RouteMetrics metrics;
  // Of RTA_CACHEINFO. IPv4 fills it for cached routes.
  uint32_t references = 0;
  uint32_t uses = 0;
  int32_t expires = 0;  // in ticks of USER_HZ (1/100 s) from now; 0: never
};

// A line of /proc/net/ipv6_route. It has what rtnetlink does not: the kernel's RTF_* flags, the
// count of references, and the empty tables' entry "no route".
struct Ipv6RouteLine {
  Prefix destination;
  Prefix source;
  IpAddress gateway;  // ::: none
  uint32_t metric = 0;
  uint32_t references = 0;
  uint32_t uses = 0;
  uint32_t flags = 0;     // RTF_* of linux/route.h and linux/ipv6_route.h
  std::string interface;  // up to 15 arbitrary bytes
};
// Appends the lines of `text`. Stops at a line that is damaged: EBADMSG, which names `what`.
absl::Status ParseIpv6Routes(std::string_view text, std::string_view what,
                             std::vector<Ipv6RouteLine>* lines);

// Reads a message of rtnetlink about a route, from a dump or an event. nullopt if it is no route of
// the family, or if its lengths are impossible. Attributes that are damaged are left out.
std::optional<Route> RouteFrom(Family family, const netlink::Message& message);

struct RouteOptions {
  // The network namespace to read. Not set: that of the thread that calls Open().
  std::optional<netlink::NetNs> netns;
  // Where Ipv6Lines() finds the file.
  std::string proc_root = "/proc";
};

class RouteReader {
 public:
  static absl::StatusOr<RouteReader> Open(RouteOptions options = {});
  // Uses `conn`, a Conn of kFamilyRoute.
  RouteReader(std::unique_ptr<netlink::Conn> conn, RouteOptions options);

  // Every route of the family.
  absl::StatusOr<std::vector<Route>> List(Family family, const netlink::CallOptions& call = {});
  // The lines of /proc/net/ipv6_route, which has all tables. ENOENT: there is no IPv6. Without
  // RouteOptions::netns it reads those of the calling thread's namespace. Does not wait.
  absl::StatusOr<std::vector<Ipv6RouteLine>> Ipv6Lines();

 private:
  std::unique_ptr<netlink::Conn> conn_;
  RouteOptions options_;
};

}  // namespace netdiag

#endif  // NETDIAG_NET_ROUTES_H_
