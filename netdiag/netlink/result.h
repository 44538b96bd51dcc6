// netdiag/netlink/result.h — Internal. Users want netlink/conn.h.
//
// The result of a request: what NLMSG_ERROR and NLMSG_DONE say.

#ifndef NETDIAG_NETLINK_RESULT_H_
#define NETDIAG_NETLINK_RESULT_H_

#include <string_view>

#include "absl/status/status.h"

#include "netdiag/netlink/wire.h"

namespace netdiag::netlink {

inline bool IsResult(const Header& header) {
  return header.type == kTypeError || header.type == kTypeDone;
}

// The errno in a result as a Status that names `what`, with the kernel's words if there are any. A
// DONE without an errno is a success.
absl::Status ResultIn(const Message& message, std::string_view what);

}  // namespace netdiag::netlink

#endif  // NETDIAG_NETLINK_RESULT_H_
