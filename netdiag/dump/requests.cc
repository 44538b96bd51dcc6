// Tested by tests/dump/requests_test.cc.

#include "netdiag/dump/requests.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "netdiag/dump/dump_request.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/netlink/request_builder.h"
#include "netdiag/types/error.h"
#include "netdiag/types/proc_file.h"

namespace netdiag::internal {
namespace {

using netlink::kFlagDump;
using netlink::RequestBuilder;

// The bits of idiag_ext. Extensions from 8 on belong to other families' requests.
uint8_t InetExtensions(ExtensionSet extensions) {
  return static_cast<uint8_t>(extensions.bits() & 0x7f);
}

// The states in the kernel's numbers. The bits of states that TCP does not have stay here.
uint32_t KernelStates(const DumpRequest& request) {
  const StateSet states = request.states;
  const uint32_t bits = states.bits() & ((uint32_t{1} << kStateCount) - 1);
  switch (request.table.protocol) {
    case Protocol::kSctp: {
      // The kernel knows two questions: listening endpoints, and associations behind their
      // endpoints, in whatever state (sctp_diag_dump()). A socket in CLOSE is told as the endpoint
      // of associations only.
      const StateSet others = states - State::kListen;
      return (states & State::kListen).bits() |
             (others.empty() ? StateSet::None() : StateSet(State::kEstablished)).bits();
    }
    case Protocol::kDccp: {
      // The two numbers behind TCP's; BoundInactive is one of TCP's from 6.8 on. Source: enum
      // dccp_state, include/linux/dccp.h.
      const int part_open = KernelIsAtLeast(6, 8) ? kStateCount : kStateCount - 1;
      const uint32_t of_tcp = bits & ((uint32_t{1} << part_open) - 1);
      return of_tcp | uint32_t{states.contains(State::kPartOpen)} << part_open |
             uint32_t{states.contains(State::kPassiveCloseRequest)} << (part_open + 1);
    }
    default:
      return bits;
  }
}

inet_diag_sockid Ports(const DumpRequest& request) {
  inet_diag_sockid id = {};
  id.idiag_sport = request.source_port.ToNetwork();
  id.idiag_dport = request.destination_port.ToNetwork();
  return id;
}

// The nested attribute that asks for BPF storages: of the given maps, or of all if it is empty.
void PutBpfStorages(const DumpRequest& request, RequestBuilder* builder) {
  if (!request.extensions.contains(Extension::kBpfStorages)) return;
  struct MapFd {
    netlink::AttrHeader header;
    int32_t fd;
  };
  std::array<MapFd, kMaxBpfMaps> maps = {};
  for (size_t i = 0; i < request.bpf_maps.size(); ++i) {
    maps[i] = {{sizeof(MapFd), SK_DIAG_BPF_STORAGE_REQ_MAP_FD}, request.bpf_maps[i]};
  }
  builder->Attribute(INET_DIAG_REQ_SK_BPF_STORAGES | netlink::kAttrNested,
                     std::as_bytes(std::span(maps).first(request.bpf_maps.size())));
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

// The rows of each of the three passes have another length, so the datagrams of the passes end at
// different sockets. The second and the third pass together have the attributes of the first.
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
    // The first version of inet_diag's request dumps both families at once. It means TCP unless an
    // attribute names another protocol; kernels before 5.9 do not read the attribute.
    inet_diag_req legacy = {};
    legacy.idiag_family = AF_INET;
    legacy.idiag_ext = InetExtensions(request.extensions);
    legacy.id = Ports(request);
    legacy.idiag_states = KernelStates(request);
    builder->Header(netlink::abi::kTcpDiagGetSock, kFlagDump).Put(legacy);
    if (request.table.protocol != Protocol::kTcp) PutProtocol(request, builder);
    PutBytecode(request, builder);
    PutBpfStorages(request, builder);
    return;
  }
  inet_diag_req_v2 body = {};
  body.sdiag_family = request.table.families.contains(Family::kInet6) ? AF_INET6 : AF_INET;
  // MPTCP's number has nine bits, so an attribute carries it. The field stays 0: a kernel that does
  // not read the attribute then finds no protocol. The lower eight bits alone would name TCP.
  const bool wide = static_cast<uint16_t>(request.table.protocol) > UINT8_MAX;
  body.sdiag_protocol = wide ? 0 : static_cast<uint8_t>(request.table.protocol);
  body.idiag_ext = InetExtensions(request.extensions);
  body.idiag_states = KernelStates(request);
  body.id = Ports(request);
  builder->Header(netlink::abi::kSockDiagByFamily, kFlagDump).Put(body);
  if (wide) PutProtocol(request, builder);
  PutBytecode(request, builder);
  PutBpfStorages(request, builder);
}

void PutUnix(const DumpRequest& request, Detail detail, RequestBuilder* builder) {
  unix_diag_req body = {};
  body.sdiag_family = AF_UNIX;
  body.udiag_states = KernelStates(request);
  // Never UDIAG_SHOW_ICONS: a list that does not fit into a datagram ends the whole dump without an
  // error.
  body.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN | UDIAG_SHOW_UID;
  if (request.extensions.contains(Extension::kSocketMemory)) body.udiag_show |= UDIAG_SHOW_MEMINFO;
  if (request.extensions.contains(Extension::kUnixFile)) body.udiag_show |= UDIAG_SHOW_VFS;
  if (detail == Detail::kKeys) body.udiag_show = UDIAG_SHOW_NAME;
  builder->Header(netlink::abi::kSockDiagByFamily, kFlagDump).Put(body);
}

void PutVsock(const DumpRequest& request, RequestBuilder* builder) {
  vsock_diag_req body = {};
  body.sdiag_family = AF_VSOCK;
  body.vdiag_states = request.states.bits();
  builder->Header(netlink::abi::kSockDiagByFamily, kFlagDump).Put(body);
}

// The kernel sends every attribute. A socket of another state comes as a message without any.
void PutTipc(const DumpRequest& request, RequestBuilder* builder) {
  tipc_sock_diag_req body = {};
  body.sdiag_family = AF_TIPC;
  body.tidiag_states = request.states.bits();
  builder->Header(netlink::abi::kSockDiagByFamily, kFlagDump).Put(body);
}

void PutXdp(Detail detail, RequestBuilder* builder) {
  xdp_diag_req body = {};
  body.sdiag_family = AF_XDP;
  if (detail == Detail::kAll) {
    // Kernels before 5.9 ignore XDP_SHOW_STATS.
    body.xdiag_show =
        XDP_SHOW_INFO | XDP_SHOW_RING_CFG | XDP_SHOW_UMEM | XDP_SHOW_MEMINFO | XDP_SHOW_STATS;
  }
  builder->Header(netlink::abi::kSockDiagByFamily, kFlagDump).Put(body);
}

// The kernel tests neither states nor ports, and always sends what is not asked for by a bit.
void PutSmc(const DumpRequest& request, Detail detail, RequestBuilder* builder) {
  constexpr auto kBit = [](int attribute) { return 1 << (attribute - 1); };
  smc_diag_req body = {};
  body.diag_family = AF_SMC;
  if (detail == Detail::kAll && request.extensions.contains(Extension::kInfo)) {
    body.diag_ext = kBit(SMC_DIAG_CONNINFO) | kBit(SMC_DIAG_LGRINFO) | kBit(SMC_DIAG_DMBINFO);
  }
  builder->Header(netlink::abi::kSockDiagByFamily, kFlagDump).Put(body);
}

// The bytes go out as they are (Conn::Write), so the sequence number is filled in here.
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

inet_diag_req_v2 BodyOf(const InetSocketId& socket, uint8_t protocol) {
  inet_diag_req_v2 body = {};
  body.sdiag_family = socket.family;
  body.sdiag_protocol = protocol;
  static_assert(sizeof(body.id) == InetSocketId::kSize);
  std::memcpy(&body.id, socket.id.data(), sizeof(body.id));
  return body;
}

// The kernel finds a raw socket by its protocol too, which it reads in the place of the padding
// (struct inet_diag_req_raw). Rows have it in the place of the local port.
inet_diag_req_v2 RawBodyOf(const InetName& socket) {
  inet_diag_req_v2 body = BodyOf(IdOf(socket), IPPROTO_RAW);
  body.pad = static_cast<uint8_t>(socket.local.port.value());
  return body;
}

}  // namespace

