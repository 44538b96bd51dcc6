// The series of `diag export`, over rows and events that are made here.

#include "tools/diag/monitor/series.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/engine/row_maker.h"
#include "netdiag/monitor/ledger.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/process/owner_index.h"
#include "netdiag/socket/socket.h"
#include "tests/testing/alloc_counter.h"
#include "tests/testing/messages.h"

namespace diag {
namespace {

using netdiag::Change;
using netdiag::Inode;
using netdiag::NetnsId;
using netdiag::Owner;
using netdiag::OwnerIndex;
using netdiag::Pid;
using netdiag::Protocol;
using netdiag::SourceKind;
using netdiag::State;
using netdiag::Table;
using netdiag::TcpInfo;
using netdiag::internal::Ledger;
using netdiag::internal::RowMaker;
using netdiag::testing::AllocCounter;
using netdiag::testing::InetMessage;
using netdiag::testing::Packet;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Socket {
  uint32_t cookie;
  uint16_t local = 80;
  uint64_t acked = 0;
  uint64_t received = 0;
  uint32_t rtt = 0;  // microseconds
  State state = State::kEstablished;
  uint32_t inode = 5001;
  uint32_t netns = 42;

  Packet Build() const {
    InetMessage message;
    message.fixed.idiag_state = static_cast<uint8_t>(state);
    message.fixed.id.idiag_cookie[0] = cookie;
    message.fixed.idiag_inode = inode;
    message.SetLocal("\x7f\x00\x00\x01", local);
    if (state == State::kListen) {
      message.SetRemote("\x00\x00\x00\x00", 0);
      message.fixed.idiag_rqueue = 3;
      message.fixed.idiag_wqueue = 4;
    }
    if (state == State::kTimeWait) return message.Build();
    Packet info(TcpInfo::size());
    const auto put = [&](const netdiag::StructField& field, uint64_t value) {
      std::memcpy(info.data() + field.offset, &value, field.width);
    };
    put(TcpInfo::Field("bytes_acked"), acked);
    put(TcpInfo::Field("bytes_received"), received);
    put(TcpInfo::Field("segs_out"), 1);
    put(TcpInfo::Field("rtt"), rtt);
    message.Add(INET_DIAG_INFO, info);
    return message.Build();
  }
};

// Looks whose changes are counted.
class Host {
 public:
  explicit Host(const std::string& by, size_t most = 100)
      : series_(by.empty() ? std::vector<Column>() : *ParseColumns(by), most, &names_) {}

  void Look(const std::vector<Socket>& rows, const std::vector<Socket>& events = {}) {
    series_.BeginLook();
    time_ += std::chrono::seconds(1);
    ledger_.BeginLook(Ledger::Time(time_));
    const auto add = [this](const Change& change) { series_.Add(change); };
    netdiag::Summary summary;
    for (const Socket& socket : rows) {
      const Packet message = socket.Build();
      const netdiag::netlink::Message view(
          *netdiag::netlink::Load<netdiag::netlink::Header>(message), message);
      const Table table = TableOf(socket.netns);
      ledger_.Add(
          *RowMaker::FromMessage(view, table, SourceKind::kNetlink, {owners_.get(), nullptr}), add);
      summary.tables.push_back({.table = table});
    }
    if (rows.empty()) summary.tables.push_back({.table = TableOf(42)});
    for (Socket socket : events) {
      socket.state = State::kClose;
      socket.inode = 0;
      const Packet message = socket.Build();
      const netdiag::netlink::Message view(
          *netdiag::netlink::Load<netdiag::netlink::Header>(message), message);
      const Table table = TableOf(socket.netns);
      ledger_.Close(
          *RowMaker::FromMessage(view, table, SourceKind::kEvent),
          [](const netdiag::Row&) { return true; }, add);
    }
    ledger_.EndLook(
        summary, [](const Table&) { return true; }, add);
    series_.EndLook();
  }
  void SetOwner(uint32_t inode, int32_t pid, std::string_view command) {
    held_.push_back(
        {Inode(inode), Owner{.pid = Pid(pid), .start_time = 7, .fd = 3, .command = command}});
    owners_ = std::make_unique<OwnerIndex>();
    owners_->Assign(held_);
  }

