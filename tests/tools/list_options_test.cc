#include "tools/diag/list_options.h"

#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/dump/table.h"
#include "netdiag/filter/filter.h"
#include "netdiag/netlink/netns.h"
#include "tests/tools/render_testing.h"
#include "tools/diag/help.h"

namespace diag {
namespace {

using netdiag::Extension;
using netdiag::ExtensionSet;
using netdiag::Family;
using netdiag::FamilySet;
using netdiag::Protocol;
using netdiag::State;
using netdiag::StateSet;
using netdiag::testing::IsOk;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Parse;

ListOptions Good(const std::vector<std::string>& words) {
  const absl::StatusOr<ListOptions> options = Parse(words);
  EXPECT_THAT(options, IsOk());
  return options.ok() ? *options : ListOptions();
}

std::string Refusal(const std::vector<std::string>& words) {
  const absl::StatusOr<ListOptions> options = Parse(words);
  EXPECT_THAT(options, Not(IsOk()));
  return std::string(options.status().message());
}

TEST(Options, OwnersAreAllOrTheFirst) {
  using netdiag::OwnerPolicy;
  EXPECT_EQ(Good({"-p"}).query.owner_policy, OwnerPolicy::kAll);
  EXPECT_EQ(Good({"--owners", "all"}).query.owner_policy, OwnerPolicy::kAll);
  EXPECT_EQ(Good({"-tln", "--owners=first"}).query.owner_policy, OwnerPolicy::kFirst);
  EXPECT_TRUE(Good({"--owners", "first"}).query.owners) << "it implies -p";
  EXPECT_THAT(Refusal({"--owners", "some"}), HasSubstr("some"));
  EXPECT_THAT(Refusal({"--owners"}), HasSubstr("an argument must follow"));
}

TEST(Options, ChooseOneNamespaceOrAll) {
  EXPECT_EQ(Good({}).netns, "");
  EXPECT_EQ(Good({"-N", "blue"}).netns, "blue");
  EXPECT_EQ(Good({"-tnNblue"}).netns, "blue");
  EXPECT_EQ(Good({"--net=blue", "-t"}).netns, "blue");
  EXPECT_EQ(Good({"--net", "/run/x"}).netns, "/run/x");
  EXPECT_FALSE(Good({"-N", "blue"}).all_netns);
  EXPECT_FALSE(Good({"-a"}).all_netns);
  EXPECT_TRUE(Good({"--all-netns"}).all_netns);
  EXPECT_EQ(Good({"--all-netns"}).query.states, Good({}).query.states) << "it is not --all";
  EXPECT_THAT(Refusal({"--all-netns", "-N", "blue"}), HasSubstr("--all-netns"));
  EXPECT_THAT(Refusal({"-N", "blue", "--all-netns"}), HasSubstr("--all-netns"));
  EXPECT_THAT(Refusal({"-N"}), HasSubstr("an argument must follow"));
}

// Otherwise `-N "$UNSET"` would list another namespace than the user meant.
TEST(Options, AnEmptyArgumentIsRefused) {
  for (const std::vector<std::string>& words : {std::vector<std::string>{"-N", ""},
                                                {"--net="},
                                                {"--net", ""},
                                                {"-tN", ""},
                                                {"--owners="},
                                                {"--columns="},
                                                {"--limit", ""},
                                                {"-F", ""},
                                                {"--color="}}) {
    EXPECT_THAT(Refusal(words), HasSubstr("an argument must follow"));
  }
  EXPECT_THAT(Good({"-tN", "blue", "-n"}).netns, "blue");
}

TEST(Options, HaveSsOtherNames) {
  EXPECT_EQ(Good({"-v"}).action, Action::kVersion);
  EXPECT_EQ(Good({"--socket=udp"}).query.protocols, Good({"-A", "udp"}).query.protocols);
  EXPECT_EQ(Good({"--query=udp"}).query.protocols, Good({"-A", "udp"}).query.protocols);
}

// Parses one option by its word and by its letter ('\0': it has none).
std::vector<ListOptions> Both(char letter, const char* word) {
  std::vector<ListOptions> both = {Good({std::string("--") + word})};
  if (letter != '\0') both.push_back(Good({std::string{'-', letter}}));
  return both;
}

constexpr bool Style::*kStyles[] = {&Style::numeric, &Style::resolve, &Style::no_header,
                                    &Style::oneline, &Style::no_queues};

TEST(Options, DetailsHaveALetterAndAWord) {
  const struct {
    char letter;
    const char* word;
    DetailSet details;
  } kCases[] = {
      {'p', "processes", Detail::kOwners},
      {'T', "threads", {Detail::kThreads, Detail::kOwners}},
      {'\0', "peers", Detail::kPeers},
      {'e', "extended", {Detail::kExtended, Detail::kTimers}},
      {'o', "options", Detail::kTimers},
      {'m', "memory", Detail::kMemory},
      {'i', "info", Detail::kTcpInfo},
      {'\0', "tos", Detail::kTos},
      {'\0', "cgroup", Detail::kCgroup},
      {'\0', "inet-sockopt", Detail::kSocketOptions},
      {'b', "bpf", {Detail::kPacketFilters, Detail::kTimers}},
      {'Z', "context", {Detail::kProcessContexts, Detail::kOwners}},
      {'z', "contexts", {Detail::kSocketContexts, Detail::kProcessContexts, Detail::kOwners}},
      {'\0', "unlisted", Detail::kOwners},
  };
  EXPECT_EQ(Good({}).details, DetailSet());
  for (const auto& row : kCases) {
    SCOPED_TRACE(row.word);
    for (const ListOptions& options : Both(row.letter, row.word)) {
      EXPECT_EQ(options.details, row.details);
      for (bool Style::*style : kStyles) EXPECT_FALSE(options.style.*style);
    }
  }
}

TEST(Options, StylesHaveALetterAndAWord) {
  const struct {
    char letter;
    const char* word;
    bool Style::*flag;
  } kCases[] = {
      {'n', "numeric", &Style::numeric},     {'r', "resolve", &Style::resolve},
      {'H', "no-header", &Style::no_header}, {'O', "oneline", &Style::oneline},
      {'Q', "no-queues", &Style::no_queues},
  };
  for (const auto& row : kCases) {
    SCOPED_TRACE(row.word);
    for (const ListOptions& options : Both(row.letter, row.word)) {
      EXPECT_EQ(options.details, DetailSet());
      for (bool Style::*style : kStyles) EXPECT_EQ(options.style.*style, style == row.flag);
    }
  }
}

TEST(Options, TablesAndStatesHaveALetterAndAWord) {
  const std::pair<char, const char*> kCases[] = {
      {'t', "tcp"},  {'u', "udp"},       {'w', "raw"},           {'M', "mptcp"},
      {'x', "unix"}, {'0', "packet"},    {'4', "ipv4"},          {'6', "ipv6"},
      {'a', "all"},  {'l', "listening"}, {'B', "bound-inactive"}};
  const netdiag::Query plain = Good({}).query;
  for (const auto& [letter, word] : kCases) {
    SCOPED_TRACE(word);
    // SelectTablesAsSsDoes and LastOfAllAndListeningHolds test what each letter selects.
    const ListOptions by_letter = Good({std::string{'-', letter}});
    const ListOptions by_word = Good({std::string("--") + word});
    EXPECT_EQ(by_letter.query.protocols, by_word.query.protocols);
    EXPECT_EQ(by_letter.query.families, by_word.query.families);
    EXPECT_EQ(by_letter.query.states, by_word.query.states);
    const bool inet = letter == '4' || letter == '6';  // groups of tables
    EXPECT_EQ(by_word.named, by_word.query.protocols == plain.protocols || inet
                                 ? std::vector<Protocol>()
                                 : by_word.query.protocols);
    if (by_word.query.protocols == plain.protocols) {
      EXPECT_NE(by_word.query.states, plain.states);
    }
    EXPECT_EQ(by_word.details, DetailSet());
  }
}

TEST(Options, ChooseWhatDiagDoes) {
  EXPECT_EQ(Good({"-t"}).action, Action::kList);
  EXPECT_EQ(Good({"--capabilities"}).action, Action::kCapabilities);
  for (const ListOptions& options : Both('V', "version")) {
    EXPECT_EQ(options.action, Action::kVersion);
  }
  for (const ListOptions& options : Both('h', "help")) EXPECT_EQ(options.action, Action::kHelp);
  EXPECT_EQ(Good({"--help-format=man"}).action, Action::kHelpFormat);
  EXPECT_EQ(Good({"--help-format=man"}).help_format, "man");
  EXPECT_EQ(Good({"-hV", "--capabilities"}).action, Action::kHelp);
  for (const ListOptions& options : Both('s', "summary")) {
    EXPECT_EQ(options.summary, SummaryMode::kOnly);
  }
  EXPECT_EQ(Good({"-t"}).summary, SummaryMode::kNone);
}

TEST(Options, AreShownByHelpUnlessHidden) {
  const std::string help = HelpText();
  for (const OptionInfo& option : ListOptionInfos()) {
    const std::string name = "--" + std::string(option.name);
    if (!option.hidden()) {
      EXPECT_THAT(help, ::testing::ContainsRegex("(-.,|   ) " + name + "[ =]"));
    } else if (!option.name.empty()) {
      EXPECT_THAT(help, Not(HasSubstr(name + " ")));
    }
  }
}

TEST(Options, OnlyWordsForOneTableNameTables) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{},
                                             {"-a"},
                                             {"-A", "all"},
                                             {"-A", "inet"},
                                             {"-A", "all,!udp"},
                                             {"-A", "all", "-A", "inet"},
                                             {"-4"},
                                             {"-46"},
                                             {"-f", "inet"},
                                             {"inet6"}}) {
    EXPECT_THAT(Good(words).named, ::testing::IsEmpty()) << ::testing::PrintToString(words);
  }
  const struct {
    std::vector<std::string> words;
    std::vector<Protocol> named;
  } kCases[] = {{{"-t"}, {Protocol::kTcp}},
                {{"-x"}, {Protocol::kUnix}},
                {{"-x4"}, {Protocol::kUnix}},
                {{"-t4"}, {Protocol::kTcp}},
                {{"-A", "mptcp"}, {Protocol::kMptcp}},
                {{"-A", "all,udplite"}, {Protocol::kUdpLite}},
                {{"-A", "inet,sctp"}, {Protocol::kSctp}},
                {{"-A", "all,tcp,!tcp"}, {}},
                {{"-A", "u_str,u_dgr,packet"}, {Protocol::kPacket, Protocol::kUnix}},
                {{"-A", "all", "-M"}, {Protocol::kMptcp}}};
  for (const auto& row : kCases) {
    EXPECT_EQ(Good(row.words).named, row.named) << ::testing::PrintToString(row.words);
  }
}

