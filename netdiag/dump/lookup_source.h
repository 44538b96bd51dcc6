// netdiag/dump/lookup_source.h — Internal. The rows of a dump of TCP, mostly by exact requests.
//
// A dump of TCP visits the sockets of all namespaces. This source instead dumps the listeners,
// whose table is short, and sends an exact request for each other socket, whose addresses are known
// (bpf/tcp_table.h). A socket that has gone in the meantime is left out, as a dump would leave it
// out.
//
// Three phases:
//   kListeners  the dump of the listeners runs;
//   kLookups    their number was right, so every other socket is asked for, one batch a step;
//   kDump       their number was wrong, or an exact request cannot be trusted: a dump of the rest.
//               If the kernel refuses the request's program, it is made without the program.
// Exactly() begins in kLookups.
//
// Cost: 2 to 3 µs a socket.
// Threads: thread-compatible.

#ifndef NETDIAG_DUMP_LOOKUP_SOURCE_H_
#define NETDIAG_DUMP_LOOKUP_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/bpf/tcp_table.h"
#include "netdiag/dump/netlink_source.h"
#include "netdiag/dump/step.h"
#include "netdiag/dump/table.h"
#include "netdiag/netlink/conn.h"

namespace netdiag::internal {

class LookupSource {
 public:
  // `tuples`: every socket of request.table's families that is no listener. `listeners`: how many
  // rows the dump of the listeners must have. `conn`, `options`: as NetlinkSource.
  LookupSource(netlink::Conn* conn, const DumpRequest& request, std::vector<bpf::TcpTuple> tuples,
               uint64_t listeners, const DumpOptions& options = {});
  // The one socket that has these endpoints and is bound to this interface, if it exists. REQUIRES:
  // no other socket can match the query. The source dumps the table if the kernel finds a socket
  // that is bound to another interface or none, which would hide the one that is asked for, or if
  // it does not answer exact requests.
  static LookupSource Exactly(netlink::Conn* conn, const DumpRequest& request,
                              const bpf::TcpTuple& tuple, const DumpOptions& options = {});
  absl::Status Begin(const netlink::CallOptions& call);
  absl::StatusOr<netlink::Ready> Step(const StepOptions& how, MessageVisitor visitor);
  SourceStats stats() const { return dump_.stats(); }
  // True as long as no dump, beside that of the listeners, was needed.
  bool looked_up() const { return phase_ != Phase::kDump; }

 private:
  enum class Phase : uint8_t { kListeners, kLookups, kDump };
  absl::StatusOr<netlink::Ready> StepListeners(const StepOptions& how, MessageVisitor visitor);
  absl::StatusOr<netlink::Ready> LookUp(const netlink::CallOptions& call, MessageVisitor visitor);
  absl::StatusOr<netlink::Ready> BeginDump(const netlink::CallOptions& call);

  netlink::Conn* conn_;
  DumpRequest request_;
  DumpOptions options_;
  std::vector<bpf::TcpTuple> tuples_;
  uint64_t listeners_;
  Phase phase_ = Phase::kListeners;
  bool exactly_ = false;
  NetlinkSource dump_;  // of the listeners, then of the rest
  uint64_t seen_ = 0;   // listeners
  size_t next_ = 0;     // of tuples_
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_LOOKUP_SOURCE_H_
