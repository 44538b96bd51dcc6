// netdiag/field_words.h — what the numbers of a Field stand for: words of codes and flags, and the
// field's name with its unit.
//
//   const Field* field = FindField("tcp_info.ca_state");
//   if (const FieldWords* words = WordsOf(*field)) Print(words->Word(3));   // "recovery"
//   NameWithUnit(*FindField("rtt"));                                        // "rtt_us"
//
// Cost: WordsOf() searches a table of a dozen rows; do it once, not a row.
// Lifetime: words are string literals.
// Threads: immutable.

#ifndef NETDIAG_FIELD_WORDS_H_
#define NETDIAG_FIELD_WORDS_H_

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

}  // namespace netdiag

#endif  // NETDIAG_FIELD_WORDS_H_
