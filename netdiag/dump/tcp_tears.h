// netdiag/dump/tcp_tears.h — Internal. Tears of TCP's tables: dump/tears.h.
//
// A dump shows listeners, then bound idle sockets if they are asked for, then connections. Each of
// the three parts has buckets of its own kind:
//   - Listeners: any listener of the table may stand in the torn bucket.
//   - Bound idle sockets: likewise. The kernel takes sixteen of a bucket at a time, so a bucket can
//     also tear within a datagram.
//   - Connections: they have no witnesses. There are many, and one that is being made stands in its
//     bucket for a moment before the kernel shows it. In a table of few buckets, a bucket can have
//     more than sixteen, and can tear within a datagram.
//
// A connection that becomes TIME_WAIT, or a request that becomes a connection, is another object in
// the bucket with the same cookie. The first of the two rows is given.
//
// Cost: 8 bytes a listener or idle socket.
// Threads: thread-compatible.
// Source: tcp_diag_dump(), reqsk_queue_hash_req() (sets the reference count last), 6.18.

#ifndef NETDIAG_DUMP_TCP_TEARS_H_
#define NETDIAG_DUMP_TCP_TEARS_H_

#include <cstdint>

#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/socket_key.h"
#include "netdiag/dump/table.h"
#include "netdiag/dump/tear_report.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

class TcpTears {
 public:
  // `buckets`: the number of buckets in the table of connections; 0: unknown, so it is large.
  // `hides`: HidesSockets(request).
  TcpTears(const DumpRequest& request, uint64_t buckets, bool hides, bool keep_all);
  // A row has come, or come again.
  void Add(Bytes row, SocketKey key, RowsInFlight* rows, TearReport* report);
  // The kernel released the table after the last row.
  void Tear(RowsInFlight* rows, TearReport* report);
  void End(RowsInFlight* rows, TearReport* report);

 private:
  enum class Part : uint8_t { kListeners, kIdle, kConnections };

  void EnterPart(Part part, RowsInFlight* rows, TearReport* report);
  void EndPart(RowsInFlight* rows, TearReport* report);

  bool asks_idle_ = false;
  bool tiny_ = false;  // the table of connections
  bool hides_ = false;
  bool keep_all_ = false;
  Part part_ = Part::kListeners;
  uint64_t connections_ = 0;  // that came
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_TCP_TEARS_H_