TEST(Options, UnlistedHasAHiddenAlias) {
  for (const char* word : {"--unlisted", "--held"}) {
    EXPECT_TRUE(Good({word}).unlisted);
    EXPECT_TRUE(Good({word}).query.owners) << "it implies -p";
    for (const char* other : {"--csv", "--columns=state", "--sort=state", "--count-by=state"}) {
      EXPECT_THAT(Refusal({word, other}), HasSubstr("--unlisted")) << other;
    }
  }
  EXPECT_FALSE(Good({"-p"}).unlisted);
}

TEST(Options, ExactHoldsForEveryForm) {
  using netdiag::Completeness;
  EXPECT_EQ(Good({"-t"}).query.completeness, Completeness::kFast);
  for (const char* form : {"-n", "--json", "--columns=state", "--count-by=state"}) {
    EXPECT_EQ(Good({"--exact", form}).query.completeness, Completeness::kExact) << form;
  }
}

TEST(Options, BoundInactiveAddsToWhatElseSelectsStates) {
  EXPECT_EQ(Good({"-tB"}).query.states, StateSet(State::kBoundInactive));
  for (const char* words : {"-aB", "-Ba"}) {
    EXPECT_EQ(Good({words}).query.states, StateSet::SsAll() | State::kBoundInactive);
  }
  EXPECT_EQ(Good({"-Bl"}).query.states,
            StateSet(State::kListen) | State::kClose | State::kBoundInactive);
  EXPECT_EQ(Good({"-B", "state", "established"}).query.states,
            StateSet(State::kEstablished) | State::kBoundInactive);
}

