// SPDX-License-Identifier: Apache-2.0
//
// netdiag/unlisted.h — unlisted sockets: sockets that no dump returns and that only a descriptor
// shows. These are TCP and UDP sockets before they are bound, TCP sockets that are bound but idle,
// sockets of families that this kernel cannot dump (AF_ALG, KCM, bluetooth, …), and every socket of
// a namespace that only a descriptor or a socket keeps alive.
//
//   NETDIAG_RETURN_IF_ERROR(VisitUnlisted({}, [](const UnlistedSocket& socket) {
//     Print(socket.protocol, socket.inode, socket.owners);
//     return Flow::kContinue;
//   }).status());
//
// VisitUnlisted() first reads the descriptors of all processes and then dumps every table. A socket
// is unlisted if no dump returned it and its descriptor still refers to it afterwards. If a dump
// could have missed sockets or failed, every table is dumped a second time. A socket that a dump
// could have returned, if the dump had not failed, or if the namespace of the socket were known and
// could be entered, is left out and counted.
//
// Lifetime: an UnlistedSocket is valid until the visitor returns.
// Threads: like Engine.
// Errors: those of OwnerIndex::Refresh() and Engine::Open(). A table that this kernel cannot dump
// is not an error: its sockets are unlisted. Cost: a scan of all owners; by BPF if possible,
// because only BPF reports the namespace of a socket. One or two dumps of every table, and 8 bytes
// for each listed socket. Eight system calls for each unlisted socket.

#ifndef NETDIAG_UNLISTED_H_
#define NETDIAG_UNLISTED_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/engine.h"
#include "netdiag/netlink/call.h"
#include "netdiag/process/owner.h"
#include "netdiag/types/types.h"

namespace netdiag {

class Filter;  // filter/filter.h

struct UnlistedSocket {
  Inode inode;
  // The kernel's name: "TCP", "UNIX-STREAM", "ALG". Source: sockfs_xattr_get(), net/socket.c.
  std::string_view protocol;
  NetnsId netns;                // 0: not known, because the owners were read from /proc
  std::string_view netns_name;  // Table::netns_name; empty if the namespace was not listed
  Owners owners;
};

struct UnlistedOptions {
  // The states whose sockets are listed elsewhere. kBoundInactive (Linux 6.8): bound but idle TCP
  // sockets are listed, too.
  StateSet listed_states = StateSet::SsAll();
  // Visits only the sockets that are of one of these protocols and of one of these families. If
  // both are empty: all, also those that no table shows.
  std::vector<Protocol> protocols = {};
  FamilySet families = {};
  // Visits only the sockets that the filter matches. Null: all. A predicate can read what is known
  // of an unlisted socket: `protocol` and `family` if the kernel's name tells them, `inode`,
  // `netns` if it is known, and the owners. A predicate about anything else is neither true nor
  // false, and neither is its negation, so it never makes a socket match.
  std::shared_ptr<const Filter> filter = {};
};

struct UnlistedStats {
  OwnerStats owners;
  // Sockets that no dump returned, and that are not visited because a dump could have returned
  // them, or because their descriptors may not be read again.
  uint64_t left_out = 0;
  // Their protocols, as far as they are known, in order, each once.
  std::vector<std::string> left_out_protocols;
  absl::Status left_out_reason;  // OK if there are none
};

// Passes each unlisted socket of the options' namespace to `visitor`. The sockets of all namespaces
// are included with EngineOptions::all_netns, and also if OwnerStats::source is not kBpf, because
// then the namespaces of sockets are not known. In both cases the sockets of a namespace that
// netlink::FindNamespaces() does not find count as unlisted, too.
absl::StatusOr<UnlistedStats> VisitUnlisted(const EngineOptions& options,
                                            absl::FunctionRef<Flow(const UnlistedSocket&)> visitor,
                                            const netlink::CallOptions& call = {},
                                            const UnlistedOptions& unlisted = {});

}  // namespace netdiag

#endif  // NETDIAG_UNLISTED_H_
