// tools/diag/terminal.h — the terminal behind the output: its width and its colours.

#ifndef NETDIAG_TOOLS_DIAG_TERMINAL_H_
#define NETDIAG_TOOLS_DIAG_TERMINAL_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "netdiag/row.h"
#include "netdiag/types/types.h"
#include "tools/diag/list_options.h"

namespace diag {

// Returns the number of columns of the terminal behind `fd`, or $COLUMNS if `fd` is not a terminal;
// 0: lines have no limit.
size_t ScreenWidth(int fd);
// kAuto: colours only on a terminal that is not "dumb", and only if $NO_COLOR is empty
// (no-color.org).
bool WantsColor(Color color, int fd);

// The look of a cell.
enum class Tint : uint8_t { kPlain, kListening, kOpening, kClosing, kOver, kNeedsLook };
Tint TintOf(netdiag::State state);
// The look of a row's state: kNeedsLook if the row retransmits, or if the backlog of a listener is
// full, so that the kernel refuses connections; otherwise that of its state.
Tint TintOf(const netdiag::Row& row);
// The escape sequence that turns the look on; empty for kPlain.
std::string_view EscapeOf(Tint tint);
inline constexpr std::string_view kTintOff = "\x1b[0m";

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_TERMINAL_H_
