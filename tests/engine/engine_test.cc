// The engine over captures, which need no kernel and can be damaged in every way.

#include "netdiag/engine.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/capabilities.h"
#include "netdiag/dump/capture.h"
#include "netdiag/dump/tcp_stream.h"
#include "netdiag/netlink/netns.h"
#include "netdiag/process/cgroup.h"
#include "netdiag/process/program.h"
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

TEST(EngineReplay, CapturesAnswerInTurn) {
  const Packet first =
      CaptureOf({{Protocol::kTcp, {Inet(1, State::kListen, 80)}}}, {{1, 7, 3, "one"}});
  const Packet second =
      CaptureOf({{Protocol::kTcp, {Inet(1, State::kListen, 80)}}}, {{1, 8, 3, "two"}});
  const Packet third = CaptureOf({{Protocol::kTcp, {Inet(3, State::kListen, 80)}}});
  const std::unique_ptr<Engine> engine =
      *Engine::Open({.replay = first, .later_replays = {second, third}});
  std::vector<std::string> seen;
  const auto visit = [&](const Row& row) {
    seen.push_back(std::to_string(row.inode().value()));
    for (const Owner& owner : row.owners()) seen.back().append(" ").append(owner.command);
    return Flow::kContinue;
  };
  const Query query{.protocols = {Protocol::kTcp}, .owners = true};
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(engine->Visit(query, visit).ok());
  EXPECT_THAT(seen, ElementsAre("1 one", "1 two", "3", "3"));
  EXPECT_EQ(Errno(Engine::Open({.later_replays = {second}}).status()), EINVAL);
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
    for (const TableOutcome& outcome : answer.summary->tables) {
      if (outcome.status.ok()) continue;
      EXPECT_EQ(&outcome, &answer.summary->tables.back()) << "those that ended before are whole";
      EXPECT_EQ(Errno(outcome.status), EBADMSG) << outcome.status;
      EXPECT_THAT(std::string(outcome.status.message()), HasSubstr("capture: at byte "));
    }
    // Whatever is missing is said.
    EXPECT_EQ(Errno(answer.summary->replay_damage), EBADMSG);
    EXPECT_THAT(std::string(answer.summary->replay_damage.message()), HasSubstr("at byte "));
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
  for (const std::string_view text : {"", "netdiag", "netdiag3", "GET / HTTP/1.1\r\n\r\n"}) {
    const Answer answer = Ask(std::as_bytes(std::span(text)));
    EXPECT_EQ(Errno(answer.summary.status()), EBADMSG) << answer.summary.status();
  }
  const Answer empty = Ask(CaptureOf({}));
  ASSERT_TRUE(empty.summary.ok()) << empty.summary.status();
  EXPECT_THAT(empty.summary->tables, IsEmpty());
}

TEST(EngineReplay, EveryFlippedByteLosesRowsAndIsNamed) {
  const Packet capture = CaptureOf(ThreeTables());
  for (size_t i = 0; i < capture.size(); ++i) {
    SCOPED_TRACE(i);
    for (const unsigned flip : {0x01u, 0x80u, 0xffu}) {
      Packet damaged = capture;
      damaged[i] ^= static_cast<std::byte>(flip);
      const Answer answer = Ask(damaged);
      if (!answer.summary.ok()) {
        EXPECT_EQ(Errno(answer.summary.status()), EBADMSG);
        EXPECT_LT(i, 8u);
        continue;
      }
      EXPECT_EQ(Errno(answer.summary->replay_damage), EBADMSG);
      EXPECT_TRUE(std::ranges::is_sorted(answer.inodes)) << "their order stays";
      for (const uint32_t inode : answer.inodes) EXPECT_TRUE(inode >= 1 && inode <= 8) << inode;
    }
  }
}

