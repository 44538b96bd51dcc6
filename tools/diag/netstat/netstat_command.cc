// diag netstat, and diag under the name netstat: the frame of its modes. Tested by
// tests/tools/netstat_program_test.cc.

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unistd.h>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

#include "tools/diag/commands.h"
#include "tools/diag/contexts.h"
#include "tools/diag/help.h"
#include "tools/diag/netstat/engine_sockets.h"
#include "tools/diag/netstat/options.h"
#include "tools/diag/netstat/proc_sockets.h"
#include "tools/diag/netstat/sockets.h"
#include "tools/diag/text.h"

namespace diag {
namespace netstat {
namespace {

constexpr std::string_view kVersion =
    "diag netstat, netdiag-0.1.0, with the options of net-tools 2.10\n";

// The modes beside the tables of sockets. The others are errors.
struct ModeRow {
  Mode mode;
  ModeFunction show;
};
constexpr ModeRow kModes[] = {
    {Mode::kSockets, nullptr},
};

ModeFunction FindMode(Mode mode) {
  const auto* const row = std::ranges::find(kModes, mode, &ModeRow::mode);
  return row == std::end(kModes) ? nullptr : row->show;
}

void WriteErr(std::string_view text) {
  if (text.empty()) return;
  diag::Output output(STDERR_FILENO);
  output.Write(text);
  output.Flush();
}

// Calls `pass` and shows what it appends, once or with -c again and again. Ends at the first error.
ExitCode Repeat(const Options& options, absl::FunctionRef<ExitCode(Output*)> pass) {
  diag::Output stdout_output(STDOUT_FILENO);
  for (;;) {
    Output output;
    output.sink = &stdout_output;
    const ExitCode code = pass(&output);
    stdout_output.Write(output.out);
    stdout_output.Flush();
    WriteErr(output.err);
    if (code != kAnswered || !options.continuous || stdout_output.failed()) {
      return diag::Finish(&stdout_output, code);
    }
    sleep(options.interval);
  }
}

// --json, again and again with -c.
ExitCode RepeatJson(const Options& options, EngineSockets* sockets) {
  for (;;) {
    diag::Output output(STDOUT_FILENO);
    std::string err;
    const ExitCode code = diag::Finish(&output, sockets->ShowJson(&output, &err));
    WriteErr(err);
    if (code != kAnswered || !options.continuous || output.failed()) return code;
    sleep(options.interval);
  }
}

ExitCode ShowSockets(const Options& options) {
  const ModeFunction groups = FindMode(Mode::kGroups);
  if (options.compat && !options.json) {
    return Repeat(options, [&](Output* output) {
      ProcSockets sockets(options, "/proc");
      sockets.FindOwners(output);
      return ShowTables(
          options,
          [&](netdiag::Protocol protocol, Output* to) { return sockets.Append(protocol, to); },
          groups, output);
    });
  }
  const absl::StatusOr<std::unique_ptr<EngineSockets>> sockets = EngineSockets::Open(options);
  if (!sockets.ok()) {
    Complain(sockets.status());
    return kNotAnswered;
  }
  if (options.json) return RepeatJson(options, sockets->get());
  return Repeat(options, [&](Output* output) {
    (*sockets)->BeginPass();
    return ShowTables(
        options,
        [&](netdiag::Protocol protocol, Output* to) { return (*sockets)->Append(protocol, to); },
        groups, output);
  });
}

ExitCode Show(const Options& options) {
  if (options.mode == Mode::kSockets) return ShowSockets(options);
  const ModeFunction show = FindMode(options.mode);
  if (show == nullptr) {
    WriteErr("netstat: this build of diag does not have this table\n");
    return kNotAnswered;
  }
  return Repeat(options, [&](Output* output) { return show(options, output); });
}

}  // namespace
}  // namespace netstat

std::vector<OptionInfo> NetstatOptionInfos() { return netstat::ListOptionInfos(); }

ExitCode RunNetstat(int argc, char** argv) {
  const netstat::CommandLine line = netstat::ParseCommandLine(argc, argv, Contexts::Check());
  netstat::WriteErr(line.err);
  switch (line.request) {
    case netstat::Request::kHelp:
      return Print(CommandHelp(FindCommand("netstat")));
    case netstat::Request::kVersion:
      return Print(line.options.compat ? "net-tools 2.10\n" : netstat::kVersion);
    case netstat::Request::kFail:
      if (line.usage) netstat::WriteErr(CommandHelp(FindCommand("netstat")));
      return line.code;
    case netstat::Request::kShow:
      return netstat::Show(line.options);
  }
  return kNotAnswered;
}

}  // namespace diag
