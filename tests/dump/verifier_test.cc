// What NetlinkSource gives of torn dumps, and when it doubts, against a fake kernel of one table.

#include "netdiag/dump/verifier.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/netlink_source.h"
#include "netdiag/dump/requests.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/types/error.h"
#include "tests/testing/fake_kernel.h"
#include "tests/testing/messages.h"
#include "tests/testing/status_matchers.h"

namespace netdiag::internal {
namespace {

using netlink::Ready;
using testing::Done;
using testing::ErrnoIs;
using testing::Error;
using testing::FakeKernel;
using testing::HeaderOf;
using testing::IsOk;
using testing::Packet;
using testing::Packets;

// A kernel of one table. The test sets what each dump gives, datagram by datagram.
class FakeTable {
 public:
  using Cookies = std::vector<uint32_t>;
  using Dump = std::vector<Cookies>;

  explicit FakeTable(Protocol protocol) : protocol_(protocol) {}

  std::vector<Dump> dumps;       // the last one is repeated
  std::set<uint32_t> time_wait;  // are TIME_WAIT from the second dump on
  std::set<uint32_t> ipv6;
  std::vector<Packet> requests;

  Packets Answer(Bytes request) {
    requests.emplace_back(request.begin(), request.end());
    const size_t dump = std::min(requests.size(), dumps.size()) - 1;
    Packets datagrams;
    for (const Cookies& cookies : dumps[dump]) {
      Packets rows;
      for (const uint32_t cookie : cookies) rows.push_back(Row(request, cookie));
      datagrams.push_back(testing::Join(rows));
    }
    datagrams.push_back(Done(request));
    return datagrams;
  }

 private:
  Packet Row(Bytes request, uint32_t cookie) const {
    const auto reply = [&](Packet message) {
      const Packet payload(message.begin() + netlink::kHeaderSize, message.end());
      return testing::Reply(request, SOCK_DIAG_BY_FAMILY, NLM_F_MULTI, payload);
    };
    if (protocol_ == Protocol::kPacket) {
      testing::PacketMessage socket;
      socket.fixed.pdiag_cookie[0] = cookie;
      return reply(socket.Build());
    }
    if (protocol_ == Protocol::kUnix) {
      testing::UnixMessage socket;
      socket.fixed.udiag_cookie[0] = cookie;
      return reply(socket.Build());
    }
    if (protocol_ == Protocol::kVsock) {
      testing::VsockMessage socket;
      socket.fixed.vdiag_cookie[0] = cookie;
      return reply(socket.Build());
    }
    if (protocol_ == Protocol::kTipc) {
      // 0: a socket of another state.
      if (cookie == 0) return testing::Reply(request, SOCK_DIAG_BY_FAMILY, NLM_F_MULTI, {});
      return reply(testing::TipcMessage().Add(TIPC_NLA_SOCK_COOKIE, uint64_t{cookie}).Build());
    }
    if (protocol_ == Protocol::kXdp) {
      testing::XdpMessage socket;
      socket.fixed.xdiag_cookie[0] = cookie;
      return reply(socket.Build());
    }
    if (protocol_ == Protocol::kSmc) {
      testing::SmcMessage socket;
      socket.fixed.id.idiag_cookie[0] = cookie;
      return reply(socket.Build());
    }
    testing::InetMessage socket;
    socket.fixed.id.idiag_cookie[0] = cookie;
    if (ipv6.contains(cookie)) socket.fixed.idiag_family = AF_INET6;
    if (protocol_ == Protocol::kUdp) socket.fixed.id.idiag_sport = htons(53);
    if (requests.size() > 1 && time_wait.contains(cookie)) socket.fixed.idiag_state = 6;
    return reply(socket.Build());
  }

