// Tested by tests/tools/columns_test.cc.

#include "tools/diag/columns.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "netdiag/types/error.h"
#include "netdiag/types/parse_number.h"
#include "tools/diag/text.h"

namespace diag {
namespace {

using netdiag::BadInput;
using netdiag::Field;
using netdiag::FieldGroup;
using netdiag::FieldValue;

Column ColumnOf(const Field& field) {
  Column column;
  column.field = &field;
  column.words = netdiag::WordsOf(field);
  column.key = netdiag::NameWithUnit(field);
  column.as_text =
      field.group == FieldGroup::kSocket && (field.name == "cookie" || field.name == "cgroup");
  return column;
}

// Calls `add` with each word between commas until `add` fails.
template <class F>
absl::Status ForEachName(std::string_view list, const F& add) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    NETDIAG_RETURN_IF_ERROR(add(list.substr(0, comma)));
    if (comma + 1 == list.size()) return BadInput("list", list, "a name must follow the comma");
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Column>> ParseColumns(std::string_view list) {
  std::vector<Column> columns;
  const auto add = [&](std::string_view name) -> absl::Status {
    NETDIAG_ASSIGN_OR_RETURN(Column column, FindColumn(name));
    for (const Column& other : columns) {
      if (other.field == column.field) return BadInput("column", name, "the list names it twice");
    }
    columns.push_back(std::move(column));
    return absl::OkStatus();
  };
  NETDIAG_RETURN_IF_ERROR(ForEachName(list, add));
  return columns;
}

void AppendForeign(std::string_view text, const Column& column, Escape escape, std::string* out) {
  const bool named = column.field->group == FieldGroup::kSocket && column.field->name == "name";
  if (escape == Escape::kText) {
    if (named) {
      AppendUnixName(text, out);
    } else {
      AppendEscaped(text, out);
    }
    return;
  }
  // Spreadsheets take text that begins with one of these for a formula.
  if (text.starts_with('=') || text.starts_with('+') || text.starts_with('-') ||
      text.starts_with('@')) {
    AppendHexEscape(text[0], out);
    text.remove_prefix(1);
  }
  AppendEscaped(text, out);
}

void AppendNumberOf(const Column& column, uint64_t number, std::string* out) {
  if (column.words == nullptr) {
    AppendNumber(number, out);
    return;
  }
  if (!column.words->flags) {
    const std::string_view word = column.words->Word(number);
    if (word.empty()) {
      AppendNumber(number, out);
    } else {
      out->append(word);
    }
    return;
  }
  if (number == 0) {
    out->append("none");  // unlike an absent value
    return;
  }
  bool first = true;
  for (uint64_t bit = 0; bit < 64; ++bit) {
    if ((number >> bit & 1) == 0) continue;
    if (!std::exchange(first, false)) out->push_back('|');
    const std::string_view word = column.words->Word(bit);
    if (word.empty()) {
      out->append("bit");
      AppendNumber(bit, out);
    } else {
      out->append(word);
    }
  }
}

}  // namespace

std::string Column::title() const {
  if (field->group == FieldGroup::kSocket) return key;
  return std::string(Name(field->group)) + "." + key;
}

absl::StatusOr<Column> FindColumn(std::string_view name) {
  const Field* field = netdiag::FindFieldByWord(name);
  if (field != nullptr) return ColumnOf(*field);
  return BadInput("column", name, "did you mean " + netdiag::NearestFieldWord(name).word + "?");
}

std::vector<Column> AllColumns(bool owners) {
  std::vector<Column> columns;
  for (const Field& field : netdiag::AllFields()) {
    Column column = ColumnOf(field);
    if (column.per_owner() && !owners) continue;
    columns.push_back(std::move(column));
  }
  return columns;
}

std::vector<std::string> AllFieldWords() {
  std::vector<std::string> words;
  for (const Column& column : AllColumns(true)) words.push_back(column.title());
  for (const netdiag::FieldAlias& row : netdiag::FieldAliases()) words.emplace_back(row.word);
  return words;
}

absl::StatusOr<Selection> ParseSelection(std::string_view columns, std::string_view sort,
                                         std::string_view limit, std::string_view count_by) {
  Selection selection;
  NETDIAG_ASSIGN_OR_RETURN(selection.columns, ParseColumns(columns));
  NETDIAG_ASSIGN_OR_RETURN(selection.count_by, ParseColumns(count_by));
  const auto add = [&](std::string_view name) -> absl::Status {
    const bool descending = name.starts_with('-');
    NETDIAG_ASSIGN_OR_RETURN(Column column, FindColumn(name.substr(descending ? 1 : 0)));
    selection.sort.push_back({std::move(column), descending});
    return absl::OkStatus();
  };
  NETDIAG_RETURN_IF_ERROR(ForEachName(sort, add));
  if (!limit.empty()) {
    selection.limit = netdiag::internal::ParseNumber<size_t>(limit).value_or(0);
    if (selection.limit == 0) {
      return BadInput("limit", limit, "expected a number of rows, 1 or more");
    }
  }
  if (!selection.count_by.empty() && !selection.columns.empty()) {
    return BadInput("option", "--columns", "it cannot be combined with --count-by");
  }
  if (!selection.count_by.empty() && !selection.sort.empty()) {
    return BadInput("option", "--sort",
                    "it cannot be combined with --count-by, which sorts by count");
  }
  return selection;
}

void AddNeeds(std::span<const Column> columns, netdiag::Query* query) {
  for (const Column& column : columns) netdiag::AddNeeds({column.field, 1}, query);
}

std::vector<netdiag::RowKey> KeysOf(std::span<const Selection::Order> sort) {
  std::vector<netdiag::RowKey> keys;
  for (const Selection::Order& order : sort) {
    keys.push_back(netdiag::KeyOf(*order.column.field, order.descending));
  }
  return keys;
}

std::vector<netdiag::RowKey> KeysOf(std::span<const Column> count_by) {
  std::vector<netdiag::RowKey> keys;
  for (const Column& column : count_by) keys.push_back(netdiag::KeyOf(*column.field));
  return keys;
}

void AppendValue(const Column& column, const FieldValue& value, Escape escape, std::string* out) {
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    AppendForeign(*text, column, escape, out);
  } else if (const auto* flag = std::get_if<bool>(&value)) {
    out->append(*flag ? "true" : "false");
  } else if (const auto* address = std::get_if<netdiag::IpAddress>(&value)) {
    address->AppendTo(out);
  } else if (const auto* number = std::get_if<uint64_t>(&value)) {
    AppendNumberOf(column, *number, out);
  }
}

void AppendCell(const Column& column, const netdiag::Row& row, Escape escape, std::string* out) {
  const Field& field = *column.field;
  if (!column.per_owner()) {
    AppendValue(column, field.get(row, 0), escape, out);
    return;
  }
  for (size_t i = 0; i < ValuesOf(field.group, row); ++i) {
    if (i > 0) out->push_back(',');
    const FieldValue value = field.get(row, i);
    const auto* text = std::get_if<std::string_view>(&value);
    if (text == nullptr) {
      AppendValue(column, value, escape, out);
      continue;
    }
    // Escape commas within a value, because commas separate the values.
    for (std::string_view rest = *text; !rest.empty();) {
      const size_t comma = std::min(rest.find(','), rest.size());
      AppendForeign(rest.substr(0, comma), column, escape, out);
      if (comma < rest.size()) AppendHexEscape(',', out);
      rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
  }
}

}  // namespace diag
