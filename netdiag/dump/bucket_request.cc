// Tested by tests/dump/tears_test.cc and netlink_source_test.cc.

#include "netdiag/dump/bucket_request.h"

#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/requests.h"

namespace netdiag::internal {
namespace {

constexpr FamilySet kBothFamilies = {Family::kInet, Family::kInet6};

bool SharesBucketsAmongFamilies(Protocol protocol) {
  return protocol == Protocol::kTcp || protocol == Protocol::kUdp || protocol == Protocol::kUdpLite;
}

// The states that a request must name to show every socket of its buckets.
StateSet StatesInBuckets(const DumpRequest& request) {
  switch (request.table.protocol) {
    case Protocol::kTcp:
      return WidenToBuckets(request).states;
    case Protocol::kUdp:
    case Protocol::kUdpLite:
      return StateSet(State::kEstablished) | State::kClose;
    case Protocol::kUnix:
      return StateSet(State::kEstablished) | State::kClose | State::kListen;
    case Protocol::kVsock:
      return StateSet(State::kEstablished) | State::kSynSent | State::kClose | State::kListen |
             State::kClosing;
    default:  // the dumps of other tables do not read states
      return {};
  }
}

}  // namespace

StateSet ConnectionStates() {
  return (StateSet::SsAll() & StateSet::OfTcp()) - State::kListen - State::kClose;
}

bool AlwaysHides(Protocol protocol) {
  return protocol == Protocol::kMptcp || protocol == Protocol::kSctp ||
         protocol == Protocol::kDccp || protocol == Protocol::kTipc;
}

DumpRequest WidenToBuckets(DumpRequest request) {
  const Protocol protocol = request.table.protocol;
  request.source_port = request.destination_port = Port();
  request.bytecode.clear();
  if (SharesBucketsAmongFamilies(protocol)) request.table.families = kBothFamilies;
  if (protocol != Protocol::kTcp) {
    request.states = StateSet::SsAll();
  } else if (!(request.states & ConnectionStates()).empty() ||
             request.states.contains(State::kNewSynReceived)) {
    request.states = request.states | ConnectionStates();
  }
  return request;
}

bool HidesSockets(const DumpRequest& request) {
  const Protocol protocol = request.table.protocol;
  const bool one_family =
      SharesBucketsAmongFamilies(protocol) && request.table.families != kBothFamilies;
  const StateSet needed = StatesInBuckets(request);
  return TestsSockets(request) || one_family || AlwaysHides(protocol) ||
         (request.states & needed) != needed;
}

}  // namespace netdiag::internal
