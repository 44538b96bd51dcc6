// Tested by tests/dump/tcp_stream_test.cc and tests/engine/engine_test.cc.

#include "netdiag/dump/stream_source.h"

#include "netdiag/netlink/wire.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {
namespace {

constexpr size_t kMessages = 256;  // about as many as a datagram has

}  // namespace

absl::StatusOr<netlink::Ready> StreamSource::Step(const StepOptions& /*how*/,
                                                  MessageVisitor visitor) {
  netlink::Message message;
  for (size_t i = 0; i < kMessages; ++i) {
    if (!reader_.Next(&message)) {
      NETDIAG_RETURN_IF_ERROR(reader_.status());
      return netlink::Ready::kDone;
    }
    if (message.header().flags & netlink::kFlagDumpInterrupted) stats_.interrupted = true;
    if (visitor(message) == Flow::kStop) return netlink::Ready::kDone;
  }
  return netlink::Ready::kSome;
}

}  // namespace netdiag::internal
