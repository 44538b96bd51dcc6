// diag netstat as a program: its names, exit codes, JSON, owners, and names that other processes
// chose.

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include "tests/testing/netns.h"
#include "tests/testing/run_program.h"
#include "tests/testing/sockets.h"
#include "tools/diag/netstat/engine_sockets.h"
#include "tools/diag/netstat/proc_sockets.h"

namespace diag::netstat {
namespace {

using netdiag::Family;
using netdiag::testing::AsNobody;
using netdiag::testing::InodeOf;
using netdiag::testing::kDiag;
using netdiag::testing::Listen;
using netdiag::testing::LocalOf;
using netdiag::testing::Loopback;
using netdiag::testing::MakePair;
using netdiag::testing::Outcome;
using netdiag::testing::RunDiag;
using netdiag::testing::RunProgram;
using ::testing::ContainsRegex;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const auto* const kNetns =
    ::testing::AddGlobalTestEnvironment(new netdiag::testing::NewNetnsEnvironment);

std::string PortOf(int fd) { return std::to_string(LocalOf(fd).port.value()); }

// The line that has `part`; empty: there is none.
std::string LineWith(const std::string& text, std::string_view part) {
  const size_t at = text.find(part);
  if (at == text.npos) return "";
  const size_t begin = text.rfind('\n', at) + 1;
  return text.substr(begin, text.find('\n', at) - begin);
}

TEST(NetstatProgram, AnswersToTheNameNetstat) {
  const std::string link = ::testing::TempDir() + "/netstat";
  std::filesystem::remove(link);
  std::filesystem::create_symlink(std::filesystem::absolute(kDiag), link);
  const Outcome outcome = RunProgram("sh", {"-c", link + " -tn"});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, StartsWith("Active Internet connections (w/o servers)\nProto Recv-Q"));
  EXPECT_EQ(outcome.out, RunDiag({"netstat", "-tn"}).out);
  // A command's name is a word like any other there.
  EXPECT_EQ(RunProgram("sh", {"-c", link + " -tn connections"}).out, outcome.out);
  std::filesystem::remove(link);
}

TEST(NetstatProgram, HelpIsAnAnswerAndUsageIsAnError) {
  const Outcome help = RunDiag({"netstat", "-h"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_EQ(help.err, "");
  const Outcome usage = RunDiag({"netstat", "-z"});
  EXPECT_EQ(usage.exit_code, 3);
  EXPECT_EQ(usage.out, "");
  EXPECT_EQ(usage.err, "netstat: invalid option -- 'z'\n" + help.out);
  EXPECT_THAT(help.out, HasSubstr("--numeric-hosts"));
  EXPECT_EQ(RunDiag({"netstat", "--version"}).exit_code, 0);
  EXPECT_THAT(RunDiag({"netstat", "--version"}).out, HasSubstr("net-tools 2.10"));
}

TEST(NetstatProgram, WhatTheKernelLacksIsExitCode1) {
  const Outcome outcome = RunDiag({"netstat", "--ax25", "-t", "-n"});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.err, "netstat: no support for `AF AX25' on this system.\n");
  EXPECT_THAT(outcome.out, StartsWith("Active Internet connections"));
  // Of all that are missing, netstat itself names the first.
  EXPECT_EQ(RunDiag({"netstat", "--ax25", "--ipx"}).err,
            "netstat: no support for `AF IPX' on this system.\n"
            "netstat: no support for `AF AX25' on this system.\n");
  EXPECT_EQ(RunDiag({"netstat", "--ax25", "--ipx", "--compat"}).err,
            "netstat: no support for `AF IPX' on this system.\n");
}

TEST(NetstatProgram, AFullDiskIsAnError) {
  const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  const Outcome outcome = RunDiag({"netstat", "-an"}, nullptr, full);
  close(full);
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.err, HasSubstr("No space left"));
}

TEST(NetstatProgram, JsonHasTheSocketsOfTheSameOptions) {
  const int listener = Listen(Loopback(Family::kInet), 3);
  const auto pair = MakePair(Family::kInet6);
  const auto ports = [](std::vector<std::string> words) {
    words.insert(words.begin(), "netstat");
    words.emplace_back("--json");
    const Outcome outcome = RunDiag(words);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    rapidjson::Document document;
    document.Parse(outcome.out.c_str());
    EXPECT_FALSE(document.HasParseError()) << outcome.out;
    std::vector<std::string> found;
    for (const auto& socket : document["sockets"].GetArray()) {
      EXPECT_EQ(socket.HasMember("owners"), words[1].find('p') != words[1].npos);
      found.push_back(std::to_string(socket["local_port"].GetInt()));
    }
    return found;
  };
  using ::testing::Contains;
  EXPECT_THAT(ports({"-tln"}), Contains(PortOf(listener)));
  EXPECT_THAT(ports({"-tln"}), Not(Contains(PortOf(pair.server))));
  EXPECT_THAT(ports({"-tnp"}), Contains(PortOf(pair.server)));
  EXPECT_THAT(ports({"-tn"}), Not(Contains(PortOf(listener))));
  EXPECT_THAT(ports({"-tan"}), Contains(PortOf(listener)));
  EXPECT_THAT(ports({"-tan4"}), Not(Contains(PortOf(pair.server))));
  for (const int fd : {listener, pair.client, pair.server}) close(fd);
}

// A process that holds `fd` under the name `name`, until it is destroyed.
class Holder {
 public:
  Holder(int fd, std::string name) : pid_(fork()) {
    if (pid_ == 0) {
      const int kept = dup(fd);  // without close-on-exec
      std::string seconds = "1000";
      char* words[] = {name.data(), seconds.data(), nullptr};
      if (kept >= 0) execv("/bin/sleep", words);
      _exit(127);
    }
    netdiag::testing::Await("exec", [&] {
      const std::string file = "/proc/" + std::to_string(pid_) + "/exe";
      std::error_code error;
      return std::filesystem::read_symlink(file, error).filename() == "sleep";
    });
  }
  Holder(const Holder&) = delete;
  Holder& operator=(const Holder&) = delete;
  ~Holder() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::string pid() const { return std::to_string(pid_); }

