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
#include <vector>

#include "absl/status/status.h"

#include "netdiag/types/types.h"

namespace netdiag {

// One of the kernel's lists of sockets.
struct Table {
  Protocol protocol = Protocol::kTcp;
  // {kUnix}, {kNetlink}, {kPacket}, {kInet}, {kInet6} or {kInet, kInet6}
  FamilySet families;
  NetnsId netns;  // 0: unknown
  // netlink::kOwnNetns, or the name by `ip netns`. Empty: it has none, or it was not looked up.
  std::string netns_name;
  friend bool operator==(const Table&, const Table&) = default;
};

// Attributes that the kernel sends only if a request asks for them. Values below 8 are bits of
// idiag_ext.
enum class Extension : uint8_t {
  kMemory = 0,  // InetSocket::inet_memory()
  // tcp_info(), mptcp_info(), ulp(), md5_key(). The kernel locks each socket for a moment.
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
};
using ExtensionSet = Set<Extension>;
// Everything that a request can ask for.
inline constexpr ExtensionSet kAllExtensions = {
    Extension::kMemory,       Extension::kInfo,         Extension::kCongestionDetail,
    Extension::kCongestion,   Extension::kTos,          Extension::kTrafficClass,
    Extension::kSocketMemory, Extension::kUnixFile,     Extension::kPacketFilter,
    Extension::kPacketMemberships};

// The kind of source that rows came from.
enum class SourceKind : uint8_t {
  kNetlink,  // NETLINK_SOCK_DIAG
  kProcfs,   // /proc/net, if the kernel or a sandbox refuses the dump; most attributes are absent
  kReplay,   // a capture
  kStream,   // ss's stream (EngineOptions::tcp_stream); owners are not known
};
inline constexpr SourceKind kLastSourceKind = SourceKind::kStream;
std::string_view Name(SourceKind source);

// How much effort goes into missing no socket. A dump is no snapshot, so it can miss sockets:
// docs/exactness.md. No level gives a socket twice.
enum class Completeness : uint8_t {
  // TableOutcome::doubt says if sockets may be missing. A long dump of connections is not verified
  // if TCP was busy meanwhile, because that costs a fifth of the dump. It is a doubt.
  kFast,
  // Such dumps are verified too. A doubt remains only if sockets left a part of the table in which
  // the dump was interrupted, or if that cannot be excluded.
  kProved,
  // Instead of a doubt, the table is dumped again until no socket is missing. A doubt remains if a
  // limit of dumps is reached first.
  kExact,
};

// One dump. A port of 0 matches any port.
struct DumpRequest {
  Table table;
  StateSet states;
  ExtensionSet extensions;
  Port source_port;
  Port destination_port;
  // The program that inet_diag runs on each socket (INET_DIAG_REQ_BYTECODE); empty: none.
  std::vector<std::byte> bytecode;
};

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
};
const TableInfo& Describe(Protocol protocol);
// True if the protocol's sockets have addresses and ports.
inline bool IsInet(Protocol protocol) {
  return Describe(protocol).families.contains(Family::kInet);
}

// "tcp", "udp inet6", "unix": for error messages.
std::string Text(const Table& table);
// The status of a refused dump with an explanation: the missing kernel option, or what a sandbox
// forbids.
absl::Status ExplainRefusal(const absl::Status& status, const Table& table);

}  // namespace netdiag

#endif  // NETDIAG_DUMP_TABLE_H_
