// Tested by tests/live/exact_live_test.cc and tests/live/verbs_live_test.cc.

#include "netdiag/engine/destroy.h"

#include <array>
#include <cerrno>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"

#include "netdiag/dump/netlink_source.h"
#include "netdiag/dump/requests.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/socket/socket.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {
namespace {

using netlink::CallOptions;
using netlink::Conn;
using netlink::Message;
using netlink::Ready;

absl::Status DestroyOne(Conn* conn, const SocketName& socket, const CallOptions& call) {
  std::array<std::byte, kMaxRequest> storage;
  const InetName name = {socket.local, socket.remote, socket.interface, socket.cookie};
  NETDIAG_ASSIGN_OR_RETURN(const Bytes request, EncodeDestroy(socket.protocol, name, storage));
  return conn->Execute(request, Conn::IgnoreMessage, call);
}

// The cookies of the sockets that have the local port of `socket`.
absl::StatusOr<absl::flat_hash_set<Cookie>> LivingOnPort(
    Conn* conn, NetnsId netns, const SocketName& socket,
    absl::FunctionRef<DumpOptions(const Table&)> options, const CallOptions& call) {
  DumpRequest request;
  request.table = {socket.protocol, socket.local.address.family(), netns, ""};
  request.states = StateSet::All();
  request.source_port = socket.local.port;
  NetlinkSource source(conn, request, options(request.table));
  NETDIAG_RETURN_IF_ERROR(source.Begin(call));
  absl::flat_hash_set<Cookie> living;
  const auto add = [&](const Message& message) {
    const std::optional<InetSocket> found = InetSocket::Parse(message.payload());
    if (found) living.insert(found->cookie());
    return Flow::kContinue;
  };
  for (Ready ready = Ready::kSome; ready != Ready::kDone;) {
    NETDIAG_ASSIGN_OR_RETURN(ready, source.Step({.call = call}, add));
  }
  return living;
}

}  // namespace

absl::StatusOr<std::vector<DestroyOutcome>> Destroy(
    Conn* conn, NetnsId netns, std::span<const SocketName> sockets,
    absl::FunctionRef<DumpOptions(const Table&)> options, const CallOptions& call) {
  std::vector<DestroyOutcome> outcomes(sockets.size());
  std::vector<size_t> rest(sockets.size());
  std::iota(rest.begin(), rest.end(), size_t{0});
  // A socket that was closed can have hidden one of the rest.
  for (size_t before = rest.size() + 1; rest.size() < before;) {
    before = rest.size();
    std::vector<size_t> not_found;
    for (const size_t i : rest) {
      const absl::Status status = DestroyOne(conn, sockets[i], call);
      if (IsTimeout(status) || IsCancelled(status)) return status;
      if (Errno(status) == ENOENT || Errno(status) == ESTALE) {
        not_found.push_back(i);
      } else {
        outcomes[i].status = status;
        outcomes[i].outcome = status.ok() ? Destroyed::kClosed : Destroyed::kRefused;
      }
    }
    rest = std::move(not_found);
  }
  for (const size_t i : rest) {
    NETDIAG_ASSIGN_OR_RETURN(const absl::flat_hash_set<Cookie> living,
                             LivingOnPort(conn, netns, sockets[i], options, call));
    const bool lives = living.contains(sockets[i].cookie);
    outcomes[i].outcome = lives ? Destroyed::kNotSelectable : Destroyed::kGone;
  }
  return outcomes;
}

}  // namespace netdiag::internal
