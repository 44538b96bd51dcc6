// netdiag/net/dump_all.h — Internal. A whole dump of rtnetlink as a vector of values.
//
// Threads: as the Conn. Errors: EINTR if the table changed during every dump; those of
// Conn::Dump(). Cost: one request, again if the kernel says that the dump was disturbed.

#ifndef NETDIAG_NET_DUMP_ALL_H_
#define NETDIAG_NET_DUMP_ALL_H_

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

#include "netdiag/netlink/call.h"
#include "netdiag/netlink/conn.h"
#include "netdiag/netlink/request_builder.h"
#include "netdiag/netlink/wire.h"
#include "netdiag/types/error.h"
#include "netdiag/types/types.h"

namespace netdiag::internal {

// Dumps and returns what `read` makes of each message. Repeats the dump if it was disturbed. Errors
// name `what`.
template <class T, class Body>
absl::StatusOr<std::vector<T>> DumpAll(
    netlink::Conn* conn, uint16_t type, const Body& body,
    absl::FunctionRef<std::optional<T>(const netlink::Message&)> read, std::string_view what,
    const netlink::CallOptions& call) {
  constexpr int kTries = 8;  // dumps before giving up
  std::array<std::byte, 64> storage;
  netlink::RequestBuilder builder(storage);
  NETDIAG_ASSIGN_OR_RETURN(const Bytes request,
                           builder.Header(type, netlink::kFlagDump).Put(body).Finish());
  for (int i = 0; i < kTries; ++i) {
    std::vector<T> rows;
    NETDIAG_ASSIGN_OR_RETURN(const netlink::DumpResult result,
                             conn->Dump(
                                 request,
                                 [&](const netlink::Message& message) {
                                   std::optional<T> row = read(message);
                                   if (row) rows.push_back(*std::move(row));
                                   return Flow::kContinue;
                                 },
                                 call));
    if (!result.interrupted) return rows;
  }
  return ErrnoError(EINTR, what, "changed during every dump; try again");
}

}  // namespace netdiag::internal

#endif  // NETDIAG_NET_DUMP_ALL_H_
