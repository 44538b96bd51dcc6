// Tested by tests/filter.

#include "netdiag/filter/filter.h"

#include <algorithm>
#include <new>
#include <utility>
#include <variant>

#include "netdiag/fields.h"
#include "netdiag/filter/ast.h"
#include "netdiag/filter/lex.h"
#include "netdiag/filter/parse.h"
#include "netdiag/filter/words.h"
#include "netdiag/types/error.h"

namespace netdiag {

using internal::Node;

namespace {

StateSet NamedStatesOf(const Node& node, bool negated) {
  if (node.kind == Node::Kind::kNot) return NamedStatesOf(node.children[0], !negated);
  StateSet states;
  if (const auto* match = std::get_if<internal::StateMatch>(&node.predicate)) {
    states = negated ? internal::kRowStates - match->states : match->states;
  }
  for (const Node& child : node.children) states = states | NamedStatesOf(child, negated);
  return states;
}

}  // namespace

Filter::Filter() : Filter(std::make_shared<const Node>(internal::MakeTrue())) {}
Filter::Filter(std::shared_ptr<const Node> root) : root_(std::move(root)) {}

absl::StatusOr<Filter> Filter::Parse(std::string_view text, const FilterOptions& options) try {
  NETDIAG_ASSIGN_OR_RETURN(Node root, internal::ParseFilter(text, options));
  return Filter(std::make_shared<const Node>(std::move(root)));
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

bool Filter::Matches(const Row& row) const { return internal::Matches(*root_, row); }
std::string Filter::ToString() const { return internal::Print(*root_); }
bool operator==(const Filter& a, const Filter& b) { return *a.root_ == *b.root_; }
const Node& internal::RootOf(const Filter& filter) { return *filter.root_; }

void Filter::AddNeeds(Query* query) const {
  internal::ForEachPredicate(*root_, [&](const internal::Predicate& predicate) {
    if (const Field* field = internal::FieldOf(predicate)) netdiag::AddNeeds({field, 1}, query);
    if (std::holds_alternative<internal::MarkMatch>(predicate)) query->depth = Depth::kAll;
    const auto* name = std::get_if<internal::NameMatch>(&predicate);
    if (name != nullptr && name->side == internal::Side::kRemote) query->peers = true;
  });
}

void Filter::VisitFields(absl::FunctionRef<void(const Field&)> visit) const {
  internal::ForEachPredicate(*root_, [&](const internal::Predicate& predicate) {
    const Field* field = internal::FieldOf(predicate);
    if (std::holds_alternative<internal::MarkMatch>(predicate)) field = FindField("mark");
    if (field != nullptr) visit(*field);
  });
}

bool Filter::ReadsOwners() const {
  Query query;
  AddNeeds(&query);
  return query.owners;
}

StateSet Filter::NamedStates() const { return NamedStatesOf(*root_, false); }

absl::StatusOr<std::vector<FilterToken>> SplitFilter(std::string_view text) try {
  NETDIAG_ASSIGN_OR_RETURN(std::vector<internal::Token> tokens, internal::Tokenize(text));
  std::vector<FilterToken> split;
  for (internal::Token& token : tokens) {
    if (token.kind == internal::Token::Kind::kEnd) break;
    const bool symbol = token.kind != internal::Token::Kind::kWord;
    if (symbol) token.word = text.substr(token.offset, token.length);
    split.push_back({std::move(token.word), token.offset, symbol, token.quoted});
  }
  return split;
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

bool BeginsFilter(std::string_view word) { return internal::BeginsPredicate(word); }

std::optional<size_t> OffsetOf(const absl::Status& error) { return internal::PlaceOf(error); }

std::string PointAt(std::string_view text, const absl::Status& error) {
  const std::optional<size_t> place = internal::PlaceOf(error);
  if (!place || *place > text.size()) return "";
  const size_t newline = text.substr(0, *place).rfind('\n');
  const size_t start = newline == text.npos ? 0 : newline + 1;
  std::string line(text.substr(start, text.find('\n', start) - start));
  std::ranges::replace_if(
      line, [](char c) { return c < ' ' || c > '~'; }, '?');
  return line + "\n" + std::string(*place - start, ' ') + "^\n";
}

}  // namespace netdiag
