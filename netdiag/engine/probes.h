// netdiag/engine/probes.h — Internal. Finds out which of the things that not every kernel and not
// every caller can do are possible here. Nothing is concluded from the kernel's version. Users want
// Engine::capabilities().
//
// Threads: thread-compatible, as the Conns.
// Cost: some 10 ms, most of it for loading the BPF programs; UDP sockets are counted once. For the
// time of the call there are two sockets, of TCP and of UDP, that are bound to a free port of
// 127.0.0.1 and receive nothing.

#ifndef NETDIAG_ENGINE_PROBES_H_
#define NETDIAG_ENGINE_PROBES_H_

#include <vector>

#include "netdiag/capabilities.h"
#include "netdiag/engine/conns.h"

namespace netdiag::internal {

// Every feature, in the order of the table in docs/embedding.md.
std::vector<Feature> ProbeFeatures(Conns* conns);

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_PROBES_H_
