// The Engine: sets up its parts and leads a query through its states. Tested by
// tests/engine/engine_test.cc (captures) and tests/live/engine_live_test.cc (the kernel).

#include "netdiag/engine.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <new>
#include <string>
#include <utility>

#include "netdiag/capabilities.h"
#include "netdiag/destroy.h"
#include "netdiag/dump/capture.h"
#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/requests.h"
#include "netdiag/dump/tcp_stream.h"
#include "netdiag/dump/unix_index.h"
#include "netdiag/engine/capabilities.h"
#include "netdiag/engine/conns.h"
#include "netdiag/engine/delivery.h"
#include "netdiag/engine/destroy.h"
#include "netdiag/engine/dump_aids.h"
#include "netdiag/engine/namespaces.h"
#include "netdiag/engine/owner_join.h"
#include "netdiag/engine/recorder.h"
#include "netdiag/engine/replay_plan.h"
#include "netdiag/engine/snapshot_contents.h"
#include "netdiag/engine/table_plan.h"
#include "netdiag/engine/test_options.h"
#include "netdiag/engine/walks.h"
#include "netdiag/filter/filter.h"
#include "netdiag/netlink/conn.h"
#include "netdiag/process/cgroup.h"
#include "netdiag/row.h"
#include "netdiag/snapshot.h"
#include "netdiag/socket/socket.h"
#include "netdiag/types/error.h"

