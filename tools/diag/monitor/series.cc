// Tested by tests/tools/series_test.cc.

#include "tools/diag/monitor/series.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "netdiag/fields.h"

namespace diag {
namespace {

using netdiag::Change;
using netdiag::ChangeKind;
using netdiag::Field;
using netdiag::Row;
using netdiag::State;

constexpr std::string_view kOther = "other";

uint64_t NumberOf(const netdiag::FieldValue& value) {
  const auto* number = std::get_if<uint64_t>(&value);
  return number != nullptr ? *number : 0;
}

// The counters of a group that are the sums of a field's deltas.
struct Counter {
  const Field* field;
  uint64_t SocketGroup::*member;
};
const std::array<Counter, 4>& Counters() {
  static const std::array<Counter, 4> counters = {{
      {netdiag::FindField("bytes_received"), &SocketGroup::received},
      {netdiag::FindField("bytes_acked"), &SocketGroup::sent},
      {netdiag::FindField("total_retrans"), &SocketGroup::retrans},
      {netdiag::FindField("memory.drops"), &SocketGroup::drops},
  }};
  return counters;
}

bool HasRemoteEnd(const Row* row) {
  const netdiag::InetSocket* const socket = row != nullptr ? row->inet() : nullptr;
  return socket != nullptr && socket->remote_port() != netdiag::Port();
}

// The kernel clears the remote end of a connection that its own process aborts, but not in the row
// of the last look.
bool IsConnection(const Change& change) {
  return HasRemoteEnd(&change.row()) || HasRemoteEnd(change.last());
}

bool IsOver(const Change& change) {
  return change.kind() == ChangeKind::kClosed || change.kind() == ChangeKind::kGone;
}

// The values of a group's key, which end in NUL. Escaped text has no NUL.
std::vector<std::string> ValuesOf(std::string_view key) {
  std::vector<std::string> values;
  for (size_t at = 0; at < key.size(); at = key.find('\0', at) + 1) {
    values.emplace_back(key.substr(at, key.find('\0', at) - at));
  }
  return values;
}

}  // namespace

Series::Series(std::vector<Column> by, size_t most, Names* names)
    : by_(std::move(by)), most_(most), names_(names), last_(sockets_.end()) {
  Group& other = groups_.emplace_back();
  for (size_t i = 0; i < by_.size(); ++i) other.key.append(kOther).push_back('\0');
  other.counts.values = ValuesOf(other.key);
  // A group whose values are these words has no series of its own: there would be two of one name.
  by_key_[other.key] = &other;
  if (by_.empty()) {
    // All sockets are one group.
    has_other_ = true;
  }
}

void Series::BeginLook() {
  for (auto& [key, count] : sockets_) count = 0;
  for (Group& group : groups_) {
    SocketGroup& counts = group.counts;
    counts.connections = counts.listeners = counts.waiting = counts.backlog = counts.rtts = 0;
    counts.fullest = 0;
    counts.rtt.fill(0);
    group.rtts.clear();
  }
}

Series::Group* Series::Find(const Change& change) {
  key_.clear();
  for (const Column& column : by_) {
    const size_t before = key_.size();
    AppendValue(column, change.Value(*column.field), Escape::kText, /*netns=*/{}, names_, &key_);
    if (key_.size() == before) key_.push_back('-');
    key_.push_back('\0');
  }
  const auto known = by_key_.find(key_);
  if (known != by_key_.end()) {
    has_other_ |= known->second == &groups_[0];
    return known->second;
  }
  if (admitted_ > most_) {
    has_other_ = true;
    return &groups_[0];
  }
  Group& group = groups_.emplace_back();
  group.key = key_;
  group.counts.values = ValuesOf(key_);
  by_key_[key_] = &group;
  return &group;
}

void Series::Add(const Change& change) {
  Group* const group = Find(change);
  if (change.kind() == ChangeKind::kLingers) {
    CountNow(change, group);
    return;
  }
  SocketGroup& counts = group->counts;
  for (const Counter& counter : Counters()) {
    counts.*counter.member += NumberOf(change.Delta(*counter.field));
  }
  const bool opens = change.kind() == ChangeKind::kOpened || change.unseen();
  if (opens && change.counts_from_start() && IsConnection(change)) ++counts.opened;
  if (IsOver(change)) {
    if (IsConnection(change)) ++counts.closed;
    return;
  }
  CountNow(change, group);
}

void Series::CountNow(const Change& change, Group* group) {
  const Row& row = change.row();
  Key key = {row.table().netns.value(), row.protocol(), row.state()};
  if (last_ == sockets_.end() || last_->first != key) {
    if (std::ranges::find(namespaces_, key.netns) == namespaces_.end()) {
      if (namespaces_.size() < most_)
        namespaces_.push_back(key.netns);
      else
        key.netns = kOtherNetns;
    }
    last_ = sockets_.try_emplace(key).first;
  }
  ++last_->second;
  SocketGroup& counts = group->counts;
  if (row.state() == State::kListen) {
    ++counts.listeners;
    counts.waiting += row.receive_queue();
    counts.backlog += row.send_queue();
    const double full = static_cast<double>(row.receive_queue()) /
                        std::max<double>(static_cast<double>(row.send_queue()), 1);
    counts.fullest = std::max(counts.fullest, full);
    return;
  }
  if (!HasRemoteEnd(&row)) return;
  ++counts.connections;
  static const Field* const rtt = netdiag::FindField("tcp_info.rtt");
  const uint64_t micros = NumberOf(rtt->get(row, 0));
  if (micros > 0) group->rtts.push_back(static_cast<uint32_t>(micros));
}

void Series::Merge(Group* from, Group* into) {
  SocketGroup& sum = into->counts;
  const SocketGroup& more = from->counts;
  for (uint64_t SocketGroup::*const member :
       {&SocketGroup::opened, &SocketGroup::closed, &SocketGroup::received, &SocketGroup::sent,
        &SocketGroup::retrans, &SocketGroup::drops, &SocketGroup::connections,
        &SocketGroup::listeners, &SocketGroup::waiting, &SocketGroup::backlog}) {
    sum.*member += more.*member;
  }
  sum.fullest = std::max(sum.fullest, more.fullest);
  into->rtts.insert(into->rtts.end(), from->rtts.begin(), from->rtts.end());
}

// Keeps the largest of the new groups as far as there is room.
void Series::Admit() {
  const auto weight = [](const Group& group) {
    const SocketGroup& counts = group.counts;
    return std::tuple(counts.sent + counts.received, counts.connections + counts.listeners);
  };
  if (groups_.size() > most_ + 1) {
    std::vector<Group> fresh;
    for (size_t i = admitted_; i < groups_.size(); ++i) {
      by_key_.erase(groups_[i].key);
      fresh.push_back(std::move(groups_[i]));
    }
    groups_.resize(admitted_);
    std::ranges::sort(fresh, [&](const Group& a, const Group& b) {
      return weight(a) != weight(b) ? weight(a) > weight(b) : a.key < b.key;
    });
    for (Group& group : fresh) {
      if (groups_.size() <= most_) {
        Group& kept = groups_.emplace_back(std::move(group));
        by_key_[kept.key] = &kept;
        continue;
      }
      Merge(&group, &groups_[0]);
      has_other_ = true;
    }
  }
  for (; admitted_ < groups_.size(); ++admitted_) shown_.push_back(&groups_[admitted_].counts);
}

void Series::EndLook() {
  Admit();
  for (Group& group : groups_) {
    group.counts.rtts = group.rtts.size();
    if (group.rtts.empty()) continue;
    for (size_t i = 0; i < kRttPercentiles.size(); ++i) {
      const size_t rank = (group.rtts.size() - 1) * kRttPercentiles[i] / 100;
      const auto at = group.rtts.begin() + static_cast<std::ptrdiff_t>(rank);
      std::ranges::nth_element(group.rtts, at);
      group.counts.rtt[i] = static_cast<double>(*at) / 1e6;
    }
  }
}

}  // namespace diag
