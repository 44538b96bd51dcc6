// What diag does with its capabilities: those of its file, run by a user who has none, and those
// that it gives up.

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <optional>
#include <ostream>
#include <signal.h>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/types/types.h"
#include "tests/testing/run_program.h"
#include "tests/testing/sockets.h"

namespace diag {
namespace {

using netdiag::testing::kDiag;
using netdiag::testing::Outcome;
using netdiag::testing::RunProgram;
using ::testing::HasSubstr;
using ::testing::Not;

// XATTR_NAME_CAPS of linux/xattr.h, which cannot be included before netinet/in.h.
constexpr char kFileCapabilities[] = "security.capability";

// A copy of diag that other users can run. They can reach /tmp, but perhaps not the directory of
// the tests.
struct Copy {
  Copy() {
    netdiag::testing::Check(mkdtemp(directory.data()) != nullptr, directory);
    chmod(directory.c_str(), 0755);
    program = directory + "/diag";
    std::filesystem::copy_file(kDiag, program);
    chmod(program.c_str(), 0755);
  }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;
  ~Copy() { std::filesystem::remove_all(directory); }

  std::string directory = "/tmp/netdiag_XXXXXX";
  std::string program;
};

// Sets those of this process, as far as it has them; `held` becomes permitted and effective.
void SetCapabilities(uint64_t held, uint64_t inheritable) {
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, 2> data = {};
  if (syscall(SYS_capget, &header, data.data()) != 0) _exit(126);
  for (size_t i = 0; i < data.size(); ++i) {
    const auto bits = [&](uint64_t set) { return static_cast<uint32_t>(set >> (32 * i)); };
    data[i].permitted &= bits(held);
    data[i].effective = data[i].permitted;
    data[i].inheritable = bits(inheritable) & data[i].permitted;
  }
  if (syscall(SYS_capset, &header, data.data()) != 0) _exit(126);
}

class Privileges : public ::testing::Test {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "giving a file capabilities needs root";
    copy_.emplace();
    directory_ = copy_->directory;
    program_ = copy_->program;
    // What docs/security.md gives to diag.
    constexpr unsigned kGiven = 1u << CAP_SYS_PTRACE | 1u << CAP_DAC_READ_SEARCH;
    const vfs_cap_data capabilities = {
        .magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
        .data = {{.permitted = kGiven, .inheritable = 0}, {.permitted = 0, .inheritable = 0}}};
    if (setxattr(program_.c_str(), kFileCapabilities, &capabilities, XATTR_CAPS_SZ_2, 0) != 0) {
      GTEST_SKIP() << "this file system keeps no capabilities: " << std::strerror(errno);
    }
    secret_ = directory_ + "/secret";
    std::ofstream(secret_) << "topsecret 1\n";
    chmod(secret_.c_str(), 0600);
  }
  Outcome Run(std::vector<std::string> words, const std::string& environment = {}) {
    return RunProgram(program_, std::move(words), [&] {
      if (!environment.empty()) putenv(const_cast<char*>(environment.c_str()));
      if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) _exit(126);
    });
  }

  std::optional<Copy> copy_;
  std::string directory_, program_, secret_;
};

TEST_F(Privileges, ShowTheOwnersOfOtherUsersSockets) {
  const Outcome outcome = Run({"-xp"});
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, Not(HasSubstr("CAP_")));
}

TEST_F(Privileges, OpenNoFileThatTheCallerMayNotRead) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"-t", "-F", secret_}, {"--replay", secret_}, {"-tp", "--passwd", secret_}}) {
    const Outcome outcome = Run(words);
    EXPECT_NE(outcome.exit_code, 0) << words[0];
    EXPECT_THAT(outcome.err, HasSubstr("Permission denied")) << words[0];
    EXPECT_THAT(outcome.err + outcome.out, Not(HasSubstr("topsecret"))) << words[0];
  }
}

