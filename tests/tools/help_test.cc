// Tests the texts made from the tables of options: shells run the completions, groff formats the
// man page.

#include "tools/diag/help.h"

#include <sys/wait.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <poll.h>
#include <pty.h>
#include <set>
#include <signal.h>
#include <sstream>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/field_words.h"
#include "netdiag/filter/filter.h"
#include "netdiag/net/io_counters.h"
#include "tests/tools/render_testing.h"
#include "tools/diag/columns.h"
#include "tools/diag/commands.h"
#include "tools/diag/field_descriptions.h"

namespace diag {
namespace {

using netdiag::testing::IsOk;
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
      : path_(std::filesystem::path(::testing::TempDir() + "/help_test_" + name)
                  .lexically_normal()
                  .string()) {
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
  EXPECT_EQ(Offered("diag --columns remote_p", 2), "remote_port remote_port_id ");
  // bash splits --columns=... at the "=".
  EXPECT_EQ(Offered("diag --columns = remote_a", 3), "remote_address ");
  EXPECT_THAT(Offered("diag --columns =", 2), HasSubstr("local_port "));
  // In a list, only the last name is completed, also behind the "-" of an order.
  EXPECT_EQ(Offered("diag --columns state,remote_a", 2), "state,remote_address ");
  EXPECT_EQ(Offered("diag --sort state,-remote_a", 2), "state,-remote_address ");
  EXPECT_EQ(Offered("diag --color a", 2), "auto always ");
  EXPECT_EQ(Offered("diag state time", 2), "time-wait ");
  EXPECT_EQ(Offered("diag -t st", 2), "state start_time ");
  EXPECT_THAT(Offered("diag -", 1), Not(HasSubstr("help-format")));
}

TEST(BashCompletion, OffersCommandsAndTheirWords) {
  EXPECT_EQ(Offered("diag conn", 1), "connections ");
  EXPECT_EQ(Offered("diag connections tcp", 2), "tcp tcp4 tcp6 ");
  EXPECT_EQ(Offered("diag connections --m", 2), "--max ");
  EXPECT_EQ(Offered("diag interfaces tcp --r", 3), "--rates ");
  EXPECT_EQ(Offered("diag -t connecte", 2), "connected ");
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

// Prints what zsh offers at the end of $2 with the completion $1. It types the words into a zsh
// behind a pseudo terminal, in which compadd, which takes all offers, also writes them to a file.
constexpr char kZshOffers[] = R"(zmodload zsh/zpty
out=$(mktemp)
wait_for() { for i in {1..600}; do grep -qx $1 $out && return; sleep 0.1; done; }
zpty shell zsh -f -i
zpty -w shell "PROMPT=; stty -echo; autoload -Uz compinit; compinit -D -u
functions[_diag_file]=\$(<$1); compdef _diag_file diag
compadd() {
  [[ \${@[1,(i)(-|--)]} == *-(O|A|D)* ]] || {
    local -a offers; builtin compadd -O offers \"\$@\"; print -rl -- \$offers >>$out
  }
  builtin compadd \"\$@\"
}
finish() { print -- END >>$out }
complete_and_finish() { comppostfuncs=(finish); zle complete_words }
zle -C complete_words complete-word _main_complete
zle -N complete_and_finish; bindkey '^I' complete_and_finish
print -- BEGIN >>$out"
wait_for BEGIN
zpty -w -n shell "$2"$'\t'
wait_for END
grep -vxe BEGIN -e END $out | sort -u
rm $out
zpty -d shell
)";

// Reads what the terminal shows until it ends with `marker`, or until a minute has passed.
bool WaitFor(int terminal, const std::string& marker) {
  std::string shown;
  pollfd wait = {terminal, POLLIN, 0};
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (std::chrono::steady_clock::now() < deadline) {
    char bytes[4096];
    if (poll(&wait, 1, 1000) <= 0) continue;
    const ssize_t size = read(terminal, bytes, sizeof(bytes));
    if (size <= 0) break;
    shown.append(bytes, static_cast<size_t>(size));
    if (shown.find(marker) != shown.npos) return true;
  }
  ADD_FAILURE() << "the terminal shows no " << marker << ": " << shown;
  return false;
}

// What bash offers at the end of `words`, which are typed into it, one offer a line. `begin` is the
// command that starts the shell with the file of its options.
std::string BashOffers(const std::string& words, const std::string& completion,
                       const std::string& before) {
  const File offers("offers", "");
  const File rc("bashrc", "PS1='READY '; bind 'set bell-style none'; source " + completion +
                              "\noffer() { _diag; printf '%s\\n' \"${COMPREPLY[@]}\" >" +
                              offers.path() + "; printf OFFERED >/dev/tty; }\n" +
                              "complete -F offer diag\n");
  const File run("bash.sh", before + "\nexec bash --noprofile --rcfile " + rc.path() + " -i\n");
  int terminal = -1;
  const pid_t child = forkpty(&terminal, nullptr, nullptr, nullptr);
  if (child == 0) {
    setenv("TERM", "dumb", 1);
    if (before.empty()) execlp("sh", "sh", run.path().c_str(), nullptr);
    execlp("unshare", "unshare", "-m", "sh", run.path().c_str(), nullptr);
    _exit(127);
  }
  if (WaitFor(terminal, "READY ")) {
    const std::string typed = words + "\t";
    EXPECT_EQ(write(terminal, typed.data(), typed.size()), static_cast<ssize_t>(typed.size()));
    WaitFor(terminal, "OFFERED");
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(terminal);
  std::ifstream file(offers.path());
  return {std::istreambuf_iterator<char>(file), {}};
}

// Returns what the shell offers at the end of `words`, sorted, each once. If `before` is not empty,
// it is a command that runs first, in a mount namespace of its own.
std::vector<std::string> OffersOf(const std::string& shell, const std::string& words,
                                  const std::string& before = "") {
  const File script("completion." + shell, Made(shell));
  std::string text;
  if (shell == "bash") {
    text = BashOffers(words, script.path(), before);
  } else {
    const File typed("typed", words);
    const File zsh("offers.zsh", kZshOffers);
    const std::string quoted = "\"$(cat " + typed.path() + ")\"";
    const std::string command = shell == "zsh"
                                    ? "zsh -f " + zsh.path() + " " + script.path() + " " + quoted
                                    : "HOME=/tmp fish -c 'source " + script.path() +
                                          "; complete -C $argv[1]' " + quoted + " | cut -f1";
    const File run("offers.sh", before + "\n" + command + "\n");
    text = Shell((before.empty() ? "sh " : "unshare -m sh ") + run.path());
  }
  std::set<std::string> offers;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty()) offers.insert(line);
  }
  return {offers.begin(), offers.end()};
}

// The last words of the offers: bash and fish offer a whole argument, zsh its last word.
std::vector<std::string> LastWords(std::vector<std::string> offers) {
  for (std::string& offer : offers) offer.erase(0, offer.find_last_of(" (!,=<>") + 1);
  return offers;
}

class Completion : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!Has(GetParam())) GTEST_SKIP() << GetParam() << " is not installed";
  }
};
INSTANTIATE_TEST_SUITE_P(Shells, Completion, ::testing::Values("bash", "zsh", "fish"));

