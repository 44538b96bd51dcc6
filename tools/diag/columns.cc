// Tested by tests/tools/columns_test.cc.

#include "tools/diag/columns.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "netdiag/types/error.h"
#include "netdiag/types/parse_number.h"
#include "tools/diag/names.h"
#include "tools/diag/text.h"

namespace diag {
namespace {

using netdiag::BadInput;
using netdiag::Field;
using netdiag::FieldGroup;
using netdiag::FieldValue;

std::string Lowercase(std::string_view word) {
  std::string lower(word);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

Column ColumnOf(const Field& field) {
  Column column;
  column.field = &field;
  column.words = netdiag::WordsOf(field);
  column.key = netdiag::NameWithUnit(field);
  const bool own = field.group == FieldGroup::kSocket;
  const bool of_smc_device =
      field.group == FieldGroup::kSmcDevice && field.meaning == netdiag::Meaning::kIdentity;
  if (of_smc_device || (own && (field.name == "cookie" || field.name == "cgroup"))) {
    column.json = Column::Json::kDigits;
  }
  if (own && field.name == "interface") column.json = Column::Json::kInterface;
  if (column.per_owner() && field.name == "args") column.json = Column::Json::kArguments;
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

// The columns of the group `name`, or all; none if there is no such group.
std::vector<Column> GroupColumns(std::string_view name) {
  if (name == "all") return AllColumns(true);
  std::vector<Column> columns;
  for (const Field& field : netdiag::AllFields()) {
    if (field.group == FieldGroup::kSocket || Name(field.group) != name) continue;
    columns.push_back(ColumnOf(field));
  }
  return columns;
}

// Parses the order of --count-by: columns that are shown, and "count".
absl::Status ParseCountOrder(std::string_view list, Selection* selection) {
  using netdiag::RowCounts;
  return ForEachName(list, [&](std::string_view name) -> absl::Status {
    const bool descending = name.starts_with('-');
    if (descending) name.remove_prefix(1);
    if (Lowercase(name) == "count") {
      selection->count_order.push_back({RowCounts::Part::kCount, 0, descending});
      return absl::OkStatus();
    }
    NETDIAG_ASSIGN_OR_RETURN(const Column column, FindColumn(name));
    const auto add_from = [&](const std::vector<Column>& columns, RowCounts::Part part) {
      const auto found = std::ranges::find(columns, column);
      if (found == columns.end()) return false;
      selection->count_order.push_back(
          {part, static_cast<size_t>(found - columns.begin()), descending});
      return true;
    };
    if (add_from(selection->sums, RowCounts::Part::kSum)) return absl::OkStatus();
    if (add_from(selection->count_by, RowCounts::Part::kValue)) return absl::OkStatus();
    return BadInput("column", name,
                    "with --count-by, --sort takes count and the columns of --count-by and --sum");
  });
}

absl::Status CheckSums(const Selection& selection) {
  if (selection.sums.empty()) return absl::OkStatus();
  if (selection.count_by.empty()) return BadInput("option", "--sum", "it needs --count-by");
  for (const Column& column : selection.sums) {
    const netdiag::Meaning meaning = column.field->meaning;
    if (meaning == netdiag::Meaning::kCounter || meaning == netdiag::Meaning::kGauge) continue;
    return BadInput("column", column.head(), "only amounts can be summed, such as bytes_acked");
  }
  return absl::OkStatus();
}

void AppendForeign(std::string_view text, const Column& column, Escape escape, std::string* out) {
  const bool named = column.field->group == FieldGroup::kSocket && column.field->name == "name";
  if (escape == Escape::kText) {
    if (named) {
      AppendUnixName(text, out);
    } else if (text == "-") {
      AppendHexEscape('-', out);  // "-" is an absent value
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

// Appends the name of an interface or a user.
void AppendNameOf(const Column& column, uint64_t number, netdiag::NetnsId netns, Names* names,
                  std::string* out) {
  const auto id = static_cast<uint32_t>(number);
  const size_t start = out->size();
  if (column.named == Column::Named::kUser) {
    names->AppendUser(netdiag::Uid(id), out);
  } else {
    names->AppendInterface(netns, netdiag::IfIndex(id), out);
  }
  if (std::string_view(*out).substr(start) != "-") return;
  out->resize(start);
  AppendHexEscape('-', out);  // "-" is an absent value
}

void AppendNumberOf(const Column& column, uint64_t number, std::string* out) {
  if (column.field->unit == netdiag::Unit::k256ths) {
    char ratio[netdiag::kRatioRoom];
    out->append(ratio, netdiag::WriteRatio(number, ratio));
    return;
  }
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
  const std::string word = Lowercase(name);
  const Field* field = netdiag::FindFieldByWord(word);
  if (field == nullptr) {
    const std::string nearest = netdiag::NearestFieldWord(name);
    if (!nearest.empty()) return BadInput("column", name, "did you mean " + nearest + "?");
    return BadInput("column", name, "no field has this name; `diag help fields` lists the fields");
  }
  Column column = ColumnOf(*field);
  column.header = name;
  if (word == "dev") column.named = Column::Named::kInterface;
  if (word == "user") column.named = Column::Named::kUser;
  if (column.named != Column::Named::kNo) column.key = word;
  return column;
}

absl::StatusOr<std::vector<Column>> ParseColumns(std::string_view list) {
  std::vector<Column> columns;
  const auto add = [&](std::string_view name) -> absl::Status {
    const auto is_listed = [&](const Column& column) {
      return std::ranges::find(columns, column) != columns.end();
    };
    std::vector<Column> group = GroupColumns(Lowercase(name));
    if (!group.empty()) {
      for (Column& column : group) {
        if (!is_listed(column)) columns.push_back(std::move(column));
      }
      return absl::OkStatus();
    }
    NETDIAG_ASSIGN_OR_RETURN(Column column, FindColumn(name));
    if (is_listed(column)) return BadInput("column", name, "the list names it twice");
    columns.push_back(std::move(column));
    return absl::OkStatus();
  };
  NETDIAG_RETURN_IF_ERROR(ForEachName(list, add));
  return columns;
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
  for (const Column& column : AllColumns(true)) {
    const Field& field = *column.field;
    words.push_back(column.title());
    // The name alone, if it means this field.
    const bool differs = field.name != words.back();
    if (differs && netdiag::FindFieldByWord(field.name) == &field) words.emplace_back(field.name);
  }
  for (const netdiag::FieldAlias& row : netdiag::FieldAliases()) words.emplace_back(row.word);
  return words;
}

std::vector<std::string> AllColumnWords() {
  std::vector<std::string> words = AllFieldWords();
  words.insert(words.end(), {"all", "help"});
  for (const Column& column : AllColumns(true)) {
    const std::string_view group = Name(column.field->group);
    if (!group.empty() && words.back() != group) words.emplace_back(group);
  }
  return words;
}

std::vector<std::string> AllSortWords() {
  std::vector<std::string> words = AllFieldWords();
  words.emplace_back("count");
  return words;
}

absl::StatusOr<Selection> ParseSelection(std::string_view columns, std::string_view sort,
                                         std::string_view limit, std::string_view count_by,
                                         std::string_view sum) {
  Selection selection;
  NETDIAG_ASSIGN_OR_RETURN(selection.columns, ParseColumns(columns));
  selection.all = selection.columns.size() == netdiag::AllFields().size();
  NETDIAG_ASSIGN_OR_RETURN(selection.count_by, ParseColumns(count_by));
  NETDIAG_ASSIGN_OR_RETURN(selection.sums, ParseColumns(sum));
  NETDIAG_RETURN_IF_ERROR(CheckSums(selection));
  const auto add = [&](std::string_view name) -> absl::Status {
    const bool descending = name.starts_with('-');
    NETDIAG_ASSIGN_OR_RETURN(Column column, FindColumn(name.substr(descending ? 1 : 0)));
    selection.sort.push_back({std::move(column), descending});
    return absl::OkStatus();
  };
  NETDIAG_RETURN_IF_ERROR(selection.count_by.empty() ? ForEachName(sort, add)
                                                     : ParseCountOrder(sort, &selection));
  if (!limit.empty()) {
    selection.limit = netdiag::internal::ParseNumber<size_t>(limit).value_or(0);
    if (selection.limit == 0) {
      return BadInput("limit", limit, "expected a number of rows, 1 or more");
    }
  }
  if (!selection.count_by.empty() && !selection.columns.empty()) {
    return BadInput("option", "--columns", "it cannot be combined with --count-by");
  }
  return selection;
}

void AddNeeds(std::span<const Column> columns, netdiag::Query* query) {
  for (const Column& column : columns) netdiag::AddNeeds({column.field, 1}, query);
}

std::vector<Column> CountColumns(const Selection& selection) {
  std::vector<Column> columns = selection.count_by;
  columns.insert(columns.end(), selection.sums.begin(), selection.sums.end());
  return columns;
}

std::vector<netdiag::RowKey> KeysOf(std::span<const Selection::Order> sort) {
  std::vector<netdiag::RowKey> keys;
  for (const Selection::Order& order : sort) {
    keys.push_back(netdiag::KeyOf(*order.column.field, order.descending));
  }
  return keys;
}

std::vector<netdiag::RowKey> KeysOf(std::span<const Column> columns) {
  std::vector<netdiag::RowKey> keys;
  for (const Column& column : columns) keys.push_back(netdiag::KeyOf(*column.field));
  return keys;
}

void AppendValue(const Column& column, const FieldValue& value, Escape escape,
                 netdiag::NetnsId netns, Names* names, std::string* out) {
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    AppendForeign(*text, column, escape, out);
  } else if (const auto* flag = std::get_if<bool>(&value)) {
    out->append(*flag ? "true" : "false");
  } else if (const auto* address = std::get_if<netdiag::IpAddress>(&value)) {
    address->AppendTo(out);
  } else if (const auto* number = std::get_if<uint64_t>(&value)) {
    if (column.named != Column::Named::kNo) return AppendNameOf(column, *number, netns, names, out);
    AppendNumberOf(column, *number, out);
  }
}

void AppendCell(const Column& column, const netdiag::Row& row, std::optional<size_t> owner,
                Escape escape, Names* names, std::string* out) {
  const Field& field = *column.field;
  if (owner && field.group == FieldGroup::kOwner) {
    AppendValue(column, field.get(row, *owner), escape, {}, names, out);
    return;
  }
  if (!column.is_list()) {
    AppendValue(column, field.get(row, 0), escape, row.table().netns, names, out);
    return;
  }
  for (size_t i = 0; i < ValuesOf(field.group, row); ++i) {
    if (i > 0) out->push_back(',');
    const FieldValue value = field.get(row, i);
    const auto* text = std::get_if<std::string_view>(&value);
    if (text == nullptr) {
      AppendValue(column, value, escape, {}, names, out);
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
