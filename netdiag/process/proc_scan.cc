// OwnerIndex from /proc: lists the processes, then reads each one's descriptors, then sorts.
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
// The index is one array of 12-byte entries, ordered by a bijective hash of the inode, with a
// directory over the hash's high bits. Inodes are handed out in runs, by a counter that wraps: the
// hash spreads them evenly, so a lookup touches one directory slot and about one entry.
//
// Tested by tests/process/process_test.cc.

#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <limits>
#include <optional>
#include <tuple>
#include <unistd.h>
#include <utility>
#include <vector>

#include "netdiag/process/directory.h"
#include "netdiag/process/process.h"
#include "netdiag/types/error.h"

namespace netdiag {
namespace {

using internal::DirectoryReader;
using internal::OpenDirectory;
using internal::UniqueFd;

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

// How many descriptors a process has, if the kernel says so and there are enough of them to make
// trying worthwhile; else 0. Source: proc_fd_getattr(), fs/proc/fd.c, 6.2+.
int64_t DescriptorCount(int fd_dir) {
  struct stat status {};
  struct statfs filesystem {};
  if (fstat(fd_dir, &status) != 0 || status.st_size < 64) return 0;
  constexpr auto kProcfs = 0x9fa0;  // PROC_SUPER_MAGIC; elsewhere a directory's size means bytes
  if (fstatfs(fd_dir, &filesystem) != 0 || filesystem.f_type != kProcfs) return 0;
  return status.st_size;
}

constexpr std::string_view kNoProcfs = "is it a mounted procfs?";

bool IsVanished(int error) { return error == ENOENT || error == ESRCH; }
bool IsDenied(int error) { return error == EACCES || error == EPERM; }

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

// Numbers modulo 2^32 times an odd number: no two inodes share a hash.
uint32_t Hash(uint32_t inode) { return inode * 2654435769u; }

}  // namespace

class OwnerIndex::Impl {
 public:
  explicit Impl(std::string root) : root_path_(std::move(root)) {}

  absl::Status Begin();
  absl::StatusOr<bool> Step(size_t budget);
  void Assign(std::span<const HeldSocket> held);
  std::pair<size_t, size_t> Find(uint32_t inode) const;
  Owner At(size_t entry) const;
  absl::StatusOr<Uids> ReadUids(const Owner& owner);
  const OwnerStats& stats() const { return stats_; }
  bool done() const { return phase_ == Phase::kDone; }
  size_t memory() const;

 private:
  enum class Phase : uint8_t { kIdle, kListing, kReading, kDone };

  struct Entry {
    uint32_t inode;
    uint32_t process;  // index in processes_
    int32_t fd;
  };
  static_assert(sizeof(Entry) == 12);

  struct Process {
    uint64_t start_time = 0;
    int32_t pid = 0;
    uint8_t command_size = 0;
    bool has_uids = false;
    std::array<char, 15> command{};
    Uids uids;
  };

  // Each returns what it spent of the budget.
  absl::StatusOr<size_t> ListProcesses(size_t budget);
  size_t OpenProcess();
  size_t ReadDescriptors(size_t budget);
  size_t TryDescriptors(size_t budget);
  // The errno of reading the link; 0: it was read, and what it says is in the index.
  int ReadLink(const char* name, int32_t fd);
  void AddProcess();
  static void SetCommand(std::string_view command, Process* process);
  void CloseProcess();
  void Clear();
  void Finish();
  void Count(int error);
  void Sort();
  uint32_t Bucket(uint32_t inode) const { return Hash(inode) >> bucket_shift_; }

  const std::string root_path_;
  UniqueFd root_;
  OwnerStats stats_;
  Phase phase_ = Phase::kIdle;
  DirectoryReader reader_;

  // The scan: pids in ascending order, the one being read, and the directory of its descriptors.
  std::vector<int32_t> pids_;
  size_t next_pid_ = 0;
  UniqueFd fd_dir_;
  bool has_sockets_ = false;  // processes_.back() is the one being read
  int32_t next_fd_ = 0;       // descriptors below were tried
  int64_t hits_left_ = 0;     // until all are read that the process had when it was opened; 0: list
  int64_t misses_left_ = 0;   // until listing is cheaper than trying