TEST(Options, UnlistedIsAStateThatCanBeSelected) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"state", "unlisted"}, {"state UNLISTED"}, {"UNLISTED"}}) {
    const ListOptions options = Good(words);
    EXPECT_TRUE(options.unlisted) << words[0];
    EXPECT_TRUE(options.query.owners) << words[0];
    EXPECT_TRUE(options.query.states.empty()) << words[0];
  }
  const ListOptions both = Good({"-t", "state", "unlisted,established"});
  EXPECT_TRUE(both.unlisted && both.tables_chosen);
  EXPECT_EQ(both.query.states, StateSet(State::kEstablished));
  EXPECT_THAT(Refusal({"exclude", "unlisted"}), HasSubstr("\"unlisted\""));
}

TEST(Options, LastOfAllAndListeningHolds) {
  EXPECT_EQ(Good({"-a", "-l"}).query.states, StateSet(State::kListen) | State::kClose);
  EXPECT_EQ(Good({"-la"}).query.states, StateSet::SsAll());
  EXPECT_EQ(Good({"-lal"}).query.states, StateSet(State::kListen) | State::kClose);
}

TEST(Options, SelectTablesAsSsDoes) {
  const FamilySet inet = {Family::kInet, Family::kInet6};
  const FamilySet everything = {Family::kUnix,    Family::kInet,  Family::kInet6, Family::kPacket,
                                Family::kNetlink, Family::kVsock, Family::kXdp};
  const std::vector<Protocol> of_inet = {Protocol::kRaw,  Protocol::kUdp,  Protocol::kTcp,
                                         Protocol::kDccp, Protocol::kSctp, Protocol::kMptcp};
  const auto and_unix = [&] {
    std::vector<Protocol> protocols = of_inet;
    protocols.insert(protocols.begin(), Protocol::kUnix);
    return protocols;
  }();
  const auto of_ss = [&] {
    std::vector<Protocol> protocols = and_unix;
    protocols.insert(protocols.begin(), {Protocol::kNetlink, Protocol::kPacket});
    protocols.insert(protocols.end() - 1, {Protocol::kVsock, Protocol::kXdp});
    return protocols;
  }();
  const StateSet of_tipc = StateSet(State::kEstablished) | State::kListen | State::kClose;
  const StateSet close = State::kClose;
  const struct {
    std::vector<std::string> words;
    std::vector<Protocol> protocols;
    FamilySet families;
    StateSet states;
  } kCases[] = {
      {{}, of_ss, everything, StateSet::Connected()},
      {{"-w"}, {Protocol::kRaw}, inet, State::kEstablished},
      {{"-M"}, {Protocol::kMptcp}, inet, StateSet::Connected()},
      {{"-S"}, {Protocol::kSctp}, inet, StateSet::Connected()},
      {{"-d"}, {Protocol::kDccp}, inet, StateSet::Connected()},
      {{"--sctp", "--dccp", "-l"},
       {Protocol::kDccp, Protocol::kSctp},
       inet,
       StateSet(State::kListen) | State::kClose},
      {{"-A", "sctp,dccp,tcp"},
       {Protocol::kTcp, Protocol::kDccp, Protocol::kSctp},
       inet,
       StateSet::Connected()},
      {{"-0"}, {Protocol::kPacket}, Family::kPacket, close},
      {{"-f", "link"}, {Protocol::kPacket}, Family::kPacket, close},
      {{"-f", "netlink"}, {Protocol::kNetlink}, Family::kNetlink, close},
      {{"--vsock"}, {Protocol::kVsock}, Family::kVsock, StateSet::Connected()},
      {{"-f", "vsock"}, {Protocol::kVsock}, Family::kVsock, StateSet::Connected()},
      {{"-A", "v_str"}, {Protocol::kVsock}, Family::kVsock, StateSet::Connected()},
      {{"vsock"}, {Protocol::kVsock}, Family::kVsock, StateSet::Connected()},
      {{"--tipc"}, {Protocol::kTipc}, Family::kTipc, of_tipc},
      {{"-f", "tipc"}, {Protocol::kTipc}, Family::kTipc, of_tipc},
      {{"-A", "tipc"}, {Protocol::kTipc}, Family::kTipc, StateSet::Connected()},
      {{"tipc"}, {Protocol::kTipc}, Family::kTipc, of_tipc},
      {{"--xdp"}, {Protocol::kXdp}, Family::kXdp, close},
      {{"-f", "xdp"}, {Protocol::kXdp}, Family::kXdp, close},
      // ss lists nothing.
      {{"-A", "xdp"}, {Protocol::kXdp}, Family::kXdp, StateSet::Connected() | close},
      {{"--smc"}, {Protocol::kSmc}, Family::kSmc, StateSet::Connected()},
      {{"-f", "smc"}, {Protocol::kSmc}, Family::kSmc, StateSet::Connected()},
      {{"-A", "smc"}, {Protocol::kSmc}, Family::kSmc, StateSet::Connected()},
      {{"-M", "--smc", "--xdp", "--tipc", "--vsock"},
       {Protocol::kVsock, Protocol::kTipc, Protocol::kXdp, Protocol::kMptcp, Protocol::kSmc},
       {Family::kVsock, Family::kTipc, Family::kXdp, Family::kInet, Family::kInet6, Family::kSmc},
       StateSet::Connected() | of_tipc},
      {{"-f", "inet6"}, of_inet, Family::kInet6, StateSet::Connected()},
      {{"-t0"},
       {Protocol::kPacket, Protocol::kTcp},
       {Family::kPacket, Family::kInet, Family::kInet6},
       StateSet::Connected() | State::kClose},
      {{"-A", "udp"}, {Protocol::kUdp}, inet, StateSet::Connected()},
      {{"-u", "-A", "tcp"}, {Protocol::kTcp}, inet, StateSet::Connected()},
      {{"-A", "tcp", "-u"}, {Protocol::kUdp, Protocol::kTcp}, inet, StateSet::Connected()},
      {{"-A", "inet,!raw"},
       {Protocol::kUdp, Protocol::kTcp, Protocol::kDccp, Protocol::kSctp, Protocol::kMptcp},
       inet,
       StateSet::Connected()},
      {{"-A", "udplite", "-A", "icmp"},
       {Protocol::kIcmp, Protocol::kUdpLite},
       inet,
       StateSet::Connected()},
      {{"-A", "udp,!udp"}, {}, {}, StateSet::Connected()},
      // ss lists nothing for these tables.
      {{"-A", "packet,netlink"},
       {Protocol::kNetlink, Protocol::kPacket},
       {Family::kNetlink, Family::kPacket},
       StateSet::Connected() | State::kClose},
      {{"-4", "-A", "netlink"},
       {Protocol::kNetlink, Protocol::kRaw, Protocol::kUdp, Protocol::kTcp, Protocol::kDccp,
        Protocol::kSctp, Protocol::kMptcp},
       {Family::kInet, Family::kNetlink},
       StateSet::Connected()},
      {{"-t"}, {Protocol::kTcp}, inet, StateSet::Connected()},
      {{"-u"}, {Protocol::kUdp}, inet, State::kEstablished},
      {{"-tu"}, {Protocol::kUdp, Protocol::kTcp}, inet, StateSet::Connected()},
      {{"-x"}, {Protocol::kUnix}, everything, StateSet::Connected()},
      {{"-ux"}, {Protocol::kUnix, Protocol::kUdp}, everything, StateSet::Connected()},
      {{"-4"}, of_inet, Family::kInet, StateSet::Connected()},
      {{"-6"}, of_inet, Family::kInet6, StateSet::Connected()},
      {{"-46"}, of_inet, inet, StateSet::Connected()},
      {{"-t6"}, {Protocol::kTcp}, Family::kInet6, StateSet::Connected()},
      {{"-u4"}, {Protocol::kUdp}, Family::kInet, StateSet::Connected()},
      {{"-x4"}, and_unix, {Family::kUnix, Family::kInet}, StateSet::Connected()},
  };
  for (const auto& row : kCases) {
    SCOPED_TRACE(::testing::PrintToString(row.words));
    const ListOptions options = Good(row.words);
    EXPECT_EQ(options.query.protocols, row.protocols);
    EXPECT_EQ(options.query.states, row.states);
    for (const Protocol protocol : row.protocols) {
      for (const netdiag::FamilyNames& family : netdiag::AllFamilies()) {
        if (!netdiag::Describe(protocol).families.contains(family.family)) continue;
        EXPECT_EQ(options.query.families.contains(family.family),
                  row.families.contains(family.family));
      }
    }
  }
}

