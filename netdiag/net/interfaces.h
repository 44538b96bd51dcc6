// netdiag/net/interfaces.h — network interfaces, their addresses and what they have carried.
//
//   NETDIAG_ASSIGN_OR_RETURN(InterfaceReader reader, InterfaceReader::Open());
//   NETDIAG_ASSIGN_OR_RETURN(std::vector<Interface> all, reader.List());
//   NETDIAG_ASSIGN_OR_RETURN(Interface eth0, reader.ByName("eth0"));
//
// Go's net.Interfaces() and gopsutil's, for any network namespace. Every answer is one dump; where
// interfaces came or went during it, it is asked again, a few times (then IsRetryable()).
//
// Lifetime: values.
// Threads: thread-compatible.
// Errors: a namespace that cannot be entered; no such interface (ENODEV); the deadline or the stop
// token of `call`; the kernel's errno.
// Cost: a request, and one recvmsg for each 20 interfaces or 400 addresses.
// Source: rtnetlink(7), net/core/rtnetlink.c; igmp(4) /proc files: net/ipv4/igmp.c, ipv6/mcast.c.

#ifndef NETDIAG_NET_INTERFACES_H_
#define NETDIAG_NET_INTERFACES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/net/io_counters.h"
#include "netdiag/netlink/conn.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace netdiag {

// Go's flags of an interface. kRunning: it can carry packets now.
enum class InterfaceFlag : uint8_t {
  kUp,
  kBroadcast,
  kLoopback,
  kPointToPoint,
  kMulticast,
  kRunning,
};
using InterfaceFlags = Set<InterfaceFlag>;
// Go's names: "up", "broadcast", …
std::string_view Name(InterfaceFlag flag);
inline constexpr uint8_t kInterfaceFlagCount = 6;
// Appends "up|broadcast|multicast", or "0".
void AppendFlags(InterfaceFlags flags, std::string* out);

struct Interface {
  IfIndex index;
  std::string name;  // up to 15 bytes that somebody chose: escape before a terminal
  uint32_t mtu = 0;  // bytes
  HardwareAddress hardware_address;
  InterfaceFlags flags;
  IoCounters counters;
};

// A unicast address of an interface: of a tunnel, of its near end.
struct InterfaceAddress {
  IfIndex index;
  Prefix prefix;  // the address itself, with the mask of its network
};

// A multicast group that an interface listens to.
struct GroupMembership {
  IfIndex index;
  IpAddress group;
  uint32_t users = 0;
};

struct InterfaceOptions {
  // The network namespace to look into; not set: the one of the thread that calls Open().
  std::optional<netlink::NetNs> netns;
  // Where Groups() finds /proc/net/igmp and igmp6.
  std::string proc_root = "/proc";
};

class InterfaceReader {
 public:
  static absl::StatusOr<InterfaceReader> Open(InterfaceOptions options = {});
  // Asks through `conn`, a Conn of kFamilyRoute.
  InterfaceReader(std::unique_ptr<netlink::Conn> conn, InterfaceOptions options);

  // Every interface, in the kernel's order.
  absl::StatusOr<std::vector<Interface>> List(const netlink::CallOptions& call = {});
  absl::StatusOr<Interface> ByIndex(IfIndex index, const netlink::CallOptions& call = {});
  absl::StatusOr<Interface> ByName(std::string_view name, const netlink::CallOptions& call = {});

  // Unicast addresses, of one interface or (0) of all.
  absl::StatusOr<std::vector<InterfaceAddress>> Addresses(IfIndex index = {},
                                                          const netlink::CallOptions& call = {});
  // Multicast groups likewise, IPv4's first. Read from /proc: kernels before 6.15 tell those of
  // IPv4 nowhere else. Without InterfaceOptions::netns: of the calling thread's namespace. Does not
  // wait.
  absl::StatusOr<std::vector<GroupMembership>> Groups(IfIndex index = {});

  // gopsutil's IOCounters(pernic): of every interface, or one row that is their sum.
  absl::StatusOr<std::vector<InterfaceCounters>> Counters(bool per_nic = true,
                                                          const netlink::CallOptions& call = {});
  // The counters with the time at which they were read, for RatesBetween().
  absl::StatusOr<IoSample> SampleCounters(const netlink::CallOptions& call = {});

 private:
  absl::StatusOr<Interface> Find(Bytes request, std::string_view what,
                                 const netlink::CallOptions& call);

  std::unique_ptr<netlink::Conn> conn_;
  InterfaceOptions options_;
};

}  // namespace netdiag

#endif  // NETDIAG_NET_INTERFACES_H_
