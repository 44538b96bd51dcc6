// The options -N and --all-netns of diag, in text and in JSON.

#include <arpa/inet.h>
#include <net/if.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <rapidjson/document.h>
#include <rapidjson/schema.h>

#include "tests/live/netns_testing.h"
#include "tests/testing/netns.h"
#include "tests/testing/run_program.h"

namespace netdiag::testing {
namespace {

using netlink::CurrentNetns;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// The lines that contain a word and begin with another one.
std::vector<std::string> LinesWith(const std::string& text, const std::string& word,
                                   const std::string& first = "") {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with(first) && line.find(word) != line.npos) lines.push_back(line);
  }
  return lines;
}

// A listener in each of two namespaces: "blue", and the own one.
class Listeners {
 public:
  Listeners() : blue(AddNetns("blue")), own_(Listen(Loopback(Family::kInet), 1)) {
    In("blue", [this] { blue_ = Listen(Loopback(Family::kInet), 1); });
    // The kernel chose the ports, which can be equal.
    while (own_port() == blue_port()) own_ = Another(own_);
  }
  Listeners(const Listeners&) = delete;
  Listeners& operator=(const Listeners&) = delete;
  ~Listeners() {
    close(own_);
    close(blue_);
  }
  std::string own_port() const { return PortOf(own_); }
  std::string blue_port() const { return PortOf(blue_); }
  const NetnsId blue;

 private:
  static std::string PortOf(int fd) { return std::to_string(LocalOf(fd).port.value()); }
  static int Another(int before) {
    const int other = Listen(Loopback(Family::kInet), 1);
    close(before);
    return other;
  }
  int own_;
  int blue_ = -1;
};

TEST(DiagNamespaces, TextHasAColumnForNamespaces) {
  Apart([] {
    const Listeners listeners;
    const Outcome all = RunDiag({"--all-netns", "-tln"});
    EXPECT_EQ(all.exit_code, 0) << all.err;
    EXPECT_THAT(all.out, StartsWith("Netns"));
    // Namespaces of other programs may have listeners on the same ports.
    const auto blue = LinesWith(all.out, ":" + listeners.blue_port() + " ", "blue ");
    ASSERT_EQ(blue.size(), 1u) << all.out;
    const auto own = LinesWith(all.out, ":" + listeners.own_port() + " ", "self ");
    ASSERT_EQ(own.size(), 1u) << all.out;
    EXPECT_LT(all.out.find(own[0]), all.out.find(blue[0])) << "the own one first";

    const Outcome here = RunDiag({"-tln"});
    EXPECT_THAT(here.out, Not(HasSubstr("Netns")));
    EXPECT_THAT(here.out, Not(HasSubstr(":" + listeners.blue_port() + " ")));
  });
}

TEST(DiagNamespaces, FiltersSelectNamespaces) {
  Apart([] {
    const Listeners listeners;
    const Outcome blue = RunDiag({"--all-netns", "-tlnH", "netns_name", "=", "blue"});
    EXPECT_EQ(blue.exit_code, 0) << blue.err;
    EXPECT_EQ(LinesWith(blue.out, "blue").size(), 1u) << blue.out;
    EXPECT_EQ(std::ranges::count(blue.out, '\n'), 1) << blue.out;
    // A name of `ip netns` stands for the inode of the namespace.
    EXPECT_EQ(RunDiag({"--all-netns", "-tlnH", "netns = blue"}).out, blue.out);
  });
}

