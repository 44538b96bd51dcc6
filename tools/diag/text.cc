// Tested by tests/tools/text_test.cc.

#include "tools/diag/text.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cmath>
#include <ctime>
#include <unistd.h>

namespace diag {
namespace {

// Characters that are valid and yet change what the eye sees: direction marks and overrides,
// invisible separators.
bool Deceives(uint32_t c) {
  return (c >= 0x80 && c < 0xa0) || (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
         (c >= 0x2060 && c <= 0x2069) || c == 0xfeff || c == 0x061c ||
         (c >= 0xe0000 && c <= 0xe007f);
}

// `quotes`: further characters to escape.
void AppendEscaped(std::string_view name, std::string_view quotes, std::string* out) {
  const auto is_plain = [&](char c) {
    return c >= 0x20 && c < 0x7f && c != '\\' && quotes.find(c) == quotes.npos;
  };
  for (;;) {
    const auto plain = std::ranges::find_if_not(name, is_plain);
    out->append(name.begin(), plain);
    name.remove_prefix(static_cast<size_t>(plain - name.begin()));
    if (name.empty()) return;
    uint32_t c = 0;
    const size_t length = Utf8Length(name, &c);
    if (length == 0 || c < 0x20 || c == 0x7f || quotes.find(name[0]) != quotes.npos) {
      AppendHexEscape(name[0], out);
      name.remove_prefix(1);
      continue;
    }
    if (c == '\\') {
      out->append("\\\\");
    } else if (Deceives(c)) {
      out->append("\\u{");
      AppendNumber(c, out, 16);
      out->push_back('}');
    } else {
      out->append(name.substr(0, length));
    }
    name.remove_prefix(length);
  }
}

// `value` / 10^decimals without zeros at the end. REQUIRES: decimals <= 3.
char* WriteDecimal(uint64_t value, int decimals, char* out) {
  static constexpr std::array<uint64_t, 4> kScales = {1, 10, 100, 1000};
  const uint64_t scale = kScales[static_cast<size_t>(decimals)];
  out = WriteNumber(value / scale, out);
  uint64_t rest = value % scale;
  if (rest == 0) return out;
  *out = '.';
  for (int i = decimals; i > 0; --i, rest /= 10) out[i] = static_cast<char>('0' + rest % 10);
  out += decimals + 1;
  while (out[-1] == '0') --out;
  return out;
}

// %.3g of 1 to 999. Null: the number is another, or lies so close to the middle of two that only
// exact arithmetic can tell.
char* WriteThreeDigits(double value, char* out) {
  if (!(value >= 1 && value < 999)) return nullptr;
  // Where two decimals would round up to 10.0, one is enough; so for 100.
  const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  const double scaled = value * (decimals == 2 ? 100 : decimals == 1 ? 10 : 1);
  const auto whole = static_cast<uint64_t>(scaled);
  const double rest = scaled - static_cast<double>(whole);
  if (rest > 0.5 - 1e-6 && rest < 0.5 + 1e-6) return nullptr;
  return WriteDecimal(whole + (rest > 0.5 ? 1 : 0), decimals, out);
}

// How many digits `value` has: as many as its bits promise, or one more.
size_t DigitsOf(uint64_t value) {
  static constexpr auto kPowers = [] {
    std::array<uint64_t, 20> powers{};
    uint64_t power = 1;
    for (uint64_t& each : powers) {
      each = power;
      power *= 10;
    }
    return powers;
  }();
  // 1233 / 4096: the logarithm of 2, near enough for 64 bits.
  const size_t least = static_cast<size_t>(std::bit_width(value | 1)) * 1233 >> 12;
  return least + (least < kPowers.size() && (value | 1) >= kPowers[least] ? 1 : 0);
}

}  // namespace

void AppendHexEscape(char byte, std::string* out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  const auto bits = static_cast<unsigned char>(byte);
  out->append("\\x");
  out->push_back(kDigits[bits >> 4]);
  out->push_back(kDigits[bits & 15]);
}

std::chrono::nanoseconds Output::Clock::now() {
  timespec time = {};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

void Output::Flush() {
  size_t written = 0;
  while (errnum_ == 0 && written < size_) {
    const ssize_t n = write(fd_, buffer_.get() + written, size_ - written);
    if (n >= 0) {
      written += static_cast<size_t>(n);
    } else if (errno != EINTR) {
      errnum_ = errno;
    }
  }
  size_ = 0;
  written_ = Clock::now();
}

void Output::MakeRoom(size_t size) {
  Flush();
  if (size <= capacity_) return;
  capacity_ = size;
  buffer_ = std::make_unique_for_overwrite<char[]>(capacity_);
}

size_t Utf8Length(std::string_view text, uint32_t* code_point) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  if (text.empty()) return 0;
  const unsigned char lead = byte(0);
  if (lead < 0x80) {
    *code_point = lead;
    return 1;
  }
  const size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  uint32_t c = lead & (0xffu >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    c = (c << 6) | (byte(i) & 0x3f);
  }
  // Longer than needed, a surrogate, or beyond Unicode.
  static constexpr std::array<uint32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};
  if (c < kSmallest[length] || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff) return 0;
  *code_point = c;
  return length;
}

bool AppendUtf8(std::string_view bytes, std::string* out) {
  bool exact = true;
  while (!bytes.empty()) {
    uint32_t code_point = 0;
    const size_t length = Utf8Length(bytes, &code_point);
    out->append(length == 0 ? std::string_view("\xef\xbf\xbd") : bytes.substr(0, length));
    exact &= length != 0;
    bytes.remove_prefix(std::max<size_t>(length, 1));
  }
  return exact;
}

void AppendEscaped(std::string_view name, std::string* out) { AppendEscaped(name, "", out); }

void AppendQuoted(std::string_view name, std::string* out) {
  out->push_back('"');
  AppendEscaped(name, "\"", out);
  out->push_back('"');
}

void AppendUnixName(std::string_view name, std::string* out) {
  if (name.empty()) {
    out->push_back('*');
    return;
  }
  if (name.starts_with('\0')) {
    out->push_back('@');
    name.remove_prefix(1);
  } else if (name.starts_with('@') || name == "*") {
    AppendHexEscape(name[0], out);
    name.remove_prefix(1);
  }
  AppendEscaped(name, out);
}

char* WriteNumber(uint64_t value, char* out) {
  static constexpr auto kPairs = [] {
    std::array<char, 200> pairs{};
    for (size_t i = 0; i < 100; ++i) {
      pairs[2 * i] = static_cast<char>('0' + i / 10);
      pairs[2 * i + 1] = static_cast<char>('0' + i % 10);
    }
    return pairs;
  }();
  // Straight to where they stand: a copy of a few bytes is a call.
  char* const end = out + DigitsOf(value);
  char* at = end;
  for (; value >= 100; value /= 100) std::memcpy(at -= 2, &kPairs[2 * (value % 100)], 2);
  if (value >= 10) {
    std::memcpy(at - 2, &kPairs[2 * value], 2);
  } else {
    at[-1] = static_cast<char>('0' + value);
  }
  return end;
}

char* WriteThousandths(uint64_t value, char* out) {
  if (value >= 1'000'000) return WriteGeneral(static_cast<double>(value) / 1000, 6, out);
  // Six digits at most, which %g shows as they are, without the zeros at the end.
  return WriteDecimal(value, 3, out);
}

char* WriteGeneral(double value, int precision, char* out) {
  if (precision == 3) {
    if (char* const end = WriteThreeDigits(value, out)) return end;
  }
  return std::to_chars(out, out + kNumberRoom, value, std::chars_format::general, precision).ptr;
}

char* WriteFixed(double value, int precision, char* out) {
  // Below 2^53 a double is rounded to a whole number as printf does it: to even.
  if (precision == 0 && value >= 0 && value < 9e15) {
    return WriteNumber(static_cast<uint64_t>(std::llrint(value)), out);
  }
  return std::to_chars(out, out + kNumberRoom, value, std::chars_format::fixed, precision).ptr;
}

}  // namespace diag
