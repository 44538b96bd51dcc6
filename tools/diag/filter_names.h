// tools/diag/filter_names.h — resolves the names in a filter on this host.

#ifndef NETDIAG_TOOLS_DIAG_FILTER_NAMES_H_
#define NETDIAG_TOOLS_DIAG_FILTER_NAMES_H_

#include <memory>
#include <string>

#include "absl/status/status.h"

#include "netdiag/filter/filter.h"
#include "tools/diag/capture_file.h"
#include "tools/diag/names.h"

namespace diag {

// The host and the network namespaces in which the names of a filter are looked up.
struct FilterHost {
  std::string netns;  // that of -N; empty: this one
  bool all_netns = false;
  std::string proc_root = "/proc";
  std::shared_ptr<const Users> users;  // null: those of the host
  // If set, interfaces, cgroups, network namespaces, ephemeral ports, and users if `users` is null,
  // are those of the capture.
  std::shared_ptr<const CaptureFile> capture;
};

// Resolves hosts by getaddrinfo(3); services by /etc/services; users by libc; cgroups by their
// directories below the mount that the procfs names; network namespaces by /run/netns and by
// process; interfaces inside the namespaces that are listed. A name is resolved only when a filter
// contains it. Also reads this namespace's range of ephemeral ports. If interfaces cannot be
// resolved because the namespace of -N cannot be entered, `*failure` says why. `host` and `failure`
// must outlive the options.
netdiag::FilterOptions HostFilterOptions(const FilterHost& host, absl::Status* failure);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_FILTER_NAMES_H_
