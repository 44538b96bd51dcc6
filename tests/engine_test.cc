// The engine over captures: no kernel state needed, every kind of damage possible.

#include "netdiag/engine.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/capabilities.h"
#include "netdiag/dump/capture.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/netlink/request_builder.h"
#include "netdiag/process/owner_index.h"
#include "netdiag/row.h"
#include "netdiag/snapshot.h"
#include "netdiag/types/error.h"

namespace netdiag {
namespace {

using netlink::Ready;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const Table kTcp = {Protocol::kTcp, {Family::kInet, Family::kInet6}, NetnsId(7)};
const Table kUdp4 = {Protocol::kUdp, Family::kInet, NetnsId(7)};
const Table kUnix = {Protocol::kUnix, Family::kUnix, NetnsId(7)};

// A capture being made.
class Film {
 public:
  Film()
      : writer_([text = text_.get()](Bytes frame) {
          text->append(reinterpret_cast<const char*>(frame.data()), frame.size());
          return absl::OkStatus();
        }) {
    writer_.Write({.type = CaptureType::kHost, .kernel = "6.18-test"});
  }

  Film& Table(const netdiag::Table& table) {
    writer_.Write({.type = CaptureType::kTable, .table = table});
    return *this;
  }
  Film& Inet(uint32_t inode, State state, uint16_t local = 0, uint16_t remote = 0,
             Family family = Family::kInet) {
    inet_diag_msg message = {};
    message.idiag_family = static_cast<uint8_t>(family);
    message.idiag_state = static_cast<uint8_t>(state);
    message.id.idiag_sport = Port::FromHost(local).ToNetwork();
    message.id.idiag_dport = Port::FromHost(remote).ToNetwork();
    message.id.idiag_cookie[0] = inode;
    message.idiag_inode = inode;
    return Message(message);
  }
  Film& Unix(uint32_t inode, State state) {
    unix_diag_msg message = {};
    message.udiag_family = AF_UNIX;
    message.udiag_type = SOCK_STREAM;
    message.udiag_state = static_cast<uint8_t>(state);
    message.udiag_ino = inode;
    return Message(message);
  }
  Film& Raw(Bytes datagram) {
    writer_.Write({.type = CaptureType::kDatagram, .datagram = datagram});
    return *this;
  }
  Film& Netns(std::string_view name) {
    writer_.Write({.type = CaptureType::kNetns, .name = name});
    return *this;
  }
  Film& Owner(const OwnedSocket& held) {
    writer_.Write({.type = CaptureType::kOwner,
                   .inode = held.inode,
                   .pid = held.owner.pid,
                   .start_time = held.owner.start_time,
                   .fd = held.owner.fd,
                   .thread = held.owner.thread,
                   .command = held.owner.command});
    return *this;
  }
  Film& End(int errnum = 0) {
    writer_.Write({.type = CaptureType::kEnd, .errnum = errnum});
    return *this;
  }

  const std::string& text() const { return *text_; }

 private:
  template <class T>
  Film& Message(const T& body) {
    std::array<std::byte, 128> storage;
    const absl::StatusOr<Bytes> bytes =
        netlink::RequestBuilder(storage).Header(20, netlink::kFlagMulti).Put(body).Finish();
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    return Raw(*bytes);
  }