  Protocol protocol_;
};

struct Answered {
  std::vector<uint32_t> cookies;
  std::multiset<uint8_t> states;
  SourceStats stats;
};

DumpRequest RequestFor(Protocol protocol) {
  DumpRequest request;
  request.table = {protocol, Describe(protocol).families, {}, ""};
  request.states = StateSet::SsAll();
  return request;
}

Answered Ask(FakeTable* table, const DumpRequest& request, const DumpOptions& options = {}) {
  FakeKernel kernel([table](Bytes bytes) { return table->Answer(bytes); });
  NetlinkSource source(&kernel.conn(), request, options);
  EXPECT_THAT(source.Begin({}), IsOk());
  Answered answered;
  for (Ready ready = Ready::kSome; ready != Ready::kDone;) {
    const auto step = source.Step({}, [&](const netlink::Message& message) {
      const SocketKey key = SocketKey::Of(message, request.table.protocol);
      answered.cookies.push_back(static_cast<uint32_t>(key.cookie()));
      answered.states.insert(static_cast<uint8_t>(message.payload()[1]));
      return Flow::kContinue;
    });
    EXPECT_THAT(step, IsOk());
    if (!step.ok()) break;
    ready = *step;
  }
  answered.stats = source.stats();
  return answered;
}

using Cookies = std::vector<uint32_t>;

TEST(Verifier, ADumpInOneDatagramNeedsNoVerification) {
  FakeTable table(Protocol::kTcp);
  table.dumps = {{{1, 2, 3}}};
  const Answered answered = Ask(&table, RequestFor(Protocol::kTcp));
  EXPECT_EQ(answered.cookies, (Cookies{1, 2, 3}));
  EXPECT_THAT(answered.stats.doubt, IsOk());
  EXPECT_EQ(answered.stats.dumps, 1u);
  EXPECT_EQ(table.requests.size(), 1u);
}

// The counters of TCP in a namespace: they change with each read while it is busy.
class FakeActivity {
 public:
  DumpOptions Options(DumpScratch* scratch) const {
    return {.completeness = Completeness::kFast, .activity = &reader_, .scratch = scratch};
  }
  bool busy = false;
  int reads = 0;

