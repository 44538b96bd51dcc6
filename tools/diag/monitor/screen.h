// tools/diag/monitor/screen.h — the whole terminal, by ncurses. The only file that includes ncurses
// is screen.cc, because its macros have common names.

#ifndef NETDIAG_TOOLS_DIAG_MONITOR_SCREEN_H_
#define NETDIAG_TOOLS_DIAG_MONITOR_SCREEN_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "absl/status/statusor.h"

namespace diag {

struct ScreenLine {
  enum class Look : uint8_t { kPlain, kTitle, kHead, kChosen, kFaint };
  std::string text = {};  // escaped; it is cut at the edge of the screen
  Look look = Look::kPlain;
};

// The keys that are no characters.
enum Key : int {
  kNoKey = -1,
  kKeyUp = 1000,
  kKeyDown,
  kKeyPageUp,
  kKeyPageDown,
  kKeyEnter,
  kKeyBackspace,
  kKeyEscape,
  kKeyResize
};

class Screen {
 public:
  // Takes the terminal of standard output and input. ENOTTY: they are none.
  static absl::StatusOr<std::unique_ptr<Screen>> Open();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;
  // Leaves the terminal as it was.
  ~Screen();

  size_t rows() const;
  size_t columns() const;
  void Draw(std::span<const ScreenLine> lines);
  // A key that was pressed, a character or a Key; kNoKey: none.
  int ReadKey();

 private:
  explicit Screen(void* terminal) : terminal_(terminal) {}
  void* const terminal_;  // a SCREEN
};

// `text` cut to what fits into `columns` columns. With a locale that is not UTF-8, other characters
// than ASCII become '?'.
std::string CutToColumns(std::string_view text, size_t columns, bool utf8);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_MONITOR_SCREEN_H_
