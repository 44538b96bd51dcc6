// Tested by tests/process/owner_search_test.cc.

#include "netdiag/process/second_look.h"

namespace netdiag::internal {

Action SecondLook::Next() {
  const ProcScan& proc = parts_.proc;
  if (proc.listed()) {
    const ProcessList& list = proc.list();
    parts_.scan.stats.denied = list.UnchangedDenied();
    if (list.HasChanged()) return Read(Descriptors::kChanged, list.Expected(Descriptors::kChanged));
    return parts_.choice.is_always_bpf() ? Action::kFinish : ReadProc(Descriptors::kChanged);
  }
  // Reads to the end, because each socket can have owners in several of these processes.
  return proc.done() ? Action::kFinish : Action::kGoOn;
}

}  // namespace netdiag::internal