// A byte of the first of two tables: rows of both are given, and the first table names the place.
TEST(EngineReplay, ADamagedRecordCostsOnlyItself) {
  Packet damaged = CaptureOf(ThreeTables());
  const std::string text(reinterpret_cast<const char*>(damaged.data()), damaged.size());
  const Packet first = Unix(2, State::kEstablished);
  const size_t at =
      text.find(std::string(reinterpret_cast<const char*>(first.data()), first.size()));
  ASSERT_NE(at, text.npos);
  damaged[at + 20] ^= std::byte{1};
  const Answer answer = Ask(damaged);
  ASSERT_TRUE(answer.summary.ok()) << answer.summary.status();
  EXPECT_THAT(answer.inodes, ElementsAre(1, 3, 4, 5, 6, 7, 8));
  EXPECT_EQ(Errno(answer.summary->tables[0].status), EBADMSG);
  EXPECT_EQ(answer.summary->tables[0].status, answer.summary->replay_damage);
  EXPECT_TRUE(answer.summary->tables[1].status.ok());
  EXPECT_THAT(std::string(answer.summary->replay_damage.message()),
              HasSubstr("at byte " + std::to_string(at - 12)));
  // A query that does not read the table says it too.
  const Answer tcp = Ask(damaged, {.protocols = {Protocol::kTcp}});
  EXPECT_THAT(tcp.inodes, ElementsAre(5, 6, 7, 8));
  EXPECT_EQ(Errno(tcp.summary->replay_damage), EBADMSG);
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
  EXPECT_THAT(std::string(answer.summary->replay_damage.message()), HasSubstr("at byte "));
}

// ------------------------------------------------------------------------------------- joins

// A capture of one TCP and one unix socket with these records besides.
Packet WithRecords(const std::vector<CaptureRecord>& records) {
  InetMessage tcp;
  tcp.fixed.idiag_inode = 5;
  tcp.Add(INET_DIAG_CGROUP_ID, uint64_t{77});
  const Packet capture =
      CaptureOf({{Protocol::kTcp, {tcp.Build()}}, {Protocol::kUnix, {Unix(6, State::kListen)}}},
                {{5, 10, 3, "x"}, {6, 11, 4, "y"}});
  Packet joined;
  CaptureWriter writer([&](Bytes frame) {
    joined.insert(joined.end(), frame.begin(), frame.end());
    return absl::OkStatus();
  });
  CaptureReader reader(capture);
  for (CaptureRecord record; reader.Next(&record);) {
    if (record.type == CaptureType::kFinish) break;
    writer.Write(record);
  }
  for (const CaptureRecord& record : records) writer.Write(record);
  EXPECT_TRUE(writer.Finish().ok());
  return joined;
}

// What a replay tells of each row: inode, cgroup's path and unit, program of the first owner,
// reason.
std::vector<std::string> JoinsOf(const Packet& capture, bool owners) {
  Query query = {.protocols = {Protocol::kTcp, Protocol::kUnix}};
  query.owners = query.programs = owners;
  query.cgroups = true;
  std::vector<std::string> rows;
  const auto summary = Replay(capture)->Visit(query, [&](const Row& row) {
    std::string text = std::to_string(row.inode().value());
    if (row.cgroup() != nullptr) text += " " + row.cgroup()->path + " " + row.cgroup()->unit;
    const Program* const program = row.owners().empty() ? nullptr : row.ProgramOf(row.owners()[0]);
    if (program != nullptr) text += " " + program->exe;
    text += " " + std::string(Name(row.no_owner()));
    rows.push_back(text);
    return Flow::kContinue;
  });
  EXPECT_TRUE(summary.ok()) << summary.status();
  return rows;
}