TEST_P(Completion, OffersTheValuesOfOptions) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> rows = {
      {"diag --color a", {"always", "auto"}},
      {"diag --owners f", {"first"}},
      {"diag -f in", {"inet", "inet6"}},
      {"diag -A udp", {"udp", "udplite"}},
      {"diag --columns rtt", {"rtt", "rttcnt", "rttvar"}},
      {"diag --count-by comm", {"comm", "command"}},
      {"diag -t state time", {"time-wait"}},
      {"diag -t exclude syn", {"syn-recv", "syn-sent", "synchronized"}},
      {"diag help fil", {"filter"}},
      {"diag connections tcp", {"tcp", "tcp4", "tcp6"}},
      {"diag connections --no", {"--no-uids"}},
      {"diag connections tcp --ma", {"--max"}},
      {"diag connections --max ", {}},
      {"diag interfaces --ra", {"--rates"}},
      {"diag interfaces --rates ", {}},
  };
  for (const auto& [words, offers] : rows) {
    std::vector<std::string> found = OffersOf(GetParam(), words);
    for (std::string& offer : found) {
      if (offer.ends_with('=')) offer.pop_back();  // zsh's form of an option with an argument
    }
    EXPECT_THAT(found, ::testing::ContainerEq(offers)) << words;
  }
}

