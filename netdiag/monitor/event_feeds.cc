// Tested by tests/monitor/monitor_test.cc and tests/live/monitor_live_test.cc.

#include "netdiag/monitor/event_feeds.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "netdiag/types/error.h"

namespace netdiag::internal {
namespace {

using netlink::Ready;

}  // namespace

EventFeeds::EventFeeds(Query query, int receive_buffer)
    : query_(std::move(query)),
      receive_buffer_(receive_buffer),
      epoll_(epoll_create1(EPOLL_CLOEXEC)) {}

const EventFeeds::Feed* EventFeeds::Find(NetnsId netns) const {
  const auto feed = std::ranges::find(feeds_, netns, &Feed::netns);
  return feed == feeds_.end() ? nullptr : &*feed;
}

absl::Status EventFeeds::Follow(
    NetnsId netns, absl::FunctionRef<absl::Status(absl::FunctionRef<absl::Status()>)> enter) {
  std::unique_ptr<Events> events;
  NETDIAG_RETURN_IF_ERROR(enter([&]() -> absl::Status {
    NETDIAG_ASSIGN_OR_RETURN(events, Events::Open(query_, {.receive_buffer = receive_buffer_}));
    return absl::OkStatus();
  }));
  return Adopt(netns, std::move(events));
}

absl::Status EventFeeds::Adopt(NetnsId netns, std::unique_ptr<Events> events) {
  epoll_event event = {.events = EPOLLIN, .data = {.fd = events->fd()}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, events->fd(), &event) != 0) {
    return ErrnoError(errno, "epoll_ctl");
  }
  feeds_.push_back({.netns = netns, .events = std::move(events)});
  return absl::OkStatus();
}

void EventFeeds::Touch(NetnsId netns, uint64_t look) {
  if (const Feed* feed = Find(netns)) const_cast<Feed*>(feed)->touched = look;
}

// Closing a descriptor takes it out of the epoll.
void EventFeeds::LeaveIdle(uint64_t look) {
  for (size_t i = 1; i < feeds_.size();) {
    if (feeds_[i].touched >= look) {
      ++i;
      continue;
    }
    const EventStats stats = feeds_[i].events->stats();
    past_overruns_ += stats.overruns;
    past_lost_ += stats.lost.value_or(0);
    feeds_.erase(feeds_.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

absl::StatusOr<Ready> EventFeeds::Drain(Visitor visitor, size_t limit) {
  size_t left = std::max<size_t>(limit, 1);
  const auto pass = [&](const Row& row) {
    visitor(row);
    if (left > 0) --left;
    return Flow::kContinue;
  };
  // Each feed in turn, so that a busy one does not starve the others.
  for (size_t i = 0; i < feeds_.size() && left > 0; ++i, ++next_) {
    Events& events = *feeds_[next_ % feeds_.size()].events;
    NETDIAG_ASSIGN_OR_RETURN(const Ready ready, events.TryReceive(pass, left));
    if (ready == Ready::kSome) return ready;
  }
  return left == 0 ? Ready::kSome : Ready::kWouldBlock;
}

uint64_t EventFeeds::overruns() const {
  uint64_t sum = past_overruns_;
  for (const Feed& feed : feeds_) sum += feed.events->stats().overruns;
  return sum;
}

std::optional<uint64_t> EventFeeds::lost() const {
  uint64_t sum = past_lost_;
  for (const Feed& feed : feeds_) {
    const std::optional<uint64_t> lost = feed.events->stats().lost;
    if (!lost) return std::nullopt;
    sum += *lost;
  }
  return sum;
}

}  // namespace netdiag::internal
