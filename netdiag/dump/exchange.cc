// Tested by tests/dump/netlink_source_test.cc.

#include "netdiag/dump/exchange.h"

#include "netdiag/dump/dump_request.h"
#include "netdiag/types/error.h"

namespace netdiag::internal {

absl::Status SendDump(netlink::Conn* conn, const DumpRequest& request, Detail detail, size_t pass,
                      const netlink::CallOptions& call, std::vector<std::byte>* storage) {
  storage->resize(kMaxRequest + request.bytecode.size());
  NETDIAG_ASSIGN_OR_RETURN(const Bytes bytes, EncodeDump(request, detail, pass, *storage));
  return conn->Send(bytes, call).status();
}

absl::StatusOr<netlink::Ready> ReceiveDump(netlink::Conn* conn, const StepOptions& how,
                                           MessageVisitor visitor) {
  return how.wait == Wait::kBlock ? conn->Receive(visitor, how.call) : conn->TryReceive(visitor);
}

}  // namespace netdiag::internal
