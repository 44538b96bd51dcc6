// diag top: who sends and receives how much. Tested by tests/tools/monitor_program_test.cc.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unistd.h>

#include "netdiag/monitor.h"
#include "netdiag/types/error.h"
#include "tools/diag/command_values.h"
#include "tools/diag/commands.h"
#include "tools/diag/help.h"
#include "tools/diag/json.h"
#include "tools/diag/monitor/session.h"
#include "tools/diag/monitor/top_table.h"
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

absl::Status SetBy(std::string_view list, MonitorRequest* request) {
  NETDIAG_ASSIGN_OR_RETURN(request->by, ParseColumns(list));
  return absl::OkStatus();
}

constexpr auto kOptions = std::to_array<Option<MonitorRequest>>({
    {{.letter = 'b', .name = "batch", .help = "write tables as text, one after another"}, SetBatch},
    {{.letter = 'n', .name = "count", .help = "end after COUNT tables", .argument = {"COUNT"}},
     SetCount},
    kRequestInterval,
    {{.name = "by",
      .help = "a line for each combination of these fields; owners.pid,owners.command if not given",
      .argument = {"FIELDS", Values::kListOf, AllColumnWords}},
     SetBy},
    {{.name = "limit", .help = "at most N lines of each table", .argument = {"N"}}, SetRows},
    kRequestTcp,
    kRequestUdp,
    kRequestNetns,
    kRequestAllNetns,
    kRequestJsonLines,
    {{.name = "proc",
      .help = "read the procfs that is mounted here; default: $HOST_PROC or /proc",
      .argument = {"DIR", Values::kFile}},
     SetProc},
    {{.letter = 'h', .name = "help", .help = "this text"}, SetHelp},
});

// The first look is what the first table is compared with.
absl::Status Batch(Session* session, const MonitorRequest& request, Output* output) {
  const StopSignals signals;
  Names names({.engine = session->engine()});
  TopTable table(request.by, &names);
  Json json(output);
  const auto add = [&](const Change& change) { table.Add(change); };
  NETDIAG_RETURN_IF_ERROR(session->Look([](const Change&) {}).status());
  for (uint64_t tables = 0; request.count == 0 || tables < request.count; ++tables) {
    NETDIAG_ASSIGN_OR_RETURN(
        const bool goes_on, session->Wait(add, [] {}, output->fd()));
    if (!goes_on) break;
    NETDIAG_ASSIGN_OR_RETURN(const netdiag::Look look, session->Look(add));
    table.Finish(look, TopOrder::kBytes);
    if (request.json_lines) {
      PutTable(table, request.rows, &json);
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

}  // namespace

std::vector<OptionInfo> TopOptionInfos() { return InfosOf<MonitorRequest>(kOptions); }

ExitCode RunTop(int argc, char** argv) {
  Output output(STDOUT_FILENO);
  MonitorRequest request;
  const absl::StatusOr<Words> words =
      ParseCommandLine<MonitorRequest>(kOptions, argc, argv, &request);
  if (!words.ok()) return Fail(words.status(), &output);
  if (request.help) return Print(CommandHelp(FindCommand("top")));
  if (request.by.empty()) request.by = *ParseColumns("owners.pid,owners.command");
  std::string pointer;
  const auto session = Session::Open(request, *words, request.by, &pointer);
  if (!session.ok()) return FailAt(session.status(), pointer, &output);
  const absl::Status status = Batch(session->get(), request, &output);
  return status.ok() ? Finish(&output, kAnswered) : Fail(status, &output);
}

}  // namespace diag
