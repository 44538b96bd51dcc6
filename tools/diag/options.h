// tools/diag/options.h — the command line of diag, in ss's words.

#ifndef NETDIAG_TOOLS_DIAG_OPTIONS_H_
#define NETDIAG_TOOLS_DIAG_OPTIONS_H_

#include <string>

#include "absl/status/statusor.h"

#include "netdiag/engine.h"
#include "tools/diag/tables.h"

namespace diag {

struct Options {
  // What was said. Each is an option of its own; ParseOptions adds what one implies.
  bool tcp = false, udp = false, raw = false, mptcp = false, unix_sockets = false, packet = false;
  bool ipv4 = false, ipv6 = false;
  std::string family, table_list;  // of -f and -A, the last of each
  bool all = false, listening = false;
  bool numeric = false;
  bool processes = false;
  bool threads = false;
  std::string owners;
  bool peers = false;
  bool extended = false;
  bool timers = false;
  bool memory = false;
  bool info = false;
  bool tos = false;
  bool cgroup = false;
  bool socket_options = false;
  bool bpf = false;
  bool no_header = false;
  bool oneline = false;
  bool json = false;
  bool capabilities = false;
  bool version = false;
  bool help = false;

  // What it comes to.
  TableChoice tables;
  netdiag::Query query;
};

// Parses main()'s arguments. An error names the argument.
absl::StatusOr<Options> ParseOptions(int argc, char** argv);
// What --help prints.
std::string HelpText();

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_OPTIONS_H_
