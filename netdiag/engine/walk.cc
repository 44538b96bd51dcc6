// Tested by tests/live/engine_live_test.cc, tests/live/netns_live_test.cc and
// tests/engine/engine_test.cc.

#include "netdiag/engine/walk.h"

#include <cerrno>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "netdiag/dump/kernel_protocols.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {
namespace {

using netlink::CallOptions;
using netlink::Conn;
using netlink::Ready;

// A dump with more datagrams than this is worth a thread that reads ahead.
constexpr size_t kDatagramsBeforeThread = 2;
// If two threads read a table, they divide it into so many parts.
constexpr uint32_t kTableParts = 16;

absl::StatusOr<ProcfsSource> OpenProcfs(const TablePlan& plan, Conns* conns) {
  const Table& table = plan.table();
  if (conns->IsHome(table.netns)) NETDIAG_RETURN_IF_ERROR(conns->CheckThread());
  if (plan.asks_bpf_storages()) {
    return ErrnoError(EPERM, "BPF storages, " + Text(table),
                      "only the kernel's dump reports them, and only with CAP_BPF or "
                      "CAP_SYS_ADMIN in the first user namespace");
  }
  if (!plan.ProcfsCanAnswer()) {
    return ErrnoError(EPERM, "filter by mark, " + Text(table),
                      "only the kernel's dump reports marks, and only with CAP_NET_ADMIN");
  }
  return ProcfsSource::Open(
      plan.request, [&](std::string_view file) { return conns->OpenProcNet(table.netns, file); });
}

// Opens /proc/net instead of a dump that the kernel refused. If /proc/net lacks the table too, the
// error is the explained refusal.
absl::StatusOr<ProcfsSource> FallBack(const TablePlan& plan, Conns* conns,
                                      const absl::Status& refusal, TableOutcome* outcome) {
  const absl::Status explained = ExplainRefusal(refusal, plan.table());
  if (!IsUnsupported(refusal) && !IsPermission(refusal)) return explained;
  absl::StatusOr<ProcfsSource> source = OpenProcfs(plan, conns);
  if (!source.ok()) return plan.ProcfsCanAnswer() ? explained : source.status();
  outcome->source = SourceKind::kProcfs;
  outcome->refusal = explained;
  return source;
}

// The number of XDP sockets of the namespace that are not in its dump, which gave `given`. The
// kernel ends the dump at the first socket that is not bound yet (xsk_diag_fill(), 5.18).
uint64_t XdpSocketsLeftOut(uint64_t given, NetnsId netns, Conns* conns) {
  std::string list;
  const absl::Status status = conns->RunIn(netns, [&] {
    list = ReadKernelProtocols(conns->proc_root());
    return absl::OkStatus();
  });
  const uint64_t living = status.ok() ? SocketsOf("XDP", list).value_or(0) : 0;
  return living > given ? living - given : 0;
}

// The pass that reads the table together with those of other namespaces; null: there is none.
std::shared_ptr<GuestPass> PassOf(const TablePlan& plan, const WalkContext& context) {
  if (context.source == RowSource::kProc || context.conns->IsHome(plan.table().netns)) {
    return nullptr;
  }
  std::shared_ptr<GuestPass> pass = context.namespaces->PassOf(plan.table().protocol);
  return pass != nullptr && pass->Has(plan.table().netns) ? pass : nullptr;
}

// Exact lookups instead of a dump, where the two are equivalent.
std::optional<LookupSource> PlanLookups(const TablePlan& plan, Conn* conn,
                                        const DumpOptions& options, const WalkContext& context) {
  if (!plan.LookupsCanAnswer()) return std::nullopt;
  if (plan.ends) {
    const TcpName name = {plan.ends->local, plan.ends->remote, plan.ends->interface};
    return LookupSource::Exactly(conn, plan.request, name, options);
  }
  const std::shared_ptr<GuestPass> pass = PassOf(plan, context);
  // A pass that could not be settled lacks sockets.
  if (pass == nullptr || !pass->done() || !pass->doubt().ok()) return std::nullopt;
  return LookupSource(conn, plan.request, pass->NamesOf(plan.table()), options);
}

// OK, or why the kernel's table cannot answer. `cookies`: they are asked for.
absl::Status CheckKernelTable(const TablePlan& plan, bool cookies) {
  NETDIAG_RETURN_IF_ERROR(KernelTableSource::CanAnswer(plan.request));
  const std::string what = "reading the kernel's table, " + Text(plan.table());
  if (cookies) {
    return ErrnoError(EOPNOTSUPP, what,
                      "cookies are asked for, which only a dump gives to every socket");
  }
  if (!plan.needs_net_admin) return absl::OkStatus();
  return ErrnoError(EOPNOTSUPP, what, "the filter reads marks");
}

// True if the kernel's table may cost less than what the Engine would ask the kernel otherwise.
bool MayPreferTable(const TablePlan& plan, const WalkContext& context) {
  if (context.source != RowSource::kAuto || !context.may_wait || context.cookies) return false;
  // A lookup finds the only connection that can match, a dump of listeners walks no connections,
  // and a dump with a program sends only what matches.
  if (plan.ends || plan.request.states == State::kListen) return false;
  return !plan.has_program() || context.completeness == Completeness::kExact;
}

// The pass whose rows a reading of this table of the Engine's own namespace gives besides; null:
// none.
std::shared_ptr<GuestPass> PassBesides(const TablePlan& plan, const WalkContext& context) {
  if (!context.conns->IsHome(plan.table().netns)) return nullptr;
  std::shared_ptr<GuestPass> pass = context.namespaces->PassOf(plan.table().protocol);
  const bool shares = context.namespaces->HomeShares(plan.table().protocol);
  return shares && pass != nullptr && pass->AsksFor(plan.request) ? pass : nullptr;
}

// The kernel's table. nullopt: it is to be dumped. An error says why it must be dumped.
absl::StatusOr<std::optional<KernelTableSource>> OpenKernelTable(
    const TablePlan& plan, const WalkContext& context, const std::shared_ptr<GuestPass>& besides) {
  const bool told = context.source == RowSource::kTable;
  if (!told && !MayPreferTable(plan, context)) return std::nullopt;
  NETDIAG_RETURN_IF_ERROR(CheckKernelTable(plan, context.cookies));
  size_t programs = context.table_programs;
  if (!told) {
    programs = context.aids->TableProgramsFor(plan.request, context.completeness, programs,
                                              *context.namespaces);
  }
  if (programs == 0) return std::nullopt;
  NETDIAG_RETURN_IF_ERROR(context.aids->CheckKernelTable());
  // With threads, each loads a program at the same time, in its first step.
  std::shared_ptr<TableProgram> program = context.aids->SpareProgram();
  if (context.read_ahead == 0) NETDIAG_RETURN_IF_ERROR(program->Get().status());
  return KernelTableSource(std::move(program), plan.request, programs > 1 ? kTableParts : 1,
                           besides == nullptr ? std::span<const NetnsId>() : besides->namespaces());
}

}  // namespace

