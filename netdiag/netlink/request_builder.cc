// Tested by tests/netlink/request_builder_test.cc, which compares requests with libmnl's.

#include "netdiag/netlink/request_builder.h"

#include <cerrno>
#include <cstring>

#include "netdiag/netlink/wire.h"
#include "netdiag/types/error.h"

namespace netdiag::netlink {

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
  if (overflow_) return ErrnoError(ENOBUFS, "netlink request", "the storage is too small");
  if (used_ < kHeaderSize)
    return ErrnoError(EINVAL, "netlink request", "the request has no header");
  const uint32_t length = static_cast<uint32_t>(used_);
  std::memcpy(storage_.data(), &length, sizeof(length));
  return Bytes(storage_.data(), used_);
}

}  // namespace netdiag::netlink
