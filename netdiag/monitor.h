// SPDX-License-Identifier: Apache-2.0
//
// netdiag/monitor.h — follows sockets from look to look: which opened, which closed, and what each
// has carried in between.
//
//   Query query{.protocols = {Protocol::kTcp}, .extensions = Extension::kInfo, .owners = true};
//   NETDIAG_ASSIGN_OR_RETURN(std::unique_ptr<Monitor> monitor, Monitor::Open(engine, query));
//   const Field& received = *FindField("bytes_received");
//   for (;;) {
//     NETDIAG_ASSIGN_OR_RETURN(const Look look, monitor->Poll([&](const Change& change) {
//       Use(change.kind(), change.row(), change.Delta(received));
//     }));
//     if (!look.exact()) …  // sums are "at least": look says why
//     sleep(1);
//   }
//
// A look runs the query and joins its rows with those of the look before, by cookie. It also reads
// the kernel's events of closed sockets (events.h), before the dump and after it. An event of TCP
// has the final counters of the connection. So a connection that ends in order is counted to the
// byte, even if it lived between two looks only. docs/monitor.md says what is exact and what is
// not.
//
// What is counted. The SYN and the FIN count one byte each in `bytes_acked` and `bytes_received`.
// On the loopback device both ends of a connection are sockets of this host, and each is counted. A
// connection that its own process aborts (SO_LINGER with 0) has no counters left in its event: what
// it has carried since the last look is not known.
//
// Owners. An event comes after the last descriptor was closed and names no owner. The Monitor gives
// a closed socket the owner that it had at the last look, and a socket that lived between two looks
// has none.
//
// Namespaces. Events of a namespace need a socket inside it, which keeps it alive. The Monitor
// opens one in each namespace that gives a row, and closes it when the namespace has given none in
// kIdleLooks looks in a row, or with the Monitor.
//
// Lifetime: the Engine must outlive the Monitor, and runs no other query while a look runs. A
// Change, its rows and their values are valid until the visitor returns.
// Threads: thread-compatible.
// Privilege: none beside those of the query.
// Cost of a look: the query, a copy of each row, and about 0.1 µs a socket. Memory: the message of
// each followed socket, and at most 64 bytes beside it. No allocation for a socket that is known.
// Source: sock_gen_cookie(), include/linux/sock_diag.h; sock_diag_broadcast_destroy(),
// net/core/sock_diag.c.

#ifndef NETDIAG_MONITOR_H_
#define NETDIAG_MONITOR_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/collect.h"
#include "netdiag/engine.h"
#include "netdiag/fields.h"
#include "netdiag/netlink/call.h"
#include "netdiag/process/owner.h"
#include "netdiag/query.h"
#include "netdiag/row.h"
#include "netdiag/summary.h"
#include "netdiag/types/types.h"

namespace netdiag {

namespace internal {
class Ledger;
class MonitorOpener;
}  // namespace internal

enum class ChangeKind : uint8_t {
  kOpened,  // the query gave the socket for the first time
  kLived,   // the query gave it again
  kClosed,  // the kernel sent its event
  // The query gave it before and not now, and no event came. It has ended, or the filter does not
  // match it any more. Where events are followed, a socket is gone at the second look without it,
  // because the kernel sends events late.
  kGone,
  // The socket was closed by an earlier change, and the kernel still has its connection in
  // TIME_WAIT. It has no deltas.
  kLingers,
  // A row that cannot be followed: its source tells no cookie (/proc/net), or several rows have the
  // same one (MPTCP, associations of SCTP). Each look gives it anew.
  kUntold,
};
// "opened", "lived", "closed", "gone", "lingers" or "untold".
std::string_view Name(ChangeKind kind);

// What a look found out about one socket.
class Change {
 public:
  ChangeKind kind() const { return kind_; }

