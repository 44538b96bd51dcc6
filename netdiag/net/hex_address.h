// netdiag/net/hex_address.h — Internal. IPv6 addresses as files of /proc/net have them.
//
// Threads: pure functions. Cost: no allocation. Errors: std::nullopt.

#ifndef NETDIAG_NET_HEX_ADDRESS_H_
#define NETDIAG_NET_HEX_ADDRESS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "netdiag/types/address.h"
#include "netdiag/types/parse_number.h"
#include "netdiag/types/proc_file.h"

namespace netdiag::internal {

// Removes the next word from the front of `text` and reads it as 32 hexadecimal digits.
inline std::optional<IpAddress> TakeHexAddress(std::string_view* text) {
  const std::string_view digits = TakeWord(" \t", text);
  std::array<uint8_t, 16> octets{};
  if (digits.size() != 2 * octets.size()) return std::nullopt;
  for (size_t i = 0; i < octets.size(); ++i) {
    const std::optional<uint8_t> octet = ParseNumber<uint8_t>(digits.substr(2 * i, 2), 16);
    if (!octet) return std::nullopt;
    octets[i] = *octet;
  }
  return IpAddress::V6(octets);
}

}  // namespace netdiag::internal

#endif  // NETDIAG_NET_HEX_ADDRESS_H_
