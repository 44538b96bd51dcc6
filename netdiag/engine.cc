// Planning a query, walking its tables, falling back to /proc/net, joining owners.
// Tested by tests/engine_test.cc (replay, fake kernel) and tests/live/engine_live_test.cc (the
// kernel).

#include "netdiag/engine.h"

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <limits>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include "absl/container/flat_hash_set.h"

#include "netdiag/dump/source.h"
#include "netdiag/filter/filter.h"
#include "netdiag/namespaces.h"
#include "netdiag/owner_join.h"
#include "netdiag/process/cgroup.h"
#include "netdiag/recorder.h"
#include "netdiag/snapshot.h"
#include "netdiag/types/error.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag {
namespace {

using internal::AheadSource;
using internal::KeptSource;
using internal::LookupSource;
using internal::NetlinkSource;
using internal::ProcfsSource;
using internal::ReplaySource;
using internal::Wait;
using netlink::CallOptions;
using netlink::Conn;
using netlink::Message;
using netlink::Ready;

// Descriptors read between two looks at the caller's deadline.
constexpr size_t kScanSlice = 4096;
// Rows that waited for their owners, shown in one step: as many as a datagram holds.
constexpr size_t kShownSlice = 256;
// A dump of more datagrams than this is worth a thread that reads ahead, and so far ahead: the rest
// of what may wait (OwnerJoin) while owners are scanned, else what evens out the two threads.
constexpr size_t kOwnDatagrams = 2;
constexpr size_t kAheadOfScan = size_t{5} << 20;
constexpr size_t kAhead = size_t{512} << 10;
// Tables of a capture; it has one a dump, of each namespace five at most. More are damage.
constexpr size_t kMaxReplayTables = 5 * (netlink::kMaxNamespaces + 1);

// The caller's own end of a query, as opposed to a table's failure.
bool EndsQuery(const absl::Status& status) { return IsTimeout(status) || IsCancelled(status); }

// For what never waits and so does not look itself: the owner scan, /proc/net, captures.
absl::Status CheckCall(const CallOptions& call, std::string_view what) {
  if (call.stop.stop_requested()) return CancelledError(what);
  if (call.deadline && std::chrono::steady_clock::now() >= *call.deadline) {
    return TimeoutError(what);
  }
  return absl::OkStatus();
}

// States that rows of the asked ones come back in: TCP reports two pseudo states as their plain
// forms, and no other protocol has them.
StateSet ReportedStates(StateSet asked, Protocol protocol) {
  if (protocol != Protocol::kTcp) return asked;
  if (asked.contains(State::kBoundInactive)) asked = asked | State::kClose;
  if (asked.contains(State::kNewSynReceived)) asked = asked | State::kSynReceived;
  return asked;
}

// Everything but what would come back indistinguishable from something that is not wanted.
StateSet UnfilteredStates(StateSet asked) {
  return (StateSet::All() - State::kBoundInactive) | asked;
}

// In `netns`; not set: in the calling thread's.
absl::StatusOr<std::unique_ptr<Conn>> DialPrimed(const std::optional<netlink::NetNs>& netns) {
  netlink::Config config;
  config.netns = netns;
  NETDIAG_ASSIGN_OR_RETURN(std::unique_ptr<Conn> conn,
                           Conn::Dial(netlink::kFamilySockDiag, std::move(config)));
  // The kernel sizes the datagrams of a dump by the largest buffer it has seen on the socket:
  // without a first answer the first datagram holds 30 rows and not 260. Source: netlink_dump(),
  // max_recvmsg_len.
  std::array<std::byte, netlink::kHeaderSize> storage;
  netlink::RequestBuilder noop(storage);
  NETDIAG_ASSIGN_OR_RETURN(const Bytes bytes,
                           noop.Header(netlink::kTypeNoop, netlink::kFlagAck).Finish());
  // The kernel answers at once; whoever does not is no kernel.
  NETDIAG_RETURN_IF_ERROR(
      conn->Execute(bytes, Conn::IgnoreMessage,
                    {.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5)}));
  return conn;
}

bool UsesConn(const internal::Source& source) {
  return std::holds_alternative<NetlinkSource>(source) ||
         std::holds_alternative<AheadSource>(source) ||
         std::holds_alternative<LookupSource>(source);
}

}  // namespace

class Engine::Impl {
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
  Flow Show(Row row, TableOutcome* outcome, bool counted, Visitor visitor);
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
  absl::Status StartDump(size_t table, size_t conn, const CallOptions& call);
  absl::StatusOr<ProcfsSource> FallBack(TableOutcome* outcome, const absl::Status& refusal);
  absl::StatusOr<ProcfsSource> OpenProcfs(const Table& table);
  absl::StatusOr<int> OpenProcNet(NetnsId netns, std::string_view file);
  absl::StatusOr<Ready> StepWalk(Walk* walk, Wait wait, const CallOptions& call, Visitor visitor);
  void ReadAhead(Walk* walk, const CallOptions& call) const;
  Flow Deliver(const Message& message, const Walk& walk, Visitor visitor);
  bool Wanted(const Row& row) const;
  KernelPart FilterPart(const Table& table) const;
  bool CannotTellMarks(const Table& table) const;
  absl::Status AskWithoutProgram(Walk* walk, const CallOptions& call);
  void Finish(const Walk& walk);
  absl::Status SameNamespace() const;

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