// A question for everything must not make the kernel load modules.
TEST(Options, OnlyNamedTablesLoadModules) {
  for (const char* named : {"-S", "-d", "sctp"}) {
    EXPECT_TRUE(Good({named}).query.load_modules) << named;
  }
  EXPECT_TRUE(Good({"-A", "dccp"}).query.load_modules);
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{}, {"-a"}, {"-4"}, {"-A", "all"}, {"-A", "inet,tcp"}, {"-x4"}}) {
    EXPECT_FALSE(Good(words).query.load_modules) << ::testing::PrintToString(words);
  }
}

TEST(Options, SelectTypesOfUnixAndPacketSockets) {
  using netdiag::Set;
  using netdiag::SocketType;
  const netdiag::Query query = Good({"-A", "u_str,unix_seqpacket,p_dgr"}).query;
  EXPECT_EQ(query.unix_types, Set({SocketType::kStream, SocketType::kSequentialPacket}));
  EXPECT_EQ(query.packet_types, Set(SocketType::kDatagram));
  EXPECT_EQ(Good({"-A", "unix,!u_dgr"}).query.unix_types, query.unix_types);
  // All types together are no selection.
  EXPECT_TRUE(Good({"-A", "u_str,u_dgr,u_seq,packet"}).query.unix_types.empty());
  EXPECT_TRUE(Good({"-A", "packet"}).query.packet_types.empty());
  EXPECT_TRUE(Good({}).query.unix_types.empty());
}

