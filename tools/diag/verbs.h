// tools/diag/verbs.h — the commands of diag that are no listing of sockets: `diag interfaces`,
// `diag connections`.

#ifndef NETDIAG_TOOLS_DIAG_VERBS_H_
#define NETDIAG_TOOLS_DIAG_VERBS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

#include "netdiag/query.h"
#include "netdiag/summary.h"
#include "tools/diag/text.h"

namespace diag {

struct VerbResult {
  // kInvalidArgument: the words after the command make no sense.
  absl::Status status;
  // What sockets were asked for, and what became of that.
  std::optional<netdiag::Summary> summary = std::nullopt;
};
// Writes the answer to `output`, flushing it as it goes.
using Verb = VerbResult (*)(const std::vector<std::string_view>& words, Output* output);
// Null: there is no such command.
Verb FindVerb(std::string_view name);
// A line for each command, for --help, and the words that can follow it, for completions.
struct VerbHelp {
  std::string_view name;
  std::string_view usage;
  std::string help;
  std::vector<std::string> words;
};
std::vector<VerbHelp> AllVerbs();

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_VERBS_H_
