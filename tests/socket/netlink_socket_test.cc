// NetlinkSocket, on messages that end where mapped memory ends.

#include <sys/socket.h>

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/netlink/abi.h"
#include "netdiag/socket/socket.h"
#include "tests/socket/socket_testing.h"

namespace netdiag {
namespace {

using namespace netdiag::testing;  // NOLINT

Packet Fixed() {
  netlink_diag_msg message = {};
  message.ndiag_family = AF_NETLINK;
  message.ndiag_type = SOCK_DGRAM;
  message.ndiag_protocol = NETLINK_GENERIC;
  message.ndiag_state = 1;
  message.ndiag_portid = 0x11121314;
  message.ndiag_dst_portid = 0x21222324;
  message.ndiag_dst_group = 0x31323334;
  message.ndiag_ino = 0x01020304;
  message.ndiag_cookie[0] = 0x05060708;
  message.ndiag_cookie[1] = 0x090a0b0c;
  return RawBytes(message);
}

NetlinkSocket Parse(const GuardedBuffer& message) {
  return NetlinkSocket::Parse(message.bytes()).value();
}

TEST(NetlinkSocket, ReadsTheFixedPart) {
  const GuardedBuffer buffer(Fixed());
  const NetlinkSocket socket = Parse(buffer);
  EXPECT_EQ(socket.type(), SocketType::kDatagram);
  EXPECT_EQ(socket.state(), State::kClose);
  EXPECT_EQ(socket.netlink_protocol(), NETLINK_GENERIC);
  EXPECT_TRUE(socket.connected());
  EXPECT_EQ(socket.port_id(), 0x11121314u);
  EXPECT_EQ(socket.remote_port_id(), 0x21222324u);
  EXPECT_EQ(socket.remote_group(), 0x31323334u);
  EXPECT_EQ(socket.inode().value(), 0x01020304u);
  EXPECT_EQ(socket.cookie().value(), 0x090a0b0c05060708u);
}

// A new socket has the state TCP_CLOSE (7). NETLINK_UNCONNECTED is 0.
TEST(NetlinkSocket, IsConnectedInOneStateOnly) {
  for (int state = 0; state < 256; ++state) {
    Packet fixed = Fixed();
    fixed[offsetof(netlink_diag_msg, ndiag_state)] = static_cast<std::byte>(state);
    const GuardedBuffer buffer(fixed);
    EXPECT_EQ(Parse(buffer).connected(), state == 1) << state;
    EXPECT_EQ(Parse(buffer).state(), State::kClose);
  }
}

using Case = AttributeCase<NetlinkSocket>;
const Case kCases[] = {
    {"flags", NETLINK_DIAG_FLAGS, 4, 4,
     [](const NetlinkSocket& s) {
       return Hex(s.flags() ? std::optional(s.flags()->bits()) : std::nullopt);
     },
     "4030201"},
    {"receive queue", NETLINK_DIAG_MEMINFO, 4, 36,
     [](const NetlinkSocket& s) { return Hex(s.receive_queue()); }, "4030201"},
    {"send queue", NETLINK_DIAG_MEMINFO, 12, 36,
     [](const NetlinkSocket& s) { return Hex(s.send_queue()); }, "c0b0a09"},
    {"drops", NETLINK_DIAG_MEMINFO, 36, 36,
     [](const NetlinkSocket& s) {
       return Hex(s.memory() ? (*s.memory())[SocketMemory::Field("drops")] : std::nullopt);
     },
     "24232221"},
};

TEST(NetlinkSocket, ReadsEveryAttributeIfPresent) {
  for (const Case& row : kCases) ExpectReadsIfPresent(row, Fixed());
}

TEST(NetlinkSocket, GroupsAreAMaskOfAnyLength) {
  for (size_t size = 0; size <= 20; ++size) {
    const GuardedBuffer buffer(WithAttribute(Fixed(), NETLINK_DIAG_GROUPS, Pattern(size)));
    const NetlinkSocket socket = Parse(buffer);
    for (size_t i = 0; i < 4; ++i) {
      uint64_t word = 0;
      for (size_t at = std::min(i * 8 + 8, size); at > i * 8; --at) word = word << 8 | at;
      EXPECT_EQ(socket.groups(i), i * 8 < size ? std::optional(word) : std::nullopt) << size;
    }
    EXPECT_FALSE(socket.groups(SIZE_MAX).has_value());
    EXPECT_FALSE(socket.groups(SIZE_MAX / 8 + 1).has_value());
  }
  const GuardedBuffer bare(Fixed());
  EXPECT_FALSE(Parse(bare).groups(0).has_value());
}

TEST(NetlinkSocket, SkipsAndCountsUnknownAttributes) {
  ExpectSkipsAndCountsUnknown<NetlinkSocket>(Fixed(), 5);
}

TEST(NetlinkSocket, EveryTruncationIsSafe) {
  Packet message = Join({Fixed(), Attribute(NETLINK_DIAG_GROUPS, Pattern(16))});
  for (const Case& row : kCases) message = Join({message, Attribute(row.type, Pattern(row.exact))});
  ExpectEveryTruncationIsSafe<NetlinkSocket>(message, [](const NetlinkSocket& socket) {
    for (const Case& row : kCases) row.read(socket);
    (void)socket.groups(0);
    (void)socket.groups(1);
  });
}

}  // namespace
}  // namespace netdiag
