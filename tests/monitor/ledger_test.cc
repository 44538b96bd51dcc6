// The Ledger: which changes it makes of rows and events. The tests make these; no kernel is asked.

#include "netdiag/monitor/ledger.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/engine/row_maker.h"
#include "netdiag/fields.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/process/owner_index.h"
#include "netdiag/socket/socket.h"
#include "netdiag/types/error.h"
#include "tests/testing/alloc_counter.h"
#include "tests/testing/messages.h"

namespace netdiag {
namespace {

using internal::Ledger;
using internal::RowMaker;
using ::testing::ElementsAre;
using testing::InetMessage;
using ::testing::IsEmpty;
using testing::Packet;

const Field& Acked() { return *FindField("bytes_acked"); }
const Field& Received() { return *FindField("bytes_received"); }
const Field& Retrans() { return *FindField("total_retrans"); }

const Table kTcp = {
    .protocol = Protocol::kTcp, .families = {Family::kInet, Family::kInet6}, .netns = NetnsId(42)};
const Table kTcp4 = {.protocol = Protocol::kTcp, .families = Family::kInet, .netns = NetnsId(42)};
const Table kUdp = {.protocol = Protocol::kUdp, .families = Family::kInet, .netns = NetnsId(42)};
const Table kElsewhere = {
    .protocol = Protocol::kTcp, .families = {Family::kInet, Family::kInet6}, .netns = NetnsId(43)};

// The counters of a connection.
struct Counters {
  uint64_t acked = 0;
  uint64_t received = 0;
  uint32_t segments = 1;
  uint32_t retrans = 0;
};

Packet InfoOf(const Counters& counters) {
  Packet info(TcpInfo::size());
  const auto put = [&](const StructField& field, uint64_t value) {
    std::memcpy(info.data() + field.offset, &value, field.width);
  };
  put(TcpInfo::Field("bytes_acked"), counters.acked);
  put(TcpInfo::Field("bytes_received"), counters.received);
  put(TcpInfo::Field("segs_out"), counters.segments);
  put(TcpInfo::Field("total_retrans"), counters.retrans);
  return info;
}

// A socket of a dump.
struct Socket {
  uint32_t cookie;
  std::optional<Counters> counters = Counters{};
  State state = State::kEstablished;
  uint32_t inode = 5001;
  const Table* table = &kTcp;
  SourceKind source = SourceKind::kNetlink;
  bool of_every_address = false;  // a listener

  Packet Build() const {
    InetMessage message;
    if (state == State::kListen) message.SetRemote("\x00\x00\x00\x00", 0);
    if (of_every_address) message.SetLocal("\x00\x00\x00\x00", 8080);
    message.fixed.idiag_state = static_cast<uint8_t>(state);
    message.fixed.id.idiag_cookie[0] = cookie;
    message.fixed.idiag_inode = inode;
    if (counters) message.Add(INET_DIAG_INFO, InfoOf(*counters));
    return message.Build();
  }
};

// What a visitor saw of a change.
struct Seen {
  ChangeKind kind;
  uint64_t cookie;
  FieldValue acked;
  friend bool operator==(const Seen&, const Seen&) = default;
};
void PrintTo(const Seen& seen, std::ostream* out) {
  *out << Name(seen.kind) << " " << seen.cookie << " ";
  if (const auto* number = std::get_if<uint64_t>(&seen.acked)) {
    *out << *number;
  } else {
    *out << "absent";
  }
}

constexpr auto kOpened = ChangeKind::kOpened;
constexpr auto kLived = ChangeKind::kLived;
constexpr auto kClosed = ChangeKind::kClosed;
constexpr auto kGone = ChangeKind::kGone;
constexpr auto kLingers = ChangeKind::kLingers;
constexpr auto kUntold = ChangeKind::kUntold;
const FieldValue kNothing;
FieldValue Is(uint64_t number) { return number; }

class Book {
 public:
  explicit Book(bool from_start = true) : ledger_(from_start) {}

