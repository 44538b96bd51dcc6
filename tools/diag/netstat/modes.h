// tools/diag/netstat/modes.h — the modes of `diag netstat` beside the tables of sockets: -r, -i,
// -g, -s and -M.
//
// Each appends netstat's text, or with Options::json one line of JSON. They read the network
// namespace of the calling thread. With Options::compat the text is that of netstat 2.10 byte by
// byte; docs/netstat.md has the differences without it.

#ifndef NETDIAG_TOOLS_DIAG_NETSTAT_MODES_H_
#define NETDIAG_TOOLS_DIAG_NETSTAT_MODES_H_

#include "tools/diag/netstat/options.h"
#include "tools/diag/report.h"

namespace diag::netstat {

// -r: routes of the families in Options::family_list, one after another, up to the first that has
// none.
ExitCode ShowRoutes(const Options& options, Output* output);

// -i: interfaces that are up, or all with -a; with -e as ifconfig shows them.
ExitCode ShowInterfaces(const Options& options, Output* output);
// The same. `title`: false in the later passes of -c, because netstat prints its title once.
ExitCode ShowInterfaces(const Options& options, bool title, Output* output);

// -g: the multicast groups of the families that Options names, or of both.
ExitCode ShowGroups(const Options& options, Output* output);

// -s: the counters of the protocols that Options names, for the one family in
// Options::family_list.
ExitCode ShowStatistics(const Options& options, Output* output);

// -M: an error, because no kernel since 2.4 has the file that netstat reads.
ExitCode ShowMasquerade(const Options& options, Output* output);

}  // namespace diag::netstat

#endif  // NETDIAG_TOOLS_DIAG_NETSTAT_MODES_H_
