// What the forms of output share. Tested by tests/tools/main_test.cc.

#include "tools/diag/render.h"

#include "netdiag/types/error.h"

namespace diag {

void Renderer::VisitWaiting(const netdiag::UnixSocket& listener,
                            absl::FunctionRef<void(netdiag::Inode peer)> visitor) {
  // Each question is a walk of all unix sockets inside the kernel; nearly always nobody waits.
  if (listener.receive_queue().value_or(0) == 0) return;
  const absl::Status status = engine_->LookupUnix(
      listener.inode(), listener.cookie(), [&](const netdiag::UnixSocket& exact) {
        for (size_t i = 0; const std::optional<netdiag::Inode> peer = exact.pending_connection(i);
             ++i) {
          visitor(*peer);
        }
      });
  if (!status.ok() && !absl::IsNotFound(status)) ++untold_listeners_;
}

}  // namespace diag
