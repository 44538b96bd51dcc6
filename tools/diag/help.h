// tools/diag/help.h — texts made from the one table of options and the one table of fields.

#ifndef NETDIAG_TOOLS_DIAG_HELP_H_
#define NETDIAG_TOOLS_DIAG_HELP_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace diag {

// `format`: "bash", "zsh" and "fish" for completions, "man" for a man page in man(7)'s macros,
// "schema" for the JSON Schema of --json and --jsonl (docs/diag.schema.json).
absl::StatusOr<std::string> FormatHelp(std::string_view format);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_HELP_H_
