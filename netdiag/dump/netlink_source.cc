// The kernel's answers to dumps: walks, and what proves them or mends them. Tested by
// tests/dump/netlink_source_test.cc, and against the kernel by tests/live/exact_live_test.cc.

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

#include "netdiag/dump/source.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {
namespace {

using netlink::Message;
using netlink::Ready;

// Their answers, of 2 KiB of the kernel's memory each at most, fit into a socket's default receive
// buffer (208 KiB): all of them are queued before the first is read.
constexpr size_t kLookups = 64;

// Reading TCP's activity twice costs 200 µs: less than a hundredth of a dump of so many.
constexpr uint64_t kManyRows = 5000;
// A dump of fewer is likely to be one datagram, which nothing tears.
constexpr uint64_t kSomeRows = 50;

constexpr std::string_view kTorn =
    "sockets went while the kernel was between two datagrams; others may be missing";
constexpr std::string_view kHidden =
    "what the kernel filters hides whether sockets went while it was between two datagrams; some "
    "may be missing";
constexpr std::string_view kUntold =
    "nothing tells whether sockets went while the kernel was between two datagrams; some may be "
    "missing";
constexpr std::string_view kUnproved =
    "the dump took several datagrams while TCP was busy, and nobody asked for the proof that none "
    "is missing";
constexpr std::string_view kRestless = "sockets went during every walk; others may be missing";

bool HasLists(const DumpRequest& request) {
  return request.table.protocol == Protocol::kPacket &&
         (request.extensions.contains(Extension::kPacketFilter) ||
          request.extensions.contains(Extension::kPacketMemberships));
}

DumpRequest WithoutLists(DumpRequest request) {
  uint64_t bits = request.extensions.bits();
  bits &= ~ExtensionSet({Extension::kPacketFilter, Extension::kPacketMemberships}).bits();
  request.extensions = ExtensionSet::FromBits(bits);
  return request;
}

}  // namespace

NetlinkSource::NetlinkSource(netlink::Conn* conn, const DumpRequest& request,
                             const WalkOptions& options)
    : conn_(conn), request_(request), walked_(request), options_(options) {
  if (options_.scratch == nullptr) {
    own_ = std::make_unique<WalkScratch>();
    options_.scratch = own_.get();
  }
  if (request.table.protocol == Protocol::kNetlink) {
    passes_ = std::make_unique<Passes>();
    phase_ = Phase::kPasses;
    return;
  }
  // What is hidden cannot be proved, and these cost little more.
  const bool filters = !request.bytecode.empty() || request.source_port != Port() ||
                       request.destination_port != Port();
  if (options_.completeness == Completeness::kExact && !filters) walked_ = Wide();
}

// The request for all that stands in the same buckets, as far as this kernel can be asked for it.
DumpRequest NetlinkSource::Wide() const {
  DumpRequest request = Tears::Widened(WithoutLists(request_));
  if (request.table.families != request_.table.families && !OneWalkServes(request.table.protocol)) {
    request.table.families = request_.table.families;
  }
  if (more_ == nullptr) request.extensions = request_.extensions;
  return request;
}

absl::Status NetlinkSource::Begin(const CallOptions& call) {
  foreign_before_ = conn_->stats().foreign;
  if (passes_ == nullptr) {
    ReadActivity();
    return BeginWalk(call);
  }
  ++stats_.walks;
  return Send(request_, Detail::kAll, call);
}

absl::Status NetlinkSource::Send(const DumpRequest& request, Detail detail,
                                 const CallOptions& call) {
  std::vector<std::byte>& storage = options_.scratch->requests;
  storage.resize(kMaxRequest + request.bytecode.size());
  const size_t pass = passes_ != nullptr ? passes_->pass() : 0;
  NETDIAG_ASSIGN_OR_RETURN(const Bytes bytes, EncodePass(request, detail, pass, storage));
  return conn_->Send(bytes, call).status();
}

absl::StatusOr<Ready> NetlinkSource::Receive(Wait wait, const CallOptions& call,
                                             MessageVisitor visitor) {
  return wait == Wait::kBlock ? conn_->Receive(visitor, call) : conn_->TryReceive(visitor);
}

absl::StatusOr<Ready> NetlinkSource::Step(Wait wait, const CallOptions& call,
                                          MessageVisitor visitor) {
  switch (phase_) {
    case Phase::kPasses:
      return StepPasses(wait, call, visitor);
    case Phase::kWalk:
      return StepWalk(wait, call, visitor);
    case Phase::kLookups:
      return LookUp(call);
    case Phase::kProof:
      return StepProof(wait, call);
    case Phase::kOver:
      break;
  }
  return Ready::kDone;
}

