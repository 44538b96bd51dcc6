// Tested by tests/process/program_test.cc.

#include "netdiag/process/program.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <optional>
#include <unistd.h>

#include "netdiag/process/directory.h"
#include "netdiag/process/proc_files.h"
#include "netdiag/types/unique_fd.h"

namespace netdiag {
namespace {

using internal::ParseStat;
using internal::PidPath;
using internal::ReadFile;
using internal::SmallBuffer;
using internal::UniqueFd;

// The directory belongs to the process and not to the pid, so what is read through it is of the
// process whose start time was compared.
bool IsOf(int directory, uint64_t start_time) {
  SmallBuffer buffer;
  const ssize_t size = ReadFile(directory, "stat", &buffer);
  if (size < 0) return false;
  const auto stat = ParseStat(std::string_view(buffer.data(), static_cast<size_t>(size)));
  return stat && stat->start_time == start_time;
}

std::string ReadExe(int directory) {
  std::array<char, 4096> link;
  const ssize_t size = readlinkat(directory, "exe", link.data(), link.size());
  // A link that fills the room may have been cut.
  if (size <= 0 || static_cast<size_t>(size) == link.size()) return {};
  return std::string(link.data(), static_cast<size_t>(size));
}

// Cuts the arguments to `limit` bytes and adds the mark of the cut.
void Cut(size_t limit, std::string* args) {
  args->resize(limit);
  if (args->back() != '\0') args->push_back('\0');
  args->append(Programs::kCut);
}

// nullopt: they may not be read.
std::optional<std::string> ReadArgs(int directory) {
  const UniqueFd fd(openat(directory, "cmdline", O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!fd.ok()) return std::nullopt;
  std::string args;
  std::array<char, 4096> buffer;
  ssize_t size = 1;
  // One byte more than is kept tells that there are more.
  while (size > 0 && args.size() <= Programs::kMaxArgs) {
    do {
      size = read(fd.get(), buffer.data(), buffer.size());
    } while (size < 0 && errno == EINTR);
    if (size > 0) args.append(buffer.data(), static_cast<size_t>(size));
  }
  if (size < 0) return std::nullopt;
  const size_t end = args.find_last_not_of('\0');
  if (args.size() > Programs::kMaxArgs && end != args.npos && end >= Programs::kMaxArgs) {
    Cut(Programs::kMaxArgs, &args);
    return args;
  }
  args.resize(end == args.npos ? 0 : end + 1);
  return args;
}

}  // namespace

const Program* Programs::Of(const Owner& owner) {
  if (owner.start_time == 0) return nullptr;
  Entry& entry = by_pid_[owner.pid];
  if (entry.start_time != owner.start_time) {
    if (assigned_) return nullptr;
    entry = {.start_time = owner.start_time};
    const std::string path = proc_root_ + "/" + PidPath(owner.pid.value()).c_str();
    const UniqueFd directory = internal::OpenDirectory(AT_FDCWD, path.c_str());
    if (directory.ok() && IsOf(directory.get(), owner.start_time)) {
      entry.known = true;
      const std::optional<std::string> args = ReadArgs(directory.get());
      entry.program = {ReadExe(directory.get()), args.value_or(""), !args};
    }
  }
  return entry.known ? &entry.program : nullptr;
}

void Programs::Assign(std::span<const Known> programs) {
  assigned_ = true;
  by_pid_.clear();
  for (const Known& known : programs) {
    by_pid_[known.pid] = {known.start_time, /*known=*/true, known.program};
  }
}

size_t Programs::memory() const {
  size_t bytes = sizeof(*this);
  for (const auto& [pid, entry] : by_pid_) {
    bytes +=
        sizeof(pid) + sizeof(entry) + entry.program.exe.capacity() + entry.program.args.capacity();
  }
  return bytes;
}

}  // namespace netdiag
