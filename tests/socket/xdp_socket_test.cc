// XdpSocket, on messages that end where mapped memory ends.

#include <sys/socket.h>

#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "netdiag/netlink/abi.h"
#include "netdiag/socket/socket.h"
#include "tests/socket/socket_testing.h"

namespace netdiag {
namespace {

using namespace netdiag::testing;  // NOLINT

Packet Fixed() {
  xdp_diag_msg message = {};
  message.xdiag_family = AF_XDP;
  message.xdiag_type = SOCK_RAW;
  message.xdiag_ino = 0x01020304;
  message.xdiag_cookie[0] = 0x05060708;
  message.xdiag_cookie[1] = 0x090a0b0c;
  return RawBytes(message);
}

TEST(XdpSocket, ReadsTheFixedPart) {
  const GuardedBuffer buffer(Fixed());
  const XdpSocket socket = XdpSocket::Parse(buffer.bytes()).value();
  EXPECT_EQ(socket.type(), SocketType::kRaw);
  EXPECT_EQ(socket.state(), State::kClose);
  EXPECT_EQ(socket.inode().value(), 0x01020304u);
  EXPECT_EQ(socket.cookie().value(), 0x090a0b0c05060708u);
  EXPECT_EQ(socket.interface(), IfIndex());
}

template <class Struct>
std::optional<std::string> FieldOf(const std::optional<Struct>& view, const StructField& field) {
  return Hex(view ? (*view)[field] : std::nullopt);
}

using Case = AttributeCase<XdpSocket>;
const Case kCases[] = {
    {"interface", XDP_DIAG_INFO, 4, 8,
     [](const XdpSocket& s) {
       return Hex(s.interface() == IfIndex() ? std::nullopt : std::optional(s.interface().value()));
     },
     "4030201"},
    {"queue", XDP_DIAG_INFO, 8, 8, [](const XdpSocket& s) { return Hex(s.queue()); }, "8070605"},
    {"uid", XDP_DIAG_UID, 4, 4,
     [](const XdpSocket& s) {
       return Hex(s.uid() ? std::optional(s.uid()->value()) : std::nullopt);
     },
     "4030201"},
    {"receive ring", XDP_DIAG_RX_RING, 4, 4,
     [](const XdpSocket& s) { return Hex(s.receive_ring()); }, "4030201"},
    {"send ring", XDP_DIAG_TX_RING, 4, 4, [](const XdpSocket& s) { return Hex(s.send_ring()); },
     "4030201"},
    {"size of the memory", XDP_DIAG_UMEM, 8, 40,
     [](const XdpSocket& s) { return FieldOf(s.umem(), XdpUmem::Field("size")); },
     "807060504030201"},
    {"users of the memory", XDP_DIAG_UMEM, 40, 40,
     [](const XdpSocket& s) { return FieldOf(s.umem(), XdpUmem::Field("users")); }, "28272625"},
    {"fill ring", XDP_DIAG_UMEM_FILL_RING, 4, 4,
     [](const XdpSocket& s) { return Hex(s.fill_ring()); }, "4030201"},
    {"completion ring", XDP_DIAG_UMEM_COMPLETION_RING, 4, 4,
     [](const XdpSocket& s) { return Hex(s.completion_ring()); }, "4030201"},
    {"meminfo", XDP_DIAG_MEMINFO, 8, 36,
     [](const XdpSocket& s) { return FieldOf(s.memory(), SocketMemory::Field("rcvbuf")); },
     "8070605"},
    {"receive queue", XDP_DIAG_MEMINFO, 4, 36,
     [](const XdpSocket& s) { return Hex(s.receive_queue()); }, "4030201"},
    {"dropped frames", XDP_DIAG_STATS, 8, 48,
     [](const XdpSocket& s) { return FieldOf(s.stats(), XdpStats::Field("rx_dropped")); },
     "807060504030201"},
    {"empty send rings", XDP_DIAG_STATS, 48, 48,
     [](const XdpSocket& s) { return FieldOf(s.stats(), XdpStats::Field("tx_ring_empty")); },
     "302f2e2d2c2b2a29"},
};

TEST(XdpSocket, ReadsEveryAttributeIfPresent) {
  for (const Case& row : kCases) ExpectReadsIfPresent(row, Fixed());
}

TEST(XdpSocket, SkipsAndCountsUnknownAttributes) {
  ExpectSkipsAndCountsUnknown<XdpSocket>(Fixed(), 10);
}

TEST(XdpSocket, EveryTruncationIsSafe) {
  Packet message = Fixed();
  for (const Case& row : kCases) message = Join({message, Attribute(row.type, Pattern(row.exact))});
  ExpectEveryTruncationIsSafe<XdpSocket>(message, [](const XdpSocket& socket) {
    for (const Case& row : kCases) row.read(socket);
  });
}

}  // namespace
}  // namespace netdiag
