// Runs diag: exit codes, closed and full outputs, and the notes about what is missing.

#include <linux/capability.h>
#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <fcntl.h>
#include <functional>
#include <sched.h>
#include <signal.h>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include "netdiag/netlink/abi.h"
#include "tests/process/owner_testing.h"
#include "tests/testing/netns.h"
#include "tests/testing/run_program.h"
#include "tests/testing/seccomp.h"

namespace diag {
namespace {

using netdiag::testing::Outcome;
using netdiag::testing::RunDiag;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// The program lists the sockets of this namespace, and no other program opens any there.
const auto* const kNetns =
    ::testing::AddGlobalTestEnvironment(new netdiag::testing::NewNetnsEnvironment);

size_t LinesOf(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

// Opens sockets while it lives, so that every listing has something to say.
class SomeSockets {
 public:
  explicit SomeSockets(int count) : fds_(static_cast<size_t>(count)) {
    for (int& fd : fds_) fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (const int fd : fds_) {
      EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
    }
  }
  SomeSockets(const SomeSockets&) = delete;
  SomeSockets& operator=(const SomeSockets&) = delete;
  ~SomeSockets() {
    for (const int fd : fds_) close(fd);
  }

 private:
  std::vector<int> fds_;
};

TEST(Diag, ExitsWithZeroAfterAnAnswer) {
  const SomeSockets sockets(3);
  const Outcome outcome = RunDiag({"-uan"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
  EXPECT_THAT(outcome.out, StartsWith("State"));
  EXPECT_GE(LinesOf(outcome.out), 4u);
  EXPECT_EQ(LinesOf(RunDiag({"-uanH"}).out) + 1, LinesOf(outcome.out));
}

TEST(Diag, ExitsWithTwoAfterAUsageError) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"-J"}, {"--bogus"}, {"state", "sleepy"}, {"--limit", "0"}}) {
    const Outcome outcome = RunDiag(words);
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_EQ(outcome.out, "");
    EXPECT_THAT(outcome.err, StartsWith("diag: "));
    EXPECT_EQ(LinesOf(outcome.err), 1u);
  }
  // Of an expression the place is shown.
  const Outcome filter = RunDiag({"dport", "=", ":22", "and"});
  EXPECT_EQ(filter.exit_code, 2);
  EXPECT_EQ(filter.out, "");
  EXPECT_THAT(filter.err, StartsWith("diag: "));
  EXPECT_THAT(filter.err, HasSubstr("dport = :22 and"));
  EXPECT_THAT(filter.err, HasSubstr("^"));
  // Arguments are foreign names, too.
  EXPECT_THAT(RunDiag({"--\x1b[31m\nx"}).err, HasSubstr("--\\x1b[31m\\x0ax"));
}

TEST(Diag, SaysThatNoProcessHasTheName) {
  const Outcome none = RunDiag({"no-such-process"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_THAT(none.err, EndsWith("diag: no process named \"no-such-process\" holds a socket\n"));
  const SomeSockets sockets(1);
  const Outcome some = RunDiag({"-nH", "main_test"});
  EXPECT_EQ(some.exit_code, 0) << some.err;
  EXPECT_THAT(some.out, HasSubstr("users:((\"main_test\""));
  const Outcome other = RunDiag({"-t", "main_test"});
  EXPECT_EQ(other.exit_code, 1);
  EXPECT_THAT(other.err, HasSubstr("\"main_test\" holds a socket that the other words select"));
  EXPECT_EQ(RunDiag({"comm = no-such-process"}).exit_code, 0);
}

TEST(Diag, SaysWhyNoSocketCanMatch) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"-l", "state = established"},
                                             {"-4", "src [::1]"},
                                             {"-tj", "name = /x"},
                                             {"-u", "--count-by", "state", "LISTEN"}}) {
    const Outcome outcome = RunDiag(words);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_THAT(outcome.err, StartsWith("diag: no socket can match: "));
    EXPECT_EQ(LinesOf(outcome.err), 1u) << outcome.err;
  }
  EXPECT_EQ(RunDiag({"-tl", "state = listening and sport = 1"}).err, "");
}

