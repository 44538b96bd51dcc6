// Requests, byte by byte against the kernel's structs.

#include "netdiag/dump/requests.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/dump/bytecode.h"
#include "netdiag/dump/dump_request.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/types/error.h"
#include "netdiag/types/proc_file.h"
#include "tests/testing/fake_kernel.h"
#include "tests/testing/messages.h"
#include "tests/testing/status_matchers.h"

namespace netdiag::internal {
namespace {

using testing::ErrnoIs;
using testing::HeaderOf;
using testing::IsOk;
using testing::Packet;

constexpr Extension kExtensions[] = {
    Extension::kMemory,           Extension::kInfo,
    Extension::kCongestionDetail, Extension::kTos,
    Extension::kTrafficClass,     Extension::kSocketMemory,
    Extension::kCongestion,       Extension::kUnixFile,
    Extension::kPacketFilter,     Extension::kPacketMemberships,
};

Packet Encode(const DumpRequest& request) {
  std::array<std::byte, 128> storage;
  storage.fill(std::byte{0xee});
  const absl::StatusOr<Bytes> bytes = EncodeRequest(request, storage);
  EXPECT_THAT(bytes, IsOk());
  return bytes.ok() ? Packet(bytes->begin(), bytes->end()) : Packet();
}

// The request that the kernel's headers describe.
template <class Body>
Packet Expected(uint16_t type, const Body& body, uint16_t flags = NLM_F_REQUEST | NLM_F_DUMP) {
  nlmsghdr header = {};
  header.nlmsg_len = NLMSG_LENGTH(sizeof(Body));
  header.nlmsg_type = type;
  header.nlmsg_flags = flags;
  Packet packet(sizeof(header) + sizeof(body));
  std::memcpy(packet.data(), &header, sizeof(header));
  std::memcpy(packet.data() + sizeof(header), &body, sizeof(body));
  return packet;
}

// The bits of the kernel's states: the other ones are this library's.
uint32_t Bits(StateSet states) { return states.bits() & 0x3fff; }

uint8_t IdiagExt(ExtensionSet extensions) {
  uint8_t bits = 0;
  const struct {
    Extension extension;
    int attribute;
  } kBits[] = {
      {Extension::kMemory, INET_DIAG_MEMINFO},
      {Extension::kInfo, INET_DIAG_INFO},
      {Extension::kCongestionDetail, INET_DIAG_VEGASINFO},
      {Extension::kCongestion, INET_DIAG_CONG},
      {Extension::kTos, INET_DIAG_TOS},
      {Extension::kTrafficClass, INET_DIAG_TCLASS},
      {Extension::kSocketMemory, INET_DIAG_SKMEMINFO},
  };
  for (const auto& row : kBits) {
    if (extensions.contains(row.extension)) {
      bits = static_cast<uint8_t>(bits | 1 << (row.attribute - 1));
    }
  }
  return bits;
}

std::vector<DumpRequest> EveryCombination(const Table& table) {
  std::vector<ExtensionSet> extensions = {{}};
  ExtensionSet all;
  for (Extension each : kExtensions) {
    extensions.emplace_back(each);
    all |= each;
  }
  extensions.push_back(all);
  std::vector<DumpRequest> requests;
  for (StateSet states : {StateSet::None(), StateSet(State::kListen), StateSet::All()}) {
    for (ExtensionSet each : extensions) {
      for (int ports = 0; ports < 4; ++ports) {
        requests.push_back({.table = table,
                            .states = states,
                            .extensions = each,
                            .source_port = Port::FromHost((ports & 1) != 0 ? 0x0102 : 0),
                            .destination_port = Port::FromHost((ports & 2) != 0 ? 0x0304 : 0)});
      }
    }
  }
  return requests;
}

inet_diag_sockid Ports(const DumpRequest& request) {
  inet_diag_sockid id = {};
  id.idiag_sport = htons(request.source_port.value());
  id.idiag_dport = htons(request.destination_port.value());
  return id;
}

TEST(EncodeRequest, AsksForOneFamilyWithTheSecondVersion) {
  for (Protocol protocol : {Protocol::kTcp, Protocol::kUdp}) {
    for (Family family : {Family::kInet, Family::kInet6}) {
      for (const DumpRequest& request : EveryCombination({protocol, family, {}})) {
        inet_diag_req_v2 body = {};
        body.sdiag_family = family == Family::kInet ? AF_INET : AF_INET6;
        body.sdiag_protocol = protocol == Protocol::kTcp ? IPPROTO_TCP : IPPROTO_UDP;
        body.idiag_ext = IdiagExt(request.extensions);
        body.idiag_states = Bits(request.states);
        body.id = Ports(request);
        EXPECT_EQ(Encode(request), Expected(SOCK_DIAG_BY_FAMILY, body));
      }
    }
  }
}

TEST(EncodeRequest, AsksForBothFamiliesOfTcpWithTheFirstVersion) {
  for (const DumpRequest& request :
       EveryCombination({Protocol::kTcp, {Family::kInet, Family::kInet6}, {}})) {
    inet_diag_req body = {};
    body.idiag_family = AF_INET;
    body.idiag_ext = IdiagExt(request.extensions);
    body.idiag_states = Bits(request.states);
    body.id = Ports(request);
    EXPECT_EQ(Encode(request), Expected(TCPDIAG_GETSOCK, body));
  }
}

// The first version names a protocol in an attribute only (5.9).
TEST(EncodeRequest, AsksForBothFamiliesOfUdpByAnAttribute) {
  ASSERT_TRUE(OneDumpCoversBothFamilies(Protocol::kUdp)) << "this kernel is older than 5.9";
  for (Protocol protocol : {Protocol::kUdp, Protocol::kUdpLite}) {
    const Table table = {protocol, {Family::kInet, Family::kInet6}, {}};
    inet_diag_req body = {};
    body.idiag_family = AF_INET;
    body.idiag_states = 0xfff;
    Packet expected = Expected(TCPDIAG_GETSOCK, body);
    const Packet attribute = testing::Attribute(
        INET_DIAG_REQ_PROTOCOL, testing::Raw(uint32_t{static_cast<uint16_t>(protocol)}));
    expected.insert(expected.end(), attribute.begin(), attribute.end());
    const auto length = static_cast<uint32_t>(expected.size());
    std::memcpy(expected.data(), &length, sizeof(length));
    EXPECT_EQ(Encode({table, StateSet::SsAll(), {}, {}, {}}), expected) << Text(table);
  }
}

TEST(EncodeRequest, RefusesBothFamiliesOfOtherProtocols) {
  std::array<std::byte, 128> storage;
  for (Protocol protocol : {Protocol::kRaw, Protocol::kMptcp, Protocol::kSctp, Protocol::kDccp}) {
    EXPECT_FALSE(OneDumpCoversBothFamilies(protocol));
    const Table table = {protocol, {Family::kInet, Family::kInet6}, {}};
    EXPECT_THAT(EncodeRequest({table, {}, {}, {}, {}}, storage), ErrnoIs(EINVAL));
  }
}

TEST(EncodeRequest, NeverAsksForPendingConnections) {
  for (const DumpRequest& request : EveryCombination({Protocol::kUnix, Family::kUnix, {}})) {
    unix_diag_req body = {};
    body.sdiag_family = AF_UNIX;
    body.udiag_states = Bits(request.states);
    body.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN | UDIAG_SHOW_UID;
    if (request.extensions.contains(Extension::kSocketMemory)) {
      body.udiag_show |= UDIAG_SHOW_MEMINFO;
    }
    if (request.extensions.contains(Extension::kUnixFile)) body.udiag_show |= UDIAG_SHOW_VFS;
    ASSERT_EQ(body.udiag_show & UDIAG_SHOW_ICONS, 0u);
    EXPECT_EQ(Encode(request), Expected(SOCK_DIAG_BY_FAMILY, body));
  }
}

// A kernel that does not read the attribute must not find the protocol of the lower eight bits.
TEST(EncodeRequest, NamesAProtocolOfNineBitsInAnAttribute) {
  for (Family family : {Family::kInet, Family::kInet6}) {
    for (const DumpRequest& request : EveryCombination({Protocol::kMptcp, family, {}})) {
      struct {
        inet_diag_req_v2 body = {};
        nlattr attribute = {8, INET_DIAG_REQ_PROTOCOL};
        uint32_t protocol = 262;
      } expected;
      expected.body.sdiag_family = family == Family::kInet ? AF_INET : AF_INET6;
      expected.body.sdiag_protocol = 0;
      expected.body.idiag_ext = IdiagExt(request.extensions);
      expected.body.idiag_states = Bits(request.states);
      expected.body.id = Ports(request);
      EXPECT_EQ(Encode(request), Expected(SOCK_DIAG_BY_FAMILY, expected));
    }
  }
}

TEST(EncodeRequest, AsksForRawAndUdpLiteByTheirNumbers) {
  for (const auto& [protocol, number] :
       {std::pair{Protocol::kRaw, IPPROTO_RAW}, {Protocol::kUdpLite, IPPROTO_UDPLITE}}) {
    for (const DumpRequest& request : EveryCombination({protocol, Family::kInet6, {}})) {
      inet_diag_req_v2 body = {};
      body.sdiag_family = AF_INET6;
      body.sdiag_protocol = static_cast<uint8_t>(number);
      body.idiag_ext = IdiagExt(request.extensions);
      body.idiag_states = Bits(request.states);
      body.id = Ports(request);
      EXPECT_EQ(Encode(request), Expected(SOCK_DIAG_BY_FAMILY, body));
    }
  }
}

// The kernel gives listening endpoints, or associations of any state behind their endpoints, which
// can be in CLOSE.
TEST(EncodeRequest, AsksForListenersOrAssociationsOfSctp) {
  const struct {
    StateSet states;
    uint32_t bits;
  } kStates[] = {
      {StateSet::None(), 0},
      {State::kListen, 1u << 10},
      {State::kClose, 1u << 1},
      {State::kEstablished, 1u << 1},
      {State::kCookieWait, 1u << 1},
      {StateSet::OfSctpOnly(), 1u << 1},
      {StateSet(State::kListen) | State::kShutdownSent, 1u << 10 | 1u << 1},
      {StateSet::All(), 1u << 10 | 1u << 1},
  };
  for (const auto& row : kStates) {
    for (DumpRequest request : EveryCombination({Protocol::kSctp, Family::kInet6, {}})) {
      request.states = row.states;
      inet_diag_req_v2 body = {};
      body.sdiag_family = AF_INET6;
      body.sdiag_protocol = IPPROTO_SCTP;
      body.idiag_ext = IdiagExt(request.extensions);
      body.idiag_states = row.bits;
      body.id = Ports(request);
      EXPECT_EQ(Encode(request), Expected(SOCK_DIAG_BY_FAMILY, body));
    }
  }
}

// The numbers of the two states behind TCP's depend on the kernel.
TEST(EncodeRequest, AsksForTheStatesOfDccpByTheKernelsNumbers) {
  const int part_open = KernelIsAtLeast(6, 8) ? 14 : 13;
  const struct {
    StateSet states;
    uint32_t bits;
  } kStates[] = {
      {StateSet::None(), 0},
      {State::kListen, 1u << 10},
      {State::kPartOpen, 1u << part_open},
      {State::kPassiveCloseRequest, 2u << part_open},
      {State::kBoundInactive, part_open == 14 ? 1u << 13 : 0},
      {StateSet::SsAll(), 0xfffu | 3u << part_open},
  };
  for (const auto& row : kStates) {
    for (DumpRequest request : EveryCombination({Protocol::kDccp, Family::kInet, {}})) {
      request.states = row.states;
      inet_diag_req_v2 body = {};
      body.sdiag_family = AF_INET;
      body.sdiag_protocol = IPPROTO_DCCP;
      body.idiag_ext = IdiagExt(request.extensions);
      body.idiag_states = row.bits;
      body.id = Ports(request);
      EXPECT_EQ(Encode(request), Expected(SOCK_DIAG_BY_FAMILY, body));
    }
  }
}

TEST(EncodeRequest, AsksForPacketSocketsWithoutListsUnlessAskedFor) {
  for (const DumpRequest& request : EveryCombination({Protocol::kPacket, Family::kPacket, {}})) {
    packet_diag_req body = {};
    body.sdiag_family = AF_PACKET;
    body.pdiag_show =
        PACKET_SHOW_INFO | PACKET_SHOW_RING_CFG | PACKET_SHOW_FANOUT | PACKET_SHOW_MEMINFO;
    if (request.extensions.contains(Extension::kPacketFilter)) {
      body.pdiag_show |= PACKET_SHOW_FILTER;
    }
    if (request.extensions.contains(Extension::kPacketMemberships)) {
      body.pdiag_show |= PACKET_SHOW_MCLIST;
    }
    EXPECT_EQ(Encode(request), Expected(SOCK_DIAG_BY_FAMILY, body));
  }
}

TEST(EncodeRequest, AsksForNetlinkSocketsOfEveryProtocolWithFlags) {
  for (const DumpRequest& request : EveryCombination({Protocol::kNetlink, Family::kNetlink, {}})) {
    netlink_diag_req body = {};
    body.sdiag_family = AF_NETLINK;
    body.sdiag_protocol = NDIAG_PROTO_ALL;
    body.ndiag_show = NDIAG_SHOW_MEMINFO | NDIAG_SHOW_GROUPS | NDIAG_SHOW_FLAGS;
    EXPECT_EQ(Encode(request), Expected(SOCK_DIAG_BY_FAMILY, body));
  }
}

TEST(EncodeRequest, AsksForVsockSocketsByState) {
  for (const DumpRequest& request : EveryCombination({Protocol::kVsock, Family::kVsock, {}})) {
    vsock_diag_req body = {};
    body.sdiag_family = AF_VSOCK;
    body.vdiag_states = request.states.bits();
    EXPECT_EQ(Encode(request), Expected(SOCK_DIAG_BY_FAMILY, body));
  }
}

TEST(EncodeRequest, AsksForTipcSocketsByState) {
  for (const DumpRequest& request : EveryCombination({Protocol::kTipc, Family::kTipc, {}})) {
    tipc_sock_diag_req body = {};
    body.sdiag_family = AF_TIPC;
    body.tidiag_states = request.states.bits();
    EXPECT_EQ(Encode(request), Expected(SOCK_DIAG_BY_FAMILY, body));
  }
}

TEST(EncodeRequest, AsksForEverythingOfXdpSockets) {
  for (const DumpRequest& request : EveryCombination({Protocol::kXdp, Family::kXdp, {}})) {
    xdp_diag_req body = {};
    body.sdiag_family = AF_XDP;
    body.xdiag_show = 0x1f;
    EXPECT_EQ(Encode(request), Expected(SOCK_DIAG_BY_FAMILY, body));
  }
}

TEST(EncodeRequest, AsksForConnectionsOfSmcOnlyIfAskedFor) {
  for (const DumpRequest& request : EveryCombination({Protocol::kSmc, Family::kSmc, {}})) {
    smc_diag_req body = {};
    body.diag_family = AF_SMC;
    // SMC_DIAG_CONNINFO, SMC_DIAG_LGRINFO and SMC_DIAG_DMBINFO.
    body.diag_ext = request.extensions.contains(Extension::kInfo) ? 0x0b : 0;
    EXPECT_EQ(Encode(request), Expected(SOCK_DIAG_BY_FAMILY, body));
  }
}

// The numbers that these requests begin with, as ss 6.1 and smcss send them.
TEST(EncodeRequest, BeginsWithTheNumbersOfTheFamilies) {
  const struct {
    Protocol protocol;
    Family family;
    int number;
    size_t size;
  } kRows[] = {{Protocol::kVsock, Family::kVsock, 0x28, 24},
               {Protocol::kTipc, Family::kTipc, 0x1e, 8},
               {Protocol::kXdp, Family::kXdp, 0x2c, 20},
               {Protocol::kSmc, Family::kSmc, 0x2b, 52}};
  for (const auto& row : kRows) {
    const Packet request = Encode({{row.protocol, row.family, {}}, StateSet::SsAll(), {}, {}, {}});
    ASSERT_EQ(request.size(), sizeof(nlmsghdr) + row.size);
    EXPECT_EQ(std::to_integer<int>(request[sizeof(nlmsghdr)]), row.number);
  }
}

TEST(EncodeDump, OfKeysHasNoAttributes) {
  std::array<std::byte, 128> storage;
  for (const auto& [protocol, family, offset] :
       {std::tuple(Protocol::kXdp, Family::kXdp, offsetof(xdp_diag_req, xdiag_show)),
        std::tuple(Protocol::kSmc, Family::kSmc, offsetof(smc_diag_req, diag_ext))}) {
    const DumpRequest request = {.table = {protocol, family, {}}, .extensions = Extension::kInfo};
    const absl::StatusOr<Bytes> bytes = EncodeDump(request, Detail::kKeys, 0, storage);
    ASSERT_THAT(bytes, IsOk());
    EXPECT_EQ((*bytes)[sizeof(nlmsghdr) + offset], std::byte{0});
  }
}

TEST(EncodeRequest, RefusesATableThatNoKernelDumps) {
  std::array<std::byte, 128> storage;
  EXPECT_THAT(EncodeRequest({{Protocol::kIcmp, Family::kInet, {}}, {}, {}, {}, {}}, storage),
              ErrnoIs(EOPNOTSUPP));
}

TEST(EncodeRequest, ReportsThatTheStorageIsTooSmall) {
  for (const Table& table :
       {Table{Protocol::kTcp, {Family::kInet, Family::kInet6}, {}},
        Table{Protocol::kUdp, Family::kInet, {}}, Table{Protocol::kUnix, Family::kUnix, {}},
        Table{Protocol::kMptcp, Family::kInet, {}}, Table{Protocol::kSctp, Family::kInet, {}},
        Table{Protocol::kPacket, Family::kPacket, {}},
        Table{Protocol::kNetlink, Family::kNetlink, {}},
        Table{Protocol::kVsock, Family::kVsock, {}}, Table{Protocol::kTipc, Family::kTipc, {}},
        Table{Protocol::kXdp, Family::kXdp, {}}, Table{Protocol::kSmc, Family::kSmc, {}}}) {
    const size_t size = Encode({table, StateSet::All(), {}, {}, {}}).size();
    Packet storage(size);
    EXPECT_THAT(EncodeRequest({table, {}, {}, {}, {}}, storage), IsOk());
    storage.pop_back();
    EXPECT_THAT(EncodeRequest({table, {}, {}, {}, {}}, storage), ErrnoIs(ENOBUFS));
  }
}

TEST(EncodeUnixLookup, AsksForOneSocketWithAllItsAttributes) {
  for (uint64_t cookie : {uint64_t{0}, uint64_t{0x0102030405060708}}) {
    std::array<std::byte, 128> storage;
    const absl::StatusOr<Bytes> bytes =
        EncodeUnixLookup(Inode(0x11121314), Cookie(cookie), storage);
    ASSERT_THAT(bytes, IsOk());
    unix_diag_req body = {};
    body.sdiag_family = AF_UNIX;
    body.udiag_states = 0x3ffe;
    body.udiag_ino = 0x11121314;
    body.udiag_show = 0x7f;
    body.udiag_cookie[0] = cookie == 0 ? ~0u : 0x05060708u;
    body.udiag_cookie[1] = cookie == 0 ? ~0u : 0x01020304u;
    EXPECT_EQ(Packet(bytes->begin(), bytes->end()),
              Expected(SOCK_DIAG_BY_FAMILY, body, NLM_F_REQUEST));
  }
}

// ---- Single sockets ----

const InetName kName = {{IpAddress::V4(192, 0, 2, 1), Port::FromHost(0x0102)},
                        {IpAddress::V4(192, 0, 2, 2), Port::FromHost(0x0304)},
                        IfIndex(5),
                        Cookie(0x0102030405060708)};

inet_diag_sockid ExpectedId() {
  inet_diag_sockid id = {};
  id.idiag_sport = htons(0x0102);
  id.idiag_dport = htons(0x0304);
  id.idiag_src[0] = htonl(0xc0000201);
  id.idiag_dst[0] = htonl(0xc0000202);
  id.idiag_if = 5;
  id.idiag_cookie[0] = 0x05060708;
  id.idiag_cookie[1] = 0x01020304;
  return id;
}

TEST(AppendTcpLookup, NamesTheSocketInEveryField) {
  std::vector<std::byte> batch;
  ASSERT_THAT(AppendTcpLookup(IdOf(kName), Extension::kInfo, 1, &batch), IsOk());
  InetName any_cookie = kName;
  any_cookie.cookie.reset();
  ASSERT_THAT(AppendTcpLookup(IdOf(any_cookie), {}, 2, &batch), IsOk());

  inet_diag_req_v2 body = {};
  body.sdiag_family = AF_INET;
  body.sdiag_protocol = IPPROTO_TCP;
  body.idiag_ext = IdiagExt(Extension::kInfo);
  body.id = ExpectedId();
  Packet first = Expected(SOCK_DIAG_BY_FAMILY, body, NLM_F_REQUEST);
  first[offsetof(nlmsghdr, nlmsg_seq)] = std::byte{1};
  body.idiag_ext = 0;
  body.id.idiag_cookie[0] = body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  Packet second = Expected(SOCK_DIAG_BY_FAMILY, body, NLM_F_REQUEST);
  second[offsetof(nlmsghdr, nlmsg_seq)] = std::byte{2};
  EXPECT_EQ(batch, testing::Join({first, second}));
}

TEST(EncodeDestroy, NamesTheSocketInEveryField) {
  for (const auto& [protocol, number] : {std::pair{Protocol::kTcp, IPPROTO_TCP},
                                         {Protocol::kUdp, IPPROTO_UDP},
                                         {Protocol::kRaw, IPPROTO_RAW}}) {
    SCOPED_TRACE(Names(protocol).word);
    std::array<std::byte, kMaxRequest> storage;
    const absl::StatusOr<Bytes> bytes = EncodeDestroy(protocol, kName, storage);
    ASSERT_THAT(bytes, IsOk());
    inet_diag_req_v2 body = {};
    body.sdiag_family = AF_INET;
    body.sdiag_protocol = static_cast<uint8_t>(number);
    // A raw socket's protocol, which is in the place of its port (struct inet_diag_req_raw).
    if (protocol == Protocol::kRaw) body.pad = static_cast<uint8_t>(kName.local.port.value());
    body.id = ExpectedId();
    EXPECT_EQ(Packet(bytes->begin(), bytes->end()),
              Expected(SOCK_DESTROY, body, NLM_F_REQUEST | NLM_F_ACK));
  }
}

TEST(EncodeRawLookup, NamesTheSocketInEveryField) {
  std::array<std::byte, kMaxRequest> storage;
  const absl::StatusOr<Bytes> bytes = EncodeRawLookup(kName, storage);
  ASSERT_THAT(bytes, IsOk());
  inet_diag_req_raw body = {};
  body.sdiag_family = AF_INET;
  body.sdiag_protocol = IPPROTO_RAW;
  body.sdiag_raw_protocol = static_cast<uint8_t>(kName.local.port.value());
  body.id = ExpectedId();
  EXPECT_EQ(Packet(bytes->begin(), bytes->end()),
            Expected(SOCK_DIAG_BY_FAMILY, body, NLM_F_REQUEST));
}

// Cookie 0 is no wildcard here: it must not close whatever socket has the name.
TEST(EncodeDestroy, SendsACookieOfZeroAsItIs) {
  InetName name = kName;
  name.cookie = Cookie();
  std::array<std::byte, kMaxRequest> storage;
  const absl::StatusOr<Bytes> bytes = EncodeDestroy(Protocol::kTcp, name, storage);
  ASSERT_THAT(bytes, IsOk());
  const auto body = *netlink::Load<inet_diag_req_v2>(*bytes, sizeof(nlmsghdr));
  EXPECT_EQ(body.id.idiag_cookie[0], 0u);
  EXPECT_EQ(body.id.idiag_cookie[1], 0u);
}

TEST(EncodeDestroy, RefusesProtocolsThatNoKernelCloses) {
  std::array<std::byte, kMaxRequest> storage;
  for (const Protocol protocol :
       {Protocol::kUnix, Protocol::kMptcp, Protocol::kPacket, Protocol::kVsock, Protocol::kTipc,
        Protocol::kXdp, Protocol::kSmc}) {
    EXPECT_THAT(EncodeDestroy(protocol, kName, storage), ErrnoIs(EOPNOTSUPP))
        << Names(protocol).word;
  }
}

// Each test that fails jumps to the next test, and the last one beyond the end, which rejects.
TEST(AssemblePorts, AcceptsThesePortsOnly) {
  BytecodeAssembler assembler;
  std::vector<std::byte> program(1);
  AssemblePorts({}, &assembler, &program);
  EXPECT_THAT(program, ::testing::IsEmpty());
  const Port ports[] = {Port::FromHost(53), Port::FromHost(5353)};
  const inet_diag_bc_op ops[] = {{INET_DIAG_BC_S_EQ, 8, 12},
                                 {0, 0, 53},
                                 {INET_DIAG_BC_JMP, 4, 12},
                                 {INET_DIAG_BC_S_EQ, 8, 12},
                                 {0, 0, 5353}};
  const Bytes expected = std::as_bytes(std::span(ops));
  for (const int round : {1, 2}) {  // the second one uses the memory of the first one
    SCOPED_TRACE(round);
    AssemblePorts(ports, &assembler, &program);
    EXPECT_EQ(program, Packet(expected.begin(), expected.end()));
  }
}

}  // namespace
}  // namespace netdiag::internal
