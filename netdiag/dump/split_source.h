// netdiag/dump/split_source.h — Internal. The rows of the kernel's table, read by a thread and by
// the caller at the same time. Each reads the next part when it is done with one, so the caller
// reads as much as its visitor leaves time for.
//
// Lifetime, Threads: as AheadSource.

#ifndef NETDIAG_DUMP_SPLIT_SOURCE_H_
#define NETDIAG_DUMP_SPLIT_SOURCE_H_

#include <utility>

#include "absl/status/statusor.h"

#include "netdiag/dump/ahead_source.h"
#include "netdiag/dump/kernel_table_source.h"
#include "netdiag/dump/step.h"
#include "netdiag/netlink/call.h"

namespace netdiag::internal {

class SplitSource {
 public:
  // Both have begun, and read parts of one table.
  SplitSource(KernelTableSource here, AheadSource ahead)
      : here_(std::move(here)), ahead_(std::move(ahead)) {}

  // Visits what the thread has read, or else reads and visits 32 KiB. how.wait and how.call are not
  // used.
  absl::StatusOr<netlink::Ready> Step(const StepOptions& how, MessageVisitor visitor);
  SourceStats stats() const;

 private:
  KernelTableSource here_;
  AheadSource ahead_;
  bool here_done_ = false;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_SPLIT_SOURCE_H_
