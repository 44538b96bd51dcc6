// netdiag/netlink/netns.h — network namespaces: naming one, and doing something in it.
//
// A socket belongs to the namespace of the thread that made it, for good. Whatever must be made
// elsewhere is made on a throw-away thread that enters the namespace, makes it and ends, so the
// caller's thread never changes and nothing has to be restored. Needs CAP_SYS_ADMIN in the user
// namespaces of both. Source: setns(2), namespaces(7).

#ifndef NETDIAG_NETLINK_NETNS_H_
#define NETDIAG_NETLINK_NETNS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/types/types.h"

namespace netdiag::netlink {

// Names a network namespace. A value; holds nothing open.
class NetNs {
 public:
  // An open nsfs descriptor, borrowed: it must stay open until the call that uses the NetNs
  // returns. 0 is a descriptor.
  static NetNs FromFd(int fd) { return NetNs(fd, {}); }
  // A path to nsfs: "/run/netns/blue", "/proc/123/ns/net".
  static NetNs FromPath(std::string path) { return NetNs(-1, std::move(path)); }
  // The namespace of a process's main thread.
  static NetNs FromPid(Pid pid);
  // As people say it: a path, if there is a '/' in it; a name of `ip netns`, if there is one; else
  // a process's number. The error names what is none of them.
  static absl::StatusOr<NetNs> FromName(const std::string& name);

  // Runs `work` on a thread inside the namespace and returns what it returned. The thread blocks
  // all signals and has ended when the call returns. Errors of entering name the namespace; EPERM
  // says which capability is missing.
  absl::Status Run(absl::FunctionRef<absl::Status()> work) const;
  // The inode of the namespace.
  absl::StatusOr<NetnsId> Identify() const;

 private:
  NetNs(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  int fd_;
  std::string path_;
};

// The inode of the calling thread's network namespace; 0 if /proc does not tell.
NetnsId CurrentNetns();

// ---- All of them ----

// A network namespace that was seen, and ways into it. A value; holds nothing open.
struct FoundNetns {
  NetnsId id;
  std::string name;                // that `ip netns` gave it; empty: none
  std::vector<std::string> paths;  // nsfs files that led to it, at most three
};

struct FoundNamespaces {
  // At most kMaxNamespaces: those with a name by name, then the others by id.
  std::vector<FoundNetns> namespaces;
  uint64_t hidden = 0;  // processes whose namespace may not be known (CAP_SYS_PTRACE)
  uint64_t beyond = 0;  // sightings of namespaces above kMaxNamespaces, which are left out
};
inline constexpr size_t kMaxNamespaces = 4096;

// Every network namespace that can be seen: by /proc/PID/ns/net of every process, by the names of
// `ip netns` in /run/netns, by bind mounts of nsfs. Not seen: those that only a descriptor, a
// socket or another thread than a process's main one keeps, and mounts in other mount namespaces.
// Cost: one readlink a process, about 2 µs, and one stat a name. Nothing stays open.
FoundNamespaces FindNamespaces(const std::string& proc_root = "/proc");

// Calls `work(i, OK)` inside each of these namespaces, one after another, all on one thread, which
// ends before the call returns; or `work(i, why)` outside, where it cannot be entered: NotFound if
// it has vanished, that is, if no path leads to this inode any more. A namespace is held open only
// while its turn lasts. Cost: a thread (30 µs), and 8 µs a namespace. Error: there is no thread.
absl::Status RunInEach(std::span<const FoundNetns> namespaces,
                       absl::FunctionRef<void(size_t i, const absl::Status& entered)> work);

}  // namespace netdiag::netlink

#endif  // NETDIAG_NETLINK_NETNS_H_
