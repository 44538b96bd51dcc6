// tools/diag/help.h — texts made from the tables of commands, options and fields.

#ifndef NETDIAG_TOOLS_DIAG_HELP_H_
#define NETDIAG_TOOLS_DIAG_HELP_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "tools/diag/command.h"

namespace diag {

// --help: the options in their groups, examples, commands and topics, in 80 columns.
std::string HelpText();
// `diag COMMAND --help`.
std::string CommandHelp(const Command& command);
// `diag help TOPIC`: the name of one of Topics() or of a command. Blanks in a topic are the same as
// hyphens. An error lists the topics.
absl::StatusOr<std::string> TopicHelp(std::string_view topic);
// The topics that TopicHelp() has.
std::vector<std::string> TopicWords();

// A topic, apart from the names of commands, and what it is about.
struct TopicInfo {
  std::string_view name;
  std::string_view help;
  std::string (*text)();
};
std::span<const TopicInfo> Topics();

// A command line and what it lists.
struct Example {
  std::string_view command;
  std::string_view help;
};
// --help shows the first six.
std::span<const Example> Examples();

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

// What `diag help fields` and `--columns help` print: each field with its sentence, in 80 columns.
std::string FieldsHelp();
// `term` and its explanation beside it, or below it if the term is long.
std::string HelpEntry(std::string term, std::string_view help);
// `text` in lines of at most 80 columns. Each line begins with `indent` blanks.
std::string Paragraph(std::string_view text, size_t indent);
// The options of `command` that help and completions show.
std::vector<OptionInfo> ShownOptions(const Command& command);
// The states that can be named, and the groups of states.
std::vector<std::string> StateWords();
std::vector<std::string> StateGroupWords();

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_HELP_H_
