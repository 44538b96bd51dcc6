// Queries from texts. Tested by tests/c/netdiag_test.cc.

#include "netdiag/c/query.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "netdiag/c/border.h"
#include "netdiag/field_words.h"
#include "netdiag/filter/filter.h"
#include "netdiag/types/error.h"
#include "netdiag/types/types.h"

namespace netdiag::c {
namespace {

// The words of `text`, which blanks and commas separate. A null text has none.
std::vector<std::string_view> WordsIn(const char* text) {
  constexpr std::string_view kBetween = " \t\r\n,";
  std::string_view rest = text == nullptr ? "" : text;
  std::vector<std::string_view> words;
  for (size_t begin = 0; (begin = rest.find_first_not_of(kBetween)) != rest.npos;) {
    rest.remove_prefix(begin);
    const size_t size = std::min(rest.find_first_of(kBetween), rest.size());
    words.push_back(rest.substr(0, size));
    rest.remove_prefix(size);
  }
  return words;
}

absl::Status ReadProtocols(const char* text, std::vector<Protocol>* protocols) {
  if (text == nullptr) return absl::OkStatus();
  protocols->clear();
  for (const std::string_view word : WordsIn(text)) {
    const auto row = std::ranges::find(AllProtocols(), word, &TableNames::word);
    if (row == AllProtocols().end()) return BadInput("protocols", word, "is no protocol");
    protocols->push_back(row->protocol);
  }
  if (protocols->empty()) return BadInput("protocols", text, "names none");
  return absl::OkStatus();
}

absl::Status ReadStates(const char* text, StateSet* states) {
  if (text == nullptr) return absl::OkStatus();
  *states = StateSet::None();
  for (const std::string_view word : WordsIn(text)) {
    const std::optional<StateSet> named = ParseStates(word);
    if (!named) return BadInput("states", word, "is no state");
    *states = *states | *named;
  }
  if (states->empty()) return BadInput("states", text, "names none");
  return absl::OkStatus();
}

// The fields that a word names: a field, or all fields of a group.
absl::Status AddColumns(std::string_view word, std::vector<const Field*>* columns) {
  if (const Field* const field = FindFieldByWord(word); field != nullptr) {
    columns->push_back(field);
    return absl::OkStatus();
  }
  const size_t before = columns->size();
  for (const Field& field : AllFields()) {
    if (Name(field.group) == word) columns->push_back(&field);
  }
  if (columns->size() > before) return absl::OkStatus();
  return BadInput("fields", word, "is no field" + Suggestion(word));
}

absl::StatusOr<std::unique_ptr<netdiag_query>> Make(const netdiag_query_options* given) {
  NETDIAG_ASSIGN_OR_RETURN(const netdiag_query_options options, ReadOptions(given));
  auto made = std::make_unique<netdiag_query>();
  Query& query = made->query;
  NETDIAG_RETURN_IF_ERROR(ReadProtocols(options.protocols, &query.protocols));
  NETDIAG_RETURN_IF_ERROR(ReadStates(options.states, &query.states));
  for (const std::string_view word : WordsIn(options.fields)) {
    NETDIAG_RETURN_IF_ERROR(AddColumns(word, &made->columns));
  }
  for (const Field* field : made->columns) AddNeeds({field, 1}, &query);
  if (options.filter != nullptr) {
    NETDIAG_ASSIGN_OR_RETURN(Filter filter, Filter::Parse(options.filter));
    filter.AddNeeds(&query);
    query.filter = std::make_shared<const Filter>(std::move(filter));
  }
  if (options.completeness > NETDIAG_COMPLETENESS_EXACT) {
    return BadInput("completeness", std::to_string(options.completeness), "is unknown");
  }
  const bool fast = options.completeness == NETDIAG_COMPLETENESS_FAST;
  query.completeness = fast ? Completeness::kFast : Completeness::kExact;
  if (options.owner_policy > NETDIAG_OWNERS_CACHED) {
    return BadInput("owner_policy", std::to_string(options.owner_policy), "is unknown");
  }
  query.owner_policy = static_cast<OwnerPolicy>(options.owner_policy);
  query.bounded_steps = options.bounded_steps != 0;
  return made;
}

}  // namespace

const Field* FieldOf(int id) {
  const std::span<const Field> all = AllFields();
  return id >= 0 && static_cast<size_t>(id) < all.size() ? &all[static_cast<size_t>(id)] : nullptr;
}

std::string Suggestion(std::string_view word) {
  const std::string nearest = NearestFieldWord(word);
  return nearest.empty() ? "" : "; did you mean " + nearest + "?";
}

absl::Status CheckHas(const Query& query, const Field& field) {
  Query needs;
  AddNeeds({&field, 1}, &needs);
  const bool has = (query.extensions | needs.extensions) == query.extensions &&
                   query.owners >= needs.owners && query.peers >= needs.peers &&
                   query.cgroups >= needs.cgroups && query.containers >= needs.containers &&
                   query.programs >= needs.programs;
  if (has) return absl::OkStatus();
  return BadInput("fields", field.name, "was not asked for by the query of this snapshot");
}

}  // namespace netdiag::c

extern "C" {

int netdiag_query_new(const netdiag_query_options* options, netdiag_query** query,
                      netdiag_error* error) {
  return netdiag::c::Guarded(error, [&]() -> absl::StatusOr<int> {
    if (query == nullptr) return netdiag::ErrnoError(EINVAL, "query", "it is null");
    NETDIAG_ASSIGN_OR_RETURN(std::unique_ptr<netdiag_query> made, netdiag::c::Make(options));
    *query = made.release();
    return 0;
  });
}

size_t netdiag_query_columns(const netdiag_query* query) { return query->columns.size(); }

int netdiag_query_column(const netdiag_query* query, size_t column) {
  if (column >= query->columns.size()) return NETDIAG_NOT_FOUND;
  return static_cast<int>(query->columns[column] - netdiag::AllFields().data());
}

void netdiag_query_free(netdiag_query* query) { delete query; }

}  // extern "C"