TEST(Options, SelectTypesOfVsockSockets) {
  using netdiag::Set;
  using netdiag::SocketType;
  const auto types = [](const char* list) { return Good({"-A", list}).query.vsock_types; };
  for (const char* word : {"vsock_stream", "v_str"}) {
    EXPECT_EQ(types(word), Set(SocketType::kStream));
  }
  for (const char* word : {"vsock_dgram", "v_dgr"}) {
    EXPECT_EQ(types(word), Set(SocketType::kDatagram));
  }
  for (const char* word : {"vsock_seqpacket", "v_seq"}) {
    EXPECT_EQ(types(word), Set(SocketType::kSequentialPacket));
  }
  EXPECT_EQ(types("vsock,!v_dgr"), Set({SocketType::kStream, SocketType::kSequentialPacket}));
  EXPECT_TRUE(types("vsock").empty());
  EXPECT_TRUE(types("v_str,v_dgr,v_seq").empty());
}

// As in ss, `all` has no TIPC: to ask for it loads the module that makes such sockets.
TEST(Options, AllTablesAreAllButTipc) {
  std::vector<Protocol> protocols = Good({"-A", "all"}).query.protocols;
  const auto has = [&](Protocol protocol) {
    return std::ranges::find(protocols, protocol) != protocols.end();
  };
  EXPECT_EQ(protocols.size(), netdiag::AllProtocols().size() - 1);
  EXPECT_FALSE(has(Protocol::kTipc));
  EXPECT_THAT(Good({"-A", "all"}).named, ::testing::IsEmpty());
  EXPECT_THAT(Good({"-A", "all,tipc"}).named, ::testing::ElementsAre(Protocol::kTipc));
  protocols = Good({"-A", "all,tipc"}).query.protocols;
  EXPECT_TRUE(has(Protocol::kTipc));
  protocols = Good({}).query.protocols;
  EXPECT_TRUE(has(Protocol::kVsock) && has(Protocol::kXdp));
  EXPECT_FALSE(has(Protocol::kTipc) || has(Protocol::kSmc));
  EXPECT_THAT(Good({}).named, ::testing::IsEmpty());
  for (const char* option : {"--vsock", "--tipc", "--xdp", "--smc"}) {
    EXPECT_THAT(Good({option}).named, ::testing::SizeIs(1)) << option;
  }
}

TEST(Options, RefuseTablesAndFamiliesThatDiagDoesNotHave) {
  EXPECT_THAT(Refusal({"-A", "tcp,bogus"}), HasSubstr("bogus"));
  EXPECT_THAT(Refusal({"-A", ""}), HasSubstr("--query"));
  EXPECT_THAT(Refusal({"-f", "kcm"}), HasSubstr("vsock"));
  EXPECT_THAT(Refusal({"-tA"}), HasSubstr("argument must follow"));
}

TEST(Options, StateWordsAddUpAndTakeAway) {
  const auto states = [](const std::vector<std::string>& words) {
    return Good(words).query.states;
  };
  EXPECT_EQ(states({"state", "established"}), StateSet(State::kEstablished));
  EXPECT_EQ(states({"state", "ESTABLISHED", "state", "Listening"}),
            StateSet(State::kEstablished) | State::kListen);
  // The first `state` forgets -a; the first `exclude` starts from all, whatever -l says.
  EXPECT_EQ(states({"-a", "state", "closed"}), StateSet(State::kClose));
  EXPECT_EQ(states({"-l", "exclude", "listening"}), StateSet::SsAll() - State::kListen);
  EXPECT_EQ(states({"excl", "listening", "exclude", "time-wait"}),
            StateSet::SsAll() - State::kListen - State::kTimeWait);
  EXPECT_EQ(states({"state", "connected", "exclude", "time-wait"}),
            StateSet::SsAll() - State::kListen - State::kClose - State::kTimeWait);
  // Only their own name selects idle sockets.
  EXPECT_EQ(states({"state", "all"}), StateSet::SsAll());
  EXPECT_EQ(states({"state", "bound-inactive"}), StateSet(State::kBoundInactive));
}

TEST(Options, AskTheKernelOnlyForWhatIsShown) {
  EXPECT_EQ(Good({"-tan"}).query.extensions, ExtensionSet());
  EXPECT_FALSE(Good({"-tane"}).query.owners);
  EXPECT_TRUE(Good({"-p"}).query.owners);
  EXPECT_EQ(Good({"-m"}).query.extensions,
            ExtensionSet({Extension::kMemory, Extension::kSocketMemory}));
  EXPECT_EQ(Good({"-i"}).query.extensions,
            ExtensionSet({Extension::kInfo, Extension::kCongestion, Extension::kCongestionDetail}));
  EXPECT_EQ(Good({"-e"}).query.extensions, ExtensionSet(Extension::kUnixFile));
  EXPECT_EQ(Good({"--tos"}).query.extensions,
            ExtensionSet({Extension::kTos, Extension::kTrafficClass}));
  EXPECT_EQ(Good({"-b"}).query.extensions, ExtensionSet(Extension::kPacketFilter));
}

TEST(Options, ColumnsAskOnlyForWhatTheyRead) {
  EXPECT_EQ(Good({"-tip", "--columns=state,lport"}).query.extensions, ExtensionSet());
  EXPECT_FALSE(Good({"-tip", "--columns=state,lport"}).query.owners);
  EXPECT_EQ(Good({"--columns", "rtt"}).query.extensions, ExtensionSet(Extension::kInfo));
  EXPECT_TRUE(Good({"--columns", "state,comm"}).query.owners);
  EXPECT_EQ(Good({"--columns", "state", "--sort=-drops"}).query.extensions,
            ExtensionSet(Extension::kSocketMemory));
  EXPECT_EQ(Good({"--json", "-p", "--count-by", "cong"}).query.extensions,
            ExtensionSet(Extension::kCongestion));
  EXPECT_FALSE(Good({"--json", "-p", "--count-by", "cong"}).query.owners);
  EXPECT_TRUE(Good({"--count-by", "command"}).query.owners);
  EXPECT_TRUE(Good({"-t", "--sort", "pid"}).query.owners);
}

