// Tested by tests/tools/shorthand_test.cc.

#include "tools/diag/shorthand.h"

#include <algorithm>
#include <array>

#include "netdiag/field_words.h"

namespace diag {
namespace {

constexpr size_t kLongestCommand = 15;

// Words of the filter language that are not fields. Source: ss(8), "EXPRESSION".
constexpr auto kKeywords =
    std::to_array<std::string_view>({"not", "!", "and", "or", "src", "dst", "sport", "dport", "dev",
                                     "fwmark", "cgroup", "autobound", "state", "excl", "exclude"});
constexpr auto kOperators =
    std::to_array<std::string_view>({"=", "==", "!=", ">=", "<=", ">", "<", "eq", "ne", "neq", "ge",
                                     "geq", "le", "leq", "gt", "lt"});

bool IsNumber(std::string_view word) {
  return !word.empty() && std::ranges::all_of(word, [](char c) { return c >= '0' && c <= '9'; });
}

// True if `word` is a field, a keyword, or an expression without blanks.
bool IsExpression(std::string_view word) {
  return std::ranges::find(kKeywords, word) != kKeywords.end() ||
         word.find_first_of("=<>()!&|") != word.npos || netdiag::FindFieldByWord(word) != nullptr;
}

std::string PortExpression(std::string_view port) {
  const std::string text(port);
  return "( sport = :" + text + " or dport = :" + text + " )";
}

// Returns the predicate for a command's name. In the language's quotes a backslash escapes the next
// character.
std::string CommandExpression(std::string_view word) {
  std::string pattern;
  for (const char c : word.substr(0, kLongestCommand)) {
    if (c == '"' || c == '\\') pattern.push_back('\\');
    pattern.push_back(c);
  }
  return "comm = \"" + pattern + "*\"";
}

}  // namespace

std::optional<Shorthand> ParseShorthand(std::span<const std::string_view> words) {
  if (words.empty() || words[0].empty()) return std::nullopt;
  const std::string_view word = words[0];
  const bool operated =
      words.size() > 1 && std::ranges::find(kOperators, words[1]) != kOperators.end();
  if (operated) return std::nullopt;

  Shorthand shorthand;
  const bool colon = word[0] == ':' && word.size() > 1 && word.find(':', 1) == word.npos;
  if (colon || IsNumber(word)) {
    shorthand.expression = PortExpression(word.substr(colon ? 1 : 0));
  } else if (IsExpression(word) || word[0] == ':' || word[0] == '-') {
    return std::nullopt;
  } else {
    shorthand.expression = CommandExpression(word);
    shorthand.command = true;
  }
  if (words.size() == 1) return shorthand;
  // The words that follow are an expression of their own; both must hold.
  shorthand.expression.append(" and (");
  // Skip an "and" between the two: it is already written.
  const bool joined = words[1] == "and" || words[1] == "&" || words[1] == "&&";
  for (const std::string_view next : words.subspan(joined ? 2 : 1)) {
    shorthand.expression.append(" ").append(next);
  }
  shorthand.expression.append(" )");
  return shorthand;
}

}  // namespace diag