TEST(DiagNamespaces, ANamespaceIsGivenByNamePathOrProcess) {
  Apart([] {
    const Listeners listeners;
    const pid_t child = fork();
    if (child == 0) {
      const int netns = open("/run/netns/blue", O_RDONLY | O_CLOEXEC);
      if (setns(netns, CLONE_NEWNET) != 0) _exit(1);
      raise(SIGSTOP);
      _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
    for (const std::vector<std::string>& words : {std::vector<std::string>{"-N", "blue"},
                                                  {"-Nblue"},
                                                  {"--net=blue"},
                                                  {"-N", "/run/netns/blue"},
                                                  {"--net", std::to_string(child)}}) {
      std::vector<std::string> all = {"-tlnH"};
      all.insert(all.end(), words.begin(), words.end());
      const Outcome outcome = RunDiag(all);
      EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
      EXPECT_EQ(LinesWith(outcome.out, ":" + listeners.blue_port() + " ").size(), 1u)
          << outcome.out;
      EXPECT_EQ(std::ranges::count(outcome.out, '\n'), 1) << outcome.out;
    }
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    // A name has priority over a process of that number.
    AddNetns("1");
    const Outcome numbered = RunDiag({"-tuxanH", "-N", "1"});
    EXPECT_EQ(numbered.exit_code, 0) << numbered.err;
    EXPECT_EQ(numbered.out, "");
  });
}

TEST(DiagNamespaces, AMissingNamespaceIsAnError) {
  Apart([] {
    const Listeners listeners;
    for (const char* name : {"green", ""}) {
      const Outcome outcome = RunDiag({"-tln", "-N", name});
      EXPECT_EQ(outcome.exit_code, 2) << name;
      EXPECT_EQ(outcome.out, "") << name;
      EXPECT_EQ(LinesWith(outcome.err, "diag: ").size(), 1u) << outcome.err;
    }
    for (const char* name : {"/etc/passwd", "/no/such", "/proc/self/ns/mnt", ".."}) {
      const Outcome outcome = RunDiag({"-tln", "-N", name});
      EXPECT_EQ(outcome.exit_code, 2) << name;
      EXPECT_EQ(outcome.out, "") << name;
      EXPECT_THAT(outcome.err, HasSubstr(name));
    }
    EXPECT_EQ(RunDiag({"-N", "blue", "--all-netns"}).exit_code, 2);
  });
}

TEST(DiagNamespaces, TheOwnOneIsSelfInEveryFormAndForEveryOption) {
  Apart([] {
    const Listeners listeners;
    const std::string own = std::to_string(CurrentNetns().value());
    const Outcome here = RunDiag({"-tlnH"});
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"-N", "self"}, {"netns = self"}, {"netns_name = self"}}) {
      std::vector<std::string> all = {"-tlnH"};
      all.insert(all.end(), words.begin(), words.end());
      const Outcome outcome = RunDiag(all);
      EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
      EXPECT_EQ(outcome.out, here.out) << words[0];
    }
    EXPECT_THAT(RunDiag({"--all-netns", "-tlnH", "netns = self"}).out, StartsWith("self "));
    const std::string csv = RunDiag({"--all-netns", "-tl", "--csv"}).out;
    EXPECT_THAT(csv, StartsWith("netns,netns_name,protocol,"));
    EXPECT_EQ(LinesWith(csv, "," + listeners.own_port() + ",", own + ",self,tcp,").size(), 1u)
        << csv;
    EXPECT_EQ(LinesWith(csv, "," + listeners.blue_port() + ",",
                        std::to_string(listeners.blue.value()) + ",blue,tcp,")
                  .size(),
              1u)
        << csv;
    EXPECT_THAT(RunDiag({"-tl", "--csv"}).out, StartsWith("protocol,"));
    EXPECT_THAT(RunDiag({"--all-netns", "-tl", "--jsonl", "--columns", "netns,netns_name"}).out,
                StartsWith(R"({"netns":)" + own + R"(,"netns_name":"self"})"));
    EXPECT_EQ(RunDiag({"interfaces", "--net", "self", "lo"}).exit_code, 0);
  });
}

// A veth pair of each of two namespaces, with the same index and other names, and a listener on
// the link-local address of each.
class Veths {
 public:
  Veths() {
    AddNetns("blue");
    Make("", "v0");
    Make("ip netns exec blue ", "b0");
    own_ = ListenAt("v0");
    In("blue", [this] { blue_ = ListenAt("b0"); });
  }
  Veths(const Veths&) = delete;
  Veths& operator=(const Veths&) = delete;
  ~Veths() {
    close(own_);
    close(blue_);
  }

