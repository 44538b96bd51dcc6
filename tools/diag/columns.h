// tools/diag/columns.h — what --columns, --sort and --count-by name, and their values as text.

#ifndef NETDIAG_TOOLS_DIAG_COLUMNS_H_
#define NETDIAG_TOOLS_DIAG_COLUMNS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "netdiag/collect.h"
#include "netdiag/field_words.h"
#include "netdiag/fields.h"
#include "netdiag/query.h"

namespace diag {

// A field as it is shown.
struct Column {
  const netdiag::Field* field = nullptr;
  const netdiag::FieldWords* words = nullptr;  // of its numbers; null: plain numbers
  std::string key;                             // with its unit: "rtt_us"
  bool as_text = false;                        // a number that is an id of 64 bits

  bool per_owner() const {
    return field->group == netdiag::FieldGroup::kOwner ||
           field->group == netdiag::FieldGroup::kPeerOwner;
  }
  // "tcp_info.rtt_us", "local_port".
  std::string title() const;
};

// What is to be shown of the rows, and of which.
struct Selection {
  struct Order {
    Column column;
    bool descending = false;
  };
  std::vector<Column> columns;  // empty: the form's own
  std::vector<Order> sort;
  std::vector<Column> count_by;
  uint64_t limit = 0;  // 0: none

  bool empty() const { return columns.empty() && count_by.empty(); }
};

// By any word of its field (netdiag/field_words.h). Errors name the nearest.
absl::StatusOr<Column> FindColumn(std::string_view name);
// What the options of these names say; empty: not given.
absl::StatusOr<Selection> ParseSelection(std::string_view columns, std::string_view sort,
                                         std::string_view limit, std::string_view count_by);
// Every column, in the order of the field table; those of owners only if `owners`.
std::vector<Column> AllColumns(bool owners);
// Adds to `query` what the columns read.
void AddNeeds(std::span<const Column> columns, netdiag::Query* query);
// The keys that rows are ordered and counted by.
std::vector<netdiag::RowKey> KeysOf(std::span<const Selection::Order> sort);
std::vector<netdiag::RowKey> KeysOf(std::span<const Column> count_by);

// How foreign text is made safe.
enum class Escape : uint8_t {
  kText,  // as everywhere on a terminal; of unix names, '@' for an abstract one
  kCsv,   // so that it is read back exactly, and no spreadsheet takes it for a formula
};
// Appends one value; nothing for an absent one.
void AppendValue(const Column& column, const netdiag::FieldValue& value, Escape escape,
                 std::string* out);
// Appends what a row has of the column; values of several owners with commas between.
void AppendCell(const Column& column, const netdiag::Row& row, Escape escape, std::string* out);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_COLUMNS_H_