// ---- Netlink sockets ----

absl::StatusOr<Ready> NetlinkSource::StepPasses(Wait wait, const CallOptions& call,
                                                MessageVisitor visitor) {
  passes_->BeginDatagram();
  NETDIAG_ASSIGN_OR_RETURN(const Ready ready, Receive(wait, call, [&](const Message& message) {
                             return passes_->Add(message, visitor);
                           }));
  if (ready != Ready::kDone || passes_->stopped()) return ready;
  switch (passes_->EndPass(visitor)) {
    case Passes::Next::kAgain:
      ++stats_.walks;
      NETDIAG_RETURN_IF_ERROR(Send(request_, Detail::kAll, call));
      return Ready::kSome;
    case Passes::Next::kUnsettled:
      return GiveUp(kRestless);
    case Passes::Next::kDone:
      break;
  }
  return Ready::kDone;
}

// ---- One walk ----

absl::Status NetlinkSource::BeginWalk(const CallOptions& call) {
  ++stats_.walks;
  phase_ = Phase::kWalk;
  const bool keep_all =
      options_.completeness == Completeness::kExact || HasLists(walked_) || CanUnhide();
  options_.scratch->tears.Begin(walked_, options_.tcp_buckets, keep_all);
  return Send(walked_, Detail::kAll, call);
}

absl::StatusOr<Ready> NetlinkSource::StepWalk(Wait wait, const CallOptions& call,
                                              MessageVisitor visitor) {
  Tears& tears = options_.scratch->tears;
  tears.BeginDatagram();
  NETDIAG_ASSIGN_OR_RETURN(const Ready ready, Receive(wait, call, [&](const Message& message) {
                             return tears.Repeats(message) ? Flow::kContinue
                                                           : Give(message, visitor);
                           }));
  if (ready != Ready::kDone || stopped_) return ready;
  return EndWalk(call);
}

Flow NetlinkSource::Give(const Message& message, MessageVisitor visitor) {
  if (more_ != nullptr) {
    const SocketKey key = SocketKey::Of(message, request_.table.protocol);
    if (more_->settles && !more_->counted) more_->now.insert(key.bits());
    if (!more_->given.Insert(key.cookie())) return Flow::kContinue;
  }
  if (!IsOurs(message)) return Flow::kContinue;
  const Flow flow = visitor(message);
  stopped_ |= flow == Flow::kStop;
  return flow;
}

// A walk of both families shows sockets of the other one.
bool NetlinkSource::IsOurs(const Message& message) const {
  if (walked_.table.families == request_.table.families || message.payload().empty()) return true;
  return request_.table.families.contains(static_cast<Family>(message.payload()[0]));
}

absl::StatusOr<Ready> NetlinkSource::EndWalk(const CallOptions& call) {
  Tears& tears = options_.scratch->tears;
  tears.End();
  stats_.repeated += tears.repeated();
  if (request_.table.protocol == Protocol::kTcp) options_.scratch->tcp_rows = tears.given();
  if (HasLists(walked_)) return WalkInstead(WithoutLists(walked_), call);
  if (tears.whole()) return Settled();
  if (more_ != nullptr && more_->settles) return Settle(call);
  return Prove(call);
}

// Another walk gives what the first one did not, and is proved in its stead.
absl::StatusOr<Ready> NetlinkSource::WalkInstead(const DumpRequest& request,
                                                 const CallOptions& call) {
  if (more_ == nullptr) more_ = std::make_unique<MoreWalks>();
  for (const SocketKey key : options_.scratch->tears.keys()) more_->given.Insert(key.cookie());
  walked_ = request;
  NETDIAG_RETURN_IF_ERROR(BeginWalk(call));
  return Ready::kSome;
}

absl::StatusOr<Ready> NetlinkSource::Settled() {
  stats_.doubt = absl::OkStatus();
  phase_ = Phase::kOver;
  return Ready::kDone;
}

absl::StatusOr<Ready> NetlinkSource::GiveUp(std::string_view why) {
  stats_.doubt = ErrnoError(EAGAIN, "dump of " + Text(request_.table), why);
  phase_ = Phase::kOver;
  return Ready::kDone;
}

// ---- The proof of a walk ----

// Only where it can pay: exact requests prove a short dump sooner, unless rows are hidden.
void NetlinkSource::ReadActivity() {
  if (request_.table.protocol != Protocol::kTcp || options_.activity == nullptr) return;
  const bool hides = Tears::Hides(walked_);
  const uint64_t least = hides ? kSomeRows : kManyRows;
  const std::optional<uint64_t> rows = options_.scratch->tcp_rows;
  // What was whole the last time is likely to be so again.
  if (rows && *rows < least) return;
  activity_ = (*options_.activity)(least);
}

