// netdiag/dump/witness_check.h — Internal. Verifies a torn dump by its witnesses: sockets that
// stood in the torn buckets before the tears. If all of them still live, no socket was skipped.
// Another dump of these buckets, without attributes, shows whether they do.
//
// Cost: that dump.
// Threads: thread-compatible.

#ifndef NETDIAG_DUMP_WITNESS_CHECK_H_
#define NETDIAG_DUMP_WITNESS_CHECK_H_

#include <cstddef>
#include <vector>

#include "absl/status/statusor.h"

#include "netdiag/dump/bytecode.h"
#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/step.h"
#include "netdiag/dump/table.h"
#include "netdiag/dump/tear_report.h"
#include "netdiag/dump/verdict.h"
#include "netdiag/netlink/conn.h"

namespace netdiag::internal {

class WitnessCheck {
 public:
  // `wide`: the request for every socket of the torn buckets. `report` must outlive the check; its
  // witnesses are sorted. All verdicts are kVerified, kStep, kWouldBlock or kDoubt.
  absl::StatusOr<Verdict> Begin(netlink::Conn* conn, const DumpRequest& wide, TearReport* report,
                                const netlink::CallOptions& call);
  // REQUIRES: the last verdict was kStep or kWouldBlock.
  absl::StatusOr<Verdict> Step(netlink::Conn* conn, const StepOptions& how);

 private:
  TearReport* report_ = nullptr;
  DumpRequest request_;  // of the dump
  BytecodeAssembler assembler_;
  std::vector<std::byte> storage_;
  std::vector<char> found_;  // by witness
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_WITNESS_CHECK_H_
