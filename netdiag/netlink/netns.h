// netdiag/netlink/netns.h — network namespaces: naming one, and doing something in it.
//
// A socket belongs to the namespace of the thread that made it, for good. Whatever must be made
// elsewhere is made on a throw-away thread that enters the namespace, makes it and ends, so the
// caller's thread never changes and nothing has to be restored. Needs CAP_SYS_ADMIN in the user
// namespaces of both. Source: setns(2), namespaces(7).

#ifndef NETDIAG_NETLINK_NETNS_H_
#define NETDIAG_NETLINK_NETNS_H_

#include <string>
#include <utility>

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

}  // namespace netdiag::netlink

#endif  // NETDIAG_NETLINK_NETNS_H_
