// netdiag/dump/replay_source.h — Internal. The messages of one table in a capture.
//
// Threads: thread-compatible.

#ifndef NETDIAG_DUMP_REPLAY_SOURCE_H_
#define NETDIAG_DUMP_REPLAY_SOURCE_H_

#include "absl/status/statusor.h"

#include "netdiag/dump/capture.h"
#include "netdiag/dump/step.h"
#include "netdiag/dump/table.h"
#include "netdiag/netlink/call.h"

namespace netdiag::internal {

class ReplaySource {
 public:
  // `at_table` has just read the kTable record of `table`. The capture must outlive the source.
  ReplaySource(const CaptureReader& at_table, const Table& table)
      : reader_(at_table.Afresh()), table_(table) {}
  // Visits one recorded datagram. Never waits. A dump that ended with an errno ends with it again.
  // If a record of the table is damaged, the others are visited, and the error names the place.
  absl::StatusOr<netlink::Ready> Step(const StepOptions& how, MessageVisitor visitor);
  SourceStats stats() const { return stats_; }

 private:
  CaptureReader reader_;
  Table table_;
  SourceStats stats_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_REPLAY_SOURCE_H_
