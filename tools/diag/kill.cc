// Tested by tests/tools/kill_program_test.cc.

#include "tools/diag/kill.h"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include "netdiag/destroy.h"
#include "netdiag/row.h"
#include "netdiag/snapshot.h"
#include "netdiag/types/types.h"
#include "tools/diag/empty_answer.h"
#include "tools/diag/render.h"
#include "tools/diag/text.h"

namespace diag {
namespace {

using netdiag::Destroyed;
using netdiag::DestroyOutcome;
using netdiag::Flow;
using netdiag::Row;
using netdiag::Snapshot;
using netdiag::SocketName;

// The sockets that one reason names. The others are counted.
constexpr size_t kNamed = 20;

// "tcp 127.0.0.1:80 10.0.0.5:4660 (cookie 4098)"
std::string Text(const SocketName& socket) {
  std::string text(netdiag::Names(socket.protocol).word);
  text.push_back(' ');
  socket.local.AppendTo(&text);
  text.push_back(' ');
  socket.remote.AppendTo(&text);
  return text + " (cookie " + std::to_string(socket.cookie.value()) + ")";
}

// What -K does, without doing it.
std::vector<DestroyOutcome> Rehearse(const std::vector<SocketName>& names) {
  std::vector<DestroyOutcome> outcomes;
  for (const SocketName& name : names) {
    absl::Status status = netdiag::CheckDestroy(name);
    const Destroyed outcome = status.ok() ? Destroyed::kClosed : Destroyed::kRefused;
    outcomes.push_back({outcome, std::move(status)});
  }
  return outcomes;
}

KillCounts CountOf(const std::vector<DestroyOutcome>& outcomes, bool dry_run) {
  KillCounts counts{.dry_run = dry_run};
  for (const DestroyOutcome& each : outcomes) {
    switch (each.outcome) {
      case Destroyed::kClosed:
        ++counts.closed;
        break;
      case Destroyed::kGone:
        ++counts.gone;
        break;
      case Destroyed::kNotSelectable:
        ++counts.not_selectable;
        break;
      case Destroyed::kRefused:
        ++counts.refused;
        break;
    }
  }
  return counts;
}

// Says of each socket that was not closed what became of it, for as many as a reader can use.
void ReportOutcomes(const std::vector<SocketName>& names,
                    const std::vector<DestroyOutcome>& outcomes) {
  struct Reason {
    bool gone = false;
    std::string why;
    size_t sockets = 0;
  };
  std::vector<Reason> reasons;
  for (size_t i = 0; i < names.size(); ++i) {
    if (outcomes[i].outcome == Destroyed::kClosed) continue;
    const Reason found = {.gone = outcomes[i].outcome == Destroyed::kGone,
                          .why = std::string(outcomes[i].status.message())};
    auto reason = std::ranges::find_if(reasons, [&](const Reason& other) {
      return other.gone == found.gone && other.why == found.why;
    });
    if (reason == reasons.end()) reason = reasons.insert(reason, found);
    if (++reason->sockets > kNamed) continue;
    Complain(Text(names[i]) +
             (found.gone ? " had gone by itself" : " was not closed: " + found.why));
  }
  for (const Reason& reason : reasons) {
    if (reason.sockets <= kNamed) continue;
    Complain(std::to_string(reason.sockets - kNamed) + " more sockets " +
             (reason.gone ? "had gone by themselves" : "were not closed: " + reason.why));
  }
}

// Says how it ended, if the rows do not.
void ReportCounts(const KillCounts& counts) {
  const uint64_t all = counts.closed + counts.gone + counts.not_selectable + counts.refused;
  const std::string closed = std::to_string(counts.closed) + (all == 1 ? " socket" : " sockets");
  if (counts.dry_run) {
    Complain("dry run: nothing was closed; -K alone would close " + closed);
  } else if (all == 0) {
    Complain("no socket matches, so none was closed");
  } else if (counts.closed < all) {
    Complain("of " + std::to_string(all) + (all == 1 ? " socket" : " sockets") + " that matched, " +
             std::to_string(counts.closed) + " were closed");
  }
}

// The command line may be the reason why nothing matches.
void ReportEmpty(const ListOptions& options, const netdiag::Engine& engine) {
  const netdiag::NetnsId netns = options.all_netns ? netdiag::NetnsId() : engine.netns();
  if (const std::string why = WhyEmpty(options.query, netns); !why.empty()) Complain(why);
}

void PrintRows(const Snapshot& sockets, const std::vector<DestroyOutcome>& outcomes,
               const KillCounts& counts, const ListOptions& options, Renderer* renderer,
               const Output& output) {
  Pipeline pipeline(options.selection, renderer, &output);
  renderer->Begin();
  for (size_t i = 0; i < sockets.size(); ++i) {
    if (outcomes[i].outcome != Destroyed::kClosed) continue;
    if (pipeline.Add(sockets[i]) == Flow::kStop) break;
  }
  pipeline.Finish();
  for (size_t i = 0; i < sockets.size(); ++i) {
    if (outcomes[i].outcome != Destroyed::kClosed) renderer->NotClosed(sockets[i], outcomes[i]);
  }
  renderer->KillEnd(counts);
  renderer->End(sockets.summary());
}

}  // namespace

ExitCode Kill(const ListOptions& options, netdiag::Engine* engine) {
  const bool dry_run = options.task == Task::kDryKill;
  // Before anything is closed.
  ReportLeftOut(options.left_out, "no kernel closes these sockets");
  const absl::StatusOr<Snapshot> sockets = engine->Take(options.query);
  if (!sockets.ok()) {
    Complain(sockets.status());
    return kNotAnswered;
  }
  std::vector<SocketName> names;
  for (const Row row : *sockets) names.push_back(NameOf(row));
  const std::vector<DestroyOutcome> outcomes = dry_run ? Rehearse(names) : engine->Destroy(names);
  const KillCounts counts = CountOf(outcomes, dry_run);

  Output output(STDOUT_FILENO);
  const std::unique_ptr<Renderer> renderer = NewRenderer(options, engine, &output);
  PrintRows(*sockets, outcomes, counts, options, renderer.get(), output);
  const ExitCode written = Finish(&output, kAnswered);

  // No row of /proc/net has a cookie, so none of them can be closed, and each is refused.
  const ExitCode read = ReportGaps(sockets->summary(), options.named, options.proc_root);
  ReportDoubts(sockets->summary(), {netdiag::SourceKind::kNetlink});
  ReportOutcomes(names, outcomes);
  ReportCounts(counts);
  if (sockets->empty()) ReportEmpty(options, *engine);
  const bool all_closed = counts.not_selectable + counts.refused == 0 && options.left_out.empty();
  return written == kAnswered && read == kAnswered && all_closed ? kAnswered : kNotAnswered;
}

}  // namespace diag
