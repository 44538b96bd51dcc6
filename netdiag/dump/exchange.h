// netdiag/dump/exchange.h — Internal. One dump over a Conn: its request, and its datagrams.

#ifndef NETDIAG_DUMP_EXCHANGE_H_
#define NETDIAG_DUMP_EXCHANGE_H_

#include <cstddef>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "netdiag/dump/dump_request.h"
#include "netdiag/dump/requests.h"
#include "netdiag/dump/step.h"
#include "netdiag/dump/table.h"
#include "netdiag/netlink/conn.h"

namespace netdiag::internal {

// Sends the request of a dump: EncodeDump(). `storage` is resized as needed.
absl::Status SendDump(netlink::Conn* conn, const DumpRequest& request, Detail detail, size_t pass,
                      const netlink::CallOptions& call, std::vector<std::byte>* storage);
// Receives one datagram of the dump that was sent last, as how.wait says.
absl::StatusOr<netlink::Ready> ReceiveDump(netlink::Conn* conn, const StepOptions& how,
                                           MessageVisitor visitor);

}  // namespace netdiag::internal

#endif  // NETDIAG_DUMP_EXCHANGE_H_
