// SPDX-License-Identifier: Apache-2.0
//
// netdiag/connections.h — connections and the processes that hold them, in the terms of gopsutil's
// Connections family.
//
//   NETDIAG_ASSIGN_OR_RETURN(ConnectionList list, Connections({.kind = "tcp"}));
//   for (const Connection& row : list) Print(row.local, row.remote, row.status(), row.holders);
//   NETDIAG_ASSIGN_OR_RETURN(StateCounts counts, CountByState({.kind = "tcp"}));
//
// gopsutil's fourteen functions are one function with options. Connections() returns a list;
// VisitConnections() keeps nothing. Where gopsutil's behaviour differs from its documentation, this
// follows the documentation: `max_per_process` counts connections and not descriptors, a process
// that cannot be read is an error and not an empty list, a deadline ends the call, and sockets that
// look alike are not merged. docs/ancestors.md lists every difference.
//
// Threads: may be called from any thread. Each call opens an Engine, unless
// ConnectionsOptions::engine is set.
// Errors: "invalid kind, X" (EINVAL); no such process (ESRCH), or a process that may not be read
// (EACCES); a table or owners that cannot be read; the deadline or stop token of `call`.
// Cost: that of the Engine, and with `uids` one read of /proc/PID/status per process. No allocation
// per row, except the 200 bytes per row that a ConnectionList keeps.
// Source: gopsutil v3 and v4, net/net_linux.go (behaviour only).

#ifndef NETDIAG_CONNECTIONS_H_
#define NETDIAG_CONNECTIONS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

#include "netdiag/netlink/call.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/process/owner.h"
#include "netdiag/summary.h"
#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace netdiag {

class Engine;  // engine.h

struct ConnectionsOptions {
  // "all", "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6", "unix", "inet", "inet4" or "inet6". "all"
  // is inet and unix.
  std::string_view kind = "all";
  // Returns only connections that this process holds, in its network namespace. 0: the whole host.
  Pid pid = {};
  // The number of connections to return for each process, in the order of the kernel's tables. 0:
  // all. Connections without a visible holder are always returned.
  uint64_t max_per_process = 0;
  // Reads the user ids of the processes: Holder::uids. Connection::uid needs no reading.
  bool uids = true;
  // Searches all processes for the holders. Ignored with `pid`, which reads that process only.
  bool holders = true;
  // The states to return. UDP sockets are in state kClose or kEstablished; unix sockets also in
  // kListen.
  StateSet states = StateSet::SsAll();
  // Returns one Connection per holder, as gopsutil does for unix sockets, and not one per socket.
  bool flat = false;
  // Reads the names of the unix sockets at the other ends (Query::peers).
  bool peers = false;
  netlink::CallOptions call = {};

  // The network namespace. If not set: the namespace of `pid`, or else of the calling thread.
  std::optional<netlink::NetNs> netns = std::nullopt;
  std::string proc_root = "/proc";
  OwnerSource owner_source = OwnerSource::kAuto;
  size_t threads = 1;  // EngineOptions::threads
  // If set, this Engine runs the query, with its own netns, proc_root, owner_source and threads.
  // That saves the cost of loading for repeated calls. Borrowed. Ignored with `pid`.
  Engine* engine = nullptr;
};

// The words that ConnectionsOptions::kind can be.
std::vector<std::string_view> ConnectionKinds();

// A descriptor that holds a connection.
struct Holder {
  Pid pid;
  uint64_t start_time = 0;  // Owner::start_time
  int fd = 0;
  std::optional<Uids> uids;  // nullopt: not asked for, or the process has ended
};

// One socket. Lifetime: the views are valid as long as the function that returned the Connection
// says.
struct Connection {
  Protocol protocol = Protocol::kTcp;
  Family family = Family::kInet;
  SocketType type = SocketType::kStream;
  State state = State::kEstablished;
  Endpoint local, remote;      // TCP and UDP
  std::string_view name;       // unix: the bytes of UnixSocket::name()
  std::string_view peer_name;  // unix: ConnectionsOptions::peers
  Inode inode;
  Cookie cookie;
  std::optional<Uid> uid;             // the owner of the socket itself
  std::span<const Holder> holders;    // in order of pid, then descriptor
  NoOwner no_owner = NoOwner::kNone;  // why `holders` is empty

  // The state in gopsutil's words: "ESTABLISHED", …. "NONE" for UDP and unix.
  std::string_view status() const;
};

// Passes each connection to `visitor`, in the order of the kernel's tables: TCP, UDP, unix.
// Lifetime: a Connection is valid until the visitor returns.
absl::StatusOr<Summary> VisitConnections(const ConnectionsOptions& options,
                                         absl::FunctionRef<Flow(const Connection&)> visitor);

// Connections kept in memory. Immutable. Lifetime: the views are valid as long as the list; a move
// of the list keeps them valid.
class ConnectionList {
 public:
  ConnectionList(ConnectionList&&) noexcept = default;
  ConnectionList& operator=(ConnectionList&&) noexcept = default;
  size_t size() const { return rows_.size(); }
  bool empty() const { return rows_.empty(); }
  const Connection& operator[](size_t i) const ABSL_ATTRIBUTE_LIFETIME_BOUND { return rows_[i]; }
  auto begin() const ABSL_ATTRIBUTE_LIFETIME_BOUND { return rows_.begin(); }
  auto end() const ABSL_ATTRIBUTE_LIFETIME_BOUND { return rows_.end(); }
  const Summary& summary() const ABSL_ATTRIBUTE_LIFETIME_BOUND { return summary_; }

 private:
  friend absl::StatusOr<ConnectionList> Connections(const ConnectionsOptions& options);
  ConnectionList() = default;
  void Add(const Connection& row);
  // Call once, after the last Add(). Until then, only the sizes of the rows' views are valid.
  void Finish(Summary summary);
  void Order();

  std::vector<Connection> rows_;
  std::vector<Holder> holders_;
  std::vector<char> names_;
  Summary summary_;
};

// Returns all connections in gopsutil's order: tcp4, tcp6, udp4, udp6, unix. Returns an error if a
// table or the owners cannot be read, except an IPv6 table on a host without IPv6.
absl::StatusOr<ConnectionList> Connections(const ConnectionsOptions& options = {});
// Returns listening sockets: of TCP, and of unix if `kind` includes it. UDP has no listening state.
absl::StatusOr<ConnectionList> Listeners(ConnectionsOptions options = {.kind = "tcp"});

// The number of connections in each state.
struct StateCounts {
  std::array<uint64_t, kStateCount> tcp{};
  uint64_t none = 0;  // UDP and unix
  uint64_t operator[](State state) const {
    const auto i = static_cast<size_t>(state);
    return i < tcp.size() ? tcp[i] : 0;
  }
};
// Counts connections, and keeps none. With `pid`, counts those of that process. Ignores `holders`,
// `uids`, `flat` and `max_per_process`.
absl::StatusOr<StateCounts> CountByState(ConnectionsOptions options = {});

}  // namespace netdiag

#endif  // NETDIAG_CONNECTIONS_H_
