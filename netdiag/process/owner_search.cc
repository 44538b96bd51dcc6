// Tested by tests/process/owner_search_test.cc.

#include "netdiag/process/owner_search.h"

namespace netdiag::internal {

Action OwnerSearch::LookForUnknown() {
  Scan& scan = parts_.scan;
  scan.wanted = parts_.wanted.filter();  // from now on processes without sockets are dropped
  parts_.checks.Sweep(&scan);
  if (parts_.checks.dropped_any()) parts_.index.Build(&scan);
  parts_.wanted.PlanUnknown(parts_.index, scan);
  scan.wanted = parts_.wanted.filter();
  return parts_.wanted.left() == 0 ? Action::kFinish : Action::kList;
}

Action OwnerSearch::Read(Descriptors part, uint64_t links) {
  return parts_.PrefersBpf(links) ? Action::kBpf : ReadProc(part);
}

Action OwnerSearch::ReadProc(Descriptors part) {
  part_ = part;
  return Action::kRead;
}

bool OwnerSearch::TakeFound() {
  parts_.wanted.NoteFound(parts_.scan);
  parts_.checks.DropRest(&parts_.scan);
  parts_.checks.Sweep(&parts_.scan);
  return parts_.wanted.found_any() || parts_.checks.dropped_any();
}

void OwnerSearch::Finish(bool /*whole*/) {
  if (TakeFound()) parts_.index.Begin(&parts_.scan);
}

}  // namespace netdiag::internal