TEST(EngineReplay, CgroupsAndProgramsAreThoseOfTheCapture) {
  CaptureRecord by_id = {.type = CaptureType::kCgroup};
  by_id.cgroup = CgroupId(77);
  by_id.path = "/by.id";
  CaptureRecord held = {.type = CaptureType::kCgroup, .pid = Pid(11), .start_time = 99};
  held.path = "/held";
  held.unit = "u.service";
  CaptureRecord program = {.type = CaptureType::kProgram, .pid = Pid(10), .start_time = 99};
  program.exe = "/bin/x";
  const Packet capture = WithRecords({by_id, held, program});
  EXPECT_THAT(JoinsOf(capture, true), ElementsAre("5 /by.id  /bin/x ", "6 /held u.service "));
  EXPECT_THAT(JoinsOf(capture, false), ElementsAre("5 /by.id  ", "6 "));
  // The cgroup of the row's own first owner comes before that of the id.
  CaptureRecord both = by_id;
  both.pid = Pid(10);
  both.start_time = 99;
  both.path = "/both";
  EXPECT_THAT(JoinsOf(WithRecords({by_id, both}), true), ElementsAre("5 /both  ", "6 "));
  EXPECT_THAT(JoinsOf(WithRecords({by_id, both}), false), ElementsAre("5 /by.id  ", "6 "));
  // Pids of this machine are not looked up.
  EXPECT_THAT(JoinsOf(WithRecords({}), true), ElementsAre("5 ", "6 "));
}

TEST(EngineReplay, ReasonsWithoutAnOwnerAreThoseOfTheCapture) {
  const auto reason_of = [](const Packet& capture) {
    Query query;
    query.owners = true;
    std::string reason;
    const auto summary = Replay(capture)->Visit(query, [&](const Row& row) {
      reason = Name(row.no_owner());
      return Flow::kContinue;
    });
    EXPECT_TRUE(summary.ok()) << summary.status();
    return reason;
  };
  const auto capture_of = [](std::optional<NoOwner> reason) {
    Packet capture;
    CaptureWriter writer([&](Bytes frame) {
      capture.insert(capture.end(), frame.begin(), frame.end());
      return absl::OkStatus();
    });
    const Packet row = Inet(3, State::kListen, 80);
    writer.Write({.type = CaptureType::kTable, .table = kTcp});
    writer.Write({.type = CaptureType::kDatagram, .datagram = row});
    writer.Write({.type = CaptureType::kEnd});
    CaptureRecord unowned = {.type = CaptureType::kNoOwner, .inode = Inode(3)};
    unowned.reason = static_cast<uint32_t>(reason.value_or(NoOwner::kNone));
    if (reason) writer.Write(unowned);
    EXPECT_TRUE(writer.Finish().ok());
    return capture;
  };
  EXPECT_EQ(reason_of(capture_of(NoOwner::kHidden)), "hidden");
  EXPECT_EQ(reason_of(capture_of(NoOwner::kOtherPidNamespace)), "other-pid-namespace");
  EXPECT_EQ(reason_of(capture_of(std::nullopt)), "vanished");
  EXPECT_EQ(reason_of(capture_of(NoOwner::kKernelHeld)), "vanished") << "the inode is not 0";
  Packet damaged = capture_of(std::nullopt);
  damaged.resize(damaged.size() - 1);
  EXPECT_EQ(reason_of(damaged), "not-read") << "the owner may have been lost";
}

TEST(EngineReplay, ACaptureThatWasMadeWithoutOwnersSaysSo) {
  CaptureRecord scope = {.type = CaptureType::kScope};
  Query query;
  query.owners = true;
  const auto ask = [&](const Packet& capture) {
    return Replay(capture)->Visit(query, [](const Row& row) {
      EXPECT_EQ(row.no_owner(), NoOwner::kNotAsked);
      return Flow::kContinue;
    });
  };
  const absl::StatusOr<Summary> summary = ask(WithRecords({scope}));
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_THAT(std::string(summary->owner_error.message()), HasSubstr("without owners"));
  EXPECT_FALSE(summary->owners.has_value());
}

// ------------------------------------------------------------------------------------- stream

Packet StreamOf(const std::vector<Packet>& messages) {
  Packet stream;
  TcpStreamWriter writer([&](Bytes message) {
    stream.insert(stream.end(), message.begin(), message.end());
    return absl::OkStatus();
  });
  for (const Packet& message : messages) {
    writer.Write({*netlink::Load<netlink::Header>(Bytes(message)), Bytes(message)});
  }
  EXPECT_TRUE(writer.Finish(0).ok());
  return stream;
}

