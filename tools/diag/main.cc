// diag: lists sockets and who holds them, in ss's words.
//
// Exit: 0 answered (what could not be seen is said on stderr), 1 a requested table could not be
// read, 2 usage.

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <memory>
#include <signal.h>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

#include "netdiag/capabilities.h"
#include "netdiag/engine.h"
#include "netdiag/types/error.h"
#include "netdiag/unlisted.h"
#include "tools/diag/contexts.h"
#include "tools/diag/help.h"
#include "tools/diag/options.h"
#include "tools/diag/render.h"
#include "tools/diag/summary.h"
#include "tools/diag/text.h"
#include "tools/diag/verbs.h"

namespace diag {
namespace {

using netdiag::Engine;
using netdiag::Summary;
using netdiag::TableOutcome;

constexpr std::string_view kVersion = "diag utility, netdiag-0.1.0\n";

enum ExitCode { kAnswered = 0, kNotAnswered = 1, kUsage = 2 };

// One line on stderr. Messages can hold names that others chose.
void Complain(std::string_view message) {
  std::string line = "diag: ";
  AppendEscaped(message, &line);
  line.push_back('\n');
  Output output(STDERR_FILENO);
  output.Write(line);
  output.Flush();
}

void Complain(const absl::Status& status) {
  Complain(std::string_view(status.message().data(), status.message().size()));
}

// Flushes, and says what became of it: a reader that has gone is no failure.
ExitCode Finish(Output* output, ExitCode code) {
  output->Flush();
  if (!output->failed() || output->errnum() == EPIPE) return code;
  Complain(netdiag::ErrnoError(output->errnum(), "standard output"));
  return kNotAnswered;
}

// A table that this kernel does not have is missed only by who named it.
bool Missed(const Options& options, const TableOutcome& outcome) {
  return !outcome.status.ok() &&
         (!options.tables.empty() || !netdiag::IsUnsupported(outcome.status));
}

// Which namespaces the listing does not show.
void ReportNamespaces(const netdiag::NetnsStats& stats) {
  if (stats.denied > 0) {
    Complain(std::to_string(stats.denied) +
             " network namespaces could not be entered, so their sockets are missing: " +
             std::string(stats.denial.message()));
  }
  if (stats.hidden > 0) {
    Complain("the network namespaces of " + std::to_string(stats.hidden) +
             " processes are not known, so sockets can be missing: run as root, or with "
             "CAP_SYS_PTRACE");
  }
  if (stats.beyond > 0) Complain("too many network namespaces: some are left out");
}

// What the listing does not show.
void ReportGaps(const Options& options, const Summary& summary, uint64_t untold_listeners) {
  for (const TableOutcome& outcome : summary.tables) {
    if (Missed(options, outcome)) Complain(outcome.status);
    if (options.exact && outcome.status.ok() && !outcome.doubt.ok()) Complain(outcome.doubt);
    if (!outcome.refusal.ok() && (outcome.rows > 0 || !options.tables.empty())) {
      Complain(std::string(outcome.refusal.message()) +
               "; read /proc/net instead, which tells less");
    }
  }
  if (summary.netns) ReportNamespaces(*summary.netns);
  if (untold_listeners > 0) {
    Complain("who waits in " + std::to_string(untold_listeners) +
             " unix listeners is not told: the kernel's answer has no room for so many");
  }
  if (summary.interrupted) Complain("the kernel says that the listing may be inconsistent");
  if (summary.damaged > 0) {
    Complain(std::to_string(summary.damaged) +
             " records contradict their format and are left out or cut short");
  }
  if (summary.foreign > 0) {
    Complain(std::to_string(summary.foreign) +
             " datagrams that the kernel did not send were dropped");
  }
  if (!summary.owner_error.ok()) {
    Complain(std::string(summary.owner_error.message()) + "; listed without owners");
  }
  if (summary.owners && summary.owners->denied > 0) {
    Complain("the descriptors of " + std::to_string(summary.owners->denied) +
             " processes may not be read, so owners can be missing: run as root, or with "
             "CAP_SYS_PTRACE");
  }
  if (summary.owners && summary.owners->hidepid) {
    Complain(
        "/proc leaves out the processes of others (hidepid), so owners can be missing: run as "
        "root, or with CAP_SYS_PTRACE");
  }
  if (summary.owners && summary.owners->errors > 0) {
    Complain(netdiag::ErrnoError(
        summary.owners->first_error,
        std::to_string(summary.owners->errors) +
            " descriptors or processes could not be read, so owners can be missing"));
  }
}

// The options of the Engine, too, are those of the listing.
ExitCode List(const Options& options, const netdiag::EngineOptions& engine_options,
              Engine* engine) {
  Output output(STDOUT_FILENO);
  const std::unique_ptr<Renderer> renderer = NewRenderer(options, engine, &output);
  Pipeline pipeline(options.selection, renderer.get(), &output);
  renderer->Begin();
  const absl::StatusOr<Summary> summary =
      engine->Visit(options.query, [&](const netdiag::Row& row) { return pipeline.Add(row); });
  if (!summary.ok()) {
    Complain(summary.status());
    return Finish(&output, kNotAnswered);
  }
  pipeline.Finish();
  absl::Status unlisted;
  if (options.held && !output.failed()) {
    unlisted = netdiag::VisitUnlisted(engine_options, [&](const netdiag::UnlistedSocket& socket) {
                 renderer->Held(socket);
                 return output.failed() ? netdiag::Flow::kStop : netdiag::Flow::kContinue;
               }).status();
  }
  renderer->End(*summary);
  const ExitCode written = Finish(&output, kAnswered);
  if (output.failed()) return written;
  ReportGaps(options, *summary, renderer->untold_listeners());
  if (!unlisted.ok()) {
    Complain(unlisted);
    return kNotAnswered;
  }
  for (const TableOutcome& outcome : summary->tables) {
    if (Missed(options, outcome)) return kNotAnswered;
  }
  return kAnswered;
}

// What -s prints.
ExitCode Summarise(Engine* engine) {
  SocketSummary counts;
  const absl::StatusOr<Summary> summary =
      engine->Visit(SocketSummary::Query(), [&](const netdiag::Row& row) {
        counts.Add(row);
        return netdiag::Flow::kContinue;
      });
  if (!summary.ok()) {
    Complain(summary.status());
    return kNotAnswered;
  }
  std::string text;
  counts.AppendTo(&text);
  Output output(STDOUT_FILENO);
  output.Write(text);
  const ExitCode written = Finish(&output, kAnswered);
  ReportGaps(Options(), *summary, 0);  // every table there is was asked for, and none by name
  return written;
}

ExitCode ListCapabilities(Engine* engine) {
  const netdiag::Capabilities& capabilities = engine->capabilities();
  std::string text = "kernel ";
  AppendEscaped(capabilities.kernel, &text);
  text.push_back('\n');
  text.append("owners         bpf ").append(capabilities.bpf_owners.ok() ? "yes" : "no ");
  if (!capabilities.bpf_owners.ok()) {
    text.append("      /proc only: ");
    AppendEscaped(std::string(capabilities.bpf_owners.message()), &text);
  }
  text.append("\n");
  for (const netdiag::Capability& row : capabilities.tables) {
    std::string line = Text(row.table);
    line.resize(std::max<size_t>(line.size() + 1, 15), ' ');
    line.append("netlink ").append(row.netlink.ok() ? "yes" : "no ");
    line.append("  procfs ").append(row.procfs ? "yes" : "no");
    if (!row.netlink.ok()) {
      line.append("  ");
      AppendEscaped(std::string(row.netlink.message()), &line);
    }
    text.append(line).append("\n");
  }
  Output output(STDOUT_FILENO);
  output.Write(text);
  return Finish(&output, kAnswered);
}

ExitCode Print(std::string_view text) {
  Output output(STDOUT_FILENO);
  output.Write(text);
  return Finish(&output, kAnswered);
}

ExitCode PrintHelpFormat(std::string_view format) {
  const absl::StatusOr<std::string> text = FormatHelp(format);
  if (text.ok()) return Print(*text);
  Complain(text.status());
  return kUsage;
}

// Gives the numbers 0, 1 and 2 to /dev/null where the caller closed them: else the next descriptor
// opened, a netlink socket, would take one of them and be written to as if it were the output.
// False: there is no /dev/null.
bool HoldStandardDescriptors() {
  int fd = 0;
  do {
    fd = open("/dev/null", O_RDONLY);  // so that writing to it fails, as it does on a closed one
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO) close(fd);
  return fd >= 0;
}

ExitCode Run(Verb verb, const std::vector<std::string_view>& words) {
  Output output(STDOUT_FILENO);
  const VerbResult result = verb(words, &output);
  if (!result.status.ok()) {
    Complain(result.status);
    return Finish(&output, absl::IsInvalidArgument(result.status) ? kUsage : kNotAnswered);
  }
  const ExitCode written = Finish(&output, kAnswered);
  if (!result.summary) return written;
  const Options options;  // no table was named
  ReportGaps(options, *result.summary, 0);
  const bool missed = std::ranges::any_of(result.summary->tables, [&](const TableOutcome& outcome) {
    return Missed(options, outcome);
  });
  return missed ? kNotAnswered : written;
}

ExitCode Main(int argc, char** argv) {
  if (!HoldStandardDescriptors()) return kNotAnswered;
  // A closed pipe is an errno of write(), not a signal.
  signal(SIGPIPE, SIG_IGN);
  if (const Verb verb = argc > 1 ? FindVerb(argv[1]) : nullptr)
    return Run(verb, {argv + 2, argv + argc});
  std::string pointer;
  const absl::StatusOr<Options> options = ParseOptions(argc, argv, &pointer);
  if (!options.ok()) {
    Complain(options.status());
    Output output(STDERR_FILENO);
    output.Write(pointer);
    output.Flush();
    return kUsage;
  }
  if (options->help) return Print(HelpText());
  if (options->version) return Print(kVersion);
  if (!options->help_format.empty()) return PrintHelpFormat(options->help_format);
  if (options->process_contexts) {
    if (const absl::Status status = Contexts::Check(); !status.ok()) {
      Complain(status);
      return kNotAnswered;
    }
  }
  netdiag::EngineOptions engine_options{.all_netns = options->all_netns, .threads = 2};
  if (!options->netns.empty()) {
    const auto netns = netdiag::netlink::NetNs::FromName(options->netns);
    if (!netns.ok()) {
      Complain(netns.status());
      return kUsage;
    }
    engine_options.netns = *netns;
  }
  const absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(engine_options);
  if (!engine.ok()) {
    Complain(engine.status());
    return kNotAnswered;
  }
  if (options->capabilities) return ListCapabilities(engine->get());
  if (options->summary) {
    const ExitCode summarised = Summarise(engine->get());
    if (options->only_summary || summarised != kAnswered) return summarised;
  }
  return List(*options, engine_options, engine->get());
}

}  // namespace
}  // namespace diag

int main(int argc, char** argv) { return diag::Main(argc, argv); }
