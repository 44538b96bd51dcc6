// Tested by tests/tools/events_program_test.cc.

#include "tools/diag/follow.h"

#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <poll.h>
#include <string>
#include <unistd.h>

#include "netdiag/events.h"
#include "netdiag/summary.h"
#include "netdiag/types/error.h"
#include "tools/diag/render.h"
#include "tools/diag/stop_signals.h"
#include "tools/diag/text.h"

namespace diag {
namespace {

using netdiag::Events;
using netdiag::EventStats;
using netdiag::Flow;
using netdiag::netlink::Ready;

// No event takes fewer bytes of the kernel's buffer (about 1280).
constexpr size_t kLeastEvent = 512;

// Waits for an event. Returns false if a signal came, or the reader of the output has gone.
bool WaitForEvent(int events, int output) {
  pollfd fds[] = {{events, POLLIN, 0}, {StopSignals::fd(), POLLIN, 0}, {output, 0, 0}};
  while (poll(fds, 3, -1) < 0) {
    if (errno != EINTR) return false;
  }
  const bool reader_gone = (fds[2].revents & (POLLERR | POLLHUP)) != 0;
  return fds[1].revents == 0 && !reader_gone;
}

// "at least 6893 events were lost"
std::string LossText(const EventStats& stats) {
  const std::string count =
      stats.lost ? "at least " + std::to_string(*stats.lost) + " events" : std::string("events");
  return count + " were lost, because the kernel's buffer of " +
         std::to_string(stats.receive_buffer / 1024) + " KiB was full";
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

}  // namespace

ExitCode Follow(const ListOptions& options, const netdiag::EngineOptions& engine_options,
                netdiag::Engine* engine) {
  Output output(STDOUT_FILENO);
  const absl::StatusOr<std::unique_ptr<Events>> events =
      Events::Open(options.query, {.netns = engine_options.netns});
  if (!events.ok()) return Fail(events.status(), &output);
  ReportLeftOut(options.left_out, "the kernel does not tell when these sockets end");
  if (options.states_ignored) {
    Complain("-E shows sockets whatever their state was, because an event does not tell it");
  }
  const StopSignals signals;
  const std::unique_ptr<Renderer> renderer = NewRenderer(options, engine, &output);
  Pipeline pipeline(options.selection, renderer.get(), &output);
  LossReporter losses(renderer.get());
  const auto flush = [&] {
    renderer->Flush();
    output.Flush();
  };
  const auto show = [&](const netdiag::Row& row) {
    const Flow flow = pipeline.Add(row);
    flush();
    return output.failed() ? Flow::kStop : flow;
  };
  renderer->Begin();
  flush();
  const absl::StatusOr<Ready> ended = ShowAll(events->get(), show, &losses, output);
  if (!ended.ok()) return Fail(ended.status(), &output);
  const EventStats stats = (*events)->stats();
  const netdiag::Summary summary = SummaryOf(stats, *ended == Ready::kDone && !output.failed());
  renderer->EventsEnd(stats);
  renderer->End(summary);
  const ExitCode written = Finish(&output, kAnswered);
  ReportGaps(summary, options.named, options.proc_root);
  losses.ReportEnd(stats);
  return written == kAnswered && !options.left_out.empty() ? kNotAnswered : written;
}

}  // namespace diag
