// Tested by tests/dump/tears_test.cc, and against the kernel by tests/live/exact_live_test.cc.

#include "netdiag/dump/tcp_tears.h"

#include <algorithm>
#include <cstring>

#include "netdiag/dump/bucket_request.h"
#include "netdiag/netlink/abi.h"

namespace netdiag::internal {
namespace {

// The kernel takes this many sockets of a bucket at a time (SKARR_SZ).
constexpr size_t kKernelBatch = 16;
// The assumed number of buckets if the kernel does not tell it: the default with 1 GiB of memory.
constexpr uint64_t kUsualBuckets = 8192;
// Below this number of buckets, a bucket can hold more than kKernelBatch.
constexpr uint64_t kTinyTable = 4096;

}  // namespace

TcpTears::TcpTears(const DumpRequest& request, uint64_t buckets, bool hides, bool keep_all)
    : asks_idle_(request.states.contains(State::kBoundInactive)),
      buckets_(buckets != 0 ? buckets : kUsualBuckets),
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
  if (part_ != Part::kConnections || tears_anywhere_) {
    rows->keys.push_back(key);
    return;
  }
  rows->entered = false;  // a bucket with so few connections is not torn a second time
  InetSocketId& id = tail_[connections_++ % kTail];
  id.family = static_cast<uint8_t>(row[0]);
  std::memcpy(id.id.data(), row.data() + offsetof(inet_diag_msg, id), sizeof(id.id));
  if (keep_all_) rows->keys.push_back(key);
}

void TcpTears::EnterPart(Part part, RowsInFlight* rows, TearReport* report) {
  EndPart(rows, report);
  part_ = part;
  rows->BeginBucket(/*keep=*/true);
  tears_anywhere_ = part == Part::kIdle || buckets_ < kTinyTable;
}

void TcpTears::Tear(RowsInFlight* rows, TearReport* report) {
  if (part_ != Part::kConnections || tears_anywhere_) {
    rows->before_tear = rows->in_bucket();
    return;
  }
  const uint64_t kept = std::min<uint64_t>(kTail, connections_);
  for (uint64_t i = 1; i <= kTail; ++i) {
    // The last connection first. If there are fewer than kTail, ids of family 0 fill up.
    report->connections.push_back(i <= kept ? tail_[(connections_ - i) % kTail] : InetSocketId());
  }
}

// The rows of the part that came before its last tear become witnesses.
void TcpTears::EndPart(RowsInFlight* rows, TearReport* report) {
  size_t count = rows->before_tear;
  if (tears_anywhere_ && rows->in_bucket() > kKernelBatch) count = rows->in_bucket();
  rows->before_tear = 0;
  if (count == 0) return;
  report->torn = true;
  report->hidden |= hides_;
  report->restless |= tears_anywhere_ && rows->entered;
  const auto first = rows->keys.begin() + static_cast<std::ptrdiff_t>(rows->begin);
  report->witnesses.insert(report->witnesses.end(), first,
                           first + static_cast<std::ptrdiff_t>(count));
  report->states = report->states | (part_ == Part::kListeners ? StateSet(State::kListen)
                                     : part_ == Part::kIdle    ? StateSet(State::kBoundInactive)
                                                               : ConnectionStates());
}

// The number of rows before a tear that cover its bucket, except once in a million tears. The
// number of sockets in a bucket follows Poisson's distribution.
size_t TcpTears::BucketLength() const {
  const double load = static_cast<double>(connections_) / static_cast<double>(buckets_);
  double share = load / 2;  // of the rows with at least one row before them in their bucket
  size_t length = 0;
  for (; length <= kTail && share > 1e-6; ++length) {
    share *= load / static_cast<double>(length + 3);
  }
  return std::max<size_t>(length, 1);
}

void TcpTears::End(RowsInFlight* rows, TearReport* report) {
  EndPart(rows, report);
  report->crowded = report->torn && tears_anywhere_ && part_ == Part::kConnections;
  std::vector<InetSocketId>& connections = report->connections;
  if (connections.empty()) return;
  const size_t length = BucketLength();
  report->too_full = length > kTail;
  size_t kept = 0;
  for (size_t i = 0; i < connections.size(); ++i) {
    if (i % kTail < length && connections[i].family != 0) connections[kept++] = connections[i];
  }
  connections.resize(kept);
}

}  // namespace netdiag::internal
