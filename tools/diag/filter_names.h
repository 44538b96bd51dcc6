// tools/diag/filter_names.h — what the names in a filter stand for on this host.

#ifndef NETDIAG_TOOLS_DIAG_FILTER_NAMES_H_
#define NETDIAG_TOOLS_DIAG_FILTER_NAMES_H_

#include "netdiag/filter/filter.h"

namespace diag {

// Hosts by getaddrinfo(3), services, interfaces and users by libc, cgroups by their directory,
// namespaces by /run/netns; and this namespace's range of local ports. Nothing is asked before a
// filter has such a name.
netdiag::FilterOptions HostFilterOptions();

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_FILTER_NAMES_H_
