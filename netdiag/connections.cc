// Tested by tests/connections_test.cc. tests/peers/peers_test.cc compares the results with
// gopsutil's.

#include "netdiag/connections.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <unordered_map>
#include <utility>

#include "absl/hash/hash.h"

#include "netdiag/engine.h"
#include "netdiag/process/owner_index.h"
#include "netdiag/process/process_sockets.h"
#include "netdiag/query.h"
#include "netdiag/row.h"
#include "netdiag/socket/socket.h"
#include "netdiag/types/error.h"

namespace netdiag {
namespace {

struct Kind {
  std::string_view word;
  bool tcp, udp, unix_sockets;
  FamilySet families;
};
constexpr FamilySet kInetFamilies = {Family::kInet, Family::kInet6};
constexpr Kind kKinds[] = {
    {"all", true, true, true, {Family::kInet, Family::kInet6, Family::kUnix}},
    {"tcp", true, false, false, kInetFamilies},
    {"tcp4", true, false, false, Family::kInet},
    {"tcp6", true, false, false, Family::kInet6},
    {"udp", false, true, false, kInetFamilies},
    {"udp4", false, true, false, Family::kInet},
    {"udp6", false, true, false, Family::kInet6},
    {"unix", false, false, true, Family::kUnix},
    {"inet", true, true, false, kInetFamilies},
    {"inet4", true, true, false, Family::kInet},
    {"inet6", true, true, false, Family::kInet6},
};

absl::StatusOr<Query> QueryOf(const ConnectionsOptions& options) {
  const auto* const kind = std::ranges::find(kKinds, options.kind, &Kind::word);
  if (kind == std::end(kKinds)) {
    return BadInput("invalid kind, " + std::string(options.kind), options.kind, {});
  }
  Query query;
  query.protocols.clear();
  if (kind->tcp) query.protocols.push_back(Protocol::kTcp);
  // UDP has no listening state.
  const bool udp_states = !(options.states - StateSet(State::kListen)).empty();
  if (kind->udp && udp_states) query.protocols.push_back(Protocol::kUdp);
  if (kind->unix_sockets) query.protocols.push_back(Protocol::kUnix);
  query.families = kind->families;
  query.states = options.states;
  query.owners = options.holders && options.pid == Pid();
  query.peers = options.peers;
  return query;
}

// Returns the namespace of a process, or nullopt if the calling thread is in it already.
absl::StatusOr<std::optional<netlink::NetNs>> NetnsOf(Pid pid, const std::string& proc_root) {
  const std::string path = proc_root + "/" + std::to_string(pid.value()) + "/ns/net";
  struct stat file = {};
  if (stat(path.c_str(), &file) == 0) {
    const NetnsId id(static_cast<uint32_t>(file.st_ino));
    if (id == netlink::CurrentNetns()) return std::nullopt;
    return netlink::NetNs::FromPath(path);
  }
  if (errno == ENOENT) return std::nullopt;  // a kernel without namespaces
  return ErrnoError(errno, path);
}

// The user ids of processes. Reads each process once.
class UidCache {
 public:
  explicit UidCache(const std::string& proc_root) : reader_({.proc_root = proc_root}) {}

  // Returns nullopt if the process has ended, if its pid belongs to another process now, or if its
  // user ids cannot be read: status().
  std::optional<Uids> Of(const Owner& owner) {
    const auto [place, is_new] = known_.try_emplace({owner.pid.value(), owner.start_time});
    if (!is_new) return place->second;
    const absl::StatusOr<Uids> uids = reader_.ReadUids(owner);
    if (uids.ok()) {
      place->second = *uids;
    } else if (Errno(uids.status()) != ESRCH && Errno(uids.status()) != ENOENT) {
      status_.Update(uids.status());
    }
    return place->second;
  }

  // OK, or why the first user ids could not be read.
  const absl::Status& status() const { return status_; }

 private:
  OwnerIndex reader_;
  absl::Status status_;
  using Process = std::pair<int32_t, uint64_t>;  // its id and start
  std::unordered_map<Process, std::optional<Uids>, absl::Hash<Process>> known_;
};

// Makes Connections from rows, and applies the options that are not part of the query.
class Shaper {
 public:
  using Visitor = absl::FunctionRef<Flow(const Connection&)>;

