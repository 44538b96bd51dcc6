#include "tools/diag/options.h"

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

Options Good(const std::vector<std::string>& words) {
  const absl::StatusOr<Options> options = Parse(words);
  EXPECT_THAT(options, IsOk());
  return options.ok() ? *options : Options();
}

std::string Refusal(const std::vector<std::string>& words) {
  const absl::StatusOr<Options> options = Parse(words);
  EXPECT_THAT(options, Not(IsOk()));
  return std::string(options.status().message());
}

struct OptionCase {
  char letter;  // '\0': none
  const char* word;
  bool Options::*flag;
};

TEST(Options, OwnersAreAllOrTheFirst) {
  using netdiag::OwnerPolicy;
  EXPECT_EQ(Good({"-p"}).query.owner_policy, OwnerPolicy::kAll);
  EXPECT_EQ(Good({"--owners", "all"}).query.owner_policy, OwnerPolicy::kAll);
  EXPECT_EQ(Good({"-tln", "--owners=first"}).query.owner_policy, OwnerPolicy::kFirst);
  EXPECT_TRUE(Good({"--owners", "first"}).query.owners) << "it implies -p";
  EXPECT_THAT(Refusal({"--owners", "some"}), HasSubstr("some"));
  EXPECT_THAT(Refusal({"--owners"}), HasSubstr("an argument must follow"));
}

TEST(Options, NameOneNamespaceOrAll) {
  EXPECT_EQ(Good({}).netns, "");
  EXPECT_EQ(Good({"-N", "blue"}).netns, "blue");
  EXPECT_EQ(Good({"-tnNblue"}).netns, "blue");
  EXPECT_EQ(Good({"--net=blue", "-t"}).netns, "blue");
  EXPECT_EQ(Good({"--net", "/run/x"}).netns, "/run/x");
  EXPECT_FALSE(Good({"-N", "blue"}).all_netns);
  EXPECT_FALSE(Good({"-a"}).all_netns);
  EXPECT_TRUE(Good({"--all-netns"}).all_netns);
  EXPECT_FALSE(Good({"--all-netns"}).all);
  EXPECT_THAT(Refusal({"--all-netns", "-N", "blue"}), HasSubstr("--all-netns"));
  EXPECT_THAT(Refusal({"-N", "blue", "--all-netns"}), HasSubstr("--all-netns"));
  EXPECT_THAT(Refusal({"-N"}), HasSubstr("an argument must follow"));
}