namespace netdiag {
namespace {

using internal::OwnerJoin;
using internal::Wait;
using netlink::CallOptions;
using netlink::Conn;
using netlink::Message;
using netlink::Ready;

// Descriptors read between two checks of the caller's deadline.
constexpr size_t kScanSlice = 4096;
// Pending rows shown in one step: as many as a datagram holds.
constexpr size_t kShownSlice = 256;
// The unit of work between two looks at the clock (Budget::cpu_time).
constexpr Budget kUnit = {.datagrams = 1, .descriptors = 64};
// Bytes that may be read ahead. While owners are scanned, the rows that came before wait in an
// OwnerJoin, and this is the rest of 8 MiB; else it is enough to even out the two threads.
constexpr size_t kAheadOfScan = size_t{5} << 20;
constexpr size_t kAhead = size_t{512} << 10;

// The CPU time that the calling thread has used.
std::chrono::nanoseconds ThreadTime() {
  timespec time = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

// One query at a time goes through these states. Next() has every transition; no state is stored,
// so none can contradict the parts:
//   kScan      a scan of owners, or a search for some, is stepped. No row moves meanwhile.
//   kEndScan   a scan on a thread has ended, or nothing else can be done before it ends.
//   kShow      pending rows whose owners are known are shown. No walk is stepped meanwhile.
//   kSearch    a search begins for the owners of a batch of pending rows.
//   kWalk      walks are stepped. Their rows are shown or become pending.
//   kDone      every table is done and no row is pending, or the visitor has stopped the query.
// A scan without a thread comes first, so that rows need not wait for it. A scan on a thread runs
// beside kWalk. The states kShow, kSearch and kScan repeat for every batch.
class Engine::Impl {
 public:
  Impl(EngineOptions options, const internal::TestOptions& test_options);
  absl::Status Open();

  enum class Form : uint8_t {
    kStream,
    kOneByOne,  // no table begins before the one before it has ended: a capture
    kKept,      // rows stay joined to one index: a snapshot
  };
  absl::Status Begin(const Query& query, Form form = Form::kStream);
  // Makes one step in the present state.
  absl::StatusOr<Ready> Advance(Wait wait, const Budget& budget, const CallOptions& call,
                                Visitor visitor);
  // Advances until a unit of work could exceed `cpu_time`.
  absl::StatusOr<Ready> AdvanceFor(std::chrono::nanoseconds cpu_time, Visitor visitor);
  absl::StatusOr<Summary> RunToEnd(Visitor visitor, const CallOptions& call);
  int fd() const;

  absl::Status LookupUnix(Inode inode, Cookie cookie,
                          absl::FunctionRef<void(const UnixSocket&)> visitor);
  std::vector<DestroyOutcome> Destroy(std::span<const SocketName> sockets, const CallOptions& call);
  absl::Status RunIn(NetnsId netns, absl::FunctionRef<absl::Status()> work);
  const Capabilities& capabilities();
  // `uname -r`; for a replay, of the host that made the capture.
  std::string kernel() const;
  NetnsId netns() const { return conns_.home(); }

  const Summary& summary() const { return summary_; }
  const internal::TablePlan& plan(size_t table) const { return walks_.plan(table); }
  // Moves what the rows of the last query were joined with into `contents`.
  void GiveJoins(internal::SnapshotContents* contents);

 private:
  enum class State : uint8_t { kScan, kEndScan, kShow, kSearch, kWalk, kDone };

  bool HomeEnds() const;
  State Next() const;
  absl::Status Plan(const internal::PlanOptions& options, std::vector<internal::TablePlan>* plans);
  void PlanHome(const internal::PlanOptions& options,
                std::vector<internal::TablePlan>* plans) const;
  void NextReplay();
  absl::Status Walk(Wait wait, const Budget& budget, const CallOptions& call, Visitor visitor,
                    Ready* ready);
  void Stop();
  void Leave();

  const EngineOptions options_;
  const internal::TestOptions test_options_;
  internal::Namespaces namespaces_;
  internal::Conns conns_;
  internal::DumpAids aids_;
  OwnerJoin join_;
  internal::Delivery delivery_;
  std::optional<Capabilities> capabilities_;
  // If captures are replayed: that of the last query, and a reader at its beginning, verified.
  std::optional<Bytes> replayed_;
  std::optional<CaptureReader> replay_;
  size_t later_replays_ = 0;  // those that have been used

  // The query that runs.
  Query query_;
  Form form_ = Form::kStream;
  std::shared_ptr<internal::UnixIndex> unix_sockets_;  // null: Query::peers is not set
  Summary summary_;
  internal::Walks walks_;  // last, so that its threads end first
};

Engine::Impl::Impl(EngineOptions options, const internal::TestOptions& test_options)
    : options_(std::move(options)),
      test_options_(test_options),
      conns_({.home = options_.netns,
              .connections = options_.connections,
              .proc_root = options_.proc_root,
              .offline = options_.replay ? ErrnoError(EOPNOTSUPP, "the Engine replays a capture")
                                         : absl::OkStatus()},
             &namespaces_),
      aids_(&conns_),
      join_({.proc_root = options_.proc_root,
             .source = options_.owner_source,
             .threads = options_.threads}),
      delivery_({.proc_root = options_.proc_root, .replays = options_.replay.has_value()}, &join_),
      replayed_(options_.replay) {}

absl::Status Engine::Impl::Open() {
  if (!options_.replay && !options_.later_replays.empty()) {
    return ErrnoError(EINVAL, "EngineOptions::later_replays", "there is no first capture");
  }
  if (options_.owner_source == OwnerSource::kBpf && !options_.replay) join_.Load();
  NETDIAG_RETURN_IF_ERROR(conns_.Open());
  // The summary of each query says why it cannot be loaded.
  if (options_.source == RowSource::kTable && !options_.replay) (void)aids_.LoadedProgram();
  return absl::OkStatus();
}

// Goes on to the capture that answers the query which begins.
void Engine::Impl::NextReplay() {
  if (!replay_) {
    replayed_ = options_.replay;
  } else if (later_replays_ < options_.later_replays.size()) {
    replayed_ = options_.later_replays[later_replays_++];
  } else {
    return;
  }
  replay_.emplace(*replayed_).Verify();
}

// ---- A query ----

absl::Status Engine::Impl::Begin(const Query& query, Form form) {
  if (delivery_.visiting()) {
    return ErrnoError(EDEADLK, "a visitor may not begin another query on its Engine");
  }
  for (const Protocol protocol : query.protocols) {
    if (Names(protocol).protocol == protocol) continue;
    return BadInput("Query::protocols", std::to_string(static_cast<int>(protocol)), "has no table");
  }
  walks_.Drop();
  conns_.Leave();
  namespaces_.Forget();
  join_.Cancel();
  query_ = query;
  if (query_.filter != nullptr) query_.filter->AddNeeds(&query_);
  if (query_.containers) {
    query_.cgroups = true;
    query_.owners |= !options_.replay && HasV1Cgroups(options_.proc_root);
  }
  const bool all = query_.cookies || query_.cgroups || !query_.extensions.empty();
  if (all) query_.depth = Depth::kAll;
  if (query_.owners) query_.depth = std::max(query_.depth, Depth::kBasic);
  form_ = form;
  summary_ = Summary();
  // A capture keeps the order of the tables; its replay can ask for peers.
  const bool keep_unix = query_.peers && form != Form::kOneByOne;
  unix_sockets_ = keep_unix ? std::make_shared<internal::UnixIndex>() : nullptr;
  delivery_.Begin(&query_, /*merge=*/conns_.size() > 1, unix_sockets_.get(), &summary_);

  std::vector<internal::TablePlan> plans;
  NETDIAG_RETURN_IF_ERROR(
      Plan({.connections = conns_.size(),
            .prefer_procfs = test_options_.prefer_procfs || options_.source == RowSource::kProc,
            .keep_unix = keep_unix},
           &plans));
  for (const internal::TablePlan& plan : plans) {
    summary_.tables.push_back({.table = plan.table(),
                               .source = plan.capture  ? SourceKind::kReplay
                                         : plan.stream ? SourceKind::kStream
                                                       : SourceKind::kNetlink});
  }
  internal::WalkContext context = {.conns = &conns_,
                                   .namespaces = &namespaces_,
                                   .aids = &aids_,
                                   .completeness = query_.completeness,
                                   .source = options_.source,
                                   .cookies = query_.cookies};
  if (options_.threads > 1) {
    context.read_ahead = query_.owners ? kAheadOfScan : kAhead;
    // With owners, the second thread's time is the scan's.
    if (!query_.owners && conns_.size() == 1) context.table_programs = 2;
  }
  const size_t limit = form == Form::kOneByOne ? 1 : std::max<size_t>(conns_.size(), 1);
  walks_.Begin(std::move(plans), context, limit, unix_sockets_.get(), &summary_);
  return absl::OkStatus();
}

// Plans every table, and starts or assigns the owners.
absl::Status Engine::Impl::Plan(const internal::PlanOptions& options,
                                std::vector<internal::TablePlan>* plans) {
  if (options_.replay) {
    NextReplay();
    NETDIAG_ASSIGN_OR_RETURN(internal::ReplayPlan replay,
                             internal::PlanReplay(*replay_, query_, options));
    summary_.replay_damage = replay.damage;
    delivery_.Assign(*replayed_, replay.cgroups, replay.programs);
    summary_.owner_error = replay.no_owners;
    if (query_.owners && replay.no_owners.ok()) {
      join_.Assign(replay.held, replay.unheld, !summary_.replay_damage.ok(), &summary_);
    }
    *plans = std::move(replay.tables);
    return absl::OkStatus();
  }
  join_.Begin(query_, form_ == Form::kKept || query_.keep_joins, &summary_);
  if (!query_.load_modules) {
    std::erase_if(query_.protocols, [this](Protocol protocol) {
      return !IsLoaded(Describe(protocol), options_.proc_root);
    });
  }
  if (options_.all_netns) {
    namespaces_.Find(options_.proc_root, conns_.home(), query_.protocols);
  }
  PlanHome(options, plans);
  if (!options_.all_netns) return absl::OkStatus();
  for (const netlink::FoundNetns& netns : namespaces_.list()) {
    internal::AppendPlans(query_, options, netns.id, netns.name, plans);
  }
  if (options_.source != RowSource::kProc) {
    const auto load = [this] { return aids_.LoadedProgram(); };
    // With threads, the first step loads it.
    const auto prepare = [&] {
      return options_.threads > 1 ? aids_.CheckKernelTable() : load().status();
    };
    namespaces_.PlanPasses(*plans, test_options_.guest_plan, aids_.has_program(), prepare, load);
  }
  summary_.netns = namespaces_.stats();
  return absl::OkStatus();
}

// Plans the tables of home, with the stream in the place of TCP.
void Engine::Impl::PlanHome(const internal::PlanOptions& options,
                            std::vector<internal::TablePlan>* plans) const {
  const std::string name(options_.netns ? namespaces_.home_name() : netlink::kOwnNetns);
  const auto append = [&](const Query& query) {
    internal::AppendPlans(query, options, conns_.home(), name, plans);
  };
  const std::vector<Protocol>& protocols = query_.protocols;
  const auto tcp = std::ranges::find(protocols, Protocol::kTcp);
  if (!options_.tcp_stream || tcp == protocols.end()) return append(query_);
  const EngineOptions::TcpStream& stream = *options_.tcp_stream;
  Query others = query_;
  others.protocols.assign(protocols.begin(), tcp);
  append(others);
  if (query_.families.intersects(stream.families)) {
    using Dumps = TcpStreamReader::Dumps;
    const TcpStreamReader reader(stream.bytes, stream.first_dump ? Dumps::kFirst : Dumps::kAll);
    plans->push_back(internal::PlanOfStream(query_, conns_.home(), name, reader, stream.families,
                                            stream.states));
  }
  others.protocols.assign(tcp + 1, protocols.end());
  append(others);
}

// True if the pending rows of home must be shown now, because those of guests come next. Rows that
// are kept are searched for once, all together.
bool Engine::Impl::HomeEnds() const {
  return walks_.leaves_home() && form_ != Form::kKept && !query_.keep_joins;
}

Engine::Impl::State Engine::Impl::Next() const {
  if (summary_.stopped) return State::kDone;
  switch (join_.phase()) {
    case OwnerJoin::Phase::kScanning:
    case OwnerJoin::Phase::kSearching:
      return State::kScan;
    case OwnerJoin::Phase::kScanningOnThread:
      // A dump that is read ahead goes on meanwhile, and its rows need not wait if the scan ends
      // first.
      return walks_.done() || HomeEnds() || walks_.reads_ahead() || join_.full() ||
                     join_.thread_done()
                 ? State::kEndScan
                 : State::kWalk;
    case OwnerJoin::Phase::kNone:
    case OwnerJoin::Phase::kJoined:
      break;
  }
  if (join_.pending().showing()) return State::kShow;
  // While a capture is written, the owners of one table's rows are searched before the next table
  // begins, because the capture stores rows in the order of the tables.
  const bool last = walks_.done() || HomeEnds() || (form_ == Form::kOneByOne && walks_.idle());
  if (join_.MustSearch(last)) return State::kSearch;
  return walks_.done() ? State::kDone : State::kWalk;
}

absl::StatusOr<Ready> Engine::Impl::Advance(Wait wait, const Budget& budget,
                                            const CallOptions& call, Visitor visitor) {
  if (delivery_.visiting()) return ErrnoError(EDEADLK, "a visitor may not step its Engine");
  Ready ready = Ready::kSome;
  switch (Next()) {
    case State::kScan:
      NETDIAG_RETURN_IF_ERROR(CheckCall(call, "owner scan"));
      join_.Step(wait == Wait::kBlock ? kScanSlice : std::max<size_t>(budget.descriptors, 1));
      break;
    case State::kEndScan:
      NETDIAG_RETURN_IF_ERROR(join_.EndThread());
      break;
    case State::kShow:
      join_.ShowPending(kShownSlice, unix_sockets_.get(),
                        [&](Row& row) { return delivery_.ShowPending(&row, visitor); });
      break;
    case State::kSearch:
      join_.Search(unix_sockets_.get());
      break;
    case State::kWalk:
      NETDIAG_RETURN_IF_ERROR(Walk(wait, budget, call, visitor, &ready));
      break;
    case State::kDone:
      break;
  }
  if (summary_.stopped) Stop();
  if (Next() != State::kDone) return ready == Ready::kDone ? Ready::kSome : ready;
  Leave();
  return Ready::kDone;
}

absl::StatusOr<Ready> Engine::Impl::AdvanceFor(std::chrono::nanoseconds cpu_time, Visitor visitor) {
  const std::chrono::nanoseconds begin = ThreadTime();
  std::chrono::nanoseconds longest = {};
  const State state = Next();
  // Starting a walk is a unit of its own: the kernel fills the first datagram then.
  if (state == State::kWalk && walks_.must_start() && !delivery_.visiting()) {
    NETDIAG_RETURN_IF_ERROR(walks_.Start(Wait::kNever, {}));
    if (Next() == state && !walks_.done()) return Ready::kSome;
  }
  for (std::chrono::nanoseconds now = begin;;) {
    const absl::StatusOr<Ready> ready = Advance(Wait::kNever, kUnit, {}, visitor);
    if (!ready.ok() || *ready != Ready::kSome) return ready;
    const std::chrono::nanoseconds before = std::exchange(now, ThreadTime());
    longest = std::max(longest, now - before);
    // How long another kind of work takes is not known yet.
    if (Next() != state || now - begin + longest > cpu_time) return ready;
  }
}

absl::Status Engine::Impl::Walk(Wait wait, const Budget& budget, const CallOptions& call,
                                Visitor visitor, Ready* ready) {
  const auto deliver = [&](const Message& message, const internal::Walk& walk) {
    return delivery_.Deliver(message, walk.plan(), &walk.outcome(), visitor);
  };
  const auto prefetch = [&](const Message& message, const internal::Walk& walk) {
    delivery_.Prefetch(message, walk.plan().table());
  };
  for (size_t i = 0; i < std::max<size_t>(budget.datagrams, 1); ++i) {
    NETDIAG_ASSIGN_OR_RETURN(*ready, walks_.Step(wait, call, {deliver, prefetch}));
    if (*ready != Ready::kSome || summary_.stopped || Next() != State::kWalk) break;
  }
  return absl::OkStatus();
}

absl::StatusOr<Summary> Engine::Impl::RunToEnd(Visitor visitor, const CallOptions& call) {
  // Not for a capture: a row that waits for a scan on a thread could come after its table.
  const bool scanning = join_.phase() == OwnerJoin::Phase::kScanning;
  if (scanning && options_.threads > 1 && form_ != Form::kOneByOne) {
    join_.StartThread([&call] { return CheckCall(call, "owner scan"); });
  }
  // The call's threads and its hold on namespaces end with the call, also if an allocation fails or
  // the visitor throws.
  absl::StatusOr<Ready> ready = Ready::kSome;
  try {
    while (ready.ok() && *ready != Ready::kDone) {
      ready = Advance(Wait::kBlock, {}, call, visitor);
    }
  } catch (...) {
    join_.Cancel();
    Stop();
    throw;
  }
  if (ready.ok()) return std::move(summary_);  // join_ keeps the index for GiveJoins()
  Stop();
  join_.Cancel();
  return ready.status();
}

// Ends the query before its end.
void Engine::Impl::Stop() {
  join_.pending().Drop([this](const Table* table) { delivery_.Uncount(table); });
  walks_.Stop();
  Leave();
}

// Lets the guest namespace go.
void Engine::Impl::Leave() {
  conns_.Leave();
  if (summary_.netns) summary_.netns = namespaces_.stats();
}

int Engine::Impl::fd() const {
  const bool scanning =
      join_.phase() == OwnerJoin::Phase::kScanning || join_.phase() == OwnerJoin::Phase::kSearching;
  return scanning ? -1 : walks_.fd();
}

void Engine::Impl::GiveJoins(internal::SnapshotContents* contents) {
  contents->owners = join_.TakeIndex();
  contents->unix_sockets = unix_sockets_;
  contents->cgroups = delivery_.TakeCgroups();
  contents->programs = delivery_.TakePrograms();
}

// ---- Other questions ----

absl::Status Engine::Impl::LookupUnix(Inode inode, Cookie cookie,
                                      absl::FunctionRef<void(const UnixSocket&)> visitor) {
  // A visitor asks about the namespace of its row.
  NETDIAG_ASSIGN_OR_RETURN(Conn* const conn,
                           conns_.Side(delivery_.visiting().value_or(conns_.home())));
  std::array<std::byte, 64> storage;
  NETDIAG_ASSIGN_OR_RETURN(const Bytes request, internal::EncodeUnixLookup(inode, cookie, storage));
  const absl::Status status = conn->Execute(request, [&](const Message& message) {
    const std::optional<UnixSocket> socket = UnixSocket::Parse(message.payload());
    if (socket) visitor(*socket);
    return Flow::kContinue;
  });
  // The inode belongs to a socket with another cookie.
  if (Errno(status) == ESTALE) return ErrnoError(ENOENT, "unix socket of that cookie");
  return status;
}

std::vector<DestroyOutcome> Engine::Impl::Destroy(std::span<const SocketName> sockets,
                                                  const CallOptions& call) {
  const NetnsId here = delivery_.visiting().value_or(conns_.home());
  return internal::Destroy(&conns_, &aids_, here, sockets, call);
}

absl::Status Engine::Impl::RunIn(NetnsId netns, absl::FunctionRef<absl::Status()> work) {
  if (options_.replay) return ErrnoError(EOPNOTSUPP, "the Engine replays a capture");
  return conns_.RunIn(netns, work);
}

const Capabilities& Engine::Impl::capabilities() {
  if (capabilities_) return *capabilities_;
  if (options_.replay) return capabilities_.emplace(Capabilities{.kernel = kernel()});
  return capabilities_.emplace(internal::ProbeCapabilities(&conns_));
}

std::string Engine::Impl::kernel() const {
  return replayed_ ? internal::KernelOfCapture(*replayed_) : internal::KernelRelease();
}

// ---- The public face ----

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

class internal::EngineOpener {
 public:
  static absl::StatusOr<std::unique_ptr<Engine>> Open(
      EngineOptions options, const internal::TestOptions& test_options) try {
    auto impl = std::make_unique<Engine::Impl>(std::move(options), test_options);
    NETDIAG_RETURN_IF_ERROR(impl->Open());
    return std::unique_ptr<Engine>(new Engine(std::move(impl)));
  } catch (const std::bad_alloc&) {
    return OutOfMemory();
  }
};

absl::StatusOr<std::unique_ptr<Engine>> Engine::Open(EngineOptions options) {
  return internal::EngineOpener::Open(std::move(options), {});
}

absl::StatusOr<std::unique_ptr<Engine>> internal::OpenForTest(EngineOptions options,
                                                              const TestOptions& test_options) {
  return EngineOpener::Open(std::move(options), test_options);
}

absl::Status Engine::Begin(const Query& query) try {
  return impl_->Begin(query);
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}
absl::StatusOr<Ready> Engine::Step(Visitor visitor, const Budget& budget) try {
  if (budget.cpu_time.count() > 0) return impl_->AdvanceFor(budget.cpu_time, visitor);
  return impl_->Advance(Wait::kNever, budget, {}, visitor);
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}
const Summary& Engine::summary() const { return impl_->summary(); }
int Engine::fd() const { return impl_->fd(); }
NetnsId Engine::netns() const { return impl_->netns(); }
const Capabilities& Engine::capabilities() { return impl_->capabilities(); }

std::string Engine::kernel() const { return impl_->kernel(); }

absl::StatusOr<Summary> Engine::Visit(const Query& query, Visitor visitor,
                                      const CallOptions& call) try {
  NETDIAG_RETURN_IF_ERROR(impl_->Begin(query));
  return impl_->RunToEnd(visitor, call);
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

absl::Status Engine::LookupUnix(Inode inode, Cookie cookie,
                                absl::FunctionRef<void(const UnixSocket&)> visitor) try {
  return impl_->LookupUnix(inode, cookie, visitor);
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

std::vector<DestroyOutcome> Engine::Destroy(std::span<const SocketName> sockets,
                                            const CallOptions& call) {
  return impl_->Destroy(sockets, call);
}

absl::Status Engine::RunIn(NetnsId netns, absl::FunctionRef<absl::Status()> work) try {
  return impl_->RunIn(netns, work);
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

absl::StatusOr<Snapshot> Engine::Take(const Query& query, const CallOptions& call) try {
  auto contents = std::make_unique<internal::SnapshotContents>();
  const auto add = [&](const Row& row) {
    contents->rows.Add(row, contents->tables.Of(row.table()));
    if (query.cgroups) contents->cgroups_of_rows.push_back(row.cgroup());
    return Flow::kContinue;
  };
  NETDIAG_RETURN_IF_ERROR(impl_->Begin(query, Impl::Form::kKept));
  NETDIAG_ASSIGN_OR_RETURN(contents->summary, impl_->RunToEnd(add, call));
  impl_->GiveJoins(contents.get());
  const bool programs = contents->programs != nullptr;
  Snapshot snapshot(std::move(contents));
  // Afterwards only known programs are looked up, which threads may do at the same time.
  for (size_t i = 0; programs && i < snapshot.size(); ++i) {
    const Row row = snapshot[i];
    for (const Owner& owner : row.owners()) row.ProgramOf(owner);
    for (const Owner& owner : row.peer_owners()) row.ProgramOf(owner);
  }
  return snapshot;
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

absl::StatusOr<Summary> Engine::Capture(const Query& query, CaptureWriter* writer,
                                        const CallOptions& call) {
  return Capture(
      query, writer, [](const Row&) { return Flow::kContinue; }, call);
}

absl::StatusOr<Summary> Engine::Capture(const Query& query, CaptureWriter* writer, Visitor visitor,
                                        const CallOptions& call) try {
  const std::string kernel = impl_->kernel();
  const auto request_of = [this](size_t table) -> const internal::DumpRequest& {
    return impl_->plan(table).request;
  };
  const auto lookup = [this](const UnixSocket& socket,
                             absl::FunctionRef<void(const UnixSocket&)> found) {
    return impl_->LookupUnix(socket.inode(), socket.cookie(), found);
  };
  internal::Recorder recorder(kernel, query, request_of, lookup, writer);
  NETDIAG_RETURN_IF_ERROR(impl_->Begin(query, Impl::Form::kOneByOne));
  const auto add = [&](const Row& row) {
    const Flow flow = recorder.Add(row, impl_->summary().tables);
    return flow == Flow::kContinue ? visitor(row) : flow;
  };
  NETDIAG_ASSIGN_OR_RETURN(Summary summary, impl_->RunToEnd(add, call));
  NETDIAG_RETURN_IF_ERROR(recorder.Finish(summary.tables));
  return summary;
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

}  // namespace netdiag
