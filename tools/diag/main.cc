// diag: lists sockets and the processes that hold them, in ss's words.

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "tools/diag/commands.h"

namespace diag {
namespace {

// Opens /dev/null for the descriptors 0, 1 and 2 that the caller closed. Otherwise the next
// descriptor that diag opens, a netlink socket, would get such a number and be written to as if it
// were the output. Returns false if there is no /dev/null.
bool HoldStandardDescriptors() {
  int fd = 0;
  do {
    fd = open("/dev/null", O_RDONLY);  // writing to it fails, as writing to a closed one does
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd > STDERR_FILENO) close(fd);
  return fd >= 0;
}

int Main(int argc, char** argv) {
  if (!HoldStandardDescriptors()) return kNotAnswered;
  // Makes a closed pipe an error of write() instead of a signal.
  signal(SIGPIPE, SIG_IGN);
  const Command& command = FindCommand(argc > 1 ? argv[1] : "");
  const int skipped = command.name.empty() ? 0 : 1;  // a command's argv[0] is its name
  return command.run(argc - skipped, argv + skipped);
}

}  // namespace
}  // namespace diag

int main(int argc, char** argv) { return diag::Main(argc, argv); }
