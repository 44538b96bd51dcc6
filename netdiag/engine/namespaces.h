// netdiag/engine/namespaces.h — Internal. The network namespaces of one query, and how each is
// asked.
//
// A dump of TCP walks the sockets of all namespaces: the kernel has one table for them, unless a
// namespace was given its own. So K namespaces are K walks. Here it is decided which dumps need no
// walk: those of a namespace that has nothing, by its own count (sockstat), and those of small
// namespaces, whose sockets are found in one walk for all (bpf/tcp_table.h) and then asked for one
// by one (LookupSource).
//
// Lifetime: no namespace and no descriptor of one is held between calls. The BPF program stays
// loaded for the next query: two descriptors.
// Threads: thread-compatible. Each call that enters a namespace does so on one thread that has
// ended when it returns.
// Cost: Find(): a readlink a process (2 µs), a thread, 60 µs a namespace.

#ifndef NETDIAG_ENGINE_NAMESPACES_H_
#define NETDIAG_ENGINE_NAMESPACES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

#include "netdiag/bpf/tcp_table.h"
#include "netdiag/dump/sockstat.h"
#include "netdiag/dump/table.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/query.h"
#include "netdiag/summary.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

class Namespaces {
 public:
  // What a LookupSource needs.
  struct Lookups {
    std::vector<bpf::TcpTuple> tuples;
    uint64_t listeners = 0;
  };

  // Finds every namespace but `home` that can be entered, and counts its sockets.
  void Find(const std::string& proc_root, NetnsId home, TcpPlan plan);
  void Forget();

  // In the order in which they are to be listed.
  std::span<const netlink::FoundNetns> list() const { return list_; }
  // The name of `home`.
  const std::string& home_name() const { return home_name_; }

  // Runs `work` inside the namespace. NotFound from entering: it has vanished, and is counted once.
  absl::Status RunIn(NetnsId id, absl::FunctionRef<absl::Status()> work);
  bool Vanished(NetnsId id) const;
  // Whether there is nothing for this dump to give. Counts the table as such.
  bool IsEmpty(const DumpRequest& request);
  // How to answer this dump of TCP without a walk; nullopt: it is to be walked. The first one of a
  // query takes the census of all small namespaces.
  std::optional<Lookups> PlanLookups(const DumpRequest& request);

  const NetnsStats& stats() const { return stats_; }

 private:
  struct Place {
    SocketCounts counts;
    bool small = false;  // cheaper looked up than walked
    bool vanished = false;
    std::span<const bpf::TcpTuple> census;
  };

  void Enter(std::vector<netlink::FoundNetns> found, const std::string& proc_root);
  void Choose(const std::string& proc_root, TcpPlan plan);
  absl::Status TakeCensus();
  Place* Find(NetnsId id);

  std::string proc_root_;
  std::string home_name_;
  std::vector<netlink::FoundNetns> list_;
  std::vector<Place> places_;  // of list_
  absl::flat_hash_map<NetnsId, size_t> index_;
  bool wants_census_ = false;
  bool has_census_ = false;
  std::unique_ptr<bpf::TcpTable> tcp_table_;
  std::vector<bpf::TcpTuple> census_;
  NetnsStats stats_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_ENGINE_NAMESPACES_H_
