// tools/diag/table_buffer.h — rows of cells that wait until the widths of their columns are known.
//
// They are written when some 128 KiB have come together, so memory is bounded and a width may grow
// from one piece to the next, as ss's does. No allocation a row once the buffers have their size.

#ifndef NETDIAG_TOOLS_DIAG_TABLE_BUFFER_H_
#define NETDIAG_TOOLS_DIAG_TABLE_BUFFER_H_

#include <cstdint>
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

  // Appends to the current cell; EndCell() after each column, in order, and EndRow() after what
  // follows them.
  std::string* text() { return &text_; }
  void EndCell() { ends_.push_back(static_cast<uint32_t>(text_.size())); }
  // The current cell's look.
  void SetTint(Tint tint) {
    tint_ = tint;
    tinted_ = ends_.size() % Stride();
  }
  void EndRow();
  void Header();
  void Flush();

 private:
  static constexpr size_t kLimit = 128 * 1024;
  size_t Stride() const { return columns_.size() + 1; }
  void Fit();
  void WriteRow(size_t row);

  std::vector<TableColumn> columns_;
  size_t screen_;
  Output* output_;
  std::string text_;
  std::vector<uint32_t> ends_;  // of each row: of each cell, and of what follows them
  std::vector<Tint> tints_;     // of each row: of the cell `tinted_`
  Tint tint_ = Tint::kPlain;
  size_t tinted_ = 0;
  std::vector<size_t> widths_;  // as far as is known
  // How this piece is laid out.
  struct Place {
    size_t column = 0;
    size_t width = 0;
    std::string_view left;  // what is written before it: nothing, a blank, or a line's end
    bool right = false;
  };
  std::vector<Place> places_;  // of the visible columns
  size_t line_ = 0;            // the length of all of them
};

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_TABLE_BUFFER_H_
