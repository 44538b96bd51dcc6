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
#include "tools/diag/shorthand.h"
#include "tools/diag/verbs.h"

namespace diag {
namespace {

using netdiag::BadInput;
using netdiag::Extension;
using netdiag::Family;
using netdiag::Protocol;
using netdiag::State;
using netdiag::StateSet;

// Options that have no letter.
enum : int {
  kJson = 256,
  kCapabilities,
  kJsonLines,
  kCsv,
  kColumns,
  kSort,
  kLimit,
  kCountBy,
  kColor,
  kHelpFormat,
  kPeers,
  kOwners,
  kHeld,
  kExact,
  kAllNetns,
  kTos,
  kCgroup,
  kInetSockopt
};

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
    {'A', "socket", &Options::table_list, "", "LIST"},  // as ss
    {'a', "all", &Options::all, "every state, listening and closed ones too"},
    {'l', "listening", &Options::listening, "listening and closed sockets (UDP that receives)"},
    {'n', "numeric", &Options::numeric, "port numbers and exact rates"},
    {'p', "processes", &Options::processes, "who holds each socket"},
    {'T', "threads", &Options::threads, "-p with the thread whose descriptor table it is"},
    {kOwners, "owners", &Options::owners, "-p: every holder (all), or one a socket, sooner (first)",
     "WHO"},
    {kHeld, "held", &Options::held, "also sockets that only a descriptor shows; implies -p"},
    {kExact, "exact", &Options::exact,
     "every socket that lives meanwhile, once: docs/exactness.md"},
    {kPeers, "peers", &Options::peers, "the other end of unix sockets; with -p, who holds it"},
    {'e', "extended", &Options::extended, "user, inode, cookie, cgroup, ...; implies -o"},
    {'o', "options", &Options::timers, "timers"},
    {'m', "memory", &Options::memory, "what the buffers hold"},
    {'i', "info", &Options::info, "tcp_info and what congestion control tells"},
    {kTos, "tos", &Options::tos, "type of service, traffic class, priority"},
    {kCgroup, "cgroup", &Options::cgroup, "the path of the cgroup"},
    {kInetSockopt, "inet-sockopt", &Options::socket_options, "what was set on the socket"},
    {'b', "bpf", &Options::bpf, "filters of packet sockets; implies -o"},
    {'N', "net", &Options::netns, "one network namespace: its name, a process's, or a file's",
     "NAME|PID|PATH"},
    {kAllNetns, "all-netns", &Options::all_netns, "every network namespace, this one first"},
    {'H', "no-header", &Options::no_header, "no header line"},
    {'O', "oneline", &Options::oneline, "one line a socket"},
    {'Q', "no-queues", &Options::no_queues, "no queue columns"},
    {'B', "bound-inactive", &Options::bound_inactive, "TCP sockets bound, but idle"},
    {'r', "resolve", &Options::resolve, "names of addresses by reverse DNS"},
    {'Z', "context", &Options::process_contexts, "SELinux contexts of owners; implies -p"},
    {'z', "contexts", &Options::socket_contexts, "those of sockets too; implies -Z"},
    {'s', "summary", &Options::summary, "counts of this namespace; alone, nothing else"},
    {'F', "filter", &Options::filter_file, "more of the expression, from a file; -: from stdin",
     "FILE"},
    {kJson, "json", &Options::json, "one JSON object {schema, kernel, sockets[], tables[]}"},
    {kJsonLines, "jsonl", &Options::json_lines, "a JSON object a socket, then one {summary}"},
    {kCsv, "csv", &Options::csv, "comma separated values with a header line"},
    {kColumns, "columns", &Options::columns, "these fields only: docs/output.md", "NAME,..."},
    {kSort, "sort", &Options::sort, "in this order, with - the largest first", "[-]NAME,..."},
    {kLimit, "limit", &Options::limit, "the first N only", "N"},
    {kCountBy, "count-by", &Options::count_by, "how many sockets have the same", "NAME,..."},
    {kColor, "color", &Options::color_when, "states in colour: auto, always, never", "WHEN"},
    {kHelpFormat, "help-format", &Options::help_format, "", "FORMAT"},
    {kCapabilities, "capabilities", &Options::capabilities, "what this kernel answers and lacks"},
    {'V', "version", &Options::version, "the version"},
    {'v', "version", &Options::version, ""},  // as ss
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
  // Of -a, -l and -B the last one holds.
  if (code == 'a' || code == 'l' || code == 'B') {
    options->all = code == 'a';
    options->listening = code == 'l';
    options->bound_inactive = code == 'B';
  }
  if (code == 'e' || code == 'b') options->timers = true;
  if (code == 'z') options->process_contexts = true;
  if (code == 'T' || code == 'Z' || code == 'z' || code == kOwners || code == kHeld) {
    options->processes = true;
  }
  return Choose(code, argument, &options->tables);
}

StateSet DefaultStates(const Options& options) {
  if (options.all) return StateSet::SsAll();
  if (options.listening) return StateSet(State::kListen) | State::kClose;
  if (options.bound_inactive) return State::kBoundInactive;
  return options.tables.DefaultStates();
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
  if (std::optional<Shorthand> shorthand = ParseShorthand(words)) {
    text = std::move(shorthand->expression);
    options->processes |= shorthand->command;
  }
  if (!options->filter_file.empty()) {
    NETDIAG_ASSIGN_OR_RETURN(const std::string file, ReadFilterFile(options->filter_file));
    text = text.empty() ? file : "(" + text + "\n) (" + file + "\n)";
  }
  if (text.empty()) return absl::OkStatus();
  netdiag::FilterOptions filter_options = HostFilterOptions();
  netdiag::Query asked;
  options->tables.Settle(&asked);
  for (const netdiag::FamilyNames& row : netdiag::AllFamilies()) {
    if (asked.families == netdiag::FamilySet(row.family)) filter_options.family = row.family;
  }
  absl::StatusOr<netdiag::Filter> filter = netdiag::Filter::Parse(text, filter_options);
  if (!filter.ok() && pointer != nullptr) *pointer = netdiag::PointAt(text, filter.status());
  if (!filter.ok()) return filter.status();
  options->query.filter = std::make_shared<const netdiag::Filter>(*std::move(filter));
  return absl::OkStatus();
}

void AskFor(const Options& options, netdiag::Query* query) {
  AddNeeds(options.selection.columns, query);
  AddNeeds(options.selection.count_by, query);
  for (const Selection::Order& order : options.selection.sort) {
    AddNeeds({&order.column, 1}, query);
  }
  if (!options.selection.empty()) return;
  query->owners |= options.processes;
  query->peers |= options.peers;
  if (options.exact) query->completeness = netdiag::Completeness::kExact;
  if (options.form == Form::kJson || options.form == Form::kJsonLines) {
    // Everything but the owners, which cost more than all the rest and wait for -p.
    const bool owners = query->owners;
    netdiag::AddNeeds(netdiag::AllFields(), query);
    query->owners = owners;
    return;
  }
  query->cgroups = options.extended || options.cgroup;
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

// What the options of output come to.
absl::Status Settle(Options* options) {
  if (int{options->json} + int{options->json_lines} + int{options->csv} > 1) {
    return BadInput("option", "--json --jsonl --csv", "one form of output at a time");
  }
  if (options->json) options->form = Form::kJson;
  if (options->json_lines) options->form = Form::kJsonLines;
  if (options->csv) options->form = Form::kCsv;
  const std::string& when = options->color_when;
  if (when == "always") {
    options->color = Color::kAlways;
  } else if (when == "never") {
    options->color = Color::kNever;
  } else if (!when.empty() && when != "auto") {
    return BadInput("color", when, "expected auto, always or never");
  }
  NETDIAG_ASSIGN_OR_RETURN(options->selection, ParseSelection(options->columns, options->sort,
                                                              options->limit, options->count_by));
  return absl::OkStatus();
}

// -s alone counts every socket there is; in the forms for programs it is one more count.
absl::Status SettleSummary(bool states_named, Options* options) {
  if (!options->summary) return absl::OkStatus();
  options->only_summary = !states_named && options->tables.empty() && !options->all &&
                          !options->listening && !options->bound_inactive;
  if (options->form == Form::kText) return absl::OkStatus();
  if (!options->selection.empty()) {
    return BadInput("option", "--summary", "it is --count-by protocol,family,state here");
  }
  if (options->only_summary) options->query.states = StateSet::SsAll();
  NETDIAG_ASSIGN_OR_RETURN(options->selection,
                           ParseSelection("", "", options->limit, "protocol,family,state"));
  options->summary = options->only_summary = false;
  return absl::OkStatus();
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
    const bool missing = code == ':' || (optarg != nullptr && *optarg == '\0');
    if (missing) return BadInput("option", argv[optind - 1], "an argument must follow");
    NETDIAG_RETURN_IF_ERROR(Apply(code, optarg, &options));
  }
  if (options.all_netns && !options.netns.empty()) {
    return BadInput("option", "--all-netns", "not together with -N");
  }
  const std::vector<std::string_view> words(argv + optind, argv + argc);
  NETDIAG_RETURN_IF_ERROR(Settle(&options));
  options.query.states = DefaultStates(options);
  NETDIAG_ASSIGN_OR_RETURN(const size_t state_words, ParseStateWords(words, &options.query.states));
  NETDIAG_RETURN_IF_ERROR(
      ParseExpression(std::span(words).subspan(state_words), &options, pointer));
  options.tables.Settle(&options.query);
  NETDIAG_RETURN_IF_ERROR(SettleSummary(!words.empty(), &options));
  AskFor(options, &options.query);
  NETDIAG_RETURN_IF_ERROR(ParseOwners(options.owners, &options.query));
  if (options.held && (options.form == Form::kCsv || !options.selection.empty() ||
                       !options.selection.sort.empty())) {
    return BadInput("option", "--held", "such sockets have no fields: in ss's text and JSON only");
  }
  options.query.keep_joins = !options.selection.sort.empty() || options.resolve;
  return options;
}

std::vector<OptionHelp> AllOptions() {
  std::vector<OptionHelp> all;
  for (const OptionRow& row : kOptions) {
    const char letter = row.code < 256 ? static_cast<char>(row.code) : '\0';
    all.push_back({letter, row.name, row.argument != nullptr ? row.argument : "", row.help});
  }
  return all;
}

std::string HelpText() {
  std::string text =
      "usage: diag [OPTIONS] [state NAME | exclude NAME]... [EXPRESSION]\n\n"
      "Lists the sockets of this network namespace as ss does.\n\n";
  for (const OptionHelp& row : AllOptions()) {
    if (row.help.empty()) continue;
    std::string line = "  ";
    if (row.letter != 0) {
      line += {'-', row.letter, ',', ' '};
    } else {
      line += "    ";
    }
    line.append("--").append(row.name);
    if (!row.argument.empty()) line.append("=").append(row.argument);
    line.resize(std::max<size_t>(line.size() + 1, 28), ' ');
    text.append(line).append(row.help).append("\n");
  }
  text += "\nTables of -A: " + TableWords() + "\n\nStates:";
  for (const netdiag::StateNames& row : netdiag::AllStates()) {
    if (netdiag::ParseStates(row.word)) text.append(" ").append(row.word);
  }
  text +=
      ";\n  groups: all connected synchronized bucket big\n\n"
      "EXPRESSION: predicates with and, or, not and parentheses, as `sport = :22 and dst 10/8`,\n"
      "  `rtt > 100ms`, `comm = \"nginx*\"`, `uid = nobody`: docs/filter.md.\n\n"
      "Commands:\n";
  for (const VerbHelp& row : AllVerbs()) {
    text.append("  ").append(row.usage).append("\n      ").append(row.help).append("\n");
  }
  text +=
      "\nExit: 0 answered (what could not be seen is said on stderr), 1 a table could not be read, "
      "2 "
      "usage.\n";
  return text;
}

}  // namespace diag
