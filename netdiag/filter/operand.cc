// The operands of src, dst, sport and dport. Tested by tests/filter/parse_test.cc.

#include "netdiag/filter/operand.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "netdiag/filter/words.h"
#include "netdiag/types/ascii.h"
#include "netdiag/types/numbers.h"
#include "netdiag/types/parse_number.h"

namespace netdiag::internal {
namespace {

// Joins alternatives that each hold for their own value. For != (`other`), all must hold.
Node AnyOf(bool other, std::vector<Node> alternatives) {
  return other ? MakeAnd(std::move(alternatives)) : MakeOr(std::move(alternatives));
}

// ---- Interfaces ----

constexpr std::string_view kNoInterface = "no network namespace that is listed has this interface";

std::vector<FilterInterface> FindInterfaces(std::string_view name, const FilterOptions& options) {
  if (name.empty() || !options.names.interfaces) return {};
  return options.names.interfaces(name);
}

// True for the rows of each interface's namespace for which the predicate on its index is true.
template <class Make>
Node InAnyOf(std::span<const FilterInterface> interfaces, const Make& make_predicate) {
  static const Field* const kNetns = FindField("netns");
  std::vector<Node> alternatives;
  for (const FilterInterface& interface : interfaces) {
    Node node = MakePredicate(make_predicate(interface.index.value()));
    if (interface.netns != NetnsId()) {
      const FieldMatch here{kNetns, Compare::kEqual, uint64_t{interface.netns.value()}};
      node = MakeAnd({MakePredicate(here), std::move(node)});
    }
    alternatives.push_back(std::move(node));
  }
  return MakeOr(std::move(alternatives));
}

// The opposite of `node` for the rows that match `all`.
Node Except(Node all, Node node) { return MakeAnd({std::move(all), MakeNot(std::move(node))}); }

// ---- Ports ----

struct PortSpan {
  uint16_t low = 0;
  uint16_t high = 0;
};

std::optional<uint16_t> ParsePortNumber(std::string_view text, std::string* why) {
  const std::optional<uint64_t> number = ParseNumberWithBase(text);
  if (number && *number <= UINT16_MAX) return static_cast<uint16_t>(*number);
  return Refuse(why, "a port is a number from 0 to 65535");
}

std::optional<std::vector<PortSpan>> ParsePorts(std::string_view text, const FilterOptions& options,
                                                std::string* why) {
  if (text.empty()) return Refuse(why, "a port is expected: 22, :22 or 8000-8010");
  std::vector<PortSpan> ports;
  if (StartsAsNumber(text) || text[0] == '-') {
    const size_t dash = text.find('-', 1);
    const std::optional<uint16_t> low = ParsePortNumber(text.substr(0, dash), why);
    if (!low) return std::nullopt;
    std::optional<uint16_t> high = low;
    if (dash != text.npos) high = ParsePortNumber(text.substr(dash + 1), why);
    if (!high) return std::nullopt;
    if (*high < *low) return Refuse(why, "the range ends before it begins");
    ports.push_back({*low, *high});
    return ports;
  }
  if (options.names.services) {
    for (const Port port : options.names.services(text)) {
      ports.push_back({port.value(), port.value()});
    }
  }
  if (ports.empty()) return Refuse(why, "this is neither a port number nor a known service");
  return ports;
}

// ---- Families ----

// Finds a number by the kernel's name for it, or by the name that ss prints.
std::optional<uint32_t> FindNumberOf(std::span<const NumberNames> names, std::string_view word) {
  for (const NumberNames& row : names) {
    if (!word.empty() && (EqualIgnoringCase(row.word, word) || EqualIgnoringCase(row.ss, word))) {
      return row.number;
    }
  }
  return std::nullopt;
}

constexpr NumberedFamily kNumberedFamilies[] = {
    {"link", "packet", {{"packet.ethertype", "interface"}, {"", ""}}, ""},
    {"netlink",
     "netlink",
     {{"netlink.protocol", "netlink.port_id"}, {"", "netlink.remote_port_id"}},
     "kernel"},
    {"vsock",
     "vsock",
     {{"vsock.local_cid", "vsock.local_port"}, {"vsock.remote_cid", "vsock.remote_port"}},
     ""},
};

std::optional<uint32_t> ParseNumberedName(const NumberedFamily& family, bool is_port,
                                          std::string_view text) {
  if (const std::optional<uint64_t> number = ParseNumberWithBase(text)) {
    if (*number > UINT32_MAX) return std::nullopt;
    return static_cast<uint32_t>(*number);
  }
  if (is_port && !family.kernel.empty() && text == family.kernel) return 0;
  if (family.prefix == "netlink" && !is_port) return FindNumberOf(NetlinkProtocols(), text);
  if (family.prefix == "link" && !is_port) return FindNumberOf(EtherTypes(), text);
  return std::nullopt;
}

// A match whose port is the index of the interface `name`.
std::optional<Node> MakeLink(const NumberedMatch& match, std::string_view name,
                             const FilterOptions& options, std::string* why) {
  const std::vector<FilterInterface> interfaces = FindInterfaces(name, options);
  if (interfaces.empty()) return Refuse(why, kNoInterface);
  const auto at = [&](uint32_t index) {
    NumberedMatch here = match;
    here.other = false;
    here.port = index;
    return here;
  };
  Node node = InAnyOf(interfaces, at);
  if (!match.other) return node;
  return Except(MakePredicate(NumberedMatch{.side = match.side, .family = match.family}),
                std::move(node));
}

// ADDRESS[:PORT], each a number, a name or '*'. An empty address means '*'.
std::optional<Node> MakeNumbered(const NumberedFamily& family, Side side, bool other,
                                 std::string_view text, const FilterOptions& options,
                                 std::string* why) {
  NumberedMatch match{.side = side, .other = other, .family = &family};
  const size_t colon = text.rfind(':');
  const std::string_view address = text.substr(0, colon);
  const std::string_view port = colon == text.npos ? "*" : text.substr(colon + 1);
  if (!address.empty() && address != "*") {
    match.address = ParseNumberedName(family, false, address);
    if (!match.address)
      return Refuse(why, "this is neither a number nor a name that this family has");
  }
  if (port != "*") {
    match.port = ParseNumberedName(family, true, port);
    if (!match.port && family.prefix == "link") return MakeLink(match, port, options, why);
    if (!match.port)
      return Refuse(why, "what follows the `:` is neither a number nor a known name");
  }
  return MakePredicate(match);
}

// An operand, split at the colon after its family.
struct FamilyPrefix {
  std::string_view word;  // empty if the operand names no family
  std::string_view rest;
  const NumberedFamily* numbered = nullptr;
};
FamilyPrefix SplitFamily(std::string_view operand, Family default_family) {
  const size_t colon = operand.find(':');
  const std::string_view word = operand.substr(0, colon == operand.npos ? 0 : colon);
  const std::string_view rest = operand.substr(colon == operand.npos ? 0 : colon + 1);
  for (const NumberedFamily& family : kNumberedFamilies) {
    if (family.prefix == word) return {word, rest, &family};
  }
  if (word == "unix" || word == "inet" || word == "inet6") return {word, rest};
  if (default_family == Family::kUnix && operand != "*") return {"unix", operand};
  for (const NumberedFamily& family : kNumberedFamilies) {
    if (family.word == Names(default_family).word) return {family.prefix, operand, &family};
  }
  return {"", operand};
}

// ---- Addresses ----

constexpr std::string_view kNoOrder = "addresses have no order, so only = and != are allowed";
using Prefix = AddressPrefix;

uint8_t FullLength(Family family) { return family == Family::kInet6 ? 128 : 32; }

// Clears all but the first `bits` bits. REQUIRES: the address has at least that many.
Prefix Masked(const IpAddress& address, uint8_t bits) {
  const std::optional<Mask> mask = Mask::OfLength(address.family(), bits);
  return {address.Masked(mask.value_or(Mask())).value_or(address), bits};
}

// One to four octets: "10" or "193.233.7", as in 10/8.
std::optional<IpAddress> ParseShortV4(std::string_view text) {
  std::array<uint8_t, 4> octets = {};
  for (size_t i = 0; i < octets.size(); ++i) {
    const std::optional<uint8_t> octet = TakeNumber<uint8_t>(&text);
    if (!octet) return std::nullopt;
    octets[i] = *octet;
    if (text.empty()) return IpAddress::V4(octets[0], octets[1], octets[2], octets[3]);
    if (text[0] != '.') return std::nullopt;
    text.remove_prefix(1);
  }
  return std::nullopt;
}

std::optional<IpAddress> ParseLiteral(std::string_view text, bool shortened) {
  if (const absl::StatusOr<IpAddress> address = IpAddress::Parse(text); address.ok()) {
    return *address;
  }
  return shortened ? ParseShortV4(text) : std::nullopt;
}

std::optional<std::vector<Prefix>> ParseAddresses(std::string_view text,
                                                  const FilterOptions& options, std::string* why) {
  const size_t slash = text.find('/');
  const bool has_length = slash != text.npos;
  std::optional<uint64_t> length;
  if (has_length) {
    length = ParseNumber<uint64_t>(text.substr(slash + 1));
    if (!length) return Refuse(why, "a number of bits is expected after the `/`");
    text = text.substr(0, slash);
  }
  std::vector<Prefix> prefixes;
  if (const std::optional<IpAddress> address = ParseLiteral(text, has_length)) {
    const uint8_t full = FullLength(address->family());
    if (length.value_or(0) > full) {
      return Refuse(why, full == 32 ? "an IPv4 prefix has at most 32 bits"
                                    : "an IPv6 prefix has at most 128 bits");
    }
    prefixes.push_back(Masked(*address, static_cast<uint8_t>(length.value_or(full))));
    return prefixes;
  }
  const bool can_be_name = !text.empty() && !has_length && text.find(':') == text.npos &&
                           text.find_first_not_of("0123456789.") != text.npos;
  if (can_be_name && options.names.hosts) {
    for (const IpAddress& address : options.names.hosts(text)) {
      prefixes.push_back({address, FullLength(address.family())});
    }
  }
  if (!prefixes.empty()) return prefixes;
  return Refuse(why, can_be_name ? "this is neither an address nor a known host"
                                 : "an address is expected: 10.0.0.1, 10/8, ::1 or [::1]:22");
}

// The parts of ADDRESS[/BITS][:PORT].
struct HostParts {
  std::string address;
  std::optional<std::string_view> port;
};
std::optional<HostParts> SplitHost(std::string_view text, std::string* why) {
  HostParts parts;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == text.npos) return Refuse(why, "`]` is missing after the address");
    const size_t colon = text.find(':', end);
    parts.address = text.substr(1, end - 1);
    parts.address += text.substr(end + 1, std::min(colon, text.size()) - end - 1);
    if (colon != text.npos) parts.port = text.substr(colon + 1);
    return parts;
  }
  const size_t colon = text.find(':');
  // A bare IPv6 address takes every colon.
  const bool one_colon = colon != text.npos && text.find(':', colon + 1) == text.npos;
  parts.address = text.substr(0, one_colon ? colon : text.npos);
  if (one_colon) parts.port = text.substr(colon + 1);
  return parts;
}

