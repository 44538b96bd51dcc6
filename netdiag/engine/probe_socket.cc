// Tested by tests/live/engine_live_test.cc.

#include "netdiag/engine/probe_socket.h"

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <optional>

#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/requests.h"
#include "netdiag/dump/table.h"
#include "netdiag/netlink/conn.h"
#include "netdiag/socket/inet_socket.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {

using netlink::Conn;

absl::StatusOr<ProbeSocket> BindProbe(Conns* conns, int type) {
  ProbeSocket made;
  const absl::Status status = conns->RunIn(conns->home(), [&] {
    made.fd = UniqueFd(socket(AF_INET, type | SOCK_CLOEXEC, 0));
    sockaddr_in name = {};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(name);
    auto* const address = reinterpret_cast<sockaddr*>(&name);
    if (made.fd.get() < 0 || bind(made.fd.get(), address, size) != 0 ||
        getsockname(made.fd.get(), address, &size) != 0) {
      return ErrnoError(errno, "a socket to probe with");
    }
    made.port = Port::FromNetwork(name.sin_port);
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return made;
}

absl::StatusOr<SeenProbe> LookAtProbe(Conns* conns, Protocol protocol, int type, State state) {
  NETDIAG_ASSIGN_OR_RETURN(const ProbeSocket made, BindProbe(conns, type));
  NETDIAG_ASSIGN_OR_RETURN(Conn* const conn, conns->Side(conns->home()));
  DumpRequest request;
  request.table = {protocol, Family::kInet, conns->home(), ""};
  request.states = {state};
  request.source_port = made.port;
  std::array<std::byte, kMaxRequest> storage;
  NETDIAG_ASSIGN_OR_RETURN(const Bytes bytes, EncodeRequest(request, storage));
  SeenProbe seen;
  const auto visit = [&](const netlink::Message& message) {
    const std::optional<InetSocket> row = InetSocket::Parse(message.payload());
    if (!row || row->local_port() != made.port) return Flow::kContinue;
    seen.found = true;
    seen.cgroup = row->cgroup().has_value();
    return Flow::kContinue;
  };
  const absl::Status status = conn->Dump(bytes, visit).status();
  if (!status.ok()) return status;
  return seen;
}

absl::Status ProbeIdleTcp(Conns* conns) {
  NETDIAG_ASSIGN_OR_RETURN(const SeenProbe seen,
                           LookAtProbe(conns, Protocol::kTcp, SOCK_STREAM, State::kBoundInactive));
  if (seen.found) return absl::OkStatus();
  return ErrnoError(EOPNOTSUPP, "bound TCP sockets that neither listen nor are connected",
                    "sockets are missing: the dump of this kernel does not have them, that of "
                    "Linux 6.8 does");
}

}  // namespace netdiag::internal
