// netdiag/bpf/netns_list.h — Internal. Users want netdiag/engine.h.
//
// Lists every live network namespace of the kernel.
//
//   NETDIAG_ASSIGN_OR_RETURN(std::unique_ptr<NetnsList> list, NetnsList::Load());
//   NETDIAG_ASSIGN_OR_RETURN(std::vector<NetnsId> all, list->Read());
//
// The list also contains namespaces to which no path of the caller leads: those that only a socket,
// a thread, a mount, a process of another pid namespace, an orphaned connection or the kernel keeps
// alive.
//
// Cost: Load(): see LoadIterator(). Read(): 10 µs, and 0.1 µs per namespace. 16 KiB of memory
// in the kernel.
// Lifetime: two descriptors stay open until destruction, and one more during Read(). All are
// close-on-exec.
// Threads: thread-compatible.
// Errors: missing CAP_BPF and CAP_PERFMON, BTF, or kernel 5.17; E2BIG: there are more namespaces
// than kMax; EAGAIN: the list changed during every pass.

#ifndef NETDIAG_BPF_NETNS_LIST_H_
#define NETDIAG_BPF_NETNS_LIST_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/types/types.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag::bpf {

class NetnsList {
 public:
  static constexpr size_t kMax = 4096;

  static absl::StatusOr<std::unique_ptr<NetnsList>> Load();
  NetnsList(const NetnsList&) = delete;
  NetnsList& operator=(const NetnsList&) = delete;

  // In no order, each once, at most kMax.
  absl::StatusOr<std::vector<NetnsId>> Read();

 private:
  NetnsList(internal::UniqueFd link, internal::UniqueFd pass);

  internal::UniqueFd link_;  // holds the program
  internal::UniqueFd pass_;  // the map of the program's variable
};

}  // namespace netdiag::bpf

#endif  // NETDIAG_BPF_NETNS_LIST_H_
