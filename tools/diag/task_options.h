// tools/diag/task_options.h — what -K and -E make of the other options: which tables they take,
// what they exclude, and what they need.

#ifndef NETDIAG_TOOLS_DIAG_TASK_OPTIONS_H_
#define NETDIAG_TOOLS_DIAG_TASK_OPTIONS_H_

#include "absl/status/status.h"

#include "tools/diag/list_options.h"
#include "tools/diag/tables.h"

namespace diag {

// What the command line says that concerns -K and -E and is not in ListOptions.
struct TaskWords {
  bool kill = false;     // -K
  bool dry_run = false;  // --dry-run
  bool events = false;   // -E
  bool all = false;      // -a
  bool states = false;   // `state NAME` or `exclude NAME`
  // An option shows owners. The owners that a word as `:443` implies do not count.
  bool owners = false;
};

// Sets ListOptions::task, and changes or refuses what the task excludes. Call it when the options
// are complete except for the needs of the columns. `tables`: the choice that `options->query` has.
absl::Status ResolveTask(const TaskWords& words, const TableChoice& tables, ListOptions* options);

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_TASK_OPTIONS_H_