TEST(Options, ChooseTheFormOfOutput) {
  EXPECT_EQ(Good({}).style.form, Form::kText);
  EXPECT_EQ(Good({"--json"}).style.form, Form::kJson);
  EXPECT_EQ(Good({"--jsonl"}).style.form, Form::kJsonLines);
  EXPECT_EQ(Good({"--csv"}).style.form, Form::kCsv);
  EXPECT_EQ(Good({"--color=never"}).style.color, Color::kNever);
  EXPECT_EQ(Good({"--color", "always"}).style.color, Color::kAlways);
}

TEST(Options, SummaryAloneCountsEverySocket) {
  EXPECT_EQ(Good({"-s"}).summary, SummaryMode::kOnly);
  EXPECT_EQ(Good({"-snp"}).summary, SummaryMode::kOnly);
  for (const char* also : {"-t", "-x", "-a", "-l", "-4", "-B"}) {
    EXPECT_EQ(Good({"-s", also}).summary, SummaryMode::kBeforeList) << also;
  }
  EXPECT_EQ(Good({"-s", "state", "all"}).summary, SummaryMode::kBeforeList);
  // In the forms for programs -s is a --count-by.
  const ListOptions json = Good({"-s", "--json"});
  ASSERT_EQ(json.selection.count_by.size(), 3u);
  EXPECT_EQ(json.query.states, StateSet::SsAll());
  EXPECT_EQ(Good({"-st", "--json"}).query.states, StateSet::Connected());
}

TEST(Options, ErrorsNameTheArgument) {
  const struct {
    std::vector<std::string> words;
    const char* named;
  } kCases[] = {
      {{"-J"}, "-J"},
      {{"-tJu"}, "-J"},
      {{"-tuJ"}, "-J"},
      {{"state", "all", "-J"}, "-J"},
      {{"--json", "-Jt"}, "-J"},
      {{"--bogus"}, "--bogus"},
      {{"state", "all", "--bogus"}, "--bogus"},
      {{"--json=1"}, "--json=1"},
      {{"state", "all", "--tcp=5", "-n"}, "--tcp=5"},
      {{"--n"}, "--n"},  // of two options
      {{"-"}, "-"},
      {{"dprot", "=", "22"}, "dprot"},
      {{"state"}, "state"},
      {{"state", "listening", "exclude"}, "exclude"},
      {{"state", "sleeping"}, "sleeping"},
      {{"exclude", ""}, "exclude"},
      {{"State", "all"}, "\"State\": write `state`"},
      {{"--json", "--csv"}, "--csv"},
      {{"--color=red"}, "red"},
      {{"--columns=state,rttz"}, "did you mean rtt"},
      {{"--columns=state,"}, "must follow the comma"},
      {{"--columns=state,state"}, "twice"},
      {{"--sort=-bogus"}, "bogus"},
      {{"--limit=0"}, "\"0\""},
      {{"--limit=1x"}, "1x"},
      {{"--limit=-1"}, "-1"},
      {{"--count-by=state", "--columns=state"}, "--columns"},
      {{"--count-by=state", "--sort=rtt"}, "rtt"},
      {{"--sum=rtt"}, "--sum"},
      {{"-s", "--json", "--count-by=state"}, "--summary"},
      {{"--capabilities", "--json"}, "--capabilities"},
      {{"--csv", "--capabilities"}, "--capabilities"},
      {{"state", "LISTEN,sleeping"}, "sleeping"},
      {{"state", "LISTEN,"}, "\"\""},
      {{"-n", "interfaces"}, "must be the first argument"},
      {{"record"}, "comm = record"},
      {{"help", "me"}, "no other words"},
      {{"nginx", "u_str"}, "must precede the filter"},
      {{"nginx", "exclude", "listening"}, "state != NAME"},
      {{"70000"}, "pid = 70000"},
      {{":no-such-service"}, ":no-such-service"},
      // An expression of the language has no other words.
      {{"sport = :22 nginx"}, "no field has this name"},
      {{"sport", "=", ":22", "LISTEN"}, "no field has this name"},
      {{"not nginx"}, "no field has this name"},
      {{"(retrnas)"}, "did you mean `retrans`"},
      {{"retrnas > 0"}, "did you mean `retrans`"},
      {{":22", "and"}, "the expression ends"},
      {{"'nginx"}, "quotation mark"},
  };
  for (const auto& row : kCases) {
    EXPECT_THAT(Refusal(row.words), HasSubstr(row.named)) << ::testing::PrintToString(row.words);
  }
  EXPECT_THAT(Refusal({"--json", "-Jt"}), Not(HasSubstr("json")));
}

// ---- Filters ----

TEST(Options, WordsAfterTheStatesAreAFilter) {
  const ListOptions options =
      Good({"-t", "state", "established", "sport", "=", ":22", "-n", "or", "dport = :22"});
  EXPECT_EQ(options.query.states, StateSet(State::kEstablished));
  ASSERT_NE(options.query.filter, nullptr);
  EXPECT_EQ(options.query.filter->ToString(), "sport = :22 or dport = :22");
  EXPECT_EQ(Good({"-t"}).query.filter, nullptr);
  // A predicate on the state does not choose states.
  const ListOptions predicate = Good({"-a", "state", "=", "listening"});
  EXPECT_EQ(predicate.query.states, StateSet::SsAll());
  EXPECT_EQ(predicate.query.filter->ToString(), "state = listening");
}

