// Owners while thousands of processes a second come and go, compared with what these processes
// note.
//
// The test runs in its own pid namespace. Tellers are long-lived processes that move sockets: they
// open, dup, replace and close them, and pass them to each other. Forkers make processes that hold
// inherited sockets and end at once or a little later, under pids that are used again and again.
// Each process notes in shared memory which descriptor held which socket from when to when, by the
// clock before and after each system call. The reader scans meanwhile and notes the result. When
// all have ended, the notes are compared. A reported owner must have held that descriptor at an
// instant of the scan. An owner that held a descriptor during the whole scan must have been
// reported.

#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <ctime>
#include <deque>
#include <fcntl.h>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/process/owner_index.h"
#include "netdiag/types/error.h"
#include "tests/process/owner_testing.h"
#include "tests/testing/rounds.h"

namespace netdiag::testing {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constexpr int kTellers = 4;
constexpr int kForkers = 3;
constexpr int kStableSockets = 10;
// The stable sockets of the two forkers whose processes live some milliseconds. A dozen processes
// of each fill more than one of the kernel's buffers, so that a scan is suspended in the middle of
// a process. The two forkers hold different sockets, so a pid that passes from one to the other
// comes with other sockets.
constexpr int kManySockets = 150;
constexpr size_t kLeastProcesses = 4000;  // in a round
constexpr size_t kLeastScans = 100;

int64_t Now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// The start time in clock ticks since boot. Works for a zombie too.
uint64_t StartOf(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  char text[1024];
  const ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text));
  if (size <= 0) _exit(3);
  close(fd);
  const std::string_view stat(text, static_cast<size_t>(size));
  size_t at = stat.rfind(')');
  for (int blanks = 0; blanks < 20; ++blanks) at = stat.find(' ', at + 1);
  uint64_t start = 0;
  std::from_chars(stat.data() + at + 1, stat.data() + stat.size(), start);
  return start;
}

// ---------------------------------------------------------------- what the children note down

// A system call that succeeded, with the clock before and after it.
struct Span {
  int64_t before = kNever;
  int64_t after = kNever;
};

struct Holding {
  uint32_t inode = 0;
  int fd = -1;
  Span taken, released;
};

// A process that held its parent's stable sockets, and one socket that was opened for it alone. The
// parent held that one from `opened` to `closed`. The process lived from `opened` to `reaped` at
// most, and from `first` to `last` at least.
struct Child {
  pid_t pid = 0;
  uint64_t start = 0;
  uint32_t inode = 0;
  int fd = -1;
  int64_t opened = kNever;
  int64_t closed = kNever;
  int64_t reaped = kNever;
  int64_t first = kNever;
  int64_t last = kNever;
};

struct Teller {
  static constexpr size_t kSize = 1u << 17;
  pid_t pid;
  uint64_t start;
  size_t count;
  std::array<Holding, kSize> holdings;
};

struct Forker {
  static constexpr size_t kSize = 1u << 16;
  pid_t pid;
  uint64_t start;
  std::atomic<size_t> count;
  size_t stable;
  std::array<Holding, kManySockets> held;
  std::array<Child, kSize> children;
};

struct Notes {
  std::atomic<bool> stop;
  std::array<Teller, kTellers> tellers;
  std::array<Forker, kForkers> forkers;
};

// Zeroed memory that later children share.
template <class T>
class Shared {
 public:
  Shared()
      : object_(static_cast<T*>(
            mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
    EXPECT_NE(static_cast<void*>(object_), MAP_FAILED);
  }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  ~Shared() { munmap(object_, sizeof(T)); }
  T* operator->() const { return object_; }
  T* get() const { return object_; }

 private:
  T* const object_;
};
using SharedNotes = Shared<Notes>;

// ------------------------------------------------------------------------------------- a teller

// Runs in its own process until it is stopped. An unexpected result ends the process with an error.
class TellerLife {
 public:
  TellerLife(Teller* notes, int in, int out)
      : notes_(notes), in_(in), out_(out), random_(static_cast<uint32_t>(getpid())) {
    notes_->pid = getpid();
    notes_->start = StartOf(getpid());
    Take({Now(), Now()}, in);
    Take({Now(), Now()}, out);
    for (int i = 0; i < kStableSockets; ++i) Open(nullptr);
  }

  void Live(const std::atomic<bool>& stop) {
    while (!stop.load()) {
      if (notes_->count + 8 < Teller::kSize) Move();
      usleep(60);
    }
  }

 private:
  using Moving = std::deque<Holding*>;

