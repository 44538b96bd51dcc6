// SPDX-License-Identifier: Apache-2.0
//
// netdiag/netlink/call.h — the limits of one call, and the answer of a call that does not wait.
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

// What ends one call early. The deadlines of the Conn apply too.
struct CallOptions {
  std::optional<TimePoint> deadline = std::nullopt;
  std::stop_token stop = {};
};

// Returns an error that names `what` if the call is cancelled or past its deadline. For loops that
// never wait: they check between their steps.
inline absl::Status CheckCall(const CallOptions& call, std::string_view what) {
  if (call.stop.stop_requested()) return CancelledError(what);
  if (call.deadline && std::chrono::steady_clock::now() >= *call.deadline) {
    return TimeoutError(what);
  }
  return absl::OkStatus();
}

// kSome: there may be more, call again. kWouldBlock: there is nothing to read yet. kDone: the end.
enum class Ready : uint8_t { kSome, kWouldBlock, kDone };

}  // namespace netdiag::netlink

#endif  // NETDIAG_NETLINK_CALL_H_
