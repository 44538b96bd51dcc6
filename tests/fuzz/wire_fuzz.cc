// The cursors of netdiag and of libmnl find the same messages and attributes in any bytes.

#include <algorithm>
#include <climits>
#include <vector>

#include <libmnl/libmnl.h>

#include "netdiag/netlink/wire.h"
#include "tests/fuzz/fuzz.h"

namespace netdiag::fuzz {
namespace {

void CompareAttributes(Bytes bytes) {
  std::vector<uint32_t> aligned(bytes.size() / 4 + 1);
  std::ranges::copy(bytes, std::as_writable_bytes(std::span(aligned)).begin());
  const char* const start = reinterpret_cast<const char*>(aligned.data());
  const char* at = start;
  netlink::AttrCursor ours(bytes);
  netlink::Attr attribute;
  for (;;) {
    const nlattr* theirs = reinterpret_cast<const nlattr*>(at);
    const bool ok = mnl_attr_ok(theirs, static_cast<int>(start + bytes.size() - at));
    Check(ours.Next(&attribute) == ok);
    if (!ok) break;
    Check(attribute.type() == mnl_attr_get_type(theirs));
    Check(attribute.payload().size() == mnl_attr_get_payload_len(theirs));
    Touch(attribute.AsText());
    at = reinterpret_cast<const char*>(mnl_attr_next(theirs));
  }
  Check(ours.malformed() == (at < start + bytes.size()));
}

}  // namespace
}  // namespace netdiag::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace netdiag::fuzz;  // NOLINT
  const netdiag::Bytes bytes = AsBytes(data, size);
  std::vector<uint32_t> aligned(size / 4 + 1);
  std::ranges::copy(bytes, std::as_writable_bytes(std::span(aligned)).begin());
  const nlmsghdr* theirs = reinterpret_cast<const nlmsghdr*>(aligned.data());
  int rest = static_cast<int>(size);
  netdiag::netlink::MessageCursor ours(bytes);
  netdiag::netlink::Message message;
  for (;;) {
    // libmnl treats a length above INT_MAX as negative and accepts it.
    const bool ok = mnl_nlmsg_ok(theirs, rest) && theirs->nlmsg_len <= INT_MAX;
    Check(ours.Next(&message) == ok);
    if (!ok) break;
    Check(message.whole().size() == theirs->nlmsg_len && message.type() == theirs->nlmsg_type);
    Check(message.payload().size() == mnl_nlmsg_get_payload_len(theirs));
    TouchValue(message.errnum().value_or(0));
    CompareAttributes(message.payload());
    theirs = mnl_nlmsg_next(theirs, &rest);
  }
  Check(ours.malformed() == (rest > 0));
  return 0;
}