  void Move() {
    switch (random_() % 6) {
      case 0:
      case 1:
        if (moving_.size() < 30) Open(&moving_);
        break;
      case 2:
        if (moving_.size() < 30) Dup();
        break;
      case 3:
        if (!moving_.empty()) Replace();
        break;
      case 4:
        Receive();
        break;
      case 5:
        if (!moving_.empty()) random_() % 2 == 0 ? Pass() : Close(PickAndForget());
        break;
    }
  }

  Holding* Take(Span taken, int fd) {
    if (fd < 0) _exit(4);
    Holding* holding = &notes_->holdings[notes_->count++];
    *holding = {.inode = InodeOf(fd).value(), .fd = fd, .taken = taken};
    return holding;
  }
  void Open(Moving* moving) {
    const int64_t before = Now();
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    Holding* holding = Take({before, Now()}, fd);
    if (moving != nullptr) moving->push_back(holding);
  }
  void Dup() {
    const int64_t before = Now();
    const int fd = fcntl(AnyFd(), F_DUPFD_CLOEXEC, static_cast<int>(random_() % 200));
    moving_.push_back(Take({before, Now()}, fd));
  }
  // Puts another socket under the same number.
  void Replace() {
    Holding* old = PickAndForget();
    const int from = AnyFd();
    if (from == old->fd) return Close(old);
    const int64_t before = Now();
    const int fd = dup3(from, old->fd, O_CLOEXEC);
    const Span span = {before, Now()};
    old->released = span;
    moving_.push_back(Take(span, fd));
  }
  void Close(Holding* holding) {
    const int64_t before = Now();
    close(holding->fd);
    holding->released = {before, Now()};
  }
  // Sends a socket to the next teller. Now and then only the message holds it.
  void Pass() {
    Holding* holding = PickAndForget();
    if (Message(out_, holding->fd, /*sends=*/true) < 0 && errno != EAGAIN) _exit(5);
    Close(holding);
  }
  void Receive() {
    const int64_t before = Now();
    const int fd = Message(in_, -1, /*sends=*/false);
    if (fd >= 0) moving_.push_back(Take({before, Now()}, fd));
  }
  int Message(int at, int fd, bool sends) {
    char byte = 'x';
    iovec data = {&byte, 1};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (!sends) {
      if (recvmsg(at, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) <= 0) return -1;
      const cmsghdr* header = CMSG_FIRSTHDR(&message);
      if (header == nullptr || header->cmsg_type != SCM_RIGHTS) _exit(6);
      memcpy(&fd, CMSG_DATA(header), sizeof(fd));
      return fd;
    }
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(fd));
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    return static_cast<int>(sendmsg(at, &message, MSG_DONTWAIT | MSG_NOSIGNAL));
  }

  // The first sockets are the two ends of the ring and the stable sockets.
  int AnyFd() {
    if (!moving_.empty() && random_() % 2 == 0) return moving_[random_() % moving_.size()]->fd;
    return notes_->holdings[2 + random_() % kStableSockets].fd;
  }
  Holding* PickAndForget() {
    const size_t i = random_() % moving_.size();
    Holding* holding = moving_[i];
    moving_.erase(moving_.begin() + static_cast<std::ptrdiff_t>(i));
    return holding;
  }

  Teller* const notes_;
  const int in_, out_;
  std::minstd_rand random_;
  Moving moving_;
};

// ------------------------------------------------------------------------------------- a forker

class ForkerLife {
 public:
  ForkerLife(Forker* notes, size_t sockets) : notes_(notes) {
    notes_->pid = getpid();
    notes_->start = StartOf(getpid());
    for (; notes_->stable < sockets; ++notes_->stable) {
      const int64_t before = Now();
      const int fd = SocketOrDie();
      notes_->held[notes_->stable] = {
          .inode = InodeOf(fd).value(), .fd = fd, .taken = {before, Now()}};
    }
    last_pid_ = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
    if (last_pid_ < 0) _exit(7);
  }

  // Makes processes that end at once, one after the other. Their pids, and those of the other
  // forker, begin at 300 again and again, in this pid namespace only.
  void LiveByVfork(const std::atomic<bool>& stop) {
    while (!stop.load() && notes_->count < Forker::kSize) {
      if (notes_->count % 64 == 0 && pwrite(last_pid_, "300", 3, 0) != 3) _exit(8);
      Child* child = OpenForNext();
      const pid_t pid = vfork();
      if (pid == 0) _exit(0);
      Note(pid, child);
      Reap(child);
    }
  }