bool EndsCall(const absl::Status& status) { return IsTimeout(status) || IsCancelled(status); }

absl::StatusOr<std::optional<Walk>> Walk::Start(const TablePlan& plan, size_t slot,
                                                const WalkContext& context, const CallOptions& call,
                                                TableOutcome* outcome) {
  const auto with = [&](Source source) {
    return Walk(plan, slot, context, outcome, std::move(source));
  };
  if (plan.capture) return with(ReplaySource(*plan.capture, plan.table()));
  if (plan.stream) return with(StreamSource(*plan.stream));
  const NetnsId netns = plan.table().netns;
  if (!context.conns->IsHome(netns) && context.namespaces->IsEmpty(plan.request)) {
    return std::nullopt;
  }
  if (plan.only_procfs) {
    NETDIAG_ASSIGN_OR_RETURN(ProcfsSource source, OpenProcfs(plan, context.conns));
    outcome->source = SourceKind::kProcfs;
    return with(std::move(source));
  }
  absl::StatusOr<Walk> walk = StartDump(plan, slot, context, call, outcome);
  if (walk.ok()) return *std::move(walk);
  if (EndsCall(walk.status()) || context.namespaces->Vanished(netns)) return walk.status();
  NETDIAG_ASSIGN_OR_RETURN(ProcfsSource source,
                           FallBack(plan, context.conns, walk.status(), outcome));
  return with(std::move(source));
}