  // The query that runs.
  Query query_;
  bool one_by_one_ = false;
  bool visiting_ = false;  // a visitor runs
  size_t next_table_ = 0;  // the first of summary_.tables that has no walk yet
  std::vector<Walk> walks_;
  size_t turn_ = 0;  // of walks_: whose step is next
  absl::flat_hash_set<Cookie> delivered_;
  std::shared_ptr<internal::UnixIndex> unix_sockets_;  // Query::peers
  size_t unix_tables_ = 0;                             // that are not in it yet
  std::vector<CaptureReader> replay_tables_;  // of summary_.tables, each before its first datagram
  std::unique_ptr<Cgroups> cgroups_;          // null: not asked for
  Summary summary_;
};

// ---- Setting up ----

absl::Status Engine::Impl::Open() {
  if (options_.netns) {
    NETDIAG_ASSIGN_OR_RETURN(netns_, options_.netns->Identify());
  } else {
    netns_ = netlink::CurrentNetns();
  }
  if (options_.replay) {
    dial_ = ErrnoError(EOPNOTSUPP, "a capture is replayed");
    return absl::OkStatus();
  }
  for (size_t i = 0; i < std::max<size_t>(options_.connections, 1); ++i) {
    absl::StatusOr<std::unique_ptr<Conn>> conn = DialPrimed(options_.netns);
    if (conn.ok()) {
      conns_.push_back(*std::move(conn));
      continue;
    }
    // A namespace that cannot be entered is the caller's matter; a missing socket family is
    // /proc/net's.
    if (options_.netns && !IsUnsupported(conn.status())) return conn.status();
    if (Errno(conn.status()) == EMFILE || Errno(conn.status()) == ENFILE) return conn.status();
    dial_ = conn.status();
    break;
  }
  return absl::OkStatus();
}

absl::Status Engine::Impl::SameNamespace() const {
  const NetnsId here = netlink::CurrentNetns();
  if (options_.netns || here == netns_ || here == NetnsId()) return absl::OkStatus();
  return ErrnoError(EXDEV, "the calling thread is in another network namespace than the Engine");
}

// ---- Planning ----

absl::Status Engine::Impl::Begin(const Query& query, Form form) {
  if (visiting_) return ErrnoError(EDEADLK, "a visitor may not begin another query on its Engine");
  for (const Protocol protocol : query.protocols) {
    if (Names(protocol).protocol == protocol) continue;
    return BadInput("Query::protocols", std::to_string(static_cast<int>(protocol)), "has no table");
  }
  walks_.clear();
  Leave();
  namespaces_.Forget();
  one_by_one_ = form == Form::kOneByOne;
  query_ = query;
  if (query_.filter != nullptr) query_.filter->AddNeeds(&query_);
  summary_ = Summary();
  next_table_ = 0;
  turn_ = 0;
  delivered_.clear();
  replay_tables_.clear();
  unix_sockets_ = query_.peers && !one_by_one_ ? std::make_shared<internal::UnixIndex>() : nullptr;
  if (!query_.cgroups) cgroups_.reset();
  if (cgroups_ != nullptr) cgroups_->Refresh();
  if (query_.cgroups && cgroups_ == nullptr) {
    cgroups_ = std::make_unique<Cgroups>(options_.proc_root);
  }
  join_.Cancel();
  if (options_.replay) {
    NETDIAG_RETURN_IF_ERROR(PlanReplay());
  } else {
    join_.Begin(query_, form == Form::kKept || query_.keep_joins, &summary_);
    Plan();
  }
  unix_tables_ = static_cast<size_t>(std::ranges::count(
      summary_.tables, Protocol::kUnix, [](const auto& t) { return t.table.protocol; }));
  return absl::OkStatus();
}

void Engine::Impl::Plan() {
  if (!options_.all_netns) return PlanTables(netns_, "");
  namespaces_.Find(options_.proc_root, netns_, options_.tcp_plan);
  PlanTables(netns_, namespaces_.home_name());
  for (const netlink::FoundNetns& netns : namespaces_.list()) PlanTables(netns.id, netns.name);
  summary_.netns = namespaces_.stats();
}

