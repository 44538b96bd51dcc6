// -D, --capture, --replay and TCPDIAG_FILE of diag as a program, over a few sockets in a network
// namespace of the test: what they write and answer, what they refuse, and how they fail.

#include <linux/capability.h>
#include <net/if.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include "netdiag/dump/capture.h"
#include "netdiag/dump/tcp_stream.h"
#include "tests/testing/messages.h"
#include "tests/testing/netns.h"
#include "tests/testing/sockets.h"
#include "tests/tools/record_testing.h"

namespace netdiag::testing {
namespace {

// Beside processes that the test may not read, diag says so: then, or when the capture was made. So
// it does of bound idle sockets, which kernels before 6.8 do not list.
void ExpectNoComplaint(const std::string& err) {
  for (const std::string& note : LinesIn(err)) {
    if (!KernelIs(6, 8) && note.find("that neither listen nor are connected") != note.npos)
      continue;
    EXPECT_THAT(note, ::testing::MatchesRegex("diag: (when the capture was made: )?owners may be "
                                              "missing, because the descriptors of .*"));
  }
}

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const auto* const kNetns = ::testing::AddGlobalTestEnvironment(new NewNetnsEnvironment);

// A few sockets of each family. None of their numbers changes while they are listed.
class Sockets {
 public:
  Sockets() {
    LoUp();
    prctl(PR_SET_NAME, "keeper");
    Keep(listener = Listen(Loopback(Family::kInet), 7));
    Keep(client = Make(Family::kInet, SOCK_STREAM));
    Connect(client, LocalOf(listener));
    Keep(Accept(listener));
    Keep(Listen(Loopback(Family::kInet6), 3));
    const int bound = Keep(Make(Family::kInet, SOCK_DGRAM));
    Check(setsockopt(bound, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) == 0, "SO_BINDTODEVICE");
    Bind(bound, Loopback(Family::kInet));
    int pair[2];
    Check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
    Keep(pair[0]);
    Keep(pair[1]);
    MakeUnixListener();
    Keep(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0x0300));
  }
  Sockets(const Sockets&) = delete;
  Sockets& operator=(const Sockets&) = delete;
  ~Sockets() {
    for (const int fd : fds_) close(fd);
  }

  int listener = -1;
  int client = -1;

  std::string port() const { return std::to_string(LocalOf(listener).port.value()); }

