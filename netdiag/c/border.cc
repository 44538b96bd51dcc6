// Tested by tests/c/netdiag_test.cc.

#include "netdiag/c/border.h"

#include <optional>

#include "netdiag/filter/filter.h"

namespace netdiag::c {
namespace {

// Copies as much of `text` as there is room for, without the half of a UTF-8 character at the end.
void CopyText(std::string_view text, char* out, size_t room) noexcept {
  size_t size = std::min(text.size(), room - 1);
  if (size < text.size()) {
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
  }
  std::memcpy(out, text.data(), size);
  out[size] = '\0';
}

int CodeOf(const absl::Status& status, int error_number) {
  if (IsTimeout(status)) return NETDIAG_TIMEOUT;
  if (absl::IsCancelled(status)) return NETDIAG_CANCELLED;
  switch (error_number) {
    case ENOMEM:
      return NETDIAG_NO_MEMORY;
    case EDEADLK:
      return NETDIAG_BUSY;
    case ECHILD:
      return NETDIAG_WRONG_PROCESS;
    case ENOENT:
    case ESRCH:
      return NETDIAG_NOT_FOUND;
    default:
      break;
  }
  if (IsPermission(status)) return NETDIAG_DENIED;
  if (IsUnsupported(status)) return NETDIAG_UNSUPPORTED;
  if (absl::IsDataLoss(status)) return NETDIAG_DAMAGED;
  if (absl::IsInvalidArgument(status) || error_number == E2BIG) return NETDIAG_INVALID;
  return NETDIAG_FAILED;
}

}  // namespace

int Fail(int code, int error_number, std::string_view text, netdiag_error* error) noexcept {
  if (error == nullptr) return code;
  error->code = code;
  error->error_number = error_number;
  error->offset = -1;
  CopyText(text, error->text, sizeof(error->text));
  return code;
}

int Fail(const absl::Status& status, netdiag_error* error) {
  const int error_number = Errno(status);
  const std::string_view text(status.message().data(), status.message().size());
  const int code = Fail(CodeOf(status, error_number), error_number, text, error);
  if (const std::optional<size_t> offset = OffsetOf(status); offset && error != nullptr) {
    error->offset = static_cast<int>(*offset);
  }
  return code;
}

}  // namespace netdiag::c
