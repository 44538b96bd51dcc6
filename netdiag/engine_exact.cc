// What an Engine knows beside a dump for it to be exact, and closing sockets for certain. Tested by
// tests/live/exact_live_test.cc.

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <utility>
#include <vector>

#include "netdiag/engine_impl.h"
#include "netdiag/types/error.h"

namespace netdiag {

absl::Status Engine::Impl::RunIn(NetnsId netns, absl::FunctionRef<absl::Status()> use) {
  if (!IsHome(netns)) return namespaces_.RunIn(netns, use);
  if (netlink::CurrentNetns() == netns_) return use();
  if (options_.netns) return options_.netns->Run(use);
  return SameNamespace();
}

internal::WalkOptions Engine::Impl::WalkOptionsFor(const Table& table, size_t conn) {
  scratches_.resize(std::max(scratches_.size(), conn + 1));
  if (scratches_[conn] == nullptr) scratches_[conn] = std::make_unique<internal::WalkScratch>();
  if (take_census_ == nullptr) {
    take_census_ = [this](const Table& counted) {
      absl::StatusOr<std::vector<bpf::CountedSocket>> sockets;
      const absl::Status status = RunIn(counted.netns, [&]() -> absl::Status {
        sockets = census_.Take(counted.protocol);
        return sockets.status();
      });
      if (!status.ok()) sockets = status;
      return sockets;
    };
  }
  const bool counts = query_.completeness == Completeness::kExact;
  return {.completeness = query_.completeness,
          .tcp_buckets = TcpBuckets(table),
          .census = counts ? &take_census_ : nullptr,
          .scratch = scratches_[conn].get()};
}

// Of the calling thread's namespace: it shares the first one's table, or has one of its own for good
// (6.1). 0: not known.
uint64_t Engine::Impl::ReadTcpBuckets() const {
  int64_t buckets = 0;
  std::ifstream(options_.proc_root + "/sys/net/ipv4/tcp_ehash_entries") >> buckets;
  // Negative: the table is the first namespace's.
  return static_cast<uint64_t>(std::abs(buckets));
}

uint64_t Engine::Impl::TcpBuckets(const Table& table) {
  if (table.protocol != Protocol::kTcp) return 0;
  if (!IsHome(table.netns)) return guest_tcp_buckets_;
  if (tcp_buckets_) return *tcp_buckets_;
  const absl::Status status = RunIn(netns_, [&] {
    tcp_buckets_ = ReadTcpBuckets();
    return absl::OkStatus();
  });
  if (!status.ok()) tcp_buckets_ = 0;
  return *tcp_buckets_;
}

}  // namespace netdiag
