// Tested by tests/process/process_test.cc.

#include "netdiag/process/owner.h"

#include "netdiag/process/scan.h"

namespace netdiag {

std::string_view Name(NoOwner reason) {
  switch (reason) {
    case NoOwner::kNotAsked:
    case NoOwner::kNone:
      return "";
    case NoOwner::kKernelHeld:
      return "kernel-held";
    case NoOwner::kHidden:
      return "hidden";
    case NoOwner::kNotRead:
      return "not-read";
    case NoOwner::kOtherPidNamespace:
      return "other-pid-namespace";
    case NoOwner::kVanished:
      return "vanished";
  }
  return "";
}

Owner Owners::operator[](size_t i) const {
  const internal::ScannedSocket& socket = scan_->sockets[first_ + i];
  const internal::Process& process = scan_->processes[socket.process];
  return Owner{.pid = Pid(process.pid),
               .start_time = process.start_time,
               .fd = socket.fd,
               .command = {process.command.data(), process.command_size},
               .thread = Pid(process.thread)};
}

}  // namespace netdiag