 private:
  int Keep(int fd) {
    Check(fd >= 0, "a socket");
    fds_.push_back(fd);
    return fd;
  }
  // With two connections that wait for accept().
  void MakeUnixListener() {
    sockaddr_un name = {};
    name.sun_family = AF_UNIX;
    std::snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "record%d", getpid());
    const auto* const address = reinterpret_cast<const sockaddr*>(&name);
    const int fd = Keep(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    Check(bind(fd, address, sizeof(name)) == 0 && listen(fd, 5) == 0, "unix listener");
    for (int i = 0; i < 2; ++i) {
      const int waiting = Keep(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
      Check(connect(waiting, address, sizeof(name)) == 0, "connect");
    }
  }

  std::vector<int> fds_;
};

// ---- --capture and --replay ----

Outcome Replay(const std::string& file, std::vector<std::string> words) {
  words.insert(words.begin(), {"--replay", file});
  return RunDiag(std::move(words));
}

TEST(Capture, ReplaysWhatTheKernelAnsweredThen) {
  const Sockets sockets;
  const TempFile file("whole");
  const Outcome captured = RunDiag({"--capture", file.path(), "-p"});
  EXPECT_EQ(captured.exit_code, 0) << captured.err;
  EXPECT_EQ(captured.out, "");
  ExpectNoComplaint(captured.err);
  // Netlink sockets are left out where diag's own would be listed.
  const std::string kLines[] = {
      "-tan",
      "-tn",
      "-tln",
      "-tane --cgroup --tos",
      "-tanm",
      "-tanp",
      "-tanpT",
      "-ta",
      "-uan",
      "-uane",
      "-xan",
      "-xane",
      "-xanp --peers",
      "-0anem",
      "-4an -t",
      "-6an -t",
      "-tuxan state listening",
      "-tan sport = :" + sockets.port(),
      "-uan dev lo",
      "-uan dev != lo",
      "-tan user root",
      "-tan comm = keeper",
      "-tan pid = " + std::to_string(getpid()),
      "-tanp exe = *record_program_test",
      "-tan autobound",
      "-tan cgroup_path = /*",
      "-tuan netns = self",
      "-tuan --columns protocol,state,local,lport,user,dev,comm,pid,fd,exe,args,cgroup_path,unit",
      "-xan --columns inode,name,uid,user,comm,cgroup_path",
      "-tuan --columns lport,comm --each-owner",
      "-tuan --count-by state,user",
      "-tuxan --count-by family,state --sort -count",
      "-tan --columns lport,rport --sort -lport --limit 2",
      "-tuan --csv --columns lport,user,comm,cgroup,cgroup_path",
      "-tuanQ",
      "-tanO -H",
      "-A tcp,udp,u_str -an",
      "-s",
  };
  size_t rows = 0;
  for (const std::string& line : kLines) {
    SCOPED_TRACE(line);
    Outcome live = RunDiag(WordsIn(line));
    Outcome replayed = Replay(file.path(), WordsIn(line));
    if (line == "-tanm" && LinesIn(replayed.out) != LinesIn(live.out)) {
      // The kernel can have taken memory of a socket back since the capture.
      EXPECT_EQ(RunDiag({"--capture", file.path(), "-p"}).exit_code, 0);
      live = RunDiag(WordsIn(line));
      replayed = Replay(file.path(), WordsIn(line));
    }
    EXPECT_EQ(replayed.exit_code, live.exit_code) << replayed.err;
    ExpectNoComplaint(replayed.err);
    // -s counts netlink sockets too: those of two programs.
    EXPECT_TRUE(line == "-s" || LinesIn(replayed.out) == LinesIn(live.out))
        << replayed.out << live.out;
    rows += LinesIn(replayed.out).size();
  }
  EXPECT_GT(rows, 4 * std::size(kLines));
}

TEST(Capture, JsonOfAReplayHasTheKernelAndTheTimeOfTheCapture) {
  const Sockets sockets;
  const TempFile file("json");
  ASSERT_EQ(RunDiag({"--capture", file.path(), "-p"}).exit_code, 0);
  const Outcome replayed = Replay(file.path(), {"-tan", "--json", "-p"});
  EXPECT_EQ(replayed.exit_code, 0) << replayed.err;
  rapidjson::Document document;
  document.Parse(replayed.out.c_str());
  ASSERT_FALSE(document.HasParseError());
  EXPECT_THAT(std::string(document["captured"].GetString()),
              ::testing::MatchesRegex("20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z"));
  EXPECT_FALSE(document.HasMember("replay_damage"));
  EXPECT_GE(document["sockets"].Size(), 4u);
  EXPECT_EQ(std::string(document["sockets"][0]["owners"][0]["command"].GetString()), "keeper");
  const Outcome live = RunDiag({"-tan", "--json"});
  rapidjson::Document other;
  other.Parse(live.out.c_str());
  EXPECT_EQ(std::string(document["kernel"].GetString()), other["kernel"].GetString());
  EXPECT_FALSE(other.HasMember("captured"));
}

// A replay alone shows the capture, whatever the states are.
TEST(Capture, AloneItHasEverythingAndShowsEverything) {
  const Sockets sockets;
  const TempFile everything("everything");
  const TempFile listeners("listeners");
  ASSERT_EQ(RunDiag({"--capture", everything.path()}).exit_code, 0);
  ASSERT_EQ(RunDiag({"--capture", listeners.path(), "-tln"}).exit_code, 0);
  EXPECT_EQ(LinesIn(Replay(listeners.path(), {"-H", "-n"}).out).size(), 2u);
  const std::string all = Replay(everything.path(), {"-Hn"}).out;
  for (const char* word :
       {"tcp LISTEN", "tcp ESTAB", "udp UNCONN", "u_str LISTEN", "p_raw UNCONN", "nl UNCONN"}) {
    const auto lines = LinesIn(all);
    EXPECT_TRUE(
        std::ranges::any_of(lines, [&](const std::string& line) { return line.starts_with(word); }))
        << word << "\n"
        << all;
  }
  // With a table, the default states are the same as for the kernel.
  EXPECT_EQ(LinesIn(Replay(everything.path(), {"-Htn"}).out), LinesIn(RunDiag({"-Htn"}).out));
}

TEST(Capture, PendingConnectionsOfUnixListenersAreInIt) {
  const Sockets sockets;
  const TempFile file("pending");
  ASSERT_EQ(RunDiag({"--capture", file.path(), "-xa"}).exit_code, 0);
  const std::vector<std::string> words = {"-xlneH"};
  const Outcome live = RunDiag(words);
  const Outcome replayed = Replay(file.path(), words);
  EXPECT_EQ(LinesIn(replayed.out), LinesIn(live.out));
  EXPECT_THAT(replayed.out, HasSubstr(" peers: "));
  ExpectNoComplaint(replayed.err);
}

TEST(Capture, GoesThroughPipes) {
  const Sockets sockets;
  const Outcome captured = RunDiag({"--capture", "-", "-tan"});
  ASSERT_EQ(captured.exit_code, 0) << captured.err;
  const Outcome replayed = RunDiag({"-tanH", "--replay", "-"}, [&] { GiveStdin(captured.out); });
  EXPECT_EQ(replayed.exit_code, 0) << replayed.err;
  EXPECT_EQ(LinesIn(replayed.out), LinesIn(RunDiag({"-tanH"}).out));
}

TEST(Capture, OnlyItsOwnerMayReadIt) {
  const TempFile file("mode");
  unlink(file.path().c_str());
  ASSERT_EQ(RunDiag({"--capture", file.path(), "-t"}).exit_code, 0);
  struct stat status = {};
  ASSERT_EQ(stat(file.path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

// ---- What a capture lacks ----

TEST(Replay, SaysWhatTheCaptureLacks) {
  const Sockets sockets;
  const TempFile file("lacks");
  ASSERT_EQ(RunDiag({"--capture", file.path(), "-4tn", "sport != 1"}).exit_code, 0);
  const struct {
    std::vector<std::string> words;
    int exit_code;
    const char* note;  // null: none
  } kRows[] = {
      {{"-4tn", "sport != 1"}, 0, nullptr},
      {{"-un"}, 1, "without these tables: udp"},
      {{"-tun", "-4", "sport != 1"}, 1, "without these tables: udp inet"},
      {{"-tn", "sport != 1"}, 1, "without these tables: tcp inet6"},
      {{"-4tln", "sport != 1"}, 1, "without sockets in these states: LISTEN"},
      {{"-4tan", "sport != 1"}, 1, "SYN-RECV, TIME-WAIT"},
      {{"-4tn"}, 0, "match its own filter: sport != :1"},
      {{"-4tn", "sport != 2"}, 0, "match its own filter: sport != :1"},
      {{"-4tnp", "sport != 1"},
       0,
       "made without owners: No data available; the sockets are listed without owners"},
      {{"-4tn", "sport != 1", "--columns", "lport,exe"}, 0, "exe and args of processes"},
      {{"-4tnimeo", "--tos", "--cgroup", "sport != 1"}, 0, nullptr},
      {{}, 0, "match its own filter: sport != :1"},
      {{"-s"}, 1, "SYN-RECV, TIME-WAIT, LISTEN"},
  };
  for (const auto& row : kRows) {
    SCOPED_TRACE(::testing::PrintToString(row.words));
    const Outcome replayed = Replay(file.path(), row.words);
    EXPECT_EQ(replayed.exit_code, row.exit_code) << replayed.err;
    if (row.note == nullptr) {
      ExpectNoComplaint(replayed.err);
    } else {
      EXPECT_THAT(replayed.err, HasSubstr(row.note));
    }
  }
}

TEST(Replay, RepeatsWhatTheMakerOfTheCaptureWasTold) {
  const Sockets sockets;
  const TempFile file("told");
  // A user without privileges is told that owners may be missing.
  const Outcome captured = RunDiag({"--capture", "-", "-tanp"}, [] {
    if (setgid(65534) != 0 || setuid(65534) != 0) _exit(126);
  });
  ASSERT_EQ(captured.exit_code, 0) << captured.err;
  ASSERT_THAT(captured.err, HasSubstr("owners may be missing"));
  file.Write(captured.out);
  const Outcome replayed = Replay(file.path(), {"-tanp"});
  EXPECT_THAT(replayed.err, HasSubstr("when the capture was made: owners may be missing"));
  const Outcome rows = Replay(file.path(), {"-tan", "--columns", "lport,no_owner"});
  EXPECT_THAT(rows.out, HasSubstr("hidden"));
}

// A capture that could come from another machine: its numbers have other names here.
std::string Stranger(bool with_names) {
  InetMessage socket;
  socket.fixed.id.idiag_if = 1;
  socket.fixed.idiag_uid = 0;
  socket.Add(INET_DIAG_CGROUP_ID, uint64_t{1});
  NetlinkMessage netlink;
  netlink.fixed.ndiag_portid = 1;
  const Packet capture =
      CaptureOf({{Protocol::kTcp, {socket.Build()}}, {Protocol::kNetlink, {netlink.Build()}}},
                {{5001, 1, 3, "init-there"}});
  std::string bytes;
  CaptureWriter writer([&](Bytes frame) {
    bytes.append(reinterpret_cast<const char*>(frame.data()), frame.size());
    return absl::OkStatus();
  });
  CaptureReader reader(capture);
  for (CaptureRecord record; reader.Next(&record);) {
    if (record.type != CaptureType::kFinish) writer.Write(record);
  }
  const auto name = [&](CapturedName kind, uint64_t number, std::string_view text) {
    CaptureRecord record = {.type = CaptureType::kName, .name = text};
    record.kind = kind;
    record.netns = NetnsId(42);
    record.number = number;
    writer.Write(record);
  };
  if (with_names) {
    name(CapturedName::kInterface, 1, "wire0");
    name(CapturedName::kUser, 0, "zeus");
    name(CapturedName::kCommand, 1, "init-there");
    CaptureRecord cgroup = {.type = CaptureType::kCgroup};
    cgroup.cgroup = CgroupId(1);
    cgroup.path = "/there";
    writer.Write(cgroup);
  }
  EXPECT_TRUE(writer.Finish().ok());
  return bytes;
}

TEST(Replay, NamesAreThoseOfTheCaptureAndNeverOfThisMachine) {
  const TempFile file("stranger", Stranger(true));
  const auto shown = [&](std::vector<std::string> words) {
    return Replay(file.path(), std::move(words)).out;
  };
  EXPECT_THAT(shown({"-tn"}), HasSubstr("127.0.0.1%wire0:8080"));
  EXPECT_THAT(shown({"-tn", "--columns", "user,dev"}), HasSubstr("zeus"));
  EXPECT_THAT(shown({"-tne"}), HasSubstr("cgroup:/there"));
  EXPECT_THAT(shown({"-f", "netlink", "-a"}), HasSubstr("init-there/1"));
  EXPECT_THAT(shown({"-tnp"}), HasSubstr("\"init-there\",pid=1"));
  EXPECT_THAT(shown({"-tnH", "dev", "wire0", "and", "user", "zeus"}), HasSubstr("wire0"));
  EXPECT_THAT(shown({"-tnH", "cgroup", "/there"}), HasSubstr("wire0"));
  for (const char* words : {"dev lo", "user root", "cgroup /"}) {
    const Outcome outcome = Replay(file.path(), {"-tn", words});
    EXPECT_EQ(outcome.exit_code, 2) << words << outcome.out;
  }
  // Users of a file that the command line names.
  const TempFile users("users", "hera:x:0:0::/:/bin/sh\n");
  EXPECT_THAT(shown({"-tn", "--columns", "user", "--passwd", users.path()}), HasSubstr("hera"));

  file.Write(Stranger(false));
  EXPECT_THAT(shown({"-tn"}), HasSubstr("127.0.0.1%if1:8080"));
  EXPECT_THAT(shown({"-tn", "--columns", "user"}), Not(HasSubstr("root")));
  EXPECT_THAT(shown({"-tne"}), HasSubstr("cgroup:unreachable:1"));
  EXPECT_THAT(shown({"-f", "netlink", "-aH"}), HasSubstr("rtnl:1 "));
}

// ---- What is refused ----

TEST(Files, RefuseWhatTheyCannotHoldOrAnswer) {
  const TempFile file("refuse", Stranger(true));
  const std::string replay = "--replay " + file.path();
  const struct {
    std::string words;
    const char* why;
  } kRows[] = {
      {replay + " -N self", "it excludes -N"},
      {replay + " --all-netns", "it excludes --all-netns"},
      {replay + " --proc /proc", "it excludes --proc"},
      {replay + " --unlisted", "it excludes --unlisted"},
      {replay + " -a state unlisted", "it excludes --unlisted"},
      {replay + " -tZ", "it excludes -Z and -z"},
      {replay + " -tz", "it excludes -Z and -z"},
      {replay + " --capabilities", "it excludes --capabilities"},
      {replay + " --capture /dev/null", "it excludes --capture"},
      {"--replay - -F -", "it excludes -F -"},
      {"--replay /no/such", "No such file"},
      {"--replay /", "Is a directory"},
      {"--capture /dev/null -tZ", "it excludes -Z and -z"},
      {"--capture /dev/null --unlisted", "it excludes --unlisted"},
      {"--capture /dev/null --json", "it excludes --json"},
      {"--capture /dev/null --csv", "it excludes --json, --jsonl and --csv"},
      {"--capture /dev/null --columns pid", "it excludes --columns"},
      {"--capture /dev/null --sort pid", "it excludes --sort"},
      {"--capture /dev/null --limit 3", "it excludes --sort and --limit"},
      {"--capture /dev/null --count-by state", "it excludes --count-by"},
      {"--capture /dev/null -s", "it excludes -s"},
      {"--capture /dev/null -D /dev/null", "it excludes --capture"},
      {"--capture -tan", "only - is standard output"},
      {"-D -tan", "only - is standard output"},
      {"--diag=--x", "only - is standard output"},
      {"-D /dev/null --json -t", "it excludes --json"},
      {"-D /dev/null -s -t", "it excludes -s"},
      {"-D /dev/null -x", "it writes TCP sockets, and the command line selects none"},
      {"-D /dev/null -A udp", "selects none"},
      {"-D", "an argument must follow"},
  };
  for (const auto& row : kRows) {
    const Outcome outcome = RunDiag(WordsIn(row.words));
    EXPECT_EQ(outcome.exit_code, 2) << row.words;
    EXPECT_EQ(outcome.out, "") << row.words;
    EXPECT_THAT(outcome.err, HasSubstr(row.why)) << row.words;
  }
}

// ---- Writing fails ----

TEST(Files, ThatCannotBeWrittenWholeAreNamed) {
  const Sockets sockets;
  for (const char* option : {"--capture", "-D"}) {
    SCOPED_TRACE(option);
    const Outcome full = RunDiag({option, "/dev/full", "-tan"});
    EXPECT_EQ(full.exit_code, 1);
    EXPECT_THAT(full.err,
                AllOf(HasSubstr("/dev/full: No space left on device"), HasSubstr("not complete")));
    const Outcome absent = RunDiag({option, "/no/such/file", "-tan"});
    EXPECT_EQ(absent.exit_code, 1);
    EXPECT_THAT(absent.err, HasSubstr("/no/such/file: No such file or directory"));
    const int out = open("/dev/full", O_WRONLY | O_CLOEXEC);
    const Outcome to_stdout = RunDiag({option, "-", "-tan"}, nullptr, out);
    close(out);
    EXPECT_EQ(to_stdout.exit_code, 1);
    EXPECT_THAT(to_stdout.err, HasSubstr("standard output: No space left on device"));
    // A listing may end with its reader. A file that nobody reads to its end is not written.
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    const Outcome closed = RunDiag({option, "-", "-tan"}, nullptr, ends[1]);
    close(ends[1]);
    EXPECT_EQ(closed.exit_code, 1);
    EXPECT_THAT(closed.err, HasSubstr("standard output: Broken pipe"));
  }
}

// ---- -D and TCPDIAG_FILE ----

TEST(TcpStream, HasTheTcpSocketsThatTheCommandLineSelects) {
  const Sockets sockets;
  const TempFile file("stream");
  const std::string port = sockets.port();
  for (const std::string& line :
       {std::string("-tan"), std::string("-tn"), std::string("-tln"), std::string("-4tan"),
        std::string("-6tan"), std::string("-an"), std::string("-tn state established"),
        "-tan sport = :" + port, "-tan not sport = :" + port}) {
    SCOPED_TRACE(line);
    std::vector<std::string> words = WordsIn(line);
    words.insert(words.begin(), {"-D", file.path()});
    const Outcome written = RunDiag(words);
    EXPECT_EQ(written.exit_code, 0) << written.err;
    EXPECT_EQ(written.out, "") << "nothing is displayed, as in ss";
    ExpectNoComplaint(written.err);
    std::vector<std::string> listed = WordsIn(line);
    listed.insert(listed.begin(), {"-t", "--columns", "state,local,lport,remote,rport,inode"});
    const std::vector<std::string> read = {"-ta", "--columns", listed[2]};
    const Outcome replayed = RunWithStream(file.path(), read);
    EXPECT_EQ(replayed.exit_code, 0) << replayed.err;
    EXPECT_EQ(LinesIn(replayed.out), LinesIn(RunDiag(listed).out));
    EXPECT_GT(LinesIn(replayed.out).size(), 1u);
  }
  const Outcome to_stdout = RunDiag({"-tan", "-D", "-"});
  EXPECT_EQ(to_stdout.exit_code, 0);
  file.Write(to_stdout.out);
  EXPECT_EQ(LinesIn(RunWithStream(file.path(), {"-Htan"}).out), LinesIn(RunDiag({"-Htan"}).out));
  // Details are in it if they are asked for.
  EXPECT_THAT(RunWithStream(file.path(), {"-tanmi"}).out, Not(HasSubstr("skmem:")));
  EXPECT_EQ(RunDiag({"-tanmi", "-D", file.path()}).exit_code, 0);
  EXPECT_THAT(RunWithStream(file.path(), {"-tanmi"}).out,
              AllOf(HasSubstr("skmem:("), HasSubstr("cwnd:")));
}

// A stream of sockets that this machine does not have.
std::string Stream() {
  std::string bytes;
  TcpStreamWriter writer([&](Bytes message) {
    bytes.append(reinterpret_cast<const char*>(message.data()), message.size());
    return absl::OkStatus();
  });
  const auto add = [&](uint8_t state, uint16_t local, uint16_t remote, bool v6) {
    InetMessage message;
    message.SetLocal("\x0a\0\0\x01", local);
    message.SetRemote("\x0a\0\0\x02", remote);
    if (v6) message.SetLocal("\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", local);
    if (v6) message.SetRemote("\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x02", remote);
    message.fixed.idiag_state = state;
    message.fixed.idiag_inode = 1'000'000 + local;
    message.fixed.id.idiag_if = 1;
    message.Add(INET_DIAG_CGROUP_ID, uint64_t{1});
    const Packet packet = message.Build();
    writer.Write({*netlink::Load<netlink::Header>(Bytes(packet)), Bytes(packet)});
  };
  add(10, 80, 0, false);
  add(1, 80, 4001, false);
  add(8, 80, 4002, false);
  add(10, 81, 0, true);
  add(1, 81, 4003, true);
  EXPECT_TRUE(writer.Finish(0).ok());
  return bytes;
}

TEST(TcpdiagFile, ReplacesTheTcpTableAlone) {
  const Sockets sockets;
  const TempFile file("environment", Stream());
  const auto rows = [&](const std::string& line) {
    const Outcome outcome = RunWithStream(file.path(), WordsIn(line));
    EXPECT_EQ(outcome.exit_code, 0) << line << outcome.err;
    return LinesIn(outcome.out);
  };
  // Without a state, and without a family, everything that the file has, as in ss.
  for (const char* line : {"-Htan", "-Htn", "-Hn -A tcp"}) EXPECT_EQ(rows(line).size(), 5u) << line;
  // What the command line names is obeyed. ss ignores it.
  EXPECT_EQ(rows("-Htln").size(), 2u);
  EXPECT_EQ(rows("-Htn state close-wait").size(), 1u);
  EXPECT_EQ(rows("-Ht4n").size(), 3u);
  EXPECT_EQ(rows("-Ht6n").size(), 2u);
  EXPECT_EQ(rows("-Htan dport = 4002").size(), 1u);
  // The other tables are the kernel's.
  const auto live = LinesIn(RunDiag({"-Huxan"}).out);
  auto both = live;
  for (const std::string& row : rows("-Htan")) both.insert("tcp " + row);
  EXPECT_EQ(rows("-Htuxan"), both);
  EXPECT_EQ(rows("-Huxan"), live);
  // Names are looked up here, as in ss. Owners are not: a socket of this inode is another one.
  EXPECT_THAT(RunWithStream(file.path(), {"-tane"}).out, HasSubstr("%lo:80"));
  const Outcome owners = RunWithStream(file.path(), {"-tanp"});
  EXPECT_THAT(owners.out, Not(HasSubstr("users:")));
  EXPECT_THAT(owners.err, HasSubstr("TCPDIAG_FILE does not have owners"));
  EXPECT_EQ(owners.exit_code, 0);
  EXPECT_THAT(RunWithStream(file.path(), {"-tan", "--columns", "source"}).out, HasSubstr("stream"));
  // The forms.
  rapidjson::Document document;
  document.Parse(RunWithStream(file.path(), {"-tan", "--json"}).out.c_str());
  ASSERT_FALSE(document.HasParseError());
  EXPECT_EQ(document["sockets"].Size(), 5u);
  EXPECT_EQ(rows("-tan --count-by state").size(), 4u);
}

TEST(TcpdiagFile, FailsIfItCannotBeReadAndTcpIsAsked) {
  const Sockets sockets;
  const Outcome absent = RunWithStream("/no/such", {"-tan"});
  EXPECT_EQ(absent.exit_code, 1);
  EXPECT_THAT(absent.err, HasSubstr("TCPDIAG_FILE /no/such: No such file"));
  EXPECT_EQ(RunWithStream("/no/such", {"-xan"}).exit_code, 0);
  EXPECT_EQ(LinesIn(RunWithStream("", {"-tan"}).out), LinesIn(RunDiag({"-tan"}).out));
  for (const char* line : {"-tan --all-netns", "-ta --unlisted", "--capture /dev/null"}) {
    const TempFile file("excluded", Stream());
    const Outcome outcome = RunWithStream(file.path(), WordsIn(line));
    EXPECT_EQ(outcome.exit_code, 2) << line;
    EXPECT_THAT(outcome.err, HasSubstr("TCPDIAG_FILE")) << line;
  }
  const TempFile capture("both", Stranger(true));
  const Outcome replayed = RunProgram(kDiag, {"-Htan", "--replay", capture.path()},
                                      [] { setenv("TCPDIAG_FILE", "/no/such", 1); });
  EXPECT_EQ(LinesIn(replayed.out).size(), 1u)
      << "--replay is said, and the environment is not read";
}

TEST(TcpdiagFile, IsNotReadByAProgramThatExecGavePrivileges) {
  const Sockets sockets;
  // Other users can reach /tmp, but perhaps not the directory of the tests.
  char directory[] = "/tmp/netdiag_XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  const absl::Cleanup remove = [&] { std::filesystem::remove_all(directory); };
  ASSERT_EQ(chmod(directory, 0755), 0);
  const std::string stream = std::string(directory) + "/stream";
  std::ofstream(stream, std::ios::binary) << Stream();
  const std::string copy = std::string(directory) + "/diag";
  std::filesystem::copy_file(kDiag, copy, std::filesystem::copy_options::overwrite_existing);
  ASSERT_EQ(chmod(copy.c_str(), 0755), 0);
  const auto as_nobody = [&] {
    return RunProgram(copy, {"-Htan"}, [&] {
      setenv("TCPDIAG_FILE", stream.c_str(), 1);
      if (setgid(65534) != 0 || setuid(65534) != 0) _exit(126);
    });
  };
  EXPECT_EQ(LinesIn(as_nobody().out).size(), 5u) << "without privileges the file is read";
  vfs_cap_data capability = {};
  capability.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE;
  capability.data[0].permitted = 1u << CAP_NET_ADMIN;
  ASSERT_EQ(setxattr(copy.c_str(), "security.capability", &capability, sizeof(capability), 0), 0);
  const Outcome outcome = as_nobody();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  EXPECT_EQ(LinesIn(outcome.out), LinesIn(RunDiag({"-Htan"}).out));
}

TEST(Replay, CanBeWrittenAsAStream) {
  const TempFile capture("convert", Stranger(true));
  const TempFile stream("converted");
  EXPECT_EQ(Replay(capture.path(), {"-ta", "-D", stream.path()}).exit_code, 0);
  EXPECT_EQ(LinesIn(RunWithStream(stream.path(), {"-Htan"}).out).size(), 1u);
}

}  // namespace
}  // namespace netdiag::testing
