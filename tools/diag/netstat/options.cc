// Tested by tests/tools/netstat_options_test.cc.
//
// Source: netstat(8) of net-tools 2.10, and what it does with command lines that the page does not
// mention.

#include "tools/diag/netstat/options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <getopt.h>
#include <string_view>

#include "netdiag/types/parse_number.h"

namespace diag::netstat {
namespace {

// What the options of a command line add up to.
struct State {
  CommandLine line;
  absl::Status selinux;
  int modes = 0;          // how many of -r -i -s -M, with repetitions
  bool finished = false;  // an option ends the reading
};

void Fail(ExitCode code, bool usage, State* state) {
  state->line.request = Request::kFail;
  state->line.code = code;
  state->line.usage = usage;
  state->finished = true;
}

// A family's word on the command line, its name in netstat's list, and its flag; null: netstat
// accepts the word and does nothing.
struct FamilyWord {
  std::string_view word;
  std::string_view name;
  bool Options::*flag;
};
constexpr FamilyWord kFamilies[] = {
    {"ax25", "ax25", &Options::ax25},
    {"ip", "inet", &Options::inet4},
    {"ip6", "inet6", &Options::inet6},
    {"ipx", "ipx", &Options::ipx},
    {"rose", "rose", &Options::rose},
    {"appletalk", "ddp", nullptr},
    {"netrom", "netrom", &Options::netrom},
    {"inet", "inet", &Options::inet4},
    {"inet6", "inet6", &Options::inet6},
    {"ddp", "ddp", nullptr},
    {"unix", "unix", &Options::unix_sockets},
    {"tcpip", "inet", &Options::inet4},
    {"econet", "ec", nullptr},
    {"x25", "x25", &Options::x25},
    {"ash", "ash", nullptr},
    {"bluetooth", "bluetooth", &Options::bluetooth},
};

absl::Status AddFamilies(std::string_view list, State* state) {
  constexpr size_t kMaxList = 255;  // netstat's limit
  Options& options = state->line.options;
  for (;;) {
    const size_t comma = list.find(',');
    const std::string_view word = list.substr(0, comma);
    const auto* const row = std::ranges::find(kFamilies, word, &FamilyWord::word);
    if (row == std::end(kFamilies)) {
      state->line.err.append("Unknown address family `").append(word).append("'.\n");
      Fail(kNotAnswered, /*usage=*/false, state);
      return absl::OkStatus();
    }
    if (row->name.size() + options.family_list.size() + 1 > kMaxList) {
      state->line.err.append("Too much address family arguments.\n");
      return absl::OkStatus();
    }
    if (row->flag != nullptr) options.*row->flag = true;
    if (!options.family_list.empty()) options.family_list.push_back(',');
    options.family_list.append(row->name);
    if (comma == list.npos) return absl::OkStatus();
    list.remove_prefix(comma + 1);
  }
}

template <bool Options::*kFlag>
absl::Status Set(std::string_view, State* state) {
  state->line.options.*kFlag = true;
  return absl::OkStatus();
}
template <int Options::*kCount>
absl::Status Count(std::string_view, State* state) {
  ++(state->line.options.*kCount);
  return absl::OkStatus();
}
template <Mode kMode>
absl::Status Choose(std::string_view, State* state) {
  state->line.options.mode = kMode;
  ++state->modes;
  return absl::OkStatus();
}
template <Request kRequest>
absl::Status Ask(std::string_view, State* state) {
  state->line.request = kRequest;
  state->finished = true;
  return absl::OkStatus();
}
template <bool Options::*kFirst, bool Options::*kSecond, bool Options::*kThird>
absl::Status SetAll(std::string_view, State* state) {
  for (const auto flag : {kFirst, kSecond, kThird}) state->line.options.*flag = true;
  return absl::OkStatus();
}
absl::Status Nothing(std::string_view, State*) { return absl::OkStatus(); }

absl::Status SetUnix(std::string_view, State* state) { return AddFamilies("unix", state); }

// netstat refuses its own --tcpip with these words and goes on without it.
absl::Status SetTcpip(std::string_view, State* state) {
  if (!state->line.options.compat) return AddFamilies("inet", state);
  state->line.err.append("netstat.c: Internal Error `longopts 1 range'.\n");
  return absl::OkStatus();
}

absl::Status SetContext(std::string_view, State* state) {
  if (!state->selinux.ok()) {
    state->line.err.append("SELinux is not enabled on this machine.\n");
    Fail(kNotAnswered, /*usage=*/false, state);
    return absl::OkStatus();
  }
  state->line.options.context = true;
  ++state->line.options.programs;
  return absl::OkStatus();
}

template <size_t kRow>
absl::Status SetFamily(std::string_view, State* state) {
  return AddFamilies(kFamilies[kRow].word, state);
}

std::vector<std::string> FamilyWords() {
  std::vector<std::string> words;
  for (const FamilyWord& row : kFamilies) words.emplace_back(row.word);
  return words;
}

constexpr HelpGroup kWhich = HelpGroup::kSockets;
constexpr HelpGroup kShown = HelpGroup::kShown;
constexpr HelpGroup kForm = HelpGroup::kForm;
constexpr std::string_view kDead = "sockets that diag does not list: an error";

// In netstat's order, which getopt_long() shows when it lists the names that a word can mean.
constexpr auto kOptions = std::to_array<Option<State>>({
    {{0, "ax25", kDead, {}, kWhich}, SetFamily<0>},
    {{0, "x25", kDead, {}, kWhich}, SetFamily<13>},
    {{0, "ip", "", {}, kWhich}, SetFamily<1>},
    {{0, "ipx", kDead, {}, kWhich}, SetFamily<3>},
    {{0, "appletalk", "", {}, kWhich}, SetFamily<5>},
    {{0, "netrom", kDead, {}, kWhich}, SetFamily<6>},
    {{'4', "inet", "IPv4 only", {}, kWhich}, SetFamily<7>},
    {{'6', "inet6", "IPv6 only", {}, kWhich}, SetFamily<8>},
    {{0, "ddp", "", {}, kWhich}, SetFamily<9>},
    {{0, "rose", kDead, {}, kWhich}, SetFamily<4>},
    {{0, "unix", "", {}, kWhich}, SetUnix},
    {{0, "bluetooth", kDead, {}, kWhich}, SetFamily<15>},
    {{0, "tcpip", "", {}, kWhich}, SetTcpip},
    {{'V', "version", "the version"}, Ask<Request::kVersion>},
    {{'i', "interfaces", "the table of interfaces instead of sockets", {}, kWhich},
     Choose<Mode::kInterfaces>},
    {{'h', "help", "this text"}, Ask<Request::kHelp>},
    {{'r', "route", "the routing tables instead of sockets", {}, kWhich}, Choose<Mode::kRoutes>},
    {{'M',
      "masquerade",
      "masqueraded connections, which no kernel since 2.4 has: an error",
      {},
      kWhich},
     Choose<Mode::kMasquerade>},
    {{'A',
      "protocol",
      "only these address families",
      {"LIST", Values::kListOf, FamilyWords},
      kWhich},
     AddFamilies},
    {{'t', "tcp", "TCP sockets", {}, kWhich}, Set<&Options::tcp>},
    {{'S', "sctp", "SCTP sockets and associations", {}, kWhich}, Set<&Options::sctp>},
    {{'u', "udp", "UDP sockets", {}, kWhich}, Set<&Options::udp>},
    {{'U', "udplite", "UDP-Lite sockets", {}, kWhich}, Set<&Options::udplite>},
    {{'w', "raw", "raw sockets", {}, kWhich}, Set<&Options::raw>},
    {{'x', "unix", "unix sockets", {}, kWhich}, SetUnix},
    {{'2', "l2cap", "L2CAP sockets of Bluetooth: an error", {}, kWhich}, Set<&Options::l2cap>},
    {{'f', "rfcomm", "RFCOMM sockets of Bluetooth: an error", {}, kWhich}, Set<&Options::rfcomm>},
    {{'l', "listening", "only sockets without a remote end", {}, kWhich}, Set<&Options::listening>},
    {{'a',
      "all",
      "sockets with and without a remote end; with -i also interfaces that are down",
      {},
      kWhich},
     Set<&Options::all>},
    {{'o', "timers", "the timer of each socket", {}, kShown}, Set<&Options::timers>},
    {{'c', "continuous", "again every second, or every SECONDS", {}, kForm},
     Set<&Options::continuous>},
    {{'e', "extend", "the user and the inode; with -r and -i more columns", {}, kShown},
     Count<&Options::extend>},
    {{'p', "programs", "the process that holds each socket; twice: all processes", {}, kShown},
     Count<&Options::programs>},
    {{'v', "verbose", "name the tables that the kernel lacks", {}, kShown}, Set<&Options::verbose>},
    {{'s', "statistics", "the counters of the protocols instead of sockets", {}, kWhich},
     Choose<Mode::kStatistics>},
    {{'W', "wide", "with --compat: addresses whole", {}, kForm}, Set<&Options::wide>},
    {{'n', "numeric", "no names of hosts, ports and users", {}, kForm},
     SetAll<&Options::numeric_hosts, &Options::numeric_ports, &Options::numeric_users>},
    {{0, "numeric-hosts", "no names of hosts", {}, kForm}, Set<&Options::numeric_hosts>},
    {{0, "numeric-ports", "no names of ports", {}, kForm}, Set<&Options::numeric_ports>},
    {{0, "numeric-users", "no names of users", {}, kForm}, Set<&Options::numeric_users>},
    {{'N', "symbolic", "names of hardware: without effect", {}, kForm}, Set<&Options::symbolic>},
    {{'C', "cache", "with -r: the route cache, which no kernel since 3.6 has", {}, kWhich},
     Set<&Options::cache>},
    {{'F', "fib", "with -r: the routing table, which is the default", {}, kWhich},
     Set<&Options::fib>},
    {{'g', "groups", "the multicast groups of the interfaces", {}, kWhich}, Set<&Options::groups>},
    {{'Z', "context", "the SELinux context of the process that holds each socket", {}, kShown},
     SetContext},
    {{'d', "", "", {}, kWhich}, Nothing},
    // Not netstat's, so getopt_long() does not see them: they must be written out.
    {{0, "compat", "the output of net-tools 2.10, byte by byte", {}, kForm}, Set<&Options::compat>},
    {{0, "json", "JSON with the keys of `diag --json`", {}, kForm}, Set<&Options::json>},
});
constexpr size_t kOwnOptions = 2;  // the last rows

// What getopt_long() returns for a long name: this plus its row.
constexpr int kFirstLong = 256;

const Option<State>* RowOf(int code) {
  if (code >= kFirstLong) return &kOptions[static_cast<size_t>(code - kFirstLong)];
  return std::ranges::find_if(kOptions, [&](const Option<State>& row) {
    return row.info.letter == static_cast<char>(code);
  });
}

// Netstat gives several long options one code, and getopt_long() takes a beginning that these have
// in common as the first of them.
int CodeOf(size_t row) {
  const OptionInfo& info = kOptions[row].info;
  constexpr size_t kFamilyRows = 13;
  if (row < kFamilyRows) return 1;
  return info.letter != 0 ? info.letter : kFirstLong + static_cast<int>(row);
}

// Removes the options that netstat does not have from `argv`, up to "--", and sets them.
int TakeOwnOptions(int argc, char** argv, State* state) {
  int kept = 1;
  bool options = true;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--") options = false;
    const auto own = std::span(kOptions).last(kOwnOptions);
    const auto row = std::ranges::find_if(own, [&](const Option<State>& option) {
      return options && word.starts_with("--") && word.substr(2) == option.info.name;
    });
    if (row == own.end()) {
      argv[kept++] = argv[i];
    } else {
      row->set("", state).IgnoreError();
    }
  }
  argv[kept] = nullptr;
  return kept;
}

// What follows from the options together.
void Conclude(std::span<char* const> words, State* state) {
  Options& options = state->line.options;
  if (state->modes > 1) return Fail(kUsageExit, /*usage=*/true, state);
  constexpr bool Options::*kIp[] = {&Options::tcp, &Options::sctp, &Options::udp, &Options::udplite,
                                    &Options::raw};
  options.protocols_named =
      std::ranges::any_of(kIp, [&](bool Options::*flag) { return options.*flag; });
  const bool statistics = options.mode == Mode::kStatistics;
  if (!options.protocols_named && (options.inet4 || options.inet6 || statistics)) {
    for (const auto flag : kIp) options.*flag = true;
  }
  if ((options.tcp || options.sctp || options.udp || options.udplite || options.raw ||
       options.groups) &&
      !options.inet4 && !options.inet6) {
    options.inet4 = options.inet6 = true;
  }
  if (options.bluetooth && !options.l2cap && !options.rfcomm) {
    options.l2cap = options.rfcomm = true;
  }
  if (options.mode == Mode::kSockets && options.groups) {
    Options rest = options;
    rest.groups = false;
    if (!rest.named()) options.mode = Mode::kGroups;
  }
  // netstat ignores words. The first one after -c is its interval here.
  if (options.continuous && !options.compat && !words.empty()) {
    const auto seconds = netdiag::internal::ParseNumber<unsigned>(words.front());
    if (seconds && *seconds > 0) options.interval = *seconds;
  }
}

}  // namespace

