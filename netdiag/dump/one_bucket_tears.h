// netdiag/dump/one_bucket_tears.h — Internal. Tears of the tables of raw, unix, packet, MPTCP,
// vsock, TIPC, XDP and SMC sockets: dump/tears.h.
//
// Their rows do not show which bucket they come from, so the whole table counts as one bucket.
//
// Cost: 8 bytes a row.
// Threads: thread-compatible.
// Source: raw_diag_dump(), unix_diag_dump(), packet_diag_dump(), vsock_diag_dump(),
// xsk_diag_dump(), smc_diag_dump_proto(), 6.18.

#ifndef NETDIAG_DUMP_ONE_BUCKET_TEARS_H_
#define NETDIAG_DUMP_ONE_BUCKET_TEARS_H_

#include "netdiag/dump/socket_key.h"
#include "netdiag/dump/tear_report.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

class OneBucketTears {
 public:
  // A row has come, or come again.
  void Add(Bytes /*row*/, SocketKey key, RowsInFlight* rows, TearReport* /*report*/) {
    rows->keys.push_back(key);
  }
  // The kernel released the table after the last row.
  void Tear(RowsInFlight* rows, TearReport* /*report*/) { rows->before_tear = rows->in_bucket(); }
  // All rows that came before the last tear become witnesses.
  void End(RowsInFlight* rows, TearReport* report);
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_ONE_BUCKET_TEARS_H_
