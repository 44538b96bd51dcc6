// vsock, TIPC, XDP and SMC sockets, compared with what the socket API says. A kernel without the
// dump of a family skips its tests, with the reason. If the module of the dump is loaded, the dump
// must work.

#include <linux/if_xdp.h>
#include <linux/tipc.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <poll.h>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "netdiag/dump/table.h"
#include "netdiag/engine.h"
#include "netdiag/row.h"
#include "netdiag/types/error.h"
#include "tests/testing/netns.h"
#include "tests/testing/record_fixture.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {
namespace {

constexpr int kSolTipc = 271, kSolXdp = 283;

// True if the kernel has loaded the module. Modules that are built in are not listed.
bool IsLoaded(std::string_view module) {
  std::ifstream modules("/proc/modules");
  for (std::string line; std::getline(modules, line);) {
    if (line.substr(0, line.find(' ')) == module) return true;
  }
  return false;
}

// ---- Rows ----

struct Answer {
  absl::Status status;
  TableOutcome outcome;
};

// Visits the rows of one table of the thread's namespace, in every state, with their owners.
Answer Visit(Protocol protocol, Engine::Visitor visitor) {
  const absl::StatusOr<std::unique_ptr<Engine>> engine = Engine::Open({});
  if (!engine.ok()) return {engine.status(), {}};
  Query query;
  query.protocols = {protocol};
  query.extensions = {Extension::kInfo, Extension::kSocketMemory};
  query.owners = true;
  const absl::StatusOr<Summary> summary = (*engine)->Visit(query, visitor);
  if (!summary.ok()) return {summary.status(), {}};
  EXPECT_EQ(summary->damaged, 0u);
  EXPECT_EQ(summary->unknown_attributes, 0u);
  EXPECT_EQ(summary->tables.size(), 1u);
  if (summary->tables[0].status.ok()) RecordFixture(engine->get(), query, Names(protocol).word);
  return {summary->tables[0].status, summary->tables[0]};
}

absl::Status WhyNoDump(Protocol protocol) {
  const absl::Status status = Visit(protocol, [](const Row&) { return Flow::kContinue; }).status;
  EXPECT_TRUE(status.ok() || IsUnsupported(status)) << status;
  const std::string_view module = Describe(protocol).module;
  const bool is_loaded =
      protocol == Protocol::kTipc ? IsLoaded("tipc_diag") || IsLoaded("diag") : IsLoaded(module);
  EXPECT_TRUE(status.ok() || !is_loaded) << module << " is loaded, and yet: " << status;
  return status;
}

// Skips the test if this kernel has no dump of the family or no such sockets.
#define REQUIRE_FAMILY(protocol, type, number)                                      \
  if (geteuid() != 0) GTEST_SKIP() << "making a network namespace needs root";      \
  if (const absl::Status status = WhyNoDump(protocol); !status.ok()) {              \
    GTEST_SKIP() << status.message();                                               \
  }                                                                                 \
  if (const int fd = socket(FamilyNumber(protocol), type, number); fd >= 0) {       \
    close(fd);                                                                      \
  } else {                                                                          \
    GTEST_SKIP() << Names(protocol).word << ": socket(): " << std::strerror(errno); \
  }

int FamilyNumber(Protocol protocol) {
  for (const FamilyNames& row : AllFamilies()) {
    if (Describe(protocol).families.contains(row.family)) return static_cast<int>(row.family);
  }
  return AF_UNSPEC;
}

// A socket, and what its row must say besides what every row says.
struct Made {
  std::string what;
  int fd = -1;
  State state = State::kClose;
  std::function<void(const Row& row)> check;
  bool has_own_cookie = true;  // getsockopt(SO_COOKIE) is that of the row
};

class Sockets {
 public:
  explicit Sockets(Protocol protocol) : protocol_(protocol) {}
  Sockets(const Sockets&) = delete;
  Sockets& operator=(const Sockets&) = delete;
  ~Sockets() {
    for (const Made& made : made_) close(made.fd);
  }

  int Add(Made made) {
    Check(made.fd >= 0, made.what);
    made_.push_back(std::move(made));
    return made_.back().fd;
  }