void Engine::Impl::PlanTables(NetnsId netns, const std::string& name) {
  const FamilySet inet = {Family::kInet, Family::kInet6};
  for (const Protocol protocol : query_.protocols) {
    if (!IsInet(protocol)) {
      // Their sockets have no ports, and those of packet and netlink no states.
      const bool ports = query_.source_port || query_.destination_port;
      const bool states = protocol == Protocol::kUnix || query_.states.contains(State::kClose);
      if (!ports && states) PlanTable(protocol, Describe(protocol).families, netns, name);
      continue;
    }
    const bool one_walk = protocol == Protocol::kTcp && conns_.size() <= 1 &&
                          !options_.prefer_procfs &&
                          (query_.families.bits() & inet.bits()) == inet.bits();
    if (one_walk) {
      PlanTable(protocol, inet, netns, name);
    } else {
      PlanTable(protocol, Family::kInet, netns, name);
      PlanTable(protocol, Family::kInet6, netns, name);
    }
  }
}

void Engine::Impl::PlanTable(Protocol protocol, FamilySet families, NetnsId netns,
                             const std::string& name) {
  if ((query_.families.bits() & families.bits()) != families.bits()) return;
  TableOutcome outcome;
  outcome.table = {protocol, families, netns, name};
  if (FilterPart(outcome.table).states.empty()) return;  // nothing of it can match
  summary_.tables.push_back(std::move(outcome));
}

absl::Status Engine::Impl::PlanReplay() {
  std::vector<HeldSocket> held;
  CaptureReader reader(*options_.replay);
  size_t tables = 0;
  for (CaptureRecord record; reader.Next(&record);) {
    if (record.type == CaptureType::kOwner && query_.owners) {
      held.push_back({record.inode, {record.pid, record.start_time, record.fd, record.command}});
    }
    if (record.type != CaptureType::kTable) continue;
    if (++tables > kMaxReplayTables) return DamagedData("capture", "too many tables");
    if (std::ranges::find(query_.protocols, record.table.protocol) == query_.protocols.end() ||
        (query_.families.bits() & record.table.families.bits()) == 0) {
      continue;
    }
    TableOutcome outcome;
    outcome.table = record.table;
    outcome.source = SourceKind::kReplay;
    summary_.tables.push_back(std::move(outcome));
    replay_tables_.push_back(reader);
  }
  if (tables == 0) NETDIAG_RETURN_IF_ERROR(reader.status());
  if (!reader.status().ok()) ++summary_.damaged;
  if (query_.owners) join_.Assign(held, &summary_);
  return absl::OkStatus();
}

// What the kernel is told of the query's filter.
KernelPart Engine::Impl::FilterPart(const Table& table) const {
  if (query_.filter == nullptr) return KernelPart();
  return query_.bounded_steps ? query_.filter->GuardFor(table) : query_.filter->PlanFor(table);
}

DumpRequest Engine::Impl::RequestOf(const Table& table) const {
  KernelPart part = FilterPart(table);
  DumpRequest request;
  request.table = table;
  request.extensions = query_.extensions;
  request.states = query_.states & part.states;
  request.bytecode = std::move(part.bytecode);
  // The other end of a socket can be in any state.
  if (KeepsTable(table)) request.states = StateSet::SsAll();
  if (query_.bounded_steps) {
    request.states = UnfilteredStates(request.states);
    return request;
  }
  request.source_port = query_.source_port.value_or(part.source_port);
  request.destination_port = query_.destination_port.value_or(part.destination_port);
  return request;
}

// The filter reads marks, and whoever refuses its program tells none.
bool Engine::Impl::CannotTellMarks(const Table& table) const {
  return FilterPart(table).needs_net_admin;
}

// A kernel that knows less than the filter's program asks is asked for everything instead.
absl::Status Engine::Impl::AskWithoutProgram(Walk* walk, const CallOptions& call) {
  const Table& table = summary_.tables[walk->table].table;
  DumpRequest request = RequestOf(table);
  request.bytecode.clear();
  walk->has_program = false;
  NETDIAG_ASSIGN_OR_RETURN(Conn* const conn, ConnFor(table.netns, walk->conn));
  NetlinkSource source(conn, request);
  NETDIAG_RETURN_IF_ERROR(source.Begin(call));
  walk->source = std::move(source);
  return absl::OkStatus();
}

// ---- Walking ----

absl::StatusOr<Ready> Engine::Impl::Advance(Wait wait, const Budget& budget,
                                            const CallOptions& call, Visitor visitor) {
  if (visiting_) return ErrnoError(EDEADLK, "a visitor may not step its Engine");
  NETDIAG_ASSIGN_OR_RETURN(const bool joining, AdvanceJoin(wait, budget, call, visitor));
  if (summary_.stopped) return Ready::kDone;
  if (joining) return Ready::kSome;
  for (size_t i = 0; i < std::max<size_t>(budget.datagrams, 1); ++i) {
    NETDIAG_RETURN_IF_ERROR(StartWalks(call));
    if (walks_.empty()) return join_.held() > 0 ? Ready::kSome : Ready::kDone;
    turn_ = (turn_ + 1) % walks_.size();
    NETDIAG_ASSIGN_OR_RETURN(const Ready ready, StepWalk(&walks_[turn_], wait, call, visitor));
    if (summary_.stopped) {
      EndWalks();
      return Ready::kDone;
    }
    if (ready == Ready::kWouldBlock) return ready;
    if (ready == Ready::kDone) {
      Finish(walks_[turn_]);
      const bool kept = Keeps(walks_[turn_]);
      walks_.erase(walks_.begin() + static_cast<std::ptrdiff_t>(turn_));
      if (kept) EndKeeping();
    }
  }
  if (!walked()) return Ready::kSome;
  Leave();
  return join_.held() == 0 ? Ready::kDone : Ready::kSome;
}

