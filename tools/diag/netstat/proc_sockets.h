// tools/diag/netstat/proc_sockets.h — sockets from the text of /proc/net, as netstat 2.10 reads
// them.
//
// --compat needs the order of these files, and values that no dump has: the reference counts of
// unix sockets, those that wait for accept(), and the users of connection requests.

#ifndef NETDIAG_TOOLS_DIAG_NETSTAT_PROC_SOCKETS_H_
#define NETDIAG_TOOLS_DIAG_NETSTAT_PROC_SOCKETS_H_

#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"

#include "netdiag/process/owner_index.h"
#include "netdiag/process/program.h"
#include "tools/diag/netstat/holders.h"
#include "tools/diag/netstat/lines.h"
#include "tools/diag/netstat/names.h"
#include "tools/diag/netstat/options.h"
#include "tools/diag/netstat/sockets.h"

namespace diag::netstat {

// Visits the lines of a file without their newlines. Returns 0, or the errno of opening it.
int VisitLines(const std::string& path, absl::FunctionRef<void(std::string_view line)> visitor);

class ProcSockets {
 public:
  // Borrows `options`. `proc_root`: a procfs, or a tree of its shape.
  ProcSockets(const Options& options, std::string proc_root);
  // Searches the owners, if the options show them. Appends netstat's complaint if some are hidden.
  void FindOwners(Output* output);
  // For ShowTables().
  TableEnd Append(netdiag::Protocol protocol, Output* output);

 private:
  TableEnd AppendInet(netdiag::Protocol protocol, Output* output);
  TableEnd AppendSctp(Output* output);
  TableEnd AppendUnix(Output* output);
  void AppendEndpoint(std::string_view line, Output* output);
  void AppendAssociation(std::string_view line, Output* output);
  // Visits the lines of both files of a protocol, without their first ones.
  TableEnd VisitFiles(std::string_view file, std::string_view file6, Output* output,
                      absl::FunctionRef<void(std::string_view line)> visitor);
  Holders HoldersOf(netdiag::Inode inode);

  const Options& options_;
  std::string proc_root_;
  netdiag::OwnerIndex owners_;
  netdiag::Programs programs_;
  NetstatNames names_;
  HolderTexts holders_;
  LineWriter writer_;
};

}  // namespace diag::netstat

#endif  // NETDIAG_TOOLS_DIAG_NETSTAT_PROC_SOCKETS_H_
