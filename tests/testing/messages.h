// tests/testing/messages.h — messages as the kernel writes them for a socket, and captures of them.
//
//   InetMessage listener;
//   listener.fixed.idiag_state = 10;
//   listener.Add(INET_DIAG_CONG, Text("cubic"));
//   const Packet capture = CaptureOf({{kTcp, {listener.Build()}}});

#ifndef NETDIAG_TESTS_TESTING_MESSAGES_H_
#define NETDIAG_TESTS_TESTING_MESSAGES_H_

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "netdiag/dump/capture.h"
#include "netdiag/dump/table.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/types/address.h"
#include "netdiag/types/types.h"
#include "tests/testing/fake_kernel.h"

namespace netdiag::testing {

template <class T>
Packet Raw(const T& value) {
  const Bytes bytes = std::as_bytes(std::span(&value, 1));
  return Packet(bytes.begin(), bytes.end());
}

// One netlink message of a dump: `fixed` and attributes behind it.
template <class Fixed>
class DumpMessage {
 public:
  Fixed fixed = {};

  DumpMessage& Add(uint16_t type, Bytes payload) {
    attributes_.push_back(Attribute(type, payload));
    return *this;
  }
  template <class T>
  requires std::is_arithmetic_v<T> DumpMessage& Add(uint16_t type, T value) {
    return Add(type, Raw(value));
  }
  Packet Build() const {
    Packets parts = attributes_;
    parts.insert(parts.begin(), Raw(fixed));
    return Reply(Raw(netlink::Header{}), netlink::abi::kSockDiagByFamily, netlink::kFlagMulti,
                 Join(parts));
  }