TEST_P(Completion, OffersPids) {
  const std::string pid = std::to_string(getpid());
  EXPECT_THAT(OffersOf(GetParam(), "diag connections --pid " + pid), ::testing::Contains(pid));
}

TEST_P(Completion, OffersFieldsInFilters) {
  EXPECT_THAT(OffersOf(GetParam(), "diag -t rtt"), ElementsAre("rtt", "rttcnt", "rttvar"));
  EXPECT_THAT(OffersOf(GetParam(), "diag -t state established dp"), ElementsAre("dport"));
}

TEST_P(Completion, OffersFieldsAndStatesInsideQuotes) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> rows = {
      {"diag -t 'rtt", {"rtt", "rttcnt", "rttvar"}},
      {"diag -t 'state = established and dp", {"dport"}},
      {"diag -t \"state = established and dp", {"dport"}},
      {"diag 'not (dp", {"dport"}},
      {"diag -t 'dp", {"dport"}},
      {"diag -t 'state time", {"time-wait"}},
      {"diag -t 'sport = :22 and state = lis", {"listening"}},
      {"diag -t 'state = listening,est", {"established"}},
      {"diag -t 'state=est", {"established"}},
  };
  for (const auto& [words, offers] : rows) {
    EXPECT_THAT(LastWords(OffersOf(GetParam(), words)), ::testing::ContainerEq(offers)) << words;
  }
}

TEST_P(Completion, OffersFilesInterfacesAndNamespaces) {
  const File filter("a_filter", "");
  const std::string begin = filter.path().substr(0, filter.path().size() - 3);
  EXPECT_THAT(OffersOf(GetParam(), "diag -F " + begin),
              ElementsAre(HasSubstr("help_test_a_filter")));
  EXPECT_THAT(OffersOf(GetParam(), "diag interfaces l"), ::testing::Contains("lo"));
  if (geteuid() != 0) GTEST_SKIP() << "a mount namespace needs root";
  const std::string netns =
      "mount -t tmpfs none /run && mkdir /run/netns && touch /run/netns/helpful";
  for (const char* words : {"diag -N helpf", "diag connections --net helpf",
                            "diag connections tcp --net helpf", "diag interfaces --net helpf"}) {
    EXPECT_THAT(OffersOf(GetParam(), words, netns), ::testing::Contains("helpful")) << words;
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
  for (const char* section : {"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXPRESSION", "FIELDS",
                              "EXAMPLES", "EXIT STATUS"}) {
    EXPECT_THAT(text, HasSubstr(std::string("\n.SH ") + section + "\n"));
  }
  // Only the requests of man(7) begin with a dot.
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || (line[0] != '.' && line[0] != '\'')) continue;
    EXPECT_THAT(line, ::testing::MatchesRegex("\\.(TH|SH|TP|PP|B|BR|RI|RB|IR|nf|fi)( .*)?"));
  }
}

TEST(ManPage, IsFormattedWithoutAWarning) {
  if (!Has("groff")) GTEST_SKIP() << "groff is not installed, and diag does not need it";
  const File page("man", Made("man"));
  EXPECT_EQ(Shell("groff -man -Tascii -ww -z " + page.path()), "");
  const std::string shown = Shell("groff -man -Tascii -P-cbou " + page.path());
  EXPECT_THAT(shown, HasSubstr("-t, --tcp"));
  EXPECT_THAT(shown, HasSubstr("--count-by=NAME,..."));
  EXPECT_THAT(shown, HasSubstr("[EXPRESSION]"));
  for (const Example& example : Examples()) {
    const std::string_view begin = example.command.substr(0, 30);
    EXPECT_THAT(shown, HasSubstr(std::string(begin))) << example.command;
  }
}

// ---- Help ----

