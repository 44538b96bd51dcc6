// --columns and --count-by as a table for people. Tested by tests/tools/forms_test.cc.

#include <optional>
#include <string>
#include <vector>

#include "tools/diag/names.h"
#include "tools/diag/render.h"
#include "tools/diag/table_buffer.h"

namespace diag {
namespace {

using netdiag::Meaning;

class TableRenderer final : public Renderer {
 public:
  TableRenderer(const ListOptions& options, netdiag::Engine* engine, Output* output)
      : Renderer(engine),
        counts_(!options.selection.count_by.empty()),
        header_(!options.style.no_header),
        color_(WantsColor(options.style.color, output->fd())),
        columns_(counts_ ? CountColumns(options.selection) : options.selection.columns),
        netns_of_counts_(NetnsOfCounts(options)),
        names_(NameSourcesOf(options, engine)),
        table_(Layout(), options.style.oneline ? 0 : ScreenWidth(output->fd()), output) {}

  void Begin() override {
    if (header_) table_.Header();
  }
  void Row(const netdiag::Row& row, std::optional<size_t> owner) override {
    for (const Column& column : columns_) {
      const size_t before = table_.text()->size();
      AppendCell(column, row, owner, Escape::kText, &names_, table_.text());
      FinishValue(before);
      if (color_ && IsState(column)) table_.SetTint(TintOf(row));
      table_.EndCell();
    }
    table_.EndRow();
  }
  void Count(const netdiag::RowCounts::Group& group) override {
    AppendNumber(group.count, table_.text());
    table_.EndCell();
    for (size_t i = 0; i < columns_.size(); ++i) {
      const size_t keys = group.values.size();
      const size_t before = table_.text()->size();
      AppendValue(columns_[i], i < keys ? group.values[i] : group.sums[i - keys], Escape::kText,
                  netns_of_counts_, &names_, table_.text());
      FinishValue(before);
      table_.EndCell();
    }
    table_.EndRow();
  }
  void End(const netdiag::Summary&) override { Flush(); }
  void Flush() override { table_.Flush(); }

 private:
  static bool IsState(const Column& column) { return column.title() == "state"; }
  // Finishes the value that begins at `start`: writes '-' for an absent one, and escapes blanks, so
  // that every line has the same number of words.
  void FinishValue(size_t start) {
    std::string* const text = table_.text();
    if (text->size() == start) text->push_back('-');
    while ((start = text->find(' ', start)) != text->npos) text->replace(start, 1, "\\x20");
  }
  std::vector<TableColumn> Layout() const {
    std::vector<TableColumn> layout;
    if (counts_) layout.push_back({.header = "count", .right = true});
    for (const Column& column : columns_) {
      const Meaning meaning = column.field->meaning;
      const bool number = meaning == Meaning::kGauge || meaning == Meaning::kCounter;
      layout.push_back({.header = column.head(), .right = number});
    }
    return layout;
  }

  bool counts_;
  bool header_;
  bool color_;
  std::vector<Column> columns_;
  netdiag::NetnsId netns_of_counts_;
  Names names_;
  TableBuffer table_;
};

}  // namespace

std::unique_ptr<Renderer> NewTableRenderer(const ListOptions& options, netdiag::Engine* engine,
                                           Output* output) {
  return std::make_unique<TableRenderer>(options, engine, output);
}

}  // namespace diag
