// One table of options makes the parser and the help. Tested by tests/tools/options_test.cc.

#include "tools/diag/options.h"

#include <algorithm>
#include <array>
#include <getopt.h>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "netdiag/fields.h"
#include "netdiag/types/error.h"

namespace diag {
namespace {

using netdiag::BadInput;
using netdiag::Extension;
using netdiag::Family;
using netdiag::Protocol;
using netdiag::State;
using netdiag::StateSet;

// Options that have no letter.
enum : int { kJson = 256, kCapabilities, kPeers, kOwners, kTos, kCgroup, kInetSockopt };

// What an option sets: a flag, or the text of its argument; of several, the last one holds.
using Target = std::variant<bool Options::*, std::string Options::*>;

struct OptionRow {
  int code;  // the letter, or one of the above
  const char* name;
  Target target;
  const char* help;
  const char* argument = nullptr;  // what --help calls it; null: there is none
};

constexpr auto kOptions = std::to_array<OptionRow>({
    {'t', "tcp", &Options::tcp, "TCP sockets"},
    {'u', "udp", &Options::udp, "UDP sockets"},
    {'w', "raw", &Options::raw, "raw sockets"},
    {'M', "mptcp", &Options::mptcp, "MPTCP connections (their subflows are TCP sockets)"},
    {'x', "unix", &Options::unix_sockets, "unix sockets"},
    {'0', "packet", &Options::packet, "packet sockets"},
    {'4', "ipv4", &Options::ipv4, "IPv4 only; with -6, both"},
    {'6', "ipv6", &Options::ipv6, "IPv6 only; with -4, both"},
    {'f', "family", &Options::family, "inet, inet6, link, unix or netlink", "FAMILY"},
    {'A', "query", &Options::table_list, "these tables, separated by commas; ! takes one away",
     "LIST"},
    {'a', "all", &Options::all, "every state, listening and closed ones too"},
    {'l', "listening", &Options::listening, "listening and closed sockets (UDP that receives)"},
    {'n', "numeric", &Options::numeric, "port numbers and exact rates"},
    {'p', "processes", &Options::processes, "who holds each socket"},
    {'T', "threads", &Options::threads, "-p with the thread whose descriptor table it is"},
    {kOwners, "owners", &Options::owners, "-p: every holder (all), or one a socket, sooner (first)",
     "WHO"},
    {kPeers, "peers", &Options::peers, "the other end of unix sockets; with -p, who holds it"},
    {'e', "extended", &Options::extended, "user, inode, cookie, cgroup, ...; implies -o"},
    {'o', "options", &Options::timers, "timers"},
    {'m', "memory", &Options::memory, "what the buffers hold"},
    {'i', "info", &Options::info, "tcp_info and what congestion control tells"},
    {kTos, "tos", &Options::tos, "type of service, traffic class, priority"},
    {kCgroup, "cgroup", &Options::cgroup, "the path of the cgroup"},
    {kInetSockopt, "inet-sockopt", &Options::socket_options, "what was set on the socket"},
    {'b', "bpf", &Options::bpf, "filters of packet sockets; implies -o"},
    {'H', "no-header", &Options::no_header, "no header line"},
    {'O', "oneline", &Options::oneline, "one line a socket"},
    {kJson, "json", &Options::json, "one JSON object {schema, kernel, sockets[], tables[]}"},
    {kCapabilities, "capabilities", &Options::capabilities, "what this kernel answers and lacks"},
    {'V', "version", &Options::version, "the version"},
    {'h', "help", &Options::help, "this text"},
});

// What names tables, in the order of the command line.
absl::Status Choose(int code, const char* argument, TableChoice* tables) {
  switch (code) {
    case 't':
      tables->AddTable(Protocol::kTcp);
      break;
    case 'u':
      tables->AddTable(Protocol::kUdp);
      break;
    case 'w':
      tables->AddTable(Protocol::kRaw);
      break;
    case 'M':
      tables->AddTable(Protocol::kMptcp);
      break;
    case 'x':
      tables->AddFamily(Family::kUnix);
      break;
    case '0':
      tables->AddFamily(Family::kPacket);
      break;
    case '4':
      tables->AddFamily(Family::kInet);
      break;
    case '6':
      tables->AddFamily(Family::kInet6);
      break;
    case 'f':
      return tables->AddFamily(std::string_view(argument));
    case 'A':
      return tables->AddList(argument);
    default:
      break;
  }
  return absl::OkStatus();
}

absl::Status Apply(int code, const char* argument, Options* options) {
  const auto row = std::ranges::find(kOptions, code, &OptionRow::code);
  if (const auto* flag = std::get_if<bool Options::*>(&row->target)) options->** flag = true;
  if (const auto* text = std::get_if<std::string Options::*>(&row->target)) {
    options->** text = argument;
  }
  // Of -a and -l the last one holds.
  if (code == 'a') options->listening = false;
  if (code == 'l') options->all = false;
  if (code == 'e' || code == 'b') options->timers = true;
  if (code == 'T' || code == kOwners) options->processes = true;
  return Choose(code, argument, &options->tables);
}

StateSet DefaultStates(const Options& options) {
  if (options.all) return StateSet::SsAll();
  if (options.listening) return StateSet(State::kListen) | State::kClose;
  return options.tables.DefaultStates();
}

// `state WORD` and `exclude WORD`, as often as wanted. The first `state` forgets what -a and -l
// said; the first `exclude` starts from all.
absl::Status ParseStateWords(const std::vector<std::string_view>& words, StateSet* states) {
  bool named = false;
  for (size_t i = 0; i < words.size(); i += 2) {
    const bool exclude = words[i] == "exclude" || words[i] == "excl";
    if (!exclude && words[i] != "state") {
      return BadInput("argument", words[i], "expected `state NAME` or `exclude NAME`");
    }
    if (i + 1 == words.size()) return BadInput("argument", words[i], "a state must follow");
    std::optional<StateSet> wanted = netdiag::ParseStates(words[i + 1]);
    if (!wanted)
      return BadInput("state", words[i + 1], "no state or group of states has this name");
    // Bound but idle sockets have to be asked for by name: neither -a nor a group means them.
    if (*wanted != State::kBoundInactive) wanted = *wanted & StateSet::SsAll();
    const StateSet before = named ? *states : exclude ? StateSet::SsAll() : StateSet::None();
    *states = exclude ? before - *wanted : before | *wanted;
    named = true;
  }
  return absl::OkStatus();
}

void AskFor(const Options& options, netdiag::Query* query) {
  query->owners = options.processes;
  query->peers = options.peers;
  if (options.json) {
    // Everything but the owners, which cost more than all the rest and wait for -p.
    netdiag::AddNeeds(netdiag::AllFields(), query);
    query->owners = options.processes;
    return;
  }
  if (options.memory) query->extensions |= {Extension::kMemory, Extension::kSocketMemory};
  if (options.info) {
    query->extensions |= {Extension::kInfo, Extension::kCongestion, Extension::kCongestionDetail};
  }
  if (options.extended) query->extensions |= Extension::kUnixFile;
  if (options.tos) query->extensions |= {Extension::kTos, Extension::kTrafficClass};
  if (options.bpf) query->extensions |= Extension::kPacketFilter;
}

absl::Status ParseOwners(std::string_view word, netdiag::Query* query) {
  if (word == "first") query->owner_policy = netdiag::OwnerPolicy::kFirst;
  if (word.empty() || word == "all" || word == "first") return absl::OkStatus();
  return BadInput("--owners", word, "expected `all` or `first`");
}

// What getopt_long() has just refused: a letter that may stand among others, or a whole word.
std::string RefusedOption(char** argv) {
  const bool letter =
      optopt != 0 && std::ranges::find(kOptions, optopt, &OptionRow::code) == kOptions.end();
  return letter ? std::string{'-', static_cast<char>(optopt)} : argv[optind - 1];
}

}  // namespace

absl::StatusOr<Options> ParseOptions(int argc, char** argv) {
  std::string letters = ":";  // getopt() is to tell a missing argument from a wrong option
  std::vector<option> longs;
  for (const OptionRow& row : kOptions) {
    if (row.code < 256) letters.push_back(static_cast<char>(row.code));
    if (row.code < 256 && row.argument != nullptr) letters.push_back(':');
    longs.push_back(
        {row.name, row.argument != nullptr ? required_argument : no_argument, nullptr, row.code});
  }
  longs.push_back({});

  Options options;
  optind = 0;  // begin anew: tests parse more than one command line
  opterr = 0;
  for (;;) {
    const int code = getopt_long(argc, argv, letters.c_str(), longs.data(), nullptr);
    if (code == -1) break;
    if (code == '?') return BadInput("option", RefusedOption(argv), "see diag --help");
    if (code == ':') return BadInput("option", argv[optind - 1], "an argument must follow");
    NETDIAG_RETURN_IF_ERROR(Apply(code, optarg, &options));
  }
  const std::vector<std::string_view> words(argv + optind, argv + argc);
  options.query.states = DefaultStates(options);
  NETDIAG_RETURN_IF_ERROR(ParseStateWords(words, &options.query.states));
  options.tables.Settle(&options.query);
  AskFor(options, &options.query);
  NETDIAG_RETURN_IF_ERROR(ParseOwners(options.owners, &options.query));
  return options;
}

std::string HelpText() {
  std::string text =
      "usage: diag [OPTIONS] [state NAME | exclude NAME]...\n\n"
      "Lists the sockets of this network namespace as ss does.\n\n";
  for (const OptionRow& row : kOptions) {
    std::string line = "  ";
    if (row.code < 256) {
      line += {'-', static_cast<char>(row.code), ',', ' '};
    } else {
      line += "    ";
    }
    line.append("--").append(row.name);
    if (row.argument != nullptr) line.append("=").append(row.argument);
    line.resize(std::max<size_t>(line.size() + 1, 24), ' ');
    text.append(line).append(row.help).append("\n");
  }
  text += "\nTables of -A: " + TableWords() + "\n\nStates:";
  for (const netdiag::StateNames& row : netdiag::AllStates()) {
    if (netdiag::ParseStates(row.word)) text.append(" ").append(row.word);
  }
  text +=
      ";\n  groups: all connected synchronized bucket big\n\n"
      "Exit: 0 answered (what could not be seen is said on stderr), 1 a table could not be read, 2 "
      "usage.\n";
  return text;
}

}  // namespace diag
