// ProcScan: lists the processes, then reads each one's descriptors.
//
// Identity. A process is opened once, as its descriptor directory, and all else about it is reached
// from there ("7", "../stat"). Such a directory belongs to the task and not to the number: after
// the task's end every read through it fails (ENOENT, ESRCH), even when the number has passed to
// another process. So links, start time and command are always of one and the same process.
//
// Listing. Where the kernel tells how many descriptors a process has (6.2+), descriptor numbers are
// tried from 0 up while the table is dense, and only the rest of the directory is listed: naming a
// descriptor costs a quarter of reading its link.
//
// Tested by tests/process/process_test.cc.

#include "netdiag/process/proc_scan.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <limits>
#include <optional>
#include <string_view>
#include <unistd.h>

#include "netdiag/process/horizon.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {
namespace {

// A whole string that is a decimal number, without sign or blanks.
template <class T>
std::optional<T> ParseNumber(std::string_view text) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text[0] == '-') {
    return std::nullopt;
  }
  return value;
}

// The inode in a link's text, "socket:[4026]"; nullopt for any other text. A number of more than
// 32 bits is no socket that a dump can name.
std::optional<uint32_t> ParseSocketLink(std::string_view text) {
  constexpr std::string_view kPrefix = "socket:[";
  if (!text.starts_with(kPrefix) || !text.ends_with(']')) return std::nullopt;
  text.remove_prefix(kPrefix.size());
  text.remove_suffix(1);
  const std::optional<uint32_t> inode = ParseNumber<uint32_t>(text);
  return inode == 0u ? std::nullopt : inode;
}

struct Stat {
  std::string_view command;
  uint64_t start_time = 0;
};

// /proc/PID/stat: `pid (command) state …`. The command is raw and may hold ") ", so it ends at the
// last ')'. The start time is field 22, the 20th after the command.
std::optional<Stat> ParseStat(std::string_view text) {
  const size_t open = text.find('(');
  const size_t close = text.rfind(')');
  if (open == text.npos || close == text.npos || close < open) return std::nullopt;
  size_t begin = close;
  for (int blanks = 0; blanks < 20; ++blanks) {
    begin = text.find(' ', begin + 1);
    if (begin == text.npos) return std::nullopt;
  }
  const size_t end = text.find(' ', ++begin);
  if (end == text.npos) return std::nullopt;
  const std::optional<uint64_t> start = ParseNumber<uint64_t>(text.substr(begin, end - begin));
  if (!start) return std::nullopt;
  return Stat{text.substr(open + 1, close - open - 1), *start};
}

// The line "Uid:\t1\t2\t3\t4\n" of /proc/PID/status. The command in an earlier line cannot fake it:
// the kernel escapes newlines there.
std::optional<Uids> ParseUids(std::string_view text) {
  constexpr std::string_view kKey = "\nUid:";
  const size_t line = text.find(kKey);
  if (line == text.npos) return std::nullopt;
  text.remove_prefix(line + kKey.size());
  std::array<Uid, 4> ids;
  for (Uid& id : ids) {
    if (text.empty() || (text[0] != '\t' && text[0] != ' ')) return std::nullopt;
    text.remove_prefix(1);
    const size_t end = text.find_first_of("\t \n");
    if (end == text.npos) return std::nullopt;
    const std::optional<uint32_t> value = ParseNumber<uint32_t>(text.substr(0, end));
    if (!value) return std::nullopt;
    id = Uid(*value);
    text.remove_prefix(end);
  }
  return Uids{ids[0], ids[1], ids[2], ids[3]};
}

// The beginning of a small file; -1: errno says why.
template <size_t N>
ssize_t ReadFile(int at, const char* path, std::array<char, N>& buffer) {
  const UniqueFd fd(openat(at, path, O_RDONLY | O_CLOEXEC | O_NOCTTY));
  return fd.ok() ? read(fd.get(), buffer.data(), N) : -1;
}

// A miss costs as much as naming three or four descriptors; and every table has a few holes.
constexpr int64_t kHitsPerMiss = 4;
constexpr int64_t kFreeMisses = 8;

// Smaller tables are listed: trying does not pay.
constexpr int64_t kLeastTried = 64;

