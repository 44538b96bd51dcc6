// netdiag/dump/netlink_source.h — Internal. The kernel's dump of one table over a Conn.
//
// No socket is given twice. A request that asks for both families of TCP, or of UDP since 5.9, is
// one dump; every other request names one family. A Verifier decides after each dump whether
// sockets may be missing and whether the table is dumped again; for netlink sockets, Passes does
// (dump/passes.h). Rows of later dumps are given if no earlier dump gave their socket.
//
// Three phases:
//   kDump   a dump was sent, and its end has not been received. Each step receives one datagram.
//   kCheck  the Verifier exchanges messages of its own. No row is given.
//   kEnded  every row was given, and stats().doubt is final.
// Follow() makes all transitions. A status that is not OK leaves the phase as it is.
//
// Threads: thread-compatible.

#ifndef NETDIAG_DUMP_NETLINK_SOURCE_H_
#define NETDIAG_DUMP_NETLINK_SOURCE_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/passes.h"
#include "netdiag/dump/step.h"
#include "netdiag/dump/table.h"
#include "netdiag/dump/verdict.h"
#include "netdiag/dump/verifier.h"
#include "netdiag/netlink/conn.h"

namespace netdiag::internal {

class NetlinkSource {
 public:
  // `conn` must outlive the source and serve nothing else meanwhile. What `options` names must
  // outlive the source too.
  NetlinkSource(netlink::Conn* conn, const DumpRequest& request, const DumpOptions& options = {});
  // Sends the first dump.
  absl::Status Begin(const netlink::CallOptions& call);
  absl::StatusOr<netlink::Ready> Step(const StepOptions& how, MessageVisitor visitor);
  SourceStats stats() const;

 private:
  enum class Phase : uint8_t { kDump, kCheck, kEnded };

  absl::Status BeginDump(const netlink::CallOptions& call);
  absl::StatusOr<netlink::Ready> StepDump(const StepOptions& how, MessageVisitor visitor);
  absl::StatusOr<netlink::Ready> Receive(const StepOptions& how, MessageVisitor visitor);
  absl::StatusOr<netlink::Ready> Follow(const Verdict& verdict, const netlink::CallOptions& call);
  Flow Give(const netlink::Message& message, MessageVisitor visitor);
  bool IsAskedFamily(const netlink::Message& message) const;
  bool MayRetryWithoutProgram(const absl::Status& refusal) const;

  netlink::Conn* conn_;
  DumpRequest request_;
  std::unique_ptr<DumpScratch> own_scratch_;  // if the caller's options have none
  DumpOptions options_;
  Verifier verifier_;
  std::unique_ptr<Passes> passes_;  // set for netlink sockets: used instead of verifier_
  Phase phase_ = Phase::kDump;
  bool any_rows_ = false;  // were visited
  bool stopped_ = false;   // the visitor answered kStop
  uint64_t foreign_before_ = 0;
  SourceStats stats_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_NETLINK_SOURCE_H_