absl::StatusOr<Walk> Walk::StartDump(const TablePlan& plan, size_t slot, const WalkContext& context,
                                     const CallOptions& call, TableOutcome* outcome) {
  if (std::shared_ptr<GuestPass> pass = PassOf(plan, context)) {
    outcome->source = SourceKind::kTable;
    return Walk(plan, slot, context, outcome,
                GuestSource(std::move(pass), plan.table(), context.cookies,
                            CheckKernelTable(plan, /*cookies=*/false)));
  }
  std::shared_ptr<GuestPass> besides = PassBesides(plan, context);
  absl::StatusOr<std::optional<KernelTableSource>> table = OpenKernelTable(plan, context, besides);
  if (table.ok() && *table) {
    outcome->source = SourceKind::kTable;
    Walk walk(plan, slot, context, outcome, **std::move(table));
    walk.besides_ = std::move(besides);
    return walk;
  }
  if (context.source == RowSource::kTable) outcome->no_table = table.status();
  NETDIAG_ASSIGN_OR_RETURN(Source source, OpenDump(plan, slot, context, call));
  return Walk(plan, slot, context, outcome, std::move(source));
}

absl::StatusOr<Source> Walk::OpenDump(const TablePlan& plan, size_t slot,
                                      const WalkContext& context, const CallOptions& call) {
  NETDIAG_ASSIGN_OR_RETURN(Conn* const conn, context.conns->For(plan.table().netns, slot));
  DumpOptions options = context.aids->For(plan.table(), context.completeness, slot);
  if (std::optional<LookupSource> lookups = PlanLookups(plan, conn, options, context)) {
    NETDIAG_RETURN_IF_ERROR(lookups->Begin(call));
    return *std::move(lookups);
  }
  // An old kernel can refuse the filter's program. It is then asked for every socket.
  options.retry_without_program = plan.CanDropProgram();
  NetlinkSource dump(conn, plan.request, options);
  NETDIAG_RETURN_IF_ERROR(dump.Begin(call));
  return dump;
}

Walk Walk::OverKept(const TablePlan& plan, const UnixIndex& index, uint32_t table,
                    const WalkContext& context, TableOutcome* outcome) {
  outcome->rows = 0;  // counted again when they are delivered
  return Walk(plan, std::numeric_limits<size_t>::max(), context, outcome,
              KeptSource(&index, table));
}

absl::StatusOr<Ready> Walk::Step(const StepOptions& how, MessageVisitor deliver) {
  NETDIAG_RETURN_IF_ERROR(CheckCall(how.call, "listing sockets"));
  if (how.wait == Wait::kBlock && context_->read_ahead > 0) AddThread(how.call);
  const bool can_wait = UsesConn(source_);
  const absl::StatusOr<Ready> ready =
      besides_ == nullptr ? internal::Step(&source_, how, deliver) : StepBesides(how, deliver);
  if (ready.ok()) return ready;
  if (can_wait && EndsCall(ready.status())) return ready;
  if (besides_ != nullptr) std::exchange(besides_, nullptr)->Clear();
  return Recover(ready.status(), how.call);
}

// The rows of the other namespaces are kept for their own walks.
absl::StatusOr<Ready> Walk::StepBesides(const StepOptions& how, MessageVisitor deliver) {
  bool stopped = false;
  const auto visit = [&](const netlink::Message& message) {
    if (message.header().port_id != 0) {
      besides_->Keep(message);
      return Flow::kContinue;
    }
    const Flow flow = deliver(message);
    stopped = flow == Flow::kStop;
    return flow;
  };
  NETDIAG_ASSIGN_OR_RETURN(const Ready ready, internal::Step(&source_, how, visit));
  if (ready == Ready::kDone && !stopped) {
    std::exchange(besides_, nullptr)->Finish(StatsOf(source_).doubt);
  }
  return ready;
}

// The source failed. A dump takes the place of the kernel's table, and /proc/net that of a dump,
// only if no row has come; otherwise rows could come twice.
absl::StatusOr<Ready> Walk::Recover(const absl::Status& failure, const CallOptions& call) {
  outcome_->status = failure;
  if (outcome_->source == SourceKind::kTable && outcome_->rows == 0) {
    if (context_->source == RowSource::kTable) outcome_->no_table = failure;
    outcome_->source = SourceKind::kNetlink;
    absl::StatusOr<Source> dump = OpenDump(*plan_, slot_, *context_, call);
    if (EndsCall(dump.status())) return dump.status();
    if (!dump.ok() && !context_->namespaces->Vanished(plan_->table().netns)) {
      return Recover(dump.status(), call);
    }
    outcome_->status = absl::OkStatus();
    if (!dump.ok()) return Ready::kDone;
    source_ = *std::move(dump);
    return Ready::kSome;
  }
  if (outcome_->source != SourceKind::kNetlink) return Ready::kDone;
  outcome_->status = ExplainRefusal(failure, plan_->table());
  if (outcome_->rows > 0) return Ready::kDone;
  absl::StatusOr<ProcfsSource> instead = FallBack(*plan_, context_->conns, failure, outcome_);
  outcome_->status = instead.status();
  if (!instead.ok()) return Ready::kDone;
  source_ = *std::move(instead);
  return Ready::kSome;
}

