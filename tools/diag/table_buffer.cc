// Tested by tests/tools/table_buffer_test.cc.

#include "tools/diag/table_buffer.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace diag {
namespace {

constexpr std::string_view kNextLine = "\n        ";

// Short texts are copied by one instruction of kSlack bytes, so both buffers have room for kSlack
// bytes more.
constexpr size_t kSlack = 16;

char* Put(const char* text, size_t size, char* out) {
  if (size <= kSlack) {
    std::memcpy(out, text, kSlack);
  } else {
    std::memcpy(out, text, size);
  }
  return out + size;
}

char* PutExactly(std::string_view text, char* out) {
  std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

char* Blanks(size_t count, char* out) {
  if (count <= kSlack) {
    std::memset(out, ' ', kSlack);
  } else {
    std::memset(out, ' ', count);
  }
  return out + count;
}

// Returns the end of a line without the blanks at its end.
char* Trimmed(const char* begin, char* out) {
  while (out > begin && (out[-1] == ' ' || out[-1] == '\n')) --out;
  return out;
}

}  // namespace

TableBuffer::TableBuffer(std::vector<TableColumn> columns, size_t screen, Output* output)
    : columns_(std::move(columns)), stride_(columns_.size() + 1), screen_(screen), output_(output) {
  for (const TableColumn& column : columns_) {
    widths_.push_back(static_cast<uint32_t>(column.width));
  }
  Grow(0);
  Clear();
}

void TableBuffer::TakeAppended() {
  if (room_end_ - at_ < static_cast<std::ptrdiff_t>(appended_.size())) Grow(appended_.size());
  at_ = PutExactly(appended_, at_);
  appended_.clear();
}

// Makes room for `size` bytes and kSlack.
void TableBuffer::Grow(size_t size) {
  const auto used = static_cast<size_t>(at_ - text_.get());
  const size_t capacity = std::max<size_t>(kLimit + 4096, 2 * (used + size)) + kSlack;
  auto text = std::make_unique_for_overwrite<char[]>(capacity);
  if (used > 0) std::memcpy(text.get(), text_.get(), used);
  text_ = std::move(text);
  at_ = text_.get() + used;
  room_end_ = text_.get() + capacity - kSlack;
}

void TableBuffer::Clear() {
  at_ = text_.get();
  tints_.rows.clear();
  if (ends_.empty()) ends_.resize(64 * stride_ + 1);
  end_ = ends_.data() + 1;
}

void TableBuffer::EndRow() {
  EndCell();
  tints_.rows.push_back(std::exchange(tints_.next, Tint::kPlain));
  const uint32_t* end = end_ - stride_;
  for (uint32_t& width : widths_) {
    const uint32_t size = end[0] - end[-1];
    if (size > width) width = size;
    ++end;
  }
  if (at_ - text_.get() >= static_cast<std::ptrdiff_t>(kLimit)) return Flush();
  const auto used = static_cast<size_t>(end_ - ends_.data());
  if (ends_.size() - used >= stride_) return;
  ends_.resize(2 * ends_.size());
  end_ = ends_.data() + used;
}

void TableBuffer::Header() {
  for (const TableColumn& column : columns_) {
    appended_.append(column.header);
    EndCell();
  }
  EndRow();
}

// Chooses the widths and the delimiters of this piece's lines.
void TableBuffer::Fit() {
  layout_.places.clear();
  layout_.length = 0;
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (!columns_[i].visible) continue;
    const size_t blanks = layout_.places.empty() ? 0 : columns_[i].left.size();
    layout_.places.push_back({i, widths_[i], blanks, false, columns_[i].right});
    layout_.length += blanks + widths_[i];
  }
  if (screen_ == 0 || layout_.places.empty()) return;
  if (layout_.length <= screen_) {
    // A column without a delimiter continues the column before it, as a port does its address. Give
    // it no spare width, so that it stays with that column.
    std::vector<Place*> takers;
    for (Place& place : layout_.places) {
      if (place.blanks > 0) takers.push_back(&place);
    }
    size_t spare = screen_ - layout_.length;
    for (size_t i = 0; i < takers.size(); ++i) {
      const size_t share = spare / (takers.size() - i);
      takers[i]->width += share;
      spare -= share;
      layout_.length += share;
    }
    return;
  }
  size_t at = 0;
  for (size_t i = 0; i < layout_.places.size(); ++i) {
    Place& place = layout_.places[i];
    // Columns without a delimiter stay on the line of the column before them.
    size_t needs = place.blanks + place.width;
    for (size_t j = i + 1; j < layout_.places.size() && layout_.places[j].blanks == 0; ++j) {
      needs += layout_.places[j].width;
    }
    if (place.blanks > 0 && at + needs > screen_) {
      layout_.length += kNextLine.size() - place.blanks;
      place.next_line = true;
      at = kNextLine.size() - 1 + place.width;
    } else {
      at += place.blanks + place.width;
    }
  }
}

void TableBuffer::Flush() {
  if (tints_.rows.empty()) return;
  Fit();
  for (size_t row = 0; row < tints_.rows.size(); ++row) WriteRow(row);
  Clear();
}

void TableBuffer::WriteRow(size_t row) {
  const uint32_t* const starts = &ends_[row * stride_];
  const char* const text = text_.get();
  const std::string_view rest(text + starts[stride_ - 1], starts[stride_] - starts[stride_ - 1]);
  const size_t tinted = tints_.rows[row] == Tint::kPlain ? stride_ : tints_.cell;
  char* const line = output_->Reserve(layout_.length + rest.size() + 64);
  char* out = line;
  char* solid = line;  // the end of the last cell that is not empty
  for (const Place& place : layout_.places) {
    if (place.next_line) {
      out = PutExactly(kNextLine, Trimmed(line, solid));
    } else {
      *out = ' ';
      out += place.blanks;
    }
    const char* const cell = text + starts[place.column];
    const size_t size = starts[place.column + 1] - starts[place.column];
    const size_t padding = place.width - size;
    if (place.right) out = Blanks(padding, out);
    if (place.column == tinted) {
      out = PutExactly(EscapeOf(tints_.rows[row]), out);
      out = PutExactly({cell, size}, out);
      out = PutExactly(kTintOff, out);
    } else {
      out = Put(cell, size, out);
    }
    if (size > 0) solid = out;
    if (!place.right) out = Blanks(padding, out);
  }
  if (rest.empty() || rest.front() == '\n') out = Trimmed(line, solid);
  if (!rest.empty()) out = PutExactly(rest, out);
  *out++ = '\n';
  output_->Commit(static_cast<size_t>(out - line));
}

}  // namespace diag
