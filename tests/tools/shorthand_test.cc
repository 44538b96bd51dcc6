#include "tools/diag/shorthand.h"

#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/filter/filter.h"
#include "netdiag/types/types.h"
#include "tools/diag/commands.h"
#include "tools/diag/tables.h"

namespace diag {
namespace {

using Kind = Shorthand::Kind;
using ::testing::HasSubstr;

TEST(Shorthand, ClassifiesEveryKindOfWord) {
  const struct {
    const char* word;
    Kind kind;
    const char* expression;
  } kRows[] = {
      {"443", Kind::kPort, R"(sport = ":443" or dport = ":443")"},
      {":443", Kind::kPort, R"(sport = ":443" or dport = ":443")"},
      {"*:443", Kind::kPort, R"(sport = ":443" or dport = ":443")"},
      {":https", Kind::kPort, R"(sport = ":https" or dport = ":https")"},
      {"8000-8010", Kind::kPort, R"(sport = ":8000-8010" or dport = ":8000-8010")"},
      {"65535", Kind::kPort, R"(sport = ":65535" or dport = ":65535")"},
      {"65536", Kind::kRefused, ""},
      {"99999999999999999999", Kind::kRefused, ""},
      {"10.77.0.2", Kind::kHost, R"(src = "inet:10.77.0.2" or dst = "inet:10.77.0.2")"},
      {"10.0.0.0/24", Kind::kHost, R"(src = "inet:10.0.0.0/24" or dst = "inet:10.0.0.0/24")"},
      {"10/8", Kind::kHost, R"(src = "inet:10/8" or dst = "inet:10/8")"},
      {"1.2.3.4:443", Kind::kHost, R"(src = "inet:1.2.3.4:443" or dst = "inet:1.2.3.4:443")"},
      {"1.2.3.4:*", Kind::kHost, R"(src = "inet:1.2.3.4:*" or dst = "inet:1.2.3.4:*")"},
      {"::1", Kind::kHost, R"(src = "inet6:::1" or dst = "inet6:::1")"},
      {"fd00::/8", Kind::kHost, R"(src = "inet6:fd00::/8" or dst = "inet6:fd00::/8")"},
      {"[::1]:22", Kind::kHost, R"(src = "inet6:[::1]:22" or dst = "inet6:[::1]:22")"},
      {"::ffff:10.0.0.1", Kind::kHost,
       R"(src = "inet6:::ffff:10.0.0.1" or dst = "inet6:::ffff:10.0.0.1")"},
      {"[fe80::1]%eth0:22", Kind::kHost,
       R"(src = "inet6:[fe80::1]%eth0:22" or dst = "inet6:[fe80::1]%eth0:22")"},
      {"fe80::1%eth0", Kind::kHost, R"(src = "inet6:fe80::1%eth0" or dst = "inet6:fe80::1%eth0")"},
      {"127.0.0.1%lo:53", Kind::kHost,
       R"(src = "inet:127.0.0.1%lo:53" or dst = "inet:127.0.0.1%lo:53")"},
      {"0.0.0.0%eth0", Kind::kHost, R"(src = "inet:0.0.0.0%eth0" or dst = "inet:0.0.0.0%eth0")"},
      {"*%eth0:68", Kind::kHost, R"(src = "*%eth0:68" or dst = "*%eth0:68")"},
      {"localhost:22", Kind::kHost, R"(src = "localhost:22" or dst = "localhost:22")"},
      {"/run/x.sock", Kind::kUnixName, R"(src = "unix:/run/x.sock" or dst = "unix:/run/x.sock")"},
      {"./x", Kind::kUnixName, R"(src = "unix:./x" or dst = "unix:./x")"},
      {"@name", Kind::kUnixName, R"(src = "unix:@name" or dst = "unix:@name")"},
      {"LISTEN", Kind::kStates, R"(state = "LISTEN")"},
      {"ESTAB", Kind::kStates, R"(state = "ESTAB")"},
      {"close-wait", Kind::kStates, R"(state = "close-wait")"},
      {"connected", Kind::kStates, R"(state = "connected")"},
      {"all", Kind::kStates, R"(state = "all")"},
      {"LISTEN,FIN_WAIT1", Kind::kStates, R"(state = "LISTEN,FIN_WAIT1")"},
      {"tcp", Kind::kTable, "protocol = tcp"},
      {"TCP", Kind::kTable, "protocol = tcp"},
      {"netlink", Kind::kTable, "protocol = netlink"},
      {"u_str", Kind::kTable, ""},
      {"icmp", Kind::kTable, ""},
      {"inet6", Kind::kTable, ""},
      {"sctp", Kind::kTable, "protocol = sctp"},
      {"dccp", Kind::kTable, "protocol = dccp"},
      {"help", Kind::kHelp, ""},
      {"interfaces", Kind::kRefused, ""},
      {"top", Kind::kRefused, ""},
      {"exclude", Kind::kRefused, ""},
      {"Sport", Kind::kRefused, ""},
      {"State", Kind::kRefused, ""},
      {"OR", Kind::kRefused, ""},
      {"nginx", Kind::kProcess, R"(comm = "nginx*")"},
      {"7zip", Kind::kProcess, R"(comm = "7zip*")"},
      {"kworker/0:1H", Kind::kProcess, R"(comm = "kworker/0:1H*")"},
      {"a:b", Kind::kProcess, R"(comm = "a:b*")"},
      // The kernel keeps 15 bytes of a command.
      {"systemd-resolved", Kind::kProcess, R"(comm = "systemd-resolve*")"},
      {R"(a"b\c)", Kind::kProcess, R"(comm = "a\"b\\c*")"},
      {"", Kind::kNone, ""},
      {"-x", Kind::kNone, ""},
      {":", Kind::kNone, ""},
      {":x:y", Kind::kNone, ""},
  };
  for (const auto& row : kRows) {
    const Shorthand shorthand = ReadShorthand(row.word, /*quoted=*/false);
    EXPECT_EQ(shorthand.kind, row.kind) << row.word;
    EXPECT_EQ(shorthand.expression, row.expression) << row.word;
    EXPECT_TRUE(shorthand.kind != Kind::kRefused || !shorthand.why.empty()) << row.word;
    const netdiag::FilterOptions options{
        .names = {.hosts = [](auto) { return std::vector{netdiag::IpAddress::V4(127, 0, 0, 1)}; },
                  .services = [](auto) { return std::vector{netdiag::Port::FromHost(443)}; },
                  .interfaces =
                      [](auto) {
                        return std::vector<netdiag::FilterInterface>{{{}, netdiag::IfIndex(1)}};
                      }}};
    EXPECT_TRUE(netdiag::Filter::Parse(shorthand.expression, options).ok()) << row.word;
  }
}

// Otherwise a word that the language has could become a search of all processes.
TEST(Shorthand, WordsThatThisProgramKnowsAreNeverProcesses) {
  for (const netdiag::StateNames& row : netdiag::AllStates()) {
    for (const std::string_view name : {row.ss, row.netstat, row.gopsutil}) {
      EXPECT_EQ(ReadShorthand(name, false).kind, Kind::kStates) << name;
    }
  }
  for (const std::string& word : TableWords()) {
    EXPECT_EQ(ReadShorthand(word, false).kind, word == "all" ? Kind::kStates : Kind::kTable);
  }
  for (const std::string& word : FamilyWords()) {
    EXPECT_EQ(ReadShorthand(word, false).kind, Kind::kTable) << word;
  }
  for (const Command& command : NamedCommands()) {
    EXPECT_NE(ReadShorthand(command.name, false).kind, Kind::kProcess) << command.name;
  }
  for (const char* word : {"connections", "interfaces", "netstat", "top", "watch", "why", "export",
                           "events", "kill", "record", "replay"}) {
    EXPECT_EQ(ReadShorthand(word, false).kind, Kind::kRefused) << word;
  }
  EXPECT_THAT(ReadShorthand("record", false).why, HasSubstr("comm = record"));
}

TEST(Shorthand, AQuotedWordIsNoKeyword) {
  for (const char* word : {"tcp", "LISTEN", "top", "help", "State", "interfaces"}) {
    EXPECT_EQ(ReadShorthand(word, /*quoted=*/true).kind, Kind::kProcess) << word;
  }
  EXPECT_EQ(ReadShorthand("443", /*quoted=*/true).kind, Kind::kPort);
}

}  // namespace
}  // namespace diag
