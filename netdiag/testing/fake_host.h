// SPDX-License-Identifier: Apache-2.0
//
// netdiag/testing/fake_host.h — sockets that a test writes down, as the answer of an Engine: the
// logic of a program can be tested without privileges, and without the sockets of this host.
//
//   const FakeSocket stuck = {.state = State::kCloseWait,
//                             .local = *Endpoint::Parse("10.0.0.1:443"),
//                             .remote = *Endpoint::Parse("10.0.0.2:50000"),
//                             .tcp_info = {{"bytes_acked", 100}},
//                             .owners = {{.pid = Pid(7), .fd = 3, .command = "server"}}};
//   const std::vector<std::byte> before = *FakeCapture({});
//   const std::vector<std::byte> after = *FakeCapture({&stuck, 1});
//   std::unique_ptr<Engine> engine =
//       *Engine::Open({.replay = before, .later_replays = {after}});
//
// The sockets become a capture (dump/capture.h), so what reads them is what reads the kernel's
// answers. Nothing is missing in it, and Summary::Whole() says so. A Monitor over such an Engine
// has no events; MonitorOptions::events = false says that none are wanted.
//
// Threads: a function without state.

#ifndef NETDIAG_TESTING_FAKE_HOST_H_
#define NETDIAG_TESTING_FAKE_HOST_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "netdiag/types/abseil.h"
#include "netdiag/types/address.h"
#include "netdiag/types/types.h"

namespace netdiag::testing {

struct FakeOwner {
  Pid pid = {};
  int fd = 0;
  std::string command = {};
  uint64_t start_time = 1;  // of the process, in clock ticks since boot
};

struct FakeSocket {
  Protocol protocol = Protocol::kTcp;  // one of TCP, UDP, MPTCP, SCTP, DCCP, raw, and unix
  State state = State::kEstablished;
  // Not of unix sockets. Both have one family. 0.0.0.0, which is the default, stands for :: beside
  // an address of IPv6.
  Endpoint local = {}, remote = {};
  // 0: numbers of their own, which are the same in each capture in which the socket has the same
  // place. A socket in TIME_WAIT has no inode.
  Inode inode = {};
  Cookie cookie = {};
  Uid uid = {};
  uint32_t receive_queue = 0, send_queue = 0;  // bytes
  // Fields of TcpInfo by their names (socket/structs.h), for TCP. Empty: the kernel told none.
  std::vector<std::pair<std::string, uint64_t>> tcp_info = {};
  std::string congestion = {};  // the congestion control; "": not told
  // Of unix sockets: a path; or an abstract name, which begins with a NUL; "": none.
  std::string name = {};
  std::vector<FakeOwner> owners = {};
};

// A capture of the host that has these sockets and no others. For EngineOptions::replay and
// later_replays.
// Errors: a protocol that has no fake, a field that TcpInfo does not have or whose value does not
// fit, ends of two families.
absl::StatusOr<std::vector<std::byte>> FakeCapture(std::span<const FakeSocket> sockets);

}  // namespace netdiag::testing

#endif  // NETDIAG_TESTING_FAKE_HOST_H_
