// SPDX-License-Identifier: Apache-2.0
//
// netdiag/types/error.h — makes errors and answers questions about them.
//
//   absl::Status status = engine->Visit(query, visitor).status();
//   if (IsTimeout(status)) …; else if (Errno(status) == EPERM) …;
//
// Errors are absl::Status values with a text of the form `what: errno text: what to do`. The errno
// and the kernel's extended acknowledgement (the kernel's own words) are inside the Status, so that
// callers compare numbers and do not parse text. Nothing is thrown, printed or logged.
//
// Threads: pure functions.
// Cost: making a Status allocates. The library makes none per row.

#ifndef NETDIAG_TYPES_ERROR_H_
#define NETDIAG_TYPES_ERROR_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"

#include "netdiag/types/abseil.h"
#include "netdiag/version.h"

namespace netdiag {

// The kernel's own words about a refused request: NLMSGERR_ATTR_MSG and NLMSGERR_ATTR_OFFS.
struct KernelWords {
  std::string message;             // empty: the kernel said nothing
  std::optional<uint32_t> offset;  // of the offending byte in the request
};

// An errno as a Status: "recvmsg: Connection refused", followed by ": " and `advice` if it is not
// empty.
absl::Status ErrnoError(int errnum, std::string_view what, std::string_view advice = {});
// As ErrnoError(), for an errno in the kernel's answer to a request, with the kernel's own words.
absl::Status KernelError(int errnum, std::string_view what, const KernelWords& words);
// The deadline of the call or of the Conn passed. kDeadlineExceeded, errno ETIMEDOUT.
absl::Status TimeoutError(std::string_view what);
// A stop was requested through the call's stop token. kCancelled, errno ECANCELED.
absl::Status CancelledError(std::string_view what);
// The Conn was closed before or during the call. kFailedPrecondition, errno EBADF.
absl::Status ClosedError(std::string_view what);
// The caller's `input` is not valid. The text quotes it and gives the reason. kInvalidArgument,
// errno EINVAL.
absl::Status BadInput(std::string_view what, std::string_view input, std::string_view reason);
// An allocation failed, and the call has no answer. kResourceExhausted, errno ENOMEM. Allocates
// nothing.
absl::Status OutOfMemory();
// Foreign bytes (netlink, /proc, a capture) contradict their own format. kDataLoss, errno EBADMSG.
absl::Status DamagedData(std::string_view what, std::string_view detail);

// The errno inside; 0 for OK and for a Status that this header did not make.
int Errno(const absl::Status& status);
KernelWords WordsOfKernel(const absl::Status& status);
// True if the call ended because of a deadline, or because of Close(). An errno in a kernel's
// answer is neither. absl::IsCancelled() is true if a stop token ended the call.
bool IsTimeout(const absl::Status& status);
bool IsClosed(const absl::Status& status);
// True if the kernel does not have the dump: it is not built in, its module is not loaded, or a
// sandbox refuses the family (ENOENT, EOPNOTSUPP, EPROTONOSUPPORT, EAFNOSUPPORT, ENOSYS).
bool IsUnsupported(const absl::Status& status);
// EPERM or EACCES.
bool IsPermission(const absl::Status& status);
// True if the same call may succeed when it is repeated: EINTR, ENOBUFS, EBUSY, EAGAIN.
bool IsRetryable(const absl::Status& status);

}  // namespace netdiag

// The two macros of this project.
#define NETDIAG_RETURN_IF_ERROR(expr)                                                      \
  do {                                                                                     \
    if (absl::Status netdiag_status = (expr); !netdiag_status.ok()) return netdiag_status; \
  } while (false)

#define NETDIAG_CONCAT_(a, b) a##b
#define NETDIAG_CONCAT(a, b) NETDIAG_CONCAT_(a, b)
#define NETDIAG_ASSIGN_OR_RETURN(lhs, expr) \
  NETDIAG_ASSIGN_OR_RETURN_(NETDIAG_CONCAT(netdiag_statusor_, __LINE__), lhs, expr)
#define NETDIAG_ASSIGN_OR_RETURN_(tmp, lhs, expr) \
  auto tmp = (expr);                              \
  if (!tmp.ok()) return std::move(tmp).status();  \
  lhs = *std::move(tmp)

#endif  // NETDIAG_TYPES_ERROR_H_
