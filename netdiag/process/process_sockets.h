// netdiag/process/process_sockets.h — the sockets that one process holds.
//
// Cost: one getdents64 per 1 000 descriptors of the process and one readlinkat each (2 µs).
// Threads: any.
// Errors: there is no such process (ESRCH); its descriptors may not be read (EACCES).
// Source: proc(5).

#ifndef NETDIAG_PROCESS_PROCESS_SOCKETS_H_
#define NETDIAG_PROCESS_PROCESS_SOCKETS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "netdiag/process/owner_index.h"
#include "netdiag/types/types.h"

namespace netdiag {

// Returns the sockets in order of descriptor. Owner::command is empty.
absl::StatusOr<std::vector<OwnedSocket>> ReadProcessSockets(Pid pid,
                                                            const std::string& proc_root = "/proc");

}  // namespace netdiag

#endif  // NETDIAG_PROCESS_PROCESS_SOCKETS_H_
