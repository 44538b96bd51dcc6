// SmcSocket, on messages that end where mapped memory ends.

#include <sys/socket.h>

#include <array>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "netdiag/netlink/abi.h"
#include "netdiag/socket/socket.h"
#include "tests/socket/socket_testing.h"

namespace netdiag {
namespace {

using namespace netdiag::testing;  // NOLINT

smc_diag_msg Message() {
  smc_diag_msg message = {};
  message.diag_family = AF_SMC;
  message.diag_state = 1;
  message.diag_mode = SMC_DIAG_MODE_SMCD;
  message.id.idiag_sport = Port::FromHost(0x0102).ToNetwork();
  message.id.idiag_dport = Port::FromHost(0x0304).ToNetwork();
  std::memcpy(message.id.idiag_src, "\xc0\x00\x02\x01", 4);
  std::memcpy(message.id.idiag_dst, "\xc0\x00\x02\x02", 4);
  message.id.idiag_if = 0x05060708;
  message.id.idiag_cookie[0] = 0x090a0b0c;
  message.id.idiag_cookie[1] = 0x0d0e0f10;
  message.diag_uid = 0x11121314;
  message.diag_inode = 0x15161718;
  return message;
}

TEST(SmcSocket, ReadsTheFixedPart) {
  const GuardedBuffer buffer(RawBytes(Message()));
  const SmcSocket socket = SmcSocket::Parse(buffer.bytes()).value();
  EXPECT_EQ(socket.state(), State::kEstablished);
  EXPECT_EQ(socket.smc_state(), 1);
  EXPECT_EQ(socket.mode(), SmcMode::kDirect);
  EXPECT_EQ(socket.local_address(), IpAddress::V4(192, 0, 2, 1));
  EXPECT_EQ(socket.remote_address(), IpAddress::V4(192, 0, 2, 2));
  EXPECT_EQ(socket.local_port(), Port::FromHost(0x0102));
  EXPECT_EQ(socket.remote_port(), Port::FromHost(0x0304));
  EXPECT_EQ(socket.interface(), IfIndex(0x05060708));
  EXPECT_EQ(socket.cookie().value(), 0x0d0e0f10090a0b0cu);
  EXPECT_EQ(socket.uid(), Uid(0x11121314));
  EXPECT_EQ(socket.inode().value(), 0x15161718u);
}

SmcSocket Parse(const smc_diag_msg& message) {
  static std::optional<GuardedBuffer> buffer;
  buffer.emplace(RawBytes(message));
  return SmcSocket::Parse(buffer->bytes()).value();
}

std::string TextOf(const std::optional<IpAddress>& address) {
  std::string text;
  if (address) address->AppendTo(&text);
  return address ? text : "absent";
}

// The message has no family since 5.0, so the addresses themselves show it.
TEST(SmcSocket, TellsTheFamilyOfItsAddresses) {
  constexpr char kLoopback6[] = "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1";
  constexpr char kZero[16] = {};
  constexpr char kLoopback4[16] = "\x7f\0\0\1";
  constexpr char kMapped[] = "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1";
  const struct {
    int family;
    const char *source, *destination, *local, *remote;
  } kRows[] = {
      {AF_SMC, kLoopback4, kLoopback4, "127.0.0.1", "127.0.0.1"},
      {AF_SMC, kLoopback4, kZero, "127.0.0.1", "0.0.0.0"},
      {AF_SMC, kLoopback6, kLoopback6, "::1", "::1"},
      {AF_SMC, kLoopback6, kZero, "::1", "::"},
      {AF_SMC, kZero, kLoopback6, "::", "::1"},
      {AF_SMC, kMapped, kMapped, "::ffff:127.0.0.1", "::ffff:127.0.0.1"},
      // Any address, of IPv4 or IPv6.
      {AF_SMC, kZero, kZero, "absent", "absent"},
      // Older kernels name the family; newer ones leave out the addresses of IPPROTO_SMC.
      {AF_INET, kLoopback4, kZero, "127.0.0.1", "0.0.0.0"},
      {AF_INET6, kLoopback4, kZero, "7f00:1::", "::"},
      {AF_INET, kZero, kZero, "absent", "absent"},
      {AF_INET6, kZero, kZero, "absent", "absent"},
  };
  for (const auto& row : kRows) {
    smc_diag_msg message = Message();
    message.diag_family = static_cast<uint8_t>(row.family);
    std::memcpy(message.id.idiag_src, row.source, 16);
    std::memcpy(message.id.idiag_dst, row.destination, 16);
    const SmcSocket socket = Parse(message);
    EXPECT_EQ(TextOf(socket.local_address()), row.local);
    EXPECT_EQ(TextOf(socket.remote_address()), row.remote);
  }
}

TEST(SmcSocket, EveryStateIsOneOfTcp) {
  const struct {
    uint8_t smc;
    State state;
  } kRows[] = {
      {1, State::kEstablished}, {2, State::kClose},      {7, State::kClose},
      {10, State::kListen},     {20, State::kFinWait1},  {21, State::kFinWait2},
      {22, State::kCloseWait},  {23, State::kCloseWait}, {24, State::kCloseWait},
      {25, State::kLastAck},    {26, State::kClosing},   {27, State::kClosing},
      {0, State::kClosing},     {28, State::kClosing},   {255, State::kClosing},
  };
  for (const auto& row : kRows) {
    smc_diag_msg message = Message();
    message.diag_state = row.smc;
    EXPECT_EQ(Parse(message).state(), row.state) << int{row.smc};
    EXPECT_EQ(Parse(message).smc_state(), row.smc);
  }
}

TEST(SmcSocket, HasNoModeBeforeItIsConnected) {
  for (const uint8_t state : std::to_array<uint8_t>({1, 2, 7, 10, 20})) {
    smc_diag_msg message = Message();
    message.diag_state = state;
    message.diag_mode = SMC_DIAG_MODE_SMCR;
    const bool connected = state != 2 && state != 10;
    EXPECT_EQ(Parse(message).mode(), connected ? std::optional(SmcMode::kRdma) : std::nullopt);
    // A listener that has already decided to use TCP.
    message.diag_mode = SMC_DIAG_MODE_FALLBACK_TCP;
    EXPECT_EQ(Parse(message).mode(), SmcMode::kFallback);
  }
}

template <class Struct>
std::optional<std::string> FieldOf(const std::optional<Struct>& view, const StructField& field) {
  return Hex(view ? (*view)[field] : std::nullopt);
}
template <class T>
std::optional<std::string> LinkOf(const SmcSocket& socket, T SmcLink::*member) {
  const std::optional<SmcLink> link = socket.link();
  return Hex(link ? std::optional((*link).*member) : std::nullopt);
}

using Case = AttributeCase<SmcSocket>;
const Case kCases[] = {
    {"shutdown", SMC_DIAG_SHUTDOWN, 1, 1,
     [](const SmcSocket& s) {
       return Hex(s.shutdown() ? std::optional(s.shutdown()->receive * 1 + s.shutdown()->send * 2)
                               : std::nullopt);
     },
     "1"},
    {"fallback's reason", SMC_DIAG_FALLBACK, 4, 8,
     [](const SmcSocket& s) {
       return FieldOf(s.fallback(), SmcFallback::Field("fallback_reason"));
     },
     "4030201"},
    {"peer's diagnosis", SMC_DIAG_FALLBACK, 8, 8,
     [](const SmcSocket& s) { return FieldOf(s.fallback(), SmcFallback::Field("peer_diagnosis")); },
     "8070605"},
    {"token", SMC_DIAG_CONNINFO, 4, 76,
     [](const SmcSocket& s) { return FieldOf(s.connection(), SmcConnection::Field("token")); },
     "4030201"},
    {"wrap of a cursor", SMC_DIAG_CONNINFO, 20, 76,
     [](const SmcSocket& s) {
       return FieldOf(s.connection(), SmcConnection::Field("rx_prod_wrap"));
     },
     "1413"},
    {"flags", SMC_DIAG_CONNINFO, 52, 76,
     [](const SmcSocket& s) {
       return FieldOf(s.connection(), SmcConnection::Field("tx_state_flags"));
     },
     "34"},
    {"last cursor", SMC_DIAG_CONNINFO, 76, 76,
     [](const SmcSocket& s) { return FieldOf(s.connection(), SmcConnection::Field("tx_fin")); },
     "4c4b4a49"},
    {"link's id", SMC_DIAG_LGRINFO, 147, 147,
     [](const SmcSocket& s) { return LinkOf(s, &SmcLink::id); }, "1"},
    {"link's port", SMC_DIAG_LGRINFO, 147, 147,
     [](const SmcSocket& s) { return LinkOf(s, &SmcLink::port); }, "42"},
    {"role", SMC_DIAG_LGRINFO, 147, 147,
     [](const SmcSocket& s) { return LinkOf(s, &SmcLink::server); }, "93"},
    {"link group", SMC_DIAG_DMBINFO, 4, 40,
     [](const SmcSocket& s) { return FieldOf(s.device(), SmcDevice::Field("link_id")); },
     "4030201"},
    {"peer's token", SMC_DIAG_DMBINFO, 40, 56,
     [](const SmcSocket& s) { return FieldOf(s.device(), SmcDevice::Field("peer_token")); },
     "2827262524232221"},
    {"second half of the gid", SMC_DIAG_DMBINFO, 56, 56,
     [](const SmcSocket& s) { return FieldOf(s.device(), SmcDevice::Field("gid_ext")); },
     "3837363534333231"},
};

TEST(SmcSocket, ReadsEveryAttributeIfPresent) {
  for (const Case& row : kCases) ExpectReadsIfPresent(row, RawBytes(Message()));
}

TEST(SmcSocket, TextsOfALinkEndWithTheirFields) {
  smc_diag_lgrinfo info = {};
  std::strcpy(reinterpret_cast<char*>(info.lnk[0].ibname), "mlx5_0");
  std::memset(info.lnk[0].gid, 'g', sizeof(info.lnk[0].gid));  // not terminated
  const GuardedBuffer buffer(WithAttribute(RawBytes(Message()), SMC_DIAG_LGRINFO, RawBytes(info)));
  const std::optional<SmcLink> link = SmcSocket::Parse(buffer.bytes())->link();
  ASSERT_TRUE(link.has_value());
  EXPECT_EQ(link->device, "mlx5_0");
  EXPECT_EQ(link->gid, std::string(40, 'g'));
  EXPECT_EQ(link->peer_gid, "");
  EXPECT_EQ(link->server, 0);
}

TEST(SmcSocket, SkipsAndCountsUnknownAttributes) {
  ExpectSkipsAndCountsUnknown<SmcSocket>(RawBytes(Message()), 6);
}

TEST(SmcSocket, EveryTruncationIsSafe) {
  Packet message = RawBytes(Message());
  for (const Case& row : kCases) message = Join({message, Attribute(row.type, Pattern(row.exact))});
  ExpectEveryTruncationIsSafe<SmcSocket>(message, [](const SmcSocket& socket) {
    for (const Case& row : kCases) row.read(socket);
    const SmcLink link = socket.link().value_or(SmcLink());
    EXPECT_LE(link.device.size() + link.gid.size() + link.peer_gid.size(), 144u);
  });
}

}  // namespace
}  // namespace netdiag
