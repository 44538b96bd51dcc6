// SPDX-License-Identifier: Apache-2.0
//
// netdiag/types/address.h — addresses, prefixes, endpoints and hardware addresses as small values
// that can be compared, with the text forms and predicates of Go's package net.
//
//   Endpoint local = socket.local();
//   std::string text;
//   local.AppendTo(&text);                                    // "127.0.0.1:22", "[fe80::1%2]:22"
//   NETDIAG_ASSIGN_OR_RETURN(Cidr cidr, Cidr::Parse("10.1.2.3/8"));
//   if (cidr.network.Contains(local.address)) …
//
// Cost: no allocation except in the caller's string and in errors.
// Threads: values.
// Errors: every bit pattern is an address, so only Parse() and Split() functions return errors:
// kInvalidArgument with the given text and Go's reason.
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

#include "netdiag/types/abseil.h"
#include "netdiag/types/types.h"

namespace netdiag {

class Mask;

// An IPv4 or IPv6 address. A v4-mapped IPv6 address is an IPv6 address, as ss and netstat show it,
// and is not equal to the IPv4 address inside it, which Unmapped() returns.
class IpAddress {
 public:
  constexpr IpAddress() = default;  // 0.0.0.0
  // `octets` holds 4 bytes (kInet) or 16 bytes (kInet6) in network order. Missing bytes are zero.
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
  // Reads the text that AppendTo() writes and every other form of RFC 4291. As in Go, octets with
  // leading zeros and zones are errors.
  static absl::StatusOr<IpAddress> Parse(std::string_view text);

  constexpr Family family() const { return family_; }
  // The 4 or 16 octets in network order. Lifetime: as the address.
  constexpr std::span<const uint8_t> octets() const ABSL_ATTRIBUTE_LIFETIME_BOUND {
    return {octets_.data(), family_ == Family::kInet6 ? size_t{16} : size_t{4}};
  }

  bool IsV4Mapped() const;
  // The IPv4 address in a v4-mapped address; other addresses unchanged.
  IpAddress Unmapped() const;
  // The v4-mapped form of an IPv4 address; other addresses unchanged.
  IpAddress Mapped() const;
  // True if the addresses are equal or one is the v4-mapped form of the other (Go's IP.Equal).
  bool IsSameHost(const IpAddress& other) const { return Unmapped() == other.Unmapped(); }

  // True for 0.0.0.0 and :: only, as in Go's netip.
  bool IsUnspecified() const;
  // For a v4-mapped address, the following predicates test the IPv4 address inside it.
  bool IsLoopback() const;                 // 127/8, ::1
  bool IsPrivate() const;                  // RFC 1918, fc00::/7
  bool IsMulticast() const;                // 224/4, ff00::/8
  bool IsInterfaceLocalMulticast() const;  // ffx1::/16
  bool IsLinkLocalMulticast() const;       // 224.0.0/24, ffx2::/16
  bool IsLinkLocalUnicast() const;         // 169.254/16, fe80::/10
  // False for unspecified, loopback, multicast and link-local addresses and for 255.255.255.255.
  // True for private addresses.
  bool IsGlobalUnicast() const;

  // The address with the bits outside `mask` cleared. nullopt if the families differ.
  std::optional<IpAddress> Masked(const Mask& mask) const;
  // The mask of the address's class: /8, /16 or /24. nullopt for IPv6.
  std::optional<Mask> DefaultMask() const;

