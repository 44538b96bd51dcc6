// netdiag/types/address.h — addresses, prefixes, endpoints and hardware addresses as small
// comparable values, with Go net's text forms and questions.
//
//   Endpoint local = socket.local();
//   std::string text;
//   local.AppendTo(&text);                                    // "127.0.0.1:22", "[fe80::1%2]:22"
//   NETDIAG_ASSIGN_OR_RETURN(Cidr cidr, Cidr::Parse("10.1.2.3/8"));
//   if (cidr.network.Contains(local.address)) …
//
// Cost: no allocation but the caller's string, and that of an error.
// Threads: values.
// Errors: every bit pattern is an address, so only Parse() has any: kInvalidArgument with the text
// that was given and Go's reason.
// Source: RFC 5952 and inet_ntop(3) (text of IPv6), RFC 4291, RFC 4632, RFC 4007 (zones); Go's
// packages net and net/netip (names and meanings).

#ifndef NETDIAG_TYPES_ADDRESS_H_
#define NETDIAG_TYPES_ADDRESS_H_

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/base/attributes.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

#include "netdiag/types/types.h"

namespace netdiag {

class Mask;

// An IPv4 or IPv6 address. A v4-mapped IPv6 address stays IPv6 (ss and netstat show it as it is)
// and differs from the IPv4 address that it stands for, which Unmapped() gives.
class IpAddress {
 public:
  constexpr IpAddress() = default;  // 0.0.0.0
  // `octets` holds 4 bytes (kInet) or 16 (kInet6) in network order; fewer read as zero.
  static IpAddress FromNetwork(Family family, Bytes octets) {
    IpAddress address;
    address.family_ = family == Family::kInet6 ? Family::kInet6 : Family::kInet;
    const size_t size = std::min(address.octets().size(), octets.size());
    if (size != 0) std::memcpy(address.octets_.data(), octets.data(), size);
    return address;
  }
  static constexpr IpAddress V4(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
    IpAddress address;
    address.octets_ = {a, b, c, d};
    return address;
  }
  static constexpr IpAddress V6(const std::array<uint8_t, 16>& octets) {
    IpAddress address;
    address.family_ = Family::kInet6;
    address.octets_ = octets;
    return address;
  }
  // Reads what AppendTo() writes, and every other form of RFC 4291. As in Go, octets have no
  // leading zeros, and there is no zone.
  static absl::StatusOr<IpAddress> Parse(std::string_view text);

  constexpr Family family() const { return family_; }
  // 4 or 16 octets in network order. Lifetime: as the address.
  constexpr std::span<const uint8_t> octets() const ABSL_ATTRIBUTE_LIFETIME_BOUND {
    return {octets_.data(), family_ == Family::kInet6 ? size_t{16} : size_t{4}};
  }

  bool IsV4Mapped() const;
  IpAddress Unmapped() const;
  // The v4-mapped form of an IPv4 address; others as they are.
  IpAddress Mapped() const;
  // Equal, or one is the other's v4-mapped form (Go's IP.Equal).
  bool IsSameHost(const IpAddress& other) const { return Unmapped() == other.Unmapped(); }

  // 0.0.0.0 and :: alone, as in Go's netip.
  bool IsUnspecified() const;
  // Of a v4-mapped address the rest asks about the IPv4 address.
  bool IsLoopback() const;                 // 127/8, ::1
  bool IsPrivate() const;                  // RFC 1918, fc00::/7
  bool IsMulticast() const;                // 224/4, ff00::/8
  bool IsInterfaceLocalMulticast() const;  // ffx1::/16
  bool IsLinkLocalMulticast() const;       // 224.0.0/24, ffx2::/16
  bool IsLinkLocalUnicast() const;         // 169.254/16, fe80::/10
  // Neither unspecified, loopback, multicast, link-local nor 255.255.255.255; private ones are.
  bool IsGlobalUnicast() const;

  // Without the bits that `mask` leaves out. nullopt: one is IPv4 and the other IPv6.
  std::optional<IpAddress> Masked(const Mask& mask) const;
  // The mask of the address's class: /8, /16 or /24. nullopt: IPv6.
  std::optional<Mask> DefaultMask() const;

  // Appends "127.0.0.1" or RFC 5952 text, without brackets.
  void AppendTo(std::string* out) const;
  // The same at `out`, where kTextRoom bytes must be free. Answers the text's end.
  static constexpr size_t kTextRoom = 48;
  char* WriteTo(char* out) const;
  friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;
  template <class H>
  friend H AbslHashValue(H h, const IpAddress& address) {
    return H::combine(std::move(h), address.family_, address.octets_);
  }

