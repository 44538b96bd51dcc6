// SPDX-License-Identifier: Apache-2.0
//
// netdiag/events.h — follows the kernel's events: its messages that a socket was destroyed.
//
//   NETDIAG_ASSIGN_OR_RETURN(std::unique_ptr<Events> events,
//                            Events::Open({.protocols = {Protocol::kTcp}}));
//   const auto visit = [](const Row& row) {
//     Use(row.cookie(), row.tcp_info());  // the final counters of the connection
//     return Flow::kContinue;
//   };
//   for (Ready ready = Ready::kSome; ready != Ready::kDone;) {
//     NETDIAG_ASSIGN_OR_RETURN(ready, events->Receive(visit));
//     if (const EventStats stats = events->stats(); stats.overruns > 0) …  // events were lost
//   }
//
// The kernel sends an event when the last reference to a socket of TCP or UDP has gone, at close()
// or later: docs/kernel.md says when, and what the row of an event lacks. A polled list of sockets
// misses what lives shorter than a poll; the events have the cookie and, for TCP, the final
// tcp_info of each socket.
//
// Events are a multicast: the kernel does not wait for its readers. Each event takes 1.3 kB of the
// receive buffer, and an event that does not fit is lost. Losses are values (EventStats), not
// errors. After a loss the stream goes on with the next event, once the buffer has been read.
//
// Lifetime: a Row is valid until the visitor returns. Events follows its namespace, and keeps it
// alive, until it is destroyed.
// Threads: thread-compatible. A thread is started only to enter another namespace, and ends before
// Open() returns.
// Privilege: none; the events of every user's sockets in the namespace are received.
// Cost: one recvmsg per event. No allocation per event.
// Errors: those of Conn (netlink/conn.h), except overruns and damaged messages.
// Source: sock_diag_broadcast_destroy(), net/core/sock_diag.c (4.2); netlink_overrun(),
// net/netlink/af_netlink.c.

#ifndef NETDIAG_EVENTS_H_
#define NETDIAG_EVENTS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/dump/table.h"
#include "netdiag/netlink/call.h"
#include "netdiag/netlink/conn.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/query.h"
#include "netdiag/row.h"
#include "netdiag/types/types.h"

namespace netdiag {

struct EventOptions {
  // The network namespace to follow. If not set, that of the thread that calls Open().
  std::optional<netlink::NetNs> netns = {};
  // The size of the kernel's receive buffer in bytes; the kernel doubles it. Without CAP_NET_ADMIN
  // it is limited by net.core.rmem_max. EventStats::receive_buffer says what was got.
  int receive_buffer = 8 << 20;
};

// Counts since Open().
struct EventStats {
  uint64_t events = 0;              // passed to visitors
  uint64_t unmatched = 0;           // that the query did not select
  uint64_t damaged = 0;             // messages that contradict their format
  uint64_t foreign = 0;             // datagrams that another process sent, and that were dropped
  uint64_t unknown_attributes = 0;  // in events that were passed: newer than this library
  // How often the buffer was full, so that events were lost.
  uint64_t overruns = 0;
  // How many events the kernel could not put into the buffer. It counts those exactly, but not
  // events for which it had no memory, so that there can be more. nullopt: it does not tell (before
  // 4.12).
  std::optional<uint64_t> lost;
  // The bytes that the kernel's receive buffer holds, for 1.3 kB each.
  size_t receive_buffer = 0;
};

class Events {
 public:
  using Visitor = absl::FunctionRef<Flow(const Row&)>;

  // Begins to follow the events of the query's protocols, families, ports and filter. Protocols
  // other than TCP and UDP are ignored, because they have no events, and so is everything else in
  // the query: states, extensions, owners. kInvalidArgument: neither TCP nor UDP is left, or the
  // filter reads what no event has, as owners, users, inodes and cgroups.
  static absl::StatusOr<std::unique_ptr<Events>> Open(const Query& query,
                                                      const EventOptions& options = {});
  // The same over a Conn that is, or will be, a member of the groups of the events, as one that
  // another process has opened. `netns`: its namespace, if it is known.
  static absl::StatusOr<std::unique_ptr<Events>> Adopt(std::unique_ptr<netlink::Conn> conn,
                                                       const Query& query, NetnsId netns = {});
  // OK if events can be judged by the filter of the query.
  static absl::Status CheckFilter(const Query& query);

  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;
  ~Events();

  // Waits for one event, or for an overrun, and passes the event to `visitor` if the query selects
  // it. Returns kSome, or kDone if the visitor returned kStop; the next call goes on. The deadline
  // or the stop token of `call` ends it with an error, and nothing is lost by that.
  absl::StatusOr<netlink::Ready> Receive(Visitor visitor, const netlink::CallOptions& call = {});
  // The same without waiting, for event loops that poll fd() for POLLIN, for up to `limit` events.
  // Returns kWouldBlock if there are no more.
  absl::StatusOr<netlink::Ready> TryReceive(Visitor visitor, size_t limit = 64);
  // The descriptor, for poll(2). It does not change.
  int fd() const { return conn_->fd(); }

  // Cost: one system call, which reads how many events were lost until now.
  EventStats stats() const;
  NetnsId netns() const { return netns_; }

 private:
  Events(std::unique_ptr<netlink::Conn> conn, const Query& query, NetnsId netns,
         const std::string& netns_name);
  // Turns what a receive of the Conn returned into a value, if it is an overrun or damage.
  absl::StatusOr<netlink::Ready> Outcome(absl::StatusOr<netlink::Ready> received, bool stopped);
  Flow Pass(const netlink::Message& message, Visitor visitor);
  const Table* TableOf(const InetSocket& socket) const;
  bool Selects(const Row& row) const;
  std::optional<uint32_t> ReadDrops() const;

  const std::unique_ptr<netlink::Conn> conn_;
  const Query query_;
  const NetnsId netns_;
  // Of TCP and UDP, each for IPv4 and IPv6: the tables that rows name.
  const std::array<Table, 4> tables_;
  size_t receive_buffer_ = 0;
  std::optional<uint32_t> first_drops_;  // what the kernel's counter was at Open()
  EventStats stats_;
};

}  // namespace netdiag

#endif  // NETDIAG_EVENTS_H_
