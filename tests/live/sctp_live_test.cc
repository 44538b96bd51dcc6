// SCTP sockets of new network namespaces, compared with what the socket API says of them. Skipped
// where the kernel has no SCTP.

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fcntl.h>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unistd.h>
#include <vector>

// Needs the types of the headers above.
#include <linux/sctp.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "netdiag/engine.h"
#include "netdiag/filter/filter.h"
#include "netdiag/row.h"
#include "netdiag/types/unique_fd.h"
#include "tests/testing/netns.h"
#include "tests/testing/record_fixture.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {
namespace {

using internal::UniqueFd;

constexpr Family kBoth[] = {Family::kInet, Family::kInet6};

// Why there is nothing to test; empty if there is.
std::string WhyNot() {
  if (geteuid() != 0) return "making a network namespace needs root";
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_SCTP));
  if (fd.ok()) return "";
  return std::string("this kernel has no SCTP sockets (CONFIG_IP_SCTP, module sctp): ") +
         std::strerror(errno);
}

// ---- Sockets ----

UniqueFd MakeSctp(Family family, int type) {
  UniqueFd fd(socket(static_cast<int>(family), type | SOCK_CLOEXEC, IPPROTO_SCTP));
  Check(fd.ok(), "socket");
  return fd;
}

// `more`: binds to these addresses too.
UniqueFd ListenSctp(Family family, int type, const std::vector<IpAddress>& more = {}) {
  UniqueFd fd = MakeSctp(family, type);
  Bind(fd.get(), Loopback(family));
  for (const IpAddress& address : more) {
    SocketAddress at = ToSystem({address, LocalOf(fd.get()).port});
    Check(setsockopt(fd.get(), IPPROTO_SCTP, SCTP_SOCKOPT_BINDX_ADD, &at.storage, at.size) == 0,
          "bindx");
  }
  Check(listen(fd.get(), 1000) == 0, "listen");
  return fd;
}

UniqueFd ConnectSctp(Family family, int type, Port port) {
  UniqueFd fd = MakeSctp(family, type);
  Connect(fd.get(), {Loopback(family).address, port});
  return fd;
}

// A listener at one or two addresses, a client, and the socket that was accepted for it.
struct SctpPair {
  explicit SctpPair(Family family)
      : listener(ListenSctp(family, SOCK_STREAM,
                            family == Family::kInet
                                ? std::vector<IpAddress>{IpAddress::V4(127, 0, 0, 2)}
                                : std::vector<IpAddress>{})),
        client(ConnectSctp(family, SOCK_STREAM, LocalOf(listener.get()).port)),
        server(Accept(listener.get())) {}
  UniqueFd listener, client, server;
};

sctp_status StatusOf(int fd, int32_t association = 0) {
  sctp_status status = {};
  status.sstat_assoc_id = association;
  socklen_t size = sizeof(status);
  Check(getsockopt(fd, IPPROTO_SCTP, SCTP_STATUS, &status, &size) == 0, "SCTP_STATUS");
  return status;
}

// The addresses that SCTP_GET_PEER_ADDRS or SCTP_GET_LOCAL_ADDRS tells.
std::multiset<std::string> AddressesOf(int fd, int option, int32_t association) {
  std::array<std::byte, 4096> bytes = {};
  std::memcpy(bytes.data(), &association, sizeof(association));
  socklen_t size = bytes.size();
  Check(getsockopt(fd, IPPROTO_SCTP, option, bytes.data(), &size) == 0, "addresses");
  uint32_t count = 0;
  std::memcpy(&count, bytes.data() + offsetof(sctp_getaddrs, addr_num), sizeof(count));
  std::multiset<std::string> addresses;
  size_t at = sizeof(sctp_getaddrs);
  for (uint32_t i = 0; i < count; ++i) {
    SocketAddress address;
    uint16_t family = 0;
    std::memcpy(&family, &bytes[at], sizeof(family));
    const size_t length = family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
    std::memcpy(&address.storage, &bytes[at], length);
    at += length;
    const auto in = address.As<sockaddr_in>();
    const auto in6 = address.As<sockaddr_in6>();
    // The socket API maps the IPv4 addresses of an IPv6 socket, and the dump does not.
    const IpAddress told = family == AF_INET6
                               ? IpAddress::FromNetwork(Family::kInet6, BytesOf(in6.sin6_addr))
                               : IpAddress::FromNetwork(Family::kInet, BytesOf(in.sin_addr));
    const Endpoint end = {told.Unmapped(), Port::FromNetwork(in.sin_port)};
    addresses.insert(ToText(end));
  }
  return addresses;
}

// ---- Rows ----

