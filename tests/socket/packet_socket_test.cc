// PacketSocket, on messages that end where mapped memory ends.

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
  packet_diag_msg message = {};
  message.pdiag_family = AF_PACKET;
  message.pdiag_type = SOCK_RAW;
  message.pdiag_num = 0x88cc;
  message.pdiag_ino = 0x01020304;
  message.pdiag_cookie[0] = 0x05060708;
  message.pdiag_cookie[1] = 0x090a0b0c;
  return RawBytes(message);
}

PacketSocket Parse(const GuardedBuffer& message) {
  return PacketSocket::Parse(message.bytes()).value();
}

TEST(PacketSocket, ReadsTheFixedPart) {
  const GuardedBuffer buffer(Fixed());
  const PacketSocket socket = Parse(buffer);
  EXPECT_EQ(socket.type(), SocketType::kRaw);
  EXPECT_EQ(socket.state(), State::kClose);
  EXPECT_EQ(socket.ethertype(), 0x88cc);
  EXPECT_EQ(socket.inode().value(), 0x01020304u);
  EXPECT_EQ(socket.cookie().value(), 0x090a0b0c05060708u);
  EXPECT_EQ(socket.interface(), IfIndex());
}

template <class T>
std::optional<typename T::rep> Value(std::optional<T> id) {
  if (!id) return std::nullopt;
  return id->value();
}
template <class Struct>
std::optional<std::string> FieldOf(const std::optional<Struct>& view, const StructField& field) {
  return Hex(view ? (*view)[field] : std::nullopt);
}

using Case = AttributeCase<PacketSocket>;
const Case kCases[] = {
    {"interface", PACKET_DIAG_INFO, 4, 24,
     [](const PacketSocket& s) {
       return Hex(s.interface() == IfIndex() ? std::nullopt : std::optional(s.interface().value()));
     },
     "4030201"},
    {"version", PACKET_DIAG_INFO, 8, 24,
     [](const PacketSocket& s) { return FieldOf(s.info(), PacketInfo::Field("version")); },
     "8070605"},
    {"flags", PACKET_DIAG_INFO, 24, 24,
     [](const PacketSocket& s) { return FieldOf(s.info(), PacketInfo::Field("flags")); },
     "18171615"},
    {"uid", PACKET_DIAG_UID, 4, 4, [](const PacketSocket& s) { return Hex(Value(s.uid())); },
     "4030201"},
    {"meminfo", PACKET_DIAG_MEMINFO, 8, 36,
     [](const PacketSocket& s) { return FieldOf(s.memory(), SocketMemory::Field("rcvbuf")); },
     "8070605"},
    {"receive queue", PACKET_DIAG_MEMINFO, 4, 36,
     [](const PacketSocket& s) { return Hex(s.receive_queue()); }, "4030201"},
    {"receive ring", PACKET_DIAG_RX_RING, 16, 28,
     [](const PacketSocket& s) {
       return FieldOf(s.receive_ring(), PacketRing::Field("frame_count"));
     },
     "100f0e0d"},
    {"send ring", PACKET_DIAG_TX_RING, 28, 28,
     [](const PacketSocket& s) { return FieldOf(s.send_ring(), PacketRing::Field("features")); },
     "1c1b1a19"},
    {"fanout's id", PACKET_DIAG_FANOUT, 4, 4,
     [](const PacketSocket& s) {
       return Hex(s.fanout() ? std::optional(s.fanout()->id) : std::nullopt);
     },
     "201"},
    {"fanout's mode", PACKET_DIAG_FANOUT, 4, 4,
     [](const PacketSocket& s) {
       return Hex(s.fanout() ? std::optional(s.fanout()->mode) : std::nullopt);
     },
     "403"},
    {"filter", PACKET_DIAG_FILTER, 8, 8,
     [](const PacketSocket& s) {
       return Hex(s.filter(0) ? std::optional(s.filter(0)->k) : std::nullopt);
     },
     "8070605"},
    {"membership", PACKET_DIAG_MCLIST, 44, 44,
     [](const PacketSocket& s) {
       return Hex(s.membership(0) ? std::optional(s.membership(0)->type) : std::nullopt);
     },
     "a09"},
};

TEST(PacketSocket, ReadsEveryAttributeIfPresent) {
  for (const Case& row : kCases) ExpectReadsIfPresent(row, Fixed());
}

TEST(PacketSocket, MembershipAddressesAreCutToTheirField) {
  for (const int length : {0, 6, 32, 33, 0xffff}) {
    SCOPED_TRACE(length);
    packet_diag_mclist entry = {};
    entry.pdmc_alen = static_cast<uint16_t>(length);
    const GuardedBuffer buffer(WithAttribute(Fixed(), PACKET_DIAG_MCLIST, RawBytes(entry)));
    const std::optional<PacketSocket::Membership> row = Parse(buffer).membership(0);
    ASSERT_TRUE(row.has_value());
    EXPECT_EQ(row->address.size(), static_cast<size_t>(std::min(length, 32)));
  }
}

TEST(PacketSocket, ListsEndWithTheLastWholeEntry) {
  for (size_t size = 0; size <= 100; ++size) {
    for (const uint16_t type : {uint16_t{PACKET_DIAG_MCLIST}, uint16_t{PACKET_DIAG_FILTER}}) {
      SCOPED_TRACE("type " + std::to_string(type) + " of " + std::to_string(size) + " bytes");
      const GuardedBuffer buffer(WithAttribute(Fixed(), type, Pattern(size)));
      const PacketSocket socket = Parse(buffer);
      EXPECT_EQ(socket.membership_count(), type == PACKET_DIAG_MCLIST ? size / 44 : 0);
      EXPECT_EQ(socket.filter_length(), type == PACKET_DIAG_FILTER ? size / 8 : 0);
      EXPECT_EQ(socket.filter_withheld(), type == PACKET_DIAG_FILTER && size == 0);
      EXPECT_FALSE(socket.membership(socket.membership_count()).has_value());
      EXPECT_FALSE(socket.filter(socket.filter_length()).has_value());
      EXPECT_FALSE(socket.filter(SIZE_MAX / 8 + 1).has_value());
    }
  }
}

TEST(PacketSocket, SkipsAndCountsUnknownAttributes) {
  ExpectSkipsAndCountsUnknown<PacketSocket>(Fixed(), 8);
}

TEST(PacketSocket, EveryTruncationIsSafe) {
  Packet message = Fixed();
  for (const Case& row : kCases) message = Join({message, Attribute(row.type, Pattern(row.exact))});
  ExpectEveryTruncationIsSafe<PacketSocket>(message, [](const PacketSocket& socket) {
    for (const Case& row : kCases) row.read(socket);
  });
}

}  // namespace
}  // namespace netdiag
