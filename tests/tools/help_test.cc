// Tests the texts made from the tables of options: shells run the completions, groff formats the
// man page.

#include "tools/diag/help.h"

#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>
#include <rapidjson/schema.h>
#include <rapidjson/stringbuffer.h>

#include "tests/tools/render_testing.h"
#include "tests/tools/schema_testing.h"

namespace diag {
namespace {

using netdiag::Protocol;
using netdiag::testing::CaptureOf;
using netdiag::testing::InetMessage;
using netdiag::testing::IsOk;
using netdiag::testing::Packet;
using netdiag::testing::UnixMessage;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Made(std::string_view format) {
  const absl::StatusOr<std::string> text = FormatHelp(format);
  EXPECT_THAT(text, IsOk());
  return text.value_or("");
}

// Returns what a shell's command line prints to stdout and stderr.
std::string Shell(const std::string& command, int* exit_code = nullptr) {
  FILE* const pipe = popen(("{ " + command + "\n} 2>&1").c_str(), "r");
  std::string text;
  char bytes[4096];
  while (const size_t size = fread(bytes, 1, sizeof(bytes), pipe)) text.append(bytes, size);
  const int status = pclose(pipe);
  if (exit_code != nullptr) *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return text;
}

class File {
 public:
  File(const std::string& name, const std::string& text)
      : path_(::testing::TempDir() + "/help_test_" + name) {
    std::ofstream(path_) << text;
  }
  ~File() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

bool Has(const char* program) {
  int missing = 0;
  Shell(std::string("command -v ") + program, &missing);
  return missing == 0;
}

// Returns what bash offers for the last word.
std::string Offered(const std::string& words, int last) {
  const File script("bash", Made("bash"));
  return Shell("bash -c 'source " + script.path() + " || exit 9; COMP_WORDS=(" + words +
               "); COMP_CWORD=" + std::to_string(last) +
               "; _diag; printf \"%s \" \"${COMPREPLY[@]}\"'");
}

TEST(BashCompletion, IsOneFunctionForDiag) {
  const File script("bash", Made("bash"));
  EXPECT_EQ(Shell("bash -c 'source " + script.path() + "; complete -p diag'"),
            "complete -F _diag diag\n");
}

TEST(BashCompletion, OffersOptionsFieldsStatesAndWords) {
  ASSERT_TRUE(Has("bash"));
  EXPECT_EQ(Offered("diag --json", 1), "--json --jsonl ");
  EXPECT_EQ(Offered("diag --columns remote_", 2), "remote_address remote_port ");
  // bash splits --columns=... at the "=".
  EXPECT_EQ(Offered("diag --columns = remote_a", 3), "remote_address ");
  EXPECT_THAT(Offered("diag --columns =", 2), HasSubstr("local_port "));
  // In a list, only the last name is completed, also behind the "-" of an order.
  EXPECT_EQ(Offered("diag --columns state,remote_a", 2), "state,remote_address ");
  EXPECT_EQ(Offered("diag --sort state,-remote_a", 2), "state,-remote_address ");
  EXPECT_EQ(Offered("diag --color a", 2), "auto always ");
  EXPECT_EQ(Offered("diag state time", 2), "time-wait ");
  EXPECT_EQ(Offered("diag -t st", 2), "state ");
  EXPECT_THAT(Offered("diag -", 1), Not(HasSubstr("help-format")));
}

TEST(BashCompletion, OffersCommandsAndTheirWords) {
  EXPECT_EQ(Offered("diag conn", 1), "connections ");
  EXPECT_EQ(Offered("diag connections tcp", 2), "tcp tcp4 tcp6 ");
  EXPECT_EQ(Offered("diag connections --m", 2), "--max ");
  EXPECT_EQ(Offered("diag interfaces tcp --r", 3), "--rates ");
  EXPECT_EQ(Offered("diag -t conn", 2), " ");
}

TEST(BashCompletion, OffersEveryOptionThatIsNotHidden) {
  const std::string all = " " + Offered("diag -", 1);
  for (const OptionInfo& option : ListOptionInfos()) {
    if (option.hidden()) continue;
    EXPECT_THAT(all, HasSubstr(" --" + std::string(option.name) + " "));
    if (option.letter == 0) continue;
    EXPECT_THAT(all, HasSubstr(std::string(" -") + option.letter + " "));
  }
}

TEST(ZshAndFishCompletions, AreValidScripts) {
  for (const char* shell : {"zsh", "fish"}) {
    const std::string text = Made(shell);
    EXPECT_THAT(text, HasSubstr("count-by"));
    EXPECT_THAT(text, HasSubstr("remote_address"));
    EXPECT_THAT(text, Not(HasSubstr("help-format")));
    // In every line, quotes come in pairs.
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      EXPECT_EQ(std::count(line.begin(), line.end(), '\'') % 2, 0) << line;
    }
    if (!Has(shell)) continue;  // diag does not need the shell
    const File script(shell, text);
    int exit_code = -1;
    EXPECT_EQ(Shell(std::string(shell) + " -n " + script.path(), &exit_code), "");
    EXPECT_EQ(exit_code, 0) << shell;
  }
}

TEST(ManPage, ShowsEveryOption) {
  const std::string text = Made("man");
  EXPECT_THAT(text, ::testing::StartsWith(".TH DIAG 1 "));
  for (const OptionInfo& option : ListOptionInfos()) {
    if (option.hidden()) continue;
    std::string name;
    for (const char c : option.name) name += c == '-' ? std::string("\\-") : std::string(1, c);
    EXPECT_THAT(text, HasSubstr("\\-\\-" + name + "\\fR")) << option.name;
  }
  for (const char* section : {"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS"}) {
    EXPECT_THAT(text, HasSubstr(std::string("\n.SH ") + section + "\n"));
  }
  // Only the requests of man(7) begin with a dot.
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || (line[0] != '.' && line[0] != '\'')) continue;
    EXPECT_THAT(line, ::testing::MatchesRegex("\\.(TH|SH|TP|PP|B|BR|RI|RB)( .*)?"));
  }
}

