// bpf::TaskFiles against tables that change while they are read.

#include "netdiag/bpf/task_files.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/types/error.h"
#include "tests/process/process_testing.h"
#include "tests/testing/netns.h"
#include "tests/testing/rounds.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {
namespace {

using bpf::SocketFile;
using bpf::Task;
using bpf::TaskFiles;

constexpr int kMostDescriptors = 8192;

// Opens and closes sockets until the table has grown to thousands of descriptors. Allocates
// nothing, because it runs after a fork() of a process with two threads.
[[noreturn]] void GrowAndEnd() {
  for (int fd = 70; fd < kMostDescriptors; fd = fd * 3 / 2) {
    std::array<int, 40> own;
    for (int& each : own) each = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    dup2(own[0], fd);
    for (const int each : own) close(each);
  }
  _exit(0);
}

// Processes whose tables grow, one after another.
void KeepGrowing() {
  std::thread([] {
    for (;;) {
      const pid_t grower = fork();
      if (grower == 0) GrowAndEnd();
      waitpid(grower, nullptr, 0);
    }
  }).detach();
}

struct Found {
  std::map<int, uint32_t> own;   // the inodes of this process, by descriptor
  std::set<uint32_t> of_others;  // the inodes of all other processes
};

void ReadAll(TaskFiles* files, Found* found) {
  const absl::Status begun = files->Begin();
  ASSERT_TRUE(begun.ok()) << begun;
  found->own.clear();
  bool is_own = false;
  int last = -1;
  for (absl::StatusOr<bool> more = true; *more;) {
    more = files->Read(
        [&](const Task& task) {
          is_own = task.pid.value() == getpid();
          last = -1;
        },
        [&](const SocketFile& file) {
          EXPECT_LT(last, file.fd);
          last = file.fd;
          if (is_own) {
            found->own.emplace(file.fd, file.inode.value());
          } else {
            found->of_others.insert(file.inode.value());
          }
        });
    ASSERT_TRUE(more.ok()) << more.status();
  }
}

TEST(TaskFilesLive, GiveWhatIsHeldThroughoutAndNothingElseWhileTablesChange) {
  if (geteuid() != 0) GTEST_SKIP() << "loading a BPF program needs root";
  const absl::Status checked = TaskFiles::Check();
  if (IsUnsupported(checked)) GTEST_SKIP() << checked;  // before 5.17
  rlimit limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, kMostDescriptors);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  const Child one(KeepGrowing), another(KeepGrowing);
  absl::StatusOr<std::unique_ptr<TaskFiles>> files = TaskFiles::Load(/*netns=*/false);
  ASSERT_TRUE(files.ok()) << files.status();

  std::map<int, uint32_t> held;
  const auto hold = [&](int fd) { held.emplace(fd, InodeOf(fd).value()); };
  for (int i = 0; i < 200; ++i) {
    const int fd = Make(Family::kInet, SOCK_DGRAM);
    hold(fd);
    if (i % 4 == 0) hold(dup2(fd, 1000 + i * 10));
  }
  // Another thread opens and closes between them. The kernel uses its files and those of the
  // growers again and again.
  std::set<uint32_t> short_lived;
  std::atomic<bool> stop = false;
  std::thread thread([&] {
    while (!stop) {
      std::vector<int> own;
      for (int i = 0; i < 40; ++i) own.push_back(Make(Family::kInet, SOCK_DGRAM));
      for (const int fd : own) short_lived.insert(InodeOf(fd).value());
      for (const int fd : own) close(fd);
    }
  });
  Found found;
  size_t of_the_thread = 0;
  for (int round = 0; round < Rounds(300) && !HasFailure(); ++round) {
    ReadAll(files->get(), &found);
    for (const auto& [fd, inode] : held) {
      EXPECT_EQ(found.own[fd], inode) << "descriptor " << fd << ", round " << round;
      found.own.erase(fd);
    }
    of_the_thread += found.own.size();
  }
  stop = true;
  thread.join();
  EXPECT_GT(of_the_thread, 0u) << "nothing changed while the tables were read";
  for (const auto& [fd, inode] : held) EXPECT_FALSE(found.of_others.contains(inode)) << fd;
  size_t wrong = 0;
  for (const uint32_t inode : short_lived) wrong += found.of_others.contains(inode) ? 1 : 0;
  EXPECT_EQ(wrong, 0u) << "of " << short_lived.size() << " sockets of this process";
  for (const auto& [fd, inode] : held) close(fd);
}

// A listener has a descriptor far above the others, a copy in another process, or a namespace of
// its own. Most other sockets are left out.
TEST(TaskFilesLive, OfListenersGiveEachAndFewOthers) {
  if (geteuid() != 0) GTEST_SKIP() << "loading a BPF program needs root";
  const absl::Status checked = TaskFiles::Check();
  if (IsUnsupported(checked)) GTEST_SKIP() << checked;  // before 5.17
  if (!KernelIs(6, 2)) GTEST_SKIP() << "files are not read by loads before Linux 6.2";
  absl::StatusOr<std::unique_ptr<TaskFiles>> files =
      TaskFiles::Load(/*netns=*/false, TaskFiles::Scope::kListeners);
  ASSERT_TRUE(files.ok()) << files.status();
  std::vector<int> others;
  for (int i = 0; i < 500; ++i) others.push_back(Make(Family::kInet, SOCK_STREAM));
  std::map<int, uint32_t> listeners;
  const auto listen_on = [&](Family family) {
    const int fd = Listen(Loopback(family), 1);
    listeners.emplace(fd, InodeOf(fd).value());
    return fd;
  };
  const int first = listen_on(Family::kInet);
  listen_on(Family::kInet6);
  std::thread([&] {
    EnterNewNetns();
    listen_on(Family::kInet);
  }).join();
  listeners.emplace(dup2(first, 900), InodeOf(first).value());
  const Child holder([] {});
  for (int round = 0; round < Rounds(20); ++round) {
    Found found;
    ReadAll(files->get(), &found);
    for (const auto& [fd, inode] : listeners) {
      EXPECT_EQ(found.own[fd], inode) << "descriptor " << fd;
      EXPECT_TRUE(found.of_others.contains(inode)) << "descriptor " << fd;
    }
    EXPECT_LT(found.own.size(), others.size() / 2);
  }
  for (const int fd : others) close(fd);
  for (const auto& [fd, inode] : listeners) close(fd);
}

}  // namespace
}  // namespace netdiag::testing
