// SPDX-License-Identifier: Apache-2.0
//
// netdiag/types/types.h — the values of socket diagnostics, and the names that programs give them.
//
//   Port port = Port::FromNetwork(message.idiag_sport);       // the byte order is in the name
//   StateSet wanted = StateSet::All() - State::kListen;
//   if (wanted.contains(State::kEstablished)) Print(Names(State::kEstablished).ss);   // "ESTAB"
//
// Everything here is a small value: trivially copyable, no allocation, no I/O, no errors.
// Threads: values. Lifetime: the names are string literals.

#ifndef NETDIAG_TYPES_TYPES_H_
#define NETDIAG_TYPES_TYPES_H_

#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iosfwd>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "netdiag/version.h"

namespace netdiag {

// Binary data as the kernel sent it. Text is std::string_view, and so are the names of unix
// sockets, which may hold any bytes.
using Bytes = std::span<const std::byte>;

// What a visitor returns: continue, or stop. A stop is not an error.
enum class Flow : uint8_t { kContinue, kStop };

// A number with a type of its own, so that it cannot be confused with other numbers.
template <class Tag, class Rep>
class Id {
 public:
  using rep = Rep;
  constexpr Id() = default;
  constexpr explicit Id(Rep value) : value_(value) {}
  constexpr Rep value() const { return value_; }
  friend constexpr auto operator<=>(const Id&, const Id&) = default;
  template <class H>
  friend H AbslHashValue(H h, const Id& id) {
    return H::combine(std::move(h), id.value_);
  }
  // Prints the number.
  template <class C, class Traits>
  friend std::basic_ostream<C, Traits>& operator<<(std::basic_ostream<C, Traits>& out,
                                                   const Id& id) {
    return out << id.value_;
  }

 private:
  Rep value_ = 0;
};

// Inode of a socket in sockfs, as /proc/PID/fd shows it. 0: the socket has no file (TIME_WAIT,
// SYN_RECV, orphaned, not yet accepted). Source: sock_i_ino(), include/net/sock.h.
using Inode = Id<struct InodeTag, uint32_t>;
// Number of a socket, unique on the machine and constant during the socket's life. Equals
// getsockopt(SO_COOKIE). Source: sock_gen_cookie(), net/core/sock_diag.c.
using Cookie = Id<struct CookieTag, uint64_t>;
using Pid = Id<struct PidTag, int32_t>;
using Uid = Id<struct UidTag, uint32_t>;
// Index of an interface in its namespace; 0: none.
using IfIndex = Id<struct IfIndexTag, uint32_t>;
// SO_MARK of a socket (fwmark).
using Mark = Id<struct MarkTag, uint32_t>;
// Id of a cgroup v2 directory, which is the directory's inode number.
using CgroupId = Id<struct CgroupTag, uint64_t>;
// Inode of a network namespace (nsfs), as `readlink /proc/self/ns/net` prints it. 0: unknown.
using NetnsId = Id<struct NetnsTag, uint32_t>;

// A TCP, UDP, … port in host order.
class Port {
 public:
  constexpr Port() = default;
  static constexpr Port FromHost(uint16_t port) { return Port(port); }
  static constexpr Port FromNetwork(uint16_t be) { return Port(Swap(be)); }
  constexpr uint16_t value() const { return value_; }
  constexpr uint16_t ToNetwork() const { return Swap(value_); }
  friend constexpr auto operator<=>(const Port&, const Port&) = default;
  template <class H>
  friend H AbslHashValue(H h, const Port& port) {
    return H::combine(std::move(h), port.value_);
  }
  // Prints the number in host order.
  template <class C, class Traits>
  friend std::basic_ostream<C, Traits>& operator<<(std::basic_ostream<C, Traits>& out,
                                                   const Port& port) {
    return out << port.value_;
  }