bool OneDumpCoversBothFamilies(Protocol protocol) {
  if (protocol == Protocol::kTcp) return true;
  if (protocol != Protocol::kUdp && protocol != Protocol::kUdpLite) return false;
  return KernelIsAtLeast(5, 9);
}

bool TestsSockets(const DumpRequest& request) {
  return !request.bytecode.empty() || request.source_port != Port() ||
         request.destination_port != Port();
}

absl::StatusOr<Bytes> EncodeRequest(const DumpRequest& request, std::span<std::byte> storage) {
  return EncodeDump(request, Detail::kAll, 0, storage);
}

absl::StatusOr<Bytes> EncodeDump(const DumpRequest& request, Detail detail, size_t pass,
                                 std::span<std::byte> storage) {
  const Protocol protocol = request.table.protocol;
  if (Describe(protocol).kernel_option.empty()) {
    return ErrnoError(EOPNOTSUPP, "socket_diag request " + Text(request.table));
  }
  // Such a request names its protocol in an attribute only. A kernel that ignores the attribute
  // would answer with TCP.
  if (BothFamilies(request.table) && !OneDumpCoversBothFamilies(protocol)) {
    return BadInput("socket_diag request", Text(request.table),
                    "this kernel dumps one family at a time");
  }
  // An older kernel skips the attribute that it does not know, and reports no storages.
  if (request.extensions.contains(Extension::kBpfStorages) && IsInet(protocol) &&
      !KernelIsAtLeast(5, 7)) {
    return ErrnoError(EOPNOTSUPP, "socket_diag request " + Text(request.table),
                      "this kernel does not report BPF storages; 5.7 does");
  }
  if (request.bpf_maps.size() > kMaxBpfMaps) {
    return BadInput("socket_diag request", std::to_string(request.bpf_maps.size()) + " BPF maps",
                    "at most " + std::to_string(kMaxBpfMaps) + " can be asked for");
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
    case Protocol::kVsock:
      PutVsock(request, &builder);
      break;
    case Protocol::kTipc:
      PutTipc(request, &builder);
      break;
    case Protocol::kXdp:
      PutXdp(detail, &builder);
      break;
    case Protocol::kSmc:
      PutSmc(request, detail, &builder);
      break;
    default:
      PutInet(request, &builder);
  }
  return builder.Finish();
}

