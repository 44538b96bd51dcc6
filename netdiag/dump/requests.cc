// Dump requests as bytes. Tested by tests/dump/netlink_source_test.cc.

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>

#include "netdiag/dump/source.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/types/error.h"
#include "netdiag/types/proc_file.h"

namespace netdiag::internal {
namespace {

using netlink::kFlagDump;
using netlink::RequestBuilder;

// idiag_ext has eight bits; our further extensions are not the kernel's inet_diag.
uint8_t InetExtensions(ExtensionSet extensions) {
  return static_cast<uint8_t>(extensions.bits() & 0x7f);
}

inet_diag_sockid Ports(const DumpRequest& request) {
  inet_diag_sockid id = {};
  id.idiag_sport = request.source_port.ToNetwork();
  id.idiag_dport = request.destination_port.ToNetwork();
  return id;
}

bool BothFamilies(const Table& table) {
  return table.families.contains(Family::kInet) && table.families.contains(Family::kInet6);
}

void PutBytecode(const DumpRequest& request, RequestBuilder* builder) {
  if (!request.bytecode.empty()) builder->Attribute(INET_DIAG_REQ_BYTECODE, request.bytecode);
}

void PutPacket(const DumpRequest& request, Detail detail, RequestBuilder* builder) {
  packet_diag_req body = {};
  body.sdiag_family = AF_PACKET;
  if (detail == Detail::kAll) {
    body.pdiag_show =
        PACKET_SHOW_INFO | PACKET_SHOW_RING_CFG | PACKET_SHOW_FANOUT | PACKET_SHOW_MEMINFO;
    if (request.extensions.contains(Extension::kPacketFilter)) {
      body.pdiag_show |= PACKET_SHOW_FILTER;
    }
    if (request.extensions.contains(Extension::kPacketMemberships)) {
      body.pdiag_show |= PACKET_SHOW_MCLIST;
    }
  }
  builder->Header(netlink::abi::kSockDiagByFamily, kFlagDump).Put(body);
}

void PutProtocol(const DumpRequest& request, RequestBuilder* builder) {
  builder->Attribute(INET_DIAG_REQ_PROTOCOL,
                     uint32_t{static_cast<uint16_t>(request.table.protocol)});
}

// Rows of three lengths, so that datagrams end at different sockets; the second and the third
// together show what the first does.
void PutNetlink(size_t pass, RequestBuilder* builder) {
  static constexpr std::array<uint32_t, kNetlinkPasses> kShow = {
      NDIAG_SHOW_MEMINFO | NDIAG_SHOW_GROUPS | NDIAG_SHOW_FLAGS,
      NDIAG_SHOW_MEMINFO | NDIAG_SHOW_GROUPS, NDIAG_SHOW_FLAGS};
  netlink_diag_req body = {};
  body.sdiag_family = AF_NETLINK;
  body.sdiag_protocol = NDIAG_PROTO_ALL;
  body.ndiag_show = kShow[pass % kShow.size()];
  builder->Header(netlink::abi::kSockDiagByFamily, kFlagDump).Put(body);
}

void PutInet(const DumpRequest& request, RequestBuilder* builder) {
  if (BothFamilies(request.table)) {
    // The first inet_diag's request walks both families at once. It is TCP's, unless an attribute
    // says otherwise, which kernels before 5.9 do not read: OneWalkServes().
    inet_diag_req legacy = {};
    legacy.idiag_family = AF_INET;
    legacy.idiag_ext = InetExtensions(request.extensions);
    legacy.id = Ports(request);
    legacy.idiag_states = request.states.bits();
    builder->Header(netlink::abi::kTcpDiagGetSock, kFlagDump).Put(legacy);
    if (request.table.protocol != Protocol::kTcp) PutProtocol(request, builder);
    PutBytecode(request, builder);
    return;
  }
  inet_diag_req_v2 body = {};
  body.sdiag_family = request.table.families.contains(Family::kInet6) ? AF_INET6 : AF_INET;
  // MPTCP's number has nine bits and stands in an attribute. A kernel that does not know the
  // attribute is to find no protocol, and not the one in the lower eight, which is TCP.
  const bool wide = static_cast<uint16_t>(request.table.protocol) > UINT8_MAX;
  body.sdiag_protocol = wide ? 0 : static_cast<uint8_t>(request.table.protocol);
  body.idiag_ext = InetExtensions(request.extensions);
  body.idiag_states = request.states.bits();
  body.id = Ports(request);
  builder->Header(netlink::abi::kSockDiagByFamily, kFlagDump).Put(body);
  if (wide) PutProtocol(request, builder);
  PutBytecode(request, builder);
}

void PutUnix(const DumpRequest& request, Detail detail, RequestBuilder* builder) {
  unix_diag_req body = {};
  body.sdiag_family = AF_UNIX;
  body.udiag_states = request.states.bits();
  // Never UDIAG_SHOW_ICONS: a list that does not fit into a datagram ends the whole dump, silently.
  body.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN | UDIAG_SHOW_UID;
  if (request.extensions.contains(Extension::kSocketMemory)) body.udiag_show |= UDIAG_SHOW_MEMINFO;
  if (request.extensions.contains(Extension::kUnixFile)) body.udiag_show |= UDIAG_SHOW_VFS;
  if (detail == Detail::kKeys) body.udiag_show = UDIAG_SHOW_NAME;
  builder->Header(netlink::abi::kSockDiagByFamily, kFlagDump).Put(body);
}

// Written as it is (Conn::Write), so the number is filled in here.
absl::Status AppendNumbered(const inet_diag_req_v2& body, uint32_t sequence,
                            std::vector<std::byte>* out) {
  std::array<std::byte, netlink::kHeaderSize + sizeof(body)> storage;
  NETDIAG_ASSIGN_OR_RETURN(
      const Bytes bytes,
      RequestBuilder(storage).Header(netlink::abi::kSockDiagByFamily, 0).Put(body).Finish());
  std::memcpy(&storage[offsetof(netlink::Header, sequence)], &sequence, sizeof(sequence));
  out->insert(out->end(), bytes.begin(), bytes.end());
  return absl::OkStatus();
}

}  // namespace

bool OneWalkServes(Protocol protocol) {
  if (protocol == Protocol::kTcp) return true;
  if (protocol != Protocol::kUdp && protocol != Protocol::kUdpLite) return false;
  return KernelIsAtLeast(5, 9);
}

absl::StatusOr<Bytes> EncodePass(const DumpRequest& request, Detail detail, size_t pass,
                                 std::span<std::byte> storage) {
  const Protocol protocol = request.table.protocol;
  if (Describe(protocol).kernel_option.empty()) {
    return ErrnoError(EOPNOTSUPP, "socket_diag request " + Text(request.table));
  }
  // One request names no protocol but in an attribute: it could be answered with TCP.
  if (BothFamilies(request.table) && !OneWalkServes(protocol)) {
    return BadInput("socket_diag request", Text(request.table), "one family at a time");
  }
  RequestBuilder builder(storage);
  switch (protocol) {
    case Protocol::kUnix:
      PutUnix(request, detail, &builder);
      break;
    case Protocol::kPacket:
      PutPacket(request, detail, &builder);
      break;
    case Protocol::kNetlink:
      PutNetlink(pass, &builder);
      break;
    default:
      PutInet(request, &builder);
  }
  return builder.Finish();
}

// Port numbers, one test each: "S_EQ p" goes on where it holds, to a jump to the end, and skips
// that jump where it does not. The last one's end is beyond the program, which refuses the socket.
void PutPortsProgram(std::span<const Port> ports, std::vector<std::byte>* program) {
  program->clear();
  constexpr size_t kTest = 2 * sizeof(inet_diag_bc_op), kJump = sizeof(inet_diag_bc_op);
  const size_t size = ports.size() * (kTest + kJump) - kJump;
  const auto put = [&](inet_diag_bc_op op) {
    const Bytes bytes = std::as_bytes(std::span(&op, 1));
    program->insert(program->end(), bytes.begin(), bytes.end());
  };
  for (const Port port : ports) {
    put({INET_DIAG_BC_S_EQ, kTest, kTest + kJump});
    put({0, 0, port.value()});
    if (program->size() == size) break;
    put({INET_DIAG_BC_JMP, kJump, static_cast<uint16_t>(size - program->size())});
  }
}

absl::Status AppendLookup(const ConnectionId& connection, uint32_t sequence,
                          std::vector<std::byte>* out) {
  inet_diag_req_v2 body = {};
  body.sdiag_family = connection.family;
  body.sdiag_protocol = IPPROTO_TCP;
  static_assert(sizeof(body.id) == sizeof(connection.id));
  std::memcpy(&body.id, connection.id.data(), sizeof(body.id));
  return AppendNumbered(body, sequence, out);
}

absl::StatusOr<Bytes> EncodeDestroy(Protocol protocol, const ConnectionId& socket,
                                    std::span<std::byte> storage) {
  if (static_cast<uint16_t>(protocol) > UINT8_MAX || !IsInet(protocol)) {
    return ErrnoError(EOPNOTSUPP, "SOCK_DESTROY", "no kernel closes such sockets");
  }
  inet_diag_req_v2 body = {};
  body.sdiag_family = socket.family;
  body.sdiag_protocol = static_cast<uint8_t>(protocol);
  std::memcpy(&body.id, socket.id.data(), sizeof(body.id));
  return RequestBuilder(storage).Header(SOCK_DESTROY, netlink::kFlagAck).Put(body).Finish();
}

absl::StatusOr<Bytes> EncodeRequest(const DumpRequest& request, std::span<std::byte> storage) {
  return EncodePass(request, Detail::kAll, 0, storage);
}

absl::Status AppendTcpLookup(const DumpRequest& request, const bpf::TcpTuple& tuple,
                             uint32_t sequence, std::vector<std::byte>* out) {
  inet_diag_req_v2 body = {};
  body.sdiag_family = tuple.local.address.family() == Family::kInet6 ? AF_INET6 : AF_INET;
  body.sdiag_protocol = IPPROTO_TCP;
  body.idiag_ext = InetExtensions(request.extensions);
  body.id.idiag_sport = tuple.local.port.ToNetwork();
  body.id.idiag_dport = tuple.remote.port.ToNetwork();
  const std::span<const uint8_t> local = tuple.local.address.octets();
  const std::span<const uint8_t> remote = tuple.remote.address.octets();
  std::memcpy(body.id.idiag_src, local.data(), local.size());
  std::memcpy(body.id.idiag_dst, remote.data(), remote.size());
  body.id.idiag_if = tuple.interface.value();
  body.id.idiag_cookie[0] = body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  return AppendNumbered(body, sequence, out);
}

absl::StatusOr<Bytes> EncodeUnixLookup(Inode inode, Cookie cookie, std::span<std::byte> storage) {
  unix_diag_req body = {};
  body.sdiag_family = AF_UNIX;
  body.udiag_states = StateSet::All().bits();
  body.udiag_ino = inode.value();
  body.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS | UDIAG_SHOW_PEER | UDIAG_SHOW_ICONS |
                    UDIAG_SHOW_RQLEN | UDIAG_SHOW_MEMINFO | UDIAG_SHOW_UID;
  // A cookie of 0 is unknown, which the kernel spells as all ones (INET_DIAG_NOCOOKIE).
  const uint64_t wanted = cookie == Cookie() ? ~uint64_t{0} : cookie.value();
  body.udiag_cookie[0] = static_cast<uint32_t>(wanted);
  body.udiag_cookie[1] = static_cast<uint32_t>(wanted >> 32);
  return RequestBuilder(storage).Header(netlink::abi::kSockDiagByFamily, 0).Put(body).Finish();
}

}  // namespace netdiag::internal