 private:
  static constexpr uint16_t Swap(uint16_t value) {
    if constexpr (std::endian::native == std::endian::big) return value;
    return __builtin_bswap16(value);
  }
  constexpr explicit Port(uint16_t value) : value_(value) {}
  uint16_t value_ = 0;
};

// States of TCP. The other families use the same numbers. Source: include/net/tcp_states.h.
//
// From kCookieWait on: states that only associations of SCTP and sockets of DCCP have. Their
// numbers are this library's, because the kernel's overlap with TCP's (Row::state()). An
// association that is established or closed has TCP's state. Source: enum sctp_state,
// include/net/sctp/constants.h; enum dccp_state, include/linux/dccp.h.
enum class State : uint8_t {
  kEstablished = 1,
  kSynSent = 2,
  kSynReceived = 3,
  kFinWait1 = 4,
  kFinWait2 = 5,
  kTimeWait = 6,
  kClose = 7,  // UDP and unix: unconnected
  kCloseWait = 8,
  kLastAck = 9,
  kListen = 10,
  kClosing = 11,
  kNewSynReceived = 12,  // a request socket; dumps report it as kSynReceived
  kBoundInactive = 13,   // only in requests (6.8+); dumps report it as kClose
  kCookieWait = 16,      // SCTP
  kCookieEchoed = 17,
  kShutdownPending = 18,
  kShutdownSent = 19,
  kShutdownReceived = 20,
  kShutdownAckSent = 21,
  kPartOpen = 22,             // DCCP: a client that has not seen the server in state OPEN
  kPassiveCloseRequest = 23,  // DCCP: a client that the server asked to close
};
inline constexpr uint8_t kStateCount = 14;  // TCP's values 0 … 13; 0 is no state

// A set of states: bit N is state N. The bits of TCP's states are those of the kernel
// (idiag_states, udiag_states).
class StateSet {
 public:
  constexpr StateSet() = default;
  // Empty for a value above 31: the state in a message may be any byte.
  constexpr StateSet(State state)  // NOLINT: a state is a set
      : bits_(static_cast<uint8_t>(state) < 32 ? uint32_t{1} << static_cast<uint8_t>(state) : 0) {}
  constexpr StateSet(std::initializer_list<State> states) {
    for (const State state : states) bits_ |= StateSet(state).bits_;
  }
  static constexpr StateSet FromBits(uint32_t bits) { return StateSet(bits); }
  static constexpr StateSet None() { return StateSet(); }
  // Every state that a socket of TCP, or a request for one, can have; unix and UDP have no others.
  static constexpr StateSet OfTcp() { return FromBits((1u << kStateCount) - 2); }
  // Every state that a socket or a request can have, including kBoundInactive.
  static constexpr StateSet All() { return OfTcp() | OfSctpOnly() | OfDccpOnly(); }
  // The states that TCP does not have.
  static constexpr StateSet OfSctpOnly() { return FromBits(0x3f0000); }
  static constexpr StateSet OfDccpOnly() { return FromBits(0xc00000); }
  // The states that Debian's `ss -a` requests: all, but no bound and idle TCP sockets.
  static constexpr StateSet SsAll() { return FromBits(0xfff) | OfSctpOnly() | OfDccpOnly(); }
  // The states that ss lists by default: all except LISTEN, CLOSE, TIME_WAIT and SYN_RECV.
  static constexpr StateSet Connected() {
    return SsAll() - State::kListen - State::kClose - State::kTimeWait - State::kSynReceived;
  }

