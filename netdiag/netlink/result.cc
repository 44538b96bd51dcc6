// Tested by tests/netlink/conn_failure_test.cc.

#include "netdiag/netlink/result.h"

#include <cstddef>
#include <cstdint>
#include <optional>

#include "netdiag/netlink/abi.h"
#include "netdiag/types/error.h"

namespace netdiag::netlink {
namespace {

// The kernel's words: attributes behind the errno and, in an ERROR, behind the echo of the request.
// If they are absent or damaged, only the words are lost.
KernelWords WordsIn(const Message& message) {
  KernelWords words;
  if ((message.header().flags & kFlagAckTlvs) == 0) return words;
  size_t offset = sizeof(int32_t);
  if (message.type() == kTypeError) {
    const std::optional<Header> echo = Load<Header>(message.payload(), offset);
    if (!echo) return words;
    const bool capped = (message.header().flags & kFlagCapped) != 0;
    offset += capped ? kHeaderSize : Align(echo->length);
  }
  if (offset > message.payload().size()) return words;
  AttrCursor attributes(message.payload().subspan(offset));
  for (Attr attribute; attributes.Next(&attribute);) {
    if (attribute.type() == NLMSGERR_ATTR_MSG) words.message = attribute.AsText();
    if (attribute.type() == NLMSGERR_ATTR_OFFS) words.offset = attribute.As<uint32_t>();
  }
  return words;
}

}  // namespace

absl::Status ResultIn(const Message& message, std::string_view what) {
  const std::optional<int> errnum = message.errnum();
  if (!errnum && message.type() == kTypeError) {
    return DamagedData(what, "NLMSG_ERROR without an errno");
  }
  if (errnum.value_or(0) == 0) return absl::OkStatus();
  return KernelError(*errnum, what, WordsIn(message));
}

}  // namespace netdiag::netlink