 private:
  static void Make(const std::string& in, const std::string& name) {
    Shell(in + "ip link add " + name + " index 700 type veth peer name " + name + "p");
    for (const std::string& end : {name, name + "p"}) {
      Shell(in + "ip link set " + end + " addrgenmode none up");
    }
    Shell(in + "ip addr add fe80::1/64 dev " + name + " nodad");
  }
  static int ListenAt(const char* interface) {
    const int fd = netdiag::testing::Make(Family::kInet6, SOCK_STREAM);
    sockaddr_in6 address = {};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(2222);
    address.sin6_scope_id = if_nametoindex(interface);
    Check(inet_pton(AF_INET6, "fe80::1", &address.sin6_addr) == 1, "inet_pton");
    Check(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0, "bind");
    Check(listen(fd, 1) == 0, "listen");
    return fd;
  }
  int own_ = -1;
  int blue_ = -1;
};

TEST(DiagNamespaces, InterfacesHaveTheNamesOfTheirNamespace) {
  Apart([] {
    const Veths veths;
    EXPECT_THAT(RunDiag({"-N", "blue", "-tlnH"}).out, HasSubstr("[fe80::1]%b0:2222"));
    const Outcome all = RunDiag({"--all-netns", "-tlnH", "sport = 2222"});
    EXPECT_EQ(LinesWith(all.out, "[fe80::1]%v0:2222 ", "self ").size(), 1u) << all.out;
    EXPECT_EQ(LinesWith(all.out, "[fe80::1]%b0:2222 ", "blue ").size(), 1u) << all.out;
    // After the listing, too: rows that are sorted are shown when it has ended.
    const Outcome table = RunDiag({"--all-netns", "--csv", "-tlH", "--columns",
                                   "netns_name,dev,interface", "--sort", "-dev", "src = fe80::1"});
    EXPECT_EQ(table.out, "self,v0,700\r\nblue,b0,700\r\n");
    EXPECT_THAT(RunDiag({"-N", "blue", "--jsonl", "-tl", "--columns", "dev"}).out,
                StartsWith(R"({"dev":"b0"})"));
    // Counts, too. A count over several namespaces has no names.
    EXPECT_EQ(RunDiag({"-N", "blue", "--csv", "-tlH", "--count-by", "dev", "src = fe80::1"}).out,
              "b0,1\r\n");
    EXPECT_EQ(RunDiag({"--all-netns", "-tlH", "--count-by", "dev", "src = fe80::1"}).out,
              "2 if700\n");
  });
}

TEST(DiagNamespaces, AnInterfaceIsResolvedInEachNamespaceThatIsListed) {
  Apart([] {
    const Veths veths;
    const std::string own = "[fe80::1]%v0:2222";
    const std::string blue = "[fe80::1]%b0:2222";
    const struct {
      std::vector<std::string> words;
      std::vector<std::string> rows;
    } cases[] = {
        {{"dev v0"}, {own}},
        {{"-N", "blue", "dev b0"}, {blue}},
        {{"--all-netns", "dev v0"}, {own}},
        {{"--all-netns", "dev b0"}, {blue}},
        {{"--all-netns", "dev = b0 or dev = v0"}, {own, blue}},
        {{"--all-netns", "dev != v0 and sport = 2222 and netns_name != \"\""}, {blue}},
        {{"--all-netns", "dev = 700"}, {own, blue}},
        {{"src " + own}, {own}},
        {{own}, {own}},
        {{"-N", "blue", "src " + blue}, {blue}},
        {{"-N", "blue", blue}, {blue}},
        {{"--all-netns", blue}, {blue}},
        {{"--all-netns", "src fe80::1%b0"}, {blue}},
        {{"--all-netns", "src = [fe80::/10]%v0"}, {own}},
        {{"--all-netns", "src != [fe80::2]%b0 and dev = b0"}, {blue}},
    };
    for (const auto& row : cases) {
      std::vector<std::string> words = {"-tlnH"};
      words.insert(words.end(), row.words.begin(), row.words.end());
      const Outcome outcome = RunDiag(words);
      EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
      EXPECT_EQ(std::ranges::count(outcome.out, '\n'), std::ssize(row.rows))
          << row.words.back() << "\n"
          << outcome.out;
      for (const std::string& end : row.rows) {
        EXPECT_THAT(outcome.out, HasSubstr(end)) << row.words.back();
      }
    }
  });
}

