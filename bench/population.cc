// The holders are forked processes that open their own sockets, so each stays below RLIMIT_NOFILE.
// Each has an address of its own in 127/8, or a port of its own on ::1, so there are enough
// ephemeral ports.

#include "bench/population.h"

#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sched.h>
#include <signal.h>
#include <string>
#include <unistd.h>

namespace netdiag::bench {
namespace {

// Half of the descriptors of a process on a small machine, with room for a few others.
constexpr int kPerHolder = 10'000;
constexpr int kListeners = 10;

struct Share {
  int holder = 0;
  int tcp = 0;
  int udp = 0;
  int unix_sockets = 0;
};

// An address that no other holder uses, with port 0.
class Address {
 public:
  explicit Address(const Share& share) {
    if (share.holder % 4 == 3) {
      size_ = sizeof(storage_.v6);
      storage_.v6 = {};
      storage_.v6.sin6_family = AF_INET6;
      storage_.v6.sin6_addr = in6addr_loopback;
    } else {
      size_ = sizeof(storage_.v4);
      storage_.v4 = {};
      storage_.v4.sin_family = AF_INET;
      storage_.v4.sin_addr.s_addr =
          htonl(INADDR_LOOPBACK + 1 + static_cast<uint32_t>(share.holder));
    }
  }
  int family() const { return storage_.any.sa_family; }
  const sockaddr* get() const { return &storage_.any; }
  socklen_t size() const { return size_; }
  // Reads the address that `fd` is bound to.
  void ReadFrom(int fd) {
    size_ = sizeof(storage_);
    if (getsockname(fd, &storage_.any, &size_) != 0) Die("getsockname");
  }

 private:
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  } storage_;
  socklen_t size_ = 0;
};

int OpenSocket(int family, int type) {
  const int fd = socket(family, type | SOCK_CLOEXEC, 0);
  if (fd < 0) Die("socket");
  return fd;
}

// Closing the socket resets the connection, so no TIME_WAIT remains.
void ResetOnClose(int fd) {
  const linger at_once = {1, 0};
  if (setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)) != 0) Die("SO_LINGER");
}

int OpenListener(const Address& address) {
  const int fd = OpenSocket(address.family(), SOCK_STREAM);
  ResetOnClose(fd);  // accepted sockets inherit the option
  if (bind(fd, address.get(), address.size()) != 0 || listen(fd, 16) != 0) Die("listen");
  return fd;
}

void OpenConnection(int listener, const Address& from, const Address& to) {
  const int fd = OpenSocket(to.family(), SOCK_STREAM);
  ResetOnClose(fd);
  const int late_port = 1;  // chosen by connect(), which needs to be unique only with the peer
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &late_port, sizeof(late_port));
  if (bind(fd, from.get(), from.size()) != 0) Die("bind");
  if (connect(fd, to.get(), to.size()) != 0) Die("connect");
  if (accept4(listener, nullptr, nullptr, SOCK_CLOEXEC) < 0) Die("accept");
}

void OpenShare(const Share& share) {
  const Address own(share);
  if (share.tcp > 0) {
    // If the number is odd, another listener makes it exact.
    const int listeners = std::min(share.tcp, kListeners + share.tcp % 2);
    int listener = -1;
    for (int i = 0; i < listeners; ++i) listener = OpenListener(own);
    Address to = own;
    to.ReadFrom(listener);
    for (int i = 0; i < (share.tcp - listeners) / 2; ++i) OpenConnection(listener, own, to);
  }
  for (int i = 0; i < share.udp; ++i) {
    if (bind(OpenSocket(own.family(), SOCK_DGRAM), own.get(), own.size()) != 0) Die("bind");
  }
  for (int i = 0; i < share.unix_sockets / 2; ++i) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) Die("socketpair");
  }
}

[[noreturn]] void Hold(const Share& share, pid_t parent, int ready, int life) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent) _exit(2);
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  OpenShare(share);
  char byte = 0;
  if (write(ready, &byte, 1) != 1) _exit(2);
  while (read(life, &byte, 1) < 0 && errno == EINTR) {
  }
  _exit(0);
}

// Divides `total` into `parts` as evenly as possible.
int PartOf(int total, int parts, int i) { return total / parts + (i < total % parts ? 1 : 0); }

}  // namespace

void Die(std::string_view what) {
  std::fprintf(stderr, "bench: %.*s: %s\n", static_cast<int>(what.size()), what.data(),
               std::strerror(errno));
  std::fflush(nullptr);
  _exit(2);
}

void EnterPrivateNamespace() {
  if (unshare(CLONE_NEWNET) != 0) Die("a network namespace of its own (run as root)");
  const int fd = OpenSocket(AF_INET, SOCK_DGRAM);
  ifreq request{};
  std::memcpy(request.ifr_name, "lo", 3);
  request.ifr_flags = IFF_UP | IFF_RUNNING;
  if (ioctl(fd, SIOCSIFFLAGS, &request) != 0) Die("loopback");
  close(fd);
}

Population::Population(const PopulationOptions& options) {
  std::fflush(nullptr);  // otherwise the holders would print the buffered text again
  const int total = options.tcp + options.udp + options.unix_sockets;
  const int holders = std::max(1, (total + kPerHolder - 1) / kPerHolder);
  const pid_t parent = getpid();
  int ready[2], life[2];
  if (pipe(ready) != 0 || pipe(life) != 0) Die("pipe");
  for (int i = 0; i < holders; ++i) {
    const pid_t pid = fork();
    if (pid < 0) Die("fork");
    if (pid == 0) {
      close(ready[0]);
      close(life[1]);
      Hold({.holder = i,
            .tcp = PartOf(options.tcp, holders, i),
            .udp = PartOf(options.udp, holders, i),
            .unix_sockets = PartOf(options.unix_sockets / 2, holders, i) * 2},
           parent, ready[1], life[0]);
    }
    holders_.push_back(pid);
  }
  close(ready[1]);
  close(life[0]);
  life_ = life[1];
  for (int i = 0; i < holders; ++i) {
    char byte = 0;
    if (read(ready[0], &byte, 1) != 1) Die("a holder ended early");
  }
  close(ready[0]);
}

Population::~Population() {
  close(life_);
  for (const pid_t pid : holders_) {
    // The holders of a later population have a copy of the pipe's end.
    kill(pid, SIGKILL);
    while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
}

}  // namespace netdiag::bench
