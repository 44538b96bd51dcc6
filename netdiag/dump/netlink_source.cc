// Dump requests and the kernel's answers. Tested by tests/dump/netlink_source_test.cc.

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>

#include "absl/container/inlined_vector.h"

#include "netdiag/dump/source.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/types/error.h"

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

// What a dump's pass shows of a packet socket. The first may end early, at a list that is too long
// for a datagram; the second has nothing of that kind.
uint32_t PacketShow(ExtensionSet extensions, size_t pass) {
  uint32_t show =
      PACKET_SHOW_INFO | PACKET_SHOW_RING_CFG | PACKET_SHOW_FANOUT | PACKET_SHOW_MEMINFO;
  if (pass > 0) return show;
  if (extensions.contains(Extension::kPacketFilter)) show |= PACKET_SHOW_FILTER;
  if (extensions.contains(Extension::kPacketMemberships)) show |= PACKET_SHOW_MCLIST;
  return show;
}

void PutPacket(const DumpRequest& request, size_t pass, RequestBuilder* builder) {
  packet_diag_req body = {};
  body.sdiag_family = AF_PACKET;
  body.pdiag_show = PacketShow(request.extensions, pass);
  builder->Header(netlink::abi::kSockDiagByFamily, kFlagDump).Put(body);
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
    // The first inet_diag's request walks both families at once; only TCP answers to it on every
    // kernel.
    inet_diag_req legacy = {};
    legacy.idiag_family = AF_INET;
    legacy.idiag_ext = InetExtensions(request.extensions);
    legacy.id = Ports(request);
    legacy.idiag_states = request.states.bits();
    builder->Header(netlink::abi::kTcpDiagGetSock, kFlagDump).Put(legacy);
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
  if (wide) {
    builder->Attribute(INET_DIAG_REQ_PROTOCOL,
                       uint32_t{static_cast<uint16_t>(request.table.protocol)});
  }
  PutBytecode(request, builder);
}

void PutUnix(const DumpRequest& request, RequestBuilder* builder) {
  unix_diag_req body = {};
  body.sdiag_family = AF_UNIX;
  body.udiag_states = request.states.bits();
  // Never UDIAG_SHOW_ICONS: a list that does not fit into a datagram ends the whole dump, silently.
  body.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN | UDIAG_SHOW_UID;
  if (request.extensions.contains(Extension::kSocketMemory)) body.udiag_show |= UDIAG_SHOW_MEMINFO;
  if (request.extensions.contains(Extension::kUnixFile)) body.udiag_show |= UDIAG_SHOW_VFS;
  builder->Header(netlink::abi::kSockDiagByFamily, kFlagDump).Put(body);
}

absl::StatusOr<Bytes> EncodePass(const DumpRequest& request, size_t pass,
                                 std::span<std::byte> storage) {
  const Protocol protocol = request.table.protocol;
  if (Describe(protocol).kernel_option.empty()) {
    return ErrnoError(EOPNOTSUPP, "socket_diag request " + Text(request.table));
  }
  // The legacy request names no protocol: it would be answered with TCP.
  if (protocol != Protocol::kTcp && BothFamilies(request.table)) {
    return BadInput("socket_diag request", Text(request.table), "one family at a time");
  }
  RequestBuilder builder(storage);
  switch (protocol) {
    case Protocol::kUnix:
      PutUnix(request, &builder);
      break;
    case Protocol::kPacket:
      PutPacket(request, pass, &builder);
      break;
    case Protocol::kNetlink:
      PutNetlink(pass, &builder);
      break;
    default:
      PutInet(request, &builder);
  }
  return builder.Finish();
}

}  // namespace

absl::StatusOr<Bytes> EncodeRequest(const DumpRequest& request, std::span<std::byte> storage) {
  return EncodePass(request, 0, storage);
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
  std::array<std::byte, netlink::kHeaderSize + sizeof(body)> storage;
  NETDIAG_ASSIGN_OR_RETURN(
      const Bytes bytes,
      RequestBuilder(storage).Header(netlink::abi::kSockDiagByFamily, 0).Put(body).Finish());
  // Written as it is (Conn::Write), so the number is filled in here.
  std::memcpy(&storage[offsetof(netlink::Header, sequence)], &sequence, sizeof(sequence));
  out->insert(out->end(), bytes.begin(), bytes.end());
  return absl::OkStatus();
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

NetlinkSource::NetlinkSource(netlink::Conn* conn, const DumpRequest& request)
    : conn_(conn), request_(request) {
  const bool lists = PacketShow(request.extensions, 0) != PacketShow(request.extensions, 1);
  if (request.table.protocol == Protocol::kNetlink ||
      (request.table.protocol == Protocol::kPacket && lists)) {
    passes_ = std::make_unique<Passes>(request.table.protocol);
  }
}

absl::Status NetlinkSource::Begin(const netlink::CallOptions& options) {
  foreign_before_ = conn_->stats().foreign;
  return SendPass(options);
}

absl::Status NetlinkSource::SendPass(const netlink::CallOptions& options) {
  absl::InlinedVector<std::byte, kMaxRequest> storage(kMaxRequest + request_.bytecode.size());
  const size_t pass = passes_ != nullptr ? passes_->pass() : 0;
  NETDIAG_ASSIGN_OR_RETURN(const Bytes bytes,
                           EncodePass(request_, pass, std::span(storage.data(), storage.size())));
  return conn_->Send(bytes, options).status();
}

absl::StatusOr<netlink::Ready> NetlinkSource::Step(Wait wait, const netlink::CallOptions& options,
                                                   MessageVisitor visitor) {
  const auto receive = [&](MessageVisitor visit) {
    return wait == Wait::kBlock ? conn_->Receive(visit, options) : conn_->TryReceive(visit);
  };
  if (passes_ == nullptr) return receive(visitor);
  passes_->BeginDatagram();
  NETDIAG_ASSIGN_OR_RETURN(
      const netlink::Ready ready,
      receive([&](const netlink::Message& message) { return passes_->Add(message, visitor); }));
  if (ready != netlink::Ready::kDone || passes_->stopped()) return ready;
  switch (passes_->EndPass(visitor)) {
    case Passes::Next::kAgain:
      NETDIAG_RETURN_IF_ERROR(SendPass(options));
      return netlink::Ready::kSome;
    case Passes::Next::kUnsettled:
      return KernelError(
          EAGAIN, "dump",
          {"sockets came and went during every walk, and each walk leaves out a few; "
           "some may be missing",
           std::nullopt});
    case Passes::Next::kDone:
      break;
  }
  return netlink::Ready::kDone;
}

SourceStats NetlinkSource::stats() const {
  SourceStats stats;
  stats.foreign = conn_->stats().foreign - foreign_before_;
  stats.interrupted = conn_->progress().interrupted;
  return stats;
}

}  // namespace netdiag::internal
