// Runs diag connections and diag interfaces.

#include <sys/un.h>

#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include "tests/live/netns_testing.h"
#include "tests/process/process_testing.h"
#include "tests/testing/run_program.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {
namespace {

rapidjson::Document Json(std::vector<std::string> words) {
  const Outcome outcome = RunDiag(std::move(words));
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  rapidjson::Document document;
  document.Parse(outcome.out.c_str());
  EXPECT_FALSE(document.HasParseError()) << outcome.out;
  return document;
}

TEST(ConnectionsCommand, PrintsGopsutilsKeys) {
  Apart([] {
    const int listener = Listen(Loopback(Family::kInet6), 1);
    const rapidjson::Document rows = Json({"connections", "tcp"});
    ASSERT_TRUE(rows.IsArray());
    ASSERT_EQ(rows.Size(), 1u);
    std::string keys;
    for (const auto& member : rows[0].GetObject())
      keys += std::string(member.name.GetString()) + " ";
    EXPECT_EQ(keys, "fd family type localaddr remoteaddr status uids pid ");
    EXPECT_EQ(rows[0]["fd"].GetInt(), listener);
    EXPECT_EQ(rows[0]["family"].GetInt(), AF_INET6);
    EXPECT_EQ(rows[0]["type"].GetInt(), SOCK_STREAM);
    EXPECT_STREQ(rows[0]["localaddr"]["ip"].GetString(), "::1");
    EXPECT_EQ(rows[0]["localaddr"]["port"].GetInt(), LocalOf(listener).port.value());
    EXPECT_STREQ(rows[0]["remoteaddr"]["ip"].GetString(), "::");
    EXPECT_EQ(rows[0]["remoteaddr"]["port"].GetInt(), 0);
    EXPECT_STREQ(rows[0]["status"].GetString(), "LISTEN");
    ASSERT_EQ(rows[0]["uids"].Size(), 4u);
    EXPECT_EQ(rows[0]["uids"][0].GetInt(), static_cast<int>(getuid()));
    EXPECT_EQ(rows[0]["pid"].GetInt(), getpid());

    EXPECT_TRUE(Json({"connections", "tcp", "--no-uids"})[0]["uids"].IsNull());
    EXPECT_EQ(Json({"connections", "tcp4"}).Size(), 0u);
    EXPECT_EQ(Json({"connections"}).Size(), 1u);
    Child child([] { Listen(Loopback(Family::kInet6), 1); });
    EXPECT_EQ(Json({"connections", "--pid", std::to_string(child.pid()), "tcp"}).Size(), 2u);
    child.End();
    const int second = Listen(Loopback(Family::kInet), 1);
    EXPECT_EQ(Json({"connections", "tcp"}).Size(), 2u);
    EXPECT_EQ(Json({"connections", "tcp", "--max=1"}).Size(), 1u);
    close(second);
    close(listener);
  });
}

TEST(ConnectionsCommand, PrintsAddressesAsGoDoes) {
  Apart([] {
    const int listener = Listen(Any(Family::kInet6), 1);
    const int client = Make(Family::kInet, SOCK_STREAM);
    Connect(client, {IpAddress::V4(127, 0, 0, 1), LocalOf(listener).port});
    const int server = Accept(listener);
    const rapidjson::Document tcp = Json({"connections", "tcp6"});
    ASSERT_EQ(tcp.Size(), 2u);
    const rapidjson::Value& mapped = tcp[tcp[0]["status"] == "LISTEN" ? 1 : 0];
    EXPECT_STREQ(mapped["localaddr"]["ip"].GetString(), "127.0.0.1");
    EXPECT_EQ(mapped["family"].GetInt(), AF_INET6);

    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    constexpr char kName[] = "\0a name\0\xff";
    std::memcpy(address.sun_path, kName, sizeof(kName) - 1);
    const int named = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + sizeof(kName) - 1);
    Check(bind(named, reinterpret_cast<const sockaddr*>(&address), size) == 0, "bind");
    const rapidjson::Document unix_rows = Json({"connections", "unix"});
    ASSERT_EQ(unix_rows.Size(), 1u);
    EXPECT_STREQ(unix_rows[0]["localaddr"]["ip"].GetString(), "@a name@\xef\xbf\xbd");
    EXPECT_STREQ(unix_rows[0]["localaddr"]["ip_hex"].GetString(), "0061206e616d6500ff");
    EXPECT_STREQ(unix_rows[0]["remoteaddr"]["ip"].GetString(), "");
    EXPECT_STREQ(unix_rows[0]["status"].GetString(), "NONE");
    EXPECT_EQ(unix_rows[0]["type"].GetInt(), SOCK_DGRAM);
    for (const int fd : {named, server, client, listener}) close(fd);
  });
}