TEST(DiagNamespaces, AnInterfaceThatNoListedNamespaceHasIsAnErrorThatNamesIt) {
  Apart([] {
    const Veths veths;
    for (const std::vector<std::string>& words : {std::vector<std::string>{"dev b0"},
                                                  {"-N", "blue", "dev v0"},
                                                  {"--all-netns", "dev x0"},
                                                  {"-N", "blue", "src [fe80::1]%v0:2222"},
                                                  {"[fe80::1]%b0"}}) {
      std::vector<std::string> all = {"-tlnH"};
      all.insert(all.end(), words.begin(), words.end());
      const Outcome outcome = RunDiag(all);
      EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
      EXPECT_EQ(outcome.out, "");
      EXPECT_THAT(outcome.err, HasSubstr("no network namespace that is listed has"))
          << words.back();
      EXPECT_THAT(outcome.err, HasSubstr(words.back())) << words.back();
    }
    // What is wrong with the namespace is said first.
    EXPECT_THAT(RunDiag({"-N", "none", "dev v0"}).err, HasSubstr("\"none\""));
  });
}

// A socket that is in flight has no holder, so its owner is searched for twice.
TEST(DiagNamespaces, TheRowsOfTheOwnOneComeFirstAlsoIfTheirOwnersAreSearchedForAgain) {
  Apart([] {
    AddNetns("blue");
    int blue = -1;
    In("blue", [&] { blue = Listen(Loopback(Family::kInet), 1); });
    const int own = Listen(Loopback(Family::kInet), 1);
    const std::string port = std::to_string(LocalOf(own).port.value());
    std::array<int, 2> pair = {-1, -1};
    Check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) == 0, "socketpair");
    SendDescriptor(pair[0], own);
    close(own);
    for (const char* which : {"all", "first"}) {
      const Outcome outcome = RunDiag({"--all-netns", "-tlnH", "--owners", which});
      EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
      std::istringstream lines(outcome.out);
      std::string line;
      ASSERT_TRUE(std::getline(lines, line));
      EXPECT_THAT(line, ::testing::AllOf(StartsWith("self "), HasSubstr(":" + port + " ")))
          << which << "\n"
          << outcome.out;
      EXPECT_EQ(LinesWith(outcome.out, "users:", "blue ").size(), 1u) << outcome.out;
    }
    for (const int fd : {pair[0], pair[1], blue}) close(fd);
  });
}

TEST(DiagNamespaces, UsersAreThoseOfTheHostUnlessAFileIsNamed) {
  Apart([] {
    const Listeners listeners;
    std::ofstream("/run/passwd") << "boss:x:0:0::/:/bin/sh\n";
    const std::vector<std::string> words = {"-N", "blue", "-tlH", "--columns", "user,uid"};
    EXPECT_EQ(RunDiag(words).out, "root 0\n");
    std::vector<std::string> with = words;
    with.insert(with.end(), {"--passwd", "/run/passwd", "user = boss"});
    EXPECT_EQ(RunDiag(with).out, "boss 0\n");
    with.back() = "user = root";
    EXPECT_EQ(RunDiag(with).exit_code, 2) << "the file has no such user";
    const Outcome none = RunDiag({"-t", "--passwd", "/run/none"});
    EXPECT_EQ(none.exit_code, 2);
    EXPECT_THAT(none.err, HasSubstr("--passwd /run/none"));
  });
}

// Any user who makes a namespace chooses its name.
TEST(DiagNamespaces, ControlCharactersOfNamesAreEscaped) {
  Apart([] {
    AddNetns("r\x1b[31md");
    int listener = -1;
    In("r\x1b[31md", [&] { listener = Listen(Loopback(Family::kInet), 1); });
    const std::string text = RunDiag({"--all-netns", "-tlnH"}).out;
    EXPECT_THAT(text, HasSubstr("r\\x1b[31md "));
    EXPECT_THAT(RunDiag({"--all-netns", "--json", "-tl"}).out, HasSubstr("r\\u001B[31md"));
    for (const char* form : {"-n", "--json", "--jsonl", "--csv"}) {
      EXPECT_THAT(RunDiag({"--all-netns", "-tl", form}).out, Not(HasSubstr("\x1b"))) << form;
    }
    close(listener);
  });
}

rapidjson::Document Json(const std::vector<std::string>& words) {
  const Outcome outcome = RunDiag(words);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  rapidjson::Document document;
  document.Parse<rapidjson::kParseValidateEncodingFlag>(outcome.out.data(), outcome.out.size());
  EXPECT_FALSE(document.HasParseError()) << outcome.out;
  return document;
}

