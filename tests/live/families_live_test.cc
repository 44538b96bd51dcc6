// MPTCP, raw, ping, UDP-Lite, packet and netlink sockets of new network namespaces, compared with
// what the socket API says.

#include <net/if.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/engine.h"
#include "netdiag/engine/test_options.h"
#include "netdiag/fields.h"
#include "netdiag/netlink/abi.h"
#include "netdiag/netlink/conn.h"
#include "netdiag/netlink/request_builder.h"
#include "netdiag/row.h"
#include "tests/testing/families.h"
#include "tests/testing/netns.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {
namespace {

constexpr Protocol kFamilies[] = {Protocol::kNetlink, Protocol::kPacket,  Protocol::kRaw,
                                  Protocol::kIcmp,    Protocol::kUdpLite, Protocol::kMptcp};

// Runs a test on a thread in a new network namespace.
template <class Body>
void InNamespace(Body body) {
  if (geteuid() != 0) GTEST_SKIP() << "making a network namespace needs root";
  InNewNetns(body);
}

class Families {
 public:
  Families() : sockets_(MakeFamilies()) {}
  Families(const Families&) = delete;
  Families& operator=(const Families&) = delete;
  ~Families() {
    for (const FamilySocket& socket : sockets_) close(socket.fd);
  }
  const std::vector<FamilySocket>& sockets() const { return sockets_; }
  const FamilySocket& operator[](std::string_view what) const {
    const auto found = std::ranges::find(sockets_, what, &FamilySocket::what);
    errno = ENOENT;
    Check(found != sockets_.end(), what);
    return *found;
  }

 private:
  std::vector<FamilySocket> sockets_;
};

bool HasMptcp() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 262);
  if (fd >= 0) close(fd);
  return fd >= 0;
}

Query Everything() {
  Query query;
  query.protocols.assign(std::begin(kFamilies), std::end(kFamilies));
  query.extensions = {Extension::kInfo, Extension::kSocketMemory, Extension::kPacketFilter,
                      Extension::kPacketMemberships};
  return query;
}

// Visits every row. A table may come from /proc/net, but it must be answered.
void Visit(const Query& query, Engine::Visitor visitor, EngineOptions options = {},
           const internal::TestOptions& test_options = {}) {
  const absl::StatusOr<std::unique_ptr<Engine>> engine =
      internal::OpenForTest(std::move(options), test_options);
  ASSERT_TRUE(engine.ok()) << engine.status();
  const absl::StatusOr<Summary> summary = (*engine)->Visit(query, visitor);
  ASSERT_TRUE(summary.ok()) << summary.status();
  for (const TableOutcome& table : summary->tables) {
    const bool absent =
        table.table.protocol == Protocol::kMptcp && (test_options.prefer_procfs || !HasMptcp());
    EXPECT_TRUE(table.status.ok() || absent) << table.status;
  }
  EXPECT_EQ(summary->damaged, 0u);
  EXPECT_EQ(summary->unknown_attributes, 0u);
}

TEST(FamiliesLive, EverySocketIsGivenOnceAsTheSocketApiKnowsIt) {
  InNamespace([] {
    const Families families;
    for (const bool procfs : {false, true}) {
      std::map<uint32_t, int> times;
      Visit(Everything(),
            [&](const Row& row) {
              const auto socket =
                  std::ranges::find(families.sockets(), row.inode(), &FamilySocket::inode);
              if (socket == families.sockets().end())
                return Flow::kContinue;  // a socket of the kernel
              SCOPED_TRACE(socket->what);
              ++times[row.inode().value()];
              EXPECT_EQ(row.protocol(), socket->protocol);
              EXPECT_EQ(row.family(), socket->family);
              // /proc/net/netlink does not have the type.
              const bool typeless = procfs && socket->protocol == Protocol::kNetlink;
              EXPECT_EQ(row.type(), typeless ? SocketType::kUnknown : socket->type);
              EXPECT_TRUE(Describe(row.protocol()).states.contains(row.state()));
              const bool from_proc = row.source() == SourceKind::kProcfs;
              EXPECT_EQ(row.cookie(), from_proc ? Cookie() : socket->cookie);
              return Flow::kContinue;
            },
            {}, {.prefer_procfs = procfs});
      for (const FamilySocket& socket : families.sockets()) {
        const bool told = !procfs || socket.protocol != Protocol::kMptcp;
        EXPECT_EQ(times[socket.inode.value()], told ? 1 : 0) << socket.what << " " << procfs;
      }
    }
  });
}