// Continues a long dump, or begins a table, on a thread of its own.
void Walk::AddThread(const CallOptions& call) {
  const size_t step = steps_++;
  auto* const table = std::get_if<KernelTableSource>(&source_);
  if (table != nullptr && step == 0) return AddThreadToTable(table, call);
  auto* const dump = std::get_if<NetlinkSource>(&source_);
  if (dump == nullptr || step != kDatagramsBeforeThread) return;
  // A census enters the namespace, and only the Engine's thread may enter a guest.
  const bool home = context_->conns->IsHome(plan_->table().netns);
  if (!home && context_->completeness == Completeness::kExact) return;
  absl::StatusOr<AheadSource> ahead = AheadSource::Start(dump, call, context_->read_ahead);
  if (ahead.ok()) source_ = *std::move(ahead);
}

void Walk::AddThreadToTable(KernelTableSource* table, const CallOptions& call) {
  if (!table->divided()) {
    absl::StatusOr<AheadSource> ahead = AheadSource::Start(table, call, context_->read_ahead);
    if (ahead.ok()) source_ = *std::move(ahead);
    return;
  }
  KernelTableSource beside = table->Beside(context_->aids->SpareProgram());
  absl::StatusOr<AheadSource> ahead = AheadSource::Start(&beside, call, context_->read_ahead);
  if (ahead.ok()) source_ = SplitSource(std::move(*table), *std::move(ahead));
}

void Walk::Finish(Summary* summary) const {
  const SourceStats stats = StatsOf(source_);
  summary->foreign += stats.foreign;
  summary->damaged += stats.damaged;
  summary->interrupted |= stats.interrupted;
  summary->duplicates += stats.repeated;
  // The walk that kept the sockets has filled in the outcome.
  if (std::holds_alternative<KeptSource>(source_)) return;
  TableOutcome& outcome = *outcome_;
  outcome.doubt = stats.doubt;
  if (outcome.source == SourceKind::kProcfs) {
    outcome.doubt = ErrnoError(EOPNOTSUPP, "/proc/net",
                               "sockets may be missing: it is read in pieces, without cookies");
  }
  if (outcome.source == SourceKind::kReplay && !plan_->capture_is_whole) {
    outcome.doubt = ErrnoError(EOPNOTSUPP, "capture",
                               "sockets may be missing: a capture does not record whether it is "
                               "complete");
  }
  if (outcome.source == SourceKind::kStream) {
    outcome.doubt = ErrnoError(EOPNOTSUPP, "stream of TCP sockets",
                               "sockets may be missing: it does not tell whether it is complete");
  }
  outcome.missing = stats.missing;
  const Table& table = plan_->table();
  const bool xdp_dump = table.protocol == Protocol::kXdp && outcome.source == SourceKind::kNetlink;
  if (xdp_dump && outcome.status.ok() && !summary->stopped) {
    outcome.missing = XdpSocketsLeftOut(stats.given, table.netns, context_->conns);
    if (outcome.missing > 0) {
      outcome.doubt = ErrnoError(EAGAIN, "dump of xdp",
                                 "sockets are missing: the kernel ends the list at the first one "
                                 "that is not bound yet");
    }
  }
  const bool idle_asked = table.protocol == Protocol::kTcp &&
                          outcome.source == SourceKind::kNetlink &&
                          plan_->request.states.contains(State::kBoundInactive);
  if (idle_asked && outcome.status.ok() && outcome.doubt.ok()) {
    outcome.doubt = context_->aids->idle_tcp();
  }
  outcome.dumps = stats.dumps;
  outcome.repeated = stats.repeated;
  const auto* const lookups = std::get_if<LookupSource>(&source_);
  if (lookups != nullptr) outcome.looked_up = lookups->looked_up();
}

std::optional<size_t> Walk::slot() const {
  return std::holds_alternative<KeptSource>(source_) ? std::nullopt : std::optional(slot_);
}

bool Walk::keeps() const {
  return plan_->kept_for_peers && !std::holds_alternative<KeptSource>(source_);
}

int Walk::fd() const {
  return UsesConn(source_) ? context_->conns->fd(plan_->table().netns, slot_) : -1;
}

}  // namespace netdiag::internal
