// The command line of diag netstat: netstat 2.10's options, what follows from them, and its errors.

#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tools/diag/netstat/options.h"

namespace diag::netstat {
namespace {

CommandLine Parse(std::vector<std::string> words, const absl::Status& selinux = absl::OkStatus()) {
  words.insert(words.begin(), "netstat");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::testing::internal::CaptureStderr();  // getopt_long() writes there
  CommandLine line = ParseCommandLine(static_cast<int>(words.size()), argv.data(), selinux);
  line.err = ::testing::internal::GetCapturedStderr() + line.err;
  return line;
}

Options OptionsOf(std::vector<std::string> words) {
  const CommandLine line = Parse(std::move(words));
  EXPECT_EQ(line.request, Request::kShow) << line.err;
  EXPECT_EQ(line.err, "");
  return line.options;
}

TEST(NetstatOptions, NothingShowsEverything) {
  const Options options = OptionsOf({});
  EXPECT_EQ(options.mode, Mode::kSockets);
  EXPECT_FALSE(options.named());
  EXPECT_FALSE(options.inet4 || options.inet6 || options.protocols_named || options.compat);
}

TEST(NetstatOptions, LettersComeInClustersAndAfterWords) {
  const Options options = OptionsOf({"word", "-tanp", "other", "-eeo"});
  EXPECT_TRUE(options.tcp && options.all && options.numeric_hosts && options.numeric_ports &&
              options.numeric_users && options.timers);
  EXPECT_EQ(options.programs, 1);
  EXPECT_EQ(options.extend, 2);
}

TEST(NetstatOptions, LongNamesCanBeShortened) {
  EXPECT_TRUE(OptionsOf({"--lis"}).listening);
  EXPECT_TRUE(OptionsOf({"--numeric-h"}).numeric_hosts);
  EXPECT_FALSE(OptionsOf({"--numeric-h"}).numeric_ports);
  EXPECT_TRUE(OptionsOf({"--numeric"}).numeric_ports);
  EXPECT_EQ(OptionsOf({"--program", "--prog", "-p"}).programs, 3);
  // A beginning that several families have is the first of them.
  EXPECT_TRUE(OptionsOf({"--ine"}).inet4);
  EXPECT_TRUE(OptionsOf({"--unix"}).unix_sockets);  // it is there twice, for `--uni` as an error
  EXPECT_EQ(Parse({"--uni"}).request, Request::kFail);
}

TEST(NetstatOptions, AProtocolAloneMeansBothFamilies) {
  const Options options = OptionsOf({"-t"});
  EXPECT_TRUE(options.inet4 && options.inet6 && options.protocols_named);
  EXPECT_FALSE(options.udp || options.sctp || options.raw || options.udplite);
}

TEST(NetstatOptions, AFamilyAloneMeansEveryProtocolAndMissesNone) {
  for (const char* word : {"-4", "--inet", "--ip", "--tcpip"}) {
    const Options options = OptionsOf({word});
    EXPECT_TRUE(options.inet4 && options.tcp && options.sctp && options.udp && options.udplite &&
                options.raw)
        << word;
    EXPECT_FALSE(options.inet6 || options.protocols_named) << word;
  }
  EXPECT_FALSE(OptionsOf({"-x"}).tcp);
  EXPECT_TRUE(OptionsOf({"-4", "-u"}).udp);
  EXPECT_FALSE(OptionsOf({"-4", "-u"}).tcp);
}

TEST(NetstatOptions, FamiliesAreListedInNetstatsWords) {
  EXPECT_EQ(OptionsOf({"-A", "ip,inet6"}).family_list, "inet,inet6");
  EXPECT_EQ(OptionsOf({"-6", "-4"}).family_list, "inet6,inet");
  EXPECT_EQ(OptionsOf({"--protocol=unix", "-A", "appletalk,econet"}).family_list, "unix,ddp,ec");
  EXPECT_EQ(OptionsOf({"-r"}).family_list, "");
}

TEST(NetstatOptions, StatisticsMeanEveryProtocol) {
  const Options options = OptionsOf({"-s"});
  EXPECT_EQ(options.mode, Mode::kStatistics);
  EXPECT_TRUE(options.tcp && options.udp && options.raw && options.sctp && options.udplite);
  EXPECT_FALSE(options.protocols_named);
  EXPECT_FALSE(OptionsOf({"-s", "-t"}).udp);
}

TEST(NetstatOptions, GroupsAreAModeOnlyAlone) {
  EXPECT_EQ(OptionsOf({"-g"}).mode, Mode::kGroups);
  EXPECT_EQ(OptionsOf({"-gn"}).mode, Mode::kGroups);
  const Options options = OptionsOf({"-g", "-x"});
  EXPECT_EQ(options.mode, Mode::kSockets);
  EXPECT_TRUE(options.groups);
  EXPECT_EQ(OptionsOf({"-g", "-r"}).mode, Mode::kRoutes);
}

TEST(NetstatOptions, EachModeHasItsOption) {
  const std::pair<const char*, Mode> kModes[] = {{"-r", Mode::kRoutes},
                                                 {"--route", Mode::kRoutes},
                                                 {"-i", Mode::kInterfaces},
                                                 {"--interfaces", Mode::kInterfaces},
                                                 {"-M", Mode::kMasquerade},
                                                 {"--masquerade", Mode::kMasquerade},
                                                 {"--statistics", Mode::kStatistics}};
  for (const auto& [word, mode] : kModes) EXPECT_EQ(OptionsOf({word}).mode, mode) << word;
}

TEST(NetstatOptions, TwoModesAreAnError) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"-ri"}, {"-r", "-s"}, {"-rr"}, {"-iM"}}) {
    const CommandLine line = Parse(words);
    EXPECT_EQ(line.request, Request::kFail);
    EXPECT_EQ(line.code, 3);
    EXPECT_TRUE(line.usage);
  }
}

