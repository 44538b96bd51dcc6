// Tested by tests/tools/text_test.cc.

#include "tools/diag/text.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <ctime>
#include <poll.h>
#include <span>
#include <unistd.h>

namespace diag {
namespace {

// Characters that are valid but change what a reader sees: direction marks and overrides,
// characters that show nothing, and blanks other than the ASCII one. Source: the properties
// Default_Ignorable_Code_Point and White_Space of Unicode 15, and the interlinear annotations.
struct Range {
  uint32_t first, last;
};
constexpr auto kDeceptive = std::to_array<Range>({
    {0x80, 0xa0},       {0xad, 0xad},     {0x34f, 0x34f},   {0x61c, 0x61c},     {0x115f, 0x1160},
    {0x1680, 0x1680},   {0x17b4, 0x17b5}, {0x180b, 0x180f}, {0x2000, 0x200f},   {0x2028, 0x202f},
    {0x205f, 0x206f},   {0x2800, 0x2800}, {0x3000, 0x3000}, {0x3164, 0x3164},   {0xfe00, 0xfe0f},
    {0xfeff, 0xfeff},   {0xffa0, 0xffa0}, {0xfff0, 0xfffb}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
    {0xe0000, 0xe0fff},
});

bool Deceives(uint32_t c) {
  const auto* const range = std::ranges::lower_bound(kDeceptive, c, {}, &Range::last);
  return range != kDeceptive.end() && c >= range->first;
}

// `quotes`: more characters to escape.
void AppendEscaped(std::string_view name, std::string_view quotes, std::string* out) {
  // A loop costs less than memchr() for one or two characters.
  const auto is_quote = [&](char c) { return std::ranges::find(quotes, c) != quotes.end(); };
  const auto is_plain = [&](char c) { return c >= 0x20 && c < 0x7f && c != '\\' && !is_quote(c); };
  for (;;) {
    const auto plain = std::ranges::find_if_not(name, is_plain);
    out->append(name.begin(), plain);
    name.remove_prefix(static_cast<size_t>(plain - name.begin()));
    if (name.empty()) return;
    uint32_t c = 0;
    const size_t length = Utf8Length(name, &c);
    if (length == 0 || c < 0x20 || c == 0x7f || is_quote(name[0])) {
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

// "00" to "99".
constexpr auto kPairs = [] {
  std::array<std::array<char, 2>, 100> pairs{};
  for (size_t i = 0; i < pairs.size(); ++i) {
    pairs[i] = {static_cast<char>('0' + i / 10), static_cast<char>('0' + i % 10)};
  }
  return pairs;
}();

char* WritePair(uint64_t value, char* out) {
  std::memcpy(out, kPairs[value].data(), 2);
  return out + 2;
}

// REQUIRES: value < 10'000.
char* WriteFourDigits(uint64_t value, char* out) {
  return WritePair(value % 100, WritePair(value / 100, out));
}

// The same without zeros in front.
char* WriteUpToFourDigits(uint64_t value, char* out) {
  if (value < 10) {
    *out = static_cast<char>('0' + value);
    return out + 1;
  }
  if (value < 100) return WritePair(value, out);
  if (value >= 1000) return WriteFourDigits(value, out);
  *out = static_cast<char>('0' + value / 100);
  return WritePair(value % 100, out + 1);
}

// Writes the point and `digits` digits of `fraction`, without zeros at the end.
char* WriteFraction(uint64_t fraction, int digits, char* out) {
  if (fraction == 0) return out;
  *out = '.';
  for (int i = digits; i > 0; --i, fraction /= 10) out[i] = static_cast<char>('0' + fraction % 10);
  out += digits + 1;
  while (out[-1] == '0') --out;
  return out;
}

// Writes %.{digits}g of a number of at least 1 that has at most `digits` digits before the point.
// Returns null for other numbers, and for a number so close to the middle between two results that
// only exact arithmetic can round it. REQUIRES: digits <= 6.
char* WriteDigits(double value, int digits, char* out) {
  static constexpr std::array<uint64_t, 7> kScales = {1, 10, 100, 1000, 10'000, 100'000, 1'000'000};
  if (!(value >= 1 && value < static_cast<double>(kScales[static_cast<size_t>(digits)] - 1))) {
    return nullptr;
  }
  int decimals = digits - 1;
  for (uint64_t whole = 10; value >= static_cast<double>(whole); whole *= 10) --decimals;
  const uint64_t scale = kScales[static_cast<size_t>(decimals)];
  const double scaled = value * static_cast<double>(scale);
  auto rounded = static_cast<uint64_t>(scaled);
  const double rest = scaled - static_cast<double>(rounded);
  if (rest > 0.5 - 1e-6 && rest < 0.5 + 1e-6) return nullptr;
  if (rest > 0.5) ++rounded;
  return WriteFraction(rounded % scale, decimals, WriteNumber(rounded / scale, out));
}

}  // namespace

void AppendHex(netdiag::Bytes bytes, std::string* out) {
  static constexpr char kDigits[] = "0123456789abcdef";
  for (const std::byte byte : bytes) {
    out->push_back(kDigits[std::to_integer<size_t>(byte) >> 4]);
    out->push_back(kDigits[std::to_integer<size_t>(byte) & 15]);
  }
}

void AppendHexEscape(char byte, std::string* out) {
  out->append("\\x");
  AppendHex(std::as_bytes(std::span(&byte, 1)), out);
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
    } else if (errno == EAGAIN) {
      // The descriptor is non-blocking and its reader is slow. If poll() fails or reports an error,
      // write() says which.
      pollfd ready = {.fd = fd_, .events = POLLOUT, .revents = 0};
      poll(&ready, 1, -1);
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
  // Refuse overlong forms, surrogates, and values beyond Unicode.
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

void AppendField(std::string_view name, std::string* out) { AppendEscaped(name, " \"", out); }

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
  AppendField(name, out);
}

char* WriteNumber(uint64_t value, char* out) {
  constexpr uint64_t kScale = 10'000;
  if (value < kScale) return WriteUpToFourDigits(value, out);
  out = value < kScale * kScale ? WriteUpToFourDigits(value / kScale, out)
                                : WriteNumber(value / kScale, out);
  return WriteFourDigits(value % kScale, out);
}

char* WriteThousandths(uint64_t value, char* out) {
  if (value >= 1'000'000) return WriteGeneral(static_cast<double>(value) / 1000, 6, out);
  // The number has at most six digits, so %g shows all of them, without zeros at the end.
  return WriteFraction(value % 1000, 3, WriteNumber(value / 1000, out));
}

char* WriteGeneral(double value, int precision, char* out) {
  if (value == 0 && !std::signbit(value)) return WriteNumber(0, out);
  if (precision == 3 || precision == 6) {
    if (char* const end = WriteDigits(value, precision, out)) return end;
  }
  return std::to_chars(out, out + kNumberRoom, value, std::chars_format::general, precision).ptr;
}

char* WriteFixed(double value, int precision, char* out) {
  // Below 2^53 llrint() rounds as printf does: halves to even.
  if (precision == 0 && value < 9e15 && !std::signbit(value)) {
    return WriteNumber(static_cast<uint64_t>(std::llrint(value)), out);
  }
  return std::to_chars(out, out + kNumberRoom, value, std::chars_format::fixed, precision).ptr;
}

}  // namespace diag