bool IsAny(std::string_view address) {
  return address.empty() || address == "*" || address == "any" || address == "all" ||
         address == "default";
}

// ADDRESS[/BITS][:PORT] of an inet socket: each address that `text` names with each port. `family`
// restricts the addresses, unless it is kUnspecified.
std::optional<Node> MakeEnd(Side side, bool other, Family family, std::string_view text,
                            const FilterOptions& options, std::string* why) {
  const std::optional<HostParts> parts = SplitHost(text, why);
  if (!parts) return std::nullopt;
  std::vector<std::optional<uint16_t>> ports;
  if (parts->port && *parts->port != "*") {
    const std::optional<std::vector<PortSpan>> spans = ParsePorts(*parts->port, options, why);
    if (!spans) return std::nullopt;
    for (const PortSpan& span : *spans) {
      if (span.low != span.high)
        return Refuse(why, "a range of ports is allowed only with sport and dport");
      ports.emplace_back(span.low);
    }
  } else {
    ports.emplace_back();
  }
  std::vector<Prefix> prefixes;
  if (IsAny(parts->address)) {
    if (family == Family::kUnspecified && !ports[0]) {
      return other ? MakeFalse() : MakeTrue();
    }
    if (family != Family::kUnspecified) {
      prefixes.push_back({IpAddress::FromNetwork(family, {}), 0});
    }
  } else {
    const std::optional<std::vector<Prefix>> found = ParseAddresses(parts->address, options, why);
    if (!found) return std::nullopt;
    std::ranges::copy_if(*found, std::back_inserter(prefixes), [&](const Prefix& prefix) {
      return family == Family::kUnspecified || prefix.address.family() == family;
    });
    if (prefixes.empty()) return Refuse(why, "this host has no address of that family");
  }
  std::vector<Node> alternatives;
  for (const std::optional<uint16_t> port : ports) {
    if (prefixes.empty()) {
      alternatives.push_back(MakePredicate(PortMatch{side, other, *port, *port}));
    }
    for (const Prefix& prefix : prefixes) {
      alternatives.push_back(MakePredicate(
          HostMatch{side, other, prefix.address.family(), prefix.address, prefix.bits, port}));
    }
  }
  return AnyOf(other, std::move(alternatives));
}

