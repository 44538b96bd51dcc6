// Runs diag watch, diag top and diag why in a namespace of their own, beside connections that move
// known amounts.

#include <sys/prctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include "tests/testing/netns.h"
#include "tests/testing/run_program.h"
#include "tests/testing/sockets.h"
#include "tests/tools/running_testing.h"

namespace netdiag::testing {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

// No message, except one about processes of this machine that cannot be read.
auto SaysNothingElse() {
  return ::testing::MatchesRegex("(diag: owners may be missing, because [^\n]*\n)?");
}

bool Has(const std::string& line, const std::vector<std::string>& parts) {
  return std::ranges::all_of(parts,
                             [&](const std::string& part) { return line.find(part) != line.npos; });
}

// The next line with all of `parts`.
std::string Find(Running* diag, const std::vector<std::string>& parts) {
  while (std::optional<std::string> line = diag->Line()) {
    if (Has(*line, parts)) return *std::move(line);
  }
  ADD_FAILURE() << "no line with " << parts[0] << ": " << diag->Errors();
  return "";
}

// Finds two lines that come in any order, because one tells an event and the other one a look.
std::pair<std::string, std::string> FindBoth(Running* diag, const std::vector<std::string>& first,
                                             const std::vector<std::string>& second) {
  std::pair<std::string, std::string> found;
  while (found.first.empty() || found.second.empty()) {
    std::optional<std::string> line = diag->Line();
    if (!line) {
      ADD_FAILURE() << "no lines with " << first[0] << " and " << second[0] << diag->Errors();
      break;
    }
    if (Has(*line, first)) found.first = *line;
    if (Has(*line, second)) found.second = *line;
  }
  return found;
}

void Transfer(const Pair& pair, size_t up) {
  Send(pair.client, up);
  std::vector<char> buffer(up);
  Check(recv(pair.server, buffer.data(), up, MSG_WAITALL) == static_cast<ssize_t>(up), "recv");
}

std::string PortOf(int fd) { return ":" + std::to_string(LocalOf(fd).port.value()); }

// How diag watch names this process.
std::string OwnName() { return "/" + std::to_string(getpid()); }

// A pair that one look has seen established at both ends, and the line of its client. A look that
// comes in the middle of the handshake sees other states.
std::pair<Pair, std::string> OpenWatched(Running* diag) {
  for (;;) {
    const Pair pair = MakePair(Family::kInet);
    const std::string port = PortOf(pair.client) + " ";
    const std::string first = Find(diag, {"opened", port}), second = Find(diag, {"opened", port});
    const bool client_first = first.find("tcp 127.0.0.1" + port) != first.npos;
    const bool whole = first.find(" ESTAB ") != first.npos && second.find(" ESTAB ") != second.npos;
    if (whole || ::testing::Test::HasFailure()) return {pair, client_first ? first : second};
    close(pair.client);
    close(pair.server);
  }
}

TEST(WatchProgram, TellsTheLifeOfAConnection) {
  InNewNetns([] {
    Running diag({"watch", "-d", "0.1"});
    AwaitFirstLook(&diag, OwnName());
    const auto [pair, opened] = OpenWatched(&diag);
    const std::string port = PortOf(pair.client);
    EXPECT_THAT(opened,
                AllOf(ContainsRegex("^20..-..-..T..:..:..\\....[+-]..:.. opened tcp 127.0.0.1:"),
                      HasSubstr(OwnName())));
    Transfer(pair, 1000);
    CloseFirst(pair.client);
    const auto [closed, state] =
        FindBoth(&diag, {"closed", " 127.0.0.1" + port + " "}, {"state", port, "CLOSE-WAIT"});
    EXPECT_THAT(closed,
                AllOf(HasSubstr(" sent 1002 received 0 retrans 0 rtt "), HasSubstr(OwnName())));
    EXPECT_THAT(state, HasSubstr(" ESTAB -> CLOSE-WAIT "));
    close(pair.server);
    EXPECT_THAT(Find(&diag, {"closed", port}), HasSubstr(" sent 1 received 1001 "));
    EXPECT_EQ(diag.Stop(), 0);
    EXPECT_THAT(diag.Errors(), SaysNothingElse());
  });
}

// The next line of --jsonl that is about a socket.
std::string NextChange(Running* diag) {
  for (;;) {
    std::string line = diag->Line().value_or("");
    if (line.find("\"change\":\"note\"") == line.npos) return line;
  }
}

TEST(WatchProgram, TellsThresholdsOnceAndOnlyWhatIsWanted) {
  InNewNetns([] {
    const Pair pair = MakePair(Family::kInet);
    Running diag({"watch", "-d", "0.1", "--only", "when,closed", "--when", "bytes_acked > 500",
                  "--jsonl", "sport", "=", PortOf(pair.client)});
    Transfer(pair, 1000);
    const std::string first = NextChange(&diag);
    rapidjson::Document line;
    ASSERT_FALSE(line.Parse(first.c_str()).HasParseError()) << first;
    EXPECT_STREQ(line["change"].GetString(), "when");
    EXPECT_EQ(line["local_port"].GetInt(), LocalOf(pair.client).port.value());
    EXPECT_EQ(line["counters"]["bytes_acked"].GetInt(), 1001);
    EXPECT_EQ(line["owners"][0]["pid"].GetInt(), getpid());
    CloseFirst(pair.client);
    const std::string second = NextChange(&diag);
    ASSERT_FALSE(line.Parse(second.c_str()).HasParseError()) << second;
    EXPECT_STREQ(line["change"].GetString(), "closed");
    EXPECT_EQ(line["counters"]["bytes_acked"].GetInt(), 1002);
    EXPECT_TRUE(line["owners_remembered"].GetBool());
    close(pair.server);
    diag.SignalUntilItEnds(SIGTERM);
  });
}

TEST(WatchProgram, OffersTheOwnerOfTheListenerForWhatNoLookSaw) {
  InNewNetns([] {
    const int listener = Listen(Loopback(Family::kInet), 8);
    Running diag({"watch", "-d", "2", "--only", "closed"});
    AwaitFirstLook(&diag, OwnName());
    const std::string port = PortOf(listener);
    std::string line;
    // A look can come between, and then the owner is known.
    for (int i = 0; i < 100 && !line.ends_with("?"); ++i) {
      const int client = Make(Family::kInet, SOCK_STREAM);
      Connect(client, LocalOf(listener));
      const int server = Accept(listener);
      close(client);
      close(server);
      line = Find(&diag, {"closed", " 127.0.0.1" + port + " 127.0.0.1:"});
    }
    EXPECT_THAT(line, AllOf(HasSubstr(" unseen "), ::testing::EndsWith(OwnName() + "?")));
    diag.SignalUntilItEnds(SIGINT);
    close(listener);
  });
}

TEST(WatchProgram, EndsAfterTheLimit) {
  InNewNetns([] {
    Running diag({"watch", "-d", "0.1", "-n", "1"});
    const Pair pair = MakePair(Family::kInet);
    std::vector<std::string> lines;
    std::thread closer([&] {
      for (int i = 0; i < 100; ++i) {
        close(Listen(Loopback(Family::kInet), 1));
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      }
    });
    EXPECT_EQ(diag.Rest().size(), 1u);
    EXPECT_EQ(diag.Wait(), 0) << diag.Errors();
    closer.join();
    close(pair.client);
    close(pair.server);
  });
}

TEST(WatchProgram, RefusesWhatHasNoMeaning) {
  const struct {
    std::vector<std::string> words;
    std::string says;
  } rows[] = {
      {{"watch", "--only", "born"}, "expected opened, state, closed, gone or when"},
      {{"watch", "-d", "0"}, "expected seconds from 0.05 to 86400"},
      {{"watch", "--when", "rtt >"}, "rtt >"},
      {{"top", "-b", "-n", "x"}, "expected a number"},
      {{"top", "-b", "--by", "nothing"}, "nothing"},
  };
  for (const auto& [words, says] : rows) {
    const Outcome outcome = RunDiag(words);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr(says));
  }
}

