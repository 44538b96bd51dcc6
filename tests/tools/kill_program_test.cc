// Runs diag -K in a namespace of its own: what is closed, what is not, what is said, and how it
// ends.

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <poll.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include "netdiag/types/address.h"
#include "tests/live/netns_testing.h"
#include "tests/testing/netns.h"
#include "tests/testing/run_program.h"
#include "tests/testing/sockets.h"
#include "tests/tools/schema_testing.h"

namespace netdiag::testing {
namespace {

using diag::testing::SchemaValidator;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const SchemaValidator& Schema() {
  static const SchemaValidator schema(RunDiag({"--help-format=schema"}).out);
  return schema;
}

std::string Port4(int fd) { return std::to_string(LocalOf(fd).port.value()); }

int ReadErrno(int fd) {
  char byte = 0;
  return recv(fd, &byte, 1, MSG_DONTWAIT) < 0 ? errno : 0;
}

// Loses these capabilities, also for the program that is executed.
std::function<void()> Without(std::vector<int> capabilities) {
  return [capabilities] {
    prctl(PR_SET_SECUREBITS, 1);  // SECBIT_NOROOT: exec gives root nothing
    __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    if (syscall(SYS_capget, &header, data) != 0) _exit(126);
    for (const int bit : capabilities) {
      data[bit / 32].effective &= ~(1u << bit % 32);
      data[bit / 32].permitted &= ~(1u << bit % 32);
    }
    data[0].inheritable = data[0].permitted;
    data[1].inheritable = data[1].permitted;
    if (syscall(SYS_capset, &header, data) != 0) _exit(126);
    for (int bit = 0; bit < 64; ++bit) {
      if ((data[bit / 32].permitted >> bit % 32 & 1) != 0) {
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, bit, 0, 0);
      }
    }
  };
}

// Sockets of UDP that share one name.
class Group {
 public:
  explicit Group(size_t count) {
    for (size_t i = 0; i < count; ++i) {
      sockets_.push_back(Make(Family::kInet, SOCK_DGRAM));
      Set(sockets_.back(), SOL_SOCKET, SO_REUSEPORT, 1);
      Bind(sockets_.back(), {Loopback(Family::kInet).address, Port::FromHost(5353)});
    }
  }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  ~Group() {
    for (const int fd : sockets_) close(fd);
  }
  int operator[](size_t i) const { return sockets_[i]; }
  size_t CountClosed() const {
    size_t closed = 0;
    for (const int fd : sockets_) closed += ReadErrno(fd) == ECONNABORTED ? 1 : 0;
    return closed;
  }

