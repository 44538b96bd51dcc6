// netdiag/engine/destroy.h — Internal. Closes sockets by name and cookie. Users want
// Engine::Destroy(), whose comment has the contract.
//
// Hides that the kernel looks a socket up by its name first and compares the cookie afterwards.
// Sockets that share a name hide each other: the kernel finds one of the group, and answers ENOENT
// if the cookie is another one's.
//
// Threads: as the Conn.
// Cost: one exchange for each socket, repeated for those that were not found as long as others are
// closed; one exact dump for each socket that is still not found at the end.

#ifndef NETDIAG_ENGINE_DESTROY_H_
#define NETDIAG_ENGINE_DESTROY_H_

#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

#include "netdiag/destroy.h"
#include "netdiag/dump/table.h"
#include "netdiag/dump/verifier.h"
#include "netdiag/netlink/call.h"
#include "netdiag/netlink/conn.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

// `netns` is the namespace of `conn`. `options` returns the options of an exact dump of a table,
// which must live until the call returns.
absl::StatusOr<std::vector<DestroyOutcome>> Destroy(
    netlink::Conn* conn, NetnsId netns, std::span<const SocketName> sockets,
    absl::FunctionRef<DumpOptions(const Table&)> options, const netlink::CallOptions& call);

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_DESTROY_H_
