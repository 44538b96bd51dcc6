// CSV as in RFC 4180: a header line, lines that end in CR LF, quotes where they are needed. Text
// that other processes chose is escaped, so a value never has more than one line. Tested by
// tests/tools/forms_test.cc.

#include <algorithm>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/strings/ascii.h"

#include "tools/diag/details.h"
#include "tools/diag/names.h"
#include "tools/diag/render.h"

namespace diag {
namespace {

class CsvRenderer final : public Renderer {
 public:
  CsvRenderer(const ListOptions& options, netdiag::Engine* engine, Output* output)
      : Renderer(engine),
        output_(output),
        header_(!options.style.no_header),
        counts_(!options.selection.count_by.empty()),
        sums_(options.selection.sums),
        netns_of_counts_(NetnsOfCounts(options)),
        names_(NameSourcesOf(options, engine)) {
    columns_ = counts_ ? options.selection.count_by : ColumnsOf(options);
    std::vector<size_t> places(columns_.size());
    std::iota(places.begin(), places.end(), size_t{0});
    places_.Set(places, [&](size_t i) { return columns_[i].field->families; });
  }

  void Begin() override {
    if (!header_) return;
    for (const Column& column : columns_) {
      line_.append(column.head());
      EndValue();
    }
    if (counts_) {
      line_.append("count");
      EndValue();
    }
    for (const Column& sum : sums_) {
      line_.append(sum.head());
      EndValue();
    }
    EndLine();
  }
  void Row(const netdiag::Row& row, std::optional<size_t> owner) override {
    netdiag::FieldReader reader(row);
    size_t next = 0;
    for (const size_t i : places_[row.family()]) {
      EndValues(i - next);
      next = i + 1;
      PutCell(columns_[i], row, owner, &reader);
    }
    EndValues(columns_.size() - next);
    EndLine();
  }
  void Count(const netdiag::RowCounts::Group& group) override {
    for (size_t i = 0; i < columns_.size(); ++i) {
      AppendValue(columns_[i], group.values[i], Escape::kCsv, netns_of_counts_, &names_, &line_);
      EndValue();
    }
    AppendNumber(group.count, &line_);
    EndValue();
    for (size_t i = 0; i < sums_.size(); ++i) {
      AppendValue(sums_[i], group.sums[i], Escape::kCsv, {}, &names_, &line_);
      EndValue();
    }
    EndLine();
  }
  void End(const netdiag::Summary&) override { output_->Flush(); }

 private:
  // `reader`: of the same row.
  void PutCell(const Column& column, const netdiag::Row& row, std::optional<size_t> owner,
               netdiag::FieldReader* reader) {
    if (column.is_list()) {
      AppendCell(column, row, owner, Escape::kCsv, &names_, &line_);
      return EndValue();
    }
    const netdiag::FieldValue value = reader->Get(column.field->get);
    const auto* const text = std::get_if<std::string_view>(&value);
    if (text != nullptr && std::ranges::all_of(*text, absl::ascii_isalnum)) {
      line_.append(*text);
      return EndValues(1);
    }
    AppendValue(column, value, Escape::kCsv, row.table().netns, &names_, &line_);
    // Numbers and addresses need no quotes.
    if (text != nullptr || column.words != nullptr || column.named != Column::Named::kNo) {
      EndValue();
    } else {
      EndValues(1);
    }
  }
  // Ends the last value of the line: quotes it if necessary, and appends a comma.
  void EndValue() {
    const std::string_view value = std::string_view(line_).substr(value_);
    if (std::ranges::any_of(value, [](char c) { return c == ',' || c == '"'; })) {
      quoted_.assign(1, '"');
      for (const char c : value) quoted_.append(c == '"' ? 2 : 1, c);
      quoted_.push_back('"');
      line_.replace(value_, line_.npos, quoted_);
    }
    line_.push_back(',');
    value_ = line_.size();
  }
  // The same for values that are absent.
  void EndValues(size_t count) {
    line_.append(count, ',');
    value_ = line_.size();
  }
  void EndLine() {
    line_.back() = '\r';  // replaces the last comma
    line_.push_back('\n');
    output_->Write(line_);
    output_->FlushIfStale();
    line_.clear();
    value_ = 0;
  }

  Output* output_;
  bool header_;
  bool counts_;
  std::vector<Column> columns_;
  ByFamily<size_t> places_;  // in columns_
  std::vector<Column> sums_;
  netdiag::NetnsId netns_of_counts_;
  Names names_;
  std::string line_;
  size_t value_ = 0;  // the beginning of the line's last value
  std::string quoted_;
};

}  // namespace

std::unique_ptr<Renderer> NewCsvRenderer(const ListOptions& options, netdiag::Engine* engine,
                                         Output* output) {
  return std::make_unique<CsvRenderer>(options, engine, output);
}

}  // namespace diag