TEST(Commands, RefuseWordsThatMakeNoSense) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> kRows = {
      {{"connections", "sctp"}, "invalid kind, sctp"},
      {{"connections", "tcp", "udp"}, "\"udp\""},
      {{"connections", "--pid", "x"}, "--pid: \"x\""},
      {{"connections", "--pid"}, "an argument must follow"},
      {{"connections", "--pid=-1"}, "--pid: \"-1\""},
      {{"connections", "--nonsense"}, "--nonsense"},
      {{"connections", "--no-uids=1"}, "--no-uids"},
      {{"connections", "--net", "no-such-namespace"}, "no-such-namespace"},
      {{"interfaces", "no-such-interface"}, "\"no-such-interface\": the network namespace has"},
      {{"interfaces", "lo", "eth0"}, "\"eth0\""},
      {{"help", "me"}, "\"me\": expected one of filter fields"},
      {{"connections", "--maxx", "1"}, "did you mean --max?"},
      {{"connections", "--zebra"}, "--help lists the options"},
      {{"interfaces", "--jsno"}, "did you mean --json?"},
      {{"interfaces", "--rates", "soon"}, "--rates"},
      {{"interfaces", "--rates", "-1"}, "--rates"},
      {{"interfaces", "--rates", "0"}, "more than 0"},
      {{"interfaces", "--rates", "nan"}, "--rates"},
      {{"interfaces", "--rates", "1e9"}, "--rates"},
  };
  for (const auto& [words, expected] : kRows) {
    const Outcome outcome = RunDiag(words);
    EXPECT_EQ(outcome.exit_code, 2) << expected;
    EXPECT_NE(outcome.err.find(expected), outcome.err.npos) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
}

TEST(ConnectionsCommand, FailsForAProcessThatHasEnded) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  const Outcome outcome = RunDiag({"connections", "--pid", std::to_string(child)});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_NE(outcome.err.find("process " + std::to_string(child)), outcome.err.npos) << outcome.err;
}

// 0 answered, 1 not answered, 2 usage error with nothing printed.
TEST(Commands, EndByTheRuleOfTheListing) {
  const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  ASSERT_GE(full, 0);
  for (const char* command : {"connections", "interfaces"}) {
    EXPECT_EQ(RunDiag({command}).exit_code, 0) << command;
    EXPECT_EQ(RunDiag({command}, nullptr, full).exit_code, 1) << command;
    for (const std::vector<std::string>& more :
         std::vector<std::vector<std::string>>{{"--net"},
                                               {"--net="},
                                               {"--net", "nope"},
                                               {"--net", "/nope"},
                                               {"--net", "999999999"},
                                               {"-K"},
                                               {"-a"},
                                               {"--columns", "rtt"},
                                               {"a", "b"}}) {
      std::vector<std::string> words = {command};
      words.insert(words.end(), more.begin(), more.end());
      const Outcome outcome = RunDiag(words);
      EXPECT_EQ(outcome.exit_code, 2) << command << " " << more[0];
      EXPECT_EQ(outcome.out, "");
      EXPECT_NE(outcome.err, "");
    }
  }
  close(full);
}

TEST(ConnectionsCommand, FailsForAProcessThatMayNotBeRead) {
  if (geteuid() != 0) GTEST_SKIP() << "becoming another user needs root";
  const Outcome outcome = RunDiag({"connections", "--pid", std::to_string(getpid())}, [] {
    if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0) _exit(126);
  });
  EXPECT_EQ(outcome.exit_code, 1) << outcome.out;
  EXPECT_NE(outcome.err.find("/proc/" + std::to_string(getpid()) + "/"), outcome.err.npos)
      << outcome.err;
}

