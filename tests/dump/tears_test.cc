// What Tears concludes from the order of rows.

#include "netdiag/dump/tears.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <set>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/dump/cookie_set.h"
#include "netdiag/dump/dump_request.h"
#include "netdiag/netlink/abi.h"
#include "tests/testing/messages.h"

namespace netdiag::internal {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Packet;
using ::testing::SizeIs;

constexpr uint64_t kLarge = 1 << 18;

DumpRequest RequestFor(Protocol protocol) {
  DumpRequest request;
  request.table = {protocol, Describe(protocol).families, {}, ""};
  request.states = StateSet::SsAll();
  return request;
}

struct Inet {
  uint32_t cookie = 0;
  uint16_t port = 443;
  State state = State::kEstablished;
};

bool Repeats(Tears* tears, const Packet& packet) {
  netlink::MessageCursor cursor(packet);
  netlink::Message message;
  EXPECT_TRUE(cursor.Next(&message));
  return tears->Repeats(message);
}

// The cookies of a datagram's rows that are new.
std::vector<uint32_t> Datagram(Tears* tears, const std::vector<Inet>& rows) {
  tears->BeginDatagram();
  std::vector<uint32_t> given;
  for (const Inet& row : rows) {
    testing::InetMessage socket;
    socket.fixed.id.idiag_cookie[0] = row.cookie;
    socket.fixed.id.idiag_sport = Port::FromHost(row.port).ToNetwork();
    socket.fixed.idiag_state = static_cast<uint8_t>(row.state);
    if (!Repeats(tears, socket.Build())) given.push_back(row.cookie);
  }
  return given;
}

std::vector<Inet> Row(std::vector<uint32_t> cookies, uint16_t port = 443,
                      State state = State::kEstablished) {
  std::vector<Inet> rows;
  for (const uint32_t cookie : cookies) rows.push_back({cookie, port, state});
  return rows;
}

void End(Tears* tears) {
  tears->BeginDatagram();
  tears->End();
}

std::set<uint64_t> WitnessesOf(Tears* tears) {
  std::set<uint64_t> cookies;
  for (const SocketKey key : tears->report().witnesses) cookies.insert(key.cookie());
  return cookies;
}

TEST(Tears, OneDatagramIsNotTorn) {
  Tears tears;
  for (const Protocol protocol : {Protocol::kTcp, Protocol::kUdp, Protocol::kRaw}) {
    SCOPED_TRACE(Names(protocol).word);
    tears.Begin(RequestFor(protocol), kLarge, false);
    EXPECT_THAT(Datagram(&tears, Row({1, 2, 3})), ElementsAre(1, 2, 3));
    End(&tears);
    EXPECT_FALSE(tears.report().torn);
    EXPECT_FALSE(tears.report().unwitnessed);
    EXPECT_THAT(tears.report().witnesses, IsEmpty());
  }
}

TEST(Tears, RowsThatComeAgainAreDropped) {
  Tears tears;
  for (const Protocol protocol : {Protocol::kTcp, Protocol::kUdp, Protocol::kRaw}) {
    SCOPED_TRACE(Names(protocol).word);
    tears.Begin(RequestFor(protocol), kLarge, false);
    Datagram(&tears, Row({1, 2, 3, 4}));
    EXPECT_THAT(Datagram(&tears, Row({3, 4, 5})), ElementsAre(5));
    EXPECT_THAT(Datagram(&tears, Row({4, 5, 6})), ElementsAre(6));
    End(&tears);
    EXPECT_EQ(tears.repeated(), 4u);
  }
}

// More sockets entered the bucket than stood before the place, so some of the new ones come first.
TEST(Tears, RowsThatComeAgainAfterNewOnesAreDropped) {
  Tears tears;
  for (const Protocol protocol : {Protocol::kTcp, Protocol::kUdp, Protocol::kRaw}) {
    SCOPED_TRACE(Names(protocol).word);
    tears.Begin(RequestFor(protocol), kLarge, false);
    Datagram(&tears, Row({1, 2}));
    EXPECT_THAT(Datagram(&tears, Row({7, 8, 1, 2, 3})), ElementsAre(7, 8, 3));
    EXPECT_EQ(tears.repeated(), 2u);
  }
}

// 1 has moved to the head of the bucket that is torn, so one socket is skipped if 1 leaves.
TEST(Tears, ASocketThatMovedIntoTheTornBucketIsAWitnessToo) {
  for (const Protocol protocol : {Protocol::kUdp, Protocol::kRaw}) {
    SCOPED_TRACE(Names(protocol).word);
    Tears tears;
    tears.Begin(RequestFor(protocol), kLarge, false);
    Datagram(&tears, Row({1}, 100));
    std::vector<Inet> rows;
    for (uint32_t i = 0; i < 20'000; ++i) rows.push_back({1000 + i, 101, State::kEstablished});
    Datagram(&tears, rows);
    EXPECT_THAT(Datagram(&tears, Row({1, 20, 21}, 105)), ElementsAre(20, 21));
    EXPECT_THAT(Datagram(&tears, Row({22, 23}, 105)), ElementsAre(22, 23));
    End(&tears);
    EXPECT_TRUE(WitnessesOf(&tears).contains(1));
    EXPECT_TRUE(WitnessesOf(&tears).contains(20));
  }
}

// It moved to a bucket that was still to come.
TEST(Tears, ASocketThatMovesIsGivenOnce) {
  Tears tears;
  for (const Protocol protocol : {Protocol::kTcp, Protocol::kUdp, Protocol::kRaw}) {
    SCOPED_TRACE(Names(protocol).word);
    tears.Begin(RequestFor(protocol), kLarge, false);
    Datagram(&tears, Row({1, 2}, 443));
    Datagram(&tears, Row({3, 4}, 444));
    EXPECT_THAT(Datagram(&tears, Row({5, 1}, 445)), ElementsAre(5));
  }
}

TEST(CookieSet, ContainsExactlyWhatWasInserted) {
  CookieSet set;
  std::mt19937_64 random(1);
  for (const uint64_t range : {uint64_t{300}, uint64_t{1} << 14, uint64_t{1} << 62}) {
    SCOPED_TRACE(range);
    std::set<uint64_t> reference;
    for (int i = 0; i < 20'000; ++i) {
      const uint64_t cookie = random() % range;
      EXPECT_EQ(set.Contains(cookie), reference.contains(cookie));
      EXPECT_EQ(set.Insert(cookie), reference.insert(cookie).second);
      EXPECT_TRUE(set.Contains(cookie));
    }
    set.Clear();
  }
}

TEST(Tears, ConnectionsHaveNoWitnesses) {
  Tears tears;
  tears.Begin(RequestFor(Protocol::kTcp), kLarge, false);
  Datagram(&tears, Row({1, 2, 3}));
  Datagram(&tears, Row({4, 5, 6}));
  End(&tears);
  EXPECT_TRUE(tears.report().torn);
  EXPECT_TRUE(tears.report().unwitnessed);
  EXPECT_FALSE(tears.report().crowded);
  EXPECT_FALSE(tears.report().hidden);
  EXPECT_THAT(tears.report().witnesses, IsEmpty());
}

TEST(Tears, InATinyTableConnectionsAreTornWithinADatagram) {
  for (const uint32_t count : {14u, 20u}) {
    SCOPED_TRACE(count);
    Tears tears;
    tears.Begin(RequestFor(Protocol::kTcp), 1, false);
    std::vector<uint32_t> cookies(count);
    for (uint32_t i = 0; i < count; ++i) cookies[i] = i + 1;
    cookies.insert(cookies.begin() + 13, {12, 13});  // again, in mid-datagram
    EXPECT_THAT(Datagram(&tears, Row(cookies)), SizeIs(count));
    End(&tears);
    EXPECT_EQ(tears.report().crowded, count > 14);
    EXPECT_EQ(tears.report().unwitnessed, count > 14);
    EXPECT_EQ(tears.report().torn, count > 14);
  }
}

TEST(Tears, TheUdpBucketInFlightHasTheWitnesses) {
  Tears tears;
  tears.Begin(RequestFor(Protocol::kUdp), 0, false);
  std::vector<Inet> rows = Row({1, 2}, 1000);
  for (const Inet& row : Row({3, 4}, 2001)) rows.push_back(row);
  // The same modulo the smallest table.
  for (const Inet& row : Row({5}, 2001 + 128)) rows.push_back(row);
  Datagram(&tears, rows);
  Datagram(&tears, Row({6}, 2001));
  Datagram(&tears, Row({7}, 3000));
  End(&tears);
  EXPECT_EQ(WitnessesOf(&tears), (std::set<uint64_t>{3, 4, 5, 6}));
  EXPECT_THAT(tears.report().ports, ElementsAre(Port::FromHost(2001), Port::FromHost(2129)));
  EXPECT_THAT(tears.report().witnesses, SizeIs(4));  // the second tear adds none twice
}

// 10 and 11 enter before the rows that were given, so 3 and 4 come again. No row shows 10 and 11.
// If they leave, 6 and 7 are skipped.
TEST(Tears, ABucketTornAgainAfterRepeatsIsRestless) {
  for (const Protocol protocol : {Protocol::kUdp, Protocol::kRaw}) {
    SCOPED_TRACE(Names(protocol).word);
    Tears tears;
    tears.Begin(RequestFor(protocol), kLarge, false);
    Datagram(&tears, Row({1, 2, 3, 4}));
    Datagram(&tears, Row({3, 4, 5}));
    End(&tears);
    EXPECT_FALSE(tears.report().restless);  // the bucket was not torn again
    tears.Begin(RequestFor(protocol), kLarge, false);
    Datagram(&tears, Row({1, 2, 3, 4}));
    Datagram(&tears, Row({3, 4, 5}));
    Datagram(&tears, Row({8}));
    End(&tears);
    EXPECT_TRUE(tears.report().restless);
  }
  // A UDP port with another remainder is another bucket.
  Tears tears;
  tears.Begin(RequestFor(Protocol::kUdp), kLarge, false);
  Datagram(&tears, Row({1, 2, 3, 4}));
  std::vector<Inet> rows = Row({3, 4, 5});
  for (const Inet& row : Row({6}, 444)) rows.push_back(row);
  Datagram(&tears, rows);
  Datagram(&tears, Row({8}, 444));
  End(&tears);
  EXPECT_FALSE(tears.report().restless);
}

TEST(Tears, AllListenersBeforeTheTearAreWitnesses) {
  Tears tears;
  tears.Begin(RequestFor(Protocol::kTcp), kLarge, false);
  Datagram(&tears, Row({1, 2, 6, 7}, 80, State::kListen));
  std::vector<Inet> rows = Row({3}, 80, State::kListen);
  for (const Inet& row : Row({4})) rows.push_back(row);
  Datagram(&tears, rows);
  End(&tears);
  EXPECT_EQ(WitnessesOf(&tears), (std::set<uint64_t>{1, 2, 6, 7}));
  EXPECT_EQ(tears.report().states, StateSet(State::kListen));
  EXPECT_FALSE(tears.report().unwitnessed);
}

TEST(Tears, AListenerThatBecameAConnectionComesOnce) {
  Tears tears;
  tears.Begin(RequestFor(Protocol::kTcp), kLarge, false);
  std::vector<Inet> rows = Row({1, 2}, 80, State::kListen);
  for (const Inet& row : Row({3, 2, 4})) rows.push_back(row);
  EXPECT_THAT(Datagram(&tears, rows), ElementsAre(1, 2, 3, 4));
}

TEST(Tears, ARequestThatHidesSocketsIsReported) {
  const auto hidden = [](const DumpRequest& request, State state) {
    Tears tears;
    tears.Begin(request, kLarge, false);
    Datagram(&tears, Row({1}, 443, state));
    Datagram(&tears, Row({2}, 443, state));
    End(&tears);
    return tears.report().hidden;
  };
  for (const Protocol protocol : {Protocol::kTcp, Protocol::kUdp}) {
    SCOPED_TRACE(Names(protocol).word);
    EXPECT_FALSE(hidden(RequestFor(protocol), State::kEstablished));
    DumpRequest request = RequestFor(protocol);
    request.states = State::kEstablished;
    EXPECT_TRUE(hidden(request, State::kEstablished));
    request = RequestFor(protocol);
    request.source_port = Port::FromHost(443);
    EXPECT_TRUE(hidden(request, State::kEstablished));
    request = RequestFor(protocol);
    request.bytecode.resize(8);
    EXPECT_TRUE(hidden(request, State::kEstablished));
    request = RequestFor(protocol);
    request.table.families = Family::kInet;
    EXPECT_TRUE(hidden(request, State::kEstablished));
  }
  // Listeners have a table of their own.
  DumpRequest request = RequestFor(Protocol::kTcp);
  request.states = State::kListen;
  EXPECT_FALSE(hidden(request, State::kListen));
}

TEST(Tears, AFullDatagramBeforeALoneEndIsATear) {
  constexpr uint32_t kFits = 32448 / 88;  // rows without attributes
  for (const uint32_t count : {kFits / 2, kFits}) {
    SCOPED_TRACE(count);
    Tears tears;
    tears.Begin(RequestFor(Protocol::kTcp), kLarge, false);
    std::vector<uint32_t> cookies(count);
    for (uint32_t i = 0; i < count; ++i) cookies[i] = i + 1;
    Datagram(&tears, Row(cookies));
    End(&tears);
    EXPECT_EQ(tears.report().torn, count >= kFits);
  }
}

TEST(Tears, BindingAUnixSocketChangesItsKey) {
  const auto key = [](bool named) {
    testing::UnixMessage socket;
    if (named) socket.Add(UNIX_DIAG_NAME, testing::Text("/run/x"));
    const Packet packet = socket.Build();
    netlink::MessageCursor cursor(packet);
    netlink::Message message;
    EXPECT_TRUE(cursor.Next(&message));
    return SocketKey::Of(message, Protocol::kUnix);
  };
  EXPECT_NE(key(true), key(false));
  EXPECT_EQ(key(true).cookie(), key(false).cookie());
}

TEST(Tears, RowsWithoutACookieAreNeverDropped) {
  Tears tears;
  tears.Begin(RequestFor(Protocol::kMptcp), 0, false);
  EXPECT_THAT(Datagram(&tears, Row({1, 1})), SizeIs(2));
  EXPECT_THAT(Datagram(&tears, Row({1})), SizeIs(1));
  End(&tears);
  EXPECT_TRUE(tears.report().hidden);
}

TEST(Tears, CanBeginAgain) {
  Tears tears;
  for (int i = 0; i < 2; ++i) {
    SCOPED_TRACE(i);
    tears.Begin(RequestFor(Protocol::kTcp), kLarge, true);
    EXPECT_THAT(Datagram(&tears, Row({1, 2})), ElementsAre(1, 2));
    EXPECT_THAT(Datagram(&tears, Row({3})), ElementsAre(3));
    End(&tears);
    EXPECT_THAT(tears.keys(), SizeIs(3));
    EXPECT_TRUE(tears.report().unwitnessed);
  }
}

}  // namespace
}  // namespace netdiag::internal
