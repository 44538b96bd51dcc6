// netdiag/engine/conns.h — Internal. The Conns of one Engine and the namespaces they live in.
//
// Hides where a netlink socket comes from. The Engine's own namespace is called home; its Conns are
// dialled once and kept. Any other namespace is a guest. The Conns of one guest at a time exist,
// from the first For() of that guest until Leave() or until For() names the next guest. A side Conn
// serves questions beside a dump; it is dialled when it is first wanted.
//
// Every Conn is primed: it has received one answer before its first dump, so that the kernel fills
// that dump's first datagram as it fills the others.
//
// Lifetime: `namespaces` must outlive the Conns. A Conn* of home is valid as long as this object, a
// Conn* of a guest until Leave(). No guest is kept alive after Leave().
// Threads: thread-compatible; RunIn() and OpenProcNet() of home may be called by any thread.
// Cost: Open(): a socket and one exchange for each Conn. A Conn of a guest adds a thread, 30 µs.

#ifndef NETDIAG_ENGINE_CONNS_H_
#define NETDIAG_ENGINE_CONNS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/engine/namespaces.h"
#include "netdiag/netlink/conn.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

class Conns {
 public:
  struct Options {
    std::optional<netlink::NetNs> home;  // not set: the namespace of the thread that calls Open()
    size_t connections = 1;
    std::string proc_root = "/proc";
    // Not OK: dials no Conn, and every request for one fails with this status.
    absl::Status offline;
  };

  Conns(Options options, Namespaces* namespaces);
  // Identifies home and dials its Conns. A kernel or sandbox that refuses the socket is no error
  // unless Options::home is set; For() and Side() then return the refusal.
  absl::Status Open();

  NetnsId home() const { return home_; }
  bool IsHome(NetnsId netns) const { return netns == home_; }
  // The number of dumps that can be in flight.
  size_t size() const { return home_conns_.size(); }
  const std::string& proc_root() const { return options_.proc_root; }

  // The Conn for dump number `slot` of the namespace. Dials it if `netns` is a guest.
  absl::StatusOr<netlink::Conn*> For(NetnsId netns, size_t slot);
  // The Conn for a question beside a dump, in `netns`. Valid until the next call.
  absl::StatusOr<netlink::Conn*> Side(NetnsId netns);
  // Closes the guest's Conns.
  void Leave();
  // Closes only that of Side().
  void LeaveSide() { guest_side_.reset(); }
  // The descriptor of a Conn that For() has returned.
  int fd(NetnsId netns, size_t slot) const;

  // Runs `work` on a thread in the namespace: the calling one if it is there already.
  absl::Status RunIn(NetnsId netns, absl::FunctionRef<absl::Status()> work);
  // EXDEV if home is the namespace of the thread that opened the Engine and the calling thread is
  // in another one.
  absl::Status CheckThread() const;
  // Opens a file below /proc/net of the namespace.
  absl::StatusOr<int> OpenProcNet(NetnsId netns, std::string_view file);
  // The number of buckets of the hash table that holds the namespace's TCP connections; 0: unknown,
  // as it is of a guest for which For() was not called.
  uint64_t TcpBuckets(NetnsId netns);

 private:
  struct Guest {
    NetnsId netns;
    std::vector<std::unique_ptr<netlink::Conn>> conns;
    uint64_t tcp_buckets = 0;
  };

  const Options options_;
  Namespaces* const namespaces_;
  NetnsId home_;
  std::vector<std::unique_ptr<netlink::Conn>> home_conns_;
  absl::Status refusal_;  // why home_conns_ has fewer than asked for
  std::unique_ptr<netlink::Conn> home_side_;
  std::optional<uint64_t> home_tcp_buckets_;  // read when it is first wanted
  Guest guest_;
  std::unique_ptr<netlink::Conn> guest_side_;
  NetnsId guest_side_netns_;  // may differ from guest_.netns: rows can wait longer than their dump
};

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_CONNS_H_