  // Makes processes that live some milliseconds, a dozen at a time.
  void LiveByFork(const std::atomic<bool>& stop) {
    while (!stop.load() && notes_->count < Forker::kSize) {
      Child* child = OpenForNext();
      const pid_t pid = fork();
      if (pid == 0) {
        child->first = Now();
        usleep(1000 * (1 + static_cast<useconds_t>(notes_->count % 4)));
        child->last = Now();
        _exit(0);
      }
      Note(pid, child);
      alive_.push_back(child);
      if (alive_.size() > 12) ReapFirst();
    }
    while (!alive_.empty()) ReapFirst();
  }

 private:
  Child* OpenForNext() {
    Child* child = &notes_->children[notes_->count];
    child->opened = Now();
    child->fd = SocketOrDie();
    child->inode = InodeOf(child->fd).value();
    return child;
  }
  void Note(pid_t pid, Child* child) {
    if (pid < 0) _exit(9);
    close(child->fd);
    child->closed = Now();
    child->pid = pid;
    child->start = StartOf(pid);
    ++notes_->count;
  }
  void ReapFirst() {
    Reap(alive_.front());
    alive_.pop_front();
  }
  static void Reap(Child* child) {
    if (waitpid(child->pid, nullptr, 0) != child->pid) _exit(10);
    child->reaped = Now();
  }

  Forker* const notes_;
  int last_pid_ = -1;
  std::deque<Child*> alive_;
};

// ------------------------------------------------------------------------------------ the reader

using Held = std::tuple<pid_t, uint64_t, uint32_t, int>;  // pid, start time, inode, descriptor

struct Scan {
  OwnerSource source;
  int64_t request, answer;
  std::vector<Held> told;
};

