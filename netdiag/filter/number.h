// netdiag/filter/number.h — Internal. Users want filter/filter.h.
//
// Whole numbers as ss takes them.

#ifndef NETDIAG_FILTER_NUMBER_H_
#define NETDIAG_FILTER_NUMBER_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "netdiag/types/parse_number.h"

namespace netdiag::internal {

inline bool StartsAsNumber(std::string_view text) {
  return !text.empty() && text[0] >= '0' && text[0] <= '9';
}

// As strtoul(3) with base 0: 0x1f, 017, 15.
inline std::optional<uint64_t> ParseNumberWithBase(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) {
    return ParseNumber<uint64_t>(text.substr(2), 16);
  }
  if (text.size() > 1 && text[0] == '0') return ParseNumber<uint64_t>(text.substr(1), 8);
  return ParseNumber<uint64_t>(text);
}

}  // namespace netdiag::internal

#endif  // NETDIAG_FILTER_NUMBER_H_