TEST(Diag, AnArgumentThatNamesNoNamespaceIsAUsageError) {
  for (const char* name : {"nope", "999999999", "/run/netns/nope"}) {
    for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
             {"-N", name}, {"connections", "--net", name}, {"interfaces", "--net", name}}) {
      const Outcome outcome = RunDiag(words);
      EXPECT_EQ(outcome.exit_code, 2) << ::testing::PrintToString(words);
      EXPECT_EQ(outcome.out, "");
      EXPECT_THAT(outcome.err, HasSubstr(name));
    }
  }
}

TEST(Diag, HelpIsAlsoAWord) { EXPECT_EQ(RunDiag({"help"}).out, RunDiag({"-h"}).out); }

TEST(Diag, PrintsHelpAndVersion) {
  const Outcome help = RunDiag({"-h"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.out, HasSubstr("--no-header"));
  const Outcome version = RunDiag({"-V"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_THAT(version.out, HasSubstr("netdiag-"));
  EXPECT_EQ(LinesOf(version.out), 1u);
}

TEST(Diag, ListsTheCapabilitiesOfTheKernel) {
  const Outcome outcome = RunDiag({"--capabilities"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, StartsWith("kernel "));
  for (const char* table : {"\ntcp inet ", "\nudp inet6 ", "\nudplite ", "\nraw ", "\nicmp ",
                            "\ndccp ", "\nsctp ", "\nmptcp ", "\nunix ", "\npacket ", "\nnetlink ",
                            "\nvsock ", "\ntipc ", "\nxdp ", "\nsmc "}) {
    EXPECT_THAT(outcome.out, HasSubstr(table));
  }
  for (const char* feature :
       {"\nbpf_owners ", "\nbpf_census ", "\nbpf_socket_tables ", "\nbpf_netns_list ",
        "\nbpf_kill ", "\nbpf_kill_tcp ", "\nkill ", "\ncgroup_ids ", "\nidle_tcp "}) {
    EXPECT_THAT(outcome.out, HasSubstr(feature));
  }
}

// A kernel that lacks a table has none of its sockets, unless the user asks for them.
TEST(Diag, OnlyANamedTableThatTheKernelLacksIsAnError) {
  RunDiag({"-A", "vsock,tipc,xdp,smc,sctp,dccp"});  // loads what can be loaded
  const std::string capabilities = RunDiag({"--capabilities"}).out;
  const struct {
    const char *table, *option, *module, *config;
  } kRows[] = {
      {"vsock", "--vsock", "vsock_diag", "CONFIG_VSOCKETS_DIAG"},
      {"tipc", "--tipc", "tipc_diag", "CONFIG_TIPC_DIAG"},
      {"xdp", "--xdp", "xsk_diag", "CONFIG_XDP_SOCKETS_DIAG"},
      {"smc", "--smc", "smc_diag", "CONFIG_SMC_DIAG"},
      {"sctp", "-S", "sctp_diag", "CONFIG_INET_SCTP_DIAG"},
      {"dccp", "-d", "dccp_diag", "CONFIG_INET_DCCP_DIAG"},
  };
  for (const auto& row : kRows) {
    SCOPED_TRACE(row.table);
    const size_t line = capabilities.find(std::string("\n") + row.table + " ");
    ASSERT_NE(line, capabilities.npos);
    const std::string said =
        capabilities.substr(line + 1, capabilities.find('\n', line + 1) - line);
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{row.option}, {"-A", row.table}, {row.table}}) {
      SCOPED_TRACE(::testing::PrintToString(words));
      const Outcome named = RunDiag(words);
      if (said.find(row.config) == said.npos) {
        EXPECT_EQ(named.exit_code, 0) << said;
        continue;
      }
      EXPECT_EQ(named.exit_code, 1);
      EXPECT_THAT(named.err, HasSubstr(row.table));
      EXPECT_THAT(named.err, HasSubstr(row.config));
      EXPECT_THAT(named.err, HasSubstr(row.module));
    }
  }
  for (const std::vector<std::string>& words : {std::vector<std::string>{"-an"},
                                                {"-A", "inet"},
                                                {"-A", "all", "-an"},
                                                {"-4"},
                                                {"-x6"},
                                                {"-A", "inet,tcp"},
                                                {"-s"}}) {
    const Outcome all = RunDiag(words);
    EXPECT_EQ(all.exit_code, 0) << all.err;
    EXPECT_EQ(all.err, "");
  }
}

TEST(Diag, WritesOneLineForEachSocketWithO) {
  const SomeSockets sockets(2);
  EXPECT_THAT(RunDiag({"-uamnH"}).out, HasSubstr("\n\t skmem:("));
  EXPECT_THAT(RunDiag({"-uamnHO"}).out, Not(HasSubstr("\t")));
}

TEST(Diag, WritesAJsonObject) {
  const SomeSockets sockets(2);
  const Outcome outcome = RunDiag({"--json", "-tuxanp"});
  EXPECT_EQ(outcome.exit_code, 0);
  rapidjson::Document document;
  document.Parse<rapidjson::kParseValidateEncodingFlag>(outcome.out.data(), outcome.out.size());
  ASSERT_FALSE(document.HasParseError());
  EXPECT_GE(document["sockets"].Size(), 2u);
  EXPECT_TRUE(document.HasMember("owner_scan"));
}

TEST(Diag, EndsQuietlyIfThePipeIsClosed) {
  const SomeSockets sockets(200);
  for (const bool signal_ignored : {false, true}) {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    const auto prepare = [&] { signal(SIGPIPE, signal_ignored ? SIG_IGN : SIG_DFL); };
    const Outcome outcome = RunDiag({"-tuxan"}, prepare, ends[1]);
    close(ends[1]);
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_EQ(outcome.err, "");
  }
}

TEST(Diag, EndsQuietlyIfTheReaderStopsAfterOneLine) {
  const SomeSockets sockets(800);
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  fcntl(ends[1], F_SETPIPE_SZ, 4096);
  const pid_t reader = fork();
  if (reader == 0) {
    close(ends[1]);
    char byte = 0;
    while (read(ends[0], &byte, 1) == 1 && byte != '\n') {
    }
    _exit(byte == '\n' ? 0 : 1);
  }
  close(ends[0]);
  const Outcome outcome = RunDiag({"-tuxane"}, nullptr, ends[1]);
  close(ends[1]);
  int status = 0;
  ASSERT_EQ(waitpid(reader, &status, 0), reader);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.err, "");
}

TEST(Diag, ReportsAFullOutput) {
  const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  ASSERT_GE(full, 0);
  for (const char* words : {"-tuxan", "--json", "-h", "-V", "--capabilities"}) {
    const Outcome outcome = RunDiag({words}, nullptr, full);
    EXPECT_EQ(outcome.exit_code, 1) << words;
    EXPECT_THAT(outcome.err, HasSubstr("standard output: No space left on device")) << words;
    EXPECT_EQ(LinesOf(outcome.err), 1u) << outcome.err;
  }
  close(full);
}

// The next descriptor that a process opens gets the number of a closed one. The netlink socket must
// not get the number of stdout.
TEST(Diag, NeverWritesToItsSocketIfStdoutIsClosed) {
  const Outcome without_out = RunDiag({"-tuxan"}, [] { close(STDOUT_FILENO); });
  EXPECT_EQ(without_out.exit_code, 1);
  EXPECT_THAT(without_out.err, HasSubstr("standard output: Bad file descriptor"));

  const SomeSockets sockets(3);
  const Outcome without_others = RunDiag({"-uan"}, [] {
    close(STDIN_FILENO);
    close(STDERR_FILENO);
  });
  EXPECT_EQ(without_others.exit_code, 0);
  EXPECT_GE(LinesOf(without_others.out), 4u) << without_others.out;
}

// The kernel's answer about one listener has room for two or three thousand pending connections.
TEST(Diag, ReportsMissingPendingConnections) {
  constexpr int kWaiting = 4000;
  rlimit limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = limit.rlim_max;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
  if (limit.rlim_cur < kWaiting + 100) GTEST_SKIP() << "RLIMIT_NOFILE is " << limit.rlim_cur;

  std::vector<int> fds = {socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  ASSERT_EQ(bind(fds[0], reinterpret_cast<const sockaddr*>(&address), sizeof(sa_family_t)), 0);
  socklen_t size = sizeof(address);  // the kernel chose a name
  ASSERT_EQ(getsockname(fds[0], reinterpret_cast<sockaddr*>(&address), &size), 0);
  ASSERT_EQ(listen(fds[0], kWaiting), 0);
  const auto connect_one = [&] {
    fds.push_back(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    return connect(fds.back(), reinterpret_cast<const sockaddr*>(&address), size) == 0;
  };
  while (fds.size() <= kWaiting && connect_one()) {
  }
  const bool full = fds.size() > kWaiting;
  const Outcome outcome = full ? RunDiag({"-xlneH"}) : Outcome();
  for (const int fd : fds) close(fd);
  if (!full) GTEST_SKIP() << "net.core.somaxconn is below " << kWaiting;
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.err, HasSubstr("pending connections of 1 unix listeners are missing"));
}

TEST(Diag, WithoutRootListsRowsAndReportsMissingOwners) {
  if (geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
  const SomeSockets sockets(3);  // of root, whose descriptors another user cannot read
  const auto nobody = [] {
    if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) _exit(126);
  };
  const Outcome outcome = RunDiag({"-tuxanpH"}, nobody);
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_GE(LinesOf(outcome.out), 3u);
  EXPECT_EQ(LinesOf(outcome.err), 1u) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("owners may be missing, because"));
  // Without -p there is no note about owners.
  EXPECT_EQ(RunDiag({"-tuxanH"}, nobody).err, "");
}

void ForbidNetlink() { netdiag::testing::DenySystemCall(SYS_socket, EAFNOSUPPORT, AF_NETLINK); }

TEST(Diag, ASandboxWithoutNetlinkIsOneNoteAndNoFailure) {
  const SomeSockets sockets(5);
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"-H"}, {"-aH"}, {"-anH"}, {"-tuxanH"}, {"-anH", "-A", "all"}}) {
    const Outcome outcome = RunDiag(words, ForbidNetlink);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(LinesOf(outcome.err), 1u) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("; /proc/net was read instead"));
    EXPECT_THAT(outcome.err, HasSubstr("unix, ")) << "it names each table";
  }
  EXPECT_GE(LinesOf(RunDiag({"-anH"}, ForbidNetlink).out), 5u);
  // The user named a table that /proc/net does not have.
  const Outcome named = RunDiag({"-Man"}, ForbidNetlink);
  EXPECT_EQ(named.exit_code, 1);
  EXPECT_THAT(named.err, HasSubstr("mptcp inet, mptcp inet6"));
}

