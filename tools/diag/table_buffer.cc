// Tested by tests/tools/table_buffer_test.cc.

#include "tools/diag/table_buffer.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace diag {
namespace {

constexpr std::string_view kNextLine = "\n        ";

// Short texts are copied by one instruction, so both sides have room for kSlack bytes more.
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

// The end of what is not blank. Blanks at a line's end serve nobody.
char* Trimmed(const char* begin, char* out) {
  while (out > begin && (out[-1] == ' ' || out[-1] == '\n')) --out;
  return out;
}

}  // namespace

TableBuffer::TableBuffer(std::vector<TableColumn> columns, size_t screen, Output* output)
    : columns_(std::move(columns)), screen_(screen), output_(output) {
  for (const TableColumn& column : columns_) widths_.push_back(column.width);
  text_.reserve(kLimit + 4096);
}

void TableBuffer::EndRow() {
  EndCell();
  tints_.push_back(std::exchange(tint_, Tint::kPlain));
  const size_t before = ends_.size() - Stride();
  uint32_t start = before == 0 ? 0 : ends_[before - 1];
  for (size_t i = 0; i < columns_.size(); ++i) {
    const uint32_t end = ends_[before + i];
    widths_[i] = std::max<size_t>(widths_[i], end - start);
    start = end;
  }
  if (text_.size() >= kLimit) Flush();
}

void TableBuffer::Header() {
  for (const TableColumn& column : columns_) {
    text_.append(column.header);
    EndCell();
  }
  EndRow();
}

// The widths and the delimiters of this piece's lines.
void TableBuffer::Fit() {
  places_.clear();
  line_ = 0;
  for (size_t i = 0; i < columns_.size(); ++i) {
    if (!columns_[i].visible) continue;
    places_.push_back({i, widths_[i], places_.empty() ? "" : columns_[i].left, columns_[i].right});
    line_ += places_.back().left.size() + places_.back().width;
  }
  if (screen_ == 0 || places_.empty()) return;
  if (line_ <= screen_) {
    // A column that is nothing but the tail of another, as the port is of its address, stays with
    // it.
    const auto spreads = [](const Place& place) { return place.left == " "; };
    size_t takers = static_cast<size_t>(std::ranges::count_if(places_, spreads));
    size_t spare = screen_ - line_;
    for (Place& place : places_) {
      if (!spreads(place)) continue;
      const size_t share = spare / takers--;
      place.width += share;
      spare -= share;
      line_ += share;
    }
    return;
  }
  size_t at = 0;
  for (size_t i = 0; i < places_.size(); ++i) {
    Place& place = places_[i];
    // What has no delimiter before it belongs to the column before.
    size_t needs = place.left.size() + place.width;
    for (size_t j = i + 1; j < places_.size() && places_[j].left.empty(); ++j) {
      needs += places_[j].width;
    }
    if (i > 0 && !place.left.empty() && at + needs > screen_) {
      line_ += kNextLine.size() - place.left.size();
      place.left = kNextLine;
      at = kNextLine.size() - 1 + place.width;
    } else {
      at += place.left.size() + place.width;
    }
  }
}

void TableBuffer::Flush() {
  if (tints_.empty()) return;
  Fit();
  text_.append(kSlack, ' ');
  for (size_t row = 0; row < tints_.size(); ++row) WriteRow(row);
  text_.clear();
  ends_.clear();
  tints_.clear();
}

void TableBuffer::WriteRow(size_t row) {
  const uint32_t* const ends = &ends_[row * Stride()];
  const uint32_t begin = row == 0 ? 0 : ends[-1];
  const char* const text = text_.data();
  const std::string_view rest(text + ends[columns_.size() - 1],
                              ends[columns_.size()] - ends[columns_.size() - 1]);
  char* const line = output_->Reserve(line_ + rest.size() + 64);
  char* out = line;
  for (const Place& place : places_) {
    if (place.left.size() == 1) {
      *out++ = ' ';
    } else if (!place.left.empty()) {
      out = PutExactly(place.left, Trimmed(line, out));
    }
    const uint32_t start = place.column == 0 ? begin : ends[place.column - 1];
    const size_t size = ends[place.column] - start;
    if (place.right) out = Blanks(place.width - size, out);
    if (tints_[row] != Tint::kPlain && place.column == tinted_) {
      out = PutExactly(EscapeOf(tints_[row]), out);
      out = PutExactly({text + start, size}, out);
      out = PutExactly(kTintOff, out);
    } else {
      out = Put(text + start, size, out);
    }
    if (!place.right) out = Blanks(place.width - size, out);
  }
  if (rest.empty() || rest.front() == '\n') out = Trimmed(line, out);
  if (!rest.empty()) out = PutExactly(rest, out);
  *out++ = '\n';
  output_->Commit(static_cast<size_t>(out - line));
}

}  // namespace diag