  std::vector<Process> processes_;  // those that hold sockets, by pid
  std::vector<Entry> found_;        // in order of the scan
  std::vector<Entry> entries_;      // in order of (hash, pid, fd)
  std::vector<uint32_t> buckets_;   // buckets_[b] … buckets_[b + 1]: the entries whose hash has b
  int bucket_shift_ = 0;
};

void OwnerIndex::Impl::Clear() {
  CloseProcess();
  reader_.Reset();
  pids_.clear();
  next_pid_ = 0;
  processes_.clear();
  found_.clear();
  entries_.clear();
  stats_ = OwnerStats{.partial = true};
  phase_ = Phase::kIdle;
}

void OwnerIndex::Impl::Assign(std::span<const HeldSocket> held) {
  Clear();
  std::vector<const HeldSocket*> order;
  for (const HeldSocket& socket : held) order.push_back(&socket);
  const auto process = [](const HeldSocket* s) {
    return std::tuple(s->owner.pid, s->owner.start_time, s->owner.command);
  };
  std::sort(order.begin(), order.end(), [&](const HeldSocket* a, const HeldSocket* b) {
    return process(a) != process(b) ? process(a) < process(b) : a->owner.fd < b->owner.fd;
  });
  const HeldSocket* last = nullptr;
  for (const HeldSocket* socket : order) {
    if (last == nullptr || process(last) != process(socket)) {
      processes_.push_back(
          {.start_time = socket->owner.start_time, .pid = socket->owner.pid.value()});
      SetCommand(socket->owner.command, &processes_.back());
    }
    last = socket;
    found_.push_back(
        {socket->inode.value(), static_cast<uint32_t>(processes_.size() - 1), socket->owner.fd});
  }
  stats_.processes = processes_.size();
  stats_.descriptors = stats_.sockets = found_.size();
  Finish();
}

absl::Status OwnerIndex::Impl::Begin() {
  Clear();
  root_ = OpenDirectory(AT_FDCWD, root_path_.c_str());
  if (!root_.ok()) return ErrnoError(errno, root_path_, kNoProcfs);
  phase_ = Phase::kListing;
  return absl::OkStatus();
}

absl::StatusOr<bool> OwnerIndex::Impl::Step(size_t budget) {
  if (phase_ == Phase::kIdle) NETDIAG_RETURN_IF_ERROR(Begin());
  budget = std::max<size_t>(budget, 1);
  size_t spent = 0;
  while (phase_ == Phase::kListing && spent < budget) {
    NETDIAG_ASSIGN_OR_RETURN(const size_t listed, ListProcesses(budget - spent));
    spent += listed;
  }
  while (phase_ == Phase::kReading && spent < budget) {
    if (fd_dir_.ok()) {
      spent += ReadDescriptors(budget - spent);
    } else if (next_pid_ < pids_.size()) {
      spent += OpenProcess();
    } else {
      Finish();
    }
  }
  return done();
}

void OwnerIndex::Impl::Finish() {
  Sort();
  stats_.partial = false;
  phase_ = Phase::kDone;
}

absl::StatusOr<size_t> OwnerIndex::Impl::ListProcesses(size_t budget) {
  const ssize_t got = reader_.Fill(root_.get(), budget);
  // The reader itself is always there: without any process it is the bare mount point.
  const int error = got < 0 ? errno : got == 0 && pids_.empty() ? ENOENT : 0;
  if (error != 0) {
    phase_ = Phase::kIdle;
    return ErrnoError(error, root_path_, kNoProcfs);
  }
  if (got == 0) {
    std::sort(pids_.begin(), pids_.end());
    stats_.processes = pids_.size();
    phase_ = Phase::kReading;
  }
  size_t names = 1;
  while (const char* name = reader_.Next().name) {
    ++names;
    const std::optional<int32_t> pid = ParseNumber<int32_t>(name);
    if (pid && *pid > 0) pids_.push_back(*pid);
  }
  return names;
}

size_t OwnerIndex::Impl::OpenProcess() {
  has_sockets_ = false;
  fd_dir_ = OpenDirectory(root_.get(), PidPath(Pid(pids_[next_pid_]), "/fd").c_str());
  if (!fd_dir_.ok()) {
    Count(errno);
    CloseProcess();
    return 1;
  }
  next_fd_ = 0;
  hits_left_ = DescriptorCount(fd_dir_.get());
  misses_left_ = kFreeMisses;
  return 1;
}

// Reads the links 0, 1, 2 …; then sets the directory to where they ended, for listing.
size_t OwnerIndex::Impl::TryDescriptors(size_t budget) {
  size_t links = 0;
  for (; hits_left_ > 0 && links < budget; ++links) {
    std::array<char, 12> name{};
    std::to_chars(name.data(), name.data() + name.size(), next_fd_);
    const int error = ReadLink(name.data(), next_fd_++);
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

size_t OwnerIndex::Impl::ReadDescriptors(size_t budget) {
  size_t links = hits_left_ > 0 ? TryDescriptors(budget) : 0;
  while (links < budget) {
    const char* name = reader_.Next().name;
    if (name == nullptr) {
      const ssize_t got = reader_.Fill(fd_dir_.get(), budget - links);
      if (got > 0) continue;
      if (got < 0) Count(errno);
      CloseProcess();
      return links + 1;
    }
    const std::optional<int32_t> fd = ParseNumber<int32_t>(name);
    if (!fd || *fd < next_fd_) continue;
    ++links;
    const int error = ReadLink(name, *fd);
    if (error != 0) Count(error);
    // Whether links may be read is asked of the task, so the answer is the same for all of them.
    if (IsDenied(error)) {
      CloseProcess();
      return links;
    }
  }
  return links;
}

int OwnerIndex::Impl::ReadLink(const char* name, int32_t fd) {
  std::array<char, 32> text;  // a socket's text is 19 bytes at most; nobody wants the others
  const ssize_t size = readlinkat(fd_dir_.get(), name, text.data(), text.size());
  if (size < 0) return errno;
  ++stats_.descriptors;
  const std::optional<uint32_t> inode =
      ParseSocketLink(std::string_view(text.data(), static_cast<size_t>(size)));
  if (!inode) return 0;
  if (!has_sockets_) AddProcess();
  ++stats_.sockets;
  found_.push_back({*inode, static_cast<uint32_t>(processes_.size() - 1), fd});
  return 0;
}

// At the first socket and not at the last, so that hardly ever the process vanishes in between.
void OwnerIndex::Impl::AddProcess() {
  has_sockets_ = true;
  Process& process = processes_.emplace_back();
  process.pid = pids_[next_pid_];
  SmallBuffer buffer;
  const ssize_t size = ReadFile(fd_dir_.get(), "../stat", buffer);
  if (size < 0) return Count(errno);
  const std::optional<Stat> stat =
      ParseStat(std::string_view(buffer.data(), static_cast<size_t>(size)));
  if (!stat) return Count(EBADMSG);
  process.start_time = stat->start_time;
  SetCommand(stat->command, &process);
}

void OwnerIndex::Impl::SetCommand(std::string_view command, Process* process) {
  command = command.substr(0, process->command.size());
  process->command_size = static_cast<uint8_t>(command.size());
  std::copy(command.begin(), command.end(), process->command.begin());
}

void OwnerIndex::Impl::CloseProcess() {
  fd_dir_.Close();
  reader_.Reset();
  ++next_pid_;
}

void OwnerIndex::Impl::Count(int error) {
  if (IsVanished(error)) {
    ++stats_.vanished;
  } else if (IsDenied(error)) {
    ++stats_.denied;
  } else if (++stats_.errors == 1) {
    stats_.first_error = error;
  }
}

// A counting sort by bucket, then each bucket (about one entry) by itself.
void OwnerIndex::Impl::Sort() {
  const int bits = static_cast<int>(std::bit_width(std::max<size_t>(found_.size(), 2) - 1));
  bucket_shift_ = 32 - std::min(bits, 31);
  const size_t buckets = size_t{1} << (32 - bucket_shift_);
  buckets_.assign(buckets + 1, 0);
  // Counts, then ends; filling from the back turns ends into begins and keeps the scan's order.
  for (const Entry& entry : found_) ++buckets_[Bucket(entry.inode)];
  uint32_t sum = 0;
  for (uint32_t& count : buckets_) count = sum += count;
  entries_.resize(found_.size());
  for (size_t i = found_.size(); i-- > 0;) {
    entries_[--buckets_[Bucket(found_[i].inode)]] = found_[i];
  }
  const auto before = [](const Entry& a, const Entry& b) {
    if (a.inode != b.inode) return Hash(a.inode) < Hash(b.inode);
    return a.process != b.process ? a.process < b.process : a.fd < b.fd;
  };
  for (size_t b = 0; b < buckets; ++b) {
    if (buckets_[b + 1] - buckets_[b] < 2) continue;
    std::sort(entries_.begin() + buckets_[b], entries_.begin() + buckets_[b + 1], before);
  }
}

std::pair<size_t, size_t> OwnerIndex::Impl::Find(uint32_t inode) const {
  if (!done() || entries_.empty()) return {0, 0};
  const uint32_t bucket = Bucket(inode);
  const auto end = entries_.begin() + buckets_[bucket + 1];
  auto first = entries_.begin() + buckets_[bucket];
  // A bucket is long only where one socket has many owners.
  if (end - first > 8) {
    first = std::lower_bound(first, end, Hash(inode), [](const Entry& entry, uint32_t hash) {
      return Hash(entry.inode) < hash;
    });
  } else {
    while (first != end && first->inode != inode) ++first;
  }
  auto last = first;
  while (last != end && last->inode == inode) ++last;
  return {static_cast<size_t>(first - entries_.begin()), static_cast<size_t>(last - first)};
}

Owner OwnerIndex::Impl::At(size_t i) const {
  const Entry& entry = entries_[i];
  const Process& process = processes_[entry.process];
  return Owner{.pid = Pid(process.pid),
               .start_time = process.start_time,
               .fd = entry.fd,
               .command = {process.command.data(), process.command_size}};
}

absl::StatusOr<Uids> OwnerIndex::Impl::ReadUids(const Owner& owner) {
  const PidPath path(owner.pid, "");
  const std::string what = root_path_ + "/" + path.c_str();
  const auto known =
      std::lower_bound(processes_.begin(), processes_.end(), owner.pid.value(),
                       [](const Process& process, int32_t pid) { return process.pid < pid; });
  const bool cached = known != processes_.end() && known->pid == owner.pid.value() &&
                      known->start_time == owner.start_time;
  if (cached && known->has_uids) return known->uids;

  const UniqueFd directory = OpenDirectory(root_.get(), path.c_str());
  if (!directory.ok()) return ErrnoError(errno, what);
  SmallBuffer buffer;
  ssize_t size = ReadFile(directory.get(), "stat", buffer);
  if (size < 0) return ErrnoError(errno, what + "/stat");
  const std::optional<Stat> stat =
      ParseStat(std::string_view(buffer.data(), static_cast<size_t>(size)));
  if (!stat) return DamagedData(what + "/stat", "no start time");
  if (stat->start_time != owner.start_time) {
    return ErrnoError(ESRCH, what, "the pid has passed to another process");
  }
  size = ReadFile(directory.get(), "status", buffer);
  if (size < 0) return ErrnoError(errno, what + "/status");
  const std::optional<Uids> uids =
      ParseUids(std::string_view(buffer.data(), static_cast<size_t>(size)));
  if (!uids) return DamagedData(what + "/status", "no user ids");
  if (cached) {
    known->uids = *uids;
    known->has_uids = true;
  }
  return *uids;
}

size_t OwnerIndex::Impl::memory() const {
  const auto bytes = [](const auto& array) { return array.capacity() * sizeof(array[0]); };
  return sizeof(*this) + root_path_.capacity() + reader_.memory() + bytes(pids_) +
         bytes(processes_) + bytes(found_) + bytes(entries_) + bytes(buckets_);
}

OwnerIndex::OwnerIndex(std::string proc_root)
    : impl_(std::make_unique<Impl>(std::move(proc_root))) {}
OwnerIndex::OwnerIndex(OwnerIndex&&) noexcept = default;
OwnerIndex& OwnerIndex::operator=(OwnerIndex&&) noexcept = default;
OwnerIndex::~OwnerIndex() = default;

absl::Status OwnerIndex::Refresh() {
  NETDIAG_RETURN_IF_ERROR(Begin());
  return Step(std::numeric_limits<size_t>::max()).status();
}

absl::Status OwnerIndex::Begin() { return impl_->Begin(); }

void OwnerIndex::Assign(std::span<const HeldSocket> held) { impl_->Assign(held); }

absl::StatusOr<bool> OwnerIndex::Step(size_t descriptors) { return impl_->Step(descriptors); }

Owners OwnerIndex::Find(Inode inode) const {
  const auto [first, count] = impl_->Find(inode.value());
  return Owners(impl_.get(), first, count);
}

NoOwner OwnerIndex::Reason(Inode inode) const {
  if (inode.value() == 0) return NoOwner::kKernelHeld;
  if (!impl_->done()) return NoOwner::kNotAsked;
  if (!Find(inode).empty()) return NoOwner::kNone;
  return stats().denied > 0 ? NoOwner::kHidden : NoOwner::kGone;
}

absl::StatusOr<Uids> OwnerIndex::ReadUids(const Owner& owner) { return impl_->ReadUids(owner); }

const OwnerStats& OwnerIndex::stats() const { return impl_->stats(); }

size_t OwnerIndex::memory() const { return impl_->memory(); }

Owner OwnerIndex::At(const Impl* impl, size_t entry) { return impl->At(entry); }

}  // namespace netdiag
