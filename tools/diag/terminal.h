// tools/diag/terminal.h — what is known of who reads the output.

#ifndef NETDIAG_TOOLS_DIAG_TERMINAL_H_
#define NETDIAG_TOOLS_DIAG_TERMINAL_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "netdiag/types/types.h"
#include "tools/diag/list_options.h"

namespace diag {

// Columns of the terminal behind `fd`; without one, of $COLUMNS; 0: lines may be as long as they
// like.
size_t ScreenWidth(int fd);
// With kAuto: on a terminal that can, unless $NO_COLOR says otherwise (no-color.org).
bool WantsColor(Color color, int fd);

// What a cell looks like.
enum class Tint : uint8_t { kPlain, kListening, kOpening, kClosing, kOver };
Tint TintOf(netdiag::State state);
// What switches it on; empty for kPlain.
std::string_view EscapeOf(Tint tint);
inline constexpr std::string_view kTintOff = "\x1b[0m";

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_TERMINAL_H_
