// tools/diag/columns.h — the fields that --columns, --sort and --count-by name, and their values as
// text.

#ifndef NETDIAG_TOOLS_DIAG_COLUMNS_H_
#define NETDIAG_TOOLS_DIAG_COLUMNS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "netdiag/collect.h"
#include "netdiag/field_words.h"
#include "netdiag/fields.h"
#include "netdiag/query.h"
#include "netdiag/types/types.h"

namespace diag {

class Names;  // names.h

// A field as diag shows it.
struct Column {
  const netdiag::Field* field = nullptr;
  const netdiag::FieldWords* words = nullptr;  // for its numbers; null: numbers stay numbers
  std::string key;                             // the name with its unit: "rtt_us"
  std::string header;                          // the name as the user wrote it; empty: the title
  // How JSON writes the value, if not as text, number or boolean: an id of 64 bits as a string of
  // digits, an interface as its number and name, arguments as an array.
  enum class Json : uint8_t { kPlain, kDigits, kInterface, kArguments } json = Json::kPlain;
  // The number is shown as a name: the columns `dev` and `user`.
  enum class Named : uint8_t { kNo, kInterface, kUser } named = Named::kNo;

  bool per_owner() const {
    return field->group == netdiag::FieldGroup::kOwner ||
           field->group == netdiag::FieldGroup::kPeerOwner;
  }
  // A row has any number of values: owners, or addresses.
  bool is_list() const { return netdiag::IsList(field->group); }
  // "tcp_info.rtt_us", "local_port".
  std::string title() const;
  // The head of the column in a table or in CSV.
  std::string head() const { return header.empty() ? title() : header; }
  bool operator==(const Column& other) const {
    return field == other.field && named == other.named;
  }
};

// Which columns of which rows are shown, and in which order.
struct Selection {
  struct Order {
    Column column;
    bool descending = false;
  };
  std::vector<Column> columns;   // empty: the columns of the form of output
  std::vector<Order> sort;       // empty: the order of the dumps
  std::vector<Column> count_by;  // if not empty, the counts of equal rows instead of the rows
  std::vector<Column> sums;      // numbers to add up for each count
  std::vector<netdiag::RowCounts::Order> count_order;  // of the counts; empty: the largest first
  uint64_t limit = 0;                                  // the number of rows; 0: all
  bool all = false;         // `columns` are all, so that JSON also shows what no column has
  bool each_owner = false;  // a row for each owner of a socket; one without an owner has one row

  bool empty() const { return columns.empty() && count_by.empty(); }
};

// Finds a column by any word of its field (netdiag/field_words.h), in upper or lower case. `dev`
// and `user` show the names of `interface` and `uid`. An error names the nearest word.
absl::StatusOr<Column> FindColumn(std::string_view name);
// Finds the columns of a list with commas. "all" and the name of a group stand for those of their
// columns that the list does not name before.
absl::StatusOr<std::vector<Column>> ParseColumns(std::string_view list);
// Parses the arguments of the options with these names; empty: the option is not given.
absl::StatusOr<Selection> ParseSelection(std::string_view columns, std::string_view sort,
                                         std::string_view limit, std::string_view count_by,
                                         std::string_view sum = {});
// Every column, in the order of the field table. Columns of owners only if `owners`.
std::vector<Column> AllColumns(bool owners);
// Every word that FindColumn() offers: titles, names and short names.
std::vector<std::string> AllFieldWords();
// Every word that --columns takes: also the groups of fields and "all".
std::vector<std::string> AllColumnWords();
// Every word that --sort takes: also "count", the number of sockets of --count-by.
std::vector<std::string> AllSortWords();
// Makes `query` ask for everything that the columns read.
void AddNeeds(std::span<const Column> columns, netdiag::Query* query);
// The columns of a count: those of --count-by, then those of --sum.
std::vector<Column> CountColumns(const Selection& selection);
// The keys for SortedRows and RowCounts.
std::vector<netdiag::RowKey> KeysOf(std::span<const Selection::Order> sort);
std::vector<netdiag::RowKey> KeysOf(std::span<const Column> columns);

// Items, such as columns, listed by family. So a row is asked only for values that it can have.
template <class Item>
class ByFamily {
 public:
  // `families(item)`: the families whose rows can have a value for the item.
  template <class Families>
  void Set(std::span<const Item> items, const Families& families) {
    lists_[0].assign(items.begin(), items.end());
    for (size_t i = 1; i < lists_.size(); ++i) {
      const auto family = static_cast<netdiag::Family>(i);
      for (const Item& item : items) {
        if (families(item).contains(family)) lists_[i].push_back(item);
      }
    }
  }
  const std::vector<Item>& operator[](netdiag::Family family) const {
    const auto i = static_cast<size_t>(family);
    return i < lists_.size() && !lists_[i].empty() ? lists_[i] : lists_[0];
  }

 private:
  // By number. The first has all items, for a family that no item has.
  std::array<std::vector<Item>, static_cast<size_t>(netdiag::Family::kXdp) + 1> lists_;
};

// How text that other processes chose is made safe.
enum class Escape : uint8_t {
  kText,  // for a terminal; abstract unix names begin with '@'
  kCsv,   // can be read back exactly, and a spreadsheet does not take it for a formula
};
// Appends one value; nothing if the value is absent. `netns`: where the name of an interface is
// looked up; 0: here.
void AppendValue(const Column& column, const netdiag::FieldValue& value, Escape escape,
                 netdiag::NetnsId netns, Names* names, std::string* out);
// Appends the value of a row's column. The values of a list are separated by commas.
// `owner`: only this one of Row::owners(), nothing if there is no such owner.
void AppendCell(const Column& column, const netdiag::Row& row, std::optional<size_t> owner,
                Escape escape, Names* names, std::string* out);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_COLUMNS_H_
