// tools/diag/options.h — the command line of diag, in ss's words.

#ifndef NETDIAG_TOOLS_DIAG_OPTIONS_H_
#define NETDIAG_TOOLS_DIAG_OPTIONS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "netdiag/engine.h"
#include "tools/diag/columns.h"
#include "tools/diag/tables.h"

namespace diag {

// Forms of output.
enum class Form : uint8_t { kText, kJson, kJsonLines, kCsv };
enum class Color : uint8_t { kAuto, kAlways, kNever };

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
  bool held = false;
  bool peers = false;
  bool exact = false;
  bool extended = false;
  bool timers = false;
  bool memory = false;
  bool info = false;
  bool tos = false;
  bool cgroup = false;
  bool socket_options = false;
  bool bpf = false;
  std::string netns;  // the namespace to look into; empty: this one
  bool all_netns = false;
  bool no_header = false;
  bool oneline = false;
  bool json = false, json_lines = false, csv = false;
  bool no_queues = false;
  bool bound_inactive = false;
  bool resolve = false;
  bool process_contexts = false, socket_contexts = false;
  bool summary = false;
  std::string columns, sort, limit, count_by;
  std::string color_when;
  std::string help_format;  // which text made from this table: tools/diag/help.h
  bool capabilities = false;
  bool version = false;
  bool help = false;
  std::string filter_file;

  // What it comes to.
  TableChoice tables;
  netdiag::Query query;
  Form form = Form::kText;
  Color color = Color::kAuto;
  Selection selection;
  bool only_summary = false;  // --summary, and nothing that could be listed was named
};

// Parses main()'s arguments, and the file of a filter. An error names the argument; of a filter's,
// `pointer` becomes its line, with a caret below the place.
absl::StatusOr<Options> ParseOptions(int argc, char** argv, std::string* pointer = nullptr);
// An option as it is told to people and shells.
struct OptionHelp {
  char letter = 0;  // 0: none
  std::string_view name;
  std::string_view argument;  // what it is called; empty: there is none
  std::string_view help;      // empty: not told
};
std::vector<OptionHelp> AllOptions();
// What --help prints.
std::string HelpText();

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_OPTIONS_H_
