// netdiag/dump/tear_report.h — Internal. What a torn dump leaves to verify, and the rows that are
// kept for it while the dump runs. dump/tears.h explains tears.

#ifndef NETDIAG_DUMP_TEAR_REPORT_H_
#define NETDIAG_DUMP_TEAR_REPORT_H_

#include <cstddef>
#include <vector>

#include "netdiag/dump/socket_key.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

// Nothing was skipped if all witnesses still live after the dump: another dump must show them
// again.
struct TearReport {
  bool torn = false;
  // The request hides sockets that may have stood in a torn bucket, so none can vouch for it.
  bool hidden = false;
  // Sockets that no row showed may have left a torn bucket.
  bool restless = false;
  // TCP: connections stood in a torn bucket. None of them is kept as a witness.
  bool unwitnessed = false;
  // TCP: connections stood in long buckets. A connection that is being made is in its bucket for a
  // moment before the kernel shows it, so in a long bucket it may have stood before the tear
  // unseen.
  bool crowded = false;
  std::vector<SocketKey> witnesses;
  // What a dump must ask for to show the witnesses. Empty: every state, every port.
  StateSet states;          // TCP
  std::vector<Port> ports;  // UDP
};

// The keys of rows, and which of them stand in the bucket that is being dumped.
struct RowsInFlight {
  // Begins another bucket. The keys of earlier buckets stay if `keep`.
  void BeginBucket(bool keep) {
    if (!keep) keys.clear();
    ports.clear();
    begin = keys.size();
    before_tear = 0;
    entered = false;
  }
  size_t in_bucket() const { return keys.size() - begin; }

  std::vector<SocketKey> keys;
  std::vector<Port> ports;  // UDP: of the bucket's rows
  size_t begin = 0;         // of the bucket, in `keys`
  size_t before_tear = 0;   // rows of the bucket that came before its last tear
  // Rows came again in this bucket, so sockets have entered at its head that no row shows.
  bool entered = false;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_TEAR_REPORT_H_
