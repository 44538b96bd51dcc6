// Tested by tests/live/owners_live_test.cc, under tsan too.

#include "netdiag/process/side_scan.h"

#include <utility>

#include "absl/cleanup/cleanup.h"

#include "netdiag/types/error.h"

namespace netdiag::internal {

std::unique_ptr<SideScan> SideScan::Start(OwnerIndex* index, size_t descriptors,
                                          absl::AnyInvocable<absl::Status()> check) {
  std::unique_ptr<SideScan> scan(new SideScan(index, descriptors, std::move(check)));
  absl::StatusOr<QuietThread> thread = StartQuietThread([self = scan.get()] {
    const absl::Cleanup end = [self] { self->over_.store(true, std::memory_order_release); };
    self->status_ = self->Run();
  });
  if (!thread.ok()) return nullptr;
  scan->thread_ = *std::move(thread);
  return scan;
}

SideScan::~SideScan() { abandoned_.store(true); }

absl::Status SideScan::Join() {
  thread_.join();
  return status_;
}

absl::Status SideScan::Run() {
  for (bool done = false; !done && !abandoned_.load();) {
    NETDIAG_RETURN_IF_ERROR(check_());
    NETDIAG_ASSIGN_OR_RETURN(done, index_->Step(descriptors_));
  }
  return absl::OkStatus();
}

}  // namespace netdiag::internal
