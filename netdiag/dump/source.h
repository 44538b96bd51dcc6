// netdiag/dump/source.h — Internal. Users want netdiag/engine.h.
//
// Where the messages of one table come from. Every source yields netlink messages, so views,
// filters, captures and renderers read one form: the kernel's own datagrams, /proc/net encoded as
// such, a capture, a stream of TCP sockets, or the kernel's hash tables read by BPF.
//
// A source is stepped: one datagram, or one read of /proc, a step. Step() returns
//   kSome        there may be more;
//   kWouldBlock  there is nothing yet, and the step may not wait;
//   kDone        the table has ended, or the visitor returned kStop.
//
// Lifetime: a Message is valid until the visitor returns.
// Threads: thread-compatible.

#ifndef NETDIAG_DUMP_SOURCE_H_
#define NETDIAG_DUMP_SOURCE_H_

#include <variant>

#include "absl/status/statusor.h"

#include "netdiag/dump/ahead_source.h"
#include "netdiag/dump/guest_source.h"
#include "netdiag/dump/kept_source.h"
#include "netdiag/dump/kernel_table_source.h"
#include "netdiag/dump/lookup_source.h"
#include "netdiag/dump/netlink_source.h"
#include "netdiag/dump/procfs_source.h"
#include "netdiag/dump/replay_source.h"
#include "netdiag/dump/split_source.h"
#include "netdiag/dump/step.h"
#include "netdiag/dump/stream_source.h"
#include "netdiag/netlink/call.h"

namespace netdiag::internal {

using Source = std::variant<NetlinkSource, AheadSource, LookupSource, ProcfsSource, ReplaySource,
                            StreamSource, KeptSource, KernelTableSource, SplitSource, GuestSource>;

absl::StatusOr<netlink::Ready> Step(Source* source, const StepOptions& how, MessageVisitor visitor);
SourceStats StatsOf(const Source& source);
// True if a step can wait for the descriptor of a Conn.
bool UsesConn(const Source& source);

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_SOURCE_H_