TEST(DiagNamespaces, JsonHasTheNamespaceOfEachSocket) {
  Apart([] {
    const Listeners listeners;
    const rapidjson::Document all = Json({"--all-netns", "--json", "-tl"});
    // Names by namespace and port: namespaces of other programs may use the same ports.
    std::map<std::pair<uint32_t, std::string>, std::string> names;
    for (const auto& row : all["sockets"].GetArray()) {
      const std::string port = std::to_string(row["local_port"].GetUint());
      names[{row["netns"].GetUint(), port}] =
          row.HasMember("netns_name") ? row["netns_name"].GetString() : "none";
    }
    EXPECT_EQ((names[{listeners.blue.value(), listeners.blue_port()}]), "blue");
    EXPECT_EQ((names[{CurrentNetns().value(), listeners.own_port()}]), "self");
    std::map<std::string, uint32_t> tables;
    for (const auto& table : all["tables"].GetArray()) {
      if (table.HasMember("netns_name")) {
        tables[table["netns_name"].GetString()] = table["netns"].GetUint();
      }
    }
    EXPECT_EQ(tables, (std::map<std::string, uint32_t>{{"blue", listeners.blue.value()},
                                                       {"self", CurrentNetns().value()}}));
    EXPECT_EQ(all["tables"][0]["netns"].GetUint(), CurrentNetns().value());
    ASSERT_TRUE(all.HasMember("namespaces"));
    EXPECT_GE(all["namespaces"]["listed"].GetUint(), 2u);
    EXPECT_EQ(all["namespaces"]["denied"].GetUint(), 0u);
    EXPECT_FALSE(Json({"--json", "-tl"}).HasMember("namespaces"));

    const rapidjson::Document counts =
        Json({"--all-netns", "--json", "-tl", "--count-by=netns_name"});
    std::map<std::string, uint32_t> counted;
    for (const auto& group : counts["counts"].GetArray()) {
      if (group.HasMember("netns_name")) {
        counted[group["netns_name"].GetString()] = group["count"].GetUint();
      }
    }
    EXPECT_EQ(counted, (std::map<std::string, uint32_t>{{"blue", 1}, {"self", 1}}));
  });
}

TEST(DiagNamespaces, AReportCountsNamespacesThatCannotBeReached) {
  Apart([] {
    std::atomic<bool> made = false;
    std::atomic<bool> done = false;
    std::thread holder([&] {
      EnterNewNetns();
      made = true;
      made.notify_one();
      done.wait(false);
    });
    made.wait(false);
    const rapidjson::Document answer = Json({"--all-netns", "--json", "-tl"});
    const std::string err = RunDiag({"--all-netns", "-tl"}).err;
    done = true;
    done.notify_one();
    holder.join();
    if (answer["namespaces"].HasMember("no_socket_search")) {
      GTEST_SKIP() << answer["namespaces"]["no_socket_search"].GetString();
    }
    EXPECT_GE(answer["namespaces"]["unreached"].GetUint(), 1u);
    EXPECT_THAT(
        err, ::testing::ContainsRegex(
                 "sockets are missing, because [0-9]+ network namespaces? could not be reached: "
                 "only a thread, a mount in another mount namespace, a process that diag does not "
                 "see, a connection that no process holds, or the kernel keeps (it|them) alive\n"));
  });
}

TEST(DiagNamespaces, JsonMatchesItsSchema) {
  Apart([] {
    const Listeners listeners;
    AddNetns("no\xffutf8");
    rapidjson::Document text;
    const std::string made = RunDiag({"--help-format=schema"}).out;
    ASSERT_FALSE(text.Parse(made.c_str()).HasParseError());
    const rapidjson::SchemaDocument schema(text);
    for (const char* also : {"-tlu", "-tuxap", "-s"}) {
      const rapidjson::Document answer = Json({"--all-netns", "--json", also});
      rapidjson::SchemaValidator validator(schema);
      EXPECT_TRUE(answer.Accept(validator)) << also << ": " << validator.GetInvalidSchemaKeyword();
    }
  });
}

}  // namespace
}  // namespace netdiag::testing