std::string Expression(const std::vector<std::string>& words) {
  const ListOptions options = Good(words);
  return options.query.filter == nullptr ? "" : options.query.filter->ToString();
}

TEST(Words, QuotingAndSplittingDoNotMatter) {
  for (const char* text :
       {"dst 10.77.0.2", "dst 10/8", "sport gt 1024", "sport eq 22", "sport :22 or dport :22",
        "dev lo", "not dst 127/8", "state established dst 10/8", "src 1.2.3.4:22",
        "sport gt 5000 sport lt 5005", "exclude listening not ( dst 10/8 or sport 22 )",
        "tcp state ESTAB,LISTEN sport = 22", "nginx state listening", ":443 or :80",
        "LISTEN :443 and 10/8", "src \"/a b\" or src '@c d'"}) {
    const ListOptions whole = Good({text});
    ASSERT_NE(whole.query.filter, nullptr) << text;
    const std::string blank(text);
    for (size_t at = blank.find(' '); at != blank.npos; at = blank.find(' ', at + 1)) {
      const ListOptions split = Good({blank.substr(0, at), blank.substr(at + 1)});
      ASSERT_NE(split.query.filter, nullptr) << text << " split at " << at;
      EXPECT_EQ(*split.query.filter, *whole.query.filter) << text << " split at " << at;
      EXPECT_EQ(split.query.states, whole.query.states) << text;
      EXPECT_EQ(split.query.protocols, whole.query.protocols) << text;
      EXPECT_EQ(split.query.owners, whole.query.owners) << text;
    }
  }
}

TEST(Words, WordsOfTheLanguageBeginAnExpression) {
  EXPECT_EQ(Expression({"dst 10/8"}), "dst = 10.0.0.0/8");
  EXPECT_EQ(Expression({"sport gt 1024"}), Expression({"sport", ">", ":1024"}));
  EXPECT_EQ(Expression({"dev lo"}), "interface = 1");
  for (const char* text : {"dst", "sport", "dst 10/8 and", "sport gt", "dev no-such-device"}) {
    EXPECT_THAT(Refusal({text}), HasSubstr("filter, column")) << text;
  }
}

TEST(Words, AShorthandForSocketsImpliesEveryStateAndOwners) {
  for (const char* word : {":8443", "6396", "10.77.0.2", "10.0.0.0/24", "1.2.3.4:443", "[::1]:22",
                           "/run/x.sock", "@x", "nginx", ":443 or :80", "not :443", "(:443)"}) {
    const ListOptions options = Good({word});
    EXPECT_EQ(options.query.states, StateSet::SsAll()) << word;
    EXPECT_TRUE(options.shows(Detail::kOwners)) << word;
    EXPECT_TRUE(options.query.owners) << word;
    EXPECT_EQ(Good({"-l", word}).query.states, StateSet(State::kListen) | State::kClose) << word;
    EXPECT_EQ(Good({"state", "ESTAB", word}).query.states, StateSet(State::kEstablished)) << word;
  }
  const auto same = [](const std::vector<std::string>& words, const char* expression) {
    EXPECT_EQ(Expression(words), netdiag::Filter::Parse(expression)->ToString());
  };
  same({":443 or :80"}, "sport = :443 or dport = :443 or sport = :80 or dport = :80");
  same({"3000", "rtt", ">", "100ms"}, "(sport = :3000 or dport = :3000) and rtt > 100ms");
  same({":22", "and", "dst", "10/8"}, "(sport = :22 or dport = :22) and dst 10/8");
  same({"nginx", "state", "listening"}, "comm = nginx* and state = listening");
  same({"not", ":443"}, "not (sport = :443 or dport = :443)");
  EXPECT_EQ(Good({":443 nginx"}).process, "nginx");
}

TEST(Words, ASearchForAProcessIsKnown) {
  EXPECT_EQ(Good({"nginx"}).process, "nginx");
  EXPECT_TRUE(Good({"nginx"}).only_process);
  for (const std::vector<std::string>& words : {std::vector<std::string>{"-t", "nginx"},
                                                {"-a", "nginx"},
                                                {"nginx", ":443"},
                                                {"state", "ESTAB", "nginx"},
                                                {"udp nginx"}}) {
    EXPECT_EQ(Good(words).process, "nginx");
    EXPECT_FALSE(Good(words).only_process) << ::testing::PrintToString(words);
  }
  EXPECT_EQ(Good({"comm = nginx"}).process, "") << "its rows can be none without a mistake";
  EXPECT_EQ(Good({":443"}).process, "");
}

TEST(Words, StatesAndTablesPrecedeTheFilter) {
  EXPECT_EQ(Good({"LISTEN"}).query.states, StateSet(State::kListen));
  EXPECT_EQ(Good({"close-wait"}).query.states, StateSet(State::kCloseWait));
  EXPECT_EQ(Good({"established"}).query.states, StateSet(State::kEstablished));
  EXPECT_EQ(Good({"state", "ESTAB"}).query.states, StateSet(State::kEstablished));
  EXPECT_EQ(Good({"state LISTEN,close-wait"}).query.states,
            StateSet(State::kListen) | State::kCloseWait);
  EXPECT_EQ(Good({"-l", "established", "LISTEN"}).query.states,
            StateSet(State::kEstablished) | State::kListen);
  const struct {
    const char* word;
    std::vector<std::string> options;
  } kTables[] = {{"tcp", {"-t"}},
                 {"TCP", {"-t"}},
                 {"udp", {"-u"}},
                 {"unix", {"-x"}},
                 {"raw", {"-w"}},
                 {"mptcp", {"-M"}},
                 {"packet", {"-0"}},
                 {"link", {"-0"}},
                 {"tcp udp", {"-tu"}},
                 {"inet6", {"-6"}},
                 {"netlink", {"-f", "netlink"}},
                 {"tcp inet6", {"-t6"}}};
  for (const auto& row : kTables) {
    const ListOptions by_word = Good({row.word});
    const ListOptions by_option = Good(row.options);
    EXPECT_EQ(by_word.query.protocols, by_option.query.protocols) << row.word;
    EXPECT_EQ(by_word.query.states, by_option.query.states) << row.word;
    EXPECT_EQ(by_word.named, by_option.named) << row.word;
  }
  // With an operator, they are predicates.
  EXPECT_EQ(Expression({"tcp or udp"}), Expression({"protocol = tcp or protocol = udp"}));
  EXPECT_EQ(Expression({"established or :22"}),
            Expression({"state = established or sport = :22 or dport = :22"}));
  EXPECT_EQ(Good({"help"}).action, Action::kHelp);
}

