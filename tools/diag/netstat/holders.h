// tools/diag/netstat/holders.h — who holds a socket, in netstat's words: "364/sshd".

#ifndef NETDIAG_TOOLS_DIAG_NETSTAT_HOLDERS_H_
#define NETDIAG_TOOLS_DIAG_NETSTAT_HOLDERS_H_

#include <string>
#include <string_view>
#include <unordered_map>

#include "absl/functional/function_ref.h"

#include "netdiag/process/owner.h"
#include "netdiag/process/program.h"
#include "tools/diag/contexts.h"
#include "tools/diag/netstat/lines.h"
#include "tools/diag/netstat/options.h"

namespace diag::netstat {

// Appends a name that another process chose. With --compat a backslash stays single, as netstat
// writes it; what would act on a terminal is escaped nevertheless.
void AppendForeign(std::string_view name, bool compat, std::string* out);

// Appends a complaint if the descriptors of some processes could not be read; with --compat only
// where netstat complains, too: if they could not be listed. Cost of that: if some could not be
// read, a system call or two for each process.
void AppendComplaint(const netdiag::OwnerStats& stats, const std::string& proc_root, bool compat,
                     std::string* err);
// The same if no process could be read.
void AppendNoOwners(std::string* err);

// The texts of owners. The text of a process is made once.
class HolderTexts {
 public:
  using ProgramOf = absl::FunctionRef<const netdiag::Program*(const netdiag::Owner&)>;

  HolderTexts(const Options& options, std::string proc_root)
      : options_(options), contexts_(std::move(proc_root)) {}
  // What -p and -Z show: the process with the lowest pid; with -p -p all processes. Valid until the
  // next call.
  Holders Of(const netdiag::Owners& owners, ProgramOf program);

 private:
  struct Text {
    std::string program;
    std::string context;
  };
  const Text& TextOf(const netdiag::Owner& owner, ProgramOf program);

  const Options& options_;
  Contexts contexts_;
  std::unordered_map<netdiag::Pid, Text> texts_;
  std::string all_;
};

}  // namespace diag::netstat

#endif  // NETDIAG_TOOLS_DIAG_NETSTAT_HOLDERS_H_