// Calls `visitor` with each row of SCTP. The table must be answered by the kernel.
void Visit(Engine::Visitor visitor, Query query = {}) {
  const absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open();
  ASSERT_TRUE(engine.ok()) << engine.status();
  query.protocols = {Protocol::kSctp};
  query.extensions = {Extension::kInfo, Extension::kSocketMemory};
  Cookie endpoint;
  const absl::StatusOr<Summary> summary = (*engine)->Visit(query, [&](const Row& row) {
    EXPECT_EQ(row.source(), SourceKind::kNetlink);
    if (row.is_association() && query.filter == nullptr) {
      EXPECT_EQ(row.cookie(), endpoint) << "the row before is its endpoint or another of it";
    }
    endpoint = row.cookie();
    return visitor(row);
  });
  ASSERT_TRUE(summary.ok()) << summary.status();
  for (const TableOutcome& table : summary->tables) EXPECT_TRUE(table.status.ok()) << table.status;
  EXPECT_EQ(summary->damaged, 0u);
  EXPECT_EQ(summary->unknown_attributes, 0u);
  if (query.filter == nullptr) RecordFixture(engine->get(), query, "sctp");
}

// Calls `use` with the row of a socket's endpoint, or of its only association. Expects exactly one.
template <class Use>
void WithRow(int fd, bool association, Use use) {
  int times = 0;
  Visit([&](const Row& row) {
    if (row.inode() != InodeOf(fd) || row.is_association() != association) return Flow::kContinue;
    ++times;
    EXPECT_EQ(row.cookie(), CookieOf(fd));
    use(row);
    return Flow::kContinue;
  });
  EXPECT_EQ(times, 1);
}

template <class Get>
std::multiset<std::string> Texts(size_t count, const Get& get) {
  std::multiset<std::string> texts;
  for (size_t i = 0; i < count; ++i) {
    const std::optional<BoundAddress> address = get(i);
    EXPECT_TRUE(address.has_value());
    if (address) texts.insert(ToText(address->endpoint));
  }
  return texts;
}
std::multiset<std::string> LocalsOf(const Row& row) {
  return Texts(row.inet()->local_addresses(),
               [&](size_t i) { return row.inet()->local_address(i); });
}
std::multiset<std::string> PeersOf(const Row& row) {
  return Texts(row.inet()->peer_addresses(), [&](size_t i) { return row.inet()->peer_address(i); });
}

uint64_t Info(const Row& row, std::string_view field) {
  const std::optional<SctpInfo> info = row.sctp_info();
  EXPECT_TRUE(info.has_value());
  const auto row_of = std::ranges::find(SctpInfo::fields(), field, &StructField::name);
  EXPECT_NE(row_of, SctpInfo::fields().end()) << field;
  return info ? (*info)[*row_of].value_or(~uint64_t{0}) : 0;
}

TEST(SctpLive, EndpointsAreThoseThatTheSocketApiKnows) {
  if (const std::string why = WhyNot(); !why.empty()) GTEST_SKIP() << why;
  InNewNetns([] {
    for (const Family family : kBoth) {
      const SctpPair pair(family);
      Set(pair.client.get(), IPPROTO_SCTP, SCTP_NODELAY, int{1});
      const UniqueFd many = ListenSctp(family, SOCK_SEQPACKET);
      const struct {
        const char* what;
        const UniqueFd& fd;
        State state;
        uint64_t type;  // enum sctp_socket_type
      } kSockets[] = {{"listener", pair.listener, State::kListen, 2},
                      {"client", pair.client, State::kEstablished, 2},
                      {"server", pair.server, State::kEstablished, 2},
                      {"one-to-many", many, State::kListen, 0}};
      for (const auto& socket : kSockets) {
        SCOPED_TRACE(socket.what);
        const int fd = socket.fd.get();
        WithRow(fd, /*association=*/false, [&](const Row& row) {
          EXPECT_EQ(row.family(), family);
          EXPECT_EQ(row.state(), socket.state);
          EXPECT_EQ(row.inet()->local(), LocalOf(fd));
          // The client was not bound to an address. SCTP_GET_LOCAL_ADDRS tells those of its
          // association, or every address of the machine.
          const Endpoint any = {Any(family).address, LocalOf(fd).port};
          EXPECT_EQ(LocalsOf(row), fd == pair.client.get()
                                       ? std::multiset{ToText(any)}
                                       : AddressesOf(fd, SCTP_GET_LOCAL_ADDRS, 0));
          EXPECT_EQ(row.inet()->peer_addresses(), 0u);
          EXPECT_EQ(Info(row, "s_type"), socket.type);
          EXPECT_EQ(Info(row, "s_nodelay"), fd == pair.client.get() ? 1u : 0u);
          EXPECT_EQ((*row.memory())[SocketMemory::Field("rcvbuf")],
                    static_cast<uint64_t>(Get<int>(fd, SOL_SOCKET, SO_RCVBUF)));
          if (socket.state == State::kListen) {
            EXPECT_EQ(row.inet()->send_queue(), 1000u) << "the backlog";
          }
        });
      }
    }
  });
}

