// Tested by tests/dump/tears_test.cc, and against the kernel by tests/live/exact_live_test.cc.

#include "netdiag/dump/tears.h"

#include <algorithm>

#include "netdiag/dump/bucket_request.h"
#include "netdiag/dump/dump_request.h"

namespace netdiag::internal {
namespace {

// The rows of a full datagram have at least this size: SKB_WITH_OVERHEAD(32768), less the most that
// the kernel may add to a row.
constexpr size_t kFullDatagram = 32448 - 1024;

}  // namespace

void Tears::Begin(const DumpRequest& request, uint64_t tcp_buckets, bool keep_all) {
  protocol_ = request.table.protocol;
  hides_ = HidesSockets(request);
  switch (protocol_) {
    case Protocol::kTcp:
      buckets_.emplace<TcpTears>(request, tcp_buckets, hides_, keep_all);
      break;
    case Protocol::kUdp:
    case Protocol::kUdpLite:
      buckets_.emplace<UdpTears>(keep_all);
      break;
    default:
      buckets_.emplace<OneBucketTears>();
  }
  begins_ = false;
  bytes_ = widest_ = largest_ = 0;
  cookies_.Clear();
  given_ = repeated_ = 0;
  rows_.BeginBucket(/*keep=*/false);
  report_.torn = report_.hidden = report_.restless = false;
  report_.unwitnessed = report_.crowded = false;
  report_.witnesses.clear();
  report_.states = StateSet();
  report_.ports.clear();
}

bool Tears::Repeats(const netlink::Message& message) {
  if (message.type() < netlink::kFirstType) return false;
  BeginRow(message.whole().size());
  const SocketKey key = SocketKey::Of(message, protocol_);
  if (key == SocketKey()) {
    ++given_;
    return false;
  }
  const bool repeats = !cookies_.Insert(key.cookie());
  repeats ? ++repeated_ : ++given_;
  // A socket that comes again stands in its bucket all the same: others are skipped if it leaves.
  std::visit([&](auto& buckets) { buckets.Add(message.payload(), key, &rows_, &report_); },
             buckets_);
  rows_.entered |= repeats;
  return repeats;
}

// A row of `size` bytes has come.
void Tears::BeginRow(size_t size) {
  if (begins_) {
    begins_ = false;
    if (given_ > 0) Tear();
    largest_ = std::max(largest_, bytes_);
    bytes_ = 0;
  }
  bytes_ += netlink::Align(size);
  widest_ = std::max(widest_, size);
}

// The kernel released the table after the last row.
void Tears::Tear() {
  report_.torn = true;
  report_.hidden |= hides_;
  // The sockets that made rows come again stand before them unseen, and may have left since.
  report_.restless |= rows_.entered;
  std::visit([this](auto& buckets) { buckets.Tear(&rows_, &report_); }, buckets_);
}

void Tears::End() {
  // The end came in a datagram of its own. If the datagram before it was full, the kernel may have
  // stopped before another row.
  const bool full = bytes_ > kFullDatagram || (report_.torn && bytes_ + widest_ > largest_);
  if (begins_ && given_ > 0 && full) Tear();
  std::visit([this](auto& buckets) { buckets.End(&rows_, &report_); }, buckets_);
}

}  // namespace netdiag::internal
