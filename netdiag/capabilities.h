// SPDX-License-Identifier: Apache-2.0
//
// netdiag/capabilities.h — what this kernel can answer: the result of Engine::capabilities().
//
// Threads, lifetime: values.

#ifndef NETDIAG_CAPABILITIES_H_
#define NETDIAG_CAPABILITIES_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

#include "netdiag/dump/table.h"

namespace netdiag {

// One protocol and family. Probed with a dump that matches no state, which takes a few µs. SCTP and
// DCCP are not probed if the kernel has no such socket, because the probe would load a module
// (IsLoaded()).
struct Capability {
  Table table;
  absl::Status netlink;  // OK, or why there is no dump: names the missing kernel option
  bool procfs = false;   // True if /proc/net has the table.
};

struct Capabilities {
  std::string kernel;  // `uname -r`
  std::vector<Capability> tables;
  absl::Status bpf_owners;  // OK, or why owners cannot be read by BPF
};

}  // namespace netdiag

#endif  // NETDIAG_CAPABILITIES_H_
