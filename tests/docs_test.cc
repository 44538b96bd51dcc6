// What docs/ancestors.md and docs/embedding.md say: every row has its test, the examples run, and a
// process is left as it was, with no system call but those on the page.

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <regex>
#include <set>
#include <signal.h>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/capabilities.h"
#include "netdiag/connections.h"
#include "netdiag/destroy.h"
#include "netdiag/engine.h"
#include "netdiag/engine/test_options.h"
#include "netdiag/events.h"
#include "netdiag/monitor.h"
#include "netdiag/net/interfaces.h"
#include "netdiag/netlink/conn.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/process/owner_index.h"
#include "netdiag/row.h"
#include "netdiag/snapshot.h"
#include "netdiag/testing/fake_host.h"
#include "netdiag/types/error.h"
#include "netdiag/unlisted.h"
#include "tests/live/netns_testing.h"
#include "tests/testing/netns.h"
#include "tests/testing/sockets.h"
#include "tests/testing/status_matchers.h"

namespace {
// The code of docs/embedding.md, as it stands there.
#include "tests/embedding_examples.inc"
}  // namespace

namespace netdiag {
namespace {

std::string ReadWhole(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

// "Suite.Test" of every test in tests/.
const std::set<std::string>& AllTests() {
  static const auto* const all = [] {
    auto* tests = new std::set<std::string>;
    const std::regex pattern(R"(\bTEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)\s*\))");
    for (const auto& entry : std::filesystem::recursive_directory_iterator(
             "tests", std::filesystem::directory_options::follow_directory_symlink)) {
      if (entry.path().extension() != ".cc") continue;
      const std::string text = ReadWhole(entry.path());
      for (std::sregex_iterator match(text.begin(), text.end(), pattern), end; match != end;
           ++match) {
        tests->insert((*match)[1].str() + "." + (*match)[2].str());
      }
    }
    return tests;
  }();
  return *all;
}

// The tests that a text names: `Suite.Test`.
std::vector<std::string> TestsIn(const std::string& text) {
  static const std::regex kPattern(R"(`([A-Z]\w+\.[A-Z]\w+)`)");
  std::vector<std::string> tests;
  for (std::sregex_iterator match(text.begin(), text.end(), kPattern), end; match != end; ++match) {
    tests.push_back((*match)[1].str());
  }
  return tests;
}

// The cells of a row "| a | b | c |".
std::vector<std::string> Cells(const std::string& line) {
  std::vector<std::string> cells;
  if (!line.starts_with('|')) return cells;
  std::istringstream in(line.substr(1));
  for (std::string cell; std::getline(in, cell, '|');) {
    const size_t begin = std::min(cell.find_first_not_of(' '), cell.size());
    const size_t end = cell.find_last_not_of(' ');
    cells.push_back(cell.substr(begin, end == cell.npos ? 0 : end + 1 - begin));
  }
  return cells;
}

// ---- docs/ancestors.md ----

// Why the state of a row is none; empty: it is one.
std::string Fault(const std::string& state) {
  if (state.starts_with("out: ")) return state.size() > 10 ? "" : "no reason";
  if (!state.starts_with("done: `")) return "neither done nor out";
  const std::vector<std::string> tests = TestsIn(state);
  if (tests.empty()) return "no test";
  for (const std::string& test : tests) {
    if (!AllTests().contains(test)) return "there is no test " + test;
  }
  return "";
}

TEST(AncestorsDocument, HasEveryRowWithItsTestOrItsReason) {
  const std::regex id(R"(([CNISTR])(\d+))");
  std::map<char, int> rows;
  std::istringstream page(ReadWhole("docs/ancestors.md"));
  for (std::string line; std::getline(page, line);) {
    const std::vector<std::string> cells = Cells(line);
    std::smatch match;
    if (cells.empty() || !std::regex_match(cells[0], match, id)) continue;
    ASSERT_EQ(cells.size(), 3u) << line;
    EXPECT_EQ(std::stoi(match[2].str()), ++rows[match[1].str()[0]]) << line;
    EXPECT_FALSE(cells[1].empty()) << line;
    EXPECT_EQ(Fault(cells[2]), "") << line;
  }
  // The number of rows for each letter: C is gopsutil's Connections, N is Go's net, I is gopsutil's
  // IOCounters, S is mdlayher's socket, T is netstat, and R its tables beside those of sockets.
  EXPECT_EQ(rows, (std::map<char, int>{
                      {'C', 59}, {'N', 79}, {'I', 10}, {'S', 32}, {'T', 28}, {'R', 12}}));
}

TEST(AncestorsDocument, IsHeldToWhatItSays) {
  EXPECT_NE(Fault(""), "");
  EXPECT_NE(Fault("done"), "");
  EXPECT_NE(Fault("done: a test"), "");
  EXPECT_NE(Fault("done: `NoSuite.NoTest`"), "");
  EXPECT_NE(Fault("done: `AncestorsDocument.IsHeldToWhatItSays`, `No.Test`"), "");
  EXPECT_NE(Fault("out: "), "");
  EXPECT_EQ(Fault("done: `AncestorsDocument.IsHeldToWhatItSays`"), "");
  EXPECT_EQ(Fault("out: a reason"), "");
}

TEST(EmbeddingDocument, NamesTestsThatExist) {
  const std::vector<std::string> tests = TestsIn(ReadWhole("docs/embedding.md"));
  EXPECT_GT(tests.size(), 30u);
  for (const std::string& test : tests) EXPECT_TRUE(AllTests().contains(test)) << test;
}

// ---- The examples ----

// Unique identities of sockets that Visit gives.
using Cookies = std::multiset<uint64_t>;

void CheckExample(const std::function<absl::Status(Engine*, const Query&, Engine::Visitor)>& list) {
  testing::Apart([&] {
    std::vector<int> fds;
    for (int i = 0; i < 600; ++i) {  // several datagrams
      fds.push_back(testing::Listen(testing::Loopback(Family::kInet), 1));
    }
    const std::unique_ptr<Engine> engine = Engine::Open().value();
    const Query query{.protocols = {Protocol::kTcp}, .states = State::kListen, .owners = true};
    for (int round = 0; round < 3; ++round) {
      Cookies expected, got;
      ASSERT_TRUE(engine
                      ->Visit(query,
                              [&](const Row& row) {
                                expected.insert(row.cookie().value());
                                return Flow::kContinue;
                              })
                      .ok());
      EXPECT_EQ(expected.size(), fds.size());
      EXPECT_THAT(list(engine.get(), query,
                       [&](const Row& row) {
                         got.insert(row.cookie().value());
                         return Flow::kContinue;
                       }),
                  testing::IsOk());
      EXPECT_EQ(got, expected);
      EXPECT_EQ(engine->summary().rows, fds.size());
    }
    for (const int fd : fds) close(fd);
  });
}

TEST(EmbeddingExamples, ReadEventsGivesSocketsThatClosed) {
  testing::InNewNetns([] {
    auto events = Events::Open({.protocols = {Protocol::kUdp}});
    ASSERT_THAT(events, testing::IsOk());
    const int fd = testing::Make(Family::kInet, SOCK_DGRAM);
    const Cookie closed = testing::CookieOf(fd);
    close(fd);
    bool seen = false;
    testing::Await("the event", [&] {
      const absl::StatusOr<bool> whole = ReadEvents(events->get(), [&](const Row& row) {
        seen |= row.cookie() == closed;
        return Flow::kContinue;
      });
      EXPECT_TRUE(whole.value_or(false)) << whole.status();
      return seen;
    });
  });
}

TEST(EmbeddingExamples, AStuckSocketIsCounted) { EXPECT_TRUE(CountsASocketThatStaysStuck()); }

TEST(EmbeddingExamples, EpollGivesWhatVisitGives) { CheckExample(ListWithEpoll); }

TEST(EmbeddingExamples, IoUringGivesWhatVisitGives) {
  PollRing ring;
  if (!ring.ok()) {
    ASSERT_TRUE(errno == EPERM || errno == ENOSYS) << std::strerror(errno);
    GTEST_SKIP() << "io_uring is not permitted here: " << std::strerror(errno);
  }
  // A pipe that becomes readable while it is waited for.
  std::array<int, 2> fds{};
  ASSERT_EQ(pipe2(fds.data(), O_CLOEXEC), 0);
  std::jthread writer([&] { EXPECT_EQ(write(fds[1], "x", 1), 1); });
  ring.WaitReadable(fds[0]);
  char byte = 0;
  EXPECT_EQ(read(fds[0], &byte, 1), 1);
  close(fds[0]);
  close(fds[1]);
  CheckExample([&](Engine* engine, const Query& query, Engine::Visitor visitor) {
    return ListWithIoUring(&ring, engine, query, visitor);
  });
}

TEST(ConnContract, OptionsAreSetAndReadBack) {
  const auto conn = netlink::Conn::Dial(netlink::kFamilySockDiag).value();
  EXPECT_THAT(conn->SetOption(SOL_SOCKET, SO_PRIORITY, 5), testing::IsOk());
  EXPECT_EQ(conn->GetOption(SOL_SOCKET, SO_PRIORITY).value(), 5);
  EXPECT_EQ(conn->GetOption(SOL_SOCKET, SO_DOMAIN).value(), AF_NETLINK);
  EXPECT_THAT(conn->SetOption(SOL_SOCKET, SO_DOMAIN, 1), testing::ErrnoIs(ENOPROTOOPT));
}

// ---- The process ----

// Nearly all that the library can do; the first that is not OK.
// Closes sockets that share a name, most of them by BPF if it can be used.
absl::Status CloseAGroup() {
  std::array<int, 8> group{};
  std::vector<SocketName> names;
  for (int& fd : group) {
    fd = testing::Make(Family::kInet, SOCK_DGRAM);
    testing::Set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    testing::Bind(fd, {testing::Loopback(Family::kInet).address, Port::FromHost(5353)});
    names.push_back({.protocol = Protocol::kUdp,
                     .local = testing::LocalOf(fd),
                     .remote = {IpAddress::V4(0, 0, 0, 0), Port()},
                     .cookie = testing::CookieOf(fd)});
  }
  NETDIAG_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine, Engine::Open());
  const std::vector<DestroyOutcome> outcomes = engine->Destroy(names);
  for (const int fd : group) close(fd);
  for (const DestroyOutcome& outcome : outcomes) {
    if (outcome.outcome == Destroyed::kRefused) return outcome.status;
  }
  return absl::OkStatus();
}

absl::Status DoEverything(const std::string& netns) {
  const auto visit = [](const Row&) { return Flow::kContinue; };
  std::vector<OwnerSource> sources = {OwnerSource::kProc, OwnerSource::kAuto};
  if (OwnerIndex::CheckBpf().ok()) sources.push_back(OwnerSource::kBpf);
  for (const OwnerSource source : sources) {
    NETDIAG_ASSIGN_OR_RETURN(
        const std::unique_ptr<Engine> engine,
        Engine::Open({.owner_source = source, .connections = 2, .threads = 2}));
    Query query{.states = StateSet::All(), .owners = true, .peers = true, .cgroups = true};
    NETDIAG_RETURN_IF_ERROR(engine->Visit(query, visit).status());
    query.owner_policy = OwnerPolicy::kFirst;
    NETDIAG_RETURN_IF_ERROR(engine->Take(query).status());
    static_cast<void>(engine->capabilities());
  }
  for (const bool procfs : {false, true}) {
    NETDIAG_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine,
                             internal::OpenForTest({.all_netns = true}, {.prefer_procfs = procfs}));
    NETDIAG_RETURN_IF_ERROR(engine->Visit({}, visit).status());
  }
  ConnectionsOptions options{.netns = netlink::NetNs::FromPath(netns), .threads = 2};
  NETDIAG_RETURN_IF_ERROR(Connections(options).status());
  NETDIAG_RETURN_IF_ERROR(Connections({.pid = Pid(getpid())}).status());
  NETDIAG_ASSIGN_OR_RETURN(InterfaceReader reader, InterfaceReader::Open({.netns = options.netns}));
  NETDIAG_RETURN_IF_ERROR(reader.List().status());
  NETDIAG_RETURN_IF_ERROR(reader.ByName("lo").status());
  NETDIAG_RETURN_IF_ERROR(reader.Addresses().status());
  NETDIAG_RETURN_IF_ERROR(reader.Groups().status());
  for (const OwnerSource source : sources) {
    NETDIAG_RETURN_IF_ERROR(VisitUnlisted({.owner_source = source}, [](const UnlistedSocket&) {
                              return Flow::kContinue;
                            }).status());
  }
  NETDIAG_ASSIGN_OR_RETURN(const auto events,
                           Events::Open({.protocols = {Protocol::kUdp}}, {.netns = options.netns}));
  NETDIAG_RETURN_IF_ERROR(events->TryReceive(visit).status());
  static_cast<void>(events->stats());
  NETDIAG_RETURN_IF_ERROR(CloseAGroup());
  NETDIAG_ASSIGN_OR_RETURN(const auto conn, netlink::Conn::Dial(netlink::kFamilyRoute));
  NETDIAG_ASSIGN_OR_RETURN(const auto copy, netlink::Conn::Dup(conn->fd()));
  NETDIAG_RETURN_IF_ERROR(copy->RemoteAddress().status());
  NETDIAG_RETURN_IF_ERROR(copy->JoinGroup(1));
  const absl::Status timeout =
      conn->Receive(netlink::Conn::IgnoreMessage,
                    {.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(5)})
          .status();
  if (!IsTimeout(timeout)) return timeout;
  // Close() wakes who is inside.
  std::jthread reader_of_copy(
      [&] { copy->Receive(netlink::Conn::IgnoreMessage).status().IgnoreError(); });
  conn->Receive(netlink::Conn::IgnoreMessage,
                {.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(20)})
      .status()
      .IgnoreError();
  copy->Close();
  return absl::OkStatus();
}

// What a library could change behind its host's back.
struct ProcessState {
  std::map<int, std::pair<rlim_t, rlim_t>> limits;
  std::map<int, void*> handlers;
  std::vector<bool> mask;
  std::string directory, name;
  mode_t umask_bits = 0;
  NetnsId netns;
  size_t threads = 0;
  bool operator==(const ProcessState&) const = default;
};

ProcessState StateOfProcess() {
  ProcessState state;
  for (int resource = 0; resource < RLIM_NLIMITS; ++resource) {
    rlimit limit{};
    getrlimit(static_cast<__rlimit_resource_t>(resource), &limit);
    state.limits[resource] = {limit.rlim_cur, limit.rlim_max};
  }
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  for (int number = 1; number < 32; ++number) {
    struct sigaction action {};
    sigaction(number, nullptr, &action);
    state.handlers[number] = reinterpret_cast<void*>(action.sa_handler);
    state.mask.push_back(sigismember(&mask, number) == 1);
  }
  state.directory = std::filesystem::current_path();
  state.umask_bits = umask(0);
  umask(state.umask_bits);
  char name[16] = "";
  prctl(PR_GET_NAME, name);
  state.name = name;
  state.netns = netlink::CurrentNetns();
  state.threads = static_cast<size_t>(
      std::distance(std::filesystem::directory_iterator("/proc/self/task"), {}));
  return state;
}

TEST(Process, IsLeftAsItWas) {
  testing::Apart([] {
    testing::AddNetns("blue");
    const ProcessState before = StateOfProcess();
    ASSERT_THAT(DoEverything("/run/netns/blue"), testing::IsOk());
    // A thread is in the list for a moment after its end.
    testing::Await("the state before", [&] { return StateOfProcess() == before; });
  });
}

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

struct NamedCall {
  std::string_view name;
  long number;
};
#define CALL(name) \
  { #name, SYS_##name }
// Every name that the page may have.
constexpr NamedCall kCalls[] = {CALL(socket),
                                CALL(bind),
                                CALL(connect),
                                CALL(getsockname),
                                CALL(getpeername),
                                CALL(getsockopt),
                                CALL(setsockopt),
                                CALL(sendmsg),
                                CALL(recvmsg),
                                CALL(ppoll),
                                CALL(fcntl),
                                CALL(eventfd2),
                                CALL(openat),
                                CALL(read),
                                CALL(write),
                                CALL(close),
                                CALL(newfstatat),
                                CALL(readlink),
                                CALL(readlinkat),
                                CALL(getdents64),
                                CALL(lseek),
                                CALL(fstatfs),
                                CALL(statfs),
                                CALL(getxattr),
                                CALL(access),
                                CALL(faccessat2),
                                CALL(setns),
                                CALL(clone3),
                                CALL(rt_sigprocmask),
                                CALL(set_robust_list),
                                CALL(rseq),
                                CALL(exit),
                                CALL(futex),
                                CALL(getpid),
                                CALL(pidfd_open),
                                CALL(pidfd_getfd),
                                CALL(mmap),
                                CALL(munmap),
                                CALL(mprotect),
                                CALL(madvise),
                                CALL(brk),
                                CALL(mremap),
                                CALL(bpf),
                                CALL(kcmp),
                                CALL(ioctl),
                                CALL(capget),
                                CALL(uname),
                                CALL(clone),
                                CALL(fstat),
                                CALL(clock_gettime),
                                CALL(getrandom),
                                CALL(exit_group)};
#undef CALL

// The names in the table of system calls.
std::vector<std::string> CallsOfThePage() {
  const std::string page = ReadWhole("docs/embedding.md");
  const std::string table = page.substr(page.find("## System calls"));
  const std::regex name("`([a-z_0-9]+)`");
  std::vector<std::string> names;
  std::istringstream lines(table);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("| ")) continue;
    for (std::sregex_iterator match(line.begin(), line.end(), name), end; match != end; ++match) {
      names.push_back((*match)[1].str());
    }
  }
  return names;
}