  // One look whose dump gives `rows`, with events before and after it.
  std::vector<Seen> Look(const std::vector<Socket>& rows,
                         const std::vector<Socket>& events_before = {},
                         const std::vector<Socket>& events_after = {}) {
    seen_.clear();
    time_ += std::chrono::seconds(1);
    ledger_.BeginLook(Ledger::Time(time_));
    Events(events_before);
    for (const Socket& socket : rows) AddRow(socket);
    Events(events_after);
    End();
    return seen_;
  }
  void AddRow(const Socket& socket) {
    const Packet message = socket.Build();
    const netlink::Message view(*netlink::Load<netlink::Header>(message), message);
    const auto row =
        RowMaker::FromMessage(view, *socket.table, socket.source, {owners_.get(), nullptr});
    ledger_.Add(*row, [this](const Change& change) { Note(change); });
  }
  void Events(const std::vector<Socket>& events) {
    for (Socket socket : events) {
      socket.state = State::kClose;
      socket.inode = 0;
      const Packet message = socket.Build();
      const netlink::Message view(*netlink::Load<netlink::Header>(message), message);
      const auto row = RowMaker::FromMessage(view, socket.table == &kTcp ? kTcp4 : *socket.table,
                                             SourceKind::kEvent);
      ledger_.Close(
          *row, [this](const Row&) { return selects; },
          [this](const Change& change) { Note(change); });
    }
  }
  void End() {
    Summary summary;
    for (const Table* table : tables) {
      summary.tables.push_back({.table = *table, .status = status});
    }
    ledger_.EndLook(
        summary, [this](const Table&) { return follows; },
        [this](const Change& change) { Note(change); });
  }
  // From now on the sockets of this inode have this owner.
  void SetOwner(uint32_t inode, int32_t pid, std::string_view command) {
    held_.push_back(
        {Inode(inode), Owner{.pid = Pid(pid), .start_time = 7, .fd = 3, .command = command}});
    owners_ = std::make_unique<OwnerIndex>();
    owners_->Assign(held_);
  }
  void ForgetOwners() {
    held_.clear();
    owners_ = std::make_unique<OwnerIndex>();
    owners_->Assign(held_);
  }
  Ledger* operator->() { return &ledger_; }

  bool selects = true;
  bool follows = true;
  absl::Status status;
  std::vector<const Table*> tables = {&kTcp, &kUdp};
  std::function<void(const Change&)> inspect = [](const Change&) {};

 private:
  void Note(const Change& change) {
    inspect(change);
    seen_.push_back({change.kind(), change.row().cookie().value(), change.Delta(Acked())});
  }

