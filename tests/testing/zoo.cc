#include "tests/testing/zoo.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sched.h>
#include <thread>
#include <unistd.h>

#include "netdiag/netlink/abi.h"
#include "tests/testing/sockets.h"

namespace netdiag::testing {
namespace {

// The offset of the name in a unix address.
constexpr size_t kNameOffset = offsetof(sockaddr_un, sun_path);

bool FinArrived(State state) {
  return state == State::kCloseWait || state == State::kLastAck || state == State::kClosing;
}

// Reads the queues of a TCP socket from the API.
void ReadTcpQueues(ZooSocket* socket) {
  std::array<std::byte, 512> storage;
  const TcpInfo info = ReadTcpInfo(socket->fd, storage);
  switch (socket->state) {
    case State::kListen:
      socket->receive_queue = static_cast<uint32_t>(*info[TcpInfo::Field("unacked")]);
      socket->send_queue = static_cast<uint32_t>(*info[TcpInfo::Field("sacked")]);
      return;
    case State::kSynSent:  // ioctl returns 0, but the SYN counts
      socket->receive_queue = 0;
      socket->send_queue = 1;
      return;
    case State::kClose:
      socket->receive_queue = socket->send_queue = 0;
      return;
    default:  // a FIN counts as a byte that cannot be read
      socket->receive_queue = Queue(socket->fd, FIONREAD) + (FinArrived(socket->state) ? 1u : 0u);
      socket->send_queue = Queue(socket->fd, TIOCOUTQ);
  }
}

void ReadInet(ZooSocket* socket) {
  const int fd = socket->fd;
  socket->local = AddressBy(getsockname, fd, socket->family);
  socket->remote = AddressBy(getpeername, fd, socket->family);
  socket->mark = Mark(static_cast<uint32_t>(Get<int>(fd, SOL_SOCKET, SO_MARK)));
  socket->interface = IfIndex(static_cast<uint32_t>(Get<int>(fd, SOL_SOCKET, SO_BINDTOIFINDEX)));
  socket->tos = static_cast<uint8_t>(Get<int>(fd, IPPROTO_IP, IP_TOS));
  if (socket->family == Family::kInet6) {
    socket->traffic_class = static_cast<uint8_t>(Get<int>(fd, IPPROTO_IPV6, IPV6_TCLASS));
    if (socket->state == State::kListen || socket->state == State::kClose) {
      socket->v6_only = Get<int>(fd, IPPROTO_IPV6, IPV6_V6ONLY) != 0;
    }
  }
  if (socket->protocol == Protocol::kTcp) ReadTcpQueues(socket);
}

void ReadUnix(ZooSocket* socket) {
  SocketAddress address;
  Check(getsockname(socket->fd, address.get(), &address.size) == 0, "getsockname");
  const auto path = address.As<sockaddr_un>();
  socket->name.assign(path.sun_path, address.size - kNameOffset);
  if (!socket->name.empty() && socket->name[0] != '\0') {
    socket->name.resize(std::strlen(socket->name.c_str()));
    struct stat file = {};
    Check(stat(socket->name.c_str(), &file) == 0, socket->name);
    socket->file = {static_cast<uint32_t>(file.st_ino), major(file.st_dev), minor(file.st_dev)};
  }
  if (socket->state == State::kListen) return;
  socket->receive_queue = Queue(socket->fd, FIONREAD);
  socket->send_queue = Queue(socket->fd, TIOCOUTQ);
}

}  // namespace

// Makes the sockets. The calling thread is in the namespace.
class ZooBuilder {
 public:
  explicit ZooBuilder(Zoo* zoo) : zoo_(zoo) {}

  void Build() {
    for (const Family family : {Family::kInet, Family::kInet6}) {
      suffix_ = family == Family::kInet ? "4 " : "6 ";
      Listeners(family);
      Opening(family);
      Established(family);
      Timers(family);
      Closing(family);
      KernelHeld(family);
      Udp(family);
    }
    suffix_ = " ";
    MixedListeners();
    UnixPairs();
    UnixNames();
    UnixListener();
  }

