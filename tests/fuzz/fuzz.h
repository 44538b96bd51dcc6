// tests/fuzz/fuzz.h — the entry point of a fuzz target, a check that does not depend on NDEBUG, and
// a sink that keeps the compiler from removing reads.

#ifndef NETDIAG_TESTS_FUZZ_FUZZ_H_
#define NETDIAG_TESTS_FUZZ_FUZZ_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "netdiag/types/types.h"

// The entry point that libFuzzer calls. Always returns 0.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace netdiag::fuzz {

inline void Check(bool good) {
  if (!good) __builtin_trap();
}

inline Bytes AsBytes(const uint8_t* data, size_t size) {
  return std::as_bytes(std::span(data, size));
}

// Reads every byte.
inline void Touch(Bytes bytes) {
  [[maybe_unused]] static volatile uint64_t sink;
  uint64_t sum = 0;
  for (std::byte byte : bytes) sum = sum * 31 + std::to_integer<uint64_t>(byte);
  sink = sum;
}
inline void Touch(std::string_view text) {
  Touch(std::as_bytes(std::span(text.data(), text.size())));
}
template <class T>
void TouchValue(const T& value) {
  Touch(std::as_bytes(std::span(&value, 1)));
}
template <class T>
void TouchValue(const std::optional<T>& value) {
  if (value) TouchValue(*value);
}

}  // namespace netdiag::fuzz

#endif  // NETDIAG_TESTS_FUZZ_FUZZ_H_
