// TaskFiles in a program built without libbpf (--define=bpf=no): always missing.

#include <cerrno>
#include <utility>

#include "netdiag/bpf/task_files.h"
#include "netdiag/types/error.h"

namespace netdiag::bpf {

absl::Status TaskFiles::Check() {
  return ErrnoError(EOPNOTSUPP, "BPF iterator task_file", "this program was built without libbpf");
}
absl::StatusOr<std::unique_ptr<TaskFiles>> TaskFiles::Load(bool) { return Check(); }
TaskFiles::TaskFiles(internal::UniqueFd link) : link_(std::move(link)), ns_per_tick_(1) {}
absl::Status TaskFiles::Begin() { return Check(); }
absl::StatusOr<bool> TaskFiles::Read(absl::FunctionRef<void(const Task&)>,
                                     absl::FunctionRef<void(const SocketFile&)>) {
  return Check();
}

}  // namespace netdiag::bpf
