// netdiag/types/ascii.h — Internal. Upper and lower case of ASCII, whatever the locale.
//
// Threads: pure functions. Cost: no allocation.

#ifndef NETDIAG_TYPES_ASCII_H_
#define NETDIAG_TYPES_ASCII_H_

#include <algorithm>
#include <string_view>

namespace netdiag::internal {

constexpr char ToLower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

constexpr bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, ToLower, ToLower);
}

}  // namespace netdiag::internal

#endif  // NETDIAG_TYPES_ASCII_H_
