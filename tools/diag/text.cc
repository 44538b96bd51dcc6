// Tested by tests/tools/text_test.cc.

#include "tools/diag/text.h"

#include <algorithm>
#include <array>
#include <cerrno>
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

void AppendGeneral(double value, std::string* out, int precision) {
  char digits[64];
  const auto end =
      std::to_chars(digits, digits + sizeof(digits), value, std::chars_format::general, precision)
          .ptr;
  out->append(digits, end);
}

void AppendFixed(double value, std::string* out, int precision) {
  char digits[400];  // the largest double has 309 digits before its point
  const auto end =
      std::to_chars(digits, digits + sizeof(digits), value, std::chars_format::fixed, precision)
          .ptr;
  out->append(digits, end);
}

}  // namespace diag
