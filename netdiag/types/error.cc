// The only place that makes a Status. Tested by tests/types/error_test.cc.

#include "netdiag/types/error.h"

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/types/optional.h"

#include "netdiag/types/abseil.h"
#include "netdiag/types/parse_number.h"

namespace netdiag {
namespace {

constexpr char kErrnoPayload[] = "netdiag/errno";
constexpr char kMessagePayload[] = "netdiag/kernel-message";
constexpr char kOffsetPayload[] = "netdiag/kernel-offset";
constexpr char kEndPayload[] = "netdiag/end";

// glibc's strerror_r() is thread-safe. The text that it returns need not be in the buffer.
std::string ErrnoText(int errnum) {
  char buffer[128] = "";
  return strerror_r(errnum, buffer, sizeof(buffer));
}

std::string Join(std::string_view what, std::string_view why, std::string_view more) {
  std::string text(what);
  for (std::string_view part : {why, more}) {
    if (part.empty()) continue;
    if (!text.empty()) text += ": ";
    text += part;
  }
  return text;
}

absl::Status Make(absl::StatusCode code, int errnum, const std::string& text) {
  absl::Status status(code, text);
  status.SetPayload(kErrnoPayload, absl::Cord(std::to_string(errnum)));
  return status;
}

// The error of a call that the caller or the Conn ended. A payload marks it, because an answer of
// the kernel can have the same errno and code.
absl::Status MakeEnd(absl::StatusCode code, int errnum, std::string_view what,
                     std::string_view why) {
  absl::Status status = Make(code, errnum, Join(what, why, {}));
  status.SetPayload(kEndPayload, absl::Cord());
  return status;
}

bool IsEnd(const absl::Status& status, absl::StatusCode code) {
  return status.code() == code && status.GetPayload(kEndPayload).has_value();
}

std::string Payload(const absl::Status& status, const char* url) {
  const absl::optional<absl::Cord> payload = status.GetPayload(url);
  return payload ? std::string(*payload) : std::string();
}

template <class T>
std::optional<T> PayloadNumber(const absl::Status& status, const char* url) {
  return internal::ParseNumber<T>(Payload(status, url));
}

}  // namespace

namespace {
absl::Status MakeOutOfMemory() {
  // An exception while a program starts, or loads the library, would end it.
  constexpr size_t kEnough = 4096;
  void* const room = std::malloc(kEnough);
  if (room == nullptr) return absl::Status(absl::StatusCode::kResourceExhausted, "");
  std::free(room);
  return ErrnoError(ENOMEM, "netdiag");
}

// Made when the program starts, because making a Status allocates. Never destroyed.
alignas(absl::Status) std::byte memory[sizeof(absl::Status)];
const absl::Status* const out_of_memory = new (memory) absl::Status(MakeOutOfMemory());
}  // namespace

absl::Status ErrnoError(int errnum, std::string_view what, std::string_view advice) {
  return Make(absl::ErrnoToStatusCode(errnum), errnum, Join(what, ErrnoText(errnum), advice));
}

absl::Status KernelError(int errnum, std::string_view what, const KernelWords& words) {
  absl::Status status = ErrnoError(errnum, what, words.message);
  if (!words.message.empty()) status.SetPayload(kMessagePayload, absl::Cord(words.message));
  if (words.offset) status.SetPayload(kOffsetPayload, absl::Cord(std::to_string(*words.offset)));
  return status;
}

absl::Status TimeoutError(std::string_view what) {
  return MakeEnd(absl::StatusCode::kDeadlineExceeded, ETIMEDOUT, what, "deadline passed");
}

absl::Status CancelledError(std::string_view what) {
  return MakeEnd(absl::StatusCode::kCancelled, ECANCELED, what, "cancelled");
}

absl::Status ClosedError(std::string_view what) {
  return MakeEnd(absl::StatusCode::kFailedPrecondition, EBADF, what, "connection is closed");
}

absl::Status BadInput(std::string_view what, std::string_view input, std::string_view reason) {
  std::string quoted = "\"";
  quoted.append(input);
  quoted += '"';
  return Make(absl::StatusCode::kInvalidArgument, EINVAL, Join(what, quoted, reason));
}

absl::Status DamagedData(std::string_view what, std::string_view detail) {
  return Make(absl::StatusCode::kDataLoss, EBADMSG, Join(what, detail, {}));
}

absl::Status OutOfMemory() { return *out_of_memory; }

int Errno(const absl::Status& status) {
  return PayloadNumber<int>(status, kErrnoPayload).value_or(0);
}

KernelWords WordsOfKernel(const absl::Status& status) {
  return {Payload(status, kMessagePayload), PayloadNumber<uint32_t>(status, kOffsetPayload)};
}

bool IsTimeout(const absl::Status& status) {
  return IsEnd(status, absl::StatusCode::kDeadlineExceeded);
}

bool IsClosed(const absl::Status& status) {
  return IsEnd(status, absl::StatusCode::kFailedPrecondition);
}

bool IsUnsupported(const absl::Status& status) {
  const int errnum = Errno(status);
  return errnum == ENOENT || errnum == EOPNOTSUPP || errnum == EPROTONOSUPPORT ||
         errnum == EAFNOSUPPORT || errnum == ENOSYS;
}

bool IsPermission(const absl::Status& status) {
  const int errnum = Errno(status);
  return errnum == EPERM || errnum == EACCES;
}

bool IsRetryable(const absl::Status& status) {
  const int errnum = Errno(status);
  return errnum == EINTR || errnum == ENOBUFS || errnum == EBUSY || errnum == EAGAIN;
}

void internal::BuiltWithAbseil(internal::AbseilOfThisFile) {}

}  // namespace netdiag
