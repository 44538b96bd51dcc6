// diag export: metrics of sockets for Prometheus. Tested by tests/tools/export_program_test.cc.
//
// The work is done by a program of its own, diag-export, because it links prometheus-cpp and a web
// server: diag, which scripts start a thousand times, neither loads nor needs them.

#include <array>
#include <cerrno>
#include <climits>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include "netdiag/types/address.h"
#include "netdiag/types/error.h"
#include "tools/diag/command_values.h"
#include "tools/diag/commands.h"
#include "tools/diag/help.h"
#include "tools/diag/monitor/export_options.h"
#include "tools/diag/report.h"

namespace diag {
namespace {

using netdiag::BadInput;

// A port alone is one of the loopback address, and not of all addresses.
absl::Status SetListen(std::string_view text, MonitorRequest* request) {
  std::string_view port = text;
  if (port.starts_with(':')) port.remove_prefix(1);
  const bool is_port = !port.empty() && port.find_first_not_of("0123456789") == port.npos;
  const std::string full = is_port ? "127.0.0.1:" + std::string(port) : std::string(text);
  const absl::StatusOr<netdiag::Endpoint> parsed = netdiag::Endpoint::Parse(full);
  if (!parsed.ok() || parsed->port == netdiag::Port() || parsed->zone != netdiag::IfIndex()) {
    return BadInput("--listen", text, "expected ADDRESS:PORT or PORT, as 127.0.0.1:9798");
  }
  request->listen.clear();
  parsed->AppendTo(&request->listen);
  return absl::OkStatus();
}

absl::Status SetTextfile(std::string_view path, MonitorRequest* request) {
  if (!path.ends_with(".prom")) {
    return BadInput("--textfile", path, "expected a path that ends in .prom");
  }
  request->textfile = path;
  return absl::OkStatus();
}

absl::Status SetSeries(std::string_view text, MonitorRequest* request) {
  constexpr uint64_t kMost = 10'000;
  NETDIAG_RETURN_IF_ERROR(ReadNumber("--series", text, &request->series));
  if (request->series == 0 || request->series > kMost) {
    return BadInput("--series", text, "expected a number from 1 to 10000");
  }
  return absl::OkStatus();
}

constexpr auto kOptions = std::to_array<Option<MonitorRequest>>({
    {{.name = "listen",
      .help = "serve the metrics by HTTP at /metrics; a PORT alone is one of 127.0.0.1",
      .argument = {"ADDRESS:PORT"}},
     SetListen},
    {{.name = "textfile",
      .help = "write the metrics after each look to this file, for node_exporter",
      .argument = {"PATH", Values::kFile}},
     SetTextfile},
    {{.name = "by",
      .help = "series for each combination of these fields, as command, unit or container",
      .argument = {"FIELDS", Values::kListOf, AllColumnWords}},
     SetRequestBy},
    {{.name = "series",
      .help = "tell at most N combinations apart, 100 if not given; the rest is `other`",
      .argument = {"N"}},
     SetSeries},
    {{.letter = 'd',
      .name = "interval",
      .help = "the time between two looks, 5 if not given",
      .argument = {"SECONDS"}},
     SetRequestInterval},
    kRequestTcp,
    kRequestUdp,
    kRequestNetns,
    kRequestAllNetns,
    kRequestProc,
    kRequestHelp,
});

// The directory of the program that runs; empty if /proc does not tell it.
std::string OwnDirectory() {
  std::array<char, PATH_MAX> path;
  const ssize_t size = readlink("/proc/self/exe", path.data(), path.size());
  if (size <= 0) return "";
  const std::string_view text(path.data(), static_cast<size_t>(size));
  return std::string(text.substr(0, text.rfind('/')));
}

}  // namespace

std::span<const Option<MonitorRequest>> ExportOptions() { return kOptions; }

std::vector<OptionInfo> ExportOptionInfos() { return InfosOf<MonitorRequest>(kOptions); }

ExitCode RunExport(int argc, char** argv) {
  Output output(STDOUT_FILENO);
  // The parser permutes the words, and the other program gets them as they are.
  std::vector<char*> copy(argv, argv + argc);
  copy.push_back(nullptr);
  MonitorRequest request;
  const absl::StatusOr<Words> words =
      ParseCommandLine<MonitorRequest>(kOptions, argc, argv, &request);
  if (!words.ok()) return Fail(words.status(), &output);
  if (request.help) return Print(CommandHelp(FindCommand("export")));
  const std::string directory = OwnDirectory();
  // Where it is installed, and where it is built.
  for (const std::string& path :
       {directory + "/../libexec/netdiag/diag-export", directory + "/diag-export"}) {
    execv(path.c_str(), copy.data());
    if (errno != ENOENT) return Fail(netdiag::ErrnoError(errno, path), &output);
  }
  return Fail(
      netdiag::ErrnoError(ENOENT, "diag-export", "it is installed with diag in libexec/netdiag"),
      &output);
}

}  // namespace diag
