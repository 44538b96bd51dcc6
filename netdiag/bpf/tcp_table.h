// netdiag/bpf/tcp_table.h — the kernel's table of TCP connections, read in one pass for any number
// of network namespaces. Internal. Users want netdiag/engine.h.
//
//   NETDIAG_ASSIGN_OR_RETURN(std::unique_ptr<TcpTable> table, TcpTable::Load());
//   NETDIAG_ASSIGN_OR_RETURN(std::vector<TcpTuple> tuples, table->Read(namespaces));
//
// Everything but LISTEN and bound sockets is in that table. A dump shows one namespace's sockets
// and walks all of them; this walk shows those of many.
//
// Not atomic, as a dump is not: a socket that comes or goes during the pass may be in it or not.
// Namespaces with a table of their own (net.ipv4.tcp_child_ehash_entries, 6.1) give nothing; the
// table is the one of the calling thread's namespace.
//
// Cost: Load(): LoadIterator(). A pass about 1 ms for an empty table, 0.1 µs a socket that is not
// wanted, 0.5 µs one that is.
// Lifetime: two descriptors stay open until destruction, one more during a pass.
// Threads: thread-compatible. Load(): as TaskFiles::Load().
// Errors: CAP_BPF and CAP_PERFMON, BTF, a kernel of 5.17; E2BIG: more than 680 wanted sockets in
// each 8192nd part of the table; EOVERFLOW: the table has more than 524 288 buckets.

#ifndef NETDIAG_BPF_TCP_TABLE_H_
#define NETDIAG_BPF_TCP_TABLE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/types/address.h"
#include "netdiag/types/types.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag::bpf {

// What finds one socket again by an exact request.
struct TcpTuple {
  NetnsId netns;
  Endpoint local;
  Endpoint remote;
  IfIndex interface;                  // that it is bound to
  State state = State::kEstablished;  // TIME_WAIT: or FIN_WAIT2 whose socket has been closed
};

class TcpTable {
 public:
  // At most so many namespaces in one pass.
  static constexpr size_t kMaxNamespaces = 4096;

  // Whether Load() is worth trying.
  static absl::Status Check();
  static absl::StatusOr<std::unique_ptr<TcpTable>> Load();
  TcpTable(const TcpTable&) = delete;
  TcpTable& operator=(const TcpTable&) = delete;

  // The sockets of these namespaces, by namespace, each once.
  absl::StatusOr<std::vector<TcpTuple>> Read(std::span<const NetnsId> namespaces);

 private:
  TcpTable(internal::UniqueFd link, internal::UniqueFd wanted);

  internal::UniqueFd link_;    // holds the program
  internal::UniqueFd wanted_;  // its map
};

}  // namespace netdiag::bpf

#endif  // NETDIAG_BPF_TCP_TABLE_H_
