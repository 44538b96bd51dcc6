// Runs diag -E in a namespace of its own: each event is written when it comes, losses are said, and
// a signal, a limit or the reader's end ends it.

#include <sys/socket.h>
#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include "netdiag/events.h"
#include "netdiag/row.h"
#include "tests/live/netns_testing.h"
#include "tests/testing/netns.h"
#include "tests/testing/run_program.h"
#include "tests/testing/sockets.h"
#include "tests/testing/status_matchers.h"
#include "tests/tools/running_testing.h"
#include "tests/tools/schema_testing.h"

namespace netdiag::testing {
namespace {

using diag::testing::SchemaValidator;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const SchemaValidator& Schema() {
  static const SchemaValidator schema(RunDiag({"--help-format=schema"}).out);
  return schema;
}

// A socket of UDP that opens and closes. Returns its port.
std::string CloseOne(uint16_t port) {
  const int fd = Make(Family::kInet, SOCK_DGRAM);
  Bind(fd, {Loopback(Family::kInet).address, Port::FromHost(port)});
  close(fd);
  return std::to_string(port);
}

TEST(EventsProgram, WritesTheHeaderFirstAndEachEventWhenItComes) {
  InNewNetns([] {
    // The socket that has set up the namespace has no port. Its event can come late.
    Running diag({"-En", "sport >= 1"});
    EXPECT_THAT(diag.Line().value_or(""), StartsWith("Netid"));
    for (uint16_t port = 5001; port <= 5003; ++port) {
      // The line is there before the next event.
      const std::string closed = CloseOne(port);
      EXPECT_THAT(diag.Line().value_or(""),
                  AllOf(StartsWith("udp"), HasSubstr("127.0.0.1:" + closed + " ")));
    }
    const Pair pair = MakePair(Family::kInet);
    const std::string port = std::to_string(LocalOf(pair.client).port.value());
    CloseFirst(pair.client);
    EXPECT_THAT(diag.Line().value_or(""), StartsWith("tcp")) << "the listener of the pair";
    EXPECT_THAT(diag.Line().value_or(""),
                AllOf(StartsWith("tcp"), HasSubstr("UNCONN"), HasSubstr(":" + port + " ")));
    close(pair.server);
    diag.Signal(SIGINT);
    diag.Rest();
    EXPECT_EQ(diag.Wait(), 0) << diag.Errors();
    EXPECT_EQ(diag.Errors(), "");
  });
}

// The owner is the one of the last look.
TEST(EventsProgram, ShowsTheOwnersThatSocketsHad) {
  InNewNetns([] {
    const Pair pair = MakePair(Family::kInet);
    const std::string port = std::to_string(LocalOf(pair.client).port.value());
    const std::string owner = "pid=" + std::to_string(getpid()) + ",";
    Running diag({"-EtnpH"});
    AwaitFirstLook(&diag, owner);
    CloseFirst(pair.client);
    std::string line;
    while (line.find(":" + port + " ") == line.npos) {
      std::optional<std::string> next = diag.Line();
      ASSERT_TRUE(next.has_value()) << diag.Errors();
      line = *std::move(next);
    }
    EXPECT_THAT(line, HasSubstr(owner)) << diag.Errors();
    close(pair.server);
    diag.SignalUntilItEnds(SIGINT);
  });
}

TEST(EventsProgram, ObeysTablesFiltersDetailsAndTheLimit) {
  InNewNetns([] {
    Running diag({"-EtneiOH", "--limit", "1", "sport", "=", "5005"});
    std::vector<std::string> lines;
    {
      const KeepClosing closing([] {
        CloseOne(5004);
        const int fd = Make(Family::kInet, SOCK_STREAM);
        Set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
        Bind(fd, {Loopback(Family::kInet).address, Port::FromHost(5005)});
        close(fd);
      });
      lines = diag.Rest();
    }
    ASSERT_EQ(lines.size(), 1u);
    EXPECT_THAT(lines[0], AllOf(HasSubstr(":5005 "), HasSubstr(" sk:"), HasSubstr(" cwnd:")));
    EXPECT_EQ(diag.Wait(), 0) << diag.Errors();
  });
}

TEST(EventsProgram, WritesJsonLinesWithASummary) {
  InNewNetns([] {
    Running diag({"-En", "--jsonl", "-e", "-i"});
    std::optional<std::string> line;
    {
      const KeepClosing closing([] {
        CloseOne(5006);
        const Pair pair = MakePair(Family::kInet6);
        close(pair.client);
        close(pair.server);
      });
      line = diag.Line();
    }
    ASSERT_TRUE(line);
    diag.Signal(SIGTERM);
    std::vector<std::string> lines = diag.Rest();
    EXPECT_EQ(diag.Wait(), 0) << diag.Errors();
    lines.insert(lines.begin(), *line);
    for (const std::string& each : lines) EXPECT_EQ(Schema().Complaint(each), "") << each;
    rapidjson::Document first, last;
    first.Parse(lines.front().c_str());
    EXPECT_TRUE(first.HasMember("cookie"));
    EXPECT_FALSE(first.HasMember("inode")) << "an event has none";
    EXPECT_FALSE(first.HasMember("uid"));
    last.Parse(lines.back().c_str());
    ASSERT_TRUE(last.HasMember("summary")) << lines.back();
    EXPECT_EQ(last["summary"]["events"]["lost"].GetUint64(), 0u);
    EXPECT_EQ(last["summary"]["rows"].GetUint64(), lines.size() - 1);
  });
}

TEST(EventsProgram, WritesCsvAndColumns) {
  InNewNetns([] {
    Running csv({"-Eun", "--csv", "--columns", "protocol,lport,source"});
    EXPECT_EQ(csv.Line(), "protocol,lport,source\r");
    Running columns({"-Eun", "--columns", "lport,source,inode"});
    EXPECT_THAT(columns.Line().value_or(""), ContainsRegex("lport +source +inode"));
    CloseOne(5007);
    EXPECT_EQ(csv.Line(), "udp,5007,event\r");
    EXPECT_THAT(columns.Line().value_or(""), ContainsRegex("5007 +event +-"));
    for (Running* each : {&csv, &columns}) {
      each->Signal(SIGINT);
      each->Rest();
      EXPECT_EQ(each->Wait(), 0);
    }
  });
}

TEST(EventsProgram, FollowsANamedNamespace) {
  Apart([] {
    AddNetns("blue");
    Running diag({"-En", "-N", "blue"});
    EXPECT_THAT(diag.Line().value_or(""), StartsWith("Netid"));
    CloseOne(5008);
    In("blue", [] { CloseOne(5009); });
    EXPECT_THAT(diag.Line().value_or(""), HasSubstr(":5009 "));
    diag.Signal(SIGINT);
    EXPECT_TRUE(diag.Rest().empty());
    EXPECT_EQ(diag.Wait(), 0);
    DeleteNetns("blue");
    EXPECT_EQ(RunDiag({"-E", "-N", "red"}).exit_code, 2);
  });
}

TEST(EventsProgram, EndsWhenItsReaderHasGone) {
  InNewNetns([] {
    Running diag({"-En"});
    EXPECT_THAT(diag.Line().value_or(""), StartsWith("Netid"));
    diag.CloseOutput();  // and no event comes
    EXPECT_EQ(diag.Wait(), 0) << diag.Errors();
  });
}

TEST(EventsProgram, SaysThatStatesDoNotMatter) {
  InNewNetns([] {
    Running diag({"-En", "state", "established"});
    EXPECT_THAT(diag.Line().value_or(""), StartsWith("Netid"));
    CloseOne(5010);
    EXPECT_THAT(diag.Line().value_or(""), HasSubstr(":5010 "));
    EXPECT_THAT(diag.Errors(), HasSubstr("-E shows sockets whatever their state was"));
    diag.Signal(SIGINT);
    diag.Rest();
    EXPECT_EQ(diag.Wait(), 0);
  });
}

// The reader of the output is slow, so diag waits in write() while the kernel's buffer fills.
TEST(EventsProgram, SaysWhenASlowReaderLosesEvents) {
  InNewNetns([] {
    constexpr int kCount = 40'000;
    Running diag({"-Eun", "--jsonl"}, /*pipe_size=*/4096);
    // The first line shows that diag follows.
    std::optional<std::string> line;
    {
      const KeepClosing closing([] { CloseOne(5011); });
      line = diag.Line();
    }
    ASSERT_TRUE(line);
    const std::unique_ptr<Events> seen = Events::Open({.protocols = {Protocol::kUdp}}).value();
    for (int i = 0; i < kCount; ++i) close(Make(Family::kInet, SOCK_DGRAM));
    // The kernel sends events from a queue of its own. When these have come here, they were also
    // sent to diag.
    Await("the events", [&] {
      EXPECT_THAT(seen->TryReceive([](const Row&) { return Flow::kContinue; }, kCount), IsOk());
      return seen->stats().events + *seen->stats().lost >= kCount;
    });
    uint64_t sockets = 1;
    uint64_t lost_lines = 0;
    bool signalled = false;
    std::string last;
    while ((line = diag.Line())) {
      if (line->starts_with("{\"lost\"")) {
        ++lost_lines;
        EXPECT_EQ(Schema().Complaint(*line), "") << *line;
      }
      if (line->starts_with("{\"protocol\"")) ++sockets;
      // What is in the kernel's buffer comes although the signal comes first.
      if (!std::exchange(signalled, true)) diag.Signal(SIGTERM);
      last = *line;
    }
    EXPECT_EQ(diag.Wait(), 0);
    EXPECT_GE(lost_lines, 1u);
    rapidjson::Document summary;
    summary.Parse(last.c_str());
    ASSERT_TRUE(summary.HasMember("summary")) << last;
    const auto& events = summary["summary"]["events"];
    EXPECT_GT(events["lost"].GetUint64(), 0u);
    EXPECT_EQ(summary["summary"]["rows"].GetUint64(), sockets);
    EXPECT_THAT(diag.Errors(), AllOf(HasSubstr("events were lost"), HasSubstr("in all, at least")));
  });
}

TEST(EventsProgram, ASecondSignalEndsItWhileItsReaderWaits) {
  InNewNetns([] {
    Running diag({"-Eun"}, /*pipe_size=*/4096);
    EXPECT_THAT(diag.Line().value_or(""), HasSubstr("Local Address"));
    for (int i = 0; i < 2'000; ++i) close(Make(Family::kInet, SOCK_DGRAM));
    // The pipe is full, so diag is in write(). Signals can come together, so more are sent.
    EXPECT_EQ(diag.SignalUntilItEnds(SIGTERM), 128 + SIGTERM);
  });
}

}  // namespace
}  // namespace netdiag::testing