TEST(EngineStream, GivesTheTcpSocketsOfTheStreamAndOthersOfTheKernel) {
  InetMessage with_cgroup;
  with_cgroup.fixed.idiag_inode = 13;
  with_cgroup.Add(INET_DIAG_CGROUP_ID, uint64_t{1});
  const Packet stream =
      StreamOf({Inet(11, State::kListen, 80),
                Inet(12, State::kEstablished, 81, 4000, Family::kInet6), with_cgroup.Build()});
  EngineOptions options;
  options.tcp_stream = {.bytes = stream};
  const auto ask = [&](Query query) {
    absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(options);
    EXPECT_TRUE(engine.ok()) << engine.status();
    std::vector<uint32_t> inodes;
    const auto summary = (*engine)->Visit(query, [&](const Row& row) {
      if (row.protocol() != Protocol::kTcp) return Flow::kContinue;
      inodes.push_back(row.inode().value());
      EXPECT_EQ(row.source(), SourceKind::kStream);
      EXPECT_TRUE(row.owners().empty());
      EXPECT_EQ(row.no_owner(), NoOwner::kNotAsked);
      EXPECT_EQ(row.table().netns, (*engine)->netns());
      return Flow::kContinue;
    });
    EXPECT_TRUE(summary.ok()) << summary.status();
    for (const TableOutcome& outcome : summary->tables) {
      const bool tcp = outcome.table.protocol == Protocol::kTcp;
      EXPECT_EQ(outcome.source == SourceKind::kStream, tcp);
      EXPECT_TRUE(outcome.status.ok()) << outcome.status;
    }
    return inodes;
  };
  Query query;
  EXPECT_THAT(ask(query), ElementsAre(11, 12, 13));
  for (const OwnerPolicy policy : {OwnerPolicy::kAll, OwnerPolicy::kFirst}) {
    query.owners = query.cgroups = query.programs = true;
    query.owner_policy = policy;
    EXPECT_THAT(ask(query), ElementsAre(11, 12, 13));
  }
  // The states of the query are those of the kernel's tables.
  query.states = State::kClose;
  EXPECT_THAT(ask(query), ElementsAre(11, 12, 13));
  options.tcp_stream->states = State::kListen;
  EXPECT_THAT(ask(query), ElementsAre(11));
  options.tcp_stream->states = StateSet::All();
  options.tcp_stream->families = Family::kInet6;
  EXPECT_THAT(ask(query), ElementsAre(12));
  EXPECT_THAT(ask({.protocols = {Protocol::kUdp}}), IsEmpty());
  // Tables stay in the order of the query.
  options.tcp_stream = {.bytes = stream};
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(options);
  const auto summary =
      (*engine)->Visit({.protocols = {Protocol::kUdp, Protocol::kTcp, Protocol::kUnix}},
                       [](const Row&) { return Flow::kContinue; });
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->tables.front().table.protocol, Protocol::kUdp);
  EXPECT_EQ(summary->tables.back().table.protocol, Protocol::kUnix);
}

TEST(EngineStream, DamageIsTheStatusOfTheTable) {
  Packet stream = StreamOf({Inet(11, State::kListen, 80)});
  stream.resize(stream.size() - 8);
  EngineOptions options;
  options.tcp_stream = {.bytes = stream};
  absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open(options);
  ASSERT_TRUE(engine.ok()) << engine.status();
  const auto summary =
      (*engine)->Visit({.protocols = {Protocol::kTcp}}, [](const Row&) { return Flow::kContinue; });
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->rows, 1u);
  ASSERT_EQ(summary->tables.size(), 1u);
  EXPECT_EQ(Errno(summary->tables[0].status), EBADMSG);
  EXPECT_THAT(std::string(summary->tables[0].status.message()), HasSubstr("at byte "));
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
  EXPECT_TRUE(writer.Finish().ok());
  const Answer answer = Ask(copy);
  EXPECT_TRUE(answer.summary->replay_damage.ok()) << answer.summary->replay_damage;
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
