// netdiag/engine/destroy.h — Internal. Closes sockets by name and cookie. Users want
// Engine::Destroy(), whose comment has the contract.
//
// Hides that the kernel looks a socket up by its name first and compares the cookie afterwards.
// Sockets that share a name hide each other: the kernel finds one of the group, and answers ENOENT
// if the cookie is another one's. A BPF program reaches the others, where one can be loaded. Hides
// too that the kernel does not compare the cookies of raw sockets at all.
//
// Threads: as the Conn.
// Cost: one exchange for each socket, two for a raw one. If sockets were not found: an exact dump
// of their table, which says which of them still exist; for those a BPF program, and more requests
// as long as one of them closes.

#ifndef NETDIAG_ENGINE_DESTROY_H_
#define NETDIAG_ENGINE_DESTROY_H_

#include <cstddef>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/bpf/socket_closer.h"
#include "netdiag/destroy.h"
#include "netdiag/dump/table.h"
#include "netdiag/dump/verifier.h"
#include "netdiag/engine/conns.h"
#include "netdiag/engine/dump_aids.h"
#include "netdiag/netlink/call.h"
#include "netdiag/netlink/conn.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

// The kernel's answer to SOCK_DESTROY, with what it means.
absl::Status ExplainDestroy(const absl::Status& status);

// A namespace in which sockets are closed.
struct DestroyPlace {
  netlink::Conn* conn = nullptr;
  NetnsId netns;
  // Returns the options of an exact dump of a table, which must live until the call returns.
  absl::FunctionRef<DumpOptions(const Table&)> options;
  // Runs bpf::CloseSockets() in the namespace.
  absl::FunctionRef<absl::StatusOr<std::vector<bpf::CloseResult>>(Protocol,
                                                                  std::span<const Cookie>)>
      close_by_bpf;
};

// Closes those of `sockets` whose indices are in `which`, and sets their outcomes.
void DestroyIn(const DestroyPlace& place, std::span<const SocketName> sockets,
               std::vector<size_t> which, const netlink::CallOptions& call,
               std::vector<DestroyOutcome>* outcomes);

// The same for sockets of several namespaces. `here`: that of sockets that name none.
std::vector<DestroyOutcome> Destroy(Conns* conns, DumpAids* aids, NetnsId here,
                                    std::span<const SocketName> sockets,
                                    const netlink::CallOptions& call);

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_DESTROY_H_
