// Tested by tests/tools/top_screen_test.cc.

#include "tools/diag/monitor/screen.h"

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cwchar>
#include <langinfo.h>
#include <ncurses.h>
#include <string_view>
#include <unistd.h>

#include "netdiag/types/error.h"

namespace diag {
namespace {

// The pairs of colours, if the terminal has colours.
constexpr short kTitlePair = 1;
constexpr short kFaintPair = 2;

attr_t AttributeOf(ScreenLine::Look look) {
  switch (look) {
    case ScreenLine::Look::kPlain:
      return A_NORMAL;
    case ScreenLine::Look::kTitle:
      return A_BOLD | (has_colors() ? COLOR_PAIR(kTitlePair) : A_NORMAL);
    case ScreenLine::Look::kHead:
      return A_REVERSE;
    case ScreenLine::Look::kChosen:
      return A_STANDOUT;
    case ScreenLine::Look::kFaint:
      return has_colors() ? COLOR_PAIR(kFaintPair) : A_NORMAL;
  }
  return A_NORMAL;
}

bool IsUtf8() { return std::string_view(nl_langinfo(CODESET)) == "UTF-8"; }

bool WantsColors() {
  const char* const refused = std::getenv("NO_COLOR");
  return has_colors() && (refused == nullptr || *refused == '\0');
}

}  // namespace

std::string CutToColumns(std::string_view text, size_t columns, bool utf8) {
  std::string out;
  std::mbstate_t state = {};
  size_t used = 0;
  while (!text.empty()) {
    wchar_t character = 0;
    const size_t size = utf8 ? std::mbrtowc(&character, text.data(), text.size(), &state) : 1;
    const bool is_ascii = text[0] >= ' ' && text[0] <= '~';
    const bool is_good = is_ascii || (utf8 && size > 0 && size <= text.size());
    const int width = is_good && !is_ascii ? wcwidth(character) : 1;
    if (used + static_cast<size_t>(width < 0 ? 1 : width) > columns) break;
    used += static_cast<size_t>(width < 0 ? 1 : width);
    if (is_good && width >= 0) {
      out.append(text.substr(0, size));
      text.remove_prefix(size);
      continue;
    }
    state = {};
    out.push_back('?');
    // The whole of a character, in a locale that does not have it.
    do {
      text.remove_prefix(1);
    } while (!text.empty() && (static_cast<unsigned char>(text[0]) & 0xc0) == 0x80);
  }
  return out;
}

absl::StatusOr<std::unique_ptr<Screen>> Screen::Open() {
  if (isatty(STDOUT_FILENO) != 1 || isatty(STDIN_FILENO) != 1) {
    return netdiag::ErrnoError(ENOTTY, "the screen", "use -b to write tables as text");
  }
  std::setlocale(LC_CTYPE, "");
  SCREEN* const terminal = newterm(nullptr, stdout, stdin);
  if (terminal == nullptr) {
    return netdiag::BadInput("TERM", std::getenv("TERM") == nullptr ? "" : std::getenv("TERM"),
                             "the terminal is not known; use -b to write tables as text");
  }
  set_term(terminal);
  cbreak();
  noecho();
  nonl();
  keypad(stdscr, TRUE);
  nodelay(stdscr, TRUE);
  set_escdelay(50);
  curs_set(0);
  if (WantsColors()) {
    start_color();
    use_default_colors();
    init_pair(kTitlePair, COLOR_CYAN, -1);
    init_pair(kFaintPair, COLOR_YELLOW, -1);
  }
  return std::unique_ptr<Screen>(new Screen(terminal));
}

Screen::~Screen() {
  endwin();
  delscreen(static_cast<SCREEN*>(terminal_));
}

size_t Screen::rows() const { return static_cast<size_t>(LINES); }
size_t Screen::columns() const { return static_cast<size_t>(COLS); }

void Screen::Draw(std::span<const ScreenLine> lines) {
  erase();
  const bool utf8 = IsUtf8();
  for (size_t i = 0; i < lines.size() && i < rows(); ++i) {
    std::string text = CutToColumns(lines[i].text, columns(), utf8);
    const bool is_filled =
        lines[i].look == ScreenLine::Look::kHead || lines[i].look == ScreenLine::Look::kChosen;
    if (is_filled && text.size() < columns()) text.resize(columns(), ' ');
    attrset(AttributeOf(lines[i].look));
    mvaddnstr(static_cast<int>(i), 0, text.data(), static_cast<int>(text.size()));
  }
  attrset(A_NORMAL);
  refresh();
}

int Screen::ReadKey() {
  const int key = getch();
  switch (key) {
    case ERR:
      return kNoKey;
    case KEY_UP:
      return kKeyUp;
    case KEY_DOWN:
      return kKeyDown;
    case KEY_PPAGE:
      return kKeyPageUp;
    case KEY_NPAGE:
      return kKeyPageDown;
    case KEY_ENTER:
    case '\r':
    case '\n':
      return kKeyEnter;
    case KEY_BACKSPACE:
    case 127:
    case '\b':
      return kKeyBackspace;
    case 27:
      return kKeyEscape;
    case KEY_RESIZE:
      return kKeyResize;
    default:
      return key;
  }
}

}  // namespace diag
