// Text of IPv6 addresses is RFC 5952's, and of the special ones inet_ntop(3)'s; that function
// itself costs as much as the rest of a row. Tested by tests/types/address_test.cc.

#include "netdiag/types/address.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace netdiag {
namespace {

constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

char* WriteV4(const uint8_t* octets, char* out) {
  for (size_t i = 0; i < 4; ++i) {
    if (i > 0) *out++ = '.';
    const unsigned octet = octets[i];
    if (octet >= 100) *out++ = static_cast<char>('0' + octet / 100);
    if (octet >= 10) *out++ = static_cast<char>('0' + octet / 10 % 10);
    *out++ = static_cast<char>('0' + octet % 10);
  }
  return out;
}

char* WriteV6(const uint8_t* octets, char* out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  const auto group = [octets](size_t i) {
    return unsigned{octets[2 * i]} << 8 | octets[2 * i + 1];
  };
  // The first of the longest runs of two or more zero groups is left out.
  size_t run = 8;
  size_t run_length = 1;
  for (size_t i = 0; i < 8;) {
    size_t end = i;
    while (end < 8 && group(end) == 0) ++end;
    if (end - i > run_length) {
      run = i;
      run_length = end - i;
    }
    i = end + 1;
  }
  for (size_t i = 0; i < 8; ++i) {
    if (i == run) {
      *out++ = ':';
      i += run_length;
      if (i == 8) *out++ = ':';
      if (i == 8) break;
    }
    if (i > 0) *out++ = ':';
    // IPv4 in IPv6: ::a.b.c.d and ::ffff:a.b.c.d.
    const bool v4 =
        i == 6 && run == 0 && (run_length == 6 || (run_length == 5 && group(5) == 0xffff));
    if (v4) return WriteV4(octets + 12, out);
    const unsigned value = group(i);
    for (int shift = value > 0xfff  ? 12
                     : value > 0xff ? 8
                     : value > 0xf  ? 4
                                    : 0;
         shift >= 0; shift -= 4) {
      *out++ = kDigits[value >> shift & 0xf];
    }
  }
  return out;
}

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
  char text[sizeof("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255")];
  char* const end =
      family_ == Family::kInet ? WriteV4(octets_.data(), text) : WriteV6(octets_.data(), text);
  out->append(text, static_cast<size_t>(end - text));
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