 private:
  ActivityReader reader_ = [this](uint64_t) {
    ++reads;
    return TcpActivity{.tcp4 = 9, .counters = busy ? std::to_string(reads) : ""};
  };
};

TEST(Verifier, UnchangedCountersVerifyADumpOfConnections) {
  for (const StateSet states : {StateSet::SsAll(), StateSet(State::kEstablished)}) {
    FakeTable table(Protocol::kTcp);
    table.dumps = {{{1, 2, 3}, {4, 5}}};
    DumpRequest request = RequestFor(Protocol::kTcp);
    request.states = states;
    FakeActivity activity;
    DumpScratch scratch;
    EXPECT_THAT(Ask(&table, request, activity.Options(&scratch)).stats.doubt, IsOk());
    EXPECT_EQ(activity.reads, 2);
    activity.busy = true;
    scratch = {};
    table.requests.clear();
    EXPECT_THAT(Ask(&table, request, activity.Options(&scratch)).stats.doubt, ErrnoIs(EAGAIN));
    EXPECT_EQ(table.requests.size(), 1u);
  }
}

TEST(Verifier, ATornDumpOfConnectionsWithoutCountersIsADoubt) {
  FakeTable table(Protocol::kTcp);
  table.dumps = {{{1, 2, 3}, {4, 5}}};
  const Answered answered = Ask(&table, RequestFor(Protocol::kTcp));
  EXPECT_EQ(answered.cookies, (Cookies{1, 2, 3, 4, 5}));
  EXPECT_THAT(answered.stats.doubt, ErrnoIs(EAGAIN));
  EXPECT_EQ(table.requests.size(), 1u);
}

TEST(Verifier, AShortDumpReadsNoCounters) {
  FakeTable table(Protocol::kTcp);
  table.dumps = {{{1, 2, 3}}};
  FakeActivity activity;
  DumpScratch scratch;
  scratch.tcp_rows = 5;
  EXPECT_THAT(Ask(&table, RequestFor(Protocol::kTcp), activity.Options(&scratch)).stats.doubt,
              IsOk());
  EXPECT_EQ(activity.reads, 0);
}

// Connections come and go during the first two dumps, and not during the third.
TEST(Verifier, ExactDumpsConnectionsUntilTcpWasIdleDuringADump) {
  FakeTable table(Protocol::kTcp);
  table.dumps = {{{1, 2, 3}, {5}}, {{1, 3}, {6}}, {{1, 7}, {8, 9}}};
  int reads = 0;
  const ActivityReader reader = [&](uint64_t) {
    ++reads;
    return TcpActivity{.counters = std::to_string(std::min(reads, 3))};
  };
  const Answered answered = Ask(&table, RequestFor(Protocol::kTcp),
                                {.completeness = Completeness::kExact, .activity = &reader});
  EXPECT_THAT(answered.stats.doubt, IsOk());
  EXPECT_EQ(answered.cookies, (Cookies{1, 2, 3, 5, 6, 7, 8, 9}));
  EXPECT_EQ(answered.stats.dumps, 3u);
}

TEST(Verifier, RepeatedRowsAreDropped) {
  for (const Protocol protocol : {Protocol::kTcp, Protocol::kUdp, Protocol::kUnix}) {
    SCOPED_TRACE(Names(protocol).word);
    FakeTable table(protocol);
    table.dumps = {{{1, 2, 3, 4}, {3, 4, 5}}};
    const FakeActivity activity;
    DumpScratch scratch;
    const Answered answered = Ask(&table, RequestFor(protocol), activity.Options(&scratch));
    EXPECT_EQ(answered.cookies, (Cookies{1, 2, 3, 4, 5}));
    EXPECT_EQ(answered.stats.repeated, 2u);
    EXPECT_THAT(answered.stats.doubt, IsOk());
  }
}

TEST(Verifier, AnotherDumpVerifiesTablesOtherThanThatOfConnections) {
  for (const Protocol protocol : {Protocol::kUdp, Protocol::kUnix, Protocol::kPacket,
                                  Protocol::kVsock, Protocol::kXdp, Protocol::kSmc}) {
    SCOPED_TRACE(Names(protocol).word);
    FakeTable table(protocol);
    table.dumps = {{{1, 2, 3}, {4}}, {{1, 2, 3, 4}}};
    EXPECT_THAT(Ask(&table, RequestFor(protocol)).stats.doubt, IsOk());
    EXPECT_EQ(table.requests.size(), 2u);
    // A socket of the bucket has gone.
    FakeTable torn(protocol);
    torn.dumps = {{{1, 2, 3}, {4}}, {{1, 3, 4}}};
    EXPECT_THAT(Ask(&torn, RequestFor(protocol)).stats.doubt, ErrnoIs(EAGAIN));
  }
}

// The kernel leaves out a socket at the end of each datagram, so no second dump shows more.
TEST(Verifier, ATornDumpOfTipcSocketsIsADoubtAtEveryLevel) {
  for (const Completeness level : {Completeness::kFast, Completeness::kExact}) {
    FakeTable table(Protocol::kTipc);
    table.dumps = {{{1, 2, 3}, {4}}};
    const Answered answered = Ask(&table, RequestFor(Protocol::kTipc), {.completeness = level});
    EXPECT_EQ(answered.cookies, (std::vector<uint32_t>{1, 2, 3, 4}));
    EXPECT_THAT(answered.stats.doubt, ErrnoIs(EAGAIN));
    EXPECT_EQ(table.requests.size(), 1u);
    FakeTable whole(Protocol::kTipc);
    whole.dumps = {{{1, 2, 3}}};
    EXPECT_THAT(Ask(&whole, RequestFor(Protocol::kTipc), {.completeness = level}).stats.doubt,
                IsOk());
  }
}

TEST(Verifier, TipcSocketsOfOtherStatesAreNoRows) {
  FakeTable table(Protocol::kTipc);
  table.dumps = {{{0, 1, 0, 2, 0}}};
  const Answered answered = Ask(&table, RequestFor(Protocol::kTipc));
  EXPECT_EQ(answered.cookies, (std::vector<uint32_t>{1, 2}));
  EXPECT_EQ(answered.stats.given, 2u);
  EXPECT_THAT(answered.stats.doubt, IsOk());
}

std::string Describe(const DumpRequest& request) {
  return Text(request.table) + ", states " + std::to_string(request.states.bits()) + ", port " +
         std::to_string(request.source_port.value());
}

// Requests that each hide sockets of their buckets in another way.
std::vector<DumpRequest> HidingRequests(Protocol protocol) {
  std::vector<DumpRequest> requests(3, RequestFor(protocol));
  requests[0].states = State::kEstablished;
  requests[1].table.families = Family::kInet;
  requests[2].source_port = Port::FromHost(53);
  return requests;
}

TEST(Verifier, ATornDumpThatHidesConnectionsIsADoubt) {
  for (const DumpRequest& request : HidingRequests(Protocol::kTcp)) {
    SCOPED_TRACE(Describe(request));
    FakeTable table(Protocol::kTcp);
    table.dumps = {{{1, 2}, {3}}};
    EXPECT_THAT(Ask(&table, request).stats.doubt, ErrnoIs(EAGAIN));
    EXPECT_EQ(table.requests.size(), 1u);
  }
}

TEST(Verifier, ADumpThatHidSocketsIsRepeatedWithThemAndVerified) {
  for (const DumpRequest& request : HidingRequests(Protocol::kUdp)) {
    SCOPED_TRACE(Describe(request));
    FakeTable table(Protocol::kUdp);
    // 4 was skipped. 9 was hidden; the caller drops it, unless it is of the other family.
    table.ipv6 = {9};
    table.dumps = {{{1, 2}, {3}}, {{1, 2, 9}, {3, 4}}, {{1, 2, 9, 3, 4}}};
    const Answered answered = Ask(&table, request);
    EXPECT_THAT(answered.stats.doubt, IsOk());
    const bool both = request.table.families.contains(Family::kInet6);
    EXPECT_EQ(answered.cookies, both ? Cookies({1, 2, 3, 9, 4}) : Cookies({1, 2, 3, 4}));
    EXPECT_EQ(answered.stats.dumps, 2u);
    ASSERT_EQ(table.requests.size(), 3u);
    // The second request asks for every socket of the buckets.
    std::array<std::byte, kMaxRequest> storage;
    const absl::StatusOr<Bytes> encoded = EncodeRequest(RequestFor(Protocol::kUdp), storage);
    ASSERT_THAT(encoded, IsOk());
    const Packet wide(encoded->begin(), encoded->end());
    EXPECT_TRUE(std::ranges::equal(std::span(table.requests[1]).subspan(sizeof(nlmsghdr)),
                                   std::span(wide).subspan(sizeof(nlmsghdr))));
    // The hidden socket has gone.
    table.requests.clear();
    table.dumps[2] = {{1, 2, 3, 4}};
    EXPECT_THAT(Ask(&table, request).stats.doubt, ErrnoIs(EAGAIN));
  }
}

TEST(Verifier, ADumpInOneDatagramMayHideSockets) {
  for (const DumpRequest& request : HidingRequests(Protocol::kUdp)) {
    SCOPED_TRACE(Describe(request));
    FakeTable table(Protocol::kUdp);
    table.dumps = {{{1, 2, 3}}};
    EXPECT_THAT(Ask(&table, request).stats.doubt, IsOk());
    EXPECT_EQ(table.requests.size(), 1u);
  }
}

TEST(Verifier, ExactDumpsUntilOneIsVerified) {
  FakeTable table(Protocol::kUdp);
  // 2 goes, so 4 is skipped; the next two dumps agree.
  table.dumps = {{{1, 2, 3}, {5}}, {{1, 3, 5}}, {{1, 3, 4}, {5}}, {{1, 3, 4}, {5}}};
  const Answered answered =
      Ask(&table, RequestFor(Protocol::kUdp), {.completeness = Completeness::kExact});
  EXPECT_EQ(answered.cookies, (Cookies{1, 2, 3, 5, 4}));
  EXPECT_THAT(answered.stats.doubt, IsOk());
  EXPECT_EQ(answered.stats.dumps, 3u);
}

TEST(Verifier, ExactDoubtsIfNoDumpIsVerified) {
  FakeTable table(Protocol::kUdp);
  for (uint32_t i = 0; i < 20; ++i) table.dumps.push_back({{1, 100 + i}, {2}});
  const Answered answered =
      Ask(&table, RequestFor(Protocol::kUdp), {.completeness = Completeness::kExact});
  EXPECT_THAT(answered.stats.doubt, ErrnoIs(EAGAIN));
  EXPECT_EQ(answered.stats.dumps, Verifier::kMaxDumps);
  EXPECT_EQ(std::set(answered.cookies.begin(), answered.cookies.end()).size(),
            answered.cookies.size());
}

TEST(Verifier, ATimeWaitRowNeverReplacesTheLiveOne) {
  FakeTable table(Protocol::kTcp);
  table.dumps = {{{1, 2, 3}, {4}}, {{1, 2, 3, 4}}};
  table.time_wait = {1, 2, 3, 4};  // in the second dump, all of them
  const Answered answered =
      Ask(&table, RequestFor(Protocol::kTcp), {.completeness = Completeness::kExact});
  EXPECT_EQ(answered.stats.dumps, 2u);
  EXPECT_EQ(answered.states, (std::multiset<uint8_t>{1, 1, 1, 1}));
}

bpf::CountedSocket Counted(uint64_t cookie) { return {.cookie = cookie, .family = Family::kInet}; }

TEST(Verifier, ACensusSettlesADoubtThatComparisonCannot) {
  FakeTable table(Protocol::kUdp);
  // 100 and its successors come and go in every dump; 7 is skipped twice.
  for (uint32_t i = 0; i < 20; ++i) {
    table.dumps.push_back(i < 3 ? FakeTable::Dump{{1, 100 + i}, {2}}
                                : FakeTable::Dump{{1, 100 + i}, {7, 2}});
  }
  int taken = 0;
  const CensusTaker census = [&](const Table&) {
    ++taken;
    return std::vector<bpf::CountedSocket>{Counted(1), Counted(2), Counted(7)};
  };
  const Answered answered = Ask(&table, RequestFor(Protocol::kUdp),
                                {.completeness = Completeness::kExact, .census = &census});
  EXPECT_THAT(answered.stats.doubt, IsOk());
  EXPECT_EQ(std::ranges::count(answered.cookies, 7u), 1);
  EXPECT_GE(taken, 2);
}

TEST(Verifier, ACountedSocketThatHasGoneIsNotMissing) {
  FakeTable table(Protocol::kUdp);
  for (uint32_t i = 0; i < 20; ++i) table.dumps.push_back({{1, 100 + i}, {2}});
  int taken = 0;
  const CensusTaker census = [&](const Table&) {
    std::vector<bpf::CountedSocket> all = {Counted(1), Counted(2)};
    if (taken++ == 0) all.push_back(Counted(7));
    return all;
  };
  const Answered answered = Ask(&table, RequestFor(Protocol::kUdp),
                                {.completeness = Completeness::kExact, .census = &census});
  EXPECT_THAT(answered.stats.doubt, IsOk());
  EXPECT_EQ(answered.stats.dumps, 2u);
}

TEST(Verifier, ALivingSocketThatNoDumpGivesIsReportedAsMissing) {
  FakeTable table(Protocol::kUdp);
  for (uint32_t i = 0; i < 40; ++i) table.dumps.push_back({{1, 100 + i}, {2}});
  const CensusTaker census = [&](const Table&) {
    return std::vector<bpf::CountedSocket>{Counted(1), Counted(2), Counted(7)};
  };
  const Answered answered = Ask(&table, RequestFor(Protocol::kUdp),
                                {.completeness = Completeness::kExact, .census = &census});
  EXPECT_THAT(answered.stats.doubt, ErrnoIs(EAGAIN));
  EXPECT_EQ(answered.stats.missing, 1u);
  EXPECT_EQ(answered.stats.dumps, Verifier::kMaxCensusDumps);
}

TEST(Verifier, WithoutACensusDumpsAreCompared) {
  FakeTable table(Protocol::kUdp);
  table.dumps = {{{1, 2}, {3}}, {{1, 3}}, {{1, 3}}};
  const CensusTaker census = [&](const Table&) -> absl::StatusOr<std::vector<bpf::CountedSocket>> {
    return ErrnoError(EPERM, "census");
  };
  const Answered answered = Ask(&table, RequestFor(Protocol::kUdp),
                                {.completeness = Completeness::kExact, .census = &census});
  EXPECT_THAT(answered.stats.doubt, IsOk());
  EXPECT_EQ(answered.cookies, (Cookies{1, 2, 3}));
}

TEST(Verifier, PacketSocketsAfterAListThatIsTooLongComeInASecondDump) {
  FakeTable table(Protocol::kPacket);
  table.dumps = {{{1, 2}}, {{1, 2, 3, 4}}};
  DumpRequest request = RequestFor(Protocol::kPacket);
  request.extensions = Extension::kPacketFilter;
  const Answered answered = Ask(&table, request);
  EXPECT_EQ(answered.cookies, (Cookies{1, 2, 3, 4}));
  EXPECT_THAT(answered.stats.doubt, IsOk());
  ASSERT_EQ(table.requests.size(), 2u);
  const auto show = [&](size_t i) {
    return netlink::Load<packet_diag_req>(table.requests[i], netlink::kHeaderSize)->pdiag_show;
  };
  EXPECT_NE(show(0) & PACKET_SHOW_FILTER, 0u);
  EXPECT_EQ(show(1), show(0) & ~uint32_t{PACKET_SHOW_FILTER});
}

}  // namespace
}  // namespace netdiag::internal
