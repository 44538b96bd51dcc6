// InetSocket, on messages that end where mapped memory ends. structs_test.cc tests the tables of
// fields behind tcp_info() and the other structs.

#include <arpa/inet.h>

#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/netlink/abi.h"
#include "netdiag/socket/socket.h"
#include "tests/socket/socket_testing.h"

namespace netdiag {
namespace {

using namespace netdiag::testing;  // NOLINT

Packet Fixed() {
  inet_diag_msg message = {};
  message.idiag_family = AF_INET;
  message.idiag_state = 1;
  return RawBytes(message);
}

InetSocket Parse(const GuardedBuffer& message) {
  return InetSocket::Parse(message.bytes()).value();
}

TEST(InetSocket, ReadsTheFixedPartInItsByteOrders) {
  inet_diag_msg message = {};
  message.idiag_family = AF_INET6;
  message.idiag_state = 10;
  message.idiag_timer = 2;
  message.idiag_retrans = 3;
  message.id.idiag_sport = htons(0x0102);
  message.id.idiag_dport = htons(0x0304);
  for (uint32_t i = 0; i < 4; ++i) {
    message.id.idiag_src[i] = htonl(0x10111213 + 0x04040404 * i);
    message.id.idiag_dst[i] = htonl(0x20212223 + 0x04040404 * i);
  }
  message.id.idiag_if = 0x01020304;  // host order, as the words of the cookie
  message.id.idiag_cookie[0] = 0x05060708;
  message.id.idiag_cookie[1] = 0x090a0b0c;
  message.idiag_expires = 0x11121314;
  message.idiag_rqueue = 0x15161718;
  message.idiag_wqueue = 0x191a1b1c;
  message.idiag_uid = 0x1d1e1f20;
  message.idiag_inode = 0x21222324;
  const GuardedBuffer buffer(RawBytes(message));
  const InetSocket socket = Parse(buffer);
  EXPECT_EQ(socket.family(), Family::kInet6);
  EXPECT_EQ(socket.state(), State::kListen);
  EXPECT_EQ(socket.timer(), Timer::kKeepalive);
  EXPECT_EQ(socket.retransmits(), 3);
  EXPECT_EQ(socket.local_port().value(), 0x0102);
  EXPECT_EQ(socket.remote_port().value(), 0x0304);
  std::string text;
  socket.local().AppendTo(&text);
  socket.remote().AppendTo(&text);
  EXPECT_EQ(text,
            "[1011:1213:1415:1617:1819:1a1b:1c1d:1e1f]:258"
            "[2021:2223:2425:2627:2829:2a2b:2c2d:2e2f]:772");
  EXPECT_EQ(socket.interface().value(), 0x01020304u);
  EXPECT_EQ(socket.cookie().value(), 0x090a0b0c05060708u);
  EXPECT_EQ(socket.expires(), 0x11121314u);
  EXPECT_EQ(socket.receive_queue(), 0x15161718u);
  EXPECT_EQ(socket.send_queue(), 0x191a1b1cu);
  EXPECT_EQ(socket.uid().value(), 0x1d1e1f20u);
  EXPECT_EQ(socket.inode().value(), 0x21222324u);
}

TEST(InetSocket, V4AddressesAreTheFirstWord) {
  inet_diag_msg message = {};
  message.idiag_family = AF_INET;
  message.id.idiag_src[0] = htonl(0x01020304);
  message.id.idiag_src[1] = 0xffffffff;
  message.id.idiag_dst[0] = htonl(0x05060708);
  const GuardedBuffer buffer(RawBytes(message));
  EXPECT_EQ(Parse(buffer).local().address, IpAddress::V4(1, 2, 3, 4));
  EXPECT_EQ(Parse(buffer).remote().address, IpAddress::V4(5, 6, 7, 8));
}

template <class T>
std::optional<typename T::rep> Value(std::optional<T> id) {
  if (!id) return std::nullopt;
  return id->value();
}
template <class View>
std::optional<uint64_t> First(const std::optional<View>& view) {
  return view ? (*view)[View::fields().front()] : std::nullopt;
}
std::optional<int> Mask(std::optional<Shutdown> shutdown) {
  if (!shutdown) return std::nullopt;
  return (shutdown->receive ? 1 : 0) + (shutdown->send ? 2 : 0);
}

using Case = AttributeCase<InetSocket>;
const Case kCases[] = {
    {"meminfo", INET_DIAG_MEMINFO, 4, 16,
     [](const InetSocket& s) { return Hex(First(s.inet_memory())); }, "4030201"},
    {"info", INET_DIAG_INFO, 1, TcpInfo::size(),
     [](const InetSocket& s) { return Hex(First(s.tcp_info())); }, "1"},
    {"vegas", INET_DIAG_VEGASINFO, 4, 16, [](const InetSocket& s) { return Hex(First(s.vegas())); },
     "4030201"},
    {"dctcp", INET_DIAG_DCTCPINFO, 2, 16, [](const InetSocket& s) { return Hex(First(s.dctcp())); },
     "201"},
    {"bbr", INET_DIAG_BBRINFO, 4, 20, [](const InetSocket& s) { return Hex(First(s.bbr())); },
     "4030201"},
    {"skmeminfo", INET_DIAG_SKMEMINFO, 4, 36,
     [](const InetSocket& s) { return Hex(First(s.memory())); }, "4030201"},
    {"tos", INET_DIAG_TOS, 1, 1, [](const InetSocket& s) { return Hex(s.tos()); }, "1"},
    {"tclass", INET_DIAG_TCLASS, 1, 1, [](const InetSocket& s) { return Hex(s.traffic_class()); },
     "1"},
    {"class id", INET_DIAG_CLASS_ID, 4, 4, [](const InetSocket& s) { return Hex(s.class_id()); },
     "4030201"},
    {"shutdown", INET_DIAG_SHUTDOWN, 1, 1,
     [](const InetSocket& s) { return Hex(Mask(s.shutdown())); }, "1"},
    {"protocol", INET_DIAG_PROTOCOL, 1, 1, [](const InetSocket& s) { return Hex(s.protocol()); },
     "1"},
    {"v6only", INET_DIAG_SKV6ONLY, 1, 1, [](const InetSocket& s) { return Hex(s.v6_only()); }, "1"},
    {"mark", INET_DIAG_MARK, 4, 4, [](const InetSocket& s) { return Hex(Value(s.mark())); },
     "4030201"},
    {"cgroup", INET_DIAG_CGROUP_ID, 8, 8,
     [](const InetSocket& s) { return Hex(Value(s.cgroup())); }, "807060504030201"},
    {"sockopt", INET_DIAG_SOCKOPT, 2, 2,
     [](const InetSocket& s) {
       return Hex(s.options() ? std::optional(s.options()->bits()) : std::nullopt);
     },
     "201"},
    {"md5", INET_DIAG_MD5SIG, 100, 100,
     [](const InetSocket& s) {
       return Hex(s.md5_key(0) ? std::optional(s.md5_key(0)->prefix_length) : std::nullopt);
     },
     "2"},
};

TEST(InetSocket, ReadsEveryAttributeIfPresent) {
  for (const Case& row : kCases) ExpectReadsIfPresent(row, Fixed());
}

// Each accessor reads its own attribute when all attributes are present.
TEST(InetSocket, TellsAttributesApart) {
  Packet message = Fixed();
  for (const Case& row : kCases) message = Join({message, Attribute(row.type, Pattern(row.exact))});
  const GuardedBuffer buffer(message);
  for (const Case& row : kCases) EXPECT_EQ(row.read(Parse(buffer)), row.expected) << row.name;
  for (const Case& absent : kCases) {
    Packet rest = Fixed();
    for (const Case& row : kCases) {
      if (&row != &absent) rest = Join({rest, Attribute(row.type, Pattern(row.exact))});
    }
    EXPECT_EQ(absent.read(*InetSocket::Parse(rest)), std::nullopt) << absent.name;
  }
}

TEST(InetSocket, CongestionIsTextUpToItsNul) {
  for (const auto& [payload, wanted] : std::vector<std::pair<std::string_view, std::string>>{
           {std::string_view("cubic\0", 6), "cubic"},
           {"cubic", "cubic"},  // without a NUL
           {std::string_view("a\0b", 3), "a"},
           {std::string_view("\0", 1), ""},
           {"", ""}}) {
    SCOPED_TRACE(wanted);
    const GuardedBuffer buffer(WithAttribute(Fixed(), INET_DIAG_CONG, Text(payload)));
    EXPECT_EQ(Parse(buffer).congestion(), wanted);
  }
}

TEST(InetSocket, ShutdownIsAPairOfBits) {
  for (int mask = 0; mask < 4; ++mask) {
    SCOPED_TRACE(mask);
    const GuardedBuffer buffer(
        WithAttribute(Fixed(), INET_DIAG_SHUTDOWN, {static_cast<std::byte>(mask)}));
    EXPECT_EQ(Parse(buffer).shutdown()->receive, (mask & 1) != 0);
    EXPECT_EQ(Parse(buffer).shutdown()->send, (mask & 2) != 0);
  }
}

TEST(InetSocket, EveryOptionIsTheKernelsBit) {
  const struct {
    void (*set)(inet_diag_sockopt*);
    SocketOption option;
  } kBits[] = {
      {[](inet_diag_sockopt* bits) { bits->recverr = 1; }, SocketOption::kRecvErr},
      {[](inet_diag_sockopt* bits) { bits->is_icsk = 1; }, SocketOption::kIsIcsk},
      {[](inet_diag_sockopt* bits) { bits->freebind = 1; }, SocketOption::kFreebind},
      {[](inet_diag_sockopt* bits) { bits->hdrincl = 1; }, SocketOption::kHdrIncl},
      {[](inet_diag_sockopt* bits) { bits->mc_loop = 1; }, SocketOption::kMulticastLoop},
      {[](inet_diag_sockopt* bits) { bits->transparent = 1; }, SocketOption::kTransparent},
      {[](inet_diag_sockopt* bits) { bits->mc_all = 1; }, SocketOption::kMulticastAll},
      {[](inet_diag_sockopt* bits) { bits->nodefrag = 1; }, SocketOption::kNoDefrag},
      {[](inet_diag_sockopt* bits) { bits->bind_address_no_port = 1; },
       SocketOption::kBindAddressNoPort},
      {[](inet_diag_sockopt* bits) { bits->recverr_rfc4884 = 1; }, SocketOption::kRecvErrRfc4884},
      {[](inet_diag_sockopt* bits) { bits->defer_connect = 1; }, SocketOption::kDeferConnect},
  };
  for (const auto& row : kBits) {
    SCOPED_TRACE(static_cast<int>(row.option));
    inet_diag_sockopt bits = {};
    row.set(&bits);
    const GuardedBuffer buffer(WithAttribute(Fixed(), INET_DIAG_SOCKOPT, RawBytes(bits)));
    EXPECT_EQ(Parse(buffer).options(), Set<SocketOption>(row.option));
  }
}

TEST(InetSocket, UlpHasANameAndNestedDetails) {
  const Packet nested = Join({Attribute(INET_ULP_INFO_NAME, Text(std::string_view("tls\0", 4))),
                              Attribute(INET_ULP_INFO_TLS | NLA_F_NESTED, Pattern(8)),
                              Attribute(INET_ULP_INFO_MPTCP | NLA_F_NESTED, Pattern(4))});
  const GuardedBuffer buffer(WithAttribute(Fixed(), INET_DIAG_ULP_INFO | NLA_F_NESTED, nested));
  const UlpInfo ulp = Parse(buffer).ulp().value();
  EXPECT_EQ(ulp.name, "tls");
  ASSERT_TRUE(ulp.tls && ulp.mptcp);
  EXPECT_EQ(Packet(ulp.tls->bytes().begin(), ulp.tls->bytes().end()), Pattern(8));
  EXPECT_EQ(Packet(ulp.mptcp->bytes().begin(), ulp.mptcp->bytes().end()), Pattern(4));

  // Truncated to every length, with the attribute's length reduced too: what is left is read.
  for (size_t size = 0; size < nested.size(); ++size) {
    const Packet part(nested.begin(), nested.begin() + static_cast<std::ptrdiff_t>(size));
    const GuardedBuffer cut(WithAttribute(Fixed(), INET_DIAG_ULP_INFO, part));
    ASSERT_TRUE(Parse(cut).ulp().has_value()) << size;
    EXPECT_EQ(Parse(cut).ulp()->name, size >= 8 ? "tls" : "") << size;
    EXPECT_EQ(Parse(cut).ulp()->tls.has_value(), size >= 20) << size;
    EXPECT_EQ(Parse(cut).ulp()->mptcp.has_value(), false) << size;
  }
  const GuardedBuffer bare(Fixed());
  EXPECT_FALSE(Parse(bare).ulp().has_value());
}

// A field is present if its attribute is long enough. The attribute ends where mapped memory ends.
template <class View>
void ExpectReadsNestedFields() {
  for (const StructField& field : View::fields()) {
    for (size_t size = 0; size <= field.width + size_t{4}; ++size) {
      const GuardedBuffer buffer(WithAttribute({}, field.offset, Pattern(size)));
      const View view(buffer.bytes());
      uint64_t wanted = field.width == 0 ? 1 : 0;
      for (size_t i = field.width; i > 0; --i) wanted = wanted << 8 | i;
      for (const StructField& other : View::fields()) {
        const bool there = other.name == field.name && size >= field.width;
        EXPECT_EQ(view[other], there ? std::optional(wanted) : std::nullopt)
            << other.name << " in " << field.name << " of " << size;
      }
    }
  }
}

TEST(InetSocket, ReadsUlpDetailsIfPresent) {
  ExpectReadsNestedFields<TlsInfo>();
  ExpectReadsNestedFields<SubflowInfo>();
}

tcp_diag_md5sig Key(uint8_t family, uint16_t length, uint8_t fill) {
  tcp_diag_md5sig key = {};
  key.tcpm_family = family;
  key.tcpm_prefixlen = 24;
  key.tcpm_keylen = length;
  key.tcpm_addr[0] = htonl(0x01020304);
  std::memset(key.tcpm_key, fill, sizeof(key.tcpm_key));
  return key;
}

TEST(InetSocket, Md5KeysAreCutToTheirField) {
  const GuardedBuffer buffer(
      WithAttribute(Fixed(), INET_DIAG_MD5SIG,
                    Join({RawBytes(Key(AF_INET, 5, 1)), RawBytes(Key(AF_INET6, 80, 2)),
                          RawBytes(Key(AF_INET, 81, 3)), RawBytes(Key(255, 0xffff, 4)),
                          Packet(99)})));  // the last key is incomplete
  const InetSocket socket = Parse(buffer);
  const struct {
    Family family;
    size_t length;
  } kWanted[] = {
      {Family::kInet, 5}, {Family::kInet6, 80}, {Family::kInet, 80}, {Family::kInet, 80}};
  for (size_t i = 0; i < std::size(kWanted); ++i) {
    SCOPED_TRACE(i);
    const Md5Key key = socket.md5_key(i).value();
    EXPECT_EQ(key.address.family(), kWanted[i].family);
    EXPECT_EQ(key.address.octets()[0], 1);
    EXPECT_EQ(key.address.octets()[3], 4);
    EXPECT_EQ(key.prefix_length, 24);
    ASSERT_EQ(key.key.size(), kWanted[i].length);
    EXPECT_EQ(key.key.back(), static_cast<std::byte>(i + 1));
  }
  for (size_t i : {size_t{4}, size_t{1000}, SIZE_MAX / 100 + 1, SIZE_MAX}) {
    EXPECT_FALSE(socket.md5_key(i).has_value()) << i;
  }
}

// One value of a BPF map, as bpf_sk_storage_diag_put() sends it.
Packet Storage(uint32_t map_id, const Packet& value) {
  return Attribute(SK_DIAG_BPF_STORAGE,
                   Join({Attribute(SK_DIAG_BPF_STORAGE_MAP_ID, RawBytes(map_id)),
                         Attribute(SK_DIAG_BPF_STORAGE_MAP_VALUE, value)}));
}

TEST(InetSocket, BpfStoragesAreReadByNumber) {
  const Packet foreign = Attribute(SK_DIAG_BPF_STORAGE + 1, Pattern(8));
  const GuardedBuffer buffer(
      WithAttribute(Fixed(), INET_DIAG_SK_BPF_STORAGES,
                    Join({Storage(7, Pattern(20)), foreign, Storage(9, Pattern(1)),
                          Attribute(SK_DIAG_BPF_STORAGE, {})})));
  const InetSocket socket = Parse(buffer);
  EXPECT_EQ(socket.bpf_storage_count(), 3u);
  const BpfStorage first = socket.bpf_storage(0).value();
  EXPECT_EQ(first.map_id, 7u);
  EXPECT_EQ(Packet(first.value.begin(), first.value.end()), Pattern(20));
  const BpfStorage second = socket.bpf_storage(1).value();
  EXPECT_EQ(second.map_id, 9u);
  EXPECT_EQ(second.value.size(), 1u);
  EXPECT_TRUE(socket.bpf_storage(2).value().value.empty());
  for (size_t i : {size_t{3}, SIZE_MAX}) EXPECT_FALSE(socket.bpf_storage(i).has_value()) << i;
  const GuardedBuffer bare(Fixed());
  EXPECT_FALSE(Parse(bare).bpf_storage_count().has_value());
  EXPECT_FALSE(Parse(bare).bpf_storage(0).has_value());
}

TEST(InetSocket, SkipsAndCountsUnknownAttributes) {
  ExpectSkipsAndCountsUnknown<InetSocket>(Fixed(), 23);
}

TEST(InetSocket, LastOfRepeatedAttributesCounts) {
  const GuardedBuffer buffer(
      Join({Fixed(), Attribute(INET_DIAG_TOS, Pattern(1)), Attribute(INET_DIAG_MARK, Pattern(4)),
            Attribute(INET_DIAG_TOS, Packet(1, std::byte{9}))}));
  EXPECT_EQ(Parse(buffer).tos(), 9);
  EXPECT_EQ(Parse(buffer).mark(), Mark(0x04030201));
}

TEST(InetSocket, AttributesBeforeDamageStayGood) {
  const Packet good = Join({Fixed(), Attribute(INET_DIAG_TOS, Pattern(1))});
  for (const int length : {0, 1, 3, 17, 0xffff}) {  // 16 bytes are left
    const uint16_t lying[4] = {static_cast<uint16_t>(length), INET_DIAG_MARK, 1, 2};
    const GuardedBuffer buffer(
        Join({good, RawBytes(lying), Attribute(INET_DIAG_TCLASS, Pattern(1))}));
    EXPECT_TRUE(Parse(buffer).malformed()) << length;
    EXPECT_EQ(Parse(buffer).tos(), 1) << length;
    EXPECT_FALSE(Parse(buffer).mark().has_value()) << length;
    EXPECT_FALSE(Parse(buffer).traffic_class().has_value()) << length;
  }
  for (size_t stray = 1; stray < 4; ++stray) {  // too few bytes for an attribute's header
    const GuardedBuffer buffer(Join({good, Packet(stray)}));
    EXPECT_TRUE(Parse(buffer).malformed()) << stray;
    EXPECT_EQ(Parse(buffer).tos(), 1) << stray;
  }
}

// Positions have 16 bits. An attribute at a higher one must not be read from a wrong place.
TEST(InetSocket, AnAttributeBeyond64KiBCountsAsUnknown) {
  Packet message = Join({Fixed(), Attribute(200, Packet(65000)), Attribute(201, Packet(600)),
                         Attribute(INET_DIAG_TOS, Pattern(1))});
  const InetSocket socket = InetSocket::Parse(message).value();
  EXPECT_EQ(socket.tos(), std::nullopt);
  EXPECT_EQ(socket.unknown_attributes(), 3);
  EXPECT_FALSE(socket.malformed());
}

TEST(InetSocket, EveryTruncationIsSafe) {
  Packet message = Fixed();
  for (const Case& row : kCases) message = Join({message, Attribute(row.type, Pattern(row.exact))});
  ExpectEveryTruncationIsSafe<InetSocket>(message, [](const InetSocket& socket) {
    for (const Case& row : kCases) row.read(socket);
  });
}

TEST(Timer, HasSsNames) {
  const char* kNames[] = {"off", "on", "keepalive", "timewait", "persist", "delack"};
  for (int i = 0; i < 255; ++i) {
    EXPECT_EQ(Name(static_cast<Timer>(i)), i < 6 ? kNames[i] : "unknown") << i;
  }
  EXPECT_EQ(Name(Timer::kT3Retransmit), "T3_RTX");
  for (const Timer timer : kTimers) EXPECT_NE(Name(timer), "unknown");
}

}  // namespace
}  // namespace netdiag