// Goes on with the join of owners; false: there is nothing to do for it before more rows.
absl::StatusOr<bool> Engine::Impl::AdvanceJoin(Wait wait, const Budget& budget,
                                               const CallOptions& call, Visitor visitor) {
  if (join_.busy()) {
    NETDIAG_RETURN_IF_ERROR(CheckCall(call, "owner scan"));
    join_.Step(wait == Wait::kBlock ? kScanSlice : std::max<size_t>(budget.descriptors, 1));
    return true;
  }
  if (join_.aside()) {
    if (!walked() && !join_.full() && !join_.aside_over()) return false;
    NETDIAG_RETURN_IF_ERROR(join_.EndAside());
    return true;
  }
  if (join_.showing()) {
    join_.Show(kShownSlice, unix_sockets_.get(), [&](const Row& row) {
      return Show(row, OutcomeOf(&row.table()), /*counted=*/true, visitor);
    });
    if (summary_.stopped) EndWalks();
    return true;
  }
  // In a capture no row comes after one of a later table.
  if (!join_.MustSearch(walked() || (one_by_one_ && walks_.empty()))) return false;
  join_.Search(unix_sockets_.get());
  return true;
}

// Ids and pids of a capture are another host's.
const Cgroup* Engine::Impl::CgroupOf(const Row& row) {
  if (cgroups_ == nullptr || options_.replay) return nullptr;
  const InetSocket* const socket = row.inet();
  const CgroupId id = socket != nullptr ? socket->cgroup().value_or(CgroupId()) : CgroupId();
  const Cgroup* const cgroup = cgroups_->Find(id);
  if (cgroup != nullptr || id != CgroupId() || row.owners().empty()) return cgroup;
  return cgroups_->OfProcess(row.owners()[0].pid, row.owners()[0].start_time);
}

// A row that is joined with all that is wanted: judged, counted if it was not, and shown.
Flow Engine::Impl::Show(Row row, TableOutcome* outcome, bool counted, Visitor visitor) {
  row.Join(CgroupOf(row));
  if (query_.filter != nullptr && !query_.filter->Matches(row)) {
    if (counted) Uncount(outcome);
    return Flow::kContinue;
  }
  if (!counted) Count(row, outcome);
  visiting_ = true;
  visited_netns_ = row.table().netns;
  const Flow flow = visitor(row);
  visiting_ = false;
  if (flow == Flow::kStop) summary_.stopped = true;
  return flow;
}

void Engine::Impl::Count(const Row& row, TableOutcome* outcome) {
  summary_.unknown_attributes += row.unknown_attributes();
  ++outcome->rows;
  ++summary_.rows;
}

void Engine::Impl::Uncount(TableOutcome* outcome) {
  --outcome->rows;
  --summary_.rows;
}

TableOutcome* Engine::Impl::OutcomeOf(const Table* table) {
  return &*std::ranges::find(summary_.tables, table,
                             [](const TableOutcome& outcome) { return &outcome.table; });
}

// The visitor did not want to see any more.
void Engine::Impl::EndWalks() {
  // Rows that were counted when they came.
  join_.Drop([this](const Table* table) { Uncount(OutcomeOf(table)); });
  for (const Walk& walk : walks_) {
    Finish(walk);
    if (Keeps(walk)) summary_.tables[walk.table].rows = 0;
  }
  walks_.clear();
  Leave();
  next_table_ = summary_.tables.size();
}

absl::StatusOr<Summary> Engine::Impl::RunToEnd(Visitor visitor, const CallOptions& call) {
  if (join_.scanning() && options_.threads > 1) {
    join_.StartAside([&call] { return CheckCall(call, "owner scan"); });
  }
  for (;;) {
    const absl::StatusOr<Ready> ready = Advance(Wait::kBlock, {}, call, visitor);
    if (ready.ok() && *ready != Ready::kDone) continue;
    if (ready.ok()) return std::move(summary_);  // the index stays, for Take()
    // The call's threads and what keeps namespaces end with it.
    EndWalks();
    join_.Cancel();
    return ready.status();
  }
}

