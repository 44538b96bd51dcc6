// Tested by tests/tools/main_test.cc.

#include "tools/diag/report.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <new>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"

#include "netdiag/dump/table.h"
#include "netdiag/process/owner.h"
#include "netdiag/types/error.h"
#include "netdiag/types/types.h"
#include "tools/diag/privileges.h"

namespace diag {
namespace {

using netdiag::TableOutcome;

// What would let this process read what it could not read. Reading the descriptors of another
// user's process needs CAP_SYS_PTRACE (proc_fd_access_allowed()) and, because their directory is
// closed to other users, CAP_DAC_READ_SEARCH or CAP_DAC_OVERRIDE.
std::string Advice(bool of_descriptors) {
  const CapabilitySet has = EffectiveCapabilities();
  const auto lacks = [&](int capability) { return !has.contains({capability}); };
  std::string missing;
  if (lacks(CAP_SYS_PTRACE)) missing = "CAP_SYS_PTRACE";
  if (of_descriptors && lacks(CAP_DAC_READ_SEARCH) && lacks(CAP_DAC_OVERRIDE)) {
    missing.append(missing.empty() ? "" : " and ").append("CAP_DAC_READ_SEARCH");
  }
  if (missing.empty()) {
    return "such a process has capabilities that diag lacks, or a user namespace or a security "
           "module forbids it";
  }
  return (geteuid() == 0 ? "root lacks " : "run as root or with ") + missing;
}

// "1 systemd, 40 cron, 52 dbus-daemon, …": the processes that could not be read, three at most.
std::string NamesOf(const netdiag::OwnerStats& stats, const std::string& proc_root) {
  std::string text;
  uint64_t named = 0;
  for (const netdiag::Pid pid : stats.denied_pids) {
    if (pid == netdiag::Pid()) continue;
    ++named;
    text.append(text.empty() ? "" : ", ").append(std::to_string(pid.value()));
    std::ifstream comm(proc_root + "/" + std::to_string(pid.value()) + "/comm");
    std::string command;
    if (std::getline(comm, command)) text.append(" ").append(command);
  }
  if (named == 0) return text;
  return " (" + text + (named < stats.denied ? ", …)" : ")");
}

// "1 process", "2 processes".
std::string Counted(uint64_t count, std::string_view singular, std::string_view plural) {
  return std::to_string(count).append(" ").append(count == 1 ? singular : plural);
}
std::string Processes(uint64_t count) { return Counted(count, "process", "processes"); }

// The tables about which a message says the same.
struct Refusal {
  std::string before, after;  // the message, around the name of its table
  std::vector<std::string> tables;
  int errnum = 0;
};

// Adds the table to the refusal with the same message, or a new refusal.
void AddRefusal(const netdiag::Table& table, const absl::Status& status,
                std::vector<Refusal>* refusals) {
  const std::string message(status.message());
  const std::string name = Text(table);
  const size_t at = std::min(message.find(name), message.size());
  std::string before = message.substr(0, at);
  std::string after = message.substr(std::min(at + name.size(), message.size()));
  auto same = std::ranges::find_if(*refusals, [&](const Refusal& other) {
    return other.before == before && other.after == after;
  });
  if (same == refusals->end()) {
    refusals->push_back({std::move(before), std::move(after), {}, netdiag::Errno(status)});
    same = refusals->end() - 1;
  }
  if (at < message.size()) same->tables.push_back(name);
}

std::string MessageOf(const Refusal& refusal) {
  return refusal.before + absl::StrJoin(refusal.tables, ", ") + refusal.after;
}

// The tables that the user named.
using Named = std::span<const netdiag::Protocol>;

bool IsNamed(const TableOutcome& outcome, Named named) {
  return std::ranges::find(named, outcome.table.protocol) != named.end();
}

// True if the user misses the table: an unsupported table counts only if the user named it.
bool IsMissing(const TableOutcome& outcome, Named named) {
  return !outcome.status.ok() &&
         (IsNamed(outcome, named) || !netdiag::IsUnsupported(outcome.status));
}

// True if a note says that /proc/net was read. If the user did not name the table, and its kernel
// module is absent, an empty table is no gap. A sandbox that refuses every dump always is.
bool IsRefusalNoted(const TableOutcome& outcome, Named named) {
  if (outcome.refusal.ok()) return false;
  const bool is_absent =
      netdiag::IsUnsupported(outcome.refusal) && netdiag::Errno(outcome.refusal) != EAFNOSUPPORT;
  return outcome.rows > 0 || IsNamed(outcome, named) || !is_absent;
}

// The functions below add to `notes` what the rows of a query do not show.

// Notes once what is the same about several tables.
void ReportTables(const netdiag::Summary& summary, Named named, Notes* notes) {
  std::vector<Refusal> missing, refused;
  std::string unread;  // the tables that a sandbox forbids and that the user did not name
  for (const TableOutcome& outcome : summary.tables) {
    if (IsMissing(outcome, named)) {
      AddRefusal(outcome.table, outcome.status, &missing);
    } else if (netdiag::Errno(outcome.status) == EAFNOSUPPORT) {
      unread.append(unread.empty() ? "" : ", ").append(Text(outcome.table));
    }
    if (IsRefusalNoted(outcome, named)) {
      AddRefusal(outcome.table, outcome.refusal, &refused);
    }
  }
  for (const TableOutcome& outcome : summary.tables) {
    if (outcome.no_table.ok() || !IsNamed(outcome, named)) continue;
    notes->push_back(std::string(outcome.no_table.message()) + "; a dump was made instead");
  }
  for (const Refusal& refusal : missing) notes->push_back(MessageOf(refusal));
  for (const Refusal& refusal : refused) {
    std::string note = MessageOf(refusal);
    note.append("; /proc/net was read instead, which has fewer details");
    if (refusal.errnum == EAFNOSUPPORT && !unread.empty()) note.append(" and not ").append(unread);
    notes->push_back(note);
  }
}

// True if it is known how many sockets of the table are missing, or that this kernel's dump never
// has some that were asked for.
bool HasKnownGap(const TableOutcome& outcome) {
  const bool lacks =
      outcome.source == netdiag::SourceKind::kNetlink && netdiag::IsUnsupported(outcome.doubt);
  return outcome.status.ok() && !outcome.doubt.ok() && (outcome.missing > 0 || lacks);
}

// The doubts that every listing tells, not only one with --exact.
void ReportKnownGaps(const netdiag::Summary& summary, Notes* notes) {
  for (const TableOutcome& outcome : summary.tables) {
    if (!HasKnownGap(outcome)) continue;
    std::string note(outcome.doubt.message());
    if (outcome.missing > 0) note += " (" + Counted(outcome.missing, "socket", "sockets") + ")";
    notes->push_back(note);
  }
}

void ReportNamespaces(const netdiag::NetnsStats& stats, Notes* notes) {
  if (stats.denied > 0) {
    notes->push_back("sockets are missing, because diag could not enter " +
                     Counted(stats.denied, "network namespace", "network namespaces") + ": " +
                     std::string(stats.denial.message()));
  }
  if (stats.hidden > 0) {
    notes->push_back("sockets may be missing, because the network namespaces of " +
                     Processes(stats.hidden) +
                     " could not be read: " + Advice(/*of_descriptors=*/false));
  }
  // A caller that cannot enter the namespaces of processes needs no note about others.
  const bool enters =
      stats.denied == 0 && (stats.hidden == 0 || EffectiveCapabilities().contains({CAP_SYS_ADMIN}));
  if (!stats.no_socket_search.ok() && enters) {
    notes->push_back(
        "sockets may be missing, because network namespaces that only a socket keeps alive could "
        "not be searched for: " +
        std::string(stats.no_socket_search.message()));
  }
  if (stats.unreached > 0 && stats.no_socket_search.ok()) {
    notes->push_back(
        "sockets are missing, because " +
        Counted(stats.unreached, "network namespace", "network namespaces") +
        " could not be reached: only a thread, a mount in another mount namespace, a process "
        "that diag does not see, a connection that no process holds, or the kernel keeps " +
        (stats.unreached == 1 ? "it" : "them") + " alive");
  }
  if (stats.beyond > 0) {
    notes->push_back(
        "sockets are missing, because there are too many network namespaces to list all");
  }
}

void ReportMessages(const netdiag::Summary& summary, Notes* notes) {
  if (summary.interrupted) {
    notes->push_back(
        "the listing may be inconsistent, because a table changed while the kernel dumped it");
  }
  if (summary.damaged > 0) {
    notes->push_back("sockets may be missing, because " +
                     Counted(summary.damaged, "malformed record was", "malformed records were") +
                     " left out or cut short");
  }
  if (summary.foreign > 0) {
    notes->push_back(Counted(summary.foreign, "datagram was", "datagrams were") +
                     " ignored, because the sender was another process and not the kernel");
  }
}

void ReportOwners(const netdiag::OwnerStats& stats, const std::string& proc_root, Notes* notes) {
  if (stats.denied > 0) {
    notes->push_back("owners may be missing, because the descriptors of " +
                     Processes(stats.denied) + " could not be read" + NamesOf(stats, proc_root) +
                     ": " + Advice(/*of_descriptors=*/true));
  }
  if (stats.hidepid) {
    notes->push_back(
        "owners may be missing, because /proc hides the processes of other users (hidepid): " +
        Advice(/*of_descriptors=*/true));
  }
  if (stats.other_pid_namespace) {
    notes->push_back(
        "owners may be missing, because diag runs in a pid namespace of its own and does not see "
        "the processes outside");
  }
  if (stats.errors > 0) {
    const absl::Status status = netdiag::ErrnoError(
        stats.first_error,
        "owners may be missing, because " +
            Counted(stats.errors, "descriptor or process", "descriptors or processes") +
            " could not be read");
    notes->emplace_back(status.message());
  }
}

// Notes where the capture is damaged, unless a table has done so.
void ReportDamage(const netdiag::Summary& summary, Notes* notes) {
  if (summary.replay_damage.ok()) return;
  const bool told = std::ranges::any_of(summary.tables, [&](const TableOutcome& outcome) {
    return outcome.status.message() == summary.replay_damage.message();
  });
  if (!told) notes->emplace_back(summary.replay_damage.message());
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

int RunMain(int (*main)(int argc, char** argv), int argc, char** argv) try {
  return main(argc, argv);
} catch (const std::bad_alloc&) {
  // Complain() allocates.
  static constexpr std::string_view kText = "diag: out of memory\n";
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, kText.data(), kText.size());
  return kNotAnswered;
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

Notes NotesOn(const netdiag::Summary& summary, Named named, const std::string& proc_root) {
  Notes found;
  ReportTables(summary, named, &found);
  ReportKnownGaps(summary, &found);
  if (summary.netns) ReportNamespaces(*summary.netns, &found);
  ReportMessages(summary, &found);
  ReportDamage(summary, &found);
  if (!summary.owner_error.ok()) {
    found.push_back(std::string(summary.owner_error.message()) +
                    "; the sockets are listed without owners");
  }
  if (summary.owners) ReportOwners(*summary.owners, proc_root, &found);
  return found;
}

ExitCode ReportGaps(const netdiag::Summary& summary, Named named, const std::string& proc_root,
                    Notes* notes) {
  Notes found = NotesOn(summary, named, proc_root);
  for (const std::string& note : found) Complain(note);
  if (notes != nullptr) *notes = std::move(found);
  const bool missing = std::ranges::any_of(
      summary.tables, [&](const TableOutcome& outcome) { return IsMissing(outcome, named); });
  return missing || !summary.replay_damage.ok() ? kNotAnswered : kAnswered;
}

void ReportLeftOut(std::span<const netdiag::Protocol> tables, std::string_view why) {
  std::string names;
  for (const netdiag::Protocol table : tables) {
    names.append(names.empty() ? "" : ", ").append(netdiag::Names(table).word);
  }
  if (!names.empty()) Complain(names.append(" left out: ").append(why));
}

void ReportDoubts(const netdiag::Summary& summary, netdiag::Set<netdiag::SourceKind> sources) {
  for (const TableOutcome& outcome : summary.tables) {
    if (!sources.empty() && !sources.contains(outcome.source)) continue;
    if (outcome.status.ok() && !outcome.doubt.ok() && !HasKnownGap(outcome)) {
      Complain(outcome.doubt);
    }
  }
}

}  // namespace diag
