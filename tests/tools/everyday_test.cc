// Everyday questions and the commands that answer them, over a small population. All that the
// commands use is in `diag --help` and in what it names.

#include <sys/prctl.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <set>
#include <sstream>
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

constexpr Port kWeb = Port::FromHost(443);
constexpr Port kWeb6 = Port::FromHost(8081);
constexpr Port kNames = Port::FromHost(5353);
constexpr Port kOfUser = Port::FromHost(5354);
constexpr Port kPassed = Port::FromHost(9090);
constexpr Port kLogin = Port::FromHost(22);
constexpr uid_t kWwwData = 33;  // "www-data" in Debian's /etc/passwd
constexpr char kUnixPath[] = "/run/x.sock";
const IpAddress kHere = IpAddress::V4(10, 1, 1, 1);
constexpr int kMebibyte = 1 << 20;

Endpoint At(Family family, Port port) { return {Loopback(family).address, port}; }

void ToUnixPath(int fd, int (*call)(int, const sockaddr*, socklen_t)) {
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, kUnixPath, sizeof(kUnixPath));
  Check(call(fd, reinterpret_cast<const sockaddr*>(&name), sizeof(name)) == 0, kUnixPath);
}

// Sockets of the test that the process "nginx" connects to itself.
struct Clients {
  int tcp = Make(Family::kInet, SOCK_STREAM);
  int local = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
};

// The process "nginx".
void Serve(const Clients& clients) {
  prctl(PR_SET_NAME, "nginx");
  const int web = Listen({kHere, kWeb}, 4);
  const int web6 = Make(Family::kInet6, SOCK_STREAM);
  Set(web6, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  Set(web6, SOL_SOCKET, SO_BINDTODEVICE, "lo");
  Bind(web6, At(Family::kInet6, kWeb6));
  Check(listen(web6, 4) == 0, "listen");
  const int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ToUnixPath(server, bind);
  Check(listen(server, 1) == 0, "listen");
  const int names = Make(Family::kInet, SOCK_DGRAM);
  Set(names, SOL_SOCKET, SO_RCVBUF, 1);  // the least that the kernel grants
  Bind(names, At(Family::kInet, kNames));
  Check(seteuid(kWwwData) == 0, "seteuid");
  const int of_user = Make(Family::kInet, SOCK_DGRAM);
  Check(seteuid(0) == 0, "seteuid");
  Bind(of_user, At(Family::kInet, kOfUser));
  Make(Family::kInet, SOCK_STREAM);  // never bound: no table has it
  Connect(clients.tcp, {kHere, kWeb});
  Accept(web);
  ToUnixPath(clients.local, connect);
  Accept(server);
  close(clients.tcp);
  close(clients.local);
}

// Makes the kernel drop datagrams to the port kNames.
void Overflow() {
  const int client = Make(Family::kInet, SOCK_DGRAM);
  Connect(client, At(Family::kInet, kNames));
  for (int i = 0; i < 100; ++i) Send(client, 500);
  close(client);
}

// A connection whose bytes arrive nowhere.
Pair MakeRetransmitting() {
  const Pair pair = MakePair(Family::kInet);
  Deafen(pair.server);
  Send(pair.client, 10);
  Await("a retransmission", [&] {
    alignas(8) std::array<std::byte, 512> storage{};
    return ReadTcpInfo(pair.client, storage)[TcpInfo::Field("retrans")].value_or(0) > 0;
  });
  return pair;
}

// A connection with more than a mebibyte that the peer does not read.
Pair MakeFull() {
  const Pair pair = MakePair(Family::kInet);
  Set(pair.client, SOL_SOCKET, SO_SNDBUFFORCE, 8 * kMebibyte);
  fcntl(pair.client, F_SETFL, O_NONBLOCK);
  const std::string data(65536, 'z');
  size_t sent = 0;
  while (sent < size_t{4 * kMebibyte}) {
    const ssize_t size = send(pair.client, data.data(), data.size(), MSG_NOSIGNAL);
    if (size <= 0) break;
    sent += static_cast<size_t>(size);
  }
  Check(sent > size_t{2 * kMebibyte}, "a full buffer");
  return pair;
}

// A connection in TIME-WAIT, which belongs to nobody.
void MakeTimeWait() {
  const Pair pair = MakePair(Family::kInet);
  close(pair.client);
  Await("close-wait", [&] { return TcpState(pair.server) == State::kCloseWait; });
  close(pair.server);
}

// A listener in flight: no process holds it until the message is received. Returns the ends of the
// connection that carries it.
std::array<int, 2> Pass() {
  std::array<int, 2> ends{};
  Check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0, "socketpair");
  const int passed = Listen(At(Family::kInet, kPassed), 1);
  SendDescriptor(ends[0], passed);
  close(passed);
  return ends;
}

