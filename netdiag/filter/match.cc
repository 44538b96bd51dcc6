// Decides whether rows match. Nothing here allocates. Tested by tests/filter/agreement_test.cc.

#include <algorithm>
#include <cstring>

#include "netdiag/filter/ast.h"
#include "netdiag/filter/words.h"
#include "netdiag/row.h"
#include "netdiag/types/ascii.h"

namespace netdiag::internal {
namespace {

bool SameBits(std::span<const uint8_t> a, std::span<const uint8_t> b, size_t bits) {
  const size_t bytes = bits / 8;
  if (a.size() < bytes || b.size() < bytes || std::memcmp(a.data(), b.data(), bytes) != 0) {
    return false;
  }
  if (bits % 8 == 0) return true;
  return a.size() > bytes && b.size() > bytes && ((a[bytes] ^ b[bytes]) >> (8 - bits % 8)) == 0;
}

template <class Socket>
Port PortOf(const Socket& socket, Side side) {
  return side == Side::kLocal ? socket.local_port() : socket.remote_port();
}

// The port at one end of a socket that has ports of IP.
std::optional<Port> PortAt(const Row& row, Side side) {
  if (const InetSocket* socket = row.inet()) return PortOf(*socket, side);
  if (const SmcSocket* socket = row.smc_socket()) return PortOf(*socket, side);
  return std::nullopt;
}

// One end of a socket that has addresses of IP.
std::optional<Endpoint> EndAt(const Row& row, Side side) {
  if (const InetSocket* socket = row.inet()) {
    return side == Side::kLocal ? socket->local() : socket->remote();
  }
  const SmcSocket* const socket = row.smc_socket();
  if (socket == nullptr) return std::nullopt;
  const std::optional<IpAddress> address =
      side == Side::kLocal ? socket->local_address() : socket->remote_address();
  if (!address) return std::nullopt;
  return Endpoint{*address, PortOf(*socket, side)};
}

bool Is(const PortMatch& match, const Row& row) {
  const std::optional<Port> port = PortAt(row, match.side);
  if (!port) return false;
  return (port->value() >= match.low && port->value() <= match.high) != match.outside;
}

// True if the address begins with the bits of `prefix`.
bool BeginsWith(const IpAddress& address, const IpAddress& prefix, size_t bits) {
  const IpAddress own = prefix.family() == Family::kInet ? address.Unmapped() : address;
  return own.family() == prefix.family() && SameBits(own.octets(), prefix.octets(), bits);
}

bool IsAt(const HostMatch& match, const Endpoint& end) {
  if (match.port && *match.port != end.port.value()) return false;
  return BeginsWith(end.address, match.address, match.prefix);
}

bool Is(const HostMatch& match, const Row& row) {
  const std::optional<Endpoint> end = EndAt(row, match.side);
  return end && IsAt(match, *end) != match.other;
}

bool Is(const NameMatch& match, const Row& row) {
  const UnixSocket* socket = row.unix_socket();
  if (socket == nullptr) return false;
  const std::optional<UnixSocket> end = match.side == Side::kLocal ? *socket : row.peer();
  return end && GlobMatch(match.pattern, end->name(), GlobOf::kUnixName) != match.other;
}

// True if the field `name` has the value `wanted`, or if `wanted` is nullopt.
bool HasValue(const Row& row, std::string_view name, std::optional<uint32_t> wanted) {
  if (!wanted) return true;
  const Field* const field = FindField(name);
  return field != nullptr && field->get(row, 0) == FieldValue(uint64_t{*wanted});
}

bool Is(const NumberedMatch& match, const Row& row) {
  if (Names(row.family()).word != match.family->word) return false;
  const auto& [address, port] = match.family->field[static_cast<size_t>(match.side)];
  return (HasValue(row, address, match.address) && HasValue(row, port, match.port)) != match.other;
}

bool Is(const StateMatch& match, const Row& row) { return match.states.contains(row.state()); }

bool Is(const MarkMatch& match, const Row& row) {
  const std::optional<Mark> mark = row.inet() != nullptr ? row.inet()->mark() : std::nullopt;
  return mark && ((mark->value() & match.mask) == match.value) != match.other;
}

// Ports up to this one need a privilege, and the kernel never chooses them. Source:
// LAST_RESERVED_PORT, net/vmw_vsock/af_vsock.c.
constexpr uint32_t kLastReservedVsockPort = 1023;

bool IsHexDigit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

// The kernel names a unix socket by a NUL and five hexadecimal digits. Source: unix_autobind().
bool Is(const AutoMatch& match, const Row& row) {
  if (const std::optional<Port> port = PortAt(row, Side::kLocal)) {
    return port->value() >= match.first && port->value() <= match.last;
  }
  if (const VsockSocket* socket = row.vsock_socket()) {
    return socket->local_port().value_or(0) > kLastReservedVsockPort;
  }
  const UnixSocket* socket = row.unix_socket();
  if (socket == nullptr) return false;
  const std::string_view name = socket->name();
  return name.empty() ||
         (name.size() == 6 && name[0] == '\0' && std::ranges::all_of(name.substr(1), IsHexDigit));
}

}  // namespace

bool IsValue(const FieldMatch& match, const FieldValue& value) {
  if (const auto* number = std::get_if<uint64_t>(&value)) {
    const auto* wanted = std::get_if<uint64_t>(&match.value);
    return wanted != nullptr && Holds(match.compare, *number, *wanted);
  }
  if (const auto* flag = std::get_if<bool>(&value)) {
    const auto* wanted = std::get_if<bool>(&match.value);
    return wanted != nullptr && Holds(match.compare, *flag, *wanted);
  }
  if (const auto* address = std::get_if<IpAddress>(&value)) {
    const auto* wanted = std::get_if<AddressPrefix>(&match.value);
    return wanted != nullptr && BeginsWith(*address, wanted->address, wanted->bits) ==
                                    (match.compare == Compare::kEqual);
  }
  const auto* text = std::get_if<std::string_view>(&value);
  const auto* wanted = std::get_if<std::string>(&match.value);
  if (text == nullptr || wanted == nullptr) return false;
  const bool same = match.field->meaning == Meaning::kText
                        ? GlobMatch(*wanted, *text, GlobOf::kText)
                        : EqualIgnoringCase(*wanted, *text);
  return same == (match.compare == Compare::kEqual);
}

namespace {

// ss and the kernel's opcode take the interface of a socket that is not bound to one for 0, so
// `dev != lo` selects it.
FieldValue ValueInstead(const FieldMatch& match, const Row& row) {
  static const Field* const kInterface = FindField("interface");
  if (match.field != kInterface || !IsEquality(match.compare)) return {};
  return kInterface->families.contains(row.family()) ? FieldValue(uint64_t{0}) : FieldValue();
}

bool Is(const FieldMatch& match, const Row& row) {
  const FieldGroup group = match.field->group;
  if (!IsList(group)) {
    const FieldValue value = match.field->get(row, 0);
    return IsValue(match, IsAbsent(value) ? ValueInstead(match, row) : value);
  }
  for (size_t i = 0; i < ValuesOf(group, row); ++i) {
    if (IsValue(match, match.field->get(row, i))) return true;
  }
  return false;
}

bool Is(std::monostate, const Row&) { return false; }

}  // namespace

bool Matches(const Predicate& predicate, const Row& row) {
  return std::visit([&](const auto& match) { return Is(match, row); }, predicate);
}

bool Matches(const Node& node, const Row& row) {
  switch (node.kind) {
    case Node::Kind::kTrue:
      return true;
    case Node::Kind::kAnd:
      for (const Node& child : node.children) {
        if (!Matches(child, row)) return false;
      }
      return true;
    case Node::Kind::kOr:
      for (const Node& child : node.children) {
        if (Matches(child, row)) return true;
      }
      return false;
    case Node::Kind::kNot:
      return !Matches(node.children[0], row);
    case Node::Kind::kPredicate:
      return Matches(node.predicate, row);
  }
  return false;
}

}  // namespace netdiag::internal
