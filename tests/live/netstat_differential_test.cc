// diag netstat against netstat 2.10 of Debian's net-tools, byte by byte with --compat, and without
// it up to the differences that docs/netstat.md lists.

#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <regex>
#include <sched.h>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <vector>

#include "absl/strings/str_split.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/types/types.h"
#include "tests/live/differential_testing.h"
#include "tests/live/netstat_command_lines.h"
#include "tests/live/netstat_fixtures.h"
#include "tests/testing/run_program.h"
#include "tests/testing/sockets.h"
#include "tests/testing/zoo.h"
#include "tools/diag/netstat/holders.h"

namespace diag {
namespace {

using netdiag::Family;
using netdiag::Port;
using netdiag::testing::kDiag;
using netdiag::testing::Outcome;
using netdiag::testing::RunProgram;
using netdiag::testing::Zoo;
using Words = std::vector<std::string>;
using Rows = std::multiset<std::string>;

constexpr char kNetstat[] = "/usr/bin/netstat";
constexpr int kUsageExit = 3;

Words Split(std::string_view line) {
  Words words;
  for (const absl::string_view word :
       absl::StrSplit(absl::string_view(line.data(), line.size()), ' ', absl::SkipEmpty())) {
    words.emplace_back(word);
  }
  return words;
}

Words LinesOf(const std::string& text) { return absl::StrSplit(text, '\n', absl::SkipEmpty()); }

// Timers run between two listings, so their times count for nothing.
std::string WithoutTimes(const std::string& text) {
  static const std::regex kTime("\\((\\d+\\.\\d\\d)/");
  return std::regex_replace(text, kTime, "(T/");
}

// netstat writes control characters of names to the terminal. diag never does.
std::string WithEscapes(const std::string& text) {
  std::string out;
  for (const std::string& line : LinesOf(text)) {
    netstat::AppendForeign(line, /*compat=*/true, &out);
    out.push_back('\n');
  }
  return out;
}

std::string WithoutUsage(const Outcome& outcome) {
  if (outcome.exit_code != kUsageExit) return outcome.err;
  // getopt_long() begins with the name of the program.
  const size_t end = outcome.err.find('\n');
  const bool complains = outcome.err.starts_with("netstat: ");
  return complains ? outcome.err.substr(0, end) : "usage";
}

// What both programs are compared by.
std::string Compared(const Outcome& outcome) {
  return WithoutTimes(WithEscapes(outcome.out)) + "-- stderr:\n" + WithoutUsage(outcome) +
         "-- exit code " + std::to_string(outcome.exit_code) + "\n";
}

class NetstatDifferential : public ::testing::Test {
 public:
  static void SetUpTestSuite() {
    if (geteuid() != 0) return;
    zoo_ = std::make_unique<Zoo>();
    std::thread([] {
      netdiag::testing::Check(setns(zoo_->netns_fd(), CLONE_NEWNET) == 0, "setns");
      Annex();
    }).join();
    // A second process that holds every socket.
    heir_ = std::make_unique<netdiag::testing::Heir>();
  }
  static void TearDownTestSuite() {
    heir_.reset();
    for (const int fd : annex_) close(fd);
    annex_.clear();
    zoo_.reset();
  }

 protected:
  void SetUp() override {
    if (zoo_ == nullptr) GTEST_SKIP() << "making a network namespace needs root";
    ASSERT_EQ(access(kNetstat, X_OK), 0) << "tools/dev installs net-tools";
    const Outcome version = RunProgram(kNetstat, {"-V"});
    ASSERT_THAT(version.out, ::testing::StartsWith("net-tools 2.10\n"))
        << "the differences in this file are those to Debian 12's netstat";
  }

  static void Prepare(uid_t user) {
    netdiag::testing::EnterForComparison(zoo_->netns_fd());
    if (user != 0 && (setresgid(user, user, user) != 0 || setresuid(user, user, user) != 0)) {
      _exit(126);
    }
  }
  static Outcome RunNetstat(const Words& words, uid_t user = 0) {
    return RunProgram(kNetstat, words, [&] { Prepare(user); });
  }
  static Outcome RunDiag(Words words, uid_t user = 0) {
    words.insert(words.begin(), "netstat");
    return RunProgram(kDiag, words, [&] { Prepare(user); });
  }
  static Outcome RunCompat(Words words, uid_t user = 0) {
    words.insert(words.begin(), "--compat");
    return RunDiag(words, user);
  }

