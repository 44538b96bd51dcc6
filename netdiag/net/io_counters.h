// SPDX-License-Identifier: Apache-2.0
//
// netdiag/net/io_counters.h — counters of interfaces and their rates: gopsutil's IOCounters.
//
//   NETDIAG_ASSIGN_OR_RETURN(IoSample before, reader.SampleCounters());
//   …;                                                          // a second later
//   NETDIAG_ASSIGN_OR_RETURN(IoSample after, reader.SampleCounters());
//   const IoRates rates = RatesBetween(before, after);
//   for (const IoRate& rate : rates.interfaces) Print(rate.name, rate.PerSecond(kIoFields[0]));
//
// Threads: values. Cost: one string per interface.
// Source: proc(5) (/proc/net/dev), net/core/net-procfs.c, rtnetlink(7).

#ifndef NETDIAG_NET_IO_COUNTERS_H_
#define NETDIAG_NET_IO_COUNTERS_H_

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

#include "netdiag/netlink/call.h"
#include "netdiag/types/types.h"

namespace netdiag {

// Counts since the interface was created, as in /proc/net/dev. drops_in includes packets that the
// device had no room for (rx_missed_errors).
struct IoCounters {
  uint64_t bytes_sent = 0;
  uint64_t bytes_received = 0;
  uint64_t packets_sent = 0;
  uint64_t packets_received = 0;
  uint64_t errors_in = 0;
  uint64_t errors_out = 0;
  uint64_t drops_in = 0;
  uint64_t drops_out = 0;
  uint64_t fifo_in = 0;
  uint64_t fifo_out = 0;
  friend bool operator==(const IoCounters&, const IoCounters&) = default;
};

// All counters with gopsutil's JSON keys.
struct IoField {
  std::string_view gopsutil;
  uint64_t IoCounters::*counter;
};
inline constexpr std::array<IoField, 10> kIoFields = {{
    {"bytesSent", &IoCounters::bytes_sent},
    {"bytesRecv", &IoCounters::bytes_received},
    {"packetsSent", &IoCounters::packets_sent},
    {"packetsRecv", &IoCounters::packets_received},
    {"errin", &IoCounters::errors_in},
    {"errout", &IoCounters::errors_out},
    {"dropin", &IoCounters::drops_in},
    {"dropout", &IoCounters::drops_out},
    {"fifoin", &IoCounters::fifo_in},
    {"fifoout", &IoCounters::fifo_out},
}};

// The counters of one interface.
struct InterfaceCounters {
  std::string name;
  IfIndex index;  // 0: unknown, because the counters are from a file
  IoCounters counters;
  friend bool operator==(const InterfaceCounters&, const InterfaceCounters&) = default;
};

// The sum of every counter under the name "all". (gopsutil leaves the FIFO counters out.)
InterfaceCounters SumOf(std::span<const InterfaceCounters> interfaces);

// Reads a file in the format of /proc/net/dev and appends its interfaces in their order, or only
// their sum if `per_nic` is false. As in gopsutil, lines without a colon, a name or 13 columns are
// left out, and the name is everything before the last colon. Errors: the file cannot be read
// (errno); the two header lines are missing or a column is not a number (EBADMSG), in which case
// the interfaces before it are appended; `call` had ended before the file was read.
absl::Status IoCountersByFile(bool per_nic, const std::string& path,
                              std::vector<InterfaceCounters>* interfaces,
                              const netlink::CallOptions& call = {});
// As IoCountersByFile() with `per_nic`, for text. Errors name `what`.
absl::Status ParseNetDev(std::string_view text, std::string_view what,
                         std::vector<InterfaceCounters>* interfaces);

// The counters of all interfaces at one time.
struct IoSample {
  std::chrono::steady_clock::time_point time;
  std::vector<InterfaceCounters> interfaces;
};

// The change of one interface between two samples.
struct IoRate {
  std::string name;
  IfIndex index;
  // The difference of the counters. If a counter was reset (for example because its driver was
  // reloaded), `reset` is true and the increase is what was counted since the reset, which is less
  // than the truth.
  IoCounters increase;
  bool reset = false;
  double seconds = 0;

  // 0 if no time has passed.
  double PerSecond(const IoField& field) const {
    return seconds > 0 ? static_cast<double>(increase.*field.counter) / seconds : 0;
  }
};

struct IoRates {
  // The interfaces in both samples, in the order of the later one. Interfaces are matched by index,
  // or by name if they are from a file. An interface that was deleted and created again has a new
  // index.
  std::vector<IoRate> interfaces;
  // Their sum, "all". Only increases count, so it does not shrink when an interface vanishes.
  IoRate all;
  size_t appeared = 0;  // only in the later sample
  size_t vanished = 0;  // only in the earlier sample; their last traffic is unknown
};
IoRates RatesBetween(const IoSample& before, const IoSample& after);

}  // namespace netdiag

#endif  // NETDIAG_NET_IO_COUNTERS_H_
