// Tested by tests/tools/help_test.cc, which runs the shells and man's formatter on what comes out.

#include "tools/diag/help.h"

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "netdiag/types/error.h"
#include "netdiag/types/types.h"
#include "tools/diag/columns.h"
#include "tools/diag/options.h"
#include "tools/diag/verbs.h"

namespace diag {
namespace {

// ---- Words that can stand in an argument ----

std::vector<std::string> FieldWordsOfHelp() {
  std::vector<std::string> words;
  for (const Column& column : AllColumns(true)) words.push_back(column.title());
  for (const netdiag::FieldAlias& row : netdiag::FieldAliases()) words.emplace_back(row.word);
  return words;
}

std::vector<std::string> StateWords() {
  std::vector<std::string> words;
  for (const netdiag::StateNames& row : netdiag::AllStates()) {
    if (netdiag::ParseStates(row.word)) words.emplace_back(row.word);
  }
  for (const char* group : {"all", "connected", "synchronized", "bucket", "big"}) {
    words.emplace_back(group);
  }
  return words;
}

std::string Joined(const std::vector<std::string>& words, std::string_view between) {
  std::string text;
  for (const std::string& word : words) {
    if (!text.empty()) text.append(between);
    text.append(word);
  }
  return text;
}

bool TakesFields(const OptionHelp& option) {
  return option.argument.find("NAME,...") != option.argument.npos;
}
bool TakesWhen(const OptionHelp& option) { return option.argument == "WHEN"; }

std::vector<OptionHelp> ToldOptions() {
  std::vector<OptionHelp> told = AllOptions();
  std::erase_if(told, [](const OptionHelp& option) { return option.help.empty(); });
  return told;
}

// ---- Completions ----

std::string Bash() {
  std::vector<std::string> options;
  std::vector<std::string> lists;
  std::vector<std::string> whens;
  for (const OptionHelp& option : ToldOptions()) {
    std::string name = "--" + std::string(option.name);
    if (TakesFields(option)) lists.push_back(name);
    if (TakesWhen(option)) whens.push_back(name);
    if (option.letter != 0) options.push_back({'-', option.letter});
    options.push_back(std::move(name));
  }
  std::vector<std::string> verbs;
  std::string by_verb;
  for (const VerbHelp& verb : AllVerbs()) {
    verbs.emplace_back(verb.name);
    by_verb.append("  [[ ${COMP_WORDS[1]} == ").append(verb.name);
    by_verb += " && $COMP_CWORD -gt 1 ]] && { mapfile -t COMPREPLY < <(compgen -W '" +
               Joined(verb.words, " ") + "' -- \"$current\"); return; }\n";
  }
  std::string text =
      "# bash completion of diag(1)\n"
      "_diag() {\n"
      "  local current=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD-1]} done='' word\n"
      "  # bash takes --option=value apart at its '='\n"
      "  [[ $option == '=' ]] && option=${COMP_WORDS[COMP_CWORD-2]}\n"
      "  [[ $current == '=' ]] && { option=${COMP_WORDS[COMP_CWORD-1]}; current=''; }\n"
      "  COMPREPLY=()\n" +
      by_verb +
      "  [[ $COMP_CWORD -eq 1 && $current == [a-z]* ]] && {\n"
      "    mapfile -t COMPREPLY < <(compgen -W '" +
      Joined(verbs, " ") +
      " state exclude' -- \"$current\"); return; }\n"
      "  case $option in\n";
  text += "  " + Joined(lists, "|") + ")\n";
  text +=
      "    [[ $current == *,* ]] && { done=${current%,*},; current=${current##*,}; }\n"
      "    [[ $current == -* ]] && { done+=-; current=${current#-}; }\n"
      "    for word in $(compgen -W '" +
      Joined(FieldWordsOfHelp(), " ") +
      "' -- \"$current\"); do\n"
      "      COMPREPLY+=(\"$done$word\")\n"
      "    done ;;\n";
  text += "  " + Joined(whens, "|") +
          ") mapfile -t COMPREPLY < <(compgen -W 'auto always never' -- \"$current\") ;;\n";
  text += "  state|exclude) mapfile -t COMPREPLY < <(compgen -W '" + Joined(StateWords(), " ") +
          "' -- \"$current\") ;;\n";
  text += "  *) mapfile -t COMPREPLY < <(compgen -W '" + Joined(options, " ") +
          " state exclude' -- \"$current\") ;;\n";
  text +=
      "  esac\n"
      "}\n"
      "complete -F _diag diag\n";
  return text;
}

// Between single quotes of a shell.
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

std::string Zsh() {
  std::string text =
      "#compdef diag\n"
      "_diag_fields() { _values -s , field " +
      Joined(FieldWordsOfHelp(), " ") +
      " }\n"
      "_diag() {\n"
      "  if (( CURRENT > 2 )); then\n"
      "    case ${words[2]} in\n";
  std::string verbs;
  for (const VerbHelp& verb : AllVerbs()) {
    verbs.append(verb.name).append(" ");
    text.append("    ").append(verb.name).append(") compadd -- ");
    text += Joined(verb.words, " ") + "; return ;;\n";
  }
  text +=
      "    esac\n"
      "  fi\n"
      "  _arguments -s \\\n";
  for (const OptionHelp& option : ToldOptions()) {
    // What stands in the brackets ends at one, and a colon would begin the argument.
    std::string help;
    for (const char c : option.help) {
      if (c == '[' || c == ']' || c == ':' || c == '\\') help += '\\';
      help += c;
    }
    std::string rest = "[" + help + "]";
    if (TakesFields(option)) {
      rest += ":fields:_diag_fields";
    } else if (TakesWhen(option)) {
      rest += ":when:(auto always never)";
    } else if (!option.argument.empty()) {
      rest += ":" + std::string(option.argument) + ":";
    }
    const std::string assign = option.argument.empty() ? "" : "=";
    if (option.letter != 0)
      text += "    " + Quoted(std::string{'-', option.letter} + rest) + " \\\n";
    std::string name = "--";
    name.append(option.name).append(assign).append(rest);
    text += "    " + Quoted(name) + " \\\n";
  }
  text += "    '*:: :(" + verbs + "state exclude " + Joined(StateWords(), " ") +
          ")'\n}\n_diag \"$@\"\n";
  return text;
}

std::string Fish() {
  std::string text = "# fish completion of diag(1)\ncomplete -c diag -f\n";
  for (const OptionHelp& option : ToldOptions()) {
    text += "complete -c diag";
    if (option.letter != 0) text += std::string(" -s ") + option.letter;
    text += " -l " + std::string(option.name);
    if (TakesFields(option)) {
      text += " -x -a " + Quoted("(__fish_append , " + Joined(FieldWordsOfHelp(), " ") + ")");
    } else if (TakesWhen(option)) {
      text += " -x -a 'auto always never'";
    } else if (!option.argument.empty()) {
      text += " -x";
    }
    // In fish's quotes a backslash hides a quote.
    std::string help;
    for (const char c : option.help) {
      if (c == '\'' || c == '\\') help += '\\';
      help += c;
    }
    text += " -d '" + help + "'\n";
  }
  for (const VerbHelp& verb : AllVerbs()) {
    text.append("complete -c diag -n '__fish_is_nth_token 1' -a ").append(verb.name).append("\n");
    text.append("complete -c diag -n '__fish_seen_subcommand_from ").append(verb.name);
    text += "' -a '" + Joined(verb.words, " ") + "'\n";
  }
  text += "complete -c diag -a 'state exclude'\n";
  text += "complete -c diag -n '__fish_prev_arg_in state exclude' -a '" +
          Joined(StateWords(), " ") + "'\n";
  return text;
}

// ---- Man page ----

// Text of man(7): a hyphen that is one, and no line that begins like a request.
std::string Roff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

std::string Man() {
  std::string text =
      ".TH DIAG 1 \"\" \"netdiag\" \"User Commands\"\n"
      ".SH NAME\n"
      "diag \\- list sockets, their state and who holds them\n"
      ".SH SYNOPSIS\n"
      ".B diag\n"
      ".RI [ OPTIONS ]\n"
      ".RB [ state \" \\fINAME\\fR | \" exclude \" \\fINAME\\fR]...\"\n"
      ".SH DESCRIPTION\n"
      "Lists the sockets of this network namespace, in the words and columns of\n"
      ".BR ss (8).\n"
      "Without options: the connected ones of every table.\n"
      ".SH OPTIONS\n";
  for (const OptionHelp& option : ToldOptions()) {
    text += ".TP\n";
    if (option.letter != 0) text += std::string("\\fB\\-") + option.letter + "\\fR, ";
    text += "\\fB\\-\\-" + Roff(option.name) + "\\fR";
    if (!option.argument.empty()) text += "=\\fI" + Roff(option.argument) + "\\fR";
    text += "\n" + Roff(option.help) + "\n";
  }
  text += ".SH COMMANDS\n";
  for (const VerbHelp& row : AllVerbs()) {
    text += ".TP\n\\fB" + Roff(row.usage) + "\\fR\n" + Roff(row.help) + "\n";
  }
  text += ".SH STATES\n" + Roff(Joined(StateWords(), ", ")) + ".\n";
  text += ".SH FIELDS\nFor \\-\\-columns, \\-\\-sort and \\-\\-count\\-by:\n";
  std::vector<std::string> titles;
  for (const Column& column : AllColumns(true)) titles.push_back(column.title());
  text += Roff(Joined(titles, ", ")) + ".\n.PP\nShort names:\n";
  std::vector<std::string> aliases;
  for (const netdiag::FieldAlias& row : netdiag::FieldAliases()) {
    aliases.push_back(std::string(row.word) + " = " + std::string(row.field));
  }
  text += Roff(Joined(aliases, ", ")) + ".\n";
  text +=
      ".SH ENVIRONMENT\n"
      ".TP\n\\fBCOLUMNS\\fR\nthe width of lines where the output is no terminal.\n"
      ".TP\n\\fBNO_COLOR\\fR\nif not empty, no colour unless \\-\\-color=always.\n"
      ".SH EXIT STATUS\n"
      ".TP\n0\nanswered; what could not be seen is said on stderr.\n"
      ".TP\n1\na requested table could not be read, or the output not written.\n"
      ".TP\n2\nusage.\n"
      ".SH SEE ALSO\n"
      ".BR ss (8),\n.BR sock_diag (7),\n.BR proc (5)\n";
  return text;
}

// ---- JSON Schema ----

// One property of a socket, or of one of its owners.
std::string Property(const Column& column) {
  using netdiag::Meaning;
  const netdiag::Field& field = *column.field;
  const std::string key = "\"" + column.key + "\": ";
  const std::string hex = ",\n\"" + column.key + "_hex\": {\"$ref\": \"#/definitions/hex\"}";
  const auto of = [&](std::string_view type) {
    return key + "{\"type\": " + std::string(type) + "}";
  };
  if (column.as_text) return key + "{\"$ref\": \"#/definitions/id\"}";
  if (column.words != nullptr) {
    if (column.words->flags) return key + "{\"$ref\": \"#/definitions/strings\"}";
    return of("\"string\"");
  }
  if (field.group == netdiag::FieldGroup::kOptions) return of("\"boolean\"");
  switch (field.meaning) {
    case Meaning::kCounter:
    case Meaning::kGauge:
      return key + "{\"$ref\": \"#/definitions/count\"}";
    case Meaning::kText:
      return of("\"string\"") + hex;
    case Meaning::kIdentity:
      return of("[\"string\", \"integer\"]");
    case Meaning::kEnum:
      break;
  }
  return of("[\"string\", \"boolean\", \"integer\"]");
}

std::string Object(const std::vector<std::string>& properties, std::string_view more = {}) {
  return "{\"type\": \"object\", \"additionalProperties\": false" + std::string(more) +
         ", \"properties\": {\n" + Joined(properties, ",\n") + "}}";
}

constexpr std::string_view kDefinitions = R"("count": {"type": "integer", "minimum": 0},
"id": {"type": "string", "pattern": "^[0-9]+$"},
"hex": {"type": "string", "pattern": "^([0-9a-f][0-9a-f])*$"},
"strings": {"type": "array", "items": {"type": "string"}},
"group": {"type": "object", "required": ["count"],
"properties": {"count": {"$ref": "#/definitions/count"}}},
"table": {"type": "object", "additionalProperties": false,
"required": ["protocol", "families", "netns", "source", "rows", "complete"], "properties": {
"protocol": {"type": "string"},
"families": {"$ref": "#/definitions/strings"},
"netns": {"$ref": "#/definitions/count"},
"netns_name": {"type": "string"},
"netns_name_hex": {"$ref": "#/definitions/hex"},
"source": {"type": "string"},
"rows": {"$ref": "#/definitions/count"},
"complete": {"type": "boolean"},
"exact": {"type": "boolean"},
"walks": {"$ref": "#/definitions/count"},
"repeated": {"$ref": "#/definitions/count"},
"unsettled": {"$ref": "#/definitions/count"},
"doubt": {"type": "string"},
"doubt_hex": {"$ref": "#/definitions/hex"},
"error": {"type": "string"},
"error_hex": {"$ref": "#/definitions/hex"},
"refusal": {"type": "string"},
"refusal_hex": {"$ref": "#/definitions/hex"}}},
"namespaces": {"type": "object", "additionalProperties": false,
"required": ["listed", "denied", "vanished", "hidden", "beyond"], "properties": {
"listed": {"$ref": "#/definitions/count"},
"denied": {"$ref": "#/definitions/count"},
"vanished": {"$ref": "#/definitions/count"},
"hidden": {"$ref": "#/definitions/count"},
"beyond": {"$ref": "#/definitions/count"},
"denial": {"type": "string"},
"denial_hex": {"$ref": "#/definitions/hex"}}},
"owner_scan": {"type": "object", "additionalProperties": false, "properties": {
"source": {"enum": ["proc", "bpf"]},
"no_bpf": {"type": "string"},
"no_bpf_hex": {"$ref": "#/definitions/hex"},
"processes": {"$ref": "#/definitions/count"},
"descriptors": {"$ref": "#/definitions/count"},
"sockets": {"$ref": "#/definitions/count"},
"vanished": {"$ref": "#/definitions/count"},
"denied": {"$ref": "#/definitions/count"},
"errors": {"$ref": "#/definitions/count"},
"hidepid": {"type": "boolean"},
"other_pid_namespace": {"type": "boolean"},
"complete": {"type": "boolean"}}})";

constexpr std::string_view kOutcome = R"("schema": {"enum": [2]},
"kernel": {"type": "string"},
"kernel_hex": {"$ref": "#/definitions/hex"},
"tables": {"type": "array", "items": {"$ref": "#/definitions/table"}},
"owner_scan": {"$ref": "#/definitions/owner_scan"},
"namespaces": {"$ref": "#/definitions/namespaces"},
"owner_error": {"type": "string"},
"owner_error_hex": {"$ref": "#/definitions/hex"},
"held": {"type": "array", "items": {"$ref": "#/definitions/held"}},
"rows": {"$ref": "#/definitions/count"},
"stopped": {"type": "boolean"},
"interrupted": {"type": "boolean"},
"foreign": {"$ref": "#/definitions/count"},
"damaged": {"$ref": "#/definitions/count"},
"duplicates": {"$ref": "#/definitions/count"},
"unknown_attributes": {"$ref": "#/definitions/count"})";

