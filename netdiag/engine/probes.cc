// Tested by tests/live/engine_live_test.cc.

#include "netdiag/engine/probes.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/bpf/kernel_table.h"
#include "netdiag/bpf/netns_list.h"
#include "netdiag/bpf/socket_census.h"
#include "netdiag/bpf/socket_closer.h"
#include "netdiag/bpf/task_files.h"
#include "netdiag/dump/requests.h"
#include "netdiag/engine/destroy.h"
#include "netdiag/engine/probe_socket.h"
#include "netdiag/netlink/conn.h"
#include "netdiag/types/error.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {
namespace {

using netlink::Conn;

absl::Status ProbeCgroups(Conns* conns) {
  NETDIAG_ASSIGN_OR_RETURN(const SeenProbe seen,
                           LookAtProbe(conns, Protocol::kUdp, SOCK_DGRAM, State::kClose));
  if (seen.cgroup) return absl::OkStatus();
  return ErrnoError(EOPNOTSUPP, "cgroup ids",
                    "rows have none: before Linux 5.8, or without CONFIG_SOCK_CGROUP_DATA");
}

// Closes a UDP socket of ours, because the right to close is tested only for one that exists.
absl::Status ProbeDestroy(Conns* conns) {
  NETDIAG_ASSIGN_OR_RETURN(const ProbeSocket made, BindProbe(conns, SOCK_DGRAM));
  uint64_t cookie = 0;
  socklen_t size = sizeof(cookie);
  if (getsockopt(made.fd.get(), SOL_SOCKET, SO_COOKIE, &cookie, &size) != 0) {
    return ErrnoError(errno, "SO_COOKIE of a socket to probe with");
  }
  const InetName name = {.local = {IpAddress::V4(127, 0, 0, 1), made.port},
                         .remote = {IpAddress::V4(0, 0, 0, 0), Port()},
                         .interface = {},
                         .cookie = Cookie(cookie)};
  NETDIAG_ASSIGN_OR_RETURN(Conn* const conn, conns->Side(conns->home()));
  std::array<std::byte, kMaxRequest> storage;
  NETDIAG_ASSIGN_OR_RETURN(const Bytes request, EncodeDestroy(Protocol::kUdp, name, storage));
  return ExplainDestroy(conn->Execute(request));
}

// A pass over all sockets of the protocol that closes none: no socket has this cookie.
absl::Status ProbeCloser(Protocol protocol) {
  const std::array<Cookie, 1> nothing = {Cookie(~uint64_t{0} - 1)};
  return bpf::CloseSockets(protocol, nothing).status();
}

}  // namespace

std::vector<Feature> ProbeFeatures(Conns* conns) {
  std::vector<Feature> features;
  const auto add = [&](std::string_view name, std::string_view purpose, absl::Status status) {
    features.push_back({name, purpose, std::move(status)});
  };
  add("bpf_owners", "owners are read by BPF if that costs less than /proc",
      bpf::TaskFiles::Load(false).status());
  add("bpf_census",
      "BPF counts UDP and unix sockets, so that a busy table's dump is known to be whole",
      bpf::SocketCensus().Take(Protocol::kUdp).status());
  add("bpf_socket_tables",
      "BPF reads the kernel's tables of TCP and UDP, of many namespaces at once",
      bpf::KernelTable::Load().status());
  add("bpf_netns_list", "the kernel's list of namespaces saves a search through all descriptors",
      bpf::NetnsList::Load().status());
  add("bpf_kill", "BPF closes UDP sockets of a group that share a name",
      ProbeCloser(Protocol::kUdp));
  add("bpf_kill_tcp", "BPF closes TCP listeners of a group that share a name",
      ProbeCloser(Protocol::kTcp));
  add("kill", "sockets can be closed", ProbeDestroy(conns));
  add("cgroup_ids", "rows have the cgroup of their socket", ProbeCgroups(conns));
  add("idle_tcp", "bound TCP sockets that neither listen nor are connected are listed",
      ProbeIdleTcp(conns));
  return features;
}

}  // namespace netdiag::internal
