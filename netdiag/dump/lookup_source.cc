// LookupSource. Tested by tests/dump/lookup_source_test.cc and, over real namespaces, by
// tests/live/netns_live_test.cc.

#include <algorithm>
#include <cerrno>
#include <utility>

#include "netdiag/dump/source.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {
namespace {

using netlink::CallOptions;
using netlink::Message;
using netlink::Ready;

// Their answers, 2 KiB of the kernel's memory each at most, must fit into a socket's default
// receive buffer (208 KiB): all of them are queued before the first is read.
constexpr size_t kBatch = 48;

// Whether a dump of these states would give a socket in `state`. TIME_WAIT does not say which of
// two it is reported as; what comes is looked at again.
bool Asked(StateSet states, State state) {
  if (state == State::kTimeWait && states.contains(State::kFinWait2)) return true;
  if (state == State::kNewSynReceived && states.contains(State::kSynReceived)) return true;
  return states.contains(state);
}

bool PortsMatch(const DumpRequest& request, const bpf::TcpTuple& tuple) {
  return (request.source_port == Port() || request.source_port == tuple.local.port) &&
         (request.destination_port == Port() || request.destination_port == tuple.remote.port);
}

// Whether `message` is the socket that was asked for, and not the listener that the kernel finds
// when there is no such connection any more.
bool Answers(const Message& message, const bpf::TcpTuple& tuple) {
  const auto socket = netlink::Load<inet_diag_msg>(message.payload());
  return socket && socket->idiag_state != static_cast<uint8_t>(State::kListen) &&
         socket->id.idiag_sport == tuple.local.port.ToNetwork() &&
         socket->id.idiag_dport == tuple.remote.port.ToNetwork();
}

// What an answer's socket is bound to.
IfIndex InterfaceOf(const Message& message) {
  return IfIndex(netlink::Load<inet_diag_msg>(message.payload())->id.idiag_if);
}

}  // namespace

LookupSource::LookupSource(netlink::Conn* conn, const DumpRequest& request,
                           std::vector<bpf::TcpTuple> tuples, uint64_t listeners,
                           const WalkOptions& options)
    : conn_(conn),
      request_(request),
      options_(options),
      tuples_(std::move(tuples)),
      listeners_(listeners),
      dump_(conn, WithStates(State::kListen), options) {
  std::erase_if(tuples_, [&](const bpf::TcpTuple& tuple) {
    return !Asked(request.states, tuple.state) || !PortsMatch(request, tuple);
  });
  // Every listener is to be counted.
  DumpRequest listening = WithStates(State::kListen);
  listening.source_port = listening.destination_port = Port();
  listening.bytecode.clear();
  dump_ = NetlinkSource(conn, listening, options);
}

DumpRequest LookupSource::WithStates(StateSet states) const {
  DumpRequest request = request_;
  request.states = states;
  return request;
}

LookupSource LookupSource::Exactly(netlink::Conn* conn, const DumpRequest& request,
                                   const bpf::TcpTuple& tuple, const WalkOptions& options) {
  LookupSource source(conn, request, {}, 0, options);
  source.tuples_ = {tuple};
  source.exactly_ = true;
  source.phase_ = Phase::kLookups;
  return source;
}

absl::Status LookupSource::Begin(const CallOptions& options) {
  return exactly_ ? absl::OkStatus() : dump_.Begin(options);
}

absl::StatusOr<Ready> LookupSource::Step(Wait wait, const CallOptions& options,
                                         MessageVisitor visitor) {
  switch (phase_) {
    case Phase::kListeners:
      return DumpListeners(wait, options, visitor);
    case Phase::kLookups:
      return LookUp(options, visitor);
    case Phase::kWalk:
      return StepWalk(wait, options, visitor);
  }
  return Ready::kDone;
}

absl::StatusOr<Ready> LookupSource::BeginWalk(const CallOptions& options) {
  phase_ = Phase::kWalk;
  heard_ = 0;
  // The listeners have been shown.
  dump_ = NetlinkSource(conn_, exactly_ ? request_ : WithStates(request_.states - State::kListen),
                        options_);
  NETDIAG_RETURN_IF_ERROR(dump_.Begin(options));
  return Ready::kSome;
}

absl::StatusOr<Ready> LookupSource::StepWalk(Wait wait, const CallOptions& options,
                                             MessageVisitor visitor) {
  absl::StatusOr<Ready> ready = dump_.Step(wait, options, [&](const Message& message) {
    ++heard_;
    return visitor(message);
  });
  const bool refused = Errno(ready.status()) == EINVAL || IsPermission(ready.status());
  if (ready.ok() || !refused || heard_ > 0 || request_.bytecode.empty()) return ready;
  // A kernel that knows less than the program asks.
  request_.bytecode.clear();
  return BeginWalk(options);
}

absl::StatusOr<Ready> LookupSource::DumpListeners(Wait wait, const CallOptions& options,
                                                  MessageVisitor visitor) {
  bool stopped = false;
  const auto count = [&](const Message& message) {
    ++heard_;
    const Flow flow = visitor(message);
    stopped = flow == Flow::kStop;
    return flow;
  };
  NETDIAG_ASSIGN_OR_RETURN(const Ready ready, dump_.Step(wait, options, count));
  if (stopped || ready != Ready::kDone) return ready;
  if (heard_ != listeners_) return BeginWalk(options);
  phase_ = Phase::kLookups;
  return Ready::kSome;
}

// The kernel answers within the send, each request with one datagram, so nothing waits here.
absl::StatusOr<Ready> LookupSource::LookUp(const CallOptions& options, MessageVisitor visitor) {
  const std::span<const bpf::TcpTuple> batch =
      std::span(tuples_).subspan(next_, std::min(kBatch, tuples_.size() - next_));
  if (batch.empty()) return Ready::kDone;
  std::vector<std::byte> requests;
  for (uint32_t i = 0; i < batch.size(); ++i) {
    NETDIAG_RETURN_IF_ERROR(AppendTcpLookup(request_, batch[i], i + 1, &requests));
  }
  NETDIAG_RETURN_IF_ERROR(conn_->Write(requests, options).status());
  next_ += batch.size();
  bool stopped = false;
  bool hidden = false;
  absl::Status refusal;
  const auto take = [&](const Message& message) {
    const uint32_t i = message.header().sequence - 1;
    const int errnum = message.errnum().value_or(0);
    if (errnum != 0 && errnum != ENOENT) refusal = ErrnoError(errnum, "TCP lookup");
    if (message.type() < netlink::kFirstType || stopped) return;
    if (i >= batch.size() || !Answers(message, batch[i])) return;
    if (exactly_ && InterfaceOf(message) != batch[i].interface) {
      hidden = true;
      return;
    }
    stopped = visitor(message) == Flow::kStop;
  };
  for (size_t i = 0; i < batch.size(); ++i) {
    NETDIAG_RETURN_IF_ERROR(conn_->ReceiveDatagram(
        [&](const netlink::Datagram& datagram) {
          netlink::MessageCursor messages(datagram.bytes);
          for (Message message; messages.Next(&message);) take(message);
        },
        options));
  }
  if (exactly_ && (hidden || !refusal.ok())) return BeginWalk(options);
  NETDIAG_RETURN_IF_ERROR(refusal);
  return stopped || next_ == tuples_.size() ? Ready::kDone : Ready::kSome;
}

}  // namespace netdiag::internal
