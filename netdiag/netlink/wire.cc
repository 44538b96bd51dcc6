// Texts, errnos and the request builder. Tested by tests/netlink/wire_test.cc (with libmnl as
// oracle) and fuzzed.

#include "netdiag/netlink/wire.h"

#include <cerrno>

#include "netdiag/types/error.h"

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
  // A DONE may say how much was sent; an ERROR says an errno or nothing.
  return *negated == 0 || type() == kTypeDone ? std::optional<int>(0) : std::nullopt;
}

RequestBuilder& RequestBuilder::Append(Bytes bytes) {
  const size_t padded = Align(bytes.size());
  if (overflow_ || padded > storage_.size() - used_) {
    overflow_ = true;
    return *this;
  }
  std::byte* to = storage_.data() + used_;
  if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
  std::memset(to + bytes.size(), 0, padded - bytes.size());
  used_ += padded;
  return *this;
}

RequestBuilder& RequestBuilder::Header(uint16_t type, uint16_t flags) {
  netlink::Header header;
  header.type = type;
  header.flags = flags | kFlagRequest;
  return Put(header);
}

RequestBuilder& RequestBuilder::Attribute(uint16_t type, Bytes payload) {
  if (payload.size() > UINT16_MAX - kAttrHeaderSize) {
    overflow_ = true;
    return *this;
  }
  const AttrHeader header{static_cast<uint16_t>(kAttrHeaderSize + payload.size()), type};
  return Put(header).Append(payload);
}

absl::StatusOr<Bytes> RequestBuilder::Finish() {
  if (overflow_) return ErrnoError(ENOBUFS, "netlink request", "its storage is too small");
  if (used_ < kHeaderSize) return ErrnoError(EINVAL, "netlink request", "it has no header");
  const uint32_t length = static_cast<uint32_t>(used_);
  std::memcpy(storage_.data(), &length, sizeof(length));
  return Bytes(storage_.data(), used_);
}

}  // namespace netdiag::netlink