constexpr std::string_view kRequired =
    ", \"required\": [\"schema\", \"kernel\", \"tables\", \"rows\", \"stopped\", \"interrupted\", "
    "\"foreign\",\n\"damaged\", \"duplicates\", \"unknown_attributes\"]";

// "key": an array of what `items` says.
std::string Array(std::string_view key, std::string_view items) {
  return "\"" + std::string(key) + "\": {\"type\": \"array\", \"items\": " + std::string(items) +
         "}";
}

constexpr std::string_view kCount = "{\"$ref\": \"#/definitions/count\"}";
constexpr std::string_view kHex = "{\"$ref\": \"#/definitions/hex\"}";

// Properties that are counts, but for one that is bytes in hex.
std::vector<std::string> Counts(std::initializer_list<std::string_view> keys,
                                std::string_view hex_key) {
  std::vector<std::string> properties;
  for (const std::string_view key : keys) {
    properties.push_back("\"" + std::string(key) + "\": " + std::string(kCount));
  }
  properties.push_back("\"" + std::string(hex_key) + "\": " + std::string(kHex));
  return properties;
}

// Lists that are no fields, for a field has one value.
std::vector<std::string> Lists() {
  return {
      Array("pending_connections", kCount),
      Array("groups", kCount),
      Array("memberships", Object(Counts({"interface", "type", "count"}, "address_hex"))),
      Array("filter", "{\"type\": \"array\", \"minItems\": 4, \"maxItems\": 4,\n\"items\": " +
                          std::string(kCount) + "}"),
      Array("unknown_attributes", Object(Counts({"type", "size"}, "hex"),
                                         ", \"required\": [\"type\", \"size\", \"hex\"]")),
      "\"tcp_info_rest_hex\": " + std::string(kHex),
  };
}

