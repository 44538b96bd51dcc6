// netdiag/engine/namespaces.h — Internal. The guest namespaces of one query, and which of their
// tables are read together.
//
// A dump of TCP or UDP walks the sockets of all namespaces: the kernel has one table for them,
// unless a namespace was given its own. So dumps of K namespaces cost K walks. Two kinds of dump
// need none:
// - A table is left out if the namespace's own count (sockstat) says that it is empty.
// - The sockets of namespaces that are not large are read in one pass for all (GuestPass).
//
// Lifetime: holds no namespace and no descriptor of one between calls. The BPF programs stay loaded
// for the next query: three descriptors.
// Threads: thread-compatible. A call that enters a namespace does so on a thread of its own, which
// has ended when the call returns.
// Cost: Find(): the kernel's list of namespaces (bpf/netns_list.h), a readlink for each process, a
// thread, 60 µs for each namespace. If the list names a namespace without a process, a name and a
// mount, or if there is no list, also the descriptors of all processes (FindNamespaces()) and a
// pass of BPF over them (TaskFiles). The rows of a pass take at most 8 MiB.

#ifndef NETDIAG_ENGINE_NAMESPACES_H_
#define NETDIAG_ENGINE_NAMESPACES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/hash/hash.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/bpf/netns_list.h"
#include "netdiag/bpf/task_files.h"
#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/guest_source.h"
#include "netdiag/dump/kernel_table_source.h"
#include "netdiag/dump/sockstat.h"
#include "netdiag/dump/table.h"
#include "netdiag/engine/table_plan.h"
#include "netdiag/engine/test_options.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/query.h"
#include "netdiag/summary.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

// Which tables of a namespace are those of the first one, and not its own.
struct SharedTables {
  bool tcp = false;
  bool udp = false;
  bool Of(Protocol protocol) const {
    return protocol == Protocol::kTcp ? tcp : protocol == Protocol::kUdp && udp;
  }
};

class Namespaces {
 public:
  // Finds every namespace that can be entered, except `home`, and counts its sockets. `protocols`:
  // of the query.
  void Find(const std::string& proc_root, NetnsId home, const std::vector<Protocol>& protocols);
  // Decides which tables of `plans` are read together. `is_loaded`: a program for it is loaded.
  // `prepare` is called if one is needed.
  void PlanPasses(std::span<const TablePlan> plans, GuestPlan how, bool is_loaded,
                  absl::FunctionRef<absl::Status()> prepare, const TableProgramLoader& load);
  // Drops everything that Find() found.
  void Forget();

  // The guests in the order in which they are listed.
  std::span<const netlink::FoundNetns> list() const { return list_; }
  // The name of `home`; empty: it has none.
  const std::string& home_name() const { return home_name_; }

  // Runs `work` on a thread in the namespace. NotFound: the namespace has ended. ESTALE: the
  // namespace still exists, but no path leads to it any more. Both are counted once.
  absl::Status RunIn(NetnsId id, absl::FunctionRef<absl::Status()> work);
  // True if it has ended, as far as is known.
  bool Vanished(NetnsId id) const;
  // The sockets that Find() counted in a guest.
  SocketCounts CountsOf(NetnsId id) const;
  // True if the dump would be empty. Counts the table as empty.
  bool IsEmpty(const DumpRequest& request);
  // The pass that reads the tables of guests together; null: there is none, or it has failed.
  std::shared_ptr<GuestPass> PassOf(Protocol protocol);
  // True if the Engine's own namespace shares the table that the pass reads.
  bool HomeShares(Protocol protocol) const { return home_shares_.Of(protocol); }

  const NetnsStats& stats() const { return stats_; }

 private:
  struct Place {
    SocketCounts counts;
    SharedTables shares;
    bool lost = false;      // no path leads to it any more
    bool vanished = false;  // and it has ended, as far as is known
  };
  using Missing = std::unordered_set<NetnsId, absl::Hash<NetnsId>>;

  // OK if BPF numbers processes as proc_root_ does.
  absl::Status CheckProcfs() const;
  // Of the calling thread's namespace.
  SharedTables ReadSharing() const;
  absl::StatusOr<std::vector<NetnsId>> ReadList();
  std::vector<netlink::FoundNetns> FindAll(NetnsId home);
  absl::Status AddHeldBySockets(std::vector<netlink::FoundNetns>* found, Missing* missing);
  void CountUnreached(const Missing& missing);
  uint64_t CountVanished(const Missing& gone);
  void CountSockets(std::vector<netlink::FoundNetns> found);
  std::shared_ptr<GuestPass> PlanPass(Protocol protocol, std::span<const TablePlan> plans,
                                      GuestPlan how, bool is_loaded,
                                      absl::FunctionRef<absl::Status()> prepare,
                                      const TableProgramLoader& load);
  Place* PlaceOf(NetnsId id);

  std::string proc_root_;
  bool asks_tcp_ = false;  // the query lists it
  bool asks_udp_ = false;
  std::string home_name_;
  SharedTables home_shares_;
  std::vector<netlink::FoundNetns> list_;
  std::vector<Place> places_;  // one for each of list_
  std::unordered_map<NetnsId, size_t, absl::Hash<NetnsId>> index_;
  std::shared_ptr<GuestPass> tcp_pass_;  // null: there is none
  std::shared_ptr<GuestPass> udp_pass_;
  std::unique_ptr<bpf::NetnsList> netns_list_;
  std::unique_ptr<bpf::TaskFiles> files_;
  Missing unreached_;  // by the last query; not forgotten
  NetnsStats stats_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_NAMESPACES_H_