// Pauses the scan now and then, for long enough that pids pass to other processes.
absl::Status RefreshWithPauses(OwnerIndex* index) {
  if (const absl::Status begun = index->Begin(); !begun.ok()) return begun;
  for (int step = 1;; ++step) {
    const absl::StatusOr<bool> done = index->Step(32);
    if (!done.ok() || *done) return done.status();
    if (index->stats().source == OwnerSource::kBpf || step % 16 == 0) usleep(15'000);
  }
}

Scan ScanOnce(OwnerIndex* index, bool pauses) {
  Scan scan;
  scan.request = Now();
  const absl::Status status = pauses ? RefreshWithPauses(index) : index->Refresh();
  scan.answer = Now();
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(index->stats().errors, 0u) << index->stats().first_error;
  EXPECT_EQ(index->stats().denied, 0u);
  scan.source = index->stats().source;
  index->ForEachSocket([&](Inode inode, const Owners& owners) {
    for (const Owner& owner : owners) {
      scan.told.emplace_back(owner.pid.value(), owner.start_time, inode.value(), owner.fd);
    }
  });
  std::sort(scan.told.begin(), scan.told.end());
  return scan;
}

struct Interval {
  int64_t from = 0, to = 0;
};

// All notes, in a form that can be compared with the reader's reports.
class Truth {
 public:
  explicit Truth(const SharedNotes& notes) {
    for (const Teller& teller : notes->tellers) {
      for (size_t i = 0; i < teller.count; ++i) {
        const Holding& holding = teller.holdings[i];
        Add({teller.pid, teller.start, holding.inode, holding.fd},
            {holding.taken.before, holding.released.after},
            {holding.taken.after, holding.released.before});
      }
    }
    for (const Forker& forker : notes->forkers) Add(forker);
  }

  // The owners that were reported, but held the socket at no instant of the scan.
  bool IsWrong(const Scan& scan, const Held& told) const {
    const auto [first, last] = most_.equal_range(told);
    for (auto at = first; at != last; ++at) {
      if (Overlap(at->second, scan)) return false;
    }
    const auto [pid, start, inode, fd] = told;
    const auto family = children_.find({pid, start});
    if (family == children_.end()) return true;
    for (const auto& [child, forker] : family->second) {
      if (!Overlap({child->opened, child->reaped}, scan)) continue;
      if (child->inode == inode && child->fd == fd) return false;
      if (Has(*forker, inode, fd)) return false;
    }
    return true;
  }
  // The owners that held the socket during the whole scan, but were not reported. `held` counts all
  // that had to be reported.
  size_t CountMissing(const Scan& scan, size_t* held) const {
    size_t missing = 0;
    const auto look = [&](const Held& who) {
      ++*held;
      missing += std::binary_search(scan.told.begin(), scan.told.end(), who) ? 0u : 1u;
    };
    for (const auto& [who, least] : least_) {
      if (Covers(least, scan)) look(who);
    }
    for (const auto& [who, family] : children_) {
      for (const auto& [child, forker] : family) {
        // A process that ended before it noted anything is not known to have lived at any instant.
        if (child->last == 0 || !Covers({child->first, child->last}, scan)) continue;
        look({who.first, who.second, child->inode, child->fd});
        for (size_t i = 0; i < forker->stable; ++i) {
          look({who.first, who.second, forker->held[i].inode, forker->held[i].fd});
        }
      }
    }
    return missing;
  }
  bool IsShortLived(const Held& told) const {
    return children_.count({std::get<0>(told), std::get<1>(told)}) != 0;
  }
  // The number of pids that more than one process had.
  size_t CountReusedPids() const {
    std::map<pid_t, size_t> processes;
    for (const auto& [who, family] : children_) processes[who.first] += family.size();
    size_t reused = 0;
    for (const auto& [pid, count] : processes) reused += count > 1 ? 1u : 0u;
    return reused;
  }

 private:
  using Family = std::vector<std::pair<const Child*, const Forker*>>;

  static bool Overlap(const Interval& most, const Scan& scan) {
    return most.from <= scan.answer && most.to >= scan.request;
  }
  static bool Covers(const Interval& least, const Scan& scan) {
    return least.from <= scan.request && least.to >= scan.answer;
  }
  static bool Has(const Forker& forker, uint32_t inode, int fd) {
    for (size_t i = 0; i < forker.stable; ++i) {
      if (forker.held[i].inode == inode) return forker.held[i].fd == fd;
    }
    return false;
  }
  void Add(const Held& who, Interval most, Interval least) {
    most_.emplace(who, most);
    if (least.from < least.to) least_.emplace_back(who, least);
  }
  void Add(const Forker& forker) {
    for (size_t i = 0; i < forker.stable; ++i) {
      const Holding& held = forker.held[i];
      Add({forker.pid, forker.start, held.inode, held.fd}, {held.taken.before, kNever},
          {held.taken.after, kNever});
    }
    for (size_t i = 0; i < forker.count; ++i) {
      const Child& child = forker.children[i];
      children_[{child.pid, child.start}].emplace_back(&child, &forker);
      Add({forker.pid, forker.start, child.inode, child.fd}, {child.opened, child.closed}, {});
    }
  }

  std::multimap<Held, Interval> most_;
  std::vector<std::pair<Held, Interval>> least_;
  std::map<std::pair<pid_t, uint64_t>, Family> children_;
};

// Processes that run `body` and then exit with 0.
class Workers {
 public:
  template <class Body>
  void Start(Body body) {
    int ready[2];
    ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
    const pid_t pid = fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      body([&] { return write(ready[1], "x", 1) == 1; });
      _exit(0);
    }
    close(ready[1]);
    char byte;
    EXPECT_EQ(read(ready[0], &byte, 1), 1) << "the worker failed";
    close(ready[0]);
    pids_.push_back(pid);
  }
  void Join() {
    for (const pid_t pid : pids_) {
      int status = 0;
      EXPECT_EQ(waitpid(pid, &status, 0), pid);
      EXPECT_EQ(status, 0) << "a worker failed";
    }
  }

 private:
  std::vector<pid_t> pids_;
};

void StartTellers(const SharedNotes& notes, Workers* workers) {
  std::array<std::array<int, 2>, kTellers> ring{};
  for (auto& pair : ring) {
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair.data()), 0);
  }
  for (size_t i = 0; i < kTellers; ++i) {
    workers->Start([&](auto ready) {
      const int in = ring[i][0];
      const int out = ring[(i + 1) % kTellers][1];
      for (const auto& pair : ring) {
        for (const int fd : pair) {
          if (fd != in && fd != out) close(fd);
        }
      }
      TellerLife life(&notes->tellers[i], in, out);
      if (ready()) life.Live(notes->stop);
    });
  }
  for (const auto& pair : ring) {
    for (const int fd : pair) close(fd);
  }
}

void StartForkers(const SharedNotes& notes, Workers* workers) {
  for (size_t i = 0; i < kForkers; ++i) {
    workers->Start([&](auto ready) {
      ForkerLife life(&notes->forkers[i], i == 0 ? kStableSockets : kManySockets);
      if (!ready()) return;
      i == 0 ? life.LiveByVfork(notes->stop) : life.LiveByFork(notes->stop);
    });
  }
}

struct Figures {
  size_t processes = 0, scans = 0, reused_pids = 0;
  size_t told = 0, told_of_short_lived = 0, held_throughout = 0;
  int64_t duration = 0;
};