// Nothing can have left the torn buckets: all of them are of connections, and TCP did nothing.
bool NetlinkSource::NothingStirred() const {
  const StateSet others = options_.scratch->tears.states();
  if (!activity_ || others.contains(State::kListen) || others.contains(State::kBoundInactive)) {
    return false;
  }
  return (*options_.activity)(0) == activity_;
}

absl::StatusOr<Ready> NetlinkSource::Prove(const CallOptions& call) {
  const Tears& tears = options_.scratch->tears;
  if (NothingStirred()) return Settled();
  if (tears.hidden()) return CanUnhide() ? WalkInstead(Wide(), call) : Doubt(kHidden, call);
  if (tears.restless()) return Doubt(kTorn, call);
  if (tears.too_full()) return Doubt(kUntold, call);
  if (tears.crowded()) return Doubt(kUntold, call);
  if (tears.connections().empty()) return BeginProof(call);
  const bool many = tears.connections().size() > kFewLookups;
  if (options_.completeness == Completeness::kFast && many) return GiveUp(kUnproved);
  next_ = 0;
  phase_ = Phase::kLookups;
  return Ready::kSome;
}

// Whether another walk can show all that this one hides, so that it is proved instead. A census
// needs none; connections are too many to be walked for this.
bool NetlinkSource::CanUnhide() const {
  if (options_.completeness == Completeness::kExact || !Tears::Hides(walked_)) return false;
  const DumpRequest wide = Wide();
  const bool listens = wide.states == StateSet(State::kListen);
  return (wide.table.protocol != Protocol::kTcp || listens) && !Tears::Hides(wide);
}

// The kernel answers within the send, each request with one datagram, so nothing waits here.
absl::StatusOr<Ready> NetlinkSource::LookUp(const CallOptions& call) {
  const std::span<const ConnectionId> all = options_.scratch->tears.connections();
  const auto batch = all.subspan(next_, std::min(kLookups, all.size() - next_));
  if (batch.empty()) return BeginProof(call);
  std::vector<std::byte>& requests = options_.scratch->requests;
  requests.clear();
  for (uint32_t i = 0; i < batch.size(); ++i) {
    NETDIAG_RETURN_IF_ERROR(AppendLookup(batch[i], i + 1, &requests));
  }
  NETDIAG_RETURN_IF_ERROR(conn_->Write(requests, call).status());
  next_ += batch.size();
  size_t found = 0;
  for (size_t i = 0; i < batch.size(); ++i) {
    NETDIAG_RETURN_IF_ERROR(conn_->ReceiveDatagram(
        [&](const netlink::Datagram& datagram) {
          netlink::MessageCursor messages(datagram.bytes);
          // The cookie was in the request: whatever else is there now is ENOENT.
          for (Message message; messages.Next(&message);) {
            found += message.type() >= netlink::kFirstType ? 1 : 0;
          }
        },
        call));
  }
  return found == batch.size() ? Ready::kSome : Doubt(kTorn, call);
}

// The torn part of the table, or all of it, is walked for the witnesses.
absl::StatusOr<Ready> NetlinkSource::BeginProof(const CallOptions& call) {
  Tears& tears = options_.scratch->tears;
  std::vector<SocketKey>& witnesses = tears.witnesses();
  if (witnesses.empty()) return Settled();
  std::ranges::sort(witnesses);
  witnesses.erase(std::unique(witnesses.begin(), witnesses.end()), witnesses.end());
  options_.scratch->met.assign(witnesses.size(), 0);
  DumpRequest request = Wide();
  request.extensions = {};
  if (!tears.states().empty()) request.states = tears.states();
  std::vector<std::byte>& program = options_.scratch->program;
  PutPortsProgram(tears.ports(), &program);
  request.bytecode.swap(program);
  phase_ = Phase::kProof;
  const absl::Status sent = Send(request, Detail::kKeys, call);
  request.bytecode.swap(program);
  NETDIAG_RETURN_IF_ERROR(sent);
  return Ready::kSome;
}

absl::StatusOr<Ready> NetlinkSource::StepProof(Wait wait, const CallOptions& call) {
  const std::vector<SocketKey>& witnesses = options_.scratch->tears.witnesses();
  std::vector<char>& met = options_.scratch->met;
  NETDIAG_ASSIGN_OR_RETURN(const Ready ready, Receive(wait, call, [&](const Message& message) {
                             const SocketKey key = SocketKey::Of(message, request_.table.protocol);
                             const auto witness = std::ranges::lower_bound(witnesses, key);
                             if (witness != witnesses.end() && *witness == key) {
                               met[static_cast<size_t>(witness - witnesses.begin())] = 1;
                             }
                             return Flow::kContinue;
                           }));
  if (ready != Ready::kDone) return ready;
  return std::ranges::find(met, 0) == met.end() ? Settled() : Doubt(kTorn, call);
}

