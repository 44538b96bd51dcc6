// Text of IPv6 addresses goes through inet_ntop(3), which writes RFC 5952. Tested by
// tests/types/address_test.cc.

#include "netdiag/types/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace netdiag {
namespace {

constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

}  // namespace

bool IpAddress::IsUnspecified() const {
  return std::ranges::all_of(octets_, [](uint8_t octet) { return octet == 0; });
}

bool IpAddress::IsV4Mapped() const {
  return family_ == Family::kInet6 &&
         std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), octets_.begin());
}

bool IpAddress::IsLoopback() const {
  if (family_ == Family::kInet) return octets_[0] == 127;
  static constexpr std::array<uint8_t, 16> kLoopback = {0, 0, 0, 0, 0, 0, 0, 0,
                                                        0, 0, 0, 0, 0, 0, 0, 1};
  return octets_ == kLoopback;
}

IpAddress IpAddress::Unmapped() const {
  return IsV4Mapped() ? V4(octets_[12], octets_[13], octets_[14], octets_[15]) : *this;
}

void IpAddress::AppendTo(std::string* out) const {
  if (family_ == Family::kInet) {
    char octets[sizeof("255.255.255.255")];
    char* end = octets;
    for (const uint8_t octet : this->octets()) {
      end = std::to_chars(end, octets + sizeof(octets), octet).ptr;
      *end++ = '.';
    }
    out->append(octets, end - 1);
    return;
  }
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(static_cast<int>(family_), octets_.data(), text, sizeof(text));
  out->append(text);
}

void Endpoint::AppendTo(std::string* out) const {
  const bool brackets = address.family() == Family::kInet6;
  if (brackets) out->push_back('[');
  address.AppendTo(out);
  out->append(brackets ? "]:" : ":");
  char digits[8];
  const auto end = std::to_chars(digits, digits + sizeof(digits), port.value()).ptr;
  out->append(digits, end);
}

}  // namespace netdiag
