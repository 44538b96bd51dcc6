// Tested by tests/dump/tears_test.cc, and against the kernel by tests/live/exact_live_test.cc.

#include "netdiag/dump/tcp_tears.h"

#include <cstddef>

#include "netdiag/dump/dump_request.h"
#include "netdiag/netlink/abi.h"

namespace netdiag::internal {
namespace {

// The kernel takes this many sockets of a bucket at a time (SKARR_SZ).
constexpr uint64_t kKernelBatch = 16;
// Below this number of buckets, a bucket can hold more than kKernelBatch.
constexpr uint64_t kTinyTable = 4096;

}  // namespace

TcpTears::TcpTears(const DumpRequest& request, uint64_t buckets, bool hides, bool keep_all)
    : asks_idle_(request.states.contains(State::kBoundInactive)),
      tiny_(buckets != 0 && buckets < kTinyTable),
      hides_(hides),
      keep_all_(keep_all) {}

void TcpTears::Add(Bytes row, SocketKey key, RowsInFlight* rows, TearReport* report) {
  if (part_ != Part::kConnections) {
    const auto state = static_cast<State>(row[offsetof(inet_diag_msg, idiag_state)]);
    const bool idle = state == State::kClose && asks_idle_;
    const Part part = state == State::kListen && part_ == Part::kListeners ? Part::kListeners
                      : idle                                               ? Part::kIdle
                                                                           : Part::kConnections;
    if (part != part_) EnterPart(part, rows, report);
  }
  if (part_ != Part::kConnections || keep_all_) rows->keys.push_back(key);
  if (part_ != Part::kConnections) return;
  rows->entered = false;
  if (++connections_ > kKernelBatch && tiny_) {
    report->torn = report->unwitnessed = report->crowded = true;
    report->hidden |= hides_;
  }
}

void TcpTears::EnterPart(Part part, RowsInFlight* rows, TearReport* report) {
  EndPart(rows, report);
  part_ = part;
  rows->BeginBucket(/*keep=*/true);
}

void TcpTears::Tear(RowsInFlight* rows, TearReport* report) {
  if (part_ == Part::kConnections) {
    report->unwitnessed = true;
  } else {
    rows->before_tear = rows->in_bucket();
  }
}

// The rows of the part that came before its last tear become witnesses.
void TcpTears::EndPart(RowsInFlight* rows, TearReport* report) {
  if (part_ == Part::kConnections) return;
  const bool idle = part_ == Part::kIdle;
  const bool torn_within = idle && rows->in_bucket() > kKernelBatch;
  const size_t count = torn_within ? rows->in_bucket() : rows->before_tear;
  rows->before_tear = 0;
  if (count == 0) return;
  report->torn = true;
  report->hidden |= hides_;
  report->restless |= idle && rows->entered;
  const auto first = rows->keys.begin() + static_cast<std::ptrdiff_t>(rows->begin);
  report->witnesses.insert(report->witnesses.end(), first,
                           first + static_cast<std::ptrdiff_t>(count));
  report->states = report->states | StateSet(idle ? State::kBoundInactive : State::kListen);
}

void TcpTears::End(RowsInFlight* rows, TearReport* report) { EndPart(rows, report); }

}  // namespace netdiag::internal