TEST(TopProgram, CountsWhatMovesByProcess) {
  InNewNetns([] {
    const Pair pair = MakePair(Family::kInet);
    Running diag({"top", "-b", "-d", "0.3", "--jsonl"});
    const std::string me = std::to_string(getpid());
    // The first table may come before or after the transfer: the sum of all is what counts.
    Transfer(pair, 5000);
    uint64_t sent = 0, received = 0;
    for (int tables = 0; tables < 100 && (sent < 5000 || received < 5000); ++tables) {
      const std::string text = diag.Line().value_or("");
      rapidjson::Document table;
      ASSERT_FALSE(table.Parse(text.c_str()).HasParseError()) << text;
      EXPECT_TRUE(table["exact"].GetBool());
      uint64_t sum = 0;
      for (const auto& row : table["rows"].GetArray()) {
        sum += row["received_bytes"].GetUint64();
        if (row["owners.pid"].GetString() != me) continue;
        sent += row["sent_bytes"].GetUint64();
        received += row["received_bytes"].GetUint64();
      }
      EXPECT_EQ(sum, table["total"]["received_bytes"].GetUint64());
      if (sent == 0) Transfer(pair, 5000);
    }
    EXPECT_GE(sent, 5000u);
    EXPECT_EQ(sent % 5000, 0u);
    EXPECT_EQ(received % 5000, 0u);
    close(pair.client);
    close(pair.server);
    EXPECT_EQ(diag.Stop(), 0);
  });
}

