// Tested by tests/tools/list_options_test.cc.

#include "tools/diag/list_words.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"

#include "netdiag/types/error.h"
#include "tools/diag/filter_names.h"
#include "tools/diag/help.h"
#include "tools/diag/input_file.h"
#include "tools/diag/shorthand.h"

namespace diag {
namespace {

using netdiag::BadInput;
using netdiag::Filter;
using netdiag::FilterToken;
using netdiag::State;
using netdiag::StateSet;
using Kind = Shorthand::Kind;

// True for the word in the column State of a socket that no dump lists.
bool IsUnlisted(std::string_view word) {
  std::string lower(word);
  absl::AsciiStrToLower(&lower);
  return lower == "unlisted";
}

bool IsKeyword(const FilterToken& token, std::string_view word) {
  return !token.symbol && !token.quoted && token.text == word;
}

// True if `token` joins the word before it with something, so that the word is part of a filter:
// `tcp or udp`, `state = listening`.
bool IsOperator(const FilterToken& token) {
  if (token.quoted) return false;
  if (token.symbol) return token.text != "(" && token.text != ")" && token.text != "!";
  return token.text == "or" || token.text == "and" || token.text == "eq" || token.text == "ne" ||
         token.text == "neq";
}

// Reads the words before the filter.
class Prefix {
 public:
  // Both must outlive the Prefix.
  Prefix(std::span<const FilterToken> tokens, ListWords* words) : tokens_(tokens), words_(words) {}

  // Returns the number of tokens read.
  absl::StatusOr<size_t> Read() {
    while (at_ < tokens_.size()) {
      const size_t before = at_;
      NETDIAG_RETURN_IF_ERROR(ReadOne());
      if (at_ == before) break;
    }
    return at_;
  }

 private:
  const FilterToken* Next() const { return at_ + 1 < tokens_.size() ? &tokens_[at_ + 1] : nullptr; }

  absl::Status ReadOne() {
    const FilterToken& token = tokens_[at_];
    const FilterToken* const next = Next();
    const bool exclude = IsKeyword(token, "exclude") || IsKeyword(token, "excl");
    if (exclude || IsKeyword(token, "state")) {
      if (next == nullptr) return BadInput("argument", token.text, "a state must follow");
      if (!exclude && IsOperator(*next)) return absl::OkStatus();
      at_ += 2;
      return AddStates(next->text, exclude);
    }
    if (token.symbol || (next != nullptr && IsOperator(*next))) return absl::OkStatus();
    if (netdiag::BeginsFilter(token.text)) return absl::OkStatus();
    if (IsUnlisted(token.text)) {
      ++at_;
      return AddStates(token.text, /*exclude=*/false);
    }
    const Shorthand shorthand = ReadShorthand(token.text, token.quoted);
    if (shorthand.kind == Kind::kTable) {
      absl::AsciiStrToLower(&words_->tables.emplace_back(token.text));
    }
    if (shorthand.kind == Kind::kHelp && tokens_.size() == 1) words_->help = true;
    if (shorthand.kind == Kind::kTable || words_->help) ++at_;
    if (shorthand.kind != Kind::kStates) return absl::OkStatus();
    ++at_;
    return AddStates(token.text, /*exclude=*/false);
  }

  // `list`: states and groups of states, separated by commas.
  absl::Status AddStates(std::string_view list, bool exclude) {
    StateSet named;
    for (size_t at = 0; at <= list.size();) {
      const size_t comma = std::min(list.find(',', at), list.size());
      const std::string_view word = list.substr(at, comma - at);
      at = comma + 1;
      if (!exclude && IsUnlisted(word)) {
        words_->unlisted = true;
        continue;
      }
      const std::optional<StateSet> states = netdiag::ParseStates(word);
      if (!states) {
        return BadInput("state", word,
                        "expected one of " + absl::StrJoin(StateWords(), " ") +
                            ", unlisted, or a group: " + absl::StrJoin(StateGroupWords(), " "));
      }
      // BoundInactive must be named alone: neither -a nor a group includes it.
      named = named | (*states == State::kBoundInactive ? *states : *states & StateSet::SsAll());
    }
    const StateSet before = words_->states.value_or(exclude ? StateSet::SsAll() : StateSet::None());
    words_->states = exclude ? before - named : before | named;
    return absl::OkStatus();
  }