// The path of this process in the hierarchy of cgroup v2; "" if it has none.
std::string CgroupPath() {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("0::/") && line.find("..") == line.npos) return line.substr(3);
  }
  return "";
}

struct Question {
  std::string question;
  std::vector<std::string> words;
  int rows;         // kNotCounted, or the rows of the answer
  std::string has;  // a text in the answer, with one blank for several
};
constexpr int kNotCounted = -1;

// `server`: the process "nginx".
std::vector<Question> Questions(pid_t server) {
  const std::string pid = std::to_string(server);
  std::vector<Question> questions = {
      // First, because it lasts for a minute only.
      {"how many are in TIME-WAIT?",
       {"-ta", "state", "time-wait", "--count-by", "state"},
       1,
       "1 time-wait"},
      {"who listens on 443?", {"-tlnp", "sport = :443"}, 1, "(\"nginx\",pid=" + pid},
      {"which process is it?",
       {"-tl", ":443", "--columns", "lport,pid,comm"},
       1,
       "443 " + pid + " nginx"},
      {"who uses 443?", {":443", "-n"}, 3, "LISTEN"},
      {"which connections to 10/8 are slow?", {"-tn", "dst 10/8 and rtt > 1us"}, 2, ":443"},
      {"what is connected to this network?", {"10.0.0.0/8", "-n"}, 3, "nginx"},
      {"which sockets has nginx?", {"nginx", "-n"}, 7, ":5353"},
      {"which sockets has this process?", {"-anp", "pid = " + pid}, 7, ":5354"},
      {"the same for a program", {"connections", "--pid", pid}, kNotCounted, "\"pid\":" + pid},
      {"which ten have received the most?",
       {"-tn", "state", "established", "--sort", "-bytes_received", "--limit", "10", "--columns",
        "rport,bytes_received"},
       6,
       ""},
      {"how many in which state, by command?",
       {"-ta", "--count-by", "state,comm"},
       kNotCounted,
       "2 listening nginx"},
      // Other tests of the machine may have namespaces with such a listener too.
      {"which namespace has a listener on 22?",
       {"--all-netns", "-tln", "sport = :22"},
       kNotCounted,
       "blue LISTEN 0 1 127.0.0.1:22"},
      {"what listens in this namespace?", {"-N", "blue", "-tln"}, 1, ":22"},
      {"who is at the other end?",
       {"-xp", "--peers", "src /run/x.sock"},
       1,
       "peer-users:((\"everyday_test\""},
      {"who uses this unix socket?", {"/run/x.sock", "--peers"}, 3, "LISTEN"},
      {"which UDP sockets drop?", {"-uan", "drops > 0"}, 1, ":5353"},
      {"which connections did a program forget?",
       {"-tn", "state", "close-wait", "recvq > 0"},
       1,
       "127.0.0.1"},
      {"what has www-data?", {"-tuan", "user = www-data"}, 1, ":5354"},
      {"what retransmits?", {"-tno", "retrans > 0"}, 1, "timer:(on,"},
      {"what listens, as JSON?", {"-tlnj"}, kNotCounted, "\"local_port\":443"},
      {"everything with owners, for a spreadsheet", {"-anp", "--csv"}, kNotCounted, ",nginx"},
      {"what takes more than 1 MB?",
       {"-tn", "rmem_alloc > 1M or wmem_queued > 1M"},
       1,
       "127.0.0.1"},
      {"what is the traffic per second?",
       {"interfaces", "lo", "--rates", "0.01"},
       kNotCounted,
       "/s"},
      {"what has it that no table shows?", {"--unlisted", "pid = " + pid}, 8, "UNLISTED"},
      {"which sockets has no table?", {"state", "unlisted", "pid = " + pid}, 1, "UNLISTED"},
      {"which of them are UDP?", {"-u", "state", "unlisted", "pid = " + pid}, 0, ""},
      {"what does a process have, whatever it is?",
       {"-aBp", "--unlisted", "pid = " + pid},
       8,
       "UNLISTED"},
      {"which listener is in flight?", {"-tln", "not pid > 0"}, 1, ":9090"},
      {"what listens on IPv6 only?", {"-6tln", "v6_only"}, 1, "[::1]%lo:8081"},
      {"what listens?", {"LISTEN", "-tn"}, 3, ":9090"},
      {"which connections are local?",
       {"-tn", "state", "established", "dst 127/8"},
       4,
       "127.0.0.1"},
      {"the same in two words", {"-tn", "state", "established", "dst", "127/8"}, 4, "127.0.0.1"},
      {"the same as one argument", {"-tn", "state established dst 127/8"}, 4, "127.0.0.1"},
      {"what is not local?", {"-tan", "not dst 127/8 and not state = listening"}, 2, ":443"},
  };
  if (const std::string path = CgroupPath(); !path.empty()) {
    questions.push_back({"what listens of this cgroup?", {"-tln", "cgroup = " + path}, 3, ":443"});
  }
  return questions;
}