void Compare(const SharedNotes& notes, const std::vector<Scan>& scans, Figures* figures) {
  const Truth truth(notes);
  std::map<OwnerSource, size_t> wrong, missing;
  for (const Scan& scan : scans) {
    for (const Held& told : scan.told) {
      const bool is_wrong = truth.IsWrong(scan, told);
      if (is_wrong && wrong[scan.source]++ < 5) {
        const auto [pid, start, inode, fd] = told;
        ADD_FAILURE() << "source " << static_cast<int>(scan.source) << ": pid " << pid << ", start "
                      << start << ", inode " << inode << ", descriptor " << fd;
      }
      figures->told_of_short_lived += truth.IsShortLived(told) ? 1u : 0u;
    }
    figures->told += scan.told.size();
    missing[scan.source] += truth.CountMissing(scan, &figures->held_throughout);
  }
  for (const OwnerSource source : {OwnerSource::kProc, OwnerSource::kBpf}) {
    EXPECT_EQ(wrong[source], 0u) << "wrong owners by source " << static_cast<int>(source);
    EXPECT_EQ(missing[source], 0u) << "missing owners by source " << static_cast<int>(source);
  }
  figures->scans += scans.size();
  figures->reused_pids += truth.CountReusedPids();
}

// Runs until enough has happened, however long that takes.
void RunRound(OwnerIndex* proc, OwnerIndex* bpf, Figures* figures) {
  const SharedNotes notes;
  Workers workers;
  StartTellers(notes, &workers);
  StartForkers(notes, &workers);
  std::vector<Scan> scans;
  const auto processes = [&] {
    size_t sum = 0;
    for (const Forker& forker : notes->forkers) sum += forker.count;
    return sum;
  };
  const int64_t begin = Now();
  const auto each_came = [&] {
    return std::all_of(notes->forkers.begin(), notes->forkers.end(),
                       [](const Forker& forker) { return forker.count >= kLeastProcesses / 8; });
  };
  while (processes() < kLeastProcesses || scans.size() < kLeastScans || !each_came()) {
    const bool pauses = scans.size() % 8 == 0;
    scans.push_back(ScanOnce(proc, pauses));
    scans.push_back(ScanOnce(bpf, pauses));
    if (::testing::Test::HasFailure()) break;
  }
  figures->duration += Now() - begin;
  figures->processes += processes();
  notes->stop = true;
  workers.Join();
  Compare(notes, scans, figures);
}

void Report(const Figures& figures) {
  const auto property = [](const char* name, uint64_t value) {
    ::testing::Test::RecordProperty(name, std::to_string(value));
    std::printf("[ PROPERTY ] %s: %s\n", name, std::to_string(value).c_str());
  };
  const auto milliseconds = static_cast<uint64_t>(figures.duration / 1'000'000);
  property("processes", figures.processes);
  property("processes_per_second", figures.processes * 1000 / std::max<uint64_t>(milliseconds, 1));
  property("reused_pids", figures.reused_pids);
  property("scans", figures.scans);
  property("owners_told", figures.told);
  property("owners_told_of_short_lived", figures.told_of_short_lived);
  property("owners_held_throughout", figures.held_throughout);
}

TEST(OwnerChurn, NoOwnerIsWrongAndNoneIsMissingWhileProcessesComeAndGo) {
  if (geteuid() != 0) GTEST_SKIP() << "making a pid namespace and loading BPF need root";
  const absl::Status checked = OwnerIndex::CheckBpf();
  if (IsUnsupported(checked)) GTEST_SKIP() << checked;  // before 5.17
  ASSERT_TRUE(checked.ok()) << checked;
  const Shared<Figures> figures;
  const int rounds = Rounds(2);
  RunAlone([&] {
    OwnerIndex proc({.source = OwnerSource::kProc});
    OwnerIndex bpf({.source = OwnerSource::kBpf});
    for (int round = 0; round < rounds && !HasFailure(); ++round) {
      RunRound(&proc, &bpf, figures.get());
    }
  });
  Report(*figures.get());
  const auto times = static_cast<size_t>(rounds);
  EXPECT_GE(figures->processes, times * kLeastProcesses);
  EXPECT_GE(figures->scans, times * kLeastScans);
  EXPECT_GE(figures->reused_pids, times * 50);
  EXPECT_GE(figures->told_of_short_lived, times * 500);
  EXPECT_GE(figures->held_throughout, times * 5000);
}

}  // namespace
}  // namespace netdiag::testing
