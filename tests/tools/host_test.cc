// Runs diag where the host's processes and containers are not in the usual places: another procfs
// (--proc, HOST_PROC), and containers that only cgroups of version 1 name.

#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sched.h>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/process/owner_testing.h"
#include "tests/testing/netns.h"
#include "tests/testing/proc_tree.h"
#include "tests/testing/run_program.h"

namespace diag {
namespace {

using netdiag::testing::Outcome;
using netdiag::testing::ProcTree;
using netdiag::testing::RunDiag;
using netdiag::testing::RunInChild;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// The program lists the sockets of this namespace, and no other program opens any there.
const auto* const kNetns =
    ::testing::AddGlobalTestEnvironment(new netdiag::testing::NewNetnsEnvironment);

int ListenOnLoopback() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(listen(fd, 1), 0);
  return fd;
}

std::string PidIn(const std::string& procfs) {
  return std::filesystem::read_symlink(procfs + "/self").string();
}

Outcome RunWithHostProc(const std::string& host_proc, std::vector<std::string> words) {
  return RunDiag(std::move(words), [&] { setenv("HOST_PROC", host_proc.c_str(), 1); });
}

TEST(ProcRoot, WhatIsNoProcfsIsRefusedByName) {
  const ProcTree tree;
  std::ofstream(tree.root() + "/file") << "x";
  for (const std::string& bad :
       {std::string("/nonexistent"), tree.root(), tree.root() + "/file", std::string("/sys")}) {
    for (const std::vector<std::string>& command :
         {std::vector<std::string>{"-tan"}, std::vector<std::string>{"connections"}}) {
      std::vector<std::string> words = command;
      words.insert(words.end(), {"--proc", bad});
      const Outcome by_option = RunDiag(words);
      EXPECT_EQ(by_option.exit_code, 2);
      EXPECT_EQ(by_option.out, "");
      EXPECT_THAT(by_option.err, StartsWith("diag: --proc: \"" + bad + "\": this "));
      const Outcome by_environment = RunWithHostProc(bad, command);
      EXPECT_EQ(by_environment.exit_code, 2);
      EXPECT_THAT(by_environment.err,
                  StartsWith("diag: environment HOST_PROC: \"" + bad + "\": this "));
    }
  }
  EXPECT_EQ(RunDiag({"--proc", ""}).exit_code, 2);
  EXPECT_EQ(RunWithHostProc("", {"-tan"}).exit_code, 0) << "an empty variable says nothing";
  EXPECT_EQ(RunDiag({"--proc", "/proc/", "-tan"}).exit_code, 0);
}

// A pid namespace whose process has the host's procfs at host() and its own at /proc, as a
// container for monitoring has.
class InContainer : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "needs root";
  }
  template <class Body>
  void Run(Body body) {
    RunInChild([&] {
      ASSERT_EQ(unshare(CLONE_NEWPID | CLONE_NEWNS), 0);
      ASSERT_EQ(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
      ASSERT_EQ(mkdir(host().c_str(), 0755), 0);
      ASSERT_EQ(mount("/proc", host().c_str(), nullptr, MS_BIND | MS_REC, nullptr), 0);
      RunInChild([&] {
        ASSERT_EQ(mount("proc", "/proc", "proc", 0, nullptr), 0);
        body();
      });
    });
  }
  std::string host() const { return tree_.root() + "/host proc"; }

  const ProcTree tree_;
};

TEST_F(InContainer, OwnersHaveTheNumbersOfTheProcfsThatIsNamed) {
  Run([&] {
    const int listener = ListenOnLoopback();
    const std::string own = "pid=" + std::to_string(getpid()) + ",";
    const std::string of_host = "pid=" + PidIn(host()) + ",";
    ASSERT_NE(own, of_host);
    const std::vector<std::string> words = {"-tlnpH"};
    const std::vector<std::string> with_option = {"-tlnpH", "--proc", host()};
    const Outcome in_container = RunDiag(words);
    EXPECT_THAT(in_container.out, HasSubstr(own));
    EXPECT_THAT(in_container.err, HasSubstr("processes outside"));
    for (const Outcome& outcome :
         {RunDiag(with_option), RunWithHostProc(host(), words),
          RunWithHostProc("/nonexistent", with_option), RunWithHostProc("/proc", with_option)}) {
      EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
      EXPECT_THAT(outcome.out, AllOf(HasSubstr(of_host), Not(HasSubstr(own))));
    }
    EXPECT_THAT(RunDiag({"connections", "tcp", "--proc", host()}).out,
                HasSubstr("\"pid\":" + PidIn(host()) + "}"));
    EXPECT_THAT(RunDiag({"-tlnH", "-N", PidIn(host()), "--proc", host()}).out, HasSubstr("LISTEN"));
    close(listener);
  });
}

