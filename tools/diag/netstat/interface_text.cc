// Tested by tests/tools/netstat_modes_test.cc and tests/live/netstat_modes_live_test.cc.

#include "tools/diag/netstat/interface_text.h"

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <tuple>

#include "netdiag/net/io_counters.h"
#include "netdiag/types/address.h"
#include "netdiag/types/types.h"
#include "tools/diag/netstat/format.h"
#include "tools/diag/text.h"

namespace diag::netstat {
namespace {

using netdiag::Interface;
using netdiag::InterfaceAddress;
using netdiag::IpAddress;

// IFF_*, copied from linux/if.h, with the letter of -i and the word of -ie.
constexpr uint32_t kUp = 0x1, kBroadcast = 0x2, kPointToPoint = 0x10;
struct FlagText {
  uint32_t bit;
  std::string_view text;
};
constexpr FlagText kLetters[] = {
    {0x200, "A"},  {0x2, "B"},   {0x4, "D"},  {0x8, "L"},  {0x1000, "M"},
    {0x8000, "d"}, {0x100, "P"}, {0x20, "N"}, {0x80, "O"}, {0x10, "P"},
    {0x800, "s"},  {0x400, "m"}, {0x40, "R"}, {0x1, "U"},
};
constexpr FlagText kWords[] = {
    {0x1, "UP"},           {0x2, "BROADCAST"},   {0x4, "DEBUG"},    {0x8, "LOOPBACK"},
    {0x10, "POINTOPOINT"}, {0x20, "NOTRAILERS"}, {0x40, "RUNNING"}, {0x80, "NOARP"},
    {0x100, "PROMISC"},    {0x200, "ALLMULTI"},  {0x800, "SLAVE"},  {0x400, "MASTER"},
    {0x1000, "MULTICAST"}, {0x8000, "DYNAMIC"},
};

// ARPHRD_*, copied from linux/if_arp.h, as ifconfig of net-tools 2.10 shows them.
enum class LinkAddress : uint8_t { kNone, kColons, kDashes };
struct LinkType {
  uint16_t number;
  std::string_view name;
  std::string_view title;
  LinkAddress address;
};
constexpr LinkType kLinkTypes[] = {
    {1, "ether", "Ethernet", LinkAddress::kColons},
    {512, "ppp", "Point-to-Point Protocol", LinkAddress::kNone},
    {768, "tunnel", "IPIP Tunnel", LinkAddress::kNone},
    {772, "loop", "Local Loopback", LinkAddress::kNone},
    {776, "sit", "IPv6-in-IPv4", LinkAddress::kNone},
};
constexpr LinkType kUnknownLink = {0xffff, "unspec", "UNSPEC", LinkAddress::kDashes};

// A name without the number at its end, that number, and the number after a colon before that:
// "eth10:2" is {"eth", 10, 2}.
using NameParts = std::tuple<std::string_view, uint64_t, uint64_t>;

// Removes the digits at the end of `text` and returns their number plus 1; 0: there are none.
uint64_t TakeNumberAtEnd(std::string_view* text) {
  const size_t last = text->find_last_not_of("0123456789");
  const std::string_view digits = text->substr(last == text->npos ? 0 : last + 1);
  if (digits.empty()) return 0;
  text->remove_suffix(digits.size());
  uint64_t number = 0;
  for (const char digit : digits) number = number * 10 + static_cast<uint64_t>(digit - '0');
  return number + 1;
}

NameParts PartsOf(std::string_view name) {
  uint64_t number = TakeNumberAtEnd(&name);
  uint64_t label = 0;
  if (number != 0 && name.ends_with(':')) {
    name.remove_suffix(1);
    label = number;
    number = TakeNumberAtEnd(&name);
  }
  return {name, number, label};
}

std::string Escaped(std::string_view name) {
  std::string text;
  AppendEscaped(name, &text);
  return text;
}

// "1.4 KiB". netstat cuts after the first decimal.
std::string SizeText(uint64_t bytes) {
  static constexpr std::string_view kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  size_t unit = 0;
  double divisor = 1;
  while (unit + 1 < std::size(kUnits) && static_cast<double>(bytes) > divisor * 1024) {
    divisor *= 1024;
    ++unit;
  }
  const auto tenths = static_cast<uint64_t>(static_cast<double>(bytes) * 10 / divisor);
  return Format("%d.%d %s", tenths / 10, tenths % 10, kUnits[unit]);
}

std::string LinkAddressText(const LinkType& type, const Interface& interface) {
  if (type.address == LinkAddress::kNone) return "";
  const bool colons = type.address == LinkAddress::kColons;
  // netstat reads the 6 or 16 octets of its own buffer.
  std::array<uint8_t, 16> octets{};
  const auto known = interface.hardware_address.octets();
  std::copy_n(known.begin(), std::min(known.size(), octets.size()), octets.begin());
  std::string text;
  for (size_t i = 0; i < (colons ? size_t{6} : octets.size()); ++i) {
    if (i != 0) text += colons ? ':' : '-';
    text += colons ? Format("%02x", octets[i]) : Format("%02X", octets[i]);
  }
  return " " + text;
}

void AppendIpv4Address(const InterfaceRow& row, const InterfaceAddress& address, std::string* out) {
  const uint32_t flags = row.interface->details.flag_bits;
  const IpAddress mask =
      IpAddress::FromNetwork(netdiag::Family::kInet, std::as_bytes(address.prefix.mask.octets()));
  AppendFormat(out, "        inet %s  netmask %s", ToText(address.prefix.address), ToText(mask));
  if ((flags & kBroadcast) != 0) {
    AppendFormat(out, "  broadcast %s", ToText(address.broadcast.value_or(IpAddress())));
  }
  if ((flags & kPointToPoint) != 0) {
    AppendFormat(out, "  destination %s", ToText(address.peer.value_or(address.prefix.address)));
  }
  out->push_back('\n');
}

void AppendIpv6Address(const netdiag::Ipv6AddressLine& line, std::string* out) {
  constexpr uint8_t kCompatible = 0x80;
  AppendFormat(out, "        inet6 %s  prefixlen %d  scopeid 0x%x<", ToText(line.address),
               line.prefix_length, line.scope);
  if ((line.scope & kCompatible) != 0) out->append("compat,");
  switch (line.scope & ~kCompatible) {
    case 0x00:
      out->append("global");
      break;
    case 0x10:
      out->append("host");
      break;
    case 0x20:
      out->append("link");
      break;
    case 0x40:
      out->append("site");
      break;
    default:
      out->append("unknown");
  }
  out->append(">\n");
}

void AppendCounters(const Interface& interface, std::string* out) {
  const netdiag::IoCounters& c = interface.counters;
  const netdiag::InterfaceDetails& d = interface.details;
  AppendFormat(out, "        RX packets %d  bytes %d (%s)\n", c.packets_received, c.bytes_received,
               SizeText(c.bytes_received));
  AppendFormat(out, "        RX errors %d  dropped %d  overruns %d  frame %d\n", c.errors_in,
               c.drops_in, c.fifo_in, d.frame_errors);
  AppendFormat(out, "        TX packets %d  bytes %d (%s)\n", c.packets_sent, c.bytes_sent,
               SizeText(c.bytes_sent));
  AppendFormat(out,
               "        TX errors %d  dropped %d overruns %d  carrier %d  "
               "collisions %d\n",
               c.errors_out, c.drops_out, c.fifo_out, d.carrier_errors, d.collisions);
}

// Where the hardware of the interface is, if its driver tells.
void AppendDevice(const netdiag::InterfaceDetails& details, std::string* out) {
  constexpr uint64_t kLeastBase = 0x100;
  const bool has_base = details.io_base >= kLeastBase;
  if (details.interrupt == 0 && details.memory_begin == 0 && details.dma == 0 && !has_base) return;
  out->append("        device ");
  if (details.interrupt != 0) AppendFormat(out, "interrupt %d  ", details.interrupt);
  if (has_base) AppendFormat(out, "base 0x%x  ", details.io_base);
  if (details.memory_begin != 0) {
    AppendFormat(out, "memory 0x%x-%x  ", details.memory_begin, details.memory_end);
  }
  if (details.dma != 0) AppendFormat(out, "  dma 0x%x", details.dma);
  out->push_back('\n');
}

void PutAddresses(const InterfacesAnswer& answer, netdiag::IfIndex index, Json* json) {
  json->Key("addresses");
  (*json)->StartArray();
  for (const InterfaceAddress& address : answer.addresses) {
    if (address.index != index) continue;
    (*json)->StartObject();
    json->Text("address", ToText(address.prefix));
    if (!address.label.empty()) json->Foreign("label", address.label);
    if (address.peer) json->Text("peer", ToText(*address.peer));
    if (address.broadcast) json->Text("broadcast", ToText(*address.broadcast));
    (*json)->EndObject();
  }
  (*json)->EndArray();
}

}  // namespace

bool ComesBefore(std::string_view a, std::string_view b) {
  const NameParts first = PartsOf(a);
  const NameParts second = PartsOf(b);
  return first != second ? first < second : a < b;
}

std::vector<InterfaceRow> SortedRows(const InterfacesAnswer& answer) {
  std::vector<InterfaceRow> rows;
  for (const Interface& interface : answer.interfaces) {
    rows.push_back({interface.name, &interface, false});
  }
  for (const InterfaceAddress& address : answer.addresses) {
    if (address.label.empty()) continue;
    const bool known = std::ranges::find(rows, address.label, &InterfaceRow::name) != rows.end();
    const auto owner = std::ranges::find(answer.interfaces, address.index, &Interface::index);
    if (known || owner == answer.interfaces.end()) continue;
    rows.push_back({address.label, &*owner, true});
  }
  std::ranges::sort(rows, ComesBefore, &InterfaceRow::name);
  return rows;
}

std::string_view InterfaceColumns() {
  return "Iface             MTU    RX-OK RX-ERR RX-DRP RX-OVR    TX-OK TX-ERR TX-DRP TX-OVR Flg\n";
}

void AppendInterface(const InterfaceRow& row, std::string* out) {
  const netdiag::IoCounters& c = row.interface->counters;
  AppendFormat(out, "%-15s %5d ", Escaped(row.name), row.interface->mtu);
  if (row.is_label) {
    AppendFormat(out, "%-56s", "     - no statistics available -");
  } else {
    AppendFormat(out, "%8d %6d %6d %-6d %8d %6d %6d %6d ", c.packets_received, c.errors_in,
                 c.drops_in, c.fifo_in, c.packets_sent, c.errors_out, c.drops_out, c.fifo_out);
  }
  const size_t begin = out->size();
  for (const FlagText& flag : kLetters) {
    if ((row.interface->details.flag_bits & flag.bit) != 0) out->append(flag.text);
  }
  if (out->size() == begin) out->append("[NO FLAGS]");
  out->push_back('\n');
}

void AppendIfconfig(const InterfacesAnswer& answer, const InterfaceRow& row, std::string* out) {
  const Interface& interface = *row.interface;
  const uint32_t flags = interface.details.flag_bits;
  // ioctl() has the flags as a number of 16 bits with a sign.
  AppendFormat(out, "%s: flags=%d<", Escaped(row.name), static_cast<int16_t>(flags));
  std::string_view separator;
  for (const FlagText& flag : kWords) {
    if ((flags & flag.bit) == 0) continue;
    out->append(separator).append(flag.text);
    separator = ",";
  }
  AppendFormat(out, ">  mtu %d\n", interface.mtu);
  const auto first = std::ranges::find(answer.addresses, row.name, &InterfaceAddress::label);
  if (first != answer.addresses.end()) AppendIpv4Address(row, *first, out);
  for (const netdiag::Ipv6AddressLine& line : answer.ipv6) {
    if (!row.is_label && line.index == interface.index) AppendIpv6Address(line, out);
  }
  const auto* const known =
      std::ranges::find(kLinkTypes, interface.details.link_type, &LinkType::number);
  const LinkType& type = known == std::end(kLinkTypes) ? kUnknownLink : *known;
  AppendFormat(out, "        %s%s  txqueuelen %d  (%s)\n", type.name,
               LinkAddressText(type, interface), interface.details.queue_length, type.title);
  if (!row.is_label) AppendCounters(interface, out);
  AppendDevice(interface.details, out);
  out->push_back('\n');
}

void PutInterface(const InterfacesAnswer& answer, const Interface& interface, Json* json) {
  (*json)->StartObject();
  json->Foreign("name", interface.name);
  json->Number("index", interface.index.value());
  json->Number("mtu", interface.mtu);
  json->Flag("up", (interface.details.flag_bits & kUp) != 0);
  json->Key("flags");
  (*json)->StartArray();
  for (const FlagText& flag : kWords) {
    if ((interface.details.flag_bits & flag.bit) != 0) json->Text(flag.text);
  }
  (*json)->EndArray();
  json->Text("hardware_address", ToText(interface.hardware_address));
  json->Number("link_type", interface.details.link_type);
  json->Number("txqueuelen", interface.details.queue_length);
  json->Key("counters");
  (*json)->StartObject();
  for (const netdiag::IoField& field : netdiag::kIoFields) {
    json->Number(field.gopsutil, interface.counters.*field.counter);
  }
  json->Number("frame", interface.details.frame_errors);
  json->Number("collisions", interface.details.collisions);
  json->Number("carrier", interface.details.carrier_errors);
  (*json)->EndObject();
  PutAddresses(answer, interface.index, json);
  (*json)->EndObject();
}

}  // namespace diag::netstat
