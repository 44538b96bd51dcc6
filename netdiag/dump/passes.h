// netdiag/dump/passes.h — Internal. Users want netdiag/engine.h.
//
// Several walks of the table of netlink sockets, united, for one walk need not give every socket.
//
// netlink_diag takes a socket off its iterator before it tries whether the row fits: at each end of
// a datagram one socket is left out. A second walk whose rows have another length ends its
// datagrams elsewhere, and shows them. Two walks together are whole if no datagram of either ends
// behind the same socket, and each has seen the sockets that the other's datagrams end with: then
// whatever the one left out stood within a datagram of the other. Until two walks in a row are so,
// another one is made, kNetlinkRounds × kNetlinkPasses at most.
//
// Cost: three entries of a hash set a socket; one walk if it was one datagram.
// Threads: thread-compatible.
// Source: __netlink_diag_dump() in net/netlink/diag.c.

#ifndef NETDIAG_DUMP_PASSES_H_
#define NETDIAG_DUMP_PASSES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"

#include "netdiag/netlink/wire.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

using MessageVisitor = absl::FunctionRef<Flow(const netlink::Message&)>;

// Walks of netlink sockets, of which only the first of each round shows whole rows.
inline constexpr size_t kNetlinkPasses = 3;
inline constexpr size_t kNetlinkRounds = 2;

class Passes {
 public:
  enum class Next : uint8_t {
    kAgain,      // another walk: pass() has its number
    kDone,       // every socket was given, once
    kUnsettled,  // sockets came and went too fast to be sure of that
  };

  size_t pass() const { return pass_; }
  bool stopped() const { return stopped_; }
  void BeginDatagram() { datagram_begins_ = true; }
  // Visits a message of the current walk unless its socket was visited before. What a walk with
  // shorter rows is the first to show is kept until the row is whole.
  Flow Add(const netlink::Message& message, MessageVisitor visitor);
  // The walk has ended; visits what was kept once the last one has.
  Next EndPass(MessageVisitor visitor);

 private:
  struct Walk {
    absl::flat_hash_set<Cookie> seen;
    absl::flat_hash_set<Cookie> edges;  // the last sockets of datagrams that another one followed
  };

  static std::optional<Cookie> CookieOf(const netlink::Message& message);
  // Rows of this walk lack attributes.
  bool partial() const { return pass_ % kNetlinkPasses != 0; }
  static bool Whole(const Walk& before, const Walk& after);
  Flow Visit(const netlink::Message& message, MessageVisitor visitor);
  void Keep(Cookie cookie, const netlink::Message& message);
  Next Finish(Next next, MessageVisitor visitor);

  size_t pass_ = 0;
  bool stopped_ = false;
  bool settled_ = false;
  bool datagram_begins_ = false;
  std::optional<Cookie> last_;  // row of the walk
  Walk before_;
  Walk now_;
  absl::flat_hash_set<Cookie> visited_;
  absl::flat_hash_map<Cookie, std::vector<std::byte>> kept_;  // whole messages
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_PASSES_H_
