// tools/diag/filter_names.h — resolves the names in a filter on this host.

#ifndef NETDIAG_TOOLS_DIAG_FILTER_NAMES_H_
#define NETDIAG_TOOLS_DIAG_FILTER_NAMES_H_

#include <string>

#include "absl/status/status.h"

#include "netdiag/filter/filter.h"

namespace diag {

// The network namespaces that are listed.
struct ListedNamespaces {
  std::string name;  // that of -N; empty: this one
  bool all = false;
};

// Resolves hosts by getaddrinfo(3); services by /etc/services; users by libc; cgroups by their
// directories; network namespaces by /run/netns; interfaces inside the namespaces that are listed.
// A name is resolved only when a filter contains it. Also reads this namespace's range of ephemeral
// ports. If interfaces cannot be resolved because the namespace of -N cannot be entered, `*failure`
// says why. `listed` and `failure` must outlive the options.
netdiag::FilterOptions HostFilterOptions(const ListedNamespaces& listed, absl::Status* failure);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_FILTER_NAMES_H_
