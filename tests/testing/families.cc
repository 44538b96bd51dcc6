#include "tests/testing/families.h"

#include <net/if.h>

#include <cstring>
#include <fstream>
#include <unistd.h>

#include "netdiag/netlink/abi.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {
namespace {

class Builder {
 public:
  std::vector<FamilySocket> Build() {
    Packets();
    Netlinks();
    // The groups that may make ping sockets; a setting of the namespace.
    std::ofstream("/proc/sys/net/ipv4/ping_group_range") << "0 2147483647";
    for (const Family family : {Family::kInet, Family::kInet6}) {
      Raw(family);
      Ping(family);
      UdpLite(family);
      Mptcp(family);
    }
    return std::move(sockets_);
  }

 private:
  int Add(std::string what, Protocol protocol, Family family, int type, int number) {
    const int fd = socket(static_cast<int>(family), type | SOCK_CLOEXEC, number);
    Check(fd >= 0, what);
    return Note(std::move(what), protocol, family, type, fd);
  }
  int Note(std::string what, Protocol protocol, Family family, int type, int fd) {
    sockets_.push_back({std::move(what), fd, protocol, family, static_cast<SocketType>(type),
                        CookieOf(fd), InodeOf(fd)});
    return fd;
  }

  static void BindToLoopback(int fd, uint16_t ethertype) {
    sockaddr_ll address = {};
    address.sll_family = AF_PACKET;
    address.sll_protocol = Port::FromHost(ethertype).ToNetwork();
    address.sll_ifindex = static_cast<int>(if_nametoindex("lo"));
    Check(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0, "bind to lo");
  }

  void Packets() {
    constexpr Protocol kTable = Protocol::kPacket;
    constexpr Family kFamily = Family::kPacket;
    const int all = Port::FromHost(3).ToNetwork();  // ETH_P_ALL
    Add("packet of nothing", kTable, kFamily, SOCK_RAW, 0);
    // No packet of this protocol arrives at "lo", so the queues do not change.
    const int arp = Add("packet of ARP", kTable, kFamily, SOCK_DGRAM, 0);
    BindToLoopback(arp, 0x0806);
    const int ring = Add("packet with a ring", kTable, kFamily, SOCK_RAW, 0);
    BindToLoopback(ring, 0x88cc);
    Set(ring, SOL_PACKET, PACKET_VERSION, int{TPACKET_V2});
    Set(ring, SOL_PACKET, PACKET_RX_RING, tpacket_req{4096, 4, 2048, 8});
    Set(ring, SOL_PACKET, PACKET_FANOUT, int{7});
    packet_mreq promiscuous = {};
    promiscuous.mr_ifindex = static_cast<int>(if_nametoindex("lo"));
    promiscuous.mr_type = PACKET_MR_PROMISC;
    Set(ring, SOL_PACKET, PACKET_ADD_MEMBERSHIP, promiscuous);
    const int sender = Add("packet that sends by a ring", kTable, kFamily, SOCK_RAW, 0);
    Set(sender, SOL_PACKET, PACKET_LOSS, int{1});
    Set(sender, SOL_PACKET, PACKET_TX_RING, tpacket_req{8192, 2, 4096, 4});
    const int filtered = Add("packet with a filter", kTable, kFamily, SOCK_RAW, all);
    sock_filter program[] = {{BPF_LD | BPF_H | BPF_ABS, 0, 0, 12},
                             {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0xffff},
                             {BPF_RET | BPF_K, 0, 0, 0x40000},
                             {BPF_RET | BPF_K, 0, 0, 0}};
    Set(filtered, SOL_SOCKET, SO_ATTACH_FILTER, sock_fprog{4, program});
    Set(filtered, SOL_PACKET, PACKET_AUXDATA, int{1});
    Set(filtered, SOL_PACKET, PACKET_ORIGDEV, int{1});
    Check(fchown(filtered, 1234, static_cast<gid_t>(-1)) == 0, "fchown");
  }

