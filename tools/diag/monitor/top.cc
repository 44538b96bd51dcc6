// diag top: who sends and receives how much. Tested by tests/tools/monitor_program_test.cc.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

#include "netdiag/monitor.h"
#include "netdiag/types/error.h"
#include "tools/diag/command_values.h"
#include "tools/diag/commands.h"
#include "tools/diag/json.h"
#include "tools/diag/monitor/screen.h"
#include "tools/diag/monitor/session.h"
#include "tools/diag/monitor/top_table.h"
#include "tools/diag/monitor/top_view.h"
#include "tools/diag/stop_signals.h"

namespace diag {
namespace {

using netdiag::Change;

absl::Status SetBatch(std::string_view, MonitorRequest* request) {
  request->batch = true;
  return absl::OkStatus();
}

absl::Status SetCount(std::string_view text, MonitorRequest* request) {
  return ReadNumber("--count", text, &request->count);
}

absl::Status SetRows(std::string_view text, MonitorRequest* request) {
  return ReadNumber("--limit", text, &request->rows);
}

constexpr auto kOptions = std::to_array<Option<MonitorRequest>>({
    {{.letter = 'b', .name = "batch", .help = "write tables as text, one after another"}, SetBatch},
    {{.letter = 'n', .name = "count", .help = "end after COUNT tables", .argument = {"COUNT"}},
     SetCount},
    kRequestInterval,
    {{.name = "by",
      .help = "a line for each combination of these fields; owners.pid,owners.command if not given",
      .argument = {"FIELDS", Values::kListOf, AllColumnWords}},
     SetRequestBy},
    {{.name = "limit", .help = "at most N lines of each table", .argument = {"N"}}, SetRows},
    kRequestTcp,
    kRequestUdp,
    kRequestNetns,
    kRequestAllNetns,
    kRequestJsonLines,
    kRequestProc,
    kRequestHelp,
});

// The first look is what the first table is compared with.
absl::Status Batch(std::unique_ptr<Session> session, const MonitorRequest& request,
                   Output* output) {
  const StopSignals signals;
  Names names({.engine = session->engine()});
  TopTable table(request.by, &names);
  Json json(output);
  const auto add = [&](const Change& change) { table.Add(change); };
  NETDIAG_RETURN_IF_ERROR(session->Look([](const Change&) {}).status());
  for (uint64_t tables = 0; request.count == 0 || tables < request.count; ++tables) {
    NETDIAG_ASSIGN_OR_RETURN(const Session::Woken woken, session->Wait(
                                                             add, [] {}, output->fd()));
    if (woken == Session::Woken::kOver) break;
    NETDIAG_ASSIGN_OR_RETURN(const netdiag::Look look, session->Look(add));
    table.Finish(look, TopOrder::kBytes);
    if (request.json_lines) {
      PutTable(table, request.rows, session->notes(), &json);
    } else {
      std::string text = tables > 0 ? "\n" : "";
      AppendTable(table, request.rows, &text);
      output->Write(text);
    }
    output->Flush();
    if (output->failed()) break;
  }
  return absl::OkStatus();
}

// Makes a Session of another filter, or shows why there is none.
absl::Status Refilter(const MonitorRequest& request, TopView* view,
                      std::unique_ptr<Session>* session) {
  std::string pointer;
  const Words words = {view->filter()};
  auto other = Session::Open(request, words, TopView::Needs(), &pointer);
  if (!other.ok()) {
    view->Refuse(std::string(other.status().message()));
    return absl::OkStatus();
  }
  (*other)->KeepNotes();
  NETDIAG_RETURN_IF_ERROR((*other)->Look([](const Change&) {}).status());
  *session = *std::move(other);
  view->Accept();
  return absl::OkStatus();
}

// The whole screen.
absl::Status Interact(const MonitorRequest& request, std::unique_ptr<Session> session) {
  const StopSignals signals;
  // What cannot be seen is written before the screen, and can be read after it.
  NETDIAG_RETURN_IF_ERROR(session->Look([](const Change&) {}).status());
  session->KeepNotes();
  Names names({.engine = session->engine()});
  TopView view(request.by, &names);
  const auto add = [&](const Change& change) { view.Add(change); };
  NETDIAG_ASSIGN_OR_RETURN(const std::unique_ptr<Screen> screen, Screen::Open());
  const auto draw = [&] { screen->Draw(view.Lines(screen->rows(), screen->columns())); };
  session->Hurry();
  for (;;) {
    NETDIAG_ASSIGN_OR_RETURN(const Session::Woken woken,
                             session->Wait(
                                 add, [] {}, /*output=*/-1, STDIN_FILENO));
    if (woken == Session::Woken::kOver) return absl::OkStatus();
    if (woken == Session::Woken::kDue) {
      if (view.paused()) {
        session->Rest();
        continue;
      }
      NETDIAG_ASSIGN_OR_RETURN(const netdiag::Look look, session->Look(add));
      view.Finish(look, session->notes());
    }
    for (int key = screen->ReadKey(); key != kNoKey; key = screen->ReadKey()) {
      const TopView::Wish wish = view.Press(key);
      if (wish == TopView::Wish::kQuit) return absl::OkStatus();
      if (wish == TopView::Wish::kLook) session->Hurry();
      if (wish != TopView::Wish::kFilter) continue;
      NETDIAG_RETURN_IF_ERROR(Refilter(request, &view, &session));
      session->Hurry();
    }
    draw();
  }
}

bool IsBatch(const MonitorRequest& request) { return request.batch || request.json_lines; }

std::vector<Column> Prepare(MonitorRequest* request) {
  if (IsBatch(*request) && request->by.empty()) {
    request->by = *ParseColumns("owners.pid,owners.command");
  }
  std::vector<Column> needs = request->by;
  if (!IsBatch(*request)) {
    for (Column& column : TopView::Needs()) needs.push_back(std::move(column));
  }
  return needs;
}

absl::Status Top(std::unique_ptr<Session> session, const MonitorRequest& request, Output* output) {
  return IsBatch(request) ? Batch(std::move(session), request, output)
                          : Interact(request, std::move(session));
}

}  // namespace

std::vector<OptionInfo> TopOptionInfos() { return InfosOf<MonitorRequest>(kOptions); }

ExitCode RunTop(int argc, char** argv) {
  return RunMonitorCommand({.name = "top", .options = kOptions, .prepare = Prepare, .run = Top},
                           argc, argv);
}

}  // namespace diag