// Calls `use` with the row of one socket. Expects exactly one.
template <class Use>
void WithRow(const FamilySocket& wanted, Use use) {
  int times = 0;
  Visit(Everything(), [&](const Row& row) {
    if (row.inode() != wanted.inode) return Flow::kContinue;
    ++times;
    use(row);
    return Flow::kContinue;
  });
  EXPECT_EQ(times, 1) << wanted.what;
}

TEST(FamiliesLive, PacketSocketsTellTheirRingsFiltersAndMemberships) {
  InNamespace([] {
    const Families families;
    const IfIndex lo(if_nametoindex("lo"));
    WithRow(families["packet with a ring"], [&](const Row& row) {
      const PacketSocket& socket = *row.packet_socket();
      EXPECT_EQ(socket.ethertype(), 0x88cc);
      EXPECT_EQ(socket.interface(), lo);
      EXPECT_EQ((*socket.info())[PacketInfo::Field("version")], 1u);
      EXPECT_EQ((*socket.receive_ring())[PacketRing::Field("block_size")], 4096u);
      EXPECT_EQ((*socket.receive_ring())[PacketRing::Field("frame_count")], 8u);
      EXPECT_FALSE(socket.send_ring().has_value());
      EXPECT_EQ(socket.fanout()->id, 7);
      EXPECT_EQ(socket.fanout()->mode, 0);
      ASSERT_EQ(socket.membership_count(), 1u);
      EXPECT_EQ(socket.membership(0)->interface, lo);
      EXPECT_EQ(socket.membership(0)->type, PACKET_MR_PROMISC);
      EXPECT_EQ(socket.filter_length(), 0u);
    });
    WithRow(families["packet with a filter"], [](const Row& row) {
      const PacketSocket& socket = *row.packet_socket();
      EXPECT_EQ(socket.ethertype(), 3);
      EXPECT_EQ(socket.interface(), IfIndex());
      ASSERT_EQ(socket.filter_length(), 4u);
      EXPECT_EQ(socket.filter(1)->code, BPF_JMP | BPF_JEQ | BPF_K);
      EXPECT_EQ(socket.filter(1)->jump_false, 1);
      EXPECT_EQ(socket.filter(2)->k, 0x40000u);
      EXPECT_EQ(socket.uid(), Uid(1234));
      const uint64_t flags = (*socket.info())[PacketInfo::Field("flags")].value_or(0);
      EXPECT_EQ(flags, uint64_t{PDI_RUNNING | PDI_AUXDATA | PDI_ORIGDEV});
    });
    WithRow(families["packet that sends by a ring"], [](const Row& row) {
      EXPECT_EQ((*row.packet_socket()->send_ring())[PacketRing::Field("frame_size")], 4096u);
    });
  });
}

// From raw_diag where the kernel has it, and from /proc/net.
TEST(FamiliesLive, RawSocketsTellTheirProtocol) {
  InNamespace([] {
    const Families families;
    for (const bool procfs : {false, true}) {
      std::set<Inode> told;
      Visit(Everything(),
            [&](const Row& row) {
              const auto socket =
                  std::ranges::find(families.sockets(), row.inode(), &FamilySocket::inode);
              if (row.protocol() != Protocol::kRaw || socket == families.sockets().end()) {
                return Flow::kContinue;
              }
              SCOPED_TRACE(socket->what);
              told.insert(row.inode());
              const int protocol = Get<int>(socket->fd, SOL_SOCKET, SO_PROTOCOL);
              EXPECT_EQ(FindField("ip_protocol")->get(row, 0),
                        FieldValue(static_cast<uint64_t>(protocol)));
              EXPECT_EQ(row.inet()->local().address, LocalOf(socket->fd).address);
              const bool connected = socket->what.ends_with("connected");
              EXPECT_EQ(row.state(), connected ? State::kEstablished : State::kClose);
              if (row.source() == SourceKind::kNetlink) {
                EXPECT_EQ(row.inet()->protocol(), static_cast<uint8_t>(protocol));
              }
              return Flow::kContinue;
            },
            {}, {.prefer_procfs = procfs});
      EXPECT_EQ(told.size(), 6u) << procfs;
    }
  });
}

