// netdiag/dump/kernel_table_source.h — Internal. The rows of TCP or UDP, read by BPF from the
// kernel's hash tables instead of a dump.
//
// The messages are those of a dump, except that sockets whose cookie was never asked for have none.
// Each step visits what one read gave, up to 32 KiB, and never waits.
//
// Lifetime: the source keeps the loaded program until it is gone.
// Threads: thread-compatible.

#ifndef NETDIAG_DUMP_KERNEL_TABLE_SOURCE_H_
#define NETDIAG_DUMP_KERNEL_TABLE_SOURCE_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/bpf/kernel_table.h"
#include "netdiag/dump/step.h"
#include "netdiag/dump/table.h"
#include "netdiag/netlink/call.h"

namespace netdiag::internal {

class KernelTableSource {
 public:
  // OK, or what `request` asks for that the tables do not have: idle sockets, other protocols,
  // extensions, or a namespace that is not known.
  static absl::Status CanAnswer(const DumpRequest& request);

  // REQUIRES: CanAnswer(request). No other source uses `table`.
  KernelTableSource(std::shared_ptr<bpf::KernelTable> table, const DumpRequest& request);
  absl::Status Begin();
  // An error before a message was visited means that the kernel's tables cannot be read, and that a
  // dump can take the source's place.
  absl::StatusOr<netlink::Ready> Step(const StepOptions& how, MessageVisitor visitor);
  SourceStats stats() const;

 private:
  std::shared_ptr<bpf::KernelTable> table_;
  bpf::KernelTable::Question question_;
  SourceStats stats_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_KERNEL_TABLE_SOURCE_H_
