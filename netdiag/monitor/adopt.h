// netdiag/monitor/adopt.h — Internal. Monitors over events that are open, for tests.

#ifndef NETDIAG_MONITOR_ADOPT_H_
#define NETDIAG_MONITOR_ADOPT_H_

#include <memory>

#include "absl/status/statusor.h"

#include "netdiag/events.h"
#include "netdiag/monitor.h"

namespace netdiag::internal {

// As Monitor::Open(), with the events of `events` alone. They are those of all protocols of the
// query that have events, without a filter.
absl::StatusOr<std::unique_ptr<Monitor>> AdoptEvents(Engine* engine, Query query,
                                                     std::unique_ptr<Events> events);

}  // namespace netdiag::internal

#endif  // NETDIAG_MONITOR_ADOPT_H_
