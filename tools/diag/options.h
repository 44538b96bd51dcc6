// tools/diag/options.h — the command line of diag, in ss's words.

#ifndef NETDIAG_TOOLS_DIAG_OPTIONS_H_
#define NETDIAG_TOOLS_DIAG_OPTIONS_H_

#include <string>

#include "absl/status/statusor.h"

#include "netdiag/engine.h"

namespace diag {

struct Options {
  // What was said. Each is an option of its own; ParseOptions adds what one implies.
  bool tcp = false, udp = false, unix_sockets = false;
  bool ipv4 = false, ipv6 = false;
  bool all = false, listening = false;
  bool numeric = false;
  bool processes = false;
  bool threads = false;
  bool peers = false;
  bool extended = false;
  bool timers = false;
  bool memory = false;
  bool info = false;
  bool no_header = false;
  bool oneline = false;
  bool json = false;
  bool capabilities = false;
  bool version = false;
  bool help = false;
  std::string filter_file;

  // What it comes to.
  netdiag::Query query;
};

// Parses main()'s arguments, and the file of a filter. An error names the argument; of a filter's,
// `pointer` becomes its line, with a caret below the place.
absl::StatusOr<Options> ParseOptions(int argc, char** argv, std::string* pointer = nullptr);
// What --help prints.
std::string HelpText();

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_OPTIONS_H_
