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
  switch (values) {
    case Values::kNetns:
      return "ls /run/netns 2>/dev/null";
    case Values::kInterface:
      return "ls /sys/class/net 2>/dev/null";
    case Values::kProcess:
      return "ls /proc 2>/dev/null | grep '^[0-9]'";
    default:
      return "";
  }
}

std::string JoinedCommands() {
  std::string names;
  for (const Command& command : NamedCommands()) names.append(command.name).append(" ");
  return names;
}

std::string JoinedOptions(const Command& command) {
  std::string words;
  for (const OptionInfo& option : ShownOptions(command)) {
    if (option.letter != 0) words += std::string{'-', option.letter, ' '};
    words.append("--").append(option.name).append(" ");
  }
  return words;
}

// The options of a command that take the same values.
struct ValueGroup {
  Argument argument;
  std::vector<OptionInfo> options;
};

// The options of the command that have arguments, by their values.
std::vector<ValueGroup> ValueGroups(const Command& command) {
  std::vector<ValueGroup> groups;
  for (const OptionInfo& option : ShownOptions(command)) {
    const Argument& argument = option.argument;
    if (argument.name.empty()) continue;
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

// In a filter, a regular expression for what precedes a name of a state.
constexpr std::string_view kBeforeState =
    "(^|[ (!])(state|exclude)( *(=|==|!=) *| +(eq|ne) +| +)([a-z0-9-]+,)*$";

// ---- bash ----

// What completes the values of an argument.
std::string BashValues(const Argument& argument) {
  const std::string_view names = NamesCommand(argument.values);
  switch (argument.values) {
    case Values::kAny:
      return "";
    case Values::kFile:
      return "mapfile -t COMPREPLY < <(compgen -f -- \"$current\")";
    case Values::kNetns:
      return "_diag_words \"$(" + std::string(names) +
             ")\"; COMPREPLY+=($(compgen -f -- \"$current\"))";
    case Values::kInterface:
    case Values::kProcess:
      return "_diag_words \"$(" + std::string(names) + ")\"";
    case Values::kListOf:
      return "_diag_list " + Quoted(absl::StrJoin(argument.words(), " "));
    case Values::kOneOf:
      return "_diag_words " + Quoted(absl::StrJoin(argument.words(), " "));
  }
  return "";
}

// "  connections:--pid) … ;;": the values of the options of a command.
std::string BashCases(const Command& command) {
  std::string text;
  for (const ValueGroup& group : ValueGroups(command)) {
    std::vector<std::string> patterns;
    const std::string before = std::string(command.name) + ":";
    for (const OptionInfo& option : group.options) {
      if (option.letter != 0) patterns.push_back(before + "-" + option.letter);
      patterns.push_back(before + "--" + std::string(option.name));
    }
    text += "  " + absl::StrJoin(patterns, "|") + ") " + BashValues(group.argument) + " ;;\n";
  }
  return text;
}

// The last case of a command: its options, or its words.
std::string BashOthers(const Command& command) {
  std::string text = "  " + std::string(command.name) + ":*) if [[ $current == -* ]]; then\n";
  text += "      _diag_words " + Quoted(JoinedOptions(command)) + "\n    else\n      ";
  const std::string words = BashValues(command.operand);
  return text + (words.empty() ? ":" : words) + "\n    fi ;;\n";
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
# Completes the last word of a filter. In an open quote the words before it are a part of $current.
_diag_filter() {
  local text=${current#[\'\"]} word words=$1
  local last=${text##*[ (!,=<>]}
  local before=${text%"$last"}
  if [[ $before =~ $_diag_before_state ]]; then
    words=$_diag_states
  elif [[ $last != [a-z]* ]]; then
    return  # fields are many: offer them when their first letter is there
  fi
  for word in $(compgen -W "$words" -- "$last"); do
    COMPREPLY+=("$before$word")
  done
}
_diag() {
  local current=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD-1]} command=''
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

// The functions that complete names which the machine has.
constexpr std::string_view kZshNetns = "_diag_netns";
constexpr std::string_view kZshInterface = "_diag_interface";
constexpr std::string_view kZshProcess = "_diag_process";

std::string ZshNames(std::string_view function, Values values, std::string_view more = "") {
  return std::string(function) + "() { compadd -- $(" + std::string(NamesCommand(values)) + ")" +
         std::string(more) + " }\n";
}

// What completes the values of an argument, in _arguments; "" for a list.
std::string ZshValues(const Argument& argument) {
  switch (argument.values) {
    case Values::kFile:
      return "_files";
    case Values::kNetns:
      return std::string(kZshNetns);
    case Values::kInterface:
      return std::string(kZshInterface);
    case Values::kProcess:
      return std::string(kZshProcess);
    case Values::kOneOf:
      return "(" + absl::StrJoin(argument.words(), " ") + ")";
    case Values::kAny:
    case Values::kListOf:
      break;
  }
  return "";
}

// ":columns:_diag_columns": what stands behind an option in _arguments.
std::string ZshArgument(const Command& command, const OptionInfo& option) {
  const Argument& argument = option.argument;
  if (argument.name.empty()) return "";
  const bool is_list = argument.values == Values::kListOf;
  std::string text = ":" + std::string(is_list ? option.name : argument.name) + ":";
  if (!is_list) return text + ZshValues(argument);
  for (const ValueGroup& group : ValueGroups(command)) {
    const bool has = std::ranges::any_of(
        group.options, [&](const OptionInfo& other) { return other.name == option.name; });
    if (has) text += ZshFunction(group);
  }
  return text;
}

std::string ZshOption(const Command& command, const OptionInfo& option) {
  // A bracket would end the help, and a colon would begin the argument.
  const std::string rest = "[" + Escaped(option.help, "[]:\\") + "]" + ZshArgument(command, option);
  std::string text;
  if (option.letter != 0) text += "    " + Quoted(std::string{'-', option.letter} + rest) + " \\\n";
  std::string name = "--" + std::string(option.name);
  if (!option.argument.name.empty()) name += "=";
  return text + "    " + Quoted(name + rest) + " \\\n";
}

// The words that _arguments is called with, without those of the operand.
std::string ZshOptions(const Command& command) {
  std::string text = "_arguments -s \\\n";
  for (const OptionInfo& option : ShownOptions(command)) text += ZshOption(command, option);
  return text;
}

std::string ZshCommand(const Command& command) {
  return "    " + std::string(command.name) + ") shift words; (( CURRENT-- )); " +
         ZshOptions(command) + "    " +
         Quoted("1:" + std::string(command.operand.name) + ":" + ZshValues(command.operand)) +
         "; return ;;\n";
}

constexpr std::string_view kZshExpression = R"(
# In an open quote the words before the last one are a part of $PREFIX.
_diag_expression() {
  local before="$words[CURRENT-2] $words[CURRENT-1] "
  compset -P '*[ (!,=<>]' && before=$IPREFIX
  if [[ $before =~ $_diag_before_state ]]; then
    compadd -- ${=_diag_states}
  else
    compadd -- ${=_diag_expression_words}
  fi
}
)";

// ---- fish ----

std::string FishOption(const OptionInfo& option) {
  const Argument& argument = option.argument;
  std::string text;
  if (option.letter != 0) text += std::string(" -s ") + option.letter;
  text += " -l " + std::string(option.name);
  const std::string names(NamesCommand(argument.values));
  if (argument.values == Values::kFile) {
    text += " -r -F";
  } else if (argument.values == Values::kNetns) {
    text += " -r -F -a " + Quoted("(" + names + ")");
  } else if (!argument.name.empty()) {
    text += " -x";
    if (!names.empty()) text += " -a " + Quoted("(" + names + ")");
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

constexpr std::string_view kFishFilter = R"(
# Offers the last word of a filter. In an open quote the words before it are a part of the token.
function __diag_filter
  set -l text (commandline -ct | string replace -r '^[\x27"]' '')
  set -l before (string replace -r '[^ (!,=<>]*$' '' -- "$text")
  set -l words
  if string match -qr $__diag_before_state -- "$before"
    set words $__diag_states
  else if __fish_prev_arg_in state exclude
    set words $__diag_states
  else if string match -qr '[a-z][^ (!,=<>]*$' -- "$text"
    set words $__diag_fields
  end
  set -q words[1]; and printf '%s\n' "$before"$words
end
)";

}  // namespace

std::string BashCompletion() {
  const Command& list = AllCommands().front();
  std::string text(kBashHead);
  text += "  local _diag_states=" + Quoted(JoinedStates()) +
          " _diag_before_state=" + Quoted(kBeforeState) + "\n";
  std::vector<std::string> names;
  for (const Command& command : NamedCommands()) names.emplace_back(command.name);
  text += "  [[ $COMP_CWORD -eq 1 && $current == [a-z]* ]] && {\n    _diag_words " +
          Quoted(JoinedCommands() + "state exclude") + "; return; }\n" +
          "  [[ $COMP_CWORD -gt 1 && ${COMP_WORDS[1]} == @(" + absl::StrJoin(names, "|") +
          ") ]] && command=${COMP_WORDS[1]}\n  case $command:$option in\n";
  for (const Command& command : AllCommands()) text += BashCases(command);
  for (const Command& command : NamedCommands()) text += BashOthers(command);
  return text + "  :state|:exclude) _diag_words \"$_diag_states\" ;;\n" +
         "  *) if [[ $current == -* || -z $current ]]; then\n      _diag_words " +
         Quoted(JoinedOptions(list) + "state exclude") + "\n    else\n      _diag_filter " +
         Quoted(JoinedFields() + " exclude") + "\n    fi ;;\n  esac\n}\ncomplete -F _diag diag\n";
}

std::string ZshCompletion() {
  const Command& list = AllCommands().front();
  std::string text = "#compdef diag\n";
  for (const ValueGroup& group : ValueGroups(list)) {
    const std::string function = ZshFunction(group);
    if (function.empty()) continue;
    text += function + "() { _values -s , name " + absl::StrJoin(group.argument.words(), " ");
    text += " }\n";
  }
  text += ZshNames(kZshNetns, Values::kNetns, "; _files") +
          ZshNames(kZshInterface, Values::kInterface) + ZshNames(kZshProcess, Values::kProcess);
  text.append(kZshExpression);
  text += "_diag() {\n  local _diag_states=" + Quoted(JoinedStates()) +
          " _diag_before_state=" + Quoted(kBeforeState) + "\n  local _diag_expression_words=" +
          Quoted("exclude " + JoinedCommands() + JoinedFields());
  text += "\n  if (( CURRENT > 2 )); then\n    case ${words[2]} in\n";
  for (const Command& command : NamedCommands()) text += ZshCommand(command);
  return text + "    esac\n  fi\n  " + ZshOptions(list) +
         "    '*: :_diag_expression'\n}\n_diag \"$@\"\n";
}

std::string FishCompletion() {
  const std::string listing =
      "complete -c diag -n 'not __fish_seen_subcommand_from " + JoinedCommands() + "'";
  std::string text = "# fish completion of diag(1)\ncomplete -c diag -f\n";
  text += "set -g __diag_states " + JoinedStates() + "\nset -g __diag_fields " + JoinedFields() +
          "\nset -g __diag_before_state " + Quoted(kBeforeState);
  text.append(kFishFilter);
  for (const OptionInfo& option : ShownOptions(AllCommands().front())) {
    text += listing + FishOption(option);
  }
  for (const Command& command : NamedCommands()) text += FishCommand(command);
  return text + listing + " -a 'state exclude'\n" + listing + " -a '(__diag_filter)'\n";
}

}  // namespace diag