TEST(Diag, InterfacesFallBackToProcNetDev) {
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"interfaces"}, {"interfaces", "--json"}, {"interfaces", "--rates", "0.01"}}) {
    const Outcome outcome = RunDiag(words, ForbidNetlink);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("lo"));
    EXPECT_EQ(LinesOf(outcome.err), 1u) << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("/proc/net/dev was read instead"));
  }
  const std::string first = RunDiag({"interfaces"}).out;
  EXPECT_THAT(RunDiag({"interfaces"}, ForbidNetlink).out,
              StartsWith(first.substr(0, first.find('\n') + 1)));
}

// The namespace of mounts is the child's own.
void EmptyDev() {
  if (unshare(CLONE_NEWNS) != 0 || mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      mount("none", "/dev", "tmpfs", 0, nullptr) != 0) {
    _exit(126);
  }
}

TEST(Diag, NeedsDevNullOnlyForClosedDescriptorsAndSaysSo) {
  const SomeSockets sockets(3);
  const Outcome open_ones = RunDiag({"-uanH"}, EmptyDev);
  EXPECT_EQ(open_ones.exit_code, 0) << open_ones.err;
  EXPECT_GE(LinesOf(open_ones.out), 3u);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO}) {
    const Outcome closed = RunDiag({"-uanH"}, [&] {
      EmptyDev();
      close(fd);
    });
    EXPECT_EQ(closed.exit_code, 1);
    EXPECT_EQ(closed.out, "");
    EXPECT_THAT(closed.err, StartsWith("diag: /dev/null: No such file or directory"));
    EXPECT_EQ(LinesOf(closed.err), 1u) << closed.err;
  }
}

