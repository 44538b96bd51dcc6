// tests/testing/sockets.h — short forms of socket calls for tests. A failure ends the program,
// because it is a failure of the test's machine.
//
//   const Pair pair = MakePair(Family::kInet6);      // connected over loopback
//   Deafen(pair.server);                             // acknowledges nothing from now on

#ifndef NETDIAG_TESTS_TESTING_SOCKETS_H_
#define NETDIAG_TESTS_TESTING_SOCKETS_H_

#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sched.h>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>

#include "absl/functional/function_ref.h"

#include "netdiag/netlink/abi.h"
#include "netdiag/socket/structs.h"
#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace netdiag::testing {

// True if the running kernel is of this version or later: for tests of what the versions differ in.
inline bool KernelIs(int major, int minor) {
  utsname name = {};
  int its_major = 0, its_minor = 0;
  if (uname(&name) != 0 || std::sscanf(name.release, "%d.%d", &its_major, &its_minor) != 2) {
    return false;
  }
  return its_major > major || (its_major == major && its_minor >= minor);
}

// False if BPF programs that walk the TCP sockets make the kernel free some that are in use
// (CVE-2026-74714).
inline bool KernelWalksTcpSafely() {
  utsname name = {};
  int major = 0, minor = 0, patch = 0;
  if (uname(&name) != 0) return false;
  std::sscanf(name.release, "%d.%d.%d", &major, &minor, &patch);
  if (major != 6 && major != 7) return major > 7;
  if (major == 7) return minor > 1 || (minor == 1 && patch >= 9);
  return (minor == 6 && patch >= 152) || (minor == 12 && patch >= 104) ||
         (minor == 18 && patch >= 45);
}

inline void Check(bool good, std::string_view what) {
  if (good) return;
  std::fprintf(stderr, "test machine: %.*s: %s\n", static_cast<int>(what.size()), what.data(),
               std::strerror(errno));
  std::abort();
}

// Waits until `reached` returns true. After a minute it ends the program.
inline void Await(std::string_view what, absl::FunctionRef<bool()> reached) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!reached()) {
    errno = ETIMEDOUT;
    Check(std::chrono::steady_clock::now() < deadline, what);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

template <class T>
inline void Set(int fd, int level, int option, const T& value) {
  if (setsockopt(fd, level, option, &value, sizeof(value)) == 0) return;
  Check(false, "setsockopt " + std::to_string(level) + " " + std::to_string(option));
}

template <class T>
T Get(int fd, int level, int option) {
  T value{};
  socklen_t size = sizeof(value);
  if (getsockopt(fd, level, option, &value, &size) == 0) return value;
  Check(false, "getsockopt " + std::to_string(level) + " " + std::to_string(option));
  return value;
}

inline Bytes ReadBytes(int fd, int level, int option, std::span<std::byte> storage) {
  auto size = static_cast<socklen_t>(storage.size());
  Check(getsockopt(fd, level, option, storage.data(), &size) == 0, "getsockopt");
  return Bytes(storage).first(size);
}

// getsockopt(TCP_INFO) and getsockopt(SO_MEMINFO). `storage` holds the answer.
inline TcpInfo ReadTcpInfo(int fd, std::span<std::byte> storage) {
  return TcpInfo(ReadBytes(fd, IPPROTO_TCP, TCP_INFO, storage));
}

inline SocketMemory ReadSocketMemory(int fd, std::span<std::byte> storage) {
  return SocketMemory(ReadBytes(fd, SOL_SOCKET, SO_MEMINFO, storage));
}

// The inode and the cookie of a socket, from fstat() and getsockopt().
inline Inode InodeOf(int fd) {
  struct stat file = {};
  Check(fstat(fd, &file) == 0, "fstat");
  return Inode(static_cast<uint32_t>(file.st_ino));
}

inline Cookie CookieOf(int fd) { return Cookie(Get<uint64_t>(fd, SOL_SOCKET, SO_COOKIE)); }

inline State TcpState(int fd) {
  std::array<std::byte, 512> storage;
  return static_cast<State>(*ReadTcpInfo(fd, storage)[TcpInfo::Field("state")]);
}

inline uint32_t Queue(int fd, unsigned long request) {
  int bytes = 0;
  Check(ioctl(fd, request, &bytes) == 0, "ioctl");
  return static_cast<uint32_t>(bytes);
}

// From now on the socket receives nothing: a filter drops segments before TCP sees them.
inline void Deafen(int fd) {
  sock_filter drop = {BPF_RET | BPF_K, 0, 0, 0};
  Set(fd, SOL_SOCKET, SO_ATTACH_FILTER, sock_fprog{1, &drop});
}

// Sends a copy of `fd` over the unix socket `via`. Until it is received, the copy has no owner.
inline void SendDescriptor(int via, int fd) {
  char byte = 'x';
  iovec vector = {&byte, 1};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  Check(sendmsg(via, &message, 0) == 1, "SCM_RIGHTS");
}

inline void Send(int fd, size_t bytes) {
  const std::string data(bytes, 'z');
  Check(send(fd, data.data(), data.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes), "send");
}

struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t size = sizeof(storage);
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  template <class T>
  T As() const {
    T address;
    std::memcpy(&address, &storage, sizeof(T));
    return address;
  }
};

