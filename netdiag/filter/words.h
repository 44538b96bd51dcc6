// netdiag/filter/words.h — Internal. Users want filter/filter.h.
//
// The parts of the language below an operand: numbers, quantities, globs, and the words of fields.

#ifndef NETDIAG_FILTER_WORDS_H_
#define NETDIAG_FILTER_WORDS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "netdiag/fields.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

// The groups of states that have a name.
inline constexpr std::string_view kStateGroups[] = {"all", "connected", "synchronized", "bucket",
                                                    "big"};

// A word by which FindFieldByWord() finds the field.
std::string FilterName(const Field& field);
// True if `word` begins a predicate, or is `not`.
bool BeginsPredicate(std::string_view word);
// The word nearest to `word` of all that can begin a predicate; empty if none is near.
std::string NearestWord(std::string_view word);

bool StartsAsNumber(std::string_view text);
// A number as strtoul(3) reads it with base 0: 0x1f, 017 or 15.
std::optional<uint64_t> ParseNumberWithBase(std::string_view text);

// A quantity in `unit`: "100ms", "64k", "1.5M", "0x1f". A time other than 0 needs a unit. Returns
// nullopt and sets `why` if `text` is no such quantity.
std::optional<uint64_t> ParseAmount(std::string_view text, Unit unit, std::string* why);
// The text that ParseAmount() parses to `amount`: "100us", "65536".
std::string AmountText(uint64_t amount, Unit unit);

// True if `text` matches a pattern of *, ? and [sets]. Names of unix sockets are compared without
// case, and with '@' for a NUL, as ss prints them.
enum class GlobOf : uint8_t { kText, kUnixName };
bool GlobMatch(std::string_view pattern, std::string_view text, GlobOf of);

}  // namespace netdiag::internal

#endif  // NETDIAG_FILTER_WORDS_H_
