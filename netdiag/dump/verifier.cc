// Tested by tests/dump/netlink_source_test.cc, and against the kernel by
// tests/live/exact_live_test.cc.

#include "netdiag/dump/verifier.h"

#include <utility>

#include "netdiag/dump/bucket_request.h"
#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/requests.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {
namespace {

using netlink::CallOptions;

constexpr ExtensionSet kLists = {Extension::kPacketFilter, Extension::kPacketMemberships};

bool HasLists(const DumpRequest& request) {
  return request.table.protocol == Protocol::kPacket && request.extensions.intersects(kLists);
}

// True if one dump of SCTP would give an endpoint twice, and first not where its associations are:
// a listener with associations comes among the listeners, and again before its associations
// (sctp_ep_dump(), sctp_sock_dump()).
bool NeedsListenersApart(const DumpRequest& request) {
  return request.table.protocol == Protocol::kSctp && request.states.contains(State::kListen) &&
         request.states != State::kListen;
}

DumpRequest WithoutLists(DumpRequest request) {
  request.extensions = ExtensionSet::FromBits(request.extensions.bits() & ~kLists.bits());
  return request;
}

}  // namespace

Verifier::Verifier(const DumpRequest& asked, const DumpOptions& options)
    : asked_(asked), request_(asked), options_(options) {
  if (NeedsListenersApart(asked)) request_.states = asked.states - State::kListen;
  if (AlwaysHides(asked.table.protocol)) return;
  // Ask for every state and both families: sockets that a request hides cannot be verified, and the
  // extra rows are cheap.
  if (options_.completeness != Completeness::kExact || TestsSockets(asked)) return;
  request_ = Widened();
  request_.extensions = asked.extensions;
}

// The request for every socket in the buckets of what is asked for, as far as this kernel has one.
DumpRequest Verifier::Widened() const {
  DumpRequest request = WidenToBuckets(WithoutLists(asked_));
  if (request.table.families != asked_.table.families &&
      !OneDumpCoversBothFamilies(request.table.protocol)) {
    request.table.families = asked_.table.families;
  }
  return request;
}

void Verifier::Begin() { activity_.Begin(request_, options_.activity, options_.scratch->tcp_rows); }

void Verifier::BeginDump() {
  ++dumps_;
  const bool keep_all = options_.completeness == Completeness::kExact || HasLists(request_) ||
                        ListenersAreLeft() || CanUnhide();
  options_.scratch->tears.Begin(request_, options_.tcp_buckets, keep_all);
}

bool Verifier::Repeats(const netlink::Message& message) {
  if (options_.scratch->tears.Repeats(message)) return true;
  if (!given_) return false;
  const SocketKey key = SocketKey::Of(message, asked_.table.protocol);
  if (settlement_ && !settlement_->census.works()) settlement_->comparison.Add(key);
  return !given_->Insert(key.cookie());
}

absl::StatusOr<Verdict> Verifier::EndDump(netlink::Conn* conn, const CallOptions& call) {
  Tears& tears = options_.scratch->tears;
  tears.End();
  repeated_ += tears.repeated();
  if (asked_.table.protocol == Protocol::kTcp) options_.scratch->tcp_rows = tears.given();
  if (HasLists(request_)) return DumpAgain(WithoutLists(request_));
  if (ListenersAreLeft()) {
    associations_torn_ = tears.report().torn;
    DumpRequest listeners = asked_;
    listeners.states = State::kListen;
    return DumpAgain(std::move(listeners));
  }
  if (associations_torn_) return Verdict::Doubt(kHidden);
  if (!tears.report().torn) return Verdict::Verified();
  return settlement_ ? Settle() : Verify(conn, call);
}

