// Tested by tests/tools/tables_test.cc, and against ss by tests/live/ss_differential_test.cc.

#include "tools/diag/tables.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>

#include "absl/strings/str_join.h"

#include "netdiag/dump/table.h"
#include "netdiag/types/error.h"

namespace diag {
namespace {

using netdiag::BadInput;
using netdiag::Family;
using netdiag::FamilySet;
using netdiag::Protocol;
using netdiag::SocketType;
using netdiag::State;
using netdiag::StateSet;

// The smallest choice: a table, or the sockets of one type in it. In the order in which ss dumps
// them.
struct Kind {
  Protocol protocol;
  SocketType type;  // kUnknown: any
};
constexpr auto kKinds = std::to_array<Kind>({
    {Protocol::kNetlink, SocketType::kUnknown}, {Protocol::kPacket, SocketType::kRaw},
    {Protocol::kPacket, SocketType::kDatagram}, {Protocol::kUnix, SocketType::kStream},
    {Protocol::kUnix, SocketType::kDatagram},   {Protocol::kUnix, SocketType::kSequentialPacket},
    {Protocol::kRaw, SocketType::kUnknown},     {Protocol::kIcmp, SocketType::kUnknown},
    {Protocol::kUdp, SocketType::kUnknown},     {Protocol::kUdpLite, SocketType::kUnknown},
    {Protocol::kTcp, SocketType::kUnknown},     {Protocol::kDccp, SocketType::kUnknown},
    {Protocol::kSctp, SocketType::kUnknown},    {Protocol::kVsock, SocketType::kStream},
    {Protocol::kVsock, SocketType::kDatagram},  {Protocol::kVsock, SocketType::kSequentialPacket},
    {Protocol::kTipc, SocketType::kUnknown},    {Protocol::kXdp, SocketType::kUnknown},
    {Protocol::kMptcp, SocketType::kUnknown},   {Protocol::kSmc, SocketType::kUnknown},
});

constexpr uint32_t Of(Protocol protocol, SocketType type = SocketType::kUnknown) {
  uint32_t bits = 0;
  for (size_t i = 0; i < kKinds.size(); ++i) {
    const bool of_type = type == SocketType::kUnknown || kKinds[i].type == type;
    if (kKinds[i].protocol == protocol && of_type) bits |= uint32_t{1} << i;
  }
  return bits;
}

// -A all, without TIPC as in ss.
constexpr uint32_t kAll = ((uint32_t{1} << kKinds.size()) - 1) & ~Of(Protocol::kTipc);
// ss has neither UDP-Lite nor ping nor SMC sockets, so they are listed only if the user names them.
constexpr uint32_t kOfSs =
    kAll & ~Of(Protocol::kUdpLite) & ~Of(Protocol::kIcmp) & ~Of(Protocol::kSmc);
constexpr uint32_t kInet = Of(Protocol::kRaw) | Of(Protocol::kUdp) | Of(Protocol::kTcp) |
                           Of(Protocol::kDccp) | Of(Protocol::kSctp) | Of(Protocol::kMptcp);

// A word of -A.
struct TableWord {
  std::string_view word;
  uint32_t kinds;
};
constexpr auto kWords = std::to_array<TableWord>({
    {"all", kAll},
    {"inet", kInet},
    {"tcp", Of(Protocol::kTcp)},
    {"dccp", Of(Protocol::kDccp)},
    {"sctp", Of(Protocol::kSctp)},
    {"mptcp", Of(Protocol::kMptcp)},
    {"udp", Of(Protocol::kUdp)},
    {"udplite", Of(Protocol::kUdpLite)},
    {"raw", Of(Protocol::kRaw)},
    {"icmp", Of(Protocol::kIcmp)},
    {"unix", Of(Protocol::kUnix)},
    {"unix_stream", Of(Protocol::kUnix, SocketType::kStream)},
    {"u_str", Of(Protocol::kUnix, SocketType::kStream)},
    {"unix_dgram", Of(Protocol::kUnix, SocketType::kDatagram)},
    {"u_dgr", Of(Protocol::kUnix, SocketType::kDatagram)},
    {"unix_seqpacket", Of(Protocol::kUnix, SocketType::kSequentialPacket)},
    {"u_seq", Of(Protocol::kUnix, SocketType::kSequentialPacket)},
    {"packet", Of(Protocol::kPacket)},
    {"packet_raw", Of(Protocol::kPacket, SocketType::kRaw)},
    {"p_raw", Of(Protocol::kPacket, SocketType::kRaw)},
    {"packet_dgram", Of(Protocol::kPacket, SocketType::kDatagram)},
    {"p_dgr", Of(Protocol::kPacket, SocketType::kDatagram)},
    {"netlink", Of(Protocol::kNetlink)},
    {"vsock", Of(Protocol::kVsock)},
    {"vsock_stream", Of(Protocol::kVsock, SocketType::kStream)},
    {"v_str", Of(Protocol::kVsock, SocketType::kStream)},
    {"vsock_dgram", Of(Protocol::kVsock, SocketType::kDatagram)},
    {"v_dgr", Of(Protocol::kVsock, SocketType::kDatagram)},
    {"vsock_seqpacket", Of(Protocol::kVsock, SocketType::kSequentialPacket)},
    {"v_seq", Of(Protocol::kVsock, SocketType::kSequentialPacket)},
    {"tipc", Of(Protocol::kTipc)},
    {"xdp", Of(Protocol::kXdp)},
    {"smc", Of(Protocol::kSmc)},
});

// A family, the tables that it selects, and their states in use.
struct FamilyRow {
  Family family;
  uint32_t kinds;
  StateSet states;
};
constexpr StateSet kOfTipc = StateSet(State::kEstablished) | State::kListen | State::kClose;
constexpr auto kFamilies = std::to_array<FamilyRow>({
    {Family::kInet, kInet, StateSet::Connected()},
    {Family::kInet6, kInet, StateSet::Connected()},
    {Family::kUnix, Of(Protocol::kUnix), StateSet::Connected()},
    {Family::kPacket, Of(Protocol::kPacket), State::kClose},
    {Family::kNetlink, Of(Protocol::kNetlink), State::kClose},
    {Family::kVsock, Of(Protocol::kVsock), StateSet::Connected()},
    {Family::kTipc, Of(Protocol::kTipc), kOfTipc},
    {Family::kXdp, Of(Protocol::kXdp), State::kClose},
    {Family::kSmc, Of(Protocol::kSmc), StateSet::Connected()},
});

StateSet StatesInUse(Protocol protocol) {
  switch (protocol) {
    case Protocol::kTcp:
    case Protocol::kDccp:
    case Protocol::kSctp:
    case Protocol::kMptcp:
    case Protocol::kUnix:
    case Protocol::kVsock:
    case Protocol::kSmc:
      return StateSet::Connected();
    case Protocol::kTipc:
      return kOfTipc;
    case Protocol::kPacket:
    case Protocol::kNetlink:
    case Protocol::kXdp:
      return State::kClose;
    default:
      return State::kEstablished;
  }
}

// True unless the word stands for a group of tables.
bool NamesTable(const TableWord& row) { return row.kinds != kAll && row.kinds != kInet; }

}  // namespace

void TableChoice::AddTable(Protocol protocol) {
  kinds_ |= Of(protocol);
  named_kinds_ |= Of(protocol);
  states_ = states_ | StatesInUse(protocol);
}

void TableChoice::AddFamily(Family family) {
  const auto row = std::ranges::find(kFamilies, family, &FamilyRow::family);
  families_ |= family;
  states_ = states_ | row->states;
}

absl::Status TableChoice::AddFamily(std::string_view word) {
  for (const FamilyRow& row : kFamilies) {
    if (word != netdiag::Names(row.family).ss) continue;
    AddFamily(row.family);
    return absl::OkStatus();
  }
  return BadInput("family", word, "expected one of " + absl::StrJoin(FamilyWords(), " "));
}

void TableChoice::AddEveryTable() {
  kinds_ = kAll | Of(Protocol::kTipc);
  listed_ = true;
}

absl::Status TableChoice::AddList(std::string_view list) {
  if (!listed_) {
    kinds_ = named_kinds_ = 0;
    states_ = StateSet::Connected();
  }
  listed_ = true;
  for (bool more = true; more;) {
    const size_t comma = list.find(',');
    more = comma != list.npos;
    std::string_view word = list.substr(0, comma);
    list.remove_prefix(more ? comma + 1 : list.size());
    const bool remove = word.starts_with('!');
    if (remove) word.remove_prefix(1);
    const auto row = std::ranges::find(kWords, word, &TableWord::word);
    if (row == kWords.end()) {
      return BadInput("table", word, "expected one of " + absl::StrJoin(TableWords(), " "));
    }
    if (!remove && NamesTable(*row)) named_kinds_ |= row->kinds;
    if (remove) named_kinds_ &= ~row->kinds;
    kinds_ = remove ? kinds_ & ~row->kinds : kinds_ | row->kinds;
  }
  return absl::OkStatus();
}

void TableChoice::AddWord(std::string_view word) {
  for (const TableWord& row : kWords) {
    if (row.word != word) continue;
    kinds_ |= row.kinds;
    if (NamesTable(row)) named_kinds_ |= row.kinds;
    for (size_t i = 0; i < kKinds.size(); ++i) {
      if ((row.kinds >> i & 1) != 0) states_ = states_ | StatesInUse(kKinds[i].protocol);
    }
    return;
  }
  for (const FamilyRow& row : kFamilies) {
    if (netdiag::Names(row.family).ss == word) AddFamily(row.family);
  }
}

bool TableChoice::names(Protocol protocol) const {
  const FamilySet families = netdiag::Describe(protocol).families;
  const bool inet = families.contains(Family::kInet);
  return (named_kinds_ & Of(protocol)) != 0 || (!inet && families_.intersects(families));
}

std::vector<Protocol> TableChoice::named() const {
  std::vector<Protocol> tables;
  for (const Kind& kind : kKinds) {
    const bool again = !tables.empty() && tables.back() == kind.protocol;
    if (!again && names(kind.protocol)) tables.push_back(kind.protocol);
  }
  return tables;
}

void TableChoice::ApplyTo(netdiag::Query* query) const {
  uint32_t kinds = empty() ? kOfSs : kinds_;
  FamilySet families = families_;
  for (size_t i = 0; i < kKinds.size(); ++i) {
    const FamilySet own = netdiag::Describe(kKinds[i].protocol).families;
    if ((kinds >> i & 1) != 0 && !families.intersects(own)) families |= own;
  }
  for (const FamilyRow& row : kFamilies) {
    if (families_.contains(row.family) && (kinds & row.kinds) == 0) kinds |= row.kinds;
  }
  query->families = families;
  query->protocols.clear();
  query->unix_types = query->packet_types = query->vsock_types = {};
  for (size_t i = 0; i < kKinds.size(); ++i) {
    if ((kinds >> i & 1) == 0) continue;
    const Kind& kind = kKinds[i];
    if (query->protocols.empty() || query->protocols.back() != kind.protocol) {
      query->protocols.push_back(kind.protocol);
    }
    if (kind.protocol == Protocol::kUnix) query->unix_types |= kind.type;
    if (kind.protocol == Protocol::kPacket) query->packet_types |= kind.type;
    if (kind.protocol == Protocol::kVsock) query->vsock_types |= kind.type;
  }
  // If every type was chosen, list all types, also those that kKinds lacks.
  const auto whole = [&](Protocol protocol) { return (kinds & Of(protocol)) == Of(protocol); };
  if (whole(Protocol::kUnix)) query->unix_types = {};
  if (whole(Protocol::kPacket)) query->packet_types = {};
  if (whole(Protocol::kVsock)) query->vsock_types = {};
}

StateSet TableChoice::DefaultStates() const {
  if (empty()) return StateSet::Connected();
  // Packet, netlink and XDP sockets have no state except CLOSE, so `ss -A packet` lists nothing. If
  // -A names only such tables, list their sockets.
  const uint32_t stateless = Of(Protocol::kPacket) | Of(Protocol::kNetlink) | Of(Protocol::kXdp);
  const bool only_stateless = families_.empty() && kinds_ != 0 && (kinds_ & ~stateless) == 0;
  return listed_ && only_stateless ? states_ | State::kClose : states_;
}

bool IsTableWord(std::string_view word) {
  if (word == "all") return false;
  return std::ranges::find(kWords, word, &TableWord::word) != kWords.end() ||
         std::ranges::any_of(kFamilies, [&](const FamilyRow& row) {
           return netdiag::Names(row.family).ss == word;
         });
}

std::vector<std::string> TableWords() {
  std::vector<std::string> words;
  for (const TableWord& row : kWords) {
    words.emplace_back(row.word);
  }
  return words;
}

std::vector<std::string> FamilyWords() {
  std::vector<std::string> words;
  for (const FamilyRow& row : kFamilies) words.emplace_back(netdiag::Names(row.family).ss);
  return words;
}

}  // namespace diag