std::vector<std::string> AllHelp() {
  std::vector<std::string> texts = {HelpText()};
  for (const std::string& topic : TopicWords()) {
    const absl::StatusOr<std::string> text = TopicHelp(topic);
    EXPECT_THAT(text, IsOk());
    texts.push_back(text.value_or(""));
  }
  return texts;
}

TEST(Help, FitsInto80Columns) {
  for (const std::string& text : AllHelp()) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      EXPECT_LE(line.size(), 80u) << line;
      EXPECT_FALSE(line.ends_with(' ')) << line;
    }
  }
}

TEST(Help, ShowsTheShortWordsAndLeadsToEverything) {
  const std::string text = HelpText();
  for (const char* words : {"diag :443", "diag nginx", "diag 10.0.0.0/24", "diag LISTEN"}) {
    EXPECT_THAT(text, HasSubstr(std::string("  ") + words + " "));
    EXPECT_THAT(testing::Parse({words + 5}), IsOk());
  }
  for (const TopicInfo& topic : Topics()) {
    EXPECT_THAT(text, HasSubstr("\n  " + std::string(topic.name) + " "));
    EXPECT_THAT(text, HasSubstr(std::string(topic.help.substr(0, 30))));
  }
  for (const Command& command : NamedCommands()) {
    EXPECT_THAT(text, HasSubstr("\n  diag " + std::string(command.name) + " ["));
  }
  EXPECT_THAT(text, HasSubstr("each with --help"));
}

TEST(Help, ExplainsTheKeysOfCommands) {
  const std::string connections = TopicHelp("connections").value_or("");
  for (const char* key : {"fd, pid", "family", "type", "localaddr, remoteaddr", "status", "uids"}) {
    EXPECT_THAT(connections, HasSubstr(std::string("\n  ") + key + " ")) << key;
  }
  const std::string interfaces = TopicHelp("interfaces").value_or("");
  for (const netdiag::IoField& field : netdiag::kIoFields) {
    EXPECT_THAT(interfaces, HasSubstr(field.gopsutil));
  }
  for (const char* key :
       {"index, mtu, name, hardwareAddr", "flags", "addrs", "multicastAddrs", "counters"}) {
    EXPECT_THAT(interfaces, HasSubstr(std::string("\n  ") + key)) << key;
  }
  for (const std::string& text : {connections, interfaces}) {
    EXPECT_THAT(text, HasSubstr("gopsutil"));
    EXPECT_THAT(text, HasSubstr("Go's"));
    EXPECT_THAT(text, HasSubstr("\nExamples:\n  diag "));
    EXPECT_THAT(text, HasSubstr("diag help exit-codes"));
    EXPECT_THAT(Made("man"), HasSubstr("gopsutil"));
  }
}

TEST(Help, HasGroupsExamplesAndTopics) {
  const std::string text = HelpText();
  size_t at = 0;
  for (const char* heading :
       {"\nExamples:\n", "\nWhich sockets:\n", "\nWhat to show:\n", "\nForm of the output:\n",
        "\nOther:\n", "\nWords after the options:\n", "\nShort words instead",
        "\nCommands, each with --help:\n"}) {
    const size_t found = text.find(heading);
    ASSERT_NE(found, text.npos) << heading;
    EXPECT_GT(found, at) << heading;
    at = found;
  }
  for (const Example& example : Examples().first(6)) {
    EXPECT_THAT(text, HasSubstr(std::string("  ") + std::string(example.command) + "\n"));
  }
  for (const OptionInfo& option : ListOptionInfos()) {
    if (option.hidden()) continue;
    EXPECT_THAT(text, HasSubstr("--" + std::string(option.name)));
  }
  EXPECT_THAT(text, HasSubstr("exit-codes"));
}

// Returns the words of a command line, as a shell splits them.
std::vector<std::string> Split(std::string_view command) {
  std::istringstream lines(Shell("printf '%s\\n' " + std::string(command)));
  std::vector<std::string> words;
  for (std::string line; std::getline(lines, line);) words.push_back(line);
  return words;
}