absl::Status Engine::Impl::StartWalks(const CallOptions& call) {
  const size_t limit = one_by_one_ ? 1 : std::max<size_t>(conns_.size(), 1);
  while (walks_.size() < limit && next_table_ < summary_.tables.size()) {
    if (WaitsForNamespace(summary_.tables[next_table_].table)) break;
    // A Conn serves one dump at once.
    size_t conn = 0;
    while (std::ranges::find(walks_, conn, &Walk::conn) != walks_.end()) ++conn;
    const absl::Status status = StartWalk(next_table_, conn, call);
    if (EndsQuery(status)) return status;
    TableOutcome& outcome = summary_.tables[next_table_++];
    if (!status.ok() && !namespaces_.Vanished(outcome.table.netns)) outcome.status = status;
    // Of a namespace that has gone, or that is empty, there is nothing to list.
    const bool walks = !walks_.empty() && walks_.back().table == next_table_ - 1;
    if (!walks && KeepsTable(outcome.table)) EndKeeping();
  }
  if (walks_.empty()) Leave();
  return absl::OkStatus();
}

// ---- Unix sockets and their peers ----

bool Engine::Impl::KeepsTable(const Table& table) const {
  return unix_sockets_ != nullptr && table.protocol == Protocol::kUnix;
}

// Whether the walk's rows are kept, to be shown when all of their kind are known.
bool Engine::Impl::Keeps(const Walk& walk) const {
  return !std::holds_alternative<KeptSource>(walk.source) &&
         KeepsTable(summary_.tables[walk.table].table);
}

// A table has been kept. After the last one they are walked again, out of the index.
void Engine::Impl::EndKeeping() {
  if (--unix_tables_ > 0) return;
  unix_sockets_->Sort();
  for (size_t i = 0; i < summary_.tables.size(); ++i) {
    TableOutcome& outcome = summary_.tables[i];
    if (outcome.table.protocol != Protocol::kUnix) continue;
    outcome.rows = 0;
    walks_.push_back({i, std::numeric_limits<size_t>::max(),
                      KeptSource(unix_sockets_.get(), static_cast<uint16_t>(i))});
  }
}

// ---- Other namespaces ----

// The dumps of one namespace end before another is entered.
bool Engine::Impl::WaitsForNamespace(const Table& table) const {
  return !walks_.empty() && summary_.tables[walks_.front().table].table.netns != table.netns;
}

// Nothing keeps the namespace from now on.
void Engine::Impl::Leave() {
  if (summary_.netns) summary_.netns = namespaces_.stats();
  guests_.clear();
  guest_side_.reset();
  guest_netns_ = NetnsId();
}

absl::StatusOr<std::unique_ptr<Conn>> Engine::Impl::DialIn(NetnsId netns) {
  absl::StatusOr<std::unique_ptr<Conn>> conn;
  NETDIAG_RETURN_IF_ERROR(namespaces_.RunIn(netns, [&]() -> absl::Status {
    conn = DialPrimed(std::nullopt);
    return conn.status();
  }));
  return conn;
}

absl::StatusOr<Conn*> Engine::Impl::ConnFor(NetnsId netns, size_t conn) {
  if (conns_.empty()) return dial_;
  if (IsHome(netns)) return conns_[conn].get();
  if (guest_netns_ != netns) Leave();
  guest_netns_ = netns;
  guests_.resize(std::max(guests_.size(), conn + 1));
  if (guests_[conn] == nullptr) {
    NETDIAG_ASSIGN_OR_RETURN(guests_[conn], DialIn(netns));
  }
  return guests_[conn].get();
}

// Not OK: the table has no walk, for that reason.
absl::Status Engine::Impl::StartWalk(size_t table, size_t conn, const CallOptions& call) {
  TableOutcome& outcome = summary_.tables[table];
  if (options_.replay) {
    walks_.push_back({table, conn, ReplaySource(replay_tables_[table], outcome.table)});
    return absl::OkStatus();
  }
  if (!IsHome(outcome.table.netns) && namespaces_.IsEmpty(RequestOf(outcome.table))) {
    return absl::OkStatus();
  }
  if (options_.prefer_procfs || Describe(outcome.table.protocol).kernel_option.empty()) {
    NETDIAG_ASSIGN_OR_RETURN(ProcfsSource source, OpenProcfs(outcome.table));
    outcome.source = SourceKind::kProcfs;
    walks_.push_back({table, conn, std::move(source)});
    return absl::OkStatus();
  }
  const absl::Status status = StartDump(table, conn, call);
  if (status.ok() || EndsQuery(status) || namespaces_.Vanished(outcome.table.netns)) return status;
  NETDIAG_ASSIGN_OR_RETURN(ProcfsSource source, FallBack(&outcome, status));
  walks_.push_back({table, conn, std::move(source)});
  return absl::OkStatus();
}

absl::Status Engine::Impl::StartDump(size_t table, size_t conn, const CallOptions& call) {
  const Table& asked = summary_.tables[table].table;
  DumpRequest request = RequestOf(asked);
  NETDIAG_ASSIGN_OR_RETURN(Conn* const way, ConnFor(asked.netns, conn));
  std::optional<internal::Namespaces::Lookups> lookups;
  if (!IsHome(asked.netns)) lookups = namespaces_.PlanLookups(request);
  if (lookups) {
    LookupSource source(way, request, std::move(lookups->tuples), lookups->listeners);
    NETDIAG_RETURN_IF_ERROR(source.Begin(call));
    walks_.push_back({table, conn, std::move(source)});
    return absl::OkStatus();
  }
  const bool has_program = !request.bytecode.empty();
  NetlinkSource source(way, std::move(request));
  NETDIAG_RETURN_IF_ERROR(source.Begin(call));
  walks_.push_back(
      {.table = table, .conn = conn, .source = std::move(source), .has_program = has_program});
  return absl::OkStatus();
}

