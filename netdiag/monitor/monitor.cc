// The Monitor: one look after another, each of which drains the events, dumps, and drains again.
//
// Tested by tests/monitor/monitor_test.cc and tests/live/monitor_live_test.cc.

#include "netdiag/monitor.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <memory>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

#include "netdiag/events.h"
#include "netdiag/filter/filter.h"
#include "netdiag/monitor/adopt.h"
#include "netdiag/monitor/event_feeds.h"
#include "netdiag/monitor/ledger.h"
#include "netdiag/process/cgroup.h"
#include "netdiag/socket/socket.h"
#include "netdiag/types/error.h"

namespace netdiag {
namespace {

using netlink::CallOptions;
using netlink::Ready;

constexpr size_t kDrainSlice = 256;
// The most events that a look reads at a time. Without a limit, a look would not end if events came
// faster than it reads them.
constexpr size_t kDrainMost = size_t{1} << 20;

// The fields that a socket has from its first row on, with the values that it keeps.
constexpr std::string_view kFixedFields[] = {"protocol",    "family",         "netns",
                                             "local_port",  "local_address",  "cookie",
                                             "remote_port", "remote_address", "interface"};

// True if a socket that the query selects was selected from its beginning.
bool SelectsFromStart(const Query& query) {
  bool fixed = query.states.contains(State::kEstablished);
  if (query.filter == nullptr) return fixed;
  fixed = fixed && !query.filter->ReadsOwners() && query.filter->NamedStates().empty();
  query.filter->VisitFields([&](const Field& field) {
    fixed = fixed && field.group == FieldGroup::kSocket &&
            std::ranges::find(kFixedFields, field.name) != std::end(kFixedFields);
  });
  return fixed;
}

bool HasEvents(Protocol protocol) {
  return protocol == Protocol::kTcp || protocol == Protocol::kUdp;
}

// The query for events: what a closed socket was selected by is decided later.
Query EventQuery(const Query& query) {
  Query events{.protocols = {}, .families = query.families};
  for (const Protocol protocol : query.protocols) {
    if (HasEvents(protocol)) events.protocols.push_back(protocol);
  }
  return events;
}

}  // namespace

class Monitor::Impl {
 public:
  Impl(Engine* engine, Query query, const MonitorOptions& options)
      : engine_(engine),
        query_(std::move(query)),
        judges_events_(Events::CheckFilter(query_).ok()),
        ledger_(SelectsFromStart(query_)),
        feeds_(EventQuery(query_), options.receive_buffer) {
    if (!query_.cgroups) return;
    cgroups_.emplace(options.proc_root);
    ledger_.SetCgroups(&*cgroups_);
  }

  // Returns what `body` returns. Out of memory leaves records half made, so no call works after it.
  template <class Body>
  auto Try(Body body) -> decltype(body()) {
    if (is_broken_) {
      return ErrnoError(EINVAL, "monitor", "it ran out of memory: open another monitor");
    }
    try {
      auto result = body();
      is_broken_ = StatusOf(result) == OutOfMemory();
      return result;
    } catch (const std::bad_alloc&) {
      is_broken_ = true;
      return OutOfMemory();
    } catch (...) {  // of the caller's visitor
      is_broken_ = true;
      throw;
    }
  }

  void FollowHome(const MonitorOptions& options);
  absl::Status Adopt(std::unique_ptr<Events> events);
  absl::StatusOr<Look> Poll(Visitor visitor, const CallOptions& call);
  absl::Status Begin();
  absl::StatusOr<Ready> Step(Visitor visitor, const Budget& budget);
  absl::StatusOr<Ready> Drain(Visitor visitor, size_t limit);
  int fd() const { return state_ == State::kDump ? engine_->fd() : -1; }
  int event_fd() const { return follows_ ? feeds_.fd() : -1; }
  const internal::Ledger& ledger() const { return ledger_; }

 private:
  static const absl::Status& StatusOf(const absl::Status& status) { return status; }
  template <class T>
  static const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
    return result.status();
  }

  bool is_broken_ = false;
  enum class State : uint8_t { kIdle, kBefore, kDump, kAfter };

  bool Selects(const Row& event);
  void NoteLosses();
  void FollowListed(const Summary& summary);
  void End(const Summary& summary, Visitor visitor);
  absl::StatusOr<Ready> DrainSlice(Visitor visitor, size_t limit);
  absl::Status DrainAll(Visitor visitor);