  // `owned`: the sockets of ConnectionsOptions::pid. Null: the sockets of all processes.
  Shaper(const ConnectionsOptions& options, const OwnerIndex* owned, Visitor visitor)
      : options_(options), owned_(owned), visitor_(visitor), uids_(options.proc_root) {}

  Flow Add(const Row& row) {
    const Owners owners = owned_ != nullptr ? owned_->Find(row.inode()) : row.owners();
    if (owned_ != nullptr && owners.empty()) return Flow::kContinue;
    Connection connection = WithoutHolders(row);
    if (!CollectHolders(owners)) return Flow::kContinue;
    if (!status().ok()) return Flow::kStop;
    connection.no_owner = holders_.empty() ? row.no_owner() : NoOwner::kNone;
    if (!options_.flat || holders_.size() <= 1) {
      connection.holders = holders_;
      return visitor_(connection);
    }
    for (const Holder& holder : holders_) {
      connection.holders = {&holder, 1};
      if (visitor_(connection) == Flow::kStop) return Flow::kStop;
    }
    return Flow::kContinue;
  }

  // OK, or why the holders of a socket could not be completed.
  const absl::Status& status() const { return uids_.status(); }

 private:
  static Connection WithoutHolders(const Row& row) {
    Connection connection;
    connection.protocol = row.protocol();
    connection.family = row.family();
    connection.type = row.type();
    connection.state = row.state();
    connection.inode = row.inode();
    connection.cookie = row.cookie();
    connection.uid = row.uid();
    if (const InetSocket* inet = row.inet()) {
      connection.local = inet->local();
      connection.remote = inet->remote();
    }
    if (const UnixSocket* socket = row.unix_socket()) {
      connection.name = socket->name();
      if (const std::optional<UnixSocket> peer = row.peer()) connection.peer_name = peer->name();
    }
    return connection;
  }

  // Sets `holders_`. Returns false if every owner has reached max_per_process.
  bool CollectHolders(const Owners& owners) {
    holders_.clear();
    // The pid that was counted last. Owners are in order of pid, so a process with several
    // descriptors counts once.
    int32_t counted = -1;
    for (const Owner& owner : owners) {
      const int32_t pid = owner.pid.value();
      if (options_.max_per_process != 0 && pid != counted) {
        uint64_t& count = counts_[pid];
        if (count >= options_.max_per_process) continue;
        ++count;
        counted = pid;
      }
      const std::optional<Uids> uids = options_.uids ? uids_.Of(owner) : std::nullopt;
      holders_.push_back({owner.pid, owner.start_time, owner.fd, uids});
    }
    return owners.empty() || !holders_.empty();
  }

  const ConnectionsOptions& options_;
  const OwnerIndex* owned_;
  Visitor visitor_;
  UidCache uids_;
  std::vector<Holder> holders_;
  std::unordered_map<int32_t, uint64_t> counts_;
};

// Passes each row of the query to `visit`, with the sockets of `pid`, or null without a `pid`.
absl::StatusOr<Summary> VisitRows(
    const ConnectionsOptions& options,
    absl::FunctionRef<Flow(const Row&, const OwnerIndex* owned)> visit) {
  NETDIAG_ASSIGN_OR_RETURN(const Query query, QueryOf(options));
  NETDIAG_RETURN_IF_ERROR(netlink::CheckCall(options.call, "connections"));
  std::optional<OwnerIndex> owned;
  std::optional<netlink::NetNs> netns = options.netns;
  if (options.pid != Pid()) {
    NETDIAG_ASSIGN_OR_RETURN(const std::vector<OwnedSocket> sockets,
                             ReadProcessSockets(options.pid, options.proc_root));
    owned.emplace(OwnerOptions{.proc_root = options.proc_root}).Assign(sockets);
    if (!netns) {
      NETDIAG_ASSIGN_OR_RETURN(netns, NetnsOf(options.pid, options.proc_root));
    }
  }
  const auto visit_row = [&](const Row& row) { return visit(row, owned ? &*owned : nullptr); };
  if (options.engine != nullptr && !owned) {
    return options.engine->Visit(query, visit_row, options.call);
  }
  NETDIAG_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine,
                           Engine::Open({.netns = netns,
                                         .proc_root = options.proc_root,
                                         .owner_source = options.owner_source,
                                         .threads = options.threads}));
  return engine->Visit(query, visit_row, options.call);
}

// Returns the first reason why rows or owners are missing. Ignores a missing IPv6.
absl::Status FirstGap(const Summary& summary) {
  for (const TableOutcome& outcome : summary.tables) {
    const bool is_ipv6 = outcome.table.families == FamilySet(Family::kInet6);
    if (!outcome.status.ok() && !(is_ipv6 && IsUnsupported(outcome.status))) return outcome.status;
  }
  return summary.owner_error;
}

// The place of a row's table in gopsutil's order.
constexpr size_t kRanks = 5;
size_t Rank(const Connection& row) {
  const size_t family = row.family == Family::kInet6 ? 1 : 0;
  if (row.protocol == Protocol::kTcp) return family;
  return row.protocol == Protocol::kUdp ? 2 + family : 4;
}

}  // namespace

