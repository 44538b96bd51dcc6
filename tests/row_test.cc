// Rows of inet and unix sockets, with and without owners, and messages that are no rows.

#include "netdiag/row.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "netdiag/engine/row_maker.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/process/owner_index.h"
#include "tests/testing/fake_kernel.h"
#include "tests/testing/guarded_buffer.h"
#include "tests/testing/proc_tree.h"

namespace netdiag {
namespace {

using testing::GuardedBuffer;
using testing::Packet;
using testing::ProcTree;

const Table kTcp = {Protocol::kTcp, {Family::kInet, Family::kInet6}, NetnsId(7)};
const Table kUdp = {Protocol::kUdp, Family::kInet, NetnsId(7)};
const Table kUnix = {Protocol::kUnix, Family::kUnix, NetnsId(7)};

template <class T>
Packet Raw(const T& value) {
  Packet bytes(sizeof(T));
  std::memcpy(bytes.data(), &value, sizeof(T));
  return bytes;
}

Packet MessageOf(const Packet& payload, uint16_t type = 20) {
  return testing::Reply(testing::DumpRequest(), type, netlink::kFlagMulti, payload);
}

Packet InetMessage(uint32_t inode, const Packet& attributes = {}) {
  inet_diag_msg body = {};
  body.idiag_family = AF_INET6;
  body.idiag_state = 1;
  body.idiag_rqueue = 0x01020304;
  body.idiag_wqueue = 0x05060708;
  body.idiag_uid = 1000;
  body.idiag_inode = inode;
  body.id.idiag_cookie[0] = 9;
  return MessageOf(testing::Join({Raw(body), attributes}));
}

Packet UnixMessage(uint32_t inode, const Packet& attributes = {}) {
  unix_diag_msg body = {};
  body.udiag_family = AF_UNIX;
  body.udiag_type = SOCK_DGRAM;
  body.udiag_state = 7;
  body.udiag_ino = inode;
  body.udiag_cookie[1] = 1;
  return MessageOf(testing::Join({Raw(body), attributes}));
}

std::optional<Row> RowOf(const GuardedBuffer& bytes, const Table& table,
                         const OwnerIndex* owners = nullptr) {
  netlink::MessageCursor cursor(bytes.bytes());
  netlink::Message message;
  if (!cursor.Next(&message)) return std::nullopt;
  return internal::RowMaker::FromMessage(message, table, SourceKind::kReplay, {owners});
}

TEST(Row, OfAnInetSocketHasTheValuesOfItsMessageAndTable) {
  const uint8_t shut = 2;
  const uint32_t memory[] = {0x11121314};
  const GuardedBuffer bytes(
      InetMessage(5, testing::Join({testing::Attribute(INET_DIAG_SHUTDOWN, Raw(shut)),
                                    testing::Attribute(INET_DIAG_SKMEMINFO, Raw(memory)),
                                    testing::Attribute(300, {}), Packet(3)})));
  const std::optional<Row> row = RowOf(bytes, kTcp);
  ASSERT_TRUE(row.has_value());
  ASSERT_NE(row->inet(), nullptr);
  EXPECT_EQ(row->unix_socket(), nullptr);
  EXPECT_EQ(&row->table(), &kTcp);
  EXPECT_EQ(row->protocol(), Protocol::kTcp);
  EXPECT_EQ(row->source(), SourceKind::kReplay);
  EXPECT_EQ(row->family(), Family::kInet6);
  EXPECT_EQ(row->type(), SocketType::kStream);
  EXPECT_EQ(row->state(), State::kEstablished);
  EXPECT_EQ(row->inode(), Inode(5));
  EXPECT_EQ(row->cookie(), Cookie(9));
  EXPECT_EQ(row->uid(), Uid(1000));
  EXPECT_EQ(row->receive_queue(), 0x01020304u);
  EXPECT_EQ(row->send_queue(), 0x05060708u);
  EXPECT_TRUE(row->shutdown()->send);
  EXPECT_FALSE(row->shutdown()->receive);
  EXPECT_EQ((*row->memory())[SocketMemory::Field("rmem_alloc")], 0x11121314u);
  EXPECT_EQ(row->unknown_attributes(), 1);
  EXPECT_TRUE(row->malformed());
  EXPECT_EQ(row->message().whole().data(), bytes.bytes().data());
}

// The messages of UDP and TCP have the same form; only the table tells them apart.
TEST(Row, OfUdpIsADatagramSocket) {
  const GuardedBuffer bytes(InetMessage(5));
  EXPECT_EQ(RowOf(bytes, kUdp)->type(), SocketType::kDatagram);
  EXPECT_EQ(RowOf(bytes, kUdp)->protocol(), Protocol::kUdp);
}

// ---- States of SCTP and DCCP ----

Packet InState(uint8_t state, const Packet& attributes = {}, uint8_t timer = 0) {
  inet_diag_msg body = {};
  body.idiag_family = AF_INET;
  body.idiag_state = state;
  body.idiag_timer = timer;
  return MessageOf(testing::Join({Raw(body), attributes}));
}
State StateIn(Protocol protocol, const Packet& message) {
  const Table table = {protocol, Family::kInet, NetnsId(7)};
  const GuardedBuffer bytes(message);
  return RowOf(bytes, table)->state();
}

const Packet kPeers = testing::Attribute(INET_DIAG_PEERS, Packet(128));

// An association has the numbers of enum sctp_state, an endpoint those of TCP.
TEST(Row, OfSctpHasTheStateOfItsKind) {
  const State kAssociation[] = {State::kClose,
                                State::kCookieWait,
                                State::kCookieEchoed,
                                State::kEstablished,
                                State::kShutdownPending,
                                State::kShutdownSent,
                                State::kShutdownReceived,
                                State::kShutdownAckSent};
  for (int number = 0; number < 256; ++number) {
    const auto state = static_cast<uint8_t>(number);
    EXPECT_EQ(StateIn(Protocol::kSctp, InState(state, kPeers)),
              number < 8 ? kAssociation[number] : State())
        << number;
    EXPECT_EQ(StateIn(Protocol::kSctp, InState(state)), static_cast<State>(state)) << number;
    EXPECT_EQ(StateIn(Protocol::kTcp, InState(state, kPeers)), static_cast<State>(state)) << number;
  }
}

// The kernel numbers part-open 13 before 6.8, and 14 from then on; passive-closereq is one more,
// and there the peer has ended its data.
TEST(Row, OfDccpHasTwoStatesBehindThoseOfTcp) {
  const auto shut = [](uint8_t mask) { return testing::Attribute(INET_DIAG_SHUTDOWN, Raw(mask)); };
  for (uint8_t number = 0; number < 13; ++number) {
    EXPECT_EQ(StateIn(Protocol::kDccp, InState(number)), static_cast<State>(number));
  }
  for (uint8_t mask = 0; mask < 4; ++mask) {
    const bool ended = (mask & 1) != 0;
    EXPECT_EQ(StateIn(Protocol::kDccp, InState(13, shut(mask))), State::kPartOpen);
    EXPECT_EQ(StateIn(Protocol::kDccp, InState(14, shut(mask))),
              ended ? State::kPassiveCloseRequest : State::kPartOpen);
    EXPECT_EQ(StateIn(Protocol::kDccp, InState(15, shut(mask))), State::kPassiveCloseRequest);
  }
  EXPECT_EQ(StateIn(Protocol::kDccp, InState(14)), State::kPartOpen);
  for (int number = 16; number < 256; ++number) {
    EXPECT_EQ(StateIn(Protocol::kDccp, InState(static_cast<uint8_t>(number))), State()) << number;
  }
}

TEST(Row, OfSctpHasItsOwnTimer) {
  for (const auto& [protocol, wanted] : {std::pair(Protocol::kSctp, Timer::kT3Retransmit),
                                         std::pair(Protocol::kTcp, Timer::kPersist)}) {
    const Table table = {protocol, Family::kInet, NetnsId(7)};
    const GuardedBuffer off(InState(1)), on(InState(1, {}, 4));
    EXPECT_EQ(RowOf(off, table)->timer(), Timer::kOff);
    EXPECT_EQ(RowOf(on, table)->timer(), wanted);
  }
  const GuardedBuffer unix_row(UnixMessage(6));
  EXPECT_EQ(RowOf(unix_row, kUnix)->timer(), Timer::kOff);
}

// One attribute holds the struct of each protocol.
TEST(Row, HasTheInfoOfItsProtocolOnly) {
  const GuardedBuffer bytes(InState(1, testing::Attribute(INET_DIAG_INFO, Packet(368))));
  for (const Protocol protocol :
       {Protocol::kTcp, Protocol::kMptcp, Protocol::kSctp, Protocol::kDccp, Protocol::kUdp}) {
    SCOPED_TRACE(Names(protocol).word);
    const Table table = {protocol, Family::kInet, NetnsId(7)};
    const Row row = *RowOf(bytes, table);
    EXPECT_EQ(row.tcp_info().has_value(), protocol == Protocol::kTcp);
    EXPECT_EQ(row.mptcp_info().has_value(), protocol == Protocol::kMptcp);
    EXPECT_EQ(row.sctp_info().has_value(), protocol == Protocol::kSctp);
    EXPECT_EQ(row.dccp_info().has_value(), protocol == Protocol::kDccp);
  }
  const GuardedBuffer association(InState(3, kPeers));
  const Table sctp = {Protocol::kSctp, Family::kInet, NetnsId(7)};
  const Table dccp = {Protocol::kDccp, Family::kInet, NetnsId(7)};
  EXPECT_TRUE(RowOf(association, sctp)->is_association());
  EXPECT_FALSE(RowOf(association, dccp)->is_association());
  EXPECT_EQ(RowOf(association, sctp)->type(), SocketType::kUnknown);
  EXPECT_EQ(RowOf(association, dccp)->type(), SocketType::kDccp);
}

TEST(Row, OfAUnixSocketHasTheValuesOfItsMessage) {
  const uint32_t queues[] = {0x01020304, 0x05060708};
  const uint32_t uid = 1000;
  const uint8_t shut = 1;
  const GuardedBuffer bytes(
      UnixMessage(6, testing::Join({testing::Attribute(UNIX_DIAG_RQLEN, Raw(queues)),
                                    testing::Attribute(UNIX_DIAG_UID, Raw(uid)),
                                    testing::Attribute(UNIX_DIAG_SHUTDOWN, Raw(shut))})));
  const std::optional<Row> row = RowOf(bytes, kUnix);
  ASSERT_TRUE(row.has_value());
  ASSERT_NE(row->unix_socket(), nullptr);
  EXPECT_EQ(row->inet(), nullptr);
  EXPECT_EQ(row->family(), Family::kUnix);
  EXPECT_EQ(row->type(), SocketType::kDatagram);
  EXPECT_EQ(row->state(), State::kClose);
  EXPECT_EQ(row->inode(), Inode(6));
  EXPECT_EQ(row->cookie(), Cookie(uint64_t{1} << 32));
  EXPECT_EQ(row->uid(), Uid(1000));
  EXPECT_EQ(row->receive_queue(), 0x01020304u);
  EXPECT_EQ(row->send_queue(), 0x05060708u);
  EXPECT_TRUE(row->shutdown()->receive);
  EXPECT_FALSE(row->memory().has_value());
  EXPECT_FALSE(row->malformed());
}

TEST(Row, WithoutAttributesHasNoneOfTheirValues) {
  const GuardedBuffer bytes(UnixMessage(6));
  const std::optional<Row> row = RowOf(bytes, kUnix);
  EXPECT_FALSE(row->uid().has_value());
  EXPECT_FALSE(row->shutdown().has_value());
  EXPECT_EQ(row->receive_queue(), 0u);
  EXPECT_EQ(row->send_queue(), 0u);
  EXPECT_EQ(row->unknown_attributes(), 0);
}

// ---- Messages that are no rows ----

TEST(Row, IsNotMadeFromAControlMessage) {
  const Packet body(72);
  for (uint16_t type = 0; type < 16; ++type) {
    const GuardedBuffer bytes(MessageOf(body, type));
    EXPECT_FALSE(RowOf(bytes, kTcp).has_value()) << type;
    EXPECT_FALSE(RowOf(bytes, kUnix).has_value()) << type;
  }
  for (uint16_t type : {uint16_t{16}, uint16_t{18}, uint16_t{20}}) {
    const GuardedBuffer bytes(MessageOf(body, type));
    EXPECT_TRUE(RowOf(bytes, kTcp).has_value()) << type;
  }
}

TEST(Row, IsNotMadeFromAMessageShorterThanItsFixedPart) {
  for (size_t size = 0; size <= 72; size += 4) {
    const GuardedBuffer bytes(MessageOf(Packet(size)));
    EXPECT_EQ(RowOf(bytes, kTcp).has_value(), size >= 72) << size;
    EXPECT_EQ(RowOf(bytes, kUnix).has_value(), size >= 16) << size;
  }
}

// ---- Owners ----

TEST(Row, SaysThatOwnersWereNotAskedFor) {
  const GuardedBuffer bytes(InetMessage(5));
  const std::optional<Row> row = RowOf(bytes, kTcp);
  EXPECT_TRUE(row->owners().empty());
  EXPECT_EQ(row->no_owner(), NoOwner::kNotAsked);

  const ProcTree tree;
  const OwnerIndex never_scanned({.proc_root = tree.root()});
  EXPECT_EQ(RowOf(bytes, kTcp, &never_scanned)->no_owner(), NoOwner::kNotAsked);
}

TEST(Row, HasEveryOwner) {
  ProcTree tree;
  tree.Pid(42, "nginx", 1000).Fd(6, Inode(5)).Fd(7, Inode(6));
  tree.Pid(43, "worker", 1001).Fd(6, Inode(5));
  OwnerIndex owners({.proc_root = tree.root()});
  ASSERT_TRUE(owners.Refresh().ok());

  const GuardedBuffer inet(InetMessage(5)), local(UnixMessage(6));
  const std::optional<Row> row = RowOf(inet, kTcp, &owners);
  ASSERT_EQ(row->owners().size(), 2u);
  EXPECT_EQ(row->no_owner(), NoOwner::kNone);
  EXPECT_EQ(row->owners()[0].command, "nginx");
  EXPECT_EQ(row->owners()[1].pid, Pid(43));
  const std::optional<Row> unix_row = RowOf(local, kUnix, &owners);
  ASSERT_EQ(unix_row->owners().size(), 1u);
  EXPECT_EQ(unix_row->owners()[0].fd, 7);
}

TEST(Row, SaysWhyThereIsNoOwner) {
  ProcTree tree;
  tree.Pid(42, "nginx", 1000).Fd(6, Inode(5));
  OwnerIndex owners({.proc_root = tree.root()});
  ASSERT_TRUE(owners.Refresh().ok());
  const GuardedBuffer kernel_held(InetMessage(0)), gone(UnixMessage(99));
  EXPECT_EQ(RowOf(kernel_held, kTcp, &owners)->no_owner(), NoOwner::kKernelHeld);
  EXPECT_EQ(RowOf(gone, kUnix, &owners)->no_owner(), NoOwner::kVanished);
  EXPECT_TRUE(RowOf(gone, kUnix, &owners)->owners().empty());
}

}  // namespace
}  // namespace netdiag
