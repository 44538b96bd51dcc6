// Setting up, planning a query, and the public face. Tested by tests/engine/engine_test.cc (replay, fake
// kernel) and tests/live/engine_live_test.cc (the kernel).

#include "netdiag/engine.h"

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <string>
#include <utility>

#include "netdiag/dump/requests.h"
#include "netdiag/engine/engine_impl.h"
#include "netdiag/engine/recorder.h"
#include "netdiag/engine/snapshot_contents.h"
#include "netdiag/netlink/request_builder.h"
#include "netdiag/snapshot.h"
#include "netdiag/types/error.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag {
namespace {

using internal::Wait;
using netlink::CallOptions;
using netlink::Conn;
using netlink::Message;
using netlink::Ready;

// Tables of a capture; it has one a dump, of each namespace sixteen at most. More are damage.
constexpr size_t kMaxReplayTables = 16 * (netlink::kMaxNamespaces + 1);

// Everything but what would come back indistinguishable from something that is not wanted.
StateSet UnfilteredStates(StateSet asked) {
  return (StateSet::All() - State::kBoundInactive) | asked;
}

}  // namespace

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

absl::StatusOr<std::unique_ptr<Conn>> Engine::Impl::DialPrimed(
    const std::optional<netlink::NetNs>& netns) {
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
  shown_table_ = 0;
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
    const bool one_walk = internal::OneDumpCoversBothFamilies(protocol) && conns_.size() <= 1 &&
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
  std::vector<OwnedSocket> held;
  CaptureReader reader(*options_.replay);
  size_t tables = 0;
  bool planned = false;  // the last table met
  for (CaptureRecord record; reader.Next(&record);) {
    if (record.type == CaptureType::kOwner && query_.owners) {
      held.push_back({record.inode,
                      {record.pid, record.start_time, record.fd, record.command, record.thread}});
    }
    if (record.type == CaptureType::kTable) planned = false;
    if (record.type == CaptureType::kNetns && planned) {
      summary_.tables.back().table.netns_name = record.name;
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
    planned = true;
  }
  if (tables == 0) NETDIAG_RETURN_IF_ERROR(reader.status());
  if (!reader.status().ok()) ++summary_.damaged;
  if (query_.owners) join_.Assign(held, &summary_);
  return absl::OkStatus();
}

// What the kernel is told of the query's filter.
internal::KernelPart Engine::Impl::FilterPart(const Table& table) const {
  if (query_.filter == nullptr) return internal::KernelPart();
  return query_.bounded_steps ? internal::MinimalKernelPartOf(*query_.filter, table)
                              : internal::KernelPartOf(*query_.filter, table);
}

DumpRequest Engine::Impl::RequestOf(const Table& table) const {
  internal::KernelPart part = FilterPart(table);
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

absl::StatusOr<std::vector<DestroyOutcome>> Engine::Destroy(std::span<const SocketName> sockets,
                                                            const CallOptions& call) {
  return impl_->Destroy(sockets, call);
}

absl::StatusOr<Snapshot> Engine::Take(const Query& query, const CallOptions& call) {
  auto contents = std::make_unique<internal::SnapshotContents>();
  const auto add = [&](const Row& row) {
    contents->rows.Add(row, contents->tables.Of(row.table()));
    if (query.cgroups) contents->cgroups_of_rows.push_back(row.cgroup());
    return Flow::kContinue;
  };
  NETDIAG_RETURN_IF_ERROR(impl_->Begin(query, Impl::Form::kKept));
  NETDIAG_ASSIGN_OR_RETURN(contents->summary, impl_->RunToEnd(add, call));
  contents->owners = impl_->TakeOwners();
  contents->unix_sockets = impl_->unix_sockets();
  contents->cgroups = impl_->TakeCgroups();
  return Snapshot(std::move(contents));
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