void AssemblePorts(std::span<const Port> ports, BytecodeAssembler* assembler,
                   std::vector<std::byte>* program) {
  program->clear();
  if (ports.empty()) return;
  for (size_t i = 0; i < ports.size(); ++i) {
    const bool last = i + 1 == ports.size();
    const auto next = last ? assembler->reject() : assembler->NewLabel();
    const inet_diag_bc_op port = {0, 0, ports[i].value()};
    assembler->Put(INET_DIAG_BC_S_EQ, std::as_bytes(std::span(&port, 1)), next);
    if (last) break;
    assembler->Put(INET_DIAG_BC_JMP, {}, assembler->accept());
    assembler->Bind(next);
  }
  assembler->Finish(program);
}

InetSocketId IdOf(const InetName& name) {
  inet_diag_sockid id = {};
  id.idiag_sport = name.local.port.ToNetwork();
  id.idiag_dport = name.remote.port.ToNetwork();
  const std::span<const uint8_t> local = name.local.address.octets();
  const std::span<const uint8_t> remote = name.remote.address.octets();
  std::memcpy(id.idiag_src, local.data(), local.size());
  std::memcpy(id.idiag_dst, remote.data(), remote.size());
  id.idiag_if = name.interface.value();
  if (name.cookie) {
    id.idiag_cookie[0] = static_cast<uint32_t>(name.cookie->value());
    id.idiag_cookie[1] = static_cast<uint32_t>(name.cookie->value() >> 32);
  } else {
    id.idiag_cookie[0] = id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  }
  InetSocketId socket;
  socket.family = static_cast<uint8_t>(name.local.address.family());
  static_assert(sizeof(id) == InetSocketId::kSize);
  std::memcpy(socket.id.data(), &id, sizeof(id));
  return socket;
}

absl::Status AppendTcpLookup(const InetSocketId& socket, ExtensionSet extensions, uint32_t sequence,
                             std::vector<std::byte>* out) {
  inet_diag_req_v2 body = BodyOf(socket, IPPROTO_TCP);
  body.idiag_ext = InetExtensions(extensions);
  return AppendNumbered(body, sequence, out);
}

absl::StatusOr<Bytes> EncodeUnixLookup(Inode inode, Cookie cookie, std::span<std::byte> storage) {
  unix_diag_req body = {};
  body.sdiag_family = AF_UNIX;
  body.udiag_states = StateSet::OfTcp().bits();
  body.udiag_ino = inode.value();
  body.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_VFS | UDIAG_SHOW_PEER | UDIAG_SHOW_ICONS |
                    UDIAG_SHOW_RQLEN | UDIAG_SHOW_MEMINFO | UDIAG_SHOW_UID;
  // The kernel writes "any cookie" as all ones (INET_DIAG_NOCOOKIE).
  const uint64_t value = cookie == Cookie() ? ~uint64_t{0} : cookie.value();
  body.udiag_cookie[0] = static_cast<uint32_t>(value);
  body.udiag_cookie[1] = static_cast<uint32_t>(value >> 32);
  return RequestBuilder(storage).Header(netlink::abi::kSockDiagByFamily, 0).Put(body).Finish();
}

absl::StatusOr<Bytes> EncodeRawLookup(const InetName& socket, std::span<std::byte> storage) {
  return RequestBuilder(storage)
      .Header(netlink::abi::kSockDiagByFamily, 0)
      .Put(RawBodyOf(socket))
      .Finish();
}

absl::StatusOr<Bytes> EncodeDestroy(Protocol protocol, const InetName& socket,
                                    std::span<std::byte> storage) {
  if (static_cast<uint16_t>(protocol) > UINT8_MAX || !IsInet(protocol)) {
    return ErrnoError(EOPNOTSUPP, "SOCK_DESTROY", "no kernel can close these sockets");
  }
  const inet_diag_req_v2 body = protocol == Protocol::kRaw
                                    ? RawBodyOf(socket)
                                    : BodyOf(IdOf(socket), static_cast<uint8_t>(protocol));
  return RequestBuilder(storage).Header(SOCK_DESTROY, netlink::kFlagAck).Put(body).Finish();
}

}  // namespace netdiag::internal
