// Tested by tests/engine/engine_test.cc, tests/live/engine_live_test.cc and
// tests/live/peers_live_test.cc.

#include "netdiag/engine/walks.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

namespace netdiag::internal {

using netlink::CallOptions;
using netlink::Message;
using netlink::Ready;

void Walks::Begin(std::vector<TablePlan> plans, const WalkContext& context, size_t limit,
                  UnixIndex* unix_sockets, Summary* summary) {
  Drop();
  plans_ = std::move(plans);
  context_ = context;
  limit_ = limit;
  summary_ = summary;
  unix_sockets_ = unix_sockets;
  unread_unix_tables_ =
      static_cast<size_t>(std::ranges::count(plans_, true, &TablePlan::kept_for_peers));
}

void Walks::Drop() {
  walks_.clear();
  plans_.clear();
  next_ = turn_ = next_kept_ = kept_end_ = 0;
}

absl::StatusOr<Ready> Walks::Step(Wait wait, const CallOptions& call, const Sink& sink) {
  NETDIAG_RETURN_IF_ERROR(Start(wait, call));
  if (walks_.empty()) return done() ? Ready::kDone : Ready::kSome;
  turn_ = (turn_ + 1) % walks_.size();
  Walk& walk = walks_[turn_];
  const auto keep = [&](const Message& message) {
    const auto table = static_cast<uint32_t>(&walk.plan() - plans_.data());
    unix_sockets_->Add(message, table) ? ++walk.outcome().rows : ++summary_->damaged;
    return Flow::kContinue;
  };
  const bool keeps = walk.keeps();
  const auto deliver = [&](const Message& message) {
    return keeps ? keep(message) : sink.deliver(message, walk);
  };
  const auto prefetch = [&](const Message& message) { sink.prefetch(message, walk); };
  NETDIAG_ASSIGN_OR_RETURN(const Ready ready,
                           walk.Step({.wait = wait, .call = call, .prefetch = prefetch}, deliver));
  if (ready != Ready::kDone || summary_->stopped) return ready;
  walk.Finish(summary_);
  walks_.erase(walks_.begin() + static_cast<std::ptrdiff_t>(turn_));
  if (keeps) EndKeeping();
  if (!done()) return Ready::kSome;
  context_.conns->Leave();
  return Ready::kDone;
}

absl::Status Walks::Start(Wait wait, const CallOptions& call) {
  context_.may_wait = wait == Wait::kBlock;
  while (walks_.size() < limit_ && next_kept_ < kept_end_) StartKept();
  while (walks_.size() < limit_ && next_ < plans_.size()) {
    const bool other_namespace =
        !walks_.empty() && walks_.front().plan().table().netns != plans_[next_].table().netns;
    if (other_namespace) break;
    NETDIAG_RETURN_IF_ERROR(StartNext(call));
    if (leaves_home()) break;
  }
  if (walks_.empty()) context_.conns->Leave();
  return absl::OkStatus();
}

bool Walks::leaves_home() const {
  if (!idle() || next_ == 0 || next_ == plans_.size()) return false;
  const Conns& conns = *context_.conns;
  return conns.IsHome(plans_[next_ - 1].table().netns) &&
         !conns.IsHome(plans_[next_].table().netns);
}

// Starts the next table. A table without a walk is done: it is empty, its namespace has gone, or no
// source can answer.
absl::Status Walks::StartNext(const CallOptions& call) {
  const TablePlan& plan = plans_[next_];
  TableOutcome& outcome = summary_->tables[next_];
  absl::StatusOr<std::optional<Walk>> walk =
      Walk::Start(plan, FreeSlot(), context_, call, &outcome);
  if (EndsCall(walk.status())) return walk.status();
  ++next_;
  if (walk.ok() && *walk) {
    walks_.push_back(**std::move(walk));
    return absl::OkStatus();
  }
  if (!walk.ok() && !context_.namespaces->Vanished(plan.table().netns)) {
    outcome.status = walk.status();
  }
  if (plan.kept_for_peers) EndKeeping();
  return absl::OkStatus();
}

// A Conn serves one dump at a time.
size_t Walks::FreeSlot() const {
  size_t slot = 0;
  while (std::ranges::find(walks_, std::optional(slot), &Walk::slot) != walks_.end()) ++slot;
  return slot;
}

// A unix table has been kept. After the last one, all unix tables are walked out of the index.
void Walks::EndKeeping() {
  if (--unread_unix_tables_ > 0) return;
  unix_sockets_->Sort();
  next_kept_ = 0;
  kept_end_ = plans_.size();
}

// Starts the second walk of the next table, if it is one of those.
void Walks::StartKept() {
  const size_t i = next_kept_++;
  if (!plans_[i].kept_for_peers) return;
  walks_.push_back(Walk::OverKept(plans_[i], *unix_sockets_, static_cast<uint32_t>(i), context_,
                                  &summary_->tables[i]));
}

void Walks::Stop() {
  for (const Walk& walk : walks_) {
    walk.Finish(summary_);
    if (walk.keeps()) walk.outcome().rows = 0;
  }
  walks_.clear();
  next_ = plans_.size();
  next_kept_ = kept_end_ = 0;
  context_.conns->Leave();
}

bool Walks::reads_ahead() const { return std::ranges::any_of(walks_, &Walk::reads_ahead); }

int Walks::fd() const {
  // The walk that was stepped last may have ended since.
  return walks_.empty() ? -1 : walks_[std::min(turn_, walks_.size() - 1)].fd();
}

}  // namespace netdiag::internal