 private:
  pid_t pid_;
};

// How netstat names this process: without the directory, if its first argument has the whole path.
std::string OwnProgram() {
  std::ifstream file("/proc/self/cmdline");
  std::string name;
  std::getline(file, name, '\0');
  return name.starts_with('/') ? name.substr(name.rfind('/') + 1) : name;
}

TEST(NetstatProgram, OwnersAreWholeAndEscaped) {
  const int listener = Listen(Loopback(Family::kInet), 3);
  const std::string port = ":" + PortOf(listener) + " ";
  {
    const Holder holder(listener, "/usr/lib/\x1b[2J a name of many letters\nand lines");
    const std::string line = LineWith(RunDiag({"netstat", "-tlnpp"}).out, port);
    EXPECT_THAT(line,
                EndsWith("/" + OwnProgram() + "," + holder.pid() +
                         "/\\x1b[2J\\x20a\\x20name\\x20of\\x20many\\x20letters\\x0aand\\x20lines"));
  }
  const Holder holder(listener, "relative/path: with words");
  EXPECT_THAT(LineWith(RunDiag({"netstat", "-tlnpp"}).out, port),
              EndsWith("," + holder.pid() + "/relative/path:\\x20with\\x20words"));
  // Of several processes the one with the lowest pid, which was there first.
  EXPECT_THAT(LineWith(RunDiag({"netstat", "-tlnp"}).out, port),
              EndsWith(" " + std::to_string(getpid()) + "/" + OwnProgram()));
  close(listener);
}

TEST(NetstatProgram, NamesOfUnixSocketsAreWholeAndEscaped) {
  const auto bind_name = [](std::string_view name) {
    const int fd = netdiag::testing::Make(Family::kUnix, SOCK_DGRAM);
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), size), 0);
    return fd;
  };
  const int blank = bind_name(std::string_view("\0two words\x1b", 11));
  const std::string row = " " + std::to_string(InodeOf(blank).value()) + " ";
  EXPECT_THAT(LineWith(RunDiag({"netstat", "-xa"}).out, row), EndsWith(" @two\\x20words\\x1b"));
  EXPECT_THAT(LineWith(RunDiag({"netstat", "-xa", "--compat"}).out, row), EndsWith(" @two"));
  EXPECT_THAT(LineWith(RunDiag({"netstat", "-xa"}).out, row),
              ContainsRegex("^unix +2 +\\[ \\] +DGRAM "));
  // A name that looks like a line about another socket makes its count of references unknown.
  const std::string forged =
      std::string("\0x\n0: 63 0 0 2 1 ", 17) + std::to_string(InodeOf(blank).value()) + " /y";
  const int forger = bind_name(forged);
  EXPECT_THAT(LineWith(RunDiag({"netstat", "-xa"}).out, row),
              ContainsRegex("^unix +- +\\[ \\] +DGRAM "));
  close(blank);
  close(forger);
}

