// One table of options makes the parser and the help. Tested by tests/tools/options_test.cc.

#include "tools/diag/options.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <getopt.h>
#include <iostream>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "netdiag/fields.h"
#include "netdiag/filter/filter.h"
#include "netdiag/types/error.h"
#include "tools/diag/filter_names.h"

namespace diag {
namespace {

using netdiag::BadInput;
using netdiag::Extension;
using netdiag::Family;
using netdiag::FamilySet;
using netdiag::Protocol;
using netdiag::State;
using netdiag::StateSet;

// Options that have no letter.
enum : int { kJson = 256, kCapabilities, kPeers };

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
    {'x', "unix", &Options::unix_sockets, "unix sockets"},
    {'4', "ipv4", &Options::ipv4, "IPv4 only; with -6, both"},
    {'6', "ipv6", &Options::ipv6, "IPv6 only; with -4, both"},
    {'a', "all", &Options::all, "every state, listening and closed ones too"},
    {'l', "listening", &Options::listening, "listening and closed sockets (UDP that receives)"},
    {'n', "numeric", &Options::numeric, "port numbers and exact rates"},
    {'p', "processes", &Options::processes, "who holds each socket"},
    {'T', "threads", &Options::threads, "-p with the thread whose descriptor table it is"},
    {kPeers, "peers", &Options::peers, "the other end of unix sockets; with -p, who holds it"},
    {'e', "extended", &Options::extended, "user, inode, cookie, cgroup, ...; implies -o"},
    {'o', "options", &Options::timers, "timers"},
    {'m', "memory", &Options::memory, "what the buffers hold"},
    {'i', "info", &Options::info, "tcp_info and what congestion control tells"},
    {'H', "no-header", &Options::no_header, "no header line"},
    {'O', "oneline", &Options::oneline, "one line a socket"},
    {'F', "filter", &Options::filter_file, "more of the expression, from a file; -: from stdin",
     "FILE"},
    {kJson, "json", &Options::json, "one JSON object {schema, kernel, sockets[], tables[]}"},
    {kCapabilities, "capabilities", &Options::capabilities, "what this kernel answers and lacks"},
    {'V', "version", &Options::version, "the version"},
    {'h', "help", &Options::help, "this text"},
});

void Apply(int code, const char* argument, Options* options) {
  const auto row = std::ranges::find(kOptions, code, &OptionRow::code);
  if (const auto* flag = std::get_if<bool Options::*>(&row->target)) options->** flag = true;
  if (const auto* text = std::get_if<std::string Options::*>(&row->target)) {
    options->** text = argument;
  }
  // Of -a and -l the last one holds.
  if (code == 'a') options->listening = false;
  if (code == 'l') options->all = false;
  if (code == 'e') options->timers = true;
  if (code == 'T') options->processes = true;
}

// Which tables, by ss's rules of default, in its order.
void SelectTables(const Options& options, netdiag::Query* query) {
  const bool any_family = options.ipv4 || options.ipv6;
  // A family option alone selects its tables; so does saying nothing.
  const bool inet = !options.tcp && !options.udp && (any_family || !options.unix_sockets);
  const bool everything = inet && !any_family;
  query->families = FamilySet();
  if (options.ipv4 || !any_family) query->families |= Family::kInet;
  if (options.ipv6 || !any_family) query->families |= Family::kInet6;
  query->protocols.clear();
  if (options.unix_sockets || everything) {
    query->families |= Family::kUnix;
    query->protocols.push_back(Protocol::kUnix);
  }
  if (options.udp || inet) query->protocols.push_back(Protocol::kUdp);
  if (options.tcp || inet) query->protocols.push_back(Protocol::kTcp);
}

// ss adds the defaults of all that is selected up: connected sockets, and of UDP alone those that
// are established.
StateSet DefaultStates(const Options& options) {
  if (options.all) return StateSet::SsAll();
  if (options.listening) return StateSet(State::kListen) | State::kClose;
  const bool udp_alone =
      options.udp && !options.tcp && !options.unix_sockets && !options.ipv4 && !options.ipv6;
  return udp_alone ? StateSet(State::kEstablished) : StateSet::Connected();
}

// Of the predicate `state = WORD`, which is none of the words below.
bool IsOperator(std::string_view word) {
  return word.starts_with('=') || word.starts_with('!') || word == "eq" || word == "ne" ||
         word == "neq";
}

