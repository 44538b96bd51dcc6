// netdiag/unlisted.h — unlisted sockets: sockets that no dump returns and that only a descriptor
// shows. These are TCP and UDP sockets before they are bound, and sockets of families that this
// kernel cannot dump (AF_ALG, KCM, bluetooth, …).
//
//   NETDIAG_RETURN_IF_ERROR(VisitUnlisted({}, [](const UnlistedSocket& socket) {
//     Print(socket.protocol, socket.inode, socket.owners);
//     return Flow::kContinue;
//   }).status());
//
// VisitUnlisted() first reads the descriptors of all processes and then dumps every table. A socket
// is unlisted if no dump returned it and its descriptor still refers to it afterwards. If a dump
// could have missed sockets, every table is dumped a second time.
//
// Lifetime: an UnlistedSocket is valid until the visitor returns.
// Threads: like Engine.
// Errors: those of OwnerIndex::Refresh() and Engine::Open(). A table that cannot be dumped is not
// an error: its sockets are unlisted. Cost: a scan of all owners; by BPF if possible, because only
// BPF reports the namespace of a socket. One or two dumps of every table, and 8 bytes for each
// listed socket. Eight system calls for each unlisted socket.

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
  // The kernel's name: "TCP", "UNIX-STREAM", "ALG". Source: sockfs_xattr_get(), net/socket.c.
  std::string_view protocol;
  NetnsId netns;  // 0: not known, because the owners were read from /proc
  Owners owners;
};

// Passes each unlisted socket of the options' namespace to `visitor`. The sockets of all namespaces
// are included with EngineOptions::all_netns, and also if OwnerStats::source is not kBpf, because
// then the namespaces of sockets are not known. In both cases the sockets of a namespace that
// netlink::FindNamespaces() does not find count as unlisted, too.
absl::StatusOr<OwnerStats> VisitUnlisted(const EngineOptions& options,
                                         absl::FunctionRef<Flow(const UnlistedSocket&)> visitor,
                                         const netlink::CallOptions& call = {});

}  // namespace netdiag

#endif  // NETDIAG_UNLISTED_H_
