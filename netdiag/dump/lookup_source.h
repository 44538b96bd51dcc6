// netdiag/dump/lookup_source.h — Internal. The rows of a dump of TCP, mostly by exact requests.
//
// A dump of TCP visits the sockets of all namespaces. This source instead dumps the listeners,
// whose table is short, and sends an exact request for each other socket, whose names are known
// (GuestPass). A socket that has gone in the meantime is left out, as a dump would leave it out.
//
// Three phases:
//   kListeners  the dump of the listeners runs, if they are asked for;
//   kLookups    every other socket is asked for, one batch a step;
//   kDump       an exact request of Exactly() cannot be trusted: a dump of the table. If the kernel
//               refuses the request's program, it is made without the program.
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

#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/netlink_source.h"
#include "netdiag/dump/step.h"
#include "netdiag/dump/table.h"
#include "netdiag/netlink/conn.h"
#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

// What an exact request needs to find a socket of TCP that does not listen.
struct TcpName {
  Endpoint local;
  Endpoint remote;
  IfIndex interface;                  // that the socket is bound to
  State state = State::kEstablished;  // when it was seen
};

class LookupSource {
 public:
  // `names`: every socket of request.table's families that does not listen. `conn`, `options`: as
  // NetlinkSource.
  LookupSource(netlink::Conn* conn, const DumpRequest& request, std::vector<TcpName> names,
               const DumpOptions& options = {});
  // The one socket that has these endpoints and is bound to this interface, if it exists. REQUIRES:
  // no other socket can match the query. The source dumps the table if the kernel finds a socket
  // that is bound to another interface or none, which would hide the one that is asked for, or if
  // it does not answer exact requests.
  static LookupSource Exactly(netlink::Conn* conn, const DumpRequest& request, const TcpName& name,
                              const DumpOptions& options = {});
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
  std::vector<TcpName> names_;
  Phase phase_;
  bool exactly_ = false;
  NetlinkSource dump_;  // of the listeners, or of the table
  size_t next_ = 0;     // of names_
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_LOOKUP_SOURCE_H_
