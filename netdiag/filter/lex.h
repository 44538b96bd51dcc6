// netdiag/filter/lex.h — Internal. Users want filter/filter.h.
//
// An expression as tokens. A word ends at a blank and at ( ) = < > ! & |, unless these stand in
// quotation marks or behind a backslash; so `(sport=22)` needs no blanks.

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
  std::string word;     // of kWord, without its quotation marks
  bool quoted = false;  // so that it is no keyword
  Compare compare = Compare::kEqual;
};

// The last token is kEnd.
absl::StatusOr<std::vector<Token>> Tokenize(std::string_view text);

// An error at a place of the text. `why` is a sentence without its point.
absl::Status ErrorAt(std::string_view text, size_t offset, size_t length, std::string_view why);
// The offset inside an error made by ErrorAt().
std::optional<size_t> PlaceOf(const absl::Status& error);

}  // namespace netdiag::internal

#endif  // NETDIAG_FILTER_LEX_H_