TEST(Words, AFilterWidensTheDefaultStates) {
  const StateSet in_use = StateSet::Connected();
  EXPECT_EQ(Good({"-tn", "state = listening and sport < 1024"}).query.states,
            in_use | State::kListen);
  EXPECT_EQ(Good({"-tn", "(sport = 1 or state = closed,time-wait)"}).query.states,
            in_use | State::kClose | State::kTimeWait);
  EXPECT_EQ(Good({"-tn", "not state = established"}).query.states, StateSet::SsAll());
  EXPECT_EQ(Good({"-tn", "state != listening"}).query.states, StateSet::SsAll() - State::kListen);
  EXPECT_EQ(Good({"-tn", "state = established"}).query.states, in_use);
  EXPECT_EQ(Good({"-tn", "sport = 22"}).query.states, in_use);
  for (const char* by_owner : {"pid = 6396", "not comm = x", "fd > 2 and dst 10/8"}) {
    EXPECT_EQ(Good({"-p", by_owner}).query.states, StateSet::SsAll()) << by_owner;
    EXPECT_FALSE(Good({by_owner}).shows(Detail::kOwners)) << by_owner;
  }
  // States that are chosen stay as they are.
  EXPECT_EQ(Good({"-l", "state = established"}).query.states,
            StateSet(State::kListen) | State::kClose);
  EXPECT_EQ(Good({"state", "ESTAB", "pid = 1"}).query.states, StateSet(State::kEstablished));
}

TEST(Options, FilterFileNarrowsTheExpression) {
  const std::string path = ::testing::TempDir() + "/filter";
  std::ofstream(path) << "# both kinds\nuid = 0 or\n  uid = 1000   # end";
  EXPECT_EQ(Good({"-F", path}).query.filter->ToString(), "uid = 0 or uid = 1000");
  EXPECT_EQ(Good({"--filter=" + path, "sport = 1 or sport = 2"}).query.filter->ToString(),
            "(sport = :1 or sport = :2) and (uid = 0 or uid = 1000)");
  EXPECT_THAT(Refusal({"-F", path + ".none"}), HasSubstr("filter file"));
  std::ofstream(path) << std::string(70000, ' ');
  EXPECT_THAT(Refusal({"-F", path}), HasSubstr("longer than 65536 bytes"));
}

TEST(Options, BadFilterIsShownWithACaret) {
  EXPECT_THAT(Refusal({"sport", "=", "x!"}), HasSubstr("filter, column 9"));
  std::vector<std::string> words = {"diag", "rtt", ">", "5"};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::string pointer;
  EXPECT_THAT(ParseListOptions(static_cast<int>(words.size()), argv.data(), &pointer), Not(IsOk()));
  EXPECT_EQ(pointer, "rtt > 5\n      ^\n");
}

TEST(Options, ReadNoMoreOfEachSocketThanIsShownOrSortedBy) {
  using netdiag::Depth;
  const auto depth = [](const std::vector<std::string>& words) { return Good(words).query.depth; };
  EXPECT_EQ(depth({"-tan", "--count-by", "state"}), Depth::kEnds);
  EXPECT_EQ(depth({"-tan"}), Depth::kBasic);
  EXPECT_EQ(depth({"-tanpo"}), Depth::kBasic);
  EXPECT_EQ(depth({"-tan", "--csv"}), Depth::kBasic);
  EXPECT_EQ(depth({"-tan", "--sort=mark"}), Depth::kAll);
  EXPECT_EQ(depth({"-tan", "--columns=state", "--sort=mark"}), Depth::kAll);
  EXPECT_EQ(depth({"-tane"}), Depth::kAll);
  EXPECT_EQ(depth({"-tan", "--columns=state,mark"}), Depth::kAll);
}

TEST(FilterNames, AreThoseOfThisHost) {
  const auto text = [](const std::string& expression) {
    return Good({expression}).query.filter->ToString();
  };
  EXPECT_EQ(text("sport = ssh"), "sport = :22");
  EXPECT_EQ(text("uid = root"), "uid = 0");
  EXPECT_EQ(text("dev = lo"), "interface = 1");
  EXPECT_THAT(text("src = localhost"), HasSubstr("127.0.0.1"));
  EXPECT_THAT(text("netns = /proc/self/ns/net"), HasSubstr("netns = 4"));
  for (const char* unknown : {"uid = no-such-user", "cgroup = /no/such", "netns = none"}) {
    EXPECT_THAT(Refusal({unknown}), HasSubstr(": no ")) << unknown;
  }
  EXPECT_THAT(Refusal({"sport = no-such-service"}), HasSubstr("nor a known service"));
  EXPECT_THAT(Refusal({"dev = none0"}), HasSubstr("\"none0\": no network namespace"));
}

}  // namespace
}  // namespace diag
