// netdiag/dump/verifier.h — Internal. Decides after each dump of a table whether sockets may be
// missing, and what to do about it. docs/exactness.md has the reasons.
//
// A dump in one datagram misses nothing. A torn dump (dump/tears.h) is verified by ActivityCheck if
// it was torn among connections, and by WitnessCheck otherwise. If it hid other sockets than
// connections, another dump without the filter is verified instead.
//
// If no check verifies the dump, that is a doubt, with which kFast ends. kExact settles the doubt:
// it dumps the table again, without a filter, until nothing can be missing. Two ways to settle:
//   by census      CensusCheck works: until every socket that it counted was given, or has gone;
//   by comparison  otherwise: until DumpComparison or ActivityCheck verifies one of the dumps.
// A census that fails changes the way from the first to the second. kMaxCensusDumps and kMaxDumps
// limit the dumps.
//
// A dump of packet sockets ends without an error at a list (filter, memberships) that does not fit
// into a datagram; if lists are asked for, a second dump is made without them.
//
// A dump of TIPC sockets leaves out one socket at the end of each datagram, as one of netlink
// sockets does (dump/passes.h). Its rows cannot be made longer or shorter, so a torn dump of TIPC
// is always a doubt. Source: tipc_nl_sk_walk(), net/tipc/socket.c; rhashtable_walk_start_check().
//
// SCTP's associations are dumped first, each behind its endpoint, and then the listeners that have
// none, because one dump of both gives some endpoints twice.
//
// Threads: thread-compatible.

#ifndef NETDIAG_DUMP_VERIFIER_H_
#define NETDIAG_DUMP_VERIFIER_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

#include "netdiag/dump/activity_check.h"
#include "netdiag/dump/census_check.h"
#include "netdiag/dump/cookie_set.h"
#include "netdiag/dump/dump_comparison.h"
#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/step.h"
#include "netdiag/dump/table.h"
#include "netdiag/dump/tears.h"
#include "netdiag/dump/verdict.h"
#include "netdiag/dump/witness_check.h"
#include "netdiag/netlink/conn.h"
#include "netdiag/netlink/wire.h"

namespace netdiag::internal {

// What the dumps over one Conn use one after another, so that none of them allocates.
struct DumpScratch {
  Tears tears;
  WitnessCheck witnesses;
  std::vector<std::byte> request;
  std::optional<uint64_t> tcp_rows;  // of the last dump of TCP
};

struct DumpOptions {
  Completeness completeness = Completeness::kFast;
  uint64_t tcp_buckets = 0;                  // Tears::Begin()
  const CensusTaker* census = nullptr;       // null: no census can be taken
  const ActivityReader* activity = nullptr;  // null: TCP's counters cannot be read
  DumpScratch* scratch = nullptr;            // null: the source has its own
  // If the kernel refuses the request's program before any row has come, the source makes the dump
  // without the program.
  bool retry_without_program = false;
};

class Verifier {
 public:
  static constexpr uint64_t kMaxDumps = 6;
  static constexpr uint64_t kMaxCensusDumps = 16;

  // `options.scratch` must not be null. It, and what the other options name, must outlive the
  // Verifier.
  Verifier(const DumpRequest& asked, const DumpOptions& options);

  // Called once, before the first dump.
  void Begin();
  // The request of the present dump.
  const DumpRequest& request() const { return request_; }
  // The present dump is about to be sent.
  void BeginDump();
  // The next datagram, or the end of the dump, is about to be received.
  void BeginDatagram() { options_.scratch->tears.BeginDatagram(); }
  // Records a row. True if this dump or an earlier one gave its socket before.
  bool Repeats(const netlink::Message& message);
  // The present dump has ended. kDumpAgain: request() is the next dump's.
  absl::StatusOr<Verdict> EndDump(netlink::Conn* conn, const netlink::CallOptions& call);
  // Goes on with a check. REQUIRES: the last verdict was kStep or kWouldBlock.
  absl::StatusOr<Verdict> Step(netlink::Conn* conn, const StepOptions& how);

  uint64_t repeated() const { return repeated_; }  // rows that came again within one dump
  uint64_t missing() const { return missing_; }    // SourceStats::missing

 private:
  struct Settlement {
    CensusCheck census;
    DumpComparison comparison;
  };

  absl::StatusOr<Verdict> Verify(netlink::Conn* conn, const netlink::CallOptions& call);
  Verdict Settle();
  Verdict Doubt(std::string_view reason);
  Verdict BeginSettlement();
  Verdict DumpOnceMore();
  Verdict DumpAgain(DumpRequest request);
  bool CanUnhide() const;
  bool ListenersAreLeft() const;
  DumpRequest Widened() const;

  DumpRequest asked_;
  DumpRequest request_;  // of the present dump
  DumpOptions options_;
  ActivityCheck activity_;
  std::optional<CookieSet> given_;        // by earlier dumps; not set during the first dump
  std::optional<Settlement> settlement_;  // kExact, from the first doubt on
  bool associations_torn_ = false;        // the first of SCTP's two dumps was
  uint64_t dumps_ = 0;
  uint64_t repeated_ = 0;
  uint64_t missing_ = 0;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_VERIFIER_H_
