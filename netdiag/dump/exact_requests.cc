// Tested by tests/dump/lookup_source_test.cc and netlink_source_test.cc.

#include "netdiag/dump/exact_requests.h"

#include <cstdint>
#include <utility>

#include "netdiag/netlink/wire.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {

// Sequence numbers are indices plus one.
absl::Status ExactRequests::Add(const InetSocketId& socket, ExtensionSet extensions) {
  return AppendTcpLookup(socket, extensions, static_cast<uint32_t>(++size_), &bytes_);
}

absl::Status ExactRequests::Exchange(
    netlink::Conn* conn, const netlink::CallOptions& call,
    absl::FunctionRef<void(size_t index, const netlink::Message&)> visitor) {
  const size_t size = std::exchange(size_, 0);
  const absl::Status sent = conn->Write(bytes_, call).status();
  bytes_.clear();
  NETDIAG_RETURN_IF_ERROR(sent);
  const auto visit = [&](const netlink::Datagram& datagram) {
    netlink::MessageCursor messages(datagram.bytes);
    for (netlink::Message message; messages.Next(&message);) {
      const uint32_t sequence = message.header().sequence;
      if (sequence >= 1 && sequence <= size) visitor(sequence - 1, message);
    }
  };
  for (size_t i = 0; i < size; ++i) NETDIAG_RETURN_IF_ERROR(conn->ReceiveDatagram(visit, call));
  return absl::OkStatus();
}

}  // namespace netdiag::internal
