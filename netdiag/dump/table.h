// SPDX-License-Identifier: Apache-2.0
//
// netdiag/dump/table.h — the request for one dump, and what all rows of a dump have in common.
//
// A message does not name its protocol: a row of UDP looks like a row of TCP. Every message is
// therefore accompanied by its Table, from the request to the Row, and in captures.
//
// Threads, lifetime: values. Texts are string literals.

#ifndef NETDIAG_DUMP_TABLE_H_
#define NETDIAG_DUMP_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/status.h"

#include "netdiag/types/abseil.h"
#include "netdiag/types/types.h"

namespace netdiag {

// One of the kernel's lists of sockets.
struct Table {
  Protocol protocol = Protocol::kTcp;
  // {kInet}, {kInet6} or {kInet, kInet6}; any other family alone
  FamilySet families = {};
  NetnsId netns = {};  // 0: unknown
  // netlink::kOwnNetns, or the name by `ip netns`. Empty: it has none, or it was not looked up.
  std::string netns_name = {};
  friend bool operator==(const Table&, const Table&) = default;
};

// Attributes that the kernel sends only if a request asks for them. Values below 8 are bits of
// idiag_ext.
enum class Extension : uint8_t {
  kMemory = 0,  // InetSocket::inet_memory()
  // tcp_info(), mptcp_info(), ulp(), md5_key(). The kernel locks each socket for a moment. Also
  // SmcSocket::connection(), link() and device().
  kInfo = 1,
  kCongestionDetail = 2,  // vegas(), dctcp(), bbr()
  kCongestion = 3,
  kTos = 4,
  kTrafficClass = 5,  // traffic_class(), class_id()
  kSocketMemory = 6,  // memory(), of unix sockets too
  kUnixFile = 8,      // UnixSocket::file()
  // PacketSocket::filter() and membership(). A list that does not fit into a datagram ends the dump
  // without an error, so the table is dumped a second time without them.
  kPacketFilter = 9,
  kPacketMemberships = 10,
  // InetSocket::bpf_storage(): what BPF programs keep with a TCP socket. Since 5.7, with CAP_BPF.
  // The kernel does not report it of sockets without connections.
  kBpfStorages = 11,
};
using ExtensionSet = Set<Extension>;
// Everything that a request can ask for.
inline constexpr ExtensionSet kAllExtensions = {
    Extension::kMemory,           Extension::kInfo,     Extension::kCongestionDetail,
    Extension::kCongestion,       Extension::kTos,      Extension::kTrafficClass,
    Extension::kSocketMemory,     Extension::kUnixFile, Extension::kPacketFilter,
    Extension::kPacketMemberships};

// The kind of source that rows came from.
enum class SourceKind : uint8_t {
  kNetlink,  // NETLINK_SOCK_DIAG
  kProcfs,   // /proc/net, if the kernel or a sandbox refuses the dump; most attributes are absent
  kReplay,   // a capture
  kStream,   // ss's stream (EngineOptions::tcp_stream); owners are not known
  kEvent,    // the kernel's message that the socket was destroyed (events.h); no inode, no user
  kTable,    // the kernel's hash table, read by BPF; no cookie if nobody has asked for it yet
};
inline constexpr SourceKind kLastSourceKind = SourceKind::kTable;
std::string_view Name(SourceKind source);

// Where the rows of a table come from, if that is not left to the Engine.
enum class RowSource : uint8_t {
  kAuto,   // a dump, or the hash table if that costs less; /proc/net, if the dump is refused
  kTable,  // the hash tables of TCP and UDP read by BPF; what they lack, as kAuto
  kProc,   // /proc/net, even if the kernel has a dump
};

// How much effort goes into missing no socket. A dump is no snapshot, so it can miss sockets:
// docs/exactness.md. No level gives a socket twice.
enum class Completeness : uint8_t {
  // TableOutcome::doubt says if sockets may be missing: sockets left a part of the table in which
  // the dump was interrupted, or that cannot be excluded.
  kFast,
  // Instead of a doubt, the table is dumped again until no socket is missing, or it is read by BPF.
  // A doubt remains if a limit of dumps is reached first.
  kExact,
  kProved [[deprecated("use kExact")]] = kExact,
};

inline constexpr size_t kMaxBpfMaps = 32;  // of Query::bpf_maps

// The facts about a protocol's table that hold on any Linux.
struct TableInfo {
  Protocol protocol;
  FamilySet families;
  // The states by which a query selects its sockets: docs/kernel.md. A bound, idle socket of TCP
  // has kBoundInactive here, although its row says kClose.
  StateSet states;
  std::string_view kernel_option;  // that the dump needs; empty: no kernel can dump the table
  std::string_view module;         // that implements the dump
  std::string_view proc_file;      // below net/ of procfs; empty: none
  std::string_view proc_file6;     // the same for IPv6; empty: none
  // The kernel's names of the protocol, if a module implements its sockets that a request for the
  // dump would load; empty: no such module.
  std::string_view proto = "";
  std::string_view proto6 = "";
};
const TableInfo& Describe(Protocol protocol);
// False if the kernel has no socket of the protocol, because the module that implements them is not
// loaded. To ask the kernel for such a table would load it. True if that is not known.
// Cost: reads net/protocols below `proc_root`, for a protocol with such a module only.
bool IsLoaded(const TableInfo& info, const std::string& proc_root = "/proc");
// True if the protocol's sockets have addresses and ports.
inline bool IsInet(Protocol protocol) {
  return Describe(protocol).families.contains(Family::kInet);
}
// True if the protocol's sockets have addresses and ports of IP. SMC sockets have those of TCP.
inline bool HasIpEnds(Protocol protocol) { return IsInet(protocol) || protocol == Protocol::kSmc; }

// "tcp", "udp inet6", "unix": for error messages.
std::string Text(const Table& table);
// The status of a refused dump with an explanation: the missing kernel option, or what a sandbox
// forbids.
absl::Status ExplainRefusal(const absl::Status& status, const Table& table);

}  // namespace netdiag

#endif  // NETDIAG_DUMP_TABLE_H_
