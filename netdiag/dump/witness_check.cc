// Tested by tests/dump/netlink_source_test.cc, and against the kernel by
// tests/live/exact_live_test.cc.

#include "netdiag/dump/witness_check.h"

#include <algorithm>

#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/exchange.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {

using netlink::CallOptions;
using netlink::Message;
using netlink::Ready;

absl::StatusOr<Verdict> WitnessCheck::Begin(netlink::Conn* conn, const DumpRequest& wide,
                                            TearReport* report, const CallOptions& call) {
  report_ = report;
  request_ = wide;
  std::vector<SocketKey>& witnesses = report_->witnesses;
  std::ranges::sort(witnesses);
  witnesses.erase(std::unique(witnesses.begin(), witnesses.end()), witnesses.end());
  found_.assign(witnesses.size(), 0);
  request_.extensions = {};
  if (!report_->states.empty()) request_.states = report_->states;
  AssemblePorts(report_->ports, &assembler_, &request_.bytecode);
  NETDIAG_RETURN_IF_ERROR(SendDump(conn, request_, Detail::kKeys, 0, call, &storage_));
  return Verdict::Step();
}

absl::StatusOr<Verdict> WitnessCheck::Step(netlink::Conn* conn, const StepOptions& how) {
  const std::vector<SocketKey>& witnesses = report_->witnesses;
  NETDIAG_ASSIGN_OR_RETURN(const Ready ready, ReceiveDump(conn, how, [&](const Message& message) {
                             const SocketKey key = SocketKey::Of(message, request_.table.protocol);
                             const auto witness = std::ranges::lower_bound(witnesses, key);
                             if (witness != witnesses.end() && *witness == key) {
                               found_[static_cast<size_t>(witness - witnesses.begin())] = 1;
                             }
                             return Flow::kContinue;
                           }));
  if (ready == Ready::kWouldBlock) return Verdict::WouldBlock();
  if (ready == Ready::kSome) return Verdict::Step();
  const bool all = std::ranges::find(found_, 0) == found_.end();
  return all ? Verdict::Verified() : Verdict::Doubt(kTorn);
}

}  // namespace netdiag::internal
