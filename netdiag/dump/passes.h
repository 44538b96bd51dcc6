// netdiag/dump/passes.h — Internal. Users want netdiag/engine.h.
//
// Unites several dumps of the table of netlink sockets, because one dump can leave sockets out.
// Each of these dumps is a pass.
//
// netlink_diag takes a socket off its iterator before it checks whether the row fits, so at each
// end of a datagram it leaves out one socket, unless the datagram ends the dump. A datagram ends
// the dump if NLMSG_DONE is in it. Older kernels (5.10, 6.1) send NLMSG_DONE in a datagram of its
// own; the last datagram of rows then ends the dump if it had room for another row. A pass without
// any other datagram is complete.
//
// A pass whose rows have another length ends its datagrams elsewhere, and shows the sockets that
// were left out. Two passes together are complete if
//   - no datagram of the one ends after the same socket as a datagram of the other, and
//   - each has shown the sockets that the datagrams of the other end with:
// whatever one pass left out then stood within a datagram of the other. Passes are made until two
// in a row are complete, kNetlinkRounds × kNetlinkPasses at most. The first pass of a round has
// whole rows; the others have fewer attributes each.
//
// Cost: three entries of a hash set a socket; one pass if the answer is one datagram.
// Threads: thread-compatible.
// Source: __netlink_diag_dump() in net/netlink/diag.c; netlink_dump() in net/netlink/af_netlink.c
// for the sizes of datagrams.

#ifndef NETDIAG_DUMP_PASSES_H_
#define NETDIAG_DUMP_PASSES_H_

#include <cstddef>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "absl/hash/hash.h"

#include "netdiag/dump/requests.h"
#include "netdiag/dump/step.h"
#include "netdiag/dump/verdict.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

inline constexpr size_t kNetlinkRounds = 2;

class Passes {
 public:
  // The number of the present pass, from 0.
  size_t pass() const { return pass_; }
  bool stopped() const { return stopped_; }
  void BeginDatagram() { datagram_begins_ = true; }
  // Visits a message of the present pass unless its socket was visited before. A row that lacks
  // attributes is kept until a later pass completes it.
  Flow Add(const netlink::Message& message, MessageVisitor visitor);
  // The present pass has ended. kVerified, kDumpAgain: pass() is the next one, or kDoubt. After the
  // last pass, visits the rows that are still kept.
  Verdict EndPass(MessageVisitor visitor);

 private:
  struct Pass {
    std::unordered_set<Cookie, absl::Hash<Cookie>> seen;
    std::unordered_set<Cookie, absl::Hash<Cookie>> edges;  // the last sockets of all datagrams but
                                                           // the one that ended the dump
  };
  // The rows of one datagram.
  struct Datagram {
    size_t bytes = 0;
    size_t largest = 0;  // row
    // True if the kernel would have put another row into it.
    bool HadRoom() const;
  };

  static std::optional<Cookie> CookieOf(const netlink::Message& message);
  // True if the rows of the present pass lack attributes.
  bool partial() const { return pass_ % kNetlinkPasses != 0; }
  // True if the two passes together are complete.
  static bool Complete(const Pass& before, const Pass& after);
  Flow Visit(const netlink::Message& message, MessageVisitor visitor);
  void Keep(Cookie cookie, const netlink::Message& message);
  Verdict Finish(Verdict verdict, MessageVisitor visitor);

  size_t pass_ = 0;
  bool stopped_ = false;
  bool complete_ = false;
  bool datagram_begins_ = false;
  std::optional<Cookie> last_;  // row of the present pass
  Datagram datagram_;           // in which it came
  Pass before_;
  Pass now_;
  std::unordered_set<Cookie, absl::Hash<Cookie>> visited_;
  std::unordered_map<Cookie, std::vector<std::byte>, absl::Hash<Cookie>> kept_;  // whole messages
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_PASSES_H_
