// Every row of the field table. In a message with every attribute each field has its own value; in
// a message with none, only the fields of the fixed part are present.

#include "netdiag/fields.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/engine/row_maker.h"
#include "netdiag/process/owner_index.h"
#include "netdiag/process/program.h"
#include "tests/testing/field_values.h"
#include "tests/testing/messages.h"
#include "tests/testing/proc_tree.h"

namespace netdiag {
namespace {

using netdiag::testing::Attribute;
using netdiag::testing::ExpectPattern;
using netdiag::testing::InetMessage;
using netdiag::testing::Join;
using netdiag::testing::Key;
using netdiag::testing::NetlinkMessage;
using netdiag::testing::Packet;
using netdiag::testing::PacketMessage;
using netdiag::testing::Packets;
using netdiag::testing::Pattern;
using netdiag::testing::PatternValue;
using netdiag::testing::Raw;
using netdiag::testing::SmcMessage;
using netdiag::testing::Text;
using netdiag::testing::TipcMessage;
using netdiag::testing::UnixMessage;
using netdiag::testing::VsockMessage;
using netdiag::testing::XdpMessage;

const Table kTcpTable{Protocol::kTcp, {Family::kInet, Family::kInet6}, NetnsId(42)};
const Table kUnixTable{Protocol::kUnix, Family::kUnix, NetnsId(42)};
const Table kRawTable{Protocol::kRaw, Family::kInet6, NetnsId(42)};
const Table kMptcpTable{Protocol::kMptcp, Family::kInet6, NetnsId(42)};
const Table kPacketTable{Protocol::kPacket, Family::kPacket, NetnsId(42)};
const Table kNetlinkTable{Protocol::kNetlink, Family::kNetlink, NetnsId(42)};
const Table kVsockTable{Protocol::kVsock, Family::kVsock, NetnsId(42)};
const Table kTipcTable{Protocol::kTipc, Family::kTipc, NetnsId(42)};
const Table kXdpTable{Protocol::kXdp, Family::kXdp, NetnsId(42)};
const Table kSmcTable{Protocol::kSmc, Family::kSmc, NetnsId(42)};

netlink::Message First(const Packet& datagram) {
  netlink::MessageCursor cursor(datagram);
  netlink::Message first;
  EXPECT_TRUE(cursor.Next(&first));
  return first;
}

// The programs of the processes in Held().
Programs* HeldPrograms() {
  static testing::ProcTree tree;
  static Programs programs = [] {
    const auto add = [](int32_t pid, const std::string& name, uint64_t start_time) {
      tree.Pid(pid, name, start_time);
      std::filesystem::create_symlink("/bin/" + name, tree.path("exe"));
      std::ofstream(tree.path("cmdline"), std::ios::binary) << name << '\0' << "-v" << '\0';
    };
    add(314, "server", 2718);
    add(628, "client", 3141);
    return Programs(tree.root());
  }();
  return &programs;
}

// The values of all fields of a row that are present, by "group.name".
std::map<std::string, std::string> ValuesOf(const Packet& message, const Table& table,
                                            const internal::RowJoins& joins = {}) {
  Table named = table;
  named.netns_name = joins.owners != nullptr ? "blue" : "";
  std::optional<Row> row =
      internal::RowMaker::FromMessage(First(message), named, SourceKind::kReplay, joins);
  EXPECT_TRUE(row.has_value());
  const Cgroup cgroup = {"/a/b", "c0", "p0", "u.service"};
  if (joins.owners != nullptr) {
    internal::RowMaker::SetCgroup(&*row, &cgroup);
    internal::RowMaker::SetPrograms(&*row, HeldPrograms());
  }
  return testing::ValuesOf(*row);
}

Packet UlpAttribute() {
  const Packet tls = Join(
      {Attribute(TLS_INFO_VERSION, Raw(uint16_t{0x304})),
       Attribute(TLS_INFO_CIPHER, Raw(uint16_t{52})), Attribute(TLS_INFO_TXCONF, Raw(uint16_t{2})),
       Attribute(TLS_INFO_RXCONF, Raw(uint16_t{3})), Attribute(TLS_INFO_ZC_RO_TX, {}),
       Attribute(TLS_INFO_RX_NO_PAD, {}), Attribute(7, Raw(uint16_t{1005}))});
  const Packet mptcp = Join({Attribute(MPTCP_SUBFLOW_ATTR_TOKEN_REM, Raw(0x01020304)),
                             Attribute(MPTCP_SUBFLOW_ATTR_TOKEN_LOC, Raw(0x05060708)),
                             Attribute(MPTCP_SUBFLOW_ATTR_RELWRITE_SEQ, Raw(1001)),
                             Attribute(MPTCP_SUBFLOW_ATTR_MAP_SEQ, Raw(uint64_t{1} << 40)),
                             Attribute(MPTCP_SUBFLOW_ATTR_MAP_SFSEQ, Raw(1002)),
                             Attribute(MPTCP_SUBFLOW_ATTR_SSN_OFFSET, Raw(1003)),
                             Attribute(MPTCP_SUBFLOW_ATTR_MAP_DATALEN, Raw(uint16_t{1004})),
                             Attribute(MPTCP_SUBFLOW_ATTR_FLAGS, Raw(0x155)),
                             Attribute(MPTCP_SUBFLOW_ATTR_ID_REM, Raw(uint8_t{7})),
                             Attribute(MPTCP_SUBFLOW_ATTR_ID_LOC, Raw(uint8_t{8}))});
  return Join({Attribute(INET_ULP_INFO_NAME, Text(std::string_view("mptcp\0", 6))),
               Attribute(INET_ULP_INFO_TLS, tls), Attribute(INET_ULP_INFO_MPTCP, mptcp)});
}

InetMessage FullInet() {
  InetMessage message;
  message.SetLocal("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 8443);
  message.SetRemote("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02", 4660);
  message.fixed.idiag_state = 8;
  message.fixed.idiag_timer = 2;
  message.fixed.idiag_retrans = 3;
  message.fixed.idiag_expires = 12345;
  message.fixed.idiag_rqueue = 111;
  message.fixed.idiag_wqueue = 222;
  message.fixed.idiag_uid = 1000;
  message.fixed.id.idiag_if = 9;
  message.fixed.id.idiag_cookie[1] = 1;
  message.Add(INET_DIAG_MEMINFO, Pattern(16)).Add(INET_DIAG_INFO, Pattern(TcpInfo::size()));
  message.Add(INET_DIAG_VEGASINFO, Pattern(16)).Add(INET_DIAG_DCTCPINFO, Pattern(16));
  message.Add(INET_DIAG_BBRINFO, Pattern(20)).Add(INET_DIAG_SKMEMINFO, Pattern(36));
  message.Add(INET_DIAG_CONG, Text(std::string_view("cubic\0", 6)));
  message.Add(INET_DIAG_TOS, uint8_t{0x10}).Add(INET_DIAG_TCLASS, uint8_t{0x28});
  message.Add(INET_DIAG_CLASS_ID, uint32_t{77}).Add(INET_DIAG_SHUTDOWN, uint8_t{1});
  message.Add(INET_DIAG_SKV6ONLY, uint8_t{1}).Add(INET_DIAG_MARK, uint32_t{0x55});
  message.Add(INET_DIAG_CGROUP_ID, ~uint64_t{0}).Add(INET_DIAG_SOCKOPT, uint16_t{0xffff});
  message.Add(INET_DIAG_ULP_INFO, UlpAttribute());
  return message;
}

std::map<std::string, std::string> FullInetValues() {
  std::map<std::string, std::string> expected = {
      {"protocol", "tcp"},
      {"family", "inet6"},
      {"type", "stream"},
      {"state", "close-wait"},
      {"local_address", "2001:db8::1"},
      {"local_port", "8443"},
      {"remote_address", "2001:db8::2"},
      {"remote_port", "4660"},
      {"interface", "9"},
      {"receive_queue", "111"},
      {"send_queue", "222"},
      {"uid", "1000"},
      {"inode", "5001"},
      {"cookie", "4294967388"},
      {"timer", "keepalive"},
      {"timer_expires", "12345"},
      {"timer_retransmits", "3"},
      {"shutdown_receive", "true"},
      {"shutdown_send", "false"},
      {"v6_only", "true"},
      {"mark", "85"},
      {"cgroup", "18446744073709551615"},
      {"tos", "16"},
      {"traffic_class", "40"},
      {"class_id", "77"},
      {"congestion", "cubic"},
      {"ulp", "mptcp"},
      {"netns", "42"},
      {"netns_name", "blue"},
      {"cgroup_path", "/a/b"},
      {"container", "c0"},
      {"pod", "p0"},
      {"unit", "u.service"},
      {"source", "replay"},
      {"tls.version", "772"},
      {"tls.cipher", "52"},
      {"tls.tx_mode", "2"},
      {"tls.rx_mode", "3"},
      {"tls.tx_zero_copy", "true"},
      {"tls.rx_no_padding", "true"},
      {"tls.tx_max_payload", "1005"},
      {"mptcp.remote_token", "16909060"},
      {"mptcp.local_token", "84281096"},
      {"mptcp.relative_write_sequence", "1001"},
      {"mptcp.map_sequence", "1099511627776"},
      {"mptcp.map_subflow_sequence", "1002"},
      {"mptcp.subflow_offset", "1003"},
      {"mptcp.map_length", "1004"},
      {"mptcp.flags", "341"},
      {"mptcp.remote_id", "7"},
      {"mptcp.local_id", "8"},
      {"owners.pid", "314"},
      {"owners.start_time", "2718"},
      {"owners.thread", "315"},
      {"owners.fd", "15"},
      {"owners.command", "server"},
      {"owners.exe", "/bin/server"},
      {"owners.args", std::string("server\0-v", 9)},
  };
  for (const char* option :
       {"recverr", "is_icsk", "freebind", "hdrincl", "mc_loop", "transparent", "mc_all", "nodefrag",
        "bind_address_no_port", "recverr_rfc4884", "defer_connect"}) {
    expected[std::string("options.") + option] = "true";
  }
  ExpectPattern<TcpInfo>("tcp_info", &expected);
  ExpectPattern<SocketMemory>("memory", &expected);
  ExpectPattern<InetMemory>("inet_memory", &expected);
  ExpectPattern<VegasInfo>("vegas", &expected);
  ExpectPattern<DctcpInfo>("dctcp", &expected);
  ExpectPattern<BbrInfo>("bbr", &expected);
  return expected;
}

OwnerIndex Held(uint32_t inode) {
  const OwnedSocket held[] = {
      {Inode(inode),
       {.pid = Pid(314), .start_time = 2718, .fd = 15, .command = "server", .thread = Pid(315)}},
      {Inode(8001),
       {.pid = Pid(628), .start_time = 3141, .fd = 16, .command = "client", .thread = Pid(629)}}};
  OwnerIndex index;
  index.Assign(held);
  return index;
}

UnixMessage FullUnix() {
  UnixMessage message;
  message.fixed.udiag_type = 5;
  message.fixed.udiag_state = 10;
  message.Add(UNIX_DIAG_NAME, Text(std::string_view("\0abstract", 9)));
  message.Add(UNIX_DIAG_VFS,
              Raw(unix_diag_vfs{.udiag_vfs_ino = 31, .udiag_vfs_dev = 254 << 20 | 3}));
  message.Add(UNIX_DIAG_PEER, uint32_t{8001}).Add(UNIX_DIAG_UID, uint32_t{1000});
  message.Add(UNIX_DIAG_RQLEN, Raw(unix_diag_rqlen{.udiag_rqueue = 4, .udiag_wqueue = 128}));
  message.Add(UNIX_DIAG_MEMINFO, Pattern(36)).Add(UNIX_DIAG_SHUTDOWN, uint8_t{2});
  return message;
}

std::map<std::string, std::string> FullUnixValues() {
  std::map<std::string, std::string> expected = {
      {"protocol", "unix"},
      {"family", "unix"},
      {"type", "seqpacket"},
      {"state", "listening"},
      {"name", std::string("\0abstract", 9)},
      {"abstract", "true"},
      {"peer_inode", "8001"},
      {"receive_queue", "4"},
      {"send_queue", "128"},
      {"uid", "1000"},
      {"inode", "7001"},
      {"cookie", "124"},
      {"shutdown_receive", "false"},
      {"shutdown_send", "true"},
      {"file_inode", "31"},
      {"file_major", "254"},
      {"file_minor", "3"},
      {"netns", "42"},
      {"netns_name", "blue"},
      {"cgroup_path", "/a/b"},
      {"container", "c0"},
      {"pod", "p0"},
      {"unit", "u.service"},
      {"source", "replay"},
      {"owners.pid", "314"},
      {"owners.start_time", "2718"},
      {"owners.thread", "315"},
      {"owners.fd", "15"},
      {"owners.command", "server"},
      {"owners.exe", "/bin/server"},
      {"owners.args", std::string("server\0-v", 9)},
      {"peer_name", "/run/peer"},
      {"peer_abstract", "false"},
      {"peer_owners.pid", "628"},
      {"peer_owners.start_time", "3141"},
      {"peer_owners.thread", "629"},
      {"peer_owners.fd", "16"},
      {"peer_owners.command", "client"},
      {"peer_owners.exe", "/bin/client"},
      {"peer_owners.args", std::string("client\0-v", 9)},
  };
  ExpectPattern<SocketMemory>("memory", &expected);
  return expected;
}

PacketMessage FullPacket() {
  PacketMessage message;
  message.fixed.pdiag_num = 0x88cc;
  message.Add(PACKET_DIAG_INFO, Pattern(24)).Add(PACKET_DIAG_UID, uint32_t{1000});
  message.Add(PACKET_DIAG_RX_RING, Pattern(28)).Add(PACKET_DIAG_TX_RING, Pattern(28));
  message.Add(PACKET_DIAG_FANOUT, uint32_t{0x00020007}).Add(PACKET_DIAG_MEMINFO, Pattern(36));
  message.Add(PACKET_DIAG_MCLIST, Pattern(88)).Add(PACKET_DIAG_FILTER, Pattern(24));
  return message;
}

std::map<std::string, std::string> FullPacketValues() {
  std::map<std::string, std::string> expected = {
      {"protocol", "packet"},
      {"netns_name", "blue"},
      {"cgroup_path", "/a/b"},
      {"container", "c0"},
      {"pod", "p0"},
      {"unit", "u.service"},
      {"family", "packet"},
      {"type", "raw"},
      {"state", "unconnected"},
      {"interface", "67305985"},
      {"receive_queue", "67305985"},
      {"send_queue", "0"},
      {"uid", "1000"},
      {"inode", "8001"},
      {"cookie", "140"},
      {"netns", "42"},
      {"source", "replay"},
      {"packet.ethertype", "35020"},
      {"packet.filter_length", "3"},
      {"packet.filter_withheld", "false"},
      {"packet.membership_count", "2"},
      {"fanout.id", "7"},
      {"fanout.mode", "2"},
      {"owners.pid", "314"},
      {"owners.start_time", "2718"},
      {"owners.thread", "315"},
      {"owners.fd", "15"},
      {"owners.command", "server"},
      {"owners.exe", "/bin/server"},
      {"owners.args", std::string("server\0-v", 9)},
  };
  ExpectPattern<SocketMemory>("memory", &expected);
  ExpectPattern<PacketInfo>("packet", &expected);
  ExpectPattern<PacketRing>("rx_ring", &expected);
  ExpectPattern<PacketRing>("tx_ring", &expected);
  return expected;
}

NetlinkMessage FullNetlink() {
  NetlinkMessage message;
  message.fixed.ndiag_state = 1;
  message.fixed.ndiag_protocol = 16;
  message.fixed.ndiag_dst_portid = 77;
  message.fixed.ndiag_dst_group = 5;
  message.Add(NETLINK_DIAG_MEMINFO, Pattern(36)).Add(NETLINK_DIAG_GROUPS, uint64_t{5});
  message.Add(NETLINK_DIAG_FLAGS, uint32_t{0x2b});
  return message;
}

std::map<std::string, std::string> FullNetlinkValues() {
  std::map<std::string, std::string> expected = {
      {"protocol", "netlink"},
      {"netns_name", "blue"},
      {"cgroup_path", "/a/b"},
      {"container", "c0"},
      {"pod", "p0"},
      {"unit", "u.service"},
      {"family", "netlink"},
      {"type", "raw"},
      {"state", "unconnected"},
      {"receive_queue", "67305985"},
      {"send_queue", "202050057"},
      {"inode", "9001"},
      {"cookie", "156"},
      {"netns", "42"},
      {"source", "replay"},
      {"netlink.protocol", "16"},
      {"netlink.port_id", "4242"},
      {"netlink.connected", "true"},
      {"netlink.remote_port_id", "77"},
      {"netlink.remote_group", "5"},
      {"netlink.dump_running", "true"},
      {"netlink.pktinfo", "true"},
      {"netlink.broadcast_error", "false"},
      {"netlink.no_enobufs", "true"},
      {"netlink.listen_all_nsid", "false"},
      {"netlink.cap_ack", "true"},
      {"owners.pid", "314"},
      {"owners.start_time", "2718"},
      {"owners.thread", "315"},
      {"owners.fd", "15"},
      {"owners.command", "server"},
      {"owners.exe", "/bin/server"},
      {"owners.args", std::string("server\0-v", 9)},
  };
  ExpectPattern<SocketMemory>("memory", &expected);
  return expected;
}

// What is joined to the rows of these families, and what their tables say.
std::map<std::string, std::string> JoinedValues(const char* family) {
  return {
      {"protocol", family},
      {"family", family},
      {"netns", "42"},
      {"netns_name", "blue"},
      {"cgroup_path", "/a/b"},
      {"container", "c0"},
      {"pod", "p0"},
      {"unit", "u.service"},
      {"source", "replay"},
      {"owners.pid", "314"},
      {"owners.start_time", "2718"},
      {"owners.thread", "315"},
      {"owners.fd", "15"},
      {"owners.command", "server"},
      {"owners.exe", "/bin/server"},
      {"owners.args", std::string("server\0-v", 9)},
  };
}

VsockMessage FullVsock() {
  VsockMessage message;
  message.Connect(3, 70000, 2, 1024).fixed.vdiag_shutdown = 2;
  message.fixed.vdiag_type = 5;
  return message;
}

std::map<std::string, std::string> FullVsockValues() {
  std::map<std::string, std::string> expected = JoinedValues("vsock");
  expected.merge(std::map<std::string, std::string>{
      {"type", "seqpacket"},
      {"state", "established"},
      {"inode", "4001"},
      {"cookie", "76"},
      {"shutdown_receive", "false"},
      {"shutdown_send", "true"},
      {"vsock.local_cid", "3"},
      {"vsock.local_port", "70000"},
      {"vsock.remote_cid", "2"},
      {"vsock.remote_port", "1024"},
  });
  return expected;
}

TipcMessage FullTipc() {
  TipcMessage message;
  message.AddBasics(4, 1).Add(TIPC_NLA_SOCK_HAS_PUBL, {});
  message.Add(TIPC_NLA_SOCK_CON, Join({Attribute(TIPC_NLA_CON_FLAG, {}),
                                       Attribute(TIPC_NLA_CON_NODE, Raw(uint32_t{6})),
                                       Attribute(TIPC_NLA_CON_SOCK, Raw(uint32_t{88})),
                                       Attribute(TIPC_NLA_CON_TYPE, Raw(uint32_t{18888})),
                                       Attribute(TIPC_NLA_CON_INST, Raw(uint32_t{17}))}));
  message.Add(TIPC_NLA_SOCK_STAT, Join({Attribute(TIPC_NLA_SOCK_STAT_RCVQ, Raw(uint32_t{3})),
                                        Attribute(TIPC_NLA_SOCK_STAT_SENDQ, Raw(uint32_t{4})),
                                        Attribute(TIPC_NLA_SOCK_STAT_DROP, Raw(uint32_t{9})),
                                        Attribute(TIPC_NLA_SOCK_STAT_LINK_CONG, {})}));
  message.Add(TIPC_NLA_SOCK_GROUP,
              Join({Attribute(TIPC_NLA_SOCK_GROUP_ID, Raw(uint32_t{4711})),
                    Attribute(TIPC_NLA_SOCK_GROUP_INSTANCE, Raw(uint32_t{12})),
                    Attribute(TIPC_NLA_SOCK_GROUP_BC_SEND_NEXT, Raw(uint32_t{13})),
                    Attribute(TIPC_NLA_SOCK_GROUP_NODE_SCOPE, {}),
                    Attribute(TIPC_NLA_SOCK_GROUP_OPEN, {})}));
  return message;
}

std::map<std::string, std::string> FullTipcValues() {
  std::map<std::string, std::string> expected = JoinedValues("tipc");
  expected.merge(std::map<std::string, std::string>{
      {"type", "rdm"},
      {"state", "established"},
      {"inode", "2001"},
      {"cookie", "44"},
      {"uid", "1000"},
      {"receive_queue", "3"},
      {"send_queue", "4"},
      {"tipc.node", "5"},
      {"tipc.ref", "77"},
      {"tipc.remote_node", "6"},
      {"tipc.remote_ref", "88"},
      {"tipc.service_type", "18888"},
      {"tipc.service_instance", "17"},
      {"tipc.published", "true"},
      {"tipc.link_congested", "true"},
      {"tipc.connection_congested", "false"},
      {"tipc.drops", "9"},
      {"tipc.group_id", "4711"},
      {"tipc.group_instance", "12"},
      {"tipc.group_scope", "3"},
      {"tipc.group_open", "true"},
      {"tipc.group_next_broadcast", "13"},
  });
  return expected;
}

XdpMessage FullXdp() {
  XdpMessage message;
  message.Add(XDP_DIAG_INFO, Raw(xdp_diag_info{9, 3})).Add(XDP_DIAG_UID, uint32_t{1000});
  message.Add(XDP_DIAG_RX_RING, uint32_t{2048}).Add(XDP_DIAG_TX_RING, uint32_t{1024});
  message.Add(XDP_DIAG_UMEM, Pattern(40)).Add(XDP_DIAG_UMEM_FILL_RING, uint32_t{512});
  message.Add(XDP_DIAG_UMEM_COMPLETION_RING, uint32_t{256});
  message.Add(XDP_DIAG_MEMINFO, Pattern(36)).Add(XDP_DIAG_STATS, Pattern(48));
  return message;
}

std::map<std::string, std::string> FullXdpValues() {
  std::map<std::string, std::string> expected = JoinedValues("xdp");
  expected.merge(std::map<std::string, std::string>{
      {"type", "raw"},
      {"state", "unconnected"},
      {"inode", "6001"},
      {"cookie", "108"},
      {"uid", "1000"},
      {"interface", "9"},
      {"receive_queue", std::to_string(PatternValue(0, 4))},
      {"xdp.queue", "3"},
      {"xdp.rx_ring_entries", "2048"},
      {"xdp.tx_ring_entries", "1024"},
      {"xdp.fill_ring_entries", "512"},
      {"xdp.completion_ring_entries", "256"},
  });
  ExpectPattern<SocketMemory>("memory", &expected);
  ExpectPattern<XdpUmem>("umem", &expected);
  ExpectPattern<XdpStats>("xdp_stats", &expected);
  return expected;
}

SmcMessage FullSmc() {
  SmcMessage message;
  message.fixed.id.idiag_if = 9;
  message.fixed.diag_mode = SMC_DIAG_MODE_SMCD;
  message.fixed.diag_state = 20;
  message.Add(SMC_DIAG_CONNINFO, Pattern(76)).Add(SMC_DIAG_SHUTDOWN, uint8_t{1});
  smc_diag_lgrinfo link = {};
  link.lnk[0].link_id = 1;
  link.lnk[0].ibport = 2;
  link.role = 1;
  std::strcpy(reinterpret_cast<char*>(link.lnk[0].ibname), "mlx5_0");
  std::strcpy(reinterpret_cast<char*>(link.lnk[0].gid), "fe80::1");
  std::strcpy(reinterpret_cast<char*>(link.lnk[0].peer_gid), "fe80::2");
  message.Add(SMC_DIAG_LGRINFO, Raw(link)).Add(SMC_DIAG_DMBINFO, Pattern(56));
  message.Add(SMC_DIAG_FALLBACK, Pattern(8));
  return message;
}

std::map<std::string, std::string> FullSmcValues() {
  std::map<std::string, std::string> expected = JoinedValues("smc");
  expected.merge(std::map<std::string, std::string>{
      {"type", "stream"},
      {"state", "fin-wait-1"},
      {"local_address", "127.0.0.1"},
      {"local_port", "8080"},
      {"remote_address", "10.1.2.3"},
      {"remote_port", "4660"},
      {"inode", "3001"},
      {"cookie", "60"},
      {"uid", "1000"},
      {"interface", "9"},
      {"shutdown_receive", "true"},
      {"shutdown_send", "false"},
      {"smc.state", "20"},
      {"smc.mode", "2"},
      {"smc_link.role", "1"},
      {"smc_link.device", "mlx5_0"},
      {"smc_link.device_port", "2"},
      {"smc_link.id", "1"},
      {"smc_link.gid", "fe80::1"},
      {"smc_link.peer_gid", "fe80::2"},
  });
  ExpectPattern<SmcFallback>("smc", &expected);
  ExpectPattern<SmcConnection>("smc_conn", &expected);
  ExpectPattern<SmcDevice>("smc_device", &expected);
  return expected;
}

// In the table of MPTCP, the attribute of struct tcp_info holds struct mptcp_info.
std::map<std::string, std::string> FullMptcpValues() {
  std::map<std::string, std::string> expected = FullInetValues();
  std::erase_if(expected, [](const auto& item) { return item.first.starts_with("tcp_info."); });
  ExpectPattern<MptcpInfo>("mptcp_info", &expected);
  expected["protocol"] = "mptcp";
  return expected;
}

TEST(Fields, OfAPacketSocketHaveTheValuesThatWereSent) {
  const OwnerIndex owners = Held(8001);
  EXPECT_EQ(ValuesOf(FullPacket().Build(), kPacketTable, {&owners}), FullPacketValues());
}

TEST(Fields, OfANetlinkSocketHaveTheValuesThatWereSent) {
  const OwnerIndex owners = Held(9001);
  EXPECT_EQ(ValuesOf(FullNetlink().Build(), kNetlinkTable, {&owners}), FullNetlinkValues());
}

TEST(Fields, OfVsockTipcXdpAndSmcSocketsHaveTheValuesThatWereSent) {
  const OwnerIndex vsock = Held(4001), tipc = Held(2001), xdp = Held(6001), smc = Held(3001);
  EXPECT_EQ(ValuesOf(FullVsock().Build(), kVsockTable, {&vsock}), FullVsockValues());
  EXPECT_EQ(ValuesOf(FullTipc().Build(), kTipcTable, {&tipc}), FullTipcValues());
  EXPECT_EQ(ValuesOf(FullXdp().Build(), kXdpTable, {&xdp}), FullXdpValues());
  EXPECT_EQ(ValuesOf(FullSmc().Build(), kSmcTable, {&smc}), FullSmcValues());
}

// The kernel does not tell these, and 0 would be a statement.
TEST(Fields, OfWhatTheKernelDoesNotTellAreAbsent) {
  const auto keys = [](const std::map<std::string, std::string>& values) {
    std::vector<std::string> names;
    for (const auto& [name, value] : values) names.push_back(name);
    return names;
  };
  using ::testing::UnorderedElementsAre;
  EXPECT_THAT(keys(ValuesOf(VsockMessage().Build(), kVsockTable)),
              UnorderedElementsAre("protocol", "family", "type", "state", "inode", "cookie",
                                   "shutdown_receive", "shutdown_send", "vsock.local_port", "netns",
                                   "source"));
  EXPECT_THAT(keys(ValuesOf(XdpMessage().Build(), kXdpTable)),
              UnorderedElementsAre("protocol", "family", "type", "state", "inode", "cookie",
                                   "receive_queue", "netns", "source"));
  EXPECT_THAT(keys(ValuesOf(TipcMessage().Build(), kTipcTable)),
              UnorderedElementsAre("protocol", "family", "state", "inode", "cookie",
                                   "receive_queue", "send_queue", "tipc.node", "tipc.ref",
                                   "tipc.published", "netns", "source"));
  SmcMessage listener;
  listener.fixed.diag_state = 10;
  listener.fixed.id.idiag_src[0] = listener.fixed.id.idiag_dst[0] = 0;
  EXPECT_THAT(keys(ValuesOf(listener.Build(), kSmcTable)),
              UnorderedElementsAre("protocol", "family", "type", "state", "inode", "cookie", "uid",
                                   "local_port", "remote_port", "smc.state", "netns", "source"));
}

TEST(Fields, OfAnMptcpConnectionIncludeMptcpInfoAndNotTcpInfo) {
  const OwnerIndex owners = Held(5001);
  EXPECT_EQ(ValuesOf(FullInet().Build(), kMptcpTable, {&owners}), FullMptcpValues());
}

TEST(Fields, OfARawSocketIncludeItsProtocol) {
  EXPECT_EQ(ValuesOf(FullInet().Build(), kRawTable)["ip_protocol"], "8443");
  EXPECT_EQ(ValuesOf(FullInet().Build(), kRawTable)["type"], "raw");
  EXPECT_EQ(ValuesOf(FullInet().Build(), kRawTable).count("tcp_info.rtt"), 0u);
  EXPECT_EQ(ValuesOf(FullInet().Build(), kTcpTable).count("ip_protocol"), 0u);
}

TEST(Fields, OfAnInetSocketHaveTheValuesThatWereSent) {
  const OwnerIndex owners = Held(5001);
  EXPECT_EQ(ValuesOf(FullInet().Build(), kTcpTable, {&owners}), FullInetValues());
}

TEST(Fields, OfAUnixSocketHaveTheValuesThatWereSent) {
  const OwnerIndex owners = Held(7001);
  UnixMessage peer;
  peer.fixed.udiag_ino = 8001;
  peer.Add(UNIX_DIAG_NAME, Text("/run/peer"));
  internal::UnixIndex peers;
  ASSERT_TRUE(peers.Add(First(peer.Build()), 0));
  peers.Sort();
  EXPECT_EQ(ValuesOf(FullUnix().Build(), kUnixTable, {&owners, &peers}), FullUnixValues());
}

TEST(Fields, AreEachTestedAboveAndPresentOnlyInTheFamiliesThatTheyName) {
  auto inet = FullInetValues();
  inet.merge(FullMptcpValues());
  inet["ip_protocol"] = "of raw sockets, above";
  const std::map<Family, std::map<std::string, std::string>> values = {
      {Family::kInet6, inet},
      {Family::kUnix, FullUnixValues()},
      {Family::kPacket, FullPacketValues()},
      {Family::kNetlink, FullNetlinkValues()},
      {Family::kVsock, FullVsockValues()},
      {Family::kTipc, FullTipcValues()},
      {Family::kXdp, FullXdpValues()},
      {Family::kSmc, FullSmcValues()},
  };
  for (const Field& field : AllFields()) {
    SCOPED_TRACE(Key(field));
    if (field.name == "no_owner") continue;        // only rows without owners have it: tested below
    if (testing::IsOfSctpOrDccp(field)) continue;  // sctp_fields_test.cc
    bool tested = false;
    for (const auto& [family, of_family] : values) {
      const bool has = of_family.count(Key(field)) != 0;
      EXPECT_EQ(has, field.families.contains(family)) << Names(family).word;
      tested |= has;
    }
    EXPECT_TRUE(tested);
  }
}

TEST(Fields, OfAMessageWithoutAttributesAreThoseOfItsFixedPart) {
  const auto keys = [](const std::map<std::string, std::string>& values) {
    std::vector<std::string> names;
    for (const auto& [name, value] : values) names.push_back(name);
    return names;
  };
  using ::testing::UnorderedElementsAre;
  EXPECT_THAT(
      keys(ValuesOf(InetMessage().Build(), kTcpTable)),
      UnorderedElementsAre("protocol", "family", "type", "state", "local_address", "local_port",
                           "remote_address", "remote_port", "receive_queue", "send_queue", "uid",
                           "inode", "cookie", "timer", "netns", "source"));
  EXPECT_THAT(
      keys(ValuesOf(UnixMessage().Build(), kUnixTable)),
      UnorderedElementsAre("protocol", "family", "type", "state", "abstract", "receive_queue",
                           "send_queue", "inode", "cookie", "netns", "source"));
}

// Each way in which a number can mean "not set", for every field that has it.
TEST(Fields, AreAbsentIfTheirNumberMeansNotSet) {
  const auto is_set = [](const Packet& info, const StructField& field) {
    InetMessage message;
    message.Add(INET_DIAG_INFO, info);
    return ValuesOf(message.Build(), kTcpTable).count("tcp_info." + std::string(field.name)) != 0;
  };
  const auto with = [](Packet info, const StructField& field, uint64_t number) {
    std::memcpy(info.data() + field.offset, &number, field.width);
    return info;
  };
  size_t tested = 0;
  for (const StructField& field : TcpInfo::fields()) {
    SCOPED_TRACE(std::string(field.name));
    const Packet info = Pattern(TcpInfo::size());  // state 1, with an rtt and the window scales
    EXPECT_TRUE(is_set(info, field));
    const auto expect = [&](const Packet& changed, Unset unset) {
      EXPECT_EQ(is_set(changed, field), !field.unset.contains(unset));
      tested += field.unset.contains(unset) ? 1 : 0;
    };
    if (field.bits == 0 && field.name != "state") {
      expect(with(info, field, 0), Unset::kZero);
      expect(with(info, field, ~uint64_t{0}), Unset::kOnes);
      if (field.width == 4) expect(with(info, field, 0x7fffffff), Unset::kInfinite);
    }
    expect(with(info, TcpInfo::Field("state"), 10), Unset::kListener);
    if (field.name == "rtt") continue;
    expect(with(info, TcpInfo::Field("rtt"), 0), Unset::kNoRtt);
    if (field.name == "options") continue;
    expect(with(info, TcpInfo::Field("options"), 0xfb), Unset::kNoWindowScale);
  }
  EXPECT_GT(tested, 50u);
}

TEST(Fields, OfDctcpAreAbsentIfItIsNotEnabled) {
  InetMessage message;
  message.Add(INET_DIAG_DCTCPINFO, Packet(16));
  const auto values = ValuesOf(message.Build(), kTcpTable);
  EXPECT_EQ(values.at("dctcp.enabled"), "false");
  EXPECT_EQ(values.count("dctcp.alpha"), 0u);
  EXPECT_EQ(values.count("dctcp.ce_state"), 0u);
}

// What the fixed part of a message has for none.
TEST(Fields, OfTheFixedPartAreAbsentIfTheyNameNothing) {
  InetMessage inet;
  inet.fixed.idiag_uid = 0;
  inet.Add(INET_DIAG_CGROUP_ID, uint64_t{0}).Add(INET_DIAG_MARK, uint32_t{0});
  auto values = ValuesOf(inet.Build(), kTcpTable);
  EXPECT_EQ(values.count("interface"), 0u);
  EXPECT_EQ(values.count("cgroup"), 0u);
  EXPECT_EQ(values["mark"], "0");  // the caller may see marks, and this one is 0
  EXPECT_EQ(values["uid"], "0");   // root
  inet.fixed.idiag_inode = 0;
  values = ValuesOf(inet.Build(), kTcpTable);
  EXPECT_EQ(values.count("uid"), 0u);
  inet.fixed.idiag_uid = 1000;
  EXPECT_EQ(ValuesOf(inet.Build(), kTcpTable)["uid"], "1000");

  Table unknown = kTcpTable;
  unknown.netns = NetnsId();
  EXPECT_EQ(ValuesOf(inet.Build(), unknown).count("netns"), 0u);

  NetlinkMessage netlink = FullNetlink();
  netlink.fixed.ndiag_state = 0;
  values = ValuesOf(netlink.Build(), kNetlinkTable);
  EXPECT_EQ(values.count("netlink.remote_port_id"), 0u);
  EXPECT_EQ(values.count("netlink.remote_group"), 0u);
  EXPECT_EQ(values["netlink.connected"], "false");
}

TEST(Fields, IncludeTheReasonWhyASocketHasNoOwner) {
  const OwnerIndex owners = Held(1);
  EXPECT_EQ(ValuesOf(InetMessage().Build(), kTcpTable, {&owners})["no_owner"], "vanished");
  InetMessage time_wait;
  time_wait.fixed.idiag_inode = 0;
  EXPECT_EQ(ValuesOf(time_wait.Build(), kTcpTable, {&owners})["no_owner"], "kernel-held");
}

TEST(Fields, HaveUniqueNamesAndAreFoundByThem) {
  std::set<std::string> keys;
  for (const Field& field : AllFields()) {
    SCOPED_TRACE(Key(field));
    EXPECT_TRUE(keys.insert(Key(field)).second);
    const Field* found = FindField(std::string(Name(field.group)) + "." + std::string(field.name));
    EXPECT_EQ(found, &field);
    ASSERT_NE(field.get.read, nullptr);
  }
  EXPECT_EQ(FindField("rtt")->group, FieldGroup::kTcpInfo);
  EXPECT_EQ(FindField("locals.port")->group, FieldGroup::kLocal);
  for (const char* none : {"", ".", "rtx", "tcp_info.", "tcp_info.cookie", "socket.cookie", "port",
                           "address", "scope"}) {
    EXPECT_EQ(FindField(none), nullptr) << none;
  }
}

TEST(Fields, OfAGroupAreContiguous) {
  std::set<FieldGroup> done;
  FieldGroup last = FieldGroup::kSocket;
  for (const Field& field : AllFields()) {
    if (field.group == last) continue;
    EXPECT_TRUE(done.insert(last).second) << Name(last);
    last = field.group;
  }
  EXPECT_EQ(done.count(last), 0u);
}

TEST(Fields, AddWhatTheyNeedToAQuery) {
  const auto needs = [](std::string_view name) {
    Query query;
    AddNeeds({FindField(name), 1}, &query);
    return query;
  };
  EXPECT_TRUE(needs("local_port").extensions.empty());
  EXPECT_FALSE(needs("local_port").owners);
  EXPECT_EQ(needs("tcp_info.rtt").extensions, ExtensionSet(Extension::kInfo));
  EXPECT_EQ(needs("mptcp.flags").extensions, ExtensionSet(Extension::kInfo));
  EXPECT_EQ(needs("sctp_info.p_address").extensions, ExtensionSet(Extension::kInfo));
  EXPECT_EQ(needs("dccp_info.rtt").extensions, ExtensionSet(Extension::kInfo));
  EXPECT_TRUE(needs("peers.address").extensions.empty()) << "the kernel always sends them";
  EXPECT_EQ(needs("smc_link.gid").extensions, ExtensionSet(Extension::kInfo));
  EXPECT_TRUE(needs("smc.mode").extensions.empty());
  EXPECT_EQ(needs("memory.drops").extensions, ExtensionSet(Extension::kSocketMemory));
  EXPECT_EQ(needs("inet_memory.rmem").extensions, ExtensionSet(Extension::kMemory));
  EXPECT_EQ(needs("bbr.min_rtt").extensions, ExtensionSet(Extension::kCongestionDetail));
  EXPECT_EQ(needs("file_inode").extensions, ExtensionSet(Extension::kUnixFile));
  EXPECT_FALSE(needs("peer_inode").peers);
  EXPECT_TRUE(needs("peer_name").peers);
  EXPECT_FALSE(needs("peer_name").owners);
  EXPECT_TRUE(needs("peer_owners.pid").peers);
  EXPECT_TRUE(needs("peer_owners.pid").owners);
  EXPECT_TRUE(needs("owners.pid").owners);
  EXPECT_TRUE(needs("no_owner").owners);
  EXPECT_FALSE(needs("cgroup").cgroups);
  for (const char* name : {"cgroup_path", "container", "pod", "unit"}) {
    EXPECT_TRUE(needs(name).cgroups) << name;
  }

  Query all;
  AddNeeds(AllFields(), &all);
  EXPECT_EQ(all.extensions,
            ExtensionSet({Extension::kMemory, Extension::kInfo, Extension::kCongestionDetail,
                          Extension::kCongestion, Extension::kTos, Extension::kTrafficClass,
                          Extension::kSocketMemory, Extension::kUnixFile, Extension::kPacketFilter,
                          Extension::kPacketMemberships}));
  EXPECT_TRUE(all.owners);
}

TEST(Fields, AskForNoMoreOfEachSocketThanTheyRead) {
  const auto depth = [](std::string_view name) {
    Query query;
    query.depth = Depth::kEnds;
    AddNeeds({FindField(name), 1}, &query);
    return query.depth;
  };
  for (const char* name :
       {"state", "association", "remote_address", "interface", "netns", "peer_name", "name"}) {
    EXPECT_EQ(depth(name), Depth::kEnds) << name;
  }
  for (const char* name : {"send_queue", "inode", "timer", "v6_only", "no_owner", "owners.pid"}) {
    EXPECT_EQ(depth(name), Depth::kBasic) << name;
  }
  for (const char* name : {"mark", "cgroup", "unit", "shutdown_send", "tos", "memory.rcvbuf",
                           "congestion", "tcp_info.rtt", "options.freebind"}) {
    EXPECT_EQ(depth(name), Depth::kAll) << name;
  }
  Query query;
  AddNeeds({FindField("state"), 1}, &query);
  EXPECT_EQ(query.depth, Depth::kAll) << "it is never less than the caller asked for";
}

// Nested attributes of all sizes that a kernel could send: too short, exact and longer.
TEST(NestedViews, ReadAFieldOnlyIfAllOfItIsThere) {
  const auto expect = [](const auto& fields, auto make) {
    for (const StructField& field : fields) {
      SCOPED_TRACE(std::string(field.name));
      for (size_t size = 0; size <= 12; ++size) {
        SCOPED_TRACE(size);
        const Packet bytes = Attribute(field.offset, Pattern(size));
        const auto value = make(bytes)[field];
        if (field.width == 0) {
          EXPECT_EQ(value, 1u);
        } else if (size < field.width) {
          EXPECT_EQ(value, std::nullopt);
        } else {
          EXPECT_EQ(value, PatternValue(0, field.width));
        }
      }
      EXPECT_EQ(make(Packet())[field], std::nullopt);
      EXPECT_EQ(make(Attribute(200, Pattern(8)))[field], std::nullopt);
      // The header of the attribute says more bytes than there are.
      Packet lying = Attribute(field.offset, Pattern(8));
      lying[0] = std::byte{64};
      EXPECT_EQ(make(lying)[field], std::nullopt);
    }
  };
  expect(TlsInfo::fields(), [](const Packet& bytes) { return TlsInfo(bytes); });
  expect(SubflowInfo::fields(), [](const Packet& bytes) { return SubflowInfo(bytes); });
}

TEST(Fields, HaveATypeWithoutARow) {
  const auto type = [](std::string_view name) { return FindField(name)->get.type; };
  EXPECT_EQ(type("state"), ValueType::kText);
  EXPECT_EQ(type("congestion"), ValueType::kText);
  EXPECT_EQ(type("owners.command"), ValueType::kText);
  EXPECT_EQ(type("local_address"), ValueType::kAddress);
  EXPECT_EQ(type("v6_only"), ValueType::kFlag);
  EXPECT_EQ(type("shutdown_send"), ValueType::kFlag);
  EXPECT_EQ(type("options.transparent"), ValueType::kFlag);
  EXPECT_EQ(type("file_inode"), ValueType::kNumber);
  EXPECT_EQ(type("tcp_info.rtt"), ValueType::kNumber);
  EXPECT_EQ(type("owners.pid"), ValueType::kNumber);
}

TEST(Fields, HaveValuesOfTheirType) {
  const std::map<ValueType, size_t> alternatives = {{ValueType::kNumber, 1},
                                                    {ValueType::kFlag, 2},
                                                    {ValueType::kText, 3},
                                                    {ValueType::kAddress, 4}};
  size_t values = 0;
  const Packet inet = FullInet().Build();
  const Packet local = UnixMessage().Add(UNIX_DIAG_NAME, Text("/run/a")).Build();
  for (const auto& [message, table] : {std::pair(inet, kTcpTable), std::pair(local, kUnixTable)}) {
    netlink::MessageCursor cursor(message);
    netlink::Message first;
    ASSERT_TRUE(cursor.Next(&first));
    const std::optional<Row> row =
        internal::RowMaker::FromMessage(first, table, SourceKind::kReplay);
    for (const Field& field : AllFields()) {
      SCOPED_TRACE(Key(field));
      const FieldValue value = field.get(*row, 0);
      if (IsAbsent(value)) continue;
      EXPECT_EQ(value.index(), alternatives.at(field.get.type));
      ++values;
    }
  }
  EXPECT_GT(values, 150u);
}

}  // namespace
}  // namespace netdiag
