// netdiag/engine/engine_impl.h — Internal. What an Engine is made of.
//
// engine.cc sets up, plans the tables of a query, and has the public face; engine_walk.cc walks the
// tables, falls back to /proc/net, and joins rows before they are shown.

#ifndef NETDIAG_ENGINE_ENGINE_IMPL_H_
#define NETDIAG_ENGINE_ENGINE_IMPL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/bpf/socket_census.h"
#include "netdiag/capabilities.h"
#include "netdiag/destroy.h"
#include "netdiag/dump/capture.h"
#include "netdiag/dump/source.h"
#include "netdiag/dump/table.h"
#include "netdiag/dump/unix_index.h"
#include "netdiag/engine.h"
#include "netdiag/engine/namespaces.h"
#include "netdiag/engine/owner_join.h"
#include "netdiag/filter/filter.h"
#include "netdiag/filter/kernel_part.h"
#include "netdiag/netlink/conn.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/process/cgroup.h"
#include "netdiag/process/owner_index.h"
#include "netdiag/query.h"
#include "netdiag/row.h"
#include "netdiag/summary.h"
#include "netdiag/types/types.h"

namespace netdiag {

class Engine::Impl {
  using CallOptions = netlink::CallOptions;
  using Conn = netlink::Conn;
  using Message = netlink::Message;
  using ProcfsSource = internal::ProcfsSource;
  using Ready = netlink::Ready;
  using Wait = internal::Wait;

 public:
  explicit Impl(EngineOptions options)
      : options_(std::move(options)),
        join_({.proc_root = options_.proc_root,
               .source = options_.owner_source,
               .threads = options_.threads}) {}

  absl::Status Open();
  enum class Form : uint8_t {
    kStream,
    kOneByOne,  // no table begins before the one before it has ended: a capture
    kKept,      // rows stay joined to one index: a snapshot
  };
  absl::Status Begin(const Query& query, Form form = Form::kStream);
  absl::StatusOr<Ready> Advance(Wait wait, const Budget& budget, const CallOptions& call,
                                Visitor visitor);
  absl::StatusOr<Summary> RunToEnd(Visitor visitor, const CallOptions& call);
  absl::Status LookupUnix(Inode inode, Cookie cookie,
                          absl::FunctionRef<void(const UnixSocket&)> visitor);
  absl::StatusOr<std::vector<DestroyOutcome>> Destroy(std::span<const SocketName> sockets,
                                                      const CallOptions& call);
  const Capabilities& capabilities();
  int fd() const;
  // What the kernel is asked for a table of the query.
  DumpRequest RequestOf(const Table& table) const;
  // `uname -r`; of a replayed capture, its own.
  std::string kernel() const;

  const Summary& summary() const { return summary_; }
  NetnsId netns() const { return netns_; }
  // The index that the query's rows were joined with; null if owners were not asked for.
  std::unique_ptr<const OwnerIndex> TakeOwners() { return join_.TakeIndex(); }
  // Where its rows' other ends were looked up; null if that was not asked for.
  std::shared_ptr<const internal::UnixIndex> unix_sockets() const { return unix_sockets_; }
  // The cgroups that the rows were joined with; null if they were not asked for.
  std::unique_ptr<const Cgroups> TakeCgroups() { return std::move(cgroups_); }

