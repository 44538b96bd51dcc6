// Tested by tests/dump/lookup_source_test.cc, and over real namespaces by
// tests/live/netns_live_test.cc.

#include "netdiag/dump/lookup_source.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <span>
#include <utility>

#include "netdiag/dump/exact_requests.h"
#include "netdiag/dump/requests.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {
namespace {

using netlink::CallOptions;
using netlink::Message;
using netlink::Ready;

// True if a dump of these states can give a socket that the table shows in `state`. The table does
// not tell a TIME_WAIT from a closed FIN_WAIT2, so the row that comes is tested again.
bool IsAsked(StateSet states, State state) {
  if (state == State::kTimeWait && states.contains(State::kFinWait2)) return true;
  if (state == State::kNewSynReceived && states.contains(State::kSynReceived)) return true;
  return states.contains(state);
}

bool PortsMatch(const DumpRequest& request, const bpf::TcpTuple& tuple) {
  return (request.source_port == Port() || request.source_port == tuple.local.port) &&
         (request.destination_port == Port() || request.destination_port == tuple.remote.port);
}

// True if `message` shows the socket that was asked for. For a connection that has gone, the kernel
// answers with the listener at its port.
bool Answers(const Message& message, const bpf::TcpTuple& tuple) {
  const auto socket = netlink::Load<inet_diag_msg>(message.payload());
  return socket && socket->idiag_state != static_cast<uint8_t>(State::kListen) &&
         socket->id.idiag_sport == tuple.local.port.ToNetwork() &&
         socket->id.idiag_dport == tuple.remote.port.ToNetwork();
}

// The interface that the socket of an answer is bound to.
IfIndex InterfaceOf(const Message& message) {
  return IfIndex(netlink::Load<inet_diag_msg>(message.payload())->id.idiag_if);
}

DumpRequest WithStates(DumpRequest request, StateSet states) {
  request.states = states;
  return request;
}

// Every listener must be counted, so nothing but the state is tested.
DumpRequest AllListeners(const DumpRequest& request) {
  DumpRequest listeners = WithStates(request, State::kListen);
  listeners.source_port = listeners.destination_port = Port();
  listeners.bytecode.clear();
  return listeners;
}

}  // namespace

LookupSource::LookupSource(netlink::Conn* conn, const DumpRequest& request,
                           std::vector<bpf::TcpTuple> tuples, uint64_t listeners,
                           const DumpOptions& options)
    : conn_(conn),
      request_(request),
      options_(options),
      tuples_(std::move(tuples)),
      listeners_(listeners),
      dump_(conn, AllListeners(request), options) {
  options_.retry_without_program = true;
  std::erase_if(tuples_, [&](const bpf::TcpTuple& tuple) {
    return !IsAsked(request.states, tuple.state) || !PortsMatch(request, tuple);
  });
}

LookupSource LookupSource::Exactly(netlink::Conn* conn, const DumpRequest& request,
                                   const bpf::TcpTuple& tuple, const DumpOptions& options) {
  LookupSource source(conn, request, {}, 0, options);
  source.tuples_ = {tuple};
  source.exactly_ = true;
  source.phase_ = Phase::kLookups;
  return source;
}

absl::Status LookupSource::Begin(const CallOptions& call) {
  return exactly_ ? absl::OkStatus() : dump_.Begin(call);
}

absl::StatusOr<Ready> LookupSource::Step(const StepOptions& how, MessageVisitor visitor) {
  switch (phase_) {
    case Phase::kListeners:
      return StepListeners(how, visitor);
    case Phase::kLookups:
      return LookUp(how.call, visitor);
    case Phase::kDump:
      return dump_.Step(how, visitor);
  }
  return Ready::kDone;
}

absl::StatusOr<Ready> LookupSource::BeginDump(const CallOptions& call) {
  phase_ = Phase::kDump;
  // The listeners have been given, except by Exactly().
  const StateSet states = exactly_ ? request_.states : request_.states - State::kListen;
  dump_ = NetlinkSource(conn_, WithStates(request_, states), options_);
  NETDIAG_RETURN_IF_ERROR(dump_.Begin(call));
  return Ready::kSome;
}

absl::StatusOr<Ready> LookupSource::StepListeners(const StepOptions& how, MessageVisitor visitor) {
  bool stopped = false;
  const auto count = [&](const Message& message) {
    ++seen_;
    const Flow flow = visitor(message);
    stopped = flow == Flow::kStop;
    return flow;
  };
  NETDIAG_ASSIGN_OR_RETURN(const Ready ready, dump_.Step(how, count));
  if (stopped || ready != Ready::kDone) return ready;
  if (seen_ != listeners_) return BeginDump(how.call);
  phase_ = Phase::kLookups;
  return Ready::kSome;
}

absl::StatusOr<Ready> LookupSource::LookUp(const CallOptions& call, MessageVisitor visitor) {
  const std::span<const bpf::TcpTuple> batch =
      std::span(tuples_).subspan(next_, std::min(ExactRequests::kMax, tuples_.size() - next_));
  if (batch.empty()) return Ready::kDone;
  ExactRequests requests;
  for (const bpf::TcpTuple& tuple : batch) {
    const InetName name = {tuple.local, tuple.remote, tuple.interface, std::nullopt};
    NETDIAG_RETURN_IF_ERROR(requests.Add(IdOf(name), request_.extensions));
  }
  next_ += batch.size();
  bool stopped = false;
  bool hidden = false;
  absl::Status refusal;
  const auto take = [&](size_t i, const Message& message) {
    const int errnum = message.errnum().value_or(0);
    if (errnum != 0 && errnum != ENOENT) refusal = ErrnoError(errnum, "TCP lookup");
    if (message.type() < netlink::kFirstType || stopped || !Answers(message, batch[i])) return;
    if (exactly_ && InterfaceOf(message) != batch[i].interface) {
      hidden = true;
      return;
    }
    stopped = visitor(message) == Flow::kStop;
  };
  NETDIAG_RETURN_IF_ERROR(requests.Exchange(conn_, call, take));
  if (exactly_ && (hidden || !refusal.ok())) return BeginDump(call);
  NETDIAG_RETURN_IF_ERROR(refusal);
  return stopped || next_ == tuples_.size() ? Ready::kDone : Ready::kSome;
}

}  // namespace netdiag::internal