 private:
  Packets attributes_;
};

class UnixMessage : public DumpMessage<unix_diag_msg> {
 public:
  UnixMessage() {
    fixed.udiag_family = 1;
    fixed.udiag_type = 1;
    fixed.udiag_state = 1;
    fixed.udiag_ino = 7001;
    fixed.udiag_cookie[0] = 0x7c;
  }
};

// A raw packet socket that receives every protocol.
class PacketMessage : public DumpMessage<packet_diag_msg> {
 public:
  PacketMessage() {
    fixed.pdiag_family = 17;
    fixed.pdiag_type = 3;
    fixed.pdiag_num = 3;
    fixed.pdiag_ino = 8001;
    fixed.pdiag_cookie[0] = 0x8c;
  }
};

// A socket of NETLINK_ROUTE, port 4242, not connected.
class NetlinkMessage : public DumpMessage<netlink_diag_msg> {
 public:
  NetlinkMessage() {
    fixed.ndiag_family = 16;
    fixed.ndiag_type = 3;
    fixed.ndiag_state = 7;
    fixed.ndiag_portid = 4242;
    fixed.ndiag_ino = 9001;
    fixed.ndiag_cookie[0] = 0x9c;
  }
};

// A stream that listens on port 1024 of any machine.
class VsockMessage : public DumpMessage<vsock_diag_msg> {
 public:
  VsockMessage() {
    fixed.vdiag_family = 40;
    fixed.vdiag_type = 1;
    fixed.vdiag_state = 10;
    fixed.vdiag_src_cid = fixed.vdiag_dst_cid = ~0u;
    fixed.vdiag_src_port = 1024;
    fixed.vdiag_dst_port = ~0u;
    fixed.vdiag_ino = 4001;
    fixed.vdiag_cookie[0] = 0x4c;
  }
  // The ends of a connection.
  VsockMessage& Connect(uint32_t cid, uint32_t port, uint32_t peer_cid, uint32_t peer_port) {
    fixed.vdiag_state = 1;
    fixed.vdiag_src_cid = cid;
    fixed.vdiag_src_port = port;
    fixed.vdiag_dst_cid = peer_cid;
    fixed.vdiag_dst_port = peer_port;
    return *this;
  }
};

class XdpMessage : public DumpMessage<xdp_diag_msg> {
 public:
  XdpMessage() {
    fixed.xdiag_family = 44;
    fixed.xdiag_type = 3;
    fixed.xdiag_ino = 6001;
    fixed.xdiag_cookie[0] = 0x6c;
  }
};

// Active over SMC-R, 127.0.0.1:8080 to 10.1.2.3:4660, as the kernel writes it since 5.0.
class SmcMessage : public DumpMessage<smc_diag_msg> {
 public:
  SmcMessage() {
    fixed.diag_family = 43;
    fixed.diag_state = 1;
    fixed.id.idiag_sport = Port::FromHost(8080).ToNetwork();
    fixed.id.idiag_dport = Port::FromHost(4660).ToNetwork();
    std::memcpy(fixed.id.idiag_src, "\x7f\x00\x00\x01", 4);
    std::memcpy(fixed.id.idiag_dst, "\x0a\x01\x02\x03", 4);
    fixed.id.idiag_cookie[0] = 0x3c;
    fixed.diag_uid = 1000;
    fixed.diag_inode = 3001;
  }
};

// What one socket's answer of tipc_diag nests in TIPC_NLA_SOCK: socket 77 of node 5.
class TipcMessage {
 public:
  TipcMessage() { Add(TIPC_NLA_SOCK_REF, uint32_t{77}).Add(TIPC_NLA_SOCK_ADDR, uint32_t{5}); }
  TipcMessage& Add(uint16_t type, Bytes payload) {
    attributes_.push_back(Attribute(type, payload));
    return *this;
  }
  template <class T>
  requires std::is_arithmetic_v<T> TipcMessage& Add(uint16_t type, T value) {
    return Add(type, Raw(value));
  }
  // The attributes that every socket has, as a listener of type SOCK_SEQPACKET.
  TipcMessage& AddBasics(uint32_t type = 5, uint32_t state = 10) {
    Add(TIPC_NLA_SOCK_TYPE, type).Add(TIPC_NLA_SOCK_TIPC_STATE, state);
    Add(TIPC_NLA_SOCK_INO, uint32_t{2001}).Add(TIPC_NLA_SOCK_UID, uint32_t{1000});
    return Add(TIPC_NLA_SOCK_COOKIE, uint64_t{0x2c});
  }
  Packet Build() const {
    return Reply(Raw(netlink::Header{}), netlink::abi::kSockDiagByFamily, netlink::kFlagMulti,
                 Attribute(TIPC_NLA_SOCK, Join(attributes_)));
  }