 private:
  // One dump in flight.
  struct Walk {
    size_t table = 0;  // in summary_.tables
    size_t conn = 0;   // in conns_; unused by procfs, replay and what was kept
    internal::Source source;
    bool has_program = false;  // the filter's
    size_t datagrams = 0;      // that came, of a NetlinkSource
  };
  void Plan();
  absl::Status PlanReplay();
  void PlanTable(Protocol protocol, FamilySet families, NetnsId netns, const std::string& name);
  void PlanTables(NetnsId netns, const std::string& name);
  bool IsHome(NetnsId netns) const { return netns == netns_; }
  absl::StatusOr<std::unique_ptr<Conn>> DialIn(NetnsId netns);
  // The Conn for a walk of the namespace: one of conns_, or dialled for its dumps.
  absl::StatusOr<Conn*> ConnFor(NetnsId netns, size_t conn);
  bool WaitsForNamespace(const Table& table) const;
  void Leave();
  // For questions beside a dump, which can be asked at any time. Dialled when it is first wanted.
  absl::StatusOr<Conn*> SideConn();
  Capability Probe(Protocol protocol, Family family);
  Flow Show(Row* row, TableOutcome* outcome, bool counted, Visitor visitor);
  void Count(const Row& row, TableOutcome* outcome);
  void Uncount(TableOutcome* outcome);
  TableOutcome* OutcomeOf(const Table* table);
  const Cgroup* CgroupOf(const Row& row);
  void EndWalks();
  bool walked() const { return walks_.empty() && next_table_ == summary_.tables.size(); }
  absl::StatusOr<bool> AdvanceJoin(Wait wait, const Budget& budget, const CallOptions& call,
                                   Visitor visitor);
  absl::Status StartWalks(const CallOptions& call);
  bool KeepsTable(const Table& table) const;
  bool Keeps(const Walk& walk) const;
  void EndKeeping();
  absl::Status StartWalk(size_t table, size_t conn, const CallOptions& call);
  std::optional<internal::LookupSource> PlanLookups(const DumpRequest& request, Conn* way,
                                                    size_t conn);
  absl::Status StartDump(size_t table, size_t conn, const DumpRequest& request,
                         const CallOptions& call);
  absl::StatusOr<ProcfsSource> FallBack(TableOutcome* outcome, const absl::Status& refusal);
  absl::StatusOr<ProcfsSource> OpenProcfs(const Table& table);
  absl::StatusOr<int> OpenProcNet(NetnsId netns, std::string_view file);
  absl::StatusOr<Ready> StepWalk(Walk* walk, Wait wait, const CallOptions& call, Visitor visitor);
  void ReadAhead(Walk* walk, const CallOptions& call) const;
  void Foresee(const Message& message, const Walk& walk) const;
  Flow Deliver(const Message& message, const Walk& walk, Visitor visitor);
  bool Wanted(const Row& row) const;
  internal::KernelPart FilterPart(const Table& table) const;
  bool CannotTellMarks(const Table& table) const;
  absl::Status AskWithoutProgram(Walk* walk, const CallOptions& call);
  void Finish(const Walk& walk);
  absl::Status SameNamespace() const;
  // In `netns`; not set: in the calling thread's.
  static absl::StatusOr<std::unique_ptr<Conn>> DialPrimed(
      const std::optional<netlink::NetNs>& netns);
  // Runs `use` where the namespace is the calling thread's.
  absl::Status RunIn(NetnsId netns, absl::FunctionRef<absl::Status()> use);
  internal::DumpOptions WalkOptionsFor(const Table& table, size_t conn);
  uint64_t TcpBuckets(const Table& table);
  uint64_t ReadTcpBuckets() const;
  absl::StatusOr<absl::flat_hash_set<Cookie>> Living(Conn* conn, const SocketName& like,
                                                     const CallOptions& call);

  EngineOptions options_;
  NetnsId netns_;
  // One a connection, dialled by Open(); empty if the kernel or a sandbox refuses the socket, for
  // the reason in dial_.
  std::vector<std::unique_ptr<Conn>> conns_;
  absl::Status dial_;
  std::unique_ptr<Conn> side_;
  // The namespaces beside it, and the Conns of the one that is being asked.
  internal::Namespaces namespaces_;
  NetnsId guest_netns_;
  std::vector<std::unique_ptr<Conn>> guests_;
  std::unique_ptr<Conn> guest_side_;
  NetnsId guest_side_netns_;
  NetnsId visited_netns_;  // of the row that is being visited
  std::optional<Capabilities> capabilities_;
  internal::OwnerJoin join_;
  // For the walks: a scratch for each Conn; the sizes of tables of connections; a census.
  std::vector<std::unique_ptr<internal::DumpScratch>> scratches_;
  std::optional<uint64_t> tcp_buckets_;  // of the Engine's namespace, read when it is wanted
  uint64_t guest_tcp_buckets_ = 0;
  bpf::SocketCensus census_;
  internal::CensusTaker take_census_;
  internal::ActivityReader read_activity_;  // of home

  // The query that runs.
  Query query_;
  bool one_by_one_ = false;
  bool visiting_ = false;   // a visitor runs
  size_t shown_table_ = 0;  // of the last row that waited
  size_t next_table_ = 0;   // the first of summary_.tables that has no walk yet
  std::vector<Walk> walks_;
  size_t turn_ = 0;  // of walks_: whose step is next
  absl::flat_hash_set<Cookie> delivered_;
  std::shared_ptr<internal::UnixIndex> unix_sockets_;  // Query::peers
  size_t unix_tables_ = 0;                             // that are not in it yet
  std::vector<CaptureReader> replay_tables_;  // of summary_.tables, each before its first datagram
  std::unique_ptr<Cgroups> cgroups_;          // null: not asked for
  Summary summary_;
};

}  // namespace netdiag

#endif  // NETDIAG_ENGINE_ENGINE_IMPL_H_
