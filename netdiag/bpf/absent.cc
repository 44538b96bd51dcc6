// The classes of this folder for a build without BPF (--define=bpf=no). Every call fails.

#include <cerrno>
#include <utility>

#include "netdiag/bpf/kernel_table.h"
#include "netdiag/bpf/netns_list.h"
#include "netdiag/bpf/socket_census.h"
#include "netdiag/bpf/socket_closer.h"
#include "netdiag/bpf/task_files.h"
#include "netdiag/types/error.h"

namespace netdiag::bpf {

absl::Status TaskFiles::Check() {
  return ErrnoError(EOPNOTSUPP, "BPF iterator task", "this program was built without BPF programs");
}
absl::StatusOr<std::unique_ptr<TaskFiles>> TaskFiles::Load(bool, Scope) { return Check(); }
TaskFiles::TaskFiles(internal::UniqueFd link) : link_(std::move(link)), ns_per_tick_(1) {}
TaskFiles::~TaskFiles() = default;
size_t TaskFiles::memory() const { return sizeof(*this); }
absl::Status TaskFiles::Begin() { return Check(); }
absl::StatusOr<bool> TaskFiles::Read(absl::FunctionRef<void(const Task&)>,
                                     absl::FunctionRef<void(const SocketFile&)>) {
  return Check();
}

absl::StatusOr<std::unique_ptr<NetnsList>> NetnsList::Load() { return TaskFiles::Check(); }
NetnsList::NetnsList(internal::UniqueFd link, internal::UniqueFd pass)
    : link_(std::move(link)), pass_(std::move(pass)) {}
absl::StatusOr<std::vector<NetnsId>> NetnsList::Read() { return TaskFiles::Check(); }

absl::Status KernelTable::Check() { return TaskFiles::Check(); }
absl::StatusOr<std::unique_ptr<KernelTable>> KernelTable::Load() { return Check(); }
KernelTable::KernelTable(internal::UniqueFd link, internal::UniqueFd question,
                         internal::UniqueFd reading)
    : link_(std::move(link)), question_(std::move(question)), reading_(std::move(reading)) {}
absl::Status KernelTable::Begin(const Question&) { return Check(); }
absl::StatusOr<bool> KernelTable::Read() { return Check(); }
bool KernelTable::IsByLoads() { return false; }

absl::Status SocketCensus::Check() { return TaskFiles::Check(); }
bool SocketCensus::Supports(Protocol) { return false; }
SocketCensus::~SocketCensus() = default;
absl::StatusOr<std::vector<CountedSocket>> SocketCensus::Take(Protocol) { return Check(); }

absl::StatusOr<std::vector<CloseResult>> CloseSockets(Protocol, std::span<const Cookie>) {
  return TaskFiles::Check();
}

}  // namespace netdiag::bpf