TEST_F(InContainer, NothingElseIsReadIfProcIsNotThere) {
  Run([&] {
    const int listener = ListenOnLoopback();
    const int unbound = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(mount("none", "/proc", "tmpfs", 0, nullptr), 0);
    const std::string of_host = "pid=" + PidIn(host()) + ",";
    EXPECT_THAT(RunDiag({"-tlnpH", "--proc", host()}).out, HasSubstr(of_host));
    EXPECT_THAT(RunDiag({"-tlnpH", "--owners", "first", "--proc", host()}).out, HasSubstr(of_host));
    EXPECT_THAT(RunDiag({"-tlnH", "--all-netns", "--proc", host()}).out, HasSubstr("LISTEN"));
    // Where some network namespace cannot be read, the socket could be one of that namespace.
    const Outcome unlisted = RunDiag({"-tlnH", "--unlisted", "--proc", host()});
    EXPECT_THAT(unlisted.out + unlisted.err,
                ::testing::ContainsRegex("UNLISTED.*" + of_host + "|were left out \\(.*TCP"));
    EXPECT_THAT(RunDiag({"-xaH", "--columns", "cgroup_path", "-p", "--proc", host()}).err,
                Not(HasSubstr("No such file")));
    close(listener);
    close(unbound);
  });
}

// In the procfs of a namespace below, this process has no number.
TEST_F(InContainer, AProcfsWithoutDiagItselfIsRefused) {
  RunInChild([&] {
    ASSERT_EQ(unshare(CLONE_NEWNS), 0);
    ASSERT_EQ(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    ASSERT_EQ(mkdir(host().c_str(), 0755), 0);
    const pid_t child = fork();
    if (child == 0) {
      if (unshare(CLONE_NEWPID) != 0) _exit(1);
      const pid_t first = fork();
      if (first == 0) _exit(mount("proc", host().c_str(), "proc", 0, nullptr) == 0 ? 0 : 1);
      int status = 0;
      _exit(waitpid(first, &status, 0) == first && status == 0 ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
    const Outcome outcome = RunDiag({"-tan", "--proc", host()});
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_THAT(outcome.err, HasSubstr(host()));
  });
}

// ---- Cgroups of version 1 ----

// A process with a listener, in a cgroup of version 1 that is named like a container.
class V1Container {
 public:
  V1Container() {
    for (const char* hierarchy : {"pids", "freezer", "memory", "cpu", "systemd"}) {
      const std::string directory = std::string("/sys/fs/cgroup/") + hierarchy;
      if (access((directory + "/cgroup.procs").c_str(), W_OK) != 0) continue;
      if (access((directory + "/cgroup.controllers").c_str(), F_OK) == 0) continue;  // version 2
      path_ = directory + "/docker-" + id() + ".scope";
      if (mkdir(path_.c_str(), 0755) == 0) break;
      path_.clear();
    }
    if (path_.empty()) return;
    int ready[2];
    EXPECT_EQ(pipe2(ready, O_CLOEXEC), 0);
    child_ = fork();
    if (child_ == 0) {
      std::ofstream(path_ + "/cgroup.procs") << getpid() << std::flush;
      ListenOnLoopback();
      if (write(ready[1], "x", 1) != 1) _exit(1);
      for (;;) pause();
    }
    char byte = 0;
    EXPECT_EQ(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
  }
  V1Container(const V1Container&) = delete;
  V1Container& operator=(const V1Container&) = delete;
  ~V1Container() {
    if (path_.empty()) return;
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
    // A cgroup is empty a moment after its last process was waited for.
    while (rmdir(path_.c_str()) != 0 && errno == EBUSY) usleep(1000);
  }

  bool possible() const { return !path_.empty(); }
  static std::string id() {
    const std::string pid = std::to_string(getpid());
    return std::string(64 - pid.size(), 'b') + pid;
  }

 private:
  std::string path_;
  pid_t child_ = -1;
};

TEST(V1Cgroups, ContainersAreNamedAndFound) {
  const V1Container container;
  if (!container.possible()) GTEST_SKIP() << "no cgroups of version 1 that can be made";
  const std::string id = V1Container::id();
  EXPECT_EQ(RunDiag({"-tlH", "--columns", "container"}).out, id + "\n");
  EXPECT_THAT(RunDiag({"-tlnH", "container = " + id}).out, HasSubstr("LISTEN"));
  EXPECT_EQ(RunDiag({"-tlnH", "container = " + id.substr(1) + "0"}).out, "");
  EXPECT_THAT(RunDiag({"-tl", "--count-by", "container"}).out, HasSubstr(id));
  EXPECT_THAT(RunDiag({"-tlp", "--cgroup", "--json"}).out,
              HasSubstr("\"container\":\"" + id + "\""));
}

// What `cgroup:` shows is a filter.
TEST(Cgroups, WhatIsShownIsAccepted) {
  const int listener = ListenOnLoopback();
  const std::string out = RunDiag({"-tlnH", "--cgroup"}).out;
  const size_t at = out.find("cgroup:");
  ASSERT_NE(at, out.npos) << "needs Linux 5.10";
  const std::string shown = out.substr(at + 7, out.find('\n') - at - 7);
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"-tlnH", "cgroup = \"" + shown + "\""},
        std::vector<std::string>{"-tlnH", "cgroup", "\"" + shown + "\""}}) {
    const Outcome outcome = RunDiag(words);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("LISTEN")) << shown;
  }
  EXPECT_EQ(RunDiag({"-tlnH", "cgroup = unreachable:ffffffff"}).out, "");
  EXPECT_EQ(RunDiag({"-tlnH", "cgroup = unreachable:x"}).exit_code, 2);
  close(listener);
}

}  // namespace
}  // namespace diag
