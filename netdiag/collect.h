// SPDX-License-Identifier: Apache-2.0
//
// netdiag/collect.h — collects rows: in order, or as counts.
//
//   SortedRows top({{KeyOf(*FindField("rtt"), /*descending=*/true)}}, /*limit=*/10);
//   RowCounts states({{KeyOf(*FindField("state"))}});
//   engine->Visit(query, [&](const Row& row) { top.Add(row); states.Add(row); … });
//   for (const RowCounts::Group& group : states.Groups()) Print(group.values[0], group.count);
//   RowCounts bytes({KeyOf(*FindField("owners.command"))}, {KeyOf(*FindField("bytes_acked"))});
//   bytes.Groups({{{RowCounts::Part::kSum, 0, /*descending=*/true}}});
//
// Numbers and addresses compare by value, text by its bytes. A row without a value comes after all
// rows with one, in both directions. All values of a field have the same type.
//
// Lifetime: SortedRows copies the rows' messages, but not the owners, peers and cgroups that the
// Engine joined to them: set Query::keep_joins, and visit the rows before the Engine's next query.
// The values of a RowCounts::Group are valid until the next Add().
// Threads: thread-compatible.

#ifndef NETDIAG_COLLECT_H_
#define NETDIAG_COLLECT_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "absl/functional/function_ref.h"

#include "netdiag/fields.h"
#include "netdiag/row.h"
#include "netdiag/types/types.h"

namespace netdiag {

// One value of a row, to order or to count by.
struct RowKey {
  std::function<FieldValue(const Row& row, size_t i)> get;
  FieldGroup group = FieldGroup::kSocket;  // how many values a row has: ValuesOf()
  bool descending = false;
};
RowKey KeyOf(const Field& field, bool descending = false);

// Rows in order of their keys. If a row has several owners, its keys use one of them. Equal rows
// keep the order in which they were added. Cost: without a limit, a copy of each row's message.
// With a limit, memory for that many rows; a row beyond the limit costs no allocation.
class SortedRows {
 public:
  // Keeps the first `limit` rows in order. 0: all rows.
  SortedRows(std::vector<RowKey> keys, size_t limit);
  SortedRows(SortedRows&&) noexcept;
  SortedRows& operator=(SortedRows&&) noexcept;
  ~SortedRows();

  // `owner`: which of the row's owners the keys use. A row may be added once for each owner.
  void Add(const Row& row, size_t owner = 0);
  // Passes the rows to `visitor` in order, until it returns kStop. More rows may be added later.
  void Visit(absl::FunctionRef<Flow(const Row&)> visitor);
  // The same, with the owner that Add() was given.
  void VisitOwners(absl::FunctionRef<Flow(const Row&, size_t owner)> visitor);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The number of rows for each combination of values, and the sums of their numbers. A row with
// several values, such as owners or addresses, counts once for each combination that it has. Cost:
// a hash of the values per row and combination, and two allocations per group.
class RowCounts {
 public:
  struct Group {
    std::vector<FieldValue> values;  // one for each key
    uint64_t count = 0;
    // One for each sum: absent if no row of the group has a value. At most 2^64-1.
    std::vector<FieldValue> sums;
  };
  // What groups can be ordered by: value `index`, the count, or sum `index`.
  enum class Part : uint8_t { kValue, kCount, kSum };
  struct Order {
    Part part = Part::kCount;
    size_t index = 0;
    bool descending = false;
  };

  // `sums`: fields of the row that are numbers. The direction of the keys and sums is ignored.
  explicit RowCounts(std::vector<RowKey> keys, std::vector<RowKey> sums = {});
  void Add(const Row& row);
  // Returns the groups in this order, then the largest first, then in order of their values.
  std::vector<Group> Groups(std::span<const Order> order = {}) const;

 private:
  struct Count {
    uint64_t count = 0;
    uint64_t last_row = 0;  // the number of the row that was counted last
    std::vector<FieldValue> sums;
  };

  struct List {
    FieldGroup group;
    size_t size;
  };

  // Which value of the group belongs to a combination of the values of lists_.
  size_t PlaceIn(FieldGroup group, size_t combination) const;

  std::vector<RowKey> keys_;
  std::vector<RowKey> sums_;
  uint64_t rows_ = 0;
  std::string key_;          // scratch: the encoded values of the row in Add()
  std::vector<List> lists_;  // scratch: the lists of the row in Add()
  std::unordered_map<std::string, Count> counts_;
};

}  // namespace netdiag

#endif  // NETDIAG_COLLECT_H_
