// tools/diag/tables.h — which tables are listed, and in which states unless something else is said:
// ss's rules for -t -u ... -4 -6 -f -A.

#ifndef NETDIAG_TOOLS_DIAG_TABLES_H_
#define NETDIAG_TOOLS_DIAG_TABLES_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"

#include "netdiag/query.h"
#include "netdiag/types/types.h"

namespace diag {

// Options are told in the order of the command line; then Settle().
class TableChoice {
 public:
  // -t, -u, ...
  void AddTable(netdiag::Protocol protocol);
  // -4, -x, ...: a family selects its tables if none of them is named, and of those that are named
  // its rows.
  void AddFamily(netdiag::Family family);
  // -f, by ss's word. An error names it.
  absl::Status AddFamily(std::string_view word);
  // -A: tables by ss's words, separated by commas, with "!" those that are taken away. The first
  // list forgets the tables named before it. An error names the word.
  absl::Status AddList(std::string_view list);

  // Nothing was named: everything that ss has.
  bool empty() const { return kinds_ == 0 && !listed_ && families_.empty(); }
  // Sets tables and families, in ss's order.
  void Settle(netdiag::Query* query) const;
  // The states that are listed if none is named: those that all that is selected has in use.
  netdiag::StateSet DefaultStates() const;

 private:
  uint32_t kinds_ = 0;  // bit N: the row N of the table in tables.cc
  netdiag::FamilySet families_;
  netdiag::StateSet states_;
  bool listed_ = false;
};

// What --help says of -A and -f.
std::string TableWords();

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_TABLES_H_
