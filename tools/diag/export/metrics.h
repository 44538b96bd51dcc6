// tools/diag/export/metrics.h — the metrics that `diag export` gives, in the form of
// prometheus-cpp. docs/export.md has their meaning.

#ifndef NETDIAG_TOOLS_DIAG_EXPORT_METRICS_H_
#define NETDIAG_TOOLS_DIAG_EXPORT_METRICS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <prometheus/metric_family.h>
#include <vector>

#include "tools/diag/monitor/series.h"

namespace diag {

// What the looks cost and how good they were.
struct LookStats {
  uint64_t looks = 0;
  uint64_t errors = 0;                            // looks that failed
  uint64_t overruns = 0;                          // the kernel's buffer for events was full
  bool exact = false;                             // the last look
  size_t sockets = 0;                             // that are followed
  size_t memory = 0;                              // of the Monitor, in bytes
  std::chrono::duration<double> took{0};          // the last look
  std::chrono::duration<double> cpu{0};           // all looks, of the thread that makes them
  std::chrono::system_clock::time_point ended{};  // the last look
};

std::vector<prometheus::MetricFamily> MetricsOf(const Series& series, const LookStats& stats);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_EXPORT_METRICS_H_