  static void BindNetlink(int fd, uint32_t port_id, uint32_t groups) {
    sockaddr_nl address = {};
    address.nl_family = AF_NETLINK;
    address.nl_pid = port_id;
    address.nl_groups = groups;
    Check(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0, "bind netlink");
  }

  void Netlinks() {
    constexpr Protocol kTable = Protocol::kNetlink;
    constexpr Family kFamily = Family::kNetlink;
    const int route = Add("netlink with groups", kTable, kFamily, SOCK_RAW, NETLINK_ROUTE);
    BindNetlink(route, 0, 5);
    const int high = Add("netlink with a high group", kTable, kFamily, SOCK_DGRAM, NETLINK_ROUTE);
    BindNetlink(high, 0, 0);
    Set(high, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, int{33});
    Set(high, SOL_NETLINK, NETLINK_PKTINFO, int{1});
    Set(high, SOL_NETLINK, NETLINK_NO_ENOBUFS, int{1});
    const int fixed = Add("netlink with a port", kTable, kFamily, SOCK_RAW, NETLINK_USERSOCK);
    BindNetlink(fixed, 4000000, 0);
    const int connected = Add("netlink, connected", kTable, kFamily, SOCK_RAW, NETLINK_USERSOCK);
    sockaddr_nl to = {};
    to.nl_family = AF_NETLINK;
    to.nl_pid = 4000000;
    to.nl_groups = 2;
    Check(connect(connected, reinterpret_cast<sockaddr*>(&to), sizeof(to)) == 0, "connect");
  }

  void Raw(Family family) {
    const bool v4 = family == Family::kInet;
    const std::string which = v4 ? "raw4 " : "raw6 ";
    Add(which + "of ICMP", Protocol::kRaw, family, SOCK_RAW,
        v4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6});
    Add(which + "of 200", Protocol::kRaw, family, SOCK_RAW, 200);
    const int connected = Add(which + "connected", Protocol::kRaw, family, SOCK_RAW, 89);
    Bind(connected, Loopback(family));
    Connect(connected, Loopback(family));
  }

  void Ping(Family family) {
    const bool v4 = family == Family::kInet;
    const int fd = Add(v4 ? "ping4" : "ping6", Protocol::kIcmp, family, SOCK_DGRAM,
                       v4 ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6});
    Endpoint to = Loopback(family);
    // If two sockets have one identifier, the kernel lists the second one in the family of the
    // first one too.
    to.port = Port::FromHost(v4 ? 77 : 78);
    Bind(fd, to);
  }

  void UdpLite(Family family) {
    // Linux 7 does not have it.
    const int fd = socket(static_cast<int>(family), SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDPLITE);
    if (fd < 0) return;
    Bind(fd, Loopback(family));
    Note("udplite", Protocol::kUdpLite, family, SOCK_DGRAM, fd);
  }

  void Mptcp(Family family) {
    constexpr Protocol kTable = Protocol::kMptcp;
    const std::string which = family == Family::kInet ? "mptcp4 " : "mptcp6 ";
    const int listener = socket(static_cast<int>(family), SOCK_STREAM | SOCK_CLOEXEC, 262);
    if (listener < 0) return;
    Note(which + "listener", kTable, family, SOCK_STREAM, listener);
    Bind(listener, Loopback(family));
    Check(listen(listener, 3) == 0, "listen");
    const int client = Add(which + "client", kTable, family, SOCK_STREAM, 262);
    Connect(client, LocalOf(listener));
    const int server = Note(which + "server", kTable, family, SOCK_STREAM, Accept(listener));
    Send(client, 1000);
    char bytes[100];
    Check(recv(server, bytes, sizeof(bytes), MSG_WAITALL) == sizeof(bytes), "recv");
  }

  std::vector<FamilySocket> sockets_;
};

}  // namespace

std::vector<FamilySocket> MakeFamilies() { return Builder().Build(); }

}  // namespace netdiag::testing
