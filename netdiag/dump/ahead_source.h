// netdiag/dump/ahead_source.h — Internal. A source that a thread of its own reads while its rows
// are visited: a dump, or a part of the kernel's table.
//
// The thread takes no signals. It ends with the source, and with the deadline and the stop token of
// the call that started it.
//
// Threads: thread-compatible.

#ifndef NETDIAG_DUMP_AHEAD_SOURCE_H_
#define NETDIAG_DUMP_AHEAD_SOURCE_H_

#include <cstddef>
#include <memory>

#include "absl/status/statusor.h"

#include "netdiag/dump/kernel_table_source.h"
#include "netdiag/dump/netlink_source.h"
#include "netdiag/dump/step.h"
#include "netdiag/netlink/call.h"

namespace netdiag::internal {

class AheadSource {
 public:
  // Takes *source over. `source` must have begun. The thread reads on until `limit` bytes wait to
  // be visited, plus one datagram. If no thread can be started, the result is not OK and *source is
  // as it was.
  static absl::StatusOr<AheadSource> Start(NetlinkSource* source, const netlink::CallOptions& call,
                                           size_t limit);
  static absl::StatusOr<AheadSource> Start(KernelTableSource* source,
                                           const netlink::CallOptions& call, size_t limit);
  AheadSource(AheadSource&&) noexcept;
  AheadSource& operator=(AheadSource&&) noexcept;
  ~AheadSource();

  // Waits for the next datagram and visits it. how.wait and how.call are not used: the thread has
  // the limits of its own call.
  absl::StatusOr<netlink::Ready> Step(const StepOptions& how, MessageVisitor visitor);
  // True if Step() has something to visit and does not wait.
  bool has_chunk() const;
  SourceStats stats() const;

 private:
  class Impl;
  explicit AheadSource(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_AHEAD_SOURCE_H_
