// Tested by tests/dump/lookup_source_test.cc, and over real namespaces by
// tests/live/netns_live_test.cc.

#include "netdiag/dump/lookup_source.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <span>
#include <utility>

#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/exact_requests.h"
#include "netdiag/dump/requests.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {
namespace {

using netlink::CallOptions;
using netlink::Message;
using netlink::Ready;

bool PortsMatch(const DumpRequest& request, const TcpName& name) {
  return (request.source_port == Port() || request.source_port == name.local.port) &&
         (request.destination_port == Port() || request.destination_port == name.remote.port);
}

// True if `message` shows the socket that was asked for. For a connection that has gone, the kernel
// answers with the listener at its port.
bool Answers(const Message& message, const TcpName& name) {
  const auto socket = netlink::Load<inet_diag_msg>(message.payload());
  return socket && socket->idiag_state != static_cast<uint8_t>(State::kListen) &&
         socket->id.idiag_sport == name.local.port.ToNetwork() &&
         socket->id.idiag_dport == name.remote.port.ToNetwork();
}

// The interface that the socket of an answer is bound to.
IfIndex InterfaceOf(const Message& message) {
  return IfIndex(netlink::Load<inet_diag_msg>(message.payload())->id.idiag_if);
}

DumpRequest WithStates(DumpRequest request, StateSet states) {
  request.states = states;
  return request;
}

// An old kernel can refuse a program. It is then asked for every socket.
DumpOptions WithRetry(DumpOptions options) {
  options.retry_without_program = true;
  return options;
}

}  // namespace

LookupSource::LookupSource(netlink::Conn* conn, const DumpRequest& request,
                           std::vector<TcpName> names, const DumpOptions& options)
    : conn_(conn),
      request_(request),
      options_(WithRetry(options)),
      names_(std::move(names)),
      phase_(request.states.contains(State::kListen) ? Phase::kListeners : Phase::kLookups),
      dump_(conn, WithStates(request, State::kListen), options_) {
  std::erase_if(names_, [&](const TcpName& name) {
    const bool half_open = name.state == State::kSynReceived;
    const StateSet states =
        half_open ? StateSet(State::kSynReceived) | State::kNewSynReceived : StateSet(name.state);
    return (states & request.states).empty() || !PortsMatch(request, name);
  });
}

LookupSource LookupSource::Exactly(netlink::Conn* conn, const DumpRequest& request,
                                   const TcpName& name, const DumpOptions& options) {
  LookupSource source(conn, request, {}, options);
  source.names_ = {name};
  source.exactly_ = true;
  source.phase_ = Phase::kLookups;
  return source;
}

absl::Status LookupSource::Begin(const CallOptions& call) {
  return phase_ == Phase::kListeners ? dump_.Begin(call) : absl::OkStatus();
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
  dump_ = NetlinkSource(conn_, request_, options_);
  NETDIAG_RETURN_IF_ERROR(dump_.Begin(call));
  return Ready::kSome;
}

absl::StatusOr<Ready> LookupSource::StepListeners(const StepOptions& how, MessageVisitor visitor) {
  bool stopped = false;
  const auto visit = [&](const Message& message) {
    const Flow flow = visitor(message);
    stopped = flow == Flow::kStop;
    return flow;
  };
  NETDIAG_ASSIGN_OR_RETURN(const Ready ready, dump_.Step(how, visit));
  if (stopped || ready != Ready::kDone) return ready;
  phase_ = Phase::kLookups;
  return Ready::kSome;
}

absl::StatusOr<Ready> LookupSource::LookUp(const CallOptions& call, MessageVisitor visitor) {
  const std::span<const TcpName> batch =
      std::span(names_).subspan(next_, std::min(ExactRequests::kMax, names_.size() - next_));
  if (batch.empty()) return Ready::kDone;
  ExactRequests requests;
  for (const TcpName& name : batch) {
    const InetName asked = {name.local, name.remote, name.interface, std::nullopt};
    NETDIAG_RETURN_IF_ERROR(requests.Add(IdOf(asked), request_.extensions));
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
  return stopped || next_ == names_.size() ? Ready::kDone : Ready::kSome;
}

}  // namespace netdiag::internal