// /proc/net in the stead of a dump that the kernel refused; the refusal, explained, where it has
// not got the table either.
absl::StatusOr<ProcfsSource> Engine::Impl::FallBack(TableOutcome* outcome,
                                                    const absl::Status& refusal) {
  const absl::Status explained = ExplainRefusal(refusal, outcome->table);
  if (!IsUnsupported(refusal) && !IsPermission(refusal)) return explained;
  absl::StatusOr<ProcfsSource> source = OpenProcfs(outcome->table);
  if (!source.ok()) return CannotTellMarks(outcome->table) ? source.status() : explained;
  outcome->source = SourceKind::kProcfs;
  outcome->refusal = explained;
  return source;
}

absl::StatusOr<ProcfsSource> Engine::Impl::OpenProcfs(const Table& table) {
  if (IsHome(table.netns)) NETDIAG_RETURN_IF_ERROR(SameNamespace());
  if (CannotTellMarks(table)) {
    return ErrnoError(EPERM, "filter by mark, " + Text(table),
                      "kernels tell marks to CAP_NET_ADMIN only, and /proc/net to nobody");
  }
  return ProcfsSource::Open(RequestOf(table),
                            [&](std::string_view file) { return OpenProcNet(table.netns, file); });
}

absl::StatusOr<int> Engine::Impl::OpenProcNet(NetnsId netns, std::string_view file) {
  int fd = -1;
  const auto open_here = [&]() -> absl::Status {
    // A thread can be in another namespace than its process; a tree that only looks like procfs has
    // no threads.
    for (const std::string_view directory : {"/thread-self/net/", "/net/"}) {
      const std::string path = options_.proc_root + std::string(directory) + std::string(file);
      fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
      if (fd >= 0) return absl::OkStatus();
    }
    const int errnum = errno;
    return ErrnoError(errnum, options_.proc_root + "/net/" + std::string(file));
  };
  NETDIAG_RETURN_IF_ERROR(!IsHome(netns)   ? namespaces_.RunIn(netns, open_here)
                          : options_.netns ? options_.netns->Run(open_here)
                                           : open_here());
  return fd;
}

absl::StatusOr<Ready> Engine::Impl::StepWalk(Walk* walk, Wait wait, const CallOptions& call,
                                             Visitor visitor) {
  NETDIAG_RETURN_IF_ERROR(CheckCall(call, "listing sockets"));
  const bool can_wait = UsesConn(walk->source);
  const auto deliver = [&](const Message& message) { return Deliver(message, *walk, visitor); };
  absl::StatusOr<Ready> ready = std::visit(
      [&](auto& source) {
        using Kind = std::decay_t<decltype(source)>;
        if constexpr (std::is_same_v<Kind, NetlinkSource> || std::is_same_v<Kind, LookupSource>) {
          return source.Step(wait, call, deliver);
        } else {
          return source.Step(deliver);
        }
      },
      walk->source);
  if (ready.ok() && *ready == Ready::kSome && wait == Wait::kBlock) ReadAhead(walk, call);
  if (ready.ok() || (can_wait && EndsQuery(ready.status()))) return ready;

  TableOutcome& outcome = summary_.tables[walk->table];
  outcome.status = ready.status();
  if (outcome.source != SourceKind::kNetlink) return Ready::kDone;
  outcome.status = ExplainRefusal(ready.status(), outcome.table);
  // Only a dump that gave nothing can be asked again elsewhere without giving rows twice.
  if (outcome.rows > 0) return Ready::kDone;
  const bool refuses_program = Errno(ready.status()) == EINVAL || IsPermission(ready.status());
  if (walk->has_program && refuses_program && !CannotTellMarks(outcome.table)) {
    NETDIAG_RETURN_IF_ERROR(AskWithoutProgram(walk, call));
    outcome.status = absl::OkStatus();
    return Ready::kSome;
  }
  absl::StatusOr<ProcfsSource> instead = FallBack(&outcome, ready.status());
  if (!instead.ok()) {
    outcome.status = instead.status();
    return Ready::kDone;
  }
  outcome.status = absl::OkStatus();
  walk->source = *std::move(instead);
  return Ready::kSome;
}

// Goes on with a long dump on a thread of its own, if there may be one.
void Engine::Impl::ReadAhead(Walk* walk, const CallOptions& call) const {
  auto* source = std::get_if<NetlinkSource>(&walk->source);
  if (options_.threads < 2 || source == nullptr || ++walk->datagrams != kOwnDatagrams) return;
  absl::StatusOr<AheadSource> ahead =
      AheadSource::Start(source, call, query_.owners ? kAheadOfScan : kAhead);
  if (ahead.ok()) walk->source = *std::move(ahead);
}

