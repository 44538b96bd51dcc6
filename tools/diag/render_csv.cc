// CSV as in RFC 4180: a header line, lines that end in CR LF, quotes where they are needed. Text
// that other processes chose is escaped, so a value never has more than one line. Tested by
// tests/tools/forms_test.cc.

#include <string>
#include <string_view>
#include <vector>

#include "tools/diag/render.h"

namespace diag {
namespace {

// The columns that ss shows with the same options. They need nothing that the query does not ask
// for.
std::vector<Column> ColumnsOf(const ListOptions& options) {
  std::vector<Column> columns;
  const auto add = [&](std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) {
      columns.push_back(*FindColumn(name));
      columns.back().header.clear();
    }
  };
  if (options.all_netns) add({"netns", "netns_name"});
  add({"protocol", "family", "type", "state", "receive_queue", "send_queue", "local_address",
       "local_port", "remote_address", "remote_port", "interface", "name", "peer_inode", "inode"});
  if (options.shows(Detail::kTimers)) add({"timer", "timer_expires", "timer_retransmits"});
  if (options.shows(Detail::kExtended)) {
    add({"uid", "cookie", "mark", "cgroup_path", "v6_only", "shutdown_receive", "shutdown_send",
         "file_inode", "file_major", "file_minor"});
  }
  if (options.shows(Detail::kOwners)) add({"pid", "fd", "command"});
  for (const Column& column : AllColumns(false)) {
    using netdiag::FieldGroup;
    const FieldGroup group = column.field->group;
    const bool info = group == FieldGroup::kTcpInfo || group == FieldGroup::kVegas ||
                      group == FieldGroup::kDctcp || group == FieldGroup::kBbr ||
                      column.key == "congestion";
    if ((info && options.shows(Detail::kTcpInfo)) ||
        (group == FieldGroup::kMemory && options.shows(Detail::kMemory))) {
      columns.push_back(column);
    }
  }
  return columns;
}

class CsvRenderer final : public Renderer {
 public:
  CsvRenderer(const ListOptions& options, netdiag::Engine* engine, Output* output)
      : Renderer(engine),
        output_(output),
        header_(!options.style.no_header),
        counts_(!options.selection.count_by.empty()),
        sums_(options.selection.sums) {
    columns_ = counts_ ? options.selection.count_by : options.selection.columns;
    if (columns_.empty()) columns_ = ColumnsOf(options);
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
  void Row(const netdiag::Row& row) override {
    for (const Column& column : columns_) {
      AppendCell(column, row, Escape::kCsv, &line_);
      EndValue();
    }
    EndLine();
  }
  void Count(const netdiag::RowCounts::Group& group) override {
    for (size_t i = 0; i < columns_.size(); ++i) {
      AppendValue(columns_[i], group.values[i], Escape::kCsv, &line_);
      EndValue();
    }
    AppendNumber(group.count, &line_);
    EndValue();
    for (size_t i = 0; i < sums_.size(); ++i) {
      AppendValue(sums_[i], group.sums[i], Escape::kCsv, &line_);
      EndValue();
    }
    EndLine();
  }
  void End(const netdiag::Summary&) override { output_->Flush(); }

 private:
  // Ends the last value of the line: quotes it if necessary, and appends a comma.
  void EndValue() {
    const std::string_view value = std::string_view(line_).substr(value_);
    if (value.find_first_of(",\"") != value.npos) {
      quoted_.assign(1, '"');
      for (const char c : value) quoted_.append(c == '"' ? 2 : 1, c);
      quoted_.push_back('"');
      line_.replace(value_, line_.npos, quoted_);
    }
    line_.push_back(',');
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
  std::vector<Column> sums_;
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