  // Expects one row for each socket, and returns how the table was read.
  TableOutcome ExpectRows() const {
    std::map<std::string, int> times;
    const Answer answer = Visit(protocol_, [&](const Row& row) {
      const auto made = std::ranges::find_if(
          made_, [&](const Made& one) { return InodeOf(one.fd) == row.inode(); });
      if (made == made_.end()) return Flow::kContinue;
      SCOPED_TRACE(made->what);
      ++times[made->what];
      ExpectRow(*made, row);
      return Flow::kContinue;
    });
    EXPECT_TRUE(answer.status.ok()) << answer.status;
    for (const Made& made : made_) EXPECT_EQ(times[made.what], 1) << made.what;
    return answer.outcome;
  }

 private:
  void ExpectRow(const Made& made, const Row& row) const {
    EXPECT_EQ(row.protocol(), protocol_);
    EXPECT_EQ(static_cast<int>(row.family()), FamilyNumber(protocol_));
    EXPECT_EQ(static_cast<int>(row.type()), Get<int>(made.fd, SOL_SOCKET, SO_TYPE));
    EXPECT_EQ(row.state(), made.state);
    if (made.has_own_cookie) {
      EXPECT_EQ(row.cookie(), CookieOf(made.fd));
    }
    EXPECT_TRUE(Describe(protocol_).states.contains(row.state()));
    ASSERT_EQ(row.owners().size(), 1u);
    EXPECT_EQ(row.owners()[0].pid, Pid(getpid()));
    EXPECT_EQ(row.owners()[0].fd, made.fd);
    if (made.check) made.check(row);
  }

