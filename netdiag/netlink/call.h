// netdiag/netlink/call.h — how long one call may take, and how a call that does not wait answers.
//
// Threads, lifetime: values.

#ifndef NETDIAG_NETLINK_CALL_H_
#define NETDIAG_NETLINK_CALL_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string_view>

#include "absl/status/status.h"

#include "netdiag/types/error.h"

namespace netdiag::netlink {

using TimePoint = std::chrono::steady_clock::time_point;

// What may end one call early. The deadlines of the Conn itself apply too.
struct CallOptions {
  std::optional<TimePoint> deadline = std::nullopt;
  std::stop_token stop = {};
};

// Not OK if the call is already cancelled or past its deadline; the error names `what`. Loops that
// never wait call it between their steps.
inline absl::Status CheckCall(const CallOptions& call, std::string_view what) {
  if (call.stop.stop_requested()) return CancelledError(what);
  if (call.deadline && std::chrono::steady_clock::now() >= *call.deadline) {
    return TimeoutError(what);
  }
  return absl::OkStatus();
}

// kSome: there may be more; call again. kWouldBlock: nothing to read yet. kDone: the end.
enum class Ready : uint8_t { kSome, kWouldBlock, kDone };

}  // namespace netdiag::netlink

#endif  // NETDIAG_NETLINK_CALL_H_
