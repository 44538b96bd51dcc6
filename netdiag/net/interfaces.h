// SPDX-License-Identifier: Apache-2.0
//
// netdiag/net/interfaces.h — network interfaces, their addresses and their counters.
//
//   NETDIAG_ASSIGN_OR_RETURN(InterfaceReader reader, InterfaceReader::Open());
//   NETDIAG_ASSIGN_OR_RETURN(std::vector<Interface> all, reader.List());
//   NETDIAG_ASSIGN_OR_RETURN(Interface eth0, reader.ByName("eth0"));
//
// The counterpart of Go's and gopsutil's net.Interfaces(), for any network namespace. Every answer
// is one dump. If interfaces came or went during the dump, it is repeated a few times; if that does
// not help, the error is IsRetryable().
//
// Lifetime: values.
// Threads: thread-compatible.
// Errors: the namespace cannot be entered; there is no such interface (ENODEV); the deadline or the
// stop token of `call`; the kernel's errno.
// Cost: one request, and one recvmsg per 20 interfaces or 400 addresses.
// Source: rtnetlink(7), net/core/rtnetlink.c; for igmp(4) files net/ipv4/igmp.c, net/ipv6/mcast.c.

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
#include "netdiag/netlink/call.h"
#include "netdiag/netlink/conn.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace netdiag {

// Go's flags of an interface. kRunning: the interface can carry packets now.
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

// What netstat -i and ifconfig show beside the rest. Counts are those of /proc/net/dev.
struct InterfaceDetails {
  uint32_t flag_bits = 0;     // IFF_* of linux/if.h, all of them
  uint16_t link_type = 0;     // ARPHRD_* of linux/if_arp.h: 1 Ethernet, 772 loopback, …
  uint32_t queue_length = 0;  // packets that may wait to be sent
  uint64_t frame_errors = 0;  // received with a wrong length, checksum or frame, or too fast
  uint64_t collisions = 0;
  uint64_t carrier_errors = 0;  // not sent because of the carrier, the window or the heartbeat
  uint64_t compressed_in = 0, compressed_out = 0;
  uint64_t memory_begin = 0, memory_end = 0;  // of the device, if its driver tells
  uint64_t io_base = 0;
  uint16_t interrupt = 0;
  uint8_t dma = 0;
};

struct Interface {
  IfIndex index;
  std::string name;  // up to 15 arbitrary bytes: escape them before printing to a terminal
  uint32_t mtu = 0;  // bytes
  HardwareAddress hardware_address;
  InterfaceFlags flags;
  IoCounters counters;
  InterfaceDetails details;
};

// A unicast address of an interface; for a tunnel, of the near end.
struct InterfaceAddress {
  IfIndex index;
  Prefix prefix;  // the address, with the mask of its network
  // IPv4 only:
  std::string label;                   // "eth0" or "eth0:1", up to 15 arbitrary bytes
  std::optional<IpAddress> peer;       // the far end
  std::optional<IpAddress> broadcast;  // not set: the address has none
};

// A line of /proc/net/if_inet6, which has the order and the scopes that ifconfig shows.
struct Ipv6AddressLine {
  IfIndex index;
  IpAddress address;
  uint8_t prefix_length = 0;
  uint8_t scope = 0;  // 0 global, 0x10 host, 0x20 link, 0x40 site; 0x80: an IPv4 address inside
};
// Appends the lines of `text`; leaves out lines that are damaged.
void ParseIfInet6(std::string_view text, std::vector<Ipv6AddressLine>* lines);

// A multicast group that an interface listens to.
struct GroupMembership {
  IfIndex index;
  IpAddress group;
  uint32_t users = 0;
};

struct InterfaceOptions {
  // The network namespace to read. Not set: that of the thread that calls Open().
  std::optional<netlink::NetNs> netns = {};
  // Where Groups() and Ipv6Lines() find the files igmp, igmp6 and if_inet6.
  std::string proc_root = "/proc";
};

class InterfaceReader {
 public:
  static absl::StatusOr<InterfaceReader> Open(InterfaceOptions options = {});
  // Uses `conn`, a Conn of kFamilyRoute.
  InterfaceReader(std::unique_ptr<netlink::Conn> conn, InterfaceOptions options);

  // Every interface, in the kernel's order.
  absl::StatusOr<std::vector<Interface>> List(const netlink::CallOptions& call = {});
  absl::StatusOr<Interface> ByIndex(IfIndex index, const netlink::CallOptions& call = {});
  absl::StatusOr<Interface> ByName(std::string_view name, const netlink::CallOptions& call = {});

  // The unicast addresses of one interface, or of all interfaces if `index` is 0.
  absl::StatusOr<std::vector<InterfaceAddress>> Addresses(IfIndex index = {},
                                                          const netlink::CallOptions& call = {});
  // The IPv6 addresses in the order of /proc/net/if_inet6; none without IPv6. As Groups().
  absl::StatusOr<std::vector<Ipv6AddressLine>> Ipv6Lines();
  // The multicast groups of one interface or of all, those of IPv4 first. Reads them from /proc,
  // because kernels before 6.15 do not dump those of IPv4. Without InterfaceOptions::netns it reads
  // those of the calling thread's namespace. Does not wait.
  absl::StatusOr<std::vector<GroupMembership>> Groups(IfIndex index = {});

  // gopsutil's IOCounters(pernic): the counters of every interface, or one row with their sum.
  absl::StatusOr<std::vector<InterfaceCounters>> Counters(bool per_nic = true,
                                                          const netlink::CallOptions& call = {});
  // The counters and the time when they were read, for RatesBetween().
  absl::StatusOr<IoSample> SampleCounters(const netlink::CallOptions& call = {});

 private:
  absl::StatusOr<Interface> Find(Bytes request, std::string_view what,
                                 const netlink::CallOptions& call);

  std::unique_ptr<netlink::Conn> conn_;
  InterfaceOptions options_;
};

}  // namespace netdiag

#endif  // NETDIAG_NET_INTERFACES_H_
