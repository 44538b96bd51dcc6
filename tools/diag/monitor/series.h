// tools/diag/monitor/series.h — what `diag export` counts of sockets: a bounded number of series,
// whose counters only grow. It writes nothing; tools/diag/export does.
//
//   Series series(by, /*most=*/100, &names);
//   series.BeginLook();
//   monitor->Poll([&](const Change& change) { series.Add(change); });
//   series.EndLook(look);
//
// A group is the sockets with the same values of the `by` fields. A socket with several owners
// belongs to the first. The first groups to appear are kept for ever, the largest of a look first.
// When there are `most` of them, the sockets of all other groups are counted as `other`.
//
// Threads: thread-compatible. Cost: a hash of the values for each change. No allocation for a known
// group. Memory: about 200 bytes and the values for each group, and 4 bytes for each connection.

#ifndef NETDIAG_TOOLS_DIAG_MONITOR_SERIES_H_
#define NETDIAG_TOOLS_DIAG_MONITOR_SERIES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "netdiag/monitor.h"
#include "netdiag/types/types.h"
#include "tools/diag/columns.h"
#include "tools/diag/names.h"

namespace diag {

// The part of the round trips that is below a value which is exported, in percent.
inline constexpr std::array<uint32_t, 3> kRttPercentiles = {50, 90, 99};

struct SocketGroup {
  std::vector<std::string> values;  // of the fields, escaped; "-": absent

  // Since the first look.
  uint64_t opened = 0;    // connections
  uint64_t closed = 0;    // connections
  uint64_t received = 0;  // bytes
  uint64_t sent = 0;      // bytes that were acknowledged
  uint64_t retrans = 0;   // segments
  uint64_t drops = 0;     // packets

  // At the last look.
  uint64_t connections = 0;
  uint64_t listeners = 0;
  uint64_t waiting = 0;                            // in the accept queues of the listeners
  uint64_t backlog = 0;                            // what these queues can hold
  double fullest = 0;                              // the largest waiting / backlog of a listener
  std::array<double, kRttPercentiles.size()> rtt;  // seconds; none if rtts is 0
  uint64_t rtts = 0;                               // connections that have a round trip
};

class Series {
 public:
  // How many sockets of a protocol are in a state.
  struct Key {
    uint64_t netns;  // kOtherNetns: one of the namespaces that are not told apart
    netdiag::Protocol protocol;
    netdiag::State state;
    auto operator<=>(const Key&) const = default;
  };
  static constexpr uint64_t kOtherNetns = ~uint64_t{0};

  // `names` is borrowed.
  Series(std::vector<Column> by, size_t most, Names* names);
  Series(const Series&) = delete;
  Series& operator=(const Series&) = delete;

  void BeginLook();
  void Add(const netdiag::Change& change);
  void EndLook();

  const std::vector<Column>& by() const { return by_; }
  size_t most() const { return most_; }
  // The groups that are told apart.
  std::span<const SocketGroup* const> groups() const { return shown_; }
  // The sockets of all other groups; null: there were none.
  const SocketGroup* other() const { return has_other_ ? &groups_[0].counts : nullptr; }
  // A key that a look has had stays, so that its number becomes 0 and does not vanish.
  const std::map<Key, uint64_t>& sockets() const { return sockets_; }

 private:
  struct Group {
    SocketGroup counts;
    std::string key;
    std::vector<uint32_t> rtts;  // of this look, in microseconds
  };
  Group* Find(const netdiag::Change& change);
  void CountNow(const netdiag::Change& change, Group* group);
  void Admit();
  static void Merge(Group* from, Group* into);

  const std::vector<Column> by_;
  const size_t most_;
  Names* const names_;
  std::deque<Group> groups_;  // the first is `other`
  size_t admitted_ = 1;       // groups_ before it stay
  bool has_other_ = false;
  absl::flat_hash_map<std::string, Group*> by_key_;
  std::vector<const SocketGroup*> shown_;
  std::map<Key, uint64_t> sockets_;
  std::map<Key, uint64_t>::iterator last_;
  std::vector<uint64_t> namespaces_;  // that are told apart
  std::string key_;                   // scratch
};

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_MONITOR_SERIES_H_