bool IsDenied(int error) { return error == EACCES || error == EPERM; }

// The size of a procfs descriptor directory: how many a process has. 0: it has gone, or the kernel
// does not tell; -1: it may not be looked at (hidepid=1). Source: proc_fd_getattr(), fs/proc/fd.c,
// 6.2+. Elsewhere a directory's size means bytes.
int64_t DescriptorCount(int at, const char* path) {
  struct stat status {};
  if (fstatat(at, path, &status, AT_EMPTY_PATH) != 0) return IsDenied(errno) ? -1 : 0;
  return status.st_size;
}

constexpr std::string_view kNoProcfs = "is it a mounted procfs?";

// "123" + suffix, as a path relative to the root.
class PidPath {
 public:
  PidPath(Pid pid, std::string_view suffix) {
    char* end = std::to_chars(text_.data(), text_.data() + 12, pid.value()).ptr;
    *std::copy(suffix.begin(), suffix.end(), end) = '\0';
  }
  const char* c_str() const { return text_.data(); }

 private:
  std::array<char, 24> text_;
};

// 1024 bytes hold the fields wanted of either file, however long the others are.
using SmallBuffer = std::array<char, 1024>;

}  // namespace

absl::Status ProcScan::Begin() {
  End();
  root_ = OpenDirectory(AT_FDCWD, root_path_.c_str());
  if (!root_.ok()) return ErrnoError(errno, root_path_, kNoProcfs);
  phase_ = Phase::kListing;
  return absl::OkStatus();
}

void ProcScan::End() {
  fd_dir_.Close();
  reader_.Reset();
  candidates_.clear();
  next_ = 0;
  expected_ = 0;
  phase_ = Phase::kIdle;
}

absl::StatusOr<size_t> ProcScan::Step(size_t budget, Scan* scan) {
  switch (phase_) {
    case Phase::kListing:
      return ListProcesses(budget, scan);
    case Phase::kSizing:
      return SizeProcesses(budget);
    case Phase::kReading:
      if (fd_dir_.ok()) return ReadDescriptors(budget, scan);
      if (next_ < candidates_.size()) return OpenProcess(scan);
      phase_ = Phase::kDone;
      return 1;
    case Phase::kIdle:
    case Phase::kListed:
    case Phase::kDone:
      break;
  }
  return 1;
}

bool ProcScan::IsOwn() const {
  std::array<char, 12> link;
  const ssize_t size = readlinkat(root_.get(), "self", link.data(), link.size());
  return size > 0 && IsProcfs(root_.get()) &&
         ParseNumber<int32_t>(std::string_view(link.data(), static_cast<size_t>(size))) == getpid();
}

absl::StatusOr<size_t> ProcScan::ListProcesses(size_t budget, Scan* scan) {
  const ssize_t got = reader_.Fill(root_.get(), budget);
  // The reader itself is always there: without any process it is the bare mount point.
  const int error = got < 0 ? errno : got == 0 && candidates_.empty() ? ENOENT : 0;
  if (error != 0) {
    phase_ = Phase::kIdle;
    return ErrnoError(error, root_path_, kNoProcfs);
  }
  if (got == 0) {
    std::sort(candidates_.begin(), candidates_.end(),
              [](const Candidate& a, const Candidate& b) { return a.pid < b.pid; });
    scan->stats.processes = candidates_.size();
    // This process has one descriptor at least: the root.
    sized_ = IsProcfs(root_.get()) && DescriptorCount(root_.get(), "self/fd") > 0;
    phase_ = sized_ ? Phase::kSizing : Phase::kListed;
  }
  size_t names = 1;
  while (const char* name = reader_.Next().name) {
    ++names;
    const std::optional<int32_t> pid = ParseNumber<int32_t>(name);
    if (pid && *pid > 0) candidates_.push_back({*pid, 0});
  }
  return names;
}

