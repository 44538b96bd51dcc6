// Tested by tests/engine/destroy_test.cc and tests/live/destroy_live_test.cc.

#include "netdiag/destroy.h"

#include <cerrno>

#include "netdiag/row.h"
#include "netdiag/socket/socket.h"
#include "netdiag/types/error.h"

namespace netdiag {
namespace {

constexpr std::string_view kWhat = "closing a socket (SOCK_DESTROY)";

}  // namespace

SocketName NameOf(const Row& row) {
  const InetSocket& socket = *row.inet();
  return {.protocol = row.protocol(),
          .local = socket.local(),
          .remote = socket.remote(),
          .interface = socket.interface(),
          .cookie = socket.cookie(),
          .netns = row.table().netns};
}

absl::Status CheckDestroy(const SocketName& socket) {
  if (socket.protocol == Protocol::kMptcp) {
    return ErrnoError(EOPNOTSUPP, kWhat,
                      "no kernel closes MPTCP connections; without its subflows, which are TCP "
                      "sockets, a connection waits for new ones");
  }
  if (!CanDestroy(socket.protocol)) {
    return ErrnoError(EOPNOTSUPP, kWhat, "no kernel closes sockets of this protocol");
  }
  // All ones are the kernel's "any cookie" (INET_DIAG_NOCOOKIE).
  if (socket.cookie == Cookie() || socket.cookie == Cookie(~uint64_t{0})) {
    return ErrnoError(EINVAL, kWhat,
                      "the socket's cookie is not known, so the kernel could close another socket "
                      "of the same name; rows of /proc/net have no cookies");
  }
  return absl::OkStatus();
}

std::string_view Name(Destroyed outcome) {
  switch (outcome) {
    case Destroyed::kClosed:
      return "closed";
    case Destroyed::kGone:
      return "gone";
    case Destroyed::kNotSelectable:
      return "not_selectable";
    case Destroyed::kRefused:
      return "refused";
  }
  return "unknown";
}

}  // namespace netdiag
