// Tested by tests/dump/tears_test.cc, and against the kernel by tests/live/exact_live_test.cc.

#include "netdiag/dump/tears.h"

#include <algorithm>
#include <cstring>

#include "netdiag/netlink/abi.h"

namespace netdiag::internal {
namespace {

using netlink::Load;
using netlink::Message;

// The kernel takes so many sockets of a bucket at a time (SKARR_SZ).
constexpr size_t kKernelBatch = 16;
// The smallest table of UDP is of so many buckets, and all are powers of two
// (UDP_HTABLE_SIZE_MIN_PERNET).
constexpr uint16_t kUdpSlots = 128;
// Of a full datagram: SKB_WITH_OVERHEAD(32768), less what the kernel may add to a row.
constexpr size_t kFullDatagram = 32448 - 1024;
// Ports beyond this are not worth a program; all are walked.
constexpr size_t kMaxPorts = 32;
// What is believed where the kernel does not tell: the default of a machine with 1 GiB.
constexpr uint64_t kUsualBuckets = 8192;
// A table whose chains can be longer than kKernelBatch.
constexpr uint64_t kTinyTable = 4096;

constexpr FamilySet kBothFamilies = {Family::kInet, Family::kInet6};
const StateSet kConnectionStates =
    (StateSet::SsAll() & StateSet::All()) - State::kListen - State::kClose;

bool Filters(const DumpRequest& request) {
  return !request.bytecode.empty() || request.source_port != Port() ||
         request.destination_port != Port();
}

bool IsUdp(Protocol protocol) {
  return protocol == Protocol::kUdp || protocol == Protocol::kUdpLite;
}

// Chains in which sockets of both families stand.
bool SharesChains(Protocol protocol) { return protocol == Protocol::kTcp || IsUdp(protocol); }

// Whether something beside its state can keep a socket out of the answer.
bool FiltersOrHalves(const DumpRequest& request) {
  return Filters(request) ||
         (SharesChains(request.table.protocol) && request.table.families != kBothFamilies);
}

// What has to be asked for so that every socket in the buckets is shown.
StateSet StatesInBuckets(const DumpRequest& request) {
  switch (request.table.protocol) {
    case Protocol::kTcp:
      return Tears::Widened(request).states;
    case Protocol::kUdp:
    case Protocol::kUdpLite:
      return StateSet(State::kEstablished) | State::kClose;
    case Protocol::kUnix:
      return StateSet(State::kEstablished) | State::kClose | State::kListen;
    default:  // their dumps know no states
      return {};
  }
}

}  // namespace

SocketKey SocketKey::Of(const Message& message, Protocol protocol) {
  if (message.type() < netlink::kFirstType) return {};
  const Bytes row = message.payload();
  switch (protocol) {
    case Protocol::kUnix: {
      const auto first = Load<netlink::AttrHeader>(row, sizeof(unix_diag_msg));
      const bool named = first && first->type == UNIX_DIAG_NAME;
      return {Load<uint64_t>(row, offsetof(unix_diag_msg, udiag_cookie)).value_or(0), named};
    }
    case Protocol::kPacket:
      return {Load<uint64_t>(row, offsetof(packet_diag_msg, pdiag_cookie)).value_or(0), false};
    case Protocol::kNetlink:
      return {Load<uint64_t>(row, offsetof(netlink_diag_msg, ndiag_cookie)).value_or(0), false};
    case Protocol::kMptcp:  // an accepted connection can have its listener's
                            // (mptcp_sk_clone_init())
      return {};
    default:
      return {Load<uint64_t>(row, offsetof(inet_diag_msg, id.idiag_cookie)).value_or(0), false};
  }
}

DumpRequest Tears::Widened(DumpRequest request) {
  const Protocol protocol = request.table.protocol;
  request.source_port = request.destination_port = Port();
  request.bytecode.clear();
  if (SharesChains(protocol)) request.table.families = kBothFamilies;
  if (protocol != Protocol::kTcp) {
    request.states = StateSet::SsAll();
  } else if (!(request.states & kConnectionStates).empty() ||
             request.states.contains(State::kNewSynReceived)) {
    request.states = request.states | kConnectionStates;
  }
  return request;
}

bool Tears::Hides(const DumpRequest& request) {
  const StateSet needed = StatesInBuckets(request);
  // MPTCP's rows have no cookies to go by.
  return FiltersOrHalves(request) || request.table.protocol == Protocol::kMptcp ||
         (request.states & needed) != needed;
}

void Tears::Begin(const DumpRequest& request, uint64_t tcp_buckets, bool keep_all) {
  request_ = request;
  tcp_buckets_ = tcp_buckets != 0 ? tcp_buckets : kUsualBuckets;
  keep_all_ = keep_all;
  const Protocol protocol = request.table.protocol;
  hides_listeners_ = FiltersOrHalves(request);
  hides_rows_ = Hides(request);
  begins_ = false;
  bytes_ = widest_ = largest_ = 0;
  given_ = repeated_ = passed_ = 0;
  phase_ = protocol == Protocol::kTcp ? Phase::kListeners : Phase::kConnections;
  anywhere_ = false;
  cookies_.Clear();
  rows_.clear();
  run_ = torn_rows_ = 0;
  tail_.fill({});
  torn_ = too_full_ = false;
  hidden_ = restless_ = in_front_ = false;
  connections_.clear();
  witnesses_.clear();
  states_ = StateSet();
  ports_.clear();
  run_ports_.clear();
}

bool Tears::Repeats(const Message& message) {
  if (message.type() < netlink::kFirstType) return false;
  BeginRow(message.whole().size());
  const SocketKey key = SocketKey::Of(message, request_.table.protocol);
  if (key == SocketKey()) {
    ++given_;
    return false;
  }
  const bool repeats = !cookies_.Insert(key.cookie());
  repeats ? ++repeated_ : ++given_;
  // What comes again is in its bucket all the same, and what leaves it lets others be skipped.
  switch (request_.table.protocol) {
    case Protocol::kTcp:
      KeepTcp(message.payload(), key);
      break;
    case Protocol::kUdp:
    case Protocol::kUdpLite:
      KeepUdp(message.payload(), key);
      break;
    default:
      rows_.push_back(key);
  }
  in_front_ |= repeats;
  return repeats;
}

// A row of `size` bytes has come.
void Tears::BeginRow(size_t size) {
  if (begins_) {
    begins_ = false;
    if (given_ > 0) Tear();
    largest_ = std::max(largest_, bytes_);
    bytes_ = 0;
  }
  bytes_ += netlink::Align(size);
  widest_ = std::max(widest_, size);
}

// The kernel let go of the table behind the last row.
void Tears::Tear() {
  const Protocol protocol = request_.table.protocol;
  torn_ = true;
  hidden_ |= hides_rows_ || (phase_ == Phase::kListeners && hides_listeners_);
  // What made rows come again stands in front of them unseen, and may have left since.
  restless_ |= in_front_;
  if (protocol == Protocol::kTcp && phase_ == Phase::kConnections && !anywhere_) {
    const uint64_t kept = std::min<uint64_t>(kTail, passed_);
    for (uint64_t i = 1; i <= kTail; ++i) {
      // The last one first; where there are fewer, ids of no family.
      connections_.push_back(i <= kept ? tail_[(passed_ - i) % kTail] : ConnectionId());
    }
    return;
  }
  if (IsUdp(protocol)) {
    const auto first = rows_.begin() + static_cast<std::ptrdiff_t>(run_ + torn_rows_);
    witnesses_.insert(witnesses_.end(), first, rows_.end());
    for (const Port port : run_ports_) {
      if (std::ranges::find(ports_, port) == ports_.end()) ports_.push_back(port);
    }
  }
  torn_rows_ = rows_.size() - run_;
}

// ---- TCP: listeners, then bound idle sockets if they are asked for, then connections ----

void Tears::KeepTcp(Bytes row, SocketKey key) {
  if (phase_ != Phase::kConnections) {
    const auto state = static_cast<State>(row[offsetof(inet_diag_msg, idiag_state)]);
    const bool idle = state == State::kClose && request_.states.contains(State::kBoundInactive);
    const Phase phase = state == State::kListen && phase_ == Phase::kListeners ? Phase::kListeners
                        : idle                                                 ? Phase::kIdle
                               : Phase::kConnections;
    if (phase != phase_) EnterPhase(phase);
  }
  if (phase_ != Phase::kConnections || anywhere_) {
    rows_.push_back(key);
    return;
  }
  in_front_ = false;  // a bucket of so few is not torn again
  ConnectionId& id = tail_[passed_++ % kTail];
  id.family = static_cast<uint8_t>(row[0]);
  std::memcpy(id.id.data(), row.data() + offsetof(inet_diag_msg, id), sizeof(id.id));
  if (keep_all_) rows_.push_back(key);
}

void Tears::EnterPhase(Phase phase) {
  EndPhase();
  phase_ = phase;
  run_ = rows_.size();
  in_front_ = false;  // of the phase before
  anywhere_ = phase == Phase::kIdle || tcp_buckets_ < kTinyTable;
}

// ---- UDP ----

void Tears::KeepUdp(Bytes row, SocketKey key) {
  const auto port = Load<uint16_t>(row, offsetof(inet_diag_msg, id.idiag_sport)).value_or(0);
  const Port local = Port::FromNetwork(port);
  const auto slot = static_cast<uint16_t>(local.value() % kUdpSlots);
  if (slot != slot_) {
    if (!keep_all_) rows_.clear();
    run_ = rows_.size();
    torn_rows_ = 0;
    in_front_ = false;
    slot_ = slot;
    run_ports_.clear();
  }
  rows_.push_back(key);
  if (std::ranges::find(run_ports_, local) == run_ports_.end()) run_ports_.push_back(local);
}

// ---- The end ----

// What the phase gave before it was torn is to prove it.
void Tears::EndPhase() {
  const Protocol protocol = request_.table.protocol;
  if (IsUdp(protocol)) return;
  size_t rows = torn_rows_;
  if (anywhere_ && rows_.size() - run_ > kKernelBatch) rows = rows_.size() - run_;
  torn_rows_ = 0;
  if (rows == 0) return;
  torn_ = true;
  hidden_ |= hides_rows_;
  restless_ |= anywhere_ && in_front_;
  const auto first = rows_.begin() + static_cast<std::ptrdiff_t>(run_);
  witnesses_.insert(witnesses_.end(), first, first + static_cast<std::ptrdiff_t>(rows));
  if (protocol != Protocol::kTcp) return;
  states_ = states_ | (phase_ == Phase::kListeners ? StateSet(State::kListen)
                       : phase_ == Phase::kIdle    ? StateSet(State::kBoundInactive)
                                                   : kConnectionStates);
}

// How many sockets a bucket can have given before a tear: more than so many are there once in a
// million times. Buckets fill as the drops of rain do (Poisson).
size_t Tears::ChainLength() const {
  const double load = static_cast<double>(passed_) / static_cast<double>(tcp_buckets_);
  double share = load / 2;  // of the rows that have at least one before them
  size_t length = 0;
  for (; length <= kTail && share > 1e-6; ++length) {
    share *= load / static_cast<double>(length + 3);
  }
  return std::max<size_t>(length, 1);
}

void Tears::End() {
  // The end came alone, and the datagram before it was full: more may have been to come.
  const bool full = bytes_ > kFullDatagram || (torn_ && bytes_ + widest_ > largest_);
  if (begins_ && given_ > 0 && full) Tear();
  EndPhase();
  if (ports_.size() > kMaxPorts) ports_.clear();
  if (connections_.empty()) return;
  const size_t length = ChainLength();
  too_full_ = length > kTail;
  size_t kept = 0;
  for (size_t i = 0; i < connections_.size(); ++i) {
    if (i % kTail < length && connections_[i].family != 0) connections_[kept++] = connections_[i];
  }
  connections_.resize(kept);
}

}  // namespace netdiag::internal