 private:
  Packets attributes_;
};

// Established, 127.0.0.1:8080 to 10.1.2.3:4660.
class InetMessage : public DumpMessage<inet_diag_msg> {
 public:
  InetMessage() {
    fixed.idiag_family = 2;
    fixed.idiag_state = 1;
    SetLocal("\x7f\x00\x00\x01", 8080);
    SetRemote("\x0a\x01\x02\x03", 4660);
    fixed.idiag_inode = 5001;
    fixed.id.idiag_cookie[0] = 0x5c;
  }
  // `octets`: 4 or 16; the message is one of IPv6 if there are 16.
  template <size_t N>
  void SetLocal(const char (&octets)[N], uint16_t port) {
    std::memcpy(fixed.id.idiag_src, octets, N - 1);
    fixed.id.idiag_sport = Port::FromHost(port).ToNetwork();
    if (N > 5) fixed.idiag_family = 10;
  }
  template <size_t N>
  void SetRemote(const char (&octets)[N], uint16_t port) {
    std::memcpy(fixed.id.idiag_dst, octets, N - 1);
    fixed.id.idiag_dport = Port::FromHost(port).ToNetwork();
    if (N > 5) fixed.idiag_family = 10;
  }
};

// One struct sockaddr_storage, as INET_DIAG_LOCALS and INET_DIAG_PEERS have one for each address.
inline Packet Sockaddr(const Endpoint& end, uint32_t scope = 0) {
  Packet bytes(128);
  const auto put = [&](size_t at, const void* from, size_t size) {
    std::memcpy(bytes.data() + at, from, size);
  };
  const bool v6 = end.address.family() == Family::kInet6;
  const auto family = static_cast<uint16_t>(end.address.family());
  const uint16_t port = end.port.ToNetwork();
  put(0, &family, sizeof(family));
  put(2, &port, sizeof(port));
  put(v6 ? 8 : 4, end.address.octets().data(), end.address.octets().size());
  if (v6) put(24, &scope, sizeof(scope));
  return bytes;
}

// An endpoint of SCTP: one-to-many, listening at 127.0.0.1:5000 and 127.0.0.2.
class SctpEndpoint : public InetMessage {
 public:
  SctpEndpoint() {
    fixed.idiag_state = 10;
    SetLocal("\x7f\x00\x00\x01", 5000);
    SetRemote("\x00\x00\x00\x00", 0);
    fixed.idiag_rqueue = 1;
    fixed.idiag_wqueue = 128;
    const Port port = Port::FromHost(5000);
    Add(INET_DIAG_LOCALS, Join({Sockaddr({IpAddress::V4(127, 0, 0, 1), port}),
                                Sockaddr({IpAddress::V4(127, 0, 0, 2), port})}));
  }
};

// An association of that endpoint, established, with 10.1.2.3:4660 and 10.1.2.4.
class SctpAssociation : public SctpEndpoint {
 public:
  SctpAssociation() {
    fixed.idiag_state = 3;
    SetRemote("\x0a\x01\x02\x03", 4660);
    fixed.idiag_rqueue = 300;
    fixed.idiag_wqueue = 400;
    const Port port = Port::FromHost(4660);
    Add(INET_DIAG_PEERS, Join({Sockaddr({IpAddress::V4(10, 1, 2, 3), port}),
                               Sockaddr({IpAddress::V4(10, 1, 2, 4), port})}));
  }
};

struct CapturedTable {
  Protocol protocol = Protocol::kTcp;
  Packets messages;    // each is a datagram of its own
  int32_t errnum = 0;  // how the dump ended
  FamilySet families;  // empty: all families of the protocol
  NetnsId netns{42};
  std::string netns_name;
  bool ends = true;  // false: there is no record of the end of the dump
};

struct CapturedOwner {
  uint32_t inode = 0;
  int32_t pid = 0;
  int32_t fd = 0;
  std::string command;
  int32_t thread = 0;
};

// A capture of a host with kernel "6.18-test".
inline Packet CaptureOf(const std::vector<CapturedTable>& tables,
                        const std::vector<CapturedOwner>& owners = {}) {
  Packet capture;
  CaptureWriter writer([&](Bytes frame) {
    capture.insert(capture.end(), frame.begin(), frame.end());
    return absl::OkStatus();
  });
  writer.Write({.type = CaptureType::kHost, .kernel = "6.18-test"});
  for (const CapturedTable& table : tables) {
    const FamilySet families =
        table.families == FamilySet() ? Describe(table.protocol).families : table.families;
    writer.Write({.type = CaptureType::kTable, .table = {table.protocol, families, table.netns}});
    if (!table.netns_name.empty()) {
      writer.Write({.type = CaptureType::kNetns, .name = table.netns_name});
    }
    for (const Packet& message : table.messages) {
      writer.Write({.type = CaptureType::kDatagram, .datagram = message});
    }
    if (table.ends) writer.Write({.type = CaptureType::kEnd, .errnum = table.errnum});
  }
  for (const CapturedOwner& owner : owners) {
    writer.Write({.type = CaptureType::kOwner,
                  .inode = Inode(owner.inode),
                  .pid = Pid(owner.pid),
                  .start_time = 99,
                  .fd = owner.fd,
                  .thread = Pid(owner.thread),
                  .command = owner.command});
  }
  writer.Finish().IgnoreError();  // the sink does not fail
  return capture;
}

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_TESTING_MESSAGES_H_
