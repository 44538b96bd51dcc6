// The tables of names, compared row by row with what the programs print; words of states; sets.

#include "netdiag/types/types.h"

#include <array>
#include <cctype>
#include <cstring>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

namespace netdiag {
namespace {

// What ss, netstat and gopsutil print for the states 1 … 11 of the kernel, and ss's filter word.
struct Spelling {
  int value;
  const char* ss;
  const char* netstat;
  const char* gopsutil;
  const char* word;
};
constexpr Spelling kSpellings[] = {
    {1, "ESTAB", "ESTABLISHED", "ESTABLISHED", "established"},
    {2, "SYN-SENT", "SYN_SENT", "SYN_SENT", "syn-sent"},
    {3, "SYN-RECV", "SYN_RECV", "SYN_RECV", "syn-recv"},
    {4, "FIN-WAIT-1", "FIN_WAIT1", "FIN_WAIT1", "fin-wait-1"},
    {5, "FIN-WAIT-2", "FIN_WAIT2", "FIN_WAIT2", "fin-wait-2"},
    {6, "TIME-WAIT", "TIME_WAIT", "TIME_WAIT", "time-wait"},
    {7, "UNCONN", "CLOSE", "CLOSE", "unconnected"},
    {8, "CLOSE-WAIT", "CLOSE_WAIT", "CLOSE_WAIT", "close-wait"},
    {9, "LAST-ACK", "LAST_ACK", "LAST_ACK", "last-ack"},
    {10, "LISTEN", "LISTEN", "LISTEN", "listening"},
    {11, "CLOSING", "CLOSING", "CLOSING", "closing"},
    {16, "COOKIE_WAIT", "COOKIE_WAIT", "COOKIE_WAIT", "cookie-wait"},
    {17, "COOKIE_ECHOED", "COOKIE_ECHOED", "COOKIE_ECHOED", "cookie-echoed"},
    {18, "SHUTDOWN_PENDING", "SHUTDOWN_PENDING", "SHUTDOWN_PENDING", "shutdown-pending"},
    {19, "SHUTDOWN_SENT", "SHUTDOWN_SENT", "SHUTDOWN_SENT", "shutdown-sent"},
    {20, "SHUTDOWN_RECEIVED", "SHUTDOWN_RECEIVED", "SHUTDOWN_RECEIVED", "shutdown-received"},
    {21, "ACK_SENT", "SHUTDOWN_ACK_SENT", "SHUTDOWN_ACK_SENT", "shutdown-ack-sent"},
    {22, "PARTOPEN", "PARTOPEN", "PARTOPEN", "part-open"},
    {23, "PASSIVE-CLOSEREQ", "PASSIVE_CLOSEREQ", "PASSIVE_CLOSEREQ", "passive-closereq"},
};

constexpr int kFirstOfSctp = 16, kFirstOfDccp = 22, kLastOfDccp = 23;
bool IsState(int value) {
  return (value >= 1 && value < kStateCount) || (value >= kFirstOfSctp && value <= kLastOfDccp);
}

std::string Upper(std::string_view text) {
  std::string upper(text);
  for (char& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return upper;
}

TEST(StateNames, AreInOrderAndFoundByValue) {
  int last = 0;
  for (const StateNames& row : AllStates()) {
    const int value = static_cast<int>(row.state);
    EXPECT_GT(value, last);
    last = value;
    EXPECT_TRUE(IsState(value)) << value;
    EXPECT_EQ(&Names(row.state), &row);
    for (std::string_view name : {row.ss, row.netstat, row.gopsutil, row.word}) {
      EXPECT_FALSE(name.empty()) << value;
    }
  }
  EXPECT_EQ(AllStates().size(), kStateCount - 1u + kLastOfDccp - kFirstOfSctp + 1);
}

TEST(StateNames, AreThoseOfThePrograms) {
  for (const Spelling& spelling : kSpellings) {
    SCOPED_TRACE(spelling.value);
    const StateNames& row = Names(static_cast<State>(spelling.value));
    EXPECT_EQ(row.ss, spelling.ss);
    EXPECT_EQ(row.netstat, spelling.netstat);
    EXPECT_EQ(row.gopsutil, spelling.gopsutil);
    EXPECT_EQ(row.word, spelling.word);
  }
}

TEST(StateNames, AreUniqueAmongStatesThatDumpsReport) {
  std::set<std::string_view> ss, netstat, gopsutil;
  for (const Spelling& spelling : kSpellings) {
    const StateNames& row = Names(static_cast<State>(spelling.value));
    EXPECT_TRUE(ss.insert(row.ss).second) << row.ss;
    EXPECT_TRUE(netstat.insert(row.netstat).second) << row.netstat;
    EXPECT_TRUE(gopsutil.insert(row.gopsutil).second) << row.gopsutil;
  }
  std::set<std::string_view> words;
  for (const StateNames& row : AllStates()) EXPECT_TRUE(words.insert(row.word).second) << row.word;
}

TEST(StateNames, RequestOnlyStatesAreNamedAsTheKernelReportsThem) {
  EXPECT_EQ(Names(State::kNewSynReceived).ss, Names(State::kSynReceived).ss);
  EXPECT_EQ(Names(State::kNewSynReceived).netstat, Names(State::kSynReceived).netstat);
  EXPECT_EQ(Names(State::kBoundInactive).ss, Names(State::kClose).ss);
  EXPECT_EQ(Names(State::kBoundInactive).netstat, Names(State::kClose).netstat);
}

TEST(StateNames, EveryOtherValueIsUnknown) {
  for (int value = 0; value < 256; ++value) {
    if (IsState(value)) continue;
    const StateNames& names = Names(static_cast<State>(value));
    EXPECT_EQ(names.ss, "UNKNOWN") << value;
    EXPECT_EQ(names.netstat, "UNKNOWN") << value;
    EXPECT_EQ(names.gopsutil, "NONE") << value;
    EXPECT_EQ(names.word, "unknown") << value;
  }
}

TEST(TableNames, EveryRowIsFoundAndUnique) {
  struct Row {
    Protocol protocol;
    const char *ss, *netstat, *gopsutil, *word;
  };
  constexpr Row kRows[] = {
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
  };
  ASSERT_EQ(AllProtocols().size(), std::size(kRows));
  for (size_t i = 0; i < std::size(kRows); ++i) {
    SCOPED_TRACE(kRows[i].word);
    const TableNames& row = AllProtocols()[i];
    EXPECT_EQ(&Names(kRows[i].protocol), &row);
    EXPECT_EQ(row.ss, kRows[i].ss);
    EXPECT_EQ(row.netstat, kRows[i].netstat);
    EXPECT_EQ(row.gopsutil, kRows[i].gopsutil);
    EXPECT_EQ(row.word, kRows[i].word);
  }
  EXPECT_EQ(Names(static_cast<Protocol>(133)).word, "unknown");
}

TEST(FamilyNames, EveryRowIsFoundAndUnique) {
  std::set<std::string_view> words;
  for (const FamilyNames& row : AllFamilies()) {
    SCOPED_TRACE(row.word);
    EXPECT_EQ(&Names(row.family), &row);
    EXPECT_TRUE(words.insert(row.word).second);
    EXPECT_EQ(row.ss, row.family == Family::kPacket ? "link" : row.word);
    const bool of_netstat =
        row.family == Family::kUnix || row.family == Family::kInet || row.family == Family::kInet6;
    EXPECT_EQ(row.netstat, of_netstat ? row.word : "");
  }
  EXPECT_EQ(words, (std::set<std::string_view>{"inet", "inet6", "unix", "netlink", "packet",
                                               "vsock", "tipc", "xdp", "smc"}));
  EXPECT_EQ(Names(Family::kInet).word, "inet");
  EXPECT_EQ(Names(Family::kInet6).word, "inet6");
  for (int value : {0, 3, 18, 255}) {
    EXPECT_EQ(Names(static_cast<Family>(value)).word, "unspecified") << value;
  }
}

TEST(SocketTypeNames, EveryRowIsFoundAndHasTheNamesOfThePrograms) {
  struct Row {
    SocketType type;
    const char *ss, *netstat, *go, *word;
  };
  constexpr Row kRows[] = {
      {SocketType::kStream, "u_str", "STREAM", "unix", "stream"},
      {SocketType::kDatagram, "u_dgr", "DGRAM", "unixgram", "dgram"},
      {SocketType::kSequentialPacket, "u_seq", "SEQPACKET", "unixpacket", "seqpacket"},
      {SocketType::kRaw, "p_raw", "RAW", "", "raw"},
      {SocketType::kDccp, "dccp", "DCCP", "", "dccp"},
      {SocketType::kReliableDatagram, "ti_rd", "RDM", "", "rdm"},
  };
  ASSERT_EQ(AllSocketTypes().size(), std::size(kRows));
  for (size_t i = 0; i < std::size(kRows); ++i) {
    SCOPED_TRACE(kRows[i].word);
    const SocketTypeNames& row = AllSocketTypes()[i];
    EXPECT_EQ(&Names(kRows[i].type), &row);
    EXPECT_EQ(row.type, kRows[i].type);
    EXPECT_EQ(row.ss, kRows[i].ss);
    EXPECT_EQ(row.netstat, kRows[i].netstat);
    EXPECT_EQ(row.go, kRows[i].go);
    EXPECT_EQ(row.word, kRows[i].word);
  }
  for (int value : {0, 7, 255}) {
    EXPECT_EQ(Names(static_cast<SocketType>(value)).netstat, "UNKNOWN") << value;
  }
}

// The groups of states follow ss(8) and the observed behaviour of ss.
constexpr uint32_t Bit(int state) { return 1u << state; }

TEST(ParseStates, ReadsEveryWordOfSsInAnyCase) {
  // 0 … 11, bound-inactive, and the states of SCTP and DCCP
  constexpr uint32_t kAllBits = 0xff2fff;
  const struct {
    const char* word;
    uint32_t bits;
  } kWords[] = {
      {"established", Bit(1)},
      {"syn-sent", Bit(2)},
      {"syn-recv", Bit(3)},
      {"syn-rcv", Bit(3)},
      {"fin-wait-1", Bit(4)},
      {"fin-wait-2", Bit(5)},
      {"time-wait", Bit(6)},
      {"unconnected", Bit(7)},
      {"close", Bit(7)},
      {"closed", Bit(7)},
      {"close-wait", Bit(8)},
      {"last-ack", Bit(9)},
      {"listening", Bit(10)},
      {"listen", Bit(10)},
      {"closing", Bit(11)},
      {"bound-inactive", Bit(13)},
      {"all", kAllBits},
      {"connected", kAllBits & ~(Bit(7) | Bit(10))},
      {"synchronized", kAllBits & ~(Bit(7) | Bit(10) | Bit(2) | Bit(16) | Bit(17))},
      {"cookie-wait", Bit(16)},
      {"cookie-echoed", Bit(17)},
      {"shutdown-pending", Bit(18)},
      {"shutdown-sent", Bit(19)},
      {"shutdown-received", Bit(20)},
      {"shutdown-ack-sent", Bit(21)},
      {"part-open", Bit(22)},
      {"passive-closereq", Bit(23)},
      {"bucket", Bit(3) | Bit(6)},
      {"big", kAllBits & ~(Bit(3) | Bit(6))},
  };
  for (const auto& row : kWords) {
    for (const std::string& word : {std::string(row.word), Upper(row.word)}) {
      const std::optional<StateSet> states = ParseStates(word);
      ASSERT_TRUE(states.has_value()) << word;
      EXPECT_EQ(states->bits(), row.bits) << word;
    }
  }
}

TEST(ParseStates, ConnectedIncludesTimeWaitUnlikeTheDefault) {
  EXPECT_TRUE(ParseStates("connected")->contains(State::kTimeWait));
  EXPECT_FALSE(StateSet::Connected().contains(State::kTimeWait));
}

TEST(ParseStates, ReadsEverySpellingThatIsPrinted) {
  for (const StateNames& row : AllStates()) {
    for (const std::string_view name : {row.ss, row.netstat, row.gopsutil}) {
      const std::optional<StateSet> states = ParseStates(name);
      ASSERT_TRUE(states.has_value()) << name;
      // Where two states have the same spelling, it means the state that rows can have.
      const State meant = row.state == State::kNewSynReceived  ? State::kSynReceived
                          : row.state == State::kBoundInactive ? State::kClose
                                                               : row.state;
      EXPECT_EQ(*states, StateSet(meant)) << name;
    }
  }
}

TEST(ParseStates, RefusesOtherWords) {
  for (std::string_view word : {"", " ", "ESTABL", "new-syn-recv", "unknown ", "established ",
                                " all", "al", "alll", "fin-wait", "fin_wait_1", "1", "all,big"}) {
    EXPECT_FALSE(ParseStates(word).has_value()) << word;
  }
  EXPECT_FALSE(ParseStates(std::string_view("all\0", 4)).has_value());
}

TEST(StateSet, HasTheKernelsBits) {
  for (int value = 1; value < kStateCount; ++value) {
    EXPECT_EQ(StateSet(static_cast<State>(value)).bits(), Bit(value)) << value;
  }
  EXPECT_EQ(StateSet::OfTcp().bits(), 0x3ffeu);
  const uint32_t others = StateSet::OfSctpOnly().bits() | StateSet::OfDccpOnly().bits();
  EXPECT_EQ(others, 0xff0000u);
  EXPECT_EQ(StateSet::All().bits(), 0x3ffeu | others);
  EXPECT_EQ(StateSet::SsAll().bits(), 0xfffu | others);      // ss 6.1 SS_ALL
  EXPECT_EQ(StateSet::Connected().bits(), 0xb37u | others);  // ss 6.1 SS_CONN
  for (int value = kFirstOfSctp; value <= kLastOfDccp; ++value) {
    const auto state = static_cast<State>(value);
    EXPECT_EQ(StateSet::OfSctpOnly().contains(state), value < kFirstOfDccp) << value;
    EXPECT_EQ(StateSet::OfDccpOnly().contains(state), value >= kFirstOfDccp) << value;
  }
  EXPECT_TRUE(StateSet::None().empty());
  EXPECT_FALSE(StateSet::All().empty());
}

TEST(StateSet, IsABooleanAlgebra) {
  std::vector<StateSet> sets = {StateSet::None(), StateSet::All(), StateSet::Connected()};
  for (const StateNames& row : AllStates()) sets.emplace_back(row.state);
  for (const StateSet a : sets) {
    EXPECT_EQ(a - a, StateSet::None());
    EXPECT_EQ(a | StateSet::None(), a);
    for (const StateSet b : sets) {
      SCOPED_TRACE(std::to_string(a.bits()) + " and " + std::to_string(b.bits()));
      EXPECT_EQ(a | b, b | a);
      EXPECT_EQ(a & b, b & a);
      EXPECT_EQ((a - b) | (a & b), a);
      EXPECT_EQ((a - b) & b, StateSet::None());
      for (const StateNames& row : AllStates()) {
        EXPECT_EQ((a | b).contains(row.state), a.contains(row.state) || b.contains(row.state));
        EXPECT_EQ((a & b).contains(row.state), a.contains(row.state) && b.contains(row.state));
        EXPECT_EQ((a - b).contains(row.state), a.contains(row.state) && !b.contains(row.state));
      }
    }
  }
}

// The state and the family in a message can be any byte.
TEST(StateSet, IgnoresStatesWithoutABit) {
  for (int value = kStateCount; value < 256; ++value) {
    if (IsState(value)) continue;
    EXPECT_FALSE(StateSet::All().contains(static_cast<State>(value))) << value;
  }
  EXPECT_TRUE(StateSet(static_cast<State>(200)).empty());
}

TEST(Set, ContainsItsMembers) {
  FamilySet families = {Family::kUnix, Family::kInet6};
  EXPECT_TRUE(families.contains(Family::kUnix));
  EXPECT_TRUE(families.contains(Family::kInet6));
  EXPECT_FALSE(families.contains(Family::kInet));
  EXPECT_EQ(families.bits(), (uint64_t{1} << 1) | (uint64_t{1} << 10));
  families |= Family::kInet;
  EXPECT_EQ(families, FamilySet(Family::kInet) | FamilySet({Family::kInet6, Family::kUnix}));
  EXPECT_TRUE(FamilySet().empty());
  EXPECT_FALSE(families.empty());
}

TEST(Set, IgnoresValuesWithoutABit) {
  const FamilySet families = {Family::kUnix, Family::kInet, Family::kInet6};
  for (int value = 64; value < 256; ++value) {
    EXPECT_FALSE(families.contains(static_cast<Family>(value))) << value;
  }
  EXPECT_TRUE(FamilySet(static_cast<Family>(255)).empty());
}

TEST(Port, KeepsByteOrdersApart) {
  const std::array<uint8_t, 2> wire = {0x01, 0x02};
  uint16_t big_endian = 0;
  std::memcpy(&big_endian, wire.data(), sizeof(big_endian));
  EXPECT_EQ(Port::FromNetwork(big_endian).value(), 0x0102);
  EXPECT_EQ(Port::FromNetwork(big_endian), Port::FromHost(0x0102));
  EXPECT_EQ(Port::FromHost(0x0102).ToNetwork(), big_endian);
  EXPECT_LT(Port::FromHost(0x00ff), Port::FromHost(0x0100));
}

TEST(Id, ComparesByValueAndStartsAtZero) {
  EXPECT_EQ(Cookie().value(), 0u);
  EXPECT_LT(Inode(1), Inode(2));
  EXPECT_EQ(Cookie(0x0102030405060708).value(), 0x0102030405060708u);
  static_assert(!std::is_convertible_v<uint32_t, Inode>);
  static_assert(!std::is_convertible_v<Inode, Uid>);
}

}  // namespace
}  // namespace netdiag