// An operand without its zone.
struct Zoned {
  std::string end;                       // ADDRESS[/BITS][:PORT]
  std::optional<std::string_view> zone;  // the interface behind the '%'
};
// The name of an interface has neither '/' nor ':' (dev_valid_name(), net/core/dev.c).
Zoned SplitZone(std::string_view text) {
  const size_t percent = text.find('%');
  if (percent == text.npos) return {std::string(text), std::nullopt};
  const std::string_view before = text.substr(0, percent);
  const size_t end = std::min(text.find_first_of("]/:", percent), text.size());
  const std::string_view after = text.substr(end);
  Zoned zoned = {std::string(before), text.substr(percent + 1, end - percent - 1)};
  // In fe80::1%eth0:22, what follows the zone is no part of the address.
  const bool bare_v6 = !before.starts_with('[') && std::ranges::count(before, ':') > 1;
  if (bare_v6) zoned.end = "[" + zoned.end + "]";
  zoned.end += after;
  return zoned;
}

// ADDRESS[/BITS][%INTERFACE][:PORT] of an inet socket.
std::optional<Node> MakeInet(Side side, bool other, Family family, std::string_view text,
                             const FilterOptions& options, std::string* why) {
  const Zoned zoned = SplitZone(text);
  if (!zoned.zone) return MakeEnd(side, other, family, text, options, why);
  std::optional<Node> end = MakeEnd(side, /*other=*/false, family, zoned.end, options, why);
  if (!end) return std::nullopt;
  const Field& interface = *FindField("interface");
  std::optional<Node> zone = MakeField(interface, Compare::kEqual, *zoned.zone, options, why);
  if (!zone) {
    *why = "no network namespace that is listed has the interface behind the `%`";
    return std::nullopt;
  }
  const Node inet = MakePredicate(PortMatch{side, false, 0, UINT16_MAX});
  if (IsTrue(*end)) *end = inet;
  Node both = MakeAnd({*std::move(end), *std::move(zone)});
  return other ? Except(inet, std::move(both)) : std::move(both);
}

