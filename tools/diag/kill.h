// tools/diag/kill.h — diag -K: closes the sockets that match.

#ifndef NETDIAG_TOOLS_DIAG_KILL_H_
#define NETDIAG_TOOLS_DIAG_KILL_H_

#include "netdiag/engine.h"
#include "tools/diag/list_options.h"
#include "tools/diag/report.h"

namespace diag {

// Closes what the options select, prints the rows of those that it closed, and says on stderr what
// became of the others. With Task::kDryKill it closes nothing and prints what it would close.
// Returns kAnswered if every socket that matched was closed or had gone by itself.
ExitCode Kill(const ListOptions& options, netdiag::Engine* engine);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_KILL_H_
