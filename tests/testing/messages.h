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
