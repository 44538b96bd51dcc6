// Tested by tests/live/destroy_live_test.cc.

#include "netdiag/destroy.h"

#include "netdiag/row.h"
#include "netdiag/socket/socket.h"

namespace netdiag {

SocketName NameOf(const Row& row) {
  const InetSocket& socket = *row.inet();
  return {.protocol = row.protocol(),
          .local = socket.local(),
          .remote = socket.remote(),
          .interface = socket.interface(),
          .cookie = socket.cookie(),
          .netns = row.table().netns};
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