// Returns the match for ports p such that "p `compare` span" holds.
PortMatch ComparePort(Side side, Compare compare, PortSpan span) {
  constexpr uint16_t kLast = UINT16_MAX;
  constexpr PortMatch kNever = {Side::kLocal, false, 1, 0};
  switch (compare) {
    case Compare::kEqual:
      return {side, false, span.low, span.high};
    case Compare::kNotEqual:
      return {side, true, span.low, span.high};
    case Compare::kGreaterEqual:
      return {side, false, span.low, kLast};
    case Compare::kLessEqual:
      return {side, false, 0, span.low};
    case Compare::kGreater:
      if (span.low == kLast) return kNever;
      return {side, false, static_cast<uint16_t>(span.low + 1), kLast};
    case Compare::kLess:
      if (span.low == 0) return kNever;
      return {side, false, 0, static_cast<uint16_t>(span.low - 1)};
  }
  return kNever;
}

// Rewrites "outside a range" as "inside a range" where one range remains.
PortMatch Simplify(PortMatch match) {
  if (!match.outside || match.low == match.high) return match;
  constexpr uint16_t kLast = UINT16_MAX;
  if (match.low == 0 && match.high == kLast) return {match.side, false, 1, 0};
  if (match.low == 0) return {match.side, false, static_cast<uint16_t>(match.high + 1), kLast};
  if (match.high == kLast) return {match.side, false, 0, static_cast<uint16_t>(match.low - 1)};
  return match;
}

}  // namespace

