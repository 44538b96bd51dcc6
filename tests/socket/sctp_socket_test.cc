// What an InetSocket tells of SCTP: the addresses of endpoints and associations, and the address of
// the primary path, on messages that end where mapped memory ends.

#include <netinet/in.h>

#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/netlink/abi.h"
#include "netdiag/socket/socket.h"
#include "tests/socket/socket_testing.h"
#include "tests/testing/messages.h"

namespace netdiag {
namespace {

using testing::GuardedBuffer;
using testing::Join;
using testing::Packet;
using testing::RawBytes;
using testing::Sockaddr;
using testing::WithAttribute;

constexpr Port kPort = Port::FromHost(0x0102);

IpAddress Address(std::string_view text) { return IpAddress::Parse(text).value(); }

Packet Fixed(uint8_t family, std::string_view local, std::string_view remote) {
  inet_diag_msg message = {};
  message.idiag_family = family;
  message.idiag_state = 3;
  const IpAddress source = Address(local), destination = Address(remote);
  std::memcpy(message.id.idiag_src, source.octets().data(), source.octets().size());
  std::memcpy(message.id.idiag_dst, destination.octets().data(), destination.octets().size());
  message.id.idiag_sport = Port::FromHost(11).ToNetwork();
  message.id.idiag_dport = Port::FromHost(22).ToNetwork();
  return RawBytes(message);
}

InetSocket Parse(const GuardedBuffer& message) {
  return InetSocket::Parse(message.bytes()).value();
}

TEST(SctpSocket, TellsEveryAddressOfBothEnds) {
  const GuardedBuffer buffer(
      Join({Fixed(AF_INET6, "::1", "::2"),
            testing::Attribute(INET_DIAG_LOCALS, Join({Sockaddr({Address("192.0.2.1"), kPort}),
                                                       Sockaddr({Address("fe80::1"), kPort}, 7)})),
            WithAttribute({}, INET_DIAG_PEERS, Sockaddr({Address("2001:db8::2"), kPort}))}));
  const InetSocket socket = Parse(buffer);
  EXPECT_TRUE(socket.is_association());
  ASSERT_EQ(socket.local_addresses(), 2u);
  EXPECT_EQ(socket.local_address(0), (BoundAddress{{Address("192.0.2.1"), kPort}, IfIndex()}));
  EXPECT_EQ(socket.local_address(1), (BoundAddress{{Address("fe80::1"), kPort}, IfIndex(7)}));
  ASSERT_EQ(socket.peer_addresses(), 1u);
  EXPECT_EQ(socket.peer_address(0), (BoundAddress{{Address("2001:db8::2"), kPort}, IfIndex()}));
  for (const size_t i : {size_t{2}, SIZE_MAX / 128 + 1, SIZE_MAX}) {
    EXPECT_EQ(socket.local_address(i), std::nullopt) << i;
    EXPECT_EQ(socket.peer_address(i), std::nullopt) << i;
  }
}

TEST(SctpSocket, IsAnEndpointWithoutAddressesOfAPeer) {
  const GuardedBuffer bare(Fixed(AF_INET, "192.0.2.1", "0.0.0.0"));
  EXPECT_FALSE(Parse(bare).is_association());
  EXPECT_EQ(Parse(bare).local_addresses(), 0u);
  EXPECT_EQ(Parse(bare).local_address(0), std::nullopt);
  const GuardedBuffer endpoint(WithAttribute(Fixed(AF_INET, "192.0.2.1", "0.0.0.0"),
                                             INET_DIAG_LOCALS,
                                             Sockaddr({Address("192.0.2.9"), kPort})));
  EXPECT_FALSE(Parse(endpoint).is_association());
  EXPECT_EQ(Parse(endpoint).local_addresses(), 1u);
  EXPECT_EQ(Parse(endpoint).local().address, Address("192.0.2.1"));
  // An endpoint can be bound to no address yet.
  const GuardedBuffer unbound(
      WithAttribute(Fixed(AF_INET, "0.0.0.0", "0.0.0.0"), INET_DIAG_LOCALS, {}));
  EXPECT_EQ(Parse(unbound).local_addresses(), 0u);
}

// Whatever length the list has, only whole addresses count.
TEST(SctpSocket, CountsWholeAddressesOnly) {
  const Packet list =
      Join({Sockaddr({Address("192.0.2.1"), kPort}), Sockaddr({Address("192.0.2.2"), kPort})});
  for (size_t size = 0; size <= list.size(); ++size) {
    const Packet part(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(size));
    const GuardedBuffer buffer(
        WithAttribute(Fixed(AF_INET, "192.0.2.1", "192.0.2.2"), INET_DIAG_PEERS, part));
    const InetSocket socket = Parse(buffer);
    EXPECT_TRUE(socket.is_association()) << size;
    EXPECT_EQ(socket.peer_addresses(), size / 128) << size;
    EXPECT_EQ(socket.peer_address(0).has_value(), size >= 128) << size;
    EXPECT_EQ(socket.peer_address(1).has_value(), size >= 256) << size;
  }
}

TEST(SctpSocket, AnAddressOfAnotherFamilyIsNoAddress) {
  for (const int family : {0, 1, 3, 17, 0xffff}) {
    Packet strange = Sockaddr({Address("192.0.2.1"), kPort});
    const auto number = static_cast<uint16_t>(family);
    std::memcpy(strange.data(), &number, sizeof(number));
    const GuardedBuffer buffer(WithAttribute(Fixed(AF_INET6, "::1", "::2"), INET_DIAG_PEERS,
                                             Join({strange, Sockaddr({Address("::2"), kPort})})));
    const InetSocket socket = Parse(buffer);
    EXPECT_EQ(socket.peer_addresses(), 2u) << family;
    EXPECT_EQ(socket.peer_address(0), std::nullopt) << family;
    EXPECT_TRUE(socket.peer_address(1).has_value()) << family;
    EXPECT_EQ(socket.remote().address, Address("::2")) << family;
  }
}

// A sockaddr_in6 ends where mapped memory ends.
TEST(BoundAddress, IsReadOnlyIfItIsWhole) {
  const Packet v4 = Sockaddr({Address("192.0.2.1"), kPort});
  const Packet v6 = Sockaddr({Address("fe80::1"), kPort}, 3);
  for (size_t size = 0; size <= 128; ++size) {
    const GuardedBuffer short4(Bytes(v4).first(size)), short6(Bytes(v6).first(size));
    const auto of4 = BoundAddress::FromSockaddr(short4.bytes());
    const auto of6 = BoundAddress::FromSockaddr(short6.bytes());
    EXPECT_EQ(of4.has_value(), size >= sizeof(sockaddr_in)) << size;
    EXPECT_EQ(of6.has_value(), size >= sizeof(sockaddr_in6)) << size;
    if (of4) {
      EXPECT_EQ(of4->endpoint, (Endpoint{Address("192.0.2.1"), kPort}));
    }
    if (of6) {
      EXPECT_EQ(of6->endpoint, (Endpoint{Address("fe80::1"), kPort}));
      EXPECT_EQ(of6->scope, IfIndex(3));
    }
  }
}

// The kernel writes an IPv4 address of an IPv6 socket as if it were an IPv6 address, which leaves
// nothing of it. The lists have it.
TEST(SctpSocket, TakesIpv4AddressesOfAnIpv6SocketFromTheLists) {
  const auto ends = [](const Packet& fixed, const std::vector<const char*>& locals,
                       const std::vector<const char*>& peers) {
    Packet local_list, peer_list;
    for (const char* text : locals) {
      local_list = Join({local_list, Sockaddr({Address(text), kPort})});
    }
    for (const char* text : peers) {
      peer_list = Join({peer_list, Sockaddr({Address(text), kPort})});
    }
    const GuardedBuffer buffer(Join({fixed, testing::Attribute(INET_DIAG_LOCALS, local_list),
                                     testing::Attribute(INET_DIAG_PEERS, peer_list)}));
    std::string text;
    Parse(buffer).local().AppendTo(&text);
    text += " ";
    Parse(buffer).remote().AppendTo(&text);
    return text;
  };
  const Packet lost = Fixed(AF_INET6, "::", "::");
  EXPECT_EQ(ends(lost, {"192.0.2.1"}, {"192.0.2.2", "192.0.2.3"}),
            "[::ffff:192.0.2.1]:11 [::ffff:192.0.2.2]:22");
  // The primary path is the IPv4 one if the address that was sent is none of the peer's.
  EXPECT_EQ(ends(lost, {"2001:db8::1"}, {"2001:db8::2", "192.0.2.2"}),
            "[2001:db8::1]:11 [::ffff:192.0.2.2]:22");
  const Packet sent = Fixed(AF_INET6, "2001:db8::1", "2001:db8::2");
  EXPECT_EQ(ends(sent, {"2001:db8::1", "192.0.2.1"}, {"192.0.2.2", "2001:db8::2"}),
            "[2001:db8::1]:11 [2001:db8::2]:22");
  EXPECT_EQ(ends(sent, {}, {}), "[2001:db8::1]:11 [2001:db8::2]:22");
  const Packet v4 = Fixed(AF_INET, "192.0.2.1", "192.0.2.2");
  EXPECT_EQ(ends(v4, {"192.0.2.9"}, {"192.0.2.8"}), "192.0.2.1:11 192.0.2.2:22");
}

TEST(SctpSocket, EveryTruncationIsSafe) {
  const Packet list =
      Join({Sockaddr({Address("192.0.2.1"), kPort}), Sockaddr({Address("2001:db8::1"), kPort})});
  const Packet message =
      Join({Fixed(AF_INET6, "::", "::"), testing::Attribute(INET_DIAG_LOCALS, list),
            testing::Attribute(INET_DIAG_PEERS, list),
            testing::Attribute(INET_DIAG_INFO, Packet(sizeof(sctp_info)))});
  testing::ExpectEveryTruncationIsSafe<InetSocket>(message, [](const InetSocket& socket) {
    for (size_t i = 0; i < 3; ++i) {
      socket.local_address(i);
      socket.peer_address(i);
    }
    socket.local();
    socket.remote();
    if (socket.sctp_info()) SctpPrimaryAddress(*socket.sctp_info());
  });
}

TEST(SctpInfo, TellsThePrimaryAddressIfItIsWhole) {
  sctp_info raw = {};
  raw.sctpi_tag = 1;
  const Packet address = Sockaddr({Address("192.0.2.7"), kPort});
  std::memcpy(&raw.sctpi_p_address, address.data(), address.size());
  const Packet bytes = RawBytes(raw);
  constexpr size_t kEnd = offsetof(sctp_info, sctpi_p_address) + 128;
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const GuardedBuffer cut(Bytes(bytes).first(size));
    const std::optional<BoundAddress> primary = SctpPrimaryAddress(SctpInfo(cut.bytes()));
    ASSERT_EQ(primary.has_value(), size >= kEnd) << size;
    if (primary) {
      EXPECT_EQ(primary->endpoint, (Endpoint{Address("192.0.2.7"), kPort}));
    }
  }
  // An endpoint has none.
  EXPECT_EQ(SctpPrimaryAddress(SctpInfo(Packet(sizeof(sctp_info)))), std::nullopt);
}

}  // namespace
}  // namespace netdiag