extern "C" void ReportCall(int, siginfo_t* info, void*) {
  char text[] = "a system call that is not on the page: 000\n";
  char* digit = text + sizeof(text) - 3;
  for (int number = info->si_syscall; number > 0; number /= 10) {
    *digit-- = static_cast<char>('0' + number % 10);
  }
  static_cast<void>(!write(STDERR_FILENO, text, sizeof(text) - 1));
  _exit(99);
}

// From now on every other call of this process is reported, and ends it.
void AllowOnly(const std::vector<long>& numbers) {
  struct sigaction action {};
  action.sa_sigaction = ReportCall;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSYS, &action, nullptr);
  std::vector<sock_filter> program = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
  for (const long number : numbers) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP));
  const sock_fprog whole = {static_cast<unsigned short>(program.size()), program.data()};
  testing::Check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no new privileges");
  testing::Check(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &whole) == 0, "seccomp");
}

TEST(Process, MakesNoOtherSystemCalls) {
  std::vector<long> numbers;
  for (const std::string& name : CallsOfThePage()) {
    const auto* const call = std::ranges::find(kCalls, name, &NamedCall::name);
    ASSERT_NE(call, std::end(kCalls)) << name;
    numbers.push_back(call->number);
  }
  ASSERT_GT(numbers.size(), 20u);
  testing::Apart([&] {
    testing::AddNetns("blue");
    const int unlisted = testing::Make(Family::kInet, SOCK_STREAM);  // no dump lists it
    int only_socket = -1;  // of a namespace that nothing else keeps alive
    testing::InNewNetns([&] { only_socket = testing::Make(Family::kInet, SOCK_STREAM); });
    const pid_t child = fork();
    if (child == 0) {
      AllowOnly(numbers);
      const absl::Status status = DoEverything("/run/netns/blue");
      const std::string text = status.ToString() + "\n";
      if (!status.ok()) static_cast<void>(!write(STDERR_FILENO, text.data(), text.size()));
      _exit(status.ok() ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), 0);
    close(only_socket);
    close(unlisted);
  });
}

TEST(Process, ASystemCallThatIsNotOnThePageIsSeen) {
  const pid_t child = fork();
  if (child == 0) {
    AllowOnly({SYS_exit_group, SYS_write, SYS_rt_sigreturn});
    syscall(SYS_getppid);
    _exit(0);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 99);
}

#else

TEST(Process, MakesNoOtherSystemCalls) {
  GTEST_SKIP() << "a sanitizer makes system calls of its own";
}

#endif

}  // namespace
}  // namespace netdiag