 private:
  std::vector<int> sockets_;
};

// ---- What is closed ----

TEST(KillProgram, EndsABlockedReadAndResetsThePeer) {
  InNewNetns([] {
    const Pair pair = MakePair(Family::kInet);
    const Pair other = MakePair(Family::kInet);
    std::atomic<bool> reading{false};
    int errnum = 0;
    std::thread reader([&] {
      char byte = 0;
      reading = true;
      errnum = recv(pair.client, &byte, 1, 0) < 0 ? errno : 0;
    });
    Await("the reader", [&] { return reading.load(); });
    const Outcome outcome = RunDiag({"-K", "-tn", "sport", "=", Port4(pair.client)});
    reader.join();
    EXPECT_EQ(errnum, ECONNABORTED);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    // The row, as the listing shows it.
    EXPECT_THAT(outcome.out, AllOf(HasSubstr("ESTAB"), HasSubstr(":" + Port4(pair.client) + " ")));
    EXPECT_THAT(outcome.out, Not(HasSubstr(Port4(other.client))));
    pollfd wait = {pair.server, POLLIN, 0};
    EXPECT_EQ(poll(&wait, 1, 10'000), 1);
    EXPECT_EQ(ReadErrno(pair.server), ECONNRESET);
    EXPECT_EQ(ReadErrno(other.client), EAGAIN);
    for (const Pair& each : {pair, other}) close(each.client), close(each.server);
  });
}

TEST(KillProgram, ClosesOneSocketOfAGroupByItsCookie) {
  if (!KernelIs(6, 5)) GTEST_SKIP() << "before 6.5 BPF programs cannot close sockets";
  InNewNetns([] {
    const Group group(50);
    const std::string cookie = std::to_string(CookieOf(group[25]).value());
    const Outcome outcome = RunDiag({"-K", "-uan", "cookie = " + cookie});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(ReadErrno(group[25]), ECONNABORTED);
    EXPECT_EQ(group.CountClosed(), 0u) << "the others live, and the error is told once";
  });
}

TEST(KillProgram, ClosesWhatAProcessHolds) {
  InNewNetns([] {
    const int bystander = Make(Family::kInet, SOCK_DGRAM);
    Bind(bystander, Loopback(Family::kInet));
    int ends[2];
    Check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
    const pid_t child = fork();
    if (child == 0) {
      prctl(PR_SET_NAME, "victim-of-K");
      close(bystander);
      const int fd = Make(Family::kInet, SOCK_DGRAM);
      Bind(fd, Loopback(Family::kInet));
      char byte = 'r';
      if (write(ends[1], &byte, 1) != 1) _exit(1);
      _exit(recv(fd, &byte, 1, 0) < 0 ? errno : 0);
    }
    char byte = 0;
    Check(read(ends[0], &byte, 1) == 1, "the child");
    const Outcome outcome = RunDiag({"-K", "-un", "victim-of-K"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_THAT(outcome.out, HasSubstr("users:((\"victim-of-K\",pid=" + std::to_string(child)));
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), ECONNABORTED);
    EXPECT_EQ(ReadErrno(bystander), EAGAIN);
    for (const int fd : {bystander, ends[0], ends[1]}) close(fd);
  });
}

TEST(KillProgram, ObeysTheNamespace) {
  Apart([] {
    const NetnsId blue = AddNetns("blue");
    int here = Make(Family::kInet, SOCK_DGRAM), there = -1;
    const Endpoint at = {Loopback(Family::kInet).address, Port::FromHost(5000)};
    Bind(here, at);
    In("blue", [&] { Bind(there = Make(Family::kInet, SOCK_DGRAM), at); });
    const Outcome named = RunDiag({"-K", "-N", "blue", "-uan", "sport = 5000"});
    EXPECT_EQ(named.exit_code, 0) << named.err;
    EXPECT_EQ(ReadErrno(there), ECONNABORTED);
    EXPECT_EQ(ReadErrno(here), EAGAIN);
    // The filter keeps to the namespace of the test: the machine has others.
    const Outcome all = RunDiag({"-K", "--all-netns", "-uan",
                                 "netns = " + std::to_string(blue.value()) + " and sport = 5000"});
    EXPECT_EQ(all.exit_code, 0) << all.err;
    EXPECT_EQ(ReadErrno(there), ECONNABORTED);
    EXPECT_EQ(ReadErrno(here), EAGAIN);
    close(here);
    close(there);
    DeleteNetns("blue");
  });
}

// ---- What is not closed ----

TEST(KillProgram, ClosesNothingInADryRun) {
  InNewNetns([] {
    const Pair pair = MakePair(Family::kInet);
    const std::vector<std::string> words = {"-Ktn", "sport", "=", Port4(pair.client)};
    std::vector<std::string> dry = words;
    dry.emplace_back("--dry-run");
    const Outcome rehearsed = RunDiag(dry);
    EXPECT_EQ(rehearsed.exit_code, 0);
    EXPECT_EQ(rehearsed.err, "diag: dry run: nothing was closed; -K alone would close 1 socket\n");
    EXPECT_EQ(ReadErrno(pair.client), EAGAIN);
    const Outcome real = RunDiag(words);
    EXPECT_EQ(rehearsed.out, real.out);
    EXPECT_EQ(ReadErrno(pair.client), ECONNABORTED);
    close(pair.client);
    close(pair.server);
  });
}

TEST(KillProgram, RefusesToCloseEverythingByMistake) {
  InNewNetns([] {
    const Pair pair = MakePair(Family::kInet);
    for (const std::vector<std::string>& words :
         {std::vector<std::string>{"-K"}, {"-Kt"}, {"-K", "state", "established"}, {"-Kx", "-a"}}) {
      const Outcome outcome = RunDiag(words);
      EXPECT_EQ(outcome.exit_code, 2) << outcome.err;
      EXPECT_EQ(outcome.out, "");
    }
    EXPECT_EQ(ReadErrno(pair.client), EAGAIN);
    const Outcome all = RunDiag({"-Ka"});
    // Whichever end is first, the other one is reset.
    EXPECT_THAT(ReadErrno(pair.client), ::testing::AnyOf(ECONNABORTED, ECONNRESET));
    EXPECT_EQ(all.exit_code, 0) << all.err;
    close(pair.client);
    close(pair.server);
  });
}

TEST(KillProgram, SaysThatNothingMatches) {
  InNewNetns([] {
    const Outcome outcome = RunDiag({"-K", "-tan", "sport = 9"});
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_EQ(outcome.err, "diag: no socket matches, so none was closed\n");
    EXPECT_EQ(RunDiag({"-K", "no-such-process"}).exit_code, 0);
  });
}

TEST(KillProgram, SaysWhichCapabilityIsMissing) {
  InNewNetns([] {
    const Pair pair = MakePair(Family::kInet);
    const Outcome outcome =
        RunDiag({"-K", "-tn", "sport", "=", Port4(pair.client)}, Without({CAP_NET_ADMIN}));
    EXPECT_EQ(outcome.exit_code, 1);
    EXPECT_THAT(outcome.err, AllOf(HasSubstr("diag: tcp 127.0.0.1:" + Port4(pair.client)),
                                   HasSubstr("was not closed"), HasSubstr("CAP_NET_ADMIN"),
                                   HasSubstr("of 1 socket that matched, 0 were closed")));
    EXPECT_THAT(outcome.out, Not(HasSubstr(Port4(pair.client))));
    EXPECT_EQ(ReadErrno(pair.client), EAGAIN);
    close(pair.client);
    close(pair.server);
  });
}

TEST(KillProgram, SaysWhichSocketsCouldNotBeSelected) {
  InNewNetns([] {
    const Group group(50);
    const Outcome outcome =
        RunDiag({"-K", "-uan", "sport = 5353"}, Without({CAP_BPF, CAP_PERFMON, CAP_SYS_ADMIN}));
    EXPECT_EQ(outcome.exit_code, 1);
    const size_t closed = group.CountClosed();
    EXPECT_LT(closed, 50u);
    EXPECT_THAT(outcome.err,
                AllOf(HasSubstr("another socket of the same name"), HasSubstr("CAP_BPF"),
                      HasSubstr(" more sockets were not closed: "),
                      HasSubstr("of 50 sockets that matched, " + std::to_string(closed))));
    if (!KernelIs(6, 5)) return;
    // With BPF all are closed.
    const Outcome all = RunDiag({"-K", "-uan", "sport = 5353"});
    EXPECT_EQ(all.exit_code, 0) << all.err;
    EXPECT_EQ(group.CountClosed(), 50u);
  });
}

TEST(KillProgram, LeavesNamedTablesOutThatNoKernelCloses) {
  InNewNetns([] {
    const Pair pair = MakePair(Family::kInet);
    const Outcome outcome = RunDiag({"-K", "-tx", "-an", "sport = " + Port4(pair.client)});
    EXPECT_EQ(outcome.exit_code, 1) << "not all that was asked for";
    EXPECT_THAT(outcome.err, HasSubstr("unix left out: no kernel closes these sockets"));
    EXPECT_EQ(ReadErrno(pair.client), ECONNABORTED);
    close(pair.client);
    close(pair.server);
  });
}

// ---- Forms ----

TEST(KillProgram, WritesJsonThatSaysWhatBecameOfEachSocket) {
  InNewNetns([] {
    const Pair pair = MakePair(Family::kInet);
    const int idle = Make(Family::kInet, SOCK_STREAM);
    Bind(idle, Loopback(Family::kInet));
    const std::string filter = "sport = " + Port4(pair.client) + " or sport = " + Port4(idle);
    const Outcome outcome = RunDiag({"-K", "-tanB", "--json", filter});
    EXPECT_EQ(Schema().Complaint(outcome.out), "") << outcome.out;
    rapidjson::Document answer;
    answer.Parse(outcome.out.c_str());
    ASSERT_FALSE(answer.HasParseError());
    ASSERT_EQ(answer["sockets"].Size(), 1u);
    EXPECT_EQ(answer["sockets"][0]["local_port"].GetUint(), LocalOf(pair.client).port.value());
    EXPECT_FALSE(answer["kill"]["dry_run"].GetBool());
    EXPECT_EQ(answer["kill"]["closed"].GetUint(), 1u);
    // A kernel before 6.8 does not list the second one.
    const unsigned idle_ones = answer["kill"]["not_selectable"].GetUint();
    EXPECT_EQ(outcome.exit_code, idle_ones == 0 ? 0 : 1) << outcome.err;
    ASSERT_EQ(answer["not_closed"].Size(), idle_ones);
    if (idle_ones > 0) {
      EXPECT_STREQ(answer["not_closed"][0]["outcome"].GetString(), "not_selectable");
      EXPECT_THAT(answer["not_closed"][0]["error"].GetString(), HasSubstr("neither listens"));
      EXPECT_EQ(answer["not_closed"][0]["socket"]["local_port"].GetUint(),
                LocalOf(idle).port.value());
    }
    for (const int fd : {pair.client, pair.server, idle}) close(fd);
  });
}

TEST(KillProgram, WritesLinesCsvColumnsAndCounts) {
  InNewNetns([] {
    const auto bind = [] {
      const int fd = Make(Family::kInet, SOCK_DGRAM);
      Bind(fd, {Loopback(Family::kInet).address, Port::FromHost(5000)});
      return fd;
    };
    const int fd = bind();
    const auto run = [](const std::vector<std::string>& more) {
      std::vector<std::string> words = {"-K", "-uan", "sport = 5000"};
      words.insert(words.end(), more.begin(), more.end());
      const Outcome outcome = RunDiag(words);
      EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
      return outcome.out;
    };
    const std::string lines = run({"--jsonl"});
    const size_t end = lines.find('\n');
    EXPECT_EQ(Schema().Complaint(lines.substr(0, end)), "");
    EXPECT_EQ(Schema().Complaint(lines.substr(end + 1)), "");
    EXPECT_THAT(lines.substr(end), HasSubstr("\"kill\":{\"dry_run\":false,\"closed\":1,"));
    EXPECT_THAT(run({"--csv", "--columns", "lport"}), "lport\r\n5000\r\n");
    EXPECT_THAT(run({"-H", "--columns", "lport,protocol"}), HasSubstr("5000"));
    EXPECT_THAT(run({"-H", "--count-by", "protocol"}), HasSubstr("1 udp"));
    EXPECT_THAT(run({"--json", "--dry-run"}), HasSubstr("\"dry_run\":true"));
    close(fd);
  });
}

TEST(KillProgram, ClosesAlthoughTheReaderHasGone) {
  InNewNetns([] {
    const Pair pair = MakePair(Family::kInet);
    int pipe_fds[2];
    Check(pipe2(pipe_fds, O_CLOEXEC) == 0, "pipe");
    close(pipe_fds[0]);
    const Outcome outcome =
        RunDiag({"-K", "-tn", "sport", "=", Port4(pair.client)}, nullptr, pipe_fds[1]);
    close(pipe_fds[1]);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    EXPECT_EQ(ReadErrno(pair.client), ECONNABORTED);
    close(pair.client);
    close(pair.server);
  });
}

}  // namespace
}  // namespace netdiag::testing
