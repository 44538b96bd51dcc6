// Tested by tests/process/owner_search_test.cc.

#include "netdiag/process/scan_policy.h"

namespace netdiag::internal {

// Both lists are in order of pid.
void ScanParts::NoteSizes() {
  const ProcessList& list = proc.list();
  if (!list.is_sized()) return;
  auto listed = list.processes().begin();
  for (Process& process : scan.processes) {
    while (listed != list.processes().end() && listed->pid < process.pid) ++listed;
    if (listed == list.processes().end()) return;
    if (listed->pid != process.pid || process.descriptors != Process::kNoSize) continue;
    process.descriptors = listed->descriptors > 0 ? listed->descriptors : Process::kNoSize;
    process.table_identity = listed->identity;
  }
}

}  // namespace netdiag::internal
