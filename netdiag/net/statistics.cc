// Tested by tests/net/statistics_test.cc.

#include "netdiag/net/statistics.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <unordered_map>
#include <utility>

#include "absl/hash/hash.h"

#include "netdiag/net/counter_table/icmp.h"
#include "netdiag/net/counter_table/ip.h"
#include "netdiag/net/counter_table/mptcp.h"
#include "netdiag/net/counter_table/sctp.h"
#include "netdiag/net/counter_table/tcp.h"
#include "netdiag/net/counter_table/udp.h"
#include "netdiag/types/error.h"
#include "netdiag/types/parse_number.h"
#include "netdiag/types/proc_file.h"

namespace netdiag {
namespace {

using internal::TakeUntil;
using internal::TakeWord;

// The files have some 10 KiB.
constexpr size_t kMaxFile = size_t{1} << 20;
constexpr std::string_view kBlanks = " \t";
constexpr std::string_view kSctpGroup = "Sctp";

constexpr std::array<std::string_view, 10> kUnitNames = {
    "",       "packets", "segments",    "datagrams", "messages",
    "chunks", "bytes",   "connections", "events",    "milliseconds"};
constexpr std::array<std::string_view, 3> kKindNames = {"count", "gauge", "setting"};
constexpr std::array<std::string_view, 4> kPaths = {"snmp", "netstat", "sctp/snmp", "snmp6"};

const std::vector<const CounterInfo*>& Table() {
  static const auto* const table = [] {
    auto* const all = new std::vector<const CounterInfo*>;
    const auto add = [all](std::span<const CounterInfo> rows) {
      for (const CounterInfo& row : rows) all->push_back(&row);
    };
    add(internal::kIpCounters);
    add(internal::kIcmpCounters);
    add(internal::kTcpCounters);
    add(internal::kUdpCounters);
    add(internal::kMptcpCounters);
    add(internal::kSctpCounters);
    return all;
  }();
  return *table;
}

// A word of the file as a number, with a sign or without.
bool ReadNumber(std::string_view word, Counter* counter) {
  counter->negative = word.starts_with('-');
  if (counter->negative) word.remove_prefix(1);
  const std::optional<uint64_t> number = internal::ParseNumber<uint64_t>(word);
  if (!number) return false;
  counter->value = counter->negative ? uint64_t{0} - *number : *number;
  return true;
}

// Two lines: "Tcp: KEY KEY …" and "Tcp: 1 2 …".
absl::Status ReadPair(std::string_view keys, std::string_view values, std::string_view what,
                      std::vector<CounterGroup>* groups) {
  const size_t colon = keys.find(':');
  if (colon == keys.npos || !values.starts_with(keys.substr(0, colon + 1))) {
    return DamagedData(what, "a line of names does not belong to the line of numbers after it");
  }
  CounterGroup group = {keys.substr(0, colon), {}};
  keys.remove_prefix(colon + 1);
  values.remove_prefix(colon + 1);
  for (;;) {
    const std::string_view key = TakeWord(kBlanks, &keys);
    const std::string_view value = TakeWord(kBlanks, &values);
    Counter counter = {.key = key};
    if (key.empty() && value.empty()) break;
    if (key.empty() || !ReadNumber(value, &counter)) {
      return DamagedData(
          what, "the names and the numbers of " + std::string(group.name) + " do not fit together");
    }
    counter.info = FindCounter(group.name, key);
    group.counters.push_back(counter);
  }
  groups->push_back(std::move(group));
  return absl::OkStatus();
}

absl::Status ReadPairs(std::string_view text, std::string_view what,
                       std::vector<CounterGroup>* groups) {
  while (!text.empty()) {
    const std::string_view keys = TakeUntil('\n', &text);
    NETDIAG_RETURN_IF_ERROR(ReadPair(keys, TakeUntil('\n', &text), what, groups));
  }
  return absl::OkStatus();
}

// The group of a key of snmp6: up to the 6. A key without one is a group of its own.
std::string_view GroupOfKey(CounterFile file, std::string_view key) {
  if (file == CounterFile::kSctp) return kSctpGroup;
  const size_t six = key.find('6');
  return six == key.npos ? key : key.substr(0, six + 1);
}

// A line for each counter: "Ip6InReceives 333".
absl::Status ReadLines(CounterFile file, std::string_view text, std::string_view what,
                       std::vector<CounterGroup>* groups) {
  while (!text.empty()) {
    std::string_view line = TakeUntil('\n', &text);
    Counter counter = {.key = TakeWord(kBlanks, &line)};
    if (counter.key.empty() || !ReadNumber(TakeWord(kBlanks, &line), &counter) ||
        !TakeWord(kBlanks, &line).empty()) {
      return DamagedData(what, "a line is not a name and a number");
    }
    const std::string_view group = GroupOfKey(file, counter.key);
    counter.info = FindCounter(group, counter.key);
    if (groups->empty() || groups->back().name != group) groups->push_back({group, {}});
    groups->back().counters.push_back(counter);
  }
  return absl::OkStatus();
}

}  // namespace

std::string_view Name(CounterUnit unit) {
  const auto place = static_cast<size_t>(unit);
  return place < kUnitNames.size() ? kUnitNames[place] : "";
}

std::string_view Name(CounterKind kind) {
  const auto place = static_cast<size_t>(kind);
  return place < kKindNames.size() ? kKindNames[place] : "";
}

std::string_view PathOf(CounterFile file) {
  const auto place = static_cast<size_t>(file);
  return place < kPaths.size() ? kPaths[place] : "";
}

std::span<const CounterInfo* const> KnownCounters() { return Table(); }

const CounterInfo* FindCounter(std::string_view group, std::string_view key) {
  using Key = std::pair<std::string_view, std::string_view>;
  using Index = std::unordered_map<Key, const CounterInfo*, absl::Hash<Key>>;
  static const Index* const index = [] {
    auto made = std::make_unique<Index>();
    for (const CounterInfo* info : Table()) made->emplace(Key(info->group, info->key), info);
    return made.release();
  }();
  const auto exact = index->find({group, key});
  if (exact != index->end()) return exact->second;
  // "InType3", "Icmp6OutType135".
  const size_t last = key.find_last_not_of("0123456789");
  if (last == key.npos || last + 1 == key.size()) return nullptr;
  key = key.substr(0, last + 1);
  const auto type = key.ends_with("Type") ? index->find({group, key}) : index->end();
  return type == index->end() ? nullptr : type->second;
}

std::string NameOf(const CounterGroup& group, const Counter& counter) {
  std::string name;
  if (!counter.key.starts_with(group.name)) name = group.name;
  name += counter.key;
  return name;
}

CounterSet ParseCounters(CounterFile file, std::string text, std::string_view what) {
  CounterSet set;
  set.text = std::make_shared<const std::string>(std::move(text));
  const bool in_pairs = file == CounterFile::kSnmp || file == CounterFile::kNetstat;
  set.damage = in_pairs ? ReadPairs(*set.text, what, &set.groups)
                        : ReadLines(file, *set.text, what, &set.groups);
  return set;
}

absl::StatusOr<CounterSet> ReadCounters(CounterFile file, const std::string& proc_root) try {
  const std::string path = proc_root + "/thread-self/net/" + std::string(PathOf(file));
  std::string text = internal::ReadProcFile(path, kMaxFile);
  if (errno != 0) return ErrnoError(errno, path);
  return ParseCounters(file, std::move(text), path);
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

}  // namespace netdiag