  Protocol protocol_;
  std::vector<Made> made_;
};

template <class Address>
Address NameOf(int (*get)(int, sockaddr*, socklen_t*), int fd) {
  Address address = {};
  socklen_t size = sizeof(address);
  Check(get(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0, "getsockname");
  return address;
}

// ---- vsock ----

std::optional<uint32_t> UnlessAny(uint32_t number) {
  return number == VMADDR_CID_ANY ? std::nullopt : std::optional(number);
}

// `remote`: what getpeername() said; null: not connected.
void ExpectVsockEnds(const Row& row, int fd, const sockaddr_vm* remote) {
  const VsockSocket& socket = *row.vsock_socket();
  const auto local = NameOf<sockaddr_vm>(getsockname, fd);
  EXPECT_EQ(socket.local_cid(), UnlessAny(local.svm_cid));
  EXPECT_EQ(socket.local_port(), UnlessAny(local.svm_port));
  const bool connected = remote != nullptr;
  EXPECT_EQ(socket.remote_cid(), connected ? std::optional(remote->svm_cid) : std::nullopt);
  EXPECT_EQ(socket.remote_port(), connected ? std::optional(remote->svm_port) : std::nullopt);
}

int VsockListener(int type) {
  const int fd = socket(AF_VSOCK, type | SOCK_CLOEXEC, 0);
  if (fd < 0) return fd;
  sockaddr_vm address = {};
  address.svm_family = AF_VSOCK;
  address.svm_cid = VMADDR_CID_ANY;
  address.svm_port = VMADDR_PORT_ANY;
  Check(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0, "bind vsock");
  Check(listen(fd, 4) == 0, "listen vsock");
  return fd;
}

TEST(ModuleFamiliesLive, VsockSocketsAreAsTheSocketApiKnowsThem) {
  REQUIRE_FAMILY(Protocol::kVsock, SOCK_STREAM, 0);
  InNewNetns([] {
    Sockets sockets(Protocol::kVsock);
    for (const int type : {SOCK_STREAM, SOCK_SEQPACKET}) {
      if (type == SOCK_SEQPACKET && !KernelIs(5, 14)) continue;  // It has none.
      const std::string which = type == SOCK_STREAM ? "stream" : "seqpacket";
      const int idle = socket(AF_VSOCK, type | SOCK_CLOEXEC, 0);
      sockets.Add({.what = which + ", not bound", .fd = idle, .check = [idle](const Row& row) {
                     ExpectVsockEnds(row, idle, nullptr);
                   }});
      const int listener = VsockListener(type);
      sockets.Add(
          {.what = which + ", listening",
           .fd = listener,
           .state = State::kListen,
           .check = [listener](const Row& row) { ExpectVsockEnds(row, listener, nullptr); }});
    }
    sockets.ExpectRows();
  });
}

// Connects `client` over loopback to `listener`. Returns the accepted socket, or -1 if this machine
// has no loopback.
int ConnectVsock(int client, int listener) {
  auto address = NameOf<sockaddr_vm>(getsockname, listener);
  address.svm_cid = VMADDR_CID_LOCAL;
  if (connect(client, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return -1;
  return Accept(listener);
}

TEST(ModuleFamiliesLive, VsockConnectionsTellBothEndsAndTheirShutdown) {
  REQUIRE_FAMILY(Protocol::kVsock, SOCK_STREAM, 0);
  std::string why_skipped;
  InNewNetns([&] {
    Sockets sockets(Protocol::kVsock);
    for (const int type : {SOCK_STREAM, SOCK_SEQPACKET}) {
      if (type == SOCK_SEQPACKET && !KernelIs(5, 14)) continue;  // It has none.
      const std::string which = type == SOCK_STREAM ? "stream" : "seqpacket";
      const int listener = sockets.Add(
          {.what = which + ", listening", .fd = VsockListener(type), .state = State::kListen});
      const int client = socket(AF_VSOCK, type | SOCK_CLOEXEC, 0);
      const int server = ConnectVsock(client, listener);
      if (server < 0) {
        why_skipped = std::string("connect() to VMADDR_CID_LOCAL: ") + std::strerror(errno);
        close(client);
        return;
      }
      // A socket that was shut down has no peer's name any more.
      const auto of_server = NameOf<sockaddr_vm>(getpeername, client);
      const auto of_client = NameOf<sockaddr_vm>(getpeername, server);
      Check(shutdown(client, SHUT_WR) == 0, "shutdown vsock");
      sockets.Add({.what = which + ", client",
                   .fd = client,
                   .state = State::kEstablished,
                   .check = [client, of_server](const Row& row) {
                     ExpectVsockEnds(row, client, &of_server);
                     ASSERT_TRUE(row.shutdown().has_value());
                     EXPECT_TRUE(row.shutdown()->send);
                     EXPECT_FALSE(row.shutdown()->receive);
                   }});
      sockets.Add({.what = which + ", server",
                   .fd = server,
                   .state = State::kEstablished,
                   .check = [server, of_client](const Row& row) {
                     ExpectVsockEnds(row, server, &of_client);
                   }});
    }
    sockets.ExpectRows();
  });
  if (!why_skipped.empty()) {
    EXPECT_FALSE(IsLoaded("vsock_loopback")) << why_skipped;
    GTEST_SKIP() << why_skipped << " (the module vsock_loopback is not loaded)";
  }
}

// ---- TIPC ----

sockaddr_tipc Service(uint32_t type, uint32_t instance) {
  sockaddr_tipc address = {};
  address.family = AF_TIPC;
  address.addrtype = TIPC_SERVICE_ADDR;
  address.scope = TIPC_NODE_SCOPE;
  address.addr.name.name.type = type;
  address.addr.name.name.instance = instance;
  return address;
}

void BindTipc(int fd, uint32_t type) {
  sockaddr_tipc address = {};
  address.family = AF_TIPC;
  address.addrtype = TIPC_SERVICE_RANGE;
  address.scope = TIPC_NODE_SCOPE;
  address.addr.nameseq.type = type;
  address.addr.nameseq.lower = 0;
  address.addr.nameseq.upper = 99;
  Check(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0, "bind tipc");
}

void ExpectTipcEnds(const Row& row, int fd, bool connected) {
  const TipcSocket& socket = *row.tipc_socket();
  const auto local = NameOf<sockaddr_tipc>(getsockname, fd);
  EXPECT_EQ(socket.node(), local.addr.id.node);
  EXPECT_EQ(socket.reference(), local.addr.id.ref);
  EXPECT_EQ(socket.uid(), Uid(geteuid()));
  EXPECT_EQ(socket.drops(), 0u);
  EXPECT_EQ(socket.link_congested(), false);
  EXPECT_EQ(socket.connection_congested(), false);
  EXPECT_EQ(socket.remote_reference().has_value(), connected);
  if (!connected) return;
  const auto remote = NameOf<sockaddr_tipc>(getpeername, fd);
  EXPECT_EQ(socket.remote_node(), remote.addr.id.node);
  EXPECT_EQ(socket.remote_reference(), remote.addr.id.ref);
}

TEST(ModuleFamiliesLive, TipcSocketsAreAsTheSocketApiKnowsThem) {
  REQUIRE_FAMILY(Protocol::kTipc, SOCK_STREAM, 0);
  InNewNetns([] {
    Sockets sockets(Protocol::kTipc);
    uint32_t service = 18888;
    for (const int type : {SOCK_STREAM, SOCK_SEQPACKET}) {
      const std::string which = type == SOCK_STREAM ? "stream" : "seqpacket";
      const int listener = socket(AF_TIPC, type | SOCK_CLOEXEC, 0);
      sockets.Add({.what = which + ", listening",
                   .fd = listener,
                   .state = State::kListen,
                   .check = [listener](const Row& row) {
                     ExpectTipcEnds(row, listener, false);
                     EXPECT_TRUE(row.tipc_socket()->published());
                   }});
      BindTipc(listener, ++service);
      Check(listen(listener, 0) == 0, "listen tipc");
      // accept() is what answers the client.
      const int client = socket(AF_TIPC, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
      sockaddr_tipc to = Service(service, 17);
      const int begun = connect(client, reinterpret_cast<sockaddr*>(&to), sizeof(to));
      Check(begun == 0 || errno == EINPROGRESS, "connect tipc");
      const int server = Accept(listener);
      pollfd connected = {.fd = client, .events = POLLOUT, .revents = 0};
      Check(poll(&connected, 1, 10'000) == 1, "connect tipc");
      Send(client, 10);
      sockets.Add({.what = which + ", client",
                   .fd = client,
                   .state = State::kEstablished,
                   .check = [=](const Row& row) {
                     ExpectTipcEnds(row, client, true);
                     const auto by = row.tipc_socket()->service();
                     ASSERT_TRUE(by.has_value());
                     EXPECT_EQ(by->type, service);
                     EXPECT_EQ(by->instance, 17u);
                   }});
      sockets.Add({.what = which + ", server",
                   .fd = server,
                   .state = State::kEstablished,
                   .check = [server](const Row& row) {
                     ExpectTipcEnds(row, server, true);
                     EXPECT_EQ(row.receive_queue(), 1u);
                   }});
    }
    for (const int type : {SOCK_DGRAM, SOCK_RDM}) {
      const int fd = socket(AF_TIPC, type | SOCK_CLOEXEC, 0);
      sockets.Add({.what = type == SOCK_DGRAM ? "datagrams" : "reliable datagrams",
                   .fd = fd,
                   .check = [fd](const Row& row) {
                     ExpectTipcEnds(row, fd, false);
                     EXPECT_FALSE(row.tipc_socket()->published());
                     EXPECT_FALSE(row.tipc_socket()->group().has_value());
                   }});
    }
    const int member = socket(AF_TIPC, SOCK_RDM | SOCK_CLOEXEC, 0);
    sockets.Add({.what = "member of a group", .fd = member, .check = [](const Row& row) {
                   const auto group = row.tipc_socket()->group();
                   ASSERT_TRUE(group.has_value());
                   EXPECT_EQ(group->id, 4711u);
                   EXPECT_EQ(group->instance, 12u);
                   EXPECT_EQ(group->scope, TIPC_NODE_SCOPE);
                 }});
    tipc_group_req join = {};
    join.type = 4711;
    join.instance = 12;
    join.scope = TIPC_NODE_SCOPE;
    Set(member, kSolTipc, TIPC_GROUP_JOIN, join);
    EXPECT_TRUE(sockets.ExpectRows().doubt.ok());
  });
}

// A socket of a state that was not asked for comes as an empty message, which is no row.
TEST(ModuleFamiliesLive, TipcSocketsOfOtherStatesAreNoRows) {
  REQUIRE_FAMILY(Protocol::kTipc, SOCK_STREAM, 0);
  InNewNetns([] {
    const int idle = socket(AF_TIPC, SOCK_STREAM | SOCK_CLOEXEC, 0);
    Check(idle >= 0, "socket");
    const auto engine = Engine::Open({});
    ASSERT_TRUE(engine.ok()) << engine.status();
    for (const State state : {State::kListen, State::kClose}) {
      Query query;
      query.protocols = {Protocol::kTipc};
      query.states = state;
      int rows = 0;
      const auto summary = (*engine)->Visit(query, [&](const Row& row) {
        rows += row.inode() == InodeOf(idle) ? 1 : 0;
        EXPECT_EQ(row.state(), state);
        return Flow::kContinue;
      });
      ASSERT_TRUE(summary.ok()) << summary.status();
      EXPECT_EQ(summary->damaged, 0u);
      EXPECT_EQ(rows, state == State::kClose ? 1 : 0);
    }
    close(idle);
  });
}

// ---- XDP ----

// An XDP socket on queue 0 of "lo" that copies frames.
class XdpSocketOnLo {
 public:
  static constexpr uint32_t kFrames = 64, kFrame = 4096, kHeadroom = 64;
  static constexpr uint32_t kFill = 32, kCompletion = 16, kReceive = 128, kSend = 256;

  XdpSocketOnLo()
      : memory_(mmap(nullptr, kFrames * kFrame, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                     -1, 0)),
        fd_(socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0)) {
    Check(memory_ != MAP_FAILED && fd_ >= 0, "socket(AF_XDP)");
    xdp_umem_reg umem = {};
    umem.addr = reinterpret_cast<uintptr_t>(memory_);
    umem.len = kFrames * kFrame;
    umem.chunk_size = kFrame;
    umem.headroom = kHeadroom;
    Set(fd_, kSolXdp, XDP_UMEM_REG, umem);
    Set(fd_, kSolXdp, XDP_UMEM_FILL_RING, kFill);
    Set(fd_, kSolXdp, XDP_UMEM_COMPLETION_RING, kCompletion);
    Set(fd_, kSolXdp, XDP_RX_RING, kReceive);
    Set(fd_, kSolXdp, XDP_TX_RING, kSend);
    sockaddr_xdp address = {};
    address.sxdp_family = AF_XDP;
    address.sxdp_flags = XDP_COPY;
    address.sxdp_ifindex = if_nametoindex("lo");
    Check(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0, "bind xdp");
  }
  XdpSocketOnLo(const XdpSocketOnLo&) = delete;
  XdpSocketOnLo& operator=(const XdpSocketOnLo&) = delete;
  ~XdpSocketOnLo() { munmap(memory_, kFrames * kFrame); }
  int fd() const { return fd_; }  // the caller closes it

 private:
  void* memory_;
  int fd_;
};

void ExpectXdpRow(const Row& row, int fd) {
  const XdpSocket& socket = *row.xdp_socket();
  EXPECT_EQ(socket.interface(), IfIndex(if_nametoindex("lo")));
  EXPECT_EQ(socket.queue(), 0u);
  EXPECT_EQ(socket.uid(), Uid(geteuid()));
  EXPECT_EQ(socket.receive_ring(), XdpSocketOnLo::kReceive);
  EXPECT_EQ(socket.send_ring(), XdpSocketOnLo::kSend);
  EXPECT_EQ(socket.fill_ring(), XdpSocketOnLo::kFill);
  EXPECT_EQ(socket.completion_ring(), XdpSocketOnLo::kCompletion);
  const std::optional<XdpUmem> umem = socket.umem();
  ASSERT_TRUE(umem.has_value());
  const uint64_t size = uint64_t{XdpSocketOnLo::kFrames} * XdpSocketOnLo::kFrame;
  EXPECT_EQ((*umem)[XdpUmem::Field("size")], size);
  EXPECT_EQ((*umem)[XdpUmem::Field("chunk_size")], XdpSocketOnLo::kFrame);
  EXPECT_EQ((*umem)[XdpUmem::Field("headroom")], XdpSocketOnLo::kHeadroom);
  EXPECT_EQ((*umem)[XdpUmem::Field("pages")], size / static_cast<uint64_t>(getpagesize()));
  EXPECT_EQ((*umem)[XdpUmem::Field("interface_index")], if_nametoindex("lo"));
  EXPECT_EQ((*umem)[XdpUmem::Field("flags")], 0u);  // frames are copied
  EXPECT_GT((*umem)[XdpUmem::Field("users")].value_or(0), 0u);
  std::array<std::byte, 64> storage;
  const SocketMemory memory = ReadSocketMemory(fd, storage);
  ASSERT_TRUE(row.memory().has_value());
  EXPECT_EQ((*row.memory())[SocketMemory::Field("rcvbuf")], memory[SocketMemory::Field("rcvbuf")]);
  // The statistics came with 5.9.
  const std::optional<XdpStats> stats = socket.stats();
  if (!stats) return;
  const auto expected = Get<xdp_statistics>(fd, kSolXdp, XDP_STATISTICS);
  EXPECT_EQ((*stats)[XdpStats::Field("rx_dropped")], expected.rx_dropped);
  EXPECT_EQ((*stats)[XdpStats::Field("rx_invalid")], expected.rx_invalid_descs);
  EXPECT_EQ((*stats)[XdpStats::Field("tx_invalid")], expected.tx_invalid_descs);
}

TEST(ModuleFamiliesLive, XdpSocketsTellTheirQueueRingsAndMemory) {
  REQUIRE_FAMILY(Protocol::kXdp, SOCK_RAW, 0);
  InNewNetns([] {
    const XdpSocketOnLo on_lo;
    Sockets sockets(Protocol::kXdp);
    const int fd = on_lo.fd();
    sockets.Add(
        {.what = "on lo", .fd = fd, .check = [fd](const Row& row) { ExpectXdpRow(row, fd); }});
    EXPECT_TRUE(sockets.ExpectRows().doubt.ok());
  });
}

// Since 5.18 the kernel ends the dump at the first socket that is not bound. The newest socket is
// the first one.
TEST(ModuleFamiliesLive, XdpSocketsBehindOneThatIsNotBoundAreKnownToBeMissing) {
  REQUIRE_FAMILY(Protocol::kXdp, SOCK_RAW, 0);
  InNewNetns([] {
    const XdpSocketOnLo on_lo;
    const int idle = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
    Check(idle >= 0, "socket");
    uint64_t rows = 0;
    const Answer answer = Visit(Protocol::kXdp, [&](const Row&) {
      ++rows;
      return Flow::kContinue;
    });
    ASSERT_TRUE(answer.status.ok()) << answer.status;
    EXPECT_EQ(answer.outcome.missing, 2 - rows);
    EXPECT_EQ(answer.outcome.doubt.ok(), rows == 2) << answer.outcome.doubt;
    close(idle);
    close(on_lo.fd());
  });
}

// ---- SMC ----

void ExpectSmcEnds(const Row& row, int fd, Family family, bool connected) {
  const SmcSocket& socket = *row.smc_socket();
  const Endpoint local = AddressBy(getsockname, fd, family);
  EXPECT_EQ(socket.local_address(), local.address);
  EXPECT_EQ(socket.local_port(), local.port);
  EXPECT_EQ(socket.uid(), Uid(geteuid()));
  EXPECT_EQ(socket.mode().has_value(), connected);
  if (!connected) return;
  const Endpoint remote = AddressBy(getpeername, fd, family);
  EXPECT_EQ(socket.remote_address(), remote.address);
  EXPECT_EQ(socket.remote_port(), remote.port);
  // Without a device that both ends share, the connection uses TCP and the kernel says why.
  if (socket.mode() != SmcMode::kFallback) {
    EXPECT_TRUE(socket.connection().has_value());
    return;
  }
  ASSERT_TRUE(socket.fallback().has_value());
  EXPECT_NE((*socket.fallback())[SmcFallback::Field("fallback_reason")].value_or(0), 0u);
  EXPECT_FALSE(socket.connection().has_value());
}

TEST(ModuleFamiliesLive, SmcSocketsAreAsTheSocketApiKnowsThem) {
  REQUIRE_FAMILY(Protocol::kSmc, SOCK_STREAM, 0);
  InNewNetns([] {
    Sockets sockets(Protocol::kSmc);
    for (const Family family : {Family::kInet, Family::kInet6}) {
      const std::string which = family == Family::kInet ? "IPv4" : "IPv6";
      const int number = family == Family::kInet ? 0 : 1;  // SMCPROTO_SMC, SMCPROTO_SMC6
      const auto make = [&] { return socket(AF_SMC, SOCK_STREAM | SOCK_CLOEXEC, number); };
      const int listener = make();
      sockets.Add({.what = which + ", listening",
                   .fd = listener,
                   .state = State::kListen,
                   .check = [=](const Row& row) { ExpectSmcEnds(row, listener, family, false); }});
      Bind(listener, Loopback(family));
      Check(listen(listener, 4) == 0, "listen smc");
      const int client = make();
      Connect(client, AddressBy(getsockname, listener, family));
      const int server = Accept(listener);
      // After the fallback to TCP, the descriptor leads to the TCP socket and has its cookie.
      sockets.Add({.what = which + ", client",
                   .fd = client,
                   .state = State::kEstablished,
                   .check = [=](const Row& row) { ExpectSmcEnds(row, client, family, true); },
                   .has_own_cookie = false});
      sockets.Add({.what = which + ", server",
                   .fd = server,
                   .state = State::kEstablished,
                   .check = [=](const Row& row) { ExpectSmcEnds(row, server, family, true); },
                   .has_own_cookie = false});
    }
    EXPECT_TRUE(sockets.ExpectRows().doubt.ok());
  });
}

}  // namespace
}  // namespace netdiag::testing