TEST(NetstatProgram, WithoutPrivilegesNetstatsComplaintComesOnce) {
  AsNobody([] {
    Options options;
    options.programs = 1;
    const auto sockets = EngineSockets::Open(options);
    ASSERT_TRUE(sockets.ok());
    Output output;
    EXPECT_EQ((*sockets)->Append(netdiag::Protocol::kTcp, &output), TableEnd::kShown);
    EXPECT_THAT(output.err, testing::AnyOf(StartsWith("(Not all processes could be identified"),
                                           StartsWith("(No info could be read for \"-p\"")));
    output.err.clear();
    (*sockets)->BeginPass();
    EXPECT_EQ((*sockets)->Append(netdiag::Protocol::kTcp, &output), TableEnd::kShown);
    EXPECT_EQ(output.err, "");
    options.compat = true;
    ProcSockets again(options, "/proc");
    again.FindOwners(&output);
    EXPECT_THAT(output.err, StartsWith("(No"));
  });
}

TEST(NetstatProgram, RepeatsAtTheInterval) {
  const std::string diag = std::filesystem::absolute(kDiag);
  const Outcome outcome = RunProgram("sh", {"-c", diag + " netstat -Un -c 1 | head -n 4"});
  EXPECT_THAT(outcome.out, ContainsRegex("^Active.*\nProto.*\nActive.*\nProto"));
  const Outcome json = RunProgram("sh", {"-c", diag + " netstat -Un -c 1 --json | head -n 4"});
  EXPECT_THAT(json.out, ContainsRegex("\\{\"schema\".*\n.*\n\\{\"schema\""));
}

TEST(NetstatProgram, AWarningAboutLinesThatAreDamagedIsNetstats) {
  char directory[] = "/tmp/netstat.XXXXXX";
  ASSERT_NE(mkdtemp(directory), nullptr);
  const std::filesystem::path root = directory;
  std::filesystem::create_directory(root / "net");
  for (const char* file : {"tcp", "tcp6", "udp", "unix"}) {
    FILE* const out = fopen((root / "net" / file).c_str(), "we");
    ASSERT_NE(out, nullptr);
    fputs("header\nno line\n", out);
    fclose(out);
  }
  Options options;
  options.compat = true;
  Output output;
  ProcSockets sockets(options, root);
  const auto append = [&](netdiag::Protocol protocol, Output* to) {
    return sockets.Append(protocol, to);
  };
  EXPECT_EQ(ShowTables(options, append, nullptr, &output), kAnswered);
  EXPECT_EQ(output.err,
            "warning, got bogus tcp line.\nwarning, got bogus tcp line.\n"
            "warning, got bogus udp line.\nwarning, got bogus unix line.\n");
  // A file that cannot be read, but exists, ends the listing with -1.
  std::filesystem::remove(root / "net" / "udp");
  std::filesystem::create_symlink("udp", root / "net" / "udp");
  output = {};
  EXPECT_EQ(ShowTables(options, append, nullptr, &output), 255);
  EXPECT_THAT(output.err, EndsWith("/net/udp: Too many levels of symbolic links\n"));
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace diag::netstat
