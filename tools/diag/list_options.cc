// Tested by tests/tools/list_options_test.cc.

#include "tools/diag/list_options.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/strings/str_join.h"

#include "netdiag/dump/table.h"
#include "netdiag/fields.h"
#include "netdiag/types/error.h"
#include "netdiag/types/parse_number.h"
#include "tools/diag/command_values.h"
#include "tools/diag/details.h"
#include "tools/diag/list_words.h"
#include "tools/diag/names.h"
#include "tools/diag/tables.h"
#include "tools/diag/task_options.h"

namespace diag {
namespace {

using netdiag::BadInput;
using netdiag::Extension;
using netdiag::Family;
using netdiag::OwnerPolicy;
using netdiag::Protocol;
using netdiag::State;
using netdiag::StateSet;

// What the options say, before it is known what they come to together.
struct Said {
  ListOptions options;
  TableChoice tables;
  std::optional<StateSet> states;  // of -a or -l
  bool bound_inactive = false;     // -B
  bool summary = false;
  bool each_owner = false;
  TaskWords task;
  std::string columns, sort, limit, count_by, sum;
  std::string filter_file;
  std::string proc_root;
  std::string users_file;
  std::vector<uint32_t> bpf_maps;  // of --bpf-map-id
  std::string replay_file;
};

// ---- Words that an argument can be ----

template <class T>
struct WordOf {
  std::string_view word;
  T value;
};
constexpr auto kColors = std::to_array<WordOf<Color>>(
    {{"auto", Color::kAuto}, {"always", Color::kAlways}, {"never", Color::kNever}});
constexpr auto kOwnerPolicies = std::to_array<WordOf<OwnerPolicy>>(
    {{"all", OwnerPolicy::kAll}, {"first", OwnerPolicy::kFirst}});

constexpr auto kRowSources =
    std::to_array<WordOf<netdiag::RowSource>>({{"auto", netdiag::RowSource::kAuto},
                                               {"table", netdiag::RowSource::kTable},
                                               {"proc", netdiag::RowSource::kProc}});

template <const auto& rows>
std::vector<std::string> WordsIn() {
  std::vector<std::string> words;
  for (const auto& row : rows) words.emplace_back(row.word);
  return words;
}

// Sets `value` to that of `word`.
template <const auto& rows, class T>
absl::Status ReadWord(std::string_view option, std::string_view word, T* value) {
  for (const auto& row : rows) {
    if (row.word != word) continue;
    *value = row.value;
    return absl::OkStatus();
  }
  return BadInput(option, word, "expected one of " + absl::StrJoin(WordsIn<rows>(), " "));
}

// ---- Setters ----

template <Protocol protocol>
absl::Status AddTable(std::string_view, Said* said) {
  said->tables.AddTable(protocol);
  return absl::OkStatus();
}

template <Family family>
absl::Status AddFamily(std::string_view, Said* said) {
  said->tables.AddFamily(family);
  return absl::OkStatus();
}

absl::Status AddFamilyByWord(std::string_view word, Said* said) {
  return said->tables.AddFamily(word);
}

absl::Status AddList(std::string_view list, Said* said) { return said->tables.AddList(list); }

// The last of -a and -l holds.
template <uint32_t bits>
absl::Status SetStates(std::string_view, Said* said) {
  said->states = StateSet::FromBits(bits);
  return absl::OkStatus();
}
constexpr uint32_t kAllStates = StateSet::SsAll().bits();
constexpr uint32_t kListening = (StateSet(State::kListen) | State::kClose).bits();

// Adds to what else selects states. Alone, it selects only these.
absl::Status SetBoundInactive(std::string_view, Said* said) {
  said->bound_inactive = true;
  return absl::OkStatus();
}

template <Detail... details>
absl::Status Show(std::string_view, Said* said) {
  said->options.details |= DetailSet({details...});
  return absl::OkStatus();
}

absl::Status SetOwners(std::string_view word, Said* said) {
  said->options.details |= Detail::kOwners;
  return ReadWord<kOwnerPolicies>("--owners", word, &said->options.query.owner_policy);
}

absl::Status SetUnlisted(std::string_view, Said* said) {
  said->options.unlisted = true;
  said->options.details |= Detail::kOwners;
  return absl::OkStatus();
}

absl::Status SetEachOwner(std::string_view, Said* said) {
  said->each_owner = true;
  said->options.details |= Detail::kOwners;
  return absl::OkStatus();
}

absl::Status SetExact(std::string_view, Said* said) {
  said->options.query.completeness = netdiag::Completeness::kExact;
  return absl::OkStatus();
}

absl::Status SetSource(std::string_view word, Said* said) {
  return ReadWord<kRowSources>("--source", word, &said->options.source);
}

absl::Status SetNetns(std::string_view name, Said* said) {
  said->options.netns = name;
  return absl::OkStatus();
}

absl::Status SetAllNetns(std::string_view, Said* said) {
  said->options.all_netns = true;
  return absl::OkStatus();
}

template <bool TaskWords::*flag>
absl::Status SetTask(std::string_view, Said* said) {
  said->task.*flag = true;
  return absl::OkStatus();
}

absl::Status SetSummary(std::string_view, Said* said) {
  said->summary = true;
  return absl::OkStatus();
}

template <bool Style::*flag>
absl::Status SetStyle(std::string_view, Said* said) {
  said->options.style.*flag = true;
  return absl::OkStatus();
}

template <Form form>
absl::Status SetForm(std::string_view, Said* said) {
  Form& current = said->options.style.form;
  if (current != Form::kText && current != form) {
    return BadInput("option", "--json --jsonl --csv", "choose one form of output");
  }
  current = form;
  return absl::OkStatus();
}

absl::Status SetColor(std::string_view word, Said* said) {
  return ReadWord<kColors>("--color", word, &said->options.style.color);
}

// The text of an option that Resolve() reads; the last one holds.
template <std::string Said::*text>
absl::Status Keep(std::string_view argument, Said* said) {
  said->*text = argument;
  return absl::OkStatus();
}

// A file that is written. A word that begins with '-' is rather another option.
template <std::string ListOptions::*path>
absl::Status SetPath(std::string_view argument, Said* said) {
  if (argument.size() > 1 && argument[0] == '-') {
    return BadInput("file", argument,
                    "only - is standard output; for a file of this name, put ./ before it");
  }
  said->options.*path = argument;
  return absl::OkStatus();
}

template <Action action>
absl::Status SetAction(std::string_view argument, Said* said) {
  said->options.action = std::max(said->options.action, action);
  if (action == Action::kHelpFormat) said->options.help_format = argument;
  return absl::OkStatus();
}

absl::Status SetColumns(std::string_view list, Said* said) {
  if (list == "help") return SetAction<Action::kColumnsHelp>(list, said);
  said->columns = list;
  return absl::OkStatus();
}

absl::Status AddBpfMap(std::string_view text, Said* said) {
  const std::optional<uint32_t> id = netdiag::internal::ParseNumber<uint32_t>(text);
  if (!id) return BadInput("BPF map", text, "expected its id, a number");
  said->bpf_maps.push_back(*id);
  return absl::OkStatus();
}

// ---- The table ----

using enum HelpGroup;
constexpr Argument kFields = {"NAME,...", Values::kListOf, AllFieldWords};
constexpr Argument kColumns = {"NAME,...", Values::kListOf, AllColumnWords};
constexpr Argument kOrder = {"[-]NAME,...", Values::kListOf, AllSortWords};
constexpr Argument kTables = {"LIST", Values::kListOf, TableWords};

constexpr auto kOptions = std::to_array<Option<Said>>({
    {{'t', "tcp", "TCP sockets", {}, kSockets}, AddTable<Protocol::kTcp>},
    {{'u', "udp", "UDP sockets", {}, kSockets}, AddTable<Protocol::kUdp>},
    {{'w', "raw", "raw sockets", {}, kSockets}, AddTable<Protocol::kRaw>},
    {{'d', "dccp", "DCCP sockets, on kernels before 6.16", {}, kSockets},
     AddTable<Protocol::kDccp>},
    {{'S', "sctp", "SCTP endpoints and their associations", {}, kSockets},
     AddTable<Protocol::kSctp>},
    {{'M', "mptcp", "MPTCP connections (their subflows are TCP sockets)", {}, kSockets},
     AddTable<Protocol::kMptcp>},
    {{'x', "unix", "unix sockets", {}, kSockets}, AddFamily<Family::kUnix>},
    {{'0', "packet", "packet sockets", {}, kSockets}, AddFamily<Family::kPacket>},
    {{0, "vsock", "vsock sockets, between virtual machines and their host", {}, kSockets},
     AddFamily<Family::kVsock>},
    {{0, "tipc", "TIPC sockets", {}, kSockets}, AddFamily<Family::kTipc>},
    {{0, "xdp", "XDP sockets", {}, kSockets}, AddFamily<Family::kXdp>},
    {{0, "smc", "SMC sockets", {}, kSockets}, AddFamily<Family::kSmc>},
    {{'4', "ipv4", "IPv4 only; with -6, both", {}, kSockets}, AddFamily<Family::kInet>},
    {{'6', "ipv6", "IPv6 only; with -4, both", {}, kSockets}, AddFamily<Family::kInet6>},
    {{'f',
      "family",
      "inet, inet6, link, unix, netlink, vsock, tipc, xdp or smc",
      {"FAMILY", Values::kOneOf, FamilyWords},
      kSockets},
     AddFamilyByWord},
    {{'A', "query", "the tables in LIST, as tcp,unix; !NAME removes one; see `diag help tables`",
      kTables, kSockets},
     AddList},
    {{.name = "socket", .argument = kTables}, AddList},  // ss's other name of -A
    {{'a', "all", "sockets in every state; bound, idle TCP sockets need -B besides", {}, kSockets},
     SetStates<kAllStates>},
    {{'l', "listening", "listening and closed sockets (UDP that receives)", {}, kSockets},
     SetStates<kListening>},
    {{'B',
      "bound-inactive",
      "adds bound, idle TCP sockets to what -a or -l selects; alone it lists only these",
      {},
      kSockets},
     SetBoundInactive},
    {{'n', "numeric", "port numbers instead of names, and exact rates", {}, kForm},
     SetStyle<&Style::numeric>},
    {{'p', "processes", "the processes that hold each socket", {}, kShown}, Show<Detail::kOwners>},
    {{'T', "threads", "like -p, with the thread that owns the descriptor table", {}, kShown},
     Show<Detail::kThreads, Detail::kOwners>},
    {{0,
      "owners",
      "every owner (all), or one of each socket, sooner (first); implies -p",
      {"WHICH", Values::kOneOf, WordsIn<kOwnerPolicies>},
      kShown},
     SetOwners},
    {{0,
      "each-owner",
      "a row for each owner, with --columns, --csv or --json; implies -p",
      {},
      kShown},
     SetEachOwner},
    {{0,
      "unlisted",
      "also sockets that no table has and only a descriptor shows, as those not bound yet "
      "(`state unlisted`: only these); implies -p",
      {},
      kSockets},
     SetUnlisted},
    {{.name = "held"}, SetUnlisted},  // its name before
    {{0,
      "exact",
      "every socket that lives throughout the listing, once; says so if that is not certain",
      {},
      kSockets},
     SetExact},
    {{0,
      "source",
      "where TCP and UDP are read: auto (the kernel's dump), table (by BPF from the kernel's hash "
      "tables; a dump for what they lack) or proc (/proc/net)",
      {"WORD"},
      kSockets},
     SetSource},
    {{0, "peers", "the other ends of unix sockets; with -p, their owners", {}, kShown},
     Show<Detail::kPeers>},
    {{'e', "extended", "user, inode, cookie, cgroup, ...; implies -o", {}, kShown},
     Show<Detail::kExtended, Detail::kTimers>},
    {{'o', "options", "timers", {}, kShown}, Show<Detail::kTimers>},
    {{'m', "memory", "the memory of the buffers", {}, kShown}, Show<Detail::kMemory>},
    {{'i', "info", "tcp_info and details of congestion control; details of SMC", {}, kShown},
     Show<Detail::kTcpInfo>},
    {{0, "tipcinfo", "details of TIPC sockets", {}, kShown}, Show<Detail::kTipcInfo>},
    {{0, "tos", "type of service, traffic class, priority", {}, kShown}, Show<Detail::kTos>},
    {{0, "cgroup", "the path of the cgroup", {}, kShown}, Show<Detail::kCgroup>},
    {{0, "inet-sockopt", "options set on the socket", {}, kShown}, Show<Detail::kSocketOptions>},
    {{'b', "bpf", "filters of packet sockets; implies -o", {}, kShown},
     Show<Detail::kPacketFilters, Detail::kTimers>},
    {{0, "bpf-maps", "what BPF programs keep with TCP sockets, in every map", {}, kShown},
     Show<Detail::kBpfStorages>},
    {{0, "bpf-map-id", "the same of one BPF map; can be repeated", {"ID"}, kShown}, AddBpfMap},
    {{'N',
      "net",
      "another network namespace: a name, a process or a file; self: this one",
      {"NAME|PID|PATH", Values::kNetns},
      kSockets},
     SetNetns},
    {{0, "all-netns", "every network namespace, this one first", {}, kSockets}, SetAllNetns},
    {{0,
      "proc",
      "read the procfs that is mounted here; default: $HOST_PROC or /proc",
      {"DIR", Values::kFile},
      kSockets},
     SetProc},
    {{0,
      "passwd",
      "names of users from FILE and not the host, as /proc/PID/root/etc/passwd",
      {"FILE", Values::kFile},
      kForm},
     Keep<&Said::users_file>},
    {{'H', "no-header", "no header line", {}, kForm}, SetStyle<&Style::no_header>},
    {{'O', "oneline", "one line for each socket", {}, kForm}, SetStyle<&Style::oneline>},
    {{'Q', "no-queues", "no queue columns", {}, kForm}, SetStyle<&Style::no_queues>},
    {{'r', "resolve", "names of addresses by reverse DNS", {}, kForm}, SetStyle<&Style::resolve>},
    {{'Z', "context", "SELinux contexts of owners; implies -p", {}, kShown},
     Show<Detail::kProcessContexts, Detail::kOwners>},
    {{'z', "contexts", "SELinux contexts of sockets too; implies -Z", {}, kShown},
     Show<Detail::kSocketContexts, Detail::kProcessContexts, Detail::kOwners>},
    {{'s', "summary", "counts of the sockets of this namespace; alone, no list", {}, kShown},
     SetSummary},
    {{'F',
      "filter",
      "more of EXPRESSION, from a file; -: from stdin",
      {"FILE", Values::kFile},
      kSockets},
     Keep<&Said::filter_file>},
    {{'j', "json", "one JSON object {sockets[], tables[], ...}; see `diag help forms`", {}, kForm},
     SetForm<Form::kJson>},
    {{0, "jsonl", "a JSON object for each socket, then one {summary}", {}, kForm},
     SetForm<Form::kJsonLines>},
    {{0, "csv", "comma separated values with a header line", {}, kForm}, SetForm<Form::kCsv>},
    {{0, "columns", "only these fields, groups of fields, or all; see `diag help fields`", kColumns,
      kShown},
     SetColumns},
    {{0, "sort", "in the order of these fields; with -, the largest first", kOrder, kShown},
     Keep<&Said::sort>},
    {{0, "limit", "only the first N sockets", {"N"}, kShown}, Keep<&Said::limit>},
    {{0, "count-by", "instead of sockets, how many have the same values, as state,comm", kFields,
      kShown},
     Keep<&Said::count_by>},
    {{0, "sum", "the sums of these fields for each count; see --sort", kFields, kShown},
     Keep<&Said::sum>},
    {{'D',
      "diag",
      "list nothing; write TCP sockets as the kernel gives them, for ss (TCPDIAG_FILE); -: to "
      "stdout",
      {"FILE", Values::kFile},
      kForm},
     SetPath<&ListOptions::stream_path>},
    {{0,
      "capture",
      "list nothing; write the sockets for --replay, with -p their owners; alone, every socket; "
      "see "
      "`diag help captures`",
      {"FILE", Values::kFile},
      kForm},
     SetPath<&ListOptions::capture_path>},
    {{0,
      "replay",
      "from a file of --capture and not the kernel; -: from stdin; alone, every socket of it",
      {"FILE", Values::kFile},
      kSockets},
     Keep<&Said::replay_file>},
    {{0,
      "color",
      "states in colour, and in red what needs a look: auto (on a terminal), always or never",
      {"WHEN", Values::kOneOf, WordsIn<kColors>},
      kForm},
     SetColor},
    {{'K', "kill",
      "closes the sockets that match and lists those that it closed: TCP, UDP and raw; needs a "
      "filter, or -a"},
     SetTask<&TaskWords::kill>},
    {{0, "dry-run", "with -K: lists what it would close, and closes nothing"},
     SetTask<&TaskWords::dry_run>},
    {{'E', "events",
      "lists TCP and UDP sockets as they close, until it is interrupted; their states do not "
      "matter"},
     SetTask<&TaskWords::events>},
    {{.name = "help-format", .argument = {"FORMAT"}}, SetAction<Action::kHelpFormat>},
    {{0, "capabilities", "what this kernel supports"}, SetAction<Action::kCapabilities>},
    {{'V', "version", "the version"}, SetAction<Action::kVersion>},
    {{.letter = 'v'}, SetAction<Action::kVersion>},  // ss's other letter of -V
    {{'h', "help", "this text"}, SetAction<Action::kHelp>},
});

// ---- What the options come to together ----

// Sets what the query asks the kernel for.
void AddNeedsOf(const ListOptions& options, netdiag::Query* query) {
  // Only a listing can do without cookies: what closes, follows, writes or joins sockets cannot.
  query->cookies = options.task != Task::kList || options.action != Action::kList ||
                   options.unlisted || !options.capture_path.empty() ||
                   !options.stream_path.empty() || options.summary != SummaryMode::kNone;
  query->depth = netdiag::Depth::kEnds;
  AddNeeds(options.selection.columns, query);
  AddNeeds(options.selection.count_by, query);
  AddNeeds(options.selection.sums, query);
  for (const Selection::Order& order : options.selection.sort) {
    AddNeeds({&order.column, 1}, query);
  }
  query->owners |= options.selection.each_owner;
  if (options.shows(Detail::kBpfStorages)) query->extensions |= Extension::kBpfStorages;
  if (!options.selection.empty()) return;
  query->owners |= options.shows(Detail::kOwners);
  query->peers |= options.shows(Detail::kPeers);
  if (options.style.form != Form::kText) {
    AddNeeds(ColumnsOf(options), query);
    // Owners are searched only for -p, so names that only an owner tells are absent without it.
    query->cgroups |= query->containers;
    query->containers &= query->owners;
    return;
  }
  constexpr DetailSet kOfBasic = {Detail::kOwners, Detail::kThreads, Detail::kPeers,
                                  Detail::kTimers};
  const bool basic = (options.details.bits() & ~kOfBasic.bits()) == 0;
  query->depth = std::max(query->depth, basic ? netdiag::Depth::kBasic : netdiag::Depth::kAll);
  query->cookies |= options.shows(Detail::kExtended);
  query->cgroups = options.shows(Detail::kExtended) || options.shows(Detail::kCgroup);
  if (options.shows(Detail::kMemory)) {
    query->extensions |= {Extension::kMemory, Extension::kSocketMemory};
  }
  if (options.shows(Detail::kTcpInfo)) {
    query->extensions |= {Extension::kInfo, Extension::kCongestion, Extension::kCongestionDetail};
  }
  if (options.shows(Detail::kExtended)) query->extensions |= Extension::kUnixFile;
  if (options.shows(Detail::kTos)) query->extensions |= {Extension::kTos, Extension::kTrafficClass};
  if (options.shows(Detail::kPacketFilters)) query->extensions |= Extension::kPacketFilter;
}

// `named`: the command line chooses tables, states or a filter. -s alone counts all sockets and
// lists none. In the forms for programs -s is a --count-by.
absl::Status ResolveSummary(const Said& said, bool named, ListOptions* options) {
  if (!said.summary) return absl::OkStatus();
  if (options->style.form == Form::kText) {
    options->summary = named ? SummaryMode::kBeforeList : SummaryMode::kOnly;
    return absl::OkStatus();
  }
  if (!options->selection.empty()) {
    return BadInput("option", "--summary",
                    "in this form it means --count-by protocol,family,state, so it excludes "
                    "--columns and --count-by");
  }
  if (!named) options->query.states = StateSet::SsAll();
  NETDIAG_ASSIGN_OR_RETURN(options->selection,
                           ParseSelection("", "", said.limit, "protocol,family,state"));
  return absl::OkStatus();
}

// Checks --each-owner, and puts it into the selection.
absl::Status ResolveEachOwner(const Said& said, ListOptions* options) {
  if (!said.each_owner) return absl::OkStatus();
  Selection& selection = options->selection;
  if (!selection.count_by.empty()) {
    return BadInput("option", "--each-owner",
                    "--count-by counts a socket once for each different owner already");
  }
  if (options->style.form == Form::kText && selection.columns.empty()) {
    return BadInput("option", "--each-owner",
                    "ss's text has all owners in one row; add --columns, --csv, --json or --jsonl");
  }
  selection.each_owner = true;
  return absl::OkStatus();
}

// Opens the maps of --bpf-map-id.
absl::Status ResolveBpfMaps(const Said& said, ListOptions* options) {
  if (!said.bpf_maps.empty() && options->shows(Detail::kBpfStorages)) {
    return BadInput("option", "--bpf-map-id", "--bpf-maps shows every map already");
  }
  if (said.bpf_maps.size() > netdiag::kMaxBpfMaps) {
    return BadInput("option", "--bpf-map-id",
                    "at most " + std::to_string(netdiag::kMaxBpfMaps) + " maps can be named");
  }
  if (!said.bpf_maps.empty()) options->details |= Detail::kBpfStorages;
  // The maps of this host say nothing about the values in a file.
  if (!options->shows(Detail::kBpfStorages) || !said.replay_file.empty()) return absl::OkStatus();
  options->map_values = std::make_shared<netdiag::bpf::MapValues>();
  for (const uint32_t id : said.bpf_maps) {
    NETDIAG_ASSIGN_OR_RETURN(const int map, options->map_values->Open(id));
    options->query.bpf_maps.push_back(map);
  }
  return absl::OkStatus();
}

// What excludes what. `option` is set in `options`, and nothing of `set` may be.
struct Exclusion {
  bool set;
  std::string_view name;
};
absl::Status CheckExclusions(std::string_view option, std::span<const Exclusion> others,
                             std::string_view reason) {
  for (const Exclusion& other : others) {
    if (!other.set) continue;
    return BadInput("option", option,
                    "it excludes " + std::string(other.name) + ": " + std::string(reason));
  }
  return absl::OkStatus();
}

// Refuses what files cannot hold or answer. `unlisted`: `state unlisted` is said.
absl::Status CheckFiles(const Said& said, bool unlisted) {
  const ListOptions& options = said.options;
  const bool contexts = options.shows(Detail::kProcessContexts);
  const bool lists_unlisted = options.unlisted || unlisted;
  const bool capabilities = options.action == Action::kCapabilities;
  if (!said.replay_file.empty()) {
    const Exclusion others[] = {{!options.capture_path.empty(), "--capture"},
                                {!options.netns.empty(), "-N"},
                                {options.all_netns, "--all-netns"},
                                {!said.proc_root.empty(), "--proc"},
                                {lists_unlisted, "--unlisted"},
                                {contexts, "-Z and -z"},
                                {capabilities, "--capabilities"},
                                {!said.bpf_maps.empty(), "--bpf-map-id"},
                                {said.task.kill, "-K"},
                                {said.task.events, "-E"},
                                {said.replay_file == "-" && said.filter_file == "-", "-F -"}};
    NETDIAG_RETURN_IF_ERROR(
        CheckExclusions("--replay", others, "only the file is read, and it does not have that"));
  }
  if (!options.capture_path.empty()) {
    const Exclusion others[] = {{contexts, "-Z and -z"}, {lists_unlisted, "--unlisted"}};
    NETDIAG_RETURN_IF_ERROR(CheckExclusions("--capture", others, "captures do not have that"));
  }
  const bool writes = !options.stream_path.empty() || !options.capture_path.empty();
  if (!writes) return absl::OkStatus();
  const Exclusion others[] = {
      {!options.stream_path.empty() && !options.capture_path.empty(), "--capture"},
      {options.style.form != Form::kText, "--json, --jsonl and --csv"},
      {!said.columns.empty() || said.each_owner, "--columns and --each-owner"},
      {!said.count_by.empty() || !said.sum.empty(), "--count-by"},
      {!said.sort.empty() || !said.limit.empty(), "--sort and --limit"},
      {said.summary, "-s"},
      {lists_unlisted, "--unlisted"},
      {said.task.kill, "-K"},
      {said.task.events, "-E"},
      {capabilities, "--capabilities"}};
  return CheckExclusions(options.stream_path.empty() ? "--capture" : "--diag", others,
                         "sockets are written to the file, and nothing is listed");
}

bool AsksForTcp(const netdiag::Query& query) {
  return std::ranges::find(query.protocols, Protocol::kTcp) != query.protocols.end() &&
         query.families.intersects({Family::kInet, Family::kInet6});
}

// Sets what $TCPDIAG_FILE says, if TCP is asked for. `states`: those that the user named.
absl::Status ResolveTcpStream(const TaskWords& task, std::optional<StateSet> states,
                              ListOptions* options) {
  // As for every file that an environment names: not if exec gave this program privileges.
  const char* const path = secure_getenv("TCPDIAG_FILE");
  const bool asked = AsksForTcp(options->query);
  if (path == nullptr || *path == '\0' || options->replay != nullptr || !asked) {
    return absl::OkStatus();
  }
  const Exclusion others[] = {{options->all_netns, "--all-netns"},
                              {options->unlisted, "--unlisted"},
                              {task.kill, "-K"},
                              {task.events, "-E"},
                              {!options->capture_path.empty(), "--capture"}};
  NETDIAG_RETURN_IF_ERROR(
      CheckExclusions("TCPDIAG_FILE", others, "its sockets are of an unknown host; unset it"));
  options->tcp_stream = path;
  options->stream_states = states.value_or(StateSet::All());
  return absl::OkStatus();
}

absl::StatusOr<ListOptions> Resolve(Said said, std::span<const std::string_view> words,
                                    std::string* pointer) {
  ListOptions& options = said.options;
  netdiag::Query& query = options.query;
  if (options.action == Action::kCapabilities && options.style.form != Form::kText) {
    return BadInput("option", "--capabilities", "it is printed as text only, not as JSON or CSV");
  }
  if (options.all_netns && !options.netns.empty()) {
    return BadInput("option", "--all-netns", "it cannot be combined with -N");
  }
  if (!said.replay_file.empty()) {
    NETDIAG_RETURN_IF_ERROR(CheckFiles(said, /*unlisted=*/false));
    NETDIAG_ASSIGN_OR_RETURN(options.replay, CaptureFile::Read(said.replay_file));
  } else {
    NETDIAG_ASSIGN_OR_RETURN(options.proc_root, ProcRoot(said.proc_root));
  }
  NETDIAG_ASSIGN_OR_RETURN(options.selection, ParseSelection(said.columns, said.sort, said.limit,
                                                             said.count_by, said.sum));
  if (!said.users_file.empty()) {
    NETDIAG_ASSIGN_OR_RETURN(options.users, ReadUsers(said.users_file));
  }
  NETDIAG_ASSIGN_OR_RETURN(const ListWords parsed, ParseListWords(words));
  if (parsed.help) options.action = Action::kHelp;
  NETDIAG_RETURN_IF_ERROR(CheckFiles(said, parsed.unlisted));
  const bool is_file = options.replay != nullptr || !options.capture_path.empty();
  const bool alone = is_file && words.empty() && said.tables.empty() && !said.states &&
                     !said.bound_inactive && said.filter_file.empty() && !said.summary;
  if (alone) {
    options.everything = true;
    said.tables.AddEveryTable();
    said.states = StateSet::All();
  }
  for (const std::string& table : parsed.tables) said.tables.AddWord(table);
  options.named = said.tables.named();
  query.load_modules = std::ranges::any_of(
      options.named, [](Protocol protocol) { return !netdiag::Describe(protocol).proto.empty(); });
  said.tables.ApplyTo(&query);
  if (!options.stream_path.empty() && !AsksForTcp(query)) {
    return BadInput("--diag", options.stream_path,
                    "it writes TCP sockets, and the command line selects none");
  }
  NETDIAG_ASSIGN_OR_RETURN(
      ListFilter filter,
      ParseListFilter(parsed,
                      {.path = said.filter_file,
                       .families = query.families,
                       .host = {options.netns, options.all_netns, options.proc_root, options.users,
                                options.replay}},
                      pointer));
  query.filter = std::move(filter.filter);
  TaskWords task = said.task;
  task.all = said.states == StateSet::FromBits(kAllStates);
  task.states = parsed.states.has_value();
  task.owners = options.shows(Detail::kOwners);
  std::optional<StateSet> states = parsed.states ? parsed.states : said.states;
  if (said.bound_inactive) states = states.value_or(StateSet::None()) | State::kBoundInactive;
  query.states = states.value_or(said.tables.DefaultStates() | filter.states);
  if (filter.owners) options.details |= Detail::kOwners;
  options.process = std::move(filter.process);
  options.only_process = options.process == parsed.expression && said.filter_file.empty() &&
                         said.tables.empty() && !states;
  options.tables_chosen = !said.tables.empty();
  options.all_netns |= options.replay != nullptr && options.replay->has_namespaces();
  NETDIAG_RETURN_IF_ERROR(ResolveTcpStream(task, states, &options));
  if (parsed.unlisted) NETDIAG_RETURN_IF_ERROR(SetUnlisted({}, &said));
  const bool named = !words.empty() || !said.tables.empty() || states;
  NETDIAG_RETURN_IF_ERROR(ResolveSummary(said, named, &options));
  NETDIAG_RETURN_IF_ERROR(ResolveEachOwner(said, &options));
  NETDIAG_RETURN_IF_ERROR(ResolveBpfMaps(said, &options));
  NETDIAG_RETURN_IF_ERROR(ResolveTask(task, said.tables, &options));
  AddNeedsOf(options, &query);
  const bool has_order = !options.selection.sort.empty();
  if (options.unlisted &&
      (options.style.form == Form::kCsv || !options.selection.empty() || has_order)) {
    return BadInput("option", "--unlisted",
                    "only the default text, --json and --jsonl list such sockets, and only without "
                    "--columns, --sort and --count-by");
  }
  query.keep_joins = has_order || options.style.resolve;
  return std::move(options);
}

}  // namespace

std::vector<OptionInfo> ListOptionInfos() { return InfosOf<Said>(kOptions); }

absl::StatusOr<ListOptions> ParseListOptions(int argc, char** argv, std::string* pointer) {
  Said said;
  const std::string_view program = argc > 0 ? argv[0] : "";
  said.options.called_ss = program.substr(program.rfind('/') + 1) == "ss";
  NETDIAG_ASSIGN_OR_RETURN(const Words words, ParseCommandLine<Said>(kOptions, argc, argv, &said));
  return Resolve(std::move(said), words, pointer);
}

}  // namespace diag
