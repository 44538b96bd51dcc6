// Golden lines of netstat's tables of sockets, cut as netstat cuts them and whole.

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/dump/proc_lines.h"
#include "tools/diag/netstat/holders.h"
#include "tools/diag/netstat/lines.h"

namespace diag::netstat {
namespace {

using netdiag::Endpoint;
using netdiag::Inode;
using netdiag::IpAddress;
using netdiag::Port;
using netdiag::Protocol;
using netdiag::Uid;

Endpoint End(std::string_view address, uint16_t port) {
  return {IpAddress::Parse({address.data(), address.size()}).value(), Port::FromHost(port)};
}

Options Numeric() {
  Options options;
  options.numeric_hosts = options.numeric_ports = options.numeric_users = true;
  return options;
}

template <class Line>
std::string Text(const Options& options, const Line& line, const Holders& holders = {}) {
  NetstatNames names(options.compat);
  std::string out;
  LineWriter(options, &names).Append(line, holders, &out);
  return out;
}

InetLine Ssh() {
  return {.local = End("127.0.0.1", 22),
          .remote = End("10.1.2.3", 50000),
          .state = 1,
          .receive_queue = 7,
          .send_queue = 1234567,
          .uid = Uid(4294967290),
          .inode = Inode(173034)};
}

constexpr std::string_view kLong = "2001:db8:1111:2222:3333:4444:5555:6666";

TEST(NetstatLines, HeadersHaveTheColumnsThatAreShown) {
  Options options;
  EXPECT_EQ(InetHeader(options),
            "Active Internet connections (w/o servers)\n"
            "Proto Recv-Q Send-Q Local Address           Foreign Address         State      \n");
  EXPECT_EQ(UnixHeader(options),
            "Active UNIX domain sockets (w/o servers)\n"
            "Proto RefCnt Flags       Type       State         I-Node   Path\n");
  options.listening = options.timers = options.context = true;
  options.extend = options.programs = 1;
  EXPECT_EQ(InetHeader(options),
            "Active Internet connections (only servers)\n"
            "Proto Recv-Q Send-Q Local Address           Foreign Address         State       "
            "User       Inode      PID/Program name     Security Context" +
                std::string(33, ' ') + " Timer\n");
  options.all = true;
  EXPECT_EQ(UnixHeader(options),
            "Active UNIX domain sockets (servers and established)\n"
            "Proto RefCnt Flags       Type       State         I-Node   PID/Program name     "
            "Security Context" +
                std::string(33, ' ') + " Path\n");
}

TEST(NetstatLines, ASocketOfTcp) {
  EXPECT_EQ(Text(Numeric(), Ssh()),
            "tcp        7 1234567 127.0.0.1:22            10.1.2.3:50000          ESTABLISHED\n");
}

TEST(NetstatLines, EveryColumn) {
  Options options = Numeric();
  options.extend = options.programs = 1;
  options.timers = options.context = true;
  InetLine line = Ssh();
  line.timer = {.number = 1, .hundredths = 20, .retransmits = 3, .probes = 4};
  EXPECT_EQ(Text(options, line, {"12/sshd", "unconfined"}),
            "tcp        7 1234567 127.0.0.1:22            10.1.2.3:50000          ESTABLISHED "
            "4294967290 173034     12/sshd              unconfined" +
                std::string(40, ' ') + " on (0.20/3/4)\n");
  options.compat = true;
  EXPECT_THAT(Text(options, line), ::testing::HasSubstr(" -6         173034     -  "));
}

TEST(NetstatLines, TimersHaveNetstatsNames) {
  Options options = Numeric();
  options.timers = true;
  const auto timer = [&](Protocol protocol, uint32_t number) {
    InetLine line = Ssh();
    line.protocol = protocol;
    line.timer = {.number = number, .hundredths = 720012, .retransmits = 3, .probes = 4};
    const std::string text = Text(options, line);
    return text.substr(text.rfind(' ', text.find('(') - 2) + 1);
  };
  EXPECT_EQ(timer(Protocol::kTcp, 0), "off (0.00/3/4)\n");
  EXPECT_EQ(timer(Protocol::kTcp, 1), "on (7200.12/3/4)\n");
  EXPECT_EQ(timer(Protocol::kTcp, 2), "keepalive (7200.12/3/4)\n");
  EXPECT_EQ(timer(Protocol::kTcp, 3), "timewait (7200.12/3/4)\n");
  EXPECT_EQ(timer(Protocol::kTcp, 4), "probe (7200.12/3/4)\n");
  EXPECT_EQ(timer(Protocol::kTcp, 5), "unkn-5 (7200.12/3/4)\n");
  EXPECT_EQ(timer(Protocol::kUdp, 0), "off (0.00/0/4)\n");
  EXPECT_EQ(timer(Protocol::kUdp, 2), "on2 (7200.12/0/4)\n");
  EXPECT_EQ(timer(Protocol::kRaw, 1), "on1 (7200.12/3/4)\n");
  EXPECT_EQ(timer(Protocol::kUdp, 3), "unkn-3 (7200.12/0/4)\n");
}

TEST(NetstatLines, StatesAreThoseOfTheProtocol) {
  const auto state = [](Protocol protocol, uint8_t number) {
    InetLine line = Ssh();
    line.protocol = protocol;
    line.state = number;
    const std::string text = Text(Numeric(), line);
    return text.substr(text.size() - 12, 11);
  };
  EXPECT_EQ(state(Protocol::kTcp, 0), "           ");
  EXPECT_EQ(state(Protocol::kTcp, 4), "FIN_WAIT1  ");
  EXPECT_EQ(state(Protocol::kTcp, 7), "CLOSE      ");
  EXPECT_EQ(state(Protocol::kUdp, 1), "ESTABLISHED");
  EXPECT_EQ(state(Protocol::kUdp, 7), "           ");
  EXPECT_EQ(state(Protocol::kUdpLite, 3), "UNKNOWN    ");
  EXPECT_EQ(state(Protocol::kRaw, 7), "7          ");
}

TEST(NetstatLines, LongAddressesAreCutOnlyWithCompat) {
  InetLine line = Ssh();
  line.protocol = Protocol::kUdp;
  line.local = End(kLong, 50001);
  line.remote = End(kLong, 7);
  const std::string whole =
      "udp6       7 1234567 2001:db8:1111:2222:3333:4444:5555:6666:50001 "
      "2001:db8:1111:2222:3333:4444:5555:6666:7 ESTABLISHED\n";
  Options options = Numeric();
  EXPECT_EQ(Text(options, line), whole);
  options.compat = true;
  EXPECT_EQ(Text(options, line),
            "udp6       7 1234567 2001:db8:1111:222:50001 2001:db8:1111:2222:33:7 ESTABLISHED\n");
  options.wide = true;
  EXPECT_EQ(Text(options, line), whole);
}

TEST(NetstatLines, Ipv4InIpv6IsWrittenAsIpv4) {
  InetLine line = Ssh();
  line.local = End("::ffff:127.0.0.1", 80);
  line.remote = End("::", 0);
  EXPECT_EQ(Text(Numeric(), line),
            "tcp6       7 1234567 127.0.0.1:80            :::*                    ESTABLISHED\n");
}

TEST(NetstatLines, AnAddressOfZerosHasBracketsOnlyWithNames) {
  Options options = Numeric();
  options.numeric_hosts = false;
  InetLine line = Ssh();
  line.local = End("::", 80);
  line.remote = End("::", 0);
  EXPECT_THAT(Text(options, line), ::testing::HasSubstr(" [::]:80   "));
  line.local = End("0.0.0.0", 80);
  line.remote = End("0.0.0.0", 0);
  EXPECT_THAT(Text(options, line), ::testing::HasSubstr(" 0.0.0.0:80 "));
}

TEST(NetstatLines, APortHasTheNameOfItsProtocol) {
  Options options = Numeric();
  options.numeric_ports = false;
  InetLine line = Ssh();
  EXPECT_THAT(Text(options, line), ::testing::HasSubstr(" 127.0.0.1:ssh "));
  line.protocol = Protocol::kUdpLite;
  line.local.port = Port::FromHost(53);
  EXPECT_THAT(Text(options, line), ::testing::HasSubstr(" 127.0.0.1:domain "));
  line.protocol = Protocol::kRaw;
  line.local.port = Port::FromHost(1);
  EXPECT_THAT(Text(options, line), ::testing::HasSubstr(" 127.0.0.1:icmp "));
}

TEST(NetstatLines, ServersAreTheSocketsWithoutARemoteEnd) {
  InetLine tcp = Ssh();
  InetLine udp = Ssh();
  udp.protocol = Protocol::kUdp;
  Options options;
  EXPECT_TRUE(IsShown(options, tcp) && IsShown(options, udp));
  options.listening = true;
  EXPECT_FALSE(IsShown(options, tcp) || IsShown(options, udp));
  tcp.remote.port = Port();  // and the address stays
  EXPECT_TRUE(IsShown(options, tcp));
  udp.remote.port = Port();
  EXPECT_FALSE(IsShown(options, udp));
  udp.remote = End("0.0.0.0", 9);
  EXPECT_TRUE(IsShown(options, udp));
  options.listening = false;
  EXPECT_FALSE(IsShown(options, tcp) || IsShown(options, udp));
  options.all = true;
  EXPECT_TRUE(IsShown(options, tcp) && IsShown(options, udp));
}

TEST(NetstatLines, UnixSocketsByTypeStateAndFlags) {
  UnixLine line = {.references = 2, .type = 1, .state = 1, .inode = Inode(211), .path = "/run/x"};
  EXPECT_EQ(Text({}, line), "unix  2      [ ]         STREAM                   211      /run/x\n");
  line.flags = netdiag::kProcUnixAccepts;
  EXPECT_EQ(Text({}, line), "unix  2      [ ACC ]     STREAM     LISTENING     211      /run/x\n");
  line = {.protocol = 1, .flags = 0x70000, .type = 2, .state = 3, .inode = Inode(123456789)};
  EXPECT_EQ(Text({}, line), "??    -      [ ACC W N ] DGRAM      CONNECTED     123456789 \n");
  const std::pair<uint32_t, const char*> kTypes[] = {
      {3, "RAW"}, {4, "RDM"}, {5, "SEQPACKET"}, {10, "UNKNOWN"}, {0, "UNKNOWN"}};
  for (const auto& [type, word] : kTypes) {
    line.type = type;
    EXPECT_THAT(Text({}, line), ::testing::HasSubstr(std::string("] ") + word + " "));
  }
  const std::pair<uint32_t, const char*> kStates[] = {
      {0, "FREE"}, {2, "CONNECTING"}, {4, "DISCONNECTING"}, {5, "UNKNOWN"}};
  for (const auto& [state, word] : kStates) {
    line.state = state;
    EXPECT_THAT(Text({}, line), ::testing::HasSubstr(std::string(" ") + word + " "));
  }
}

TEST(NetstatLines, AnSctpEndpointHasALineForEachAddress) {
  const SctpLine line = {.locals = {IpAddress::V4(127, 0, 0, 1), IpAddress::V4(10, 0, 0, 1)},
                         .local_port = Port::FromHost(22),
                         .state = "LISTEN",
                         .uid = Uid(0),
                         .inode = Inode(77)};
  Options options = Numeric();
  options.extend = 1;
  EXPECT_EQ(Text(options, line),
            "sctp                127.0.0.1:22                                    LISTEN     \n"
            "                    10.0.0.1:22                                                "
            " 0          77        \n");
}

TEST(NetstatLines, AnSctpAssociationHasItsAddressesSideBySide) {
  const SctpLine line = {.association = true,
                         .locals = {IpAddress::V4(127, 0, 0, 1), IpAddress::V4(10, 0, 0, 1)},
                         .remotes = {IpAddress::V4(127, 0, 0, 2)},
                         .local_port = Port::FromHost(22),
                         .remote_port = Port::FromHost(5),
                         .state = "ESTABLISHED",
                         .receive_queue = 17,
                         .send_queue = 5,
                         .inode = Inode(77)};
  Options options = Numeric();
  options.timers = true;
  EXPECT_EQ(Text(options, line),
            "sctp      17      5 127.0.0.1:22            127.0.0.2:5             ESTABLISHED\n"
            "                    10.0.0.1                                                    \n");
}

TEST(NetstatHolders, NamesAreSafeForATerminalAlsoWithCompat) {
  const auto text = [](std::string_view name, bool compat) {
    std::string out;
    AppendForeign(name, compat, &out);
    return out;
  };
  EXPECT_EQ(text("a\x1b[31m\\x\n", false), "a\\x1b[31m\\\\x\\x0a");
  EXPECT_EQ(text("a\x1b[31m\\x\n", true), "a\\x1b[31m\\x\\x0a");
  EXPECT_EQ(text("\\", true), "\\");
  EXPECT_EQ(text("", true), "");
}

}  // namespace
}  // namespace diag::netstat
