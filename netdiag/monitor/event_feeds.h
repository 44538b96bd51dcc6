// netdiag/monitor/event_feeds.h — Internal. The events of closed sockets of several namespaces, on
// one descriptor to wait for.
//
// Threads: thread-compatible. Cost: a socket for each namespace; no allocation per event.

#ifndef NETDIAG_MONITOR_EVENT_FEEDS_H_
#define NETDIAG_MONITOR_EVENT_FEEDS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/events.h"
#include "netdiag/netlink/call.h"
#include "netdiag/row.h"
#include "netdiag/types/types.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag::internal {

class EventFeeds {
 public:
  using Visitor = absl::FunctionRef<void(const Row&)>;

  // `query`: the protocols and families whose events are followed.
  EventFeeds(Query query, int receive_buffer);

  // Begins to follow the namespace, whose number is `netns`. `enter` runs its argument inside it.
  absl::Status Follow(NetnsId netns,
                      absl::FunctionRef<absl::Status(absl::FunctionRef<absl::Status()>)> enter);
  // The same with events that are open.
  absl::Status Adopt(NetnsId netns, std::unique_ptr<Events> events);
  bool Follows(NetnsId netns) const { return Find(netns) != nullptr; }
  // Notes that look `look` has listed sockets in the namespace.
  void Touch(NetnsId netns, uint64_t look);
  // Leaves the namespaces that were not touched since `look`.
  void LeaveIdle(uint64_t look);

  // Gives up to about `limit` events. kWouldBlock: there are no more now.
  absl::StatusOr<netlink::Ready> Drain(Visitor visitor, size_t limit);
  int fd() const { return epoll_.get(); }

  // Since the start, over all namespaces.
  uint64_t overruns() const;
  std::optional<uint64_t> lost() const;

 private:
  struct Feed {
    NetnsId netns;
    uint64_t touched = 0;
    std::unique_ptr<Events> events;
  };
  const Feed* Find(NetnsId netns) const;

  const Query query_;
  const int receive_buffer_;
  UniqueFd epoll_;
  std::vector<Feed> feeds_;  // the first is never left
  size_t next_ = 0;          // the feed to be read next
  uint64_t past_overruns_ = 0;
  uint64_t past_lost_ = 0;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_MONITOR_EVENT_FEEDS_H_