std::string Held() {
  using netdiag::FieldGroup;
  std::vector<std::string> owner;
  for (const Column& column : AllColumns(true)) {
    if (column.field->group == FieldGroup::kOwner) owner.push_back(Property(column));
  }
  std::vector<std::string> properties = Counts({"inode", "netns"}, "protocol_hex");
  properties.push_back("\"protocol\": {\"type\": \"string\"}");
  properties.push_back(Array(Name(FieldGroup::kOwner), Object(owner)));
  return Object(properties, ",\n\"required\": [\"protocol\", \"inode\", \"owners\"]");
}

std::string Socket() {
  using netdiag::FieldGroup;
  std::vector<std::string> properties;
  std::vector<std::string> nested;
  const std::vector<Column> columns = AllColumns(true);
  for (size_t i = 0; i < columns.size(); ++i) {
    const FieldGroup group = columns[i].field->group;
    nested.push_back(Property(columns[i]));
    if (i + 1 < columns.size() && columns[i + 1].field->group == group) continue;
    if (group == FieldGroup::kSocket) {
      properties.swap(nested);
    } else {
      const std::string_view name = Name(group);
      properties.push_back(columns[i].per_owner()
                               ? Array(name, Object(nested))
                               : "\"" + std::string(name) + "\": " + Object(nested));
    }
    nested.clear();
  }
  for (std::string& list : Lists()) properties.push_back(std::move(list));
  return Object(properties);
}

