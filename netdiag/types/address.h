// netdiag/types/address.h — IP addresses and endpoints as small comparable values.
//
//   Endpoint local = socket.local();
//   std::string text;
//   local.AppendTo(&text);                                    // "127.0.0.1:22", "[fe80::1]:22"
//
// Cost: no allocation but the caller's string.
// Threads: values.
// Errors: none; every bit pattern is an address.
// Source of the text form: RFC 5952 (IPv6), inet_ntop(3).

#ifndef NETDIAG_TYPES_ADDRESS_H_
#define NETDIAG_TYPES_ADDRESS_H_

#include <algorithm>
#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

#include "absl/base/attributes.h"

#include "netdiag/types/types.h"

namespace netdiag {

// An IPv4 or IPv6 address. A v4-mapped IPv6 address stays IPv6 (ss and netstat show it as it is);
// Unmapped() gives the IPv4 address that it stands for.
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

  constexpr Family family() const { return family_; }
  // 4 or 16 octets in network order. Lifetime: as the address.
  constexpr std::span<const uint8_t> octets() const ABSL_ATTRIBUTE_LIFETIME_BOUND {
    return {octets_.data(), family_ == Family::kInet6 ? size_t{16} : size_t{4}};
  }
  bool IsUnspecified() const;
  bool IsLoopback() const;
  bool IsV4Mapped() const;
  IpAddress Unmapped() const;

  // Appends "127.0.0.1" or RFC 5952 text, without brackets.
  void AppendTo(std::string* out) const;
  friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  Family family_ = Family::kInet;
  std::array<uint8_t, 16> octets_{};
};

// An address and a port.
struct Endpoint {
  IpAddress address;
  Port port;
  // Appends "127.0.0.1:22" or "[::1]:22" (Go's JoinHostPort).
  void AppendTo(std::string* out) const;
  friend constexpr auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

}  // namespace netdiag

#endif  // NETDIAG_TYPES_ADDRESS_H_