  // The newest row of the socket: that of this look; for kClosed that of the event, which has no
  // inode, no user and state kClose; for kGone that of the last look which gave it. If the socket
  // has no owner now, the row has the owners that it had before.
  const Row& row() const { return *row_; }
  // The row as the last look gave it that gave counters of the socket. Null if there is none: the
  // socket is new, or it lived between two looks.
  const Row* last() const;
  // The state at the last look. nullopt: there was none.
  std::optional<State> last_state() const { return last_state_; }
  // True if the socket opened and closed since the last look.
  bool unseen() const { return kind_ == ChangeKind::kClosed && !last_state_; }
  // True if the owners of row() were found by an earlier look.
  bool owners_remembered() const { return owners_remembered_; }
  // A guess, for a TCP connection of which row() has no owner: the owners of the listener at its
  // local end, whose process has probably accepted it. The listener of its address comes before one
  // of every address. Empty if row() has an owner, if no such listener is followed, or if several
  // processes listen there. Wrong for a connection that this host has made from a port at which it
  // also listens. Valid as long as row(). Cost: a comparison for each listener.
  Owners inferred_owners() const;

  // What a counter (Meaning::kCounter) has gained since the last look. For a new socket its whole
  // value, or 0 if the socket may be older than the last look (counts_from_start()). It is never
  // negative: a counter that the kernel has cleared gains nothing, one that has wrapped gains what
  // it went through, and one of a socket that was connected anew (reset()) gains its value. Absent
  // if the field is no counter, if neither row has it, as byte counters of UDP, and for kLingers
  // and kUntold.
  FieldValue Delta(const Field& field) const;
  // The value of any field: that of row(), or that of last() if row() lacks it. A counter is never
  // lower than in last(), unless reset().
  FieldValue Value(const Field& field, size_t i = 0) const;

  // False: the socket was first seen in its middle, so that what it carried before is unknown. It
  // counts from then on.
  bool counts_from_start() const { return from_start_; }
  // True if the socket was connected anew since the last look, so that its counters began again.
  // What they gained before that is unknown.
  bool reset() const;
  // The time since the socket was first seen. Its age is at least this, and at most one interval
  // more if counts_from_start().
  std::chrono::nanoseconds seen_for() const { return seen_for_; }

 private:
  friend class internal::Ledger;
  Change(internal::Ledger* ledger, ChangeKind kind, const Row& row)
      : ledger_(ledger), row_(&row), kind_(kind) {}
  bool cleared() const;

  internal::Ledger* ledger_;
  const Row* row_;
  ChangeKind kind_;
  bool from_start_ = false;
  bool owners_remembered_ = false;
  std::optional<uint32_t> record_;  // the socket's place in the ledger
  std::optional<State> last_state_;
  std::chrono::nanoseconds seen_for_{0};
  mutable std::optional<Row> last_;  // made when it is asked for
};

// How a look ended.
struct Look {
  uint64_t number = 0;                   // from 1
  std::chrono::nanoseconds interval{0};  // since the look before began; 0 at the first

  uint64_t opened = 0;
  uint64_t lived = 0;
  uint64_t closed = 0;  // with the unseen ones
  uint64_t unseen = 0;  // opened and closed since the last look
  uint64_t gone = 0;
  uint64_t lingering = 0;  // in TIME_WAIT after their event
  uint64_t untold = 0;

  // Since the last look: how often the receive buffer for events was full, and how many events were
  // lost (nullopt: the kernel does not tell).
  uint64_t overruns = 0;
  std::optional<uint64_t> lost;
  // Events of unknown sockets that the filter cannot judge, because it reads what no event has.
  uint64_t unjudged = 0;
  // OK, or why the events of a namespace are not followed. What closes there is kGone.
  absl::Status no_events;
  // OK, or why a table was not read to its end. Its sockets keep what is known of them.
  absl::Status unread;
  Summary query;  // of the dump