std::optional<Node> MakeHost(Side side, Compare compare, std::string_view operand,
                             const FilterOptions& options, std::string* why) {
  if (!IsEquality(compare)) return Refuse(why, kNoOrder);
  if (operand.empty())
    return Refuse(why, "an address is expected: 10.0.0.1, 10/8, ::1 or [::1]:22");
  const bool other = compare == Compare::kNotEqual;
  const FamilyPrefix family = SplitFamily(operand, options.family);
  if (family.numbered != nullptr) {
    return MakeNumbered(*family.numbered, side, other, family.rest, options, why);
  }
  const bool is_name = operand[0] == '/' || operand[0] == '@';
  if (family.word == "unix" || is_name) {
    return MakePredicate(NameMatch{side, other, std::string(is_name ? operand : family.rest)});
  }
  const Family wanted = family.word == "inet"    ? Family::kInet
                        : family.word == "inet6" ? Family::kInet6
                                                 : Family::kUnspecified;
  return MakeInet(side, other, wanted, family.rest, options, why);
}

std::optional<Node> MakeAddress(const Field& field, Compare compare, std::string_view operand,
                                const FilterOptions& options, std::string* why) {
  if (!IsEquality(compare)) return Refuse(why, kNoOrder);
  const std::optional<HostParts> parts = SplitHost(operand, why);
  if (!parts) return std::nullopt;
  if (parts->port) return Refuse(why, "an address without a port is expected");
  const std::optional<std::vector<Prefix>> found = ParseAddresses(parts->address, options, why);
  if (!found) return std::nullopt;
  std::vector<Node> alternatives;
  for (const Prefix& prefix : *found) {
    alternatives.push_back(MakePredicate(FieldMatch{&field, compare, prefix}));
  }
  return AnyOf(compare == Compare::kNotEqual, std::move(alternatives));
}

std::optional<Node> MakeInterface(const Field& field, Compare compare, std::string_view name,
                                  const FilterOptions& options, std::string* why) {
  if (!IsEquality(compare)) {
    return Refuse(why, "the names of interfaces have no order, so only = and != are allowed");
  }
  const std::vector<FilterInterface> interfaces = FindInterfaces(name, options);
  if (interfaces.empty()) return Refuse(why, kNoInterface);
  const auto is = [&](Compare how, uint64_t index) { return FieldMatch{&field, how, index}; };
  const bool everywhere = interfaces.size() == 1 && interfaces[0].netns == NetnsId();
  if (everywhere) return MakePredicate(is(compare, interfaces[0].index.value()));
  Node node = InAnyOf(interfaces, [&](uint64_t index) { return is(Compare::kEqual, index); });
  if (compare == Compare::kEqual) return node;
  // No interface has this number, so it differs from that of every row which can have one.
  constexpr uint64_t kNone = uint64_t{UINT32_MAX} + 1;
  return Except(MakePredicate(is(Compare::kNotEqual, kNone)), std::move(node));
}

std::optional<Node> MakePort(Side side, Compare compare, std::string_view operand,
                             const FilterOptions& options, std::string* why) {
  const FamilyPrefix family = SplitFamily(operand, Family::kUnspecified);
  if (family.word == "unix") return Refuse(why, "unix sockets have no ports");
  std::string_view text = family.rest;
  if (text.starts_with("*:")) text.remove_prefix(1);
  if (text.starts_with(':')) text.remove_prefix(1);
  if (!family.word.empty()) {
    if (!IsEquality(compare))
      return Refuse(why,
                    "a port with a family, such as inet6:22, can only be compared with = and !=");
    return MakeHost(side, compare, std::string(family.word).append(":*:").append(text), options,
                    why);
  }
  if (text == "*" && compare == Compare::kEqual) return MakeTrue();
  const std::optional<std::vector<PortSpan>> spans = ParsePorts(text, options, why);
  if (!spans) return std::nullopt;
  if (!IsEquality(compare)) {
    if (spans->size() > 1)
      return Refuse(why, "this service has more than one port, so only = and != are allowed");
    if ((*spans)[0].low != (*spans)[0].high)
      return Refuse(why, "a range is allowed only with = and !=");
  }
  std::vector<Node> alternatives;
  for (const PortSpan span : *spans) {
    alternatives.push_back(MakePredicate(Simplify(ComparePort(side, compare, span))));
  }
  return AnyOf(compare == Compare::kNotEqual, std::move(alternatives));
}

}  // namespace netdiag::internal
