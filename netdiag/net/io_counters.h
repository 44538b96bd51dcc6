// netdiag/net/io_counters.h — what interfaces have carried, and how fast: gopsutil's IOCounters.
//
//   NETDIAG_ASSIGN_OR_RETURN(IoSample before, reader.SampleCounters());
//   …;                                                          // a second later
//   NETDIAG_ASSIGN_OR_RETURN(IoSample after, reader.SampleCounters());
//   const IoRates rates = RatesBetween(before, after);
//   for (const IoRate& rate : rates.interfaces) Print(rate.name, rate.PerSecond(kIoFields[0]));
//
// Threads: values. Cost: a string an interface.
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

#include "netdiag/netlink/conn.h"
#include "netdiag/types/types.h"

namespace netdiag {

// Since the interface was made, as /proc/net/dev counts. Drops of receiving include packets that
// the device had no room for (rx_missed_errors).
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

// Every counter, with gopsutil's JSON key.
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
  IfIndex index;  // 0: from a file, which does not tell it
  IoCounters counters;
  friend bool operator==(const InterfaceCounters&, const InterfaceCounters&) = default;
};

// The sum of every counter under the name "all". (gopsutil leaves the FIFO counters out.)
InterfaceCounters SumOf(std::span<const InterfaceCounters> interfaces);

// Appends the interfaces of a file in the form of /proc/net/dev, in its order, or, unless
// `per_nic`, their sum alone. Lines without a colon, a name or 13 numbers' worth of columns are
// left out, and a name is all that precedes the last colon, as with gopsutil. Errors: the file
// cannot be read (errno); it has not even the two lines of a header, or a column is no number
// (EBADMSG): then the interfaces before it are appended all the same; `call` had ended before.
absl::Status IoCountersByFile(bool per_nic, const std::string& path,
                              std::vector<InterfaceCounters>* interfaces,
                              const netlink::CallOptions& call = {});
// The same of text.
absl::Status ParseNetDev(std::string_view text, std::string_view what,
                         std::vector<InterfaceCounters>* interfaces);

// The counters of all interfaces at one time.
struct IoSample {
  std::chrono::steady_clock::time_point time;
  std::vector<InterfaceCounters> interfaces;
};

// What became of one interface between two samples.
struct IoRate {
  std::string name;
  IfIndex index;
  // What was added. Of counters that were set back (a driver was loaded anew, `reset`): what they
  // count since, so less than there was.
  IoCounters increase;
  bool reset = false;
  double seconds = 0;

  // 0 if no time passed.
  double PerSecond(const IoField& field) const {
    return seconds > 0 ? static_cast<double>(increase.*field.counter) / seconds : 0;
  }
};

struct IoRates {
  // Those in both samples, in the order of the later one. An interface is its index, or, from
  // files, its name; one that was made anew under its old name has a new index.
  std::vector<IoRate> interfaces;
  // Their sum, "all". It never goes down when an interface vanishes: only what was added counts.
  IoRate all;
  size_t appeared = 0;  // only in the later sample
  size_t vanished = 0;  // only in the earlier one: what they carried last is not known
};
IoRates RatesBetween(const IoSample& before, const IoSample& after);

}  // namespace netdiag

#endif  // NETDIAG_NET_IO_COUNTERS_H_
