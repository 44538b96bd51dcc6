// netdiag/dump/activity_check.h — Internal. Verifies a dump of TCP by the namespace's counters: if
// TCP did nothing between the first request and the last answer, no connection left a bucket.
//
// The counters say nothing about listeners and bound idle sockets, which have witnesses.
//
// Cost: two reads of 24 to 95 µs; dumps that are likely to be short read nothing.
// Threads: thread-compatible.
// Source: dump/sockstat.h, ReadTcpActivity().

#ifndef NETDIAG_DUMP_ACTIVITY_CHECK_H_
#define NETDIAG_DUMP_ACTIVITY_CHECK_H_

#include <cstdint>
#include <functional>
#include <optional>

#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/sockstat.h"
#include "netdiag/dump/table.h"

namespace netdiag::internal {

// ReadTcpActivity() in the namespace of the table. Thread-safe.
using ActivityReader = std::function<std::optional<TcpActivity>(uint64_t least)>;

class ActivityCheck {
 public:
  // Reads the counters before the first dump, if the check can pay. `reader` may be null, and must
  // outlive the check. `rows`: of the last dump of TCP over the same Conn, if there was one.
  void Begin(const DumpRequest& request, const ActivityReader* reader,
             std::optional<uint64_t> rows);
  // True if TCP did nothing since Begin() or the last Unchanged().
  bool Unchanged();

 private:
  const ActivityReader* reader_ = nullptr;
  std::optional<TcpActivity> before_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_ACTIVITY_CHECK_H_
