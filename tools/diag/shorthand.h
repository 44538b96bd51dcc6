// tools/diag/shorthand.h — short forms of an expression: `diag :443`, `diag 3000`, `diag nginx`.

#ifndef NETDIAG_TOOLS_DIAG_SHORTHAND_H_
#define NETDIAG_TOOLS_DIAG_SHORTHAND_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace diag {

struct Shorthand {
  std::string expression;  // in the filter language: the short form and the words after it
  bool command = false;    // the short form is a command's name, so rows need owners
};

// `words`: what follows the options and the states. A short form is a first word that is a port
// with or without its colon (":443", "3000", ":https"), or the beginning of a command's name. The
// kernel keeps 15 bytes of a command (TASK_COMM_LEN), so only these bytes of the word count.
// Returns nullopt if the words are an expression already: the first belongs to the filter language,
// or the second is an operator.
std::optional<Shorthand> ParseShorthand(std::span<const std::string_view> words);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_SHORTHAND_H_
