// netdiag/net/counter_table/sctp.h — Internal. The counters of SCTP.
// The sentences are ours; the phrases are those that netstat 2.10 prints. Users want
// netdiag/net/statistics.h.

#ifndef NETDIAG_NET_COUNTER_TABLE_SCTP_H_
#define NETDIAG_NET_COUNTER_TABLE_SCTP_H_

#include <array>

#include "netdiag/net/statistics.h"

namespace netdiag::internal {

inline constexpr auto kSctpCounters = [] {
  using enum CounterUnit;
  using enum CounterKind;
  using enum NetstatForm;
  return std::to_array<CounterInfo>({
      {"Sctp", "SctpCurrEstab", kConnections, kGauge, "", "Associations that are established now.",
       kAlways, "% Current Associations"},
      {"Sctp", "SctpActiveEstabs", kConnections, kCount, "", "Associations that this host began.",
       kAlways, "% Active Associations"},
      {"Sctp", "SctpPassiveEstabs", kConnections, kCount, "",
       "Associations that other hosts began.", kAlways, "% Passive Associations"},
      {"Sctp", "SctpAborteds", kConnections, kCount, "", "Associations that ended by an ABORT.",
       kAlways, "% Number of Aborteds "},
      {"Sctp", "SctpShutdowns", kConnections, kCount, "", "Associations that ended by a SHUTDOWN.",
       kAlways, "% Number of Graceful Terminations"},
      {"Sctp", "SctpOutOfBlues", kPackets, kCount, "",
       "Packets that came in and belong to no association.", kAlways,
       "% Number of Out of Blue packets"},
      {"Sctp", "SctpChecksumErrors", kPackets, kCount, "",
       "Packets that came in with a wrong checksum.", kAlways,
       "% Number of Packets with invalid Checksum"},
      {"Sctp", "SctpOutCtrlChunks", kChunks, kCount, "", "Control chunks that were sent.", kAlways,
       "% Number of control chunks sent"},
      {"Sctp", "SctpOutOrderChunks", kChunks, kCount, "", "Chunks of ordered data that were sent.",
       kAlways, "% Number of ordered chunks sent"},
      {"Sctp", "SctpOutUnorderChunks", kChunks, kCount, "",
       "Chunks of unordered data that were sent.", kAlways, "% Number of Unordered chunks sent"},
      {"Sctp", "SctpInCtrlChunks", kChunks, kCount, "", "Control chunks that came in.", kAlways,
       "% Number of control chunks received"},
      {"Sctp", "SctpInOrderChunks", kChunks, kCount, "", "Chunks of ordered data that came in.",
       kAlways, "% Number of ordered chunks received"},
      {"Sctp", "SctpInUnorderChunks", kChunks, kCount, "", "Chunks of unordered data that came in.",
       kAlways, "% Number of Unordered chunks received"},
      {"Sctp", "SctpFragUsrMsgs", kMessages, kCount, "",
       "Messages of processes that had to be split.", kAlways, "% Number of messages fragmented"},
      {"Sctp", "SctpReasmUsrMsgs", kMessages, kCount, "",
       "Messages for processes that were put together from parts.", kAlways,
       "% Number of messages reassembled "},
      {"Sctp", "SctpOutSCTPPacks", kPackets, kCount, "", "Packets that were sent.", kAlways,
       "% Number of SCTP packets sent"},
      {"Sctp", "SctpInSCTPPacks", kPackets, kCount, "", "Packets that came in.", kAlways,
       "% Number of SCTP packets received"},
      {"Sctp", "SctpT1InitExpireds", kEvents, kCount, "",
       "Times that the timer for an answer to INIT ran out.", kRaw, ""},
      {"Sctp", "SctpT1CookieExpireds", kEvents, kCount, "",
       "Times that the timer for an answer to COOKIE-ECHO ran out.", kRaw, ""},
      {"Sctp", "SctpT2ShutdownExpireds", kEvents, kCount, "",
       "Times that the timer for an answer to SHUTDOWN ran out.", kRaw, ""},
      {"Sctp", "SctpT3RtxExpireds", kEvents, kCount, "",
       "Times that the retransmission timer ran out.", kRaw, ""},
      {"Sctp", "SctpT4RtoExpireds", kEvents, kCount, "",
       "Times that the timer for an answer to ASCONF ran out.", kRaw, ""},
      {"Sctp", "SctpT5ShutdownGuardExpireds", kEvents, kCount, "",
       "Times that the limit for the whole SHUTDOWN ran out.", kRaw, ""},
      {"Sctp", "SctpDelaySackExpireds", kEvents, kCount, "",
       "Times that the timer for delayed acknowledgements ran out.", kRaw, ""},
      {"Sctp", "SctpAutocloseExpireds", kEvents, kCount, "",
       "Times that the timer that closes idle associations ran out.", kRaw, ""},
      {"Sctp", "SctpT3Retransmits", kChunks, kCount, "",
       "Chunks that were sent again because the retransmission timer ran out.", kRaw, ""},
      {"Sctp", "SctpPmtudRetransmits", kChunks, kCount, "",
       "Chunks that were sent again because the path's MTU shrank.", kRaw, ""},
      {"Sctp", "SctpFastRetransmits", kChunks, kCount, "",
       "Chunks that were sent again by fast retransmit.", kRaw, ""},
      {"Sctp", "SctpInPktSoftirq", kPackets, kCount, "",
       "Packets that were handled at once when they came in.", kRaw, ""},
      {"Sctp", "SctpInPktBacklog", kPackets, kCount, "",
       "Packets that waited because a process had locked the socket.", kRaw, ""},
      {"Sctp", "SctpInPktDiscards", kPackets, kCount, "", "Packets that were dropped on arrival.",
       kRaw, ""},
      {"Sctp", "SctpInDataChunkDiscards", kChunks, kCount, "",
       "Chunks of data that came in and were dropped.", kRaw, ""},
  });
}();

}  // namespace netdiag::internal

#endif  // NETDIAG_NET_COUNTER_TABLE_SCTP_H_
