// tools/diag/summary.h — what -s prints: ss's form, counted from the sockets themselves.
//
// ss reads /proc/net/sockstat, half of whose numbers are the whole machine's: inside a network
// namespace its second line is wrong. Here every number is of the rows that were added.

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
  // Every socket of every table.
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
  // TCP's. Those in TIME-WAIT and SYN-RECV are no whole sockets and not in `tables_`, as in ss.
  uint64_t tcp_ = 0, established_ = 0, closed_ = 0, orphaned_ = 0, time_wait_ = 0;
  std::map<netdiag::Protocol, Counts> tables_;
};

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_SUMMARY_H_
