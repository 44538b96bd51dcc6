// TipcSocket, on messages that end where mapped memory ends.

#include <sys/socket.h>

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/netlink/abi.h"
#include "netdiag/socket/socket.h"
#include "tests/socket/socket_testing.h"

namespace netdiag {
namespace {

using namespace netdiag::testing;  // NOLINT

// The attribute without padding behind it.
Packet Unpadded(uint16_t type, const Packet& payload) { return WithAttribute({}, type, payload); }

// `path`: the types of the attributes around the innermost one, from the outside. The message ends
// with the innermost payload.
Packet Nested(const std::vector<uint16_t>& path, const Packet& payload) {
  Packet bytes = payload;
  for (size_t i = path.size(); i-- > 0;) bytes = Unpadded(path[i], bytes);
  return bytes;
}

using Read = std::function<std::optional<std::string>(const TipcSocket&)>;
struct Case {
  const char* name;
  std::vector<uint16_t> path;  // below TIPC_NLA_SOCK
  size_t size;                 // of the payload that is read
  Read read;
  const char* expected;  // for the payload 1, 2, 3, …
};

template <class T>
std::optional<std::string> IdText(const T& id) {
  return Hex(id == T() ? std::nullopt : std::optional(id.value()));
}
std::optional<std::string> Flag(std::optional<bool> flag) {
  return flag.value_or(false) ? std::optional<std::string>("set") : std::nullopt;
}

const Case kCases[] = {
    {"node", {TIPC_NLA_SOCK_ADDR}, 4, [](const TipcSocket& s) { return Hex(s.node()); }, "4030201"},
    {"reference",
     {TIPC_NLA_SOCK_REF},
     4,
     [](const TipcSocket& s) { return Hex(s.reference()); },
     "4030201"},
    {"inode",
     {TIPC_NLA_SOCK_INO},
     4,
     [](const TipcSocket& s) { return IdText(s.inode()); },
     "4030201"},
    {"uid",
     {TIPC_NLA_SOCK_UID},
     4,
     [](const TipcSocket& s) { return IdText(s.uid().value_or(Uid())); },
     "4030201"},
    {"cookie",
     {TIPC_NLA_SOCK_COOKIE},
     8,
     [](const TipcSocket& s) { return IdText(s.cookie()); },
     "807060504030201"},
    {"remote node",
     {TIPC_NLA_SOCK_CON, TIPC_NLA_CON_NODE},
     4,
     [](const TipcSocket& s) { return Hex(s.remote_node()); },
     "4030201"},
    {"remote reference",
     {TIPC_NLA_SOCK_CON, TIPC_NLA_CON_SOCK},
     4,
     [](const TipcSocket& s) { return Hex(s.remote_reference()); },
     "4030201"},
    {"published",
     {TIPC_NLA_SOCK_HAS_PUBL},
     0,
     [](const TipcSocket& s) { return Flag(s.published()); },
     "set"},
    {"receive queue",
     {TIPC_NLA_SOCK_STAT, TIPC_NLA_SOCK_STAT_RCVQ},
     4,
     [](const TipcSocket& s) { return Hex(s.receive_queue()); },
     "4030201"},
    {"send queue",
     {TIPC_NLA_SOCK_STAT, TIPC_NLA_SOCK_STAT_SENDQ},
     4,
     [](const TipcSocket& s) { return Hex(s.send_queue()); },
     "4030201"},
    {"drops",
     {TIPC_NLA_SOCK_STAT, TIPC_NLA_SOCK_STAT_DROP},
     4,
     [](const TipcSocket& s) { return Hex(s.drops()); },
     "4030201"},
    {"link congestion",
     {TIPC_NLA_SOCK_STAT, TIPC_NLA_SOCK_STAT_LINK_CONG},
     0,
     [](const TipcSocket& s) { return Flag(s.link_congested()); },
     "set"},
    {"connection congestion",
     {TIPC_NLA_SOCK_STAT, TIPC_NLA_SOCK_STAT_CONN_CONG},
     0,
     [](const TipcSocket& s) { return Flag(s.connection_congested()); },
     "set"},
    {"group",
     {TIPC_NLA_SOCK_GROUP, TIPC_NLA_SOCK_GROUP_ID},
     4,
     [](const TipcSocket& s) {
       return Hex(s.group() ? std::optional(s.group()->id) : std::nullopt);
     },
     "4030201"},
};

TEST(TipcSocket, ReadsEveryAttributeIfPresent) {
  for (const Case& row : kCases) {
    for (size_t size = 0; size <= row.size + 4; ++size) {
      SCOPED_TRACE(std::string(row.name) + " of " + std::to_string(size) + " bytes");
      std::vector<uint16_t> path = row.path;
      path.insert(path.begin(), TIPC_NLA_SOCK);
      const GuardedBuffer message(Nested(path, Pattern(size)));
      const std::optional<TipcSocket> socket = TipcSocket::Parse(message.bytes());
      ASSERT_TRUE(socket.has_value());
      EXPECT_FALSE(socket->malformed());
      EXPECT_EQ(socket->unknown_attributes(), 0);
      const bool whole = size >= row.size;
      EXPECT_EQ(row.read(*socket), whole ? std::optional<std::string>(row.expected) : std::nullopt);
    }
    const GuardedBuffer bare(Unpadded(TIPC_NLA_SOCK, {}));
    EXPECT_EQ(row.read(*TipcSocket::Parse(bare.bytes())), std::nullopt) << row.name;
  }
}

// A socket whose nested attributes are `parts`.
TipcSocket Parse(const Packets& parts) {
  static std::optional<GuardedBuffer> buffer;
  buffer.emplace(Unpadded(TIPC_NLA_SOCK, Join(parts)));
  return TipcSocket::Parse(buffer->bytes()).value();
}
Packet Number(uint16_t type, uint32_t number) { return Attribute(type, RawBytes(number)); }

TEST(TipcSocket, TypesAndStatesAreThoseOfOtherSockets) {
  for (const uint32_t type : {0u, 1u, 2u, 4u, 5u}) {
    EXPECT_EQ(Parse({Number(TIPC_NLA_SOCK_TYPE, type)}).type(), static_cast<SocketType>(type));
  }
  EXPECT_EQ(Parse({Number(TIPC_NLA_SOCK_TYPE, 0x101)}).type(), SocketType::kUnknown);
  for (const uint32_t state : {1u, 2u, 7u, 8u, 10u}) {
    EXPECT_EQ(Parse({Number(TIPC_NLA_SOCK_TIPC_STATE, state)}).state(), static_cast<State>(state));
  }
  EXPECT_EQ(Parse({Number(TIPC_NLA_SOCK_TIPC_STATE, 0x101)}).state(), State{});
  EXPECT_EQ(Parse({}).state(), State::kClose);
}

TEST(TipcSocket, TheServiceOfAConnectionNeedsItsFlag) {
  const Packet numbers = Join({Number(TIPC_NLA_CON_TYPE, 18888), Number(TIPC_NLA_CON_INST, 17)});
  const Packet flag = Attribute(TIPC_NLA_CON_FLAG, {});
  const TipcSocket with = Parse({Attribute(TIPC_NLA_SOCK_CON, Join({flag, numbers}))});
  ASSERT_TRUE(with.service().has_value());
  EXPECT_EQ(with.service()->type, 18888u);
  EXPECT_EQ(with.service()->instance, 17u);
  EXPECT_FALSE(Parse({Attribute(TIPC_NLA_SOCK_CON, numbers)}).service().has_value());
  EXPECT_FALSE(Parse({Attribute(TIPC_NLA_SOCK_CON, flag)}).service().has_value());
  EXPECT_FALSE(Parse({}).service().has_value());
}

TEST(TipcSocket, CongestionIsNotKnownWithoutStatistics) {
  EXPECT_EQ(Parse({}).link_congested(), std::nullopt);
  EXPECT_EQ(Parse({}).connection_congested(), std::nullopt);
  const TipcSocket calm = Parse({Attribute(TIPC_NLA_SOCK_STAT, {})});
  EXPECT_EQ(calm.link_congested(), false);
  EXPECT_EQ(calm.connection_congested(), false);
}

TEST(TipcSocket, AGroupHasAScope) {
  const Packets numbers = {Number(TIPC_NLA_SOCK_GROUP_ID, 4711),
                           Number(TIPC_NLA_SOCK_GROUP_INSTANCE, 17),
                           Number(TIPC_NLA_SOCK_GROUP_BC_SEND_NEXT, 3)};
  const auto group = [&](const Packets& flags) {
    return *Parse({Attribute(TIPC_NLA_SOCK_GROUP, Join({Join(numbers), Join(flags)}))}).group();
  };
  EXPECT_EQ(group({}).id, 4711u);
  EXPECT_EQ(group({}).instance, 17u);
  EXPECT_EQ(group({}).next_broadcast, 3u);
  EXPECT_EQ(group({}).scope, 0);
  EXPECT_FALSE(group({}).open);
  EXPECT_EQ(group({Attribute(TIPC_NLA_SOCK_GROUP_CLUSTER_SCOPE, {})}).scope, 2);
  EXPECT_EQ(group({Attribute(TIPC_NLA_SOCK_GROUP_NODE_SCOPE, {})}).scope, 3);
  EXPECT_TRUE(group({Attribute(TIPC_NLA_SOCK_GROUP_OPEN, {})}).open);
}

TEST(TipcSocket, SkipsAndCountsUnknownAttributes) {
  const TipcSocket socket =
      Parse({Attribute(13, Pattern(5)), Number(TIPC_NLA_SOCK_REF, 9), Attribute(0xc000 | 200, {})});
  EXPECT_EQ(socket.unknown_attributes(), 2);
  EXPECT_FALSE(socket.malformed());
  EXPECT_EQ(socket.reference(), 9u);
}

TEST(TipcSocket, NeedsAWholeNest) {
  EXPECT_FALSE(TipcSocket::Parse({}).has_value());  // a socket whose state was not asked for
  EXPECT_FALSE(TipcSocket::Parse(Attribute(TIPC_NLA_PUBL, Pattern(8))).has_value());
  // It may stand behind other attributes.
  const Packet message = Join({Attribute(TIPC_NLA_NET, Pattern(5)),
                               Attribute(TIPC_NLA_SOCK, Number(TIPC_NLA_SOCK_REF, 9))});
  EXPECT_EQ(TipcSocket::Parse(message)->reference(), 9u);
}

TEST(TipcSocket, EveryTruncationIsSafe) {
  Packet nested;
  std::set<size_t> good = {0};  // cuts between two attributes
  for (const Case& row : kCases) {
    const Packet part = Nested(row.path, Pattern(row.size));
    nested.insert(nested.end(), part.begin(), part.end());
    for (size_t end = nested.size(); end <= netlink::Align(nested.size()); ++end) good.insert(end);
    nested.resize(netlink::Align(nested.size()));
  }
  const Packet whole = Attribute(TIPC_NLA_SOCK, nested);
  for (size_t size = 0; size <= whole.size(); ++size) {
    SCOPED_TRACE(std::to_string(size) + " bytes of the message");
    const GuardedBuffer cut(Bytes(whole).first(size));
    EXPECT_EQ(TipcSocket::Parse(cut.bytes()).has_value(), size == whole.size());
  }
  for (size_t size = 0; size <= nested.size(); ++size) {
    SCOPED_TRACE(std::to_string(size) + " bytes of the nest");
    const GuardedBuffer cut(
        Unpadded(TIPC_NLA_SOCK, Packet(nested.begin(), nested.begin() + static_cast<long>(size))));
    const std::optional<TipcSocket> socket = TipcSocket::Parse(cut.bytes());
    ASSERT_TRUE(socket.has_value());
    for (const Case& row : kCases) row.read(*socket);
    EXPECT_EQ(socket->malformed(), !good.contains(size));
  }
}

}  // namespace
}  // namespace netdiag
