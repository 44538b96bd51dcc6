// The options -N and --all-netns of diag, in text and in JSON.

#include <sys/wait.h>

#include <algorithm>
#include <fcntl.h>
#include <map>
#include <set>
#include <sstream>
#include <vector>

#include <gmock/gmock.h>
#include <rapidjson/document.h>
#include <rapidjson/schema.h>

#include "tests/live/netns_testing.h"
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
    // A namespace without a name is given by its inode.
    const std::string own_name = std::to_string(CurrentNetns().value()) + " ";
    const auto own = LinesWith(all.out, ":" + listeners.own_port() + " ", own_name);
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
    EXPECT_EQ((names[{CurrentNetns().value(), listeners.own_port()}]), "none");
    std::map<std::string, uint32_t> tables;
    for (const auto& table : all["tables"].GetArray()) {
      if (table.HasMember("netns_name")) {
        tables[table["netns_name"].GetString()] = table["netns"].GetUint();
      }
    }
    EXPECT_EQ(tables, (std::map<std::string, uint32_t>{{"blue", listeners.blue.value()}}));
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
    EXPECT_EQ(counted, (std::map<std::string, uint32_t>{{"blue", 1}}));
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
