// Tested by tests/tools/help_test.cc.

#include "tools/diag/help.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_join.h"

#include "netdiag/types/error.h"
#include "netdiag/types/types.h"
#include "tools/diag/commands.h"
#include "tools/diag/tables.h"

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

// "  -N, --net=NAME           the help".
std::string OptionLine(const OptionInfo& option) {
  std::string line = "      ";
  if (option.letter != 0) line = {' ', ' ', '-', option.letter, ',', ' '};
  line.append("--").append(option.name);
  if (!option.argument.name.empty()) line.append("=").append(option.argument.name);
  line.resize(std::max<size_t>(line.size() + 1, 28), ' ');
  return line.append(option.help).append("\n");
}

std::string CommandLines(const Command& command) {
  std::string text = "  " + UsageOf(command) + "\n      ";
  text.append(command.help);
  const Argument& operand = command.operand;
  if (operand.words != nullptr) {
    text.append("; ").append(operand.name).append(": ");
    text.append(absl::StrJoin(operand.words(), ", "));
  }
  return text.append("\n");
}

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

std::string HelpText() {
  std::string text = "usage: " + UsageOf(AllCommands().front()) +
                     "\n\n"
                     "Lists the sockets of this network namespace as ss does.\n\n";
  for (const OptionInfo& option : ShownOptions(AllCommands().front())) text += OptionLine(option);
  text += "\nTables of -A: " + absl::StrJoin(TableWords(), " ") + "\n\nStates: ";
  text += absl::StrJoin(StateWords(), " ");
  text += ";\n  groups: " + absl::StrJoin(StateGroupWords(), " ");
  text +=
      "\n\n"
      "EXPRESSION: predicates with and, or, not and parentheses, as `sport = :22 and dst 10/8`,\n"
      "  `rtt > 100ms`, `comm = \"nginx*\"`, `uid = nobody`: docs/filter.md.\n\n"
      "Commands:\n";
  for (const Command& command : NamedCommands()) text += CommandLines(command);
  text +=
      "\nExit status: 0 success (notes on stderr name what is missing), 1 a table could not be "
      "read,\n  2 a usage error.\n";
  return text;
}

absl::StatusOr<std::string> FormatHelp(std::string_view format) {
  const auto row = std::ranges::find(kFormats, format, &HelpFormat::name);
  if (row != kFormats.end()) return row->text();
  return netdiag::BadInput("--help-format", format, "expected bash, zsh, fish, man or schema");
}

}  // namespace diag