  Ledger ledger_;
  std::chrono::seconds time_{100};
  std::unique_ptr<OwnerIndex> owners_;
  std::vector<OwnedSocket> held_;
  std::vector<Seen> seen_;
};

Counters Acks(uint64_t acked) { return {.acked = acked}; }

// ---- Which change it is ----

TEST(Ledger, TheFirstLookCountsFromThere) {
  Book book;
  book.inspect = [](const Change& change) { EXPECT_FALSE(change.counts_from_start()); };
  EXPECT_THAT(book.Look({{1, Acks(100)}}), ElementsAre(Seen{kOpened, 1, Is(0)}));
  EXPECT_THAT(book.Look({{1, Acks(130)}}), ElementsAre(Seen{kLived, 1, Is(30)}));
  EXPECT_EQ(book->done().opened, 0u);
  EXPECT_EQ(book->done().lived, 1u);
  EXPECT_EQ(book->done().interval, std::chrono::seconds(1));
}

TEST(Ledger, ANewSocketCountsFromItsStart) {
  Book book;
  book.Look({});
  book.inspect = [](const Change& change) { EXPECT_TRUE(change.counts_from_start()); };
  EXPECT_THAT(book.Look({{1, Acks(100)}}), ElementsAre(Seen{kOpened, 1, Is(100)}));
  EXPECT_THAT(book.Look({}, {{1, Acks(150)}}), ElementsAre(Seen{kClosed, 1, Is(50)}));
}

TEST(Ledger, ASocketThatTheQueryCanGiveLateCountsFromThere) {
  Book book(/*from_start=*/false);
  book.Look({});
  EXPECT_THAT(book.Look({{1, Acks(100)}}), ElementsAre(Seen{kOpened, 1, Is(0)}));
}

TEST(Ledger, ASocketOfATableThatWasNotReadBeforeCountsFromThere) {
  Book book;
  book.Look({});
  book.status = ErrnoError(EIO, "dump");
  book.Look({});
  EXPECT_FALSE(book->done().exact());
  book.status = absl::OkStatus();
  EXPECT_THAT(book.Look({{1, Acks(100)}}), ElementsAre(Seen{kOpened, 1, Is(0)}));
  EXPECT_THAT(book.Look({{1, Acks(100)}, {2, Acks(5)}}),
              ElementsAre(Seen{kLived, 1, Is(0)}, Seen{kOpened, 2, Is(5)}));
  // Another namespace is listed for the first time.
  book.tables.push_back(&kElsewhere);
  const Socket there = {.cookie = 3, .counters = Acks(100), .table = &kElsewhere};
  EXPECT_THAT(book.Look({there}), ElementsAre(Seen{kOpened, 3, Is(0)}));
}

TEST(Ledger, WhatLivesBetweenTwoLooksIsUnseen) {
  Book book;
  book.Look({});
  book.inspect = [](const Change& change) {
    EXPECT_TRUE(change.unseen());
    EXPECT_EQ(change.last(), nullptr);
  };
  EXPECT_THAT(book.Look({}, {{1, Acks(10)}}, {{2, Acks(20)}}),
              ElementsAre(Seen{kClosed, 1, Is(10)}, Seen{kClosed, 2, Is(20)}));
  EXPECT_EQ(book->done().unseen, 2u);
  EXPECT_EQ(book->done().closed, 2u);
}

TEST(Ledger, AnEventBeforeTheFirstLookIsOfAnOldSocket) {
  Book book;
  EXPECT_THAT(book.Look({}, {{1, Acks(10)}}), ElementsAre(Seen{kClosed, 1, Is(0)}));
}

TEST(Ledger, AnEventThatTheQueryDoesNotSelectIsLeftOut) {
  Book book;
  book.Look({{1, Acks(1)}});
  book.selects = false;
  EXPECT_THAT(book.Look({}, {{1, Acks(2)}, {2, Acks(3)}}), ElementsAre(Seen{kClosed, 1, Is(1)}));
}

TEST(Ledger, ASocketCanLiveAndCloseInOneLook) {
  Book book;
  book.Look({});
  EXPECT_THAT(book.Look({{1, Acks(10)}}, {}, {{1, Acks(12)}}),
              ElementsAre(Seen{kOpened, 1, Is(10)}, Seen{kClosed, 1, Is(2)}));
  EXPECT_EQ(book->size(), 0u);
}

TEST(Ledger, TimeWaitLingersAfterTheEvent) {
  Book book;
  book.Look({{1, Acks(1)}});
  const Socket waiting = {.cookie = 1, .counters = std::nullopt, .state = State::kTimeWait};
  EXPECT_THAT(book.Look({waiting}, {{1, Acks(5)}}),
              ElementsAre(Seen{kClosed, 1, Is(4)}, Seen{kLingers, 1, kNothing}));
  EXPECT_THAT(book.Look({waiting}), ElementsAre(Seen{kLingers, 1, kNothing}));
  EXPECT_EQ(book->done().lingering, 1u);
  EXPECT_EQ(book->size(), 0u);
  EXPECT_THAT(book.Look({}), IsEmpty());
  // The record is forgotten now, so that a row with this cookie is a new socket.
  EXPECT_THAT(book.Look({{1, Acks(3)}}), ElementsAre(Seen{kOpened, 1, Is(3)}));
}

TEST(Ledger, TheOrderOfRowsDoesNotMatter) {
  Book book;
  std::vector<Socket> sockets;
  for (uint32_t i = 1; i <= 20; ++i) sockets.push_back({i, Acks(i)});
  book.Look(sockets);
  for (size_t round = 1; round < 20; ++round) {
    std::rotate(sockets.begin(), sockets.begin() + static_cast<std::ptrdiff_t>(round),
                sockets.end());
    sockets[round].cookie += 100;  // another socket is in its place
    std::map<uint64_t, ChangeKind> kinds;
    for (const Seen& seen : book.Look(sockets)) kinds[seen.cookie] = seen.kind;
    for (size_t i = 0; i < sockets.size(); ++i) {
      EXPECT_EQ(kinds[sockets[i].cookie], i == round ? kOpened : kLived);
    }
    EXPECT_EQ(book->done().lived, 19u);
    EXPECT_EQ(book->done().opened, 1u);
    EXPECT_EQ(book->done().gone, round > 1 ? 1u : 0u);
  }
}

TEST(Ledger, TimeWaitBeforeTheEventLosesNoCounter) {
  Book book;
  book.Look({{1, Acks(1)}});
  const Socket waiting = {.cookie = 1, .counters = std::nullopt, .state = State::kTimeWait};
  EXPECT_THAT(book.Look({waiting}), ElementsAre(Seen{kLived, 1, Is(0)}));
  book.inspect = [](const Change& change) {
    if (change.kind() == kLingers) return;
    EXPECT_EQ(change.last_state(), State::kTimeWait);
    EXPECT_EQ(change.last()->state(), State::kEstablished);
  };
  EXPECT_THAT(book.Look({waiting}, {{1, Acks(5)}}),
              ElementsAre(Seen{kClosed, 1, Is(4)}, Seen{kLingers, 1, kNothing}));
}

TEST(Ledger, ASocketWithoutAnEventIsGoneAtTheSecondLookWithoutIt) {
  Book book;
  book.Look({{1, Acks(1)}, {2, Acks(1)}});
  EXPECT_THAT(book.Look({}), IsEmpty());
  EXPECT_THAT(book.Look({}, {{2, Acks(4)}}),
              ElementsAre(Seen{kClosed, 2, Is(3)}, Seen{kGone, 1, Is(0)}));
  EXPECT_EQ(book->done().gone, 1u);
  EXPECT_EQ(book->size(), 0u);
}

TEST(Ledger, ASocketIsGoneAtOnceWhereNoEventCanCome) {
  Book book;
  book.follows = false;
  book.Look({{1, Acks(1)}});
  EXPECT_THAT(book.Look({}), ElementsAre(Seen{kGone, 1, Is(0)}));
  // The end of TIME_WAIT gives no event.
  book.follows = true;
  book.Look({{.cookie = 2, .counters = std::nullopt, .state = State::kTimeWait}});
  EXPECT_THAT(book.Look({}), ElementsAre(Seen{kGone, 2, kNothing}));
}

TEST(Ledger, ATableThatWasNotReadKeepsItsSockets) {
  Book book;
  book.Look({{1, Acks(1)}});
  book.status = ErrnoError(EIO, "dump");
  for (int i = 0; i < 3; ++i) EXPECT_THAT(book.Look({}), IsEmpty());
  book.status = absl::OkStatus();
  EXPECT_THAT(book.Look({{1, Acks(4)}}), ElementsAre(Seen{kLived, 1, Is(3)}));
}

TEST(Ledger, RowsThatCannotBeToldApartAreSaidToBeUntold) {
  Book book;
  book.Look({});
  const Socket text = {.cookie = 0, .source = SourceKind::kProcfs};
  EXPECT_THAT(book.Look({text, text, {7, Acks(1)}, {7, Acks(2)}}),
              ElementsAre(Seen{kUntold, 0, kNothing}, Seen{kUntold, 0, kNothing},
                          Seen{kOpened, 7, Is(1)}, Seen{kUntold, 7, kNothing}));
  EXPECT_EQ(book->done().untold, 3u);
  EXPECT_FALSE(book->done().exact());
}

TEST(Ledger, AnAbandonedLookLosesNothing) {
  Book book;
  book.Look({});
  book->BeginLook(Ledger::Time(std::chrono::seconds(200)));
  book.AddRow({1, Acks(10)});
  book->AbandonLook();
  EXPECT_THAT(book.Look({{1, Acks(15)}, {2, Acks(9)}}),
              ElementsAre(Seen{kLived, 1, Is(5)}, Seen{kOpened, 2, Is(0)}));
}

// ---- Counters ----

TEST(Ledger, ZerosNeverLowerACounter) {
  Book book;
  book.Look({});
  book.Look({{1, Acks(100)}});
  book.inspect = [](const Change& change) {
    EXPECT_FALSE(change.reset());
    EXPECT_EQ(change.Value(Acked()), Is(100));
    EXPECT_EQ(change.Value(*FindField("inode")), Is(5001));
  };
  EXPECT_THAT(book.Look({}, {{1, Counters{.segments = 0}}}), ElementsAre(Seen{kClosed, 1, Is(0)}));
}

TEST(Ledger, ACounterOf32BitsWraps) {
  Book book;
  book.Look({{1, Counters{.acked = 5, .retrans = 0xfffffffe}}});
  book.inspect = [](const Change& change) {
    EXPECT_EQ(change.Delta(Retrans()), Is(5));
    EXPECT_FALSE(change.reset());
  };
  book.Look({{1, Counters{.acked = 6, .retrans = 3}}});
}

TEST(Ledger, ASocketThatWasConnectedAnewBeginsAgain) {
  Book book;
  book.Look({{1, Counters{.acked = 1000, .received = 50, .retrans = 9}}});
  book.inspect = [](const Change& change) {
    EXPECT_TRUE(change.reset());
    EXPECT_EQ(change.Delta(Received()), Is(7));
    EXPECT_EQ(change.Delta(Retrans()), Is(2));
  };
  EXPECT_THAT(book.Look({{1, Counters{.acked = 20, .received = 7, .retrans = 2}}}),
              ElementsAre(Seen{kLived, 1, Is(20)}));
}

TEST(Ledger, TheCountersOfASocketBeginAfterSynReceived) {
  Book book;
  book.Look({{.cookie = 1, .counters = std::nullopt, .state = State::kSynReceived}});
  EXPECT_THAT(book.Look({{1, Acks(44)}}), ElementsAre(Seen{kLived, 1, Is(44)}));
}

TEST(Ledger, ByteCountersOfUdpAreAbsent) {
  Book book;
  book.Look({});
  const Socket udp = {.cookie = 1, .counters = std::nullopt, .table = &kUdp};
  EXPECT_THAT(book.Look({udp}), ElementsAre(Seen{kOpened, 1, kNothing}));
  EXPECT_THAT(book.Look({udp}), ElementsAre(Seen{kLived, 1, kNothing}));
  EXPECT_THAT(book.Look({}, {udp}), ElementsAre(Seen{kClosed, 1, kNothing}));
}

TEST(Ledger, OnlyCountersHaveDeltas) {
  Book book;
  book.Look({{1, Acks(1)}});
  book.inspect = [](const Change& change) {
    EXPECT_TRUE(IsAbsent(change.Delta(*FindField("snd_cwnd"))));
    EXPECT_TRUE(IsAbsent(change.Delta(*FindField("state"))));
  };
  book.Look({{1, Acks(1)}});
}

// ---- Owners ----

// The owner that is inferred for `socket` in a look that gives `others` too, as "nginx/70"; empty:
// there is none.
std::string Inferred(Book* book, const Socket& socket, const std::vector<Socket>& others) {
  std::string inferred;
  book->inspect = [&](const Change& change) {
    if (change.row().cookie().value() != socket.cookie) return;
    const Owners owners = change.inferred_owners();
    inferred.clear();
    if (!owners.empty()) {
      inferred.append(owners[0].command).append("/").append(std::to_string(owners[0].pid.value()));
    }
  };
  std::vector<Socket> all = others;
  all.push_back(socket);
  book->Look(all);
  return inferred;
}

TEST(Ledger, AConnectionWithoutAnOwnerHasThatOfItsListenerInferred) {
  Book book;
  book.SetOwner(7, 70, "nginx");
  book.SetOwner(8, 80, "haproxy");
  book.SetOwner(9, 90, "client");
  const Socket every = {.cookie = 1, .state = State::kListen, .inode = 7, .of_every_address = true};
  const Socket exact = {.cookie = 2, .state = State::kListen, .inode = 8};
  const Socket connection = {.cookie = 3, .inode = 0};
  EXPECT_EQ(Inferred(&book, connection, {}), "");
  EXPECT_EQ(Inferred(&book, connection, {every}), "nginx/70");
  EXPECT_EQ(Inferred(&book, connection, {every, exact}), "haproxy/80");
  EXPECT_EQ(Inferred(&book, connection, {exact, every}), "haproxy/80");
  // Nothing is inferred for a listener, or for a socket whose owner is known.
  EXPECT_EQ(Inferred(&book, {.cookie = 4, .state = State::kListen, .inode = 0}, {every}), "");
  EXPECT_EQ(Inferred(&book, {.cookie = 5, .inode = 9}, {every}), "");
  const Socket elsewhere = {.cookie = 6, .inode = 0, .table = &kElsewhere};
  EXPECT_EQ(Inferred(&book, elsewhere, {every, exact}), "");
}

TEST(Ledger, NoOwnerIsInferredWhereSeveralProcessesListen) {
  Book book;
  book.SetOwner(7, 70, "nginx");
  book.SetOwner(8, 80, "nginx");
  const Socket one = {.cookie = 1, .state = State::kListen, .inode = 7};
  const Socket two = {.cookie = 2, .state = State::kListen, .inode = 8};
  const Socket connection = {.cookie = 3, .inode = 0};
  EXPECT_EQ(Inferred(&book, connection, {one, two}), "");
  // After one of them has closed, the other is the only listener.
  book.Look({two}, {one});
  EXPECT_EQ(Inferred(&book, {.cookie = 4, .inode = 0}, {two}), "nginx/80");
}

TEST(Ledger, AnUnseenConnectionHasTheOwnerOfItsListenerInferred) {
  Book book;
  book.SetOwner(7, 70, "nginx");
  book.Look({{.cookie = 1, .state = State::kListen, .inode = 7}});
  std::string command;
  book.inspect = [&](const Change& change) {
    if (!change.unseen()) return;
    EXPECT_TRUE(change.row().owners().empty());
    ASSERT_FALSE(change.inferred_owners().empty());
    command = change.inferred_owners()[0].command;
  };
  book.Look({{.cookie = 1, .state = State::kListen, .inode = 7}}, {{2, Acks(5)}});
  EXPECT_EQ(command, "nginx");
}

TEST(Ledger, AClosedSocketHasTheOwnerThatItHad) {
  Book book;
  book.Look({});
  book.SetOwner(5001, 77, "server");
  book.Look({{1, Acks(1)}});
  std::vector<std::string> commands;
  book.inspect = [&](const Change& change) {
    EXPECT_TRUE(change.owners_remembered());
    for (const Owner& owner : change.row().owners()) commands.emplace_back(owner.command);
    EXPECT_EQ(change.row().owners()[0].pid, Pid(77));
    EXPECT_EQ(change.row().owners()[0].fd, 3);
    EXPECT_EQ(change.Value(*FindField("owners.pid")), Is(77));
  };
  // It is orphaned first: the kernel holds it until its peer has everything.
  book.ForgetOwners();
  book.Look({{.cookie = 1, .state = State::kFinWait1, .inode = 0}});
  book.Look({}, {{1, Acks(9)}});
  EXPECT_THAT(commands, ElementsAre("server", "server"));
}

TEST(Ledger, AnOwnerThatPassesTheSocketOnIsReplaced) {
  Book book;
  book.SetOwner(5001, 77, "parent");
  book.Look({{1, Acks(1)}, {2, Acks(1)}});
  book.ForgetOwners();
  book.SetOwner(5001, 88, "child");
  book.Look({{1, Acks(1)}});
  std::map<uint64_t, std::string> commands;
  book.inspect = [&](const Change& change) {
    for (const Owner& owner : change.row().owners()) {
      commands[change.row().cookie().value()] = owner.command;
    }
  };
  book.Look({}, {{1, Acks(1)}, {2, Acks(1)}});
  EXPECT_EQ(commands, (std::map<uint64_t, std::string>{{1, "child"}, {2, "parent"}}));
}

TEST(Ledger, SumsOfAllGroupsEqualTheTotal) {
  Book book;
  book.Look({});
  book.SetOwner(1, 11, "web");
  book.SetOwner(1, 12, "web");  // two processes hold it: it counts once
  book.SetOwner(2, 20, "db");
  ChangeSums sums({FindField("owners.command")}, {&Acked()});
  book.inspect = [&](const Change& change) { sums.Add(change); };
  book.Look({{.cookie = 1, .counters = Acks(10), .inode = 1},
             {.cookie = 2, .counters = Acks(20), .inode = 2},
             {.cookie = 3, .counters = Acks(40), .inode = 3}},
            {{4, Acks(80)}}, {{1, Acks(11)}});
  std::map<std::string, uint64_t> by_command;
  for (const RowCounts::Group& group : sums.Groups()) {
    const auto* command = std::get_if<std::string_view>(&group.values[0]);
    by_command[command != nullptr ? std::string(*command) : "unattributed"] =
        std::get<uint64_t>(group.sums[0]);
  }
  EXPECT_EQ(by_command,
            (std::map<std::string, uint64_t>{{"web", 11}, {"db", 20}, {"unattributed", 120}}));
}

// ---- Memory ----

TEST(Ledger, ASteadyLookAllocatesNothingAndGrowsNothing) {
  constexpr uint32_t kSockets = 2000;
  Book book;
  for (uint32_t i = 1; i <= kSockets; ++i) book.SetOwner(i, 77, "server");
  std::vector<Packet> messages;
  for (uint32_t i = 1; i <= kSockets; ++i) {
    messages.push_back(Socket{.cookie = i, .counters = Acks(i), .inode = i}.Build());
  }
  OwnerIndex owners;
  std::vector<OwnedSocket> held;
  for (uint32_t i = 1; i <= kSockets; ++i) {
    held.push_back({Inode(i), Owner{.pid = Pid(7), .start_time = 1, .fd = 3, .command = "x"}});
  }
  owners.Assign(held);
  Ledger ledger(/*from_start=*/true);
  uint64_t changes = 0;
  const auto look = [&](const Summary& summary) {
    ledger.BeginLook(Ledger::Time(std::chrono::seconds(changes)));
    for (const Packet& message : messages) {
      const netlink::Message view(*netlink::Load<netlink::Header>(message), message);
      const auto row = RowMaker::FromMessage(view, kTcp, SourceKind::kNetlink, {&owners, nullptr});
      ledger.Add(*row, [&](const Change& change) {
        ++changes;
        EXPECT_FALSE(IsAbsent(change.Delta(Acked())));
      });
    }
    ledger.EndLook(
        summary, [](const Table&) { return true; }, [](const Change&) {});
  };
  const Summary summary{.tables = {{.table = kTcp}}};
  look(summary);
  look(summary);
  const size_t memory = ledger.memory();
  testing::AllocCounter counter;
  for (int i = 0; i < 5; ++i) look(summary);
  EXPECT_EQ(counter.count(), 0u);
  EXPECT_EQ(ledger.memory(), memory);
  EXPECT_EQ(changes, 7u * kSockets);
}

TEST(Ledger, ASocketTakes64BytesBesideItsRow) {
  constexpr uint32_t kSockets = 100'000;
  const Packet message = Socket{.cookie = 1}.Build();
  OwnerIndex owners;
  owners.Assign(std::array{
      OwnedSocket{Inode(5001), Owner{.pid = Pid(7), .start_time = 1, .fd = 3, .command = "x"}}});
  Ledger ledger(/*from_start=*/true);
  Packet copy = message;
  ledger.BeginLook({});
  for (uint32_t i = 1; i <= kSockets; ++i) {
    auto* const fixed = reinterpret_cast<inet_diag_msg*>(copy.data() + netlink::kHeaderSize);
    fixed->id.idiag_cookie[0] = i;
    const netlink::Message view(*netlink::Load<netlink::Header>(copy), copy);
    ledger.Add(*RowMaker::FromMessage(view, kTcp, SourceKind::kNetlink, {&owners, nullptr}),
               [](const Change&) {});
  }
  EXPECT_EQ(ledger.size(), kSockets);
  EXPECT_LE(ledger.memory(), kSockets * (message.size() + 64));
}

TEST(Ledger, WhatCloseFreesIsUsedAgain) {
  Book book;
  size_t memory = 0;
  for (uint32_t i = 0; i < 300; ++i) {
    std::vector<Socket> rows, events;
    for (uint32_t j = 0; j < 50; ++j) {
      rows.push_back({.cookie = 1 + 50 * i + j});
      if (i > 0) events.push_back({.cookie = 1 + 50 * (i - 1) + j});
    }
    book.Look(rows, events);
    EXPECT_EQ(book->size(), 50u);
    if (i == 10) memory = book->memory();
  }
  EXPECT_EQ(book->memory(), memory);
}

}  // namespace
}  // namespace netdiag