TEST(FamiliesLive, NetlinkSocketsTellAllGroupsAndFlags) {
  InNamespace([] {
    const Families families;
    WithRow(families["netlink with groups"], [](const Row& row) {
      EXPECT_EQ(row.netlink_socket()->groups(0), 5u);
      EXPECT_FALSE(row.netlink_socket()->connected());
    });
    WithRow(families["netlink with a high group"], [](const Row& row) {
      EXPECT_EQ(row.netlink_socket()->groups(0), uint64_t{1} << 32);
      EXPECT_EQ(row.netlink_socket()->flags(),
                netdiag::Set<NetlinkFlag>({NetlinkFlag::kPacketInfo, NetlinkFlag::kNoEnobufs}));
    });
    WithRow(families["netlink, connected"], [](const Row& row) {
      const NetlinkSocket& socket = *row.netlink_socket();
      EXPECT_EQ(socket.netlink_protocol(), NETLINK_USERSOCK);
      EXPECT_TRUE(socket.connected());
      EXPECT_EQ(socket.remote_port_id(), 4000000u);
      EXPECT_EQ(socket.remote_group(), 2u);
    });
  });
}

TEST(FamiliesLive, MptcpInfoIsThatOfGetsockopt) {
  if (!HasMptcp()) GTEST_SKIP() << "this kernel has no MPTCP";
  InNamespace([] {
    const Families families;
    for (const char* what : {"mptcp4 client", "mptcp6 server"}) {
      SCOPED_TRACE(what);
      const FamilySocket& socket = families[what];
      constexpr int kSolMptcp = 284;
      constexpr int kMptcpInfo = 1;
      std::array<std::byte, 512> storage;
      const MptcpInfo wanted(ReadBytes(socket.fd, kSolMptcp, kMptcpInfo, storage));
      EXPECT_GT(wanted[MptcpInfo::Field("token")].value_or(0), 0u);
      WithRow(socket, [&](const Row& row) {
        const std::optional<MptcpInfo> info = row.mptcp_info();
        ASSERT_TRUE(info.has_value());
        EXPECT_FALSE(row.tcp_info().has_value());
        for (const StructField& field : MptcpInfo::fields()) {
          if (field.name.starts_with("last_")) continue;  // clocks
          EXPECT_EQ((*info)[field], wanted[field]) << what << " " << field.name;
        }
      });
    }
  });
}

// ---- Whole answers ----

std::multiset<uint64_t> CookiesOf(Protocol protocol, ExtensionSet extensions = {},
                                  size_t threads = 1) {
  std::multiset<uint64_t> cookies;
  Query query;
  query.protocols = {protocol};
  query.extensions = extensions;
  EngineOptions options;
  options.threads = threads;
  const auto add = [&](const Row& row) {
    cookies.insert(row.cookie().value());
    return Flow::kContinue;
  };
  Visit(query, add, options);
  return cookies;
}

// The cookies of one dump of netlink sockets, as the kernel answers it.
std::set<uint64_t> CookiesOfOneDump() {
  const auto conn = netlink::Conn::Dial(netlink::kFamilySockDiag);
  Check(conn.ok(), "Dial");
  std::array<std::byte, 64> storage;
  netlink_diag_req body = {};
  body.sdiag_family = AF_NETLINK;
  body.sdiag_protocol = NDIAG_PROTO_ALL;
  const auto request = netlink::RequestBuilder(storage)
                           .Header(netlink::abi::kSockDiagByFamily, netlink::kFlagDump)
                           .Put(body)
                           .Finish();
  std::set<uint64_t> cookies;
  const auto result = (*conn)->Dump(*request, [&](const netlink::Message& message) {
    cookies.insert(NetlinkSocket::Parse(message.payload())->cookie().value());
    return Flow::kContinue;
  });
  Check(result.ok(), "Dump");
  return cookies;
}