  // Retransmissions change a few rows between two listings. They become rarer with time, so a few
  // attempts are enough.
  static void ExpectSame(std::string_view line, uid_t user = 0) {
    const Words words = Split(line);
    std::string ours;
    std::string theirs;
    for (int attempt = 0; attempt < 30; ++attempt) {
      ours = Compared(RunCompat(words, user));
      theirs = Compared(RunNetstat(words, user));
      if (ours == theirs) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    EXPECT_EQ(ours, theirs) << "netstat " << line;
  }

  static const Zoo& zoo() { return *zoo_; }

 private:
  static void Keep(int fd) {
    netdiag::testing::Check(fd >= 0, "a socket of the annex");
    annex_.push_back(fd);
  }

  static void Annex() {
    namespace nt = netdiag::testing;
    // Ports with names in /etc/services.
    Keep(nt::Listen({nt::Any(Family::kInet).address, Port::FromHost(22)}, 7));
    Keep(nt::Listen({nt::Any(Family::kInet6).address, Port::FromHost(443)}, 9));
    // Addresses that netstat cuts.
    const auto add = [](const char* address) {
      return RunProgram("ip", {"addr", "add", address, "dev", "lo"}).exit_code == 0;
    };
    nt::Check(add("2001:db8:1111:2222:3333:4444:5555:6666/128") && add("10.123.234.123/32"), "ip");
    Wait("2001:db8:1111:2222:3333:4444:5555:6666");
    for (const char* text : {"2001:db8:1111:2222:3333:4444:5555:6666", "10.123.234.123"}) {
      const netdiag::IpAddress address = *netdiag::IpAddress::Parse(text);
      const int listener = nt::Listen({address, Port::FromHost(60000)}, 2);
      const int client = nt::Make(address.family(), SOCK_STREAM);
      nt::Connect(client, nt::LocalOf(listener));
      Keep(nt::Accept(listener));
      Keep(client);
      Keep(listener);
      const int udp = nt::Make(address.family(), SOCK_DGRAM);
      nt::Connect(udp, {address, Port::FromHost(5353)});
      Keep(udp);
    }
    for (const Family family : {Family::kInet, Family::kInet6}) {
      const int raw = socket(static_cast<int>(family), SOCK_RAW | SOCK_CLOEXEC,
                             family == Family::kInet ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6});
      Keep(raw);
      const int connected = socket(static_cast<int>(family), SOCK_RAW | SOCK_CLOEXEC, 99);
      Keep(connected);
      nt::SocketAddress loopback = nt::ToSystem(nt::Loopback(family));
      nt::Check(connect(connected, loopback.get(), loopback.size) == 0, "connect of raw");
      // Not every kernel has UDP-Lite.
      const int lite = socket(static_cast<int>(family), SOCK_DGRAM | SOCK_CLOEXEC, 136);
      if (lite >= 0) Keep(lite);
      if (lite >= 0) nt::Bind(lite, nt::Loopback(family));
    }
    AsOtherUser();
  }

  // A new IPv6 address is tentative until the kernel has seen no other host with it.
  static void Wait(const char* text) {
    namespace nt = netdiag::testing;
    const netdiag::Endpoint end = {*netdiag::IpAddress::Parse(text), Port()};
    nt::Await("an address without duplicates", [&] {
      nt::SocketAddress address = nt::ToSystem(end);
      const int fd = nt::Make(Family::kInet6, SOCK_DGRAM);
      const bool bound = bind(fd, address.get(), address.size) == 0;
      close(fd);
      return bound;
    });
  }

  // A socket of a user whose number is negative in netstat.
  static void AsOtherUser() {
    const uid_t kUser = 4'294'967'290;
    netdiag::testing::Check(seteuid(kUser) == 0, "seteuid");
    Keep(netdiag::testing::Listen(netdiag::testing::Loopback(Family::kInet), 1));
    netdiag::testing::Check(seteuid(0) == 0, "seteuid");
  }