// Drops kernel threads and others that have no descriptor, which would cost five times as much to
// open.
size_t ProcScan::SizeProcesses(size_t budget) {
  size_t asked = 0;
  for (; next_ < candidates_.size() && asked < budget; ++asked, ++next_) {
    const int64_t count =
        DescriptorCount(root_.get(), PidPath(Pid(candidates_[next_].pid), "/fd").c_str());
    candidates_[next_].descriptors =
        static_cast<int32_t>(std::clamp<int64_t>(count, -1, std::numeric_limits<int32_t>::max()));
    expected_ += static_cast<uint64_t>(std::max<int64_t>(count, 0));
  }
  if (next_ == candidates_.size()) {
    std::erase_if(candidates_, [](const Candidate& c) { return c.descriptors == 0; });
    next_ = 0;
    phase_ = Phase::kListed;
  }
  return asked;
}

size_t ProcScan::OpenProcess(Scan* scan) {
  const Candidate& candidate = candidates_[next_];
  has_sockets_ = false;
  fd_dir_ = OpenDirectory(root_.get(), PidPath(Pid(candidate.pid), "/fd").c_str());
  if (!fd_dir_.ok()) {
    scan->Count(errno);
    CloseProcess();
    return 1;
  }
  next_fd_ = 0;
  hits_left_ = sized_                    ? candidate.descriptors
               : IsProcfs(fd_dir_.get()) ? DescriptorCount(fd_dir_.get(), "")
                                         : 0;
  if (hits_left_ < kLeastTried) hits_left_ = 0;
  misses_left_ = kFreeMisses;
  return 1;
}

// Reads the links 0, 1, 2 …; then sets the directory to where they ended, for listing.
size_t ProcScan::TryDescriptors(size_t budget, Scan* scan) {
  size_t links = 0;
  for (; hits_left_ > 0 && links < budget; ++links) {
    std::array<char, 12> name{};
    std::to_chars(name.data(), name.data() + name.size(), next_fd_);
    const int error = ReadLink(name.data(), next_fd_++, scan);
    if (error == 0) {
      if (--hits_left_ % kHitsPerMiss == 0) ++misses_left_;
    } else if (error != ENOENT || --misses_left_ == 0) {
      hits_left_ = 0;
      if (error != ENOENT) --next_fd_;  // whatever it is, listing will meet and count it
    }
  }
  // In /proc/PID/fd a position is the descriptor's number, after "." and "..".
  if (hits_left_ == 0) lseek(fd_dir_.get(), off_t{next_fd_} + 2, SEEK_SET);
  return links;
}

size_t ProcScan::ReadDescriptors(size_t budget, Scan* scan) {
  size_t links = hits_left_ > 0 ? TryDescriptors(budget, scan) : 0;
  while (links < budget) {
    const char* name = reader_.Next().name;
    if (name == nullptr) {
      const ssize_t got = reader_.Fill(fd_dir_.get(), budget - links);
      if (got > 0) continue;
      if (got < 0) scan->Count(errno);
      CloseProcess();
      return links + 1;
    }
    const std::optional<int32_t> fd = ParseNumber<int32_t>(name);
    if (!fd || *fd < next_fd_) continue;
    ++links;
    const int error = ReadLink(name, *fd, scan);
    if (error != 0) scan->Count(error);
    // Whether links may be read is asked of the task, so the answer is the same for all of them.
    if (IsDenied(error)) {
      CloseProcess();
      return links;
    }
  }
  return links;
}

int ProcScan::ReadLink(const char* name, int32_t fd, Scan* scan) {
  std::array<char, 32> text;  // a socket's text is 19 bytes at most; nobody wants the others
  const ssize_t size = readlinkat(fd_dir_.get(), name, text.data(), text.size());
  if (size < 0) return errno;
  ++scan->stats.descriptors;
  const std::optional<uint32_t> inode =
      ParseSocketLink(std::string_view(text.data(), static_cast<size_t>(size)));
  if (!inode) return 0;
  if (!has_sockets_) has_sockets_ = AddProcess(scan);
  if (has_sockets_) scan->AddSocket(*inode, fd);
  return 0;
}

