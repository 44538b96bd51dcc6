// VsockSocket, on messages that end where mapped memory ends.

#include <sys/socket.h>

#include <optional>

#include <gtest/gtest.h>

#include "netdiag/netlink/abi.h"
#include "netdiag/socket/socket.h"
#include "tests/socket/socket_testing.h"

namespace netdiag {
namespace {

using namespace netdiag::testing;  // NOLINT

vsock_diag_msg Message() {
  vsock_diag_msg message = {};
  message.vdiag_family = AF_VSOCK;
  message.vdiag_type = SOCK_SEQPACKET;
  message.vdiag_state = 8;
  message.vdiag_shutdown = 2;
  message.vdiag_src_cid = 0x01020304;
  message.vdiag_src_port = 0x05060708;
  message.vdiag_dst_cid = 0x090a0b0c;
  message.vdiag_dst_port = 0x0d0e0f10;
  message.vdiag_ino = 0x11121314;
  message.vdiag_cookie[0] = 0x15161718;
  message.vdiag_cookie[1] = 0x191a1b1c;
  return message;
}

VsockSocket Parse(const GuardedBuffer& message) {
  return VsockSocket::Parse(message.bytes()).value();
}

TEST(VsockSocket, ReadsTheWholeMessage) {
  const GuardedBuffer buffer(RawBytes(Message()));
  const VsockSocket socket = Parse(buffer);
  EXPECT_EQ(socket.type(), SocketType::kSequentialPacket);
  EXPECT_EQ(socket.state(), State::kCloseWait);
  EXPECT_EQ(socket.local_cid(), 0x01020304u);
  EXPECT_EQ(socket.local_port(), 0x05060708u);
  EXPECT_EQ(socket.remote_cid(), 0x090a0b0cu);
  EXPECT_EQ(socket.remote_port(), 0x0d0e0f10u);
  EXPECT_EQ(socket.inode().value(), 0x11121314u);
  EXPECT_EQ(socket.cookie().value(), 0x191a1b1c15161718u);
  EXPECT_FALSE(socket.malformed());
  EXPECT_EQ(socket.unknown_attributes(), 0);
}

TEST(VsockSocket, ShutdownNamesTheClosedDirections) {
  for (uint8_t mask = 0; mask < 4; ++mask) {
    vsock_diag_msg message = Message();
    message.vdiag_shutdown = mask;
    const GuardedBuffer buffer(RawBytes(message));
    const std::optional<Shutdown> shutdown = Parse(buffer).shutdown();
    ASSERT_TRUE(shutdown.has_value());
    EXPECT_EQ(shutdown->receive, (mask & 1) != 0);
    EXPECT_EQ(shutdown->send, (mask & 2) != 0);
  }
}

TEST(VsockSocket, AnyMachineAndAnyPortAreNoValues) {
  vsock_diag_msg message = Message();
  message.vdiag_src_cid = message.vdiag_src_port = ~0u;
  message.vdiag_dst_cid = message.vdiag_dst_port = ~0u;
  const GuardedBuffer buffer(RawBytes(message));
  const VsockSocket socket = Parse(buffer);
  EXPECT_EQ(socket.local_cid(), std::nullopt);
  EXPECT_EQ(socket.local_port(), std::nullopt);
  EXPECT_EQ(socket.remote_cid(), std::nullopt);
  EXPECT_EQ(socket.remote_port(), std::nullopt);
  // 0 is the hypervisor, and a port.
  message.vdiag_src_cid = message.vdiag_src_port = 0;
  const GuardedBuffer zero(RawBytes(message));
  EXPECT_EQ(Parse(zero).local_cid(), 0u);
  EXPECT_EQ(Parse(zero).local_port(), 0u);
}

TEST(VsockSocket, SkipsAndCountsUnknownAttributes) {
  ExpectSkipsAndCountsUnknown<VsockSocket>(RawBytes(Message()), 1);
}

TEST(VsockSocket, EveryTruncationIsSafe) {
  const Packet message = Join({RawBytes(Message()), Attribute(1, Pattern(9))});
  ExpectEveryTruncationIsSafe<VsockSocket>(message, [](const VsockSocket& socket) {
    EXPECT_EQ(socket.cookie().value(), 0x191a1b1c15161718u);
  });
}

}  // namespace
}  // namespace netdiag
