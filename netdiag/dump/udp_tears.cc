// Tested by tests/dump/tears_test.cc, and against the kernel by tests/live/exact_live_test.cc.

#include "netdiag/dump/udp_tears.h"

#include <algorithm>
#include <cstddef>

#include "netdiag/netlink/abi.h"

namespace netdiag::internal {
namespace {

// The number of buckets of the smallest table (UDP_HTABLE_SIZE_MIN_PERNET).
constexpr uint16_t kLeastBuckets = 128;
// A program for more ports costs more than a dump of the whole table.
constexpr size_t kMaxPorts = 32;

bool Contains(const std::vector<Port>& ports, Port port) {
  return std::ranges::find(ports, port) != ports.end();
}

}  // namespace

void UdpTears::Add(Bytes row, SocketKey key, RowsInFlight* rows, TearReport* /*report*/) {
  const auto number =
      netlink::Load<uint16_t>(row, offsetof(inet_diag_msg, id.idiag_sport)).value_or(0);
  const Port local = Port::FromNetwork(number);
  const auto slot = static_cast<uint16_t>(local.value() % kLeastBuckets);
  if (slot != slot_) {
    rows->BeginBucket(keep_all_);
    slot_ = slot;
  }
  rows->keys.push_back(key);
  if (!Contains(rows->ports, local)) rows->ports.push_back(local);
}

void UdpTears::Tear(RowsInFlight* rows, TearReport* report) {
  const auto first =
      rows->keys.begin() + static_cast<std::ptrdiff_t>(rows->begin + rows->before_tear);
  report->witnesses.insert(report->witnesses.end(), first, rows->keys.end());
  for (const Port port : rows->ports) {
    if (!Contains(report->ports, port)) report->ports.push_back(port);
  }
  rows->before_tear = rows->in_bucket();
}

void UdpTears::End(RowsInFlight* /*rows*/, TearReport* report) {
  if (report->ports.size() > kMaxPorts) report->ports.clear();
}

}  // namespace netdiag::internal
