// Tested by tests/process/owner_search_test.cc.

#include "netdiag/process/second_look.h"

namespace netdiag::internal {

Action SecondLook::Next() {
  const ProcScan& proc = parts_.proc;
  if (proc.listed()) {
    parts_.scan.stats.denied = proc.UnchangedDenied();
    if (proc.HasChanged()) return Read(Descriptors::kChanged, proc.Expected(Descriptors::kChanged));
    return parts_.choice.is_always_bpf() ? Action::kFinish : ReadProc(Descriptors::kChanged);
  }
  // Reads to the end, because each socket can have owners in several of these processes.
  return proc.done() ? Action::kFinish : Action::kGoOn;
}

}  // namespace netdiag::internal