absl::StatusOr<Verdict> Verifier::Verify(netlink::Conn* conn, const CallOptions& call) {
  TearReport& report = options_.scratch->tears.report();
  if (asked_.table.protocol == Protocol::kTipc) return Doubt(kLeftOut);
  if (report.unwitnessed && !activity_.Unchanged()) return Doubt(kBusy);
  if (report.witnesses.empty()) return Verdict::Verified();
  if (report.hidden) return CanUnhide() ? DumpAgain(Widened()) : Doubt(kHidden);
  if (report.restless) return Doubt(kTorn);
  return options_.scratch->witnesses.Begin(conn, Widened(), &report, call);
}

absl::StatusOr<Verdict> Verifier::Step(netlink::Conn* conn, const StepOptions& how) {
  NETDIAG_ASSIGN_OR_RETURN(Verdict verdict, options_.scratch->witnesses.Step(conn, how));
  return verdict.next == Verdict::Next::kDoubt ? Doubt(verdict.reason) : verdict;
}

// True if the present dump is one of SCTP's associations, and the listeners without any are asked
// for too.
bool Verifier::ListenersAreLeft() const {
  return NeedsListenersApart(asked_) && request_.states != State::kListen;
}

// True if another dump can show all that the present one hides, so that it can be verified instead.
// Not of connections: there are too many of them. Not for kExact: a census needs no such dump.
bool Verifier::CanUnhide() const {
  if (options_.completeness == Completeness::kExact || !HidesSockets(request_)) return false;
  const DumpRequest wide = Widened();
  const bool listeners_only = wide.states == StateSet(State::kListen);
  return (wide.table.protocol != Protocol::kTcp || listeners_only) && !HidesSockets(wide);
}

// No check verifies the present dump. Ends with the doubt, or goes on to settle it.
Verdict Verifier::Doubt(std::string_view reason) {
  const bool settles =
      options_.completeness == Completeness::kExact && !AlwaysHides(asked_.table.protocol);
  if (!settles) return Verdict::Doubt(reason);
  return settlement_ ? DumpOnceMore() : BeginSettlement();
}

Verdict Verifier::BeginSettlement() {
  const Tears& tears = options_.scratch->tears;
  if (!given_) given_.emplace();
  for (const SocketKey key : tears.keys()) given_->Insert(key.cookie());
  settlement_.emplace(Settlement{CensusCheck(options_.census, asked_.table),
                                 DumpComparison(tears.keys(), tears.report())});
  CensusCheck& census = settlement_->census;
  census.Count(*given_);
  // Unix sockets move between buckets, so one census does not settle them.
  const bool settled =
      census.works() && census.missing().empty() && asked_.table.protocol != Protocol::kUnix;
  if (settled) return Verdict::Verified();
  request_ = Widened();
  return DumpOnceMore();
}

// Another dump has ended, torn.
Verdict Verifier::Settle() {
  CensusCheck& census = settlement_->census;
  const TearReport& report = options_.scratch->tears.report();
  if (census.works()) {
    census.Update(*given_);
    const bool settled = census.works() && census.missing().empty();
    return settled ? Verdict::Verified() : DumpOnceMore();
  }
  if (settlement_->comparison.EndDump(report)) return Verdict::Verified();
  const bool idle = report.unwitnessed && report.witnesses.empty() && activity_.Unchanged();
  return idle ? Verdict::Verified() : DumpOnceMore();
}

// The same request again, within the limits of a settlement.
Verdict Verifier::DumpOnceMore() {
  if (dumps_ < (settlement_->census.works() ? kMaxCensusDumps : kMaxDumps)) {
    return Verdict::DumpAgain();
  }
  missing_ = settlement_->census.missing().size();
  return Verdict::Doubt(kRestless);
}

// Another dump, of another request, gives what the present dump did not.
Verdict Verifier::DumpAgain(DumpRequest request) {
  if (!given_) given_.emplace();
  for (const SocketKey key : options_.scratch->tears.keys()) given_->Insert(key.cookie());
  request_ = std::move(request);
  return Verdict::DumpAgain();
}

}  // namespace netdiag::internal