  std::unique_ptr<std::string> text_ = std::make_unique<std::string>();  // moves with the Film
  CaptureWriter writer_;
};

std::unique_ptr<Engine> Replay(std::string_view text) {
  EngineOptions options;
  options.replay = std::as_bytes(std::span(text.data(), text.size()));
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(options);
  EXPECT_TRUE(engine.ok()) << engine.status();
  return engine.ok() ? *std::move(engine) : nullptr;
}

// What a replay gives: inodes in their order, and how it went.
struct Answer {
  std::vector<uint32_t> inodes;
  absl::StatusOr<Summary> summary;
};

Answer Ask(std::string_view text, const Query& query = {}) {
  Answer answer;
  answer.summary = Replay(text)->Visit(query, [&](const Row& row) {
    EXPECT_EQ(row.source(), SourceKind::kReplay);
    answer.inodes.push_back(row.inode().value());
    return Flow::kContinue;
  });
  return answer;
}

Film ThreeTables() {
  Film film;
  film.Table(kUnix).Unix(1, State::kListen).Unix(2, State::kEstablished).End();
  film.Table(kUdp4).Inet(3, State::kClose, 53).Inet(4, State::kEstablished, 1024, 53).End();
  film.Table(kTcp).Inet(5, State::kListen, 80).Inet(6, State::kEstablished, 80, 4000);
  film.Inet(7, State::kEstablished, 4000, 80, Family::kInet6).Inet(8, State::kClose).End();
  return film;
}

TEST(EngineReplay, GivesEveryTableInItsOrder) {
  const Film film = ThreeTables();
  const Answer answer = Ask(film.text());
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
  const Film film = ThreeTables();
  const auto ask = [&](const Query& query) { return Ask(film.text(), query).inodes; };
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
  Film film;
  film.Table(kUnix).Unix(1, State::kListen).End().Table(kTcp).Inet(10, State::kListen).End();
  film.Table(kUnix).Unix(1, State::kListen).Unix(2, State::kListen).End(ENOBUFS);
  const Answer answer = Ask(film.text());
  ASSERT_TRUE(answer.summary.ok()) << answer.summary.status();
  EXPECT_THAT(answer.inodes, ElementsAre(1, 10, 1, 2));
  ASSERT_EQ(answer.summary->tables.size(), 3u);
  EXPECT_TRUE(answer.summary->tables[0].status.ok());
  EXPECT_EQ(Errno(answer.summary->tables[2].status), ENOBUFS);
}

TEST(EngineReplay, TheSameTableOfTwoNamespacesIsTwoTables) {
  Table other = kUnix;
  other.netns = NetnsId(8);
  Film film;
  film.Table(kUnix).Unix(1, State::kListen).End().Table(other).Unix(2, State::kListen).End();
  const Answer answer = Ask(film.text());
  ASSERT_TRUE(answer.summary.ok()) << answer.summary.status();
  EXPECT_THAT(answer.inodes, ElementsAre(1, 2));
  ASSERT_EQ(answer.summary->tables.size(), 2u);
  EXPECT_EQ(answer.summary->tables[1].table.netns, NetnsId(8));
}

TEST(EngineReplay, ADumpThatFailedFailsAgainAndTheOthersGoOn) {
  Film film;
  film.Table(kUdp4).Inet(3, State::kClose).End(ENOBUFS).Table(kUnix).End(ENOENT);
  film.Table(kTcp).Inet(5, State::kListen).End();
  const Answer answer = Ask(film.text());
  ASSERT_TRUE(answer.summary.ok()) << answer.summary.status();
  EXPECT_THAT(answer.inodes, ElementsAre(3, 5)) << "what came before the error is good";
  ASSERT_EQ(answer.summary->tables.size(), 3u);
  EXPECT_EQ(Errno(answer.summary->tables[0].status), ENOBUFS);
  EXPECT_EQ(Errno(answer.summary->tables[1].status), ENOENT);
  EXPECT_THAT(std::string(answer.summary->tables[1].status.message()), HasSubstr("unix"));
  EXPECT_TRUE(answer.summary->tables[2].status.ok());
}

TEST(EngineReplay, ADumpThatTimedOutIsNoTimeoutOfTheReplay) {
  Film film;
  film.Table(kTcp).Inet(1, State::kListen).End(ETIMEDOUT).Table(kUnix).End(ECANCELED);
  const Answer answer = Ask(film.text());
  ASSERT_TRUE(answer.summary.ok()) << answer.summary.status();
  EXPECT_EQ(Errno(answer.summary->tables[0].status), ETIMEDOUT);
  EXPECT_EQ(Errno(answer.summary->tables[1].status), ECANCELED);
}

// ------------------------------------------------------------------------------------- damage

TEST(EngineReplay, ACutCaptureIsSaidInTheOutcomeOfItsTable) {
  const Film film = ThreeTables();
  const std::string& whole = film.text();
  const Answer uncut = Ask(whole);
  for (size_t length = 0; length < whole.size(); ++length) {
    SCOPED_TRACE("cut at " + std::to_string(length));
    // Its own allocation, so that a read beyond the end is seen.
    const std::vector<char> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
    const Answer answer = Ask({cut.data(), cut.size()});
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
  Film film;
  film.Table(kUnix).Unix(1, State::kListen).Table(kTcp).Inet(2, State::kListen);
  const Answer answer = Ask(film.text());
  ASSERT_TRUE(answer.summary.ok()) << answer.summary.status();
  EXPECT_THAT(answer.inodes, ElementsAre(1, 2));
  ASSERT_EQ(answer.summary->tables.size(), 2u);
  for (const TableOutcome& outcome : answer.summary->tables)
    EXPECT_EQ(Errno(outcome.status), EBADMSG) << outcome.status;
}

TEST(EngineReplay, WhatIsNoCaptureIsAnError) {
  for (const std::string_view text : {"", "netdiag", "netdiag2", "GET / HTTP/1.1\r\n\r\n"}) {
    const Answer answer = Ask(text);
    EXPECT_EQ(Errno(answer.summary.status()), EBADMSG) << answer.summary.status();
  }
  const Answer empty = Ask(Film().text());
  ASSERT_TRUE(empty.summary.ok()) << empty.summary.status();
  EXPECT_THAT(empty.summary->tables, IsEmpty());
}

TEST(EngineReplay, EveryFlippedByteIsSurvived) {
  const Film film = ThreeTables();
  for (size_t i = 0; i < film.text().size(); ++i) {
    for (const unsigned flip : {0x01u, 0x80u, 0xffu}) {
      std::string text = film.text();
      text[i] = static_cast<char>(static_cast<unsigned char>(text[i]) ^ flip);
      const Answer answer = Ask(text);
      EXPECT_LE(answer.inodes.size(), 8u);
    }
  }
}

TEST(EngineReplay, DamagedMessagesAreCountedAndTheRestIsGiven) {
  std::array<std::byte, 20> liar{};
  const netlink::Header header = {.length = 1000, .type = 20};
  std::memcpy(liar.data(), &header, sizeof(header));
  std::array<std::byte, 20> runt{};
  const netlink::Header short_header = {.length = 20, .type = 20};
  std::memcpy(runt.data(), &short_header, sizeof(short_header));
  Film film;
  film.Table(kTcp).Inet(1, State::kListen).Raw(liar).Raw(runt).Inet(2, State::kListen).End();
  const Answer answer = Ask(film.text());
  ASSERT_TRUE(answer.summary.ok()) << answer.summary.status();
  EXPECT_THAT(answer.inodes, ElementsAre(1, 2));
  EXPECT_EQ(answer.summary->damaged, 2u);
}

// ------------------------------------------------------------------------------------- verbs

TEST(EngineReplay, StepsStopAndSnapshotsWorkAsOnTheKernel) {
  const Film film = ThreeTables();
  const std::unique_ptr<Engine> engine = Replay(film.text());
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
  const Film film = ThreeTables();
  const std::unique_ptr<Engine> engine = Replay(film.text());
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
  const Film film = ThreeTables();
  const std::unique_ptr<Engine> engine = Replay(film.text());
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

TEST(EngineReplay, NamesOfNamespacesAreThoseOfTheTableBeforeThem) {
  Film film;
  film.Table(kUnix).Netns("blue").Unix(1, State::kListen).End();
  film.Table(kUdp4).Inet(2, State::kClose, 53).End();
  film.Table(kTcp).Netns("green").Inet(3, State::kListen, 80).End();
  const auto names_of = [&](const Query& query) {
    std::vector<std::string> names;
    const auto summary = Replay(film.text())->Visit(query, [&](const Row& row) {
      names.push_back(row.table().netns_name);
      return Flow::kContinue;
    });
    EXPECT_TRUE(summary.ok()) << summary.status();
    return names;
  };
  EXPECT_THAT(names_of({}), ElementsAre("blue", "", "green"));
  // That of a table that is not asked for is nobody's.
  EXPECT_THAT(names_of({.protocols = {Protocol::kUdp}}), ElementsAre(""));
}

TEST(EngineReplay, OwnersTellTheThreadWhoseTableItIs) {
  Film film;
  film.Table(kTcp).Inet(3, State::kListen, 80);
  film.Owner({Inode(3), {Pid(10), 5, 7, "many", Pid(12)}});
  film.Owner({Inode(3), {Pid(10), 5, 4, "many", Pid()}});
  film.End();
  Query query;
  query.owners = true;
  std::vector<std::pair<int, int>> owners;  // threads and descriptors
  const auto summary = Replay(film.text())->Visit(query, [&](const Row& row) {
    for (const netdiag::Owner& owner : row.owners()) {
      owners.emplace_back(owner.thread.value(), owner.fd);
    }
    return Flow::kContinue;
  });
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_THAT(owners, ElementsAre(std::pair(0, 4), std::pair(12, 7)));
}

// As many namespaces as a query can have, beside its own.
TEST(EngineReplay, MoreTablesThanAnyQueryHasAreDamage) {
  Film film;
  for (size_t i = 0; i < 16 * (netlink::kMaxNamespaces + 1); ++i) film.Table(kUnix).End();
  const auto whole = Ask(film.text()).summary;
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ(whole->tables.size(), 16 * (netlink::kMaxNamespaces + 1));
  film.Table(kUnix).End();
  EXPECT_EQ(Errno(Ask(film.text()).summary.status()), EBADMSG);
}

TEST(EngineReplay, NothingIsAskedOfTheLiveKernel) {
  const Film film = ThreeTables();
  const std::unique_ptr<Engine> engine = Replay(film.text());
  const absl::Status lookup =
      engine->LookupUnix(Inode(1), Cookie(), [](const UnixSocket&) { FAIL() << "from where?"; });
  EXPECT_TRUE(IsUnsupported(lookup)) << lookup;
  EXPECT_EQ(engine->capabilities().kernel, "6.18-test");
  EXPECT_THAT(engine->capabilities().tables, IsEmpty());
}

TEST(EngineReplay, ACaptureOfAReplayIsTheSameCapture) {
  Film film = ThreeTables();
  film.Table({Protocol::kUdp, Family::kInet6, NetnsId(7)}).End(ENOENT);
  const auto capture = [](Engine* engine) {
    std::string copy;
    CaptureWriter writer([&](Bytes frame) {
      copy.append(reinterpret_cast<const char*>(frame.data()), frame.size());
      return absl::OkStatus();
    });
    const absl::StatusOr<Summary> summary = engine->Capture({}, &writer);
    EXPECT_TRUE(summary.ok()) << summary.status();
    return copy;
  };
  const std::string copy = capture(Replay(film.text()).get());
  const Answer answer = Ask(copy);
  ASSERT_TRUE(answer.summary.ok()) << answer.summary.status();
  EXPECT_THAT(answer.inodes, ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  ASSERT_EQ(answer.summary->tables.size(), 4u);
  EXPECT_EQ(Errno(answer.summary->tables[3].status), ENOENT) << "failures are kept, too";
}

TEST(EngineReplay, AFullDiskEndsACapture) {
  const Film film = ThreeTables();
  size_t frames = 0;
  CaptureWriter writer(
      [&](Bytes) { return ++frames == 3 ? ErrnoError(ENOSPC, "write") : absl::OkStatus(); });
  EXPECT_EQ(Errno(Replay(film.text())->Capture({}, &writer).status()), ENOSPC);
  EXPECT_EQ(frames, 3u) << "nothing is written after an error";
}

TEST(Engine, AProtocolWithoutATableIsRefusedByName) {
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open();
  ASSERT_TRUE(engine.ok()) << engine.status();
  const Query query{.protocols = {Protocol::kTcp, Protocol{132}}};
  const absl::StatusOr<Summary> summary =
      (*engine)->Visit(query, [](const Row&) { return Flow::kContinue; });
  EXPECT_EQ(Errno(summary.status()), EINVAL);
  EXPECT_NE(summary.status().message().find("132"), std::string::npos);
}

}  // namespace
}  // namespace netdiag