TEST(Help, HasOnlyCommandLinesThatAreAccepted) {
  size_t commands = 0;
  for (const std::string& text : AllHelp()) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with("  diag -") || line.starts_with("  diag --help-format")) continue;
      // The table of exit codes: its first column is an option, and its second a sentence.
      if (line.starts_with("  diag -K   ") || line.starts_with("  diag -E   ")) continue;
      std::vector<std::string> words = Split(line);
      words.erase(words.begin());
      const auto parsed = testing::Parse(words);
      // The file of an example is read, and there is none.
      const bool no_file =
          parsed.status().message().find("sockets.cap: No such file") != absl::string_view::npos;
      EXPECT_TRUE(parsed.ok() || no_file) << line << ": " << parsed.status();
      ++commands;
    }
  }
  EXPECT_GE(commands, 6u + Examples().size() + 16u);
}

TEST(Topics, ExplainWhatTheyAreAbout) {
  EXPECT_THAT(TopicHelp("exit codes").value_or(""), HasSubstr("usage error"));
  EXPECT_EQ(TopicHelp("exit codes").value_or(""), TopicHelp("exit-codes").value_or("-"));
  for (const std::string& word : StateWords()) {
    EXPECT_THAT(TopicHelp("states").value_or(""), HasSubstr(word));
  }
  EXPECT_EQ(TopicHelp("columns").value_or(""), TopicHelp("fields").value_or("-"));
  EXPECT_THAT(TopicHelp("everything").status().ToString(),
              HasSubstr("filter fields columns states forms tables"));
}

// A text in one line, with one blank for several.
std::string InOneLine(std::string_view text) {
  std::istringstream words{std::string(text)};
  std::string line;
  for (std::string word; words >> word;) line.append(line.empty() ? "" : " ").append(word);
  return line;
}

TEST(FieldsTopic, SaysWhatEachFieldIs) {
  const std::string lines = TopicHelp("fields").value_or("");
  const std::string text = InOneLine(lines);
  std::string_view group;
  size_t at = 0;
  for (const Column& column : AllColumns(true)) {
    if (Name(column.field->group) != group) {
      group = Name(column.field->group);
      at = lines.find("\n\n" + std::string(group) + ": ", at);
      ASSERT_NE(at, lines.npos) << group;
    }
    at = lines.find("\n  " + column.key, at);
    ASSERT_NE(at, lines.npos) << column.title();
    const std::string entry = column.key + " " + InOneLine(DescriptionOf(*column.field));
    EXPECT_THAT(text, HasSubstr(" " + entry)) << column.title();
  }
}

TEST(FieldsTopic, HasShortNamesAndValues) {
  const std::string text = InOneLine(TopicHelp("fields").value_or(""));
  for (const netdiag::FieldAlias& row : netdiag::FieldAliases()) {
    const std::string said = InOneLine(DescriptionOf(*netdiag::FindFieldByWord(row.word)));
    const size_t at = text.find(said + " Short: ");
    ASSERT_NE(at, text.npos) << row.word;
    const std::string behind = text.substr(at + said.size());
    EXPECT_THAT(behind.substr(0, behind.find('.')), HasSubstr(std::string(row.word)));
  }
  for (const netdiag::Field& field : netdiag::AllFields()) {
    if (field.name == "state" || field.name == "protocol") continue;
    for (const std::string_view word : netdiag::AllowedWords(field)) {
      EXPECT_THAT(text, HasSubstr(std::string(word))) << field.name;
    }
  }
  EXPECT_THAT(text, HasSubstr("Values: open disorder cwr recovery loss."));
}

TEST(FieldsTopic, IsTrueAboutNamesInTwoGroups) {
  EXPECT_THAT(InOneLine(TopicHelp("fields").value_or("")),
              HasSubstr("the name alone means the first one in this list"));
  std::set<std::string_view> seen;
  for (const netdiag::FieldAlias& row : netdiag::FieldAliases()) seen.insert(row.word);
  for (const netdiag::Field& field : netdiag::AllFields()) {
    if (netdiag::NeedsGroup(field.group) || !seen.insert(field.name).second) continue;
    EXPECT_EQ(netdiag::FindFieldByWord(field.name), &field) << field.name;
  }
  EXPECT_THAT(InOneLine(TopicHelp("fields").value_or("")),
              HasSubstr("The fields of locals and peers always need their group"));
}