// `state WORD` and `exclude WORD`, as often as wanted. The first `state` forgets what -a and -l
// said; the first `exclude` starts from all. Gives the number of words that these are.
absl::StatusOr<size_t> ParseStateWords(const std::vector<std::string_view>& words,
                                       StateSet* states) {
  bool named = false;
  size_t i = 0;
  for (; i < words.size(); i += 2) {
    const bool exclude = words[i] == "exclude" || words[i] == "excl";
    if (!exclude && words[i] != "state") break;
    if (i + 1 == words.size()) return BadInput("argument", words[i], "a state must follow");
    if (IsOperator(words[i + 1])) break;
    std::optional<StateSet> wanted = netdiag::ParseStates(words[i + 1]);
    if (!wanted)
      return BadInput("state", words[i + 1], "no state or group of states has this name");
    // Bound but idle sockets have to be asked for by name: neither -a nor a group means them.
    if (*wanted != State::kBoundInactive) wanted = *wanted & StateSet::SsAll();
    const StateSet before = named ? *states : exclude ? StateSet::SsAll() : StateSet::None();
    *states = exclude ? before - *wanted : before | *wanted;
    named = true;
  }
  return i;
}

absl::StatusOr<std::string> ReadFilterFile(const std::string& path) {
  std::ifstream file;
  if (path != "-") file.open(path, std::ios::binary);
  std::istream& input = path == "-" ? std::cin : file;
  // One more than a filter can have, so that it is refused for its length and not cut.
  std::string text(netdiag::Filter::kMaxText + 1, '\0');
  input.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (input.bad() || (path != "-" && !file.is_open())) {
    return netdiag::ErrnoError(errno, "filter file " + path);
  }
  text.resize(static_cast<size_t>(input.gcount()));
  return text;
}

// The expression of the command line and that of the file, both to hold.
absl::Status ParseExpression(std::span<const std::string_view> words, Options* options,
                             std::string* pointer) {
  std::string text;
  for (const std::string_view word : words) text.append(text.empty() ? "" : " ").append(word);
  if (!options->filter_file.empty()) {
    NETDIAG_ASSIGN_OR_RETURN(const std::string file, ReadFilterFile(options->filter_file));
    text = text.empty() ? file : "(" + text + "\n) (" + file + "\n)";
  }
  if (text.empty()) return absl::OkStatus();
  absl::StatusOr<netdiag::Filter> filter = netdiag::Filter::Parse(text, HostFilterOptions());
  if (!filter.ok() && pointer != nullptr) *pointer = netdiag::PointAt(text, filter.status());
  if (!filter.ok()) return filter.status();
  options->query.filter = std::make_shared<const netdiag::Filter>(*std::move(filter));
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
}

// What getopt_long() has just refused: a letter that may stand among others, or a whole word.
std::string RefusedOption(char** argv) {
  const bool letter =
      optopt != 0 && std::ranges::find(kOptions, optopt, &OptionRow::code) == kOptions.end();
  return letter ? std::string{'-', static_cast<char>(optopt)} : argv[optind - 1];
}

}  // namespace

absl::StatusOr<Options> ParseOptions(int argc, char** argv, std::string* pointer) {
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
    Apply(code, optarg, &options);
  }
  const std::vector<std::string_view> words(argv + optind, argv + argc);
  options.query.states = DefaultStates(options);
  NETDIAG_ASSIGN_OR_RETURN(const size_t state_words, ParseStateWords(words, &options.query.states));
  NETDIAG_RETURN_IF_ERROR(
      ParseExpression(std::span(words).subspan(state_words), &options, pointer));
  SelectTables(options, &options.query);
  AskFor(options, &options.query);
  return options;
}

std::string HelpText() {
  std::string text =
      "usage: diag [OPTIONS] [state NAME | exclude NAME]... [EXPRESSION]\n\n"
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
  text += "\nStates:";
  for (const netdiag::StateNames& row : netdiag::AllStates()) {
    if (netdiag::ParseStates(row.word)) text.append(" ").append(row.word);
  }
  text +=
      ";\n  groups: all connected synchronized bucket big\n\n"
      "EXPRESSION: predicates with and, or, not and parentheses, as `sport = :22 and dst 10/8`,\n"
      "  `rtt > 100ms`, `comm = \"nginx*\"`, `uid = nobody`: docs/filter.md.\n\n"
      "Exit: 0 answered (what could not be seen is said on stderr), 1 a table could not be read, 2 "
      "usage.\n";
  return text;
}

}  // namespace diag
