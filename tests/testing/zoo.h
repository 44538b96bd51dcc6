// tests/testing/zoo.h — sockets in every reachable state, in a network namespace of their own, each
// with what the socket API says of it.
//
//   Zoo zoo;
//   EngineOptions options{.netns = netlink::NetNs::FromFd(zoo.netns_fd())};
//   for (const ZooSocket& socket : zoo.sockets()) Expect(socket.cookie, socket.state, …);
//
// All facts come from getsockname, getpeername, getsockopt, fstat and ioctl, never from sock_diag,
// so the zoo is a reference for sock_diag. No packet leaves the namespace. States that need a
// silent peer are made with a socket filter that drops everything. The states last at least half a
// minute. Needs CAP_SYS_ADMIN and CAP_NET_ADMIN. A failure ends the program, because it is a
// failure of the test's machine.

#ifndef NETDIAG_TESTS_TESTING_ZOO_H_
#define NETDIAG_TESTS_TESTING_ZOO_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "netdiag/socket/socket.h"
#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace netdiag::testing {

struct ZooSocket {
  std::string what;  // its name in failures and in Zoo::operator[]: "tcp4 close-wait"
  int fd = -1;       // -1 if it has no file any more, or not yet; its inode is 0 then
  Protocol protocol = Protocol::kTcp;
  Family family = Family::kInet;
  SocketType type = SocketType::kStream;
  State state = State::kEstablished;  // as dumps report it
  bool bound_inactive = false;        // listed only if State::kBoundInactive is asked for
  bool quiet = true;                  // TCP retransmits nothing, so its tcp_info does not change
  // 0 if the API does not report it, because there never was a descriptor. The addresses are unique
  // then.
  Cookie cookie;
  Inode inode;
  Uid uid;
  // nullopt if the API does not report it.
  std::optional<uint32_t> receive_queue;
  std::optional<uint32_t> send_queue;
  // The directions that are shut down; nullopt for sockets that only the kernel holds.
  std::optional<Shutdown> shutdown;

  // Inet.
  Endpoint local;
  Endpoint remote;
  IfIndex interface;
  Mark mark;
  Timer timer = Timer::kOff;
  std::optional<bool> v6_only;  // IPv6 in LISTEN or CLOSE
  uint8_t tos = 0;
  uint8_t traffic_class = 0;

  // Unix.
  std::string name;                      // as UnixSocket::name() gives it
  std::optional<Inode> peer;             // the socket that it is connected to
  std::optional<UnixSocket::File> file;  // the file of its path
  std::vector<Inode> pending;            // the peers of connections that wait for accept()
};

class Zoo {
 public:
  Zoo();
  Zoo(const Zoo&) = delete;
  Zoo& operator=(const Zoo&) = delete;
  ~Zoo();

  const std::vector<ZooSocket>& sockets() const { return sockets_; }
  // REQUIRES: there is a socket of that name.
  const ZooSocket& operator[](std::string_view what) const;
  int netns_fd() const { return netns_fd_; }

 private:
  friend class ZooBuilder;
  std::vector<ZooSocket> sockets_;
  std::string directory_;  // of the unix sockets with a path
  int netns_fd_ = -1;
};

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTS_TESTING_ZOO_H_
