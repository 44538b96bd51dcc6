// While a batch grows, its texts can move. So the value of a text has its offset until Batch().
// Tested by tests/c/netdiag_test.cc.

#include "netdiag/c/columns.h"

#include <algorithm>
#include <cstring>
#include <variant>

namespace netdiag::c {

void Columns::SetFields(std::span<const Field* const> fields) {
  columns_.clear();
  columns_.reserve(fields.size());
  for (const Field* field : fields) {
    columns_.push_back({.field = field,
                        .is_list = IsList(field->group),
                        .is_text = field->get.type == ValueType::kText});
  }
  Clear();
}

void Columns::Clear() {
  for (Column& column : columns_) {
    column.values.clear();
    column.first.clear();
    if (column.is_list) column.first.push_back(0);
    column.last_size = SIZE_MAX;
  }
  texts_.clear();
  rows_ = 0;
}

void Columns::Add(const Row& row, absl::FunctionRef<FieldValue(const Field&, size_t)> get) {
  for (Column& column : columns_) {
    if (!column.is_list) {
      AddValue(get(*column.field, 0), &column);
      continue;
    }
    const size_t count = ValuesOf(column.field->group, row);
    for (size_t i = 0; i < count; ++i) AddValue(get(*column.field, i), &column);
    column.first.push_back(static_cast<uint32_t>(column.values.size()));
  }
  ++rows_;
}

void Columns::AddValue(const FieldValue& value, Column* column) {
  netdiag_value out = {};
  if (const auto* number = std::get_if<uint64_t>(&value)) {
    out.type = NETDIAG_NUMBER;
    out.as.number = *number;
  } else if (const auto* flag = std::get_if<bool>(&value)) {
    out.type = NETDIAG_FLAG;
    out.as.number = *flag ? 1 : 0;
  } else if (const auto* text = std::get_if<std::string_view>(&value)) {
    AddText(*text, &out, column);
  } else if (const auto* address = std::get_if<IpAddress>(&value)) {
    out.type = NETDIAG_ADDRESS;
    out.size = static_cast<uint32_t>(address->octets().size());
    std::ranges::copy(address->octets(), out.as.address);
  }
  column->values.push_back(out);
}

void Columns::AddText(std::string_view text, netdiag_value* value, Column* column) {
  const bool same = text.size() == column->last_size &&
                    std::memcmp(texts_.data() + column->last_offset, text.data(), text.size()) == 0;
  if (!same) {
    column->last_offset = texts_.size();
    column->last_size = text.size();
    texts_.insert(texts_.end(), text.begin(), text.end());
    texts_.push_back('\0');
  }
  value->type = NETDIAG_TEXT;
  value->size = static_cast<uint32_t>(text.size());
  value->as.number = column->last_offset;
}

const netdiag_batch* Columns::Batch() {
  shown_.clear();
  for (Column& column : columns_) {
    for (netdiag_value& value : column.values) {
      if (!column.is_text) break;
      if (value.type == NETDIAG_TEXT) value.as.text = texts_.data() + value.as.number;
    }
    shown_.push_back({.field = static_cast<int>(column.field - AllFields().data()),
                      .reserved = 0,
                      .values = column.values.data(),
                      .first = column.is_list ? column.first.data() : nullptr});
  }
  batch_ = {.rows = rows_,
            .columns = shown_.size(),
            .column = shown_.data(),
            .texts = texts_.data(),
            .texts_size = texts_.size()};
  return &batch_;
}

}  // namespace netdiag::c
