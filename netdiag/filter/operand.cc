// Hosts and ports. Tested by tests/filter/parse_test.cc.

#include "netdiag/filter/operand.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "netdiag/filter/number.h"
#include "netdiag/filter/words.h"
#include "netdiag/types/numbers.h"
#include "netdiag/types/parse_number.h"

namespace netdiag::internal {
namespace {

bool IsEquality(Compare compare) {
  return compare == Compare::kEqual || compare == Compare::kNotEqual;
}

std::nullopt_t Refuse(std::string* why, std::string_view reason) {
  *why = reason;
  return std::nullopt;
}

// Any of the alternatives, or, for !=, none.
Node AnyOf(bool other, std::vector<Node> alternatives) {
  return other ? MakeAnd(std::move(alternatives)) : MakeOr(std::move(alternatives));
}

// ---- Ports ----

struct PortSpan {
  uint16_t low = 0;
  uint16_t high = 0;
};

std::optional<uint16_t> ParsePortNumber(std::string_view text, std::string* why) {
  const std::optional<uint64_t> number = ParseNumberWithBase(text);
  if (number && *number <= UINT16_MAX) return static_cast<uint16_t>(*number);
  return Refuse(why, "ports are numbers from 0 to 65535");
}

std::optional<std::vector<PortSpan>> ParsePorts(std::string_view text, const FilterOptions& options,
                                                std::string* why) {
  if (text.empty()) return Refuse(why, "a port is expected");
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
  if (ports.empty()) return Refuse(why, "no port and no service that is known by this name");
  return ports;
}

// ---- Families ----

// By the kernel's name or by the one that ss prints.
std::optional<uint32_t> FindNumberOf(std::span<const NumberNames> names, std::string_view word) {
  for (const NumberNames& row : names) {
    if (!word.empty() && (EqualWords(row.word, word) || EqualWords(row.ss, word)))
      return row.number;
  }
  return std::nullopt;
}

constexpr NumberedFamily kNumberedFamilies[] = {
    {"link", "packet", {{"packet.ethertype", "interface"}, {"", ""}}, ""},
    {"netlink",
     "netlink",
     {{"netlink.protocol", "netlink.port_id"}, {"", "netlink.remote_port_id"}},
     "kernel"},
    {"vsock", "vsock", {{"local_cid", "local_port"}, {"remote_cid", "remote_port"}}, ""},
};

std::optional<uint32_t> ParseNumberedName(const NumberedFamily& family, bool is_port,
                                          std::string_view text, const FilterOptions& options) {
  if (const std::optional<uint64_t> number = ParseNumberWithBase(text)) {
    if (*number > UINT32_MAX) return std::nullopt;
    return static_cast<uint32_t>(*number);
  }
  if (is_port && !family.kernel.empty() && text == family.kernel) return 0;
  if (family.prefix == "netlink" && !is_port) return FindNumberOf(NetlinkProtocols(), text);
  if (family.prefix == "link" && !is_port) return FindNumberOf(EtherTypes(), text);
  if (family.prefix != "link" || !is_port || !options.names.interfaces) return std::nullopt;
  const std::optional<IfIndex> index = options.names.interfaces(text);
  if (!index) return std::nullopt;
  return index->value();
}

// ADDRESS[:PORT], both numbers, names or '*'; an empty address is '*'.
std::optional<Node> MakeNumbered(const NumberedFamily& family, Side side, bool other,
                                 std::string_view text, const FilterOptions& options,
                                 std::string* why) {
  NumberedMatch match{.side = side, .other = other, .family = &family};
  const size_t colon = text.rfind(':');
  const std::string_view address = text.substr(0, colon);
  const std::string_view port = colon == text.npos ? "*" : text.substr(colon + 1);
  if (!address.empty() && address != "*") {
    match.address = ParseNumberedName(family, false, address, options);
    if (!match.address) return Refuse(why, "no number and no name that this family knows");
  }
  if (port != "*") {
    match.port = ParseNumberedName(family, true, port, options);
    if (!match.port) return Refuse(why, "no port of this family");
  }
  return MakePredicate(match);
}

// A family said before a colon, and what stands behind it.
struct FamilyPrefix {
  std::string_view word;  // empty: none
  std::string_view rest;
  const NumberedFamily* numbered = nullptr;
};
FamilyPrefix SplitFamily(std::string_view operand, Family usual) {
  const size_t colon = operand.find(':');
  const std::string_view word = operand.substr(0, colon == operand.npos ? 0 : colon);
  const std::string_view rest = operand.substr(colon == operand.npos ? 0 : colon + 1);
  for (const NumberedFamily& family : kNumberedFamilies) {
    if (family.prefix == word) return {word, rest, &family};
  }
  if (word == "unix" || word == "inet" || word == "inet6") return {word, rest};
  if (usual == Family::kUnix && operand != "*") return {"unix", operand};
  for (const NumberedFamily& family : kNumberedFamilies) {
    if (family.word == Names(usual).word) return {family.prefix, operand, &family};
  }
  return {"", operand};
}

// ---- Addresses ----

struct Prefix {
  IpAddress address;
  uint8_t bits = 0;
};

uint8_t FullLength(Family family) { return family == Family::kInet6 ? 128 : 32; }

// Without the bits that do not count. REQUIRES: the address has so many.
Prefix Masked(const IpAddress& address, uint8_t bits) {
  const std::optional<Mask> mask = Mask::OfLength(address.family(), bits);
  return {address.Masked(mask.value_or(Mask())).value_or(address), bits};
}

// "10", "193.233.7", with a length behind it.
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
    if (!length) return Refuse(why, "the length of a prefix is a number of bits");
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
  return Refuse(why, can_be_name ? "no address and no host that is known by this name"
                                 : "an address is expected: 10.0.0.1, 10/8, ::1, [::1]:22");
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
    if (end == text.npos) return Refuse(why, "a ']' is missing");
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

// Each address with each port. `family` is kUnspecified if any will do.
std::optional<Node> MakeInet(Side side, bool other, Family family, std::string_view text,
                             const FilterOptions& options, std::string* why) {
  const std::optional<HostParts> parts = SplitHost(text, why);
  if (!parts) return std::nullopt;
  std::vector<std::optional<uint16_t>> ports;
  if (parts->port && *parts->port != "*") {
    const std::optional<std::vector<PortSpan>> spans = ParsePorts(*parts->port, options, why);
    if (!spans) return std::nullopt;
    for (const PortSpan& span : *spans) {
      if (span.low != span.high) return Refuse(why, "a range of ports goes with sport and dport");
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
    if (prefixes.empty()) return Refuse(why, "it has no address of that family");
  }
  std::vector<Node> alternatives;
  for (const std::optional<uint16_t> port : ports) {
    if (prefixes.empty())
      alternatives.push_back(MakePredicate(PortMatch{side, other, *port, *port}));
    for (const Prefix& prefix : prefixes) {
      alternatives.push_back(MakePredicate(
          HostMatch{side, other, prefix.address.family(), prefix.address, prefix.bits, port}));
    }
  }
  return AnyOf(other, std::move(alternatives));
}

// The ports that stand in `compare` to `span`.
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

// Outside of a range that touches an end is within another range.
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
  if (!IsEquality(compare)) return Refuse(why, "addresses have no order: only = and != compare");
  if (operand.empty()) return Refuse(why, "an address is expected");
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

std::optional<Node> MakePort(Side side, Compare compare, std::string_view operand,
                             const FilterOptions& options, std::string* why) {
  const FamilyPrefix family = SplitFamily(operand, Family::kUnspecified);
  if (family.word == "unix") return Refuse(why, "unix sockets have no ports");
  std::string_view text = family.rest;
  if (text.starts_with("*:")) text.remove_prefix(1);
  if (text.starts_with(':')) text.remove_prefix(1);
  if (!family.word.empty()) {
    if (!IsEquality(compare)) return Refuse(why, "with a family only = and != compare");
    return MakeHost(side, compare, std::string(family.word).append(":*:").append(text), options,
                    why);
  }
  if (text == "*" && compare == Compare::kEqual) return MakeTrue();
  const std::optional<std::vector<PortSpan>> spans = ParsePorts(text, options, why);
  if (!spans) return std::nullopt;
  if (!IsEquality(compare)) {
    if (spans->size() > 1) return Refuse(why, "this name stands for more than one port");
    if ((*spans)[0].low != (*spans)[0].high) return Refuse(why, "a range goes with = and != only");
  }
  std::vector<Node> alternatives;
  for (const PortSpan span : *spans) {
    alternatives.push_back(MakePredicate(Simplify(ComparePort(side, compare, span))));
  }
  return AnyOf(compare == Compare::kNotEqual, std::move(alternatives));
}

}  // namespace netdiag::internal