Flow Engine::Impl::Deliver(const Message& message, const Walk& walk, Visitor visitor) {
  TableOutcome& outcome = summary_.tables[walk.table];
  if (Keeps(walk)) {
    unix_sockets_->Add(message, static_cast<uint16_t>(walk.table)) ? ++outcome.rows
                                                                   : ++summary_.damaged;
    return Flow::kContinue;
  }
  const std::optional<Row> row = Row::FromMessage(message, outcome.table, outcome.source,
                                                  {join_.index(), unix_sockets_.get()});
  if (!row || row->malformed()) ++summary_.damaged;
  if (!row || !Wanted(*row)) return Flow::kContinue;
  // An accepted MPTCP connection can have its listener's cookie (mptcp_sk_clone_init()), and its
  // tables do not overlap.
  const bool merges = conns_.size() > 1 && row->protocol() != Protocol::kMptcp;
  if (merges && row->cookie() != Cookie() && !delivered_.insert(row->cookie()).second) {
    ++summary_.duplicates;
    return Flow::kContinue;
  }
  if (!join_.MustHold(*row)) return Show(*row, &outcome, /*counted=*/false, visitor);
  // What the filter reads is known already, unless it is what the row waits for.
  const bool judged = query_.filter != nullptr && !query_.filter->ReadsOwners() && !query_.cgroups;
  if (judged && !query_.filter->Matches(*row)) return Flow::kContinue;
  Count(*row, &outcome);
  join_.Hold(*row);
  return Flow::kContinue;
}

// What the kernel filters is filtered here again, the query's filter apart: /proc/net, a capture
// and bounded steps come unfiltered.
bool Engine::Impl::Wanted(const Row& row) const {
  if (!ReportedStates(query_.states, row.protocol()).contains(row.state())) return false;
  if (!query_.families.contains(row.family())) return false;
  const Set<SocketType> types = row.unix_socket() != nullptr     ? query_.unix_types
                                : row.packet_socket() != nullptr ? query_.packet_types
                                                                 : Set<SocketType>();
  if (!types.empty() && !types.contains(row.type())) return false;
  const InetSocket* socket = row.inet();
  if (socket == nullptr) return !query_.source_port && !query_.destination_port;
  return (!query_.source_port || socket->local_port() == *query_.source_port) &&
         (!query_.destination_port || socket->remote_port() == *query_.destination_port);
}

void Engine::Impl::Finish(const Walk& walk) {
  const internal::SourceStats stats =
      std::visit([](const auto& source) { return source.stats(); }, walk.source);
  summary_.foreign += stats.foreign;
  summary_.damaged += stats.damaged;
  summary_.interrupted |= stats.interrupted;
  const auto* const lookups = std::get_if<LookupSource>(&walk.source);
  if (lookups != nullptr) summary_.tables[walk.table].looked_up = lookups->looked_up();
}

int Engine::Impl::fd() const {
  if (join_.busy() || walks_.empty()) return -1;
  // The step that waits is the one whose turn it was.
  const Walk& walk = walks_[std::min(turn_, walks_.size() - 1)];
  if (!UsesConn(walk.source)) return -1;
  const bool home = IsHome(summary_.tables[walk.table].table.netns);
  return (home ? conns_ : guests_)[walk.conn]->fd();
}

// ---- Other questions ----

absl::StatusOr<Conn*> Engine::Impl::SideConn() {
  if (conns_.empty()) return dial_;
  // Asked from a visitor it is about the namespace of the row.
  if (visiting_ && !IsHome(visited_netns_)) {
    if (guest_side_ == nullptr || guest_side_netns_ != visited_netns_) {
      NETDIAG_ASSIGN_OR_RETURN(guest_side_, DialIn(visited_netns_));
      guest_side_netns_ = visited_netns_;
    }
    return guest_side_.get();
  }
  if (side_ == nullptr) {
    NETDIAG_RETURN_IF_ERROR(SameNamespace());
    NETDIAG_ASSIGN_OR_RETURN(side_, DialPrimed(options_.netns));
  }
  return side_.get();
}

absl::Status Engine::Impl::LookupUnix(Inode inode, Cookie cookie,
                                      absl::FunctionRef<void(const UnixSocket&)> visitor) {
  NETDIAG_ASSIGN_OR_RETURN(Conn* const conn, SideConn());
  std::array<std::byte, 64> storage;
  NETDIAG_ASSIGN_OR_RETURN(const Bytes request, internal::EncodeUnixLookup(inode, cookie, storage));
  const absl::Status status = conn->Execute(request, [&](const Message& message) {
    const std::optional<UnixSocket> socket = UnixSocket::Parse(message.payload());
    if (socket) visitor(*socket);
    return Flow::kContinue;
  });
  // The inode is taken, but not by the socket that was meant.
  if (Errno(status) == ESTALE) return ErrnoError(ENOENT, "unix socket of that cookie");
  return status;
}

