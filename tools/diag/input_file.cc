// Tested by tests/tools/record_program_test.cc.

#include "tools/diag/input_file.h"

#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <unistd.h>

#include "absl/cleanup/cleanup.h"

#include "netdiag/types/error.h"
#include "tools/diag/privileges.h"

namespace diag {
namespace {

constexpr uint64_t kLargest = uint64_t{4} << 30;
constexpr size_t kPiece = size_t{1} << 20;

// Appends up to `size` bytes. Returns the number of bytes; 0: the file ends; -1: errno.
ssize_t Append(int fd, size_t size, std::string* bytes) {
  const size_t before = bytes->size();
  bytes->resize(before + size);
  ssize_t count = 0;
  do {
    count = read(fd, bytes->data() + before, size);
  } while (count < 0 && errno == EINTR);
  const int errnum = errno;
  bytes->resize(before + static_cast<size_t>(count > 0 ? count : 0));
  errno = errnum;
  return count;
}

}  // namespace

absl::StatusOr<std::string> ReadInput(const std::string& path, std::string_view what,
                                      const Beginning& beginning) {
  const std::string name = std::string(what) + " " + path;
  const bool is_stdin = path == "-";
  const int fd = is_stdin ? STDIN_FILENO : OpenAsCaller(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return netdiag::ErrnoError(errno, name);
  const absl::Cleanup closed = [&] {
    if (!is_stdin) close(fd);
  };
  std::string bytes;
  ssize_t count = 1;
  while (count > 0 && bytes.size() < beginning.size) {
    count = Append(fd, beginning.size - bytes.size(), &bytes);
  }
  if (count >= 0 && beginning.fits != nullptr && !beginning.fits(bytes)) return bytes;
  while (count > 0) {
    count = Append(fd, kPiece, &bytes);
    if (bytes.size() > kLargest) return netdiag::ErrnoError(EFBIG, name, "it is above 4 GiB");
  }
  if (count < 0) return netdiag::ErrnoError(errno, name);
  return bytes;
}

}  // namespace diag
