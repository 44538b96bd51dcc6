// tools/diag/follow.h — diag -E: prints sockets as they close.

#ifndef NETDIAG_TOOLS_DIAG_FOLLOW_H_
#define NETDIAG_TOOLS_DIAG_FOLLOW_H_

#include "netdiag/engine.h"
#include "tools/diag/list_options.h"
#include "tools/diag/report.h"

namespace diag {

// Prints each event that the options select as soon as it comes, until SIGINT, SIGTERM, the limit
// of the options, or the end of the reader. Says on stderr when events were lost. `engine`: one in
// the namespace of `engine_options`, which tells names.
ExitCode Follow(const ListOptions& options, const netdiag::EngineOptions& engine_options,
                netdiag::Engine* engine);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_FOLLOW_H_
