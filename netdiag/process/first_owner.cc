// Tested by tests/process/owner_search_test.cc.

#include "netdiag/process/first_owner.h"

namespace netdiag::internal {
namespace {

// The number of wanted sockets that are likely to need most of the host's descriptors.
constexpr size_t kMany = 64;

}  // namespace

Action FirstOwner::Start() {
  const Action action = LookForUnknown();
  const bool by_bpf = parts_.choice.is_always_bpf();
  return action == Action::kList && by_bpf ? Action::kBpf : action;
}

Action FirstOwner::Next() {
  const ProcScan& proc = parts_.proc;
  WantedSockets& wanted = parts_.wanted;
  if (proc.listed()) {
    parts_.scan.stats.denied = 0;
    return Read(Descriptors::kLowest, wanted.all().size() >= kMany ? proc.list().expected() : 0);
  }
  wanted.NoteFound(parts_.scan);
  if (wanted.left() == 0) return Action::kFinish;
  if (!proc.done()) return Action::kGoOn;
  const bool was_lowest = part() == Descriptors::kLowest;
  return was_lowest ? ReadProc(Descriptors::kAboveLowest) : Action::kFinish;
}

void FirstOwner::Finish(bool whole) {
  parts_.wanted.KeepFirst(&parts_.scan);
  parts_.scan.stats.sockets = parts_.scan.sockets.size();
  OwnerSearch::Finish(whole);
}

}  // namespace netdiag::internal
