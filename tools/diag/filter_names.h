// tools/diag/filter_names.h — resolves the names in a filter on this host.

#ifndef NETDIAG_TOOLS_DIAG_FILTER_NAMES_H_
#define NETDIAG_TOOLS_DIAG_FILTER_NAMES_H_

#include "netdiag/filter/filter.h"

namespace diag {

// Resolves hosts by getaddrinfo(3); services by /etc/services; interfaces and users by libc;
// cgroups by their directories; network namespaces by /run/netns. A name is resolved only when a
// filter contains it. Also reads this namespace's range of ephemeral ports.
netdiag::FilterOptions HostFilterOptions();

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_FILTER_NAMES_H_
