// SPDX-License-Identifier: Apache-2.0
//
// netdiag/field_words.h — text for the field table: names for the numbers of a field, names of
// fields with their units, short names of fields, and a suggestion for a misspelt name.
//
//   const Field* field = FindFieldByWord("tcp_info.ca_state");
//   if (const FieldWords* words = WordsOf(*field)) Print(words->Word(3));   // "recovery"
//   NameWithUnit(*FindField("rtt"));                                        // "rtt_us"
//   FindFieldByWord("cwnd");                                                // tcp_info.snd_cwnd
//
// For programs that print fields or let users name them. The filter and `diag` take these words.
//
// Cost: each call searches a table of a few hundred rows: call once for a field, not for each row.
// Lifetime: words are string literals.
// Threads: any.

#ifndef NETDIAG_FIELD_WORDS_H_
#define NETDIAG_FIELD_WORDS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "netdiag/fields.h"
#include "netdiag/types/numbers.h"

namespace netdiag {

// The names of a field's numbers.
struct FieldWords {
  FieldGroup group = FieldGroup::kSocket;
  std::string_view field;
  // True: the number is a set of flags, and words[N] names bit N. False: the number is a code, and
  // words[N] names the value `first` + N.
  bool flags = false;
  uint64_t first = 0;
  std::span<const std::string_view> words;  // an empty word: the kernel does not use the number
  // The names of codes that are far apart, instead of `words`.
  std::span<const NumberNames> (*numbers)() = nullptr;

  // The name of a code, or of the bit with this index. Empty if the table does not have it, because
  // the kernel is newer.
  std::string_view Word(uint64_t number) const;
  // The code with this name, in upper or lower case; nullopt if there is none.
  std::optional<uint64_t> Number(std::string_view word) const;
  // Every name, in the order of the numbers.
  std::vector<std::string_view> AllWords() const;
};

// Returns null if the numbers of the field have no names.
const FieldWords* WordsOf(const Field& field);

// The words that are the values of a text field, such as `family`. Empty: its values are any text,
// or it is no text.
std::vector<std::string_view> AllowedWords(const Field& field);

// Writes a number of Unit::k256ths as an exact decimal: 739 is "2.88671875". Returns its size.
// `out` has room for kRatioRoom bytes.
inline constexpr size_t kRatioRoom = 32;
size_t WriteRatio(uint64_t number, char* out);

// Returns the name with its unit: "rtt_us", "pmtu_bytes", "pacing_rate_bytes_per_second". Returns
// the name alone if it contains its unit ("bytes_acked"), has no unit, or counts packets.
std::string NameWithUnit(const Field& field);

// A short name of a field, as in ss and netstat.
struct FieldAlias {
  std::string_view word;
  std::string_view field;
};
std::span<const FieldAlias> FieldAliases();
// Finds a field by its short name, its name, or its name with unit; the last two with or without
// the group ("tcp_info.rtt_us"; see NeedsGroup()). Returns null if there is none.
const Field* FindFieldByWord(std::string_view word);

// Returns, of all words that FindFieldByWord() finds and of `others`, the one with the fewest edits
// from `word`, if it is so near that a typing error is likely: at most one edit for three letters
// of `word`. Empty: none is near. An edit inserts, removes or changes a letter, or swaps two
// neighbours. Case is ignored. Nothing is near a word of more than 80 bytes.
std::string NearestFieldWord(std::string_view word, std::span<const std::string_view> others = {});
// The same among `words` only.
std::string NearestWord(std::string_view word, std::span<const std::string_view> words);

}  // namespace netdiag

#endif  // NETDIAG_FIELD_WORDS_H_
