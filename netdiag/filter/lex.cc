// Tested by tests/filter/parse_test.cc.

#include "netdiag/filter/lex.h"

#include <algorithm>
#include <array>

#include "absl/strings/cord.h"
#include "absl/types/optional.h"

#include "netdiag/types/error.h"
#include "netdiag/types/parse_number.h"

namespace netdiag::internal {
namespace {

using Kind = Token::Kind;

constexpr char kPlacePayload[] = "netdiag/filter-place";

struct Symbol {
  std::string_view text;
  Kind kind;
  Compare compare = Compare::kEqual;
};
// The first that matches is taken, so longer symbols stand before their prefixes.
constexpr auto kSymbols = std::to_array<Symbol>({
    {"==", Kind::kCompare, Compare::kEqual},
    {"!=", Kind::kCompare, Compare::kNotEqual},
    {">=", Kind::kCompare, Compare::kGreaterEqual},
    {"<=", Kind::kCompare, Compare::kLessEqual},
    {"&&", Kind::kAnd},
    {"||", Kind::kOr},
    {"=", Kind::kCompare, Compare::kEqual},
    {">", Kind::kCompare, Compare::kGreater},
    {"<", Kind::kCompare, Compare::kLess},
    {"!", Kind::kNot},
    {"&", Kind::kAnd},
    {"|", Kind::kOr},
    {"(", Kind::kOpen},
    {")", Kind::kClose},
});

bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

bool EndsWord(char c) {
  constexpr std::string_view kSymbolCharacters = "()=<>!&|";
  return IsBlank(c) || kSymbolCharacters.find(c) != kSymbolCharacters.npos;
}

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  absl::StatusOr<Token> Next() {
    SkipBlanks();
    Token token;
    token.offset = at_;
    if (at_ == text_.size()) return token;
    for (const Symbol& symbol : kSymbols) {
      if (!text_.substr(at_).starts_with(symbol.text)) continue;
      at_ += token.length = symbol.text.size();
      token.kind = symbol.kind;
      token.compare = symbol.compare;
      return token;
    }
    token.kind = Kind::kWord;
    NETDIAG_RETURN_IF_ERROR(ReadWord(&token));
    token.length = at_ - token.offset;
    return token;
  }

 private:
  void SkipBlanks() {
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '#') at_ = std::min(text_.find('\n', at_), text_.size());
      if (at_ == text_.size() || !IsBlank(text_[at_])) return;
    }
  }

  absl::Status ReadWord(Token* token) {
    while (at_ < text_.size() && !EndsWord(text_[at_])) {
      const char c = text_[at_];
      if (c == '"' || c == '\'') {
        NETDIAG_RETURN_IF_ERROR(ReadQuoted(c, token));
        continue;
      }
      if (c == '\\') {
        token->quoted = true;
        if (++at_ == text_.size()) {
          return ErrorAt(text_, at_ - 1, 1, "a character must follow a backslash");
        }
      }
      token->word.push_back(text_[at_++]);
    }
    return absl::OkStatus();
  }

  absl::Status ReadQuoted(char mark, Token* token) {
    token->quoted = true;
    const size_t start = at_++;
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == mark) {
        ++at_;
        return absl::OkStatus();
      }
      if (text_[at_] == '\\' && mark == '"' && at_ + 1 < text_.size()) ++at_;
      token->word.push_back(text_[at_]);
    }
    return ErrorAt(text_, start, 1, "this quotation mark is not closed");
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<Token>> Tokenize(std::string_view text) {
  std::vector<Token> tokens;
  Lexer lexer(text);
  do {
    NETDIAG_ASSIGN_OR_RETURN(Token token, lexer.Next());
    tokens.push_back(std::move(token));
  } while (tokens.back().kind != Kind::kEnd);
  return tokens;
}

absl::Status ErrorAt(std::string_view text, size_t offset, size_t length, std::string_view why) {
  offset = std::min(offset, text.size());
  const std::string_view before = text.substr(0, offset);
  const auto line = std::ranges::count(before, '\n') + 1;
  const size_t newline = before.rfind('\n');
  const size_t column = offset - (newline == before.npos ? 0 : newline + 1) + 1;
  std::string what = "filter, ";
  if (text.find('\n') != text.npos) what += "line " + std::to_string(line) + ", ";
  what += "column " + std::to_string(column);
  absl::Status status = BadInput(what, text.substr(offset, length), why);
  status.SetPayload(kPlacePayload, absl::Cord(std::to_string(offset)));
  return status;
}

std::optional<size_t> PlaceOf(const absl::Status& error) {
  const absl::optional<absl::Cord> payload = error.GetPayload(kPlacePayload);
  if (!payload) return std::nullopt;
  return ParseNumber<uint64_t>(std::string(*payload));
}

}  // namespace netdiag::internal
