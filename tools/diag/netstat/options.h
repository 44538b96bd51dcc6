// tools/diag/netstat/options.h — the command line of `diag netstat`, parsed, and the form of its
// modes.

#ifndef NETDIAG_TOOLS_DIAG_NETSTAT_OPTIONS_H_
#define NETDIAG_TOOLS_DIAG_NETSTAT_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/diag/command.h"
#include "tools/diag/report.h"

namespace diag::netstat {

// What is shown. -r, -i, -s and -M exclude each other.
enum class Mode : uint8_t {
  kSockets,     // also with -g, if a table of sockets is named beside it (Options::groups)
  kRoutes,      // -r
  kInterfaces,  // -i
  kGroups,      // -g alone
  kStatistics,  // -s
  kMasquerade,  // -M
};

struct Options {
  Mode mode = Mode::kSockets;

  bool all = false;            // -a
  bool listening = false;      // -l
  bool numeric_hosts = false;  // -n, --numeric-hosts
  bool numeric_ports = false;  // -n, --numeric-ports
  bool numeric_users = false;  // -n, --numeric-users
  int programs = 0;         // how often -p was given. 2: every owner of a socket. -Z counts as -p
  bool timers = false;      // -o
  bool wide = false;        // -W
  bool verbose = false;     // -v
  bool symbolic = false;    // -N
  bool context = false;     // -Z
  int extend = 0;           // how often -e was given
  bool fib = false;         // -F
  bool cache = false;       // -C
  bool groups = false;      // -g
  bool continuous = false;  // -c
  unsigned interval = 1;    // seconds between two outputs of -c

  // Address families: -4, -6, -x, -A, --protocol and the long options of the same names. As the
  // command line has them, but if only protocols are named, both inet and inet6 are set.
  bool inet4 = false;
  bool inet6 = false;
  bool unix_sockets = false;
  bool ax25 = false;
  bool ipx = false;
  bool netrom = false;
  bool rose = false;
  bool x25 = false;
  bool bluetooth = false;
  // The families that were named, in the words and the order of netstat's own list: "inet,inet6".
  // Empty: none. -r and -s choose by it: "inet" if it is empty, and a list is an error.
  std::string family_list;

  // Protocols: -t, -u, -U, -S, -w, -2, -f. If a family of IP is named, or -s, and no protocol, all
  // five of IP are set.
  bool tcp = false;
  bool udp = false;
  bool udplite = false;
  bool sctp = false;
  bool raw = false;
  bool l2cap = false;
  bool rfcomm = false;

  // The command line names a table or a family, so netstat's output has these only and a family
  // that the kernel lacks is an error. False: everything is shown.
  bool named() const {
    return tcp || udp || udplite || sctp || raw || unix_sockets || ipx || ax25 || netrom ||
           groups || x25 || rose || l2cap || rfcomm;
  }

  bool compat = false;  // --compat: netstat 2.10 byte by byte
  bool json = false;    // --json
};

// What a mode writes. With -c, the frame prints and clears it after each pass.
struct Output {
  std::string out;
  std::string err;
};

// The exit code of netstat for a command line that has no meaning.
inline constexpr auto kUsageExit = static_cast<ExitCode>(3);

// A mode: appends to `output`, once for each pass of -c.
using ModeFunction = ExitCode (*)(const Options& options, Output* output);

}  // namespace diag::netstat

#endif  // NETDIAG_TOOLS_DIAG_NETSTAT_OPTIONS_H_
