// tools/diag/netstat/failures.h — what netstat's modes say if they cannot read the kernel.

#ifndef NETDIAG_TOOLS_DIAG_NETSTAT_FAILURES_H_
#define NETDIAG_TOOLS_DIAG_NETSTAT_FAILURES_H_

#include <string>

#include "absl/status/status.h"

#include "tools/diag/netstat/options.h"
#include "tools/diag/text.h"

namespace diag::netstat {

// Appends a line with the error, escaped. Returns kNotAnswered.
inline ExitCode Fail(const absl::Status& status, Output* output) {
  output->err.append("netstat: ");
  AppendEscaped(std::string(status.message()), &output->err);
  output->err.append("\n");
  return kNotAnswered;
}

}  // namespace diag::netstat

#endif  // NETDIAG_TOOLS_DIAG_NETSTAT_FAILURES_H_
