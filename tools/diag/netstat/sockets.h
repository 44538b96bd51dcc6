// tools/diag/netstat/sockets.h — the tables of sockets: which of them netstat shows, in which
// order, and what it says about those that the kernel lacks.

#ifndef NETDIAG_TOOLS_DIAG_NETSTAT_SOCKETS_H_
#define NETDIAG_TOOLS_DIAG_NETSTAT_SOCKETS_H_

#include <cstdint>

#include "absl/functional/function_ref.h"

#include "netdiag/types/types.h"
#include "tools/diag/netstat/options.h"

namespace diag::netstat {

// How a source of sockets ends a table.
enum class TableEnd : uint8_t {
  kShown,
  kAbsent,  // the kernel has no such sockets
  kFailed,  // the source has said why
};
// Appends the sockets of a table in both families of IP.
using AppendTable = absl::FunctionRef<TableEnd(netdiag::Protocol protocol, Output* output)>;

// Appends netstat's message that the kernel lacks the table.
void AppendNoSupport(netdiag::Protocol protocol, Output* output);
// True if the options show the table.
bool Wants(const Options& options, netdiag::Protocol protocol);

// Appends everything that netstat shows if no other mode is chosen. `groups`: shows the table of
// multicast groups; null: there is none.
ExitCode ShowTables(const Options& options, AppendTable table, ModeFunction groups, Output* output);

}  // namespace diag::netstat

#endif  // NETDIAG_TOOLS_DIAG_NETSTAT_SOCKETS_H_