 private:
  Family family_ = Family::kInet;
  std::array<uint8_t, 16> octets_{};
};

// Go's well-known addresses. Source: RFC 1112, RFC 4291.
inline constexpr IpAddress kIpv4Zero;
inline constexpr IpAddress kIpv4Broadcast = IpAddress::V4(255, 255, 255, 255);
inline constexpr IpAddress kIpv4AllSystems = IpAddress::V4(224, 0, 0, 1);
inline constexpr IpAddress kIpv4AllRouters = IpAddress::V4(224, 0, 0, 2);
inline constexpr IpAddress kIpv6Unspecified = IpAddress::V6({});
inline constexpr IpAddress kIpv6Loopback =
    IpAddress::V6({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
inline constexpr IpAddress kIpv6InterfaceLocalAllNodes =
    IpAddress::V6({0xff, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
inline constexpr IpAddress kIpv6LinkLocalAllNodes =
    IpAddress::V6({0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
inline constexpr IpAddress kIpv6LinkLocalAllRouters =
    IpAddress::V6({0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2});

// Which bits of an address count; any bits, not only a run of ones.
class Mask {
 public:
  constexpr Mask() = default;  // of IPv4, no bits
  // `ones` bits from the left. nullopt: more than the family's addresses have.
  static std::optional<Mask> OfLength(Family family, unsigned ones);
  static Mask FromNetwork(Family family, Bytes octets) {
    return Mask(IpAddress::FromNetwork(family, octets));
  }

  constexpr Family family() const { return bits_.family(); }
  constexpr std::span<const uint8_t> octets() const ABSL_ATTRIBUTE_LIFETIME_BOUND {
    return bits_.octets();
  }
  // nullopt: the ones are not one run from the left.
  std::optional<uint8_t> length() const;
  // Appends the bits in hexadecimal, "ffffff00".
  void AppendTo(std::string* out) const;
  friend constexpr auto operator<=>(const Mask&, const Mask&) = default;

 private:
  constexpr explicit Mask(const IpAddress& bits) : bits_(bits) {}
  IpAddress bits_;
};

// A network: the addresses that agree with one in the bits of a mask (Go's IPNet).
struct Prefix {
  IpAddress address;
  Mask mask;

  // As in Go, IPv4 and v4-mapped addresses are the same here: of the prefix, if its mask has the
  // mapping's 96 bits, and of `host`. So ::/0 has no IPv4 addresses in it.
  bool Contains(const IpAddress& host) const;
  // Appends "192.0.2.0/24", and of a mask that has no length "198.51.100.0/c000ff00".
  void AppendTo(std::string* out) const;
  friend constexpr auto operator<=>(const Prefix&, const Prefix&) = default;
};

// An address in a network: "192.0.2.1/24" is 192.0.2.1 in 192.0.2.0/24.
struct Cidr {
  IpAddress address;
  Prefix network;
  static absl::StatusOr<Cidr> Parse(std::string_view text);
  friend constexpr auto operator<=>(const Cidr&, const Cidr&) = default;
};

// An address and a port; of a link-local address, the interface too (Go's TCPAddr, UDPAddr and,
// with port 0, IPAddr).
struct Endpoint {
  // What a zone's text stands for; nullopt: there is no such interface.
  using ZoneNames = absl::FunctionRef<std::optional<IfIndex>(std::string_view zone)>;
  static std::optional<IfIndex> NumericZone(std::string_view zone);

  IpAddress address;
  Port port;
  IfIndex zone;  // 0: none

  // Reads "127.0.0.1:22", "[::1]:22", "[fe80::1%2]:22"; other zones than numbers by `zones`.
  static absl::StatusOr<Endpoint> Parse(std::string_view text, ZoneNames zones = NumericZone);
  // Reads an address and its zone alone: "127.0.0.1", "fe80::1%2".
  static absl::StatusOr<Endpoint> ParseHost(std::string_view text, ZoneNames zones = NumericZone);
  void AppendTo(std::string* out) const;
  void AppendHostTo(std::string* out) const;
  friend constexpr auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

// The parts of "host:port", "[host]:port", "host%zone:port" or "[host%zone]:port"; the port may be
// empty or a name. Lifetime: views of the text.
struct HostPort {
  std::string_view host;
  std::string_view port;
};
absl::StatusOr<HostPort> SplitHostPort(std::string_view text);
// Brackets stand around a host that has a colon in it.
std::string JoinHostPort(std::string_view host, std::string_view port);

// A link-layer address: 6, 8 or 20 octets in text, up to 32 from the kernel (MAX_ADDR_LEN).
class HardwareAddress {
 public:
  static constexpr size_t kMaxSize = 32;
  constexpr HardwareAddress() = default;  // of an interface that has none
  // More than kMaxSize octets are cut off.
  static HardwareAddress FromNetwork(Bytes octets);
  // "00:00:5e:00:53:01", "00-00-5e-00-53-01", "0000.5e00.5301"; of 8 and of 20 octets likewise.
  static absl::StatusOr<HardwareAddress> Parse(std::string_view text);

  constexpr std::span<const uint8_t> octets() const ABSL_ATTRIBUTE_LIFETIME_BOUND {
    return {octets_.data(), size_};
  }
  constexpr bool empty() const { return size_ == 0; }
  // Appends "00:00:5e:00:53:01".
  void AppendTo(std::string* out) const;
  friend constexpr auto operator<=>(const HardwareAddress&, const HardwareAddress&) = default;

 private:
  uint8_t size_ = 0;
  std::array<uint8_t, kMaxSize> octets_{};
};

// What `value` appends, as a string of its own.
template <class T>
std::string ToText(const T& value) {
  std::string text;
  value.AppendTo(&text);
  return text;
}

}  // namespace netdiag

#endif  // NETDIAG_TYPES_ADDRESS_H_