void ExpectAllNetlinkSockets(const std::set<uint64_t>& made, size_t threads) {
  const std::multiset<uint64_t> got = CookiesOf(Protocol::kNetlink, {}, threads);
  const std::set<uint64_t> distinct(got.begin(), got.end());
  EXPECT_EQ(distinct.size(), got.size()) << made.size() << ": given twice";
  std::vector<uint64_t> missed;
  std::ranges::set_difference(made, distinct, std::back_inserter(missed));
  EXPECT_TRUE(missed.empty()) << missed.size() << " of " << made.size() << ", threads " << threads;
}

TEST(FamiliesLive, NoNetlinkSocketIsLeftOutOrGivenTwice) {
  InNamespace([] {
    rlimit files = {};
    Check(getrlimit(RLIMIT_NOFILE, &files) == 0, "getrlimit");
    files.rlim_cur = files.rlim_max;
    Check(setrlimit(RLIMIT_NOFILE, &files) == 0, "setrlimit");
    std::vector<int> fds;
    std::set<uint64_t> made;
    bool left_out = false;
    for (const size_t count : {100, 290, 300, 310, 311, 312, 313, 314, 330, 700, 1500, 5000}) {
      SCOPED_TRACE(::testing::Message() << count << " sockets");
      while (fds.size() < count) {
        fds.push_back(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC));
        Check(fds.back() >= 0, "socket");
        sockaddr_nl address = {};
        address.nl_family = AF_NETLINK;
        // The kernel lists sockets with a group twice.
        address.nl_groups = fds.size() % 7 == 0 ? 1 : 0;
        Check(bind(fds.back(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0,
              "bind");
        made.insert(CookieOf(fds.back()).value());
      }
      ExpectAllNetlinkSockets(made, 1);
      // With a second thread, later dumps are read ahead too.
      ExpectAllNetlinkSockets(made, 2);
      const std::set<uint64_t> one = CookiesOfOneDump();
      left_out |= !std::ranges::includes(one, made);
    }
    // Otherwise the kernel has no gap that this test could find.
    EXPECT_TRUE(left_out)
        << "one dump gives all sockets: the kernel has changed; update docs/kernel.md";
    for (const int fd : fds) close(fd);
  });
}

TEST(FamiliesLive, NoPacketSocketIsLeftOutBehindALongListOrFilter) {
  InNamespace([] {
    std::vector<int> fds;
    std::multiset<uint64_t> made;
    const auto make = [&] {
      fds.push_back(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
      Check(fds.back() >= 0, "socket");
      made.insert(CookieOf(fds.back()).value());
      return fds.back();
    };
    for (int i = 0; i < 5; ++i) make();
    const int member = make();
    for (int i = 0; i < 1000; ++i) {
      packet_mreq join = {};
      join.mr_ifindex = static_cast<int>(if_nametoindex("lo"));
      join.mr_type = PACKET_MR_MULTICAST;
      join.mr_alen = 6;
      join.mr_address[0] = 1;
      join.mr_address[4] = static_cast<uint8_t>(i >> 8);
      join.mr_address[5] = static_cast<uint8_t>(i);
      Set(member, SOL_PACKET, PACKET_ADD_MEMBERSHIP, join);
    }
    for (int i = 0; i < 5; ++i) make();
    std::vector<sock_filter> program(4096, sock_filter{BPF_LD | BPF_IMM, 0, 0, 1});
    program.back() = {BPF_RET | BPF_K, 0, 0, 0};
    Set(make(), SOL_SOCKET, SO_ATTACH_FILTER, sock_fprog{4096, program.data()});
    for (int i = 0; i < 5; ++i) make();
    EXPECT_EQ(CookiesOf(Protocol::kPacket), made);
    EXPECT_EQ(CookiesOf(Protocol::kPacket, Extension::kPacketMemberships), made);
    EXPECT_EQ(CookiesOf(Protocol::kPacket, Extension::kPacketFilter), made);
    for (const int fd : fds) close(fd);
  });
}

}  // namespace
}  // namespace netdiag::testing