TEST(NetstatOptions, AnUnknownFamilyIsAnErrorWithoutUsage) {
  for (const auto& [list, word] : {std::pair("foo", "foo"), std::pair("inet,foo", "foo"),
                                   std::pair("inet,", ""), std::pair("INET", "INET")}) {
    const CommandLine line = Parse({"-A", list});
    EXPECT_EQ(line.request, Request::kFail);
    EXPECT_EQ(line.code, 1);
    EXPECT_FALSE(line.usage);
    EXPECT_EQ(line.err, "Unknown address family `" + std::string(word) + "'.\n");
  }
}

TEST(NetstatOptions, ComplaintsOfGetoptNameTheProgram) {
  const std::pair<std::vector<std::string>, const char*> kErrors[] = {
      {{"-z"}, "netstat: invalid option -- 'z'\n"},
      {{"--bogus"}, "netstat: unrecognized option '--bogus'\n"},
      {{"-A"}, "netstat: option requires an argument -- 'A'\n"},
      {{"--all=1"}, "netstat: option '--all' doesn't allow an argument\n"},
      {{"--num"},
       "netstat: option '--num' is ambiguous; possibilities: '--numeric' '--numeric-hosts' "
       "'--numeric-ports' '--numeric-users'\n"},
      {{"--c"},
       "netstat: option '--c' is ambiguous; possibilities: '--continuous' '--cache' "
       "'--context'\n"},
      {{"-?"}, ""},
  };
  for (const auto& [words, err] : kErrors) {
    const CommandLine line = Parse(words);
    EXPECT_EQ(line.request, Request::kFail);
    EXPECT_EQ(line.code, 3);
    EXPECT_TRUE(line.usage);
    EXPECT_EQ(line.err, err);
  }
}

TEST(NetstatOptions, HelpAndVersionEndTheReading) {
  EXPECT_EQ(Parse({"-h", "-z"}).request, Request::kHelp);
  EXPECT_EQ(Parse({"--version", "-A", "foo"}).request, Request::kVersion);
  EXPECT_EQ(Parse({"-M", "-r", "-V"}).request, Request::kVersion);
}

TEST(NetstatOptions, ContextsNeedSelinux) {
  const CommandLine line = Parse({"-Z", "-z"}, absl::NotFoundError("no"));
  EXPECT_EQ(line.request, Request::kFail);
  EXPECT_EQ(line.code, 1);
  EXPECT_EQ(line.err, "SELinux is not enabled on this machine.\n");
  const Options options = OptionsOf({"-Z"});
  EXPECT_TRUE(options.context);
  EXPECT_EQ(options.programs, 1);
}

