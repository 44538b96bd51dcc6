// Tested by tests/filter/parse_test.cc.

#include "netdiag/filter/words.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <utility>

#include "netdiag/field_words.h"
#include "netdiag/types/ascii.h"
#include "netdiag/types/parse_number.h"

namespace netdiag::internal {
namespace {

// The words other than names of fields that begin a predicate.
constexpr auto kOtherWords =
    std::to_array<std::string_view>({"src", "dst", "sport", "dport", "autobound", "not"});

// ---- Units ----

// A number with this suffix is multiplied by multiplier / divisor to get the field's own unit.
struct Suffix {
  std::string_view text;
  uint64_t multiplier;
  uint64_t divisor = 1;
};

constexpr uint64_t kKibi = 1024;
constexpr auto kMicrosecondSuffixes = std::to_array<Suffix>({
    {"us", 1},
    {"ms", 1000},
    {"s", 1'000'000},
    {"min", 60'000'000},
    {"h", 3'600'000'000},
});
constexpr auto kMillisecondSuffixes = std::to_array<Suffix>({
    {"us", 1, 1000},
    {"ms", 1},
    {"s", 1000},
    {"min", 60'000},
    {"h", 3'600'000},
});
constexpr auto kByteSuffixes = std::to_array<Suffix>({
    {"", 1},
    {"B", 1},
    {"k", kKibi},
    {"K", kKibi},
    {"M", kKibi* kKibi},
    {"G", kKibi* kKibi* kKibi},
    {"T", kKibi* kKibi* kKibi* kKibi},
    {"KiB", kKibi},
    {"MiB", kKibi* kKibi},
    {"GiB", kKibi* kKibi* kKibi},
    {"TiB", kKibi* kKibi* kKibi* kKibi},
});
// The suffixes in bits a second are those that ss prints.
constexpr auto kRateSuffixes = std::to_array<Suffix>({
    {"", 1},
    {"k", 1000},
    {"K", 1000},
    {"M", 1'000'000},
    {"G", 1'000'000'000},
    {"bps", 1, 8},
    {"kbps", 1000, 8},
    {"Kbps", 1000, 8},
    {"Mbps", 1'000'000, 8},
    {"Gbps", 1'000'000'000, 8},
});
constexpr auto kRatioSuffixes = std::to_array<Suffix>({{"", 256}});
constexpr auto kCountSuffixes = std::to_array<Suffix>({
    {"", 1},
    {"k", 1000},
    {"K", 1000},
    {"M", 1'000'000},
    {"G", 1'000'000'000},
});

std::span<const Suffix> SuffixesOf(Unit unit) {
  switch (unit) {
    case Unit::kMicroseconds:
      return kMicrosecondSuffixes;
    case Unit::kMilliseconds:
      return kMillisecondSuffixes;
    case Unit::kBytes:
      return kByteSuffixes;
    case Unit::kBytesPerSecond:
      return kRateSuffixes;
    case Unit::k256ths:
      return kRatioSuffixes;
    case Unit::kNone:
    case Unit::kPackets:
      return kCountSuffixes;
  }
  return kCountSuffixes;
}

bool IsTime(Unit unit) { return unit == Unit::kMicroseconds || unit == Unit::kMilliseconds; }

constexpr uint64_t kMax = ~uint64_t{0};

// A decimal number: "12.50" has digits 1250 and scale 100.
struct Decimal {
  uint64_t digits = 0;
  uint64_t scale = 1;
  size_t length = 0;  // the number of characters read; 0: the text does not begin with a number
  bool overflow = false;
};
Decimal ParseDecimal(std::string_view text) {
  Decimal number;
  bool point = false;
  for (; number.length < text.size(); ++number.length) {
    const char c = text[number.length];
    if (c == '.' && !point && number.length > 0) {
      point = true;
      continue;
    }
    if (c < '0' || c > '9') break;
    const auto digit = static_cast<uint64_t>(c - '0');
    if (number.digits > (kMax - digit) / 10 || (point && number.scale > kMax / 10)) {
      number.overflow = true;
    } else {
      number.digits = number.digits * 10 + digit;
      if (point) number.scale *= 10;
    }
  }
  if (number.length > 0 && text[number.length - 1] == '.') number.length = 0;
  return number;
}

std::optional<uint64_t> Scale(const Decimal& number, const Suffix& suffix, std::string* why) {
  using Wide = unsigned __int128;
  const Wide product = Wide{number.digits} * suffix.multiplier;
  const Wide divisor = Wide{number.scale} * suffix.divisor;
  if (number.overflow || product / divisor > kMax) {
    *why = "the number is too large";
    return std::nullopt;
  }
  if (product % divisor != 0) {
    *why = "this is finer than the field's unit";
    if (suffix.multiplier == 256) *why += ", which is 1/256";
    return std::nullopt;
  }
  return static_cast<uint64_t>(product / divisor);
}

std::string Expected(Unit unit) {
  if (IsTime(unit)) return "a time with its unit is expected: 500us, 100ms, 1.5s, 2min or 1h";
  if (unit == Unit::kBytes) return "a size is expected: 1000, 64k, 1.5M or 2G (k is 1024)";
  if (unit == Unit::kBytesPerSecond) {
    return "a rate is expected, in bytes a second (5000, 10k; k is 1000) or in bits (10Mbps)";
  }
  if (unit == Unit::k256ths) return "a ratio is expected, in steps of 1/256: 1, 1.25 or 2.8828125";
  return "a number is expected: 10, 0x1f, 5k or 2M (k is 1000)";
}

// ---- Globs ----

char Fold(char c, GlobOf of) {
  if (of == GlobOf::kText) return c;
  return c == '\0' ? '@' : ToLower(c);
}

// True if `c` is in the set that begins with the '[' at pattern[*at]. Moves *at behind it.
// `last_close`: the last ']' of the pattern, or npos. A '[' without a ']' is an ordinary character.
bool InSet(std::string_view pattern, size_t last_close, size_t* at, char c, GlobOf of) {
  size_t i = *at + 1;
  const bool negated = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (negated) ++i;
  const size_t first = i;
  if (last_close == pattern.npos || last_close <= first) {
    ++*at;
    return c == '[';
  }
  bool found = false;
  for (; pattern[i] != ']' || i == first; ++i) {
    const char low = Fold(pattern[i], of);
    char high = low;
    if (pattern[i + 1] == '-' && pattern[i + 2] != ']') {
      high = Fold(pattern[i + 2], of);
      i += 2;
    }
    found |= static_cast<unsigned char>(c) >= static_cast<unsigned char>(low) &&
             static_cast<unsigned char>(c) <= static_cast<unsigned char>(high);
  }
  *at = i + 1;
  return found != negated;
}

}  // namespace

std::string FilterName(const Field& field) {
  if (FindFieldByWord(field.name) == &field) return std::string(field.name);
  return std::string(Name(field.group)).append(".").append(field.name);
}

bool BeginsPredicate(std::string_view word) {
  return std::ranges::find(kOtherWords, word) != kOtherWords.end() ||
         FindFieldByWord(word) != nullptr;
}

std::string NearestWord(std::string_view word) { return NearestFieldWord(word, kOtherWords); }

bool StartsAsNumber(std::string_view text) {
  return !text.empty() && text[0] >= '0' && text[0] <= '9';
}

std::optional<uint64_t> ParseNumberWithBase(std::string_view text) {
  if (text.starts_with("0x") || text.starts_with("0X")) {
    return ParseNumber<uint64_t>(text.substr(2), 16);
  }
  if (text.size() > 1 && text[0] == '0') return ParseNumber<uint64_t>(text.substr(1), 8);
  return ParseNumber<uint64_t>(text);
}

std::optional<uint64_t> ParseAmount(std::string_view text, Unit unit, std::string* why) {
  if (text.starts_with("0x") || text.starts_with("0X")) {
    uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + 2, end, number, 16);
    if (error == std::errc() && stop == end && !IsTime(unit) && unit != Unit::k256ths) {
      return number;
    }
    *why = error == std::errc::result_out_of_range ? "the number is too large" : Expected(unit);
    return std::nullopt;
  }
  const Decimal number = ParseDecimal(text);
  if (number.length == 0) {
    *why = Expected(unit);
    return std::nullopt;
  }
  const std::string_view rest = text.substr(number.length);
  if (IsTime(unit) && rest.empty() && number.digits == 0 && !number.overflow) return 0;
  for (const Suffix& suffix : SuffixesOf(unit)) {
    if (suffix.text == rest) return Scale(number, suffix, why);
  }
  *why = Expected(unit);
  return std::nullopt;
}

std::string AmountText(uint64_t amount, Unit unit) {
  if (unit == Unit::k256ths) {
    char ratio[kRatioRoom];
    return std::string(ratio, WriteRatio(amount, ratio));
  }
  std::string text = std::to_string(amount);
  if (unit == Unit::kMicroseconds) text += "us";
  if (unit == Unit::kMilliseconds) text += "ms";
  return text;
}

bool GlobMatch(std::string_view pattern, std::string_view text, GlobOf of) {
  const size_t last_close = pattern.rfind(']');
  const auto match_one = [&](size_t* at, char c) {
    if (pattern[*at] == '[') return InSet(pattern, last_close, at, Fold(c, of), of);
    const char wanted = pattern[(*at)++];
    return wanted == '?' || Fold(wanted, of) == Fold(c, of);
  };
  size_t p = 0;
  size_t t = 0;
  // If the rest does not match, the last '*' takes one more character and the rest is tried again.
  size_t star = pattern.npos;
  size_t taken = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      taken = t;
    } else if (p < pattern.size() && match_one(&p, text[t])) {
      ++t;
    } else if (star != pattern.npos) {
      p = star;
      t = ++taken;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace netdiag::internal
