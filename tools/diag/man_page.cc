// The man page. Tested by tests/tools/help_test.cc, which formats it with groff.

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_join.h"

#include "tools/diag/commands.h"
#include "tools/diag/help.h"

namespace diag {
namespace {

// Escapes text for man(7): hyphens stay hyphens, and no line begins like a request.
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

std::string Bold(std::string_view text) { return "\\fB" + Roff(text) + "\\fR"; }

std::string OptionEntry(const OptionInfo& option) {
  std::string text = ".TP\n";
  if (option.letter != 0) text += Bold(std::string{'-', option.letter}) + ", ";
  text += Bold("--" + std::string(option.name));
  if (!option.argument.name.empty()) text += "=\\fI" + Roff(option.argument.name) + "\\fR";
  return text + "\n" + Roff(option.help) + "\n";
}

// Text whose lines stay as they are.
std::string Literal(std::string_view text) { return ".PP\n.nf\n" + Roff(text) + ".fi\n"; }

std::string CommandSection(const Command& command) {
  std::string text = ".PP\n" + Bold(UsageOf(command)) + "\n.PP\n" + Roff(command.help);
  const Argument& operand = command.operand;
  if (operand.words != nullptr) {
    text += "; " + Roff(operand.name) + ": " + Roff(absl::StrJoin(operand.words(), ", "));
  }
  text += "\n";
  for (const OptionInfo& option : ShownOptions(command)) text += OptionEntry(option);
  return command.details.empty() ? text : text + Literal(command.details);
}

std::string TopicSection(std::string_view heading, std::string_view topic) {
  return ".SH " + std::string(heading) + "\n" + Literal(TopicHelp(topic).value_or(""));
}

std::string ExampleSection() {
  std::string text = ".SH EXAMPLES\n";
  for (const Example& example : Examples()) {
    text += ".TP\n" + Bold(example.command) + "\n" + Roff(example.help) + "\n";
  }
  return text;
}

}  // namespace

std::string ManPage() {
  std::string text =
      ".TH DIAG 1 \"\" \"netdiag\" \"User Commands\"\n"
      ".SH NAME\n"
      "diag \\- list sockets, their state and who holds them\n"
      ".SH SYNOPSIS\n"
      ".B diag\n"
      ".RI [ OPTIONS ]\n"
      ".RB [ state \" \\fINAME\\fR | \" exclude \" \\fINAME\\fR]...\"\n"
      ".RI [ EXPRESSION ]\n"
      ".PP\n"
      ".B diag\n"
      ".IR COMMAND \" [\" OPTIONS ]\n"
      ".SH DESCRIPTION\n"
      "Lists the sockets of this network namespace, in the words and columns of\n"
      ".BR ss (8).\n"
      "Without options: the connected ones of every table.\n"
      ".SH OPTIONS\n";
  for (const OptionInfo& option : ShownOptions(AllCommands().front())) text += OptionEntry(option);
  text += ".SH COMMANDS\n";
  for (const Command& command : NamedCommands()) text += CommandSection(command);
  text += ".SH STATES\n" + Roff(absl::StrJoin(StateWords(), ", ")) + ", " +
          Roff(absl::StrJoin(StateGroupWords(), ", ")) + ".\n";
  text += TopicSection("EXPRESSION", "filter");
  text += TopicSection("FIELDS", "fields");
  text += ExampleSection();
  text +=
      ".SH ENVIRONMENT\n"
      ".TP\n\\fBCOLUMNS\\fR\nthe width of lines if the output is not a terminal.\n"
      ".TP\n\\fBNO_COLOR\\fR\nif not empty, no colour unless \\-\\-color=always.\n";
  text += TopicSection("EXIT STATUS", "exit-codes");
  text +=
      ".SH SEE ALSO\n"
      ".BR ss (8),\n.BR sock_diag (7),\n.BR proc (5)\n";
  return text;
}

}  // namespace diag
