#include "tools/diag/names.h"

#include <net/if.h>
#include <sys/stat.h>

#include <fstream>
#include <netdb.h>
#include <string>

#include <gtest/gtest.h>

namespace diag {
namespace {

using netdiag::Port;
using netdiag::Protocol;

std::string PortName(Names* names, Protocol protocol, uint16_t port, bool numeric = false) {
  std::string out;
  names->AppendPort(protocol, Port::FromHost(port), numeric, &out);
  return out;
}

TEST(Names, OfPortsAreAStarANumberOrAService) {
  Names names;
  EXPECT_EQ(PortName(&names, Protocol::kTcp, 0), "*");
  EXPECT_EQ(PortName(&names, Protocol::kTcp, 0, true), "*");
  EXPECT_EQ(PortName(&names, Protocol::kTcp, 22), "ssh");
  EXPECT_EQ(PortName(&names, Protocol::kTcp, 22, true), "22");
  // A service has a name for each protocol.
  EXPECT_EQ(PortName(&names, Protocol::kUdp, 67), "bootps");
  EXPECT_EQ(PortName(&names, Protocol::kTcp, 67), "67");
}

TEST(Names, AgreeWithTheServicesDatabaseBelowTheEphemeralRange) {
  std::ifstream range("/proc/sys/net/ipv4/ip_local_port_range");
  int first = 0;
  int last = 0;
  ASSERT_TRUE(range >> first >> last);
  Names names;
  for (const auto& [protocol, word] :
       {std::pair{Protocol::kTcp, "tcp"}, std::pair{Protocol::kUdp, "udp"}}) {
    for (int port = 1; port < 65536; ++port) {
      // getservbyport() reads the database from its beginning each time, so test all ports only
      // where most services are.
      if (port > 12000 && port % 97 != 0 && port != first && port != last) continue;
      const bool ephemeral = port >= first && port <= last;
      const servent* entry =
          ephemeral ? nullptr : getservbyport(htons(static_cast<uint16_t>(port)), word);
      const std::string expected = entry != nullptr ? entry->s_name : std::to_string(port);
      ASSERT_EQ(PortName(&names, protocol, static_cast<uint16_t>(port)), expected) << word;
    }
  }
}

TEST(Names, OfInterfacesAreNamesOrNumbers) {
  Names names;
  const unsigned lo = if_nametoindex("lo");
  ASSERT_NE(lo, 0u);
  std::string out;
  names.AppendInterface(netdiag::NetnsId(), netdiag::IfIndex(lo), &out);
  names.AppendInterface(netdiag::NetnsId(), netdiag::IfIndex(lo), &out);
  names.AppendInterface(netdiag::NetnsId(), netdiag::IfIndex(7654321), &out);
  EXPECT_EQ(out,
            "lolo"
            "if7654321");
}

TEST(Names, OfInterfacesInOtherNamespacesAreNumbers) {
  Names names;
  std::string out;
  names.AppendInterface(netdiag::NetnsId(1), netdiag::IfIndex(if_nametoindex("lo")), &out);
  EXPECT_EQ(out, "if" + std::to_string(if_nametoindex("lo")));
}

// Writes a file of users and returns its path.
std::string WriteUsers(const std::string& text) {
  const std::string path = ::testing::TempDir() + "/names_test_passwd";
  std::ofstream(path) << text;
  return path;
}

TEST(Users, OfAFileAreNamedInsteadOfTheHosts) {
  EXPECT_EQ(FindUser(nullptr, "root"), netdiag::Uid(0));
  const auto users = ReadUsers(
      WriteUsers("boss:x:0:0::/:/bin/sh\nweb\x1b:x:33:33::/:/bin/sh\ntwin:x:33:33::/:/bin/sh\n"));
  ASSERT_TRUE(users.ok()) << users.status();
  Names names({.users = *users});
  std::string out;
  for (const uint32_t uid : {0u, 33u, 65534u}) {
    names.AppendUser(netdiag::Uid(uid), &out);
    out += " ";
  }
  EXPECT_EQ(out, "boss web\\x1b 65534 ") << "a container chooses these names";
  EXPECT_EQ(FindUser(users->get(), "boss"), netdiag::Uid(0));
  EXPECT_EQ(FindUser(users->get(), "root"), std::nullopt);
}

TEST(Users, OfAFileThatHasNoneAreRefusedByItsPath) {
  const std::string fifo = ::testing::TempDir() + "/names_test_fifo";
  mkfifo(fifo.c_str(), 0600);
  for (const std::string& path :
       {std::string("/no/such"), std::string("/"), fifo, WriteUsers("no line\nof this form\n")}) {
    const absl::Status status = ReadUsers(path).status();
    EXPECT_FALSE(status.ok()) << path;
    EXPECT_NE(status.message().find(path), std::string::npos) << status;
  }
}

}  // namespace
}  // namespace diag
