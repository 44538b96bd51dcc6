// tools/diag/contexts.h — SELinux contexts of processes and of the sockets they hold.

#ifndef NETDIAG_TOOLS_DIAG_CONTEXTS_H_
#define NETDIAG_TOOLS_DIAG_CONTEXTS_H_

#include <map>
#include <string>

#include "absl/status/status.h"

#include "netdiag/types/types.h"

namespace diag {

class Contexts {
 public:
  // `proc_root`: a procfs, or a tree of its shape.
  explicit Contexts(std::string proc_root = "/proc") : proc_root_(std::move(proc_root)) {}

  // Returns an error if SELinux is off: then there are no contexts. `sysfs`: where sysfs is
  // mounted.
  static absl::Status Check(const std::string& sysfs = "/sys");

  // Append the context, escaped, or "unavailable" if it cannot be read. Cost: one file for each
  // process, because its context is kept; one attribute for each call of AppendSocket().
  void AppendProcess(netdiag::Pid pid, std::string* out);
  void AppendSocket(netdiag::Pid pid, int fd, std::string* out) const;

 private:
  std::string proc_root_;
  std::map<netdiag::Pid, std::string> processes_;
};

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_CONTEXTS_H_
