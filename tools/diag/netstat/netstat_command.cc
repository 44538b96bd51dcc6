// diag netstat, and diag under the name netstat: the frame of its modes. Tested by
// tests/tools/netstat_program_test.cc.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

#include "netdiag/version.h"
#include "tools/diag/commands.h"
#include "tools/diag/contexts.h"
#include "tools/diag/help.h"
#include "tools/diag/netstat/engine_sockets.h"
#include "tools/diag/netstat/modes.h"
#include "tools/diag/netstat/options.h"
#include "tools/diag/netstat/proc_sockets.h"
#include "tools/diag/netstat/sockets.h"
#include "tools/diag/text.h"

namespace diag {
namespace netstat {
namespace {

constexpr std::string_view kVersion =
    "diag netstat, netdiag-" NETDIAG_VERSION_STRING ", with the options of net-tools 2.10\n";

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
  if (options.compat && !options.json) {
    return Repeat(options, [&](Output* output) {
      ProcSockets sockets(options, "/proc");
      sockets.FindOwners(output);
      return ShowTables(
          options,
          [&](netdiag::Protocol protocol, Output* to) { return sockets.Append(protocol, to); },
          ShowGroups, output);
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
        ShowGroups, output);
  });
}

ExitCode Show(const Options& options) {
  bool first = true;
  const auto pass = [&](Output* output) {
    switch (options.mode) {
      case Mode::kRoutes:
        return ShowRoutes(options, output);
      case Mode::kInterfaces:
        return ShowInterfaces(options, std::exchange(first, false), output);
      case Mode::kGroups:
        return ShowGroups(options, output);
      case Mode::kStatistics:
        return ShowStatistics(options, output);
      case Mode::kMasquerade:
        return ShowMasquerade(options, output);
      case Mode::kSockets:
        break;
    }
    return kNotAnswered;
  };
  return options.mode == Mode::kSockets ? ShowSockets(options) : Repeat(options, pass);
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