TEST(NetstatOptions, CompatAndJsonMustBeWrittenOut) {
  EXPECT_TRUE(OptionsOf({"-t", "--compat"}).compat);
  EXPECT_TRUE(OptionsOf({"--json", "-t"}).json);
  EXPECT_EQ(Parse({"--comp"}).request, Request::kFail);
  EXPECT_EQ(Parse({"--js"}).request, Request::kFail);
  EXPECT_FALSE(OptionsOf({"--", "--compat"}).compat);
}

TEST(NetstatOptions, TcpipIsRefusedInNetstatsWordsWithCompat) {
  const CommandLine line = Parse({"--compat", "--tcpip"});
  EXPECT_EQ(line.request, Request::kShow);
  EXPECT_EQ(line.err, "netstat.c: Internal Error `longopts 1 range'.\n");
  EXPECT_FALSE(line.options.named());
}

TEST(NetstatOptions, AWordAfterContinuousIsTheInterval) {
  EXPECT_EQ(OptionsOf({"-c"}).interval, 1u);
  EXPECT_EQ(OptionsOf({"-c", "5"}).interval, 5u);
  EXPECT_EQ(OptionsOf({"-tc", "5", "6"}).interval, 5u);
  EXPECT_EQ(OptionsOf({"-c", "0"}).interval, 1u);
  EXPECT_EQ(OptionsOf({"-c", "many"}).interval, 1u);
  EXPECT_EQ(OptionsOf({"--compat", "-c", "5"}).interval, 1u);
  EXPECT_FALSE(OptionsOf({"5"}).continuous);
}

TEST(NetstatOptions, BluetoothMeansBothOfItsProtocols) {
  const Options options = OptionsOf({"--bluetooth"});
  EXPECT_TRUE(options.l2cap && options.rfcomm);
  EXPECT_FALSE(OptionsOf({"-2"}).rfcomm);
  EXPECT_TRUE(OptionsOf({"-f"}).named());
}

// netstat(8) names these, in letters or in words.
TEST(NetstatOptions, HelpHasEveryOptionOfTheManual) {
  std::set<std::string> names;
  for (const OptionInfo& option : ListOptionInfos()) {
    if (option.hidden()) continue;
    if (option.letter != 0) names.insert({'-', option.letter});
    if (!option.name.empty()) names.insert("--" + std::string(option.name));
  }
  for (const char* name : {"--route",
                           "-r",
                           "--groups",
                           "-g",
                           "--interfaces",
                           "-i",
                           "--masquerade",
                           "-M",
                           "--statistics",
                           "-s",
                           "--verbose",
                           "-v",
                           "--wide",
                           "-W",
                           "--numeric",
                           "-n",
                           "--numeric-hosts",
                           "--numeric-ports",
                           "--numeric-users",
                           "-N",
                           "--symbolic",
                           "-A",
                           "--protocol",
                           "-c",
                           "--continuous",
                           "-e",
                           "--extend",
                           "-o",
                           "--timers",
                           "-p",
                           "--programs",
                           "-l",
                           "--listening",
                           "-a",
                           "--all",
                           "-F",
                           "-C",
                           "-Z",
                           "--context",
                           "-t",
                           "--tcp",
                           "-u",
                           "--udp",
                           "-U",
                           "--udplite",
                           "-S",
                           "--sctp",
                           "-w",
                           "--raw",
                           "-2",
                           "--l2cap",
                           "-f",
                           "--rfcomm",
                           "--unix",
                           "-x",
                           "-4",
                           "-6",
                           "-V",
                           "--version",
                           "-h",
                           "--help",
                           "--ax25",
                           "--x25",
                           "--ipx",
                           "--netrom",
                           "--rose",
                           "--bluetooth",
                           "--inet",
                           "--inet6",
                           "--compat",
                           "--json"}) {
    EXPECT_THAT(names, ::testing::Contains(name));
  }
}

}  // namespace
}  // namespace diag::netstat