// Keeps these capabilities only, as the user root or nobody. Source: capset(2).
void KeepOnly(uid_t user, uint64_t capabilities) {
  // Reading /proc/self as another user needs a dumpable process; exec makes it so.
  prctl(PR_SET_KEEPCAPS, 1);
  if (setresgid(user, user, user) != 0 || setresuid(user, user, user) != 0) _exit(126);
  if (user == 0) prctl(PR_SET_SECUREBITS, 1);  // SECBIT_NOROOT: exec gives root nothing
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  for (int i = 0; i < 2; ++i) {
    data[i].effective = data[i].permitted = data[i].inheritable =
        static_cast<uint32_t>(capabilities >> (32 * i));
  }
  if (syscall(SYS_capset, &header, data) != 0) _exit(126);
  for (int capability = 0; capability < 64; ++capability) {
    if ((capabilities >> capability & 1) != 0) {
      prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0);
    }
  }
}

TEST(Diag, AdviceAboutOwnersNamesWhatIsMissing) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const SomeSockets sockets(3);
  constexpr uint64_t kPtrace = uint64_t{1} << CAP_SYS_PTRACE;
  constexpr uint64_t kSearch = uint64_t{1} << CAP_DAC_READ_SEARCH;
  constexpr uid_t kNobody = 65534;
  const auto note = [](uid_t user, uint64_t capabilities) {
    const Outcome outcome = RunDiag({"-uanp"}, [=] { KeepOnly(user, capabilities); });
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    return outcome.err;
  };
  EXPECT_THAT(note(kNobody, 0),
              HasSubstr("run as root or with CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH\n"));
  EXPECT_THAT(note(kNobody, kPtrace), HasSubstr("run as root or with CAP_DAC_READ_SEARCH\n"));
  EXPECT_THAT(note(kNobody, kSearch), HasSubstr("run as root or with CAP_SYS_PTRACE\n"));
  // A process of another user namespace can still be unreadable, but no capability would help.
  EXPECT_THAT(note(kNobody, kPtrace | kSearch), Not(HasSubstr("CAP_")));
  // Root without capabilities may not read the process of this test, which has capabilities.
  EXPECT_THAT(note(0, 0), HasSubstr(": root lacks CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH\n"));
}