TEST(FilterTopic, IsTrueAboutTheSizeOfUnits) {
  EXPECT_THAT(InOneLine(TopicHelp("filter").value_or("")),
              HasSubstr("In bytes, k, M and G are 1024, 1024^2 and 1024^3"));
  const auto printed = [](const char* text) {
    const auto filter = netdiag::Filter::Parse(text);
    return filter.ok() ? filter->ToString() : filter.status().ToString();
  };
  EXPECT_EQ(printed("wmem_queued > 1M"), printed("wmem_queued > 1048576"));
  EXPECT_EQ(printed("recvq > 64k"), printed("recvq > 64000"));
  EXPECT_EQ(printed("pacing_rate > 1M"), printed("pacing_rate > 1000000"));
}

TEST(FilterTopic, AnswersEverydayQuestions) {
  const std::string text = TopicHelp("filter").value_or("");
  for (const char* words : {"unit = ", "cgroup_path = ", "timer_retransmits > 0", "recvq > 1'",
                            "--unlisted 'pid = ", "--all-netns -tln", "user = ", "--peers src",
                            "drops > 0", "time-wait --count-by"}) {
    const size_t at = text.find("\nExamples:\n");
    ASSERT_NE(at, text.npos);
    EXPECT_THAT(text.substr(at), HasSubstr(words));
  }
  EXPECT_THAT(InOneLine(text), HasSubstr("neither listening, unconnected, TIME-WAIT nor SYN-RECV"));
}

TEST(StatesTopic, SaysWhereBoundInactiveIsAWord) {
  EXPECT_THAT(InOneLine(TopicHelp("states").value_or("")),
              HasSubstr("It is a word of `state NAME` only"));
  EXPECT_THAT(testing::Parse({"-t", "state", "bound-inactive"}), IsOk());
  EXPECT_THAT(testing::Parse({"-t", "state = bound-inactive"}), Not(IsOk()));
}

TEST(FormsTopic, HasTheKeysOfJsonAndTheEscapes) {
  const std::string text = TopicHelp("forms").value_or("");
  for (const char* key :
       {"schema",         "kernel",     "captured",           "replay_damage",
        "sockets[]",      "counts[]",   "tables[]",           "owner_scan",
        "owner_error",    "namespaces", "unlisted[]",         "left_out",
        "unlisted_error", "kill",       "not_closed[]",       "events",
        "rows",           "stopped",    "interrupted",        "foreign",
        "damaged",        "duplicates", "unknown_attributes", "untold_listeners"}) {
    EXPECT_THAT(text, HasSubstr(std::string(" ") + key)) << key;
  }
  EXPECT_THAT(text, HasSubstr("\\x20"));
  EXPECT_THAT(HelpText(), HasSubstr("\\x20"));
}

TEST(Errors, ListWhatIsAccepted) {
  const auto refusal = [](const std::vector<std::string>& words) {
    return testing::Parse(words).status().ToString();
  };
  EXPECT_THAT(refusal({"state", "sleepy"}), HasSubstr("syn-sent"));
  EXPECT_THAT(refusal({"state", "sleepy"}), HasSubstr("bucket"));
  EXPECT_THAT(refusal({"-A", "tpc"}), HasSubstr("udplite"));
  EXPECT_THAT(refusal({"-f", "ipv7"}), HasSubstr("inet6"));
  EXPECT_THAT(refusal({"--color=red"}), HasSubstr("never"));
  EXPECT_THAT(refusal({"--owners=some"}), HasSubstr("first"));
  for (const char* other : {"--csv", "--count-by=state", "--columns=pid", "--sort=pid"}) {
    EXPECT_THAT(refusal({"--unlisted", other}), HasSubstr("only the default text, --json and"));
  }
  EXPECT_THAT(refusal({"cgroup = /no/such*"}), HasSubstr("no cgroup has this path"));
  EXPECT_THAT(refusal({"-a", "no_owner"}), HasSubstr("vanished"));
}

TEST(FormatHelp, RefusesOtherFormats) {
  EXPECT_THAT(FormatHelp("html"), Not(IsOk()));
  EXPECT_THAT(FormatHelp("html").status().ToString(), HasSubstr("html"));
}

}  // namespace
}  // namespace diag