// `-N "$UNSET"` must not list another namespace than was meant.
TEST(Options, AnEmptyArgumentIsNone) {
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

TEST(Options, HaveTheOtherSpellingsOfSs) {
  EXPECT_TRUE(Good({"-v"}).version);
  EXPECT_EQ(Good({"--socket=udp"}).query.protocols, Good({"-A", "udp"}).query.protocols);
  EXPECT_EQ(Good({"--query=udp"}).query.protocols, Good({"-A", "udp"}).query.protocols);
}

TEST(Options, HaveALetterAndAWordEach) {
  const OptionCase kCases[] = {
      {'t', "tcp", &Options::tcp},
      {'u', "udp", &Options::udp},
      {'w', "raw", &Options::raw},
      {'M', "mptcp", &Options::mptcp},
      {'x', "unix", &Options::unix_sockets},
      {'0', "packet", &Options::packet},
      {'4', "ipv4", &Options::ipv4},
      {'6', "ipv6", &Options::ipv6},
      {'a', "all", &Options::all},
      {'l', "listening", &Options::listening},
      {'n', "numeric", &Options::numeric},
      {'p', "processes", &Options::processes},
      {'T', "threads", &Options::threads},
      {'\0', "peers", &Options::peers},
      {'e', "extended", &Options::extended},
      {'o', "options", &Options::timers},
      {'m', "memory", &Options::memory},
      {'i', "info", &Options::info},
      {'\0', "tos", &Options::tos},
      {'\0', "cgroup", &Options::cgroup},
      {'\0', "inet-sockopt", &Options::socket_options},
      {'b', "bpf", &Options::bpf},
      {'H', "no-header", &Options::no_header},
      {'O', "oneline", &Options::oneline},
      {'Q', "no-queues", &Options::no_queues},
      {'B', "bound-inactive", &Options::bound_inactive},
      {'r', "resolve", &Options::resolve},
      {'Z', "context", &Options::process_contexts},
      {'z', "contexts", &Options::socket_contexts},
      {'s', "summary", &Options::summary},
      {'\0', "json", &Options::json},
      {'\0', "jsonl", &Options::json_lines},
      {'\0', "csv", &Options::csv},
      {'\0', "capabilities", &Options::capabilities},
      {'V', "version", &Options::version},
      {'h', "help", &Options::help},
  };
  for (const OptionCase& row : kCases) {
    SCOPED_TRACE(row.word);
    EXPECT_FALSE(Options().*row.flag);
    EXPECT_TRUE(Good({std::string("--") + row.word}).*row.flag);
    if (row.letter != '\0') {
      EXPECT_TRUE(Good({std::string{'-', row.letter}}).*row.flag);
    }
    for (const OptionCase& other : kCases) {
      // -e and -b imply -o, and -T implies -p, as in ss; contexts are those of the owners.
      const std::string pair = {row.letter, other.letter};
      if (&other == &row || pair == "eo" || pair == "bo" || pair == "Tp") continue;
      if (pair == "Zp" || pair == "zp" || pair == "zZ") continue;
      EXPECT_FALSE(Good({std::string("--") + row.word}).*other.flag) << other.word;
    }
    EXPECT_THAT(HelpText(), HasSubstr(std::string("--") + row.word + " "));
  }
  EXPECT_TRUE(Good({"-e"}).timers);
}

TEST(Options, ComeInClustersAndInAnyOrderWithWords) {
  const Options options = Good({"-tu", "state", "listening", "-xanp", "--json"});
  EXPECT_TRUE(options.tcp && options.udp && options.unix_sockets);
  EXPECT_TRUE(options.all && options.numeric && options.processes && options.json);
  EXPECT_EQ(options.query.states, StateSet(State::kListen));
  // After "--" nothing is an option.
  EXPECT_THAT(Refusal({"--", "-t"}), HasSubstr("-t"));
}

TEST(Options, OfAllAndListeningTheLastHolds) {
  EXPECT_EQ(Good({"-a", "-l"}).query.states, StateSet(State::kListen) | State::kClose);
  EXPECT_EQ(Good({"-la"}).query.states, StateSet::SsAll());
  EXPECT_EQ(Good({"-lal"}).query.states, StateSet(State::kListen) | State::kClose);
}

TEST(Options, SelectTablesAsSsDoes) {
  const FamilySet inet = {Family::kInet, Family::kInet6};
  const FamilySet everything = {Family::kUnix, Family::kInet, Family::kInet6, Family::kPacket,
                                Family::kNetlink};
  const std::vector<Protocol> of_inet = {Protocol::kRaw, Protocol::kUdp, Protocol::kTcp,
                                         Protocol::kMptcp};
  const auto and_unix = [&] {
    std::vector<Protocol> protocols = of_inet;
    protocols.insert(protocols.begin(), Protocol::kUnix);
    return protocols;
  }();
  const auto of_ss = [&] {
    std::vector<Protocol> protocols = and_unix;
    protocols.insert(protocols.begin(), {Protocol::kNetlink, Protocol::kPacket});
    return protocols;
  }();
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
      {{"-0"}, {Protocol::kPacket}, Family::kPacket, close},
      {{"-f", "link"}, {Protocol::kPacket}, Family::kPacket, close},
      {{"-f", "netlink"}, {Protocol::kNetlink}, Family::kNetlink, close},
      {{"-f", "inet6"}, of_inet, Family::kInet6, StateSet::Connected()},
      {{"-t0"},
       {Protocol::kPacket, Protocol::kTcp},
       {Family::kPacket, Family::kInet, Family::kInet6},
       StateSet::Connected() | State::kClose},
      {{"-A", "udp"}, {Protocol::kUdp}, inet, StateSet::Connected()},
      {{"-u", "-A", "tcp"}, {Protocol::kTcp}, inet, StateSet::Connected()},
      {{"-A", "tcp", "-u"}, {Protocol::kUdp, Protocol::kTcp}, inet, StateSet::Connected()},
      {{"-A", "inet,!raw"},
       {Protocol::kUdp, Protocol::kTcp, Protocol::kMptcp},
       inet,
       StateSet::Connected()},
      {{"-A", "udplite", "-A", "icmp"},
       {Protocol::kIcmp, Protocol::kUdpLite},
       inet,
       StateSet::Connected()},
      {{"-A", "udp,!udp"}, {}, {}, StateSet::Connected()},
      // ss lists nothing here.
      {{"-A", "packet,netlink"},
       {Protocol::kNetlink, Protocol::kPacket},
       {Family::kNetlink, Family::kPacket},
       StateSet::Connected() | State::kClose},
      {{"-4", "-A", "netlink"},
       {Protocol::kNetlink, Protocol::kRaw, Protocol::kUdp, Protocol::kTcp, Protocol::kMptcp},
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
    const Options options = Good(row.words);
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

TEST(Options, SelectTypesOfUnixAndPacketSockets) {
  using netdiag::Set;
  using netdiag::SocketType;
  const netdiag::Query query = Good({"-A", "u_str,unix_seqpacket,p_dgr"}).query;
  EXPECT_EQ(query.unix_types, Set({SocketType::kStream, SocketType::kSequentialPacket}));
  EXPECT_EQ(query.packet_types, Set(SocketType::kDatagram));
  EXPECT_EQ(Good({"-A", "unix,!u_dgr"}).query.unix_types, query.unix_types);
  // All of them is no selection.
  EXPECT_TRUE(Good({"-A", "u_str,u_dgr,u_seq,packet"}).query.unix_types.empty());
  EXPECT_TRUE(Good({"-A", "packet"}).query.packet_types.empty());
  EXPECT_TRUE(Good({}).query.unix_types.empty());
}

TEST(Options, RefuseTablesAndFamiliesThatDiagDoesNotHave) {
  EXPECT_THAT(Refusal({"-A", "tcp,bogus"}), HasSubstr("bogus"));
  EXPECT_THAT(Refusal({"-A", ""}), HasSubstr("\"\""));
  EXPECT_THAT(Refusal({"-A", "tcp,sctp"}), HasSubstr("sctp"));
  EXPECT_TRUE(Parse({"-A", "all,!sctp,!dccp"}).ok());
  EXPECT_THAT(Refusal({"-f", "vsock"}), HasSubstr("vsock"));
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
  // Nobody means idle sockets who does not name them.
  EXPECT_EQ(states({"state", "all"}), StateSet::SsAll());
  EXPECT_EQ(states({"state", "bound-inactive"}), StateSet(State::kBoundInactive));
}

TEST(Options, AskTheKernelForWhatIsShownAndNoMore) {
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
  // JSON shows everything; owners cost more than all the rest.
  EXPECT_FALSE(Good({"--json"}).query.owners);
  EXPECT_TRUE(Good({"--json", "-p"}).query.owners);
  EXPECT_TRUE(Good({"--json"}).query.extensions.contains(Extension::kTos));
}

TEST(Options, OfColumnsAskForWhatTheyReadAndNoMore) {
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

TEST(Options, OfOutputSayWhichForm) {
  EXPECT_EQ(Good({}).form, Form::kText);
  EXPECT_EQ(Good({"--json"}).form, Form::kJson);
  EXPECT_EQ(Good({"--jsonl"}).form, Form::kJsonLines);
  EXPECT_EQ(Good({"--csv"}).form, Form::kCsv);
  EXPECT_EQ(Good({"--color=never"}).color, Color::kNever);
  EXPECT_EQ(Good({"--color", "always"}).color, Color::kAlways);
  EXPECT_EQ(Good({"-tB"}).query.states, StateSet(State::kBoundInactive));
  EXPECT_EQ(Good({"-Bl"}).query.states, StateSet(State::kListen) | State::kClose);
}

TEST(Options, OfSummaryAloneCountsEverySocket) {
  EXPECT_TRUE(Good({"-s"}).only_summary);
  EXPECT_TRUE(Good({"-snp"}).only_summary);
  for (const char* also : {"-t", "-x", "-a", "-l", "-4", "-B"}) {
    EXPECT_FALSE(Good({"-s", also}).only_summary) << also;
  }
  EXPECT_FALSE(Good({"-s", "state", "all"}).only_summary);
  // For programs it is a count like every other.
  const Options json = Good({"-s", "--json"});
  ASSERT_EQ(json.selection.count_by.size(), 3u);
  EXPECT_EQ(json.query.states, StateSet::SsAll());
  EXPECT_EQ(Good({"-st", "--json"}).query.states, StateSet::Connected());
}

TEST(Options, NameWhatTheyRefuse) {
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
      {{"exclude", ""}, "\"\""},
      {{"State", "all"}, "\"all\""},
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
      {{"--count-by=state", "--sort=state"}, "--sort"},
      {{"-s", "--json", "--count-by=state"}, "--summary"},
  };
  for (const auto& row : kCases) {
    EXPECT_THAT(Refusal(row.words), HasSubstr(row.named)) << ::testing::PrintToString(row.words);
  }
  EXPECT_THAT(Refusal({"--json", "-Jt"}), Not(HasSubstr("json")));
}

// ---- Filters ----

TEST(Options, WordsAfterTheStatesAreAFilter) {
  const Options options =
      Good({"-t", "state", "established", "sport", "=", ":22", "-n", "or", "dport = :22"});
  EXPECT_EQ(options.query.states, StateSet(State::kEstablished));
  ASSERT_NE(options.query.filter, nullptr);
  EXPECT_EQ(options.query.filter->ToString(), "sport = :22 or dport = :22");
  EXPECT_EQ(Good({"-t"}).query.filter, nullptr);
  // A predicate on the state is no choice of states.
  const Options predicate = Good({"-a", "state", "=", "listening"});
  EXPECT_EQ(predicate.query.states, StateSet::SsAll());
  EXPECT_EQ(predicate.query.filter->ToString(), "state = listening");
}

TEST(Options, AFilterFileIsMoreOfTheExpression) {
  const std::string path = ::testing::TempDir() + "/filter";
  std::ofstream(path) << "# both kinds\nuid = 0 or\n  uid = 1000   # end";
  EXPECT_EQ(Good({"-F", path}).query.filter->ToString(), "uid = 0 or uid = 1000");
  EXPECT_EQ(Good({"--filter=" + path, "sport = 1 or sport = 2"}).query.filter->ToString(),
            "(sport = :1 or sport = :2) and (uid = 0 or uid = 1000)");
  EXPECT_THAT(Refusal({"-F", path + ".none"}), HasSubstr("filter file"));
  std::ofstream(path) << std::string(70000, ' ');
  EXPECT_THAT(Refusal({"-F", path}), HasSubstr("too long"));
}

TEST(Options, ABadFilterIsNamedAndPointedAt) {
  EXPECT_THAT(Refusal({"sport", "=", "x!"}), HasSubstr("filter, column 9"));
  std::vector<std::string> words = {"diag", "rtt", ">", "5"};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  std::string pointer;
  EXPECT_THAT(ParseOptions(static_cast<int>(words.size()), argv.data(), &pointer), Not(IsOk()));
  EXPECT_EQ(pointer, "rtt > 5\n      ^\n");
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
  for (const char* unknown : {"sport = no-such-service", "uid = no-such-user", "dev = none0",
                              "cgroup = /no/such", "netns = none"}) {
    EXPECT_THAT(Refusal({unknown}), HasSubstr("known")) << unknown;
  }
}

}  // namespace
}  // namespace diag
