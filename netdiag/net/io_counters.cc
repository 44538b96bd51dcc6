// Tested by tests/net/net_test.cc.

#include "netdiag/net/io_counters.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <optional>
#include <unordered_map>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/status/statusor.h"

#include "netdiag/types/error.h"
#include "netdiag/types/parse_number.h"
#include "netdiag/types/proc_file.h"

namespace netdiag {
namespace {

// The size of the file on a host with 100 000 interfaces.
constexpr size_t kMaxNetDev = size_t{16} << 20;
constexpr size_t kColumns = 13;  // up to the last column that is read

// The columns of /proc/net/dev: eight for receiving, then eight for sending.
struct Column {
  size_t column;
  uint64_t IoCounters::*counter;
};
constexpr Column kNetDevColumns[] = {
    {0, &IoCounters::bytes_received}, {1, &IoCounters::packets_received},
    {2, &IoCounters::errors_in},      {3, &IoCounters::drops_in},
    {4, &IoCounters::fifo_in},        {8, &IoCounters::bytes_sent},
    {9, &IoCounters::packets_sent},   {10, &IoCounters::errors_out},
    {11, &IoCounters::drops_out},     {12, &IoCounters::fifo_out},
};

constexpr std::string_view kBlanks = " \t\r\v\f";

std::string_view Trim(std::string_view text) {
  const size_t begin = std::min(text.find_first_not_of(kBlanks), text.size());
  const size_t end = text.find_last_not_of(kBlanks);
  return text.substr(begin, end == text.npos ? 0 : end + 1 - begin);
}

std::vector<std::string_view> Columns(std::string_view text) {
  std::vector<std::string_view> columns;
  for (;;) {
    const std::string_view column = internal::TakeWord(kBlanks, &text);
    if (column.empty()) return columns;
    columns.push_back(column);
  }
}

// nullopt if the line does not describe an interface.
absl::StatusOr<std::optional<InterfaceCounters>> ParseLine(std::string_view line,
                                                           std::string_view what) {
  const size_t colon = line.rfind(':');
  if (colon == line.npos) return std::nullopt;
  const std::string_view name = Trim(line.substr(0, colon));
  const std::vector<std::string_view> columns = Columns(line.substr(colon + 1));
  if (name.empty() || columns.size() < kColumns) return std::nullopt;
  InterfaceCounters interface;
  interface.name = name;
  for (const Column& column : kNetDevColumns) {
    const std::string_view text = columns[column.column];
    const std::optional<uint64_t> counter = internal::ParseNumber<uint64_t>(text);
    if (!counter) return DamagedData(what, "not a number: \"" + std::string(text) + "\"");
    interface.counters.*column.counter = *counter;
  }
  return interface;
}

using Key = std::pair<uint32_t, std::string_view>;  // an index, or the name if there is none
using Samples = std::unordered_map<Key, const IoCounters*, absl::Hash<Key>>;

Key KeyOf(const InterfaceCounters& interface) {
  if (interface.index != IfIndex()) return {interface.index.value(), {}};
  return {0, interface.name};
}

IoRate RateOf(const InterfaceCounters& after, const IoCounters& before, double seconds) {
  IoRate rate = {.name = after.name, .index = after.index, .increase = {}, .seconds = seconds};
  for (const IoField& field : kIoFields) {
    const uint64_t then = before.*field.counter;
    const uint64_t now = after.counters.*field.counter;
    rate.reset |= now < then;
    rate.increase.*field.counter = now < then ? now : now - then;
  }
  return rate;
}

}  // namespace

InterfaceCounters SumOf(std::span<const InterfaceCounters> interfaces) {
  InterfaceCounters sum = {.name = "all", .index = {}, .counters = {}};
  for (const InterfaceCounters& interface : interfaces) {
    for (const IoField& field : kIoFields) {
      sum.counters.*field.counter += interface.counters.*field.counter;
    }
  }
  return sum;
}

absl::Status ParseNetDev(std::string_view text, std::string_view what,
                         std::vector<InterfaceCounters>* interfaces) try {
  size_t lines = 0;
  while (!text.empty()) {
    const std::string_view line = internal::TakeUntil('\n', &text);
    if (++lines <= 2) continue;
    NETDIAG_ASSIGN_OR_RETURN(std::optional<InterfaceCounters> interface, ParseLine(line, what));
    if (interface) interfaces->push_back(*std::move(interface));
  }
  if (lines >= 2) return absl::OkStatus();
  return DamagedData(what, "expected at least 2 header lines, got " + std::to_string(lines));
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

absl::Status IoCountersByFile(bool per_nic, const std::string& path,
                              std::vector<InterfaceCounters>* interfaces,
                              const netlink::CallOptions& call) try {
  NETDIAG_RETURN_IF_ERROR(netlink::CheckCall(call, path));
  const std::string text = internal::ReadProcFile(path, kMaxNetDev);
  if (errno != 0) return ErrnoError(errno, path);
  if (per_nic) return ParseNetDev(text, path, interfaces);
  std::vector<InterfaceCounters> each;
  NETDIAG_RETURN_IF_ERROR(ParseNetDev(text, path, &each));
  interfaces->push_back(SumOf(each));
  return absl::OkStatus();
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

IoRates RatesBetween(const IoSample& before, const IoSample& after) {
  const double seconds = std::chrono::duration<double>(after.time - before.time).count();
  Samples earlier;
  for (const InterfaceCounters& interface : before.interfaces) {
    earlier.try_emplace(KeyOf(interface), &interface.counters);
  }
  IoRates rates;
  rates.all = {.name = "all", .index = {}, .increase = {}, .seconds = seconds};
  for (const InterfaceCounters& interface : after.interfaces) {
    const auto place = earlier.find(KeyOf(interface));
    if (place == earlier.end()) {
      ++rates.appeared;
      continue;
    }
    const IoRate& rate = rates.interfaces.emplace_back(RateOf(interface, *place->second, seconds));
    earlier.erase(place);
    rates.all.reset |= rate.reset;
    for (const IoField& field : kIoFields) {
      rates.all.increase.*field.counter += rate.increase.*field.counter;
    }
  }
  rates.vanished = earlier.size();
  return rates;
}

}  // namespace netdiag
