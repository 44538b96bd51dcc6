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
  std::string owners;
  bool peers = false;
  bool extended = false;
  bool timers = false;
  bool memory = false;
  bool info = false;
  std::string netns;  // the namespace to look into; empty: this one
  bool all_netns = false;
  bool no_header = false;
  bool oneline = false;
  bool json = false;
  bool capabilities = false;
  bool version = false;
  bool help = false;

  // What it comes to.
  netdiag::Query query;
};

// Parses main()'s arguments. An error names the argument.
absl::StatusOr<Options> ParseOptions(int argc, char** argv);
// What -N names: a file, if there is a '/' in it; a name in /run/netns, if there is one; else a
// process by its number. An error names what is not there.
absl::StatusOr<netdiag::netlink::NetNs> ResolveNetns(const std::string& name);
// What --help prints.
std::string HelpText();

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_OPTIONS_H_