  // Appends "127.0.0.1" or RFC 5952 text, without brackets.
  void AppendTo(std::string* out) const;
  // Writes the same text at `out`, which must have room for kTextRoom bytes. Returns its end.
  static constexpr size_t kTextRoom = 48;
  char* WriteTo(char* out) const;
  friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;
  template <class H>
  friend H AbslHashValue(H h, const IpAddress& address) {
    return H::combine(std::move(h), address.family_, address.octets_);
  }
  // Prints the text of AppendTo().
  template <class C, class Traits>
  friend std::basic_ostream<C, Traits>& operator<<(std::basic_ostream<C, Traits>& out,
                                                   const IpAddress& address) {
    char text[kTextRoom + 1] = {};
    *address.WriteTo(text) = '\0';
    return out << static_cast<const char*>(text);
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

// The bits of an address that count. They can be any bits, not only a run of ones from the left.
class Mask {
 public:
  constexpr Mask() = default;  // IPv4, no bits
  // A mask of `ones` bits from the left. nullopt if addresses of the family have fewer bits.
  static std::optional<Mask> OfLength(Family family, unsigned ones);
  static Mask FromNetwork(Family family, Bytes octets) {
    return Mask(IpAddress::FromNetwork(family, octets));
  }

  constexpr Family family() const { return bits_.family(); }
  constexpr std::span<const uint8_t> octets() const ABSL_ATTRIBUTE_LIFETIME_BOUND {
    return bits_.octets();
  }
  // The number of ones; nullopt if they are not one run from the left.
  std::optional<uint8_t> length() const;
  // Appends the bits in hexadecimal, "ffffff00".
  void AppendTo(std::string* out) const;
  friend constexpr auto operator<=>(const Mask&, const Mask&) = default;

 private:
  constexpr explicit Mask(const IpAddress& bits) : bits_(bits) {}
  IpAddress bits_;
};

// A network: all addresses that equal `address` in the bits of `mask` (Go's IPNet).
struct Prefix {
  IpAddress address = {};
  Mask mask = {};

  // As in Go, a v4-mapped `host` counts as IPv4, and so does a v4-mapped prefix whose mask covers
  // the 96 bits of the mapping. Therefore ::/0 contains no IPv4 address.
  bool Contains(const IpAddress& host) const;
  // Appends "192.0.2.0/24", or "198.51.100.0/c000ff00" if the mask has no length.
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

// An address and a port, and for a link-local address its interface (Go's TCPAddr and UDPAddr, and
// IPAddr with port 0).
struct Endpoint {
  // Returns the interface for the text of a zone; nullopt if there is no such interface.
  using ZoneNames = absl::FunctionRef<std::optional<IfIndex>(std::string_view zone)>;
  static std::optional<IfIndex> NumericZone(std::string_view zone);

  IpAddress address = {};
  Port port = {};
  IfIndex zone = {};  // 0: none

  // Reads "127.0.0.1:22", "[::1]:22", "[fe80::1%2]:22". `zones` reads the zone.
  static absl::StatusOr<Endpoint> Parse(std::string_view text, ZoneNames zones = NumericZone);
  // Reads an address and its zone without a port: "127.0.0.1", "fe80::1%2".
  static absl::StatusOr<Endpoint> ParseHost(std::string_view text, ZoneNames zones = NumericZone);
  void AppendTo(std::string* out) const;
  void AppendHostTo(std::string* out) const;
  friend constexpr auto operator<=>(const Endpoint&, const Endpoint&) = default;
  template <class H>
  friend H AbslHashValue(H h, const Endpoint& end) {
    return H::combine(std::move(h), end.address, end.port, end.zone);
  }
  // Prints the text of AppendTo().
  template <class C, class Traits>
  friend std::basic_ostream<C, Traits>& operator<<(std::basic_ostream<C, Traits>& out,
                                                   const Endpoint& end) {
    std::string text;
    end.AppendTo(&text);
    return out << text.c_str();
  }
};

// The parts of "host:port", "[host]:port", "host%zone:port" or "[host%zone]:port"; the port may be
// empty or a name. Lifetime: views of the text.
struct HostPort {
  std::string_view host;
  std::string_view port;
};
absl::StatusOr<HostPort> SplitHostPort(std::string_view text);
// Puts brackets around a host that contains a colon.
std::string JoinHostPort(std::string_view host, std::string_view port);

// A link-layer address: 6, 8 or 20 octets in text, up to 32 from the kernel (MAX_ADDR_LEN).
class HardwareAddress {
 public:
  static constexpr size_t kMaxSize = 32;
  constexpr HardwareAddress() = default;  // empty: the interface has no address
  // Octets beyond kMaxSize are ignored.
  static HardwareAddress FromNetwork(Bytes octets);
  // Reads "00:00:5e:00:53:01", "00-00-5e-00-53-01" and "0000.5e00.5301", with 6, 8 or 20 octets.
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

// The text that value.AppendTo() appends.
template <class T>
std::string ToText(const T& value) {
  std::string text;
  value.AppendTo(&text);
  return text;
}

}  // namespace netdiag

template <>
struct std::hash<netdiag::IpAddress> {
  size_t operator()(const netdiag::IpAddress& address) const {
    const auto octets = address.octets();
    return std::hash<std::string_view>()(
        {reinterpret_cast<const char*>(octets.data()), octets.size()});
  }
};
template <>
struct std::hash<netdiag::Endpoint> {
  size_t operator()(const netdiag::Endpoint& end) const {
    size_t mixed = std::hash<netdiag::IpAddress>()(end.address);
    mixed = mixed * 31 + end.port.value();
    return mixed * 31 + end.zone.value();
  }
};

#endif  // NETDIAG_TYPES_ADDRESS_H_
