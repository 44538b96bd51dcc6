// The engine over captures, which need no kernel and can be damaged in every way.

#include "netdiag/engine.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/capabilities.h"
#include "netdiag/dump/capture.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/row.h"
#include "netdiag/snapshot.h"
#include "netdiag/types/error.h"
#include "tests/testing/messages.h"

namespace netdiag {
namespace {

using netlink::Ready;
using testing::CapturedTable;
using testing::CaptureOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::InetMessage;
using ::testing::IsEmpty;
using testing::Packet;
using testing::UnixMessage;

const Table kTcp = {Protocol::kTcp, {Family::kInet, Family::kInet6}, NetnsId(42)};
const Table kUdp4 = {Protocol::kUdp, Family::kInet, NetnsId(42)};
const Table kUnix = {Protocol::kUnix, Family::kUnix, NetnsId(42)};

Packet Inet(uint32_t inode, State state, uint16_t local = 0, uint16_t remote = 0,
            Family family = Family::kInet) {
  InetMessage message;
  message.fixed.idiag_family = static_cast<uint8_t>(family);
  message.fixed.idiag_state = static_cast<uint8_t>(state);
  message.fixed.id.idiag_sport = Port::FromHost(local).ToNetwork();
  message.fixed.id.idiag_dport = Port::FromHost(remote).ToNetwork();
  message.fixed.id.idiag_cookie[0] = inode;
  message.fixed.idiag_inode = inode;
  return message.Build();
}

Packet Unix(uint32_t inode, State state) {
  UnixMessage message;
  message.fixed.udiag_state = static_cast<uint8_t>(state);
  message.fixed.udiag_ino = inode;
  message.fixed.udiag_cookie[0] = inode;
  return message.Build();
}

std::unique_ptr<Engine> Replay(Bytes capture) {
  EngineOptions options;
  options.replay = capture;
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(options);
  EXPECT_TRUE(engine.ok()) << engine.status();
  return engine.ok() ? *std::move(engine) : nullptr;
}

// What a replay gives: the inodes of its rows in order, and its summary.
struct Answer {
  std::vector<uint32_t> inodes;
  absl::StatusOr<Summary> summary;
};

Answer Ask(Bytes capture, const Query& query = {}) {
  Answer answer;
  answer.summary = Replay(capture)->Visit(query, [&](const Row& row) {
    EXPECT_EQ(row.source(), SourceKind::kReplay);
    answer.inodes.push_back(row.inode().value());
    return Flow::kContinue;
  });
  return answer;
}

std::vector<CapturedTable> ThreeTables() {
  return {
      {Protocol::kUnix, {Unix(1, State::kListen), Unix(2, State::kEstablished)}},
      {Protocol::kUdp,
       {Inet(3, State::kClose, 53), Inet(4, State::kEstablished, 1024, 53)},
       0,
       Family::kInet},
      {Protocol::kTcp,
       {Inet(5, State::kListen, 80), Inet(6, State::kEstablished, 80, 4000),
        Inet(7, State::kEstablished, 4000, 80, Family::kInet6), Inet(8, State::kClose)}},
  };
}

TEST(EngineReplay, GivesEveryTableInItsOrder) {
  const Packet capture = CaptureOf(ThreeTables());
  const Answer answer = Ask(capture);
  ASSERT_TRUE(answer.summary.ok()) << answer.summary.status();
  EXPECT_THAT(answer.inodes, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_EQ(answer.summary->rows, 8u);
  ASSERT_EQ(answer.summary->tables.size(), 3u);
  const Table expected[] = {kUnix, kUdp4, kTcp};
  const uint64_t rows[] = {2, 2, 4};
  for (size_t i = 0; i < 3; ++i) {
    const TableOutcome& outcome = answer.summary->tables[i];
    EXPECT_EQ(outcome.table, expected[i]);
    EXPECT_EQ(outcome.source, SourceKind::kReplay);
    EXPECT_EQ(outcome.rows, rows[i]);
    EXPECT_TRUE(outcome.status.ok()) << outcome.status;
  }
}

TEST(EngineReplay, QueriesSelectAsOnTheKernel) {
  const Packet capture = CaptureOf(ThreeTables());
  const auto ask = [&](const Query& query) { return Ask(capture, query).inodes; };
  EXPECT_THAT(ask({.protocols = {Protocol::kTcp}}), ElementsAre(5, 6, 7, 8));
  EXPECT_THAT(ask({.families = Family::kInet}), ElementsAre(3, 4, 5, 6, 8));
  EXPECT_THAT(ask({.families = Family::kInet6}), ElementsAre(7));
  EXPECT_THAT(ask({.families = Family::kUnix}), ElementsAre(1, 2));
  EXPECT_THAT(ask({.states = State::kListen}), ElementsAre(1, 5));
  EXPECT_THAT(ask({.states = StateSet::None()}), IsEmpty());
  // An idle TCP socket reports CLOSE; UDP and unix have no such state.
  EXPECT_THAT(ask({.states = State::kBoundInactive}), ElementsAre(8));
  EXPECT_THAT(ask({.source_port = Port::FromHost(80)}), ElementsAre(5, 6));
  EXPECT_THAT(ask({.destination_port = Port::FromHost(53)}), ElementsAre(4));
  EXPECT_THAT(ask({.protocols = {}}), IsEmpty());
}

TEST(EngineReplay, ATableThatWasDumpedTwiceIsTwoTables) {
  const Packet capture = CaptureOf({
      {Protocol::kUnix, {Unix(1, State::kListen)}},
      {Protocol::kTcp, {Inet(10, State::kListen)}},
      {Protocol::kUnix, {Unix(1, State::kListen), Unix(2, State::kListen)}, ENOBUFS},
  });
  const Answer answer = Ask(capture);
  ASSERT_TRUE(answer.summary.ok()) << answer.summary.status();
  EXPECT_THAT(answer.inodes, ElementsAre(1, 10, 1, 2));
  ASSERT_EQ(answer.summary->tables.size(), 3u);
  EXPECT_TRUE(answer.summary->tables[0].status.ok());
  EXPECT_EQ(Errno(answer.summary->tables[2].status), ENOBUFS);
}

TEST(EngineReplay, TheSameTableOfTwoNamespacesIsTwoTables) {
  const Packet capture = CaptureOf({
      {Protocol::kUnix, {Unix(1, State::kListen)}},
      {.protocol = Protocol::kUnix, .messages = {Unix(2, State::kListen)}, .netns = NetnsId(8)},
  });
  const Answer answer = Ask(capture);
  ASSERT_TRUE(answer.summary.ok()) << answer.summary.status();
  EXPECT_THAT(answer.inodes, ElementsAre(1, 2));
  ASSERT_EQ(answer.summary->tables.size(), 2u);
  EXPECT_EQ(answer.summary->tables[1].table.netns, NetnsId(8));
}

TEST(EngineReplay, ADumpThatFailedFailsAgainAndTheOthersGoOn) {
  const Packet capture = CaptureOf({
      {Protocol::kUdp, {Inet(3, State::kClose)}, ENOBUFS, Family::kInet},
      {Protocol::kUnix, {}, ENOENT},
      {Protocol::kTcp, {Inet(5, State::kListen)}},
  });
  const Answer answer = Ask(capture);
  ASSERT_TRUE(answer.summary.ok()) << answer.summary.status();
  EXPECT_THAT(answer.inodes, ElementsAre(3, 5)) << "what came before the error is good";
  ASSERT_EQ(answer.summary->tables.size(), 3u);
  EXPECT_EQ(Errno(answer.summary->tables[0].status), ENOBUFS);
  EXPECT_EQ(Errno(answer.summary->tables[1].status), ENOENT);
  EXPECT_THAT(std::string(answer.summary->tables[1].status.message()), HasSubstr("unix"));
  EXPECT_TRUE(answer.summary->tables[2].status.ok());
}

TEST(EngineReplay, ATimeoutInTheCaptureIsNoTimeoutOfTheReplay) {
  const Packet capture = CaptureOf({
      {Protocol::kTcp, {Inet(1, State::kListen)}, ETIMEDOUT},
      {Protocol::kUnix, {}, ECANCELED},
  });
  const Answer answer = Ask(capture);
  ASSERT_TRUE(answer.summary.ok()) << answer.summary.status();
  EXPECT_EQ(Errno(answer.summary->tables[0].status), ETIMEDOUT);
  EXPECT_EQ(Errno(answer.summary->tables[1].status), ECANCELED);
}

// ------------------------------------------------------------------------------------- damage

TEST(EngineReplay, TheSummaryShowsWhereACaptureWasCut) {
  const Packet whole = CaptureOf(ThreeTables());
  const Answer uncut = Ask(whole);
  for (size_t length = 0; length < whole.size(); ++length) {
    SCOPED_TRACE("cut at " + std::to_string(length));
    // An allocation of its own, so that AddressSanitizer sees a read beyond the end.
    const Packet cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
    const Answer answer = Ask(cut);
    if (!answer.summary.ok()) {
      EXPECT_EQ(Errno(answer.summary.status()), EBADMSG) << answer.summary.status();
      EXPECT_THAT(answer.inodes, IsEmpty());
      continue;
    }
    ASSERT_LE(answer.inodes.size(), uncut.inodes.size());
    EXPECT_TRUE(std::equal(answer.inodes.begin(), answer.inodes.end(), uncut.inodes.begin()));
    // Whatever is missing is said: a bad end of a table, damage, or a table that is not there.
    bool said = answer.summary->damaged > 0 || answer.summary->tables.size() < 3;
    for (const TableOutcome& outcome : answer.summary->tables) {
      if (outcome.status.ok()) continue;
      said = true;
      EXPECT_EQ(&outcome, &answer.summary->tables.back()) << "those that ended before are whole";
      EXPECT_EQ(Errno(outcome.status), EBADMSG) << outcome.status;
      EXPECT_THAT(std::string(outcome.status.message()), HasSubstr("capture"));
    }
    EXPECT_TRUE(said);
  }
}

TEST(EngineReplay, ATableWithoutItsEndWasCutOff) {
  const Packet capture = CaptureOf({
      {.protocol = Protocol::kUnix, .messages = {Unix(1, State::kListen)}, .ends = false},
      {.protocol = Protocol::kTcp, .messages = {Inet(2, State::kListen)}, .ends = false},
  });
  const Answer answer = Ask(capture);
  ASSERT_TRUE(answer.summary.ok()) << answer.summary.status();
  EXPECT_THAT(answer.inodes, ElementsAre(1, 2));
  ASSERT_EQ(answer.summary->tables.size(), 2u);
  for (const TableOutcome& outcome : answer.summary->tables)
    EXPECT_EQ(Errno(outcome.status), EBADMSG) << outcome.status;
}

TEST(EngineReplay, BytesThatAreNoCaptureAreAnError) {
  for (const std::string_view text : {"", "netdiag", "netdiag2", "GET / HTTP/1.1\r\n\r\n"}) {
    const Answer answer = Ask(std::as_bytes(std::span(text)));
    EXPECT_EQ(Errno(answer.summary.status()), EBADMSG) << answer.summary.status();
  }
  const Answer empty = Ask(CaptureOf({}));
  ASSERT_TRUE(empty.summary.ok()) << empty.summary.status();
  EXPECT_THAT(empty.summary->tables, IsEmpty());
}

TEST(EngineReplay, EveryFlippedByteIsSurvived) {
  const Packet capture = CaptureOf(ThreeTables());
  for (size_t i = 0; i < capture.size(); ++i) {
    for (const unsigned flip : {0x01u, 0x80u, 0xffu}) {
      Packet damaged = capture;
      damaged[i] ^= static_cast<std::byte>(flip);
      const Answer answer = Ask(damaged);
      EXPECT_LE(answer.inodes.size(), 8u);
    }
  }
}

TEST(EngineReplay, DamagedMessagesAreCountedAndTheRestIsGiven) {
  Packet too_long(20);
  const netlink::Header header = {.length = 1000, .type = 20};
  std::memcpy(too_long.data(), &header, sizeof(header));
  Packet too_short(20);
  const netlink::Header short_header = {.length = 20, .type = 20};
  std::memcpy(too_short.data(), &short_header, sizeof(short_header));
  const Packet capture = CaptureOf(
      {{Protocol::kTcp, {Inet(1, State::kListen), too_long, too_short, Inet(2, State::kListen)}}});
  const Answer answer = Ask(capture);
  ASSERT_TRUE(answer.summary.ok()) << answer.summary.status();
  EXPECT_THAT(answer.inodes, ElementsAre(1, 2));
  EXPECT_EQ(answer.summary->damaged, 2u);
}

// ------------------------------------------------------------------------------------- verbs

TEST(EngineReplay, StepsStopAndSnapshotsWorkAsOnTheKernel) {
  const Packet capture = CaptureOf(ThreeTables());
  const std::unique_ptr<Engine> engine = Replay(capture);
  for (int again = 0; again < 2; ++again) {
    ASSERT_TRUE(engine->Begin({}).ok());
    std::vector<uint32_t> inodes;
    absl::StatusOr<Ready> ready = Ready::kSome;
    while (ready.ok() && *ready == Ready::kSome) {
      ready = engine->Step([&](const Row& row) {
        inodes.push_back(row.inode().value());
        return Flow::kContinue;
      });
      EXPECT_EQ(engine->fd(), -1) << "a replay never waits";
    }
    ASSERT_TRUE(ready.ok()) << ready.status();
    EXPECT_EQ(*ready, Ready::kDone);
    EXPECT_THAT(inodes, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  }
  const absl::StatusOr<Summary> summary = engine->Visit({}, [](const Row&) { return Flow::kStop; });
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_TRUE(summary->stopped);
  EXPECT_EQ(summary->rows, 1u);

  const absl::StatusOr<Snapshot> snapshot = engine->Take({});
  ASSERT_TRUE(snapshot.ok()) << snapshot.status();
  ASSERT_EQ(snapshot->size(), 8u);
  EXPECT_EQ((*snapshot)[6].family(), Family::kInet6);
  EXPECT_EQ((*snapshot)[6].table(), kTcp);
}

TEST(EngineReplay, DeadlinesAndStopTokensEndAReplayToo) {
  const Packet capture = CaptureOf(ThreeTables());
  const std::unique_ptr<Engine> engine = Replay(capture);
  const auto go_on = [](const Row&) { return Flow::kContinue; };
  EXPECT_TRUE(
      IsTimeout(engine->Visit({}, go_on, {.deadline = std::chrono::steady_clock::now()}).status()));
  std::stop_source stop;
  const auto request_stop = [&](const Row&) {
    stop.request_stop();
    return Flow::kContinue;
  };
  EXPECT_TRUE(
      absl::IsCancelled(engine->Visit({}, request_stop, {.stop = stop.get_token()}).status()));
  EXPECT_TRUE(engine->Visit({}, go_on).ok());
}

TEST(EngineReplay, AVisitorMayNotBeginOrStepAnotherQuery) {
  const Packet capture = CaptureOf(ThreeTables());
  const std::unique_ptr<Engine> engine = Replay(capture);
  const absl::StatusOr<Summary> summary = engine->Visit({}, [&](const Row&) {
    const auto none = [](const Row&) { return Flow::kContinue; };
    EXPECT_EQ(Errno(engine->Begin({})), EDEADLK);
    EXPECT_EQ(Errno(engine->Step(none).status()), EDEADLK);
    EXPECT_EQ(Errno(engine->Visit({}, none).status()), EDEADLK);
    return Flow::kContinue;
  });
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->rows, 8u);
}

TEST(EngineReplay, ANameOfANamespaceBelongsToTheTableBeforeIt) {
  const Packet capture = CaptureOf({
      {.protocol = Protocol::kUnix, .messages = {Unix(1, State::kListen)}, .netns_name = "blue"},
      {Protocol::kUdp, {Inet(2, State::kClose, 53)}, 0, Family::kInet},
      {.protocol = Protocol::kTcp,
       .messages = {Inet(3, State::kListen, 80)},
       .netns_name = "green"},
  });
  const auto names_of = [&](const Query& query) {
    std::vector<std::string> names;
    const auto summary = Replay(capture)->Visit(query, [&](const Row& row) {
      names.push_back(row.table().netns_name);
      return Flow::kContinue;
    });
    EXPECT_TRUE(summary.ok()) << summary.status();
    return names;
  };
  EXPECT_THAT(names_of({}), ElementsAre("blue", "", "green"));
  // The name of a table that the query leaves out is not given to another table.
  EXPECT_THAT(names_of({.protocols = {Protocol::kUdp}}), ElementsAre(""));
}

TEST(EngineReplay, OwnersNameTheThreadThatHasTheDescriptor) {
  const Packet capture = CaptureOf({{Protocol::kTcp, {Inet(3, State::kListen, 80)}}},
                                   {{3, 10, 7, "many", 12}, {3, 10, 4, "many"}});
  Query query;
  query.owners = true;
  std::vector<std::pair<int, int>> owners;  // threads and descriptors
  const auto summary = Replay(capture)->Visit(query, [&](const Row& row) {
    for (const netdiag::Owner& owner : row.owners()) {
      owners.emplace_back(owner.thread.value(), owner.fd);
    }
    return Flow::kContinue;
  });
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_THAT(owners, ElementsAre(std::pair(0, 4), std::pair(12, 7)));
}

// 16 tables for each namespace that a query can have, and for its own.
TEST(EngineReplay, MoreTablesThanAnyQueryHasAreDamage) {
  std::vector<CapturedTable> tables(16 * (netlink::kMaxNamespaces + 1), {Protocol::kUnix});
  const auto whole = Ask(CaptureOf(tables)).summary;
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ(whole->tables.size(), 16 * (netlink::kMaxNamespaces + 1));
  tables.push_back({Protocol::kUnix});
  EXPECT_EQ(Errno(Ask(CaptureOf(tables)).summary.status()), EBADMSG);
}

TEST(EngineReplay, NothingIsAskedOfTheLiveKernel) {
  const Packet capture = CaptureOf(ThreeTables());
  const std::unique_ptr<Engine> engine = Replay(capture);
  const absl::Status lookup = engine->LookupUnix(
      Inode(1), Cookie(), [](const UnixSocket&) { FAIL() << "a capture has no lookups"; });
  EXPECT_TRUE(IsUnsupported(lookup)) << lookup;
  EXPECT_EQ(engine->capabilities().kernel, "6.18-test");
  EXPECT_THAT(engine->capabilities().tables, IsEmpty());
}

TEST(EngineReplay, ACaptureOfAReplayIsTheSameCapture) {
  std::vector<CapturedTable> tables = ThreeTables();
  tables.push_back({Protocol::kUdp, {}, ENOENT, Family::kInet6});
  const Packet capture = CaptureOf(tables);
  Packet copy;
  CaptureWriter writer([&](Bytes frame) {
    copy.insert(copy.end(), frame.begin(), frame.end());
    return absl::OkStatus();
  });
  const absl::StatusOr<Summary> summary = Replay(capture)->Capture({}, &writer);
  EXPECT_TRUE(summary.ok()) << summary.status();
  const Answer answer = Ask(copy);
  ASSERT_TRUE(answer.summary.ok()) << answer.summary.status();
  EXPECT_THAT(answer.inodes, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  ASSERT_EQ(answer.summary->tables.size(), 4u);
  EXPECT_EQ(Errno(answer.summary->tables[3].status), ENOENT) << "failures are kept, too";
}

TEST(EngineReplay, AFullDiskEndsACapture) {
  const Packet capture = CaptureOf(ThreeTables());
  size_t frames = 0;
  CaptureWriter writer(
      [&](Bytes) { return ++frames == 3 ? ErrnoError(ENOSPC, "write") : absl::OkStatus(); });
  EXPECT_EQ(Errno(Replay(capture)->Capture({}, &writer).status()), ENOSPC);
  EXPECT_EQ(frames, 3u) << "nothing is written after an error";
}

TEST(Engine, AProtocolWithoutATableIsRefusedByName) {
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open();
  ASSERT_TRUE(engine.ok()) << engine.status();
  const Query query{.protocols = {Protocol::kTcp, Protocol{131}}};
  const absl::StatusOr<Summary> summary =
      (*engine)->Visit(query, [](const Row&) { return Flow::kContinue; });
  EXPECT_EQ(Errno(summary.status()), EINVAL);
  EXPECT_NE(summary.status().message().find("131"), std::string::npos);
}

}  // namespace
}  // namespace netdiag
