// SPDX-License-Identifier: Apache-2.0
//
// netdiag/netlink/netns.h — names network namespaces, finds them, and runs code in them.
//
// A socket belongs for its whole life to the namespace of the thread that made it. To make one in
// another namespace, Run() starts a temporary thread that enters the namespace, does the work and
// ends. The caller's thread never changes its namespace, so there is nothing to restore. Needs
// CAP_SYS_ADMIN in the user namespaces of both. Source: setns(2), namespaces(7).

#ifndef NETDIAG_NETLINK_NETNS_H_
#define NETDIAG_NETLINK_NETNS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/types/abseil.h"
#include "netdiag/types/types.h"

namespace netdiag::netlink {

// The name of the namespace that a thread is in. A namespace that `ip netns` calls so has no name
// here.
inline constexpr std::string_view kOwnNetns = "self";

// The name of a network namespace. A value; keeps nothing open.
class NetNs {
 public:
  // An open nsfs descriptor, not owned: it must stay open while a method of the NetNs runs. 0 is a
  // valid descriptor.
  static NetNs FromFd(int fd) { return NetNs(fd, {}); }
  // A path to nsfs: "/run/netns/blue", "/proc/123/ns/net", "/proc/123/fd/4". If the last is a
  // socket, the socket's namespace; this needs the right to trace the process, and CAP_NET_ADMIN.
  static NetNs FromPath(std::string path) { return NetNs(-1, std::move(path)); }
  // The namespace of a process's main thread.
  static NetNs FromPid(Pid pid, const std::string& proc_root = "/proc");
  // What users type: kOwnNetns, a path if it contains '/', else a name of `ip netns` if there is
  // such a name, else a pid of the procfs. The error names a text that is none of these.
  static absl::StatusOr<NetNs> FromName(const std::string& name,
                                        const std::string& proc_root = "/proc");

  // Runs `work` on a new thread inside the namespace and returns its result. The thread blocks all
  // signals and has ended when Run() returns. If the namespace cannot be entered, the error names
  // it; EPERM says which capability is missing. The namespace of the calling thread needs none.
  absl::Status Run(absl::FunctionRef<absl::Status()> work) const;
  // The inode of the namespace.
  absl::StatusOr<NetnsId> Identify() const;

 private:
  NetNs(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  int fd_;
  std::string path_;
};

// The inode of the calling thread's network namespace; 0 if it cannot be read from /proc.
NetnsId CurrentNetns();

// ---- Finding namespaces ----

// A network namespace that was found, and paths into it. A value; keeps nothing open.
struct FoundNetns {
  NetnsId id;
  std::string name;                // its name for `ip netns`; empty: none
  std::vector<std::string> paths;  // for NetNs::FromPath(), at most three
};

struct FoundNamespaces {
  // At most kMaxNamespaces: first those with a name, by name, then the others, by id.
  std::vector<FoundNetns> namespaces;
  // Processes whose namespace or descriptors could not be read (needs CAP_SYS_PTRACE).
  uint64_t hidden = 0;
  uint64_t beyond = 0;  // paths to namespaces that are left out because of kMaxNamespaces
};
inline constexpr size_t kMaxNamespaces = 4096;

// Finds the network namespaces of all processes (/proc/PID/ns/net), the names of `ip netns` in
// /run/netns, bind mounts of nsfs, and namespaces that a process holds open (/proc/PID/fd). Does
// not find a namespace that is kept only by a socket (/proc does not tell the namespace of a
// socket), by a thread other than a process's main thread, or by a mount in another mount
// namespace. EngineOptions::all_netns finds the first of these with BPF. Cost: one readlink per
// process and per descriptor, about 2 µs each, and one stat per name. Nothing stays open.
FoundNamespaces FindNamespaces(const std::string& proc_root = "/proc");
// The same for a caller who knows which namespaces there are: descriptors are read only until all
// of `wanted` are found. So they cost nothing if each of these has a process, a name or a mount.
FoundNamespaces FindNamespaces(const std::string& proc_root, std::span<const NetnsId> wanted);

// Calls `work(i, OK)` inside each of these namespaces, one after another, on one thread that ends
// before RunInEach() returns. For a namespace that cannot be entered it calls `work(i, error)`
// outside: NotFound means that no path leads to the inode any more. A namespace is kept open only
// while its `work` runs. Cost: one thread (30 µs), and 8 µs per namespace. Error: the thread cannot
// be started.
absl::Status RunInEach(std::span<const FoundNetns> namespaces,
                       absl::FunctionRef<void(size_t i, const absl::Status& entered)> work);

}  // namespace netdiag::netlink

#endif  // NETDIAG_NETLINK_NETNS_H_
