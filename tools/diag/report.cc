// Tested by tests/tools/main_test.cc.

#include "tools/diag/report.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <unistd.h>

#include "netdiag/types/error.h"

namespace diag {
namespace {

using netdiag::TableOutcome;

constexpr std::string_view kPrivilege = "run as root or with CAP_SYS_PTRACE";

// The message and what follows from it.
void ComplainWith(const absl::Status& status, std::string_view consequence) {
  Complain(std::string(status.message()).append("; ").append(consequence));
}

// True if the user misses the table: an unsupported table counts only if the user named it.
bool IsMissing(const TableOutcome& outcome, bool tables_named) {
  return !outcome.status.ok() && (tables_named || !netdiag::IsUnsupported(outcome.status));
}

void ReportTables(const netdiag::Summary& summary, bool tables_named) {
  for (const TableOutcome& outcome : summary.tables) {
    if (IsMissing(outcome, tables_named)) Complain(outcome.status);
    if (!outcome.refusal.ok() && (outcome.rows > 0 || tables_named)) {
      ComplainWith(outcome.refusal, "/proc/net was read instead, which has fewer details");
    }
  }
}

void ReportNamespaces(const netdiag::NetnsStats& stats) {
  if (stats.denied > 0) {
    Complain("the sockets of " + std::to_string(stats.denied) +
             " network namespaces are missing, because diag could not enter these namespaces: " +
             std::string(stats.denial.message()));
  }
  if (stats.hidden > 0) {
    Complain("sockets may be missing, because the network namespaces of " +
             std::to_string(stats.hidden) +
             " processes could not be read: " + std::string(kPrivilege));
  }
  if (stats.beyond > 0) {
    Complain("sockets are missing, because there are too many network namespaces to list all");
  }
}

void ReportMessages(const netdiag::Summary& summary) {
  if (summary.interrupted) {
    Complain("the listing may be inconsistent, because a table changed while the kernel dumped it");
  }
  if (summary.damaged > 0) {
    Complain(std::to_string(summary.damaged) +
             " malformed records were left out or cut short, so sockets may be missing");
  }
  if (summary.foreign > 0) {
    Complain(std::to_string(summary.foreign) +
             " datagrams were dropped, because the kernel did not send them");
  }
}

void ReportOwners(const netdiag::OwnerStats& stats) {
  if (stats.denied > 0) {
    Complain("owners may be missing, because the descriptors of " + std::to_string(stats.denied) +
             " processes could not be read: " + std::string(kPrivilege));
  }
  if (stats.hidepid) {
    Complain("owners may be missing, because /proc hides the processes of other users (hidepid): " +
             std::string(kPrivilege));
  }
  if (stats.errors > 0) {
    Complain(netdiag::ErrnoError(stats.first_error,
                                 "owners may be missing, because " + std::to_string(stats.errors) +
                                     " descriptors or processes could not be read"));
  }
}

}  // namespace

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

ExitCode Finish(Output* output, ExitCode code) {
  output->Flush();
  if (!output->failed() || output->errnum() == EPIPE) return code;
  Complain(netdiag::ErrnoError(output->errnum(), "standard output"));
  return kNotAnswered;
}

ExitCode Fail(const absl::Status& status, Output* output) {
  Complain(status);
  return Finish(output, absl::IsInvalidArgument(status) ? kUsage : kNotAnswered);
}

ExitCode Print(std::string_view text) {
  Output output(STDOUT_FILENO);
  output.Write(text);
  return Finish(&output, kAnswered);
}

ExitCode ReportGaps(const netdiag::Summary& summary, bool tables_named) {
  ReportTables(summary, tables_named);
  if (summary.netns) ReportNamespaces(*summary.netns);
  ReportMessages(summary);
  if (!summary.owner_error.ok()) {
    ComplainWith(summary.owner_error, "the sockets are listed without owners");
  }
  if (summary.owners) ReportOwners(*summary.owners);
  const bool missing = std::ranges::any_of(summary.tables, [&](const TableOutcome& outcome) {
    return IsMissing(outcome, tables_named);
  });
  return missing ? kNotAnswered : kAnswered;
}

void ReportDoubts(const netdiag::Summary& summary) {
  for (const TableOutcome& outcome : summary.tables) {
    if (outcome.status.ok() && !outcome.doubt.ok()) Complain(outcome.doubt);
  }
}

}  // namespace diag