CommandLine ParseCommandLine(int argc, char** argv, const absl::Status& selinux) {
  State state;
  state.selinux = selinux;
  argc = TakeOwnOptions(argc, argv, &state);
  std::vector<option> longs;
  for (size_t i = 0; i + kOwnOptions < kOptions.size(); ++i) {
    const OptionInfo& info = kOptions[i].info;
    if (info.name.empty()) continue;
    const int argument = info.argument.name.empty() ? no_argument : required_argument;
    longs.push_back({info.name.data(), argument, nullptr, CodeOf(i)});
  }
  longs.push_back({});
  optind = 0;  // starts over: tests parse several command lines
  opterr = 1;
  while (!state.finished) {
    int place = 0;
    const int code =
        getopt_long(argc, argv, "A:CFMacdeghilnNoprsStuUvVWw2fx64?Z", longs.data(), &place);
    if (code == -1) break;
    if (code == '?') {
      Fail(kUsageExit, /*usage=*/true, &state);
      break;
    }
    // The families are the first rows, and each has a long name.
    const Option<State>* const row =
        code == 1 ? &kOptions[static_cast<size_t>(place)] : RowOf(code);
    row->set(optarg != nullptr ? optarg : "", &state).IgnoreError();
  }
  if (!state.finished) {
    const std::span<char* const> all(argv, static_cast<size_t>(argc));
    Conclude(all.subspan(static_cast<size_t>(optind)), &state);
  }
  return std::move(state.line);
}

std::vector<OptionInfo> ListOptionInfos() { return InfosOf<State>(kOptions); }

}  // namespace diag::netstat
