// diag why PORT|PID|ADDRESS. Tested by tests/tools/monitor_program_test.cc.

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include "netdiag/engine.h"
#include "netdiag/filter/filter.h"
#include "netdiag/query.h"
#include "netdiag/row.h"
#include "netdiag/types/address.h"
#include "netdiag/types/error.h"
#include "netdiag/types/parse_number.h"
#include "tools/diag/command_values.h"
#include "tools/diag/commands.h"
#include "tools/diag/help.h"
#include "tools/diag/names.h"
#include "tools/diag/report.h"
#include "tools/diag/why_facts.h"

namespace diag {
namespace {

using netdiag::Flow;

struct Request {
  bool help = false;
  std::string netns;
  std::string proc_root;
};

absl::Status SetWhyNetns(std::string_view name, Request* request) {
  request->netns = name;
  return absl::OkStatus();
}

constexpr auto kOptions = std::to_array<Option<Request>>({
    {{.letter = 'N',
      .name = "net",
      .help = "another network namespace: a name, a process or a file",
      .argument = {"NAME|PID|PATH", Values::kNetns}},
     SetWhyNetns},
    {{.name = "proc",
      .help = "read the procfs that is mounted here; default: $HOST_PROC or /proc",
      .argument = {"DIR", Values::kFile}},
     SetProc},
    {{.letter = 'h', .name = "help", .help = "this text"}, SetHelp},
});

// What is asked: its name, and the filter of its sockets.
struct Subject {
  std::string name;
  std::string filter;
};

// A number is a port, and a process if there is one of that number. Both are answered.
absl::StatusOr<std::vector<Subject>> SubjectsOf(std::string_view word,
                                                const std::string& proc_root) {
  std::vector<Subject> subjects;
  const bool only_port = word.starts_with(':');
  const std::string_view digits = only_port ? word.substr(1) : word;
  if (const auto number = netdiag::internal::ParseNumber<int32_t>(digits); number && *number > 0) {
    const std::string text(digits);
    if (*number <= 65535) {
      subjects.push_back({"port " + text, "sport = " + text + " or dport = " + text});
    }
    if (!only_port && !CommandOf(*number, proc_root).empty()) {
      subjects.push_back({"process " + text, "pid = " + text});
    }
    if (!subjects.empty()) return subjects;
    return netdiag::BadInput("word", word, "there is no process of this number");
  }
  const absl::StatusOr<netdiag::IpAddress> address = netdiag::IpAddress::Parse(word);
  if (!address.ok()) {
    return netdiag::BadInput("word", word, "expected a port, a process or an address");
  }
  std::string text;
  address->AppendTo(&text);
  const std::string quoted = text.find(':') == text.npos ? text : "[" + text + "]";
  return std::vector<Subject>{{"address " + text, "src " + quoted + " or dst " + quoted}};
}

absl::StatusOr<std::string> Answer(const Subject& subject, const netdiag::EngineOptions& options,
                                   ExitCode* reported) {
  NETDIAG_ASSIGN_OR_RETURN(netdiag::Filter filter, netdiag::Filter::Parse(subject.filter));
  netdiag::Query query{.protocols = {netdiag::Protocol::kUdp, netdiag::Protocol::kTcp},
                       .states = netdiag::StateSet::SsAll(),
                       .extensions = {netdiag::Extension::kInfo, netdiag::Extension::kSocketMemory},
                       .filter = std::make_shared<const netdiag::Filter>(std::move(filter)),
                       .owners = true,
                       .cgroups = true,
                       .programs = true};
  NETDIAG_ASSIGN_OR_RETURN(const std::unique_ptr<netdiag::Engine> engine,
                           netdiag::Engine::Open(options));
  WhyFacts facts;
  NETDIAG_ASSIGN_OR_RETURN(const netdiag::Summary summary,
                           engine->Visit(query, [&](const netdiag::Row& row) {
                             facts.Add(row);
                             return Flow::kContinue;
                           }));
  *reported = std::max(*reported, ReportGaps(summary, /*named=*/{}, options.proc_root));
  return WhyText(facts, subject.name, options.proc_root);
}

absl::StatusOr<std::string> AnswerAll(const Request& request, std::string_view word,
                                      ExitCode* reported) {
  netdiag::EngineOptions options;
  NETDIAG_ASSIGN_OR_RETURN(options.proc_root, ProcRoot(request.proc_root));
  if (!request.netns.empty()) {
    NETDIAG_ASSIGN_OR_RETURN(options.netns, FindNetns(request.netns, options.proc_root));
  }
  NETDIAG_ASSIGN_OR_RETURN(const std::vector<Subject> subjects,
                           SubjectsOf(word, options.proc_root));
  std::string text;
  for (const Subject& subject : subjects) {
    NETDIAG_ASSIGN_OR_RETURN(const std::string answer, Answer(subject, options, reported));
    text.append(text.empty() ? "" : "\n").append(answer);
  }
  return text;
}

}  // namespace

std::vector<OptionInfo> WhyOptionInfos() { return InfosOf<Request>(kOptions); }

ExitCode RunWhy(int argc, char** argv) {
  Output output(STDOUT_FILENO);
  Request request;
  const absl::StatusOr<Words> words = ParseCommandLine<Request>(kOptions, argc, argv, &request);
  if (!words.ok()) return Fail(words.status(), &output);
  if (request.help) return Print(CommandHelp(FindCommand("why")));
  if (words->empty()) {
    return Fail(netdiag::BadInput("word", "", "expected a port, a process or an address"), &output);
  }
  if (words->size() > 1) return Fail(UnexpectedWord((*words)[1]), &output);
  ExitCode reported = kAnswered;
  const absl::StatusOr<std::string> text = AnswerAll(request, words->front(), &reported);
  if (!text.ok()) return Fail(text.status(), &output);
  output.Write(*text);
  return std::max(reported, Finish(&output, kAnswered));
}

}  // namespace diag