std::string Engine::Impl::kernel() const {
  if (options_.replay) {
    CaptureReader reader(*options_.replay);
    CaptureRecord host;
    return reader.Next(&host) ? std::string(host.kernel) : std::string();
  }
  utsname name = {};
  return uname(&name) == 0 ? name.release : "";
}

Capability Engine::Impl::Probe(Protocol protocol, Family family) {
  Capability capability;
  capability.table = {protocol, family, netns_, ""};
  const auto ask = [&]() -> absl::Status {
    NETDIAG_ASSIGN_OR_RETURN(Conn* const conn, SideConn());
    std::array<std::byte, internal::kMaxRequest> storage;
    // No state is asked for, so an answer has no rows.
    NETDIAG_ASSIGN_OR_RETURN(const Bytes request,
                             internal::EncodeRequest({.table = capability.table}, storage));
    return conn->Dump(request, Conn::IgnoreMessage).status();
  };
  if (const absl::Status status = ask(); !status.ok()) {
    capability.netlink = ExplainRefusal(status, capability.table);
  }
  const TableInfo& info = Describe(protocol);
  const std::string_view name = family == Family::kInet6 ? info.proc_file6 : info.proc_file;
  if (name.empty()) return capability;
  const absl::StatusOr<int> file = OpenProcNet(netns_, name);
  capability.procfs = file.ok();
  if (file.ok()) internal::UniqueFd(*file).Close();
  return capability;
}

const Capabilities& Engine::Impl::capabilities() {
  if (capabilities_) return *capabilities_;
  capabilities_.emplace();
  capabilities_->kernel = kernel();
  if (options_.replay) return *capabilities_;
  capabilities_->bpf_owners = OwnerIndex::CheckBpf();
  for (const TableNames& row : AllProtocols()) {
    for (const FamilyNames& family : AllFamilies()) {
      if (!Describe(row.protocol).families.contains(family.family)) continue;
      capabilities_->tables.push_back(Probe(row.protocol, family.family));
    }
  }
  return *capabilities_;
}

// ---- The public face ----

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

absl::StatusOr<std::unique_ptr<Engine>> Engine::Open(EngineOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  NETDIAG_RETURN_IF_ERROR(impl->Open());
  return std::unique_ptr<Engine>(new Engine(std::move(impl)));
}

absl::Status Engine::Begin(const Query& query) { return impl_->Begin(query); }
absl::StatusOr<Ready> Engine::Step(Visitor visitor, const Budget& budget) {
  return impl_->Advance(Wait::kNever, budget, {}, visitor);
}
const Summary& Engine::summary() const { return impl_->summary(); }
int Engine::fd() const { return impl_->fd(); }
NetnsId Engine::netns() const { return impl_->netns(); }
const Capabilities& Engine::capabilities() { return impl_->capabilities(); }

absl::StatusOr<Summary> Engine::Visit(const Query& query, Visitor visitor,
                                      const CallOptions& call) {
  NETDIAG_RETURN_IF_ERROR(impl_->Begin(query));
  return impl_->RunToEnd(visitor, call);
}

absl::Status Engine::LookupUnix(Inode inode, Cookie cookie,
                                absl::FunctionRef<void(const UnixSocket&)> visitor) {
  return impl_->LookupUnix(inode, cookie, visitor);
}

absl::StatusOr<Snapshot> Engine::Take(const Query& query, const CallOptions& call) {
  Snapshot snapshot;
  const auto add = [&](const Row& row) {
    snapshot.Add(row, query.cgroups);
    return Flow::kContinue;
  };
  NETDIAG_RETURN_IF_ERROR(impl_->Begin(query, Impl::Form::kKept));
  NETDIAG_ASSIGN_OR_RETURN(snapshot.summary_, impl_->RunToEnd(add, call));
  snapshot.owners_ = impl_->TakeOwners();
  snapshot.unix_sockets_ = impl_->unix_sockets();
  snapshot.cgroups_ = impl_->TakeCgroups();
  return snapshot;
}

absl::StatusOr<Summary> Engine::Capture(const Query& query, CaptureWriter* writer,
                                        const CallOptions& call) {
  const std::string kernel = impl_->kernel();
  const auto request_of = [this](const Table& table) { return impl_->RequestOf(table); };
  internal::Recorder recorder(kernel, request_of, writer);
  NETDIAG_RETURN_IF_ERROR(impl_->Begin(query, Impl::Form::kOneByOne));
  const auto add = [&](const Row& row) { return recorder.Add(row, impl_->summary().tables); };
  NETDIAG_ASSIGN_OR_RETURN(Summary summary, impl_->RunToEnd(add, call));
  NETDIAG_RETURN_IF_ERROR(recorder.Finish(summary.tables));
  return summary;
}

}  // namespace netdiag