  const Series& series() const { return series_; }
  // "80: 3" for each group: its values and `member`; `other` is the last.
  std::vector<std::string> All(uint64_t SocketGroup::*member) const {
    std::vector<std::string> all;
    const auto add = [&](const SocketGroup& group) {
      std::string text;
      for (const std::string& value : group.values) text += value + ": ";
      all.push_back(text + std::to_string(group.*member));
    };
    for (const SocketGroup* group : series_.groups()) add(*group);
    if (series_.other() != nullptr) add(*series_.other());
    return all;
  }

 private:
  static Table TableOf(uint32_t netns) {
    return {.protocol = Protocol::kTcp,
            .families = {netdiag::Family::kInet, netdiag::Family::kInet6},
            .netns = NetnsId(netns)};
  }

  Names names_;
  Series series_;
  Ledger ledger_{/*from_start=*/true};
  std::chrono::seconds time_{100};
  std::vector<netdiag::OwnedSocket> held_;
  std::unique_ptr<OwnerIndex> owners_;
};

TEST(Series, WithoutFieldsAllSocketsAreOneGroup) {
  Host host("");
  host.Look({{1, 80}, {2, 81}});
  host.Look({{1, 80, 10}, {2, 81, 20}});
  EXPECT_THAT(host.All(&SocketGroup::connections), ElementsAre("2"));
  EXPECT_THAT(host.All(&SocketGroup::sent), ElementsAre("30"));
}

TEST(Series, TheLargestGroupsAreToldApartAndTheRestIsOther) {
  Host host("local_port", 2);
  host.Look({{1, 81}, {2, 82}, {3, 82}, {4, 82}, {5, 83}, {6, 83}});
  EXPECT_THAT(host.All(&SocketGroup::connections), ElementsAre("82: 3", "83: 2", "other: 1"));
}

TEST(Series, AGroupStaysAndItsCountersNeverFall) {
  Host host("local_port", 2);
  host.Look({});
  host.Look({{1, 81, 100}, {2, 82, 50}});
  host.Look({}, {{1, 81, 101}, {2, 82, 51}});
  EXPECT_THAT(host.All(&SocketGroup::sent), ElementsAre("81: 101", "82: 51"));
  EXPECT_THAT(host.All(&SocketGroup::connections), ElementsAre("81: 0", "82: 0"));
  // Ports that come later are others, however much they move.
  host.Look({{3, 83, 1000}, {4, 84, 1}, {5, 81, 7}});
  host.Look({{3, 83, 1500}, {4, 84, 1}, {5, 81, 7}});
  EXPECT_THAT(host.All(&SocketGroup::sent), ElementsAre("81: 108", "82: 51", "other: 1501"));
}

TEST(Series, GroupsFillUpInLaterLooks) {
  Host host("local_port", 3);
  host.Look({{1, 81}});
  host.Look({{1, 81}, {2, 82, 5}, {3, 83, 9}, {4, 84, 7}});
  EXPECT_THAT(host.All(&SocketGroup::sent), ElementsAre("81: 0", "83: 9", "84: 7", "other: 5"));
}

TEST(Series, CountsWhatOpensAndClosesAndNotWhatWasThere) {
  Host host("local_port");
  host.Look({{1, 80}});
  host.Look({{1, 80}, {2, 80}}, {{3, 80, 9}});
  EXPECT_THAT(host.All(&SocketGroup::opened), ElementsAre("80: 2"));
  EXPECT_THAT(host.All(&SocketGroup::closed), ElementsAre("80: 1"));
  EXPECT_THAT(host.All(&SocketGroup::sent), ElementsAre("80: 9"));
  host.Look({}, {{1, 80}});
  host.Look({});
  EXPECT_THAT(host.All(&SocketGroup::closed), ElementsAre("80: 3"));
}

TEST(Series, AListenerIsNoConnectionAndHasAQueue) {
  Host host("local_port");
  host.Look({});
  host.Look({{.cookie = 1, .local = 80, .state = State::kListen}});
  const SocketGroup& group = *host.series().groups()[0];
  EXPECT_EQ(group.opened, 0u);
  EXPECT_EQ(group.connections, 0u);
  EXPECT_EQ(group.listeners, 1u);
  EXPECT_EQ(group.waiting, 3u);
  EXPECT_EQ(group.backlog, 4u);
  EXPECT_EQ(group.fullest, 0.75);
}

TEST(Series, GivesThePercentilesOfNow) {
  Host host("");
  std::vector<Socket> sockets;
  for (uint32_t i = 1; i <= 101; ++i) sockets.push_back({.cookie = i, .rtt = i * 1000});
  host.Look(sockets);
  const SocketGroup& group = *host.series().other();
  EXPECT_EQ(group.rtts, 101u);
  EXPECT_THAT(group.rtt, ElementsAre(0.051, 0.091, 0.100));
  host.Look({{.cookie = 7, .rtt = 5000}});
  EXPECT_THAT(group.rtt, ElementsAre(0.005, 0.005, 0.005));
}

TEST(Series, CountsStatesAlsoOfConnectionsThatHaveClosed) {
  Host host("");
  host.Look({{1}});
  const Socket waiting = {.cookie = 1, .state = State::kTimeWait};
  host.Look({}, {{1}});
  host.Look({waiting, {2}, {3}});
  const Series::Key established = {42, Protocol::kTcp, State::kEstablished};
  const Series::Key time_wait = {42, Protocol::kTcp, State::kTimeWait};
  EXPECT_EQ(host.series().sockets().at(established), 2u);
  EXPECT_EQ(host.series().sockets().at(time_wait), 1u);
  EXPECT_EQ(host.series().other()->closed, 1u);
  // A state that no socket is in any more stays, with 0.
  host.Look({{2}});
  EXPECT_EQ(host.series().sockets().at(established), 1u);
  EXPECT_EQ(host.series().sockets().at(time_wait), 0u);
}

TEST(Series, NamespacesAreBounded) {
  Host host("", 2);
  host.Look({{.cookie = 1, .netns = 1},
             {.cookie = 2, .netns = 2},
             {.cookie = 3, .netns = 3},
             {.cookie = 4, .netns = 4}});
  EXPECT_EQ(host.series().sockets().size(), 3u);
  const Series::Key other = {Series::kOtherNetns, Protocol::kTcp, State::kEstablished};
  EXPECT_EQ(host.series().sockets().at(other), 2u);
}

// Two series of one name would make a scrape fail as a whole.
TEST(Series, AGroupWhoseValueIsOtherHasNoSeriesOfItsOwn) {
  Host host("owners.command", 1);
  host.SetOwner(7, 70, "nginx");
  host.SetOwner(8, 80, "other");
  host.SetOwner(9, 90, "x\xff\n\"");
  host.Look({{.cookie = 1, .inode = 7},
             {.cookie = 2, .inode = 8},
             {.cookie = 3, .inode = 7},
             {.cookie = 4, .inode = 9}});
  EXPECT_THAT(host.All(&SocketGroup::connections), ElementsAre("nginx: 2", "other: 2"));
}

TEST(Series, ValuesAreEscapedAndAbsentOnesHaveADash) {
  Host host("owners.command");
  host.SetOwner(9, 90, "x\xff\n");
  host.Look({{.cookie = 4, .inode = 9}, {.cookie = 5, .inode = 10}, {.cookie = 6, .inode = 10}});
  EXPECT_THAT(host.All(&SocketGroup::connections), ElementsAre("x\\xff\\x0a: 1", "-: 2"));
}

TEST(Series, ALookAtKnownGroupsAllocatesNothing) {
  Names names;
  Series series(*ParseColumns("local_port,state"), 10, &names);
  Ledger ledger(true);
  const Packet message = Socket{.cookie = 1, .rtt = 5}.Build();
  const netdiag::netlink::Message view(*netdiag::netlink::Load<netdiag::netlink::Header>(message),
                                       message);
  const Table table = {.protocol = Protocol::kTcp, .netns = NetnsId(42)};
  const auto row = RowMaker::FromMessage(view, table, SourceKind::kNetlink);
  const auto add = [&](const Change& change) { series.Add(change); };
  const auto look = [&] {
    series.BeginLook();
    ledger.BeginLook(Ledger::Time(std::chrono::seconds(1)));
    ledger.Add(*row, add);
    ledger.EndLook(
        {}, [](const Table&) { return true; }, add);
    series.EndLook();
  };
  look();
  look();
  const AllocCounter counter;
  look();
  EXPECT_EQ(counter.count(), 0u);
  EXPECT_EQ(series.groups()[0]->connections, 1u);
}

}  // namespace
}  // namespace diag
