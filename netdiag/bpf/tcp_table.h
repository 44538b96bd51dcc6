// netdiag/bpf/tcp_table.h — Internal. Users want netdiag/engine.h.
//
// Reads the kernel's table of TCP connections in one pass for any number of network namespaces.
//
//   NETDIAG_ASSIGN_OR_RETURN(std::unique_ptr<TcpTable> table, TcpTable::Load());
//   NETDIAG_ASSIGN_OR_RETURN(std::vector<TcpTuple> tuples, table->Read(namespaces));
//
// The table contains every TCP socket except LISTEN and bound ones. A dump reads the whole table
// too, but shows the sockets of one namespace only.
//
// Like a dump, a pass is not atomic: a socket that comes or goes meanwhile may be missing.
// Namespaces with a table of their own (net.ipv4.tcp_child_ehash_entries, 6.1) give nothing,
// because the pass reads the table of the calling thread's namespace.
//
// Cost: Load(): see LoadIterator(). A pass takes about 1 ms for an empty table, 0.1 µs per socket
// of other namespaces and 0.5 µs per socket of wanted ones. Lifetime: two descriptors stay open
// until destruction, and one more during a pass. Threads: thread-compatible. Load(): as
// TaskFiles::Load(). Errors: missing CAP_BPF and CAP_PERFMON, BTF, or kernel 5.17; E2BIG: more than
// 680 wanted sockets in one of the 8192 parts of the table; EOVERFLOW: the table has more than 524
// 288 buckets.

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

// What an exact request needs to find the socket again.
struct TcpTuple {
  NetnsId netns;
  Endpoint local;
  Endpoint remote;
  IfIndex interface;                  // that the socket is bound to
  State state = State::kEstablished;  // TIME_WAIT may also be a closed FIN_WAIT2
};

class TcpTable {
 public:
  // The most namespaces in one pass.
  static constexpr size_t kMaxNamespaces = 4096;

  // Returns an error if Load() would fail for lack of privileges or BTF.
  static absl::Status Check();
  static absl::StatusOr<std::unique_ptr<TcpTable>> Load();
  TcpTable(const TcpTable&) = delete;
  TcpTable& operator=(const TcpTable&) = delete;

  // The sockets of these namespaces, ordered by namespace, each once.
  absl::StatusOr<std::vector<TcpTuple>> Read(std::span<const NetnsId> namespaces);

 private:
  TcpTable(internal::UniqueFd link, internal::UniqueFd wanted);

  internal::UniqueFd link_;    // keeps the program loaded
  internal::UniqueFd wanted_;  // the map of wanted namespaces
};

}  // namespace netdiag::bpf

#endif  // NETDIAG_BPF_TCP_TABLE_H_