TEST(SctpLive, AssociationsAreThoseThatTheSocketApiKnows) {
  if (const std::string why = WhyNot(); !why.empty()) GTEST_SKIP() << why;
  InNewNetns([] {
    for (const Family family : kBoth) {
      const SctpPair pair(family);
      for (const UniqueFd* const socket : {&pair.client, &pair.server}) {
        const int fd = socket->get();
        SCOPED_TRACE(socket == &pair.client ? "client" : "server");
        // Heartbeats change some of the numbers.
        sctp_status before = {}, status = {};
        std::map<std::string, uint64_t> told;
        do {
          before = StatusOf(fd);
          WithRow(fd, /*association=*/true, [&](const Row& row) {
            EXPECT_EQ(row.state(), State::kEstablished);
            EXPECT_EQ(row.family(), family);
            EXPECT_EQ(LocalsOf(row), AddressesOf(fd, SCTP_GET_LOCAL_ADDRS, before.sstat_assoc_id));
            EXPECT_EQ(PeersOf(row), AddressesOf(fd, SCTP_GET_PEER_ADDRS, before.sstat_assoc_id));
            EXPECT_EQ(row.inet()->remote_port(), AddressBy(getpeername, fd, family).port);
            for (const StructField& field : SctpInfo::fields()) {
              if (const auto value = row.sctp_info()->ValueOf(field)) {
                told[std::string(field.name)] = *value;
              }
            }
            SocketAddress primary;
            std::memcpy(&primary.storage, &before.sstat_primary.spinfo_address,
                        sizeof(primary.storage));
            const std::optional<BoundAddress> own =
                BoundAddress::FromSockaddr(BytesOf(primary.storage));
            EXPECT_EQ(SctpPrimaryAddress(*row.sctp_info()), own);
            EXPECT_EQ(own->endpoint, row.inet()->remote());
          });
          status = StatusOf(fd);
        } while (std::memcmp(&before, &status, sizeof(status)) != 0);
        const std::map<std::string, uint64_t> expected = {
            {"state", static_cast<uint64_t>(status.sstat_state) - 1},
            {"peer_rwnd", status.sstat_rwnd},
            {"unackdata", status.sstat_unackdata},
            {"penddata", status.sstat_penddata},
            {"instrms", status.sstat_instrms},
            {"outstrms", status.sstat_outstrms},
            {"maxseg", status.sstat_fragmentation_point},
            {"p_state", static_cast<uint64_t>(status.sstat_primary.spinfo_state)},
            {"p_cwnd", uint64_t{status.sstat_primary.spinfo_cwnd}},
            {"p_rto", uint64_t{status.sstat_primary.spinfo_rto}}};
        for (const auto& [name, value] : expected) EXPECT_EQ(told[name], value) << name;
        EXPECT_NE(told["tag"], 0u);
        EXPECT_EQ(told.count("s_type"), 0u);
      }
      WithRow(pair.client.get(), /*association=*/true, [&](const Row& row) {
        EXPECT_EQ(PeersOf(row).size(), family == Family::kInet ? 2u : 1u) << "of the listener";
      });
    }
  });
}

TEST(SctpLive, EachAssociationOfAnEndpointIsGivenOnce) {
  if (const std::string why = WhyNot(); !why.empty()) GTEST_SKIP() << why;
  InNewNetns([] {
    constexpr size_t kClients = 300;
    rlimit files = {};
    Check(getrlimit(RLIMIT_NOFILE, &files) == 0, "getrlimit");
    files.rlim_cur = std::min<rlim_t>(files.rlim_max, 4096);
    Check(setrlimit(RLIMIT_NOFILE, &files) == 0, "setrlimit");
    const UniqueFd server = ListenSctp(Family::kInet, SOCK_SEQPACKET);
    std::vector<UniqueFd> clients;
    std::multiset<uint64_t> expected = {CookieOf(server.get()).value()};
    while (clients.size() < kClients) {
      // One-to-many clients are in CLOSE, also with an association.
      const int type = clients.size() % 2 == 0 ? SOCK_STREAM : SOCK_SEQPACKET;
      clients.push_back(ConnectSctp(Family::kInet, type, LocalOf(server.get()).port));
      expected.insert(CookieOf(clients.back().get()).value());
    }
    std::multiset<uint64_t> endpoints;
    std::map<uint64_t, std::set<Port>> associations;
    size_t rows = 0;
    Visit([&](const Row& row) {
      if (!row.is_association()) endpoints.insert(row.cookie().value());
      if (row.is_association()) {
        associations[row.cookie().value()].insert(row.inet()->remote_port());
        ++rows;
      }
      return Flow::kContinue;
    });
    EXPECT_EQ(endpoints, expected);
    EXPECT_EQ(rows, 2 * kClients);
    EXPECT_EQ(associations[CookieOf(server.get()).value()].size(), kClients);
    EXPECT_EQ(associations.size(), kClients + 1);
  });
}

