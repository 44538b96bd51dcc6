// netdiag/dump/stream_source.h — Internal. The messages of a stream of TCP sockets.
//
// Threads: thread-compatible.

#ifndef NETDIAG_DUMP_STREAM_SOURCE_H_
#define NETDIAG_DUMP_STREAM_SOURCE_H_

#include "absl/status/statusor.h"

#include "netdiag/dump/step.h"
#include "netdiag/dump/tcp_stream.h"
#include "netdiag/netlink/call.h"

namespace netdiag::internal {

class StreamSource {
 public:
  // `reader` is at the beginning. Its stream must outlive the source.
  explicit StreamSource(const TcpStreamReader& reader) : reader_(reader) {}
  // Visits as many messages as a datagram holds. Never waits. Damage, and a dump that had failed,
  // are errors at the end.
  absl::StatusOr<netlink::Ready> Step(const StepOptions& how, MessageVisitor visitor);
  SourceStats stats() const { return stats_; }

 private:
  TcpStreamReader reader_;
  SourceStats stats_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_STREAM_SOURCE_H_
