// Tested by tests/tools/help_test.cc.

#include "tools/diag/help.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_join.h"

#include "netdiag/types/error.h"
#include "netdiag/types/types.h"
#include "tools/diag/command_values.h"
#include "tools/diag/commands.h"

namespace diag {
namespace {

struct HelpFormat {
  std::string_view name;
  std::string (*text)();
};
constexpr auto kFormats = std::to_array<HelpFormat>({{"bash", BashCompletion},
                                                     {"zsh", ZshCompletion},
                                                     {"fish", FishCompletion},
                                                     {"man", ManPage},
                                                     {"schema", JsonSchema}});

constexpr size_t kWidth = 80;
constexpr size_t kHelpColumn = 28;

struct GroupHeading {
  HelpGroup group;
  std::string_view heading;
};
constexpr auto kGroups = std::to_array<GroupHeading>({{HelpGroup::kSockets, "Which sockets"},
                                                      {HelpGroup::kShown, "What to show"},
                                                      {HelpGroup::kForm, "Form of the output"},
                                                      {HelpGroup::kOther, "Other"}});

// "  -N, --net=NAME           the help".
std::string OptionEntry(const OptionInfo& option) {
  std::string term = "      ";
  if (option.letter != 0) term = {' ', ' ', '-', option.letter, ',', ' '};
  term.append("--").append(option.name);
  if (!option.argument.name.empty()) term.append("=").append(option.argument.name);
  return HelpEntry(term, option.help);
}

std::string TopicEntries() {
  std::string text;
  for (const TopicInfo& topic : Topics()) {
    text += HelpEntry("  " + std::string(topic.name), topic.help);
  }
  return text;
}

std::string OptionEntries(const std::vector<OptionInfo>& options, HelpGroup group) {
  std::string text;
  for (const OptionInfo& option : options) {
    if (option.group == group) text += OptionEntry(option);
  }
  return text;
}

constexpr std::string_view kEscapesHelp =
    "  Text and CSV escape names, as \\x20 for a blank in columns: `diag help forms`\n";

constexpr std::string_view kWordsHelp = R"(
Words after the options:
  state NAME                sockets in this state, as `state established`; again
                            for more states. `exclude NAME`: all others
  EXPRESSION                a filter, as `sport = :22`, `dst 10/8`,
                            `rtt > 100ms`, `user = www-data`, with and, or, not
                            and parentheses

Short words instead, alone or with a filter behind them:
  diag :443                 the sockets with this port, at either end, and their
                            processes
  diag 10.0.0.0/24          the same for an address, or a network
  diag /run/x.sock          the same for a unix socket
  diag nginx                the processes whose command (comm) begins with nginx
  diag LISTEN               a state; also `diag established`, `diag tcp LISTEN`
)";

struct HelpRequest {
  bool help = false;
};
constexpr auto kOptions = std::to_array<Option<HelpRequest>>({
    {{'h', "help", "this text"}, SetHelp},
});

}  // namespace

std::vector<OptionInfo> ShownOptions(const Command& command) {
  std::vector<OptionInfo> shown = command.options();
  std::erase_if(shown, [](const OptionInfo& option) { return option.hidden(); });
  return shown;
}

std::vector<std::string> StateWords() {
  std::vector<std::string> words;
  for (const netdiag::StateNames& row : netdiag::AllStates()) {
    if (netdiag::ParseStates(row.word)) words.emplace_back(row.word);
  }
  return words;
}

std::vector<std::string> StateGroupWords() {
  return {"all", "connected", "synchronized", "bucket", "big"};
}

std::string Paragraph(std::string_view text, size_t indent) {
  std::string out;
  size_t column = kWidth + 1;  // no word fits: the first one begins a line
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    if (column + 1 + word.size() > kWidth) {
      if (!out.empty()) out += '\n';
      out.append(indent, ' ');
      column = indent;
    } else {
      out += ' ';
      ++column;
    }
    out.append(word);
    column += word.size();
  }
  return out + "\n";
}

std::string HelpEntry(std::string term, std::string_view help) {
  std::string text = Paragraph(help, kHelpColumn);
  if (term.size() + 2 > kHelpColumn) return term + "\n" + text;
  return term + text.substr(term.size());
}

std::string HelpText() {
  const Command& list = AllCommands().front();
  std::string text = "usage: " + UsageOf(list) + "\n       diag COMMAND [OPTIONS]\n\n" +
                     Paragraph(
                         "Lists the sockets of this network namespace as ss does. Without "
                         "-a, -l, -B or a state: those in use, without listening, unconnected, "
                         "TIME-WAIT and SYN-RECV sockets.",
                         0) +
                     "\nExamples:\n";
  for (const Example& example : Examples().first(6)) {
    text.append("  ").append(example.command).append("\n      ").append(example.help).append("\n");
  }
  const std::vector<OptionInfo> options = ShownOptions(list);
  for (const GroupHeading& row : kGroups) {
    text.append("\n").append(row.heading).append(":\n").append(OptionEntries(options, row.group));
    if (row.group == HelpGroup::kForm) text += kEscapesHelp;
  }
  text += kWordsHelp;
  text += "\nCommands, each with --help:\n";
  for (const Command& command : NamedCommands()) {
    text += HelpEntry(
        "  diag " + std::string(command.name) + " [" + std::string(command.operand.name) + "]",
        command.help);
  }
  return text + "\nMore, as `diag help filter`:\n" + TopicEntries() +
         "\nExit code: 0 answered, 1 a table could not be read, 2 usage error.\n";
}

std::string CommandHelp(const Command& command) {
  std::string text = Paragraph("usage: " + UsageOf(command), 0) + "\n" +
                     Paragraph("Prints " + std::string(command.help) + ".", 0) + "\n";
  const Argument& operand = command.operand;
  if (operand.words != nullptr) {
    text += HelpEntry("  " + std::string(operand.name), absl::StrJoin(operand.words(), " "));
  }
  for (const OptionInfo& option : ShownOptions(command)) text += OptionEntry(option);
  if (!command.details.empty()) text.append("\n").append(command.details);
  return text + "\nExit codes: see `diag help exit-codes`.\n";
}

std::vector<OptionInfo> HelpOptionInfos() { return InfosOf<HelpRequest>(kOptions); }

ExitCode RunHelp(int argc, char** argv) {
  HelpRequest request;
  const absl::StatusOr<Words> words = ParseCommandLine<HelpRequest>(kOptions, argc, argv, &request);
  if (!words.ok()) {
    Complain(words.status());
    return kUsage;
  }
  if (request.help) return Print(CommandHelp(FindCommand("help")));
  if (words->empty()) return Print(HelpText());
  std::string topic;
  for (const std::string_view word : *words) topic.append(topic.empty() ? "" : " ").append(word);
  const absl::StatusOr<std::string> text = TopicHelp(topic);
  if (text.ok()) return Print(*text);
  Complain(text.status());
  return kUsage;
}

absl::StatusOr<std::string> FormatHelp(std::string_view format) {
  const auto row = std::ranges::find(kFormats, format, &HelpFormat::name);
  if (row != kFormats.end()) return row->text();
  return netdiag::BadInput("--help-format", format, "expected one of bash zsh fish man schema");
}

}  // namespace diag
