// tools/diag/record.h — writes the sockets that a listing would show to a file, and lists nothing.

#ifndef NETDIAG_TOOLS_DIAG_RECORD_H_
#define NETDIAG_TOOLS_DIAG_RECORD_H_

#include "netdiag/engine.h"
#include "netdiag/query.h"
#include "netdiag/types/types.h"
#include "tools/diag/list_options.h"
#include "tools/diag/report.h"

namespace diag {

// -D: the TCP sockets as ss's stream. A file that could not be written whole is named on stderr,
// and so are all gaps; a dump that failed ends with NLMSG_ERROR in the file.
ExitCode WriteTcpStream(const ListOptions& options, netdiag::Engine* engine);
// --capture: every table of the query, with what its numbers are called here, and with what stderr
// is told of gaps.
ExitCode WriteCapture(const ListOptions& options, netdiag::Engine* engine);

// What --capture asks for: `query` with every detail. Programs and reasons come with owners.
netdiag::Query QueryOfCapture(netdiag::Query query);
// What -D asks for: the TCP tables of `query`, and what their messages hold.
netdiag::Query QueryOfTcpStream(netdiag::Query query);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_RECORD_H_