TEST_F(Privileges, WriteNoFileThatTheCallerMayNotWrite) {
  const Outcome outcome = Run({"-t", "--capture", secret_});
  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("Permission denied"));
  EXPECT_EQ(std::filesystem::file_size(secret_), std::strlen("topsecret 1\n"));
}

TEST_F(Privileges, ReadNoProcfsOfTheCallers) {
  EXPECT_THAT(Run({"-tp", "--proc", directory_}).err, HasSubstr("Operation not permitted"));
  // The environment is ignored.
  const Outcome outcome = Run({"-tp"}, "HOST_PROC=" + directory_);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
}

// ---- What is given up ----

// Sets of capabilities, one bit each.
struct Capabilities {
  uint64_t permitted = 0, effective = 0, inheritable = 0, ambient = 0;
  bool operator==(const Capabilities&) const = default;
};

Capabilities CapabilitiesOf(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  Capabilities all;
  for (std::string key, value; status >> key && std::getline(status, value);) {
    const auto number = [&] { return std::stoull(value, nullptr, 16); };
    if (key == "CapPrm:") all.permitted = number();
    if (key == "CapEff:") all.effective = number();
    if (key == "CapInh:") all.inheritable = number();
    if (key == "CapAmb:") all.ambient = number();
  }
  return all;
}

std::ostream& operator<<(std::ostream& out, const Capabilities& all) {
  return out << std::hex << "permitted " << all.permitted << ", effective " << all.effective
             << ", inheritable " << all.inheritable << ", ambient " << all.ambient << std::dec;
}

// Runs `program` until it waits for the reader of its output, and returns its capabilities then.
Capabilities WhileItWrites(const std::string& program, std::vector<std::string> words,
                           const std::function<void()>& prepare = nullptr) {
  int ends[2];
  netdiag::testing::Check(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0, "pipe");
  const std::string full(4096, 'x');
  while (write(ends[1], full.data(), full.size()) > 0) continue;
  words.insert(words.begin(), "diag");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    if (prepare) prepare();
    execv(program.c_str(), argv.data());
    _exit(127);
  }
  // diag polls the pipe for room.
  netdiag::testing::Await("diag's output", [&] {
    std::ifstream file("/proc/" + std::to_string(child) + "/syscall");
    std::string number;
    file >> number;
    return number == std::to_string(SYS_poll);
  });
  const Capabilities found = CapabilitiesOf(child);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  for (const int fd : {ends[0], ends[1], null}) close(fd);
  return found;
}

uint64_t Bits(std::initializer_list<int> capabilities) {
  uint64_t bits = 0;
  for (const int each : capabilities) bits |= uint64_t{1} << each;
  return bits;
}

// Only these are left, as far as this process has them, and none for another program.
Capabilities Only(uint64_t bits) {
  const uint64_t left = bits & CapabilitiesOf(getpid()).permitted;
  return {.permitted = left, .effective = left};
}

