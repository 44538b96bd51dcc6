// netdiag/c/columns.h — Internal. Rows as columns of values: the batches of the C interface.
//
// Lifetime: what Batch() returns is valid until the next Clear(), Add() or SetFields().
// Threads: thread-compatible.
// Cost: no allocation per row once the columns have grown to the size of a batch.

#ifndef NETDIAG_C_COLUMNS_H_
#define NETDIAG_C_COLUMNS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"

#include "netdiag/c/netdiag.h"
#include "netdiag/fields.h"
#include "netdiag/row.h"
#include "netdiag/types/address.h"

namespace netdiag::c {

class Columns {
 public:
  // Begins an empty batch of these columns. The fields are those of AllFields().
  void SetFields(std::span<const Field* const> fields);
  void Clear();
  void Add(const Row& row) {
    Add(row, [&](const Field& field, size_t i) { return field.get(row, i); });
  }
  // Adds a row whose values are those of `get`. Lists are as long as those of `row`.
  void Add(const Row& row, absl::FunctionRef<FieldValue(const Field&, size_t)> get);
  size_t rows() const { return rows_; }
  const netdiag_batch* Batch();

 private:
  struct Column {
    const Field* field = nullptr;
    bool is_list = false;
    bool is_text = false;
    std::vector<netdiag_value> values;
    std::vector<uint32_t> first;  // if it is a list
    // The last text that was added, in texts_: neighbours often have the same.
    size_t last_offset = 0, last_size = SIZE_MAX;
  };

  void AddValue(const FieldValue& value, Column* column);
  void AddText(std::string_view text, netdiag_value* value, Column* column);

  std::vector<Column> columns_;
  std::vector<char> texts_;
  size_t rows_ = 0;
  std::vector<netdiag_column> shown_;
  netdiag_batch batch_ = {};
};

}  // namespace netdiag::c

#endif  // NETDIAG_C_COLUMNS_H_
