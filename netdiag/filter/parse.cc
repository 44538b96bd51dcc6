// A recursive-descent parser. Tested by tests/filter/parse_test.cc.

#include "netdiag/filter/parse.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "netdiag/field_words.h"
#include "netdiag/filter/lex.h"
#include "netdiag/filter/operand.h"
#include "netdiag/filter/words.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {
namespace {

using Kind = Token::Kind;

struct CompareWord {
  std::string_view word;
  Compare compare;
};
constexpr auto kCompareWords = std::to_array<CompareWord>({
    {"eq", Compare::kEqual},
    {"ne", Compare::kNotEqual},
    {"neq", Compare::kNotEqual},
    {"ge", Compare::kGreaterEqual},
    {"geq", Compare::kGreaterEqual},
    {"le", Compare::kLessEqual},
    {"leq", Compare::kLessEqual},
    {"gt", Compare::kGreater},
    {"lt", Compare::kLess},
});

constexpr std::string_view kTooLong = "the expression is longer than 65536 bytes";
constexpr std::string_view kTooDeep = "parentheses are nested more than 64 deep";
constexpr std::string_view kTooManyPredicates = "the expression has more than 4096 predicates";
static_assert(Filter::kMaxText == 65536 && Filter::kMaxDepth == 64 &&
              Filter::kMaxPredicates == 4096);

size_t CountPredicates(const Node& node) {
  size_t count = 0;
  ForEachPredicate(node, [&](const Predicate&) { ++count; });
  return count;
}

class Parser {
 public:
  Parser(std::string_view text, std::vector<Token> tokens, const FilterOptions& options)
      : text_(text), tokens_(std::move(tokens)), options_(options) {}

  absl::StatusOr<Node> ParseAll() {
    if (Peek().kind == Kind::kEnd) return MakeTrue();
    NETDIAG_ASSIGN_OR_RETURN(Node node, ParseOr());
    if (Peek().kind == Kind::kEnd) return node;
    return Fail(Peek(), Peek().kind == Kind::kClose ? "this parenthesis was not opened"
                                                    : "`and`, `or` or a predicate is expected");
  }

 private:
  const Token& Peek() const { return tokens_[at_]; }
  // Returns the next token and moves on. Does not move past the last token, kEnd.
  const Token& Take() { return tokens_[at_ + 1 < tokens_.size() ? at_++ : at_]; }
  static bool IsKeyword(const Token& token, std::string_view word) {
    return token.kind == Kind::kWord && !token.quoted && token.word == word;
  }
  static bool IsAnd(const Token& token) {
    return token.kind == Kind::kAnd || IsKeyword(token, "and");
  }
  static bool IsOr(const Token& token) { return token.kind == Kind::kOr || IsKeyword(token, "or"); }
  static bool IsNot(const Token& token) {
    return token.kind == Kind::kNot || IsKeyword(token, "not");
  }
  static bool BeginsFactor(const Token& token) {
    return !IsOr(token) && (token.kind == Kind::kWord || token.kind == Kind::kOpen || IsNot(token));
  }

  // At the end of the text, the error is at the last word.
  absl::Status Fail(const Token& token, std::string_view why) const {
    const bool last = token.kind == Kind::kEnd && tokens_.size() > 1;
    const Token& place = last ? tokens_[tokens_.size() - 2] : token;
    return ErrorAt(text_, place.offset, place.length, why);
  }

  absl::StatusOr<Node> ParseOr() {
    std::vector<Node> nodes;
    do {
      NETDIAG_ASSIGN_OR_RETURN(Node node, ParseAnd());
      nodes.push_back(std::move(node));
    } while (IsOr(Peek()) && (Take(), true));
    return MakeOr(std::move(nodes));
  }

  absl::StatusOr<Node> ParseAnd() {
    std::vector<Node> nodes;
    do {
      if (!nodes.empty() && IsAnd(Peek())) Take();
      NETDIAG_ASSIGN_OR_RETURN(Node node, ParseNot());
      nodes.push_back(std::move(node));
    } while (IsAnd(Peek()) || BeginsFactor(Peek()));
    return MakeAnd(std::move(nodes));
  }

  absl::StatusOr<Node> ParseNot() {
    bool negated = false;
    for (; IsNot(Peek()); Take()) negated = !negated;
    NETDIAG_ASSIGN_OR_RETURN(Node node, ParsePrimary());
    return negated ? MakeNot(std::move(node)) : std::move(node);
  }

  absl::StatusOr<Node> ParsePrimary() {
    const Token token = Take();
    if (token.kind == Kind::kWord && !IsAnd(token) && !IsOr(token)) return ParsePredicate(token);
    if (token.kind != Kind::kOpen) {
      return Fail(token, token.kind == Kind::kEnd
                             ? "the expression ends where a predicate is "
                               "expected"
                             : "a predicate is expected, for example `sport = :22`");
    }
    if (++depth_ > Filter::kMaxDepth) return Fail(token, kTooDeep);
    NETDIAG_ASSIGN_OR_RETURN(Node node, ParseOr());
    if (Peek().kind != Kind::kClose) {
      if (Peek().kind == Kind::kEnd) return Fail(token, "this parenthesis is not closed");
      return Fail(Peek(), "`)` is expected");
    }
    Take();
    --depth_;
    return node;
  }

