// Tested by tests/tools/monitor_program_test.cc.

#include "tools/diag/monitor/top_table.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <utility>
#include <variant>

#include "absl/strings/str_replace.h"

#include "netdiag/fields.h"
#include "tools/diag/monitor/change_text.h"
#include "tools/diag/text.h"

namespace diag {
namespace {

using netdiag::Change;
using netdiag::ChangeKind;
using netdiag::Field;
using netdiag::RowCounts;

std::vector<const Field*> FieldsOf(std::span<const Column> columns) {
  std::vector<const Field*> fields;
  for (const Column& column : columns) fields.push_back(column.field);
  return fields;
}

// In the order of the members of TopLine.
std::vector<const Field*> Moved() {
  return {netdiag::FindField("bytes_received"), netdiag::FindField("bytes_acked"),
          netdiag::FindField("total_retrans")};
}

uint64_t NumberOf(const netdiag::FieldValue& value) {
  const auto* number = std::get_if<uint64_t>(&value);
  return number != nullptr ? *number : 0;
}

uint64_t RankOf(const TopLine& line, TopOrder order) {
  switch (order) {
    case TopOrder::kBytes:
      return line.received + line.sent;
    case TopOrder::kReceived:
      return line.received;
    case TopOrder::kSent:
      return line.sent;
    case TopOrder::kRetrans:
      return line.retrans;
    case TopOrder::kSockets:
      return line.sockets;
  }
  return 0;
}

std::span<const TopLine> Shown(const TopTable& table, uint64_t rows) {
  const std::span<const TopLine> lines = table.lines();
  return rows == 0 ? lines : lines.first(std::min<size_t>(rows, lines.size()));
}

}  // namespace

TopTable::TopTable(std::vector<Column> by, Names* names)
    : by_(std::move(by)),
      names_(names),
      moved_(FieldsOf(by_), Moved()),
      alive_(FieldsOf(by_), {}) {}

void TopTable::Add(const Change& change) {
  moved_.Add(change);
  if (change.kind() != ChangeKind::kClosed && change.kind() != ChangeKind::kGone) {
    alive_.Add(change);
  }
}

void TopTable::Finish(const netdiag::Look& look, TopOrder order) {
  std::map<std::vector<std::string>, TopLine> lines;
  const auto line_of = [&](const RowCounts::Group& group) -> TopLine& {
    std::vector<std::string> values;
    for (size_t i = 0; i < by_.size(); ++i) {
      std::string& text = values.emplace_back();
      AppendValue(by_[i], group.values[i], Escape::kText, /*netns=*/{}, names_, &text);
      if (text.empty()) text.push_back('-');
    }
    TopLine& line = lines[values];
    line.values = std::move(values);
    return line;
  };
  total_ = TopLine();
  for (const RowCounts::Group& group : moved_.Groups()) {
    TopLine& line = line_of(group);
    line.received += NumberOf(group.sums[0]);
    line.sent += NumberOf(group.sums[1]);
    line.retrans += NumberOf(group.sums[2]);
    total_.received += NumberOf(group.sums[0]);
    total_.sent += NumberOf(group.sums[1]);
    total_.retrans += NumberOf(group.sums[2]);
  }
  for (const RowCounts::Group& group : alive_.Groups()) {
    line_of(group).sockets += group.count;
    total_.sockets += group.count;
  }
  moved_.Clear();
  alive_.Clear();
  lines_.clear();
  for (auto& [values, line] : lines) lines_.push_back(std::move(line));
  std::ranges::stable_sort(lines_, [&](const TopLine& a, const TopLine& b) {
    return RankOf(a, order) > RankOf(b, order);
  });
  look_ = look;
}

double TopTable::seconds() const {
  return std::max(static_cast<double>(look_.interval.count()) / 1e9, 1e-3);
}

uint64_t PerSecond(uint64_t bytes, double seconds) {
  return static_cast<uint64_t>(std::llround(static_cast<double>(bytes) / seconds));
}

void AppendTable(const TopTable& table, uint64_t rows, std::string* out) {
  const std::span<const TopLine> lines = Shown(table, rows);
  // One word, so that a value cannot imitate the next one.
  const auto word = [](const TopLine& line, size_t i) {
    return absl::StrReplaceAll(line.values[i], {{" ", "\\x20"}});
  };
  std::vector<size_t> widths;
  for (size_t i = 0; i < table.by().size(); ++i) {
    widths.push_back(table.by()[i].head().size());
    for (const TopLine& line : lines) widths[i] = std::max(widths[i], word(line, i).size());
  }
  const auto right = [&](std::string_view text, size_t width) {
    out->append(text.size() < width ? width - text.size() : 0, ' ').append(text);
  };
  const auto numbers = [&](const TopLine& line) {
    for (const uint64_t bytes : {line.received, line.sent}) {
      std::string text;
      AppendShort(PerSecond(bytes, table.seconds()), &text);
      right(text, 8);
    }
    right(std::to_string(line.retrans), 9);
    right(std::to_string(line.sockets), 9);
  };
  out->append(TimeText(std::chrono::system_clock::now()));
  out->append("  ").append(std::to_string(table.total().sockets)).append(" sockets, opened ");
  out->append(std::to_string(table.look().opened)).append(", closed ");
  out->append(std::to_string(table.look().closed + table.look().gone));
  if (table.look().unseen > 0) {
    out->append(" and ").append(std::to_string(table.look().unseen)).append(" of them unseen");
  }
  if (!table.look().exact()) out->append("; at least");
  out->append("\n");
  right("RX/s", 8);
  right("TX/s", 8);
  right("RETRANS", 9);
  right("SOCKETS", 9);
  for (size_t i = 0; i < widths.size(); ++i) {
    std::string head = table.by()[i].head();
    if (i + 1 < widths.size()) head.resize(widths[i], ' ');
    out->append("  ").append(head);
  }
  out->append("\n");
  for (const TopLine& line : lines) {
    numbers(line);
    for (size_t i = 0; i < widths.size(); ++i) {
      std::string value = word(line, i);
      if (i + 1 < widths.size()) value.resize(widths[i], ' ');
      out->append("  ").append(value);
    }
    out->append("\n");
  }
  numbers(table.total());
  out->append("  total\n");
}

namespace {

void PutNumbers(const TopLine& line, Json* json) {
  json->Number("received_bytes", line.received);
  json->Number("sent_bytes", line.sent);
  json->Number("retransmitted_packets", line.retrans);
  json->Number("sockets", line.sockets);
}

}  // namespace

void PutTable(const TopTable& table, uint64_t rows, std::span<const std::string> notes,
              Json* json) {
  const netdiag::Look& look = table.look();
  (*json)->StartObject();
  json->Text("time", TimeText(std::chrono::system_clock::now()));
  json->Number("interval_ms", static_cast<uint64_t>(look.interval.count() / 1'000'000));
  json->Number("opened", look.opened);
  json->Number("closed", look.closed);
  json->Number("unseen", look.unseen);
  json->Number("gone", look.gone);
  json->Number("untold", look.untold);
  json->Number("overruns", look.overruns);
  json->Flag("exact", look.exact());
  json->Key("notes");
  (*json)->StartArray();
  for (const std::string& note : notes) json->Text(note);
  (*json)->EndArray();
  json->Key("total");
  (*json)->StartObject();
  PutNumbers(table.total(), json);
  (*json)->EndObject();
  json->Key("rows");
  (*json)->StartArray();
  for (const TopLine& line : Shown(table, rows)) {
    (*json)->StartObject();
    for (size_t i = 0; i < table.by().size(); ++i) {
      json->Text(table.by()[i].title(), line.values[i]);
    }
    PutNumbers(line, json);
    (*json)->EndObject();
  }
  (*json)->EndArray();
  (*json)->EndObject();
  json->EndLine();
  json->Reset();
}

}  // namespace diag
