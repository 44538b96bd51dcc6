// Requests, byte by byte against the kernel's structs, and NetlinkSource against a fake kernel.

#include <arpa/inet.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/dump/source.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/types/error.h"
#include "tests/testing/fake_kernel.h"
#include "tests/testing/messages.h"
#include "tests/testing/status_matchers.h"

namespace netdiag::internal {
namespace {

using netlink::Ready;
using testing::Collector;
using testing::Done;
using testing::EndedByClose;
using testing::EndedByDeadline;
using testing::ErrnoIs;
using testing::Error;
using testing::FakeKernel;
using testing::HeaderOf;
using testing::Interrupted;
using testing::IsOk;
using testing::Multipart;
using testing::Packet;
using testing::Packets;

constexpr Extension kExtensions[] = {
    Extension::kMemory,           Extension::kInfo,
    Extension::kCongestionDetail, Extension::kTos,
    Extension::kTrafficClass,     Extension::kSocketMemory,
    Extension::kCongestion,       Extension::kUnixFile,
    Extension::kPacketFilter,     Extension::kPacketMemberships,
};

Packet Encode(const DumpRequest& request) {
  std::array<std::byte, 128> storage;
  storage.fill(std::byte{0xee});
  const absl::StatusOr<Bytes> bytes = EncodeRequest(request, storage);
  EXPECT_THAT(bytes, IsOk());
  return bytes.ok() ? Packet(bytes->begin(), bytes->end()) : Packet();
}

// A request as the kernel's headers write it.
template <class Body>
Packet Wanted(uint16_t type, const Body& body, uint16_t flags = NLM_F_REQUEST | NLM_F_DUMP) {
  nlmsghdr header = {};
  header.nlmsg_len = NLMSG_LENGTH(sizeof(Body));
  header.nlmsg_type = type;
  header.nlmsg_flags = flags;
  Packet packet(sizeof(header) + sizeof(body));
  std::memcpy(packet.data(), &header, sizeof(header));
  std::memcpy(packet.data() + sizeof(header), &body, sizeof(body));
  return packet;
}

uint8_t IdiagExt(ExtensionSet extensions) {
  uint8_t bits = 0;
  const struct {
    Extension extension;
    int attribute;
  } kBits[] = {
      {Extension::kMemory, INET_DIAG_MEMINFO},
      {Extension::kInfo, INET_DIAG_INFO},
      {Extension::kCongestionDetail, INET_DIAG_VEGASINFO},
      {Extension::kCongestion, INET_DIAG_CONG},
      {Extension::kTos, INET_DIAG_TOS},
      {Extension::kTrafficClass, INET_DIAG_TCLASS},
      {Extension::kSocketMemory, INET_DIAG_SKMEMINFO},
  };
  for (const auto& row : kBits) {
    if (extensions.contains(row.extension)) {
      bits = static_cast<uint8_t>(bits | 1 << (row.attribute - 1));
    }
  }
  return bits;
}

std::vector<DumpRequest> EveryCombination(const Table& table) {
  std::vector<ExtensionSet> extensions = {{}};
  ExtensionSet all;
  for (Extension each : kExtensions) {
    extensions.emplace_back(each);
    all |= each;
  }
  extensions.push_back(all);
  std::vector<DumpRequest> requests;
  for (StateSet states : {StateSet::None(), StateSet(State::kListen), StateSet::All()}) {
    for (ExtensionSet each : extensions) {
      for (int ports = 0; ports < 4; ++ports) {
        requests.push_back({table, states, each, Port::FromHost((ports & 1) != 0 ? 0x0102 : 0),
                            Port::FromHost((ports & 2) != 0 ? 0x0304 : 0)});
      }
    }
  }
  return requests;
}

inet_diag_sockid Ports(const DumpRequest& request) {
  inet_diag_sockid id = {};
  id.idiag_sport = htons(request.source_port.value());
  id.idiag_dport = htons(request.destination_port.value());
  return id;
}

TEST(EncodeRequest, AsksForOneFamilyWithTheSecondVersion) {
  for (Protocol protocol : {Protocol::kTcp, Protocol::kUdp}) {
    for (Family family : {Family::kInet, Family::kInet6}) {
      for (const DumpRequest& request : EveryCombination({protocol, family, {}})) {
        inet_diag_req_v2 body = {};
        body.sdiag_family = family == Family::kInet ? AF_INET : AF_INET6;
        body.sdiag_protocol = protocol == Protocol::kTcp ? IPPROTO_TCP : IPPROTO_UDP;
        body.idiag_ext = IdiagExt(request.extensions);
        body.idiag_states = request.states.bits();
        body.id = Ports(request);
        EXPECT_EQ(Encode(request), Wanted(SOCK_DIAG_BY_FAMILY, body));
      }
    }
  }
}

TEST(EncodeRequest, AsksForBothFamiliesOfTcpWithTheFirstVersion) {
  for (const DumpRequest& request :
       EveryCombination({Protocol::kTcp, {Family::kInet, Family::kInet6}, {}})) {
    inet_diag_req body = {};
    body.idiag_family = AF_INET;
    body.idiag_ext = IdiagExt(request.extensions);
    body.idiag_states = request.states.bits();
    body.id = Ports(request);
    EXPECT_EQ(Encode(request), Wanted(TCPDIAG_GETSOCK, body));
  }
}

// The first version names no protocol but in an attribute (5.9).
TEST(EncodeRequest, AsksForBothFamiliesOfUdpByAnAttribute) {
  ASSERT_TRUE(OneWalkServes(Protocol::kUdp)) << "this kernel is older than 5.9";
  for (Protocol protocol : {Protocol::kUdp, Protocol::kUdpLite}) {
    const Table table = {protocol, {Family::kInet, Family::kInet6}, {}};
    inet_diag_req body = {};
    body.idiag_family = AF_INET;
    body.idiag_states = StateSet::SsAll().bits();
    Packet wanted = Wanted(TCPDIAG_GETSOCK, body);
    const Packet attribute = testing::Attribute(
        INET_DIAG_REQ_PROTOCOL, testing::Raw(uint32_t{static_cast<uint16_t>(protocol)}));
    wanted.insert(wanted.end(), attribute.begin(), attribute.end());
    const auto length = static_cast<uint32_t>(wanted.size());
    std::memcpy(wanted.data(), &length, sizeof(length));
    EXPECT_EQ(Encode({table, StateSet::SsAll(), {}, {}, {}}), wanted) << Text(table);
  }
}

TEST(EncodeRequest, RefusesBothFamiliesOfWhatNoWalkServes) {
  std::array<std::byte, 128> storage;
  for (Protocol protocol : {Protocol::kRaw, Protocol::kMptcp}) {
    EXPECT_FALSE(OneWalkServes(protocol));
    const Table table = {protocol, {Family::kInet, Family::kInet6}, {}};
    EXPECT_THAT(EncodeRequest({table, {}, {}, {}, {}}, storage), ErrnoIs(EINVAL));
  }
}

TEST(EncodeRequest, NeverAsksADumpForPendingConnections) {
  for (const DumpRequest& request : EveryCombination({Protocol::kUnix, Family::kUnix, {}})) {
    unix_diag_req body = {};
    body.sdiag_family = AF_UNIX;
    body.udiag_states = request.states.bits();
    body.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN | UDIAG_SHOW_UID;
    if (request.extensions.contains(Extension::kSocketMemory)) {
      body.udiag_show |= UDIAG_SHOW_MEMINFO;
    }
    if (request.extensions.contains(Extension::kUnixFile)) body.udiag_show |= UDIAG_SHOW_VFS;
    ASSERT_EQ(body.udiag_show & UDIAG_SHOW_ICONS, 0u);
    EXPECT_EQ(Encode(request), Wanted(SOCK_DIAG_BY_FAMILY, body));
  }
}

// A kernel that does not know the attribute must not take MPTCP's number for its lower eight bits.
TEST(EncodeRequest, NamesAProtocolOfNineBitsInAnAttribute) {
  for (Family family : {Family::kInet, Family::kInet6}) {
    for (const DumpRequest& request : EveryCombination({Protocol::kMptcp, family, {}})) {
      struct {
        inet_diag_req_v2 body = {};
        nlattr attribute = {8, INET_DIAG_REQ_PROTOCOL};
        uint32_t protocol = 262;
      } wanted;
      wanted.body.sdiag_family = family == Family::kInet ? AF_INET : AF_INET6;
      wanted.body.sdiag_protocol = 0;
      wanted.body.idiag_ext = IdiagExt(request.extensions);
      wanted.body.idiag_states = request.states.bits();
      wanted.body.id = Ports(request);
      EXPECT_EQ(Encode(request), Wanted(SOCK_DIAG_BY_FAMILY, wanted));
    }
  }
}

TEST(EncodeRequest, AsksForRawAndUdpLiteByTheirNumbers) {
  for (const auto& [protocol, number] :
       {std::pair{Protocol::kRaw, IPPROTO_RAW}, {Protocol::kUdpLite, IPPROTO_UDPLITE}}) {
    for (const DumpRequest& request : EveryCombination({protocol, Family::kInet6, {}})) {
      inet_diag_req_v2 body = {};
      body.sdiag_family = AF_INET6;
      body.sdiag_protocol = static_cast<uint8_t>(number);
      body.idiag_ext = IdiagExt(request.extensions);
      body.idiag_states = request.states.bits();
      body.id = Ports(request);
      EXPECT_EQ(Encode(request), Wanted(SOCK_DIAG_BY_FAMILY, body));
    }
  }
}

TEST(EncodeRequest, AsksPacketSocketsForWhatIsShort) {
  for (const DumpRequest& request : EveryCombination({Protocol::kPacket, Family::kPacket, {}})) {
    packet_diag_req body = {};
    body.sdiag_family = AF_PACKET;
    body.pdiag_show =
        PACKET_SHOW_INFO | PACKET_SHOW_RING_CFG | PACKET_SHOW_FANOUT | PACKET_SHOW_MEMINFO;
    if (request.extensions.contains(Extension::kPacketFilter)) {
      body.pdiag_show |= PACKET_SHOW_FILTER;
    }
    if (request.extensions.contains(Extension::kPacketMemberships)) {
      body.pdiag_show |= PACKET_SHOW_MCLIST;
    }
    EXPECT_EQ(Encode(request), Wanted(SOCK_DIAG_BY_FAMILY, body));
  }
}

TEST(EncodeRequest, AsksForNetlinkSocketsOfEveryProtocolWithFlags) {
  for (const DumpRequest& request : EveryCombination({Protocol::kNetlink, Family::kNetlink, {}})) {
    netlink_diag_req body = {};
    body.sdiag_family = AF_NETLINK;
    body.sdiag_protocol = NDIAG_PROTO_ALL;
    body.ndiag_show = NDIAG_SHOW_MEMINFO | NDIAG_SHOW_GROUPS | NDIAG_SHOW_FLAGS;
    EXPECT_EQ(Encode(request), Wanted(SOCK_DIAG_BY_FAMILY, body));
  }
}

TEST(EncodeRequest, RefusesWhatNoKernelHas) {
  std::array<std::byte, 128> storage;
  EXPECT_THAT(EncodeRequest({{Protocol::kIcmp, Family::kInet, {}}, {}, {}, {}, {}}, storage),
              ErrnoIs(EOPNOTSUPP));
}

TEST(EncodeRequest, SaysWhenTheStorageIsTooSmall) {
  for (const Table& table :
       {Table{Protocol::kTcp, {Family::kInet, Family::kInet6}, {}},
        Table{Protocol::kUdp, Family::kInet, {}}, Table{Protocol::kUnix, Family::kUnix, {}},
        Table{Protocol::kMptcp, Family::kInet, {}}, Table{Protocol::kPacket, Family::kPacket, {}},
        Table{Protocol::kNetlink, Family::kNetlink, {}}}) {
    const size_t size = Encode({table, StateSet::All(), {}, {}, {}}).size();
    Packet storage(size);
    EXPECT_THAT(EncodeRequest({table, {}, {}, {}, {}}, storage), IsOk());
    storage.pop_back();
    EXPECT_THAT(EncodeRequest({table, {}, {}, {}, {}}, storage), ErrnoIs(ENOBUFS));
  }
}

TEST(EncodeUnixLookup, AsksForOneSocketAndAllItTells) {
  for (uint64_t cookie : {uint64_t{0}, uint64_t{0x0102030405060708}}) {
    std::array<std::byte, 128> storage;
    const absl::StatusOr<Bytes> bytes =
        EncodeUnixLookup(Inode(0x11121314), Cookie(cookie), storage);
    ASSERT_THAT(bytes, IsOk());
    unix_diag_req body = {};
    body.sdiag_family = AF_UNIX;
    body.udiag_states = 0x3ffe;
    body.udiag_ino = 0x11121314;
    body.udiag_show = 0x7f;
    body.udiag_cookie[0] = cookie == 0 ? ~0u : 0x05060708u;
    body.udiag_cookie[1] = cookie == 0 ? ~0u : 0x01020304u;
    EXPECT_EQ(Packet(bytes->begin(), bytes->end()),
              Wanted(SOCK_DIAG_BY_FAMILY, body, NLM_F_REQUEST));
  }
}

// ---- NetlinkSource ----

const DumpRequest kRequest = {
    {Protocol::kTcp, {Family::kInet, Family::kInet6}, {}}, StateSet::All(), {}, {}, {}};

TEST(NetlinkSource, SendsTheRequestAndVisitsTheAnswer) {
  FakeKernel kernel;
  NetlinkSource source(&kernel.conn(), kRequest);
  ASSERT_THAT(source.Begin({}), IsOk());
  const Packet request = kernel.Next();
  const Packet wanted = Encode(kRequest);
  ASSERT_EQ(request.size(), wanted.size());
  EXPECT_EQ(HeaderOf(request).type, HeaderOf(wanted).type);
  EXPECT_EQ(HeaderOf(request).flags, HeaderOf(wanted).flags);
  EXPECT_NE(HeaderOf(request).sequence, 0u);
  EXPECT_TRUE(std::equal(request.begin() + 16, request.end(), wanted.begin() + 16));

  Collector rows;
  absl::StatusOr<Ready> ready = source.Step(Wait::kNever, {}, rows);
  ASSERT_THAT(ready, IsOk());
  EXPECT_EQ(*ready, Ready::kWouldBlock);
  const Packets answer = Multipart(request, {testing::Text("one"), testing::Text("two")});
  kernel.Push({answer.front()});
  ready = source.Step(Wait::kBlock, {}, rows);
  ASSERT_THAT(ready, IsOk());
  EXPECT_EQ(*ready, Ready::kSome);
  kernel.Push({answer.back()});
  ready = source.Step(Wait::kNever, {}, rows);
  ASSERT_THAT(ready, IsOk());
  EXPECT_EQ(*ready, Ready::kDone);
  EXPECT_THAT(rows.texts, ::testing::ElementsAre("one", "two"));
  EXPECT_FALSE(source.stats().interrupted);
  EXPECT_EQ(source.stats().foreign, 0u);
}

absl::StatusOr<Ready> StepToEnd(NetlinkSource* source, Wait wait, MessageVisitor visitor) {
  absl::StatusOr<Ready> ready = Ready::kSome;
  while (ready.ok() && *ready == Ready::kSome) ready = source->Step(wait, {}, visitor);
  return ready;
}

// A protocol without a handler answers with DONE and an errno, a family with ERROR.
TEST(NetlinkSource, ARefusalIsAStatusInEitherForm) {
  for (bool in_done : {true, false}) {
    for (Wait wait : {Wait::kNever, Wait::kBlock}) {
      FakeKernel kernel;
      NetlinkSource source(&kernel.conn(), kRequest);
      ASSERT_THAT(source.Begin({}), IsOk());
      const Packet request = kernel.Next();
      kernel.Push({in_done ? Done(request, ENOENT) : Error(request, ENOENT)});
      Collector rows;
      const absl::StatusOr<Ready> ready = StepToEnd(&source, wait, rows);
      EXPECT_THAT(ready, ErrnoIs(ENOENT));
      EXPECT_THAT(rows.texts, ::testing::IsEmpty());
      EXPECT_THAT(std::string(ExplainRefusal(ready.status(), kRequest.table).message()),
                  ::testing::HasSubstr("CONFIG_INET_TCP_DIAG"));
    }
  }
}

TEST(NetlinkSource, RowsBeforeAnErrorAreGood) {
  FakeKernel kernel;
  NetlinkSource source(&kernel.conn(), kRequest);
  ASSERT_THAT(source.Begin({}), IsOk());
  const Packet request = kernel.Next();
  kernel.Push({Multipart(request, {testing::Text("one")}).front(), Done(request, ENOMEM)});
  Collector rows;
  EXPECT_THAT(StepToEnd(&source, Wait::kBlock, rows), ErrnoIs(ENOMEM));
  EXPECT_THAT(rows.texts, ::testing::ElementsAre("one"));
}

TEST(NetlinkSource, SaysThatTheDumpWasInterrupted) {
  FakeKernel kernel;
  NetlinkSource source(&kernel.conn(), kRequest);
  ASSERT_THAT(source.Begin({}), IsOk());
  kernel.Push(Interrupted(Multipart(kernel.Next(), {testing::Text("one")})));
  Collector rows;
  EXPECT_THAT(StepToEnd(&source, Wait::kNever, rows), IsOk());
  EXPECT_TRUE(source.stats().interrupted);
}

TEST(NetlinkSource, ADeadlineEndsAStep) {
  FakeKernel kernel;
  NetlinkSource source(&kernel.conn(), kRequest);
  ASSERT_THAT(source.Begin({}), IsOk());
  netlink::CallOptions call;
  call.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(10);
  Collector rows;
  EXPECT_THAT(source.Step(Wait::kBlock, call, rows), EndedByDeadline());
}

TEST(NetlinkSource, BeginSaysThatTheConnIsClosed) {
  FakeKernel kernel;
  kernel.conn().Close();
  NetlinkSource source(&kernel.conn(), kRequest);
  EXPECT_THAT(source.Begin({}), EndedByClose());
}

// ---- What walks give together ----

// A kernel of one table: what each dump gives is written down beforehand, datagram by datagram, and
// exact requests are answered from what lives.
class FakeTable {
 public:
  using Cookies = std::vector<uint32_t>;
  using Walk = std::vector<Cookies>;

