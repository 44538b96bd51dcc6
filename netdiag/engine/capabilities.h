// netdiag/engine/capabilities.h — Internal. Probes which tables this kernel and /proc/net answer.
// Users want Engine::capabilities().
//
// Threads: thread-compatible, as the Conns.
// Cost: for each table a dump of no state, a few µs, and an open below /proc/net.

#ifndef NETDIAG_ENGINE_CAPABILITIES_H_
#define NETDIAG_ENGINE_CAPABILITIES_H_

#include <string>

#include "netdiag/capabilities.h"
#include "netdiag/engine/conns.h"

namespace netdiag::internal {

// `uname -r`.
std::string KernelRelease();

// Probes the home namespace of `conns`.
Capabilities ProbeCapabilities(Conns* conns);

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_CAPABILITIES_H_
