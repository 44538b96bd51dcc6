// netdiag/dump/sockstat.h — Internal. How many sockets a network namespace has.
//
// Source: net/ipv4/proc.c (sockstat_seq_show), net/ipv6/proc.c; sock_prot_inuse_add().

#ifndef NETDIAG_DUMP_SOCKSTAT_H_
#define NETDIAG_DUMP_SOCKSTAT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "netdiag/dump/table.h"

namespace netdiag::internal {

// What a dump of the namespace would give, but for two kinds: half-open connections (SYN_RECV),
// which no namespace without listeners has for longer than their timer runs, and sockets that are
// bound and idle (State::kBoundInactive).
struct SocketCounts {
  bool known = false;
  uint64_t tcp4 = 0;  // TIME_WAIT excepted
  uint64_t tcp6 = 0;
  uint64_t time_wait = 0;  // of both families
  uint64_t udp4 = 0;
  uint64_t udp6 = 0;

  uint64_t tcp() const { return tcp4 + tcp6 + time_wait; }
  // Whether a dump that asks for this can only be empty.
  bool IsEmpty(const DumpRequest& request) const;
};

// From the text of /proc/net/sockstat and sockstat6; the latter is empty without IPv6.
SocketCounts ParseSockstat(std::string_view sockstat, std::string_view sockstat6);
// Of the calling thread's namespace, below `proc_root`.
SocketCounts ReadSockstat(const std::string& proc_root);

// All that a namespace tells of what its TCP does. The same before and after a dump, no connection
// left the table between: what ends one sends or receives a segment, raises a counter, or makes
// them fewer; and nothing makes them more without a segment but listen(), which would have to come
// together with a connection that is given up before it was answered.
//
// Source: /proc/net/snmp, "Tcp:" (InSegs, OutSegs, ActiveOpens, PassiveOpens, EstabResets, …), and
// netstat, "TcpExt:" (TW, TCPTimeouts, EmbryonicRsts, …); tcp_syn_ack_timeout(), tcp_check_req(),
// inet_twsk_schedule(), tcp_set_state(), 6.18.
struct TcpActivity {
  uint64_t tcp4 = 0;
  uint64_t tcp6 = 0;
  uint64_t time_wait = 0;
  std::string counters;
  friend bool operator==(const TcpActivity&, const TcpActivity&) = default;
};
// Of the calling thread's namespace, below `proc_root`; nothing if that is no procfs, or if there
// are fewer than `least` connections. Cost: 24 µs if they are fewer, else 95.
std::optional<TcpActivity> ReadTcpActivity(const std::string& proc_root, uint64_t least);

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_SOCKSTAT_H_
