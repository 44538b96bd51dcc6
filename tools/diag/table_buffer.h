// tools/diag/table_buffer.h — rows of cells that wait until the widths of their columns are known.
//
// They are written when some 128 KiB have come together, so memory is bounded and a width may grow
// from one piece to the next, as ss's does. No allocation a row once the buffers have their size.

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
  bool right = false;           // aligned
  std::string_view left = " ";  // delimiter before it: a blank, or nothing
  size_t width = 0;             // at least
  bool visible = true;
};

class TableBuffer {
 public:
  // `screen`: the width to fit lines into, 0: none. Spare columns are spread over the table's; what
  // is too wide goes on in a next line, between two columns.
  TableBuffer(std::vector<TableColumn> columns, size_t screen, Output* output);

  // What is appended here goes to the current cell; EndCell() after each column, in order, and
  // EndRow() after what follows them.
  std::string* text() { return &appended_; }
  // The quick way: room for `size` bytes behind what the cell has, until Commit() says where they
  // end.
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
  // The same in one: nothing was appended since Reserve().
  void EndCell(char* end) {
    Commit(end);
    *end_++ = static_cast<uint32_t>(end - text_.get());
  }
  // The current cell's look.
  void SetTint(Tint tint) {
    tint_ = tint;
    tinted_ = static_cast<size_t>(end_ - ends_.data() - 1) % stride_;
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
  size_t stride_;  // ends a row
  size_t screen_;
  Output* output_;
  std::unique_ptr<char[]> text_;
  char* at_ = nullptr;  // its end
  char* room_end_ = nullptr;
  std::string appended_;        // what the cell has beside
  std::vector<uint32_t> ends_;  // 0; of each row: of each cell, and of what follows them
  uint32_t* end_ = nullptr;     // of ends_: the next one. There is room for a row
  std::vector<Tint> tints_;     // of each row: of the cell `tinted_`
  Tint tint_ = Tint::kPlain;
  size_t tinted_ = 0;
  std::vector<uint32_t> widths_;  // as far as is known
  // How this piece is laid out.
  struct Place {
    size_t column = 0;
    size_t width = 0;
    size_t blanks = 0;       // before it: one or none
    bool next_line = false;  // instead of the blank
    bool right = false;
  };
  std::vector<Place> places_;  // of the visible columns
  size_t line_ = 0;            // the length of all of them
};

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_TABLE_BUFFER_H_
