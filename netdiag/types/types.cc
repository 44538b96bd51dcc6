// The tables of names. Tested row by row in tests/types/types_test.cc.

#include "netdiag/types/types.h"

#include <algorithm>
#include <array>

#include "netdiag/types/ascii.h"

namespace netdiag {
namespace {

// Values: include/net/tcp_states.h. ss prints SYN-RECV for a request socket too, and UNCONN for a
// closed one.
constexpr auto kStates = std::to_array<StateNames>({
    {State::kEstablished, "ESTAB", "ESTABLISHED", "ESTABLISHED", "established"},
    {State::kSynSent, "SYN-SENT", "SYN_SENT", "SYN_SENT", "syn-sent"},
    {State::kSynReceived, "SYN-RECV", "SYN_RECV", "SYN_RECV", "syn-recv"},
    {State::kFinWait1, "FIN-WAIT-1", "FIN_WAIT1", "FIN_WAIT1", "fin-wait-1"},
    {State::kFinWait2, "FIN-WAIT-2", "FIN_WAIT2", "FIN_WAIT2", "fin-wait-2"},
    {State::kTimeWait, "TIME-WAIT", "TIME_WAIT", "TIME_WAIT", "time-wait"},
    {State::kClose, "UNCONN", "CLOSE", "CLOSE", "unconnected"},
    {State::kCloseWait, "CLOSE-WAIT", "CLOSE_WAIT", "CLOSE_WAIT", "close-wait"},
    {State::kLastAck, "LAST-ACK", "LAST_ACK", "LAST_ACK", "last-ack"},
    {State::kListen, "LISTEN", "LISTEN", "LISTEN", "listening"},
    {State::kClosing, "CLOSING", "CLOSING", "CLOSING", "closing"},
    {State::kNewSynReceived, "SYN-RECV", "SYN_RECV", "SYN_RECV", "new-syn-recv"},
    {State::kBoundInactive, "UNCONN", "CLOSE", "CLOSE", "bound-inactive"},
    // ss has the words of SCTP. Neither netstat nor gopsutil lists these sockets.
    {State::kCookieWait, "COOKIE_WAIT", "COOKIE_WAIT", "COOKIE_WAIT", "cookie-wait"},
    {State::kCookieEchoed, "COOKIE_ECHOED", "COOKIE_ECHOED", "COOKIE_ECHOED", "cookie-echoed"},
    {State::kShutdownPending, "SHUTDOWN_PENDING", "SHUTDOWN_PENDING", "SHUTDOWN_PENDING",
     "shutdown-pending"},
    {State::kShutdownSent, "SHUTDOWN_SENT", "SHUTDOWN_SENT", "SHUTDOWN_SENT", "shutdown-sent"},
    {State::kShutdownReceived, "SHUTDOWN_RECEIVED", "SHUTDOWN_RECEIVED", "SHUTDOWN_RECEIVED",
     "shutdown-received"},
    {State::kShutdownAckSent, "ACK_SENT", "SHUTDOWN_ACK_SENT", "SHUTDOWN_ACK_SENT",
     "shutdown-ack-sent"},
    {State::kPartOpen, "PARTOPEN", "PARTOPEN", "PARTOPEN", "part-open"},
    {State::kPassiveCloseRequest, "PASSIVE-CLOSEREQ", "PASSIVE_CLOSEREQ", "PASSIVE_CLOSEREQ",
     "passive-closereq"},
});

// The place of a state in kStates; the size of kStates if it is none.
constexpr size_t PlaceOf(State state) {
  const size_t value = static_cast<size_t>(state);
  constexpr size_t kFirstOther = static_cast<size_t>(State::kCookieWait);
  if (value >= 1 && value < kStateCount) return value - 1;
  const size_t place = value - kFirstOther + kStateCount - 1;
  return value >= kFirstOther && place < kStates.size() ? place : kStates.size();
}
static_assert([] {
  StateSet states;
  for (size_t i = 0; i < kStates.size(); ++i) {
    if (PlaceOf(kStates[i].state) != i) return false;
    states = states | kStates[i].state;
  }
  return states == StateSet::All();
}());

constexpr StateNames kUnknownState = {State{}, "UNKNOWN", "UNKNOWN", "NONE", "unknown"};

// The other words of ss. Source: ss(8), "STATE-FILTER".
struct StateWord {
  std::string_view word;
  StateSet states;
};
constexpr StateSet kSs = StateSet::SsAll() | State::kBoundInactive;
constexpr auto kStateWords = std::to_array<StateWord>({
    {"all", kSs},
    {"connected", kSs - State::kClose - State::kListen},
    {"synchronized", kSs - State::kClose - State::kListen - State::kSynSent - State::kCookieWait -
                         State::kCookieEchoed},
    {"bucket", StateSet(State::kSynReceived) | State::kTimeWait},
    {"big", kSs - State::kSynReceived - State::kTimeWait},
    {"syn-rcv", State::kSynReceived},
    {"close", State::kClose},
    {"closed", State::kClose},
    {"listen", State::kListen},
});

constexpr auto kProtocols = std::to_array<TableNames>({
    {Protocol::kTcp, "tcp", "tcp", "tcp", "tcp"},
    {Protocol::kUdp, "udp", "udp", "udp", "udp"},
    {Protocol::kUnix, "unix", "unix", "unix", "unix"},
    {Protocol::kMptcp, "mptcp", "", "", "mptcp"},
    {Protocol::kRaw, "raw", "raw", "", "raw"},
    {Protocol::kDccp, "dccp", "", "", "dccp"},
    {Protocol::kSctp, "sctp", "sctp", "", "sctp"},
    {Protocol::kUdpLite, "udplite", "udpl", "", "udplite"},
    {Protocol::kIcmp, "icmp", "", "", "icmp"},
    {Protocol::kPacket, "packet", "", "", "packet"},
    {Protocol::kNetlink, "nl", "", "", "netlink"},
    {Protocol::kVsock, "vsock", "", "", "vsock"},
    {Protocol::kTipc, "tipc", "", "", "tipc"},
    {Protocol::kXdp, "xdp", "", "", "xdp"},
    {Protocol::kSmc, "smc", "", "", "smc"},
});
constexpr TableNames kUnknownProtocol = {Protocol{0xffff}, "???", "unknown", "", "unknown"};

constexpr auto kFamilies = std::to_array<FamilyNames>({
    {Family::kUnix, "unix", "unix", "unix"},
    {Family::kInet, "inet", "inet", "inet"},
    {Family::kInet6, "inet6", "inet6", "inet6"},
    {Family::kNetlink, "netlink", "", "netlink"},
    {Family::kPacket, "link", "", "packet"},
    {Family::kVsock, "vsock", "", "vsock"},
    {Family::kTipc, "tipc", "", "tipc"},
    {Family::kXdp, "xdp", "", "xdp"},
    {Family::kSmc, "smc", "", "smc"},
});
constexpr FamilyNames kUnknownFamily = {Family::kUnspecified, "unspec", "unspec", "unspecified"};

constexpr auto kSocketTypes = std::to_array<SocketTypeNames>({
    {SocketType::kStream, "u_str", "STREAM", "unix", "stream"},
    {SocketType::kDatagram, "u_dgr", "DGRAM", "unixgram", "dgram"},
    {SocketType::kSequentialPacket, "u_seq", "SEQPACKET", "unixpacket", "seqpacket"},
    {SocketType::kRaw, "p_raw", "RAW", "", "raw"},
    {SocketType::kDccp, "dccp", "DCCP", "", "dccp"},
    {SocketType::kReliableDatagram, "ti_rd", "RDM", "", "rdm"},
});
constexpr SocketTypeNames kUnknownType = {SocketType::kUnknown, "???", "UNKNOWN", "", "unknown"};

template <class Table, class Member, class Value, class Row>
const Row& FindRow(const Table& table, Member member, Value value, const Row& otherwise) {
  const auto row = std::ranges::find(table, value, member);
  return row == table.end() ? otherwise : *row;
}

}  // namespace

std::span<const StateNames> AllStates() { return kStates; }

const StateNames& Names(State state) {
  const size_t place = PlaceOf(state);
  return place == kStates.size() ? kUnknownState : kStates[place];
}

std::optional<StateSet> ParseStates(std::string_view word) {
  for (const StateWord& row : kStateWords) {
    if (internal::EqualIgnoringCase(word, row.word)) return row.states;
  }
  // A spelling that two states share belongs to the first, so "SYN-RECV" and "UNCONN" are states
  // that rows have.
  for (const StateNames& row : kStates) {
    for (const std::string_view name : {row.word, row.ss, row.netstat, row.gopsutil}) {
      const bool has_rows = row.state != State::kNewSynReceived;
      if (has_rows && internal::EqualIgnoringCase(word, name)) return row.state;
    }
  }
  return std::nullopt;
}

std::span<const TableNames> AllProtocols() { return kProtocols; }
const TableNames& Names(Protocol protocol) {
  return FindRow(kProtocols, &TableNames::protocol, protocol, kUnknownProtocol);
}

std::span<const FamilyNames> AllFamilies() { return kFamilies; }
const FamilyNames& Names(Family family) {
  return FindRow(kFamilies, &FamilyNames::family, family, kUnknownFamily);
}

std::span<const SocketTypeNames> AllSocketTypes() { return kSocketTypes; }
const SocketTypeNames& Names(SocketType type) {
  return FindRow(kSocketTypes, &SocketTypeNames::type, type, kUnknownType);
}

}  // namespace netdiag
