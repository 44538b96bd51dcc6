// netdiag/dump/procfs_source.h — Internal. The tables of /proc/net: tcp, tcp6, udp, unix and so on.
//
// Each line is encoded as the netlink message that the kernel would have sent. Attributes that
// /proc does not show are absent, and cookies are 0.
//
// Threads: thread-compatible.

#ifndef NETDIAG_DUMP_PROCFS_SOURCE_H_
#define NETDIAG_DUMP_PROCFS_SOURCE_H_

#include <memory>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/step.h"
#include "netdiag/dump/table.h"
#include "netdiag/netlink/call.h"

namespace netdiag::internal {

class ProcfsSource {
 public:
  // Opens a file in the net/ directory of the right namespace by its name ("tcp6"). The source
  // takes the descriptor over.
  using Opener = absl::FunctionRef<absl::StatusOr<int>(std::string_view file)>;
  // ENOENT: /proc has no such table.
  static absl::StatusOr<ProcfsSource> Open(const DumpRequest& request, Opener open);
  ProcfsSource(ProcfsSource&&) noexcept;
  ProcfsSource& operator=(ProcfsSource&&) noexcept;
  ~ProcfsSource();

  // Reads 64 KiB at most. Never waits.
  absl::StatusOr<netlink::Ready> Step(const StepOptions& how, MessageVisitor visitor);
  SourceStats stats() const;

 private:
  class Impl;
  explicit ProcfsSource(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_PROCFS_SOURCE_H_
