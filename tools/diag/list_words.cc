// Tested by tests/tools/list_options_test.cc.

#include "tools/diag/list_words.h"

#include <cerrno>
#include <fstream>
#include <iostream>
#include <utility>

#include "absl/strings/str_join.h"

#include "netdiag/types/error.h"
#include "tools/diag/filter_names.h"
#include "tools/diag/help.h"
#include "tools/diag/shorthand.h"

namespace diag {
namespace {

using netdiag::BadInput;
using netdiag::Filter;
using netdiag::State;
using netdiag::StateSet;

// True if `word` makes a predicate of the "state" before it, as in `state = listening`.
bool IsOperator(std::string_view word) {
  return word.starts_with('=') || word.starts_with('!') || word == "eq" || word == "ne" ||
         word == "neq";
}

// Reads `state NAME` and `exclude NAME`. Returns the number of words read.
absl::StatusOr<size_t> ParseStates(std::span<const std::string_view> words,
                                   std::optional<StateSet>* states) {
  size_t i = 0;
  for (; i < words.size(); i += 2) {
    const bool exclude = words[i] == "exclude" || words[i] == "excl";
    if (!exclude && words[i] != "state") break;
    if (i + 1 == words.size()) return BadInput("argument", words[i], "a state must follow");
    if (IsOperator(words[i + 1])) break;
    std::optional<StateSet> named = netdiag::ParseStates(words[i + 1]);
    if (!named) {
      return BadInput("state", words[i + 1],
                      "expected one of " + absl::StrJoin(StateWords(), " ") +
                          ", or a group: " + absl::StrJoin(StateGroupWords(), " "));
    }
    // BoundInactive must be named alone: neither -a nor a group includes it.
    if (*named != State::kBoundInactive) named = *named & StateSet::SsAll();
    const StateSet before = states->value_or(exclude ? StateSet::SsAll() : StateSet::None());
    *states = exclude ? before - *named : before | *named;
  }
  return i;
}

absl::StatusOr<std::string> ReadFilterFile(const std::string& path) {
  std::ifstream file;
  if (path != "-") file.open(path, std::ios::binary);
  std::istream& input = path == "-" ? std::cin : file;
  // One byte more than a filter can have: a longer file is refused for its length and not cut.
  std::string text(Filter::kMaxText + 1, '\0');
  input.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (input.bad() || (path != "-" && !file.is_open())) {
    return netdiag::ErrnoError(errno, "filter file " + path);
  }
  text.resize(static_cast<size_t>(input.gcount()));
  return text;
}

}  // namespace

absl::StatusOr<ListWords> ParseListWords(std::span<const std::string_view> words) {
  ListWords parsed;
  NETDIAG_ASSIGN_OR_RETURN(const size_t used, ParseStates(words, &parsed.states));
  words = words.subspan(used);
  if (std::optional<Shorthand> shorthand = ParseShorthand(words)) {
    parsed.expression = std::move(shorthand->expression);
    parsed.asks_for_owners = shorthand->command;
  } else {
    for (const std::string_view word : words) {
      parsed.expression.append(parsed.expression.empty() ? "" : " ").append(word);
    }
  }
  return parsed;
}

absl::StatusOr<std::shared_ptr<const Filter>> ParseListFilter(const std::string& expression,
                                                              const std::string& path,
                                                              netdiag::FamilySet families,
                                                              std::string* pointer) {
  std::string text = expression;
  if (!path.empty()) {
    NETDIAG_ASSIGN_OR_RETURN(const std::string file, ReadFilterFile(path));
    text = text.empty() ? file : "(" + text + "\n) (" + file + "\n)";
  }
  if (text.empty()) return nullptr;
  netdiag::FilterOptions options = HostFilterOptions();
  for (const netdiag::FamilyNames& row : netdiag::AllFamilies()) {
    if (families == netdiag::FamilySet(row.family)) options.family = row.family;
  }
  absl::StatusOr<Filter> filter = Filter::Parse(text, options);
  if (!filter.ok() && pointer != nullptr) *pointer = netdiag::PointAt(text, filter.status());
  if (!filter.ok()) return filter.status();
  return std::make_shared<const Filter>(*std::move(filter));
}

}  // namespace diag