inline SocketAddress ToSystem(const Endpoint& endpoint) {
  SocketAddress out;
  if (endpoint.address.family() == Family::kInet6) {
    sockaddr_in6 address = {};
    address.sin6_family = AF_INET6;
    address.sin6_port = endpoint.port.ToNetwork();
    std::memcpy(&address.sin6_addr, endpoint.address.octets().data(), sizeof(address.sin6_addr));
    std::memcpy(&out.storage, &address, out.size = sizeof(address));
  } else {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = endpoint.port.ToNetwork();
    std::memcpy(&address.sin_addr, endpoint.address.octets().data(), sizeof(address.sin_addr));
    std::memcpy(&out.storage, &address, out.size = sizeof(address));
  }
  return out;
}

template <class T>
inline Bytes BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

// The address that `get` returns. Zeros if there is none, as of the peer of an unconnected socket.
inline Endpoint AddressBy(int (*get)(int, sockaddr*, socklen_t*), int fd, Family family) {
  SocketAddress address;
  if (get(fd, address.get(), &address.size) != 0) {
    const std::array<std::byte, 16> zero{};
    return {IpAddress::FromNetwork(family, zero), Port()};
  }
  if (address.storage.ss_family == AF_INET6) {
    const auto in6 = address.As<sockaddr_in6>();
    return {IpAddress::FromNetwork(Family::kInet6, BytesOf(in6.sin6_addr)),
            Port::FromNetwork(in6.sin6_port)};
  }
  const auto in = address.As<sockaddr_in>();
  return {IpAddress::FromNetwork(Family::kInet, BytesOf(in.sin_addr)),
          Port::FromNetwork(in.sin_port)};
}

inline Endpoint Loopback(Family family) {
  IpAddress address = IpAddress::V4(127, 0, 0, 1);
  if (family == Family::kInet6) address = IpAddress::FromNetwork(family, BytesOf(in6addr_loopback));
  return {address, Port()};
}

inline Endpoint Any(Family family) {
  return {IpAddress::FromNetwork(family, BytesOf(in6addr_any)), Port()};
}

inline int Make(Family family, int type) {
  const int fd = socket(static_cast<int>(family), type | SOCK_CLOEXEC, 0);
  Check(fd >= 0, "socket");
  return fd;
}

inline void Bind(int fd, const Endpoint& to) {
  SocketAddress address = ToSystem(to);
  Check(bind(fd, address.get(), address.size) == 0, "bind");
}

inline void Connect(int fd, const Endpoint& to) {
  SocketAddress address = ToSystem(to);
  Check(connect(fd, address.get(), address.size) == 0 || errno == EINPROGRESS, "connect");
}

inline Endpoint LocalOf(int fd) {
  return AddressBy(getsockname, fd, static_cast<Family>(Get<int>(fd, SOL_SOCKET, SO_DOMAIN)));
}

inline int Accept(int listener) {
  const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  Check(fd >= 0, "accept");
  return fd;
}

inline int Listen(const Endpoint& at, int backlog) {
  const int fd = Make(at.address.family(), SOCK_STREAM);
  Set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  Bind(fd, at);
  Check(listen(fd, backlog) == 0, "listen");
  return fd;
}

struct Pair {
  int client = -1;
  int server = -1;
};

// `receive_buffer`: of the server, in bytes; 0 keeps the system's default.
inline Pair MakePair(Family family, int receive_buffer = 0) {
  const int listener = Listen(Loopback(family), 1);
  if (receive_buffer > 0) Set(listener, SOL_SOCKET, SO_RCVBUF, receive_buffer);
  Pair pair;
  pair.client = Make(family, SOCK_STREAM);
  Connect(pair.client, LocalOf(listener));
  pair.server = Accept(listener);
  close(listener);
  return pair;
}

// Closes the end of a TCP connection that closes first. The kernel destroys its socket when the
// other end acknowledges the FIN. If the socket is locked when the acknowledgement comes, which
// happens on slow machines, the kernel keeps it for tcp_fin_timeout. That is a minute; this
// function makes it a second. Source: tcp_rcv_state_process(), net/ipv4/tcp_input.c.
inline void CloseFirst(int fd) {
  Set(fd, IPPROTO_TCP, TCP_LINGER2, 1);
  close(fd);
}

// Brings "lo" up in the calling thread's network namespace. Needs CAP_NET_ADMIN.
inline void LoUp() {
  const int fd = Make(Family::kInet, SOCK_DGRAM);
  ifreq lo = {};
  std::strcpy(lo.ifr_name, "lo");
  lo.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
  Check(ioctl(fd, SIOCSIFFLAGS, &lo) == 0, "lo up");
  close(fd);
}

// The mount at "/" shows this directory of its filesystem. Empty if "/" is not a mount point.
inline std::string RootOfMounts() {
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line, id, parent, device, root, point; std::getline(mounts, line);) {
    std::istringstream(line) >> id >> parent >> device >> root >> point;
    if (point == "/") return root;
  }
  return "";
}

// True if no mount can be made private. Source: do_change_type(), fs/namespace.c.
inline bool RootIsNoMountPoint() { return RootOfMounts().empty(); }

// True if "/" is not the root of the mount namespace, so that the kernel refuses user namespaces. A
// directory that is mounted over itself can be the root. Source: current_chrooted(),
// fs/namespace.c.
inline bool InChroot() {
  if (RootOfMounts() == "/") return false;
  const pid_t child = fork();
  if (child == 0) _exit(unshare(CLONE_NEWUSER) != 0 && errno == EPERM ? 1 : 0);
  int status = 0;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_TESTING_SOCKETS_H_
