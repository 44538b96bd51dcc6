// netdiag/filter/words.h — Internal. Users want filter/filter.h.
//
// The words of the language that fields.h does not say: units, globs, what texts can be.

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

// A word that FindFieldByWord() finds the field by.
std::string FilterName(const Field& field);
// The word that begins a predicate and is nearest to `word`, by edits; empty: none is near.
std::string NearestWord(std::string_view word);
// The words that an enumerated text can be; empty: anything.
std::vector<std::string_view> WordsOf(const Field& field);

// A quantity in `unit`: "100ms", "64k", "1.5M", "0x1f". A time must say its unit; 0 need not. Else
// nullopt, and `why` says what is wrong.
std::optional<uint64_t> ParseAmount(std::string_view text, Unit unit, std::string* why);
// As ParseAmount() reads it: "100us", "65536".
std::string AmountText(uint64_t amount, Unit unit);

// `text` matches a pattern of *, ? and [sets]. Names of unix sockets: case does not matter, and a
// NUL is an '@', as ss prints it.
enum class GlobOf : uint8_t { kText, kUnixName };
bool GlobMatch(std::string_view pattern, std::string_view text, GlobOf of);

bool EqualWords(std::string_view a, std::string_view b);  // case does not matter

}  // namespace netdiag::internal

#endif  // NETDIAG_FILTER_WORDS_H_
