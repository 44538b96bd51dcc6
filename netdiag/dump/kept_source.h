// netdiag/dump/kept_source.h — Internal. The unix sockets of one table out of the index that keeps
// those of several.
//
// Threads: thread-compatible.

#ifndef NETDIAG_DUMP_KEPT_SOURCE_H_
#define NETDIAG_DUMP_KEPT_SOURCE_H_

#include <cstdint>
#include <span>

#include "absl/status/statusor.h"

#include "netdiag/dump/step.h"
#include "netdiag/dump/unix_index.h"
#include "netdiag/netlink/call.h"

namespace netdiag::internal {

class KeptSource {
 public:
  // `table`: the number that UnixIndex::Add() was given. The index must outlive the source.
  KeptSource(const UnixIndex* index, uint32_t table) : index_(index), rest_(index->Of(table)) {}
  // Visits 256 sockets. Never waits.
  absl::StatusOr<netlink::Ready> Step(const StepOptions& how, MessageVisitor visitor);
  SourceStats stats() const { return {}; }

 private:
  const UnixIndex* index_;
  std::span<const uint32_t> rest_;  // the sockets of the table that are still to be visited
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_KEPT_SOURCE_H_
