// netdiag/net/counter_table/udp.h — Internal. The counters of UDP and UDP-Lite.
// The sentences are ours; the phrases are those that netstat 2.10 prints. Users want
// netdiag/net/statistics.h.

#ifndef NETDIAG_NET_COUNTER_TABLE_UDP_H_
#define NETDIAG_NET_COUNTER_TABLE_UDP_H_

#include <array>

#include "netdiag/net/statistics.h"

namespace netdiag::internal {

inline constexpr auto kUdpCounters = [] {
  using enum CounterUnit;
  using enum CounterKind;
  using enum NetstatForm;
  return std::to_array<CounterInfo>({
      {"Udp", "InDatagrams", kDatagrams, kCount, "", "Datagrams that were given to a socket.",
       kAlways, "% packets received"},
      {"Udp", "NoPorts", kDatagrams, kCount, "",
       "Datagrams that came in for a port on which no socket listens.", kAlways,
       "% packets to unknown port received"},
      {"Udp", "InErrors", kDatagrams, kCount, "",
       "Datagrams that were dropped on arrival for another reason than a missing port.", kAlways,
       "% packet receive errors"},
      {"Udp", "OutDatagrams", kDatagrams, kCount, "", "Datagrams that were sent.", kAlways,
       "% packets sent"},
      {"Udp", "RcvbufErrors", kDatagrams, kCount, "",
       "Datagrams that were dropped because the receive buffer of their socket was full.", kAlways,
       "% receive buffer errors"},
      {"Udp", "SndbufErrors", kDatagrams, kCount, "",
       "Datagrams that were not sent because the send buffer or memory was full.", kAlways,
       "% send buffer errors"},
      {"Udp", "InCsumErrors", kDatagrams, kCount, "3.10",
       "Datagrams that were dropped because their checksum was wrong.", kRaw, ""},
      {"Udp", "IgnoredMulti", kDatagrams, kCount, "3.19",
       "Multicast datagrams for which no socket on this host asked.", kRaw, ""},
      {"Udp", "MemErrors", kDatagrams, kCount, "5.11",
       "Datagrams that were dropped because all sockets together use too much memory (udp_mem).",
       kRaw, ""},
      {"UdpLite", "InDatagrams", kDatagrams, kCount, "", "Datagrams that were given to a socket.",
       kRaw, ""},
      {"UdpLite", "NoPorts", kDatagrams, kCount, "",
       "Datagrams that came in for a port on which no socket listens.", kRaw, ""},
      {"UdpLite", "InErrors", kDatagrams, kCount, "",
       "Datagrams that were dropped on arrival for another reason than a missing port.", kRaw, ""},
      {"UdpLite", "OutDatagrams", kDatagrams, kCount, "", "Datagrams that were sent.", kRaw, ""},
      {"UdpLite", "RcvbufErrors", kDatagrams, kCount, "",
       "Datagrams that were dropped because the receive buffer of their socket was full.", kRaw,
       ""},
      {"UdpLite", "SndbufErrors", kDatagrams, kCount, "",
       "Datagrams that were not sent because the send buffer or memory was full.", kRaw, ""},
      {"UdpLite", "InCsumErrors", kDatagrams, kCount, "3.10",
       "Datagrams that were dropped because their checksum was wrong.", kRaw, ""},
      {"UdpLite", "IgnoredMulti", kDatagrams, kCount, "3.19",
       "Multicast datagrams for which no socket on this host asked.", kRaw, ""},
      {"UdpLite", "MemErrors", kDatagrams, kCount, "5.11",
       "Datagrams that were dropped because all sockets together use too much memory (udp_mem).",
       kRaw, ""},
      {"Udp6", "Udp6InDatagrams", kDatagrams, kCount, "", "Datagrams that were given to a socket.",
       kAlways, "% packets received"},
      {"Udp6", "Udp6NoPorts", kDatagrams, kCount, "",
       "Datagrams that came in for a port on which no socket listens.", kAlways,
       "% packets to unknown port received"},
      {"Udp6", "Udp6InErrors", kDatagrams, kCount, "",
       "Datagrams that were dropped on arrival for another reason than a missing port.", kAlways,
       "% packet receive errors"},
      {"Udp6", "Udp6OutDatagrams", kDatagrams, kCount, "", "Datagrams that were sent.", kAlways,
       "% packets sent"},
      {"Udp6", "Udp6RcvbufErrors", kDatagrams, kCount, "",
       "Datagrams that were dropped because the receive buffer of their socket was full.", kRaw,
       ""},
      {"Udp6", "Udp6SndbufErrors", kDatagrams, kCount, "",
       "Datagrams that were not sent because the send buffer or memory was full.", kRaw, ""},
      {"Udp6", "Udp6InCsumErrors", kDatagrams, kCount, "3.10",
       "Datagrams that were dropped because their checksum was wrong.", kRaw, ""},
      {"Udp6", "Udp6IgnoredMulti", kDatagrams, kCount, "3.19",
       "Multicast datagrams for which no socket on this host asked.", kRaw, ""},
      {"Udp6", "Udp6MemErrors", kDatagrams, kCount, "5.11",
       "Datagrams that were dropped because all sockets together use too much memory (udp_mem).",
       kRaw, ""},
      {"UdpLite6", "UdpLite6InDatagrams", kDatagrams, kCount, "",
       "Datagrams that were given to a socket.", kRaw, ""},
      {"UdpLite6", "UdpLite6NoPorts", kDatagrams, kCount, "",
       "Datagrams that came in for a port on which no socket listens.", kRaw, ""},
      {"UdpLite6", "UdpLite6InErrors", kDatagrams, kCount, "",
       "Datagrams that were dropped on arrival for another reason than a missing port.", kRaw, ""},
      {"UdpLite6", "UdpLite6OutDatagrams", kDatagrams, kCount, "", "Datagrams that were sent.",
       kRaw, ""},
      {"UdpLite6", "UdpLite6RcvbufErrors", kDatagrams, kCount, "",
       "Datagrams that were dropped because the receive buffer of their socket was full.", kRaw,
       ""},
      {"UdpLite6", "UdpLite6SndbufErrors", kDatagrams, kCount, "",
       "Datagrams that were not sent because the send buffer or memory was full.", kRaw, ""},
      {"UdpLite6", "UdpLite6InCsumErrors", kDatagrams, kCount, "3.10",
       "Datagrams that were dropped because their checksum was wrong.", kRaw, ""},
      {"UdpLite6", "UdpLite6MemErrors", kDatagrams, kCount, "5.11",
       "Datagrams that were dropped because all sockets together use too much memory (udp_mem).",
       kRaw, ""},
  });
}();

}  // namespace netdiag::internal

#endif  // NETDIAG_NET_COUNTER_TABLE_UDP_H_