 private:
  // Adds a socket when it is in `state`, which TCP may reach a moment later.
  ZooSocket& Add(std::string_view kind, std::string_view what, int fd, State state) {
    ZooSocket socket;
    socket.what = std::string(kind) + suffix_ + std::string(what);
    socket.fd = fd;
    socket.family = static_cast<Family>(Get<int>(fd, SOL_SOCKET, SO_DOMAIN));
    socket.protocol = static_cast<Protocol>(Get<int>(fd, SOL_SOCKET, SO_PROTOCOL));
    socket.type = static_cast<SocketType>(Get<int>(fd, SOL_SOCKET, SO_TYPE));
    socket.state = state;
    if (socket.protocol == Protocol::kTcp) {
      Await(socket.what, [&] { return TcpState(fd) == state; });
    }
    socket.shutdown = Shutdown{};
    socket.cookie = CookieOf(fd);
    struct stat file = {};
    Check(fstat(fd, &file) == 0, "fstat");
    socket.inode = Inode(static_cast<uint32_t>(file.st_ino));
    socket.uid = Uid(file.st_uid);
    if (socket.family == Family::kUnix) {
      ReadUnix(&socket);
    } else {
      ReadInet(&socket);
    }
    return zoo_->sockets_.emplace_back(std::move(socket));
  }
  ZooSocket& AddTcp(std::string_view what, int fd, State state) {
    return Add("tcp", what, fd, state);
  }

  // Adds a socket that has no descriptor, by its addresses.
  ZooSocket& AddHeld(std::string_view what, const Endpoint& local, const Endpoint& remote,
                     State state) {
    ZooSocket socket;
    socket.what = "tcp" + suffix_ + std::string(what);
    socket.family = local.address.family();
    socket.state = state;
    socket.local = local;
    socket.remote = remote;
    return zoo_->sockets_.emplace_back(std::move(socket));
  }

  void Listeners(Family family) {
    const int plain = Listen(Loopback(family), 7);
    Check(fchown(plain, 1234, static_cast<gid_t>(-1)) == 0, "fchown");
    AddTcp("listen", plain, State::kListen);

    const int busy = Listen(Loopback(family), 5);
    for (int i = 0; i < 2; ++i) {
      const int client = Make(family, SOCK_STREAM);
      Connect(client, LocalOf(busy));
      AddTcp("client of the backlog " + std::to_string(i), client, State::kEstablished);
      AddHeld("in the backlog " + std::to_string(i), LocalOf(busy), LocalOf(client),
              State::kEstablished)
          .shutdown = Shutdown{};
    }
    std::array<std::byte, 512> storage;
    Await("backlog", [&] { return ReadTcpInfo(busy, storage)[TcpInfo::Field("unacked")] == 2; });
    AddTcp("listen with connections waiting", busy, State::kListen);

    if (!KernelIs(6, 8)) return;  // It does not list such sockets.
    const int bound = Make(family, SOCK_STREAM);
    Bind(bound, Loopback(family));
    AddTcp("bound, inactive", bound, State::kClose).bound_inactive = true;
  }

  // Handshakes that do not complete: the SYN is dropped, or the SYN-ACK.
  void Opening(Family family) {
    const int deaf = Listen(Loopback(family), 1);
    Deafen(deaf);
    AddTcp("listen, deaf", deaf, State::kListen);
    const int unheard = Make(family, SOCK_STREAM | SOCK_NONBLOCK);
    Connect(unheard, LocalOf(deaf));
    // getpeername() has no address before the handshake.
    Busy(AddTcp("syn-sent", unheard, State::kSynSent)).remote = LocalOf(deaf);

    const int listener = Listen(Loopback(family), 3);
    const int client = Make(family, SOCK_STREAM | SOCK_NONBLOCK);
    Deafen(client);
    Connect(client, LocalOf(listener));
    Busy(AddTcp("syn-sent, answered", client, State::kSynSent)).remote = LocalOf(listener);
    // A connection request, which has no descriptor yet.
    Busy(AddHeld("syn-recv", LocalOf(listener), LocalOf(client), State::kSynReceived));
    AddTcp("listen with a handshake", listener, State::kListen);
  }

  void Established(Family family) {
    const Pair plain = MakePair(family);
    Send(plain.client, 100);
    Await("100 bytes", [&] { return Queue(plain.server, FIONREAD) == 100; });
    Await("their ACK", [&] { return Queue(plain.client, TIOCOUTQ) == 0; });
    AddTcp("established, sender", plain.client, State::kEstablished);
    AddTcp("established, 100 bytes unread", plain.server, State::kEstablished);

    const int listener = Listen(Loopback(family), 1);
    const int marked = Make(family, SOCK_STREAM);
    Set(marked, SOL_SOCKET, SO_MARK, 0x01020304);
    Set(marked, IPPROTO_IP, IP_TOS, 0x10);
    if (family == Family::kInet6) Set(marked, IPPROTO_IPV6, IPV6_TCLASS, 0x28);
    Check(setsockopt(marked, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2) == 0, "SO_BINDTODEVICE");
    Connect(marked, LocalOf(listener));
    const int accepted = Accept(listener);
    close(listener);
    AddTcp("marked, tos, bound to lo", marked, State::kEstablished);
    AddTcp("peer of the marked", accepted, State::kEstablished);
  }

