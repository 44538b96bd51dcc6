// netdiag/monitor/kept_owners.h — Internal. The owners of sockets, kept after the query that found
// them. A process is stored once, however many sockets it holds.
//
// Lifetime: the Owners that View() returns are valid until the next call.
// Threads: thread-compatible.
// Cost: 8 bytes a link, which the caller stores; about 90 bytes a process. No allocation except for
// growth.

#ifndef NETDIAG_MONITOR_KEPT_OWNERS_H_
#define NETDIAG_MONITOR_KEPT_OWNERS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "netdiag/process/owner.h"
#include "netdiag/process/scan.h"

namespace netdiag::internal {

class KeptOwners {
 public:
  // One owner of a socket.
  struct Link {
    uint32_t process = 0;  // a place in the table of processes
    int32_t fd = 0;
  };

  // Makes links of `owners`, and keeps their processes until they are released.
  void Keep(const Owners& owners, std::span<Link> links);
  void Release(std::span<const Link> links);
  // True if the links say what `owners` says. A command that has changed is taken over.
  bool Matches(std::span<const Link> links, const Owners& owners);
  Owners View(std::span<const Link> links);

  size_t processes() const { return places_.size(); }
  size_t memory() const;

 private:
  // Process ids and threads are not unique in time, but with the start time they are.
  struct Key {
    int32_t pid;
    int32_t thread;
    uint64_t start_time;
    friend bool operator==(const Key&, const Key&) = default;
    template <class H>
    friend H AbslHashValue(H h, const Key& key) {
      return H::combine(std::move(h), key.pid, key.thread, key.start_time);
    }
  };
  static Key KeyOf(const Owner& owner) {
    return {owner.pid.value(), owner.thread.value(), owner.start_time};
  }

  // The processes have fixed places; the sockets are those of the last View().
  Scan scan_;
  std::vector<uint32_t> links_;  // of each place: how many links name it; 0: the place is free
  std::vector<uint32_t> free_;
  absl::flat_hash_map<Key, uint32_t> places_;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_MONITOR_KEPT_OWNERS_H_