  // True if no event was lost, every socket was told, and no table lacks rows or is in doubt: the
  // deltas of this look are then all that there was, except for aborted connections.
  bool exact() const;
};

struct MonitorOptions {
  // False: does not follow the kernel's events. What closes is kGone, without its last bytes.
  bool events = true;
  // The receive buffer for events of each namespace (EventOptions::receive_buffer). An event takes
  // 1.3 kB of it.
  int receive_buffer = 8 << 20;
  // The procfs of the Engine, for the cgroups of closed sockets (Query::cgroups).
  std::string proc_root = "/proc";
};

class Monitor {
 public:
  using Visitor = absl::FunctionRef<void(const Change&)>;
  static constexpr uint64_t kIdleLooks = 16;

  // Begins to follow the sockets that `query` selects. `engine` is borrowed. Which sockets are new
  // can be told only if the query selects a socket from its beginning: by protocol, family,
  // address, port, interface or cookie. With a filter on anything else, and with states that lack
  // kEstablished, no socket counts from its start. If the query asks for owners, they are kept from
  // look to look (OwnerPolicy::kCached). Events that cannot be followed are no error: Look says
  // why.
  static absl::StatusOr<std::unique_ptr<Monitor>> Open(Engine* engine, Query query,
                                                       const MonitorOptions& options = {});
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;
  ~Monitor();

  // Makes one look. The first gives every socket as kOpened, and as kClosed those that closed since
  // Open(). After an error the Monitor can look again, and nothing that was known is lost.
  // Exceptions: out of memory (kResourceExhausted), and a visitor that throws, after which another
  // Monitor must be opened.
  absl::StatusOr<Look> Poll(Visitor visitor, const netlink::CallOptions& call = {});

  // The same in slices that never wait, as Engine::Begin() and Step(). look() is complete when
  // Step() returns kDone. fd() is what Step() waits for, or -1. An unfinished look must be stepped
  // to its end or begun anew.
  absl::Status Begin();
  absl::StatusOr<netlink::Ready> Step(Visitor visitor, const Budget& budget = {});
  int fd() const;
  const Look& look() const;

  // Between looks: a descriptor that is readable while events wait, or -1 if none are followed. It
  // does not change. Drain() visits the sockets that have closed, without a dump. It returns kSome
  // if there are more than `limit`. What it visits counts for the next look.
  int event_fd() const;
  absl::StatusOr<netlink::Ready> Drain(Visitor visitor, size_t limit = 64);

  // The number of sockets that are followed, and the bytes that the Monitor takes.
  size_t size() const;
  size_t memory() const;

 private:
  class Impl;
  friend class internal::MonitorOpener;
  explicit Monitor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Sums of deltas by the values of any fields, over one look or many.
//
//   ChangeSums sums({FindField("owners.command")}, {FindField("bytes_acked")});
//   monitor->Poll([&](const Change& change) { sums.Add(change); });
//   for (const RowCounts::Group& group : sums.Groups()) …
//
// A socket with several owners counts for the first of them, so that the sums of all groups equal
// the total. The group of an absent owner is what cannot be attributed: sockets that lived between
// two looks, and those whose owners cannot be seen.
class ChangeSums {
 public:
  // `by`: keys. `sums`: counters.
  ChangeSums(std::vector<const Field*> by, std::vector<const Field*> sums);
  ChangeSums(const ChangeSums&) = delete;
  ChangeSums& operator=(const ChangeSums&) = delete;
  ~ChangeSums();
  void Add(const Change& change);
  // As RowCounts::Groups(): `count` is the number of changes.
  std::vector<RowCounts::Group> Groups(std::span<const RowCounts::Order> order = {}) const;
  void Clear();

 private:
  RowCounts NewCounts();

  std::vector<const Field*> by_, sums_;
  const Change* change_ = nullptr;  // in Add()
  RowCounts counts_;
};

}  // namespace netdiag

#endif  // NETDIAG_MONITOR_H_
