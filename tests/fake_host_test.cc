// Fake hosts, as the tests of a user's program have them.

#include "netdiag/testing/fake_host.h"

#include <cerrno>
#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/engine.h"
#include "netdiag/fields.h"
#include "netdiag/filter/filter.h"
#include "netdiag/monitor.h"
#include "netdiag/row.h"
#include "netdiag/summary.h"
#include "netdiag/types/address.h"
#include "tests/testing/status_matchers.h"

namespace netdiag {
namespace {

using ::testing::ElementsAre;
using testing::ErrnoIs;
using testing::FakeCapture;
using testing::FakeSocket;
using ::testing::IsEmpty;
using testing::IsOk;

using Capture = std::vector<std::byte>;

Endpoint At(const char* text) { return *Endpoint::Parse(text); }

FakeSocket Stuck() {
  return {.state = State::kCloseWait,
          .local = At("10.0.0.1:443"),
          .remote = At("10.0.0.2:50000"),
          .uid = Uid(33),
          .receive_queue = 5,
          .tcp_info = {{"bytes_acked", uint64_t{1} << 40},
                       {"rtt", 1500},
                       {"snd_wscale", 7},
                       {"rcv_wscale", 9}},
          .congestion = "cubic",
          .owners = {{.pid = Pid(7), .fd = 3, .command = "server"},
                     {.pid = Pid(9), .fd = 4, .command = "child"}}};
}

std::unique_ptr<Engine> Open(const Capture& capture, std::vector<Bytes> later = {}) {
  return *Engine::Open({.replay = Bytes(capture), .later_replays = std::move(later)});
}

TEST(FakeHost, AnswersWithWhatWasWrittenDown) {
  const FakeSocket stuck = Stuck();
  const Capture capture = *FakeCapture({&stuck, 1});
  size_t rows = 0;
  const absl::StatusOr<Summary> summary =
      Open(capture)->Visit({.extensions = Extension::kInfo, .owners = true}, [&](const Row& row) {
        ++rows;
        EXPECT_EQ(row.protocol(), Protocol::kTcp);
        EXPECT_EQ(row.state(), State::kCloseWait);
        EXPECT_FALSE(row.malformed());
        const InetSocket& socket = *row.inet();
        EXPECT_EQ(socket.local(), stuck.local);
        EXPECT_EQ(socket.remote(), stuck.remote);
        EXPECT_EQ(row.uid(), Uid(33));
        EXPECT_NE(row.inode(), Inode());
        EXPECT_NE(row.cookie(), Cookie());
        EXPECT_EQ(socket.receive_queue(), 5u);
        EXPECT_EQ(socket.congestion(), "cubic");
        const TcpInfo info = *socket.tcp_info();
        EXPECT_EQ(info.ValueOf(TcpInfo::Field("bytes_acked")), uint64_t{1} << 40);
        EXPECT_EQ(info.ValueOf(TcpInfo::Field("rtt")), 1500u);
        EXPECT_EQ(info[TcpInfo::Field("snd_wscale")], 7u);
        EXPECT_EQ(info[TcpInfo::Field("rcv_wscale")], 9u);
        EXPECT_EQ(row.owners().size(), 2u);
        EXPECT_EQ(row.owners()[0].command, "server");
        EXPECT_EQ(row.owners()[1].pid, Pid(9));
        return Flow::kContinue;
      });
  ASSERT_THAT(summary, IsOk());
  EXPECT_THAT(summary->Whole(), IsOk());
  EXPECT_EQ(rows, 1u);
}

TEST(FakeHost, HasSocketsOfManyKinds) {
  const std::vector<FakeSocket> sockets = {
      {.state = State::kListen, .local = At("[::]:80")},
      {.state = State::kTimeWait, .local = At("127.0.0.1:1"), .remote = At("127.0.0.1:2")},
      {.protocol = Protocol::kUdp, .state = State::kClose, .local = At("0.0.0.0:53")},
      {.protocol = Protocol::kUnix, .state = State::kListen, .name = std::string("\0bus", 4)},
  };
  const Capture capture = *FakeCapture(sockets);
  std::vector<std::string> found;
  const absl::StatusOr<Summary> summary =
      Open(capture)->Visit({.owners = true}, [&](const Row& row) {
        std::string text(Names(row.protocol()).word);
        text.append(" ").append(Names(row.state()).word).append(" ");
        if (row.inet() != nullptr) row.inet()->local().AppendTo(&text);
        if (row.unix_socket() != nullptr) text += row.unix_socket()->name().substr(1);
        found.push_back(text.append(" ").append(Name(row.no_owner())));
        return Flow::kContinue;
      });
  ASSERT_THAT(summary, IsOk());
  EXPECT_THAT(summary->Whole(), IsOk());
  EXPECT_THAT(found,
              ElementsAre("tcp listening [::]:80 vanished", "tcp time-wait 127.0.0.1:1 kernel-held",
                          "udp unconnected 0.0.0.0:53 vanished", "unix listening bus vanished"));
}

TEST(FakeHost, IsSelectedByQueriesAndFilters) {
  const std::vector<FakeSocket> sockets = {Stuck(),
                                           {.state = State::kListen, .local = At("0.0.0.0:22")}};
  const Capture capture = *FakeCapture(sockets);
  Query query{.protocols = {Protocol::kTcp}};
  for (const auto& [text, rows] : std::map<std::string, uint64_t>{{"state = close-wait", 1},
                                                                  {"sport = 22", 1},
                                                                  {"owners.pid = 9", 1},
                                                                  {"rtt > 1ms", 1},
                                                                  {"sport = 23", 0}}) {
    query.filter = std::make_shared<const Filter>(*Filter::Parse(text));
    const auto ignore = [](const Row&) { return Flow::kContinue; };
    EXPECT_EQ(Open(capture)->Visit(query, ignore)->rows, rows) << text;
  }
}

TEST(FakeHost, ChangesFromQueryToQuery) {
  FakeSocket socket = Stuck();
  const Capture first = *FakeCapture({&socket, 1});
  socket.tcp_info[0].second += 100;
  const Capture second = *FakeCapture({&socket, 1});
  const Capture none = *FakeCapture({});
  const std::unique_ptr<Engine> engine = Open(first, {second, none});
  const absl::StatusOr<std::unique_ptr<Monitor>> monitor = Monitor::Open(
      engine.get(), {.protocols = {Protocol::kTcp}, .extensions = Extension::kInfo, .owners = true},
      {.events = false});
  ASSERT_THAT(monitor, IsOk());
  std::vector<std::string> log;
  for (int i = 0; i < 4; ++i) {
    const absl::StatusOr<Look> look = (*monitor)->Poll([&](const Change& change) {
      const FieldValue delta = change.Delta(*FindField("bytes_acked"));
      log.push_back(std::string(Name(change.kind())) + " " +
                    std::to_string(std::get<uint64_t>(delta)));
      EXPECT_EQ(change.row().owners()[0].command, "server");
    });
    ASSERT_THAT(look, IsOk());
    EXPECT_TRUE(look->exact());
  }
  EXPECT_THAT(log, ElementsAre("opened 0", "lived 100", "gone 0"));
}

TEST(FakeHost, RefusesWhatNoHostHas) {
  const auto status = [](const FakeSocket& socket) { return FakeCapture({&socket, 1}).status(); };
  EXPECT_THAT(status({.protocol = Protocol::kPacket}), ErrnoIs(EINVAL));
  EXPECT_THAT(status({.tcp_info = {{"carrots", 1}}}), ErrnoIs(EINVAL));
  EXPECT_THAT(status({.tcp_info = {{"ca_state", 256}}}), ErrnoIs(EINVAL));
  EXPECT_THAT(status({.tcp_info = {{"snd_wscale", 16}}}), ErrnoIs(EINVAL));
  EXPECT_THAT(status({.local = At("127.0.0.1:1"), .remote = At("[::1]:1")}), ErrnoIs(EINVAL));
  EXPECT_THAT(status({.congestion = std::string(5000, 'x')}), ErrnoIs(ENOBUFS));
}

}  // namespace
}  // namespace netdiag
