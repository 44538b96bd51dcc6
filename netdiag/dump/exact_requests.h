// netdiag/dump/exact_requests.h — Internal. A batch of exact requests for TCP sockets.
//
// The kernel answers within the send, each request with one datagram, so Exchange() does not wait
// for other processes.
//
// Cost: 2 to 3 µs a request. No allocation once the buffer has grown.
// Threads: thread-compatible.

#ifndef NETDIAG_DUMP_EXACT_REQUESTS_H_
#define NETDIAG_DUMP_EXACT_REQUESTS_H_

#include <cstddef>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"

#include "netdiag/dump/requests.h"
#include "netdiag/dump/table.h"
#include "netdiag/netlink/conn.h"

namespace netdiag::internal {

class ExactRequests {
 public:
  // The size of a batch. All answers are queued before the first one is read. They take at most
  // 2 KiB of kernel memory each, and a socket's default receive buffer has 208 KiB.
  static constexpr size_t kMax = 48;

  // Adds a request to the batch. REQUIRES: the batch has fewer than kMax.
  absl::Status Add(const InetSocketId& socket, ExtensionSet extensions);
  // Sends the batch and visits each message of its answers with the index of the request that it
  // answers. The batch is empty afterwards. Messages that answer none of the requests are dropped.
  absl::Status Exchange(netlink::Conn* conn, const netlink::CallOptions& call,
                        absl::FunctionRef<void(size_t index, const netlink::Message&)> visitor);

 private:
  std::vector<std::byte> bytes_;
  size_t size_ = 0;
};

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_EXACT_REQUESTS_H_
