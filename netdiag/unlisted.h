// netdiag/unlisted.h — sockets that no dump lists and only a descriptor shows: TCP and UDP sockets
// that are not bound yet, and families without a dump in this kernel (AF_ALG, KCM, bluetooth, …).
//
//   NETDIAG_RETURN_IF_ERROR(VisitUnlisted({}, [](const UnlistedSocket& socket) {
//     Print(socket.protocol, socket.inode, socket.owners);
//     return Flow::kContinue;
//   }).status());
//
// What is held is read first and what is listed then; a socket counts as unlisted if nobody lists
// it, twice where a dump could have missed it, and its descriptor still leads to it afterwards.
//
// Cost: a scan of all owners (by BPF where that can be, whatever their number: it alone tells the
// namespace of a socket), one or two dumps of every table, eight system calls for each socket
// found. 8 bytes for each that is listed.
// Lifetime: what the visitor is given is valid until it returns.
// Threads: as Engine.
// Errors: those of OwnerIndex::Refresh() and Engine::Open(). A table that cannot be dumped is none:
// its sockets are unlisted.

#ifndef NETDIAG_UNLISTED_H_
#define NETDIAG_UNLISTED_H_

#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

#include "netdiag/engine.h"
#include "netdiag/netlink/call.h"
#include "netdiag/process/owner.h"
#include "netdiag/types/types.h"

namespace netdiag {

struct UnlistedSocket {
  Inode inode;
  // As the kernel calls it: "TCP", "UNIX-STREAM", "ALG". Source: sockfs_xattr_get(), net/socket.c.
  std::string_view protocol;
  NetnsId netns;  // 0: not known, because /proc was read
  Owners owners;
};

// Those of the options' namespace; of all with EngineOptions::all_netns, and where the namespaces
// of sockets are not known (OwnerStats::source is not kBpf): then those of a namespace that has no
// process and no name (netlink::FindNamespaces()) are unlisted, too.
absl::StatusOr<OwnerStats> VisitUnlisted(const EngineOptions& options,
                                         absl::FunctionRef<Flow(const UnlistedSocket&)> visitor,
                                         const netlink::CallOptions& call = {});

}  // namespace netdiag

#endif  // NETDIAG_UNLISTED_H_