TEST(TopProgram, SaysInJsonToo) {
  InNewNetns([] {
    const Outcome outcome = RunDiag({"top", "-b", "-n", "1", "-d", "0.1", "--jsonl"}, [] {
      if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) _exit(126);
    });
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("owners may be missing"));
    rapidjson::Document table;
    ASSERT_FALSE(table.Parse(outcome.out.c_str()).HasParseError()) << outcome.out;
    ASSERT_GE(table["notes"].Size(), 1u);
    EXPECT_THAT(table["notes"][0].GetString(), HasSubstr("owners may be missing"));
  });
}

TEST(TopProgram, WritesAsManyTablesAsAsked) {
  InNewNetns([] {
    const Pair pair = MakePair(Family::kInet);
    const Outcome outcome =
        RunDiag({"top", "-b", "-n", "2", "-d", "0.1", "--by", "local_port,state"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_THAT(outcome.err, SaysNothingElse());
    EXPECT_THAT(outcome.out,
                ContainsRegex("  2 sockets, opened 0, closed 0\n"
                              "    RX/s    TX/s  RETRANS  SOCKETS  local_port  state *\n"));
    EXPECT_THAT(outcome.out, ContainsRegex("\n       0       0        0        1  " +
                                           PortOf(pair.client).substr(1) + " +established"));
    EXPECT_THAT(outcome.out, ContainsRegex("\n       0       0        0        2  total\n\n20"));
    close(pair.client);
    close(pair.server);
  });
}

// A process with a hostile name that holds the sockets of this one until the object's end.
class Holder {
 public:
  explicit Holder(const char* name) {
    child_ = fork();
    if (child_ != 0) return;
    prctl(PR_SET_NAME, name);
    pause();
    _exit(0);
  }
  ~Holder() {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }

 private:
  pid_t child_;
};

TEST(TopProgram, NamesOfProcessesCannotWriteToTheTerminal) {
  InNewNetns([] {
    const Pair pair = MakePair(Family::kInet);
    const Holder holder("\x1b[31m\n\xff x");
    close(pair.client);
    close(pair.server);
    const std::string shown = "\\x1b[31m\\x0a\\xff\\x20x";
    const Outcome top = RunDiag({"top", "-b", "-n", "1", "-d", "0.1"});
    EXPECT_THAT(top.out, AllOf(HasSubstr(shown), Not(HasSubstr("\x1b"))));
    const Outcome why = RunDiag({"why", "127.0.0.1"});
    EXPECT_THAT(why.out, Not(HasSubstr("\x1b")));
    Running watch({"watch", "-d", "0.1", "--only", "when", "--when", "state = established"});
    EXPECT_THAT(Find(&watch, {"when", shown}), Not(HasSubstr("\x1b")));
    watch.SignalUntilItEnds(SIGINT);
  });
}

void BecomeNobody() {
  if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) _exit(126);
}

TEST(TopProgram, WorksForNobodyAndSaysWhatItCannotSee) {
  InNewNetns([] {
    const Pair pair = MakePair(Family::kInet);
    const Outcome top =
        RunDiag({"top", "-b", "-n", "1", "-d", "0.1", "--by", "local_port"}, BecomeNobody);
    EXPECT_EQ(top.exit_code, 0) << top.err;
    EXPECT_THAT(top.out, HasSubstr(PortOf(pair.client).substr(1)));
    EXPECT_THAT(top.err, HasSubstr("diag: owners may be missing"));
    const Outcome why = RunDiag({"why", PortOf(pair.client)}, BecomeNobody);
    EXPECT_EQ(why.exit_code, 0) << why.err;
    EXPECT_THAT(why.err, HasSubstr("diag: owners may be missing"));
    close(pair.client);
    close(pair.server);
  });
}

TEST(WhyProgram, TellsWhoUsesAPortAndWhatIsUnusual) {
  InNewNetns([] {
    const int listener = Listen(Any(Family::kInet), 5);
    const int client = Make(Family::kInet, SOCK_STREAM);
    Endpoint to = Loopback(Family::kInet);
    to.port = LocalOf(listener).port;
    Connect(client, to);
    const int server = Accept(listener);
    const std::string port = PortOf(listener);
    const Outcome outcome = RunDiag({"why", port});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_THAT(outcome.err, SaysNothingElse());
    EXPECT_THAT(outcome.out,
                AllOf(HasSubstr("port " + port.substr(1) + "\n"),
                      HasSubstr(" (process " + std::to_string(getpid()) + ", started "),
                      ContainsRegex("  executable    /.*monitor_program_test\n"),
                      HasSubstr("  listens on    tcp 0.0.0.0" + port + "\n"),
                      HasSubstr("  tcp 0.0.0.0" + port + "  every address  0 of 5 wait for "),
                      HasSubstr("Connected\n  ESTAB 2\n  127.0.0.1  2\n"),
                      HasSubstr("takes what comes to any address of this host")));
    close(client);
    close(server);
    close(listener);
  });
}

TEST(WhyProgram, TellsOfAFullAcceptQueue) {
  InNewNetns([] {
    const int listener = Listen(Loopback(Family::kInet), 0);
    std::vector<int> clients;
    for (int i = 0; i < 3; ++i) {
      clients.push_back(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      Connect(clients.back(), LocalOf(listener));
    }
    const Outcome outcome = RunDiag({"why", "127.0.0.1"});
    EXPECT_THAT(outcome.out, AllOf(HasSubstr("address 127.0.0.1\n"), HasSubstr("this host only"),
                                   Not(HasSubstr("any address of this host"))));
    for (const int client : clients) close(client);
    close(listener);
  });
}

TEST(WhyProgram, AnswersAboutAProcess) {
  InNewNetns([] {
    const int listener = Listen(Loopback(Family::kInet6), 5);
    const Outcome outcome = RunDiag({"why", std::to_string(getpid())});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, AllOf(HasSubstr("process " + std::to_string(getpid()) + "\n"),
                                   HasSubstr("listens on    tcp [::1]" + PortOf(listener)),
                                   HasSubstr("Unusual\n  nothing\n")));
    close(listener);
  });
}

TEST(WhyProgram, RefusesOtherWords) {
  EXPECT_EQ(RunDiag({"why"}).exit_code, 2);
  EXPECT_EQ(RunDiag({"why", "nginx"}).exit_code, 2);
  EXPECT_THAT(RunDiag({"why", "nginx"}).err, HasSubstr("expected a port, a process or an address"));
}

}  // namespace
}  // namespace netdiag::testing