std::string Schema() {
  const std::string outcome(kOutcome);
  const auto rows_of = [](std::string_view key, std::string_view definition) {
    return Array(key, "{\"$ref\": \"#/definitions/" + std::string(definition) + "\"}");
  };
  std::string text =
      "{\"$schema\": \"http://json-schema.org/draft-04/schema#\",\n"
      "\"title\": \"diag --json; of --jsonl, each line is a socket, a group or held, the last a "
      "summary\",\n"
      "\"definitions\": {\n";
  text +=
      std::string(kDefinitions) + ",\n\"held\": " + Held() + ",\n\"socket\": " + Socket() + ",\n";
  text += "\"summary\": " +
          Object({"\"summary\": " + Object({outcome}, kRequired)}, ", \"required\": [\"summary\"]");
  text += "},\n\"anyOf\": [\n";
  text += Object({outcome, rows_of("sockets", "socket")}, kRequired) + ",\n";
  text += Object({outcome, rows_of("counts", "group")}, kRequired) + ",\n";
  text +=
      "{\"type\": \"object\", \"additionalProperties\": false, \"required\": [\"held\"],\n"
      "\"properties\": {\"held\": {\"$ref\": \"#/definitions/held\"}}},\n"
      "{\"$ref\": \"#/definitions/summary\"},\n{\"$ref\": \"#/definitions/group\"},\n"
      "{\"$ref\": \"#/definitions/socket\"}]}\n";
  return text;
}

}  // namespace

absl::StatusOr<std::string> FormatHelp(std::string_view format) {
  if (format == "bash") return Bash();
  if (format == "zsh") return Zsh();
  if (format == "fish") return Fish();
  if (format == "man") return Man();
  if (format == "schema") return Schema();
  return netdiag::BadInput("format", format, "expected bash, zsh, fish, man or schema");
}

}  // namespace diag
