// Tested by tests/tools/table_buffer_test.cc and tests/tools/forms_test.cc.

#include "tools/diag/terminal.h"

#include <sys/ioctl.h>

#include <cstdlib>
#include <cstring>
#include <unistd.h>

namespace diag {

size_t ScreenWidth(int fd) {
  winsize size = {};
  if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  const char* columns = std::getenv("COLUMNS");
  if (columns == nullptr) return 0;
  char* end = nullptr;
  const long width = std::strtol(columns, &end, 10);
  return end != columns && *end == '\0' && width > 0 && width <= UINT16_MAX
             ? static_cast<size_t>(width)
             : 0;
}

bool WantsColor(Color color, int fd) {
  if (color != Color::kAuto) return color == Color::kAlways;
  const char* refused = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return isatty(fd) == 1 && (refused == nullptr || *refused == '\0') && terminal != nullptr &&
         std::strcmp(terminal, "dumb") != 0;
}

Tint TintOf(netdiag::State state) {
  using netdiag::State;
  switch (state) {
    case State::kListen:
      return Tint::kListening;
    case State::kSynSent:
    case State::kSynReceived:
    case State::kNewSynReceived:
    case State::kCookieWait:
    case State::kCookieEchoed:
    case State::kPartOpen:
      return Tint::kOpening;
    case State::kFinWait1:
    case State::kFinWait2:
    case State::kCloseWait:
    case State::kLastAck:
    case State::kClosing:
    case State::kShutdownPending:
    case State::kShutdownSent:
    case State::kShutdownReceived:
    case State::kShutdownAckSent:
    case State::kPassiveCloseRequest:
      return Tint::kClosing;
    case State::kTimeWait:
    case State::kClose:
    case State::kBoundInactive:
      return Tint::kOver;
    case State::kEstablished:
      break;
  }
  return Tint::kPlain;
}

Tint TintOf(const netdiag::Row& row) {
  const bool listens = row.state() == netdiag::State::kListen;
  // Source: sk_acceptq_is_full() of include/net/sock.h, unix_recvq_full() of net/unix/af_unix.c.
  // The send queue of a listener is its limit; /proc/net has 0 instead.
  if (listens && row.send_queue() > 0 && row.receive_queue() > row.send_queue()) {
    return Tint::kNeedsLook;
  }
  const netdiag::InetSocket* const socket = row.inet();
  const bool retransmits =
      socket != nullptr && socket->timer() == netdiag::Timer::kOn && socket->retransmits() > 0;
  return retransmits ? Tint::kNeedsLook : TintOf(row.state());
}

std::string_view EscapeOf(Tint tint) {
  switch (tint) {
    case Tint::kPlain:
      break;
    case Tint::kListening:
      return "\x1b[36m";
    case Tint::kOpening:
      return "\x1b[33m";
    case Tint::kClosing:
      return "\x1b[35m";
    case Tint::kOver:
      return "\x1b[2m";
    case Tint::kNeedsLook:
      return "\x1b[1;31m";
  }
  return "";
}

}  // namespace diag
