// netdiag/dump/tears.h — Internal. Users want netdiag/engine.h.
//
// What the kernel's walk of a table can have repeated or left out.
//
// A dump is no snapshot. Where a datagram is full the kernel lets go of the table, and it comes
// back to "the Nth socket of bucket B". Sockets enter a bucket at its head (packet sockets, and
// listeners of IPv6 that share a port, at its end). So what entered meanwhile makes the last
// sockets of the bucket come again, behind those of the new ones that stand beyond the Nth; and
// what left the bucket in front of the Nth lets as many behind it be skipped. Other buckets are
// never touched. Of connections, and of bound idle sockets, the kernel takes sixteen of a bucket at
// a time: chains longer than that can tear anywhere.
//
// So Tears remembers the cookies of a walk, to drop what comes again (wherever: a socket can move
// to a bucket that is still to come), and the sockets of the bucket in flight, to name those whose
// lives prove the walk: if all that a torn bucket gave before the tear live on after the walk,
// nothing was skipped. That is so unless the bucket was torn again after rows of it had come again:
// what had entered stands in front of the place unseen, and can leave unseen. What the bucket in
// flight may be: of UDP, the last rows whose ports are the same modulo the smallest table; of
// connections, the last rows, as many as a chain of the table can be long; of everything else, all
// rows of the table.
//
// Of a connection that becomes TIME_WAIT, or a request that becomes a connection, the kernel puts
// another object into the bucket, under the same cookie: the first of the two is the row.
//
// Cost: 3 ns a connection, of which the last 16 are kept; 8 bytes a row of other tables; and what
// cookie_set.h says. No allocation once they have grown.
// Threads: thread-compatible.
// Source: tcp_diag_dump(), udp_dump(), raw_diag_dump(), unix_diag_dump(), packet_diag_dump(), 6.18.

#ifndef NETDIAG_DUMP_TEARS_H_
#define NETDIAG_DUMP_TEARS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "netdiag/dump/cookie_set.h"
#include "netdiag/dump/table.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

// What a socket of a table is known by: its cookie, and of a unix socket whether it has a name,
// because binding moves it to another bucket. 0: none.
class SocketKey {
 public:
  SocketKey() = default;
  SocketKey(uint64_t cookie, bool named) : bits_(cookie | (named ? kNamed : 0)) {}
  static SocketKey Of(const netlink::Message& message, Protocol protocol);

  uint64_t cookie() const { return bits_ & ~kNamed; }
  uint64_t bits() const { return bits_; }  // cookie and name
  friend auto operator<=>(SocketKey, SocketKey) = default;

 private:
  static constexpr uint64_t kNamed = uint64_t{1} << 63;  // cookies count from 1
  uint64_t bits_ = 0;
};

// What finds one connection again: family and struct inet_diag_sockid, as the kernel gave them.
struct ConnectionId {
  uint8_t family = 0;
  std::array<std::byte, 48> id{};
};

class Tears {
 public:
  // A new walk. `tcp_buckets`: of the namespace's table of connections; 0: not known, as of kernels
  // before 6.1, whose one table is large. `keep_all`: keys() is wanted.
  void Begin(const DumpRequest& request, uint64_t tcp_buckets, bool keep_all);
  // Another datagram, or the end, is waited for.
  void BeginDatagram() { begins_ = true; }
  // Whether the walk gave this socket before.
  bool Repeats(const netlink::Message& message);
  void End();

  // ---- After the end ----

  // The walk is in one piece: nothing can be missing.
  bool whole() const { return !torn_; }
  // Sockets that the request hides may have stood in a torn bucket: nobody can say what left it.
  bool hidden() const { return hidden_; }
  // Sockets that were not seen may have left a torn bucket.
  bool restless() const { return restless_; }
  // The chains of the table are too long for its connections to prove anything.
  bool too_full() const { return too_full_; }
  // Connections stood in long chains. One that is being made is in its chain for a moment before
  // the kernel can show it (reqsk_queue_hash_req() sets its reference count last), so in a long one
  // it can have stood in front unseen. Source: tcp_diag_dump().
  bool crowded() const { return torn_ && anywhere_ && phase_ == Phase::kConnections; }
  // Those whose lives prove the walk, all together: connections that exact requests find, and
  // sockets to be looked for in another walk, of `states` and, if there are any, `ports`.
  std::span<const ConnectionId> connections() const { return connections_; }
  std::vector<SocketKey>& witnesses() { return witnesses_; }
  StateSet states() const { return states_; }
  const std::vector<Port>& ports() const { return ports_; }
  // Rows that were not repeats.
  uint64_t given() const { return given_; }
  // keep_all: every row's.
  std::span<const SocketKey> keys() const { return rows_; }
  uint64_t repeated() const { return repeated_; }

  // Whether a walk of `request` leaves out sockets that stand in the buckets of those it gives.
  static bool Hides(const DumpRequest& request);
  // The request for all that stands in the buckets of what `request` asks for.
  static DumpRequest Widened(DumpRequest request);

 private:
  static constexpr size_t kTail = 16;  // a power of two
  enum class Phase : uint8_t { kListeners, kIdle, kConnections };

  void BeginRow(size_t size);
  void EnterPhase(Phase phase);
  void KeepTcp(Bytes row, SocketKey key);
  void KeepUdp(Bytes row, SocketKey key);
  void Tear();
  void EndPhase();
  size_t ChainLength() const;

  DumpRequest request_;
  uint64_t tcp_buckets_ = 0;
  bool keep_all_ = false;
  bool hides_listeners_ = false;
  bool hides_rows_ = false;

  // The datagram.
  bool begins_ = false;
  bool in_front_ = false;  // of the bucket: sockets that entered it meanwhile
  size_t bytes_ = 0;
  size_t widest_ = 0;   // row of the walk
  size_t largest_ = 0;  // datagram of the walk before

  // The walk.
  CookieSet cookies_;
  uint64_t given_ = 0;
  uint64_t repeated_ = 0;
  Phase phase_ = Phase::kListeners;
  bool anywhere_ = false;                 // the phase's buckets can tear anywhere
  std::vector<SocketKey> rows_;           // of the bucket in flight; keep_all: all
  size_t run_ = 0;                        // of rows_: where the phase, or UDP's bucket, begins
  size_t torn_rows_ = 0;                  // of rows_ from run_: those before the phase's last tear
  uint16_t slot_ = 0;                     // of UDP's bucket
  std::vector<Port> run_ports_;           // in it
  uint64_t passed_ = 0;                   // connections
  std::array<ConnectionId, kTail> tail_;  // connection N at N % kTail

  // What comes of it.
  bool torn_ = false;
  bool hidden_ = false;
  bool restless_ = false;
  bool too_full_ = false;
  std::vector<ConnectionId> connections_;
  std::vector<SocketKey> witnesses_;
  StateSet states_;
  std::vector<Port> ports_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_TEARS_H_
