// tools/diag/monitor/export_options.h — the command line of `diag export`, which two programs read:
// diag, and diag-export, which diag becomes.

#ifndef NETDIAG_TOOLS_DIAG_MONITOR_EXPORT_OPTIONS_H_
#define NETDIAG_TOOLS_DIAG_MONITOR_EXPORT_OPTIONS_H_

#include <span>

#include "tools/diag/command.h"
#include "tools/diag/monitor/session.h"

namespace diag {

// The address at which metrics are served if the command line names neither --listen nor
// --textfile.
inline constexpr char kDefaultListen[] = "127.0.0.1:9798";

std::span<const Option<MonitorRequest>> ExportOptions();

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_MONITOR_EXPORT_OPTIONS_H_
