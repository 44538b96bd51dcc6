// What an Engine knows beside a dump for it to be exact, and closing sockets for certain. Tested by
// tests/live/exact_live_test.cc.

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "netdiag/dump/requests.h"
#include "netdiag/engine/engine_impl.h"
#include "netdiag/socket/socket.h"
#include "netdiag/types/error.h"

namespace netdiag {
absl::Status Engine::Impl::RunIn(NetnsId netns, absl::FunctionRef<absl::Status()> use) {
  if (!IsHome(netns)) return namespaces_.RunIn(netns, use);
  if (netlink::CurrentNetns() == netns_) return use();
  if (options_.netns) return options_.netns->Run(use);
  NETDIAG_RETURN_IF_ERROR(SameNamespace());
  return use();
}

internal::DumpOptions Engine::Impl::WalkOptionsFor(const Table& table, size_t conn) {
  scratches_.resize(std::max(scratches_.size(), conn + 1));
  if (scratches_[conn] == nullptr) scratches_[conn] = std::make_unique<internal::DumpScratch>();
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
  if (read_activity_ == nullptr) {
    read_activity_ = [this](uint64_t least) {
      std::optional<internal::TcpActivity> activity;
      const absl::Status status = RunIn(netns_, [&] {
        activity = internal::ReadTcpActivity(options_.proc_root, least);
        return absl::OkStatus();
      });
      return status.ok() ? activity : std::nullopt;
    };
  }
  const bool counts = query_.completeness == Completeness::kExact;
  return {.completeness = query_.completeness,
          .tcp_buckets = TcpBuckets(table),
          .census = counts ? &take_census_ : nullptr,
          .activity = IsHome(table.netns) ? &read_activity_ : nullptr,
          .scratch = scratches_[conn].get()};
}

// Of the calling thread's namespace: it shares the first one's table, or has one of its own for
// good (6.1). 0: not known.
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

// ---- Closing sockets ----

// The sockets that have the name's local port.
absl::StatusOr<absl::flat_hash_set<Cookie>> Engine::Impl::Living(Conn* conn, const SocketName& like,
                                                                 const CallOptions& call) {
  DumpRequest request;
  request.table = {like.protocol, like.local.address.family(), netns_, ""};
  request.states = StateSet::All();
  request.source_port = like.local.port;
  internal::DumpOptions options = WalkOptionsFor(request.table, 0);
  options.scratch = nullptr;  // a dump may be under way
  options.completeness = Completeness::kExact;
  options.census = &take_census_;
  internal::NetlinkSource source(conn, request, options);
  NETDIAG_RETURN_IF_ERROR(source.Begin(call));
  absl::flat_hash_set<Cookie> living;
  for (Ready ready = Ready::kSome; ready != Ready::kDone;) {
    NETDIAG_ASSIGN_OR_RETURN(ready, source.Step({.call = call}, [&](const Message& message) {
      const std::optional<InetSocket> socket = InetSocket::Parse(message.payload());
      if (socket) living.insert(socket->cookie());
      return Flow::kContinue;
    }));
  }
  return living;
}

absl::StatusOr<std::vector<DestroyOutcome>> Engine::Impl::Destroy(
    std::span<const SocketName> sockets, const CallOptions& call) {
  NETDIAG_ASSIGN_OR_RETURN(Conn* const conn, SideConn());
  std::vector<DestroyOutcome> outcomes(sockets.size());
  std::vector<size_t> rest(sockets.size());
  std::iota(rest.begin(), rest.end(), size_t{0});
  // Each that goes can be what hid another one.
  for (size_t before = rest.size() + 1; rest.size() < before;) {
    before = rest.size();
    std::vector<size_t> unfound;
    for (const size_t i : rest) {
      std::array<std::byte, internal::kMaxRequest> storage;
      const SocketName& name = sockets[i];
      const absl::StatusOr<Bytes> request = internal::EncodeDestroy(
          name.protocol, {name.local, name.remote, name.interface, name.cookie}, storage);
      const absl::Status status =
          request.ok() ? conn->Execute(*request, Conn::IgnoreMessage, call) : request.status();
      if (IsTimeout(status) || IsCancelled(status)) return status;
      if (Errno(status) == ENOENT || Errno(status) == ESTALE) {
        unfound.push_back(i);
      } else {
        outcomes[i].status = status;
        outcomes[i].outcome = status.ok() ? Destroyed::kClosed : Destroyed::kRefused;
      }
    }
    rest = std::move(unfound);
  }
  for (const size_t i : rest) {
    NETDIAG_ASSIGN_OR_RETURN(const auto living, Living(conn, sockets[i], call));
    const bool lives = living.contains(sockets[i].cookie);
    outcomes[i].outcome = lives ? Destroyed::kNotSelectable : Destroyed::kGone;
  }
  return outcomes;
}

}  // namespace netdiag
