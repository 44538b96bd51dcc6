// Twenty everyday questions and the commands that answer them, over a small population. All that
// the commands use is in `diag --help` and the topics that it names.

#include <sys/prctl.h>
#include <sys/un.h>

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/live/netns_testing.h"
#include "tests/process/process_testing.h"
#include "tests/testing/run_program.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {
namespace {

using ::testing::HasSubstr;

constexpr Port kWeb = Port::FromHost(8080);
constexpr Port kWeb6 = Port::FromHost(8081);
constexpr Port kNames = Port::FromHost(5353);
constexpr Port kBlue = Port::FromHost(9090);

Endpoint At(Family family, Port port) { return {Loopback(family).address, port}; }

// The process "webserver": three servers, one accepted connection with ten bytes that it does not
// read.
void Serve(int client) {
  prctl(PR_SET_NAME, "webserver");
  const int web = Listen(At(Family::kInet, kWeb), 4);
  const int web6 = Make(Family::kInet6, SOCK_STREAM);
  Set(web6, SOL_SOCKET, SO_BINDTODEVICE, "lo");
  Bind(web6, At(Family::kInet6, kWeb6));
  Check(listen(web6, 4) == 0, "listen");
  Bind(Make(Family::kInet, SOCK_DGRAM), At(Family::kInet, kNames));
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, "\0everyday", 9);
  const int unix_server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  Check(bind(unix_server, reinterpret_cast<const sockaddr*>(&name),
             offsetof(sockaddr_un, sun_path) + 9) == 0,
        "bind");
  Check(listen(unix_server, 1) == 0, "listen");
  Connect(client, At(Family::kInet, kWeb));
  close(client);
  Accept(web);
}

struct Question {
  std::string_view question;
  std::vector<std::string> words;
  size_t rows;           // 0: not counted
  std::string_view has;  // a text in the answer
};

std::vector<Question> Questions(pid_t server) {
  return {
      {"which servers listen, and who are they?", {"-tlnp"}, 2, "webserver"},
      {"who listens on this port?", {"-tlnp", "sport = :8080"}, 1, "webserver"},
      {"which connections are established?", {"-tn", "state", "established"}, 2, ":8080"},
      {"which connections lead to this network?", {"-tan", "dst", "127/8"}, 4, ":8080"},
      {"which connections did a program forget?", {"-tn", "state", "close-wait"}, 1, "127.0.0.1"},
      {"which UDP servers are there?", {"-uln"}, 1, ":5353"},
      {"which unix sockets have this name?", {"-xl", "src", "@every*"}, 1, "@everyday"},
      {"whose data is not read?", {"-tnp", "state", "established", "recvq > 0"}, 1, "webserver"},
      {"which sockets has this program?", {"-tanp", "comm = webserver"}, 3, ":8081"},
      {"which sockets has this process?", {"-tan", "pid = " + std::to_string(server)}, 3, ":8081"},
      {"how many sockets in each state?", {"-ta", "--count-by", "state"}, 4, "2 established"},
      {"how many sockets by program?", {"-ta", "--count-by", "comm"}, 3, "3 webserver"},
      {"which connection is the slowest?",
       {"-tn", "state", "established", "--columns", "remote,rport,rtt", "--sort", "-rtt", "--limit",
        "1"},
       1,
       "127.0.0.1"},
      {"which servers use IPv6?", {"-6tln"}, 1, "[::1]%lo:8081"},
      {"what listens, for a program?", {"-tlnj"}, 0, "\"local_port\":8080"},
      {"what listens in this container?", {"-N", "blue", "-tln"}, 1, ":9090"},
      {"in which namespace is this port?", {"--all-netns", "-tln", "sport = :9090"}, 1, "blue"},
      {"how much memory do connections use?", {"-tnmO", "state", "established"}, 2, "skmem:("},
      {"which connections are kept alive?", {"-tno", "timer = keepalive"}, 1, "keepalive"},
      {"what is bound to this interface?", {"-tln", "dev = lo"}, 1, ":8081"},
      {"what has a privileged user opened?", {"-tlne", "uid = root"}, 2, ":8080"},
  };
}

TEST(Everyday, TwentyQuestionsAreAnswered) {
  Apart([] {
    AddNetns("blue");
    int blue = -1;
    In("blue", [&] { blue = Listen(At(Family::kInet, kBlue), 1); });
    const int client = Make(Family::kInet, SOCK_STREAM);
    Set(client, SOL_SOCKET, SO_KEEPALIVE, 1);
    const Child server([&] { Serve(client); });
    Send(client, 10);
    const Pair forgotten = MakePair(Family::kInet);
    close(forgotten.server);
    Await("close-wait", [&] { return TcpState(forgotten.client) == State::kCloseWait; });

    for (Question& row : Questions(server.pid())) {
      row.words.emplace_back("-H");
      const Outcome outcome = RunDiag(row.words);
      EXPECT_EQ(outcome.exit_code, 0) << row.question << outcome.err;
      EXPECT_THAT(outcome.out, HasSubstr(std::string(row.has))) << row.question;
      const auto lines = std::count(outcome.out.begin(), outcome.out.end(), '\n');
      if (row.rows == 0) continue;
      EXPECT_EQ(static_cast<size_t>(lines), row.rows) << row.question << "\n" << outcome.out;
    }
    close(blue);
    close(client);
    close(forgotten.client);
  });
}

TEST(Everyday, HelpHasEverythingThatTheCommandsUse) {
  const std::string help = RunDiag({"--help"}).out;
  const std::string texts = RunDiag({"help", "filter"}).out + RunDiag({"help", "fields"}).out +
                            RunDiag({"help", "states"}).out;
  for (const Question& row : Questions(1)) {
    for (size_t i = 0; i < row.words.size(); ++i) {
      const std::string& word = row.words[i];
      if (word.starts_with("--")) {
        EXPECT_THAT(help, HasSubstr("      " + word)) << row.question;
      } else if (word.starts_with('-') && i == 0) {
        for (const char letter : word.substr(1)) {
          EXPECT_THAT(help, HasSubstr(std::string("\n  -") + letter + ", --")) << row.question;
        }
      } else if (const size_t blank = word.find(' '); blank != word.npos) {
        EXPECT_THAT(texts, HasSubstr(word.substr(0, blank))) << row.question;
      }
    }
  }
}

}  // namespace
}  // namespace netdiag::testing