// ---- Where there is no proof ----

absl::StatusOr<Ready> NetlinkSource::Doubt(std::string_view why, const CallOptions& call) {
  const Protocol protocol = request_.table.protocol;
  if (options_.completeness != Completeness::kExact || protocol == Protocol::kMptcp) {
    return GiveUp(why);
  }
  const Tears& tears = options_.scratch->tears;
  if (more_ == nullptr) more_ = std::make_unique<MoreWalks>();
  if (more_->settles) return WalkAgain(call);  // one more walk was not proved
  more_->settles = true;
  for (const SocketKey key : tears.keys()) {
    more_->given.Insert(key.cookie());
    more_->before.insert(key.bits());
  }
  more_->compares = !tears.hidden() && !tears.restless();
  // No census counts bound idle sockets.
  if (!tears.states().contains(State::kBoundInactive)) {
    more_->counted = true;
    if (!Missing(/*first=*/true) && more_->counted && protocol != Protocol::kUnix) {
      return Settled();
    }
  }
  walked_ = Wide();
  return WalkAgain(call);
}

// Another walk has ended, torn.
absl::StatusOr<Ready> NetlinkSource::Settle(const CallOptions& call) {
  Tears& tears = options_.scratch->tears;
  if (more_->counted) {
    if (Missing(/*first=*/false) || !more_->counted) return WalkAgain(call);
    return Settled();
  }
  const auto& now = more_->now;
  const bool all = std::ranges::all_of(more_->before, [&](uint64_t k) { return now.contains(k); });
  if (more_->compares && all && !tears.crowded()) return Settled();
  more_->compares = !tears.hidden() && !tears.restless();
  more_->before = std::exchange(more_->now, {});
  // Connections prove the walk that they are of.
  const bool provable = tears.witnesses().empty() && !tears.connections().empty();
  return provable ? Prove(call) : WalkAgain(call);
}

absl::StatusOr<Ready> NetlinkSource::WalkAgain(const CallOptions& call) {
  if (stats_.walks >= (more_->counted ? kMaxCensusWalks : kMaxWalks)) {
    stats_.unsettled = more_->missing.size();
    return GiveUp(kRestless);
  }
  NETDIAG_RETURN_IF_ERROR(BeginWalk(call));
  return Ready::kSome;
}

// Whether sockets live that a census counted, at the first time or since, and no walk gave. Without
// a census `counted` becomes false.
bool NetlinkSource::Missing(bool first) {
  absl::flat_hash_set<uint64_t>& missing = more_->missing;
  absl::erase_if(missing, [&](uint64_t cookie) { return more_->given.Contains(cookie); });
  // A unix socket that was bound during the first census can have moved to where that had been.
  const bool recounts = !first && request_.table.protocol == Protocol::kUnix && !more_->recounted;
  if (!first && missing.empty() && !recounts) return false;
  const absl::StatusOr<std::vector<bpf::CountedSocket>> all =
      options_.census != nullptr
          ? (*options_.census)(request_.table)
          : absl::StatusOr<std::vector<bpf::CountedSocket>>(ErrnoError(EOPNOTSUPP, "census"));
  more_->counted = all.ok();
  if (!all.ok()) return true;
  absl::flat_hash_set<uint64_t> still;
  for (const bpf::CountedSocket& socket : *all) {
    if (!Asks(socket) || more_->given.Contains(socket.cookie)) continue;
    if (first || recounts || missing.contains(socket.cookie)) still.insert(socket.cookie);
  }
  more_->recounted |= recounts;
  missing = std::move(still);
  return !missing.empty();
}

// Whether a walk of what is asked for shows it, whatever else the kernel filters.
bool NetlinkSource::Asks(const bpf::CountedSocket& socket) const {
  if (!request_.table.families.contains(socket.family)) return false;
  if (request_.table.protocol != Protocol::kTcp) return true;
  const bool listens = socket.state == State::kListen;
  const StateSet states = walked_.states;
  return listens ? states.contains(State::kListen)
                 : !(states - State::kListen - State::kBoundInactive).empty();
}

SourceStats NetlinkSource::stats() const {
  SourceStats stats = stats_;
  stats.foreign = conn_->stats().foreign - foreign_before_;
  stats.interrupted = conn_->progress().interrupted;
  return stats;
}

}  // namespace netdiag::internal