  std::span<const FilterToken> tokens_;
  ListWords* words_;
  size_t at_ = 0;
};

// True if the first word of the expression is none of the language.
bool BeginsWithShorthand(std::span<const FilterToken> tokens) {
  for (const FilterToken& token : tokens) {
    if (token.text == "(" || token.text == "!" || IsKeyword(token, "not")) continue;
    return !token.symbol && !netdiag::BeginsFilter(token.text);
  }
  return false;
}

absl::StatusOr<std::string> ReadFilterFile(const std::string& path) {
  // One byte more than a filter can have: a longer file is refused for its length and not cut.
  return ReadInput(path, "filter file",
                   {.size = Filter::kMaxText + 1, .fits = [](std::string_view) { return false; }});
}

// Gives the words of an expression their meanings, and collects in `filter` what they imply.
class Meanings {
 public:
  // The expression is at [start, end) of the text. What follows is of a file, which has no such
  // words. `filter` must outlive the Meanings.
  Meanings(size_t start, size_t end, ListFilter* filter)
      : start_(start), end_(end), filter_(filter) {}

  std::optional<std::string> operator()(const FilterToken& word, std::string* why) {
    if (word.offset >= end_) return std::nullopt;
    begins_plainly_ |= word.offset == start_;
    Shorthand shorthand = ReadShorthand(word.text, word.quoted);
    const bool process = shorthand.kind == Kind::kProcess;
    // Behind `not` or a parenthesis, an unknown word can also be a misspelt field.
    if (shorthand.expression.empty() || (process && !begins_plainly_)) {
      *why = std::move(shorthand.why);
      return std::nullopt;
    }
    if (process && filter_->process.empty()) filter_->process = word.text;
    filter_->owners |= shorthand.names_sockets();
    return std::move(shorthand.expression);
  }

 private:
  size_t start_;
  size_t end_;
  ListFilter* filter_;
  bool begins_plainly_ = false;  // the first word is the first token
};

}  // namespace

absl::StatusOr<ListWords> ParseListWords(std::span<const std::string_view> words) {
  std::string text;
  for (const std::string_view word : words) text.append(text.empty() ? "" : " ").append(word);
  absl::StatusOr<std::vector<FilterToken>> tokens = netdiag::SplitFilter(text);
  ListWords parsed;
  if (!tokens.ok()) {
    parsed.expression = text;  // ParseListFilter() reports the error with its place
    return parsed;
  }
  NETDIAG_ASSIGN_OR_RETURN(const size_t used, Prefix(*tokens, &parsed).Read());
  const std::span<const FilterToken> rest = std::span(*tokens).subspan(used);
  if (!rest.empty()) parsed.expression = text.substr(rest[0].offset);
  parsed.shorthand = BeginsWithShorthand(rest);
  return parsed;
}

absl::StatusOr<ListFilter> ParseListFilter(const ListWords& words, const ListFilterOptions& how,
                                           std::string* pointer) {
  ListFilter parsed;
  std::string text = words.expression;
  size_t start = 0;
  if (!how.path.empty()) {
    NETDIAG_ASSIGN_OR_RETURN(const std::string file, ReadFilterFile(how.path));
    start = text.empty() ? 0 : 1;
    text = text.empty() ? file : "(" + text + "\n) (" + file + "\n)";
  }
  if (text.empty()) return parsed;
  absl::Status not_entered;
  netdiag::FilterOptions options = HostFilterOptions(how.host, &not_entered);
  for (const netdiag::FamilyNames& row : netdiag::AllFamilies()) {
    if (how.families == netdiag::FamilySet(row.family)) options.family = row.family;
  }
  if (words.shorthand) {
    options.shorthand = Meanings(start, start + words.expression.size(), &parsed);
  }
  absl::StatusOr<Filter> filter = Filter::Parse(text, options);
  NETDIAG_RETURN_IF_ERROR(not_entered);
  if (!filter.ok() && pointer != nullptr) *pointer = netdiag::PointAt(text, filter.status());
  if (!filter.ok()) return filter.status();
  parsed.states =
      parsed.owners || filter->ReadsOwners() ? StateSet::SsAll() : filter->NamedStates();
  parsed.filter = std::make_shared<const Filter>(*std::move(filter));
  return parsed;
}

}  // namespace diag
