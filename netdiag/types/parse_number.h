// netdiag/types/parse_number.h — Internal. Reads numbers in text, for every parser of the project.
//
// Threads: pure functions. Cost: no allocation. Errors: std::nullopt.

#ifndef NETDIAG_TYPES_PARSE_NUMBER_H_
#define NETDIAG_TYPES_PARSE_NUMBER_H_

#include <charconv>
#include <cstddef>
#include <optional>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace netdiag::internal {

// Removes a number without a sign from the front of `text` and returns it. Returns nullopt and
// leaves `text` alone if there is no number or if it does not fit T.
template <class T>
std::optional<T> TakeNumber(std::string_view* text, int base = 10) {
  T number = T();
  const char* const end = text->data() + text->size();
  std::from_chars_result parsed;
  if (text->starts_with('-')) return std::nullopt;
  if constexpr (std::is_floating_point_v<T>) {
    parsed = std::from_chars(text->data(), end, number);
  } else {
    parsed = std::from_chars(text->data(), end, number, base);
  }
  if (parsed.ec != std::errc()) return std::nullopt;
  text->remove_prefix(static_cast<size_t>(parsed.ptr - text->data()));
  return number;
}

// The whole `text` as a number without a sign; nullopt if it is anything else.
template <class T>
std::optional<T> ParseNumber(std::string_view text, int base = 10) {
  const std::optional<T> number = TakeNumber<T>(&text, base);
  return text.empty() ? number : std::nullopt;
}

}  // namespace netdiag::internal

#endif  // NETDIAG_TYPES_PARSE_NUMBER_H_
