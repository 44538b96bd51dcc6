// netdiag/dump/dump_comparison.h — Internal. Verifies a dump by the dump after it: if the second
// one shows every socket of the first one, no socket left while the first one ran, so it skipped
// none.
//
// This holds only if the first dump hid no sockets, and no socket can have entered and left unseen.
//
// Cost: two entries of a hash set a socket.
// Threads: thread-compatible.

#ifndef NETDIAG_DUMP_DUMP_COMPARISON_H_
#define NETDIAG_DUMP_DUMP_COMPARISON_H_

#include <cstdint>
#include <span>
#include <unordered_set>

#include "netdiag/dump/socket_key.h"
#include "netdiag/dump/tear_report.h"

namespace netdiag::internal {

class DumpComparison {
 public:
  // The first dump has ended: its rows, and what became of it.
  DumpComparison(std::span<const SocketKey> keys, const TearReport& report);
  // A row of the present dump.
  void Add(SocketKey key) { now_.insert(key.bits()); }
  // The present dump has ended. True if it verifies the dump before it; otherwise the present dump
  // is the one that the next dump may verify.
  bool EndDump(const TearReport& report);

 private:
  bool comparable_ = false;  // the dump before hid no sockets
  std::unordered_set<uint64_t> before_;
  std::unordered_set<uint64_t> now_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_DUMP_COMPARISON_H_
