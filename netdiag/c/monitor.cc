// Monitors: changes as columns of values and columns of deltas. Tested by tests/c/monitor_test.cc.

#include "netdiag/monitor.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "netdiag/c/border.h"
#include "netdiag/c/columns.h"
#include "netdiag/c/engine.h"
#include "netdiag/c/netdiag.h"
#include "netdiag/c/query.h"
#include "netdiag/engine.h"
#include "netdiag/fields.h"
#include "netdiag/netlink/call.h"
#include "netdiag/types/error.h"
#include "netdiag/types/types.h"

struct netdiag_monitor {
  netdiag_engine* engine;
  uint64_t opened;  // netdiag_engine::opened of the Engine that `monitor` borrows
  std::unique_ptr<netdiag::Monitor> monitor;

  netdiag::c::Columns values, deltas;
  std::vector<netdiag_change> change;
  netdiag_changes shown = {};
  uint64_t question = 0;  // netdiag_engine::question of the look that is stepped; 0: none is
  std::string gaps;
};

namespace netdiag::c {
namespace {

// A batch of netdiag_monitor_poll() is shown when it has this many rows.
constexpr size_t kRowsOfBatch = 1024;

absl::StatusOr<int> OpenMonitor(netdiag_engine* engine, const netdiag_query* query,
                                const netdiag_monitor_options* given, netdiag_monitor** monitor) {
  if (query == nullptr || monitor == nullptr) {
    return ErrnoError(EINVAL, "netdiag_monitor_open",
                      "the query or the place of the monitor is null");
  }
  NETDIAG_ASSIGN_OR_RETURN(const netdiag_monitor_options read, ReadOptions(given));
  MonitorOptions options;
  options.events = read.no_events == 0;
  if (read.receive_buffer > static_cast<unsigned int>(std::numeric_limits<int>::max())) {
    return BadInput("receive_buffer", std::to_string(read.receive_buffer), "is too large");
  }
  if (read.receive_buffer > 0) options.receive_buffer = static_cast<int>(read.receive_buffer);
  options.proc_root = engine->options.proc_root;
  auto made = std::make_unique<netdiag_monitor>();
  made->engine = engine;
  made->opened = engine->opened;
  NETDIAG_ASSIGN_OR_RETURN(made->monitor,
                           Monitor::Open(engine->engine.get(), query->query, options));
  std::vector<const Field*> counters;
  for (const Field* field : query->columns) {
    if (field->meaning == Meaning::kCounter && !IsList(field->group)) counters.push_back(field);
  }
  made->values.SetFields(query->columns);
  made->deltas.SetFields(counters);
  *monitor = made.release();
  return 0;
}

void Clear(netdiag_monitor* monitor) {
  monitor->values.Clear();
  monitor->deltas.Clear();
  monitor->change.clear();
}

void Add(const Change& change, netdiag_monitor* monitor) {
  monitor->values.Add(change.row(),
                      [&](const Field& field, size_t i) { return change.Value(field, i); });
  monitor->deltas.Add(change.row(),
                      [&](const Field& field, size_t) { return change.Delta(field); });
  using std::chrono::duration_cast, std::chrono::microseconds;
  monitor->change.push_back({
      .seen_for_us = static_cast<uint64_t>(
          std::max<int64_t>(duration_cast<microseconds>(change.seen_for()).count(), 0)),
      // Names are string literals, so a NUL follows.
      .last_state = change.last_state() ? Names(*change.last_state()).word.data() : nullptr,
      .kind = static_cast<uint8_t>(change.kind()),
      .unseen = change.unseen(),
      .counts_from_start = change.counts_from_start(),
      .reset = change.reset(),
      .owners_remembered = change.owners_remembered(),
      .reserved = {},
  });
}

static_assert(static_cast<int>(ChangeKind::kOpened) == NETDIAG_CHANGE_OPENED &&
              static_cast<int>(ChangeKind::kLived) == NETDIAG_CHANGE_LIVED &&
              static_cast<int>(ChangeKind::kClosed) == NETDIAG_CHANGE_CLOSED &&
              static_cast<int>(ChangeKind::kGone) == NETDIAG_CHANGE_GONE &&
              static_cast<int>(ChangeKind::kLingers) == NETDIAG_CHANGE_LINGERS &&
              static_cast<int>(ChangeKind::kUntold) == NETDIAG_CHANGE_UNTOLD);

const netdiag_changes* Changes(netdiag_monitor* monitor) {
  monitor->shown = {.rows = monitor->change.size(),
                    .change = monitor->change.data(),
                    .values = monitor->values.Batch(),
                    .deltas = monitor->deltas.Batch()};
  return &monitor->shown;
}

// The engine's own query has ended, and a look of the monitor comes.
void TakeEngine(netdiag_monitor* monitor) {
  monitor->engine->summary.reset();
  monitor->engine->began = false;
  ++monitor->engine->question;
  monitor->question = 0;
  Clear(monitor);
}

absl::StatusOr<int> Poll(netdiag_monitor* monitor, int64_t timeout_us,
                         netdiag_change_visitor visitor, void* data) {
  if (visitor == nullptr) return ErrnoError(EINVAL, "visitor", "it is null");
  TakeEngine(monitor);
  const auto show = [&] {
    if (!monitor->change.empty()) visitor(data, Changes(monitor));
    Clear(monitor);
  };
  const auto add = [&](const Change& change) {
    Add(change, monitor);
    if (monitor->change.size() >= kRowsOfBatch) show();
  };
  const absl::StatusOr<Look> look =
      monitor->monitor->Poll(add, BeginCall(monitor->engine, timeout_us));
  show();  // also after an error: these changes are told only once
  NETDIAG_RETURN_IF_ERROR(look.status());
  return 0;
}

absl::StatusOr<int> StepMonitor(netdiag_monitor* monitor, uint64_t budget_us,
                                const netdiag_changes** changes) {
  if (changes == nullptr) return ErrnoError(EINVAL, "changes", "it is null");
  *changes = nullptr;
  if (monitor->question == 0 || monitor->question != monitor->engine->question) {
    TakeEngine(monitor);
    NETDIAG_RETURN_IF_ERROR(monitor->monitor->Begin());
    monitor->question = monitor->engine->question;
  }
  Clear(monitor);
  const auto add = [&](const Change& change) { Add(change, monitor); };
  const absl::StatusOr<netlink::Ready> ready = monitor->monitor->Step(add, BudgetOf(budget_us));
  if (!ready.ok() || *ready == netlink::Ready::kDone) monitor->question = 0;
  NETDIAG_RETURN_IF_ERROR(ready.status());
  *changes = Changes(monitor);
  return CodeOf(*ready);
}

// Why the deltas of a look may not be all, and what its query lacks, one reason a line.
std::string GapsOf(const Look& look) {
  std::string text;
  const auto add = [&](std::string_view reason) {
    if (!text.empty()) text += '\n';
    text.append(reason);
  };
  const auto count = [&](uint64_t number, std::string_view what) {
    if (number > 0) add(std::to_string(number).append(what));
  };
  count(look.overruns, " overruns of the receive buffer: events were lost");
  count(look.untold, " rows cannot be followed: they have no cookie of their own");
  count(look.unjudged, " events of unknown sockets cannot be judged by the filter");
  for (const absl::Status& status : {look.no_events, look.unread}) {
    if (!status.ok()) add({status.message().data(), status.message().size()});
  }
  for (const absl::Status& gap : look.query.Gaps()) {
    add({gap.message().data(), gap.message().size()});
  }
  return text;
}

absl::StatusOr<int> WriteLook(netdiag_monitor* monitor, netdiag_look* out) {
  const Look& look = monitor->monitor->look();
  if (look.number == 0) return ErrnoError(ENOENT, "look", "none has ended");
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(look.interval).count();
  monitor->gaps = GapsOf(look);
  const netdiag_look written = {.size = sizeof(written),
                                .number = look.number,
                                .interval_us = static_cast<uint64_t>(micros),
                                .opened = look.opened,
                                .lived = look.lived,
                                .closed = look.closed,
                                .unseen = look.unseen,
                                .gone = look.gone,
                                .untold = look.untold,
                                .overruns = look.overruns,
                                .lost = look.lost.value_or(UINT64_MAX),
                                .followed = monitor->monitor->size(),
                                .memory = monitor->monitor->memory(),
                                .exact = look.exact() ? 1 : 0,
                                .reserved = 0,
                                .gaps = monitor->gaps.c_str()};
  NETDIAG_RETURN_IF_ERROR(WriteResult(written, out));
  return 0;
}

// As WithEngine(), with the engine of the monitor, if it still has what the monitor borrows.
template <class Body>
int WithMonitor(netdiag_monitor* monitor, netdiag_error* error, Body body) noexcept {
  if (monitor == nullptr) return Fail(NETDIAG_INVALID, EINVAL, "the monitor is null", error);
  return WithEngine(monitor->engine, error, [&]() -> absl::StatusOr<int> {
    if (monitor->opened != monitor->engine->opened) {
      return ErrnoError(EINVAL, "monitor", "its engine ran out of memory: open another monitor");
    }
    return body();
  });
}

}  // namespace
}  // namespace netdiag::c

