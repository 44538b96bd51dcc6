// Tested by tests/filter/parse_test.cc and agreement_test.cc.

#include "netdiag/filter/exclude.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <variant>

#include "netdiag/types/ascii.h"

namespace netdiag::internal {
namespace {

// The numbers that satisfy a predicate: those in [low, high], or the others if `outside`.
struct Range {
  uint64_t low = 0;
  uint64_t high = 0;
  bool outside = false;

  bool empty() const { return low > high && !outside; }
};

bool AreDisjoint(const Range& a, const Range& b) {
  if (a.empty() || b.empty()) return true;
  if (a.outside && b.outside) return false;
  if (a.outside) return b.low >= a.low && b.high <= a.high;
  if (b.outside) return a.low >= b.low && a.high <= b.high;
  return a.high < b.low || b.high < a.low;
}

Range RangeOf(const PortMatch& match) {
  // No port satisfies a match whose lower bound is above its upper one, even if `outside`.
  return {match.low, match.high, match.outside && match.low <= match.high};
}

Range RangeOf(Compare compare, uint64_t number) {
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  constexpr Range kNothing = {1, 0};
  switch (compare) {
    case Compare::kEqual:
      return {number, number};
    case Compare::kNotEqual:
      return {number, number, true};
    case Compare::kGreaterEqual:
      return {number, kMax};
    case Compare::kLessEqual:
      return {0, number};
    case Compare::kGreater:
      return number == kMax ? kNothing : Range{number + 1, kMax};
    case Compare::kLess:
      return number == 0 ? kNothing : Range{0, number - 1};
  }
  return {0, kMax};
}

// nullopt: the match compares texts.
std::optional<Range> RangeOf(const FieldMatch& match) {
  if (const auto* number = std::get_if<uint64_t>(&match.value)) {
    return RangeOf(match.compare, *number);
  }
  if (const auto* flag = std::get_if<bool>(&match.value)) return RangeOf(match.compare, *flag);
  return std::nullopt;
}

bool Exclude(const PortMatch& a, const PortMatch& b) {
  return a.side == b.side && AreDisjoint(RangeOf(a), RangeOf(b));
}

bool Exclude(const HostMatch& a, const HostMatch& b) {
  if (a.side != b.side || a.other || b.other) return false;
  if (a.port && b.port && *a.port != *b.port) return true;
  // An IPv4-mapped address is of both families.
  if (a.family != b.family) return false;
  const auto first = a.address.octets();
  const auto second = b.address.octets();
  const size_t shared = std::min({size_t{a.prefix}, size_t{b.prefix}, first.size() * 8});
  for (size_t bit = 0; bit < shared; ++bit) {
    const auto mask = static_cast<uint8_t>(0x80 >> bit % 8);
    if (((first[bit / 8] ^ second[bit / 8]) & mask) != 0) return true;
  }
  return false;
}

bool Exclude(const HostMatch& host, const PortMatch& port) {
  if (host.side != port.side || host.other || !host.port) return false;
  return AreDisjoint(RangeOf(Compare::kEqual, *host.port), RangeOf(port));
}
bool Exclude(const PortMatch& port, const HostMatch& host) { return Exclude(host, port); }

bool Exclude(const FieldMatch& a, const FieldMatch& b) {
  if (a.field != b.field || IsList(a.field->group)) return false;
  const std::optional<Range> first = RangeOf(a), second = RangeOf(b);
  if (first && second) return AreDisjoint(*first, *second);
  const auto* word = std::get_if<std::string>(&a.value);
  const auto* other = std::get_if<std::string>(&b.value);
  if (word == nullptr || other == nullptr || a.field->meaning == Meaning::kText) return false;
  const bool same = EqualIgnoringCase(*word, *other);
  if (a.compare == Compare::kEqual && b.compare == Compare::kEqual) return !same;
  return same && a.compare != b.compare;
}

template <class A, class B>
bool Exclude(const A&, const B&) {
  return false;
}

}  // namespace

bool Exclude(const Predicate& a, const Predicate& b) {
  return std::visit([](const auto& first, const auto& second) { return Exclude(first, second); }, a,
                    b);
}

}  // namespace netdiag::internal