  Engine* const engine_;
  const Query query_;
  const bool judges_events_;
  internal::Ledger ledger_;
  internal::EventFeeds feeds_;
  std::optional<Cgroups> cgroups_;
  State state_ = State::kIdle;
  bool follows_ = false;    // events are asked for, and those of home come
  absl::Status no_events_;  // why some do not come
  size_t drained_ = 0;      // by the drain that runs
  uint64_t overruns_ = 0;   // until the last NoteLosses()
  std::optional<uint64_t> lost_ = 0;
};

// ---- Events ----

void Monitor::Impl::FollowHome(const MonitorOptions& options) {
  if (!options.events || std::ranges::none_of(query_.protocols, HasEvents)) return;
  no_events_ = feeds_.Follow(engine_->netns(), [this](absl::FunctionRef<absl::Status()> open) {
    return engine_->RunIn(engine_->netns(), open);
  });
  follows_ = no_events_.ok();
}

absl::Status Monitor::Impl::Adopt(std::unique_ptr<Events> events) {
  const NetnsId netns = events->netns();
  follows_ = true;
  return feeds_.Adopt(netns, std::move(events));
}

// True if the query selects a socket of which only the event is known.
bool Monitor::Impl::Selects(const Row& event) {
  const InetSocket& socket = *event.inet();
  if (socket.local_port() == Port()) return false;  // it was never bound
  const bool is_connection = socket.remote_port() != Port();
  const bool of_states = is_connection ? query_.states.contains(netdiag::State::kEstablished)
                         : event.protocol() == Protocol::kTcp
                             ? query_.states.contains(netdiag::State::kListen)
                             : query_.states.contains(netdiag::State::kClose);
  if (!of_states || socket.local_port() != query_.source_port.value_or(socket.local_port()) ||
      socket.remote_port() != query_.destination_port.value_or(socket.remote_port())) {
    return false;
  }
  if (query_.filter == nullptr) return true;
  if (judges_events_) return query_.filter->Matches(event);
  ++ledger_.look().unjudged;
  return false;
}

absl::StatusOr<Ready> Monitor::Impl::DrainSlice(Visitor visitor, size_t limit) {
  if (!follows_) return Ready::kWouldBlock;
  return feeds_.Drain(
      [&](const Row& event) {
        ++drained_;
        ledger_.Close(
            event, [this](const Row& row) { return Selects(row); }, visitor);
      },
      limit);
}

absl::Status Monitor::Impl::DrainAll(Visitor visitor) {
  drained_ = 0;
  Ready ready = Ready::kSome;
  while (ready == Ready::kSome && drained_ < kDrainMost) {
    NETDIAG_ASSIGN_OR_RETURN(ready, DrainSlice(visitor, kDrainSlice));
  }
  return absl::OkStatus();
}

absl::StatusOr<Ready> Monitor::Impl::Drain(Visitor visitor, size_t limit) {
  if (state_ != State::kIdle) return ErrnoError(EBUSY, "a look of the Monitor runs");
  return DrainSlice(visitor, limit);
}

void Monitor::Impl::NoteLosses() {
  Look& look = ledger_.look();
  look.no_events = no_events_;
  if (!follows_) return;
  const uint64_t overruns = feeds_.overruns();
  const std::optional<uint64_t> lost = feeds_.lost();
  look.overruns = overruns - overruns_;
  if (lost && lost_) look.lost = *lost - *lost_;
  overruns_ = overruns;
  lost_ = lost;
}

// Follows the events of the namespaces that gave a row.
void Monitor::Impl::FollowListed(const Summary& summary) {
  if (!follows_) return;
  const uint64_t number = ledger_.look().number;
  for (const TableOutcome& outcome : summary.tables) {
    const NetnsId netns = outcome.table.netns;
    if (outcome.rows == 0 || !HasEvents(outcome.table.protocol)) continue;
    if (!feeds_.Follows(netns)) {
      const absl::Status followed = feeds_.Follow(
          netns,
          [&](absl::FunctionRef<absl::Status()> open) { return engine_->RunIn(netns, open); });
      if (!followed.ok()) no_events_ = followed;
    }
    feeds_.Touch(netns, number);
  }
  if (number > kIdleLooks) feeds_.LeaveIdle(number - kIdleLooks);
}

// ---- Looks ----

absl::Status Monitor::Impl::Begin() {
  if (state_ != State::kIdle) ledger_.AbandonLook();
  if (cgroups_) cgroups_->Refresh();
  ledger_.BeginLook(std::chrono::steady_clock::now());
  drained_ = 0;
  state_ = State::kBefore;
  return absl::OkStatus();
}

void Monitor::Impl::End(const Summary& summary, Visitor visitor) {
  NoteLosses();
  ledger_.EndLook(
      summary,
      [this](const Table& table) {
        return follows_ && HasEvents(table.protocol) && feeds_.Follows(table.netns);
      },
      visitor);
  state_ = State::kIdle;
}