  absl::StatusOr<Node> ParsePredicate(const Token& name) {
    if (name.word == "autobound") {
      return Count(name, MakePredicate(AutoMatch{options_.first_local_port.value(),
                                                 options_.last_local_port.value()}));
    }
    using Maker = std::optional<Node> (*)(Side, Compare, std::string_view, const FilterOptions&,
                                          std::string*);
    struct End {
      std::string_view word;
      Side side;
      Maker make;
    };
    static constexpr End kEnds[] = {{"src", Side::kLocal, MakeHost},
                                    {"dst", Side::kRemote, MakeHost},
                                    {"sport", Side::kLocal, MakePort},
                                    {"dport", Side::kRemote, MakePort}};
    for (const End& end : kEnds) {
      if (end.word != name.word) continue;
      return ParseOperand(name, [&](Compare compare, std::string_view operand, std::string* why) {
        return end.make(end.side, compare, operand, options_, why);
      });
    }
    const Field* const field = FindFieldByWord(name.word);
    if (field == nullptr) return ParseShorthand(name);
    if (field->get.type == ValueType::kFlag && !HasOperand()) {
      return Count(name, MakePredicate(FieldMatch{field, Compare::kEqual, true}));
    }
    return ParseOperand(name, [&](Compare compare, std::string_view operand, std::string* why) {
      return MakeField(*field, compare, operand, options_, why);
    });
  }

  // A word that FilterOptions::shorthand adds to the language. Errors in its meaning are errors of
  // the word.
  absl::StatusOr<Node> ParseShorthand(const Token& name) {
    if (!options_.shorthand || CompareOf(Peek())) return UnknownWord(name);
    std::string why;
    const std::optional<std::string> meaning =
        options_.shorthand({name.word, name.offset, /*symbol=*/false, name.quoted}, &why);
    if (!meaning) return why.empty() ? UnknownWord(name) : Fail(name, why);
    NETDIAG_ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(*meaning));
    for (Token& token : tokens) {
      token.offset = name.offset;
      token.length = name.length;
    }
    FilterOptions options = options_;
    options.shorthand = nullptr;
    NETDIAG_ASSIGN_OR_RETURN(Node node, Parser(text_, std::move(tokens), options).ParseAll());
    return Count(name, std::move(node));
  }

  absl::Status UnknownWord(const Token& name) const {
    std::string why = "no field has this name";
    const std::string nearest = NearestWord(name.word);
    if (!nearest.empty()) why += "; did you mean `" + nearest + "`?";
    return Fail(name, why);
  }

  // True if an operator or a value follows the name of a flag. A flag can also stand alone.
  bool HasOperand() const {
    return Peek().kind == Kind::kCompare || CompareOf(Peek()) ||
           (Peek().kind == Kind::kWord && ParseFlag(Peek().word));
  }

  static std::optional<Compare> CompareOf(const Token& token) {
    if (token.kind == Kind::kCompare) return token.compare;
    if (token.kind != Kind::kWord || token.quoted) return std::nullopt;
    const auto row = std::ranges::find(kCompareWords, token.word, &CompareWord::word);
    if (row == kCompareWords.end()) return std::nullopt;
    return row->compare;
  }

  // [ OPERATOR ] OPERAND, behind the field `name`.
  template <class Make>
  absl::StatusOr<Node> ParseOperand(const Token& name, const Make& make) {
    const Token& operation = Peek();
    const std::optional<Compare> compare = CompareOf(operation);
    if (compare) Take();
    const Token operand = Take();
    // After an operator, even a keyword is an operand.
    const bool keyword = !compare && (IsAnd(operand) || IsOr(operand) || IsNot(operand));
    if (operand.kind != Kind::kWord || keyword) {
      const std::string words = ExpectedWords(FindFieldByWord(name.word));
      if (compare) return Fail(operation, "a value is expected after the operator" + words);
      return Fail(name, "a comparison must follow, as `" + name.word + " = VALUE`" + words);
    }
    std::string why;
    std::optional<Node> node = make(compare.value_or(Compare::kEqual), operand.word, &why);
    if (!node) return Fail(operand, why);
    return Count(operand, *std::move(node));
  }

  absl::StatusOr<Node> Count(const Token& place, Node node) {
    predicates_ += CountPredicates(node);
    if (predicates_ > Filter::kMaxPredicates) return Fail(place, kTooManyPredicates);
    return node;
  }

  std::string_view text_;
  std::vector<Token> tokens_;
  const FilterOptions& options_;
  size_t at_ = 0;
  size_t depth_ = 0;
  size_t predicates_ = 0;
};

}  // namespace

absl::StatusOr<Node> ParseFilter(std::string_view text, const FilterOptions& options) {
  if (text.size() > Filter::kMaxText) {
    return ErrorAt(text, Filter::kMaxText, 0, kTooLong);
  }
  NETDIAG_ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(text));
  return Parser(text, std::move(tokens), options).ParseAll();
}

}  // namespace netdiag::internal