  inline static std::unique_ptr<Zoo> zoo_;
  inline static std::vector<int> annex_;
  inline static std::unique_ptr<netdiag::testing::Heir> heir_;
};

// This is the first test, because some states last only half a minute.
TEST_F(NetstatDifferential, CompatibleTimersAndStates) {
  for (const char* line : {"-tano", "-tanoe", "-an", "-tae", "-tanopW"}) ExpectSame(line);
  std::set<std::string> states;
  const std::regex kRow("tcp6? +\\d+ +\\d+ \\S+ +\\S+ +(\\w+) *");
  std::smatch match;
  for (const std::string& row : LinesOf(RunCompat({"-tan"}).out)) {
    if (std::regex_match(row, match, kRow)) states.insert(match[1]);
  }
  EXPECT_THAT(states, ::testing::UnorderedElementsAre(
                          "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",
                          "TIME_WAIT", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING"));
}

TEST_F(NetstatDifferential, EveryCommandLineOfSockets) {
  static_assert(std::size(kNetstatSocketLines) >= 60);
  for (const std::string_view line : kNetstatSocketLines) ExpectSame(line);
}

TEST_F(NetstatDifferential, WithoutPrivileges) {
  for (const char* line : {"-tanp", "-p", "-xap", "-an", "-tane", "-l"}) ExpectSame(line, 65534);
}

// The first lines of an output that does not end.
TEST_F(NetstatDifferential, RepeatsUntilItIsStopped) {
  const auto head = [](const std::string& command) {
    return RunProgram("sh", {"-c", command + " -c -uan 2>&1 | head -n 40"}, [] { Prepare(0); }).out;
  };
  const std::string root = std::filesystem::current_path();
  EXPECT_EQ(head(root + "/" + kDiag + " netstat --compat"), head(kNetstat));
}

// The child sees tables of this test in /proc/self/net.
TEST_F(NetstatDifferential, EveryCommandLineOverTablesInText) {
  char directory[] = "/tmp/netstat.XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  for (const ProcFixture& fixture : kProcFixtures) {
    const std::filesystem::path path = std::filesystem::path(directory) / std::string(fixture.file);
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << fixture.text;
  }
  const auto prepare = [&] {
    Prepare(0);
    const std::string net = "/proc/" + std::to_string(getpid()) + "/net";
    if (unshare(CLONE_NEWNS) != 0 || mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount(directory, net.c_str(), nullptr, MS_BIND, nullptr) != 0) {
      _exit(125);
    }
  };
  for (const std::string_view line : kNetstatFixtureLines) {
    Words words = Split(line);
    const Outcome theirs = RunProgram(kNetstat, words, prepare);
    words.insert(words.begin(), {"netstat", "--compat"});
    const Outcome ours = RunProgram(kDiag, words, prepare);
    EXPECT_EQ(ours.out, theirs.out) << "netstat " << line;
    EXPECT_EQ(ours.err, theirs.err) << "netstat " << line;
    EXPECT_EQ(ours.exit_code, theirs.exit_code) << "netstat " << line;
    EXPECT_NE(ours.out, "") << "netstat " << line;
  }
  std::filesystem::remove_all(directory);
}

// ---- Without --compat ----

// A row by its columns, without what docs/netstat.md says is different.
std::string RowOf(std::string row) {
  static const std::pair<std::regex, const char*> kDifferences[] = {
      // The backlog of a listener.
      {std::regex("^(tcp6? +\\d+ +)\\d+( .* LISTEN)"), "$1Q$2"},
      // Owners are cut.
      {std::regex(" (\\d+/\\S{0,30})\\S*"), " $1"},
      // The user of a connection request, and how often its answer was sent again.
      {std::regex("( SYN_RECV +)-?\\d+ "), "$1U "},
      {std::regex("( SYN_RECV .*on \\(\\d+\\.\\d\\d/)\\d+"), "$1R"},
      // Users above 2^31.
      {std::regex(" (-6|4294967290) "), " U "},
      // Times and blanks.
      {std::regex("\\(\\d+\\.\\d\\d/"), "(T/"},
      {std::regex(" +"), " "},
      {std::regex(" $"), ""},
  };
  for (const auto& [pattern, replacement] : kDifferences) {
    row = std::regex_replace(row, pattern, replacement);
  }
  // The name of a unix socket: whole here, and escaped.
  static const std::regex kUnix("^(unix \\S+ \\[.*\\] \\w+ (\\w+ )?\\d+( \\d+/\\S*| -)?)( .*)?$");
  return std::regex_replace(row, kUnix, "$1");
}

// The heads of the processes, as long as netstat has room for them.
std::string WithShortOwners(const std::string& text) {
  static const std::regex kOwner(" (\\d+/[^ ]*)");
  std::string out;
  std::smatch match;
  std::string rest = text;
  for (; std::regex_search(rest, match, kOwner); rest = match.suffix()) {
    out += match.prefix().str() + " " + match[1].str().substr(0, 19);
  }
  return out + rest;
}

Rows RowsOf(const std::string& text) {
  Rows rows;
  // Unix sockets that wait for accept() have no inode, and no dump has them.
  static const std::regex kWaiting("^unix.* (CONNECTING|CONNECTED|DISCONNECTING) +0 .*");
  for (const std::string& line : LinesOf(text)) {
    if (!std::regex_match(line, kWaiting)) rows.insert(RowOf(WithShortOwners(line)));
  }
  return rows;
}

TEST_F(NetstatDifferential, EveryRowWithoutCompatUpToTheListedDifferences) {
  for (const char* line : {"",     "-a",   "-an", "-l",       "-ln", "-tan",  "-tln",  "-uan",
                           "-wan", "-Uan", "-xa", "-x",       "-xl", "-tane", "-tanp", "-xap",
                           "-4an", "-6an", "-6l", "-tuxwUan", "-ae", "-tae",  "-4",    "-6"}) {
    Words words = Split(line);
    Rows ours;
    Rows theirs;
    Words wide = words;
    wide.emplace_back("-W");  // addresses are whole
    for (int attempt = 0; attempt < 30; ++attempt) {
      ours = RowsOf(RunDiag(words).out);
      theirs = RowsOf(RunNetstat(wide).out);
      if (ours == theirs) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    Words only;
    std::ranges::set_difference(ours, theirs, std::back_inserter(only));
    EXPECT_THAT(only, ::testing::IsEmpty()) << "diag netstat " << line;
    only.clear();
    std::ranges::set_difference(theirs, ours, std::back_inserter(only));
    EXPECT_THAT(only, ::testing::IsEmpty()) << "netstat " << line;
  }
}

TEST_F(NetstatDifferential, TimersWithoutCompatAreThoseOfNetstat) {
  std::string difference = "not compared";
  for (int attempt = 0; attempt < 30 && !difference.empty(); ++attempt) {
    const Rows ours = RowsOf(RunDiag({"-tano"}).out);
    const Rows theirs = RowsOf(RunNetstat({"-tanoW"}).out);
    Words only;
    std::ranges::set_symmetric_difference(ours, theirs, std::back_inserter(only));
    difference = ::testing::PrintToString(only);
    if (only.empty()) difference.clear();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_EQ(difference, "");
}

TEST_F(NetstatDifferential, SendQOfAListenerIsItsBacklog) {
  const std::string ours = RunDiag({"-tln"}).out;
  EXPECT_THAT(ours, ::testing::ContainsRegex("tcp +0 +7 0.0.0.0:22 +0.0.0.0:\\* +LISTEN"));
  EXPECT_THAT(RunNetstat({"-tln"}).out,
              ::testing::ContainsRegex("tcp +0 +0 0.0.0.0:22 +0.0.0.0:\\* +LISTEN"));
}

TEST_F(NetstatDifferential, EveryProcessThatHoldsASocketIsNamedWithTwoP) {
  const std::string self = std::to_string(getpid()) + "/netstat_differential_test";
  const std::string text = RunDiag({"-tlnpp"}).out;
  EXPECT_THAT(text, ::testing::HasSubstr(self + ","));
  EXPECT_THAT(RunDiag({"-tlnp"}).out, ::testing::Not(::testing::HasSubstr(self + ",")));
}

// jc is a parser of many programs' output, which knows netstat's.
TEST_F(NetstatDifferential, JcReadsTheSameRows) {
  const auto rows = [](const std::string& command) {
    const Outcome outcome =
        RunProgram("sh", {"-c", command + " | jc --netstat"}, [] { Prepare(0); });
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    // The backlog of a listener.
    static const std::regex kSendQ("\"send_q\":\\d+(,[^}]*\"LISTEN\")");
    const std::string text = std::regex_replace(outcome.out, kSendQ, "$1");
    const Words list = absl::StrSplit(text, "},{");
    return std::multiset<std::string>(list.begin(), list.end());
  };
  const std::string root = std::filesystem::current_path();
  for (const char* line : {" -ltn", " -uan", " -wan", " -an4", " -xl"}) {
    const auto ours = rows(root + "/" + kDiag + " netstat" + line);
    EXPECT_EQ(ours, rows(std::string(kNetstat) + " -W" + line)) << line;
    EXPECT_FALSE(ours.contains("[]\n")) << line;
  }
}

TEST_F(NetstatDifferential, ATableThatIsMissingHidesNoOther) {
  const Outcome outcome = RunDiag({"-tuS", "-an"});
  const Outcome theirs = RunNetstat({"-tuS", "-an"});
  EXPECT_EQ(outcome.exit_code, theirs.exit_code);
  EXPECT_EQ(outcome.err, theirs.err);
  EXPECT_THAT(outcome.out, ::testing::HasSubstr("\nudp "));
}

}  // namespace
}  // namespace diag
