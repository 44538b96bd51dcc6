// Walking the tables of a query, falling back to /proc/net, joining rows. Tested as engine.cc is.

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <limits>
#include <string>
#include <utility>
#include <variant>

#include "netdiag/engine/engine_impl.h"
#include "netdiag/engine/row_maker.h"
#include "netdiag/types/error.h"

namespace netdiag {
namespace {

using internal::AheadSource;
using internal::KeptSource;
using internal::LookupSource;
using internal::NetlinkSource;
using internal::ProcfsSource;
using internal::ReplaySource;
using netlink::Conn;
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
// The caller's own end of a query, as opposed to a table's failure.
bool EndsQuery(const absl::Status& status) { return IsTimeout(status) || IsCancelled(status); }

// States that rows of the asked ones come back in: TCP reports two pseudo states as their plain
// forms, and no other protocol has them.
StateSet ReportedStates(StateSet asked, Protocol protocol) {
  if (protocol != Protocol::kTcp) return asked;
  if (asked.contains(State::kBoundInactive)) asked = asked | State::kClose;
  if (asked.contains(State::kNewSynReceived)) asked = asked | State::kSynReceived;
  return asked;
}

}  // namespace

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
    // A dump that is read ahead goes on by itself, and its rows need no keeping if the scan ends
    // first.
    const bool ahead = std::ranges::any_of(
        walks_, [](const Walk& walk) { return std::holds_alternative<AheadSource>(walk.source); });
    if (!walked() && !join_.full() && !join_.aside_over() && !ahead) return false;
    NETDIAG_RETURN_IF_ERROR(join_.EndAside());
    return true;
  }
  if (join_.showing()) {
    join_.Show(kShownSlice, unix_sockets_.get(), [&](Row& row) {
      return Show(&row, OutcomeOf(&row.table()), /*counted=*/true, visitor);
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
  if (options_.replay) return nullptr;
  const InetSocket* const socket = row.inet();
  const CgroupId id = socket != nullptr ? socket->cgroup().value_or(CgroupId()) : CgroupId();
  const Cgroup* const cgroup = cgroups_->Find(id);
  if (cgroup != nullptr || id != CgroupId() || row.owners().empty()) return cgroup;
  return cgroups_->OfProcess(row.owners()[0].pid, row.owners()[0].start_time);
}

// A row that is joined with all that is wanted: judged, counted if it was not, and shown.
Flow Engine::Impl::Show(Row* row, TableOutcome* outcome, bool counted, Visitor visitor) {
  if (cgroups_ != nullptr) internal::RowMaker::SetCgroup(row, CgroupOf(*row));
  if (query_.filter != nullptr && !query_.filter->Matches(*row)) {
    if (counted) Uncount(outcome);
    return Flow::kContinue;
  }
  if (!counted) Count(*row, outcome);
  visiting_ = true;
  visited_netns_ = row->table().netns;
  const Flow flow = visitor(*row);
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
  // Nearly always that of the row before.
  while (&summary_.tables[shown_table_].table != table) {
    shown_table_ = (shown_table_ + 1) % summary_.tables.size();
  }
  return &summary_.tables[shown_table_];
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
  // In a capture the rows of one table come before those of the next, also the rows that are looked
  // up once more; so none may wait for a scan that outlasts its table.
  if (join_.scanning() && options_.threads > 1 && !one_by_one_) {
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
    absl::Status status = StartWalk(next_table_, conn, call);
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
    guest_tcp_buckets_ = ReadTcpBuckets();
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
  DumpRequest request = RequestOf(outcome.table);
  if (!IsHome(outcome.table.netns) && namespaces_.IsEmpty(request)) return absl::OkStatus();
  if (options_.prefer_procfs || Describe(outcome.table.protocol).kernel_option.empty()) {
    NETDIAG_ASSIGN_OR_RETURN(ProcfsSource source, OpenProcfs(outcome.table));
    outcome.source = SourceKind::kProcfs;
    walks_.push_back({table, conn, std::move(source)});
    return absl::OkStatus();
  }
  absl::Status status = StartDump(table, conn, request, call);
  if (status.ok() || EndsQuery(status) || namespaces_.Vanished(outcome.table.netns)) return status;
  NETDIAG_ASSIGN_OR_RETURN(ProcfsSource source, FallBack(&outcome, status));
  walks_.push_back({table, conn, std::move(source)});
  return absl::OkStatus();
}

// A kernel that knows less than the filter's program asks is asked for everything instead.
absl::Status Engine::Impl::AskWithoutProgram(Walk* walk, const CallOptions& call) {
  const Table& table = summary_.tables[walk->table].table;
  DumpRequest request = RequestOf(table);
  request.bytecode.clear();
  walk->has_program = false;
  NETDIAG_ASSIGN_OR_RETURN(Conn* const conn, ConnFor(table.netns, walk->conn));
  NetlinkSource source(conn, request, WalkOptionsFor(table, walk->conn));
  NETDIAG_RETURN_IF_ERROR(source.Begin(call));
  walk->source = std::move(source);
  return absl::OkStatus();
}

// In the stead of a walk, where that must come to the same.
std::optional<LookupSource> Engine::Impl::PlanLookups(const DumpRequest& request, Conn* way,
                                                      size_t conn) {
  // Exact requests name states of connections, and run no program that a kernel could refuse.
  const bool of_connections =
      request.table.protocol == Protocol::kTcp && !request.states.contains(State::kBoundInactive);
  if (!of_connections) return std::nullopt;
  const internal::KernelPart part = FilterPart(request.table);
  if (part.needs_net_admin) return std::nullopt;
  if (part.ends) {
    bpf::TcpTuple tuple;
    tuple.local = part.ends->local;
    tuple.remote = part.ends->remote;
    tuple.interface = part.ends->interface;
    return LookupSource::Exactly(way, request, tuple, WalkOptionsFor(request.table, conn));
  }
  if (IsHome(request.table.netns)) return std::nullopt;
  std::optional<internal::Namespaces::Lookups> lookups = namespaces_.PlanLookups(request);
  if (!lookups) return std::nullopt;
  return LookupSource(way, request, std::move(lookups->tuples), lookups->listeners,
                      WalkOptionsFor(request.table, conn));
}

absl::Status Engine::Impl::StartDump(size_t table, size_t conn, const DumpRequest& request,
                                     const CallOptions& call) {
  const NetnsId netns = request.table.netns;
  NETDIAG_ASSIGN_OR_RETURN(Conn* const way, ConnFor(netns, conn));
  if (std::optional<LookupSource> source = PlanLookups(request, way, conn)) {
    NETDIAG_RETURN_IF_ERROR(source->Begin(call));
    walks_.push_back({table, conn, *std::move(source)});
    return absl::OkStatus();
  }
  const bool has_program = !request.bytecode.empty();
  NetlinkSource source(way, request, WalkOptionsFor(request.table, conn));
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
  NETDIAG_RETURN_IF_ERROR(RunIn(netns, open_here));
  return fd;
}

absl::StatusOr<Ready> Engine::Impl::StepWalk(Walk* walk, Wait wait, const CallOptions& call,
                                             Visitor visitor) {
  NETDIAG_RETURN_IF_ERROR(CheckCall(call, "listing sockets"));
  const bool can_wait = UsesConn(walk->source);
  const auto deliver = [&](const Message& message) { return Deliver(message, *walk, visitor); };
  const auto foresee = [&](const Message& message) { Foresee(message, *walk); };
  absl::StatusOr<Ready> ready =
      internal::Step(&walk->source, {.wait = wait, .call = call, .prefetch = foresee}, deliver);
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
  // A census enters the namespace, which is the Engine's thread's to do.
  const bool home = IsHome(summary_.tables[walk->table].table.netns);
  if (!home && query_.completeness == Completeness::kExact) return;
  absl::StatusOr<AheadSource> ahead =
      AheadSource::Start(source, call, query_.owners ? kAheadOfScan : kAhead);
  if (ahead.ok()) walk->source = *std::move(ahead);
}

// The owners of many sockets do not fit the processor's caches.
void Engine::Impl::Foresee(const Message& message, const Walk& walk) const {
  if (join_.index() == nullptr || !IsInet(summary_.tables[walk.table].table.protocol)) return;
  const std::optional<Inode> inode = InetSocket::PeekInode(message.payload());
  if (inode) join_.index()->Prefetch(*inode);
}

Flow Engine::Impl::Deliver(const Message& message, const Walk& walk, Visitor visitor) {
  TableOutcome& outcome = summary_.tables[walk.table];
  if (Keeps(walk)) {
    unix_sockets_->Add(message, static_cast<uint16_t>(walk.table)) ? ++outcome.rows
                                                                   : ++summary_.damaged;
    return Flow::kContinue;
  }
  std::optional<Row> row = internal::RowMaker::FromMessage(message, outcome.table, outcome.source,
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
  if (!join_.MustHold(*row)) return Show(&*row, &outcome, /*counted=*/false, visitor);
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
  if (const InetSocket* const socket = row.inet(); socket != nullptr) {
    return (!query_.source_port || socket->local_port() == *query_.source_port) &&
           (!query_.destination_port || socket->remote_port() == *query_.destination_port);
  }
  if (query_.source_port || query_.destination_port) return false;
  const Set<SocketType> types = row.unix_socket() != nullptr     ? query_.unix_types
                                : row.packet_socket() != nullptr ? query_.packet_types
                                                                 : Set<SocketType>();
  return types.empty() || types.contains(row.type());
}

void Engine::Impl::Finish(const Walk& walk) {
  const internal::SourceStats stats = internal::StatsOf(walk.source);
  summary_.foreign += stats.foreign;
  summary_.damaged += stats.damaged;
  summary_.interrupted |= stats.interrupted;
  summary_.duplicates += stats.repeated;
  TableOutcome& outcome = summary_.tables[walk.table];
  if (std::holds_alternative<KeptSource>(walk.source)) return;  // its walk has said all
  outcome.doubt = stats.doubt;
  if (outcome.source == SourceKind::kProcfs) {
    outcome.doubt = ErrnoError(EOPNOTSUPP, "/proc/net", "it is read in pieces, and has no cookies");
  }
  if (outcome.source == SourceKind::kReplay) {
    outcome.doubt = ErrnoError(EOPNOTSUPP, "capture", "it does not tell whether it is whole");
  }
  outcome.missing = stats.missing;
  outcome.dumps = stats.dumps;
  outcome.repeated = stats.repeated;
  const auto* const lookups = std::get_if<LookupSource>(&walk.source);
  if (lookups != nullptr) outcome.looked_up = lookups->looked_up();
}

int Engine::Impl::fd() const {
  if (join_.busy() || walks_.empty()) return -1;
  // The step that waits is the one whose turn it was.
  const Walk& walk = walks_[std::min(turn_, walks_.size() - 1)];
  if (!UsesConn(walk.source)) return -1;
  const bool home = IsHome(summary_.tables[walk.table].table.netns);
  return (home ? conns_ : guests_)[walk.conn]->fd();
}

}  // namespace netdiag