TEST(Capabilities, ThatTheCommandLineCannotNeedAreGivenUp) {
  if (geteuid() != 0) GTEST_SKIP() << "only root has capabilities to give up";
  const uint64_t net = Bits({CAP_NET_ADMIN});
  const uint64_t processes = Bits({CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH});
  const uint64_t bpf = Bits({CAP_BPF, CAP_PERFMON});
  const uint64_t files = Bits({CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE});
  const uint64_t namespaces = Bits({CAP_SYS_ADMIN});
  const std::string here = "/proc/self/ns/net";
  const std::vector<std::pair<std::vector<std::string>, uint64_t>> lines = {
      {{"-tan"}, net | bpf},
      {{"-tane"}, net | processes},
      {{"-tan", "--json"}, net | bpf},
      {{"-tan", "--columns=cookie"}, net},
      {{"-tan", "--columns=cookie", "--exact"}, net | bpf},
      {{"-tanp"}, net | processes | bpf},
      {{"-tan", "comm = x or sport gt 0"}, net | processes | bpf},
      {{"-tan", "--cgroup"}, net | processes | bpf},
      {{"-tan", "-N", here}, net | processes | namespaces | bpf},
      {{"-tan", "--all-netns"}, net | processes | namespaces | bpf},
      {{"-t", "--capture", "-"}, net | processes | files},
      {{"-K", "--dry-run", "-t", "sport = 1"}, net | bpf},
      {{"connections", "tcp"}, processes | namespaces | bpf},
      {{"interfaces"}, processes | namespaces},
      {{"netstat", "-tan"}, processes | namespaces | bpf},
      {{"top", "-b", "-n", "1"}, net | processes | namespaces | bpf},
      {{"why", ":1"}, processes | namespaces | bpf},
      {{"help", "fields"}, 0},
  };
  for (const auto& [words, left] : lines) {
    EXPECT_EQ(WhileItWrites(kDiag, words), Only(left)) << ::testing::PrintToString(words);
  }
}

TEST_F(Privileges, AreGivenUpIfTheyAreNotNeeded) {
  const auto as_nobody = [] {
    if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) _exit(126);
  };
  EXPECT_EQ(WhileItWrites(program_, {"-tan"}, as_nobody), Capabilities());
  EXPECT_EQ(WhileItWrites(program_, {"-tanp"}, as_nobody),
            Only(Bits({CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH})));
}

TEST(Capabilities, OfTheCallersEnvironmentAreHandedToNoProgram) {
  if (geteuid() != 0) GTEST_SKIP() << "only root has capabilities to hand over";
  // `diag` as a user with ambient capabilities, as systemd's AmbientCapabilities= gives them.
  const auto as_service = [] {
    prctl(PR_SET_KEEPCAPS, 1);
    if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) _exit(126);
    const uint64_t held = Bits({CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_NET_ADMIN});
    SetCapabilities(held, held);
    for (const int each : {CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_NET_ADMIN}) {
      if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, each, 0, 0) != 0) _exit(126);
    }
  };
  Copy copy;
  EXPECT_EQ(WhileItWrites(copy.program, {"-tanp"}, as_service),
            Only(Bits({CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_NET_ADMIN})));
  EXPECT_EQ(WhileItWrites(copy.program, {"-tan"}, as_service), Only(Bits({CAP_NET_ADMIN})));
}

// In a container, root often lacks CAP_SYS_PTRACE. The kernel then compares capabilities.
TEST(Capabilities, AreKeptWhereTheyShowOwnersInsteadOfCapSysPtrace) {
  if (geteuid() != 0) GTEST_SKIP() << "only root has capabilities to compare";
  const int listener =
      netdiag::testing::Listen(netdiag::testing::Loopback(netdiag::Family::kInet), 1);
  const std::string port = std::to_string(netdiag::testing::LocalOf(listener).port.value());
  const uint64_t theirs = Bits({CAP_CHOWN, CAP_KILL, CAP_DAC_OVERRIDE});
  const pid_t holder = fork();
  if (holder == 0) {
    SetCapabilities(theirs, 0);
    for (;;) pause();
  }
  netdiag::testing::Await("the holder", [&] {
    return CapabilitiesOf(holder).permitted == (theirs & CapabilitiesOf(getpid()).permitted);
  });
  const Outcome outcome = netdiag::testing::RunDiag({"-tlnp", "sport = :" + port}, [&] {
    for (int each = 0; each <= CAP_LAST_CAP; ++each) {
      if ((theirs >> each & 1) == 0) prctl(PR_CAPBSET_DROP, each);
    }
  });
  kill(holder, SIGKILL);
  waitpid(holder, nullptr, 0);
  close(listener);
  EXPECT_THAT(outcome.out, HasSubstr("pid=" + std::to_string(holder) + ",")) << outcome.err;
}

}  // namespace
}  // namespace diag
