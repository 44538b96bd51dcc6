// tools/diag/table_buffer.h — keeps rows of cells until the widths of their columns are known.
//
// The rows are written in pieces of about 128 KiB, so memory is bounded, and a width can grow from
// one piece to the next, as ss's does. A row allocates nothing once the buffers have their size.

#ifndef NETDIAG_TOOLS_DIAG_TABLE_BUFFER_H_
#define NETDIAG_TOOLS_DIAG_TABLE_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tools/diag/terminal.h"
#include "tools/diag/text.h"

namespace diag {

struct TableColumn {
  std::string header;
  bool right = false;           // right-aligned
  std::string_view left = " ";  // the delimiter before the column: a blank or nothing
  size_t width = 0;             // the least width
  bool visible = true;
};

class TableBuffer {
 public:
  // `screen`: the width to fit lines into; 0: no limit. Spare width is spread over the columns; a
  // line that is too wide continues in the next line, between two columns.
  TableBuffer(std::vector<TableColumn> columns, size_t screen, Output* output);

  // Text appended here belongs to the current cell. Call EndCell() after each column, in order,
  // then append the text behind the columns, if any, and call EndRow().
  std::string* text() { return &appended_; }
  // The fast way: returns room for `size` bytes at the end of the cell. Commit() says where the
  // written bytes end.
  char* Reserve(size_t size) {
    if (!appended_.empty()) TakeAppended();
    if (room_end_ - at_ < static_cast<std::ptrdiff_t>(size)) Grow(size);
    return at_;
  }
  void Commit(char* end) { at_ = end; }
  void EndCell() {
    if (!appended_.empty()) TakeAppended();
    EndCell(at_);
  }
  // Commit() and EndCell() in one. REQUIRES: nothing was appended since Reserve().
  void EndCell(char* end) {
    Commit(end);
    *end_++ = static_cast<uint32_t>(end - text_.get());
  }
  // Sets the look of the current cell.
  void SetTint(Tint tint) {
    tints_.next = tint;
    tints_.cell = static_cast<size_t>(end_ - ends_.data() - 1) % stride_;
  }
  void EndRow();
  void Header();
  void Flush();

 private:
  static constexpr size_t kLimit = 128 * 1024;
  void TakeAppended();
  void Grow(size_t size);
  void Clear();
  void Fit();
  void WriteRow(size_t row);

  std::vector<TableColumn> columns_;
  size_t stride_;  // the number of ends in `ends_` for each row
  size_t screen_;
  Output* output_;
  std::unique_ptr<char[]> text_;
  char* at_ = nullptr;  // the end of the text
  char* room_end_ = nullptr;
  std::string appended_;        // the part of the cell that is not in `text_` yet
  std::vector<uint32_t> ends_;  // 0; then for each row the ends of its cells and of its last text
  uint32_t* end_ = nullptr;     // the next element of `ends_`, which has room for a row
  struct {
    std::vector<Tint> rows;  // for each row the look of its cell `cell`
    Tint next = Tint::kPlain;
    size_t cell = 0;
  } tints_;
  std::vector<uint32_t> widths_;  // the widest cell of each column so far
  // Where a column is in the lines of the current piece.
  struct Place {
    size_t column = 0;
    size_t width = 0;
    size_t blanks = 0;       // before the column: one or none
    bool next_line = false;  // instead of the blank
    bool right = false;
  };
  struct {
    std::vector<Place> places;  // of the visible columns
    size_t length = 0;          // of a line
  } layout_;
};

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_TABLE_BUFFER_H_
