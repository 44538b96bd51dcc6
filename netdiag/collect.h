// netdiag/collect.h — what is done with rows beyond showing them: put in order, or counted.
//
//   SortedRows top({{KeyOf(*FindField("rtt"), /*descending=*/true)}}, /*limit=*/10);
//   RowCounts states({{KeyOf(*FindField("state"))}});
//   engine->Visit(query, [&](const Row& row) { top.Add(row); states.Add(row); … });
//   for (const RowCounts::Group& group : states.Groups()) Print(group.values[0], group.count);
//
// A value that a row has not got comes after every one that it could have, in both directions.
// Values of different kinds do not mix within a field; numbers and addresses compare as such, text
// by bytes.
//
// Lifetime: rows of SortedRows are over copies of their own; what they are joined with is the
// Engine's, until its next query, and stays so long with Query::keep_joins. Values of groups are
// views, until the next Add(). Threads: thread-compatible. Cost: see the classes.

#ifndef NETDIAG_COLLECT_H_
#define NETDIAG_COLLECT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"

#include "netdiag/fields.h"
#include "netdiag/row.h"
#include "netdiag/row_store.h"
#include "netdiag/types/types.h"

namespace netdiag {

// What rows are ordered or counted by.
struct RowKey {
  std::function<FieldValue(const Row& row, size_t owner)> get;
  FieldGroup group = FieldGroup::kSocket;  // how many values a row has: ValuesOf()
  bool descending = false;
};
RowKey KeyOf(const Field& field, bool descending = false);

// Rows in order. Of several owners the first counts; equal rows stay in the order they came in.
// Cost: with a limit, memory for that many rows and no allocation for one that is not among them;
// without, a copy of each row's message.
class SortedRows {
 public:
  // `limit`: how many to keep; 0: all.
  SortedRows(std::vector<RowKey> keys, size_t limit);
  void Add(const Row& row);
  // In order, until the visitor stops.
  void Visit(absl::FunctionRef<Flow(const Row&)> visitor);

 private:
  // As FieldValue, with text of its own.
  using Value = std::variant<std::monostate, uint64_t, bool, std::string, IpAddress>;
  struct Entry {
    std::vector<Value> values;
    uint64_t number = 0;  // in the order of arrival
    std::vector<std::byte> message;
    std::vector<Row> row;  // one, over `message`
  };

  void Read(const Row& row, std::vector<Value>* values) const;
  bool Before(const Entry& a, const Entry& b) const;
  void Keep(const Row& row, Entry* entry);

  std::vector<RowKey> keys_;
  size_t limit_;
  uint64_t number_ = 0;
  Entry next_;  // the values of the row that is being added
  // With a limit, a heap whose first is the last in order. By pointer: cheap to move about.
  std::vector<std::unique_ptr<Entry>> entries_;
  internal::TableCopies tables_;  // that rows point to
};

// How many rows have the same values. A row that several owners hold counts once for each value
// they have between them; keys of owners and of a peer's owners do not go together. Cost: a hash of
// the values a row; an allocation a group; memory grows with the number of groups.
class RowCounts {
 public:
  struct Group {
    std::vector<FieldValue> values;  // of each key
    uint64_t count = 0;
  };

  explicit RowCounts(std::vector<RowKey> keys);
  void Add(const Row& row);
  // The largest first; equal ones in order of their values.
  std::vector<Group> Groups() const;

 private:
  struct Count {
    uint64_t count = 0;
    uint64_t last_row = 0;  // the row that was counted last
  };

  std::vector<RowKey> keys_;
  uint64_t rows_ = 0;
  std::string key_;  // of the row that is being added
  absl::flat_hash_map<std::string, Count> counts_;
};

}  // namespace netdiag

#endif  // NETDIAG_COLLECT_H_
