// Tested by tests/net/net_test.cc.

#include "netdiag/net/interfaces.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <iterator>
#include <new>
#include <utility>

#include "netdiag/net/dump_all.h"
#include "netdiag/net/hex_address.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/netlink/request_builder.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/types/error.h"
#include "netdiag/types/parse_number.h"
#include "netdiag/types/proc_file.h"

namespace netdiag {
namespace {

using internal::TakeWord;
using netlink::Attr;
using netlink::AttrCursor;
using netlink::CallOptions;
using netlink::Conn;
using netlink::Message;

constexpr size_t kMaxProcFile = size_t{16} << 20;  // bytes
constexpr std::string_view kBlanks = " \t";

// Values of IFF_*, copied from linux/if.h, which clashes with net/if.h.
struct FlagName {
  InterfaceFlag flag;
  uint32_t bit;
  std::string_view name;
};
constexpr std::array<FlagName, kInterfaceFlagCount> kFlags = {{
    {InterfaceFlag::kUp, 0x1, "up"},
    {InterfaceFlag::kBroadcast, 0x2, "broadcast"},
    {InterfaceFlag::kLoopback, 0x8, "loopback"},
    {InterfaceFlag::kPointToPoint, 0x10, "pointtopoint"},
    {InterfaceFlag::kMulticast, 0x1000, "multicast"},
    {InterfaceFlag::kRunning, 0x40, "running"},
}};

struct StatField {
  size_t offset;  // in rtnl_link_stats64
  uint64_t IoCounters::*counter;
};
// Adds up the same fields as /proc/net/dev. Source: dev_seq_printf_stats(), net/core/net-procfs.c.
constexpr StatField kStats[] = {
    {offsetof(rtnl_link_stats64, tx_bytes), &IoCounters::bytes_sent},
    {offsetof(rtnl_link_stats64, rx_bytes), &IoCounters::bytes_received},
    {offsetof(rtnl_link_stats64, tx_packets), &IoCounters::packets_sent},
    {offsetof(rtnl_link_stats64, rx_packets), &IoCounters::packets_received},
    {offsetof(rtnl_link_stats64, rx_errors), &IoCounters::errors_in},
    {offsetof(rtnl_link_stats64, tx_errors), &IoCounters::errors_out},
    {offsetof(rtnl_link_stats64, rx_dropped), &IoCounters::drops_in},
    {offsetof(rtnl_link_stats64, rx_missed_errors), &IoCounters::drops_in},
    {offsetof(rtnl_link_stats64, tx_dropped), &IoCounters::drops_out},
    {offsetof(rtnl_link_stats64, rx_fifo_errors), &IoCounters::fifo_in},
    {offsetof(rtnl_link_stats64, tx_fifo_errors), &IoCounters::fifo_out},
};

struct DetailField {
  size_t offset;  // in rtnl_link_stats64
  uint64_t InterfaceDetails::*counter;
};
constexpr DetailField kDetailStats[] = {
    {offsetof(rtnl_link_stats64, rx_length_errors), &InterfaceDetails::frame_errors},
    {offsetof(rtnl_link_stats64, rx_over_errors), &InterfaceDetails::frame_errors},
    {offsetof(rtnl_link_stats64, rx_crc_errors), &InterfaceDetails::frame_errors},
    {offsetof(rtnl_link_stats64, rx_frame_errors), &InterfaceDetails::frame_errors},
    {offsetof(rtnl_link_stats64, collisions), &InterfaceDetails::collisions},
    {offsetof(rtnl_link_stats64, tx_carrier_errors), &InterfaceDetails::carrier_errors},
    {offsetof(rtnl_link_stats64, tx_aborted_errors), &InterfaceDetails::carrier_errors},
    {offsetof(rtnl_link_stats64, tx_window_errors), &InterfaceDetails::carrier_errors},
    {offsetof(rtnl_link_stats64, tx_heartbeat_errors), &InterfaceDetails::carrier_errors},
    {offsetof(rtnl_link_stats64, rx_compressed), &InterfaceDetails::compressed_in},
    {offsetof(rtnl_link_stats64, tx_compressed), &InterfaceDetails::compressed_out},
};

InterfaceFlags FlagsFrom(uint32_t bits) {
  InterfaceFlags flags;
  for (const FlagName& row : kFlags) {
    if ((bits & row.bit) != 0) flags |= row.flag;
  }
  return flags;
}

IoCounters CountersFrom(Bytes stats) {
  IoCounters counters;
  for (const StatField& field : kStats) {
    counters.*field.counter += netlink::Load<uint64_t>(stats, field.offset).value_or(0);
  }
  return counters;
}

// Adds the attributes that only InterfaceDetails has.
void ReadDetail(const Attr& attribute, InterfaceDetails* details) {
  if (attribute.type() == IFLA_TXQLEN) {
    details->queue_length = attribute.As<uint32_t>().value_or(0);
  } else if (attribute.type() == IFLA_STATS64) {
    for (const DetailField& field : kDetailStats) {
      details->*field.counter +=
          netlink::Load<uint64_t>(attribute.payload(), field.offset).value_or(0);
    }
  } else if (attribute.type() == IFLA_MAP) {
    const auto map = netlink::Load<rtnl_link_ifmap>(attribute.payload());
    if (!map) return;
    details->memory_begin = map->mem_start;
    details->memory_end = map->mem_end;
    details->io_base = map->base_addr;
    details->interrupt = map->irq;
    details->dma = map->dma;
  }
}

// False for zeros and for the address of a tunnel, which is the IP address of its near end.
// kTunnels are ARPHRD_TUNNEL, TUNNEL6, SIT, IPGRE and IP6GRE, copied from linux/if_arp.h, which
// clashes with net/if_arp.h.
bool IsHardware(uint16_t type, Bytes address) {
  constexpr uint16_t kTunnels[] = {768, 769, 776, 778, 823};
  return std::ranges::find(kTunnels, type) == std::end(kTunnels) &&
         std::ranges::any_of(address, [](std::byte octet) { return octet != std::byte(); });
}

// nullopt if the message does not describe an interface.
std::optional<Interface> InterfaceFrom(const Message& message) {
  const std::optional<ifinfomsg> info = netlink::Load<ifinfomsg>(message.payload());
  if (message.type() != RTM_NEWLINK || !info || info->ifi_index <= 0) return std::nullopt;
  Interface interface;
  interface.index = IfIndex(static_cast<uint32_t>(info->ifi_index));
  interface.flags = FlagsFrom(info->ifi_flags);
  interface.details.flag_bits = info->ifi_flags;
  interface.details.link_type = info->ifi_type;
  AttrCursor attributes(message.payload().subspan(sizeof(ifinfomsg)));
  for (Attr attribute; attributes.Next(&attribute);) {
    ReadDetail(attribute, &interface.details);
    switch (attribute.type()) {
      case IFLA_IFNAME:
        interface.name = attribute.AsText();
        break;
      case IFLA_MTU:
        interface.mtu = attribute.As<uint32_t>().value_or(0);
        break;
      case IFLA_STATS64:
        interface.counters = CountersFrom(attribute.payload());
        break;
      case IFLA_ADDRESS:
        if (IsHardware(info->ifi_type, attribute.payload())) {
          interface.hardware_address = HardwareAddress::FromNetwork(attribute.payload());
        }
        break;
      default:
        break;
    }
  }
  return interface;
}

std::optional<InterfaceAddress> AddressFrom(const Message& message) {
  const std::optional<ifaddrmsg> info = netlink::Load<ifaddrmsg>(message.payload());
  if (message.type() != RTM_NEWADDR || !info) return std::nullopt;
  const auto family = static_cast<Family>(info->ifa_family);
  if (family != Family::kInet && family != Family::kInet6) return std::nullopt;
  std::optional<IpAddress> local;
  std::optional<IpAddress> other;
  std::optional<IpAddress> broadcast;
  std::string_view label;
  AttrCursor attributes(message.payload().subspan(sizeof(ifaddrmsg)));
  for (Attr attribute; attributes.Next(&attribute);) {
    if (attribute.type() == IFA_LABEL) label = attribute.AsText();
    const IpAddress address = IpAddress::FromNetwork(family, attribute.payload());
    if (attribute.payload().size() != address.octets().size()) continue;
    if (attribute.type() == IFA_LOCAL) local = address;
    if (attribute.type() == IFA_ADDRESS) other = address;
    if (attribute.type() == IFA_BROADCAST) broadcast = address;
  }
  // If IFA_LOCAL is there, IFA_ADDRESS is the address of the far end.
  const std::optional<IpAddress> address = local ? local : other;
  const std::optional<Mask> mask = Mask::OfLength(family, info->ifa_prefixlen);
  if (!address || !mask) return std::nullopt;
  const bool has_peer = local && other && *local != *other;
  return InterfaceAddress{.index = IfIndex(info->ifa_index),
                          .prefix = {*address, *mask},
                          .label = std::string(label),
                          .peer = has_peer ? other : std::nullopt,
                          .broadcast = broadcast};
}

// ---- /proc/net/igmp and igmp6 ----

// The file has a line per interface, followed by a line per group that begins with tabs:
// "\t\t\t\t010000E0 1 …". The address is a 32-bit number in host order.
void ParseIgmp(std::string_view text, std::vector<GroupMembership>* groups) {
  IfIndex index;
  internal::TakeUntil('\n', &text);
  while (!text.empty()) {
    std::string_view line = internal::TakeUntil('\n', &text);
    const bool is_group = line.starts_with('\t');
    const std::string_view first = TakeWord(kBlanks, &line);
    if (!is_group) {
      index = IfIndex(internal::ParseNumber<uint32_t>(first).value_or(0));
      continue;
    }
    const std::optional<uint32_t> octets = internal::ParseNumber<uint32_t>(first, 16);
    const std::optional<uint32_t> users = internal::ParseNumber<uint32_t>(TakeWord(kBlanks, &line));
    if (!octets || !users || index == IfIndex()) continue;
    groups->push_back({index,
                       IpAddress::FromNetwork(
                           Family::kInet, std::as_bytes(std::span<const uint32_t, 1>(&*octets, 1))),
                       *users});
  }
}

// The file has a line per group: "1 lo ff020000000000000000000000000001 1 0000000C 0".
void ParseIgmp6(std::string_view text, std::vector<GroupMembership>* groups) {
  while (!text.empty()) {
    std::string_view line = internal::TakeUntil('\n', &text);
    const std::optional<uint32_t> index = internal::ParseNumber<uint32_t>(TakeWord(kBlanks, &line));
    TakeWord(kBlanks, &line);
    const std::optional<IpAddress> group = internal::TakeHexAddress(&line);
    const std::optional<uint32_t> users = internal::ParseNumber<uint32_t>(TakeWord(kBlanks, &line));
    if (index && group && users) groups->push_back({IfIndex(*index), *group, *users});
  }
}

}  // namespace

std::string_view Name(InterfaceFlag flag) {
  const auto row = std::ranges::find(kFlags, flag, &FlagName::flag);
  return row == kFlags.end() ? "" : row->name;
}

void AppendFlags(InterfaceFlags flags, std::string* out) {
  std::string_view separator = "";
  for (const FlagName& row : kFlags) {
    if (!flags.contains(row.flag)) continue;
    out->append(separator).append(row.name);
    separator = "|";
  }
  if (separator.empty()) out->push_back('0');
}

// The file has a line per address: "ADDRESS INDEX LENGTH SCOPE FLAGS NAME", in hexadecimal.
void ParseIfInet6(std::string_view text, std::vector<Ipv6AddressLine>* lines) {
  while (!text.empty()) {
    std::string_view line = internal::TakeUntil('\n', &text);
    const std::optional<IpAddress> address = internal::TakeHexAddress(&line);
    const auto index = internal::ParseNumber<uint32_t>(TakeWord(kBlanks, &line), 16);
    const auto length = internal::ParseNumber<uint8_t>(TakeWord(kBlanks, &line), 16);
    const auto scope = internal::ParseNumber<uint8_t>(TakeWord(kBlanks, &line), 16);
    if (!address || !index || !length || !scope) continue;
    lines->push_back({IfIndex(*index), *address, *length, *scope});
  }
}

absl::StatusOr<InterfaceReader> InterfaceReader::Open(InterfaceOptions options) try {
  NETDIAG_ASSIGN_OR_RETURN(std::unique_ptr<Conn> conn,
                           Conn::Dial(netlink::kFamilyRoute, {.netns = options.netns}));
  return InterfaceReader(std::move(conn), std::move(options));
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

InterfaceReader::InterfaceReader(std::unique_ptr<Conn> conn, InterfaceOptions options)
    : conn_(std::move(conn)), options_(std::move(options)) {}

absl::StatusOr<std::vector<Interface>> InterfaceReader::List(const CallOptions& call) try {
  return internal::DumpAll<Interface>(conn_.get(), RTM_GETLINK, ifinfomsg{}, InterfaceFrom,
                                      "interfaces", call);
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

absl::StatusOr<Interface> InterfaceReader::Find(Bytes request, std::string_view what,
                                                const CallOptions& call) {
  std::optional<Interface> found;
  const absl::Status status = conn_->Execute(
      request,
      [&](const Message& message) {
        found = InterfaceFrom(message);
        return Flow::kContinue;
      },
      call);
  if (found && status.ok()) return *std::move(found);
  if (!status.ok() && Errno(status) != ENODEV) return status;
  return ErrnoError(ENODEV, what, "no such network interface");
}

absl::StatusOr<Interface> InterfaceReader::ByIndex(IfIndex index, const CallOptions& call) try {
  const std::string number = std::to_string(index.value());
  ifinfomsg info = {};
  info.ifi_index = static_cast<int>(index.value());
  if (info.ifi_index <= 0) return BadInput("network interface index", number, "must be positive");
  std::array<std::byte, 64> storage;
  netlink::RequestBuilder builder(storage);
  NETDIAG_ASSIGN_OR_RETURN(const Bytes request, builder.Header(RTM_GETLINK, 0).Put(info).Finish());
  return Find(request, "interface " + number, call);
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

absl::StatusOr<Interface> InterfaceReader::ByName(std::string_view name,
                                                  const CallOptions& call) try {
  constexpr size_t kMaxName = 15;  // IFNAMSIZ - 1
  const std::string what = "interface \"" + std::string(name) + '"';
  if (name.empty()) return BadInput("network interface name", name, "is empty");
  if (name.size() > kMaxName) return ErrnoError(ENODEV, what, "no such network interface");
  std::array<char, kMaxName + 1> terminated{};
  std::ranges::copy(name, terminated.begin());
  std::array<std::byte, 64> storage;
  netlink::RequestBuilder builder(storage);
  const Bytes attribute = std::as_bytes(std::span(terminated)).first(name.size() + 1);
  NETDIAG_ASSIGN_OR_RETURN(
      const Bytes request,
      builder.Header(RTM_GETLINK, 0).Put(ifinfomsg{}).Attribute(IFLA_IFNAME, attribute).Finish());
  return Find(request, what, call);
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

absl::StatusOr<std::vector<InterfaceAddress>> InterfaceReader::Addresses(
    IfIndex index, const CallOptions& call) try {
  NETDIAG_ASSIGN_OR_RETURN(
      std::vector<InterfaceAddress> all,
      internal::DumpAll<InterfaceAddress>(conn_.get(), RTM_GETADDR, ifaddrmsg{}, AddressFrom,
                                          "addresses", call));
  if (index != IfIndex()) {
    std::erase_if(all, [index](const InterfaceAddress& row) { return row.index != index; });
  }
  return all;
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

absl::StatusOr<std::vector<Ipv6AddressLine>> InterfaceReader::Ipv6Lines() {
  std::vector<Ipv6AddressLine> lines;
  const auto read = [&] {
    const std::string path = options_.proc_root + "/thread-self/net/if_inet6";
    const std::string text = internal::ReadProcFile(path, kMaxProcFile);
    if (errno != 0 && errno != ENOENT) return ErrnoError(errno, path);  // ENOENT: no IPv6
    ParseIfInet6(text, &lines);
    return absl::OkStatus();
  };
  NETDIAG_RETURN_IF_ERROR(options_.netns ? options_.netns->Run(read) : read());
  return lines;
}

absl::StatusOr<std::vector<GroupMembership>> InterfaceReader::Groups(IfIndex index) try {
  std::vector<GroupMembership> groups;
  const auto read = [&] {
    const std::string directory = options_.proc_root + "/thread-self/net/";
    const std::string igmp = internal::ReadProcFile(directory + "igmp", kMaxProcFile);
    if (errno != 0) return ErrnoError(errno, directory + "igmp");
    ParseIgmp(igmp, &groups);
    const std::string igmp6 = internal::ReadProcFile(directory + "igmp6", kMaxProcFile);
    if (errno != 0 && errno != ENOENT) return ErrnoError(errno, directory + "igmp6");
    ParseIgmp6(igmp6, &groups);  // ENOENT: no IPv6
    return absl::OkStatus();
  };
  NETDIAG_RETURN_IF_ERROR(options_.netns ? options_.netns->Run(read) : read());
  if (index != IfIndex()) {
    std::erase_if(groups, [index](const GroupMembership& row) { return row.index != index; });
  }
  return groups;
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

absl::StatusOr<std::vector<InterfaceCounters>> InterfaceReader::Counters(
    bool per_nic, const CallOptions& call) try {
  NETDIAG_ASSIGN_OR_RETURN(std::vector<Interface> interfaces, List(call));
  std::vector<InterfaceCounters> counters;
  for (Interface& interface : interfaces) {
    counters.push_back({std::move(interface.name), interface.index, interface.counters});
  }
  if (!per_nic) return std::vector<InterfaceCounters>{SumOf(counters)};
  return counters;
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

absl::StatusOr<IoSample> InterfaceReader::SampleCounters(const CallOptions& call) try {
  NETDIAG_ASSIGN_OR_RETURN(std::vector<InterfaceCounters> counters, Counters(true, call));
  return IoSample{std::chrono::steady_clock::now(), std::move(counters)};
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

}  // namespace netdiag
