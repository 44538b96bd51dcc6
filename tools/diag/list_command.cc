// The listing: what diag does without a command. Tested by tests/tools/main_test.cc.

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unistd.h>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_join.h"

#include "netdiag/capabilities.h"
#include "netdiag/dump/tcp_stream.h"
#include "netdiag/engine.h"
#include "netdiag/filter/filter.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/types/types.h"
#include "netdiag/unlisted.h"
#include "netdiag/version.h"
#include "tools/diag/command_values.h"
#include "tools/diag/commands.h"
#include "tools/diag/contexts.h"
#include "tools/diag/empty_answer.h"
#include "tools/diag/follow.h"
#include "tools/diag/help.h"
#include "tools/diag/input_file.h"
#include "tools/diag/kill.h"
#include "tools/diag/list_options.h"
#include "tools/diag/names.h"
#include "tools/diag/privileges.h"
#include "tools/diag/record.h"
#include "tools/diag/render.h"
#include "tools/diag/summary.h"
#include "tools/diag/text.h"

namespace diag {
namespace {

using netdiag::Engine;
using netdiag::EngineOptions;
using netdiag::Flow;
using netdiag::StateSet;
using netdiag::Summary;
using netdiag::TcpStreamReader;

constexpr std::string_view kVersion = "diag utility, netdiag-" NETDIAG_VERSION_STRING "\n";

ExitCode PrintHelpFormat(std::string_view format) {
  const absl::StatusOr<std::string> text = FormatHelp(format);
  if (text.ok()) return Print(*text);
  Complain(text.status());
  return kUsage;
}

// --capabilities
ExitCode PrintCapabilities(const netdiag::Capabilities& capabilities) {
  std::string text = "kernel ";
  AppendEscaped(capabilities.kernel, &text);
  text.push_back('\n');
  for (const netdiag::Capability& row : capabilities.tables) {
    std::string line = Text(row.table);
    line.resize(std::max<size_t>(line.size() + 1, 18), ' ');
    line.append("netlink ").append(row.netlink.ok() ? "yes" : "no ");
    line.append("  procfs ").append(row.procfs ? "yes" : "no");
    if (!row.netlink.ok()) {
      line.append("  ");
      AppendEscaped(std::string(row.netlink.message()), &line);
    }
    text.append(line).append("\n");
  }
  for (const netdiag::Feature& feature : capabilities.features) {
    std::string line(feature.name);
    line.resize(std::max<size_t>(line.size() + 1, 18), ' ');
    line.append(feature.status.ok() ? "yes      " : "no       ");
    if (feature.status.ok()) {
      line.append(feature.purpose);
    } else {
      AppendEscaped(std::string(feature.status.message()), &line);
    }
    text.append(line).append("\n");
  }
  return Print(text);
}

// Complains about what the query asks and the capture was not made to have, and about what its
// maker was told. Returns kNotAnswered if tables that were named, or states, are missing.
ExitCode ReportLack(const ListOptions& options, const netdiag::Query& query) {
  if (options.replay == nullptr) return kAnswered;
  for (const std::string& note : options.replay->notes()) {
    Complain("when the capture was made: " + note);
  }
  const CaptureFile::Lack lack = options.replay->LackOf(query);
  netdiag::Query named = query;
  named.protocols = options.named;
  const std::vector<std::string> tables = options.replay->LackOf(named).tables;
  if (!tables.empty()) {
    Complain("the capture was made without these tables: " + absl::StrJoin(tables, ", "));
  }
  const bool lacks_states = !lack.states.empty() && !options.everything;
  if (lacks_states) {
    Complain("the capture was made without sockets in these states: " +
             absl::StrJoin(lack.states, ", "));
  }
  if (!lack.filter.empty()) {
    Complain("the capture has only the sockets that match its own filter: " + lack.filter);
  }
  if (!lack.details.empty()) {
    Complain("the capture was made without " + absl::StrJoin(lack.details, ", and without "));
  }
  if (lack.unknown) {
    Complain(
        "the capture does not say which states, details and filter it was made with, so "
        "sockets and details may be missing");
  }
  return !tables.empty() || lacks_states ? kNotAnswered : kAnswered;
}

// -s. Sets `*reported` if the counts are not whole.
ExitCode PrintSummary(const ListOptions& options, Engine* engine, ExitCode* reported) {
  SocketSummary counts;
  const absl::StatusOr<Summary> summary =
      engine->Visit(SocketSummary::Query(), [&](const netdiag::Row& row) {
        counts.Add(row);
        return Flow::kContinue;
      });
  if (!summary.ok()) {
    Complain(summary.status());
    return kNotAnswered;
  }
  std::string text;
  counts.AppendTo(&text);
  const ExitCode written = Print(text);
  *reported = std::max(ReportGaps(*summary, /*named=*/{}, options.proc_root),
                       ReportLack(options, SocketSummary::Query()));
  return written;
}

// --unlisted. Sets `found` if there is such a socket.
absl::StatusOr<netdiag::UnlistedStats> ListUnlisted(const ListOptions& options,
                                                    const EngineOptions& engine_options,
                                                    const Output& output, Renderer* renderer,
                                                    bool* found) {
  const auto show = [&](const netdiag::UnlistedSocket& socket) {
    *found = true;
    renderer->Unlisted(socket);
    return output.failed() ? Flow::kStop : Flow::kContinue;
  };
  netdiag::UnlistedOptions unlisted{.listed_states = StateSet::SsAll() | options.query.states,
                                    .filter = options.query.filter};
  if (options.tables_chosen) {
    unlisted.protocols = options.query.protocols;
    unlisted.families = options.query.families;
  }
  return netdiag::VisitUnlisted(engine_options, show, {}, unlisted);
}

// Complains about unlisted sockets that were left out.
void ReportLeftOut(const netdiag::UnlistedStats& stats) {
  if (stats.left_out == 0) return;
  const std::string reason(stats.left_out_reason.message());
  std::string note =
      "the unlisted sockets are not complete: " + std::to_string(stats.left_out) + " were left out";
  if (stats.left_out_protocols.empty()) return Complain(note + ": " + reason);
  Complain(note + " (" + absl::StrJoin(stats.left_out_protocols, ", ") +
           "), because a dump could have shown them: " + reason);
}

void ComplainOfNoProcess(const ListOptions& options) {
  std::string message = "no process named \"" + options.process + "\" holds ";
  message += options.only_process ? "a socket" : "a socket that the other words select";
  Complain(message);
}

// Complains if the command line admits no socket at all.
void ReportEmpty(const ListOptions& options, const Engine& engine) {
  if (options.unlisted && options.query.states.empty()) return;  // `state unlisted`
  const bool one_netns = !options.all_netns && options.replay == nullptr;
  const netdiag::NetnsId netns = one_netns ? engine.netns() : netdiag::NetnsId();
  if (const std::string why = WhyEmpty(options.query, netns); !why.empty()) Complain(why);
}

// `engine_options`: those of `engine`.
ExitCode List(const ListOptions& options, const EngineOptions& engine_options, Engine* engine) {
  Output output(STDOUT_FILENO);
  const std::unique_ptr<Renderer> renderer = NewRenderer(options, engine, &output);
  Pipeline pipeline(options.selection, renderer.get(), &output);
  renderer->Begin();
  bool found = false;
  const absl::StatusOr<Summary> summary =
      engine->Visit(options.query, [&](const netdiag::Row& row) {
        found = true;
        return pipeline.Add(row);
      });
  if (!summary.ok()) {
    Complain(summary.status());
    return Finish(&output, kNotAnswered);
  }
  pipeline.Finish();
  absl::StatusOr<netdiag::UnlistedStats> unlisted = netdiag::UnlistedStats();
  if (options.unlisted && !output.failed()) {
    unlisted = ListUnlisted(options, engine_options, output, renderer.get(), &found);
    renderer->UnlistedEnd(unlisted);
  }
  renderer->End(*summary);
  const ExitCode written = Finish(&output, kAnswered);
  if (output.failed()) return written;

  const ExitCode reported = std::max(ReportGaps(*summary, options.named, options.proc_root),
                                     ReportLack(options, options.query));
  if (!options.tcp_stream.empty() && summary->owners) {
    Complain("TCPDIAG_FILE does not have owners, so its sockets are listed without");
  }
  if (options.query.completeness == netdiag::Completeness::kExact) ReportDoubts(*summary);
  if (const uint64_t listeners = renderer->untold_listeners(); listeners > 0) {
    Complain("the pending connections of " + std::to_string(listeners) +
             " unix listeners are missing, because " +
             (options.replay == nullptr ? "the kernel's answer has no room for them"
                                        : "the capture does not have them"));
  }
  if (!unlisted.ok()) {
    Complain(unlisted.status());
  } else {
    ReportLeftOut(*unlisted);
  }
  if (!found) ReportEmpty(options, *engine);
  const bool no_process = !found && !options.process.empty();
  if (no_process) ComplainOfNoProcess(options);
  return unlisted.ok() && !no_process ? reported : kNotAnswered;
}

bool BeginsTcpStream(std::string_view begin) {
  return TcpStreamReader::CanBegin(std::as_bytes(std::span(begin.data(), begin.size())));
}
constexpr Beginning kStream = {.size = TcpStreamReader::kBeginning, .fits = BeginsTcpStream};

// Opens an Engine in the namespace of the options and asks it.
ExitCode Ask(const ListOptions& options) {
  EngineOptions engine_options{.all_netns = options.all_netns && options.replay == nullptr,
                               .proc_root = options.proc_root,
                               .source = options.source,
                               .threads = 2};
  if (options.replay != nullptr) engine_options.replay = options.replay->bytes();
  std::string stream;  // must outlive the Engine
  if (!options.tcp_stream.empty()) {
    absl::StatusOr<std::string> read = ReadInput(options.tcp_stream, "TCPDIAG_FILE", kStream);
    if (!read.ok()) {
      Complain(read.status());
      return kNotAnswered;
    }
    stream = *std::move(read);
    engine_options.tcp_stream = {.bytes = std::as_bytes(std::span(stream.data(), stream.size())),
                                 .first_dump = options.called_ss,
                                 .families = options.query.families,
                                 .states = options.stream_states};
  }
  if (!options.netns.empty() && options.netns != netdiag::netlink::kOwnNetns) {
    const auto netns = FindNetns(options.netns, options.proc_root);
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
  if (options.action == Action::kCapabilities) return PrintCapabilities((*engine)->capabilities());
  if (!options.stream_path.empty()) return WriteTcpStream(options, engine->get());
  if (!options.capture_path.empty()) return WriteCapture(options, engine->get());
  if (options.task == Task::kEvents) return Follow(options, engine_options, engine->get());
  ExitCode reported = kAnswered;
  if (options.summary != SummaryMode::kNone) {
    const ExitCode printed = PrintSummary(options, engine->get(), &reported);
    if (printed != kAnswered) return printed;
    if (options.summary == SummaryMode::kOnly) return reported;
  }
  if (options.task != Task::kList) return Kill(options, engine->get());
  return std::max(reported, List(options, engine_options, engine->get()));
}

// What the options can need.
CapabilitySet NeededBy(const ListOptions& options) {
  CapabilitySet needed;
  if (!options.stream_path.empty() || !options.capture_path.empty()) needed |= kForFiles;
  if (options.replay != nullptr) return needed;
  needed |= {CAP_NET_ADMIN};  // marks and the like, events, closing
  if (!options.tcp_stream.empty()) needed |= kForFiles;
  const bool all = options.all_netns || options.unlisted || options.action == Action::kCapabilities;
  netdiag::Query query = options.query;
  if (query.filter != nullptr) query.filter->AddNeeds(&query);
  // A capture has cgroups and programs; the ports of netlink are processes.
  const bool processes =
      !options.capture_path.empty() || query.owners || query.cgroups || query.containers ||
      query.programs || options.shows(Detail::kProcessContexts) ||
      std::ranges::find(query.protocols, netdiag::Protocol::kNetlink) != query.protocols.end();
  if (all || processes) needed |= kForProcesses;
  // Without cookies, tables can be read by BPF.
  const bool bpf = query.owners || options.task != Task::kList || !query.cookies ||
                   query.completeness == netdiag::Completeness::kExact;
  if (all || bpf) needed |= kForBpf;
  if (all || !options.netns.empty()) needed |= kForNamespaces;
  // Finding a map by its number needs it.
  if (options.shows(Detail::kBpfStorages)) needed |= kForBpf | CapabilitySet{CAP_SYS_ADMIN};
  return needed;
}

}  // namespace

ExitCode RunList(int argc, char** argv) {
  std::string pointer;
  const absl::StatusOr<ListOptions> options = ParseListOptions(argc, argv, &pointer);
  if (!options.ok()) {
    Complain(options.status());
    Output output(STDERR_FILENO);
    output.Write(pointer);
    output.Flush();
    return absl::IsDataLoss(options.status()) ? kNotAnswered : kUsage;
  }
  switch (options->action) {
    case Action::kHelp:
      return Print(HelpText());
    case Action::kVersion:
      return Print(kVersion);
    case Action::kColumnsHelp:
      return Print(FieldsHelp());
    case Action::kHelpFormat:
      return PrintHelpFormat(options->help_format);
    case Action::kCapabilities:
    case Action::kList:
      break;
  }
  if (options->shows(Detail::kProcessContexts)) {
    if (const absl::Status status = Contexts::Check(); !status.ok()) {
      Complain(status);
      return kNotAnswered;
    }
  }
  KeepOnly(NeededBy(*options));
  return Ask(*options);
}

}  // namespace diag
