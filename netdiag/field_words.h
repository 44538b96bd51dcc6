// netdiag/field_words.h — the words of fields: what their numbers stand for, their names with
// units, the short names that people type, and the nearest to a wrong one.
//
//   const Field* field = FindFieldByWord("tcp_info.ca_state");
//   if (const FieldWords* words = WordsOf(*field)) Print(words->Word(3));   // "recovery"
//   NameWithUnit(*FindField("rtt"));                                        // "rtt_us"
//   FindFieldByWord("cwnd");                                                // tcp_info.snd_cwnd
//
// Cost: each searches tables of a few hundred rows; do it once, not a row.
// Lifetime: words are string literals.
// Threads: immutable.

#ifndef NETDIAG_FIELD_WORDS_H_
#define NETDIAG_FIELD_WORDS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "netdiag/fields.h"

namespace netdiag {

struct FieldWords {
  FieldGroup group = FieldGroup::kSocket;
  std::string_view field;
  bool flags = false;  // a set: word N is bit N; else a code: word N is the value `first` + N
  uint64_t first = 0;
  std::span<const std::string_view> words;  // an empty one: not in use

  // Of a code, or of a bit; empty: the kernel is newer than this table.
  std::string_view Word(uint64_t number) const {
    if (number < first || number - first >= words.size()) return {};
    return words[number - first];
  }
};

// Null: the field's numbers are plain numbers.
const FieldWords* WordsOf(const Field& field);

// "rtt_us", "pmtu_bytes", "pacing_rate_bytes_per_second"; the plain name where it says its unit
// already ("bytes_acked"), or there is none, or it counts packets.
std::string NameWithUnit(const Field& field);

// A short name of a field, as ss, netstat and their users say it.
struct FieldAlias {
  std::string_view word;
  std::string_view field;
};
std::span<const FieldAlias> FieldAliases();
// By its name, the name with its unit, either as "group.name", or a short name; null: none.
const Field* FindFieldByWord(std::string_view word);

// Of all these words, and `others`, the one that takes the fewest edits to come from `word`:
// letters put in, left out, changed, or swapped with a neighbour; case does not matter. Of a longer
// word the first 80 bytes count.
struct NearWord {
  std::string word;
  size_t edits = 0;
};
NearWord NearestFieldWord(std::string_view word, std::span<const std::string_view> others = {});

}  // namespace netdiag

#endif  // NETDIAG_FIELD_WORDS_H_
