// netdiag/connections.h — gopsutil's Connections family: which connections there are, and which
// processes hold them.
//
//   NETDIAG_ASSIGN_OR_RETURN(ConnectionList list, Connections({.kind = "tcp"}));
//   for (const Connection& row : list) Print(row.local, row.remote, row.status(), row.holders);
//   NETDIAG_ASSIGN_OR_RETURN(StateCounts counts, CountByState({.kind = "tcp"}));
//
// gopsutil's fourteen functions are one, with options; VisitConnections() is it without keeping
// anything. Where gopsutil does other than it says, this does what it says: `max_per_process`
// counts connections and not descriptors, a process that may not be read is an error and not one
// without connections, a deadline ends the call, and no two sockets are taken for one because they
// look alike. docs/ancestors.md lists every difference.
//
// Threads: any; each call has an Engine of its own, unless ConnectionsOptions::engine is given.
// Errors: "invalid kind, X" (EINVAL); no such process (ESRCH), or one that may not be read
// (EACCES); a table or the owners that cannot be read; the end of `call`.
// Cost: Engine's, and with `uids` one read of /proc/PID/status a process. No allocation per row but
// what a ConnectionList keeps: 200 bytes.
// Source: gopsutil v3 and v4, net/net_linux.go (behaviour alone).

#ifndef NETDIAG_CONNECTIONS_H_
#define NETDIAG_CONNECTIONS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/attributes.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

#include "netdiag/engine.h"
#include "netdiag/netlink/call.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/process/owner.h"
#include "netdiag/query.h"
#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace netdiag {

struct ConnectionsOptions {
  // "all", "tcp", "tcp4", "tcp6", "udp", "udp4", "udp6", "unix", "inet", "inet4", "inet6". "all" is
  // inet and unix.
  std::string_view kind = "all";
  // Only what this process holds, in its network namespace; 0: the whole host.
  Pid pid;
  // Of each process at most so many connections, the first that come; 0: all. Connections that
  // nobody holds, or nobody visible, are always given.
  uint64_t max_per_process = 0;
  // Read the user ids of the processes (the socket's own is free).
  bool uids = true;
  // Look for the processes at all. Not with `pid`, whose connections are told by its descriptors.
  bool holders = true;
  // Which states; of UDP kClose and kEstablished, of unix these and kListen.
  StateSet states = StateSet::SsAll();
  // One Connection for each holder (gopsutil's form for unix sockets) instead of one a socket.
  bool flat = false;
  // Look up the names of the unix sockets at the other ends (Query::peers).
  bool peers = false;
  netlink::CallOptions call = {};  // when to give up

  // The network namespace; not set: the calling thread's, or that of `pid`.
  std::optional<netlink::NetNs> netns = std::nullopt;
  std::string proc_root = "/proc";
  OwnerSource owner_source = OwnerSource::kAuto;
  size_t threads = 1;  // EngineOptions::threads
  // Asked instead of one made for the call, with its own netns, proc_root, owner_source and
  // threads: who asks again and again saves what it has loaded. Borrowed. Not with `pid`.
  Engine* engine = nullptr;
};

// One descriptor that holds a connection.
struct Holder {
  Pid pid;
  uint64_t start_time = 0;  // Owner::start_time
  int fd = 0;
  std::optional<Uids> uids;  // nullopt: not asked for, or the process has ended
};

// One socket. Lifetime: of the views, as what gave it says.
struct Connection {
  Protocol protocol = Protocol::kTcp;
  Family family = Family::kInet;
  SocketType type = SocketType::kStream;
  State state = State::kEstablished;
  Endpoint local, remote;      // of inet
  std::string_view name;       // of unix: bytes, as UnixSocket::name() gives them
  std::string_view peer_name;  // ConnectionsOptions::peers
  Inode inode;
  Cookie cookie;
  std::optional<Uid> uid;             // the socket's own
  std::span<const Holder> holders;    // by pid, then descriptor
  NoOwner no_owner = NoOwner::kNone;  // why there is none

  // gopsutil's: "ESTABLISHED", …; "NONE" of UDP and unix.
  std::string_view status() const;
};

// Calls `visitor` with each connection. Lifetime: until the visitor returns. The order is that of
// the kernel's tables; with `all` and `inet`, TCP, UDP, unix.
absl::StatusOr<Summary> VisitConnections(const ConnectionsOptions& options,
                                         absl::FunctionRef<Flow(const Connection&)> visitor);

// Connections kept. Lifetime: of the views, as the list, also after it was moved. Immutable.
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
  void Finish(Summary summary);
  void Order();

  // Until Finish() the rows' views are empty but for their lengths.
  std::vector<Connection> rows_;
  std::vector<Holder> holders_;
  std::vector<char> names_;
  Summary summary_;
};

// All of them, in gopsutil's order: tcp4, tcp6, udp4, udp6, unix. A table that cannot be read, or
// owners, are an error: but IPv6 where there is none.
absl::StatusOr<ConnectionList> Connections(const ConnectionsOptions& options = {});
// Those that listen: TCP, and unix where `kind` has it. The kernel tells no others.
absl::StatusOr<ConnectionList> Listeners(ConnectionsOptions options = {.kind = "tcp"});

// How many connections there are in each state.
struct StateCounts {
  std::array<uint64_t, kStateCount> tcp{};
  uint64_t none = 0;  // of UDP and unix
  uint64_t operator[](State state) const {
    const auto i = static_cast<size_t>(state);
    return i < tcp.size() ? tcp[i] : 0;
  }
};
// Nothing is joined and no row kept. With `pid`, of that process; `holders`, `uids`, `flat` and
// `max_per_process` mean nothing here.
absl::StatusOr<StateCounts> CountByState(ConnectionsOptions options = {});

}  // namespace netdiag

#endif  // NETDIAG_CONNECTIONS_H_
