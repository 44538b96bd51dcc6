// Tested by tests/tools/events_program_test.cc.

#include "tools/diag/follow.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <poll.h>
#include <string>
#include <unistd.h>

#include "netdiag/events.h"
#include "netdiag/monitor.h"
#include "netdiag/summary.h"
#include "netdiag/types/error.h"
#include "tools/diag/render.h"
#include "tools/diag/stop_signals.h"
#include "tools/diag/text.h"

namespace diag {
namespace {

using netdiag::Change;
using netdiag::ChangeKind;
using netdiag::Events;
using netdiag::EventStats;
using netdiag::Flow;
using netdiag::Monitor;
using netdiag::netlink::Ready;

// No event takes fewer bytes of the kernel's buffer (about 1280).
constexpr size_t kLeastEvent = 512;

using Deadline = std::optional<std::chrono::steady_clock::time_point>;

// Waits for an event. Returns false if a signal came, or the reader of the output has gone.
bool WaitForEvent(int events, int output, Deadline deadline = {}) {
  pollfd fds[] = {{events, POLLIN, 0}, {StopSignals::fd(), POLLIN, 0}, {output, 0, 0}};
  const auto left = [&] {
    if (!deadline) return -1;
    const auto time =
        std::chrono::ceil<std::chrono::milliseconds>(*deadline - std::chrono::steady_clock::now());
    return static_cast<int>(std::max<int64_t>(time.count(), 0));
  };
  while (poll(fds, 3, left()) < 0) {
    if (errno != EINTR) return false;
  }
  const bool reader_gone = (fds[2].revents & (POLLERR | POLLHUP)) != 0;
  return fds[1].revents == 0 && !reader_gone;
}

// "at least 6893 events were lost"
std::string LossText(const EventStats& stats) {
  const std::string count =
      stats.lost ? "at least " + std::to_string(*stats.lost) + " events" : std::string("events");
  const std::string size = std::to_string(stats.receive_buffer / 1024);
  return count + " were lost, because the kernel's buffer " +
         (stats.receive_buffer > 0 ? "of " + size + " KiB was full" : "was full");
}

// Reports losses when they are found, and once more at the end.
class LossReporter {
 public:
  explicit LossReporter(Renderer* renderer) : renderer_(renderer) {}

  void Report(const EventStats& stats) {
    if (stats.overruns == reported_) return;
    reported_ = stats.overruns;
    renderer_->Lost(stats);
    Complain(LossText(stats) + "; the next ones follow");
  }
  void ReportEnd(const EventStats& stats) {
    if (stats.overruns > 0 || stats.lost.value_or(0) > 0) Complain("in all, " + LossText(stats));
  }

 private:
  Renderer* renderer_;
  uint64_t reported_ = 0;  // overruns
};

netdiag::Summary SummaryOf(const EventStats& stats, bool stopped) {
  netdiag::Summary summary;
  summary.rows = stats.events;
  summary.stopped = stopped;
  summary.foreign = stats.foreign;
  summary.damaged = stats.damaged;
  summary.unknown_attributes = stats.unknown_attributes;
  return summary;
}

uint64_t Received(const EventStats& stats) {
  return stats.events + stats.unmatched + stats.damaged + stats.foreign;
}

// Shows events until something ends that. After a signal it shows those that are in the kernel's
// buffer. Returns kDone if the visitor ended it, and kWouldBlock after a signal or the end of the
// reader.
absl::StatusOr<Ready> ShowAll(Events* events, Events::Visitor show, LossReporter* losses,
                              const Output& output) {
  std::optional<uint64_t> last;  // the number of events after which it ends
  for (;;) {
    NETDIAG_ASSIGN_OR_RETURN(const Ready ready, events->TryReceive(show));
    const EventStats stats = events->stats();
    losses->Report(stats);
    if (ready == Ready::kDone) return ready;
    if (last && (ready == Ready::kWouldBlock || Received(stats) >= *last)) {
      return Ready::kWouldBlock;
    }
    if (last) continue;
    const bool ends = ready == Ready::kWouldBlock ? !WaitForEvent(events->fd(), output.fd())
                                                  : StopSignals::came();
    if (ends) last = Received(stats) + stats.receive_buffer / kLeastEvent;
  }
}

// What is shown of a stream of events, and how it is shown.
class Stream {
 public:
  Stream(const ListOptions& options, netdiag::Engine* engine)
      : renderer_(NewRenderer(options, engine, &output_)),
        pipeline_(options.selection, renderer_.get(), &output_) {}