// `text` with one blank for several.
std::string OneBlank(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c != ' ' || !out.ends_with(' ')) out += c;
  }
  return out;
}

bool IsCommand(const std::string& word) { return word == "connections" || word == "interfaces"; }

TEST(Everyday, QuestionsAreAnswered) {
  Apart([] {
    Shell("ip addr add 10.1.1.1/32 dev lo");
    const Clients clients;
    const Child server([&] { Serve(clients); });
    AddNetns("blue");
    int blue = -1;
    In("blue", [&] { blue = Listen(At(Family::kInet, kLogin), 1); });
    Overflow();
    const Pair retransmitting = MakeRetransmitting();
    const Pair full = MakeFull();
    const std::array<int, 2> carrier = Pass();
    const Pair forgotten = MakePair(Family::kInet);
    close(forgotten.server);
    Await("close-wait", [&] { return TcpState(forgotten.client) == State::kCloseWait; });
    MakeTimeWait();

    for (Question& row : Questions(server.pid())) {
      if (!IsCommand(row.words[0])) row.words.emplace_back("-H");
      const Outcome outcome = RunDiag(row.words);
      EXPECT_EQ(outcome.exit_code, 0) << row.question << outcome.err;
      EXPECT_THAT(OneBlank(outcome.out), HasSubstr(row.has)) << row.question;
      const auto lines = std::count(outcome.out.begin(), outcome.out.end(), '\n');
      if (row.rows == kNotCounted) continue;
      EXPECT_EQ(lines, row.rows) << row.question << "\n" << outcome.out;
    }
    for (const int fd :
         {clients.tcp, clients.local, blue, retransmitting.client, retransmitting.server,
          full.client, full.server, carrier[0], carrier[1], forgotten.client}) {
      close(fd);
    }
  });
}

// ---- The help ----

// The words of a text: letters, digits, hyphens and underscores.
std::set<std::string> WordsIn(const std::string& text) {
  std::set<std::string> words;
  std::string word;
  for (const char c : text + " ") {
    if (isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-') {
      word += c;
    } else if (!word.empty()) {
      words.insert(word);
      word.clear();
    }
  }
  return words;
}

// The names of fields and keywords in an argument: letters and underscores, without the values that
// follow an operator.
std::vector<std::string> NamesIn(const std::string& argument) {
  std::vector<std::string> names;
  std::istringstream words(argument);
  bool value = false;
  for (std::string word; words >> word;) {
    const bool is_name =
        word.find_first_not_of("abcdefghijklmnopqrstuvwxyz_0123456789") == word.npos &&
        isalpha(static_cast<unsigned char>(word[0])) != 0;
    if (is_name && !value) names.push_back(word);
    value = word == "=" || word == ">";
  }
  return names;
}

// What `diag --help` says, and what it leads to.
TEST(Everyday, HelpHasEverythingThatTheCommandsUse) {
  const std::string help = RunDiag({"--help"}).out;
  std::string all = help;
  for (const char* topic : {"filter", "fields", "states", "tables", "forms", "examples",
                            "exit-codes", "connections", "interfaces"}) {
    EXPECT_THAT(help, HasSubstr(topic));
    all += RunDiag({"help", topic}).out;
  }
  const std::set<std::string> known = WordsIn(all);
  const auto expect_known = [&](const std::string& name, const Question& row) {
    EXPECT_EQ(known.count(name), 1u) << name << ": " << row.question;
  };
  for (const Question& row : Questions(1)) {
    for (size_t i = 0; i < row.words.size(); ++i) {
      const std::string& word = row.words[i];
      const std::string before = i == 0 ? "" : row.words[i - 1];
      if (word.starts_with("--")) {
        expect_known(word, row);
      } else if (before == "--columns" || before == "--count-by" || before == "--sort") {
        std::string list = word;
        std::ranges::replace(list, ',', ' ');
        if (list.starts_with('-')) list.erase(0, 1);
        for (const std::string& name : NamesIn(list)) {
          // A name ends in its unit, which may be left out.
          EXPECT_THAT(all, HasSubstr(name)) << row.question;
        }
      } else if (word.starts_with('-')) {
        for (const char letter : word.substr(1)) {
          EXPECT_THAT(help, HasSubstr(std::string("\n  -") + letter + ", --")) << row.question;
        }
      } else if (word.find(' ') != word.npos) {
        for (const std::string& name : NamesIn(word)) EXPECT_THAT(all, HasSubstr(name));
      }
    }
  }
  EXPECT_GE(Questions(1).size(), 20u);
}

}  // namespace
}  // namespace netdiag::testing