// A socket that drops what arrives holds associations in the states of their beginning and end.
TEST(SctpLive, AssociationsHaveStatesAndATimerOfTheirOwn) {
  if (const std::string why = WhyNot(); !why.empty()) GTEST_SKIP() << why;
  InNewNetns([] {
    const SctpPair pair(Family::kInet);
    Deafen(pair.server.get());
    Send(pair.client.get(), 1000);
    WithRow(pair.client.get(), /*association=*/true, [&](const Row& row) {
      EXPECT_EQ(row.state(), State::kEstablished);
      EXPECT_EQ(row.timer(), Timer::kT3Retransmit);
      EXPECT_GE(row.inet()->send_queue(), 1000u);
      EXPECT_EQ(Info(row, "unackdata"), StatusOf(pair.client.get()).sstat_unackdata);
    });
    Check(shutdown(pair.client.get(), SHUT_WR) == 0, "shutdown");
    WithRow(pair.client.get(), /*association=*/true, [](const Row& row) {
      EXPECT_EQ(row.state(), State::kShutdownPending) << "data is not acknowledged";
      EXPECT_EQ(Info(row, "state"), 4u);
    });

    const UniqueFd deaf = ListenSctp(Family::kInet, SOCK_STREAM);
    Deafen(deaf.get());
    const UniqueFd waiting = MakeSctp(Family::kInet, SOCK_STREAM | SOCK_NONBLOCK);
    Connect(waiting.get(), LocalOf(deaf.get()));
    WithRow(waiting.get(), /*association=*/true, [](const Row& row) {
      EXPECT_EQ(row.state(), State::kCookieWait);
      EXPECT_EQ(Info(row, "state"), 1u);
    });
    // One state selects associations; their endpoints come with them.
    Query query;
    query.states = State::kCookieWait;
    std::multiset<uint64_t> associations;
    bool endpoint = false;
    Visit(
        [&](const Row& row) {
          endpoint |= !row.is_association() && row.inode() == InodeOf(waiting.get());
          if (row.is_association()) associations.insert(row.cookie().value());
          return Flow::kContinue;
        },
        query);
    EXPECT_TRUE(endpoint);
    EXPECT_THAT(associations, ::testing::ElementsAre(CookieOf(waiting.get()).value()));
  });
}

TEST(SctpLive, PortsAndFiltersSelectRows) {
  if (const std::string why = WhyNot(); !why.empty()) GTEST_SKIP() << why;
  InNewNetns([] {
    const SctpPair pair(Family::kInet), other(Family::kInet);
    const std::string port = std::to_string(LocalOf(pair.listener.get()).port.value());
    const auto select = [](const std::string& text) {
      Query query;
      query.filter = std::make_shared<const Filter>(Filter::Parse(text).value());
      std::multiset<uint64_t> cookies;
      Visit(
          [&](const Row& row) {
            cookies.insert(row.cookie().value());
            return Flow::kContinue;
          },
          query);
      return cookies;
    };
    const uint64_t listener = CookieOf(pair.listener.get()).value();
    const uint64_t server = CookieOf(pair.server.get()).value();
    const uint64_t client = CookieOf(pair.client.get()).value();
    EXPECT_EQ(select("sport = " + port), (std::multiset<uint64_t>{listener, server, server}));
    EXPECT_EQ(select("association and dport = " + port), std::multiset<uint64_t>{client});
    EXPECT_EQ(select("locals.address = 127.0.0.2 and sport = " + port + " and association"),
              std::multiset<uint64_t>{server});
    EXPECT_EQ(select("peers.address = 127.0.0.2 and peers.port = " + port),
              std::multiset<uint64_t>{client});
  });
}

// The kernel has no list of them. `unlisted` shows them (docs/kernel.md).
TEST(SctpLive, SocketsThatNeitherListenNorHaveAnAssociationAreInNoDump) {
  if (const std::string why = WhyNot(); !why.empty()) GTEST_SKIP() << why;
  InNewNetns([] {
    const UniqueFd bound = MakeSctp(Family::kInet, SOCK_STREAM);
    Bind(bound.get(), Loopback(Family::kInet));
    size_t rows = 0;
    Visit([&](const Row&) {
      ++rows;
      return Flow::kContinue;
    });
    EXPECT_EQ(rows, 0u) << "the kernel has changed; update docs/kernel.md";
  });
}

}  // namespace
}  // namespace netdiag::testing
