// tools/diag/shorthand.h — a first word that is no expression: `diag :443`, `diag 3000`,
// `diag nginx`.

#ifndef NETDIAG_TOOLS_DIAG_SHORTHAND_H_
#define NETDIAG_TOOLS_DIAG_SHORTHAND_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace diag {

struct Shorthand {
  std::string expression;  // of the filter language: the word's meaning, and what followed it
  bool command = false;    // it asks for a command, so owners are wanted
};

// `words`: what follows the options and the states. The first of them is a port with or without
// its colon (":443", "3000", ":https"), or the beginning of a command's name; a command is 15 bytes
// at most (TASK_COMM_LEN), so no more of the word counts. nullopt: they are an expression as they
// stand, for the first is one of its words, or the next an operator.
std::optional<Shorthand> ParseShorthand(std::span<const std::string_view> words);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_SHORTHAND_H_
