// Owners while thousands of processes a second come and go, against tellers that know the truth.
//
// All of it in a pid namespace of its own. Tellers live long and keep moving sockets about: they
// open, dup, replace and close them, and pass them to each other. Forkers make processes that hold
// inherited sockets and end at once or a little later, under numbers that are used again and again.
// Each notes in shared memory what was held from when to when, by the clock read before and after
// each system call. The reader scans meanwhile and notes what it was told. In the end, with
// everybody gone, the notes are compared: whoever was reported must have held that descriptor at an
// instant between request and answer, and whoever held one all that time must have been reported.

#include <sys/mman.h>
#include <sys/socket.h>

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

#include "netdiag/process/process.h"
#include "tests/process/owner_testing.h"
#include "tests/testing/rounds.h"

namespace netdiag::testing {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constexpr int kTellers = 4;
constexpr int kForkers = 2;
constexpr int kStableSockets = 10;
constexpr size_t kLeastProcesses = 4000;  // in a round
constexpr size_t kLeastScans = 200;

int64_t Now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// In clock ticks since boot; of a zombie too.
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

// ------------------------------------------------------------------------------------ the notes

// A system call that did not fail, by the clock before and after it.
struct Span {
  int64_t before = kNever;
  int64_t after = kNever;
};

struct Holding {
  uint32_t inode = 0;
  int fd = -1;
  Span taken, released;
};

// A process that held all that its parent did. It lived from `forked.before` to `reaped` at most,
// and from `first` to `last` at least.
struct Child {
  pid_t pid = 0;
  uint64_t start = 0;
  int64_t forked = kNever;
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
  size_t sockets;
  std::array<Holding, kStableSockets> held;
  std::array<Child, kSize> children;
};

struct Notes {
  std::atomic<bool> stop;
  std::array<Teller, kTellers> tellers;
  std::array<Forker, kForkers> forkers;
};

// Zeroed memory that is shared with every child from now on.
template <class T>
class Shared {
 public:
  Shared()
      : object_(static_cast<T*>(mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE,
                                     MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {
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

// Runs in its process until it is stopped; whatever it does not expect ends it with an error.
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
  // Another socket under the same number.
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
  // To the next teller. Now and then nobody but the message holds it.
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

  // The first holdings are the two ends of the ring and the stable sockets.
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
  explicit ForkerLife(Forker* notes) : notes_(notes) {
    notes_->pid = getpid();
    notes_->start = StartOf(getpid());
    for (Holding& held : notes_->held) {
      const int64_t before = Now();
      const int fd = SocketOrDie();
      held = {.inode = InodeOf(fd).value(), .fd = fd, .taken = {before, Now()}};
    }
    last_pid_ = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
    if (last_pid_ < 0) _exit(7);
  }

  // Processes that end at once, one after the other.
  void LiveByVfork(const std::atomic<bool>& stop) {
    while (!stop.load() && notes_->count < Forker::kSize) {
      // Numbers from 300 on again: of this pid namespace only.
      if (notes_->count % 256 == 0 && pwrite(last_pid_, "300", 3, 0) != 3) _exit(8);
      Child* child = &notes_->children[notes_->count];
      child->forked = Now();
      const pid_t pid = vfork();
      if (pid == 0) _exit(0);
      Note(pid, child);
      Reap(child);
    }
  }

  // Processes that live some milliseconds, a dozen at a time.
  void LiveByFork(const std::atomic<bool>& stop) {
    while (!stop.load() && notes_->count < Forker::kSize) {
      Child* child = &notes_->children[notes_->count];
      child->forked = Now();
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
  void Note(pid_t pid, Child* child) {
    if (pid < 0) _exit(9);
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

Scan ScanOnce(OwnerIndex* index) {
  Scan scan;
  scan.request = Now();
  const absl::Status status = index->Refresh();
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
  int64_t from, to;
};

// All that the notes say, in the form that the reader's reports are held against.
class Truth {
 public:
  explicit Truth(const SharedNotes& notes) {
    for (const Teller& teller : notes->tellers) {
      for (size_t i = 0; i < teller.count; ++i) {
        const Holding& holding = teller.holdings[i];
        AddOne({teller.pid, teller.start, holding.inode, holding.fd},
               {holding.taken.before, holding.released.after},
               {holding.taken.after, holding.released.before});
      }
    }
    for (const Forker& forker : notes->forkers) {
      Add(forker, forker.pid, forker.start, {0, kNever}, {0, kNever});
      for (size_t i = 0; i < forker.count; ++i) {
        const Child& child = forker.children[i];
        starts_[child.pid].insert(child.start);
        // One that noted nothing is not known to have lived at any instant.
        const Interval least = child.last == 0 ? Interval{kNever, 0} : Interval{child.first, child.last};
        Add(forker, child.pid, child.start, {child.forked, child.reaped}, least);
      }
    }
  }

  // Reported, but not held at any instant of the scan.
  bool IsWrong(const Scan& scan, const Held& told) const {
    const auto [first, last] = most_.equal_range(told);
    for (auto at = first; at != last; ++at) {
      if (at->second.from <= scan.answer && at->second.to >= scan.request) return false;
    }
    return true;
  }
  // Held all through the scan, but not reported. Counts in `held` all that had to be.
  size_t CountMissing(const Scan& scan, size_t* held) const {
    size_t missing = 0;
    for (const auto& [who, interval] : least_) {
      if (interval.from > scan.request || interval.to < scan.answer) continue;
      ++*held;
      missing += std::binary_search(scan.told.begin(), scan.told.end(), who) ? 0u : 1u;
    }
    return missing;
  }
  bool IsShortLived(const Held& told) const { return starts_.count(std::get<0>(told)) != 0; }
  // Numbers that more than one process had.
  size_t CountReusedPids() const {
    size_t reused = 0;
    for (const auto& [pid, starts] : starts_) reused += starts.size() > 1 ? 1u : 0u;
    return reused;
  }

 private:
  void AddOne(const Held& who, Interval most, Interval least) {
    most_.emplace(who, most);
    if (least.from < least.to) least_.emplace_back(who, least);
  }
  void Add(const Forker& forker, pid_t pid, uint64_t start, Interval most, Interval least) {
    for (const Holding& held : forker.held) {
      AddOne({pid, start, held.inode, held.fd}, most, least);
    }
  }

  std::multimap<Held, Interval> most_;
  std::vector<std::pair<Held, Interval>> least_;
  std::map<pid_t, std::set<uint64_t>> starts_;
};

// Processes that run `body` and then end well.
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
      ForkerLife life(&notes->forkers[i]);
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

// Until enough has happened, however long that takes.
void RunRound(OwnerIndex* proc, OwnerIndex* bpf, Figures* figures) {
  const SharedNotes notes;
  Workers workers;
  StartTellers(notes, &workers);
  StartForkers(notes, &workers);
  std::vector<Scan> scans;
  const auto processes = [&] { return notes->forkers[0].count + notes->forkers[1].count; };
  const int64_t begin = Now();
  const auto each_came = [&] {
    return notes->forkers[0].count >= kLeastProcesses / 4 &&
           notes->forkers[1].count >= kLeastProcesses / 4;
  };
  while (processes() < kLeastProcesses || scans.size() < kLeastScans || !each_came()) {
    scans.push_back(ScanOnce(proc));
    scans.push_back(ScanOnce(bpf));
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
  ASSERT_TRUE(OwnerIndex::CheckBpf().ok()) << OwnerIndex::CheckBpf();
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
