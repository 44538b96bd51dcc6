// tools/diag/help.h — texts made from the tables of commands, options and fields.

#ifndef NETDIAG_TOOLS_DIAG_HELP_H_
#define NETDIAG_TOOLS_DIAG_HELP_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "tools/diag/command.h"

namespace diag {

// --help.
std::string HelpText();

// Scripts that complete the command line of diag.
std::string BashCompletion();
std::string ZshCompletion();
std::string FishCompletion();
// A page for man(1), in the macros of man(7).
std::string ManPage();
// The JSON Schema of --json and --jsonl: docs/diag.schema.json.
std::string JsonSchema();
// --help-format: one of these texts by its name: "bash", "zsh", "fish", "man", "schema".
absl::StatusOr<std::string> FormatHelp(std::string_view format);

// The options of `command` that help and completions show.
std::vector<OptionInfo> ShownOptions(const Command& command);
// The states that can be named, and the groups of states.
std::vector<std::string> StateWords();
std::vector<std::string> StateGroupWords();

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_HELP_H_
