// Tested by tests/tools/commands_test.cc and help_test.cc.

#include "tools/diag/commands.h"

#include <algorithm>
#include <array>

#include "netdiag/connections.h"
#include "tools/diag/help.h"
#include "tools/diag/list_options.h"

namespace diag {
namespace {

std::vector<std::string> KindWords() {
  const std::vector<std::string_view> words = netdiag::ConnectionKinds();
  return {words.begin(), words.end()};
}

constexpr auto kCommands = std::to_array<Command>({
    {"",
     "list the sockets of this network namespace as ss does",
     {"EXPRESSION"},
     ListOptionInfos,
     RunList},
    {"connections",
     "connections and their owners, as JSON with the keys of gopsutil",
     {"KIND", Values::kOneOf, KindWords},
     ConnectionsOptionInfos,
     RunConnections},
    {"interfaces",
     "network interfaces, their addresses and their traffic",
     {"NAME", Values::kInterface},
     InterfacesOptionInfos,
     RunInterfaces},
    {"help", "a text about TOPIC", {"TOPIC", Values::kOneOf, TopicWords}, HelpOptionInfos, RunHelp},
});

}  // namespace

std::span<const Command> AllCommands() { return kCommands; }

std::span<const Command> NamedCommands() { return AllCommands().subspan(1); }

const Command& FindCommand(std::string_view word) {
  const auto named = NamedCommands();
  const auto row = std::ranges::find(named, word, &Command::name);
  return row == named.end() ? kCommands[0] : *row;
}

std::string UsageOf(const Command& command) {
  if (command.name.empty()) {
    return "diag [OPTIONS] [state NAME | exclude NAME]... [EXPRESSION]";
  }
  std::string usage = "diag " + std::string(command.name);
  if (!command.operand.name.empty()) usage.append(" [").append(command.operand.name).append("]");
  for (const OptionInfo& option : command.options()) {
    if (option.hidden()) continue;
    usage.append(" [--").append(option.name);
    if (!option.argument.name.empty()) usage.append(" ").append(option.argument.name);
    usage.append("]");
  }
  return usage;
}

}  // namespace diag