// At the first socket and not at the last, so that hardly ever the process vanishes in between. If
// it does, it is no owner any more, and which process it was cannot be said: false.
bool ProcScan::AddProcess(Scan* scan) {
  SmallBuffer buffer;
  const ssize_t size = ReadFile(fd_dir_.get(), "../stat", buffer);
  if (size < 0) scan->Count(errno);
  if (size < 0 && (errno == ENOENT || errno == ESRCH)) return false;
  Process& process = scan->AddProcess(candidates_[next_].pid);
  if (size < 0) return true;
  const std::optional<Stat> stat =
      ParseStat(std::string_view(buffer.data(), static_cast<size_t>(size)));
  if (!stat) {
    scan->Count(EBADMSG);
    return true;
  }
  process.start_time = stat->start_time;
  process.SetCommand(stat->command);
  return true;
}

void ProcScan::CloseProcess() {
  fd_dir_.Close();
  reader_.Reset();
  ++next_;
}

// The directory of a process, which belongs to it and not to its number.
absl::StatusOr<UniqueFd> ProcScan::OpenSameProcess(Pid pid, uint64_t start_time,
                                                   const std::string& what) {
  // A scan by other means has not opened it.
  if (!root_.ok()) root_ = OpenDirectory(AT_FDCWD, root_path_.c_str());
  if (!root_.ok()) return ErrnoError(errno, root_path_, kNoProcfs);
  UniqueFd directory = OpenDirectory(root_.get(), PidPath(pid, "").c_str());
  if (!directory.ok()) return ErrnoError(errno, what);
  SmallBuffer buffer;
  const ssize_t size = ReadFile(directory.get(), "stat", buffer);
  if (size < 0) return ErrnoError(errno, what + "/stat");
  const std::optional<Stat> stat =
      ParseStat(std::string_view(buffer.data(), static_cast<size_t>(size)));
  if (!stat) return DamagedData(what + "/stat", "no start time");
  if (stat->start_time != start_time) {
    return ErrnoError(ESRCH, what, "the pid has passed to another process");
  }
  return directory;
}

absl::StatusOr<Uids> ProcScan::ReadUids(Pid pid, uint64_t start_time) {
  const std::string what = root_path_ + "/" + std::to_string(pid.value());
  NETDIAG_ASSIGN_OR_RETURN(const UniqueFd directory, OpenSameProcess(pid, start_time, what));
  SmallBuffer buffer;
  const ssize_t size = ReadFile(directory.get(), "status", buffer);
  if (size < 0) return ErrnoError(errno, what + "/status");
  const std::optional<Uids> uids =
      ParseUids(std::string_view(buffer.data(), static_cast<size_t>(size)));
  if (!uids) return DamagedData(what + "/status", "no user ids");
  return *uids;
}

// O_PATH takes hold of the socket's inode, not of the socket: nothing stays open longer for it.
// There is no fgetxattr() for such a descriptor, but a name for it in our own directory.
absl::StatusOr<std::string> ProcScan::ReadSocketProtocol(const Owner& owner, Inode inode) {
  const std::string what = root_path_ + "/" + std::to_string(owner.pid.value());
  NETDIAG_ASSIGN_OR_RETURN(const UniqueFd directory,
                           OpenSameProcess(owner.pid, owner.start_time, what));
  std::string path = "fd/" + std::to_string(owner.fd);
  if (owner.thread != Pid()) path = "task/" + std::to_string(owner.thread.value()) + "/" + path;
  const UniqueFd file(openat(directory.get(), path.c_str(), O_PATH | O_CLOEXEC));
  struct stat status {};
  if (!file.ok() || fstat(file.get(), &status) != 0) return ErrnoError(errno, what + "/" + path);
  if (!S_ISSOCK(status.st_mode) || status.st_ino != inode.value()) {
    return ErrnoError(ENOENT, what + "/" + path, "it is another file by now");
  }
  const std::string name = root_path_ + "/thread-self/fd/" + std::to_string(file.get());
  std::array<char, 64> text;  // the kernel's names are 31 bytes at most
  const ssize_t size = getxattr(name.c_str(), "system.sockprotoname", text.data(), text.size());
  if (size < 0) return ErrnoError(errno, what + "/" + path, "system.sockprotoname");
  return std::string(text.data(), strnlen(text.data(), static_cast<size_t>(size)));
}

size_t ProcScan::memory() const {
  return root_path_.capacity() + reader_.memory() + BytesOf(candidates_);
}

}  // namespace netdiag::internal
