// netdiag/filter/lex.h — Internal. Users want filter/filter.h.
//
// Splits an expression into tokens. A word ends before a blank and before ( ) = < > ! & |, unless
// the character is in quotation marks or follows a backslash. So `(sport=22)` needs no blanks.

#ifndef NETDIAG_FILTER_LEX_H_
#define NETDIAG_FILTER_LEX_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/filter/ast.h"

namespace netdiag::internal {

struct Token {
  enum class Kind : uint8_t { kWord, kOpen, kClose, kAnd, kOr, kNot, kCompare, kEnd };
  Kind kind = Kind::kEnd;
  size_t offset = 0;  // in the text
  size_t length = 0;
  std::string word;                   // of kWord, without its quotation marks
  bool quoted = false;                // of kWord: a quoted word is never a keyword
  Compare compare = Compare::kEqual;  // of kCompare
};

// Returns the tokens of `text`; the last one is kEnd.
absl::StatusOr<std::vector<Token>> Tokenize(std::string_view text);

// An error about `length` bytes of `text` at `offset`. `why` is a sentence without a full stop.
absl::Status ErrorAt(std::string_view text, size_t offset, size_t length, std::string_view why);
// Returns the offset of an error that ErrorAt() made; nullopt for any other error.
std::optional<size_t> PlaceOf(const absl::Status& error);

}  // namespace netdiag::internal

#endif  // NETDIAG_FILTER_LEX_H_
