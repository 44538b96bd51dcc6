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

void OwnerIndex::Impl::SetCommand(std::string_view command, Process* process) {
  command = command.substr(0, process->command.size());
  process->command_size = static_cast<uint8_t>(command.size());
  std::copy(command.begin(), command.end(), process->command.begin());
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
