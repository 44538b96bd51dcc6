// Tested by tests/tools/export_program_test.cc.

#include "tools/diag/export/textfile.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <unistd.h>

#include "absl/cleanup/cleanup.h"

#include "netdiag/types/error.h"
#include "tools/diag/text.h"

namespace diag {

absl::Status Textfile::Write(std::string_view text) {
  if (!wanted()) return absl::OkStatus();
  const std::string beside = path_ + ".tmp";
  // A file that is there is left from a run that was killed, or is a link to somewhere else.
  unlink(beside.c_str());
  const int file = open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0) return netdiag::ErrnoError(errno, beside);
  const absl::Cleanup closer = [file] { close(file); };
  fchmod(file, 0644);  // whatever the umask is
  Output output(file);
  output.Write(text);
  output.Flush();
  if (output.failed()) {
    unlink(beside.c_str());
    return netdiag::ErrnoError(output.errnum(), beside);
  }
  if (rename(beside.c_str(), path_.c_str()) != 0) return netdiag::ErrnoError(errno, path_);
  return absl::OkStatus();
}

Textfile::~Textfile() {
  if (wanted()) unlink(path_.c_str());
}

}  // namespace diag
