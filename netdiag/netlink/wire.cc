// The text of an attribute, and the errno in a message. Tested by tests/netlink/wire_test.cc, which
// compares the cursors with libmnl, and by tests/fuzz/wire_fuzz.cc.

#include "netdiag/netlink/wire.h"

namespace netdiag::netlink {

std::string_view Attr::AsText() const {
  std::string_view text(reinterpret_cast<const char*>(payload_.data()), payload_.size());
  return text.substr(0, text.find('\0'));
}

std::optional<int> Message::errnum() const {
  if (type() != kTypeDone && type() != kTypeError) return std::nullopt;
  const std::optional<int32_t> negated = Load<int32_t>(payload());
  if (!negated) return std::nullopt;
  if (*negated < 0 && *negated > -4096) return -*negated;
  // A positive number in a DONE is the amount sent. An ERROR has nothing but an errno.
  return *negated == 0 || type() == kTypeDone ? std::optional<int>(0) : std::nullopt;
}

}  // namespace netdiag::netlink