  explicit FakeTable(Protocol protocol) : protocol_(protocol) {}

  std::vector<Walk> walks;       // the last one for ever
  std::set<uint32_t> living;     // connections
  std::set<uint32_t> time_wait;  // are such from the second walk on
  std::set<uint32_t> ipv6;
  std::vector<Packet> requests;

  Packets Answer(Bytes request) {
    if ((HeaderOf(request).flags & NLM_F_DUMP) != NLM_F_DUMP) return AnswerLookups(request);
    requests.emplace_back(request.begin(), request.end());
    const size_t walk = std::min(requests.size(), walks.size()) - 1;
    Packets datagrams;
    for (const Cookies& cookies : walks[walk]) {
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
    testing::InetMessage socket;
    socket.fixed.id.idiag_cookie[0] = cookie;
    if (ipv6.contains(cookie)) socket.fixed.idiag_family = AF_INET6;
    if (protocol_ == Protocol::kUdp) socket.fixed.id.idiag_sport = htons(53);
    if (requests.size() > 1 && time_wait.contains(cookie)) socket.fixed.idiag_state = 6;
    return reply(socket.Build());
  }

  Packets AnswerLookups(Bytes requests_of_one_send) const {
    Packets answers;
    netlink::MessageCursor messages(requests_of_one_send);
    for (netlink::Message message; messages.Next(&message);) {
      const auto asked = *netlink::Load<inet_diag_req_v2>(message.payload());
      const uint32_t cookie = asked.id.idiag_cookie[0];
      answers.push_back(living.contains(cookie) ? Row(message.whole(), cookie)
                                                : Error(message.whole(), ENOENT));
    }
    return answers;
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

Answered Ask(FakeTable* table, const DumpRequest& request, const WalkOptions& options = {}) {
  FakeKernel kernel([table](Bytes bytes) { return table->Answer(bytes); });
  NetlinkSource source(&kernel.conn(), request, options);
  EXPECT_THAT(source.Begin({}), IsOk());
  Answered answered;
  for (Ready ready = Ready::kSome; ready != Ready::kDone;) {
    const auto step = source.Step(Wait::kBlock, {}, [&](const netlink::Message& message) {
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

TEST(NetlinkSource, AWalkInOnePieceNeedsNoProof) {
  FakeTable table(Protocol::kTcp);
  table.walks = {{{1, 2, 3}}};
  const Answered answered = Ask(&table, RequestFor(Protocol::kTcp));
  EXPECT_EQ(answered.cookies, (Cookies{1, 2, 3}));
  EXPECT_THAT(answered.stats.doubt, IsOk());
  EXPECT_EQ(answered.stats.walks, 1u);
  EXPECT_EQ(table.requests.size(), 1u);
}

TEST(NetlinkSource, LivingConnectionsProveAWalk) {
  FakeTable table(Protocol::kTcp);
  table.walks = {{{1, 2, 3}, {4, 5}}};
  table.living = {1, 2, 3};
  EXPECT_THAT(Ask(&table, RequestFor(Protocol::kTcp)).stats.doubt, IsOk());
  // The last one before the tear has gone: its bucket's next one may have been skipped.
  table.living = {1, 2};
  table.requests.clear();
  const Answered answered = Ask(&table, RequestFor(Protocol::kTcp));
  EXPECT_THAT(answered.stats.doubt, ErrnoIs(EAGAIN));
  EXPECT_EQ(answered.cookies, (Cookies{1, 2, 3, 4, 5}));
}

TEST(NetlinkSource, AFastDumpAsksOnlyOfFewConnections) {
  FakeTable table(Protocol::kTcp);
  table.walks = {{{1, 2, 3}, {4, 5}}};
  table.living = {1, 2, 3};
  const WalkOptions fast = {.completeness = Completeness::kFast};
  EXPECT_THAT(Ask(&table, RequestFor(Protocol::kTcp), fast).stats.doubt, IsOk());
  table.walks = {{}};
  for (uint32_t cookie = 1; cookie < 3 * NetlinkSource::kFewLookups; ++cookie) {
    table.walks[0].push_back({cookie});
    table.living.insert(cookie);
  }
  table.requests.clear();
  EXPECT_THAT(Ask(&table, RequestFor(Protocol::kTcp), fast).stats.doubt, ErrnoIs(EAGAIN));
  table.requests.clear();
  EXPECT_THAT(Ask(&table, RequestFor(Protocol::kTcp)).stats.doubt, IsOk());
}

// What TCP of a namespace has done so far, as its reader is told.
class FakeActivity {
 public:
  WalkOptions Options(WalkScratch* scratch) const {
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

TEST(NetlinkSource, ConnectionsThatDidNothingProveAWalkThatHidesSome) {
  FakeTable table(Protocol::kTcp);
  table.walks = {{{1, 2, 3}, {4, 5}}};
  DumpRequest request = RequestFor(Protocol::kTcp);
  request.states = State::kEstablished;
  FakeActivity activity;
  WalkScratch scratch;
  EXPECT_THAT(Ask(&table, request, activity.Options(&scratch)).stats.doubt, IsOk());
  EXPECT_EQ(activity.reads, 2);
  activity.busy = true;
  scratch = {};
  table.requests.clear();
  EXPECT_THAT(Ask(&table, request, activity.Options(&scratch)).stats.doubt, ErrnoIs(EAGAIN));
}

TEST(NetlinkSource, AShortDumpReadsNoActivity) {
  FakeTable table(Protocol::kTcp);
  table.walks = {{{1, 2, 3}, {4, 5}}};
  table.living = {1, 2, 3};
  FakeActivity activity;
  WalkScratch scratch;
  scratch.tcp_rows = 5;
  EXPECT_THAT(Ask(&table, RequestFor(Protocol::kTcp), activity.Options(&scratch)).stats.doubt,
              IsOk());
  EXPECT_EQ(activity.reads, 0);
}

TEST(NetlinkSource, WhatTheKernelRepeatsIsDropped) {
  for (const Protocol protocol : {Protocol::kTcp, Protocol::kUdp, Protocol::kUnix}) {
    FakeTable table(protocol);
    table.walks = {{{1, 2, 3, 4}, {3, 4, 5}}};
    table.living = {1, 2, 3, 4, 5};
    const Answered answered = Ask(&table, RequestFor(protocol));
    EXPECT_EQ(answered.cookies, (Cookies{1, 2, 3, 4, 5})) << Names(protocol).word;
    EXPECT_EQ(answered.stats.repeated, 2u);
    EXPECT_THAT(answered.stats.doubt, IsOk());
  }
}

TEST(NetlinkSource, AnotherWalkProvesWhatNoExactRequestFinds) {
  for (const Protocol protocol : {Protocol::kUdp, Protocol::kUnix, Protocol::kPacket}) {
    FakeTable table(protocol);
    table.walks = {{{1, 2, 3}, {4}}, {{1, 2, 3, 4}}};
    EXPECT_THAT(Ask(&table, RequestFor(protocol)).stats.doubt, IsOk());
    EXPECT_EQ(table.requests.size(), 2u);
    // One of the bucket has gone.
    FakeTable torn(protocol);
    torn.walks = {{{1, 2, 3}, {4}}, {{1, 3, 4}}};
    EXPECT_THAT(Ask(&torn, RequestFor(protocol)).stats.doubt, ErrnoIs(EAGAIN));
  }
}

// Requests each of which hides sockets of its buckets in another way.
std::vector<DumpRequest> HidingRequests(Protocol protocol) {
  std::vector<DumpRequest> requests(3, RequestFor(protocol));
  requests[0].states = State::kEstablished;
  requests[1].table.families = Family::kInet;
  requests[2].source_port = Port::FromHost(53);
  return requests;
}

TEST(NetlinkSource, WhatHidesConnectionsIsADoubt) {
  for (const DumpRequest& request : HidingRequests(Protocol::kTcp)) {
    FakeTable table(Protocol::kTcp);
    table.walks = {{{1, 2}, {3}}};
    EXPECT_THAT(Ask(&table, request).stats.doubt, ErrnoIs(EAGAIN));
    EXPECT_EQ(table.requests.size(), 1u);
  }
}

TEST(NetlinkSource, AnotherWalkShowsWhatTheFirstHidAndIsProved) {
  for (const DumpRequest& request : HidingRequests(Protocol::kUdp)) {
    FakeTable table(Protocol::kUdp);
    // 4 was skipped; 9 had been hidden, and is the caller's to drop unless it is of another family.
    table.ipv6 = {9};
    table.walks = {{{1, 2}, {3}}, {{1, 2, 9}, {3, 4}}, {{1, 2, 9, 3, 4}}};
    const Answered answered = Ask(&table, request);
    EXPECT_THAT(answered.stats.doubt, IsOk());
    const bool both = request.table.families.contains(Family::kInet6);
    EXPECT_EQ(answered.cookies, both ? Cookies({1, 2, 3, 9, 4}) : Cookies({1, 2, 3, 4}));
    EXPECT_EQ(answered.stats.walks, 2u);
    ASSERT_EQ(table.requests.size(), 3u);
    // It asks for all that stands in the bucket.
    const Packet wide = Encode(RequestFor(Protocol::kUdp));
    EXPECT_TRUE(std::ranges::equal(std::span(table.requests[1]).subspan(sizeof(nlmsghdr)),
                                   std::span(wide).subspan(sizeof(nlmsghdr))));
    // What was hidden has gone.
    table.requests.clear();
    table.walks[2] = {{1, 2, 3, 4}};
    EXPECT_THAT(Ask(&table, request).stats.doubt, ErrnoIs(EAGAIN));
  }
}

TEST(NetlinkSource, AWalkInOnePieceHidesWhatItLikes) {
  for (const DumpRequest& request : HidingRequests(Protocol::kUdp)) {
    FakeTable table(Protocol::kUdp);
    table.walks = {{{1, 2, 3}}};
    EXPECT_THAT(Ask(&table, request).stats.doubt, IsOk());
    EXPECT_EQ(table.requests.size(), 1u);
  }
}

TEST(NetlinkSource, ExactWalksUntilOneIsWhole) {
  FakeTable table(Protocol::kUdp);
  // 2 goes, so 4 is skipped; the next two walks agree.
  table.walks = {{{1, 2, 3}, {5}}, {{1, 3, 5}}, {{1, 3, 4}, {5}}, {{1, 3, 4}, {5}}};
  const Answered answered =
      Ask(&table, RequestFor(Protocol::kUdp), {.completeness = Completeness::kExact});
  EXPECT_EQ(answered.cookies, (Cookies{1, 2, 3, 5, 4}));
  EXPECT_THAT(answered.stats.doubt, IsOk());
  EXPECT_EQ(answered.stats.walks, 3u);
}

TEST(NetlinkSource, ExactSaysWhatItCouldNotSettle) {
  FakeTable table(Protocol::kUdp);
  for (uint32_t i = 0; i < 20; ++i) table.walks.push_back({{1, 100 + i}, {2}});
  const Answered answered =
      Ask(&table, RequestFor(Protocol::kUdp), {.completeness = Completeness::kExact});
  EXPECT_THAT(answered.stats.doubt, ErrnoIs(EAGAIN));
  EXPECT_EQ(answered.stats.walks, NetlinkSource::kMaxWalks);
  EXPECT_EQ(std::set(answered.cookies.begin(), answered.cookies.end()).size(),
            answered.cookies.size());
}

TEST(NetlinkSource, ATimeWaitRowNeverReplacesTheLiveOne) {
  FakeTable table(Protocol::kTcp);
  table.walks = {{{1, 2, 3}, {4}}, {{1, 2, 3, 4}}};
  table.time_wait = {1, 2, 3, 4};  // in the second walk, all of them
  const Answered answered =
      Ask(&table, RequestFor(Protocol::kTcp), {.completeness = Completeness::kExact});
  EXPECT_EQ(answered.stats.walks, 2u);
  EXPECT_EQ(answered.states, (std::multiset<uint8_t>{1, 1, 1, 1}));
}

bpf::CountedSocket Counted(uint64_t cookie) {
  return {.cookie = cookie, .family = Family::kInet, .state = State::kEstablished};
}

TEST(NetlinkSource, ACensusSettlesWhatWalksCannot) {
  FakeTable table(Protocol::kUdp);
  // 100 and so on come and go for ever; 7 is skipped twice.
  for (uint32_t i = 0; i < 20; ++i) {
    table.walks.push_back(i < 3 ? FakeTable::Walk{{1, 100 + i}, {2}}
                                : FakeTable::Walk{{1, 100 + i}, {7, 2}});
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

TEST(NetlinkSource, WhatACensusCountedAndHasGoneIsNotMissing) {
  FakeTable table(Protocol::kUdp);
  for (uint32_t i = 0; i < 20; ++i) table.walks.push_back({{1, 100 + i}, {2}});
  int taken = 0;
  const CensusTaker census = [&](const Table&) {
    std::vector<bpf::CountedSocket> all = {Counted(1), Counted(2)};
    if (taken++ == 0) all.push_back(Counted(7));
    return all;
  };
  const Answered answered = Ask(&table, RequestFor(Protocol::kUdp),
                                {.completeness = Completeness::kExact, .census = &census});
  EXPECT_THAT(answered.stats.doubt, IsOk());
  EXPECT_EQ(answered.stats.walks, 2u);
}

TEST(NetlinkSource, ASocketThatNoWalkGivesIsCounted) {
  FakeTable table(Protocol::kUdp);
  for (uint32_t i = 0; i < 40; ++i) table.walks.push_back({{1, 100 + i}, {2}});
  const CensusTaker census = [&](const Table&) {
    return std::vector<bpf::CountedSocket>{Counted(1), Counted(2), Counted(7)};
  };
  const Answered answered = Ask(&table, RequestFor(Protocol::kUdp),
                                {.completeness = Completeness::kExact, .census = &census});
  EXPECT_THAT(answered.stats.doubt, ErrnoIs(EAGAIN));
  EXPECT_EQ(answered.stats.unsettled, 1u);
  EXPECT_EQ(answered.stats.walks, NetlinkSource::kMaxCensusWalks);
}

TEST(NetlinkSource, WithoutACensusItWalks) {
  FakeTable table(Protocol::kUdp);
  table.walks = {{{1, 2}, {3}}, {{1, 3}}, {{1, 3}}};
  const CensusTaker census = [&](const Table&) -> absl::StatusOr<std::vector<bpf::CountedSocket>> {
    return ErrnoError(EPERM, "census");
  };
  const Answered answered = Ask(&table, RequestFor(Protocol::kUdp),
                                {.completeness = Completeness::kExact, .census = &census});
  EXPECT_THAT(answered.stats.doubt, IsOk());
  EXPECT_EQ(answered.cookies, (Cookies{1, 2, 3}));
}

TEST(NetlinkSource, PacketSocketsBehindAListThatIsTooLongComeInTheSecondWalk) {
  FakeTable table(Protocol::kPacket);
  table.walks = {{{1, 2}}, {{1, 2, 3, 4}}};
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
