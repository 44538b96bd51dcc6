// netdiag/filter/number.h — Internal. Users want filter/filter.h.
//
// Whole numbers as ss takes them.

#ifndef NETDIAG_FILTER_NUMBER_H_
#define NETDIAG_FILTER_NUMBER_H_

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

namespace netdiag::internal {

inline bool StartsAsNumber(std::string_view text) {
  return !text.empty() && text[0] >= '0' && text[0] <= '9';
}

// All of `text`, in `base`.
inline std::optional<uint64_t> ParseDigits(std::string_view text, int base) {
  uint64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number, base);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}
inline std::optional<uint64_t> ParseDecimalNumber(std::string_view text) {
  return ParseDigits(text, 10);
}

// As strtoul(3) does with base 0: 0x1f, 017, 15.
inline std::optional<uint64_t> ParseNumber(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) return ParseDigits(text.substr(2), 16);
  if (text.size() > 1 && text[0] == '0') return ParseDigits(text.substr(1), 8);
  return ParseDecimalNumber(text);
}

}  // namespace netdiag::internal

#endif  // NETDIAG_FILTER_NUMBER_H_