TEST(InterfacesCommand, PrintsAddressesGroupsAndTraffic) {
  Apart([] {
    AddNetns("blue");
    Shell(
        "ip -n blue link add here type veth peer name there && ip -n blue link set here up && "
        "ip -n blue addr add 192.0.2.1/24 dev here");
    const Outcome outcome = RunDiag({"interfaces", "--net", "blue"});
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
    for (const std::string_view text :
         {"1 lo mtu 65536 up|loopback", "here mtu 1500", "    addr 127.0.0.1/8 ::1/128\n",
          "    addr 192.0.2.1/24", "    groups 224.0.0.1", "    rx bytes 0 packets 0"}) {
      EXPECT_NE(outcome.out.find(text), outcome.out.npos) << text << "\n" << outcome.out;
    }
    EXPECT_EQ(outcome.out.find("/s"), outcome.out.npos);
    const Outcome rates = RunDiag({"interfaces", "--rates", "0.01"});
    EXPECT_NE(rates.out.find(" +0.0/s"), rates.out.npos) << rates.out;
  });
}

TEST(InterfacesCommand, JsonHasRatesOnlyIfTheyWereMeasured) {
  Apart([] {
    rapidjson::Document answer = Json({"interfaces", "--json"});
    ASSERT_EQ(answer["interfaces"].Size(), 1u);
    EXPECT_FALSE(answer["interfaces"][0].HasMember("perSecond"));
    EXPECT_STREQ(answer["interfaces"][0]["name"].GetString(), "lo");
    EXPECT_EQ(answer["interfaces"][0]["counters"].MemberCount(), 10u);
    EXPECT_EQ(answer["all"]["counters"].MemberCount(), 10u);
    EXPECT_FALSE(answer.HasMember("seconds"));
    answer = Json({"interfaces", "--json", "--rates=0.01"});
    EXPECT_EQ(answer["interfaces"][0]["perSecond"].MemberCount(), 10u);
    EXPECT_FALSE(answer["interfaces"][0]["reset"].GetBool());
    EXPECT_EQ(answer["all"]["perSecond"].MemberCount(), 10u);
    EXPECT_GE(answer["seconds"].GetDouble(), 0.01);
    EXPECT_EQ(answer["vanished"].GetInt(), 0);
  });
}

TEST(InterfacesCommand, ShowsOneInterfaceIfItIsNamed) {
  Apart([] {
    Shell("ip link add here type veth peer name there");
    EXPECT_EQ(Json({"interfaces", "-j"})["interfaces"].Size(), 3u);
    const rapidjson::Document one = Json({"interfaces", "-j", "--rates=0.01", "there"});
    ASSERT_EQ(one["interfaces"].Size(), 1u);
    EXPECT_STREQ(one["interfaces"][0]["name"].GetString(), "there");
    EXPECT_EQ(one["vanished"].GetInt(), 0);
    const Outcome text = RunDiag({"interfaces", "here"});
    EXPECT_NE(text.out.find(" here mtu "), text.out.npos) << text.out;
    EXPECT_EQ(text.out.find(" there mtu "), text.out.npos) << text.out;
  });
}

TEST(Commands, HaveHelpOfTheirOwn) {
  for (const char* command : {"connections", "interfaces", "help"}) {
    for (const std::vector<std::string>& words : {std::vector<std::string>{command, "--help"},
                                                  {command, "-h", "word"},
                                                  {"help", command}}) {
      const Outcome outcome = RunDiag(words);
      EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
      EXPECT_EQ(outcome.out.find("usage: diag " + std::string(command)), 0u) << outcome.out;
      EXPECT_NE(outcome.out.find("-h, --help"), outcome.out.npos) << outcome.out;
    }
  }
  EXPECT_EQ(RunDiag({"help"}).out, RunDiag({"--help"}).out);
}

TEST(Commands, AreShownByHelp) {
  const Outcome outcome = RunDiag({"--help"});
  EXPECT_NE(outcome.out.find("diag connections [KIND]"), outcome.out.npos);
  EXPECT_NE(outcome.out.find("diag interfaces [NAME]"), outcome.out.npos);
}

}  // namespace
}  // namespace netdiag::testing