  void Begin() {
    renderer_->Begin();
    Flush();
  }
  Flow Show(const netdiag::Row& row) {
    const Flow flow = pipeline_.Add(row);
    Flush();
    return output_.failed() ? Flow::kStop : flow;
  }
  void Flush() {
    renderer_->Flush();
    output_.Flush();
  }
  // `stats`: of the whole stream.
  ExitCode End(const ListOptions& options, const EventStats& stats, bool stopped) {
    const netdiag::Summary summary = SummaryOf(stats, stopped && !output_.failed());
    renderer_->EventsEnd(stats);
    renderer_->End(summary);
    const ExitCode written = Finish(&output_, kAnswered);
    ReportGaps(summary, options.named, options.proc_root);
    return written == kAnswered && !options.left_out.empty() ? kNotAnswered : written;
  }
  Renderer* renderer() { return renderer_.get(); }
  Output* output() { return &output_; }

 private:
  Output output_{STDOUT_FILENO};
  std::unique_ptr<Renderer> renderer_;
  Pipeline pipeline_;
};

// Events alone.
ExitCode FollowEvents(const ListOptions& options, const netdiag::EngineOptions& engine_options,
                      Stream* stream) {
  const absl::StatusOr<std::unique_ptr<Events>> events =
      Events::Open(options.query, {.netns = engine_options.netns});
  if (!events.ok()) return Fail(events.status(), stream->output());
  LossReporter losses(stream->renderer());
  stream->Begin();
  const auto show = [&](const netdiag::Row& row) { return stream->Show(row); };
  const absl::StatusOr<Ready> ended = ShowAll(events->get(), show, &losses, *stream->output());
  if (!ended.ok()) return Fail(ended.status(), stream->output());
  const EventStats stats = (*events)->stats();
  const ExitCode code = stream->End(options, stats, *ended == Ready::kDone);
  losses.ReportEnd(stats);
  return code;
}

// Events with the owners that their sockets had, for which the sockets are listed every second. A
// socket that lived between two looks has none.
ExitCode FollowWithOwners(const ListOptions& options, netdiag::Engine* engine, Stream* stream) {
  constexpr std::chrono::seconds kInterval{1};
  const absl::StatusOr<std::unique_ptr<Monitor>> monitor =
      Monitor::Open(engine, options.query, {.proc_root = options.proc_root});
  if (!monitor.ok()) return Fail(monitor.status(), stream->output());
  EventStats stats;
  bool stopped = false;
  const auto show = [&](const Change& change) {
    if (change.kind() != ChangeKind::kClosed || stopped) return;
    ++stats.events;
    stopped = stream->Show(change.row()) == Flow::kStop;
  };
  LossReporter losses(stream->renderer());
  stream->Begin();
  for (bool goes_on = true; goes_on && !stopped;) {
    const auto due = std::chrono::steady_clock::now() + kInterval;
    const absl::StatusOr<netdiag::Look> look = (*monitor)->Poll(show);
    const absl::Status failure = look.ok() ? look->no_events : look.status();
    if (!failure.ok()) return Fail(failure, stream->output());
    stats.overruns += look->overruns;
    stats.lost = stats.lost.value_or(0) + look->lost.value_or(0);
    stats.unmatched += look->unjudged;
    losses.Report(stats);
    while (goes_on && !stopped && std::chrono::steady_clock::now() < due) {
      const absl::StatusOr<Ready> ready = (*monitor)->Drain(show);
      if (!ready.ok()) return Fail(ready.status(), stream->output());
      if (*ready == Ready::kSome) continue;
      goes_on = WaitForEvent((*monitor)->event_fd(), stream->output()->fd(), due);
    }
  }
  const ExitCode code = stream->End(options, stats, stopped);
  losses.ReportEnd(stats);
  return code;
}

}  // namespace

ExitCode Follow(const ListOptions& options, const netdiag::EngineOptions& engine_options,
                netdiag::Engine* engine) {
  ReportLeftOut(options.left_out, "the kernel does not tell when these sockets end");
  if (options.states_ignored) {
    Complain("-E shows sockets whatever their state was, because an event does not tell it");
  }
  const StopSignals signals;
  Stream stream(options, engine);
  return options.query.owners ? FollowWithOwners(options, engine, &stream)
                              : FollowEvents(options, engine_options, &stream);
}

}  // namespace diag
