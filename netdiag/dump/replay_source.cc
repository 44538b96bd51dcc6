// Tested by tests/dump/capture_test.cc.

#include "netdiag/dump/replay_source.h"

#include <string>

#include "netdiag/netlink/wire.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {

absl::StatusOr<netlink::Ready> ReplaySource::Step(const StepOptions& /*how*/,
                                                  MessageVisitor visitor) {
  for (CaptureRecord record; reader_.Next(&record);) {
    if (record.type == CaptureType::kTable)
      break;  // the next table begins, and this one had no end
    if (record.type == CaptureType::kEnd) {
      if (record.errnum != 0)
        return ErrnoError(record.errnum, "the captured dump of " + Text(table_) + " had failed");
      NETDIAG_RETURN_IF_ERROR(reader_.status());
      return netlink::Ready::kDone;
    }
    if (record.type != CaptureType::kDatagram) continue;
    netlink::MessageCursor messages(record.datagram);
    for (netlink::Message message; messages.Next(&message);) {
      if (message.header().flags & netlink::kFlagDumpInterrupted) stats_.interrupted = true;
      if (message.type() < netlink::kFirstType) continue;  // the kEnd record has the outcome
      if (visitor(message) == Flow::kStop) return netlink::Ready::kDone;
    }
    if (messages.malformed()) ++stats_.damaged;
    return netlink::Ready::kSome;
  }
  NETDIAG_RETURN_IF_ERROR(reader_.status());
  return DamagedData("capture", "at byte " + std::to_string(reader_.offset()) + ": the table " +
                                    Text(table_) + " has no end");
}

}  // namespace netdiag::internal