  constexpr uint32_t bits() const { return bits_; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr bool contains(State state) const { return (bits_ & StateSet(state).bits_) != 0; }
  friend constexpr StateSet operator|(StateSet a, StateSet b) {
    return FromBits(a.bits_ | b.bits_);
  }
  friend constexpr StateSet operator&(StateSet a, StateSet b) {
    return FromBits(a.bits_ & b.bits_);
  }
  friend constexpr StateSet operator-(StateSet a, StateSet b) {
    return FromBits(a.bits_ & ~b.bits_);
  }
  friend constexpr bool operator==(StateSet, StateSet) = default;

 private:
  constexpr explicit StateSet(uint32_t bits) : bits_(bits) {}
  uint32_t bits_ = 0;
};

constexpr StateSet operator|(State a, State b) { return StateSet(a) | StateSet(b); }

// A set of enumerators whose values are below 64.
template <class E>
class Set {
 public:
  constexpr Set() = default;
  // Empty for a value above 63: the value may be an unchecked foreign byte.
  constexpr Set(E value)  // NOLINT: a value is a set
      : bits_(static_cast<uint64_t>(value) < 64 ? uint64_t{1} << static_cast<uint64_t>(value) : 0) {
  }
  constexpr Set(std::initializer_list<E> values) {
    for (E value : values) bits_ |= Set(value).bits_;
  }
  static constexpr Set FromBits(uint64_t bits) {
    Set set;
    set.bits_ = bits;
    return set;
  }
  constexpr uint64_t bits() const { return bits_; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr bool contains(E value) const { return (bits_ & Set(value).bits_) != 0; }
  constexpr bool intersects(Set other) const { return (bits_ & other.bits_) != 0; }
  constexpr Set& operator|=(Set other) {
    bits_ |= other.bits_;
    return *this;
  }
  friend constexpr Set operator|(Set a, Set b) { return a |= b; }
  friend constexpr bool operator==(Set, Set) = default;

 private:
  uint64_t bits_ = 0;
};

// The address families that have dumps. Values are AF_*. Source: include/linux/socket.h.
enum class Family : uint8_t {
  kUnspecified = 0,
  kUnix = 1,
  kInet = 2,
  kInet6 = 10,
  kNetlink = 16,
  kPacket = 17,
  kTipc = 30,
  kVsock = 40,
  kSmc = 43,
  kXdp = 44,
};

using FamilySet = Set<Family>;

// The protocol of a table. Values are IPPROTO_*, except kUnix and those from kNetlink on, which
// only this library uses.
enum class Protocol : uint16_t {
  kUnix = 0,
  kIcmp = 1,  // ping sockets of IPv4 and IPv6 (icmp(7)); raw sockets of ICMP are kRaw
  kTcp = 6,
  kUdp = 17,
  kDccp = 33,  // removed in 6.16
  // Rows are endpoints, which are sockets, and their associations (InetSocket::is_association()).
  kSctp = 132,
  kUdpLite = 136,  // removed in 7.x
  kRaw = 255,
  kMptcp = 262,  // a connection; its subflows are kTcp
  kNetlink = 0x1010,
  kPacket = 0x1011,
  kVsock = 0x1012,
  kTipc = 0x1013,
  kXdp = 0x1014,
  kSmc = 0x1015,
};

// The type of a socket. Values are SOCK_*.
enum class SocketType : uint8_t {
  kUnknown = 0,
  kStream = 1,
  kDatagram = 2,
  kRaw = 3,
  kReliableDatagram = 4,  // TIPC
  kSequentialPacket = 5,
  kDccp = 6,
};

// How much of each socket of TCP and UDP is read. Less costs less, but only where the kernel's
// tables are read by BPF: a socket's memory is 2 KiB, and what is not read need not come into the
// cache. Every other source reads all.
enum class Depth : uint8_t {
  kEnds,   // protocol, family, state, addresses, ports, interface; the cookie if there is one
  kBasic,  // also queues, timer, inode, user, v6_only()
  kAll,    // also the other attributes
};

// The unit of a number.
enum class Unit : uint8_t {
  kNone,  // a plain number, a flag or a code
  kBytes,
  kPackets,  // TCP segments
  kMilliseconds,
  kMicroseconds,
  kBytesPerSecond,
  k256ths,  // a ratio; the number is in 1/256
};

// How a number changes over time, which decides what the difference of two readings means.
enum class Meaning : uint8_t {
  kCounter,  // grows during the socket's life
  kGauge,    // the current value
  kEnum,     // one of a few named values, or a set of flags
  kFlag,     // true or false
  kText,
  kIdentity,  // identifies the socket or something that it belongs to; sums have no meaning
};

// ---- Names ----

// Each table has one row per value. A column holds what the program of that name prints or accepts,
// so that scripts written for it keep working.

struct StateNames {
  State state;
  std::string_view ss;        // `ss`: column State, "ESTAB"
  std::string_view netstat;   // `netstat`: "ESTABLISHED", "FIN_WAIT1"
  std::string_view gopsutil;  // gopsutil: ConnectionStat.Status; "NONE" if it has no name
  std::string_view word;      // ss's filter word and diag's JSON: "established", "fin-wait-1"
};
// The rows in order of value, kEstablished first.
std::span<const StateNames> AllStates();
// The names of a state; {"UNKNOWN", …} for an unknown value.
const StateNames& Names(State state);
// The states that a word of ss means: one state, a synonym ("closed", "syn-rcv"), or a group
// ("all", "connected", "synchronized", "bucket", "big"). The other names of a state in StateNames
// ("ESTAB", "FIN_WAIT1") mean it too. Case does not matter. nullopt: no state has such a name.
std::optional<StateSet> ParseStates(std::string_view word);

struct TableNames {
  Protocol protocol;
  // `ss`: column Netid ("tcp"). Rows of unix, packet, vsock and TIPC sockets print their type
  // instead. ss has no udplite, no icmp and no smc.
  std::string_view ss;
  std::string_view
      netstat;  // `netstat`: column Proto for IPv4 ("tcp"; a 6 follows for IPv6); "": none
  std::string_view gopsutil;  // the kind that gopsutil's Connections takes; "": none
  std::string_view word;      // JSON and messages
};
std::span<const TableNames> AllProtocols();
const TableNames& Names(Protocol protocol);

struct FamilyNames {
  Family family;
  std::string_view ss;       // ss's -f word
  std::string_view netstat;  // netstat's --A word; "": none
  std::string_view word;     // JSON: "inet", "inet6", "unix", "netlink", "packet", "vsock", ...
};
std::span<const FamilyNames> AllFamilies();
const FamilyNames& Names(Family family);

struct SocketTypeNames {
  SocketType type;
  // Column Netid of unix rows: "u_str"; for kRaw, of packet rows: "p_raw"; for kReliableDatagram,
  // of TIPC rows: "ti_rd"
  std::string_view ss;
  std::string_view netstat;  // column Type of unix rows: "STREAM"
  std::string_view go;       // Go net: network of a UnixAddr: "unix", "unixgram"; "": none
  std::string_view word;     // JSON: "stream"
};
std::span<const SocketTypeNames> AllSocketTypes();
const SocketTypeNames& Names(SocketType type);

}  // namespace netdiag

template <class Tag, class Rep>
struct std::hash<netdiag::Id<Tag, Rep>> {
  size_t operator()(const netdiag::Id<Tag, Rep>& id) const { return std::hash<Rep>()(id.value()); }
};
template <>
struct std::hash<netdiag::Port> {
  size_t operator()(const netdiag::Port& port) const { return std::hash<uint16_t>()(port.value()); }
};

#endif  // NETDIAG_TYPES_TYPES_H_
