// tools/diag/summary.h — the counts that -s prints, in ss's form.
//
// ss reads /proc/net/sockstat. Half of its numbers count the whole machine, so ss's second line is
// wrong inside a network namespace. Here every number counts the rows that were added.

#ifndef NETDIAG_TOOLS_DIAG_SUMMARY_H_
#define NETDIAG_TOOLS_DIAG_SUMMARY_H_

#include <cstdint>
#include <map>
#include <string>

#include "netdiag/query.h"
#include "netdiag/row.h"
#include "netdiag/summary.h"

namespace diag {

class SocketSummary {
 public:
  // Asks for every socket of every table.
  static netdiag::Query Query();
  void Add(const netdiag::Row& row);
  void AppendTo(std::string* out) const;

 private:
  struct Counts {
    uint64_t total = 0;
    uint64_t inet = 0;
    uint64_t inet6 = 0;
  };
  uint64_t total_ = 0;
  // TCP sockets. As in ss, TIME-WAIT and SYN-RECV are not in `tables_`: they are not full sockets.
  uint64_t tcp_ = 0, established_ = 0, closed_ = 0, orphaned_ = 0, time_wait_ = 0;
  std::map<netdiag::Protocol, Counts> tables_;
};

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_SUMMARY_H_
