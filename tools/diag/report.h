// tools/diag/report.h — what every command says on stderr, and how it ends.

#ifndef NETDIAG_TOOLS_DIAG_REPORT_H_
#define NETDIAG_TOOLS_DIAG_REPORT_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"

#include "netdiag/dump/table.h"
#include "netdiag/summary.h"
#include "netdiag/types/types.h"
#include "tools/diag/text.h"

namespace diag {

enum ExitCode : int {
  kAnswered = 0,     // stderr names what could not be seen
  kNotAnswered = 1,  // a requested table could not be read, or stdout not be written
  kUsage = 2,        // the command line has no meaning
};

// Writes one line to stderr, with "diag: " before it. Escapes `message`: it can contain names that
// other processes chose.
void Complain(std::string_view message);
void Complain(const absl::Status& status);

// Runs `main`, the whole of a program. If memory runs out, complains and returns kNotAnswered.
int RunMain(int (*main)(int argc, char** argv), int argc, char** argv);

// Flushes `output` and returns `code`; if the output could not be written, complains and returns
// kNotAnswered. A reader that closed the pipe is no error.
ExitCode Finish(Output* output, ExitCode code);
// Complains about `status`, then as Finish(). Returns kUsage for kInvalidArgument, else
// kNotAnswered.
ExitCode Fail(const absl::Status& status, Output* output);
// Writes `text` to stdout.
ExitCode Print(std::string_view text);

using Notes = std::vector<std::string>;

// Sentences about everything that the rows of a query do not show.
// `named`: the tables that the user named. That the kernel lacks another table is no gap.
// `proc_root`: the procfs that was read; it names processes.
Notes NotesOn(const netdiag::Summary& summary, std::span<const netdiag::Protocol> named,
              const std::string& proc_root);
// Complains with these sentences. Returns kNotAnswered if a requested table could not be read, or
// if the capture that was replayed is damaged. `notes`: becomes the sentences, if it is not null.
ExitCode ReportGaps(const netdiag::Summary& summary, std::span<const netdiag::Protocol> named,
                    const std::string& proc_root, Notes* notes = nullptr);
// Complains that these tables, which the user named, are left out, for the reason `why`. Nothing if
// there are none.
void ReportLeftOut(std::span<const netdiag::Protocol> tables, std::string_view why);
// Complains about each table of which rows can be missing (TableOutcome::doubt), if it was read
// from one of `sources`; empty: from any.
void ReportDoubts(const netdiag::Summary& summary, netdiag::Set<netdiag::SourceKind> sources = {});

}  // namespace diag

#endif  // NETDIAG_TOOLS_DIAG_REPORT_H_
