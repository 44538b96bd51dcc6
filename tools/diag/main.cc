// diag: lists sockets and the processes that hold them, in ss's words; in netstat's words if it is
// called by that name.

#include <cerrno>
#include <fcntl.h>
#include <signal.h>
#include <string>
#include <string_view>
#include <unistd.h>

#include "absl/status/status.h"

#include "netdiag/types/error.h"
#include "tools/diag/commands.h"
#include "tools/diag/privileges.h"
#include "tools/diag/report.h"

namespace diag {
namespace {

// Opens /dev/null for the descriptors 0, 1 and 2 that the caller closed. Otherwise the next
// descriptor that diag opens, a netlink socket, would get such a number and be written to as if it
// were the output. Returns an error if /dev/null is needed and cannot be opened.
absl::Status HoldStandardDescriptors() {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    // Opens the lowest free descriptor, which is `fd`. Writing to it fails, as to a closed one.
    if (open("/dev/null", O_RDONLY) < 0) {
      return netdiag::ErrnoError(
          errno, "/dev/null",
          "diag needs it because descriptor " + std::to_string(fd) + " is closed");
    }
  }
  return absl::OkStatus();
}

int Main(int argc, char** argv) {
  if (const absl::Status status = HoldStandardDescriptors(); !status.ok()) {
    Complain(status);
    return kNotAnswered;
  }
  // Makes a closed pipe an error of write() instead of a signal.
  signal(SIGPIPE, SIG_IGN);
  const std::string_view program = argc > 0 ? argv[0] : "";
  const bool called_netstat = program.substr(program.rfind('/') + 1) == "netstat";
  const Command& command = FindCommand(called_netstat ? "netstat" : argc > 1 ? argv[1] : "");
  // A command's argv[0] is its name.
  const int skipped = command.name.empty() || called_netstat ? 0 : 1;
  KeepOnly(command.capabilities);
  return command.run(argc - skipped, argv + skipped);
}

}  // namespace
}  // namespace diag

int main(int argc, char** argv) { return diag::RunMain(diag::Main, argc, argv); }
