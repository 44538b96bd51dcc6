// SPDX-License-Identifier: Apache-2.0
//
// netdiag/net/statistics.h — the counters of IP, ICMP, TCP, UDP, MPTCP and SCTP of a network
// namespace, and one table of what each of them counts.
//
//   NETDIAG_ASSIGN_OR_RETURN(CounterSet set, ReadCounters(CounterFile::kSnmp));
//   for (const CounterGroup& group : set.groups) {
//     for (const Counter& counter : group.counters) {
//       Print(NameOf(group, counter), counter.value, counter.info ? counter.info->meaning : "");
//     }
//   }
//
// The kernel has them in four files of /proc/net. A counter that the table does not know, because
// the kernel is newer, is given all the same, without its info.
//
// Lifetime: a CounterSet owns its text; names of groups and keys are views of it, and live as long
// as one copy of the set. The infos are constants.
// Threads: values and pure functions.
// Errors: the file cannot be read (errno; ENOENT if the kernel lacks the protocol). Damage is no
// error of the call: see CounterSet::damage.
// Cost: reading the file, a vector for each group, and a look-up in a hash table for each counter.
// Source: proc(5), RFC 4293 (IP), RFC 4022 (TCP), RFC 4113 (UDP), RFC 3873 (SCTP), the kernel's
// Documentation/networking/snmp_counter.rst; the phrases are what netstat 2.10 printed.

#ifndef NETDIAG_NET_STATISTICS_H_
#define NETDIAG_NET_STATISTICS_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/types/abseil.h"

namespace netdiag {

enum class CounterUnit : uint8_t {
  kNone,
  kPackets,
  kSegments,
  kDatagrams,
  kMessages,
  kChunks,
  kBytes,
  kConnections,
  kEvents,
  kMilliseconds,
};
// "packets", "segments", …; empty for kNone.
std::string_view Name(CounterUnit unit);

enum class CounterKind : uint8_t {
  kCount,    // since the namespace was created; it only grows
  kGauge,    // how many there are now
  kSetting,  // not counted
};
// "count", "gauge", "setting".
std::string_view Name(CounterKind kind);

// How `netstat -s` of net-tools 2.10 shows a counter.
enum class NetstatForm : uint8_t {
  kRaw,        // "KEY: 7", unless it is 0: netstat has no phrase
  kAlways,     // its phrase, also for 0
  kIfNotZero,  // its phrase
  kNever,
  kInput,   // its phrase, under "ICMP input histogram:"
  kOutput,  // its phrase, under "ICMP output histogram:"
  kMissed,  // as kRaw: netstat has a phrase, but cannot find it, because its table is not sorted
};

// What is known of a counter.
struct CounterInfo {
  std::string_view group;  // as in the file: "TcpExt"; in snmp6 the beginning of the key: "Ip6"
  std::string_view key;    // as in the file: "TWKilled", "Ip6InReceives", "SctpCurrEstab"
  CounterUnit unit;        // of the value
  CounterKind kind;
  // The first kernel of Linus Torvalds that has it: "5.14". Other trees may have it earlier. Empty:
  // 3.8 or earlier, or not recorded.
  std::string_view since;
  std::string_view meaning;  // a sentence
  NetstatForm form;
  std::string_view phrase;  // what netstat prints, '%' stands for the value; empty: none
};

// Every counter that is known, by group.
std::span<const CounterInfo* const> KnownCounters();
// The info of a counter; null if it is not known. The counters of single ICMP types ("InType3")
// share one info, whose key has no number.
const CounterInfo* FindCounter(std::string_view group, std::string_view key);

struct Counter {
  std::string_view key;
  uint64_t value = 0;                 // modulo 2^64
  bool negative = false;              // the file has a sign: value is -n. Only MaxConn is -1
  const CounterInfo* info = nullptr;  // null: the table does not know the counter
};

struct CounterGroup {
  std::string_view name;
  std::vector<Counter> counters;  // in the order of the file
};
// nstat's name of a counter: "TcpRetransSegs", "TcpExtTWKilled", "Ip6InReceives".
std::string NameOf(const CounterGroup& group, const Counter& counter);

enum class CounterFile : uint8_t {
  kSnmp,     // /proc/net/snmp: IPv4, ICMP, TCP, UDP
  kNetstat,  // /proc/net/netstat: more of TCP and IPv4, MPTCP
  kSctp,     // /proc/net/sctp/snmp; absent while the module is not loaded
  kSnmp6,    // /proc/net/snmp6: IPv6, ICMPv6, UDP over IPv6; absent without IPv6
};
// The path below /proc/net: "snmp", "sctp/snmp".
std::string_view PathOf(CounterFile file);

struct CounterSet {
  std::shared_ptr<const std::string> text;
  std::vector<CounterGroup> groups;  // in the order of the file
  // Not OK: the text is damaged (EBADMSG). The groups before the damage are good.
  absl::Status damage;
};

// Reads the file for the network namespace of the calling thread.
absl::StatusOr<CounterSet> ReadCounters(CounterFile file, const std::string& proc_root = "/proc");
// Reads the text of such a file. Errors name `what`.
CounterSet ParseCounters(CounterFile file, std::string text, std::string_view what);

}  // namespace netdiag

#endif  // NETDIAG_NET_STATISTICS_H_
