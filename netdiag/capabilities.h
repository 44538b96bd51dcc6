// SPDX-License-Identifier: Apache-2.0
//
// netdiag/capabilities.h — what this kernel can answer: the result of Engine::capabilities().
//
// Threads, lifetime: values.

#ifndef NETDIAG_CAPABILITIES_H_
#define NETDIAG_CAPABILITIES_H_

#include <string>
#include <string_view>
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

// Something that not every kernel, and not every caller, can do. docs/embedding.md has the list,
// with what the library does where a feature is missing.
struct Feature {
  std::string_view name;     // "bpf_owners"
  std::string_view purpose;  // what the feature does: a clause
  absl::Status status;       // OK, or what is missing
};

struct Capabilities {
  std::string kernel;  // `uname -r`
  std::vector<Capability> tables;
  std::vector<Feature> features;  // empty for an Engine that reads a capture

  // Returns nullptr if there is no feature of that name.
  const Feature* Find(std::string_view name) const {
    for (const Feature& feature : features) {
      if (feature.name == name) return &feature;
    }
    return nullptr;
  }
};

}  // namespace netdiag

#endif  // NETDIAG_CAPABILITIES_H_
