// netdiag/engine/namespaces.h — Internal. The guest namespaces of one query, and which of their
// dumps can be saved.
//
// A dump of TCP walks the sockets of all namespaces: the kernel has one table for them, unless a
// namespace was given its own. So dumps of K namespaces cost K walks. Two kinds of dump need none:
// - A table is left out if the namespace's own count (sockstat) says that it is empty.
// - The TCP sockets of all small namespaces are found in one pass for all (bpf/tcp_table.h) and
//   then looked up one by one (LookupSource).
//
// Lifetime: holds no namespace and no descriptor of one between calls. The BPF programs stay loaded
// for the next query: five descriptors.
// Threads: thread-compatible. A call that enters a namespace does so on a thread of its own, which
// has ended when the call returns.
// Cost: Find(): the kernel's list of namespaces (bpf/netns_list.h), a readlink for each process, a
// thread, 60 µs for each namespace. If the list names a namespace without a process, a name and a
// mount, or if there is no list, also the descriptors of all processes (FindNamespaces()) and a
// pass of BPF over them (TaskFiles).

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
#include "netdiag/bpf/tcp_table.h"
#include "netdiag/dump/sockstat.h"
#include "netdiag/dump/table.h"
#include "netdiag/engine/test_options.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/query.h"
#include "netdiag/summary.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

class Namespaces {
 public:
  // The arguments of a LookupSource.
  struct Lookups {
    std::vector<bpf::TcpTuple> tuples;
    uint64_t listeners = 0;
  };

  // Finds every namespace that can be entered, except `home`, and counts its sockets.
  void Find(const std::string& proc_root, NetnsId home, TcpPlan plan);
  // Drops everything that Find() found.
  void Forget();

  // The guests in the order in which they are listed.
  std::span<const netlink::FoundNetns> list() const { return list_; }
  // The name of `home`; empty: it has none.
  const std::string& home_name() const { return home_name_; }

  // Runs `work` on a thread in the namespace. NotFound: the namespace has vanished, which is
  // counted once.
  absl::Status RunIn(NetnsId id, absl::FunctionRef<absl::Status()> work);
  bool Vanished(NetnsId id) const;
  // The sockets that Find() counted in a guest.
  SocketCounts CountsOf(NetnsId id) const;
  // True if the dump would be empty. Counts the table as empty.
  bool IsEmpty(const DumpRequest& request);
  // The lookups that replace this dump of TCP; nullopt: it must be dumped. The first call of a
  // query finds the TCP sockets of all small namespaces.
  std::optional<Lookups> PlanLookups(const DumpRequest& request);

  const NetnsStats& stats() const { return stats_; }

 private:
  struct Place {
    SocketCounts counts;
    bool small = false;  // lookups cost less than a dump
    bool vanished = false;
    std::span<const bpf::TcpTuple> tcp_sockets;
  };
  // The TCP sockets of the small namespaces. kWanted becomes kFound or kNotWanted at the first
  // PlanLookups().
  enum class TcpSockets : uint8_t { kNotWanted, kWanted, kFound };

  using Missing = std::unordered_set<NetnsId, absl::Hash<NetnsId>>;

  // OK if BPF numbers processes as proc_root_ does.
  absl::Status CheckProcfs() const;
  absl::StatusOr<std::vector<NetnsId>> ReadList();
  std::vector<netlink::FoundNetns> FindAll(NetnsId home);
  absl::Status AddHeldBySockets(std::vector<netlink::FoundNetns>* found, Missing* missing);
  void CountUnreached(const Missing& missing);
  void CountSockets(std::vector<netlink::FoundNetns> found, const std::string& proc_root);
  void ChoosePlan(const std::string& proc_root, TcpPlan plan);
  absl::Status FindTcpSockets();
  Place* PlaceOf(NetnsId id);

  std::string proc_root_;
  std::string home_name_;
  std::vector<netlink::FoundNetns> list_;
  std::vector<Place> places_;  // one for each of list_
  std::unordered_map<NetnsId, size_t, absl::Hash<NetnsId>> index_;
  TcpSockets tcp_state_ = TcpSockets::kNotWanted;
  std::unique_ptr<bpf::NetnsList> netns_list_;
  std::unique_ptr<bpf::TaskFiles> files_;
  std::unique_ptr<bpf::TcpTable> tcp_table_;
  std::vector<bpf::TcpTuple> tcp_sockets_;  // by namespace
  Missing unreached_;                       // by the last query; not forgotten
  NetnsStats stats_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_NAMESPACES_H_
