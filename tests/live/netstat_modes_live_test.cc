// The modes -r, -i, -g, -s and -M of `diag netstat --compat` against netstat itself, byte by byte,
// in namespaces full of routes, addresses and groups, and over files of /proc made by hand.

#include <sys/mount.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include "netdiag/net/statistics.h"
#include "tests/live/netns_testing.h"
#include "tests/testing/run_program.h"
#include "tools/diag/netstat/modes.h"

namespace diag::netstat {
namespace {

using netdiag::testing::Check;
using netdiag::testing::Outcome;
using netdiag::testing::Shell;

constexpr char kNetstat[] = "/bin/netstat";

ExitCode Show(const Options& options, Output* output) {
  switch (options.mode) {
    case Mode::kRoutes:
      return ShowRoutes(options, output);
    case Mode::kInterfaces:
      return ShowInterfaces(options, output);
    case Mode::kGroups:
      return ShowGroups(options, output);
    case Mode::kStatistics:
      return ShowStatistics(options, output);
    case Mode::kMasquerade:
      return ShowMasquerade(options, output);
    default:
      return kNotAnswered;
  }
}

// The Options of a word of letters such as "-rnee6".
Options Parse(std::string_view letters) {
  Options options;
  options.compat = true;
  const auto family = [&](std::string_view word) {
    if (!options.family_list.empty()) options.family_list += ',';
    options.family_list += word;
  };
  for (const char letter : letters.substr(1)) {
    switch (letter) {
      case 'r':
        options.mode = Mode::kRoutes;
        break;
      case 'i':
        options.mode = Mode::kInterfaces;
        break;
      case 'g':
        options.mode = Mode::kGroups;
        break;
      case 's':
        options.mode = Mode::kStatistics;
        break;
      case 'M':
        options.mode = Mode::kMasquerade;
        break;
      case 'n':
        options.numeric_hosts = true;
        break;
      case 'N':
        options.symbolic = true;
        break;
      case 'a':
        options.all = true;
        break;
      case 'e':
        ++options.extend;
        break;
      case 'F':
        options.fib = true;
        break;
      case 'C':
        options.cache = true;
        break;
      case 'W':
        options.wide = true;
        break;
      case 't':
        options.tcp = true;
        break;
      case 'u':
        options.udp = true;
        break;
      case 'U':
        options.udplite = true;
        break;
      case 'S':
        options.sctp = true;
        break;
      case 'w':
        options.raw = true;
        break;
      case '4':
        family("inet");
        break;
      case '6':
        family("inet6");
        break;
      case 'x':
        family("unix");
        break;
      default:
        ADD_FAILURE() << "no such letter: " << letter;
    }
  }
  if (!options.tcp && !options.udp && !options.udplite && !options.sctp && !options.raw) {
    options.tcp = options.udp = options.udplite = options.sctp = options.raw = true;
  }
  return options;
}

// Compares one command line. Timers of the kernel send packets even in a quiet namespace, so an
// answer counts only if netstat's is the same before and after ours.
void Compare(const std::string& letters) {
  SCOPED_TRACE("netstat " + letters);
  const Options options = Parse(letters);
  Outcome before = netdiag::testing::RunProgram(kNetstat, {letters});
  for (int i = 0; i < 50; ++i) {
    Output ours;
    const ExitCode code = Show(options, &ours);
    const Outcome after = netdiag::testing::RunProgram(kNetstat, {letters});
    if (before.out != after.out) {
      before = after;
      continue;
    }
    EXPECT_EQ(ours.out, after.out);
    EXPECT_EQ(ours.err, after.err);
    EXPECT_EQ(static_cast<int>(code), after.exit_code);
    return;
  }
  ADD_FAILURE() << "netstat's answer changed all the time";
}

// Puts `text` in the place of a file, for this thread's mount namespace.
void Replace(const std::string& path, std::string_view text) {
  const std::string copy = "/run/" + std::filesystem::path(path).filename().string();
  std::ofstream(copy) << text;
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is missing";
  Check(mount(copy.c_str(), path.c_str(), nullptr, MS_BIND, nullptr) == 0, path);
}

void GiveNames() {
  Replace("/etc/hosts",
          "127.0.0.1 localhost\n::1 ip6-localhost\n"
          "192.0.2.254 gateway-with-a-very-long-name.example.org gw\n192.0.2.2 short\n"
          "192.0.2.253 exactlyfifteenc\n198.51.101.7 host7.example\n192.0.2.0 notanetwork\n"
          "10.0.0.2 peer\n224.0.0.1 all-systems.example\n239.1.1.0 nogroup\nff02::1 ip6-allnodes\n"
          "2001:db8::2 v6gw\n2001:db8::3 v6-gateway-with-a-really-long-name.example.org\n"
          "2001:db8:1:: v6net\n203.0.113.0 refused.example\n");
  Replace("/etc/networks",
          "default 0.0.0.0\nloopback 127.0.0.0\nlink-local 169.254.0.0\n"
          "long-name-of-a-network 198.51.100.0\nprivate 172.16.0.0\nsmall 192.0.2\n");
  Replace("/etc/nsswitch.conf", "hosts: files\nnetworks: files\n");
}

// Interfaces, addresses and routes of every kind. Without MLD reports and router solicitations the
// namespace is nearly quiet.
void Furnish() {
  Shell(
      "for s in all default; do echo 0 > /proc/sys/net/ipv6/conf/$s/accept_dad; "
      "echo 0 > /proc/sys/net/ipv6/conf/$s/router_solicitations; done; "
      "ip link add veth0 type veth peer name veth1 && ip link add veth10 type veth peer name veth2 "
      "&& ip link add a-long-name-000 type veth peer name a-long-name-9 && "
      "ip link add downveth type veth peer name downpeer && "
      "ip link set veth0 address 02:00:5e:10:00:01 mtu 1400 && "
      "for i in veth0 veth1 veth2 veth10 a-long-name-000; do ip link set $i up; done && "
      "ip addr add 192.0.2.1/24 brd + dev veth0 && "
      "ip addr add 192.0.2.77/24 brd + dev veth0 label veth0:1 && "
      "ip addr add 192.0.2.78/24 dev veth0 label veth0:10 && "
      "ip addr add 192.0.2.79/24 dev veth0 label veth0:2 && "
      "ip addr add 192.0.2.80/24 dev veth0 label veth0:x && "
      "ip addr add 10.0.0.1 peer 10.0.0.2/32 dev veth1 && "
      "ip addr add 10.3.3.3/16 dev downveth && "
      "ip -6 addr add 2001:db8::1/64 dev veth0 nodad && "
      "ip -6 addr add fec0::1/64 dev veth1 nodad && ip -6 addr add ::10.0.0.1/96 dev veth1 nodad "
      "&& "
      "ip -6 addr add 2001:db8:aaaa:bbbb:cccc:dddd:eeee:1234/128 dev veth1 nodad && "
      "ip link set veth2 promisc on allmulticast on && ip link set veth10 arp off");
  Shell(
      "ip route add default via 192.0.2.254 && ip route add 0.0.0.0/1 via 192.0.2.2 && "
      "ip route add 198.51.100.0/24 via 192.0.2.253 metric 100 advmss 1200 window 4096 rtt 300ms "
      "mtu 1300 && ip route add 198.51.101.7 via 192.0.2.253 && "
      "ip route add 198.51.100.0/24 via 192.0.2.2 metric 4294967295 && "
      "ip route add unreachable 203.0.113.0/24 && ip route add unreachable 203.0.113.9 && "
      "ip route add prohibit 203.0.114.0/24 metric 7 && ip route add blackhole 203.0.115.0/25 && "
      "ip route add throw 203.0.116.0/25 && "
      "ip route add 172.16.0.0/12 nexthop via 192.0.2.2 nexthop dev veth1 weight 5 && "
      "ip route add 169.254.0.0/16 dev veth1 && "
      "ip route add 172.32.0.0/12 via inet6 fe80::1 dev veth0 && "
      "ip route add broadcast 10.11.255.255 dev veth0 table main && "
      "ip route add local 10.12.0.0/16 dev lo table main && "
      "ip route add 198.18.0.0/15 dev veth0 table 100 && "
      "ip -6 route add 2001:db8:1::/48 via 2001:db8::2 metric 5 && "
      "ip -6 route add default via 2001:db8::3 && ip -6 route add unreachable 2001:db8:dead::/48 "
      "&& ip -6 route add blackhole 2001:db8:beef::/48 && "
      "ip -6 route add 2001:db8:2::/48 nexthop via 2001:db8::4 nexthop via 2001:db8::5 && "
      "ip -6 route add 2001:db8:cccc:dddd:eeee:ffff:aaaa:bbbb/128 via 2001:db8::2 expires 1000 && "
      "ip -6 route add 2001:db8:3::/48 dev a-long-name-000 table 100");
}

void InFurnishedNamespace(const std::function<void()>& body) {
  if (!std::filesystem::exists(kNetstat)) GTEST_SKIP() << "net-tools is not installed";
  netdiag::testing::Apart([&] {
    GiveNames();
    Furnish();
    body();
  });
}

TEST(NetstatModes, ShowRoutesAsNetstat) {
  InFurnishedNamespace([] {
    for (const char* letters :
         {"-r",        "-rn",        "-re",     "-rne",    "-ree",  "-rnee",  "-rneee",  "-rF",
          "-rnC",      "-rnFC",      "-rnCe",   "-rnCee",  "-reee", "-reeee", "-reeeee", "-reeeeee",
          "-reeeeeee", "-reeeeeeee", "-rFCeee", "-r6eeee", "-rn4",  "-r6",    "-rn6",    "-rn6e",
          "-rnF6",     "-rnC6",      "-rnFC6",  "-rn46",   "-r64",  "-rnW",   "-rW6",    "-rN",
          "-r6N",      "-reN",       "-rx",     "-rn4x",   "-rna",  "-rnt"}) {
      Compare(letters);
    }
  });
}

TEST(NetstatModes, ShowRoutesOfNexthopObjectsAsNetstat) {
  InFurnishedNamespace([] {
    Shell(
        "ip nexthop add id 7 via 192.0.2.9 dev veth0 && ip nexthop add id 8 via 192.0.2.8 dev "
        "veth0 && ip nexthop add id 9 group 7/8 && ip route add 10.7.0.0/16 nhid 7 && "
        "ip route add 10.8.0.0/16 nhid 9");
    Compare("-rn");
    Compare("-rnee");
  });
}

TEST(NetstatModes, ShowInterfacesAsNetstat) {
  InFurnishedNamespace([] {
    for (const char* letters : {"-i", "-ia", "-in", "-iW", "-ie", "-iae", "-iee", "-ie6", "-iN"}) {
      Compare(letters);
    }
  });
}

TEST(NetstatModes, SortInterfacesAsNetstat) {
  if (!std::filesystem::exists(kNetstat)) GTEST_SKIP() << "net-tools is not installed";
  netdiag::testing::Apart([] {
    const std::vector<std::string> names = {
        "a1",  "aa",  "a10",  "a2",    "a01", "a1b",          "a1a",   "ab1", "a-1",
        "a.5", "A1",  "a001", "a10b2", "a9b", "a99999999999", "a10b1", "a2b", "a_1",
        "aZ",  "a1x", "1a",   "10a",   "2a",  "z0",           "z00",   "z1"};
    for (size_t i = 0; i + 1 < names.size(); i += 2) {
      Shell("ip link add name " + names[i] + " type veth peer name " + names[i + 1]);
    }
    Compare("-ia");
  });
}

TEST(NetstatModes, ShowTunnelsAsNetstat) {
  if (!std::filesystem::exists(kNetstat)) GTEST_SKIP() << "net-tools is not installed";
  netdiag::testing::Apart([] {
    if (std::system("ip tuntap add mode tun tun0 2>/dev/null") != 0) {
      GTEST_SKIP() << "this kernel has no tun";
    }
    Shell(
        "ip addr add 10.9.9.1 peer 10.9.9.2 dev tun0 && ip link set tun0 up && "
        "ip tuntap add mode tap tap0 && ip link set tap0 arp off dynamic on up");
    for (const char* letters : {"-i", "-ia", "-ie", "-iae"}) Compare(letters);
  });
}

TEST(NetstatModes, ShowGroupsAsNetstat) {
  InFurnishedNamespace([] {
    const int v4 = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ip_mreqn request = {};
    request.imr_multiaddr.s_addr = htonl(0xef010100);  // 239.1.1.0
    request.imr_ifindex = static_cast<int>(if_nametoindex("veth0"));
    Check(setsockopt(v4, IPPROTO_IP, IP_ADD_MEMBERSHIP, &request, sizeof(request)) == 0, "join");
    for (const char* letters : {"-g", "-gn", "-gW", "-gN"}) Compare(letters);
    close(v4);
  });
}

TEST(NetstatModes, ShowStatisticsAsNetstat) {
  InFurnishedNamespace([] {
    Shell("ping -c 1 -W 1 127.0.0.1 > /dev/null || true");
    for (const char* letters : {"-s", "-st", "-su", "-sw", "-sU", "-sS", "-stu", "-sn", "-s4",
                                "-s6", "-s6t", "-s6u", "-s6w", "-s6S", "-s46", "-sx"}) {
      Compare(letters);
    }
  });
}

TEST(NetstatModes, RefuseMasqueradingAsNetstat) {
  InFurnishedNamespace([] {
    Compare("-M");
    Compare("-Mn");
  });
}

// What --json says of the same namespace.
rapidjson::Document JsonOf(std::string_view letters) {
  Options options = Parse(letters);
  options.json = true;
  options.compat = false;
  Output output;
  EXPECT_EQ(Show(options, &output), kAnswered);
  EXPECT_EQ(output.err, "");
  rapidjson::Document document;
  document.Parse(output.out.c_str());
  EXPECT_FALSE(document.HasParseError()) << output.out;
  return document;
}

TEST(NetstatModes, TellInJsonWhatTheTextHas) {
  InFurnishedNamespace([] {
    const rapidjson::Document routes = JsonOf("-rn46");
    std::set<std::string> destinations;
    for (const auto& route : routes["routes"].GetArray()) {
      destinations.insert(route["destination"].GetString());
    }
    for (const char* destination : {"0.0.0.0/0", "203.0.115.0/25", "198.18.0.0/15", "127.0.0.0/8",
                                    "2001:db8:2::/48", "2001:db8:beef::/48"}) {
      EXPECT_TRUE(destinations.contains(destination)) << destination;
    }
    std::set<std::string> names;
    const rapidjson::Document interfaces = JsonOf("-ia");
    for (const auto& row : interfaces["interfaces"].GetArray())
      names.insert(row["name"].GetString());
    EXPECT_TRUE(names.contains("downveth"));
    EXPECT_TRUE(names.contains("a-long-name-000"));
    EXPECT_GE(JsonOf("-g")["groups"].Size(), 10u);
    const rapidjson::Document counters = JsonOf("-s");
    EXPECT_GE(counters["statistics"].Size(), 150u);
    EXPECT_GE(JsonOf("-s6")["statistics"].Size(), 50u);
  });
}

// Without --compat, names and addresses are whole.
TEST(NetstatModes, CutNothingWithoutCompat) {
  InFurnishedNamespace([] {
    Options options = Parse("-r");
    options.compat = false;
    Output output;
    EXPECT_EQ(ShowRoutes(options, &output), kAnswered);
    EXPECT_NE(output.out.find(" gateway-with-a-very-long-name.example.org "), std::string::npos);
    EXPECT_NE(output.out.find("long-name-of-a-network "), std::string::npos);
    EXPECT_NE(output.out.find("172.32.0.0      fe80::1 "), std::string::npos);
  });
}

// ---- Files made by hand ----

// A text of /proc/net/snmp or netstat with every counter of these groups that is known, counted
// from `first` on, or zeros.
std::string Pairs(std::initializer_list<std::string_view> groups, uint64_t first) {
  std::string text;
  for (const std::string_view group : groups) {
    std::string keys(group), values(group);
    keys += ':';
    values += ':';
    for (const netdiag::CounterInfo* info : netdiag::KnownCounters()) {
      if (info->group != group) continue;
      keys += ' ' + std::string(info->key);
      values += ' ' + std::to_string(first);
      if (first != 0) ++first;
    }
    text += keys + " Novel\n" + values + ' ' + std::to_string(first) + '\n';
  }
  return text;
}

std::string Lines(std::initializer_list<std::string_view> groups, uint64_t first) {
  std::string text;
  for (const std::string_view group : groups) {
    for (const netdiag::CounterInfo* info : netdiag::KnownCounters()) {
      if (info->group != group) continue;
      text += std::string(info->key) + "  \t" + std::to_string(first) + '\n';
      if (first != 0) ++first;
    }
    text += std::string(group) + "Novel " + std::to_string(first) + '\n';
  }
  return text;
}

// Runs `body` with a /proc that has these files of /proc/net only.
void WithProc(const std::vector<std::pair<std::string, std::string>>& files,
              const std::function<void()>& body) {
  namespace fs = std::filesystem;
  const std::string root = "/run/proc";
  fs::create_directories(root + "/net/sctp");
  for (const char* link : {"self", "thread-self"})
    fs::create_directory_symlink(".", root + '/' + link);
  for (const auto& [name, text] : files) std::ofstream(root + "/net/" + name) << text;
  Check(mount(root.c_str(), "/proc", nullptr, MS_BIND, nullptr) == 0, "bind over /proc");
  body();
  Check(umount2("/proc", MNT_DETACH) == 0, "umount /proc");
  fs::remove_all(root);
}

TEST(NetstatModes, HaveThePhraseOfEveryCounter) {
  if (!std::filesystem::exists(kNetstat)) GTEST_SKIP() << "net-tools is not installed";
  netdiag::testing::Apart([] {
    for (const uint64_t first : {0, 1000}) {
      SCOPED_TRACE(first);
      WithProc({{"snmp", Pairs({"Ip", "Icmp", "IcmpMsg", "Tcp", "Udp", "UdpLite"}, first)},
                {"netstat", Pairs({"TcpExt", "IpExt", "MPTcpExt"}, first)},
                {"snmp6", Lines({"Ip6", "Icmp6", "Udp6", "UdpLite6"}, first)},
                {"sctp/snmp", Lines({"Sctp"}, first)}},
               [] {
                 for (const char* letters : {"-s", "-st", "-su", "-sw", "-sS", "-sU", "-swS", "-s6",
                                             "-s6t", "-s6u", "-s6w"}) {
                   Compare(letters);
                 }
               });
    }
  });
}

TEST(NetstatModes, CarryTheIndentAsNetstat) {
  if (!std::filesystem::exists(kNetstat)) GTEST_SKIP() << "net-tools is not installed";
  netdiag::testing::Apart([] {
    WithProc({{"snmp",
               "Ip: Forwarding DefaultTTL InReceives Novel\nIp: 1 64 0 7\n"
               "Icmp: InMsgs InRedirects Novel InEchos OutEchos Bar InRedirects OutMsgs OutEchos\n"
               "Icmp: 1 2 3 4 5 6 7 8 9\nIcmpMsg: InType3\nIcmpMsg: 1\n"
               "Weird: A B\nWeird: 0 5\nTcp: MaxConn ActiveOpens X\nTcp: -1 3 -1\n"
               "UdpLite: InDatagrams\nUdpLite: 4\n"},
              {"netstat", "Late: A\nLate: 5\n"},
              {"snmp6", "Icmp6InEchos 4\nTcp6InSegs 3\nIp6Novel 3\nIcmp6OutEchos 5\nOdd 3\n"}},
             [] {
               for (const char* letters : {"-s", "-st", "-sw", "-su", "-s6", "-s6w"}) {
                 Compare(letters);
               }
             });
  });
}

TEST(NetstatModes, MissFilesAsNetstat) {
  if (!std::filesystem::exists(kNetstat)) GTEST_SKIP() << "net-tools is not installed";
  netdiag::testing::Apart([] {
    const std::string ip = "Ip: InReceives\nIp: 3\n";
    WithProc({}, [] {
      Compare("-s");
      Compare("-s6");
      Compare("-rn6");
    });
    WithProc({{"snmp", ip}}, [] { Compare("-s"); });
    WithProc({{"snmp6", "Ip6InReceives 3\n"}}, [] { Compare("-s6"); });
    WithProc({{"snmp", ip + "Ip InReceives\nIp: 3\n"}, {"netstat", "TcpExt: TW\nTcpExt: 2\n"}},
             [] { Compare("-s"); });
  });
}

constexpr char kZero[] = "00000000000000000000000000000000";

std::string RouteLine(uint32_t flags, uint32_t number) {
  char text[200];
  snprintf(text, sizeof(text), "20010db8%.24s 40 %s 00 %s %08x %08x %08x %08x %8s\n", kZero, kZero,
           kZero, number, number, number, flags, "eth0");
  return text;
}

TEST(NetstatModes, ShowEveryFlagOfIpv6RoutesAsNetstat) {
  if (!std::filesystem::exists(kNetstat)) GTEST_SKIP() << "net-tools is not installed";
  netdiag::testing::Apart([] {
    std::string lines =
        RouteLine(0, 1) + RouteLine(0xffffffff, 0xffffffff) + RouteLine(0xfeffffff, 0x80000000);
    for (int bit = 0; bit < 32; ++bit) lines += RouteLine(1u << bit, 100);
    WithProc({{"ipv6_route", lines}}, [] {
      for (const char* letters : {"-rn6", "-rnC6", "-rnFC6"}) Compare(letters);
    });
  });
}

}  // namespace
}  // namespace diag::netstat
