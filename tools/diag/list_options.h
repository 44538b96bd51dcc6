// tools/diag/list_options.h — the command line of the listing, in ss's words.

#ifndef NETDIAG_TOOLS_DIAG_LIST_OPTIONS_H_
#define NETDIAG_TOOLS_DIAG_LIST_OPTIONS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "netdiag/bpf/map_values.h"
#include "netdiag/query.h"
#include "netdiag/types/types.h"
#include "tools/diag/capture_file.h"
#include "tools/diag/columns.h"
#include "tools/diag/command.h"
#include "tools/diag/names.h"

namespace diag {

// What diag does. If several options name one, the last of this list is done.
enum class Action : uint8_t { kList, kColumnsHelp, kCapabilities, kHelpFormat, kVersion, kHelp };

// What is done with the sockets that match.
enum class Task : uint8_t {
  kList,
  kKill,     // they are closed
  kDryKill,  // those that would be closed are listed
  kEvents,   // they are shown when they close
};

// What rows show of a socket besides its states, queues and addresses.
enum class Detail : uint8_t {
  kOwners,
  kThreads,          // the thread of each owner
  kProcessContexts,  // SELinux contexts of the owners
  kSocketContexts,   // SELinux contexts of the owners' descriptors
  kPeers,            // the other ends of unix sockets
  kTimers,
  kExtended,  // user, inode, cookie, …
  kMemory,
  kTcpInfo,
  kTos,
  kCgroup,
  kSocketOptions,
  kPacketFilters,
  kTipcInfo,
  kBpfStorages,  // the values of BPF maps
};
using DetailSet = netdiag::Set<Detail>;

// Forms of output.
enum class Form : uint8_t { kText, kJson, kJsonLines, kCsv };
enum class Color : uint8_t { kAuto, kAlways, kNever };

// How the answer is written.
struct Style {
  Form form = Form::kText;
  Color color = Color::kAuto;
  bool numeric = false;
  bool resolve = false;
  bool no_header = false;
  bool oneline = false;
  bool no_queues = false;
};

// If the counts of all sockets are printed.
enum class SummaryMode : uint8_t { kNone, kBeforeList, kOnly };

struct ListOptions {
  Action action = Action::kList;
  std::string help_format;  // of kHelpFormat

  // What is listed.
  std::string proc_root = "/proc";     // the procfs that is read
  std::shared_ptr<const Users> users;  // of --passwd; null: those of the host
  // Writes the values of BPF maps; holds the maps of --bpf-map-id open for `query`. Null without
  // these options, and with --replay: the maps of this host say nothing about a file.
  std::shared_ptr<netdiag::bpf::MapValues> map_values;
  netdiag::RowSource source = netdiag::RowSource::kAuto;
  std::string netns;  // the name of a network namespace; empty: this one
  bool all_netns = false;
  std::vector<netdiag::Protocol> named;  // the tables that the user named
  netdiag::Query query;
  std::string process;         // the beginning of a command that `query.filter` searches for
  bool only_process = false;   // nothing else restricts the listing
  bool unlisted = false;       // also the sockets that no dump lists
  bool tables_chosen = false;  // by an option or a word, so that --unlisted obeys them
  std::shared_ptr<const CaptureFile> replay;  // of --replay; null: the kernel is asked
  bool everything = false;  // --replay or --capture alone: every table and state of the file
  // The path of $TCPDIAG_FILE if it is read instead of the kernel's TCP table; empty: it is not.
  // Only `stream_states` of it are listed: those that the user named, or all.
  std::string tcp_stream;
  netdiag::StateSet stream_states;
  bool called_ss = false;  // by the name of the program: only the first dump is read, as ss does
  SummaryMode summary = SummaryMode::kNone;

  // Where the sockets are written instead of being listed; "-": standard output; empty: nowhere.
  std::string stream_path;   // of -D
  std::string capture_path;  // of --capture

  // What is done with it.
  Task task = Task::kList;
  std::vector<netdiag::Protocol> left_out;  // tables that the user named and the task cannot take
  bool states_ignored = false;              // the user named states, which the task ignores

  // What is shown, and how.
  DetailSet details;
  Selection selection;
  Style style;

  bool shows(Detail detail) const { return details.contains(detail); }
};

// The options as the help shows them.
std::vector<OptionInfo> ListOptionInfos();
// Parses main()'s arguments, and reads the files of a filter and of --replay. An error names the
// argument. If a filter is refused, `*pointer` becomes its line with a caret below the error.
// `pointer` can be null. kDataLoss: the file of --replay is no capture.
absl::StatusOr<ListOptions> ParseListOptions(int argc, char** argv, std::string* pointer = nullptr);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_LIST_OPTIONS_H_
