// Tested by tests/process/process_test.cc and owner_sources_test.cc.

#include "netdiag/process/full_scan.h"

#include <algorithm>

namespace netdiag::internal {
namespace {

// The program that reads the files of listeners alone takes 2 ms more to load, in which the other
// one reads so many descriptors.
constexpr uint64_t kLeastForListeners = 15'000;

}  // namespace

Action FullScan::Start() {
  if (parts_.choice.is_always_bpf()) return Action::kBpf;
  parts_.scan.stats.source = OwnerSource::kProc;
  return Action::kList;
}

Action FullScan::Next() {
  const ProcScan& proc = parts_.proc;
  if (proc.done()) return Action::kFinish;
  // If the kernel does not tell the sizes of tables, the links that were read are counted.
  const uint64_t links = std::max(proc.list().expected(), parts_.scan.stats.descriptors);
  const bool may_load = !proc.list().naming();
  const bool for_listeners = parts_.bpf.scope() == OwnerScope::kTcpListeners;
  if (for_listeners && !parts_.bpf.loaded() && links < kLeastForListeners) {
    if (!proc.listed()) return Action::kGoOn;  // there may be more
    parts_.bpf.SetScope(OwnerScope::kAll);
  }
  if ((may_load || parts_.bpf.loaded()) && parts_.choice.PrefersBpfForAll(links)) {
    return Action::kBpf;
  }
  return proc.listed() ? Action::kRead : Action::kGoOn;
}

void FullScan::Finish(bool whole) {
  Scan& scan = parts_.scan;
  parts_.index.Begin(&scan);
  parts_.NoteSizes();
  // A later search needs a scan that found everything.
  const bool has_all =
      scan.stats.source != OwnerSource::kBpf || parts_.bpf.scope() == OwnerScope::kAll;
  parts_.base = {has_all ? IndexBase::Kind::kScan : IndexBase::Kind::kNone, !whole,
                 scan.sockets.size()};
  // A pass of BPF that its budget ended has not seen every process that /proc listed.
  if (whole || scan.stats.source != OwnerSource::kBpf) parts_.proc.Remember();
}

}  // namespace netdiag::internal
