// `diag --unlisted` while dumps fail: it never lists what a dump would have shown.

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <functional>
#include <iterator>
#include <poll.h>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/live/netns_testing.h"
#include "tests/testing/run_program.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {
namespace {

using ::testing::HasSubstr;

// Returns the listener of a seccomp filter that hands each recvmsg() of this process to it; -1 if
// the kernel refuses.
int HandOverReceives() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_recvmsg, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter = {static_cast<unsigned short>(std::size(program)), program};
  return static_cast<int>(
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &filter));
}

// Makes socket() fail for netlink sockets, as in a sandbox.
void ForbidNetlink() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter = {static_cast<unsigned short>(std::size(program)), program};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0) _exit(126);
}

int ReceiveDescriptor(int from) {
  char byte = 0;
  iovec vector = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  if (recvmsg(from, &message, MSG_CMSG_CLOEXEC) <= 0) return -1;
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (header == nullptr) return -1;
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(header), sizeof(fd));
  return fd;
}

using Fails = std::function<bool(int number)>;  // the number of a recvmsg(), from 1

// Answers the listener until the process has ended. Returns the number of calls.
int Supervise(int listener, const Fails& fails) {
  int calls = 0;
  for (;;) {
    pollfd wait = {listener, POLLIN, 0};
    if (poll(&wait, 1, -1) < 0 && errno != EINTR) break;
    if ((wait.revents & POLLIN) == 0) {
      if ((wait.revents & (POLLHUP | POLLERR)) != 0) break;
      continue;
    }
    seccomp_notif call = {};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) continue;  // it was killed meanwhile
    seccomp_notif_resp answer = {};
    answer.id = call.id;
    if (fails(++calls)) {
      answer.error = -EIO;
    } else {
      answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    }
    (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
  }
  return calls;
}

struct Answer {
  Outcome outcome;
  int receives = 0;
};

// Runs diag. Its recvmsg() calls that `fails` selects fail with EIO.
Answer RunFailing(const std::vector<std::string>& words, const Fails& fails) {
  std::array<int, 2> ends{};
  Check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0, "socketpair");
  Answer answer;
  std::thread supervisor([&] {
    const int listener = ReceiveDescriptor(ends[0]);
    if (listener < 0) return;
    answer.receives = Supervise(listener, fails);
    close(listener);
  });
  answer.outcome = RunDiag(words, [&] {
    const int listener = HandOverReceives();
    if (listener < 0) _exit(126);
    SendDescriptor(ends[1], listener);
    close(listener);
  });
  close(ends[1]);  // wakes the supervisor if the child could not send
  supervisor.join();
  close(ends[0]);
  return answer;
}

std::vector<std::string> WordsOf(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

struct Counts {
  size_t listed = 0;               // rows of listeners
  std::set<std::string> unlisted;  // inodes
};

Counts Read(const std::string& out) {
  Counts counts;
  std::istringstream lines(out);
  for (std::string line; std::getline(lines, line);) {
    const std::vector<std::string> words = WordsOf(line);
    if (words.size() < 6) continue;
    if (words[1] == "LISTEN") ++counts.listed;
    if (words[1] == "UNLISTED") counts.unlisted.insert(words[5]);
  }
  return counts;
}

// So many listeners that a dump of them has several datagrams, and one socket that no table has.
class Population {
 public:
  static constexpr size_t kListeners = 600;

  Population() {
    while (fds_.size() < kListeners) fds_.push_back(Listen(Loopback(Family::kInet), 1));
    for (const int fd : fds_) inodes_.insert(std::to_string(InodeOf(fd).value()));
    fds_.push_back(Make(Family::kInet, SOCK_STREAM));
    unbound_ = std::to_string(InodeOf(fds_.back()).value());
  }
  Population(const Population&) = delete;
  Population& operator=(const Population&) = delete;
  ~Population() {
    for (const int fd : fds_) close(fd);
  }

  const std::string& unbound() const { return unbound_; }
  bool HasListenerIn(const std::set<std::string>& inodes) const {
    return std::ranges::any_of(inodes,
                               [&](const std::string& inode) { return inodes_.contains(inode); });
  }

 private:
  std::vector<int> fds_;
  std::set<std::string> inodes_;
  std::string unbound_;
};

const std::vector<std::string> kCommand = {"-anH", "--unlisted"};
constexpr char kLeftOut[] = "the unlisted sockets are not complete";

TEST(Unlisted, AreListedAloneByTheirState) {
  Apart([] {
    const Population population;
    const Outcome outcome = RunDiag({"-tH", "state", "unlisted"});
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_EQ(outcome.err.find("no socket can match"), std::string::npos) << outcome.err;
    const Counts counts = Read(outcome.out);
    EXPECT_EQ(counts.listed, 0u) << outcome.out;
    EXPECT_TRUE(counts.unlisted.contains(population.unbound())) << outcome.out;
    EXPECT_EQ(RunDiag({"-xH", "state", "unlisted"}).out.find("TCP"), std::string::npos);
  });
}

TEST(Unlisted, NeverHaveWhatADumpThatFailsMidwayWouldHaveShown) {
  Apart([] {
    const Population population;
    const Answer whole = RunFailing(kCommand, [](int) { return false; });
    if (whole.outcome.exit_code == 126) GTEST_SKIP() << "seccomp has no listeners here";
    ASSERT_EQ(whole.outcome.exit_code, 0) << whole.outcome.err;
    EXPECT_EQ(Read(whole.outcome.out).listed, Population::kListeners);
    EXPECT_TRUE(Read(whole.outcome.out).unlisted.contains(population.unbound()));

    int midway = 0, left_out = 0;
    const int step = std::max(1, whole.receives / 40);
    // Some calls, and others as long as no dump has failed midway.
    std::vector<int> firsts;
    for (int offset = 0; offset < step; ++offset) {
      for (int first = 1 + offset; first <= whole.receives; first += step) firsts.push_back(first);
    }
    for (const int first : firsts) {
      if (midway > 0 && (first - 1) % step != 0) break;
      for (const bool all_later : {false, true}) {
        const Answer answer = RunFailing(
            kCommand, [&](int number) { return all_later ? number >= first : number == first; });
        const Counts counts = Read(answer.outcome.out);
        EXPECT_FALSE(population.HasListenerIn(counts.unlisted)) << first << answer.outcome.err;
        const bool noted = answer.outcome.err.find(kLeftOut) != std::string::npos;
        EXPECT_TRUE(noted || answer.outcome.exit_code == 1 ||
                    (counts.listed == Population::kListeners &&
                     counts.unlisted.contains(population.unbound())))
            << "something is missing in silence: " << first << answer.outcome.err;
        if (counts.listed < Population::kListeners) {
          EXPECT_EQ(answer.outcome.exit_code, 1) << first << answer.outcome.err;
        }
        midway += counts.listed > 0 && counts.listed < Population::kListeners ? 1 : 0;
        left_out += noted ? 1 : 0;
      }
    }
    EXPECT_GT(midway, 0) << "no dump of " << whole.receives << " failed midway";
    EXPECT_GT(left_out, 0);
  });
}

TEST(Unlisted, NeverHaveWhatADeniedDumpWouldHaveShown) {
  Apart([] {
    const Population population;
    const Outcome outcome = RunDiag(kCommand, ForbidNetlink);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    const Counts counts = Read(outcome.out);
    EXPECT_EQ(counts.listed, Population::kListeners);
    EXPECT_FALSE(population.HasListenerIn(counts.unlisted));
    EXPECT_THAT(outcome.err, HasSubstr("; /proc/net was read instead"));
  });
}

}  // namespace
}  // namespace netdiag::testing
