// netdiag/dump/tears.h — Internal. Users want netdiag/engine.h.
//
// Finds out what a dump of the kernel can have repeated or left out.
//
// A dump is no snapshot. When a datagram is full, the kernel releases the table; it comes back to
// "socket N of bucket B". This is a tear. Sockets enter a bucket at its head (packet sockets, and
// IPv6 listeners that share a port, at its end). So between two datagrams
//   - sockets that enter the bucket move the others down. The last rows of the bucket come again,
//     after the rows of those new sockets that now stand behind place N;
//   - sockets that leave the bucket before place N move the others up. As many sockets behind place
//     N are skipped.
// Other buckets do not change. The kernel takes connections, and bound idle sockets, sixteen of a
// bucket at a time; longer buckets can tear anywhere.
//
// Tears therefore keeps the cookies of a dump, and drops rows that come again, in whatever bucket:
// a socket can move to a bucket that is still to come. It also keeps the rows that may stand in the
// bucket that is being dumped. If all rows that a torn bucket gave before the tear still live after
// the dump, nothing was skipped; these rows are the witnesses. One case is excluded: if the bucket
// was torn again after rows of it had come again, sockets that entered it unseen may have left it
// unseen. The classes for the protocols decide which rows may stand in the bucket: TcpTears,
// UdpTears, OneBucketTears. Connections of TCP have no witnesses.
//
// Cost: what these classes say, and what cookie_set.h says. No allocation once the vectors have
// grown.
// Threads: thread-compatible.
// Source: tcp_diag_dump(), udp_dump(), raw_diag_dump(), unix_diag_dump(), packet_diag_dump(), 6.18.

#ifndef NETDIAG_DUMP_TEARS_H_
#define NETDIAG_DUMP_TEARS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <variant>

#include "netdiag/dump/cookie_set.h"
#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/one_bucket_tears.h"
#include "netdiag/dump/socket_key.h"
#include "netdiag/dump/table.h"
#include "netdiag/dump/tcp_tears.h"
#include "netdiag/dump/tear_report.h"
#include "netdiag/dump/udp_tears.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

class Tears {
 public:
  // Begins another dump. `tcp_buckets`: the size of the namespace's table of connections; 0 if it
  // is not known, as on kernels before 6.1, whose single table is large. `keep_all`: keys() shall
  // have every row.
  void Begin(const DumpRequest& request, uint64_t tcp_buckets, bool keep_all);
  // The next datagram, or the end of the dump, is about to be received.
  void BeginDatagram() { begins_ = true; }
  // Records a row. True if the dump gave its socket before.
  bool Repeats(const netlink::Message& message);
  void End();

  // What is left to verify. Complete after End().
  const TearReport& report() const { return report_; }
  TearReport& report() { return report_; }
  // The keys of the dump's rows, if keep_all.
  std::span<const SocketKey> keys() const { return rows_.keys; }
  uint64_t given() const { return given_; }        // rows that were not repeats
  uint64_t repeated() const { return repeated_; }  // rows that were

 private:
  void BeginRow(size_t size);
  void Tear();

  Protocol protocol_ = Protocol::kTcp;
  bool hides_ = false;
  std::variant<OneBucketTears, UdpTears, TcpTears> buckets_;

  // The datagram.
  bool begins_ = false;
  size_t bytes_ = 0;    // of its rows
  size_t widest_ = 0;   // row of the dump
  size_t largest_ = 0;  // earlier datagram of the dump

  // The dump.
  CookieSet cookies_;
  uint64_t given_ = 0;
  uint64_t repeated_ = 0;
  RowsInFlight rows_;
  TearReport report_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_TEARS_H_
