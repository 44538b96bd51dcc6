// Completions for bash, zsh and fish. Tested by tests/tools/help_test.cc, which runs the shells.

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"

#include "tools/diag/columns.h"
#include "tools/diag/commands.h"
#include "tools/diag/help.h"

namespace diag {
namespace {

// `text` without what ends or changes a shell's single quotes.
std::string Quoted(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

// Puts a backslash before each of the `special` characters.
std::string Escaped(std::string_view text, std::string_view special) {
  std::string escaped;
  for (const char c : text) {
    if (special.find(c) != special.npos) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::vector<OptionInfo> ListOptions() { return ShownOptions(AllCommands().front()); }

std::string JoinedStates() {
  return absl::StrJoin(StateWords(), " ") + " " + absl::StrJoin(StateGroupWords(), " ");
}

// Words of a filter that are not fields.
std::string JoinedFields() {
  return absl::StrJoin(AllFieldWords(), " ") + " src dst not and or autobound";
}

// A shell command that prints the names which the machine has at the moment; "" if `values` is
// something else.
std::string_view NamesCommand(Values values) {
  if (values == Values::kNetns) return "ls /run/netns 2>/dev/null";
  if (values == Values::kInterface) return "ls /sys/class/net 2>/dev/null";
  return "";
}

std::string JoinedCommands() {
  std::string names;
  for (const Command& command : NamedCommands()) names.append(command.name).append(" ");
  return names;
}

// Everything that can follow the name of `command`.
std::vector<std::string> WordsAfter(const Command& command) {
  std::vector<std::string> words;
  for (const OptionInfo& option : ShownOptions(command)) {
    words.push_back("--" + std::string(option.name));
  }
  const std::string_view names = NamesCommand(command.operand.values);
  if (!names.empty()) words.push_back("$(" + std::string(names) + ")");
  if (command.operand.words == nullptr) return words;
  for (std::string& word : command.operand.words()) words.push_back(std::move(word));
  return words;
}

// The options that take the same values.
struct ValueGroup {
  Argument argument;
  std::vector<OptionInfo> options;
};

// The options of the listing whose arguments can be completed, by their values.
std::vector<ValueGroup> ValueGroups() {
  std::vector<ValueGroup> groups;
  for (const OptionInfo& option : ListOptions()) {
    const Argument& argument = option.argument;
    if (argument.values == Values::kAny) continue;
    const auto same = std::ranges::find_if(groups, [&](const ValueGroup& group) {
      return group.argument.values == argument.values && group.argument.words == argument.words;
    });
    if (same == groups.end()) {
      groups.push_back({argument, {option}});
    } else {
      same->options.push_back(option);
    }
  }
  return groups;
}

// ---- bash ----

// "-f|--family) _diag_words '...' ;;"
std::string BashCase(const ValueGroup& group) {
  std::vector<std::string> patterns;
  for (const OptionInfo& option : group.options) {
    if (option.letter != 0) patterns.push_back({'-', option.letter});
    patterns.push_back("--" + std::string(option.name));
  }
  std::string text = "  " + absl::StrJoin(patterns, "|") + ") ";
  if (group.argument.values == Values::kNetns) {
    return text + "_diag_words \"$(" + std::string(NamesCommand(Values::kNetns)) +
           ")\"; COMPREPLY+=($(compgen -f -- \"$current\")) ;;\n";
  }
  if (group.argument.values == Values::kFile) {
    return text + "mapfile -t COMPREPLY < <(compgen -f -- \"$current\") ;;\n";
  }
  text += group.argument.values == Values::kListOf ? "_diag_list " : "_diag_words ";
  return text + Quoted(absl::StrJoin(group.argument.words(), " ")) + " ;;\n";
}

constexpr std::string_view kBashHead =
    R"(# bash completion of diag(1)
_diag_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$current"); }
# Completes the last name of a list, also behind the - of --sort or the ! of -A.
_diag_list() {
  local done='' word
  [[ $current == *,* ]] && { done=${current%,*},; current=${current##*,}; }
  [[ $current == [-!]* ]] && { done+=${current:0:1}; current=${current:1}; }
  for word in $(compgen -W "$1" -- "$current"); do
    COMPREPLY+=("$done$word")
  done
}
_diag() {
  local current=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD-1]}
  # bash takes --option=value apart at its '='
  [[ $option == '=' ]] && option=${COMP_WORDS[COMP_CWORD-2]}
  [[ $current == '=' ]] && { option=${COMP_WORDS[COMP_CWORD-1]}; current=''; }
  COMPREPLY=()
)";

// ---- zsh ----

// The function that completes a list; "" if the group is none.
std::string ZshFunction(const ValueGroup& group) {
  if (group.argument.values != Values::kListOf) return "";
  return "_diag_" + std::string(group.options.front().name);
}

// ":columns:_diag_columns": what stands behind an option in _arguments.
std::string ZshArgument(const OptionInfo& option) {
  const Argument& argument = option.argument;
  if (argument.name.empty()) return "";
  const bool is_list = argument.values == Values::kListOf;
  std::string text = ":" + std::string(is_list ? option.name : argument.name) + ":";
  for (const ValueGroup& group : ValueGroups()) {
    const bool has = std::ranges::any_of(
        group.options, [&](const OptionInfo& other) { return other.name == option.name; });
    if (has) text += ZshFunction(group);
  }
  if (argument.values == Values::kFile) text += "_files";
  if (argument.values == Values::kNetns) text += "_diag_netns";
  if (argument.values == Values::kOneOf) text += "(" + absl::StrJoin(argument.words(), " ") + ")";
  return text;
}

std::string ZshOption(const OptionInfo& option) {
  // A bracket would end the help, and a colon would begin the argument.
  const std::string rest = "[" + Escaped(option.help, "[]:\\") + "]" + ZshArgument(option);
  std::string text;
  if (option.letter != 0) text += "    " + Quoted(std::string{'-', option.letter} + rest) + " \\\n";
  std::string name = "--" + std::string(option.name);
  if (!option.argument.name.empty()) name += "=";
  return text + "    " + Quoted(name + rest) + " \\\n";
}

// ---- fish ----

std::string FishOption(const OptionInfo& option) {
  const Argument& argument = option.argument;
  std::string text;
  if (option.letter != 0) text += std::string(" -s ") + option.letter;
  text += " -l " + std::string(option.name);
  if (argument.values == Values::kFile) {
    text += " -r -F";
  } else if (argument.values == Values::kNetns) {
    text += " -r -F -a " + Quoted("(" + std::string(NamesCommand(argument.values)) + ")");
  } else if (!argument.name.empty()) {
    text += " -x";
  }
  if (argument.values == Values::kOneOf) {
    text += " -a " + Quoted(absl::StrJoin(argument.words(), " "));
  } else if (argument.values == Values::kListOf) {
    text += " -a " + Quoted("(__fish_append , " + absl::StrJoin(argument.words(), " ") + ")");
  }
  // In fish's quotes a backslash escapes.
  return text + " -d '" + Escaped(option.help, "'\\") + "'\n";
}

std::string FishCommand(const Command& command) {
  const std::string name(command.name);
  const std::string after = "complete -c diag -n '__fish_seen_subcommand_from " + name + "'";
  std::string text = "complete -c diag -n '__fish_is_nth_token 1' -a " + name + " -d " +
                     Quoted(command.help) + "\n";
  for (const OptionInfo& option : ShownOptions(command)) text += after + FishOption(option);
  if (const std::string_view names = NamesCommand(command.operand.values); !names.empty()) {
    text += after + " -a " + Quoted("(" + std::string(names) + ")") + "\n";
  }
  if (command.operand.words != nullptr) {
    text += after + " -a " + Quoted(absl::StrJoin(command.operand.words(), " ")) + "\n";
  }
  return text;
}

}  // namespace

std::string BashCompletion() {
  std::string text(kBashHead);
  for (const Command& command : NamedCommands()) {
    text.append("  [[ ${COMP_WORDS[1]} == ").append(command.name);
    text += " && $COMP_CWORD -gt 1 ]] && { _diag_words \"" +
            absl::StrJoin(WordsAfter(command), " ") + "\"; return; }\n";
  }
  text += "  [[ $COMP_CWORD -eq 1 && $current == [a-z]* ]] && {\n    _diag_words " +
          Quoted(JoinedCommands() + "state exclude") + "; return; }\n  case $option in\n";
  for (const ValueGroup& group : ValueGroups()) text += BashCase(group);
  text += "  state|exclude) _diag_words " + Quoted(JoinedStates()) + " ;;\n";
  std::string words;
  for (const OptionInfo& option : ListOptions()) {
    if (option.letter != 0) words += std::string{'-', option.letter, ' '};
    words.append("--").append(option.name).append(" ");
  }
  // Fields are many: offer them when their first letter is there.
  return text + "  *) _diag_words " + Quoted(words + "state exclude") +
         "\n    [[ $current == [a-z]* ]] && _diag_words " + Quoted(JoinedFields() + " exclude") +
         " ;;\n  esac\n}\ncomplete -F _diag diag\n";
}

std::string ZshCompletion() {
  std::string text = "#compdef diag\n";
  for (const ValueGroup& group : ValueGroups()) {
    const std::string function = ZshFunction(group);
    if (function.empty()) continue;
    text += function + "() { _values -s , name " + absl::StrJoin(group.argument.words(), " ");
    text += " }\n";
  }
  text += "_diag_netns() { compadd -- $(" + std::string(NamesCommand(Values::kNetns)) +
          "); _files }\n_diag_expression() {\n  case ${words[CURRENT-1]} in\n    state|exclude) "
          "compadd -- " +
          JoinedStates() + " ;;\n    *) compadd -- exclude " + JoinedCommands() + JoinedFields() +
          " ;;\n  esac\n}\n";
  text += "_diag() {\n  if (( CURRENT > 2 )); then\n    case ${words[2]} in\n";
  for (const Command& command : NamedCommands()) {
    text.append("    ").append(command.name).append(") compadd -- ");
    text += absl::StrJoin(WordsAfter(command), " ") + "; return ;;\n";
  }
  text += "    esac\n  fi\n  _arguments -s \\\n";
  for (const OptionInfo& option : ListOptions()) text += ZshOption(option);
  return text + "    '*: :_diag_expression'\n}\n_diag \"$@\"\n";
}

std::string FishCompletion() {
  std::string text = "# fish completion of diag(1)\ncomplete -c diag -f\n";
  for (const OptionInfo& option : ListOptions()) text += "complete -c diag" + FishOption(option);
  for (const Command& command : NamedCommands()) text += FishCommand(command);
  return text +
         "complete -c diag -a 'state exclude'\n"
         "complete -c diag -n 'not __fish_prev_arg_in state exclude; and not "
         "__fish_seen_subcommand_from " +
         JoinedCommands() + "; and string match -qr \"^[a-z]\" -- (commandline -ct)' -a " +
         Quoted(JoinedFields()) +
         "\n"
         "complete -c diag -n '__fish_prev_arg_in state exclude' -a " +
         Quoted(JoinedStates()) + "\n";
}

}  // namespace diag
