// Tested by tests/process/owner_sources_test.cc.

#include "netdiag/process/bpf_scan.h"

#include <algorithm>

#include "netdiag/types/error.h"

namespace netdiag::internal {

absl::Status BpfScan::Load() {
  if (files_ != nullptr) return absl::OkStatus();
  NETDIAG_ASSIGN_OR_RETURN(files_, bpf::TaskFiles::Load(netns_));
  return absl::OkStatus();
}

absl::Status BpfScan::Begin() {
  done_ = false;
  NETDIAG_RETURN_IF_ERROR(Load());
  return files_->Begin();
}

void BpfScan::End() {
  if (files_ != nullptr) files_->End();
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
  NETDIAG_ASSIGN_OR_RETURN(const bool more, files_->Read(on_task, on_socket));
  done_ = !more;
  return std::max<size_t>(scan->sockets.size() - before, 1);
}

}  // namespace netdiag::internal
