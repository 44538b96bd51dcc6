// tools/diag/details.h — what -e -o -p -i and the options like them show in JSON and CSV.

#ifndef NETDIAG_TOOLS_DIAG_DETAILS_H_
#define NETDIAG_TOOLS_DIAG_DETAILS_H_

#include <vector>

#include "tools/diag/columns.h"
#include "tools/diag/list_options.h"

namespace diag {

// The columns of JSON and CSV: those of --columns; without it the basic ones, and those of each
// option. The query needs what they need, and nothing else.
std::vector<Column> ColumnsOf(const ListOptions& options);

// Lists that JSON shows. They are not in the field table, where a field has one value.
enum class List : uint8_t {
  kPendingConnections,
  kGroups,
  kMemberships,
  kFilter,
  kUnknownAttributes,
  kTcpInfoRest,
  kBpfStorages,
};
using ListSet = netdiag::Set<List>;
ListSet ListsOf(const ListOptions& options);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_DETAILS_H_