  void Timers(Family family) {
    const Pair alive = MakePair(family);
    Set(alive.client, IPPROTO_TCP, TCP_KEEPIDLE, 3600);
    Set(alive.client, SOL_SOCKET, SO_KEEPALIVE, 1);
    AddTcp("keepalive", alive.client, State::kEstablished).timer = Timer::kKeepalive;
    AddTcp("peer of the keepalive", alive.server, State::kEstablished);

    const Pair unheard = MakePair(family);
    Deafen(unheard.server);
    Send(unheard.client, 1000);
    Busy(AddTcp("1000 bytes unacknowledged", unheard.client, State::kEstablished));
    AddTcp("deaf", unheard.server, State::kEstablished);

    const Pair full = MakePair(family, 4096);
    const std::string data(16 * 1024, 'z');
    std::array<std::byte, 512> storage;
    Await("zero window", [&] {
      while (send(full.client, data.data(), data.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
      }
      const TcpInfo info = ReadTcpInfo(full.client, storage);
      return info[TcpInfo::Field("unacked")] == 0 && *info[TcpInfo::Field("notsent_bytes")] > 0;
    });
    Busy(AddTcp("zero window", full.client, State::kEstablished)).timer = Timer::kPersist;
    AddTcp("window full", full.server, State::kEstablished).quiet = false;
  }

  void Closing(Family family) {
    const Pair half = MakePair(family);
    shutdown(half.client, SHUT_WR);
    AddTcp("close-wait", half.server, State::kCloseWait).shutdown = Shutdown{true, false};
    AddTcp("fin-wait-2", half.client, State::kFinWait2).shutdown = Shutdown{false, true};

    const Pair unheard = MakePair(family);
    Deafen(unheard.server);
    shutdown(unheard.client, SHUT_RDWR);
    Busy(AddTcp("fin-wait-1", unheard.client, State::kFinWait1)).shutdown = Shutdown{true, true};
    AddTcp("deaf to a fin", unheard.server, State::kEstablished);

    const Pair both = MakePair(family);
    Deafen(both.server);
    shutdown(both.client, SHUT_WR);
    shutdown(both.server, SHUT_WR);
    Busy(AddTcp("closing", both.client, State::kClosing)).shutdown = Shutdown{true, true};
    Busy(AddTcp("fin-wait-1, deaf", both.server, State::kFinWait1)).shutdown =
        Shutdown{false, true};

    const Pair last = MakePair(family);
    shutdown(last.client, SHUT_WR);
    Await("close-wait", [&] { return TcpState(last.server) == State::kCloseWait; });
    Await("fin-wait-2", [&] { return TcpState(last.client) == State::kFinWait2; });
    Deafen(last.client);
    shutdown(last.server, SHUT_WR);
    Busy(AddTcp("last-ack", last.server, State::kLastAck)).shutdown = Shutdown{true, true};
    AddTcp("fin-wait-2, deaf", last.client, State::kFinWait2).shutdown = Shutdown{false, true};
  }

  // Sockets that outlive their descriptors.
  void KernelHeld(Family family) {
    const Pair orphan = MakePair(family);
    Deafen(orphan.server);
    AddTcp("peer of the orphan", orphan.server, State::kEstablished);
    Busy(Orphan("fin-wait-1 orphan", orphan.client, State::kFinWait1)).shutdown =
        Shutdown{true, true};

    // The kernel keeps it as a minisocket, like TIME_WAIT.
    const Pair mini = MakePair(family);
    shutdown(mini.client, SHUT_WR);
    Await("fin-wait-2", [&] { return TcpState(mini.client) == State::kFinWait2; });
    ZooSocket& fin_wait = Orphan("fin-wait-2 orphan", mini.client, State::kFinWait2);
    fin_wait.timer = Timer::kTimeWait;
    fin_wait.receive_queue = fin_wait.send_queue = 0;
    AddTcp("peer of the fin-wait-2", mini.server, State::kCloseWait).shutdown =
        Shutdown{true, false};

    const Pair ended = MakePair(family);
    ZooSocket& time_wait = Orphan("time-wait", ended.client, State::kTimeWait);
    time_wait.timer = Timer::kTimeWait;
    time_wait.receive_queue = time_wait.send_queue = 0;
    Await("close-wait", [&] { return TcpState(ended.server) == State::kCloseWait; });
    close(ended.server);
  }

  ZooSocket& Orphan(std::string_view what, int fd, State state) {
    const Cookie cookie = CookieOf(fd);
    const Endpoint local = LocalOf(fd);
    const Endpoint remote = AddressBy(getpeername, fd, local.address.family());
    close(fd);
    ZooSocket& socket = AddHeld(what, local, remote, state);
    socket.cookie = cookie;
    return socket;
  }

  // Its retransmission timer runs.
  static ZooSocket& Busy(ZooSocket& socket) {
    socket.quiet = false;
    socket.timer = Timer::kOn;
    return socket;
  }

  void Udp(Family family) {
    const int unconnected = Make(family, SOCK_DGRAM);
    Bind(unconnected, Loopback(family));
    const int connected = Make(family, SOCK_DGRAM);
    Connect(connected, LocalOf(unconnected));
    Send(connected, 50);
    Await("datagram", [&] { return Queue(unconnected, FIONREAD) == 50; });
    Add("udp", "unconnected, with a datagram", unconnected, State::kClose);
    ZooSocket& peer = Add("udp", "connected", connected, State::kEstablished);
    peer.receive_queue = peer.send_queue = 0;
    const int wild = Make(family, SOCK_DGRAM);
    if (family == Family::kInet6) Set(wild, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    Bind(wild, Any(family));
    ZooSocket& any = Add("udp", "on any address", wild, State::kClose);
    any.receive_queue = any.send_queue = 0;
  }

  void MixedListeners() {
    // The port of the IPv4 listener can be in use by an IPv6 socket. Then another one is tried.
    int any4 = -1, any6 = -1;
    bool bound = false;
    for (int attempt = 0; attempt < 100 && !bound; ++attempt) {
      if (attempt > 0) {
        close(any4);
        close(any6);
      }
      any4 = Listen(Any(Family::kInet), 1);
      any6 = Make(Family::kInet6, SOCK_STREAM);
      Set(any6, IPPROTO_IPV6, IPV6_V6ONLY, 1);
      Endpoint same_port = Any(Family::kInet6);
      same_port.port = LocalOf(any4).port;
      SocketAddress address = ToSystem(same_port);
      bound = bind(any6, address.get(), address.size) == 0;
    }
    Check(bound, "bind to the same port of both families");
    AddTcp("listen on 0.0.0.0", any4, State::kListen);
    Check(listen(any6, 1) == 0, "listen");
    AddTcp("listen on [::] for IPv6 only", any6, State::kListen);

    const int dual = Listen(Any(Family::kInet6), 1);
    const int client = Make(Family::kInet, SOCK_STREAM);
    Endpoint to = Loopback(Family::kInet);
    to.port = LocalOf(dual).port;
    Connect(client, to);
    AddTcp("server of a mapped address", Accept(dual), State::kEstablished);
    AddTcp("client of a mapped address", client, State::kEstablished);
    AddTcp("listen on [::] for both", dual, State::kListen);

    const int device = Make(Family::kInet, SOCK_STREAM);
    Check(setsockopt(device, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2) == 0, "SO_BINDTODEVICE");
    Bind(device, Any(Family::kInet));
    Check(listen(device, 1) == 0, "listen");
    AddTcp("listen on lo", device, State::kListen);
  }

  // ------------------------------------------------------------------------------------- unix

  std::pair<ZooSocket*, ZooSocket*> AddUnixPair(std::string_view what, int a, int b) {
    zoo_->sockets_.reserve(zoo_->sockets_.size() + 2);  // so that both references stay valid
    const State state = ConnectedState(a);
    ZooSocket& first = Add("unix", what, a, state);
    ZooSocket& second = Add("unix", "other end of " + std::string(what), b, state);
    first.peer = second.inode;
    second.peer = first.inode;
    return {&first, &second};
  }

  // That of a connected unix socket. Before 5.15 datagram sockets stayed CLOSE.
  static State ConnectedState(int fd) {
    const bool datagrams = Get<int>(fd, SOL_SOCKET, SO_TYPE) == SOCK_DGRAM;
    return datagrams && !KernelIs(5, 15) ? State::kClose : State::kEstablished;
  }

  void UnixPairs() {
    const struct {
      int type;
      std::string_view name;
    } kinds[] = {{SOCK_STREAM, "stream"}, {SOCK_DGRAM, "dgram"}, {SOCK_SEQPACKET, "seqpacket"}};
    for (const auto& [type, name] : kinds) {
      int ends[2];
      Check(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
      AddUnixPair(std::string(name) + " pair", ends[0], ends[1]);
      Check(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
      Send(ends[0], 77);
      AddUnixPair(std::string(name) + " pair with data", ends[0], ends[1]);
    }
    int ends[2];
    Check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
    shutdown(ends[0], SHUT_WR);
    const auto [first, second] = AddUnixPair("stream pair, shut down", ends[0], ends[1]);
    first->shutdown = Shutdown{false, true};
    second->shutdown = Shutdown{true, false};

    Check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "socketpair");
    close(ends[1]);
    // The kernel decides whether a socket still names a peer that is gone.
    Add("unix", "stream, the other end closed", ends[0], State::kEstablished).shutdown =
        Shutdown{true, true};
    Add("unix", "unbound stream", Make(Family::kUnix, SOCK_STREAM), State::kClose);
  }

  static SocketAddress UnixAddress(std::string_view name) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    SocketAddress out;
    std::memcpy(&out.storage, &address, sizeof(address));
    const bool path = !name.empty() && name[0] != '\0';
    out.size = static_cast<socklen_t>(kNameOffset + name.size() + (path ? 1 : 0));
    return out;
  }

  int BindUnix(int type, std::string_view name) {
    const int fd = Make(Family::kUnix, type);
    SocketAddress address = UnixAddress(name);
    Check(bind(fd, address.get(), address.size) == 0, name);
    return fd;
  }

  void UnixNames() {
    const std::string path = zoo_->directory_ + "/dgram with blanks";
    const int receiver = BindUnix(SOCK_DGRAM, path);
    const int sender = Make(Family::kUnix, SOCK_DGRAM);
    SocketAddress to = UnixAddress(path);
    Check(connect(sender, to.get(), to.size) == 0, "connect");
    // connect() also makes the receiver ESTABLISHED, although it has no peer.
    const Inode peer = Add("unix", "dgram with a path", receiver, ConnectedState(receiver)).inode;
    Add("unix", "connected dgram", sender, ConnectedState(sender)).peer = peer;

    Add("unix", "abstract", BindUnix(SOCK_DGRAM, std::string_view("\0zoo", 4)), State::kClose);
    constexpr std::string_view kWild("\0zoo\0\x1b[31m\nred\xff\0", 16);
    Add("unix", "abstract with control characters", BindUnix(SOCK_STREAM, kWild), State::kClose);
    const std::string longest = '\0' + std::string(107, 'x');
    Add("unix", "longest abstract name", BindUnix(SOCK_SEQPACKET, longest), State::kClose);
  }

  void UnixListener() {
    const std::string path = zoo_->directory_ + "/listener";
    const int listener = BindUnix(SOCK_STREAM, path);
    Check(listen(listener, 9) == 0, "listen");
    std::vector<Inode> pending;
    SocketAddress to = UnixAddress(path);
    for (int i = 0; i < 3; ++i) {
      const int client = Make(Family::kUnix, SOCK_STREAM);
      Check(connect(client, to.get(), to.size) == 0, "connect");
      // Its peer has no inode before accept().
      pending.push_back(
          Add("unix", "waiting client " + std::to_string(i), client, State::kEstablished).inode);
    }
    ZooSocket& socket = Add("unix", "listener", listener, State::kListen);
    socket.pending = std::move(pending);
    socket.receive_queue = 3;
    socket.send_queue = 9;
  }

  Zoo* zoo_;
  std::string suffix_;
};

Zoo::Zoo() {
  directory_ = "/tmp/netdiag-zoo-XXXXXX";
  Check(mkdtemp(directory_.data()) != nullptr, directory_);
  // The namespace outlives the thread: its sockets and the descriptor keep it.
  std::thread([this] {
    Check(unshare(CLONE_NEWNET) == 0, "unshare(CLONE_NEWNET), which needs CAP_SYS_ADMIN");
    netns_fd_ = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    Check(netns_fd_ >= 0, "/proc/thread-self/ns/net");
    LoUp();
    ZooBuilder(this).Build();
  }).join();
}

Zoo::~Zoo() {
  for (const ZooSocket& socket : sockets_) {
    if (socket.fd >= 0) close(socket.fd);
  }
  close(netns_fd_);
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

const ZooSocket& Zoo::operator[](std::string_view what) const {
  const auto found = std::ranges::find(sockets_, what, &ZooSocket::what);
  errno = ENOENT;
  Check(found != sockets_.end(), what);
  return *found;
}

}  // namespace netdiag::testing