TEST(Diag, UnreadableProcessesAreNamedThreeAtMost) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const std::string err = RunDiag({"-uanp"}, [] { KeepOnly(65534, 0); }).err;
  // Process 1 is root's. The list has two more, and there are others.
  EXPECT_THAT(err,
              ::testing::ContainsRegex(
                  "processes could not be read \\(1 [^,]+, [0-9]+ [^,]+, [0-9]+ [^,]+(, …)?\\)"));
}

TEST(Diag, InAPidNamespaceSaysThatProcessesOutsideAreNotSeen) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const SomeSockets sockets(1);
  netdiag::testing::RunAlone([] {
    const Outcome outcome = RunDiag({"-uanp"});
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_THAT(outcome.err, HasSubstr("does not see the processes outside"));
    EXPECT_EQ(LinesOf(outcome.err), 1u) << outcome.err;
    EXPECT_EQ(RunDiag({"-uan"}).err, "");
  });
}

TEST(Diag, WithoutNetlinkReadsProcNetAndSaysSo) {
  const SomeSockets sockets(5);
  const Outcome outcome = RunDiag({"-tuxanH"}, ForbidNetlink);
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_GE(LinesOf(outcome.out), 5u);
  EXPECT_GT(LinesOf(outcome.err), 0u);
  for (size_t start = 0; start < outcome.err.size();) {
    const size_t end = outcome.err.find('\n', start);
    EXPECT_THAT(outcome.err.substr(start, end - start), HasSubstr("; /proc/net was read instead"));
    start = end + 1;
  }
  EXPECT_THAT(outcome.err, HasSubstr("Address family not supported by protocol"));
  // /proc/net has the same sockets.
  EXPECT_EQ(RunDiag({"-uanH"}, ForbidNetlink).out, RunDiag({"-uanH"}).out);
}

}  // namespace
}  // namespace diag
