// Tested by tests/tools/top_screen_test.cc.

#include "tools/diag/monitor/top_view.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <variant>

#include "netdiag/field_words.h"
#include "netdiag/fields.h"
#include "tools/diag/monitor/change_text.h"
#include "tools/diag/text.h"

namespace diag {
namespace {

using netdiag::Change;
using netdiag::ChangeKind;
using netdiag::Field;

constexpr size_t kHistory = 30;

// The views, with their keys and their columns.
struct View {
  char key;
  std::string_view name;
  std::string_view columns;
};
constexpr std::array<View, 5> kViews = {{
    {'p', "processes", "owners.pid,owners.command"},
    {'c', "connections",
     "owners.command,local_address,local_port,remote_address,remote_port,state,cookie"},
    {'n', "containers", "container,unit,netns"},
    {'r', "remotes", "remote_address"},
    {'l', "listeners", "local_address,local_port,receive_queue,send_queue,owners.command,cookie"},
}};

constexpr std::array<std::string_view, 5> kOrders = {"RX+TX", "RX/s", "TX/s", "RETRANS", "SOCKETS"};

constexpr std::string_view kKeys =
    "p processes  c connections  n containers  r remotes  l listeners  < > order  / filter  "
    "space pause  enter socket  q quit";

uint64_t NumberOf(const netdiag::FieldValue& value) {
  const auto* number = std::get_if<uint64_t>(&value);
  return number != nullptr ? *number : 0;
}

bool IsOver(const Change& change) {
  return change.kind() == ChangeKind::kClosed || change.kind() == ChangeKind::kGone;
}

}  // namespace

TopView::TopView(const std::vector<Column>& by, Names* names) : own_by_(by), names_(names) {
  Show(own_by_.empty() ? Mode::kProcesses : Mode::kOwn);
}

std::vector<Column> TopView::Needs() {
  std::vector<Column> needs;
  for (const View& view : kViews) {
    auto columns = ParseColumns(view.columns);
    for (Column& column : *columns) needs.push_back(std::move(column));
  }
  return needs;
}

void TopView::Show(Mode mode) {
  mode_ = mode;
  const std::vector<Column> by =
      mode == Mode::kOwn ? own_by_ : *ParseColumns(kViews[static_cast<size_t>(mode)].columns);
  table_.emplace(by, names_);
  chosen_ = 0;
  cookie_.clear();
}

// ---- Looks ----

void TopView::Add(const Change& change) {
  if (!IsOver(change)) ++counted_[change.row().state()];
  if (!cookie_.empty() && std::to_string(change.row().cookie().value()) == cookie_) {
    NoteChosen(change);
  }
  const bool listens = change.row().state() == netdiag::State::kListen;
  if (mode_ != Mode::kListeners || (listens && !IsOver(change))) table_->Add(change);
}

// Every field of the socket that is shown.
void TopView::NoteChosen(const Change& change) {
  fields_.clear();
  moved_.first += NumberOf(change.Delta(*netdiag::FindField("bytes_received")));
  moved_.second += NumberOf(change.Delta(*netdiag::FindField("bytes_acked")));
  fields_.push_back(std::string(Name(change.kind())));
  for (const Column& column : AllColumns(/*owners=*/true)) {
    std::string text;
    const size_t values = column.is_list() ? ValuesOf(column.field->group, change.row()) : 1;
    for (size_t i = 0; i < values; ++i) {
      if (i > 0) text.append(", ");
      AppendValue(column, change.Value(*column.field, i), Escape::kText, change.row().table().netns,
                  names_, &text);
    }
    if (text.empty()) continue;
    std::string line = column.title();
    line.resize(std::max<size_t>(line.size() + 2, 34), ' ');
    fields_.push_back(line.append(text));
  }
}

void TopView::Finish(const netdiag::Look& look, const std::vector<std::string>& notes) {
  table_->Finish(look, order_);
  notes_ = notes;
  states_ = std::exchange(counted_, {});
  const size_t lines = table_->lines().size();
  chosen_ = lines == 0 ? 0 : std::min(chosen_, lines - 1);
  const auto [received, sent] = std::exchange(moved_, {});
  if (cookie_.empty()) return;
  history_.emplace_back(PerSecond(received, table_->seconds()), PerSecond(sent, table_->seconds()));
  if (history_.size() > kHistory) history_.pop_front();
}

// ---- Keys ----

TopView::Wish TopView::Press(int key) {
  if (key == kKeyResize) return Wish::kDraw;
  if (enters_) return PressInFilter(key);
  for (size_t i = 0; i < kViews.size(); ++i) {
    if (key != kViews[i].key) continue;
    Show(static_cast<Mode>(i));
    return Wish::kLook;
  }
  const size_t lines = cookie_.empty() ? table_->lines().size() : fields_.size();
  size_t* const at = cookie_.empty() ? &chosen_ : &scroll_;
  const auto move = [&](size_t to) {
    *at = lines == 0 ? 0 : std::min(to, lines - 1);
    return Wish::kDraw;
  };
  constexpr size_t kPage = 10;
  switch (key) {
    case 'q':
      return Wish::kQuit;
    case kKeyEscape:
      if (cookie_.empty()) return Wish::kNothing;
      cookie_.clear();
      return Wish::kDraw;
    case ' ':
      paused_ = !paused_;
      return paused_ ? Wish::kDraw : Wish::kLook;
    case '<':
    case '>': {
      const size_t step = key == '>' ? 1 : kOrders.size() - 1;
      order_ = static_cast<TopOrder>((static_cast<size_t>(order_) + step) % kOrders.size());
      return Wish::kLook;
    }
    case '/':
      enters_ = true;
      before_ = filter_;
      refusal_.clear();
      return Wish::kDraw;
    case kKeyUp:
      return move(*at == 0 ? 0 : *at - 1);
    case kKeyDown:
      return move(*at + 1);
    case kKeyPageUp:
      return move(*at < kPage ? 0 : *at - kPage);
    case kKeyPageDown:
      return move(*at + kPage);
    case kKeyEnter: {
      const bool has_socket = mode_ == Mode::kConnections || mode_ == Mode::kListeners;
      if (!cookie_.empty() || !has_socket || lines == 0) return Wish::kNothing;
      cookie_ = table_->lines()[chosen_].values.back();
      fields_.clear();
      history_.clear();
      scroll_ = 0;
      return Wish::kLook;
    }
    default:
      return Wish::kNothing;
  }
}

TopView::Wish TopView::PressInFilter(int key) {
  switch (key) {
    case kKeyEscape:
      enters_ = false;
      filter_ = before_;
      refusal_.clear();
      return Wish::kDraw;
    case kKeyEnter:
      return Wish::kFilter;
    case kKeyBackspace:
      // The whole of a character.
      while (!filter_.empty()) {
        const auto last = static_cast<unsigned char>(filter_.back());
        filter_.pop_back();
        if ((last & 0xc0) != 0x80) break;
      }
      return Wish::kDraw;
    default:
      if (key < ' ' || key > 255) return Wish::kNothing;
      filter_.push_back(static_cast<char>(key));
      return Wish::kDraw;
  }
}

void TopView::Refuse(const std::string& why) { refusal_ = why; }

void TopView::Accept() {
  enters_ = false;
  refusal_.clear();
  Show(mode_);
}

// ---- Lines ----

void TopView::AddHead(std::vector<ScreenLine>* lines) const {
  using enum ScreenLine::Look;
  std::string title = "diag top  ";
  title.append(mode_ == Mode::kOwn ? "own" : kViews[static_cast<size_t>(mode_)].name);
  title.append(" by ").append(kOrders[static_cast<size_t>(order_)]);
  if (paused_) title.append("  PAUSED");
  title.append("  RX/s ");
  AppendShort(PerSecond(table_->total().received, table_->seconds()), &title);
  title.append("  TX/s ");
  AppendShort(PerSecond(table_->total().sent, table_->seconds()), &title);
  const netdiag::Look& look = table_->look();
  title.append("  opened ").append(std::to_string(look.opened));
  title.append("  closed ").append(std::to_string(look.closed + look.gone));
  if (look.number > 0 && !look.exact()) title.append("  at least");
  lines->push_back({title, kTitle});
  std::string states;
  for (const auto& [state, count] : states_) {
    states.append(states.empty() ? "" : "  ").append(netdiag::Names(state).ss);
    states.append(" ").append(std::to_string(count));
  }
  lines->push_back({states});
  if (enters_) {
    std::string text = "filter: ";
    AppendEscaped(filter_, &text);
    lines->push_back({text.append("_"), kTitle});
    if (!refusal_.empty()) {
      std::string why;
      AppendEscaped(refusal_, &why);
      lines->push_back({why, kFaint});
    }
  } else if (!filter_.empty()) {
    std::string text = "filter: ";
    AppendEscaped(filter_, &text);
    lines->push_back({text});
  }
  if (!notes_.empty()) {
    std::string note;
    AppendEscaped(notes_.back(), &note);
    lines->push_back({note, kFaint});
  }
}

void TopView::AddTable(size_t rows, std::vector<ScreenLine>* lines) const {
  std::string text;
  AppendTable(*table_, 0, &text);
  // Its first line is the time; the next one the head; the last one the total.
  std::vector<std::string> all;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    all.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  lines->push_back({all[1], ScreenLine::Look::kHead});
  const size_t count = all.size() - 3;
  const size_t first = rows > 0 && chosen_ >= rows ? chosen_ - rows + 1 : 0;
  for (size_t i = first; i < count && i < first + rows; ++i) {
    lines->push_back(
        {all[2 + i], i == chosen_ ? ScreenLine::Look::kChosen : ScreenLine::Look::kPlain});
  }
}

void TopView::AddSocket(size_t rows, std::vector<ScreenLine>* lines) const {
  lines->push_back({"socket " + cookie_ + "   esc goes back", ScreenLine::Look::kHead});
  for (const auto& [name, is_received] : {std::pair("RX/s ", true), std::pair("TX/s ", false)}) {
    std::string text = name;
    for (const auto& [received, sent] : history_) {
      text.push_back(' ');
      AppendShort(is_received ? received : sent, &text);
    }
    lines->push_back({text});
  }
  for (size_t i = scroll_; i < fields_.size() && i < scroll_ + rows; ++i) {
    lines->push_back({fields_[i]});
  }
}

std::vector<ScreenLine> TopView::Lines(size_t rows, size_t columns) const {
  std::vector<ScreenLine> lines;
  AddHead(&lines);
  const size_t used = lines.size() + (cookie_.empty() ? 1 : 3) + 1;
  const size_t left = rows > used ? rows - used : 0;
  if (cookie_.empty()) {
    AddTable(left, &lines);
  } else {
    AddSocket(left, &lines);
  }
  if (lines.size() + 1 < rows) lines.resize(rows - 1);
  // Where the line of keys does not fit, the keys alone do.
  lines.push_back(
      {kKeys.size() <= columns ? std::string(kKeys) : "keys: p c n r l < > / space enter q",
       ScreenLine::Look::kHead});
  return lines;
}

}  // namespace diag
