// netdiag/dump/step.h — Internal. Users want netdiag/engine.h.
//
// One step of a source: its options, its visitor, and the counts of a source. The sources
// themselves are listed in dump/source.h.
//
// Lifetime: a Message is valid until the visitor returns.
// Threads: values.

#ifndef NETDIAG_DUMP_STEP_H_
#define NETDIAG_DUMP_STEP_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

#include "netdiag/netlink/call.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

using MessageVisitor = absl::FunctionRef<Flow(const netlink::Message&)>;

// Whether a step may wait until there is something to visit. Event loops use kNever.
enum class Wait : uint8_t { kNever, kBlock };

inline void NoPrefetch(const netlink::Message&) {}

struct StepOptions {
  Wait wait = Wait::kBlock;
  netlink::CallOptions call = {};
  // Called with each message a few messages before it is visited, by sources that hold several
  // messages at once (AheadSource); other sources never call it.
  absl::FunctionRef<void(const netlink::Message&)> prefetch = NoPrefetch;
};

// What a source counts beside the messages that it visits.
struct SourceStats {
  uint64_t foreign = 0;      // datagrams that the kernel did not send
  uint64_t damaged = 0;      // lines or records that could not be read
  bool interrupted = false;  // the kernel reports that the dump may be inconsistent
  uint64_t repeated = 0;     // rows dropped because an earlier row showed the same socket
  uint64_t given = 0;        // rows that a dump gave; other sources do not count them
  uint64_t dumps = 0;        // dumps of the table; those that only verify another are not counted
  uint64_t missing = 0;      // sockets that a census counted, that are alive, and that no dump gave
  absl::Status doubt;        // OK: no socket is missing; or why sockets may be missing
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_STEP_H_