std::vector<std::string_view> ConnectionKinds() {
  std::vector<std::string_view> words;
  for (const Kind& kind : kKinds) words.push_back(kind.word);
  return words;
}

std::string_view Connection::status() const {
  return protocol == Protocol::kTcp ? Names(state).gopsutil : "NONE";
}

absl::StatusOr<Summary> VisitConnections(const ConnectionsOptions& options,
                                         absl::FunctionRef<Flow(const Connection&)> visitor) try {
  std::optional<Shaper> shaper;
  absl::StatusOr<Summary> summary =
      VisitRows(options, [&](const Row& row, const OwnerIndex* owned) {
        if (!shaper) shaper.emplace(options, owned, visitor);
        return shaper->Add(row);
      });
  if (shaper) NETDIAG_RETURN_IF_ERROR(shaper->status());
  return summary;
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

void ConnectionList::Add(const Connection& row) {
  holders_.insert(holders_.end(), row.holders.begin(), row.holders.end());
  for (const std::string_view name : {row.name, row.peer_name}) {
    names_.insert(names_.end(), name.begin(), name.end());
  }
  rows_.push_back(row);
}

void ConnectionList::Finish(Summary summary) {
  // The vectors do not grow any more, so views of them stay valid.
  size_t holder = 0;
  size_t name = 0;
  for (Connection& row : rows_) {
    row.holders = std::span<const Holder>(holders_).subspan(holder, row.holders.size());
    holder += row.holders.size();
    for (std::string_view* view : {&row.name, &row.peer_name}) {
      *view = std::string_view(names_.data() + name, view->size());
      name += view->size();
    }
  }
  Order();
  summary_ = std::move(summary);
}

// A counting sort. One dump returns both families of TCP, mixed.
void ConnectionList::Order() {
  if (std::ranges::is_sorted(rows_, {}, Rank)) return;
  std::array<size_t, kRanks + 1> places{};
  for (const Connection& row : rows_) ++places[Rank(row) + 1];
  for (size_t rank = 1; rank < places.size(); ++rank) places[rank] += places[rank - 1];
  std::vector<Connection> ordered(rows_.size());
  for (const Connection& row : rows_) ordered[places[Rank(row)]++] = row;
  rows_ = std::move(ordered);
}

absl::StatusOr<ConnectionList> Connections(const ConnectionsOptions& options) try {
  ConnectionList list;
  NETDIAG_ASSIGN_OR_RETURN(Summary summary, VisitConnections(options, [&](const Connection& row) {
                             list.Add(row);
                             return Flow::kContinue;
                           }));
  NETDIAG_RETURN_IF_ERROR(FirstGap(summary));
  list.Finish(std::move(summary));
  return list;
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

absl::StatusOr<ConnectionList> Listeners(ConnectionsOptions options) {
  options.states = State::kListen;
  return Connections(options);
}

absl::StatusOr<StateCounts> CountByState(ConnectionsOptions options) try {
  options.holders = false;
  StateCounts counts;
  NETDIAG_ASSIGN_OR_RETURN(const Summary summary,
                           VisitRows(options, [&](const Row& row, const OwnerIndex* owned) {
                             if (owned != nullptr && owned->Find(row.inode()).empty())
                               return Flow::kContinue;
                             const auto state = static_cast<size_t>(row.state());
                             if (row.protocol() == Protocol::kTcp && state < counts.tcp.size()) {
                               ++counts.tcp[state];
                             } else {
                               ++counts.none;
                             }
                             return Flow::kContinue;
                           }));
  NETDIAG_RETURN_IF_ERROR(FirstGap(summary));
  return counts;
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

}  // namespace netdiag