absl::StatusOr<Look> Monitor::Impl::Poll(Visitor visitor, const CallOptions& call) {
  NETDIAG_RETURN_IF_ERROR(Begin());
  NETDIAG_RETURN_IF_ERROR(DrainAll(visitor));
  state_ = State::kDump;
  NETDIAG_ASSIGN_OR_RETURN(const Summary summary, engine_->Visit(
                                                      query_,
                                                      [&](const Row& row) {
                                                        ledger_.Add(row, visitor);
                                                        return Flow::kContinue;
                                                      },
                                                      call));
  FollowListed(summary);
  NETDIAG_RETURN_IF_ERROR(DrainAll(visitor));
  End(summary, visitor);
  return ledger_.done();
}

absl::StatusOr<Ready> Monitor::Impl::Step(Visitor visitor, const Budget& budget) {
  switch (state_) {
    case State::kIdle:
      return Ready::kDone;
    case State::kBefore: {
      NETDIAG_ASSIGN_OR_RETURN(const Ready ready, DrainSlice(visitor, kDrainSlice));
      if (ready == Ready::kSome && drained_ < kDrainMost) return Ready::kSome;
      NETDIAG_RETURN_IF_ERROR(engine_->Begin(query_));
      state_ = State::kDump;
      return Ready::kSome;
    }
    case State::kDump: {
      const auto add = [&](const Row& row) {
        ledger_.Add(row, visitor);
        return Flow::kContinue;
      };
      NETDIAG_ASSIGN_OR_RETURN(const Ready ready, engine_->Step(add, budget));
      if (ready != Ready::kDone) return ready;
      FollowListed(engine_->summary());
      drained_ = 0;
      state_ = State::kAfter;
      return Ready::kSome;
    }
    case State::kAfter: {
      NETDIAG_ASSIGN_OR_RETURN(const Ready ready, DrainSlice(visitor, kDrainSlice));
      if (ready == Ready::kSome && drained_ < kDrainMost) return Ready::kSome;
      End(engine_->summary(), visitor);
      return Ready::kDone;
    }
  }
  return Ready::kDone;
}

// ---- The public face ----

Monitor::Monitor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Monitor::~Monitor() = default;

namespace internal {

class MonitorOpener {
 public:
  static absl::StatusOr<std::unique_ptr<Monitor>> Open(Engine* engine, Query query,
                                                       const MonitorOptions& options,
                                                       std::unique_ptr<Events> events) {
    if (query.owners) query.owner_policy = OwnerPolicy::kCached;
    auto impl = std::make_unique<Monitor::Impl>(engine, std::move(query), options);
    if (events != nullptr) {
      NETDIAG_RETURN_IF_ERROR(impl->Adopt(std::move(events)));
    } else {
      impl->FollowHome(options);
    }
    return std::unique_ptr<Monitor>(new Monitor(std::move(impl)));
  }
};

absl::StatusOr<std::unique_ptr<Monitor>> AdoptEvents(Engine* engine, Query query,
                                                     std::unique_ptr<Events> events) {
  return MonitorOpener::Open(engine, std::move(query), {}, std::move(events));
}

}  // namespace internal

absl::StatusOr<std::unique_ptr<Monitor>> Monitor::Open(Engine* engine, Query query,
                                                       const MonitorOptions& options) try {
  return internal::MonitorOpener::Open(engine, std::move(query), options, nullptr);
} catch (const std::bad_alloc&) {
  return OutOfMemory();
}

absl::StatusOr<Look> Monitor::Poll(Visitor visitor, const CallOptions& call) {
  return impl_->Try([&] { return impl_->Poll(visitor, call); });
}
absl::Status Monitor::Begin() {
  return impl_->Try([&] { return impl_->Begin(); });
}
absl::StatusOr<Ready> Monitor::Step(Visitor visitor, const Budget& budget) {
  return impl_->Try([&] { return impl_->Step(visitor, budget); });
}
int Monitor::fd() const { return impl_->fd(); }
const Look& Monitor::look() const { return impl_->ledger().done(); }
int Monitor::event_fd() const { return impl_->event_fd(); }
absl::StatusOr<Ready> Monitor::Drain(Visitor visitor, size_t limit) {
  return impl_->Try([&] { return impl_->Drain(visitor, limit); });
}
size_t Monitor::size() const { return impl_->ledger().size(); }
size_t Monitor::memory() const { return impl_->ledger().memory(); }

}  // namespace netdiag
