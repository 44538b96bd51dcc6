// Tested by tests/process/owner_sources_test.cc.

#include "netdiag/process/bpf_scan.h"

#include <algorithm>

#include "netdiag/types/error.h"
#include "netdiag/types/proc_file.h"

namespace netdiag::internal {

void BpfScan::SetScope(OwnerScope scope) {
  const bool possible = !netns_ && KernelIsAtLeast(6, 2);
  scope_ = possible ? scope : OwnerScope::kAll;
}

absl::Status BpfScan::Load() {
  if (loaded()) return absl::OkStatus();
  using Scope = bpf::TaskFiles::Scope;
  NETDIAG_ASSIGN_OR_RETURN(
      (is_for_listeners() ? listeners_ : files_),
      bpf::TaskFiles::Load(netns_, is_for_listeners() ? Scope::kListeners : Scope::kSockets));
  return absl::OkStatus();
}

size_t BpfScan::memory() const {
  size_t bytes = 0;
  for (const auto* const files : {&files_, &listeners_}) {
    if (*files != nullptr) bytes += (*files)->memory();
  }
  return bytes;
}

absl::Status BpfScan::Begin() {
  done_ = false;
  NETDIAG_RETURN_IF_ERROR(Load());
  return files().Begin();
}

void BpfScan::End() {
  for (const auto* const files : {&files_, &listeners_}) {
    if (*files != nullptr) (*files)->End();
  }
}

absl::StatusOr<size_t> BpfScan::Step(Scan* scan) {
  const size_t before = scan->sockets.size();
  const auto on_task = [&](const bpf::Task& task) {
    ++scan->stats.processes;
    Process& process = scan->AddProcess(task.pid.value());
    process.thread = task.thread.value();
    process.start_time = task.start_time;
    process.uids = {task.real, task.effective, task.saved, task.filesystem};
    process.has_uids = true;
    process.SetCommand(task.command);
  };
  const auto on_socket = [&](const bpf::SocketFile& socket) {
    ++scan->stats.descriptors;
    const bool added = scan->AddSocket(socket.inode.value(), socket.fd);
    if (added && netns_) scan->netns.push_back(socket.netns.value());
  };
  NETDIAG_ASSIGN_OR_RETURN(const bool more, files().Read(on_task, on_socket));
  done_ = !more;
  return std::max<size_t>(scan->sockets.size() - before, 1);
}

}  // namespace netdiag::internal