extern "C" {

int netdiag_monitor_open(netdiag_engine* engine, const netdiag_query* query,
                         const netdiag_monitor_options* options, netdiag_monitor** monitor,
                         netdiag_error* error) {
  return netdiag::c::WithEngine(
      engine, error, [&] { return netdiag::c::OpenMonitor(engine, query, options, monitor); });
}

void netdiag_monitor_close(netdiag_monitor* monitor) { delete monitor; }

int netdiag_monitor_poll(netdiag_monitor* monitor, int64_t timeout_us,
                         netdiag_change_visitor visitor, void* data, netdiag_error* error) {
  return netdiag::c::WithMonitor(
      monitor, error, [&] { return netdiag::c::Poll(monitor, timeout_us, visitor, data); });
}

int netdiag_monitor_step(netdiag_monitor* monitor, uint64_t budget_us,
                         const netdiag_changes** changes, netdiag_error* error) {
  return netdiag::c::WithMonitor(
      monitor, error, [&] { return netdiag::c::StepMonitor(monitor, budget_us, changes); });
}

int netdiag_monitor_look(netdiag_monitor* monitor, netdiag_look* look, netdiag_error* error) {
  return netdiag::c::WithMonitor(monitor, error,
                                 [&] { return netdiag::c::WriteLook(monitor, look); });
}

}  // extern "C"
