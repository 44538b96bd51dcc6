// tools/diag/commands.h — the one table of commands: the listing, `diag connections`,
// `diag interfaces`, `diag netstat`, `diag watch`, `diag top`, `diag export`, `diag why`,
// `diag help`.

#ifndef NETDIAG_TOOLS_DIAG_COMMANDS_H_
#define NETDIAG_TOOLS_DIAG_COMMANDS_H_

#include <span>
#include <string>
#include <string_view>

#include "tools/diag/command.h"

namespace diag {

// The first command is the listing, which has no name.
std::span<const Command> AllCommands();
// The commands that have a name.
std::span<const Command> NamedCommands();
// The command that `word`, the first of the command line, names; otherwise the listing.
const Command& FindCommand(std::string_view word);
// "diag connections [KIND] [--pid N]".
std::string UsageOf(const Command& command);

// Command::run and Command::options of each command.
ExitCode RunList(int argc, char** argv);
std::vector<OptionInfo> ConnectionsOptionInfos();
ExitCode RunConnections(int argc, char** argv);
std::vector<OptionInfo> InterfacesOptionInfos();
ExitCode RunInterfaces(int argc, char** argv);
std::vector<OptionInfo> NetstatOptionInfos();
ExitCode RunNetstat(int argc, char** argv);
std::vector<OptionInfo> WatchOptionInfos();
ExitCode RunWatch(int argc, char** argv);
std::vector<OptionInfo> TopOptionInfos();
ExitCode RunTop(int argc, char** argv);
std::vector<OptionInfo> ExportOptionInfos();
// Becomes another program, and returns only if that fails.
ExitCode RunExport(int argc, char** argv);
std::vector<OptionInfo> WhyOptionInfos();
ExitCode RunWhy(int argc, char** argv);
std::vector<OptionInfo> HelpOptionInfos();
ExitCode RunHelp(int argc, char** argv);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_COMMANDS_H_
