// netdiag/dump/table.h — what is asked for in one dump, and what every row of it has in common.
//
// A message of a dump does not say everything: one of UDP looks like one of TCP. So the Table
// travels with the bytes, from the request to the Row, into captures and back.
//
// Threads: values. Lifetime: values; texts are string literals.

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
  NetnsId netns;           // 0: not known
  std::string netns_name;  // that `ip netns` gave it; empty: none, or not looked for
  friend bool operator==(const Table&, const Table&) = default;
};

// What the kernel tells only when it is asked to. The values below 8 are bits of idiag_ext.
enum class Extension : uint8_t {
  kMemory = 0,  // InetSocket::inet_memory()
  // tcp_info(), mptcp_info(), ulp(), md5_key(); takes each socket's lock for a moment
  kInfo = 1,
  kCongestionDetail = 2,  // vegas(), dctcp(), bbr()
  kCongestion = 3,
  kTos = 4,
  kTrafficClass = 5,  // traffic_class(), class_id()
  kSocketMemory = 6,  // memory(), of unix sockets too
  kUnixFile = 8,      // UnixSocket::file()
  // PacketSocket::filter() and membership(). Either can be too long for a datagram, at which a dump
  // ends, silently: so the table is walked again without.
  kPacketFilter = 9,
  kPacketMemberships = 10,
};
using ExtensionSet = Set<Extension>;

// Where rows came from.
enum class SourceKind : uint8_t {
  kNetlink,  // NETLINK_SOCK_DIAG
  kProcfs,   // /proc/net, for a kernel or sandbox without the dump; most attributes are absent
  kReplay,   // a capture
};
std::string_view Name(SourceKind source);

// How hard to try for every socket. A dump is no snapshot: docs/exactness.md.
enum class Completeness : uint8_t {
  // No socket twice, and a doubt where some can be missing (TableOutcome::doubt): also after a long
  // dump of connections while TCP was busy, whose proof costs a fifth of the dump.
  kFast,
  // The same with that proof: a doubt only where sockets went in the wrong place, or may have.
  kProved,
  // Where there is a doubt, what is missing is looked for until there is none; or the doubt tells
  // what could not be settled.
  kExact,
};

// One dump. Zero ports match any port.
struct DumpRequest {
  Table table;
  StateSet states;
  ExtensionSet extensions;
  Port source_port;
  Port destination_port;
  // A program that inet_diag runs on each socket (INET_DIAG_REQ_BYTECODE); empty: none.
  std::vector<std::byte> bytecode;
};

// What is known of a protocol's table on any Linux.
struct TableInfo {
  Protocol protocol;
  FamilySet families;
  std::string_view kernel_option;  // that its dump needs; empty: no kernel has a dump of it
  std::string_view module;         // that has it
  std::string_view proc_file;      // below net/ of procfs; empty: none
  std::string_view proc_file6;     // the same for IPv6; empty: none
};
const TableInfo& Describe(Protocol protocol);
// Its sockets have addresses and ports.
inline bool IsInet(Protocol protocol) {
  return Describe(protocol).families.contains(Family::kInet);
}

// "tcp", "udp inet6", "unix": for messages.
std::string Text(const Table& table);
// `status` of a refused dump with what to do about it: which kernel option is missing, what a
// sandbox forbids.
absl::Status ExplainRefusal(const absl::Status& status, const Table& table);

}  // namespace netdiag

#endif  // NETDIAG_DUMP_TABLE_H_