TEST(ManPage, IsFormattedWithoutAWarning) {
  if (!Has("groff")) GTEST_SKIP() << "groff is not installed, and diag does not need it";
  const File page("man", Made("man"));
  EXPECT_EQ(Shell("groff -man -Tascii -ww -z " + page.path()), "");
  const std::string shown = Shell("groff -man -Tascii -P-cbou " + page.path());
  EXPECT_THAT(shown, HasSubstr("-t, --tcp"));
  EXPECT_THAT(shown, HasSubstr("--count-by=NAME,..."));
}

TEST(FormatHelp, RefusesOtherFormats) {
  EXPECT_THAT(FormatHelp("html"), Not(IsOk()));
  EXPECT_THAT(FormatHelp("html").status().ToString(), HasSubstr("html"));
}

// ---- JSON Schema ----

Packet Everything() {
  InetMessage inet;
  inet.SetLocal("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 8443);
  inet.fixed.idiag_timer = 1;
  for (const auto& [type, size] : {std::pair<int, int>{INET_DIAG_MEMINFO, 16},
                                   {INET_DIAG_INFO, 284},
                                   {INET_DIAG_VEGASINFO, 16},
                                   {INET_DIAG_DCTCPINFO, 16},
                                   {INET_DIAG_BBRINFO, 20},
                                   {INET_DIAG_SKMEMINFO, 36},
                                   {INET_DIAG_TOS, 1},
                                   {INET_DIAG_TCLASS, 1},
                                   {INET_DIAG_CLASS_ID, 4},
                                   {INET_DIAG_SHUTDOWN, 1},
                                   {INET_DIAG_SKV6ONLY, 1},
                                   {INET_DIAG_MARK, 4},
                                   {INET_DIAG_SOCKOPT, 2},
                                   {250, 20}}) {
    inet.Add(static_cast<uint16_t>(type), Packet(static_cast<size_t>(size), std::byte{0x91}));
  }
  inet.Add(INET_DIAG_CONG, netdiag::testing::Text("bbr")).Add(INET_DIAG_CGROUP_ID, uint64_t{1});
  UnixMessage unix_socket;
  unix_socket.Add(UNIX_DIAG_NAME, netdiag::testing::Text("/tmp/\xff"));
  return CaptureOf({{Protocol::kUnix, {unix_socket.Build()}, ENOMEM},
                    {Protocol::kTcp, {inet.Build(), InetMessage().Build()}}},
                   {{5001, 10, 3, "serv\xe9r"}});
}

TEST(Schema, HoldsForEveryFormOfJson) {
  const testing::SchemaValidator validator(Made("schema"));
  for (const std::vector<std::string>& words : {std::vector<std::string>{"--json", "-tuxap"},
                                                {"--json", "-ta"},
                                                {"--json", "-ta", "--columns=rtt,pid,cgroup_path"},
                                                {"--json", "-ta", "--count-by=comm"},
                                                {"--json", "-ta", "--limit=1"}}) {
    EXPECT_EQ(validator.Complaint(testing::Render(words, Everything())), "")
        << ::testing::PrintToString(words);
  }
  for (const char* more : {"--columns=state,comm", "--count-by=state", "-p"}) {
    const std::string text = testing::Render({"--jsonl", "-tuxa", more}, Everything());
    size_t lines = 0;
    for (size_t start = 0; start < text.size(); ++lines) {
      const size_t end = text.find('\n', start);
      EXPECT_EQ(validator.Complaint(text.substr(start, end - start)), "") << more;
      start = end + 1;
    }
    EXPECT_GE(lines, 2u);
  }
}

// Renders the sockets of --unlisted, which no capture has.
std::string RenderUnlisted(const std::vector<std::string>& words) {
  const absl::StatusOr<ListOptions> options = testing::Parse(words);
  EXPECT_THAT(options, netdiag::testing::IsOk());
  const Packet capture = Everything();
  netdiag::EngineOptions replay;
  replay.replay = capture;
  const auto engine = netdiag::Engine::Open(replay);
  const testing::MemoryFile file;
  Output output(file.fd());
  const std::unique_ptr<Renderer> renderer = NewRenderer(*options, engine->get(), &output);
  renderer->Begin();
  for (const uint32_t inode : {7u, 8u}) {
    renderer->Unlisted(
        {.inode = netdiag::Inode(inode), .protocol = "AL\x1bG", .netns = netdiag::NetnsId(9)});
  }
  renderer->End(netdiag::Summary{.netns = netdiag::NetnsStats{.listed = 2}});
  output.Flush();
  return file.Read();
}

TEST(Schema, HoldsForUnlistedSockets) {
  const testing::SchemaValidator validator(Made("schema"));
  const std::string json = RenderUnlisted({"--json", "--unlisted"});
  EXPECT_EQ(validator.Complaint(json), "");
  EXPECT_THAT(json, ::testing::HasSubstr("\"held\":[{\"protocol\":\"AL\\u001BG\",\"inode\":7"));
  const std::string lines = RenderUnlisted({"--jsonl", "--unlisted"});
  for (size_t start = 0; start < lines.size();) {
    const size_t end = lines.find('\n', start);
    EXPECT_EQ(validator.Complaint(lines.substr(start, end - start)), "");
    start = end + 1;
  }
  EXPECT_THAT(RenderUnlisted({"-tH", "--unlisted"}),
              ::testing::HasSubstr("AL\\x1bG UNLISTED 0      0      * 7 * 0"));
}

TEST(Schema, RefusesOtherObjects) {
  const testing::SchemaValidator validator(Made("schema"));
  const std::string good = testing::Render({"--json", "-tuxap"}, Everything());
  ASSERT_EQ(validator.Complaint(good), "");
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string bad = good;
    const size_t at = bad.find(from);
    EXPECT_NE(at, bad.npos) << from;
    return validator.Complaint(bad.replace(at, from.size(), to));
  };
  EXPECT_NE(changed("\"local_port\"", "\"local_prot\""), "");
  EXPECT_NE(changed("\"rtt_us\":", "\"rtt_us\":-"), "");
  EXPECT_NE(changed("\"cookie\":\"92\"", "\"cookie\":92"), "");
  EXPECT_NE(changed("\"schema\":2", "\"schema\":1"), "");
  EXPECT_NE(changed("\"complete\":", "\"completely\":"), "");
  EXPECT_NE(changed("\"name_hex\":\"2f", "\"name_hex\":\"2g"), "");
}

TEST(Schema, IsTheOneInTheDocuments) {
  std::ifstream file("docs/diag.schema.json");
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_TRUE(text.str() == Made("schema"))
      << "docs/diag.schema.json is what `tools/dev diag --help-format=schema` writes";
}

}  // namespace
}  // namespace diag
