#include "tools/diag/summary.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/tools/render_testing.h"

namespace diag {
namespace {

using netdiag::Protocol;
using netdiag::testing::CaptureOf;
using netdiag::testing::InetMessage;
using netdiag::testing::NetlinkMessage;
using netdiag::testing::Packet;
using netdiag::testing::PacketMessage;
using netdiag::testing::UnixMessage;

Packet Inet(uint8_t state, uint32_t inode, bool v6 = false) {
  InetMessage message;
  message.fixed.idiag_state = state;
  message.fixed.idiag_inode = inode;
  if (v6) message.fixed.idiag_family = 10;
  return message.Build();
}

TEST(SocketSummary, CountsTheSocketsOfThisNamespace) {
  const Packet capture = CaptureOf({
      {Protocol::kUnix, {UnixMessage().Build(), UnixMessage().Build()}},
      {Protocol::kUdp, {Inet(7, 1), Inet(7, 2, true), Inet(1, 3, true)}},
      // Established, twice; one not accepted yet; listening; orphaned in two states; closing, but
      // still held; time-wait; half open; unconnected.
      {Protocol::kTcp,
       {Inet(1, 4), Inet(1, 5, true), Inet(1, 0), Inet(10, 6), Inet(4, 0), Inet(9, 0), Inet(5, 7),
        Inet(6, 0), Inet(3, 0), Inet(7, 8)}},
      {Protocol::kRaw, {Inet(7, 1)}},
      {Protocol::kDccp, {Inet(10, 9, true)}},
      // An endpoint with two associations, which are no sockets.
      {Protocol::kSctp,
       {netdiag::testing::SctpEndpoint().Build(), netdiag::testing::SctpAssociation().Build(),
        netdiag::testing::SctpAssociation().Build()}},
      {Protocol::kMptcp, {Inet(1, 0, true)}},
      {Protocol::kPacket, {PacketMessage().Build()}},
      {Protocol::kNetlink, {NetlinkMessage().Build()}},
      {Protocol::kVsock, {netdiag::testing::VsockMessage().Build()}},
      {Protocol::kXdp, {netdiag::testing::XdpMessage().Build()}},
  });
  const auto engine = netdiag::Engine::Open({.replay = capture});
  ASSERT_THAT(engine, netdiag::testing::IsOk());
  SocketSummary counts;
  ASSERT_THAT((*engine)->Visit(SocketSummary::Query(),
                               [&](const netdiag::Row& row) {
                                 counts.Add(row);
                                 return netdiag::Flow::kContinue;
                               }),
              netdiag::testing::IsOk());
  std::string text;
  counts.AppendTo(&text);
  EXPECT_TRUE(
      text.starts_with("Total: 23\n"
                       "TCP:   10 (estab 3, closed 2, orphaned 2, timewait 1)\n"
                       "\n"
                       "Transport Total     IP        IPv6\n"))
      << text;
  for (const char* line :
       {"\nTCP       8         7         1\n", "\nUDP       3         1         2\n",
        "\nINET      15        10        5\n", "\nUNIX      2\n",
        "\nRAW       1         1         0\n", "\nMPTCP     1         0         1\n",
        "\nDCCP      1         0         1\n", "\nSCTP      1         1         0\n",
        "\nPACKET    1\n", "\nNETLINK   1\n", "\nICMP      0         0         0\n",
        "\nVSOCK     1\n", "\nXDP       1\n", "\nTIPC      0\n", "\nSMC       0\n"}) {
    EXPECT_NE(text.find(line), text.npos) << line << text;
  }
}

}  // namespace
}  // namespace diag
