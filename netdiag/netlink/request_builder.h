// SPDX-License-Identifier: Apache-2.0
//
// netdiag/netlink/request_builder.h — builds one netlink request in the caller's storage.
//
//   std::array<std::byte, 128> storage;
//   RequestBuilder request(storage);
//   request.Header(/*type=*/20, kFlagDump).Put(body).Attribute(17, value);
//   NETDIAG_ASSIGN_OR_RETURN(Bytes bytes, request.Finish());
//
// Lifetime: the request is a view of the storage, which must outlive it.
// Threads: thread-compatible.
// Errors: an overflow of the storage is remembered and reported by Finish().
// Cost: copies the bytes once; no allocation.

#ifndef NETDIAG_NETLINK_REQUEST_BUILDER_H_
#define NETDIAG_NETLINK_REQUEST_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "absl/status/statusor.h"

#include "netdiag/types/abseil.h"
#include "netdiag/types/types.h"

namespace netdiag::netlink {

class RequestBuilder {
 public:
  explicit RequestBuilder(std::span<std::byte> storage) : storage_(storage) {}

  // Begins the message. Adds kFlagRequest. Conn fills in the sequence number and the port id.
  RequestBuilder& Header(uint16_t type, uint16_t flags);
  // Appends the fixed part that follows the header, byte by byte: T must have no padding that
  // matters.
  template <class T>
  RequestBuilder& Put(const T& fixed) {
    static_assert(std::is_trivially_copyable_v<T>);
    return Append(std::as_bytes(std::span<const T, 1>(&fixed, 1)));
  }
  RequestBuilder& Attribute(uint16_t type, Bytes payload);
  template <class T>
  requires std::is_arithmetic_v<T> RequestBuilder& Attribute(uint16_t type, T value) {
    return Attribute(type, std::as_bytes(std::span<const T, 1>(&value, 1)));
  }
  // Sets the message's length and returns the message. ENOBUFS if the storage was too small, EINVAL
  // without a Header().
  absl::StatusOr<Bytes> Finish();

 private:
  RequestBuilder& Append(Bytes bytes);

  std::span<std::byte> storage_;
  size_t used_ = 0;
  bool overflow_ = false;
};

}  // namespace netdiag::netlink

#endif  // NETDIAG_NETLINK_REQUEST_BUILDER_H_
