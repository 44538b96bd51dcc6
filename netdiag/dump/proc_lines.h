// SPDX-License-Identifier: Apache-2.0
//
// netdiag/dump/proc_lines.h — lines of the kernel's tables of sockets in /proc/net.
//
// The Engine reads these tables by itself where the kernel refuses a dump. This header is for what
// they show and no dump does: the reference counts of unix sockets, unix sockets that wait for
// accept(), the two counters behind a timer, and the user of a connection request.
//
// Lifetime: names are views of the line. Threads: pure functions. Cost: no allocation.
// Errors: nullopt for a line that does not have the kernel's form, such as the header.
// Source: get_tcp4_sock() in net/ipv4/tcp_ipv4.c, get_tcp6_sock(), udp4_format_sock(),
// raw_sock_seq_show(), ip6_dgram_sock_seq_show(), unix_seq_show().

#ifndef NETDIAG_DUMP_PROC_LINES_H_
#define NETDIAG_DUMP_PROC_LINES_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace netdiag {

// A line of tcp, udp, udplite, raw, icmp and their forms for IPv6.
struct ProcInetLine {
  Endpoint local;  // the port of a raw socket is its protocol
  Endpoint remote;
  uint8_t state = 0;  // the number of a State
  uint32_t send_queue = 0;
  uint32_t receive_queue = 0;  // LISTEN: the connections that wait for accept()
  uint32_t timer = 0;          // the number of a Timer
  uint32_t ticks = 0;          // until the timer expires, in hundredths of a second (USER_HZ)
  uint32_t retransmits = 0;
  uint32_t uid = 0;     // of a request: the user of the listener. TIME_WAIT: 0
  uint32_t probes = 0;  // keepalive and zero window probes without an answer
  Inode inode;
};
// `line` has no newline at its end.
std::optional<ProcInetLine> ParseProcInetLine(std::string_view line);

// A line of unix. A name with a newline in it makes two lines of one. The rest of the name can have
// the form of a line, so whoever names a socket can forge lines.
struct ProcUnixLine {
  uint32_t references = 0;
  uint32_t protocol = 0;
  uint32_t flags = 0;     // kProcUnixAccepts
  uint32_t type = 0;      // the number of a SocketType
  uint32_t state = 0;     // the number of a state of struct socket: kProcUnixConnected
  Inode inode;            // 0: the server's end of a connection that waits for accept()
  std::string_view name;  // '@' stands for each NUL of an abstract name
};
std::optional<ProcUnixLine> ParseProcUnixLine(std::string_view line);

// Flags and states of unix sockets. Source: include/linux/net.h (__SO_ACCEPTCON, SS_…).
inline constexpr uint32_t kProcUnixAccepts = 0x10000;
inline constexpr uint32_t kProcUnixUnconnected = 1;
inline constexpr uint32_t kProcUnixConnected = 3;

}  // namespace netdiag

#endif  // NETDIAG_DUMP_PROC_LINES_H_
