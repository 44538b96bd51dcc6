// netdiag/dump/kept_source.h — Internal. The unix sockets of one table out of the index that keeps
// those of several.
//
// Threads: thread-compatible.

#ifndef NETDIAG_DUMP_KEPT_SOURCE_H_
#define NETDIAG_DUMP_KEPT_SOURCE_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"

#include "netdiag/dump/step.h"
#include "netdiag/dump/unix_index.h"
#include "netdiag/netlink/call.h"

namespace netdiag::internal {

class KeptSource {
 public:
  // `table`: the number that UnixIndex::Add() was given. The index must outlive the source.
  KeptSource(const UnixIndex* index, uint16_t table) : index_(index), table_(table) {}
  // Looks at 256 sockets of the index. Never waits.
  absl::StatusOr<netlink::Ready> Step(const StepOptions& how, MessageVisitor visitor);
  SourceStats stats() const { return {}; }

 private:
  const UnixIndex* index_;
  uint16_t table_;
  size_t next_ = 0;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_KEPT_SOURCE_H_
