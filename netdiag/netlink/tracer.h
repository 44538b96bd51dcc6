// netdiag/netlink/tracer.h — Internal. Users want Config::trace in netlink/conn.h.
//
// Writes messages as lines of text for debugging.
//
// Threads: thread-safe; the callback runs for one line at a time.

#ifndef NETDIAG_NETLINK_TRACER_H_
#define NETDIAG_NETLINK_TRACER_H_

#include <mutex>
#include <string_view>
#include <utility>

#include "absl/functional/any_invocable.h"

#include "netdiag/netlink/wire.h"
#include "netdiag/types/types.h"

namespace netdiag::netlink {

class Tracer {
 public:
  using Callback = absl::AnyInvocable<void(std::string_view line)>;

  // Does nothing if `callback` is null.
  explicit Tracer(Callback callback) : callback_(std::move(callback)) {}

  // `direction` is '>' for a sent message and '<' for a received one. `header` replaces the header
  // in `whole` for the numbers at the start of the line.
  void Trace(char direction, const Header& header, Bytes whole) {
    if (callback_ != nullptr) TraceLine(direction, header, whole);
  }

 private:
  void TraceLine(char direction, const Header& header, Bytes whole);

  Callback callback_;
  std::mutex mutex_;
};

}  // namespace netdiag::netlink

#endif  // NETDIAG_NETLINK_TRACER_H_
