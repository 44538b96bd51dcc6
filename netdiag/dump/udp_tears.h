// netdiag/dump/udp_tears.h — Internal. Tears of the tables of UDP and UDP-Lite: dump/tears.h.
//
// The local port of a socket decides its bucket. The size of the table is not known, but it is a
// power of two and at least 128, so the bucket in flight holds no other rows than the last ones
// whose ports are the same modulo 128.
//
// Cost: 8 bytes a row of the bucket in flight.
// Threads: thread-compatible.
// Source: udp_dump(), 6.18.

#ifndef NETDIAG_DUMP_UDP_TEARS_H_
#define NETDIAG_DUMP_UDP_TEARS_H_

#include <cstdint>

#include "netdiag/dump/socket_key.h"
#include "netdiag/dump/tear_report.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

class UdpTears {
 public:
  explicit UdpTears(bool keep_all) : keep_all_(keep_all) {}
  // A row has come, or come again.
  void Add(Bytes row, SocketKey key, RowsInFlight* rows, TearReport* report);
  // The kernel released the table after the last row.
  void Tear(RowsInFlight* rows, TearReport* report);
  void End(RowsInFlight* rows, TearReport* report);

 private:
  bool keep_all_ = false;
  uint16_t slot_ = 0;  // the ports of the bucket, modulo 128
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_UDP_TEARS_H_
